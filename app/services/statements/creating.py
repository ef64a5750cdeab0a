"""Creating statements: the next number of a wallet, for a period that begins where the one before ended."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.clock import Clock, rfc3339
from app.db import archive_sql, statement_sql, wallet_sql
from app.db.pool import Database, driver_of
from app.db.statement_sql import Place
from app.errors import Refusal, RefusalCode, Unavailable
from app.records import AccountStatement, StatementStatus, Wallet
from app.services.input_rules import idempotency_key_refusal
from app.services.reading import load_wallets
from app.services.refusals import key_reused, wallet_not_found
from app.settings import Settings

_PATH = ("input",)
_FIRST_WITHIN = timedelta(days=31)
"""How soon after its opening a wallet usually has its first entry."""


@dataclass(frozen=True, slots=True)
class StatementInput:
    """The client's input of createStatement. `to_at` is exclusive."""

    idempotency_key: str
    wallet_id: str
    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True)
class StatementResult:
    """The statement, or the refusals."""

    statement: AccountStatement | None
    refusals: tuple[Refusal, ...] = ()
    replayed: bool = False


async def create(
    engine: Database,
    settings: Settings,
    viewer: Viewer,
    details: StatementInput,
    *,
    clock: Clock,
    request_id: str | None = None,
) -> StatementResult:
    """Create the next statement of a wallet that the viewer may load. The same key again returns the same statement.

    One of another's wallet is recorded in the audit log. Raises Forbidden, Unavailable.
    """
    policy.require(viewer, Right.MAKE_STATEMENTS)
    policy.require_view(viewer)
    refusal = idempotency_key_refusal(details.idempotency_key, _PATH)
    if refusal is not None:
        return StatementResult(None, (refusal,))
    earlier = await statement_sql.statement_by_key(engine, viewer.user_id, details.idempotency_key)
    if earlier is not None:
        return _again(earlier, details)
    wallet_id = ids.decode("wal", details.wallet_id)
    wallet = None if wallet_id is None else (await load_wallets(engine, viewer, [wallet_id])).get(wallet_id)
    if wallet is None:
        return StatementResult(None, (wallet_not_found((*_PATH, "walletId")),))
    if details.from_at >= details.to_at:
        return StatementResult(None, (_refusal(RefusalCode.INVALID_INPUT, "`to` must be after `from`.", "to"),))
    request = _Request(settings, viewer, wallet, details, clock, request_id)
    async with engine.begin() as connection:
        found = await _create(connection, request)
    if found is not None:
        return found
    # The same request has just created it.
    winner = await statement_sql.statement_by_key(engine, viewer.user_id, details.idempotency_key)
    assert winner is not None
    return _again(winner, details)


@dataclass(frozen=True, slots=True)
class _Request:
    settings: Settings
    viewer: Viewer
    wallet: Wallet
    details: StatementInput
    clock: Clock
    request_id: str | None


async def _create(connection: AsyncConnection, request: _Request) -> StatementResult | None:
    """Returns None if the key was used meanwhile. The caller commits."""
    viewer, wallet, details = request.viewer, request.wallet, request.details
    await statement_sql.lock_user(connection, viewer.user_id)
    if await statement_sql.is_used(connection, viewer.user_id, details.idempotency_key):
        return None
    most = request.settings.statements_preparing_per_user
    if await statement_sql.count_preparing(connection, viewer.user_id) >= most:
        message = f"At most {most} statements of one user are prepared at once. Try again when they are ready."
        return StatementResult(None, (Refusal(RefusalCode.QUOTA_EXCEEDED, message, _PATH, not_recorded=True),))
    place = await statement_sql.lock_wallet(connection, wallet.id)
    # After the lock, so that it sees what earlier holders of the lock have written.
    before = await statement_sql.newest_statement(connection, wallet.id)
    now = request.clock()
    delay = timedelta(seconds=request.settings.statement_delay_seconds)
    # Nothing can be posted to a wallet before its last entry. Later than that, the clocks of other processes decide.
    over = max(place.posted_at, now - delay)
    refusal = await _gap_refusal(connection, wallet, before, details) or _open_refusal(details, over)
    if refusal is not None:
        return StatementResult(None, (refusal,))
    statement = await _next(connection, request, place, before, now)
    if statement is None:
        message = "Entries of this period are archived. The statement can be made once an operator has restored them."
        return StatementResult(None, (Refusal(RefusalCode.ARCHIVED, message, _PATH),))
    await statement_sql.insert_statement(connection, statement, details.idempotency_key)
    if wallet.owner_id != viewer.user_id:
        await _audit(connection, viewer, statement, now, request.request_id)
    return StatementResult(statement)


async def _gap_refusal(
    connection: AsyncConnection, wallet: Wallet, before: AccountStatement | None, details: StatementInput
) -> Refusal | None:
    if before is not None:
        if details.from_at == before.to_at:
            return None
        message = f"Statement {before.number} ends at {rfc3339(before.to_at)}: the next one begins there."
        return _not_next(message, before.to_at)
    first = await statement_sql.entry_at(connection, wallet.id, 1, wallet.created_at, wallet.created_at + _FIRST_WITHIN)
    if first is None or details.from_at <= first.created_at:
        return None
    message = f"The first statement begins at the wallet's first entry or earlier: {rfc3339(first.created_at)}."
    return _not_next(message, first.created_at)


def _open_refusal(details: StatementInput, over: datetime) -> Refusal | None:
    if details.to_at <= over:
        return None
    message = f"This period is not over. A statement ends at {rfc3339(over)} at the latest."
    return _refusal(RefusalCode.PERIOD_OPEN, message, "to")


async def _next(
    connection: AsyncConnection, request: _Request, place: Place, before: AccountStatement | None, now: datetime
) -> AccountStatement | None:
    """Returns None if entries of the period are archived."""
    wallet_id, details = request.wallet.id, request.details
    number, covered, opening = (0, 0, 0) if before is None else (before.number, before.last_sequence, before.closing)
    # No entry that is not in a statement yet is older than `from`: that is checked.
    from_at, to_at = details.from_at, details.to_at
    last = await statement_sql.last_entry_before(connection, wallet_id, from_at, to_at, lowest=covered, highest=place.sequence)
    closing = opening
    if last > covered:
        if await archive_sql.has_archived(await driver_of(connection), wallet_id, covered + 1, last):
            return None
        entry = await statement_sql.entry_at(connection, wallet_id, last, from_at, to_at)
        if entry is None:
            raise Unavailable("The entries of this period are not here.")
        closing = entry.balance_after
    return AccountStatement(
        id=ids.new_id(now),
        wallet_id=wallet_id,
        initiator_id=request.viewer.user_id,
        number=number + 1,
        first_sequence=covered + 1,
        last_sequence=last,
        opening=opening,
        closing=closing,
        credits=None,
        debits=None,
        credit_count=None,
        from_at=details.from_at,
        to_at=details.to_at,
        status=StatementStatus.PREPARING,
        problem=None,
        request_hash=_hash(details),
        created_at=now,
    )


async def _audit(
    connection: AsyncConnection, viewer: Viewer, statement: AccountStatement, now: datetime, request_id: str | None
) -> None:
    await wallet_sql.audit(
        connection,
        ids.new_id(now),
        "CREATE_STATEMENT",
        statement.wallet_id,
        before={},
        after={"statement": ids.encode("stm", statement.id), "number": str(statement.number)},
        actor_id=viewer.user_id,
        reason=None,
        request_id=request_id,
    )


def _again(earlier: AccountStatement, details: StatementInput) -> StatementResult:
    if earlier.request_hash != _hash(details):
        return StatementResult(None, (key_reused(_PATH, None),))
    return StatementResult(earlier, replayed=True)


def _hash(details: StatementInput) -> bytes:
    members = [details.wallet_id, rfc3339(details.from_at), rfc3339(details.to_at)]
    return hashlib.sha256(orjson.dumps(members)).digest()


def _refusal(code: RefusalCode, message: str, field_name: str) -> Refusal:
    return Refusal(code, message, (*_PATH, field_name))


def _not_next(message: str, expected: datetime) -> Refusal:
    return Refusal(RefusalCode.PERIOD_NOT_NEXT, message, (*_PATH, "from"), expected_from=expected)
