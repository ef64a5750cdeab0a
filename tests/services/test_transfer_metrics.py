"""Metrics and log lines of transfers without an outcome and of the queue during a stall. Alerts use these metrics."""

from __future__ import annotations

import asyncio
import logging

import asyncpg
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from app.db.pool import Database
from app.errors import Internal, RequestTimeout, Unavailable
from app.services.group_commit import MAX_RETRIES
from app.services.transfers import TransferInput, transfer_batch
from app.settings import Settings
from app.telemetry import metrics
from tests.bank import Bank, new_key
from tests.proxy import PostgresProxy
from tests.services.test_transfer_faults import locked, running, sabotage
from tests.waiting import soon

QUICK = {"request_timeout_seconds": 1.5, "statement_timeout_ms": 1000, "lock_timeout_ms": 100}


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"paycore_{name}", labels) or 0


def failed_tries(kind: str) -> float:
    (family,) = metrics.RETRIES.collect()
    return sum(one.value for one in family.samples if one.name.endswith("_total") and one.labels["kind"] == kind)


class Rises:
    """How much counters have risen since this object was created."""

    def __init__(self) -> None:
        self._before = self._unanswered()

    @staticmethod
    def _unanswered() -> dict[str, float]:
        by_code = {code: value("transfers_unanswered_total", code=code) for code in ("UNAVAILABLE", "TIMEOUT", "INTERNAL")}
        return {
            **by_code,
            "all": value("transfers_total", outcome="unanswered"),
            "found the queue full": value("queue_refusals_total"),
        }

    def all(self) -> dict[str, float]:
        """Returns the counters that have risen, each with its difference."""
        return {name: now - self._before[name] for name, now in self._unanswered().items() if now != self._before[name]}


def level() -> tuple[float, float]:
    return value("transfers_in_flight"), value("queue_depth")


async def test_the_gauges_rise_while_the_database_stalls_and_return_to_zero_after_the_last_answer(
    engine: Database, settings: Settings, proxy: PostgresProxy
) -> None:
    far = settings.model_copy(update={"database_url": SecretStr(proxy.url), "transfer_queue_limit": 40})
    async with running(engine, far) as bank:
        alice = await bank.viewer("alice")
        a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(alice)
        await soon(lambda: level() == (0, 0))
        proxy.hold_commits()
        first = asyncio.create_task(bank.pay(alice, a, b, "0.01"))
        await soon(lambda: proxy.holding)
        await soon(lambda: level() == (1, 0))
        others = [asyncio.create_task(bank.pay(alice, a, b, "0.01")) for _ in range(7)]
        # The queue is visible although the ledger takes no batch.
        await soon(lambda: level() == (8, 7))
        assert value("queue_used_ratio") == 8 / 40
        proxy.pass_commits()
        assert not any(result.refusals for result in await asyncio.gather(first, *others))
        await soon(lambda: level() == (0, 0))
        assert value("queue_used_ratio") == 0


async def test_transfers_that_time_out_are_counted_and_leave_the_gauges(
    engine: Database, settings: Settings, proxy: PostgresProxy
) -> None:
    far = settings.model_copy(update={**QUICK, "database_url": SecretStr(proxy.url)})
    async with running(engine, far) as bank:
        alice = await bank.viewer("alice")
        a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(alice)
        rises = Rises()
        proxy.hold_commits()
        paying = [asyncio.create_task(bank.pay(alice, a, b, "0.01"))]
        await soon(lambda: proxy.holding)
        paying += [asyncio.create_task(bank.pay(alice, a, b, "0.01")) for _ in range(3)]
        answers = await asyncio.gather(*paying, return_exceptions=True)
        assert all(isinstance(answer, RequestTimeout) for answer in answers)
        await soon(lambda: level() == (0, 0))
        assert rises.all() == {"TIMEOUT": 4, "all": 4}
        proxy.pass_commits()


async def test_refusals_of_a_full_queue_are_counted_and_logged_once_at_the_start_and_once_at_the_end(
    engine: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(engine, settings.model_copy(update={**QUICK, "transfer_queue_limit": 5})) as bank:
        alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
        a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(bob)

        def lines() -> list[str]:
            return [record.getMessage() for record in caplog.records if record.name == "app.services.transfer_telemetry.queue"]

        rises = Rises()
        async with locked(settings, a):
            paying = [asyncio.create_task(bank.pay(alice, a, b, "1.00")) for _ in range(45)]
            batch = [TransferInput(new_key(), a, b, "0.01", "USD") for _ in range(10)]
            await asyncio.sleep(0)
            with pytest.raises(Unavailable):
                await transfer_batch(bank.ledger, alice, batch, atomic=True)
            await asyncio.gather(*paying, return_exceptions=True)
        assert rises.all() == {"UNAVAILABLE": 50, "TIMEOUT": 5, "all": 55, "found the queue full": 50}
        await soon(lambda: len(lines()) == 2)
        assert {record.levelno for record in caplog.records if record.name == "app.services.transfer_telemetry.queue"} == {
            logging.WARNING
        }
        assert lines() == [
            "the queue is full at 5 transfers: further ones are refused",
            "the queue accepts transfers again: 50 were refused",
        ]
        assert not (await bank.pay(alice, a, b, "1.00")).refusals


async def test_transfers_without_an_outcome_are_counted_by_the_code_of_their_answer(
    engine: Database, settings: Settings, proxy: PostgresProxy
) -> None:
    far = settings.model_copy(update={"database_url": SecretStr(proxy.url)})
    async with running(engine, far) as bank:
        alice = await bank.viewer("alice")
        a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(alice)
        rises, broken = Rises(), failed_tries("connection")
        proxy.refuse = True
        proxy.drop_connections()
        with pytest.raises(Unavailable):
            await bank.pay(alice, a, b, "1.00")
        assert rises.all() == {"UNAVAILABLE": 1, "all": 1}
        assert failed_tries("connection") - broken == MAX_RETRIES + 1, "with the attempt after the last retry"
        proxy.refuse = False
        # A fault of the service with an SQLSTATE: its role lacks a privilege.
        await bank.pay(alice, a, b, "0.01")
        await sabotage(settings, "REVOKE INSERT ON ledger_entries FROM paycore_app")
        with pytest.raises(Internal):
            await bank.pay(alice, a, b, "1.00")
        assert rises.all() == {"UNAVAILABLE": 1, "INTERNAL": 1, "all": 2}
        insufficient_privilege = value("retries_total", kind="bug", sqlstate=asyncpg.InsufficientPrivilegeError.sqlstate)
        assert insufficient_privilege >= 1


async def test_a_refusal_is_not_counted_as_unanswered(bank: Bank) -> None:
    alice = await bank.viewer("alice")
    a, b = await bank.wallet(alice, balance="1.00"), await bank.wallet(alice)
    rises = Rises()
    assert (await bank.pay(alice, a, b, "5.00")).refusals
    assert rises.all() == {}
