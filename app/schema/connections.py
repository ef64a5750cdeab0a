"""Relay connections over keyset pages: `WalletConnection`, `WalletEdge` and so on come from these two generics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import strawberry
from strawberry import UNSET

from app.paging.pages import Page, PageRequest

Node_ = TypeVar("Node_")
Record = TypeVar("Record")


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class Edge(Generic[Node_]):
    cursor: str
    node: Node_


@strawberry.type
class Connection(Generic[Node_]):
    edges: list[Edge[Node_]]
    page_info: PageInfo


def page_request(first: int | None, after: str | None, last: int | None, before: str | None) -> PageRequest:
    """The requested page. Raises BadUserInput if the arguments contradict each other."""
    request = PageRequest(first=_none(first), after=_none(after), last=_none(last), before=_none(before))
    request.validate()
    return request


def _none(value: Any) -> Any:
    """None for an omitted argument. The default is UNSET because a default of None would appear in the SDL as `= null`."""
    return None if value is UNSET else value


def connection(page: Page[Record], make: Callable[[Record], Node_]) -> Connection[Node_]:
    """A page of records as a connection of nodes."""
    edges = [Edge(cursor=cursor, node=make(item)) for item, cursor in zip(page.items, page.cursors, strict=True)]
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )
