"""`paycore verify` finds each corruption of a hold by name, with its own arithmetic."""

from __future__ import annotations

import asyncpg
import pytest

from app import ids
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank
from tests.invariants.conftest import bank, other_bank, owner
from tests.services.hold_shop import Shop

__all__ = ["bank", "other_bank", "owner"]

SUMS = "Hold {hold} has {now} of {amount}, but its events sum to 1000 and 0 of {placed}."
NO_EVENT = "Transaction {capture} captures 1000 of hold {hold}, whose events have {found} for it."
CORRUPTIONS = {
    # The corruption; what verify says about it.
    "another sum held": (
        "UPDATE wallets SET held = held - 1 WHERE id = {alice}",
        "Of wallet {alice} 4999 are held, but 5000 remain",
    ),
    "more captured": (
        "UPDATE holds SET captured = captured + 1 WHERE id = {hold}",
        SUMS.replace("{now}", "1001 captured and 0 released").replace("{amount}", "6000").replace("{placed}", "6000"),
    ),
    "another amount": (
        "UPDATE hold_events SET placed = 6001 WHERE number = 1",
        SUMS.replace("{now}", "1000 captured and 0 released").replace("{amount}", "6000").replace("{placed}", "6001"),
    ),
    "another status": (
        "UPDATE holds SET status = 'CAPTURED', closed_at = created_at, released = 5000 WHERE id = {hold}",
        "Hold {hold} is CAPTURED after 2 events until",
    ),
    "another end": (
        "UPDATE holds SET expires_at = 'infinity' WHERE id = {hold}",
        "Hold {hold} is OPEN after 2 events until infinity",
    ),
    "an event that is gone": ("DELETE FROM hold_events WHERE number = 1", "Event 2 of hold {hold}, CAPTURED, does not follow"),
    "a capture after the end": (
        "UPDATE hold_events SET created_at = '2100-01-01Z' WHERE number = 2",
        "Event 2 of hold {hold}, CAPTURED, does not follow",
    ),
    "an end before its time": (
        "UPDATE hold_events SET kind = 'EXPIRED', captured = 0, released = 6000, initiator_id = NULL WHERE number = 2",
        "Event 2 of hold {hold}, EXPIRED, does not follow",
    ),
    "a capture without its event": ("DELETE FROM hold_events WHERE number = 2", NO_EVENT.replace("{found}", "0")),
    "an event of another amount": (
        "UPDATE hold_events SET captured = 999 WHERE number = 2",
        NO_EVENT.replace("{found}", "999"),
    ),
    "a capture that failed": (
        """
        UPDATE transactions SET status = 'FAILED', failure_code = 'BATCH_ABORTED', completed_at = NULL WHERE id = {capture}
        """,
        "Event 2 of hold {hold} captures by transaction {capture}, which is no completed capture of it.",
    ),
    "another currency": (
        "UPDATE holds SET currency = 'EUR' WHERE id = {hold}",
        "Hold {hold} is in EUR, but its wallet or its receiver's does not exist, or is not.",
    ),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
async def test_each_corruption_of_a_hold_is_reported(
    bank: Bank, owner: asyncpg.Connection, settings: Settings, kind: str
) -> None:
    shop = await Shop(bank).build()
    hold_id = await shop.placed("60.00")
    captured = (await shop.capture(hold_id, "10.00", keep=True)).result.transaction
    assert captured is not None
    assert await verify(settings) == []
    for table in ("holds", "hold_events", "transactions", "wallets"):
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for table, constraint in (("hold_events", "hold_events_input_iff_asked"), ("hold_events", "hold_events_amounts_of_kind")):
        await owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
    corruption, expected = CORRUPTIONS[kind]
    rows = {"hold": ids.decode("hld", hold_id), "capture": captured.id, "alice": ids.decode("wal", shop.mine)}
    await owner.execute(corruption.format(**{name: f"'{id_}'" for name, id_ in rows.items()}))
    names = {"hold": hold_id, "capture": ids.encode("txn", captured.id), "alice": shop.mine}
    findings = await verify(settings)
    assert [one for one in findings if one.startswith(expected.format(**names))], findings
