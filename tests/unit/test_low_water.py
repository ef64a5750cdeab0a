"""The outbox's low-water mark never passes a row that is still to come, whatever commits when."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.db.outbox_sql import Claim, LowWater, Waiting

LIMIT = 1
"""Rows that one look takes."""


class Database:
    """As much of PostgreSQL as decides what a look sees: transaction ids, outbox ids, what is visible."""

    def __init__(self) -> None:
        self.next_transaction = 10
        self.next_id = 1
        self.open: dict[int, list[int]] = {}
        self.visible: set[int] = set()

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

    def claim(self, after_id: int) -> Claim:
        rows = sorted(id_ for id_ in self.visible if id_ > after_id)[:LIMIT]
        xmin = min(self.open, default=self.next_transaction)
        return Claim(tuple(Waiting(id_, "") for id_ in rows), complete=len(rows) < LIMIT, xmin=xmin)

    def delete(self, claim: Claim) -> int:
        self.visible -= {row.id for row in claim.rows}
        self.next_transaction += 1
        return self.next_transaction - 1


def look(database: Database, low_water: LowWater, meanwhile: list[tuple[str, int]]) -> None:
    """One look of the relay, with what happens between its claim and its deletion."""
    claim = database.claim(low_water.id)
    for step in meanwhile:
        act(database, *step)
    if claim.rows:
        low_water.deleted(claim, database.delete(claim))
    low_water.passed(claim)


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

# The younger transaction has the lower outbox id and is the newest of all: nothing that has ended tells of it.
YOUNGEST_HOLDS_LOWEST: Rounds = [([("begin", 0), ("begin", 0), ("write", 1), ("write", 0), ("commit", 0)], []), ([], [])]
# More rows come to light below the mark than one look takes.
MANY_COME_LATE: Rounds = [
    ([("begin", 0), ("begin", 0), ("write", 0), ("write", 0), ("write", 1), ("commit", 1)], []),
    ([("commit", 0)], []),
]


@example(YOUNGEST_HOLDS_LOWEST)
@example(MANY_COME_LATE)
@settings(max_examples=500)
@given(st.lists(st.tuples(STEPS, STEPS), max_size=6))
def test_every_row_that_is_ever_committed_is_seen(rounds):
    database, low_water = Database(), LowWater()
    for before, meanwhile in rounds:
        for step in before:
            act(database, *step)
        look(database, low_water, meanwhile)
        undecided = [id_ for written in database.open.values() for id_ in written]
        assert low_water.id < min([*undecided, *database.visible], default=database.next_id)


@given(st.lists(STEPS, max_size=8))
def test_once_all_has_ended_the_mark_comes_to_stand_at_the_last_row(rounds):
    database, low_water = Database(), LowWater()
    for steps in rounds:
        for step in steps:
            act(database, *step)
        look(database, low_water, [])
    while database.open:
        database.end(0, commit=True)
    database.begin()
    database.write(0)
    database.end(0, commit=True)
    last = database.next_id - 1
    while database.visible:
        look(database, low_water, [])
    # One more row ends the wait for the mark that was set before; then the next mark is beyond `last`.
    for _ in range(2):
        database.begin()
        database.write(0)
        database.end(0, commit=True)
        look(database, low_water, [])
        look(database, low_water, [])
    assert low_water.id >= last
