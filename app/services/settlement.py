"""Settles a batch in one database transaction: lock, read the keys, let the core decide, write, commit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from uuid import UUID

import asyncpg
import orjson

from app import ids
from app.clock import Clock
from app.db import fee_sql, fx_sql, ledger_sql, quota_sql, reversal_sql
from app.db.connection import Connection, Unanswered
from app.limits.quota import Limits, Quota
from app.messages import events
from app.records import AuditRecord, Entry, HoldEventKind, ReversedAmount, Transaction, TransactionType, Wallet, WalletKind
from app.services.fees import FeeBook
from app.services.hold_settlement import held_payloads, hold_audit_record, read_holds
from app.services.ledger import settle
from app.services.outcomes import Outcome, Settlement
from app.services.requests import Request, Unit

_AUDITED_EVENTS = (HoldEventKind.PLACED, HoldEventKind.EXTENDED, HoldEventKind.RELEASED)
"""Those without a transaction."""
_ROLLBACK_SECONDS = 1.0
_POLL_SECONDS = 0.1
_MAX_UNANSWERED = 3
"""COMMITs of one settler that may stay unanswered before it waits for one of them."""
_FACTS_LIMIT = 100_000
"""Wallets in the cache of owner and kind, which never change."""


# A member is slow to reach through its class.
_TRANSFER = TransactionType.TRANSFER
_USER = WalletKind.USER
_BETWEEN_ANY = (TransactionType.POSTING, TransactionType.REVERSAL)
_NO_WALLET: tuple[WalletKind | None, UUID | None] = None, None


@dataclass(frozen=True, slots=True)
class Deferred:
    """A unit that was left out because other sessions have locked these wallets."""

    locked: frozenset[UUID]


Answer = tuple[Outcome, ...] | Deferred


class KeysTaken(Exception):
    """Another process recorded one of the keys after this one had read them. Nothing was written; the batch can be retried."""


class FeesChanged(Exception):
    """A fee schedule was published since this process loaded them. It has loaded them again, and the batch can be retried."""


class CommitUnknown(Exception):
    """The connection was lost during COMMIT, which may have succeeded. Or too many earlier COMMITs are still unanswered."""


class Failure(Enum):
    """How to handle an error of a batch."""

    RETRY = auto()
    """Serialization failure, deadlock, or a cached statement that a migration invalidated: retry the batch."""
    KEYS_TAKEN = auto()
    FEES_CHANGED = auto()
    LOCK_TIMEOUT = auto()
    CULPRIT = auto()
    """The data of one member causes the error: split the batch to find it."""
    CONNECTION = auto()
    """The connection is lost. Whatever was not committed is rolled back."""
    OVERLOAD = auto()
    """The database is too busy. Splitting the batch would add load."""
    BUG = auto()


_TRANSACTION_TIMEOUT_SQLSTATE = "25P04"

_FAILURES: tuple[tuple[Failure, tuple[type[Exception], ...]], ...] = (
    (Failure.KEYS_TAKEN, (KeysTaken,)),
    (Failure.FEES_CHANGED, (FeesChanged,)),
    (
        Failure.CONNECTION,
        (
            CommitUnknown,
            OSError,
            asyncpg.PostgresConnectionError,
            asyncpg.InterfaceError,
            # asyncpg raises it if the connection is lost while a statement is being sent.
            asyncpg.InternalClientError,
            asyncpg.AdminShutdownError,
            asyncpg.CrashShutdownError,
            asyncpg.CannotConnectNowError,
            asyncpg.IdleInTransactionSessionTimeoutError,
            # After a failover the connection may be to a standby. A new one finds the primary.
            asyncpg.ReadOnlySQLTransactionError,
        ),
    ),
    (Failure.RETRY, (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.InvalidCachedStatementError)),
    (Failure.LOCK_TIMEOUT, (asyncpg.LockNotAvailableError,)),
    (Failure.CULPRIT, (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)),
    (Failure.OVERLOAD, (asyncpg.QueryCanceledError, asyncpg.InsufficientResourcesError)),
)


def classify(error: Exception) -> Failure:
    """Return how to handle the error that ended a batch."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate == _TRANSACTION_TIMEOUT_SQLSTATE:
        return Failure.CONNECTION
    return next((failure for failure, types in _FAILURES if isinstance(error, types)), Failure.BUG)


class Settler:
    """Settles batches, one at a time, on its own connection."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        clock: Clock,
        exponents: Mapping[str, int],
        timeout_seconds: float,
        general_limits: Limits,
        *,
        refuses_unlimited_fees: bool,
        exposure_limits: Mapping[str, int],
    ) -> None:
        self._exposure_limits = exposure_limits
        self._connect = connect
        self._clock = clock
        self._exponents = exponents
        self._timeout_seconds = timeout_seconds
        self._general_limits = general_limits
        self._connection: Connection | None = None
        self._unanswered = Unanswered(_MAX_UNANSWERED)
        self._fees = FeeBook(refuses_unlimited=refuses_unlimited_fees)
        self._facts: dict[UUID, tuple[WalletKind, UUID | None]] = {}

    async def settle(self, units: Sequence[Unit], *, skip_locked: bool = False) -> list[Answer]:
        """Settle the units in one transaction, in order. When this returns, their outcomes are durable.

        With `skip_locked`, units whose wallets other sessions have locked are returned as Deferred. Raises the error that
        ended the batch (see `classify`). Nothing is committed then, except perhaps after CommitUnknown.
        """
        connection = await self._ready()
        committing = False
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await connection.execute(fee_sql.BEGIN)
                answers = await self._decide_and_write(connection, units, skip_locked=skip_locked)
                committing = True
                await connection.execute("COMMIT")
                return answers
        except BaseException as error:
            still_connected = await self._roll_back(connection)
            # An error from a server that still answers says that the COMMIT failed. Without an answer it may have happened.
            if committing and not (still_connected and isinstance(error, asyncpg.PostgresError)):
                self._unanswered.add(connection)
                if isinstance(error, Exception):
                    raise CommitUnknown from error
            raise

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                await connection.close(timeout=1)

    async def _ready(self) -> Connection:
        """Return a connection, once few enough COMMITs of this settler are unanswered.

        While a standby delays COMMITs, further ones would wait as well, each holding a connection of the server. Raises
        CommitUnknown if that takes too long.
        """
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
            self._fees = FeeBook(refuses_unlimited=self._fees.refuses_unlimited)
        connection = self._connection
        try:
            async with asyncio.timeout(self._timeout_seconds):
                while not await self._unanswered.leave_room(connection):  # noqa: ASYNC110 - the database has no event for it
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise CommitUnknown from error
        return connection

    async def _roll_back(self, connection: Connection) -> bool:
        """Roll back, or drop the connection if that fails. Returns whether it can still be used."""
        try:
            async with asyncio.timeout(_ROLLBACK_SECONDS):
                await connection.execute("ROLLBACK")
        except BaseException as error:
            connection.terminate()
            self._connection = None
            if not isinstance(error, Exception):
                raise
            return False
        return True

    async def _decide_and_write(
        self, connection: asyncpg.Connection, units: Sequence[Unit], *, skip_locked: bool
    ) -> list[Answer]:
        needed = await self._wallets_to_lock(connection, units)
        keys = list({request.key for unit in units for request in unit.requests if not request.records_event})
        wallets, limited, newest_fee, may_be_recorded = await ledger_sql.lock_for_batch(
            connection, set().union(*needed), keys, skip_locked=skip_locked
        )
        # After a failover it may be lower: to a standby that had not received the newest schedule.
        if newest_fee is not None and newest_fee != self._fees.newest:
            self._fees = FeeBook(*await fee_sql.load(connection), refuses_unlimited=self._fees.refuses_unlimited)
            raise FeesChanged
        missing = [frozenset(wallet_ids.difference(wallets)) for wallet_ids in needed]
        quotas: dict[UUID, Quota] = {}
        if limited or not self._general_limits.is_unlimited:
            quotas = await self._lock_quotas(connection, units, missing, limited, skip_locked=skip_locked)
            missing = [
                locked or _without_quota(unit, limited, quotas) if skip_locked else locked
                for unit, locked in zip(units, missing, strict=True)
            ]
        ready = [unit for unit, locked in zip(units, missing, strict=True) if not locked]
        # After the locks, so that it sees what was committed during the wait for them.
        recorded = await ledger_sql.recorded_transactions(connection, keys) if may_be_recorded and keys else {}
        reversed_ = await _reversed_amounts(connection, ready)
        used_quotes = await _used_quotes(connection, ready)
        now = self._clock()
        read = await read_holds(connection, ready, wallets, now)
        settlement = settle(
            ready,
            read.wallets,
            recorded,
            now,
            self._exponents,
            quotas=quotas,
            fees=self._fees,
            reversed_amounts=reversed_,
            holds=read.holds,
            hold_events=read.events,
            used_quotes=used_quotes,
            exposure_limits=self._exposure_limits,
        )
        await self._write(connection, settlement, read.wallets, ready)
        await self._audit(connection, ready, settlement)
        outcomes = iter(settlement.outcomes)
        return [Deferred(locked) if locked else next(outcomes) for locked in missing]

    async def _lock_quotas(
        self,
        connection: asyncpg.Connection,
        units: Sequence[Unit],
        missing: Sequence[frozenset[UUID]],
        limited: set[UUID],
        *,
        skip_locked: bool,
    ) -> dict[UUID, Quota]:
        """Lock the quotas of the payers of units that can settle now. Adds every payer to `limited` if general limits exist."""
        payers = {
            request.initiator_id
            for unit, locked in zip(units, missing, strict=True)
            for request in ([] if locked else unit.requests)
            if request.uses_quota
        }
        if self._general_limits.is_unlimited:
            payers &= limited
        else:
            limited |= payers
            await quota_sql.ensure_quotas(connection, payers)
        if not payers:
            return {}
        return await quota_sql.lock_quotas(connection, payers, self._general_limits, skip_locked=skip_locked)

    async def _wallets_to_lock(self, connection: asyncpg.Connection, units: Sequence[Unit]) -> list[set[UUID]]:
        """For each unit, the wallets that its requests may name, and their fee wallets.

        Only those are locked, so that naming another user's wallet as the payer cannot block it. The core refuses the rest. A
        refused wallet is looked up on every attempt even if it is cached: a missing one can never be cached, and the two must
        take the same time.
        """
        unsure: set[UUID] = set()
        needed = [self._with_fee_wallets(unit, unsure) for unit in units]
        if not unsure:
            return needed
        if len(self._facts) + len(unsure) > _FACTS_LIMIT:
            self._facts.clear()
            unsure = {wallet_id for unit in units for request in unit.requests for wallet_id in request.wallet_ids}
        self._facts |= await ledger_sql.wallet_facts(connection, unsure)
        return [self._with_fee_wallets(unit, set()) for unit in units]

    def _with_fee_wallets(self, unit: Unit, unsure: set[UUID]) -> set[UUID]:
        """The wallets that the unit's requests may name, and those that their fees would go to.

        Adds the wallets of each request that may not name all of its own, as far as is known.
        """
        wallet_ids: set[UUID] = set()
        for request in unit.requests:
            nameable = self._nameable(request)
            wallet_ids.update(nameable)
            named = request.wallet_ids
            if len(nameable) < len(named):
                unsure.update(named)
            if not self._fees.newest:
                continue
            fee_wallet_id = self._fees.wallet_for(request.type, request.currency)
            if fee_wallet_id is not None and nameable:
                wallet_ids.add(fee_wallet_id)
        return wallet_ids

    def _nameable(self, request: Request) -> tuple[UUID, ...]:
        type_ = request.type
        if type_ is not _TRANSFER and (type_ in _BETWEEN_ANY or request.hold_id is not None):
            return tuple([wallet_id for wallet_id in request.wallet_ids if wallet_id in self._facts])
        sender_id, receiver_id = request.sender_wallet_id, request.receiver_wallet_id
        assert sender_id is not None
        kind, owner_id = self._facts.get(sender_id, _NO_WALLET)
        if type_ is _TRANSFER or type_ is TransactionType.CONVERSION:
            usable = kind is _USER and owner_id == request.initiator_id
        elif request.hold is not None:
            usable = kind is _USER and (request.hold.by_right or owner_id == request.initiator_id)
        else:
            usable = kind is WalletKind.SYSTEM
        if not usable:
            return ()
        if receiver_id is None:
            return (sender_id,)
        receiver_kind, _ = self._facts.get(receiver_id, _NO_WALLET)
        sides: tuple[UUID, ...] = (sender_id, receiver_id) if receiver_kind is _USER else (sender_id,)
        if request.conversion is not None:
            sides = (*sides, *request.conversion.wallet_ids)
        return self._with_conditions(request, sides) if request.conditions else sides

    def _with_conditions(self, request: Request, wallet_ids: tuple[UUID, ...]) -> tuple[UUID, ...]:
        """Add the wallets of the request's conditions that its initiator owns."""
        named = [condition.wallet_id for condition in request.conditions]
        own = [wallet_id for wallet_id in named if self._facts.get(wallet_id, _NO_WALLET)[1] == request.initiator_id]
        return tuple(dict.fromkeys([*wallet_ids, *own]))

    async def _write(
        self, connection: asyncpg.Connection, settlement: Settlement, wallets: Mapping[UUID, Wallet], units: Sequence[Unit]
    ) -> None:
        traces = {request.id: request.trace for unit in units for request in unit.requests if request.trace is not None}
        versions: dict[UUID, int] = {}
        for step in settlement.steps:
            if not step.transactions and not step.happened:
                continue
            entries = [entry for _, entries in step.posted for entry in entries]
            settled = [
                events.settled_payload(one.id, _concerned(one, entries, wallets), entries, traces.get(one.id))
                for one, entries in step.posted
            ]
            # What is held changes first: subscribers then compute what is available of each entry correctly.
            payloads = [*held_payloads(step, settlement.holds, wallets, versions), *settled]
            if not await ledger_sql.record(
                connection, step.transactions, entries, payloads, placed=step.placed, happened=step.happened
            ):
                raise KeysTaken
        if settlement.quotas:
            await quota_sql.save_quotas(connection, settlement.quotas)

    async def _audit(self, connection: asyncpg.Connection, units: Sequence[Unit], settlement: Settlement) -> None:
        """Write an audit record for each deposit and posting, and for what is done by right instead of as a party."""
        recorded = [transaction for transaction in settlement.transactions if transaction.type is not TransactionType.TRANSFER]
        happened = [event for step in settlement.steps for event in step.happened if event.kind in _AUDITED_EVENTS]
        if not recorded and not happened:
            return
        now = self._clock()
        requests = {request.id: request for unit in units for request in unit.requests}
        entries = {transaction.id: entries for transaction, entries in settlement.posted}
        records = [
            _audit_record(requests[one.id], one, entries.get(one.id, ()), now) for one in recorded if requests[one.id].is_audited
        ]
        records += [
            hold_audit_record(requests[event.id], event, settlement.holds[event.hold_id], now)
            for event in happened
            if requests[event.id].is_audited
        ]
        await ledger_sql.audit(connection, records)


async def _used_quotes(connection: asyncpg.Connection, units: Sequence[Unit]) -> set[UUID]:
    """Those of the units' quotes that were used. All uses of a quote lock the same FX wallets, so none is missed."""
    quotes = {request.quote_id for unit in units for request in unit.requests if request.quote_id is not None}
    return await fx_sql.used_quotes(connection, quotes) if quotes else set()


async def _reversed_amounts(connection: asyncpg.Connection, units: Sequence[Unit]) -> Mapping[UUID, ReversedAmount]:
    """What has gone back of the transactions that these units reverse. The wallet that gives back is locked."""
    originals = {request.reverses_id for unit in units for request in unit.requests if request.reversal is not None}
    return await reversal_sql.reversed_amounts(connection, originals) if originals else {}


def _without_quota(unit: Unit, limited: set[UUID], quotas: Mapping[UUID, Quota]) -> frozenset[UUID]:
    """The paying wallets of the unit whose owners' quotas other sessions have locked."""
    held = (request for request in unit.requests if request.initiator_id in limited and request.initiator_id not in quotas)
    payers = (request.sender_wallet_id for request in held if request.uses_quota)
    return frozenset(payer for payer in payers if payer is not None)


def _audit_record(request: Request, transaction: Transaction, entries: Sequence[Entry], now: datetime) -> AuditRecord:
    """The record of a transaction. The subject is the wallet of a deposit, the posting, the hold, or what is reversed."""
    after: dict[str, str | None] = {
        "transaction_id": ids.encode("txn", transaction.id),
        "status": transaction.status.value,
        "amount": str(transaction.amount),
        "currency": transaction.currency,
    }
    if request.reversal is not None:
        after["transaction_reversed"] = ids.encode("txn", request.reversal.original_id)
        after["why"] = request.reversal.reason.value
        after["fees"] = request.reversal.fees.value
        after["allow_overdraft"] = "true" if request.reversal.allow_overdraft else "false"
    if transaction.hold_id is not None:
        after["hold"] = ids.encode("hld", transaction.hold_id)
    before: dict[str, str] = {}
    for entry in entries:
        if entry.wallet_id == request.receiver_wallet_id:
            before["balance"], after["balance"] = str(entry.balance_before), str(entry.balance_after)
    if transaction.failure_code is not None:
        after["failure_code"] = transaction.failure_code.value
    return AuditRecord(
        id=ids.new_id(now),
        actor_id=transaction.initiator_id,
        action=transaction.type.value,
        subject_id=transaction.reverses_id or transaction.hold_id or request.receiver_wallet_id or transaction.id,
        before=orjson.dumps(before).decode(),
        after=orjson.dumps(after).decode(),
        reason=transaction.description or None,
        request_id=request.request_id,
    )


def _concerned(transaction: Transaction, entries: Sequence[Entry], wallets: Mapping[UUID, Wallet]) -> list[UUID]:
    """The users who get the event of a transaction: its initiator and the owners of its wallets, each once."""
    concerned = [transaction.initiator_id]
    for entry in entries:
        owner_id = wallets[entry.wallet_id].owner_id
        if owner_id is not None and owner_id not in concerned:
            concerned.append(owner_id)
    return concerned
