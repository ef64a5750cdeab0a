"""An old release beside a new one, during a rollout and a rollback."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import httpx
import pytest

from app.access.tokens import mint_token
from app.db import revisions
from app.settings import Settings
from tests.bank import Bank, new_key
from tests.processes.test_cli import assert_one_line, paycore
from tests.processes.test_draining import running

LATER = "newer than this release"


async def set_revision(settings: Settings, revision: str) -> None:
    """Set the revision that the migrate job of another release leaves."""
    assert settings.database_url is not None
    owner = await asyncpg.connect(settings.database_url.get_secret_value())
    await owner.execute("UPDATE alembic_version SET version_num = $1", revision)
    await owner.close()


async def readiness(http: httpx.AsyncClient) -> tuple[int, str, str]:
    answer = await http.get("/readyz")
    return answer.status_code, answer.json()["status"], answer.json()["migrations"]


async def test_a_release_runs_and_starts_on_a_database_that_a_later_one_migrated(
    settings: Settings, bank: Bank, tmp_path: Path
) -> None:
    sender = await bank.wallet(await bank.viewer("alice"), balance="10.00")
    receiver = await bank.wallet(await bank.viewer("bob"))
    headers = {"Authorization": f"Bearer {mint_token('alice', settings)}"}
    payment = {"sender_wallet_id": sender, "receiver_wallet_id": receiver, "amount": "1.00", "currency": "USD"}

    async def serves(http: httpx.AsyncClient) -> None:
        assert await readiness(http) == (200, "ready", LATER)
        assert (await http.get("/readyz")).json()["outbox"] is not None
        paid = await http.post("/transfer", json=payment, headers={**headers, "Idempotency-Key": new_key()})
        assert paid.status_code == 201, paid.text

    with running(settings, tmp_path) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=20) as http:
            assert await readiness(http) == (200, "ready", "ok")
            await set_revision(settings, "9999")
            await serves(http)
    with running(settings, tmp_path) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=20) as http:
            await serves(http)
    assert await bank.balance(receiver) == 200
    migrated = paycore("migrate", settings=settings)
    assert (migrated.returncode, migrated.stdout) == (0, "The database is at 9999, newer than this release.\n")


@pytest.mark.parametrize("revision", ["0001", "of-somebody-else"])
async def test_a_database_of_an_older_or_unknown_revision_is_refused(settings: Settings, tmp_path: Path, revision: str) -> None:
    with running(settings, tmp_path) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=20) as http:
            await set_revision(settings, revision)
            assert await readiness(http) == (503, "not ready", "run paycore migrate")
            await set_revision(settings, revisions.head())
            assert await readiness(http) == (200, "ready", "ok")
    await set_revision(settings, revision)
    assert_one_line(paycore("serve", settings=settings), revision, "paycore migrate")
