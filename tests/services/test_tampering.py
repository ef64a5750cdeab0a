"""Tampering with a row of the demo: the verification names it, an outsider's receipt shows it, and the row always comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app import ids
from app.clock import system_clock
from app.demo.tampering import TRICKS, Tampering, superuser_url
from app.errors import BadUserInput, Unavailable
from app.services.receipts import notes, verifier
from app.services.receipts.reading import load_receipts
from app.services.receipts.sealing import seal, sign
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank
from tests.invariants.conftest import bank, other_bank, owner
from tests.live_world import outbox_empty, running_relay
from tests.waiting import soon

__all__ = ["bank", "other_bank", "owner"]

SIGNER = notes.new_signer("example.com/ledger")
KEY = str(SIGNER.verifier)
_ROWS = {
    "transactions": "SELECT to_jsonb(t)::text FROM transactions t ORDER BY id",
    "ledger_entries": "SELECT to_jsonb(e)::text FROM ledger_entries e ORDER BY wallet_id, sequence",
}


@pytest.fixture
def home(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"supervisor_home": tmp_path})


@pytest.fixture
async def tampering(home: Settings) -> AsyncIterator[Tampering]:
    made = _tampering(home)
    yield made
    await made.stop()


def _tampering(home: Settings, seconds: float = 60) -> Tampering:
    assert home.database_url is not None
    return Tampering(home, home.database_url.get_secret_value(), system_clock, seconds=seconds)


@pytest.fixture
async def paid(bank: Bank, settings: Settings, owner: asyncpg.Connection) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    mine, theirs = await bank.wallet(alice, balance="50.00"), await bank.wallet(bob)
    await bank.pay(alice, mine, theirs, "4.50")
    async with running_relay(settings):
        await outbox_empty(bank.engine)
    while await seal(owner):
        pass
    await sign(owner, SIGNER, None)


async def _all_rows(owner: asyncpg.Connection) -> list[Any]:
    return [[row[0] for row in await owner.fetch(query)] for query in _ROWS.values()]


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize("what", TRICKS)
async def test_a_change_is_named_by_the_verification_and_by_a_receipt_until_it_is_restored(
    bank: Bank, home: Settings, owner: asyncpg.Connection, tampering: Tampering, what: str
) -> None:
    admin, rows = await bank.viewer("root", admin=True), await _all_rows(owner)
    tampered = await tampering.tamper(bank.engine, admin, what)
    column = TRICKS[what].column
    assert tampered.before[column] != tampered.after[column]
    assert {**tampered.before, column: 0} == {**tampered.after, column: 0}
    named = f"Transaction {_id(tampered.transaction_id)} is not what it was when it became leaf"
    assert any(sentence.startswith(named) for sentence in await tampering.verify())
    assert verifier.check(tampered.receipt, KEY)["type"] == "TRANSFER"
    (now,) = (await load_receipts(bank.engine, admin, [tampered.transaction_id])).values()
    assert now.proof is not None
    with pytest.raises(verifier.InvalidReceipt, match="the proof does not lead to the checkpoint"):
        verifier.check(now.proof, KEY)
    assert await tampering.restore() == tampered.before
    assert (tampering.current, await _all_rows(owner), await verify(home)) == (None, rows, [])
    assert await tampering.restore() is None


def _id(transaction_id: Any) -> str:
    return ids.encode("txn", transaction_id)


@pytest.mark.usefixtures("paid")
async def test_the_row_comes_back_by_itself_and_when_the_service_stops(
    bank: Bank, home: Settings, owner: asyncpg.Connection
) -> None:
    admin, rows = await bank.viewer("root", admin=True), await _all_rows(owner)
    soon_over = _tampering(home, seconds=0.3)
    await soon_over.tamper(bank.engine, admin, "words")
    assert await _all_rows(owner) != rows
    await soon(lambda: soon_over.current is None)
    assert await _all_rows(owner) == rows
    stopped = _tampering(home)
    await stopped.tamper(bank.engine, admin, "amount")
    assert await _all_rows(owner) != rows
    await stopped.stop()
    assert await _all_rows(owner) == rows


@pytest.mark.usefixtures("paid")
async def test_a_process_that_was_killed_is_cleaned_up_after_by_the_next_one(
    bank: Bank, home: Settings, owner: asyncpg.Connection
) -> None:
    admin, rows = await bank.viewer("root", admin=True), await _all_rows(owner)
    killed = _tampering(home)
    await killed.tamper(bank.engine, admin, "time")
    assert killed._timer is not None
    killed._timer.cancel()
    assert await _all_rows(owner) != rows
    following = _tampering(home)
    with pytest.raises(BadUserInput, match="already"):
        await following.tamper(bank.engine, admin, "words")
    await following.start()
    assert await _all_rows(owner) == rows
    # Also if it was killed after it wrote the note and before it changed the row, or after it restored the row.
    await following.tamper(bank.engine, admin, "words")
    note = following._note.read_bytes()
    await following.restore()
    following._note.write_bytes(note)
    await _tampering(home).start()
    assert (await _all_rows(owner), following._note.exists()) == (rows, False)


@pytest.mark.usefixtures("paid")
async def test_there_is_one_change_at_a_time(bank: Bank, tampering: Tampering) -> None:
    admin = await bank.viewer("root", admin=True)
    results = await asyncio.gather(*(tampering.tamper(bank.engine, admin, "words") for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(result, BadUserInput) for result in results) == 2
    with pytest.raises(BadUserInput, match="words, time, amount"):
        await tampering.tamper(bank.engine, admin, "everything")


async def test_what_is_not_signed_yet_is_left_alone(
    bank: Bank, settings: Settings, owner: asyncpg.Connection, tampering: Tampering
) -> None:
    admin = await bank.viewer("root", admin=True)
    mine, theirs = await bank.wallet(await bank.viewer("alice"), balance="50.00"), await bank.wallet(await bank.viewer("bob"))
    await bank.pay(await bank.viewer("alice"), mine, theirs, "4.50")
    for is_sealed in (False, True):
        if is_sealed:
            async with running_relay(settings):
                await outbox_empty(bank.engine)
            while await seal(owner):
                pass
        with pytest.raises(Unavailable, match="No checkpoint covers a transfer yet"):
            await tampering.tamper(bank.engine, admin, "words")
        assert tampering.current is None


async def test_no_other_database_than_the_embedded_one_can_be_tampered_with(home: Settings, settings: Settings) -> None:
    assert superuser_url(settings) is None
    assert superuser_url(home) is None
    assert not Tampering(home, None, system_clock).is_possible
