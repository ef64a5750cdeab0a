"""How fast the past is read: pages of activity with a search, balances over 400 days, a balance at a moment.

On a ledger of its own: a user with a long history in one wallet, projected by the code of the worker.
"""

from __future__ import annotations

import random
import time
from datetime import timedelta
from statistics import median
from uuid import UUID

import asyncpg
import psutil

from app import ids
from app.access.tokens import mint_token
from app.clock import rfc3339, system_clock
from app.db.engine import connect
from app.db.lists import Window, list_entries
from app.db.reads import wallets_by_id
from app.db.time_sql import balance_at
from app.services.projection import project_live
from app.settings import Settings, load_settings
from bench.load import Check, Make, closed_loop
from bench.profiles import Profile
from bench.stack import Stack
from bench.traffic import graphql, rows

DAYS = 400
_SUBJECT = "bench-reader"
_CONNECTIONS = 8
_READS = 400
_READER, _PEER, _WALLET, _THEIRS, _BANK = (f"019aa200-0000-7000-8000-{number:012d}" for number in range(1, 6))

READ = UUID(_WALLET)
"""The wallet with the long history."""

_FOUND = f"""
INSERT INTO users (id, subject, display_name, created_at)
VALUES ('{_READER}', '{_SUBJECT}', 'Reader', now()), ('{_PEER}', 'bench-peer', 'Peter Peer', now());
INSERT INTO wallets (id, owner_id, kind, name, currency, account_type, posted_at, created_at)
SELECT id, owner_id, 'USER', 'Wallet', 'USD', 'LIABILITY', now() - interval '{DAYS + 2} days', now() - interval '{DAYS + 2} days'
FROM (VALUES ('{_WALLET}'::uuid, '{_READER}'::uuid), ('{_THEIRS}', '{_PEER}')) AS opened (id, owner_id);
"""
# A payment to and fro. Every second one has a frequent word, every thousandth a rare one.
_PAST = f"""
WITH past AS MATERIALIZED (
    SELECT n, date_trunc('milliseconds', now() - interval '{DAYS} days'
        + n * (interval '{DAYS} days' - interval '10 minutes') / $1::int) AS at
    FROM generate_series(1, $1) AS n
), numbered AS MATERIALIZED (
    SELECT n, at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(n), 9, '0')
        || '000')::uuid AS id
    FROM past
), paid AS (
    INSERT INTO transactions (id, initiator_id, idempotency_key, type, status, sender_wallet_id, receiver_wallet_id, amount,
        currency, description, created_at, completed_at)
    SELECT id, '{_READER}', n::text, 'TRANSFER', 'COMPLETED',
           CASE n % 2 WHEN 1 THEN '{_THEIRS}'::uuid ELSE '{_WALLET}' END,
           CASE n % 2 WHEN 1 THEN '{_WALLET}'::uuid ELSE '{_THEIRS}' END, 100, 'USD',
           CASE WHEN n % 1000 = 0 THEN 'Zeppelin ride' WHEN n % 2 = 0 THEN 'Coffee with friends' ELSE 'Lunch' END, at, at
    FROM numbered
), posted AS (
    INSERT INTO ledger_entries (transaction_id, leg, wallet_id, sequence, amount, balance_after, created_at)
    SELECT id, leg, CASE (n + leg) % 2 WHEN 1 THEN '{_THEIRS}'::uuid ELSE '{_WALLET}' END, n,
           CASE leg WHEN 0 THEN -100 ELSE 100 END,
           CASE WHEN (n + leg) % 2 = 1 THEN -100 ELSE 100 END * (n % 2), at
    FROM numbered, generate_series(0, 1) AS leg
)
INSERT INTO event_chunks (first_position, last_position, published_position, settled, sequenced_at, lowest_transaction_id,
    highest_transaction_id, kinds, subject_ids, numbers, outbox_ids)
SELECT min(n), max(n), max(n), max(n), now(), (array_agg(id ORDER BY id))[1], (array_agg(id ORDER BY id DESC))[1],
       repeat('S', count(*)::int), array_agg(id ORDER BY n), array_fill(0::bigint, ARRAY[count(*)::int]), array_agg(n ORDER BY n)
FROM numbered GROUP BY (n - 1) / 500
"""

_NODE = "{ id at direction amount { amount currency } counterparty { displayName } transaction { id description } }"
_ACTIVITY = (
    f"query Activity($query: String) {{ viewer {{ activity(first: 20, query: $query) {{ edges {{ cursor node {_NODE} }} "
    "pageInfo { hasNextPage endCursor } readPosition { lagSeconds } } } }"
)
_PAGE = (
    "query Page($id: ID!) { wallet(id: $id) { transactions(first: 20) {"
    " edges { cursor node { id type status createdAt amount { amount currency } sender { displayName } receiver { displayName }"
    " } } pageInfo { hasNextPage endCursor } } } }"
)
_BALANCES = (
    "query Balances($id: ID!, $from: DateTime!, $to: DateTime!) { wallet(id: $id) { balances(from: $from, to: $to, step: DAY, "
    'timeZone: "Europe/Berlin") { from closing { amount } } } }'
)
_BALANCE_AT = (
    "query BalanceAt($id: ID!, $at: DateTime!) { wallet(id: $id) { balanceAt(at: $at) { sequence balance { amount } } } }"
)


async def prepare(url: str, entries: int) -> dict[str, object]:
    """Fill a migrated, empty database, and project it. Returns what projecting a transfer costs. Run as the tables' owner."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(_FOUND)
        await connection.execute(_PAST, entries)
        await connection.execute(
            "UPDATE wallets SET sequence = $1::int, balance = 0, posted_at = now() - interval '10 minutes'", entries
        )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return await _project(load_settings(database_url=url), entries)


async def _project(settings: Settings, entries: int) -> dict[str, object]:
    """Project everything. Each transfer here is two entries in the activity of two users."""
    connection = await connect(settings)
    try:
        server = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
        before, started = _cpu(server), time.perf_counter()
        while await project_live(connection):
            pass
        seconds = time.perf_counter() - started
        used = [after - first for after, first in zip(_cpu(server), before, strict=True)]
    finally:
        await connection.close()
    return {
        "per_second": round(entries / seconds, 1),
        "transfers": entries,
        "cpu_us_worker": round(used[0] / entries * 1e6, 1),
        "cpu_us_postgres": round(used[1] / entries * 1e6, 1),
    }


def _cpu(server: psutil.Process) -> list[float]:
    return [sum(process.cpu_times()[:2]) for process in (psutil.Process(), server)]


async def reading_time(stack: Stack, profile: Profile) -> dict[str, object]:
    """Requests per second of each figure, and the ratios to a plain page: the medians of alternating rounds."""
    requests = _requests(stack)
    rates: dict[str, list[float]] = {name: [] for name in requests}
    seconds = max(0.3, profile.seconds / 2)
    # The first requests of a process make plans and connections.
    for make, check in requests.values():
        await closed_loop(stack.port, _CONNECTIONS, seconds / 2, make, check)
    for _ in range(max(2, profile.rounds)):
        for name, (make, check) in requests.items():
            rates[name].append((await closed_loop(stack.port, _CONNECTIONS, seconds, make, check)).per_second)
    return {
        "per_second": round(median(rates["activity_rare_word"]), 1),
        "each_per_second": {name: round(median(found), 1) for name, found in rates.items()},
        "of_a_plain_page": {name: _ratio(rates, name) for name in rates if name != "plain_page"},
        "balance_at_of_page_rows": await _row_reads(stack.settings),
    }


def _ratio(rates: dict[str, list[float]], name: str) -> float:
    return round(median(one / page for one, page in zip(rates[name], rates["plain_page"], strict=True)), 3)


def _requests(stack: Stack) -> dict[str, tuple[Make, Check]]:
    token = mint_token(_SUBJECT, stack.settings, lifetime=timedelta(days=2))
    now, wallet = system_clock(), ids.encode("wal", UUID(_WALLET))
    # A zone whose days begin at 22 or 23 o'clock of UTC: each border is inside a day of the model.
    whole = {"id": wallet, "from": rfc3339(now - timedelta(days=DAYS - 1)), "to": rfc3339(now)}
    moment = {"id": wallet, "at": rfc3339(now - timedelta(days=100))}
    return {
        "plain_page": (graphql(token, _PAGE, {"id": wallet}), rows(20)),
        "activity": (graphql(token, _ACTIVITY, {}), rows(20)),
        "activity_frequent_word": (graphql(token, _ACTIVITY, {"query": "coffee"}), rows(20)),
        "activity_rare_word": (graphql(token, _ACTIVITY, {"query": "zeppelin"}), rows(20)),
        "activity_name": (graphql(token, _ACTIVITY, {"query": "peter coff"}), rows(20)),
        "balances_400_days": (graphql(token, _BALANCES, whole), lambda body: int(body.count(b'"closing"') >= DAYS - 1)),
        "balance_at": (graphql(token, _BALANCE_AT, moment), lambda body: int(b'"sequence"' in body)),
    }


async def _row_reads(settings: Settings) -> float:
    """The time of a balance at a random moment, as a multiple of that of a page's rows. Both are one statement."""
    connection = await connect(settings)
    chance, now, wallet = random.Random(1), system_clock(), UUID(_WALLET)
    pages: list[float] = []
    balances: list[float] = []
    try:
        (read,) = await wallets_by_id(connection, [wallet], None)
        for _ in range(_READS):
            started = time.perf_counter()
            await list_entries(connection, read, Window(21))
            between = time.perf_counter()
            await balance_at(connection, wallet, now - timedelta(days=DAYS) * chance.random())
            pages.append(between - started)
            balances.append(time.perf_counter() - between)
    finally:
        await connection.close()
    return round(median(balances) / median(pages), 3)
