"""Query parameters of the REST lists. Unknown or invalid parameters raise BadUserInput; they are never ignored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from starlette.datastructures import QueryParams

from app import texts
from app.errors import BadUserInput
from app.paging.pages import PageRequest, TransactionFilter
from app.records import EntryDirection, TransactionStatus, TransactionType

T = TypeVar("T")

_PAGE = frozenset({"first", "after", "last", "before"})
_KNOWN = _PAGE | {"type", "status", "direction", "reference", "created_from", "created_to"}


def page_request(params: QueryParams, *, has_filter: bool = True) -> PageRequest:
    """Returns the page of `first` and `after`, or of `last` and `before`. Raises BadUserInput."""
    unknown = params.keys() - (_KNOWN if has_filter else _PAGE)
    if unknown:
        raise BadUserInput(f"Unknown parameter: {min(unknown)[:40]}.")
    if len(params.multi_items()) != len(params):
        raise BadUserInput("A parameter appears twice.")
    page = PageRequest(
        first=_parameter(params, "first", _whole_number),
        after=params.get("after"),
        last=_parameter(params, "last", _whole_number),
        before=params.get("before"),
    )
    page.validate()
    return page


def transaction_filter(params: QueryParams) -> TransactionFilter:
    """Returns the filter of `type`, `status`, `direction`, `reference`, `created_from` and `created_to`. Raises BadUserInput."""
    return TransactionFilter(
        type=_parameter(params, "type", TransactionType),
        status=_parameter(params, "status", TransactionStatus),
        direction=_parameter(params, "direction", EntryDirection),
        reference=_parameter(params, "reference", texts.normal),
        created_from=_parameter(params, "created_from", moment_of),
        created_to=_parameter(params, "created_to", moment_of),
    )


def _parameter(params: QueryParams, name: str, parse: Callable[[str], T]) -> T | None:
    given = params.get(name)
    if given is None:
        return None
    try:
        return parse(given)
    except (ValueError, OverflowError):
        raise BadUserInput(f"The value of `{name}` is not valid.") from None


def _whole_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise ValueError(text)
    return int(text)


def moment_of(text: str) -> datetime:
    """Returns a time in UTC. Raises ValueError or OverflowError if it is none, or has no zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC)
