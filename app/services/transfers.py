"""Moving money: what a client sends becomes a request, the ledger settles it, the outcome goes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.clock import Clock
from app.db import wallet_sql
from app.db.engine import connect
from app.errors import Refusal, RefusalCode
from app.money import AmountError, Currency, parse_amount
from app.records import Entry, Transaction, TransactionType, Wallet
from app.services.group_commit import GroupCommit
from app.services.input_rules import idempotency_key_refusal, people_text, was_taken
from app.services.ledger import NO_ID_YET, NO_TIME_YET, Member, Outcome, TransferRequest, Unit, settle
from app.services.quotas import general_limits
from app.services.refusals import wallet_not_found
from app.services.settlement import Settler
from app.services.transfer_telemetry.timeline import Timeline
from app.settings import MAX_BATCH, Settings

MAX_DESCRIPTION = 280
"""The purpose of the system wallets that deposits come from."""


@dataclass(frozen=True, slots=True)
class TransferInput:
    """A transfer as the client sent it: public ids, an amount as a plain decimal string."""

    idempotency_key: str
    sender_wallet_id: str
    receiver_wallet_id: str
    amount: str
    currency: str
    description: str | None = None
    unless_replayed: Refusal | None = None
    """What is wrong with how it was sent: only a replay of the key is answered."""


@dataclass(frozen=True, slots=True)
class DepositInput:
    """A deposit as the client sent it."""

    idempotency_key: str
    wallet_id: str
    amount: str
    currency: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class TransferResult:
    """The answer to one transfer or deposit."""

    transaction: Transaction | None
    """Set whenever an outcome was recorded, COMPLETED or FAILED."""
    replayed: bool
    refusals: tuple[Refusal, ...]
    entries: tuple[Entry, ...] = ()
    """Its entries where it settled just now; empty for a replay."""
    wallets: Mapping[UUID, Wallet] = field(default_factory=dict)
    """The wallets of these entries, as they stood before the batch that they settled in."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One result for each member, or refusals of the batch as a whole."""

    results: tuple[TransferResult, ...]
    refusals: tuple[Refusal, ...] = ()


class Ledger:
    """What moves money needs: the engine, the currencies, the clock and the running group commit. One per process."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        currencies: Mapping[str, Currency],
        clock: Clock,
        observe: Callable[[Sequence[Outcome], Timeline], None] | None = None,
    ) -> None:
        self.engine = engine
        self.currencies = currencies
        self.clock = clock
        self.exponents = {code: currency.exponent for code, currency in currencies.items()}
        self._system_wallets: dict[str, UUID] = {}

        limits = general_limits(settings, currencies)

        def settler() -> Settler:
            return Settler(lambda: connect(settings), clock, self.exponents, settings.request_timeout_seconds, limits)

        self.group_commit = GroupCommit(
            settler(),
            settler(),
            clock,
            queue_limit=settings.transfer_queue_limit,
            queue_limit_per_user=settings.transfers_waiting_per_user,
            commit_limit=settings.transfer_commit_limit,
            timeout_seconds=settings.request_timeout_seconds,
            observe=observe,
        )

    async def start(self) -> None:
        """Begin to settle."""
        await self.group_commit.start()

    async def stop(self) -> None:
        """Finish what was accepted."""
        await self.group_commit.stop()

    async def settle(self, unit: Unit) -> tuple[Outcome, ...]:
        """The outcomes of a unit. One in which nothing is well-formed needs no database."""
        if not unit.requests:
            return settle([unit], {}, {}, self.clock(), self.exponents).outcomes[0]
        return await self.group_commit.settle(unit)

    async def deposits_wallet(self, currency: str) -> UUID:
        """The system wallet that deposits in this currency come from; made at the first one."""
        wallet_id = self._system_wallets.get(currency)
        if wallet_id is None:
            wallet_id = await find_or_create_system_wallet(self.engine, currency, self.clock())
            self._system_wallets[currency] = wallet_id
        return wallet_id


async def transfer(ledger: Ledger, viewer: Viewer, asked: TransferInput) -> TransferResult:
    """Move money from one of the viewer's wallets to another wallet.

    Raises RequestTimeout where the outcome is not known in time, Unavailable where the transfer was not accepted,
    RateLimited where too many of the viewer's wait, and Forbidden.
    """
    policy.require(viewer, Right.TRANSFER)
    member = _transfer_request(ledger, viewer, asked, ("input",))
    (outcome,) = await ledger.settle(Unit((member,)))
    return _result(viewer, outcome)


async def transfer_batch(ledger: Ledger, viewer: Viewer, asked: Sequence[TransferInput], *, atomic: bool) -> BatchResult:
    """Settle 1 to 500 transfers in their order, each on its own or, if atomic, all or none. Raises as `transfer` does."""
    policy.require(viewer, Right.TRANSFER)
    if not 1 <= len(asked) <= MAX_BATCH:
        message = f"A batch holds 1 to {MAX_BATCH} transfers; this one has {len(asked)}."
        return BatchResult((), (Refusal(RefusalCode.INVALID_INPUT, message, ("input", "transfers")),))
    members = tuple(
        _transfer_request(ledger, viewer, one, ("input", "transfers", str(position))) for position, one in enumerate(asked)
    )
    outcomes = await ledger.settle(Unit(members, atomic=atomic))
    return BatchResult(tuple(_result(viewer, outcome) for outcome in outcomes))


async def deposit(ledger: Ledger, viewer: Viewer, asked: DepositInput, *, request_id: str | None = None) -> TransferResult:
    """Bring money in from the currency's system wallet, with a record for the audit log. Raises as `transfer` does."""
    policy.require(viewer, Right.DEPOSIT)
    path = ("input",)
    receiver_id = ids.decode("wal", asked.wallet_id)
    terms = _terms(ledger, asked, path)
    if isinstance(terms, Refusal):
        return TransferResult(None, replayed=False, refusals=(terms,))
    if receiver_id is None:
        refusal = terms.unless_replayed or wallet_not_found((*path, "walletId"))
        return TransferResult(None, replayed=False, refusals=(refusal,))
    sender_id = await ledger.deposits_wallet(asked.currency)
    request = _request(viewer, asked, terms, wallets=(sender_id, receiver_id), path=path)
    (outcome,) = await ledger.settle(Unit((request._replace(request_id=request_id),)))
    return _result(viewer, outcome)


def _result(viewer: Viewer, outcome: Outcome) -> TransferResult:
    refusals = () if outcome.refusal is None else (_shown(viewer, outcome.refusal),)
    return TransferResult(
        outcome.transaction, outcome.replayed, refusals, outcome.entries, {wallet.id: wallet for wallet in outcome.wallets}
    )


def _shown(viewer: Viewer, refusal: Refusal) -> Refusal:
    """Without what is available for whoever may send from a wallet but not see what is in it."""
    return refusal if policy.may_view(viewer) else replace(refusal, available=None, required=None)


def _transfer_request(ledger: Ledger, viewer: Viewer, asked: TransferInput, path: tuple[str, ...]) -> Member:
    """The request behind a client's input, or the first thing that is wrong with it."""
    terms = _terms(ledger, asked, path)
    if isinstance(terms, Refusal):
        return terms
    if asked.unless_replayed is not None:
        terms = replace(terms, unless_replayed=terms.unless_replayed or asked.unless_replayed)
    sender_id = ids.decode("wal", asked.sender_wallet_id)
    receiver_id = ids.decode("wal", asked.receiver_wallet_id)
    if sender_id is not None and sender_id == receiver_id:
        same = Refusal(RefusalCode.SAME_WALLET, RefusalCode.SAME_WALLET.message, (*path, "receiverWalletId"))
        return terms.unless_replayed or same
    if sender_id is None:
        return terms.unless_replayed or wallet_not_found((*path, "senderWalletId"))
    if receiver_id is None:
        return terms.unless_replayed or wallet_not_found((*path, "receiverWalletId"))
    return _request(viewer, asked, terms, wallets=(sender_id, receiver_id), path=path)


@dataclass(frozen=True, slots=True)
class _Terms:
    amount: int
    currency: Currency
    description: str | None
    """As it is kept; as it was sent where only a replay is answered."""
    unless_replayed: Refusal | None


def _terms(ledger: Ledger, asked: TransferInput | DepositInput, path: tuple[str, ...]) -> _Terms | Refusal:
    """What every movement must get right, whatever the wallets: amount, text, key, in this order."""
    currency = ledger.currencies.get(asked.currency)
    if currency is None:
        message = "There is no such currency in ISO 4217."
        return Refusal(RefusalCode.INVALID_INPUT, message, (*path, "amount", "currency"))
    try:
        amount = parse_amount(asked.amount, currency)
    except AmountError as error:
        return Refusal(RefusalCode.INVALID_AMOUNT, str(error), (*path, "amount"))
    description, refusal = asked.description, None
    if description is not None:
        kept = people_text(description, (*path, "description"), least=0, most=MAX_DESCRIPTION)
        if isinstance(kept, str):
            description = kept
        elif was_taken(description, least=0, most=MAX_DESCRIPTION):
            refusal = kept
        else:
            return kept
    key_refusal = idempotency_key_refusal(asked.idempotency_key, path)
    if key_refusal is not None:
        return refusal or key_refusal
    return _Terms(amount, currency, description, refusal)


def _request(
    viewer: Viewer,
    asked: TransferInput | DepositInput,
    terms: _Terms,
    *,
    wallets: tuple[UUID, UUID],
    path: tuple[str, ...],
) -> TransferRequest:
    sender_id, receiver_id = wallets
    type_ = TransactionType.DEPOSIT if isinstance(asked, DepositInput) else TransactionType.TRANSFER
    return TransferRequest(
        id=NO_ID_YET,
        type=type_,
        initiator_id=viewer.user_id,
        idempotency_key=asked.idempotency_key,
        sender_wallet_id=sender_id,
        receiver_wallet_id=receiver_id,
        amount=terms.amount,
        currency=terms.currency.code,
        exponent=terms.currency.exponent,
        description=terms.description,
        created_at=NO_TIME_YET,
        path=path,
        unless_replayed=terms.unless_replayed,
    )


async def find_or_create_system_wallet(engine: AsyncEngine, currency: str, now: datetime) -> UUID:
    """The id of the currency's system wallet for deposits. Simultaneous first deposits agree on one."""
    found = await wallet_sql.deposits_wallet(engine, currency)
    if found is not None:
        return found
    await wallet_sql.insert_deposits_wallet(engine, ids.new_id(now), currency, now)
    # Another deposit may have been first: then its row is visible now.
    winner = await wallet_sql.deposits_wallet(engine, currency)
    assert winner is not None
    return winner
