"""What /metrics tells of the ledger itself: the result of the last `paycore verify`, for as long as there is no newer one."""

from __future__ import annotations

import asyncpg
import pytest

from app.services.verification import MAX_FINDINGS, verify_and_record
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.api.test_metrics import samples
from tests.invariants.conftest import owner

__all__ = ["owner"]


async def ledger_metrics(api: Api) -> dict[str, float]:
    return {name: value for name, value in (await samples(api)).items() if name.startswith("paycore_ledger")}


async def test_the_last_verification_is_told_by_every_scrape_and_nothing_where_there_was_none(
    api: Api, owner: asyncpg.Connection, settings: Settings
) -> None:
    for _ in range(MAX_FINDINGS + 3):
        await api.wallet("alice")
    assert await ledger_metrics(api) == {}

    assert (await verify_and_record(settings)).findings == []
    assert await ledger_metrics(api) == {
        "paycore_ledger_findings": 0,
        "paycore_ledger_verified_timestamp_seconds": await newest(owner),
    }

    await owner.execute("ALTER TABLE wallets DISABLE TRIGGER USER; UPDATE wallets SET sequence = 1 WHERE kind = 'USER'")
    assert (await ledger_metrics(api))["paycore_ledger_findings"] == 0, "nobody has looked yet"
    told = await verify_and_record(settings)
    # All are counted, also those that are not told one by one.
    assert len(told.findings) == MAX_FINDINGS + 1
    assert await ledger_metrics(api) == {
        "paycore_ledger_findings": MAX_FINDINGS + 3,
        "paycore_ledger_verified_timestamp_seconds": await newest(owner),
    }

    await owner.execute("UPDATE wallets SET sequence = 0 WHERE kind = 'USER'; ALTER TABLE wallets ENABLE TRIGGER USER")
    await verify_and_record(settings)
    assert (await ledger_metrics(api))["paycore_ledger_findings"] == 0
    assert await owner.fetchval("SELECT count(*) FROM ledger_verifications WHERE duration_ms >= 0") == 3


async def test_a_process_that_starts_later_tells_it_too_and_the_outbox_is_told_where_the_ledger_is_not(
    api: Api, owner: asyncpg.Connection, settings: Settings
) -> None:
    await verify_and_record(settings)
    async with serving(settings, api.bank.engine, relay=False) as later:
        assert await ledger_metrics(later) == await ledger_metrics(api) != {}
    await owner.execute("REVOKE SELECT ON ledger_verifications FROM paycore_app")
    found = await samples(api)
    assert "paycore_outbox_pending" in found
    assert "paycore_ledger_findings" not in found


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("REVOKE INSERT ON ledger_verifications FROM paycore_app", "permission denied"),
        ("ALTER TABLE ledger_verifications RENAME TO of_an_older_revision", "does not exist"),
    ],
)
async def test_a_result_that_cannot_be_recorded_is_told_all_the_same(
    owner: asyncpg.Connection, settings: Settings, spoil: str, reason: str
) -> None:
    await owner.execute(spoil)
    told = await verify_and_record(settings)
    assert told.findings == []
    assert told.not_recorded is not None
    assert reason in told.not_recorded


async def newest(owner: asyncpg.Connection) -> float:
    moment = await owner.fetchval("SELECT finished_at FROM ledger_verifications ORDER BY id DESC LIMIT 1")
    told: float = moment.timestamp()
    return told
