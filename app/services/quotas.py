"""Limits on what a user may move: the general limits of the settings, and limits that an operator sets for one user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import orjson

from app import ids
from app.clock import system_clock
from app.db import quota_sql
from app.db.connection import transaction
from app.db.currency_sql import currencies_of
from app.db.engine import open_connection
from app.db.user_sql import find_user
from app.errors import ConfigurationError, Refusal
from app.limits.quota import Limits
from app.money import AmountError, Currency, format_minor, is_plain_decimal, parse_amount
from app.services.input_rules import people_text
from app.settings import Settings

_MAX_REASON = 280


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """An operator's change. None leaves a limit as it is; `amounts` have the form "USD=100.00"."""

    transfers_per_minute: int | None = None
    transfers_per_day: int | None = None
    amounts: tuple[str, ...] = ()
    clear: bool = False
    """Remove all of the user's own limits first."""


def general_limits(settings: Settings, currencies: Mapping[str, Currency]) -> Limits:
    """The limits of users without their own. Raises ConfigurationError for an invalid amount."""
    return Limits(
        settings.quota_transfers_per_minute,
        settings.quota_transfers_per_day,
        parse_amounts(settings.quota_amounts_per_day, currencies),
    )


def parse_amounts(texts: Iterable[str], currencies: Mapping[str, Currency]) -> dict[str, int]:
    """Parse texts like "USD=100.00" into minor units by currency. Raises ConfigurationError."""
    parsed = {}
    for text in texts:
        code, _, amount = text.partition("=")
        if code not in currencies or not is_plain_decimal(amount):
            raise ConfigurationError(f"An amount has the form USD=100.00, not {text}.")
        try:
            parsed[code] = parse_amount(amount, currencies[code])
        except AmountError as error:
            raise ConfigurationError(f"{text}: {error}") from None
    return parsed


async def describe_quota(settings: Settings, subject: str) -> list[str]:
    """Return lines to print: a user's own limits and their use. Raises ConfigurationError for an unknown user."""
    connection = await open_connection(settings)
    try:
        currencies = await currencies_of(connection)
        async with transaction(connection):
            user_id = await _user_id(connection, subject)
            row, amounts = await quota_sql.lock_quota(connection, user_id), await quota_sql.amounts_of(connection, user_id)
    finally:
        await connection.close()
    if row is None:
        return [f"{subject} has no limits besides the general limits of the settings."]
    lines = [
        f"transfers per minute: {_shown(row['transfers_per_minute'])}, used {row['minute_transfers']} in {row['minute']:%H:%M}",
        f"transfers per day: {_shown(row['transfers_per_day'])}, used {row['day_transfers']} on {row['day']}",
    ]
    for amount in amounts:
        exponent, limit = currencies[amount["currency"]].exponent, amount["amount_per_day"]
        shown = _shown(None if limit is None else format_minor(limit, exponent))
        used = format_minor(int(amount["day_amount"]), exponent)
        lines.append(f"{amount['currency']} per day: {shown}, used {used} on {amount['day']}")
    return lines


async def set_quota(settings: Settings, subject: str, change: QuotaChange, reason: str) -> None:
    """Change a user's limits and record it in the audit log, in one transaction. Counts of what is used stay.

    Needs the role that owns the tables; the API's role may not do it. Raises ConfigurationError for invalid input.
    """
    kept = people_text(reason, (), least=1, most=_MAX_REASON)
    if isinstance(kept, Refusal):
        raise ConfigurationError(f"The reason: {kept.message}")
    connection = await open_connection(settings)
    try:
        new_amounts = parse_amounts(change.amounts, await currencies_of(connection))
        async with transaction(connection):
            user_id = await _user_id(connection, subject)
            before = await _limits(connection, user_id)
            requested = Limits(change.transfers_per_minute, change.transfers_per_day, new_amounts)
            limits = requested if change.clear else requested.with_defaults(before)
            await quota_sql.set_limits(connection, user_id, limits, {*before.amounts_per_day, *limits.amounts_per_day})
            record_id = ids.new_id(system_clock())
            await quota_sql.audit_limits(connection, record_id, user_id, before=_json(before), after=_json(limits), reason=kept)
    finally:
        await connection.close()


async def _limits(connection: asyncpg.Connection, user_id: UUID) -> Limits:
    """The user's own limits. Locks them."""
    row = await quota_sql.lock_quota(connection, user_id)
    if row is None:
        return Limits()
    amounts = await quota_sql.amounts_of(connection, user_id)
    own = {amount["currency"]: amount["amount_per_day"] for amount in amounts if amount["amount_per_day"] is not None}
    return Limits(row["transfers_per_minute"], row["transfers_per_day"], own)


def _json(limits: Limits) -> str:
    return orjson.dumps(
        {
            "transfers_per_minute": limits.transfers_per_minute,
            "transfers_per_day": limits.transfers_per_day,
            "amounts_per_day": dict(limits.amounts_per_day),
        }
    ).decode()


async def _user_id(connection: asyncpg.Connection, subject: str) -> UUID:
    user_id: UUID | None = await find_user(connection, subject)
    if user_id is None:
        raise ConfigurationError(f"There is no user {subject}: a user is created by their first request.")
    return user_id


def _shown(limit: object) -> object:
    return "as the settings say" if limit is None else limit
