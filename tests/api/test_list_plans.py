"""Lists read the rows that they show: among many users and wallets, no statement reads all of them.

The server plans a statement before it knows its parameters, so it knows no size of a page, and takes a tenth of all rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import asyncpg

from app.clock import rfc3339, system_clock
from app.db.pool import Database
from tests.api.conftest import Api
from tests.api.test_reading import history
from tests.invariants.conftest import owner
from tests.statements import recorded_statements

__all__ = ["owner"]

MANY = """
CREATE FUNCTION one_of_many(kind text, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT ('019aa000-0000-7000-' || kind || '-' || lpad(number::text, 12, '0'))::uuid $$;
INSERT INTO users (id, subject, display_name, created_at)
SELECT one_of_many('9000', n), 'one-of-many-' || n, 'One of many ' || n, now() FROM generate_series(0, 999) AS n;
INSERT INTO wallets (id, owner_id, kind, name, currency, posted_at, created_at)
SELECT one_of_many('8000', n), one_of_many('9000', n / 10), 'USER', 'One of many', 'USD', now(), now()
FROM generate_series(0, 9999) AS n;
"""
"""Their ids rise with time, as those of users and wallets do: the planner then thinks that a whole index is read cheaply."""
COPIES = """
INSERT INTO transactions (id, initiator_id, idempotency_key, type, status, sender_wallet_id, receiver_wallet_id, amount,
                          currency, created_at, completed_at)
SELECT gen_random_uuid(), initiator_id, idempotency_key || '-' || n, type, status,
       one_of_many('8000', n % 5000), one_of_many('8000', 5000 + 7 * n % 5000),
       amount, currency, created_at, completed_at
FROM (SELECT * FROM transactions WHERE type = 'TRANSFER' AND status = 'COMPLETED' LIMIT 20) AS made,
     generate_series(1, 5000) AS n
"""
PARTIES = "sender { walletId displayName } receiver { walletId displayName }"
LISTS = {
    "transactions": "wallet(id: $w) { transactions(first: 20) { edges { node { id amount { amount } " + PARTIES + " } } } }",
    "transactions by node": "node(id: $w) { ...on Wallet { transactions(last: 20) { edges { node { " + PARTIES + " } } } } }",
    "filtered transactions": "wallet(id: $w) { transactions(filter: {type: TRANSFER}) { edges { node { " + PARTIES + " } } } }",
    "entries": "wallet(id: $w) { entries { edges { node { id wallet { name owner { displayName } } transaction { id "
    + PARTIES
    + " } } } } }",
    "wallets": "viewer { displayName wallets { edges { node { id owner { displayName } balance { amount } } } } }",
    "activity": "viewer { activity(first: 20) { edges { node { transaction { id " + PARTIES + " } } } } }",
    "found activity": 'viewer { activity(first: 20, query: "member") { edges { node { transaction { id } } } } }',
    "holds": "wallet(id: $w) { holds { edges { node { id } } } incomingHolds { edges { node { id } } } }",
    "statements": "wallet(id: $w) { statements { edges { node { id } } } }",
    "balance": "wallet(id: $w) { balanceAt(at: $at) { balance { amount } } balances(from: $at, to: $to, step: HOUR) "
    "{ closing { amount } debits { amount } } }",
}


async def test_no_list_reads_all_users_or_wallets(api: Api, owner: asyncpg.Connection) -> None:
    wallet, _ = await history(api, 30)
    await owner.execute(MANY)
    # Without the ledger's rules: these transactions have no entries, and only the planner looks at them.
    await owner.execute(f"SET session_replication_role = replica; {COPIES}; RESET session_replication_role; ANALYZE")
    now = system_clock()
    given = {"w": wallet, "at": rfc3339(now - timedelta(days=2)), "to": rfc3339(now - timedelta(days=1))}
    declared = {"$w": "$w: ID!", "$at": "$at: DateTime!", "$to": "$to: DateTime!"}
    for name, document in LISTS.items():
        variables = ", ".join(text for variable, text in declared.items() if variable in document)
        query = f"query({variables}) {{ {document} }}" if variables else f"{{ {document} }}"
        with recorded_statements(api.services.engine) as statements:
            await api.data("alice", query, **given)
        assert statements
        for text, values in statements:
            assert await whole_scans(api.bank.engine, text, len(values)) == [], (name, text)


async def whole_scans(engine: Database, statement: str, parameters: int) -> list[str]:
    """The users or wallets, if the plan of a statement with so many parameters reads all of them."""
    async with engine.connect() as connection:
        # Prepared, because an EXPLAIN of the statement itself is planned for its parameters' values.
        await connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.exec_driver_sql(f"PREPARE asked AS {statement}")
        values = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
        explained = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) EXECUTE asked{values}")
        plan = explained.scalar_one()
        await connection.exec_driver_sql("DEALLOCATE asked")
    nodes = nodes_of((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    return [node["Relation Name"] for node in nodes if is_whole(node)]


def nodes_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from nodes_of(below)


def is_whole(node: dict[str, Any]) -> bool:
    """Whether a node of a plan reads all users or all wallets."""
    return node["Node Type"] in {"Seq Scan", "Index Only Scan", "Index Scan"} and (
        node.get("Relation Name") in {"users", "wallets"} and "Index Cond" not in node
    )
