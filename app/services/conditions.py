"""Conditions of a request as the client sends them: exactly one assertion each, about one wallet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app import ids
from app.errors import Refusal, RefusalCode
from app.money import AmountError, Currency, parse_signed_amount
from app.services.refusals import unknown_currency, wallet_not_found
from app.services.requests import Condition, ConditionKind

MAX_CONDITIONS = 20


@dataclass(frozen=True, slots=True)
class ConditionInput:
    """One condition. `amount` and `currency` are None for SEQUENCE_IS, `sequence` for the others."""

    kind: ConditionKind
    wallet_id: str
    sequence: int | None = None
    amount: str | None = None
    currency: str | None = None


def conditions_of(
    given: Sequence[ConditionInput], currencies: Mapping[str, Currency], path: tuple[str, ...]
) -> tuple[Condition, ...] | Refusal:
    """Return the conditions, or the refusal of the first that cannot be checked."""
    if len(given) > MAX_CONDITIONS:
        message = f"There are at most {MAX_CONDITIONS} conditions; this request has {len(given)}."
        return Refusal(RefusalCode.INVALID_INPUT, message, (*path, "conditions"))
    conditions = []
    for index, one in enumerate(given):
        condition = _condition(one, currencies, (*path, "conditions", str(index), one.kind.value))
        if isinstance(condition, Refusal):
            return condition
        conditions.append(condition)
    return tuple(conditions)


def _condition(given: ConditionInput, currencies: Mapping[str, Currency], path: tuple[str, ...]) -> Condition | Refusal:
    wallet_id = ids.decode("wal", given.wallet_id)
    if wallet_id is None:
        return wallet_not_found((*path, "walletId"))
    if given.kind is ConditionKind.SEQUENCE_IS:
        assert given.sequence is not None
        return Condition(given.kind, wallet_id, given.sequence)
    assert given.amount is not None
    currency = currencies.get(given.currency or "")
    if currency is None:
        return unknown_currency((*path, "amount", "currency"))
    try:
        return Condition(given.kind, wallet_id, parse_signed_amount(given.amount, currency), currency.code)
    except AmountError as error:
        return Refusal(RefusalCode.INVALID_AMOUNT, str(error), (*path, "amount"))
