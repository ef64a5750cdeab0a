"""Polling a feed of exchange rates: what becomes of its answers, and that no fault of a feed leads to a bad rate."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import tasks
from app.clock import system_clock
from app.db import fx_sql
from app.db.engine import create_engine
from app.db.fx_sql import NewRate
from app.db.pool import Database
from app.records import FxRate
from app.services import fx_feeds
from app.services.fx_feeds import JsonFeed, RateFeed
from app.services.fx_polling import Outcome, RatePolling
from app.services.fx_rates import RateInput, set_rate, usable_rates
from app.settings import Settings
from tests.bank import Bank
from tests.proxy import PostgresProxy
from tests.rate_feed import FeedServer, SetFeed, feed_server, rates_document, rates_in_force
from tests.waiting import soon

EURO = Decimal("0.92")
WAITING = (
    "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE datname = current_database() AND NOT granted"
)


@pytest.fixture
def fx_settings(settings: Settings) -> Settings:
    """A spread, and time for a test that holds the lock of the rates."""
    return settings.model_copy(
        update={"fx_feed_spread_basis_points": 25, "lock_timeout_ms": 30_000, "statement_timeout_ms": 40_000}
    )


def polling(feed: RateFeed, engine: Database, settings: Settings, **more: Any) -> RatePolling:
    return RatePolling(feed, engine, settings, **more)


async def rows(engine: Database) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM fx_rates")) or 0)


async def set_by_administrator(bank: Bank, rate: str, pair: str = "USD/EUR") -> None:
    base, quote = pair.split("/")
    details = RateInput(base, quote, rate, 10, "The desk", None, "the market has moved")
    result = await set_rate(bank.engine, await bank.viewer("admin", admin=True), details, bank.currencies, system_clock)
    assert not result.refusals


async def quoted(engine: Database, settings: Settings, source: str, target: str, later: timedelta = timedelta(0)) -> Any:
    """The rate that a quote would get after this time, or None."""
    book = await usable_rates(engine, settings, system_clock() + later)
    found = book.rate(source, target)
    return found and found.rate


async def until_waiting(connection: AsyncConnection, sessions: int) -> None:
    """Return once that many sessions wait for a lock."""
    async with asyncio.timeout(20):
        while await connection.scalar(text(WAITING)) != sessions:  # noqa: ASYNC110 - PostgreSQL has no such event
            await asyncio.sleep(0.01)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_what_a_server_says_is_in_force_and_can_be_quoted(engine: Database, fx_settings: Settings) -> None:
    async with feed_server(b'{"base": "USD", "rates": {"EUR": "0.92", "JPY": 151.123456789012345}}') as server:
        polls = polling(JsonFeed(server.url), engine, fx_settings)
        assert await polls.poll() is Outcome.TAKEN
        assert await polls.poll() is Outcome.TAKEN
        found = await rates_in_force(engine)
        assert {pair: rate.rate for pair, rate in found.items()} == {
            "USD/EUR": Decimal("0.92"),
            "USD/JPY": Decimal("151.123456789012345"),
        }
        assert {(rate.source, rate.spread_basis_points, rate.initiator_id) for rate in found.values()} == {
            ("127.0.0.1", 25, None)
        }
        assert await rows(engine) == 2, "an answer that says the same adds no rows"
        server.body = rates_document(EUR="0.93", JPY="151.123456789012345")
        assert await polls.poll() is Outcome.TAKEN
    assert await rows(engine) == 3
    assert await quoted(engine, fx_settings, "USD", "EUR") == Decimal("0.93")
    assert await quoted(engine, fx_settings, "EUR", "JPY") is not None


async def test_without_the_feed_its_rates_age_and_quoting_stops_and_an_administrators_rate_stays(
    engine: Database, bank: Bank, fx_settings: Settings
) -> None:
    async with feed_server(rates_document(EUR="0.92", JPY="150")) as server:
        polls = polling(JsonFeed(server.url), engine, fx_settings)
        assert await polls.poll() is Outcome.TAKEN
    assert await polls.poll() is Outcome.FAILED
    await set_by_administrator(bank, "151", "USD/JPY")
    limit = timedelta(seconds=fx_settings.fx_max_rate_age_seconds)
    assert await quoted(engine, fx_settings, "USD", "EUR", limit - timedelta(seconds=60)) == EURO
    assert await quoted(engine, fx_settings, "USD", "EUR", limit) is None
    assert await quoted(engine, fx_settings, "USD", "JPY", limit) == 151


FAULTS = {
    "away": Outcome.FAILED,
    "hangs": Outcome.FAILED,
    "drips": Outcome.FAILED,
    "is huge": Outcome.FAILED,
    "redirects": Outcome.FAILED,
    "is refused": Outcome.FAILED,
    "is garbage": Outcome.FAILED,
    "has another base": Outcome.FAILED,
    "is old": Outcome.STALE,
    "is from the future": Outcome.STALE,
    "is all nonsense": Outcome.REFUSED,
}


def spoil(server: FeedServer, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the server has this fault."""
    now = system_clock()
    match fault:
        case "hangs" | "drips":
            server.hangs, server.drips = fault == "hangs", fault == "drips"
            monkeypatch.setattr(fx_feeds, "_FETCH_SECONDS", 0.5)
        case "is huge":
            server.body = rates_document(EUR="0.93") + b" " * 300_000
        case "redirects":
            server.status, server.headers = 302, [f"location: {server.url}&other"]
        case "is refused":
            server.status = 403
        case "is garbage":
            server.body = b"<html>EUR 0.93</html>"
        case "has another base":
            server.body = rates_document("XXX", EUR="0.93")
        case "is old":
            server.body = rates_document(EUR="0.93", at=(now - timedelta(seconds=901)).isoformat())
        case "is from the future":
            server.body = rates_document(EUR="0.93", at=(now + timedelta(seconds=90)).isoformat())
        case _:
            server.body = rates_document(EUR="920000000", JPY=0)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_faulty_answer_changes_no_rate_and_a_good_one_after_it_does(
    engine: Database,
    fx_settings: Settings,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = FAULTS[fault]
    before = counted("paycore_fx_feed_polls_total", outcome=expected.value)
    caplog.set_level(logging.INFO, "app")
    async with feed_server(rates_document(EUR="0.92")) as server:
        url = server.url if fault != "away" else "http://127.0.0.1:1/rates.json?key=secret"
        good, polls = polling(JsonFeed(server.url), engine, fx_settings), polling(JsonFeed(url), engine, fx_settings)
        assert await good.poll() is Outcome.TAKEN
        spoil(server, fault, monkeypatch)
        requests = server.requests
        assert [await polls.poll(), await polls.poll()] == [expected] * 2
        assert server.requests == requests + 2 * (fault != "away"), "it follows no redirect"
        assert {pair: rate.rate for pair, rate in (await rates_in_force(engine)).items()} == {"USD/EUR": EURO}
        assert await rows(engine) == 1
        assert counted("paycore_fx_feed_polls_total", outcome=expected.value) == before + 2
        if expected is not Outcome.REFUSED:
            assert len([one for one in caplog.records if "gives none" in one.message]) == 1, "a problem is logged once"
        server.hangs = server.drips = False
        server.status, server.headers, server.body = 200, [], rates_document(EUR="0.93")
        if fault != "away":
            assert await polls.poll() is Outcome.TAKEN
            assert (await rates_in_force(engine))["USD/EUR"].rate == Decimal("0.93")
    assert "secret" not in caplog.text


async def test_a_file_is_read_each_time_and_stale_once_nobody_writes_it_any_more(
    engine: Database, fx_settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "the rates.json"
    polls = polling(JsonFeed(file.as_uri()), engine, fx_settings)
    assert await polls.poll() is Outcome.FAILED
    file.write_bytes(rates_document(EUR="0.92"))
    assert await polls.poll() is Outcome.TAKEN
    assert (await rates_in_force(engine))["USD/EUR"].source == "the rates.json"
    file.write_bytes(rates_document(EUR="0.93"))
    assert await polls.poll() is Outcome.TAKEN
    assert await quoted(engine, fx_settings, "USD", "EUR") == Decimal("0.93")
    file.write_bytes(rates_document(EUR="0.94"))
    written = system_clock().timestamp() - 901
    os.utime(file, (written, written))
    assert await polls.poll() is Outcome.STALE
    file.unlink()
    for make in (os.mkfifo, os.mkdir):
        make(file)
        assert await polls.poll() is Outcome.FAILED
        file.rmdir() if file.is_dir() else file.unlink()
    file.write_bytes(b" " * 300_000 + rates_document(EUR="0.94"))
    assert await polls.poll() is Outcome.FAILED
    assert await quoted(engine, fx_settings, "USD", "EUR") == Decimal("0.93")


async def test_a_jump_is_refused_and_alerted_until_an_administrator_sets_the_rate(
    engine: Database, bank: Bank, fx_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    feed = SetFeed({"EUR": EURO, "JPY": Decimal(150), "KWD": Decimal("0.307")})
    polls = polling(feed, engine, fx_settings)
    assert await polls.poll() is Outcome.TAKEN
    before = counted("paycore_fx_feed_refused_total", reason="step_too_large")
    feed.rates |= {"EUR": Decimal("1.5"), "JPY": Decimal(151)}
    assert [await polls.poll() for _ in range(3)] == [Outcome.TAKEN] * 3
    assert counted("paycore_fx_feed_refused_total", reason="step_too_large") == before + 3
    (line,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert "from USD to EUR" in line.message
    assert "1.5 is too far from 0.92" in line.message
    assert "setFxRate" in line.message
    feed.rates["EUR"] = Decimal(0)
    await polls.poll()
    assert [one.levelname for one in caplog.records] == ["ERROR"] * 2, "once for each change of the reason"
    found = await rates_in_force(engine)
    assert [found[pair].rate for pair in ("USD/EUR", "USD/JPY")] == [EURO, 151]
    feed.rates["EUR"] = Decimal("1.5")
    await set_by_administrator(bank, "1.48")
    assert await polls.poll() is Outcome.TAKEN
    assert (await rates_in_force(engine))["USD/EUR"].rate == Decimal("1.5")


async def test_what_a_feed_makes_up_is_not_logged(
    engine: Database, fx_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    feed = SetFeed({"EUR": EURO, "XXA": Decimal(1), "x\nERROR all is lost": Decimal(1)})
    polls = polling(feed, engine, fx_settings)
    assert [await polls.poll(), await polls.poll()] == [Outcome.TAKEN] * 2
    (line,) = caplog.records
    assert (line.levelname, "XXA" in line.message, "lost" in line.message) == ("WARNING", True, False)


async def test_a_poll_compares_with_the_rate_that_an_administrator_sets_at_the_same_time(
    bank: Bank, fx_settings: Settings
) -> None:
    engine = create_engine(fx_settings, pool_size=5)
    feed = SetFeed({"EUR": EURO})
    polls = polling(feed, engine, fx_settings)
    assert await polls.poll() is Outcome.TAKEN
    feed.rates["EUR"] = Decimal("0.921")
    admin = await bank.viewer("admin", admin=True)
    async with engine.begin() as connection:
        await fx_sql.lock_rates(connection)
        new = NewRate("USD", "EUR", Decimal("1.48"), 10, "The desk", None)
        await fx_sql.insert_rate(connection, uuid4(), new, admin.user_id)
        poll = asyncio.create_task(polls.poll())
        another = asyncio.create_task(set_by_administrator(Bank(engine, bank.ledger, bank.currencies), "1.49"))
        await until_waiting(connection, 2)
    await another
    assert await poll is Outcome.REFUSED
    assert (await rates_in_force(engine))["USD/EUR"].rate == Decimal("1.49")
    await engine.dispose()


async def test_polls_go_on_after_the_database_was_away_and_after_a_bug(
    proxy: PostgresProxy, fx_settings: Settings, engine: Database, caplog: pytest.LogCaptureFixture
) -> None:
    feed = SetFeed({"EUR": EURO})
    through = create_engine(fx_settings.model_copy(update={"database_url": SecretStr(proxy.url)}), pool_size=1)
    polls = polling(feed, through, fx_settings, seconds=0.01)
    proxy.refuse = True
    assert await polls.poll() is Outcome.NOT_STORED
    proxy.refuse = False
    assert await polls.poll() is Outcome.TAKEN
    proxy.drop_connections()
    feed.rates["EUR"] = Decimal("0.93")
    assert await polls.poll() in (Outcome.NOT_STORED, Outcome.TAKEN)
    feed.error = ZeroDivisionError("a bug")
    assert await polls.poll() is Outcome.FAILED
    assert "Traceback" in caplog.text
    task = asyncio.create_task(polls.run())
    await soon(lambda: polls.age_seconds() > 0.2)
    feed.error = None
    feed.rates["EUR"] = Decimal("0.94")
    await soon(lambda: polls.age_seconds() < 0.2)
    await tasks.end(task)
    assert (await rates_in_force(engine))["USD/EUR"].rate == Decimal("0.94")
    await through.dispose()


async def test_polling_that_is_cancelled_in_the_middle_leaves_nothing(
    engine: Database, bank: Bank, fx_settings: Settings
) -> None:
    waiting = create_engine(fx_settings, pool_size=1)
    task = asyncio.create_task(polling(SetFeed({"EUR": EURO}), waiting, fx_settings).run())
    async with bank.engine.begin() as connection:
        await fx_sql.lock_rates(connection)
        await until_waiting(connection, 1)
        assert counted("paycore_fx_feed_age_seconds") > 0
        async with asyncio.timeout(10):
            await tasks.end(task)
    assert counted("paycore_fx_feed_age_seconds") == 0
    assert await rows(engine) == 0
    assert await polling(SetFeed({"EUR": EURO}), waiting, fx_settings).poll() is Outcome.TAKEN
    await waiting.dispose()


async def test_a_feed_that_does_not_answer_is_left_after_a_while(
    engine: Database, fx_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent:
        async def read(self) -> Any:
            await asyncio.Event().wait()

    monkeypatch.setattr("app.services.fx_polling._READ_SECONDS", 0.05)
    assert await polling(Silent(), engine, fx_settings).poll() is Outcome.FAILED


async def test_an_answer_that_was_asked_for_long_ago_is_stale(engine: Database, fx_settings: Settings) -> None:
    """As after a suspension of the process between the read and the database."""
    polls = polling(SetFeed({"EUR": EURO}), engine, fx_settings, clock=lambda: system_clock() - timedelta(hours=1))
    assert await polls.poll() is Outcome.STALE
    assert await rows(engine) == 0


async def test_the_rates_in_force_are_the_newest_of_each_two_currencies_and_found_without_reading_the_others(
    engine: Database,
) -> None:
    chance = random.Random(7)
    pairs = [("USD", "EUR"), ("EUR", "USD"), ("USD", "JPY"), ("EUR", "JPY"), ("KWD", "USD")]
    news = [
        (
            uuid4(),
            NewRate(
                *chance.choice(pairs), Decimal(number), 0, "a feed", None if number % 50 else datetime(2100, 1, 1, tzinfo=UTC)
            ),
        )
        for number in range(1, 3001)
    ]
    async with engine.begin() as connection:
        await fx_sql.insert_rates_of_feed(connection, news)
    async with engine.connect() as connection:
        now = await connection.scalar(text("SELECT clock_timestamp()"))
        columns = ", ".join(column.key for column in fx_sql.RATE_COLUMNS)
        plain = (
            f"SELECT DISTINCT ON (least(base, quote), greatest(base, quote)) {columns} FROM fx_rates WHERE valid_from <= :now "
        )
        plain += "ORDER BY least(base, quote), greatest(base, quote), valid_from DESC, number DESC"
        expected = [FxRate(*row) for row in await connection.execute(text(plain), {"now": now})]
        assert await fx_sql.rates_at(engine, now) == expected
        assert len(expected) == 4
        explained = await connection.scalar(
            text(f"EXPLAIN (ANALYZE, FORMAT JSON) {fx_sql._RATES_AT.replace('$1', ':moment')}"), {"moment": now}
        )
        assert read_rows(explained[0]["Plan"]) < 50
        assert await fx_sql.rates_at(engine, datetime(2020, 1, 1, tzinfo=UTC)) == []


def read_rows(plan: dict[str, Any]) -> float:
    """The rows that a plan reads from fx_rates."""
    own = plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0) if plan.get("Relation Name") else 0
    return float(own) + sum(read_rows(part) for part in plan.get("Plans", ()))
