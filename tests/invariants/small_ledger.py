"""A small ledger in plain SQL, for tests that break its rules without the service."""

from __future__ import annotations

import asyncpg
import pytest

from app.services.verification import verify
from app.settings import Settings

ROLE = "paycore_app"
AT = "'2030-01-01T00:00:00Z'"
LATER = "'2030-01-02T00:00:00Z'"


def uid(number: int) -> str:
    """A UUID as an SQL literal."""
    return f"'00000000-0000-7000-8000-{number:012x}'"


ALICE, BOB = uid(1), uid(2)
DEPOSITS_USD, DEPOSITS_EUR = uid(10), uid(11)
A, B, E, G, FROZEN = uid(20), uid(21), uid(22), uid(23), uid(24)
"""Alice's dollars, Bob's dollars, Alice's euros, Bob's euros (none yet), Bob's frozen dollars (none)."""
DEPOSITED, PAID, REFUSED, PENDING, EUR_DEPOSITED, NEW, LAST = (number * 0x1000 for number in (1, 2, 3, 4, 5, 9, 10))
UNKNOWN = uid(0xFFFF)

Leg = tuple[str, int, int, int]
"""Wallet, sequence, amount, balance before."""


def transaction(number: int = NEW, **columns: str) -> str:
    """An INSERT of a COMPLETED transaction of 100 cents from A to B, with the given columns (as SQL) replaced."""
    values = {
        "id": uid(number),
        "initiator_id": ALICE,
        "idempotency_key": f"'key-{number}'",
        "type": "'TRANSFER'",
        "status": "'COMPLETED'",
        "sender_wallet_id": A,
        "receiver_wallet_id": B,
        "amount": "100",
        "currency": "'USD'",
        "created_at": AT,
        "completed_at": LATER if columns.get("status", "'COMPLETED'") == "'COMPLETED'" else "NULL",
        **columns,
    }
    return f"INSERT INTO transactions ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def entries(
    *legs: Leg,
    number: int = NEW,
    at: str = LATER,
    first_leg: int = 0,
    leg_step: int = 1,
    balance_after: int | None = None,
    purposes: tuple[str, ...] = (),
) -> str:
    """One INSERT of a transaction's entries, with correct balances unless `balance_after` is given."""
    rows = ", ".join(
        f"({uid(number)}, {first_leg + leg * leg_step}, {wallet}, {sequence}, {amount}, "
        f"{before + amount if balance_after is None else balance_after}, {at}, '{purposes[leg] if purposes else 'PRINCIPAL'}')"
        for leg, (wallet, sequence, amount, before) in enumerate(legs)
    )
    columns = "transaction_id, leg, wallet_id, sequence, amount, balance_after, created_at, purpose"
    return f"INSERT INTO ledger_entries ({columns}) VALUES {rows};"


def wallet(number: int, **columns: str) -> str:
    """An INSERT of a dollar wallet of Alice, with the given columns (as SQL) replaced."""
    values = {
        "id": uid(number),
        "owner_id": ALICE,
        "kind": "'USER'",
        "currency": "'USD'",
        "name": "'Test'",
        "posted_at": AT,
        "created_at": AT,
        **columns,
    }
    return f"INSERT INTO wallets ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def posted(**columns: str) -> str:
    """An INSERT of a posting, without its entries."""
    return transaction(NEW, type="'POSTING'", sender_wallet_id="NULL", receiver_wallet_id="NULL", **columns)


def posting(*legs: Leg, terms: str | None = None, **columns: str) -> str:
    """An INSERT of a posting of these legs, and one of its entries. Without a sender and a receiver it may have any legs."""
    document = ", ".join(
        f"jsonb_build_array({wallet}, {amount}, '{'EUR' if wallet in (E, G, DEPOSITS_EUR) else 'USD'}', 'PRINCIPAL')"
        for wallet, _, amount, _ in legs
    )
    terms = terms or f"jsonb_build_object('legs', jsonb_build_array({document}))"
    return posted(terms=terms, **columns) + entries(*legs)


FEES = uid(31)
"""The fee wallet, if `fee_schedule` opened it."""
SCHEDULE = uid(90)


def fee_schedule(place: int = 90, **columns: str) -> str:
    """An INSERT of the fee wallet and of a general schedule of 30 cents, with the given columns (as SQL) replaced."""
    values = {
        "id": uid(place),
        "transaction_type": "'TRANSFER'",
        "currency": "'USD'",
        "name": "'Fee'",
        "payer": "'SENDER'",
        "flat": "30",
        "rounding": "'HALF_EVEN'",
        "initiator_id": ALICE,
        "idempotency_key": f"'fee-{place}'",
        "request_hash": "sha256('x')",
        **columns,
    }
    system = {"owner_id": "NULL", "kind": "'SYSTEM'", "system_purpose": "'FEES'", "account_type": "'INCOME'"}
    opened = wallet(31, **system).rstrip(";") + " ON CONFLICT DO NOTHING;"
    if columns.get("currency", "'USD'") != "'USD'":
        opened = wallet(32, **system, currency=columns["currency"])
    return opened + f"INSERT INTO fee_schedules ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def charged(*fee_legs: Leg, fee: str = "30", schedule: str = SCHEDULE, purposes: tuple[str, str] = ("FEE", "FEE")) -> str:
    """An INSERT of a payment of 100 cents from A to B with a fee, and one of its entries, with these legs for the fee."""
    principal = ((A, 3, -100, 7000), (B, 2, 100, 3000))
    named = ("PRINCIPAL", "PRINCIPAL", *purposes)
    return transaction(fee=fee, fee_schedule_id=schedule) + entries(*principal, *fee_legs, purposes=named)


def reversal(
    *legs: Leg, number: int = NEW, fees: str = "KEEP", overdraft: bool = False, purposes: tuple[str, ...] = (), **columns: str
) -> str:
    """An INSERT of a reversal of 100 cents of PAID, and one of its entries, unless there are no legs."""
    members = f"'fees', '{fees}', 'overdraft', {str(overdraft).lower()}"
    values = {
        "type": "'REVERSAL'",
        "initiator_id": BOB,
        "sender_wallet_id": B,
        "receiver_wallet_id": A,
        "reverses_id": uid(PAID),
        "terms": f"jsonb_build_object('reversal', jsonb_build_object({members}))",
        **columns,
    }
    return transaction(number, **values) + (entries(*legs, number=number, purposes=purposes) if legs else "")


HOLD = 0x20000
"""The number of the hold that `hold` places, unless it names another."""


def hold(placed: int = 100, number: int = HOLD, at: str = LATER, **columns: str) -> str:
    """An INSERT of a hold on A in favour of B, with the given columns (as SQL) replaced, and of the event that places it."""
    values = {
        "id": uid(number),
        "wallet_id": A,
        "receiver_wallet_id": B,
        "initiator_id": ALICE,
        "amount": str(placed),
        "currency": "'USD'",
        "created_at": at,
        **columns,
    }
    inserted = f"INSERT INTO holds ({', '.join(values)}) VALUES ({', '.join(values.values())});"
    return inserted + hold_event(1, "PLACED", number, placed=placed, at=at)


def hold_event(
    place: int,
    kind: str,
    number: int = HOLD,
    *,
    placed: int = 0,
    captured: int = 0,
    released: int = 0,
    at: str = LATER,
    **columns: str,
) -> str:
    """An INSERT of an event of a hold, with the given columns (as SQL) replaced. A capture is by the transaction NEW."""
    is_asked = kind in ("PLACED", "EXTENDED", "RELEASED")
    values = {
        "hold_id": uid(number),
        "number": str(place),
        "id": uid(number) if place == 1 else uid(NEW) if captured else uid(number + place),
        "kind": f"'{kind}'",
        "placed": str(placed),
        "captured": str(captured),
        "released": str(released),
        "created_at": at,
        "initiator_id": "NULL" if kind == "EXPIRED" else BOB if captured else ALICE,
        "idempotency_key": f"'hold-{number}-{place}'" if is_asked else "NULL",
        "terms": "'{}'" if is_asked else "NULL",
        **columns,
    }
    return f"INSERT INTO hold_events ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def capture(amount: int = 100, number: int = HOLD, **columns: str) -> str:
    """An INSERT of a completed capture by Bob, without its event and its entries, with the given columns (as SQL) replaced."""
    values = {
        "type": "'CAPTURE'",
        "initiator_id": BOB,
        "amount": str(amount),
        "hold_id": uid(number),
        "terms": """'{"capture": {}}'""",
        **columns,
    }
    return transaction(NEW, **values)


PAYMENT = entries((A, 3, -100, 7000), (B, 2, 100, 3000))
"""The entries that NEW calls for."""

_SYSTEM = {"owner_id": "NULL", "kind": "'SYSTEM'", "system_purpose": "'DEPOSITS'"}
_SETUP = (
    f"INSERT INTO users VALUES ({ALICE}, 'alice', 'Alice', {AT}), ({BOB}, 'bob', 'Bob', {AT})",
    wallet(10, **_SYSTEM),
    wallet(11, **_SYSTEM, currency="'EUR'"),
    wallet(20),
    wallet(21, owner_id=BOB),
    wallet(22, currency="'EUR'"),
    wallet(23, owner_id=BOB, currency="'EUR'"),
    wallet(24, owner_id=BOB, status="'FROZEN'"),
    transaction(DEPOSITED, type="'DEPOSIT'", sender_wallet_id=DEPOSITS_USD, receiver_wallet_id=A, amount="10000"),
    entries((DEPOSITS_USD, 1, -10000, 0), (A, 1, 10000, 0), number=DEPOSITED, at=AT),
    transaction(PAID, amount="3000"),
    entries((A, 2, -3000, 10000), (B, 1, 3000, 0), number=PAID, at=AT),
    transaction(REFUSED, status="'FAILED'", failure_code="'INSUFFICIENT_FUNDS'", failure_available="7000"),
    transaction(PENDING, status="'PENDING'"),
    transaction(
        EUR_DEPOSITED,
        type="'DEPOSIT'",
        sender_wallet_id=DEPOSITS_EUR,
        receiver_wallet_id=E,
        amount="5000",
        currency="'EUR'",
    ),
    entries((DEPOSITS_EUR, 1, -5000, 0), (E, 1, 5000, 0), number=EUR_DEPOSITED, at=AT),
    f"INSERT INTO wallet_openings VALUES ({ALICE}, 'opened', sha256('x'), {A})",
    f"INSERT INTO audit_log VALUES ({uid(90)}, {ALICE}, 'SET_WALLET_STATUS', {FROZEN}, '{{}}', '{{}}', 'Asked', NULL, {AT})",
    f"INSERT INTO ledger_verifications (finished_at, duration_ms, findings) VALUES ({AT}, 7, 3)",
)

_TABLES = (
    "users", "currencies", "wallets", "wallet_openings", "transactions", "ledger_entries", "transaction_wallets", "outbox",
    "audit_log", "ledger_verifications", "reversed_amounts", "holds", "hold_events", "fx_rates", "fx_quotes",
    "event_chunks", "outbox_parked", "log_tiles", "log_salts", "log_checkpoints", "log_cosignatures", "log_secret",
    "webhook_endpoints", "webhook_deliveries", "webhook_attempts", "webhook_progress", "worker_duties",
)  # fmt: skip


# As the service writes them with the transactions.
_EVENTS = """
INSERT INTO outbox (created_at, payload)
SELECT now(), format('{"v":1,"kind":"settled","transaction_id":"%s","owner_ids":[],"entries":[]}', id)::json
FROM transactions t
WHERE status = 'COMPLETED' AND NOT EXISTS (SELECT FROM outbox WHERE payload->>'transaction_id' = t.id::text)
"""


async def write_small_ledger(connection: asyncpg.Connection) -> None:
    """Write the ledger; it breaks no rule."""
    for statement in _SETUP:
        await connection.execute(statement)
    await connection.execute(_EVENTS)


async def findings(connection: asyncpg.Connection, settings: Settings) -> list[str]:
    """What `verify` finds, after completed transactions that were written in plain SQL have got their events."""
    await connection.execute(_EVENTS)
    return await verify(settings)


async def fingerprint(connection: asyncpg.Connection) -> dict[str, str]:
    """A hash of each table's contents."""
    query = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} AS t"
    return {table: await connection.fetchval(query.format(table)) for table in _TABLES}


async def assert_refused(owner: asyncpg.Connection, sql: str, rule: str) -> None:
    """Assert that the statements, run as one transaction, break this rule and change nothing."""
    before = await fingerprint(owner)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await owner.execute(sql)
    assert refused.value.constraint_name == rule
    assert await fingerprint(owner) == before


async def assert_forbidden(owner: asyncpg.Connection, sql: str) -> None:
    """Assert that the service's role has no privilege for the statements, and that they change nothing."""
    before = await fingerprint(owner)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute(f"SET LOCAL ROLE {ROLE}; {sql}")
    assert await fingerprint(owner) == before
