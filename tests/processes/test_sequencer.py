"""Each event gets one position, in the order of its wallet, over crashes and takeovers of relays, with and without Redis."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.clock import system_clock
from app.db import outbox_sql, sequence_sql
from app.db.engine import connect
from app.db.installation_sql import redis_names
from app.db.outbox_sql import Claim, Waiting
from app.db.sequence_sql import Ends, NewChunk, Sequenced
from app.messages import events
from app.messages.events import Subject
from app.records import EventKind
from app.services import sequencer
from app.services.sequencer import Sequencer
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank
from tests.invariants.conftest import bank, other_bank, owner
from tests.live_world import running_relay
from tests.processes.test_outbox_relay import (
    commit_event,
    leader_pid,
    new_leader,
    outbox_rows,
    recording_relay,
    relay_process,
    until_empty,
    writer,
)
from tests.waiting import START_SECONDS, soon

__all__ = ["bank", "other_bank", "owner", "writer"]

# Pairs of neighbouring entries of a wallet whose transactions do not have their positions in this order.
OUT_OF_ORDER = """
WITH events AS (
    SELECT c.first_position + e.place - 1 AS position, e.subject_id
    FROM event_chunks c CROSS JOIN LATERAL unnest(c.subject_ids) WITH ORDINALITY AS e (subject_id, place)
)
SELECT wallet_id, sequence, position, previous
FROM (SELECT l.wallet_id, l.sequence, e.position,
             lag(e.position) OVER (PARTITION BY l.wallet_id ORDER BY l.sequence, l.leg) AS previous
      FROM ledger_entries l JOIN events e ON e.subject_id = l.transaction_id) AS ordered
WHERE position < previous
"""


@dataclass
class Traffic:
    """Payments between four wallets by two processes of the service."""

    banks: Sequence[Bank]
    wallets: list[str]

    async def run(self, stop: asyncio.Event) -> int:
        """Pay until `stop` is set. Returns how many payments completed."""
        return sum(await asyncio.gather(*(self._pay(bank, seed, stop) for bank in self.banks for seed in range(6))))

    async def _pay(self, bank: Bank, seed: int, stop: asyncio.Event) -> int:
        alice, chance, completed = await bank.viewer("alice"), random.Random(seed), 0
        while not stop.is_set():
            sender, receiver = chance.sample(self.wallets, 2)
            completed += not (await bank.pay(alice, sender, receiver, "0.01")).refusals
        return completed


@pytest.fixture
async def traffic(bank: Bank, other_bank: Bank) -> Traffic:
    alice = await bank.viewer("alice")
    return Traffic([bank, other_bank], [await bank.wallet(alice, balance="100.00") for _ in range(4)])


async def positions(connection: asyncpg.Connection) -> list[Sequenced]:
    return await sequence_sql.events_after(connection, 0, 100_000)


async def all_numbered(connection: asyncpg.Connection, count: int) -> None:
    async with asyncio.timeout(START_SECONDS):
        while await sequence_sql.last_position(connection) < count:  # noqa: ASYNC110 - it happens in the relay
            await asyncio.sleep(0.02)


async def assert_whole(connection: asyncpg.Connection, settings: Settings, settled: int) -> None:
    found = await positions(connection)
    assert [event.position for event in found] == list(range(1, len(found) + 1))
    assert len({event.subject_id for event in found if event.kind is EventKind.SETTLED}) == settled
    assert len([event for event in found if event.kind is EventKind.SETTLED]) == settled
    assert await connection.fetch(OUT_OF_ORDER) == []
    assert await verify(settings) == []


async def test_two_processes_and_killed_relays_give_each_transaction_one_position(settings, traffic, writer):
    stop = asyncio.Event()
    paying = asyncio.create_task(traffic.run(stop))
    for pause in (0.1, 0.3, 0.02, 0.2, 0.05):
        with relay_process(settings) as process:
            await new_leader(writer, None, START_SECONDS)
            await asyncio.sleep(pause)
            process.kill()
            process.wait()
    stop.set()
    completed = await paying
    assert completed > 100
    async with running_relay(settings):
        await until_empty(writer)
    await assert_whole(writer, settings, completed + len(traffic.wallets))


async def test_events_get_their_positions_while_redis_is_away(settings, clean_servers, traffic, writer):
    """Leaders change meanwhile: each goes on after the one before. What waits is published in the order of positions."""
    clean_servers.stop_redis()
    stop = asyncio.Event()
    paying = asyncio.create_task(traffic.run(stop))
    for pause in (0.2, 0.4):
        with relay_process(settings) as process:
            await new_leader(writer, None, START_SECONDS)
            await asyncio.sleep(pause)
            process.kill()
            process.wait()
    stop.set()
    settled = await paying + len(traffic.wallets)
    async with recording_relay(settings, batch_limit=50) as (relay, recorder):
        await all_numbered(writer, settled)
        assert await outbox_rows(writer) == settled
        assert recorder.published == []
        late = [await commit_event(writer) for _ in range(5)]
        await all_numbered(writer, settled + 5)
        clean_servers.start_redis()
        await soon(lambda: late[-1] in recorder.published, 20)
        last = await commit_event(writer)
        await soon(lambda: last in recorder.published, 20)
        await until_empty(writer)
        assert relay.leading
    wallets = [channel for channel in recorder.published if channel in {*late, last}]
    assert wallets == [*late, last]
    expected = [str(row["wallet_id"]) for row in await writer.fetch(ENTRIES_BY_POSITION)]
    assert [wallet for wallet in recorder.published if wallet in set(expected)] == expected
    await assert_whole(writer, settings, settled)


ENTRIES_BY_POSITION = """
SELECT l.wallet_id FROM event_chunks c
CROSS JOIN LATERAL unnest(c.subject_ids) WITH ORDINALITY AS e (subject_id, place)
JOIN ledger_entries l ON l.transaction_id = e.subject_id
JOIN wallets w ON w.id = l.wallet_id
WHERE w.kind = 'USER' ORDER BY c.first_position + e.place, l.leg
"""


async def _claimed(connection: asyncpg.Connection, positions: Sequencer) -> tuple[Claim, list[tuple[Waiting, Subject]]]:
    """A claim of up to three rows, read as the relay reads them."""
    names = await redis_names(connection)
    claim = await positions.claim(connection, 3)
    return claim, [(row, events.outgoing(names, row.payload, system_clock()).subject) for row in claim.rows]


async def _rounds(connection: asyncpg.Connection, positions: Sequencer, published: list[UUID]) -> None:
    """Rounds of a relay until nothing waits."""
    while True:
        claim, readable = await _claimed(connection, positions)
        await positions.number(connection, claim, readable, {})
        if positions.published < positions.last:
            backlog = await positions.backlog(connection, 3)
            published += [events._wallet_state(events._loads(payload)).wallet_id for payload in backlog.payloads]
            positions.was_published(backlog.position)
        elif not claim.rows:
            await positions.finish(connection)
            return


@pytest.mark.parametrize("crash", ["after the claim", "after the positions", "after publishing", "after deleting"])
@pytest.mark.parametrize("rounds", [1, 2])
async def test_a_leader_that_ends_at_any_step_leaves_its_successor_what_is_left(settings, writer, crash, rounds):
    subjects = [UUID(await commit_event(writer)) for _ in range(8)]
    published: list[UUID] = []
    first = await sequencer.resume(writer)
    for number in range(rounds):
        is_last = number == rounds - 1
        claim, readable = await _claimed(writer, first)
        if is_last and crash == "after the claim":
            break
        await first.number(writer, claim, readable, {})
        if is_last and crash == "after the positions":
            break
        published += [subject.id for _, subject in readable]
        first.was_published(first.last)
        if is_last and crash == "after deleting":
            await first.finish(writer)
    before = len(published)
    await _rounds(writer, await sequencer.resume(writer), published)
    assert [event.subject_id for event in await positions(writer)] == subjects
    assert list(dict.fromkeys(published)) == subjects
    repeated = {"after publishing": 3 * rounds, "after deleting": 3 * (rounds - 1)}.get(crash, before)
    assert len(published) <= len(subjects) + repeated, "only what was not deleted yet is published again"
    assert await outbox_rows(writer) == 0


async def test_a_relay_that_does_not_lead_any_more_cannot_give_positions(settings, writer):
    for _ in range(3):
        await commit_event(writer)
    stale, leader = await sequencer.resume(writer), await sequencer.resume(writer)
    stale_claim, claim = await _claimed(writer, stale), await _claimed(writer, leader)
    await leader.number(writer, *claim, unreadable={})
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await stale.number(writer, *stale_claim, unreadable={})
    assert refused.value.constraint_name == "event_chunks_contiguous"
    assert [event.position for event in await positions(writer)] == [1, 2, 3]


async def test_of_two_relays_that_number_at_once_the_second_fails(settings, writer):
    chunk = NewChunk("W", [uuid4()], [1], [1])
    second = await connect(settings)
    try:
        async with writer.transaction():
            await sequence_sql.append(writer, Ends(0, 0), chunk)
            late = asyncio.create_task(sequence_sql.append(second, Ends(0, 0), chunk))
            await asyncio.sleep(0.3)
            assert not late.done()
        with pytest.raises(asyncpg.UniqueViolationError) as refused:
            await late
        assert refused.value.constraint_name == "event_chunks_pkey"
    finally:
        await second.close()


async def test_a_position_is_durable_before_anyone_sees_it(settings):
    connection = await connect(settings, synchronous_commit="off")
    try:
        async with connection.transaction():
            await sequence_sql.append(connection, Ends(0, 0), NewChunk("W", [uuid4()], [1], [1]))
            assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SHOW synchronous_commit") == "off"
    finally:
        await connection.close()


async def test_only_rows_with_a_position_that_were_published_are_deleted(settings, writer):
    for _ in range(4):
        await commit_event(writer)
    leader = await sequencer.resume(writer)
    await leader.number(writer, *await _claimed(writer, leader), unreadable={})
    await outbox_sql.delete_published(writer, 0, 2)
    assert await outbox_rows(writer) == 4, "the end of no chunk"
    await outbox_sql.delete_published(writer, 0, 100)
    assert await outbox_rows(writer) == 1


async def test_events_are_read_from_any_position_and_in_any_number(writer):
    subjects = [uuid4() for _ in range(12)]
    last = 0
    for size in (1, 4, 2, 5):
        members = range(last, last + size)
        kinds = "".join("SHW"[n % 3] for n in members)
        chunk = NewChunk(kinds, subjects[last : last + size], list(members), list(members))
        await sequence_sql.append(writer, Ends(last, 0), chunk)
        last += size
    expected = [Sequenced(n + 1, EventKind("SHW"[n % 3]), subject, n) for n, subject in enumerate(subjects)]
    for after, limit in itertools.product(range(14), range(1, 14)):
        assert await sequence_sql.events_after(writer, after, limit) == expected[after : after + limit]
    # More events than an int4 can count.
    assert await sequence_sql.events_after(writer, 2**40, 10) == []
    settled = [event for event in expected if event.kind is EventKind.SETTLED]
    for index, event in enumerate(settled):
        assert await sequence_sql.place_of(writer, event.subject_id) == (event.position, index)
    assert await sequence_sql.place_of(writer, subjects[1]) is None, "a hold"
    assert await sequence_sql.place_of(writer, uuid4()) is None


@pytest.fixture
async def reader(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(settings)
    yield connection
    await connection.close()


async def test_a_consumer_that_reads_along_sees_each_event_once(settings, traffic, reader, writer):
    seen: list[Sequenced] = []

    async def read() -> None:
        while True:
            seen.extend(await sequence_sql.events_after(reader, seen[-1].position if seen else 0, 7))
            await asyncio.sleep(0.001)

    stop = asyncio.Event()
    async with running_relay(settings):
        reading, paying = asyncio.create_task(read()), asyncio.create_task(traffic.run(stop))
        await asyncio.sleep(1)
        stop.set()
        settled = await paying + len(traffic.wallets)
        await soon(lambda: len(seen) == settled)
        reading.cancel()
        await asyncio.wait([reading])
    assert seen == await positions(writer)
    assert await leader_pid(writer) is None
