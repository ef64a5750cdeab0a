"""Migrations keep the data: a column that an upgrade drops as derived is computed again by the downgrade."""

from __future__ import annotations

import hashlib
import json
from uuid import UUID

import asyncpg
import pytest
from alembic.util.exc import CommandError

from app import ids
from app.db import migrate
from app.services.outbox import describe_outbox
from app.services.quotas import QuotaChange, set_quota
from app.services.transfers import DepositInput, deposit
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank, new_key
from tests.invariants.conftest import bank, other_bank, owner

__all__ = ["bank", "other_bank", "owner"]


def _hex(wallet: str) -> str:
    decoded: UUID | None = ids.decode("wal", wallet)
    assert decoded is not None
    return decoded.hex


async def test_a_downgrade_restores_request_hashes_and_earlier_balances(
    bank: Bank, other_bank: Bank, owner: asyncpg.Connection, settings: Settings
) -> None:
    alice, admin = await bank.viewer("alice"), await bank.viewer("admin", admin=True)
    a, b = await bank.wallet(alice), await bank.wallet(alice)
    # With a reason, which the audit log of these revisions requires.
    await deposit(bank.ledger, admin, DepositInput(new_key(), a, "9.00", "USD", "an opening balance"))
    await bank.pay(alice, a, b, "1.50", key="plain")
    await owner.execute("ALTER TABLE transactions DISABLE TRIGGER transactions_guard")
    described = 'a "quoted" \\ description: é\t\x01'
    await owner.execute("UPDATE transactions SET description = $1 WHERE idempotency_key = 'plain'", described)
    await owner.execute("ALTER TABLE transactions ENABLE TRIGGER transactions_guard")
    await bank.pay(alice, a, b, "100.00", key="refused")

    await migrate.downgrade(settings, "0004")

    for key, amount, description in (("plain", 150, described), ("refused", 10_000, None)):
        request = ["TRANSFER", _hex(a), _hex(b), amount, "USD", description]
        text = json.dumps(request, separators=(",", ":"), ensure_ascii=False)
        stored = await owner.fetchval("SELECT request_hash FROM transactions WHERE idempotency_key = $1", key)
        assert stored == hashlib.sha256(text.encode()).digest()
    chain = await owner.fetch(
        "SELECT balance_before, balance_after FROM ledger_entries WHERE wallet_id = $1 ORDER BY sequence", UUID(_hex(a))
    )
    assert [tuple(row) for row in chain] == [(0, 900), (900, 750)]

    await migrate.upgrade(settings)
    assert await verify(settings) == []
    # By a process that started since: the way down has made a type anew, which the first one's connection knows by its number.
    assert not (await other_bank.pay(alice, a, b, "0.50")).refusals


async def test_a_downgrade_moves_parked_events_back_to_the_outbox(owner: asyncpg.Connection, settings: Settings) -> None:
    await owner.execute(
        "INSERT INTO outbox_parked SELECT n, now(), json_build_object('n', n), now(), '' FROM generate_series(7, 9) n"
    )
    await migrate.downgrade(settings, "0005")
    found = await owner.fetch("SELECT id, payload->>'n' AS n FROM outbox ORDER BY id")
    assert [(row["id"], row["n"]) for row in found] == [(1, "7"), (2, "8"), (3, "9")]
    await migrate.upgrade(settings)
    assert await owner.fetchval("SELECT count(*) FROM outbox_parked") == 0


async def test_audit_records_that_fit_the_older_revision_survive_a_downgrade(
    bank: Bank, owner: asyncpg.Connection, settings: Settings
) -> None:
    wallet, admin = await bank.wallet(await bank.viewer("alice")), await bank.viewer("admin", admin=True)
    await deposit(bank.ledger, admin, DepositInput(new_key(), wallet, "9.00", "USD", "an opening balance"))
    (before,) = await owner.fetch("SELECT * FROM audit_log")
    await migrate.downgrade(settings, "0006")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await owner.execute("DELETE FROM audit_log")
    await migrate.upgrade(settings)
    assert await owner.fetch("SELECT * FROM audit_log") == [before]
    assert await owner.fetchval("SELECT count(*) FROM quotas") == 0


@pytest.mark.parametrize("kind", ["a deposit without a reason", "an operator's change", "an operator's retry"])
async def test_a_downgrade_stops_if_it_would_lose_or_invent_a_record_and_the_upgrade_works(
    bank: Bank, owner: asyncpg.Connection, settings: Settings, kind: str
) -> None:
    alice = await bank.viewer("alice")
    if kind == "a deposit without a reason":
        await bank.wallet(alice, balance="9.00")
    elif kind == "an operator's change":
        await set_quota(settings, "alice", QuotaChange(transfers_per_day=5), "asked by phone")
    else:
        await owner.execute("INSERT INTO outbox_parked VALUES (7, now(), '{}', now(), '')")
        await describe_outbox(settings, retry=True)
    recorded = await owner.fetch("SELECT * FROM audit_log")
    assert len(recorded) == 1
    with pytest.raises(CommandError, match="the audit log"):
        await migrate.downgrade(settings, "0006")
    assert await owner.fetch("SELECT * FROM audit_log") == recorded
    assert await owner.fetchval("SELECT version_num FROM alembic_version") >= "0007"
    await migrate.upgrade(settings)
    await set_quota(settings, "alice", QuotaChange(transfers_per_day=6), "it still works")


async def test_a_downgrade_to_nothing_works_whatever_was_recorded(
    bank: Bank, owner: asyncpg.Connection, settings: Settings
) -> None:
    await bank.wallet(await bank.viewer("alice"), balance="9.00")
    await set_quota(settings, "alice", QuotaChange(transfers_per_day=5), "asked by phone")
    await owner.execute("INSERT INTO outbox_parked VALUES (7, now(), '{}', now(), '')")
    await describe_outbox(settings, retry=True)
    await migrate.downgrade(settings, "base")
    assert await owner.fetchval("SELECT to_regclass('audit_log')") is None
