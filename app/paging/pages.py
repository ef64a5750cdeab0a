"""Pages of a list: the request, its filter, and the page returned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from app.errors import BadUserInput
from app.records import EntryDirection, TransactionStatus, TransactionType

MAX_PAGE = 100
DEFAULT_PAGE = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The `first` items after the cursor `after`, or the `last` items before `before`. Lists are sorted newest first."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    def validate(self) -> None:
        """Raises BadUserInput if the size is out of bounds or both directions are requested."""
        if self.first is not None and self.last is not None:
            raise BadUserInput("Use either `first` or `last`, not both.")
        for name, size in (("first", self.first), ("last", self.last)):
            if size is not None and not 1 <= size <= MAX_PAGE:
                raise BadUserInput(f"`{name}` must be 1 to {MAX_PAGE}.")

    @property
    def size(self) -> int:
        """The largest number of items in the page."""
        return self.first or self.last or DEFAULT_PAGE

    @property
    def is_backward(self) -> bool:
        return self.last is not None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page. Items are in the list's order in both directions."""

    items: tuple[T, ...]
    cursors: tuple[str, ...]
    has_next: bool
    has_previous: bool


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """The filter of a list of transactions. A transaction must match every field that is set."""

    type: TransactionType | None = None
    status: TransactionStatus | None = None
    direction: EntryDirection | None = None
    reference: str | None = None
    created_from: datetime | None = None
    """Inclusive."""
    created_to: datetime | None = None
    """Exclusive."""
