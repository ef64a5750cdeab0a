"""/metrics shows the result of the latest `paycore verify`."""

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


async def test_every_scrape_shows_the_latest_verification_once_there_is_one(
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
    assert (await ledger_metrics(api))["paycore_ledger_findings"] == 0, "no verification ran since"
    result = await verify_and_record(settings)
    # All findings are counted, also those that are not listed.
    assert len(result.findings) == MAX_FINDINGS + 1
    assert await ledger_metrics(api) == {
        "paycore_ledger_findings": MAX_FINDINGS + 3,
        "paycore_ledger_verified_timestamp_seconds": await newest(owner),
    }

    await owner.execute("UPDATE wallets SET sequence = 0 WHERE kind = 'USER'; ALTER TABLE wallets ENABLE TRIGGER USER")
    await verify_and_record(settings)
    assert (await ledger_metrics(api))["paycore_ledger_findings"] == 0
    assert await owner.fetchval("SELECT count(*) FROM ledger_verifications WHERE duration_ms >= 0") == 3


async def test_a_process_that_starts_later_shows_the_verification_and_the_outbox_is_shown_without_it(
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
async def test_a_result_that_cannot_be_recorded_is_still_reported(
    owner: asyncpg.Connection, settings: Settings, spoil: str, reason: str
) -> None:
    await owner.execute(spoil)
    result = await verify_and_record(settings)
    assert result.findings == []
    assert result.not_recorded is not None
    assert reason in result.not_recorded


async def newest(owner: asyncpg.Connection) -> float:
    moment = await owner.fetchval("SELECT finished_at FROM ledger_verifications ORDER BY id DESC LIMIT 1")
    result: float = moment.timestamp()
    return result
