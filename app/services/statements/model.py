"""What each format writes: the heading of a statement and its lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from app.money import format_minor
from app.records import EntryPurpose, TransactionType


class Heading(NamedTuple):
    """All of a statement but its lines. Ids are public, amounts in minor units. It has no time but those of the statement."""

    statement_id: str
    number: int
    wallet_id: str
    wallet_name: str
    holder: str
    currency: str
    exponent: int
    from_at: datetime
    to_at: datetime
    """Exclusive."""
    created_at: datetime
    first_sequence: int
    last_sequence: int
    opening: int
    closing: int
    credits: int
    debits: int
    """Not negative."""
    credit_count: int

    @property
    def entry_count(self) -> int:
        return self.last_sequence - self.first_sequence + 1

    @property
    def debit_count(self) -> int:
        return self.entry_count - self.credit_count

    def decimal(self, minor: int) -> str:
        """The amount in the statement's currency, exact."""
        return format_minor(minor, self.exponent)


class Line(NamedTuple):
    """One entry. `amount` is negative for a debit."""

    sequence: int
    posted_at: datetime
    amount: int
    balance_after: int
    posted_text: str
    """The three as each format shows them. Made once for all formats: a statement may have a million lines."""
    amount_text: str
    balance_text: str
    purpose: EntryPurpose
    type: TransactionType
    transaction_id: str
    counterparty: str | None
    """The other side's name, if the entry is the principal of a transaction between two wallets."""
    counterparty_wallet_id: str | None
    description: str | None
    reference: str | None
    reverses_id: str | None
    """The transaction that a reversal gives back."""


class CannotHold(Exception):
    """The format cannot hold this statement. The message says why, for its owner."""


class Encoder(Protocol):
    """Writes one format. Methods return the next bytes of the file, may raise CannotHold, and do no I/O."""

    def begin(self) -> bytes: ...

    def add(self, lines: Sequence[Line]) -> bytes: ...

    def end(self) -> bytes: ...


def visible(text: str) -> str:
    """The text on one line, without control characters and half surrogates, which older releases stored."""
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") else one for one in text)
