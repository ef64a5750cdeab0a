"""The `paycore` command in processes of its own: one line for each error that the user can fix."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from app.access.policy import rights_of
from app.access.tokens import verify_token
from app.access.viewer import Role
from app.clock import system_clock
from app.db.engine import open_connection
from app.db.pool import Database
from app.schema.engine.build import sdl
from app.services.identity import find_or_create_user
from app.settings import Settings
from tests.forks import EXECUTABLE, run
from tests.servers import free_port


def servers_of(settings: Settings) -> dict[str, str]:
    """The environment variables for the servers of these settings."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    return {
        "PAYCORE_DATABASE_URL": settings.database_url.get_secret_value(),
        "PAYCORE_REDIS_URL": settings.redis_url.get_secret_value(),
    }


def paycore(
    *arguments: str, settings: Settings | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command until it ends, as a fork of a process that has imported most of it."""
    return run(*arguments, environment={**(environment or {}), **({} if settings is None else servers_of(settings))})


def paycore_anew(
    *arguments: str, settings: Settings | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does. Each subcommand is run so once or more, as it imports what it needs."""
    given = {"PATH": "/usr/bin:/bin", **(environment or {}), **({} if settings is None else servers_of(settings))}
    return subprocess.run([EXECUTABLE, *arguments], env=given, capture_output=True, text=True, timeout=60, check=False)


async def until_a_lock_is_awaited(settings: Settings) -> None:
    """Wait until a statement in this test's database waits for a lock."""
    connection = await open_connection(settings)
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    try:
        async with asyncio.timeout(30):
            while not await connection.fetchval(query):  # noqa: ASYNC110 - the event is PostgreSQL's
                await asyncio.sleep(0.01)
    finally:
        await connection.close()


def assert_one_line(finished: subprocess.CompletedProcess[str], *says: str) -> None:
    assert finished.returncode == 2, finished
    assert finished.stdout == ""
    # The tests' embedded servers run without fsync, and `serve` logs a warning about it.
    (line,) = [line for line in finished.stderr.splitlines() if "Production refuses it." not in line]
    for part in says:
        assert part in line


def test_token_prints_a_token_that_is_accepted_and_nothing_else(settings: Settings) -> None:
    finished = paycore_anew("token", "alice")
    assert finished.returncode == 0
    assert finished.stdout.count("\n") == 1
    claims = verify_token(finished.stdout.strip(), settings)
    assert (claims.subject, claims.rights) == ("alice", rights_of(None, None))
    assert verify_token(paycore("token", "root", "--role", "admin").stdout.strip(), settings).rights == rights_of(
        Role.ADMIN, None
    )


def test_schema_prints_the_sdl(settings: Settings) -> None:
    assert paycore_anew("schema").stdout == sdl(settings)


def test_help_describes_each_command() -> None:
    text = paycore_anew("--help").stdout
    for command in ("dev", "serve", "relay", "migrate", "seed", "token", "schema", "verify"):
        assert command in text
        assert paycore(command, "--help").returncode == 0


def test_an_error_that_the_user_can_fix_is_one_line(settings: Settings, tmp_path: Path) -> None:
    home = {"PAYCORE_HOME": str(tmp_path / "home")}
    assert_one_line(paycore("serve", environment=home), "PAYCORE_REDIS_URL", "paycore dev")
    assert_one_line(paycore("relay", environment=home), "PAYCORE_REDIS_URL")
    assert_one_line(paycore("verify", environment=home), "PAYCORE_DATABASE_URL")
    assert_one_line(paycore("serve", environment={**home, "PAYCORE_PORT": "none"}), "PAYCORE_PORT")
    assert_one_line(paycore("token", "alice", environment={"PAYCORE_ENVIRONMENT": "production"}), "PAYCORE_JWT_SECRET")
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    assert_one_line(paycore("migrate", environment={**home, "PAYCORE_DATABASE_URL": nowhere}), "cannot be reached")
    production = {
        "PAYCORE_ENVIRONMENT": "production",
        "PAYCORE_JWT_SECRET": "s" * 32,
        "PAYCORE_DATABASE_URL": nowhere,
        "PAYCORE_REDIS_URL": "redis://127.0.0.1:1",
    }
    assert_one_line(paycore("dev", environment=production), "production")
    assert_one_line(paycore("token", ""), "1 to 255")
    external = {**home, "PAYCORE_DATABASE_URL": nowhere, "PAYCORE_PORT": str(free_port())}
    assert_one_line(paycore("dev", "--reset", environment=external), "--reset")


@pytest.mark.parametrize("command", ["serve", "relay"])
def test_a_start_warns_once_of_variables_that_are_no_settings_and_not_of_their_values(command: str, tmp_path: Path) -> None:
    wrong = {"PAYCORE_HOME": str(tmp_path / "home"), "PAYCORE_MAX_ERRORS": "5", "PAYCORE_PASWORD": "hunter2"}
    finished = paycore(command, environment=wrong)
    (line,) = [line for line in finished.stderr.splitlines() if "PAYCORE_PASWORD" in line]
    assert "warning" in line
    assert "PAYCORE_MAX_ERRORS, PAYCORE_PASWORD" in line
    assert "PAYCORE_HOME" not in line
    assert "hunter2" not in finished.stderr


@pytest.mark.parametrize("command", ["verify", "migrate", "seed", "relay"])
@pytest.mark.parametrize(
    "url", ["postgresql://u:sesame/x@host/name", "postgresql://u:sesame@host:abc/name", "postgresql://u:sesame@h/n?sslmode=bogus"]
)
def test_an_invalid_database_url_is_one_line_without_the_password(command: str, url: str) -> None:
    finished = paycore(command, environment={"PAYCORE_DATABASE_URL": url, "PAYCORE_REDIS_URL": "redis://127.0.0.1:1"})
    assert_one_line(finished, "PAYCORE_DATABASE_URL", "percent-encoded")
    assert "sesame" not in finished.stderr


@pytest.mark.parametrize("command", ["migrate", "verify", "outbox", "quota show alice"])
def test_in_production_a_command_for_the_database_needs_only_its_url(command: str) -> None:
    production = {"PAYCORE_ENVIRONMENT": "production", "PAYCORE_JWT_SECRET_FILE": "/nonexistent/secret"}
    assert_one_line(paycore(*command.split(), environment=production), "production needs PAYCORE_DATABASE_URL:")
    nowhere = {**production, "PAYCORE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    assert_one_line(paycore_anew(*command.split(), environment=nowhere), "The database cannot be reached")


@pytest.mark.parametrize("command", ["migrate", "serve", "relay"])
def test_a_database_url_with_an_unknown_parameter_is_the_same_line_for_all_commands(command: str) -> None:
    url = "postgresql://u:sesame@127.0.0.1:1/n?frob=1"
    finished = paycore(command, environment={"PAYCORE_DATABASE_URL": url, "PAYCORE_REDIS_URL": "redis://127.0.0.1:1"})
    assert_one_line(finished, "PAYCORE_DATABASE_URL has a parameter that Paycore does not know: frob.")
    assert "sesame" not in finished.stderr


@pytest.mark.parametrize("command", ["verify", "migrate", "seed", "serve"])
def test_an_unreachable_database_is_one_line(command: str) -> None:
    away = {
        "PAYCORE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "PAYCORE_REDIS_URL": "redis://127.0.0.1:1",
        "PAYCORE_DATABASE_WAIT_SECONDS": "0",
    }
    assert_one_line(paycore(command, environment=away), "cannot be reached")


def test_an_unusable_home_is_reported_with_its_path() -> None:
    finished = paycore("dev", environment={"PAYCORE_HOME": "/dev/null/home", "PAYCORE_PORT": str(free_port())})
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert "/dev/null/home cannot be used" in line
    assert "PAYCORE_HOME" in line


@pytest.mark.usefixtures("engine")
def test_migrate_goes_down_and_up_and_other_commands_report_a_database_without_tables(settings: Settings) -> None:
    assert_one_line(paycore("migrate", "--down", "nonsense", settings=settings), "nonsense")
    assert "base" in paycore("migrate", "--down", "base", settings=settings).stdout
    assert_one_line(paycore("verify", settings=settings), "paycore migrate")
    assert_one_line(paycore("serve", settings=settings), "paycore migrate")
    assert paycore_anew("migrate", settings=settings).returncode == 0
    assert paycore_anew("verify", settings=settings).stdout == "The ledger is whole.\n"


@pytest.mark.parametrize("command", ["migrate", "verify", "serve"])
async def test_a_command_that_waits_for_the_database_ends_at_once_on_a_signal(
    settings: Settings, command: str, tmp_path: Path
) -> None:
    """By its own handler: PID 1 of a container has no default action for the signal."""
    assert settings.database_url is not None
    holder = await asyncpg.connect(settings.database_url.get_secret_value())
    held = "LOCK TABLE alembic_version, wallets IN ACCESS EXCLUSIVE MODE"
    environment = {"PATH": "/usr/bin:/bin", **servers_of(settings), "PAYCORE_PORT": str(free_port())}
    log = tmp_path / "log"
    try:
        async with holder.transaction():
            await holder.execute(held)
            with log.open("wb") as file:
                process = await asyncio.create_subprocess_exec(EXECUTABLE, command, env=environment, stdout=file, stderr=file)
            try:
                await until_a_lock_is_awaited(settings)
                process.send_signal(signal.SIGTERM)
                # Less than the database's time limits and than the kill that follows a stop.
                assert await asyncio.wait_for(process.wait(), 4) == 128 + signal.SIGTERM
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    finally:
        await holder.close()
    assert "Traceback" not in log.read_text()


async def test_seed_creates_the_demo_once_and_verify_finds_a_broken_balance(settings: Settings) -> None:
    made = paycore_anew("seed", settings=settings)
    assert ("was created" in made.stdout, made.stderr) == (True, ""), "its hundreds of transfers are not logged"
    assert "exists already" in paycore("seed", settings=settings).stdout
    assert paycore("verify", settings=settings).returncode == 0
    assert settings.database_url is not None
    owner = await asyncpg.connect(settings.database_url.get_secret_value())
    alice = await owner.fetchval(
        "SELECT balance FROM wallets w JOIN users u ON u.id = owner_id WHERE subject = 'alice' AND currency = 'USD'"
    )
    assert alice >= 100_000
    assert await owner.fetchval("SELECT count(*) FROM transactions WHERE status = 'FAILED'") > 5
    await owner.execute(
        "ALTER TABLE wallets DISABLE TRIGGER USER; UPDATE wallets SET balance = balance + 1 WHERE currency = 'JPY'"
    )
    await owner.close()
    broken = paycore("verify", settings=settings)
    assert broken.returncode == 1
    assert broken.stdout.count("entries sum to") == 4
    assert "Traceback" not in broken.stderr


async def test_verify_records_its_result_or_reports_that_the_database_is_read_only(settings: Settings, engine: Database) -> None:
    async def recorded() -> int:
        async with engine.connect() as connection:
            count: int = (await connection.execute(text("SELECT count(*) FROM ledger_verifications"))).scalar_one()
            return count

    verified = paycore("verify", settings=settings)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "The ledger is whole.\n", "")
    assert await recorded() == 1
    assert settings.database_url is not None
    owner = await asyncpg.connect(settings.database_url.get_secret_value())
    # As on a standby.
    name = await owner.fetchval("SELECT quote_ident(current_database())")
    await owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await owner.close()
    verified = paycore("verify", settings=settings)
    assert (verified.returncode, verified.stdout) == (0, "The ledger is whole.\n")
    (line,) = verified.stderr.splitlines()
    assert "not recorded" in line
    assert "read-only" in line
    assert await recorded() == 1


async def test_seed_refuses_a_database_that_has_users_of_the_demos_names(settings: Settings, engine: Database) -> None:
    known = await find_or_create_user(engine, "alice", system_clock)
    assert_one_line(paycore("seed", settings=settings), "alice", "database of its own")
    assert await find_or_create_user(engine, "alice", system_clock) == known
