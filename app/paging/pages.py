"""Pages of a list and what it is narrowed to: what is asked for, and what comes back."""

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
    """`first` items after the cursor `after`, or the `last` ones before `before`; lists go newest first."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    def validate(self) -> None:
        """Raises BadUserInput where the size is out of bounds or the two directions are mixed."""
        if self.first is not None and self.last is not None:
            raise BadUserInput("Ask for `first` or for `last`, not for both.")
        for name, size in (("first", self.first), ("last", self.last)):
            if size is not None and not 1 <= size <= MAX_PAGE:
                raise BadUserInput(f"`{name}` must be 1 to {MAX_PAGE}.")

    @property
    def size(self) -> int:
        """How many items at the most."""
        return self.first or self.last or DEFAULT_PAGE

    @property
    def is_backward(self) -> bool:
        """Whether the page is counted from its end."""
        return self.last is not None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page, in the list's own order, whichever way it was asked for."""

    items: tuple[T, ...]
    cursors: tuple[str, ...]
    has_next: bool
    has_previous: bool


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """What a list of transactions is narrowed to; all that is given must hold."""

    type: TransactionType | None = None
    status: TransactionStatus | None = None
    direction: EntryDirection | None = None
    created_from: datetime | None = None
    """Inclusive."""
    created_to: datetime | None = None
    """Exclusive."""
