"""Publishing fee schedules, and reading them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import orjson
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.clock import Clock
from app.db import fee_sql, reads, wallet_sql
from app.db.failures import is_unavailable
from app.db.fee_sql import NewSchedule
from app.db.pool import Database
from app.db.statements import Reader
from app.errors import Refusal, RefusalCode
from app.money import Currency
from app.records import AccountType, FeePayer, FeeSchedule, RoundingMode, TransactionType
from app.services.input_rules import amount_from_zero, idempotency_key_refusal, people_text
from app.services.refusals import key_reused, unknown_currency
from app.services.wallets import MAX_NAME, MAX_REASON

MAX_LISTED = 500
_TRIES = 3
"""Tries of a publication. Each may wait for the lock timeout."""
_PERCENT_DECIMALS = 6
_MOMENT_MESSAGES = {
    "fee_schedules_not_backdated": "A schedule cannot be valid from a time that has passed. Leave validFrom out for now.",
    "fee_schedules_in_order": "The newest version of this schedule is valid from that time or later: name a later one.",
}


@dataclass(frozen=True, slots=True)
class PublishInput:
    """The client's input of publishFeeSchedule. Amounts are pairs of a plain decimal string and a currency."""

    idempotency_key: str
    name: str
    transaction_type: TransactionType
    currency: str
    user_id: str | None
    payer: FeePayer
    percent: str | None
    flat: tuple[str, str] | None
    minimum: tuple[str, str] | None
    maximum: tuple[str, str] | None
    rounding: RoundingMode
    valid_from: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The published version, or the refusals."""

    schedule: FeeSchedule | None
    refusals: tuple[Refusal, ...] = ()
    replayed: bool = False


async def publish(
    engine: Database,
    viewer: Viewer,
    details: PublishInput,
    currencies: Mapping[str, Currency],
    clock: Clock,
    *,
    request_id: str | None = None,
) -> PublishResult:
    """Publish the next version of a line, with a record for the audit log. The same key again returns the same version.

    Opens the currency's fee wallet with its first schedule. Raises Forbidden for all but administrators, and DBAPIError if
    transfers hold the lock for too long: nothing is published then.
    """
    policy.require(viewer, Right.PUBLISH_FEES)
    new = _checked(details, currencies)
    if isinstance(new, Refusal):
        return PublishResult(None, (new,))
    reason = people_text(details.reason, ("input", "reason"), least=1, most=MAX_REASON)
    if isinstance(reason, Refusal):
        return PublishResult(None, (reason,))
    key_refusal = idempotency_key_refusal(details.idempotency_key, ("input",))
    if key_refusal is not None:
        return PublishResult(None, (key_refusal,))
    publication = _Publication(viewer.user_id, details.idempotency_key, new, reason, clock(), request_id)
    for tries_left in reversed(range(_TRIES)):
        try:
            return await _publish(engine, publication)
        except IntegrityError as error:
            rule = getattr(error.orig.__cause__ if error.orig else None, "constraint_name", None)
            if rule not in _MOMENT_MESSAGES:
                raise
            return PublishResult(None, (_invalid(_MOMENT_MESSAGES[rule], "validFrom"),))
        except DBAPIError as error:
            if not tries_left or not is_unavailable(error):
                raise
    raise AssertionError("the last try returns or raises")


@dataclass(frozen=True, slots=True)
class _Publication:
    initiator_id: UUID
    key: str
    new: NewSchedule
    reason: str
    now: datetime
    request_id: str | None

    @property
    def request_hash(self) -> bytes:
        """The hash of everything that the same key must repeat."""
        values = [None if value is None else str(value) for value in self.new]
        return hashlib.sha256(orjson.dumps(["PUBLISH_FEE_SCHEDULE", *values, self.reason])).digest()


async def _publish(engine: Database, publication: _Publication) -> PublishResult:
    new, now = publication.new, publication.now
    is_known = new.user_id is None or bool(await reads.users_by_id(engine, [new.user_id]))
    async with engine.begin() as connection:
        await fee_sql.lock_out_transfers(connection)
        # Under the lock, so that of two requests with one key the second one sees the first.
        earlier = await fee_sql.published_by(connection, publication.initiator_id, publication.key)
        if earlier is not None:
            request_hash, schedule = earlier
            if request_hash != publication.request_hash:
                return PublishResult(None, (key_reused(("input",), None),))
            return PublishResult(schedule, replayed=True)
        if not is_known:
            return PublishResult(None, (_no_such_user(),))
        if not await _has_fee_wallet(connection, new.currency, now):
            message = "The system wallet FEES of this currency is not of type INCOME."
            return PublishResult(None, (_invalid(message, "currency"),))
        schedule = await fee_sql.insert_schedule(
            connection,
            ids.new_id(now),
            new,
            initiator_id=publication.initiator_id,
            key=publication.key,
            request_hash=publication.request_hash,
        )
        await wallet_sql.audit(
            connection,
            ids.new_id(now),
            "PUBLISH_FEE_SCHEDULE",
            schedule.id,
            before={},
            after=_audited(schedule),
            actor_id=publication.initiator_id,
            reason=publication.reason,
            request_id=publication.request_id,
        )
    return PublishResult(schedule)


async def _has_fee_wallet(connection: AsyncConnection, currency: str, now: datetime) -> bool:
    """Open the currency's fee wallet unless it is open. Returns False if another type of wallet has its purpose."""
    await wallet_sql.insert_system_wallet(
        connection,
        ids.new_id(now),
        currency,
        now,
        purpose=fee_sql.FEES,
        account_type=AccountType.INCOME,
        name=f"Fees {currency}",
    )
    wallet = await wallet_sql.system_wallet(connection, currency, fee_sql.FEES)
    return wallet is not None and wallet.account_type is AccountType.INCOME


def _audited(schedule: FeeSchedule) -> dict[str, str]:
    """The terms of the version for the audit log. Amounts are in minor units."""
    values = {
        "transaction_type": schedule.transaction_type.value,
        "currency": schedule.currency,
        "user_id": None if schedule.user_id is None else ids.encode("usr", schedule.user_id),
        "version": schedule.version,
        "name": schedule.name,
        "payer": schedule.payer.value,
        "percent": schedule.percent_text,
        "flat": schedule.flat,
        "minimum": schedule.minimum,
        "maximum": schedule.maximum,
        "rounding": schedule.rounding.value,
        "valid_from": schedule.valid_from.isoformat(),
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def _checked(details: PublishInput, currencies: Mapping[str, Currency]) -> NewSchedule | Refusal:
    """Return the version to insert, or the first refusal."""
    currency = currencies.get(details.currency)
    if currency is None:
        return unknown_currency(("input", "currency"))
    name = people_text(details.name, ("input", "name"), least=1, most=MAX_NAME)
    if isinstance(name, Refusal):
        return name
    user_id = None if details.user_id is None else ids.decode("usr", details.user_id)
    refusal = _line_refusal(details, user_id)
    if refusal is not None:
        return refusal
    return _with_terms(details, currency, name, user_id)


def _line_refusal(details: PublishInput, user_id: UUID | None) -> Refusal | None:
    if details.transaction_type not in (TransactionType.TRANSFER, TransactionType.DEPOSIT, TransactionType.CONVERSION):
        return _invalid("Only transfers, deposits and conversions are charged.", "transactionType")
    if details.transaction_type is TransactionType.CONVERSION and details.payer is FeePayer.RECEIVER:
        return _invalid("The fee of a conversion is paid by its sender.", "payer")
    if details.transaction_type is TransactionType.DEPOSIT and details.payer is FeePayer.SENDER:
        return _invalid("The fee of a deposit is paid by its receiver.", "payer")
    if details.user_id is not None and user_id is None:
        return _no_such_user()
    return None


def _with_terms(details: PublishInput, currency: Currency, name: str, user_id: UUID | None) -> NewSchedule | Refusal:
    percent = _percent(details.percent)
    if isinstance(percent, Refusal):
        return percent
    amounts: list[int | None] = []
    for field_name, given in (("flat", details.flat), ("minimum", details.minimum), ("maximum", details.maximum)):
        amount = _amount(given, currency, field_name)
        if isinstance(amount, Refusal):
            return amount
        amounts.append(amount)
    flat, minimum, maximum = amounts
    if percent is None and flat is None and (minimum is not None or maximum is not None):
        return _invalid("A minimum or maximum needs a percentage or a flat amount.", "percent")
    if minimum is not None and maximum is not None and minimum > maximum:
        return _invalid("The minimum is more than the maximum.", "maximum")
    return NewSchedule(
        transaction_type=details.transaction_type,
        currency=currency.code,
        user_id=user_id,
        name=name,
        payer=details.payer,
        percent=percent,
        flat=flat,
        minimum=minimum,
        maximum=maximum,
        rounding=details.rounding,
        valid_from=details.valid_from,
    )


def _percent(text: str | None) -> Decimal | Refusal | None:
    if text is None:
        return None
    percent = Decimal(text)
    decimals = len(text.partition(".")[2])
    if decimals > _PERCENT_DECIMALS or not 0 <= percent <= 100:
        return _invalid(f"A percentage is 0 to 100 with at most {_PERCENT_DECIMALS} decimals.", "percent")
    # 2.9 and 2.90 are one input.
    return percent.normalize()


def _amount(given: tuple[str, str] | None, currency: Currency, field_name: str) -> int | Refusal | None:
    if given is None:
        return None
    return amount_from_zero(
        given,
        currency,
        ("input", field_name),
        other_currency=f"The amounts of this schedule are in {currency.code}.",
        negative="The amount is zero or more.",
    )


def _no_such_user() -> Refusal:
    return _invalid("There is no such user.", "userId")


def _invalid(message: str, field_name: str) -> Refusal:
    return Refusal(RefusalCode.INVALID_INPUT, message, ("input", field_name))


async def valid_at(database: Reader, viewer: Viewer, moment: datetime) -> list[FeeSchedule]:
    """The versions that are valid at a moment: the general ones and the viewer's own, or all for those who see all.

    At most MAX_LISTED, general ones first. Raises Forbidden if the viewer may neither see nor send.
    """
    policy.require_view_or_transfer(viewer)
    owner = None if policy.sees_all(viewer) else viewer.user_id
    return list(await fee_sql.valid_schedules(database, moment, owner, MAX_LISTED))


async def load(database: Reader, viewer: Viewer, schedule_ids: Collection[UUID]) -> dict[UUID, FeeSchedule]:
    """Schedules by id: general ones, the viewer's own, or any for those who see all."""
    found = await fee_sql.schedules_by_id(database, schedule_ids)
    return {one.id: one for one in found if may_see(viewer, one)}


def may_see(viewer: Viewer, schedule: FeeSchedule) -> bool:
    """General schedules are for everyone; a user's own is for that user and for those who see all."""
    return schedule.user_id in (None, viewer.user_id) or policy.sees_all(viewer)
