"""The measured ledger: 1,000 users with ten well-filled wallets each. Every id follows from a number.

So pgbench can compute a wallet's id at no cost: the digits of its number are the last hex digits of the id.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from app import ids
from app.access.tokens import mint_token
from app.settings import Settings

USERS = 1000
WALLETS_PER_USER = 10
WALLETS = USERS * WALLETS_PER_USER
FUNDS = 10**12
"""The first balance of each wallet in minor units, enough for every run."""

USER = "019aa000-0000-7000-9000-{:012d}"
WALLET = "019aa000-0000-7000-8000-{:012d}"
EUROS = "019aa000-0000-7000-a000-{:012d}"
BANK = "019aa000-0000-7000-b000-000000000000"
"""The system wallet of the first deposits."""

_FOUND = f"""
CREATE FUNCTION bench_uuid(kind text, number int) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT ('019aa000-0000-7000-' || kind || '-' || lpad(number::text, 12, '0'))::uuid $$;

INSERT INTO users (id, subject, display_name, created_at)
SELECT bench_uuid('9000', n), 'bench-' || n, 'Bench ' || n, '2025-11-20' FROM generate_series(1, {USERS}) n;

INSERT INTO wallets (id, owner_id, kind, name, currency, posted_at, created_at)
SELECT bench_uuid('8000', n), bench_uuid('9000', (n - 1) / {WALLETS_PER_USER} + 1), 'USER', 'Wallet ' || n, 'USD',
       '2025-11-20', '2025-11-20'
FROM generate_series(1, {WALLETS}) n;

INSERT INTO wallets (id, kind, name, currency, system_purpose, posted_at, created_at)
VALUES ('{BANK}', 'SYSTEM', 'Deposits USD', 'USD', 'DEPOSITS', '2025-11-20', '2025-11-20');

INSERT INTO transactions (id, initiator_id, idempotency_key, type, status, sender_wallet_id,
                          receiver_wallet_id, amount, currency, created_at, completed_at)
SELECT ('019aa000-0000-7000-a' || lpad(n::text, 6, '0') || '000000000')::uuid, bench_uuid('9000', 1), 'deposit-' || n,
       'DEPOSIT', 'COMPLETED', '{BANK}', bench_uuid('8000', n), {FUNDS}, 'USD',
       '2025-11-20', '2025-11-20'
FROM generate_series(1, {WALLETS}) n;

INSERT INTO ledger_entries (transaction_id, leg, wallet_id, sequence, amount, balance_after, created_at)
SELECT t.id, leg, CASE leg WHEN 0 THEN t.sender_wallet_id ELSE t.receiver_wallet_id END,
       CASE leg WHEN 0 THEN n ELSE 1 END, CASE leg WHEN 0 THEN -{FUNDS} ELSE {FUNDS} END,
       CASE leg WHEN 0 THEN -n * {FUNDS} ELSE {FUNDS} END, '2025-11-20'
FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM transactions) t, generate_series(0, 1) leg;
"""

_CHARGE = """
INSERT INTO wallets (id, kind, name, currency, system_purpose, account_type, posted_at, created_at)
VALUES ('019aa000-0000-7000-b000-000000000001', 'SYSTEM', 'Fees USD', 'USD', 'FEES', 'INCOME', '2025-11-20', '2025-11-20');

INSERT INTO fee_schedules (id, transaction_type, currency, name, payer, percent, flat, rounding, initiator_id, idempotency_key,
                           request_hash)
VALUES ('019aa000-0000-7000-c000-000000000001', 'TRANSFER', 'USD', 'Fee', 'SENDER', 2.9, 1, 'HALF_EVEN', bench_uuid('9000', 1),
        'fee', sha256('fee'));
"""

_EXCHANGE = f"""
INSERT INTO wallets (id, owner_id, kind, name, currency, posted_at, created_at)
SELECT bench_uuid('a000', n), bench_uuid('9000', n), 'USER', 'Euros ' || n, 'EUR', '2025-11-20', '2025-11-20'
FROM generate_series({USERS} / 2 + 1, {USERS}) n ON CONFLICT DO NOTHING;
"""
# Of the upper half of the users: the others keep the wallets that the figure `viewer` reads. 10 cents, of which 1 is the
# spread, for 7 euro cents.
_QUOTES = f"""
INSERT INTO fx_quotes (id, user_id, source_currency, target_currency, source_amount, target_amount, is_target_fixed, rate,
                       rate_source, rate_valid_from, spread_basis_points, spread, residue, created_at, expires_at,
                       idempotency_key)
SELECT gen_random_uuid(), bench_uuid('9000', {USERS} - n % ({USERS} / 2)), 'USD', 'EUR', 10, 7, false, 0.8, 'bench', now(), 50,
       1, 0, now(), now() + interval '1 day', gen_random_uuid()::text
FROM generate_series(1, $1::int) n RETURNING id, user_id
"""

BUSY = 1
"""The number of the wallet with a long history, for the pages."""
_BUSY_EVERY = 50
_LOT = 25_000
"""Transfers per COPY."""


def wallet_uuid(number: int) -> UUID:
    """The wallet with this number, from 1."""
    return UUID(WALLET.format(number))


def wallet_id(number: int) -> str:
    """The public id of the wallet with this number."""
    return ids.encode("wal", wallet_uuid(number))


def owner_of(number: int) -> int:
    """The number of the wallet's owner."""
    return (number - 1) // WALLETS_PER_USER + 1


def tokens(settings: Settings) -> list[str]:
    """Each user's bearer token, by number; number 0 is unused."""
    return ["", *(mint_token(f"bench-{user}", settings, lifetime=timedelta(days=2)) for user in range(1, USERS + 1))]


async def create(url: str) -> None:
    """Create users, wallets and first deposits in a migrated database, under its rules. Run as the tables' owner."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_FOUND)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def charge(url: str) -> None:
    """Publish a fee on every transfer. Run as the tables' owner."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_CHARGE)
    finally:
        await connection.close()


async def make_quotes(url: str, count: int) -> list[tuple[bytes, int]]:
    """Make quotes of dollars for euros, and wallets in euros for their users. Returns each one's public id and user's number."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_EXCHANGE)
        rows = await connection.fetch(_QUOTES, count)
    finally:
        await connection.close()
    return [(ids.encode("fxq", row[0]).encode(), int(row[1].hex[-12:])) for row in rows]


def euros_id(user: int) -> str:
    """The public id of a user's wallet in euros."""
    return ids.encode("wal", UUID(EUROS.format(user)))


def poster_token(settings: Settings) -> str:
    """A bearer token that may post any legs."""
    return mint_token("bench-poster", settings, role="admin", lifetime=timedelta(days=2))


@dataclass(frozen=True, slots=True)
class Years:
    """When the transfers of a history were: a first moment, and the milliseconds from one to the next."""

    first: datetime
    step_ms: float

    def moment(self, number: int) -> datetime:
        return self.first + timedelta(milliseconds=int(number * self.step_ms))


async def grow(url: str, entries: int, years: Years | None = None) -> AsyncIterator[int]:
    """Load transfers by COPY until the ledger has `entries` entries; yields the number of transfers loaded so far.

    Without `years` all of them are of one moment.

    The rules' triggers are disabled meanwhile, which needs a superuser; `paycore verify` finds no fault afterwards.
    """
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("SET synchronous_commit = off")
        transfers = max(0, (entries - await connection.fetchval("SELECT count(*) FROM ledger_entries")) // 2)
        rows = await connection.fetch(
            "SELECT balance, sequence FROM wallets WHERE kind = 'USER' AND id >= $1 ORDER BY id", wallet_uuid(1)
        )
        past = _Past([(row["balance"], row["sequence"]) for row in rows], years)
        for loaded in range(0, transfers, _LOT):
            await past.copy(connection, loaded, min(_LOT, transfers - loaded))
            yield loaded
        await connection.execute(
            "UPDATE wallets w SET balance = p.balance, sequence = p.sequence, posted_at = (SELECT max(created_at) "
            "FROM ledger_entries e WHERE e.wallet_id = p.id AND e.sequence = p.sequence) "
            "FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS p (id, balance, sequence) "
            "WHERE w.id = p.id AND w.sequence < p.sequence",
            *past.positions(),
        )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


class _Past:
    """A history of random transfers, and the resulting wallets."""

    def __init__(self, wallets: list[tuple[int, int]], years: Years | None) -> None:
        self._years = years
        self._balances = [0, *(balance for balance, _ in wallets)]
        self._sequences = [0, *(sequence for _, sequence in wallets)]
        self._random = random.Random(1)

    async def copy(self, connection: asyncpg.Connection, first: int, count: int) -> None:
        """Load transfers number `first` to `first + count - 1`."""
        transactions: list[str] = []
        entries: list[str] = []
        for number in range(first, first + count):
            transaction, both = self._transfer(number)
            transactions.append(transaction)
            entries += both
        for table, columns, lines in (
            ("transactions", _TRANSACTION_COLUMNS, transactions),
            ("ledger_entries", _ENTRY_COLUMNS, entries),
        ):
            await connection.copy_to_table(table, source=_bytes(lines), columns=columns)

    def _transfer(self, number: int) -> tuple[str, tuple[str, str]]:
        sender, receiver = self._random.sample(range(1, WALLETS + 1), 2)
        if number % _BUSY_EVERY == 0 and sender != BUSY:
            receiver = BUSY
        amount = self._random.randrange(1, 10_000)
        id_ = f"019aa100-{number // 4096:04x}-7{number % 4096:03x}-8000-{self._random.getrandbits(36):09x}000"
        at = "2025-12-01"
        if self._years is not None:
            moment = self._years.moment(number)
            id_, at = str(ids.new_transaction_id(moment)), moment.isoformat()
        key = UUID(int=self._random.getrandbits(128))
        user = USER.format(owner_of(sender))
        line = "\t".join(
            (id_, user, str(key), "TRANSFER", "COMPLETED", WALLET.format(sender),
             WALLET.format(receiver), str(amount), "USD", at, f"{at}\n")
        )  # fmt: skip
        return line, (self._entry(id_, 0, sender, -amount, at), self._entry(id_, 1, receiver, amount, at))

    def _entry(self, id_: str, leg: int, wallet: int, amount: int, at: str) -> str:
        self._balances[wallet] += amount
        self._sequences[wallet] += 1
        chain = f"{self._sequences[wallet]}\t{amount}\t{self._balances[wallet]}"
        return f"{id_}\t{leg}\t{WALLET.format(wallet)}\t{chain}\t{at}\n"

    def positions(self) -> tuple[list[UUID], list[int], list[int]]:
        """Ids, balances and sequences of all wallets."""
        return [wallet_uuid(number) for number in range(1, WALLETS + 1)], self._balances[1:], self._sequences[1:]


_TRANSACTION_COLUMNS = (
    "id", "initiator_id", "idempotency_key", "type", "status", "sender_wallet_id", "receiver_wallet_id", "amount",
    "currency", "created_at", "completed_at",
)  # fmt: skip
_ENTRY_COLUMNS = (
    "transaction_id", "leg", "wallet_id", "sequence", "amount", "balance_after", "created_at",
)  # fmt: skip


async def _bytes(lines: list[str]) -> AsyncIterator[bytes]:
    for lot in _lots(lines):
        yield "".join(lot).encode()


def _lots(lines: list[str], size: int = 1000) -> Iterator[list[str]]:
    return (lines[start : start + size] for start in range(0, len(lines), size))
