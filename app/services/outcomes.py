"""What the core decides: the answer to each member of a batch, and the records that are written for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from app.errors import Refusal
from app.limits.quota import Quota
from app.records import Entry, Hold, HoldEvent, HoldEventKind, Transaction, Wallet


# Not frozen: that would triple the time to create one, and each transfer has one.
@dataclass(slots=True)
class Outcome:
    """The answer to one member. A `refusal` without `transaction` is not recorded."""

    transaction: Transaction | None
    entries: tuple[Entry, ...]
    """The entries that are written now. Empty for a replay."""
    replayed: bool
    refusal: Refusal | None
    hold: Hold | None = None
    """The hold that the request is about, as it is now."""
    happened: HoldEventKind | None = None
    """What happened to the hold now. None for a replay and a refusal."""
    wallets: tuple[Wallet, ...] = field(default=(), compare=False)
    """The wallets of these entries, or of the hold, as they were locked, before the batch. Not compared: equal outcomes may
    come from batches with different start balances."""


@dataclass(slots=True)
class Step:
    """Records that one statement writes: of each wallet, the events of its holds come before its entries."""

    transactions: list[Transaction] = field(default_factory=list)
    posted: list[tuple[Transaction, tuple[Entry, ...]]] = field(default_factory=list)
    """The completed transactions with their entries, in the order in which they settled."""
    placed: list[Hold] = field(default_factory=list)
    """New holds, as they are born."""
    happened: list[HoldEvent] = field(default_factory=list)


@dataclass(slots=True)
class Settlement:
    """The outcomes to answer with, and the records to write."""

    outcomes: list[tuple[Outcome, ...]] = field(default_factory=list)
    """One tuple for each unit, with one outcome for each member, in order."""
    steps: list[Step] = field(default_factory=lambda: [Step()])
    """In order. Only an event of a hold in a wallet that has entries in the last step begins another."""
    quotas: list[Quota] = field(default_factory=list)
    """The quotas that were used, with their new counts."""
    holds: Mapping[UUID, Hold] = field(default_factory=dict)
    """The holds that were named, as they are after the batch."""

    @property
    def transactions(self) -> list[Transaction]:
        """Those of all steps."""
        return self.steps[0].transactions if len(self.steps) == 1 else [one for step in self.steps for one in step.transactions]

    @property
    def posted(self) -> list[tuple[Transaction, tuple[Entry, ...]]]:
        """Those of all steps."""
        return self.steps[0].posted if len(self.steps) == 1 else [one for step in self.steps for one in step.posted]


def not_recorded(refusal: Refusal, hold: Hold | None = None) -> Outcome:
    """The outcome of a refusal that leaves its key free."""
    return Outcome(None, (), replayed=False, refusal=refusal, hold=hold)
