"""Duties: one worker at a time, again after a period, sooner after a failure, and by the next worker if one is killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.clock import system_clock
from app.db.pool import Database
from app.services import duties
from app.services.duties import Duties, Duty
from app.services.verification import verify_on_schedule
from app.settings import Settings
from tests.waiting import soon

HOUR = timedelta(hours=1)


class Work:
    """A duty that counts its runs, and waits in them for `go`."""

    def __init__(self, period: timedelta = HOUR) -> None:
        self.started = self.done = 0
        self.go = asyncio.Event()
        self.go.set()
        self.error: Exception | None = None
        self.is_more_left = False
        self.duty = Duty("count", period, self.run)

    async def run(self) -> bool:
        self.started += 1
        await self.go.wait()
        if self.error is not None:
            raise self.error
        self.done += 1
        return self.is_more_left


@pytest.fixture
def moment() -> list[datetime]:
    return [system_clock()]


@pytest.fixture
async def worker(engine: Database, moment: list[datetime]) -> AsyncIterator[Callable[[Work], Duties]]:
    """Makes the duties of a worker."""
    made: list[Duties] = []

    def make(work: Work) -> Duties:
        made.append(Duties(engine, [work.duty], lambda: moment[0]))
        return made[-1]

    yield make
    # What is written at the end of a run is not cut off, unless a test wants it.
    await asyncio.gather(*(task for one in made for task in one._running.values()), return_exceptions=True)


async def row(engine: Database) -> Any:
    async with engine.connect() as connection:
        return (await connection.execute(text("SELECT * FROM worker_duties"))).one()


async def finished(engine: Database) -> Any:
    """The row, once no worker has the duty."""
    async with asyncio.timeout(10):
        while (found := await row(engine)).leased_until is not None:  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.02)
    return found


async def renewed(engine: Database, at: datetime) -> None:
    """Wait until the lease is one that was renewed at this moment."""
    async with asyncio.timeout(10):
        while (await row(engine)).leased_until != at + duties.LEASE:  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.02)


async def test_a_duty_is_done_at_first_and_then_once_in_each_period(
    engine: Database, worker: Callable[[Work], Duties], moment: list[datetime]
) -> None:
    work = Work()
    first, second = worker(work), worker(work)
    assert [await one.step() for one in (first, second)] == [0.0, pytest.approx(1.0)]
    found = await finished(engine)
    assert (work.done, found.next_at, found.succeeded_at) == (1, moment[0] + HOUR, moment[0])
    for one in (first, second):
        await one.step()
    assert work.started == 1
    moment[0] += HOUR
    for one in (second, first):
        await one.step()
    await soon(lambda: work.done == 2)


async def test_two_workers_never_do_it_at_once(
    engine: Database, worker: Callable[[Work], Duties], moment: list[datetime]
) -> None:
    work = Work(timedelta(seconds=0))
    work.go.clear()
    workers = [worker(work) for _ in range(5)]
    await asyncio.gather(*(one.step() for one in workers))
    await soon(lambda: work.started)
    moment[0] += timedelta(seconds=30)
    await asyncio.gather(*(one.step() for one in workers))
    assert work.started == 1
    work.go.set()
    await finished(engine)
    await asyncio.gather(*(one.end() for one in workers))


async def test_what_is_left_is_done_at_once_and_a_failure_is_tried_again_later_each_time(
    engine: Database, worker: Callable[[Work], Duties], moment: list[datetime]
) -> None:
    work = Work()
    one = worker(work)
    work.is_more_left = True
    await one.step()
    assert (await finished(engine)).next_at == moment[0]
    work.error = ValueError("a secret of a row")
    pauses: list[float] = []
    found: Any = None
    for _ in range(12):
        await one.step()
        found = await finished(engine)
        pauses.append((found.next_at - moment[0]).total_seconds())
        moment[0] = found.next_at
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600]
    assert (found.failures, found.last_error) == (12, "ValueError")
    work.error, work.is_more_left = None, False
    await one.step()
    found = await finished(engine)
    assert (found.failures, found.last_error, work.done) == (0, None, 2)


async def test_a_killed_workers_duty_is_taken_when_its_lease_is_over(
    engine: Database, worker: Callable[[Work], Duties], moment: list[datetime]
) -> None:
    work = Work()
    async with engine.begin() as connection:
        # As a worker leaves it that is killed in the middle.
        await connection.execute(
            text("INSERT INTO worker_duties (name, next_at, leased_until) VALUES ('count', :now, :until)"),
            {"now": moment[0], "until": moment[0] + duties.LEASE},
        )
    one = worker(work)
    await one.step()
    assert work.started == 0
    moment[0] += duties.LEASE
    await one.step()
    await soon(lambda: work.done == 1)


async def test_a_worker_that_ends_leaves_its_duty_to_the_next_at_once(engine: Database, worker: Callable[[Work], Duties]) -> None:
    work = Work()
    work.go.clear()
    first, second = worker(work), worker(work)
    await first.step()
    await soon(lambda: work.started == 1)
    await first.end()
    assert (await row(engine)).leased_until is None
    work.go.set()
    await second.step()
    await soon(lambda: work.done == 1)


async def test_a_lease_is_renewed_while_the_duty_runs_and_one_that_is_lost_ends_it(
    engine: Database, worker: Callable[[Work], Duties], moment: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "_RENEWALS", 600)
    work = Work()
    work.go.clear()
    one = worker(work)
    await one.step()
    await soon(lambda: work.started)
    moment[0] += timedelta(seconds=50)
    await renewed(engine, moment[0])
    async with engine.begin() as connection:
        # Another worker has taken it.
        await connection.execute(text("UPDATE worker_duties SET leased_until = :until"), {"until": moment[0] + 5 * HOUR})
    await soon(lambda: not one._running)
    found = await row(engine)
    assert (work.done, found.leased_until, found.failures) == (0, moment[0] + 5 * HOUR, 0), "the other one's row is left alone"


async def test_a_lease_that_was_renewed_several_times_ends_with_the_duty(
    engine: Database, worker: Callable[[Work], Duties], moment: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "_RENEWALS", 600)
    work = Work()
    work.go.clear()
    await worker(work).step()
    for _ in range(3):
        moment[0] += timedelta(seconds=50)
        await renewed(engine, moment[0])
    work.go.set()
    found = await finished(engine)
    assert (work.started, work.done, found.failures) == (1, 1, 0)


async def test_a_duty_whose_lease_cannot_be_renewed_is_stopped_before_another_worker_may_take_it(
    engine: Database, worker: Callable[[Work], Duties], moment: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> bool:
        raise ConnectionError

    monkeypatch.setattr(duties, "_RENEWALS", 600)
    monkeypatch.setattr("app.services.duties.duty_sql.renew", lost)
    work = Work()
    work.go.clear()
    one = worker(work)
    await one.step()
    await soon(lambda: work.started)
    leased_until = (await row(engine)).leased_until
    moment[0] = leased_until - duties.LEASE / 600
    await soon(lambda: not one._running)
    assert moment[0] < leased_until
    assert (work.done, (await row(engine)).failures) == (0, 1)


@pytest.mark.parametrize("end", ["done", "failed", "stopped"])
async def test_a_worker_that_was_suspended_for_longer_than_its_lease_leaves_the_next_ones_row_alone(
    engine: Database, worker: Callable[[Work], Duties], moment: list[datetime], end: str
) -> None:
    work = Work()
    work.go.clear()
    one = worker(work)
    await one.step()
    await soon(lambda: work.started)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE worker_duties SET leased_until = :until"), {"until": moment[0] + 5 * HOUR})
    before = await row(engine)
    work.error = ValueError() if end == "failed" else None
    if end == "stopped":
        await one.end()
    work.go.set()
    await soon(lambda: not one._running)
    assert await row(engine) == before


async def test_a_shorter_period_counts_from_now(
    engine: Database, worker: Callable[[Work], Duties], moment: list[datetime]
) -> None:
    await worker(Work(24 * HOUR)).step()
    assert (await finished(engine)).next_at == moment[0] + 24 * HOUR
    await worker(Work(HOUR)).step()
    assert (await row(engine)).next_at == moment[0] + HOUR
    await worker(Work(24 * HOUR)).step()
    assert (await row(engine)).next_at == moment[0] + HOUR


async def test_verification_on_a_schedule_writes_its_record(engine: Database, settings: Settings) -> None:
    run: Coroutine[None, None, bool] = verify_on_schedule(settings)
    assert await run is False
    async with engine.connect() as connection:
        (found,) = await connection.execute(text("SELECT findings FROM ledger_verifications"))
    assert found.findings == 0
