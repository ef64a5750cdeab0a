"""The inputs of REST routes: JSON bodies and the Idempotency-Key header, checked for their form."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from starlette.requests import Request

from app.errors import BadUserInput, Refusal, RefusalCode
from app.money import is_plain_decimal
from app.records import AfterExpiry, FeeReversal, ReversalReason
from app.rest.query import moment
from app.services.conversions import ConvertInput
from app.services.fx_quotes import QuoteInput
from app.services.holds import CaptureInput, PlaceInput, ReleaseInput
from app.services.reversals import ReversalInput
from app.services.statements.creating import StatementInput
from app.services.transfers import TransferInput

E = TypeVar("E", bound=StrEnum)

_TRANSFER_FIELDS = {
    "sender_wallet_id",
    "receiver_wallet_id",
    "amount",
    "currency",
    "description",
    "idempotency_key",
    "reference",
    "metadata",
    "max_fee",
    "quote_id",
}
_REVERSAL_FIELDS = {"amount", "currency", "reason", "fees", "allow_overdraft", "description", "idempotency_key"}
_PLACE_FIELDS = {
    "wallet_id",
    "receiver_wallet_id",
    "amount",
    "currency",
    "expires_in",
    "description",
    "metadata",
    "idempotency_key",
}
_CAPTURE_FIELDS = {"amount", "currency", "receiver_wallet_id", "keep_remaining", "after_expiry", "idempotency_key"}
_QUOTE_FIELDS = {"source_currency", "target_currency", "source_amount", "target_amount", "idempotency_key"}
_CONVERT_FIELDS = {"quote_id", "source_wallet_id", "target_wallet_id", "description", "idempotency_key"}
_STATEMENT_FIELDS = {"from", "to", "idempotency_key"}
_RELEASE_FIELDS = {"amount", "currency", "reason", "idempotency_key"}
_MAX_AMOUNT_LENGTH = 64
_QUOTED_KEY = Refusal(
    RefusalCode.IDEMPOTENCY_KEY_INVALID,
    "Send the key in the Idempotency-Key header without quotation marks: with them it would be another key.",
    ("input", "idempotencyKey"),
)
"""For a header that is a structured field's string, `"K"`. Clients that quote and clients that do not both mean K. Earlier
releases recorded the quotation marks as part of the key, so a quoted key still replays its transaction."""


def transfer_input(request: Request, body: Mapping[str, Any]) -> TransferInput:
    """The transfer that a request asks for. Raises BadUserInput for a malformed body."""
    _check_names(body, _TRANSFER_FIELDS)
    for name in ("sender_wallet_id", "receiver_wallet_id", "amount", "currency"):
        if not isinstance(body.get(name), str):
            raise BadUserInput(f"`{name}` is required and must be a JSON string.")
    _check_texts(body, ("description", "reference", "quote_id"))
    metadata = _metadata(body)
    _check_amounts(body, ("amount", "max_fee"))
    key = _idempotency_key(request, body)
    return TransferInput(
        idempotency_key=key,
        sender_wallet_id=body["sender_wallet_id"],
        receiver_wallet_id=body["receiver_wallet_id"],
        amount=body["amount"],
        currency=body["currency"],
        description=body.get("description"),
        reference=body.get("reference"),
        metadata=metadata,
        max_fee=None if body.get("max_fee") is None else (body["max_fee"], body["currency"]),
        quote_id=body.get("quote_id"),
        unless_replayed=_QUOTED_KEY if key.startswith('"') and "idempotency-key" in request.headers else None,
    )


def reversal_input(request: Request, body: Mapping[str, Any]) -> ReversalInput:
    """The reversal that a request asks for. Raises BadUserInput for a malformed body."""
    _check_names(body, _REVERSAL_FIELDS)
    _check_texts(body, ("description",))
    amount, overdraft = _part(body, "all that is left"), body.get("allow_overdraft", False)
    if not isinstance(overdraft, bool):
        raise BadUserInput("`allow_overdraft` must be true or false.")
    return ReversalInput(
        idempotency_key=_idempotency_key(request, body),
        transaction_id=request.path_params["id"],
        reason=_member(ReversalReason, "reason", body.get("reason")),
        amount=amount,
        fees=_member(FeeReversal, "fees", body.get("fees", FeeReversal.PROPORTIONAL.value)),
        allow_overdraft=overdraft,
        description=body.get("description"),
    )


def place_input(request: Request, body: Mapping[str, Any]) -> PlaceInput:
    """The hold that a request asks for. Raises BadUserInput for a malformed body."""
    _check_names(body, _PLACE_FIELDS)
    for name in ("wallet_id", "amount", "currency"):
        if not isinstance(body.get(name), str):
            raise BadUserInput(f"`{name}` is required and must be a JSON string.")
    _check_texts(body, ("receiver_wallet_id", "description"))
    _check_amounts(body, ("amount",))
    expires_in = body.get("expires_in")
    if expires_in is not None and type(expires_in) is not int:
        raise BadUserInput("`expires_in` must be a whole number of seconds.")
    return PlaceInput(
        idempotency_key=_idempotency_key(request, body),
        wallet_id=body["wallet_id"],
        amount=(body["amount"], body["currency"]),
        receiver_wallet_id=body.get("receiver_wallet_id"),
        expires_in=expires_in,
        description=body.get("description"),
        metadata=_metadata(body),
    )


def quote_input(request: Request, body: Mapping[str, Any]) -> QuoteInput:
    """The quote that a request asks for. Raises BadUserInput for a malformed body."""
    _check_names(body, _QUOTE_FIELDS)
    fixed = [name for name in ("source_amount", "target_amount") if body.get(name) is not None]
    if len(fixed) != 1:
        raise BadUserInput("A quote fixes one of `source_amount` and `target_amount`.")
    for name in ("source_currency", "target_currency", *fixed):
        if not isinstance(body.get(name), str):
            raise BadUserInput(f"`{name}` is required and must be a JSON string.")
    _check_amounts(body, fixed)
    is_target_fixed = fixed == ["target_amount"]
    return QuoteInput(
        idempotency_key=_idempotency_key(request, body),
        source_currency=body["source_currency"],
        target_currency=body["target_currency"],
        amount=(body[fixed[0]], body["target_currency" if is_target_fixed else "source_currency"]),
        is_target_fixed=is_target_fixed,
    )


def convert_input(request: Request, body: Mapping[str, Any]) -> ConvertInput:
    """The conversion that a request asks for. Raises BadUserInput for a malformed body."""
    _check_names(body, _CONVERT_FIELDS)
    for name in ("quote_id", "source_wallet_id", "target_wallet_id"):
        if not isinstance(body.get(name), str):
            raise BadUserInput(f"`{name}` is required and must be a JSON string.")
    _check_texts(body, ("description",))
    return ConvertInput(
        idempotency_key=_idempotency_key(request, body),
        quote_id=body["quote_id"],
        source_wallet_id=body["source_wallet_id"],
        target_wallet_id=body["target_wallet_id"],
        description=body.get("description"),
    )


def capture_input(request: Request, body: Mapping[str, Any]) -> CaptureInput:
    """The capture that a request asks for. Raises BadUserInput for a malformed body."""
    _check_names(body, _CAPTURE_FIELDS)
    _check_texts(body, ("receiver_wallet_id",))
    keep = body.get("keep_remaining", False)
    if not isinstance(keep, bool):
        raise BadUserInput("`keep_remaining` must be true or false.")
    return CaptureInput(
        idempotency_key=_idempotency_key(request, body),
        hold_id=request.path_params["id"],
        amount=_part(body, "all that remains"),
        receiver_wallet_id=body.get("receiver_wallet_id"),
        keep_remaining=keep,
        after_expiry=_member(AfterExpiry, "after_expiry", body.get("after_expiry", AfterExpiry.REFUSE.value)),
    )


def release_input(request: Request, body: Mapping[str, Any]) -> ReleaseInput:
    """The release that a request asks for. Raises BadUserInput for a malformed body."""
    _check_names(body, _RELEASE_FIELDS)
    _check_texts(body, ("reason",))
    return ReleaseInput(
        idempotency_key=_idempotency_key(request, body),
        hold_id=request.path_params["id"],
        amount=_part(body, "all that remains"),
        reason=body.get("reason"),
    )


def statement_input(request: Request, body: Mapping[str, Any]) -> StatementInput:
    """The statement that a request asks for. Raises BadUserInput for a malformed body."""
    _check_names(body, _STATEMENT_FIELDS)
    return StatementInput(
        idempotency_key=_idempotency_key(request, body),
        wallet_id=request.path_params["id"],
        from_at=_moment(body, "from"),
        to_at=_moment(body, "to"),
    )


def _moment(body: Mapping[str, Any], name: str) -> datetime:
    given = body.get(name)
    try:
        return moment(given) if isinstance(given, str) else moment("")
    except (ValueError, OverflowError):
        raise BadUserInput(f'`{name}` must be a time with its zone, such as "2026-01-31T12:00:00Z".') from None


def _part(body: Mapping[str, Any], otherwise: str) -> tuple[str, str] | None:
    """The amount and its currency, or None if both are left out."""
    _check_texts(body, ("currency",))
    _check_amounts(body, ("amount",))
    amount, currency = body.get("amount"), body.get("currency")
    if (amount is None) != (currency is None):
        raise BadUserInput(f"`amount` and `currency` are given together, or neither for {otherwise}.")
    return None if amount is None or currency is None else (amount, currency)


def _metadata(body: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    metadata = body.get("metadata")
    if metadata is None:
        return ()
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BadUserInput("`metadata` must be a JSON object whose values are strings.")
    return tuple(metadata.items())


def _check_names(body: Mapping[str, Any], known: Collection[str]) -> None:
    unknown = body.keys() - known
    if unknown:
        raise BadUserInput(f"Unknown field: {min(unknown)[:40]}.")


def _check_texts(body: Mapping[str, Any], names: Collection[str]) -> None:
    for name in names:
        if not isinstance(body.get(name), str | None):
            raise BadUserInput(f"`{name}` must be a JSON string.")


def _check_amounts(body: Mapping[str, Any], names: Collection[str]) -> None:
    for name in names:
        given = body.get(name)
        if given is not None and (not isinstance(given, str) or len(given) > _MAX_AMOUNT_LENGTH or not is_plain_decimal(given)):
            raise BadUserInput(f'`{name}` must be a string in plain decimal notation, such as "12.34".')


def _member(enum: type[E], name: str, given: Any) -> E:
    try:
        return enum(given)
    except ValueError:
        raise BadUserInput(f"`{name}` must be one of {', '.join(enum)}.") from None


def _idempotency_key(request: Request, body: Mapping[str, Any]) -> str:
    """Returns the key of the Idempotency-Key header or of the body. Raises BadUserInput if there is none or they differ."""
    header, field = request.headers.getlist("idempotency-key"), body.get("idempotency_key")
    if not isinstance(field, str | None):
        raise BadUserInput("`idempotency_key` must be a JSON string.")
    given = {*header, *([] if field is None else [field])}
    if not given:
        raise BadUserInput("An idempotency key is required: the Idempotency-Key header, or `idempotency_key` in the body.")
    if len(given) > 1:
        raise BadUserInput("The idempotency keys of the header and the body differ. Quotation marks in the header count.")
    return given.pop()
