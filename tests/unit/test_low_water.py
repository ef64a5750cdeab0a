"""The outbox's low-water mark never passes a row that is not committed yet, in any order of commits."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.db.outbox_sql import Claim, Unseen, Waiting

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LIMIT = 1
"""Rows per claim."""


class Database:
    """A model of the parts of PostgreSQL that decide what a claim sees: transaction ids, outbox ids, visible rows."""

    def __init__(self) -> None:
        self.next_transaction = 10
        self.next_id = 1
        self.open: dict[int, list[int]] = {}
        self.visible: set[int] = set()
        self.numbered: list[int] = []

    def begin(self) -> None:
        self.open[self.next_transaction] = []
        self.next_transaction += 1

    def write(self, which: int) -> None:
        if self.open:
            list(self.open.values())[which % len(self.open)].append(self.next_id)
            self.next_id += 1

    def end(self, which: int, *, commit: bool) -> None:
        if self.open:
            transaction = list(self.open)[which % len(self.open)]
            written = self.open.pop(transaction)
            self.visible |= set(written) if commit else set()

    def claim(self, unseen: Unseen) -> Claim:
        ranges = list(zip(*unseen.ranges(), strict=True))
        rows = sorted(id_ for id_ in self.visible if any(low <= id_ <= high for low, high in ranges))[:LIMIT]
        xmin = min(self.open, default=self.next_transaction)
        return Claim(tuple(Waiting(id_, "", NOW) for id_ in rows), complete=len(rows) < LIMIT, xmin=xmin)

    def number(self, claim: Claim) -> int:
        """Give the rows of a claim their positions. They stay visible, as while Redis is away."""
        self.numbered += [row.id for row in claim.rows]
        self.next_transaction += 1
        return self.next_transaction - 1

    @property
    def waiting(self) -> set[int]:
        """The visible rows without a position."""
        return self.visible - set(self.numbered)


def run_round(database: Database, unseen: Unseen, meanwhile: list[tuple[str, int]]) -> None:
    """A round of the relay. `meanwhile` happens between its claim and the commit of the positions."""
    claim = database.claim(unseen)
    for step in meanwhile:
        act(database, *step)
    if claim.rows:
        unseen.recorded(claim, database.number(claim))
    unseen.saw([row.id for row in claim.rows])
    unseen.passed(claim)


def act(database: Database, what: str, which: int) -> None:
    match what:
        case "begin":
            database.begin()
        case "write":
            database.write(which)
        case "commit" | "abort":
            database.end(which, commit=what == "commit")
        case _:
            raise ValueError(what)


STEPS = st.lists(st.tuples(st.sampled_from(["begin", "write", "write", "commit", "abort"]), st.integers(0, 2)), max_size=8)


Rounds = list[tuple[list[tuple[str, int]], list[tuple[str, int]]]]

# The younger transaction has the lower outbox id and is the newest of all: no ended transaction has a higher id.
YOUNGEST_HOLDS_LOWEST: Rounds = [([("begin", 0), ("begin", 0), ("write", 1), ("write", 0), ("commit", 0)], []), ([], [])]
# More rows become visible below the mark than one claim returns.
MANY_COME_LATE: Rounds = [
    ([("begin", 0), ("begin", 0), ("write", 0), ("write", 0), ("write", 1), ("commit", 1)], []),
    ([("commit", 0)], []),
]


@example(YOUNGEST_HOLDS_LOWEST)
@example(MANY_COME_LATE)
@settings(max_examples=500)
@given(st.lists(st.tuples(STEPS, STEPS), max_size=6))
def test_every_committed_row_is_claimed(rounds):
    database, unseen = Database(), Unseen()
    for before, meanwhile in rounds:
        for step in before:
            act(database, *step)
        run_round(database, unseen, meanwhile)
        undecided = [id_ for written in database.open.values() for id_ in written]
        assert unseen.low_water < min([*undecided, *database.waiting], default=database.next_id)
        assert len(set(database.numbered)) == len(database.numbered), "no row is claimed twice"


@given(st.lists(STEPS, max_size=8))
def test_when_all_transactions_have_ended_the_mark_reaches_the_last_row(rounds):
    database, unseen = Database(), Unseen()
    for steps in rounds:
        for step in steps:
            act(database, *step)
        run_round(database, unseen, [])
    while database.open:
        database.end(0, commit=True)
    database.begin()
    database.write(0)
    database.end(0, commit=True)
    while database.waiting:
        run_round(database, unseen, [])
    assert set(database.numbered) == database.visible
    last = database.next_id - 1
    # One more row ends the wait for the mark that was set before; then the next mark is beyond `last`.
    for _ in range(2):
        database.begin()
        database.write(0)
        database.end(0, commit=True)
        run_round(database, unseen, [])
        run_round(database, unseen, [])
    assert unseen.low_water >= last


@given(st.sets(st.integers(1, 60)), st.lists(st.sets(st.integers(1, 60)), max_size=4))
def test_the_ranges_hold_exactly_what_was_not_seen(first, more):
    unseen = Unseen()
    for ids in (first, *more):
        unseen.saw(ids)
    seen = first.union(*more)
    ranges = list(zip(*unseen.ranges(), strict=True))
    assert [id_ for id_ in range(1, 80) if any(low <= id_ <= high for low, high in ranges)] == [
        id_ for id_ in range(1, 80) if id_ not in seen
    ]
    assert ranges == sorted(ranges)
