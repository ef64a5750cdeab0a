"""The service's role owns nothing: it cannot disable or bypass a rule, or change data that is not its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from app.db import migrate
from app.settings import load_settings
from tests.invariants.small_ledger import ROLE, A, assert_forbidden, write_small_ledger
from tests.servers import Servers

SWITCH_OFF = (
    "ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_insert_only",
    "ALTER TABLE wallets DISABLE TRIGGER USER",
    "ALTER TABLE wallets DROP CONSTRAINT wallets_available_not_negative",
    "ALTER TABLE wallets ADD COLUMN more text",
    f"ALTER TABLE wallets OWNER TO {ROLE}",
    "DROP TABLE outbox",
    "DROP TRIGGER ledger_entries_post ON ledger_entries",
    "DROP INDEX transactions_sender_idx",
    "DROP FUNCTION guard_wallet() CASCADE",
    "DROP SCHEMA public CASCADE",
    "ALTER FUNCTION post_ledger_entries() RESET ALL",
    "CREATE OR REPLACE FUNCTION guard_wallet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "ALTER TYPE wallet_status ADD VALUE 'OPEN'",
    "SET session_replication_role = replica",
)
GO_AROUND = (
    "CREATE TABLE mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TEMP TABLE child () INHERITS (transactions)",
    "CREATE RULE quiet AS ON INSERT TO ledger_entries DO INSTEAD NOTHING",
    "CREATE TRIGGER mine BEFORE INSERT ON ledger_entries FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE INDEX mine ON ledger_entries (amount)",
    "GRANT pg_write_all_data TO CURRENT_USER",
    "SELECT * FROM ledger_entries FOR UPDATE",
    "LOCK TABLE wallets IN ACCESS EXCLUSIVE MODE",
    "COPY ledger_entries TO PROGRAM 'cat'",
    "INSERT INTO ledger_entries SELECT * FROM ledger_entries ON CONFLICT (transaction_id, leg) DO UPDATE SET amount = 1",
    "SELECT * FROM ledger_entries_first",
    "SELECT make_ledger_partition(now() + interval '9 months', now() + interval '10 months')",
    "SELECT guard_ledger_partition('wallets')",
    "ALTER TABLE ledger_entries DETACH PARTITION ledger_entries_first",
)
CHANGE = (
    "INSERT INTO currencies VALUES ('ABC', 2, 'Mine')",
    "UPDATE currencies SET exponent = 0",
    "UPDATE users SET subject = 'mallory'",
    f"UPDATE wallets SET balance = 1 WHERE id = {A}",
    f"UPDATE wallets SET version = 1 WHERE id = {A}",
    "UPDATE transactions SET amount = 1",
    "UPDATE outbox SET payload = '{}'",
    "TRUNCATE outbox",
    "INSERT INTO outbox (id, created_at, payload) OVERRIDING SYSTEM VALUE VALUES (9223372036854775807, now(), '{}')",
    "SELECT setval('outbox_id_seq', 1)",
    "UPDATE installation SET id = gen_random_uuid()",
    "DELETE FROM installation",
    "UPDATE outbox_parked SET payload = '{}'",
    "TRUNCATE outbox_parked",
    "DELETE FROM outbox_parked",
    "DELETE FROM outbox",
    "INSERT INTO outbox_parked VALUES (1, now(), '{}', now(), '')",
    "UPDATE event_chunks SET settled = 0",
    "DELETE FROM event_chunks",
    "INSERT INTO event_chunks (settled) VALUES (7)",
    "UPDATE log_secret SET secret = sha256('x')",
    "DELETE FROM log_salts",
    "DELETE FROM log_tiles",
    "UPDATE log_checkpoints SET root = sha256('x')",
    "DELETE FROM log_cosignatures",
    "INSERT INTO audit_log (id, operator, action, before, after) VALUES (gen_random_uuid(), 'postgres', 'SET_QUOTA', '{}', '{}')",
    "INSERT INTO alembic_version VALUES ('0000')",
    "UPDATE alembic_version SET version_num = '0000'",
    "DELETE FROM alembic_version",
    "TRUNCATE alembic_version",
    "DROP TABLE alembic_version",
)


@pytest.mark.parametrize("sql", [*SWITCH_OFF, *GO_AROUND, *CHANGE])
async def test_the_service_has_no_privilege_to(owner: asyncpg.Connection, sql: str) -> None:
    await write_small_ledger(owner)
    await assert_forbidden(owner, sql)


def test_migrations_revoke_create_on_the_schema_from_the_role(empty_database: str, servers: Servers, tmp_path: Path) -> None:
    """Databases created on PostgreSQL 14 grant it to all: an operator on the ledger's types would change its comparisons."""
    asyncio.run(_execute(empty_database, "GRANT CREATE ON SCHEMA public TO PUBLIC"))
    settings = load_settings(environment="test", database_url=empty_database, redis_url=servers.redis_url, home=tmp_path)
    asyncio.run(migrate.upgrade(settings))
    create = "CREATE FUNCTION public.same(wallet_status, wallet_status) RETURNS boolean LANGUAGE sql AS 'SELECT true'"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        asyncio.run(_execute(empty_database, f"SET ROLE {ROLE}; {create}"))


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
