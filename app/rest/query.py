"""Query parameters of the REST lists. Unknown or invalid parameters raise BadUserInput; they are never ignored."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
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
    return page_of_params(known_only(params, _KNOWN if has_filter else _PAGE))


def known_only(params: QueryParams, known: AbstractSet[str], prefix: str | None = None) -> QueryParams:
    """Returns the parameters. Raises BadUserInput for one that is not known, nor begins with the prefix, or is there twice."""
    unknown = {name for name in params.keys() - known if prefix is None or not name.startswith(prefix)}
    if unknown:
        raise BadUserInput(f"Unknown parameter: {min(unknown)[:40]}.")
    if len(params.multi_items()) != len(params):
        raise BadUserInput("A parameter appears twice.")
    return params


def page_of_params(params: QueryParams) -> PageRequest:
    """Returns the page that the parameters ask for. Raises BadUserInput."""
    page = PageRequest(
        first=parameter(params, "first", _whole_number),
        after=params.get("after"),
        last=parameter(params, "last", _whole_number),
        before=params.get("before"),
    )
    page.validate()
    return page


def transaction_filter(params: QueryParams) -> TransactionFilter:
    """Returns the filter of `type`, `status`, `direction`, `reference`, `created_from` and `created_to`. Raises BadUserInput."""
    return TransactionFilter(
        type=parameter(params, "type", TransactionType),
        status=parameter(params, "status", TransactionStatus),
        direction=parameter(params, "direction", EntryDirection),
        reference=parameter(params, "reference", texts.normal),
        created_from=parameter(params, "created_from", moment),
        created_to=parameter(params, "created_to", moment),
    )


def parameter(params: QueryParams, name: str, parse: Callable[[str], T]) -> T | None:
    """Returns the parsed value of a parameter, or None if it is not given. Raises BadUserInput."""
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


def moment(text: str) -> datetime:
    """Returns the time, which must have an offset. Raises ValueError."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found.astimezone(UTC)
