"""A backup taken during transfers and restored elsewhere is complete, keeps its rules and knows every key."""

from __future__ import annotations

import asyncio
import subprocess
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from app.db.currency_sql import load_currencies
from app.db.engine import create_engine
from app.demo.embedded.places import find_postgres
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank, make_ledger, new_key
from tests.servers import Servers, fetch_value, with_database


def run(program: str, *arguments: str, given: bytes = b"") -> bytes:
    """Run one of PostgreSQL's tools until it ends and return its output."""
    command = [str(find_postgres().directory / program), *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


def restore(target: str, dump: bytes) -> None:
    """Restore as the runbook does, also with tools newer than the server, which set a parameter that it may lack."""
    version = fetch_value(target, "SELECT current_setting('server_version_num')::int")
    if version >= 170000:
        run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={target}", given=dump)
    else:
        script = run("pg_restore", "--no-owner", "--file=-", given=dump)
        script = script.replace(b"SET transaction_timeout = 0;\n", b"", 1)
        run("psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", target, given=script)


async def test_a_restored_backup_is_complete_and_still_pays_each_key_once(
    bank: Bank, settings: Settings, servers: Servers
) -> None:
    assert settings.database_url is not None
    source = settings.database_url.get_secret_value()
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="500.00"), await bank.wallet(bob)
    before = [new_key() for _ in range(50)]
    for key in before:
        await bank.pay(alice, a, b, "1.00", key)
    running = asyncio.gather(*(bank.pay(alice, a, b, "0.10") for _ in range(300)))
    dump = await asyncio.to_thread(run, "pg_dump", "--format=custom", "--no-owner", source)
    await running

    name = f"paycore_restored_{uuid4().hex[:8]}"
    await asyncio.to_thread(servers.execute, f"CREATE DATABASE {name}")
    try:
        target = with_database(source, name)
        await asyncio.to_thread(restore, target, dump)
        restored = settings.model_copy(update={"database_url": SecretStr(target)})
        assert await verify(restored) == []
        engine = create_engine(restored)
        ledger = make_ledger(engine, restored, await load_currencies(engine))
        await ledger.start()
        there = Bank(engine, ledger, ledger.currencies)
        balance = await there.balance(b)
        again = [await there.pay(alice, a, b, "1.00", key) for key in before]
        assert all(result.replayed for result in again)
        assert await there.balance(b) == balance
        assert not (await there.pay(alice, a, b, "1.00")).refusals
        await ledger.stop()
        await engine.dispose()
        owner = await asyncpg.connect(target)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="insert-only"):
            await owner.execute("DELETE FROM ledger_entries")
        await owner.close()
    finally:
        await asyncio.to_thread(servers.execute, f"DROP DATABASE {name} WITH (FORCE)")
