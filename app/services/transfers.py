"""Transfers and deposits: checks a client's input, has the ledger settle it, and returns the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.clock import Clock
from app.db import fee_sql, fx_sql, hold_sql, wallet_sql
from app.db.engine import connect
from app.db.pool import Database
from app.errors import ConfigurationError, Refusal, RefusalCode
from app.money import AmountError, Currency, Money, parse_amount
from app.records import Entry, Transaction, TransactionType, Wallet
from app.services.conditions import ConditionInput, conditions_of
from app.services.conversion_rules import quote_mismatch
from app.services.fact_finder import FactFinder
from app.services.group_commit import GroupCommit
from app.services.input_rules import (
    MAX_DESCRIPTION,
    amount_from_zero,
    idempotency_key_refusal,
    metadata_of,
    people_text,
    reference_of,
    was_taken,
)
from app.services.ledger import settle
from app.services.outcomes import Outcome
from app.services.quotas import general_limits, parse_amounts
from app.services.refusals import fee_exceeds_limit, unknown_currency, wallet_not_found
from app.services.requests import NO_ID_YET, NO_TIME_YET, Condition, Conversion, Member, Request, Unit
from app.services.settlement import Settler
from app.services.transfer_telemetry.timeline import Timeline
from app.settings import COMMIT_LIMIT, MAX_BATCH, Settings

_OF_ANOTHER = (TransactionType.POSTING, TransactionType.CAPTURE)
"""The types whose payer need not be the viewer."""


@dataclass(frozen=True, slots=True)
class TransferInput:
    """A transfer as the client sent it: public ids, an amount as a plain decimal string."""

    idempotency_key: str
    sender_wallet_id: str
    receiver_wallet_id: str
    amount: str
    currency: str
    description: str | None = None
    reference: str | None = None
    metadata: Sequence[tuple[str, str]] = ()
    conditions: Sequence[ConditionInput] = ()
    max_fee: tuple[str, str] | None = None
    """The most that it accepts in fees: a plain decimal string and its currency."""
    quote_id: str | None = None
    """The quote by which it pays a wallet in another currency."""
    unless_replayed: Refusal | None = None
    """The refusal of the form in which it was sent. A replay of the key is answered; anything else gets this refusal."""


@dataclass(frozen=True, slots=True)
class DepositInput:
    """A deposit as the client sent it."""

    idempotency_key: str
    wallet_id: str
    amount: str
    currency: str
    description: str | None = None
    reference: str | None = None
    metadata: Sequence[tuple[str, str]] = ()
    max_fee: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class TransferResult:
    """The answer to one transfer or deposit."""

    transaction: Transaction | None
    """Set whenever an outcome was recorded, COMPLETED or FAILED."""
    replayed: bool
    refusals: tuple[Refusal, ...]
    entries: tuple[Entry, ...] = ()
    """The entries that were written now. Empty for a replay."""
    wallets: Mapping[UUID, Wallet] = field(default_factory=dict)
    """The wallets of these entries, as they were before the batch."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One result for each member, or refusals of the batch as a whole."""

    results: tuple[TransferResult, ...]
    refusals: tuple[Refusal, ...] = ()


class Ledger:
    """The ledger of one process: engine, currencies, clock and the running group commit."""

    def __init__(
        self,
        engine: Database,
        settings: Settings,
        currencies: Mapping[str, Currency],
        clock: Clock,
        observe: Callable[[Sequence[Outcome], Timeline], None] | None = None,
    ) -> None:
        self.engine = engine
        self.currencies = currencies
        self.clock = clock
        self.exponents = {code: currency.exponent for code, currency in currencies.items()}
        self._system_wallets: dict[tuple[str, str], UUID] = {}
        self.holds = FactFinder(engine, hold_sql.facts)
        self.quotes = FactFinder(engine, fx_sql.quotes)
        self.exposure_limits = parse_amounts(settings.fx_exposure_limits, currencies)
        if settings.fx_base_currency not in currencies:
            raise ConfigurationError(f"PAYCORE_FX_BASE_CURRENCY: {settings.fx_base_currency} is no currency of ISO 4217.")

        self.refuses_unlimited_fees = settings.fees_without_limit == "refuse"
        self.general_limits = limits = general_limits(settings, currencies)

        def settler() -> Settler:
            return Settler(
                lambda: connect(settings),
                clock,
                self.exponents,
                settings.request_timeout_seconds,
                limits,
                refuses_unlimited_fees=self.refuses_unlimited_fees,
                exposure_limits=self.exposure_limits,
            )

        self.group_commit = GroupCommit(
            settler(),
            settler(),
            clock,
            queue_limit=settings.transfer_queue_limit,
            queue_limit_per_user=settings.transfers_waiting_per_user,
            commit_limit=COMMIT_LIMIT,
            timeout_seconds=settings.request_timeout_seconds,
            observe=observe,
        )

    async def start(self) -> None:
        """Start settling."""
        await self.group_commit.start()

    async def stop(self) -> None:
        """Settle what was accepted, then stop."""
        await self.group_commit.stop()
        await self.holds.stop()
        await self.quotes.stop()

    async def settle(self, unit: Unit) -> tuple[Outcome, ...]:
        """Settle a unit and return its outcomes. A unit without a well-formed member needs no database."""
        if not unit.requests:
            return settle([unit], {}, {}, self.clock(), self.exponents).outcomes[0]
        return await self.group_commit.settle(unit)

    async def system_wallet(self, currency: str, purpose: str) -> UUID:
        """The id of a currency's system wallet. Opened when it is first needed."""
        wallet_id = self._system_wallets.get((currency, purpose))
        if wallet_id is None:
            wallet_id = await find_or_create_system_wallet(self.engine, currency, purpose, self.clock())
            self._system_wallets[currency, purpose] = wallet_id
        return wallet_id


async def transfer(ledger: Ledger, viewer: Viewer, details: TransferInput) -> TransferResult:
    """Move money from one of the viewer's wallets to another wallet.

    Raises RequestTimeout if the outcome is not known in time, Unavailable if the transfer was not accepted, RateLimited if too
    many of the viewer's transfers are queued, and Forbidden.
    """
    policy.require(viewer, Right.TRANSFER)
    member = transfer_member(ledger, viewer, details, ("input",), await conversions_of(ledger, viewer, [details]))
    (outcome,) = await ledger.settle(Unit((member,)))
    return result_of(viewer, outcome)


async def transfer_batch(ledger: Ledger, viewer: Viewer, details: Sequence[TransferInput], *, atomic: bool) -> BatchResult:
    """Settle 1 to 500 transfers in order, each on its own or, if atomic, all or none. Raises as `transfer` does."""
    policy.require(viewer, Right.TRANSFER)
    if not 1 <= len(details) <= MAX_BATCH:
        message = f"A batch holds 1 to {MAX_BATCH} transfers; this one has {len(details)}."
        return BatchResult((), (Refusal(RefusalCode.INVALID_INPUT, message, ("input", "transfers")),))
    by_quote = await conversions_of(ledger, viewer, details)
    members = tuple(
        transfer_member(ledger, viewer, one, ("input", "transfers", str(position)), by_quote)
        for position, one in enumerate(details)
    )
    outcomes = await ledger.settle(Unit(members, atomic=atomic))
    return BatchResult(tuple(result_of(viewer, outcome) for outcome in outcomes))


async def deposit(ledger: Ledger, viewer: Viewer, details: DepositInput, *, request_id: str | None = None) -> TransferResult:
    """Bring money in from the currency's system wallet, with a record for the audit log. Raises as `transfer` does."""
    policy.require(viewer, Right.DEPOSIT)
    path = ("input",)
    receiver_id = ids.decode("wal", details.wallet_id)
    terms = _terms(ledger, details, path)
    if isinstance(terms, Refusal):
        return TransferResult(None, replayed=False, refusals=(terms,))
    if receiver_id is None:
        refusal = terms.unless_replayed or wallet_not_found((*path, "walletId"))
        return TransferResult(None, replayed=False, refusals=(refusal,))
    sender_id = await ledger.system_wallet(details.currency, wallet_sql.DEPOSITS)
    request = _request(viewer, details, terms, wallets=(sender_id, receiver_id), path=path)
    (outcome,) = await ledger.settle(Unit((request._replace(request_id=request_id),)))
    return result_of(viewer, outcome)


def result_of(viewer: Viewer, outcome: Outcome) -> TransferResult:
    """The answer to the viewer, without amounts of wallets whose balances they may not see."""
    refusals = () if outcome.refusal is None else (_shown(viewer, outcome),)
    return TransferResult(
        outcome.transaction, outcome.replayed, refusals, outcome.entries, {wallet.id: wallet for wallet in outcome.wallets}
    )


def _shown(viewer: Viewer, outcome: Outcome) -> Refusal:
    """The payer of a transfer is the viewer's own wallet. A posting may name any wallet, and a capture takes from another's."""
    assert outcome.refusal is not None
    is_of_another = outcome.transaction is not None and outcome.transaction.type in _OF_ANOTHER
    may_see = policy.sees_all(viewer) if is_of_another else policy.may_view(viewer)
    return outcome.refusal if may_see else without_amounts(outcome.refusal)


def without_amounts(refusal: Refusal) -> Refusal:
    """The refusal for a viewer who may not see the payer's balance."""
    return replace(refusal, available=None, required=None)


NO_CONVERSIONS: Mapping[str, Conversion] = {}


async def conversions_of(ledger: Ledger, viewer: Viewer, details: Sequence[TransferInput]) -> Mapping[str, Conversion]:
    """What the viewer's quotes that these inputs name would convert, by the quotes' public ids."""
    quote_ids = list({one.quote_id for one in details if one.quote_id is not None})
    if not quote_ids:
        return NO_CONVERSIONS
    # Awaited together, so that the finder reads all of them with one statement.
    found = await asyncio.gather(*(conversion_of(ledger, viewer, quote_id, is_payment=True) for quote_id in quote_ids))
    return {quote_id: conversion for quote_id, conversion in zip(quote_ids, found, strict=True) if conversion is not None}


async def conversion_of(ledger: Ledger, viewer: Viewer, quote_id: str, *, is_payment: bool) -> Conversion | None:
    """What a quote of the viewer converts, with the system wallets that it needs. None if there is no such quote."""
    decoded = ids.decode("fxq", quote_id)
    quote = None if decoded is None else await ledger.quotes.find(decoded)
    if quote is None or quote.user_id != viewer.user_id:
        return None
    sold, bought = quote.source_currency, quote.target_currency
    return Conversion(
        quote,
        await ledger.system_wallet(sold, fx_sql.POSITION),
        await ledger.system_wallet(bought, fx_sql.POSITION),
        await ledger.system_wallet(sold, fx_sql.SPREAD) if quote.spread else None,
        await ledger.system_wallet(bought, fx_sql.RESIDUE) if quote.residue else None,
        await ledger.system_wallet(sold, fee_sql.FEES) if quote.fee else None,
        is_payment,
    )


def transfer_member(
    ledger: Ledger, viewer: Viewer, details: TransferInput, path: tuple[str, ...], by_quote: Mapping[str, Conversion]
) -> Member:
    """Return the request of a client's input, or the first refusal. Raises Forbidden for conditions without the right to see.

    `by_quote` has what the quotes convert, by their public ids.
    """
    if details.conditions:
        # Each answer to a condition says something about a balance.
        policy.require_view(viewer)
    terms = _terms(ledger, details, path)
    if isinstance(terms, Refusal):
        return terms
    if details.unless_replayed is not None:
        terms = replace(terms, unless_replayed=terms.unless_replayed or details.unless_replayed)
    sender_id = ids.decode("wal", details.sender_wallet_id)
    receiver_id = ids.decode("wal", details.receiver_wallet_id)
    if sender_id is not None and sender_id == receiver_id:
        same = Refusal(RefusalCode.SAME_WALLET, RefusalCode.SAME_WALLET.message, (*path, "receiverWalletId"))
        return terms.unless_replayed or same
    if sender_id is None:
        return terms.unless_replayed or wallet_not_found((*path, "senderWalletId"))
    if receiver_id is None:
        return terms.unless_replayed or wallet_not_found((*path, "receiverWalletId"))
    request = _request(viewer, details, terms, wallets=(sender_id, receiver_id), path=path)
    return request if details.quote_id is None else _by_quote(ledger, request, by_quote.get(details.quote_id))


def _by_quote(ledger: Ledger, request: Request, conversion: Conversion | None) -> Member:
    """The transfer as a conversion, if its amount is what the quote sells or buys, and its limit on fees allows the quote's."""
    if conversion is None:
        return quote_mismatch((*request.path, "quoteId"))
    quote = conversion.quote
    sides = (quote.source_amount, quote.source_currency), (quote.target_amount, quote.target_currency)
    if (request.amount, request.currency) not in sides:
        return quote_mismatch((*request.path, "amount"))
    exponent = ledger.exponents[quote.source_currency]
    if request.max_fee is not None and (quote.fee or 0) > request.max_fee:
        fee = Money(quote.fee or 0, quote.source_currency, exponent)
        return fee_exceeds_limit(request.path, fee, replace(fee, minor=request.max_fee))
    return request._replace(
        type=TransactionType.CONVERSION,
        amount=quote.source_amount,
        currency=quote.source_currency,
        exponent=exponent,
        conversion=conversion,
    )


@dataclass(frozen=True, slots=True)
class _Terms:
    amount: int
    currency: Currency
    description: str | None
    """As it is stored, or as it was sent if only a replay is answered."""
    unless_replayed: Refusal | None
    reference: str | None = None
    metadata: dict[str, str] | None = None
    conditions: tuple[Condition, ...] = ()
    max_fee: int | None = None


def _terms(ledger: Ledger, details: TransferInput | DepositInput, path: tuple[str, ...]) -> _Terms | Refusal:
    """Check what does not depend on the wallets: amount, text and key, in this order."""
    currency = ledger.currencies.get(details.currency)
    if currency is None:
        return unknown_currency((*path, "amount", "currency"))
    try:
        amount = parse_amount(details.amount, currency)
    except AmountError as error:
        return Refusal(RefusalCode.INVALID_AMOUNT, str(error), (*path, "amount"))
    description, refusal = details.description, None
    if description is not None:
        kept = people_text(description, (*path, "description"), least=0, most=MAX_DESCRIPTION)
        if isinstance(kept, str):
            description = kept
        elif was_taken(description, least=0, most=MAX_DESCRIPTION):
            refusal = kept
        else:
            return kept
    key_refusal = idempotency_key_refusal(details.idempotency_key, path)
    if key_refusal is not None:
        return refusal or key_refusal
    terms = _Terms(amount, currency, description, refusal)
    has_conditions = isinstance(details, TransferInput) and details.conditions
    if details.reference is None and details.max_fee is None and not details.metadata and not has_conditions:
        return terms
    return refusal or _with_additions(ledger, details, terms, path)


def _with_additions(
    ledger: Ledger, details: TransferInput | DepositInput, terms: _Terms, path: tuple[str, ...]
) -> _Terms | Refusal:
    """Add reference, metadata, conditions and the limit on fees. Most requests have none of them."""
    reference = reference_of(details.reference, path)
    if isinstance(reference, Refusal):
        return reference
    metadata = metadata_of(details.metadata, path)
    if isinstance(metadata, Refusal):
        return metadata
    given = details.conditions if isinstance(details, TransferInput) else ()
    conditions = conditions_of(given, ledger.currencies, path)
    if isinstance(conditions, Refusal):
        return conditions
    max_fee = None if details.max_fee is None else _max_fee(details.max_fee, terms.currency, (*path, "maxFee"))
    if isinstance(max_fee, Refusal):
        return max_fee
    return replace(terms, reference=reference, metadata=metadata, conditions=conditions, max_fee=max_fee)


def _max_fee(given: tuple[str, str], currency: Currency, path: tuple[str, ...]) -> int | Refusal:
    return amount_from_zero(
        given,
        currency,
        path,
        other_currency=f"A fee is in the currency of the amount, {currency.code}.",
        negative="The limit on fees is zero or more.",
    )


def _request(
    viewer: Viewer,
    details: TransferInput | DepositInput,
    terms: _Terms,
    *,
    wallets: tuple[UUID, UUID],
    path: tuple[str, ...],
) -> Request:
    sender_id, receiver_id = wallets
    type_ = TransactionType.DEPOSIT if isinstance(details, DepositInput) else TransactionType.TRANSFER
    return Request(
        id=NO_ID_YET,
        type=type_,
        initiator_id=viewer.user_id,
        idempotency_key=details.idempotency_key,
        sender_wallet_id=sender_id,
        receiver_wallet_id=receiver_id,
        amount=terms.amount,
        currency=terms.currency.code,
        exponent=terms.currency.exponent,
        description=terms.description,
        created_at=NO_TIME_YET,
        path=path,
        unless_replayed=terms.unless_replayed,
        reference=terms.reference,
        metadata=terms.metadata,
        conditions=terms.conditions,
        max_fee=terms.max_fee,
    )


async def find_or_create_system_wallet(engine: Database, currency: str, purpose: str, now: datetime) -> UUID:
    """The id of a currency's system wallet. Simultaneous first requests agree on one."""
    found = await wallet_sql.system_wallet_id(engine, currency, purpose)
    if found is not None:
        return found
    await wallet_sql.open_on_demand(engine, ids.new_id(now), currency, purpose, now)
    # A concurrent request may have inserted the wallet first. Its row is visible now.
    winner = await wallet_sql.system_wallet_id(engine, currency, purpose)
    assert winner is not None
    return winner
