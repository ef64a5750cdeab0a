"""The OpenAPI description of the routes of holds."""

from __future__ import annotations

from typing import Any

from app.records import AfterExpiry, HoldStatus
from app.rest.openapi_parts import (
    AMOUNT,
    MOMENT,
    NULLABLE_STRING,
    enum,
    get,
    nullable,
    object_,
    post,
)

_PART = {
    "amount": {
        "description": "With `currency`. Without both: all that remains.",
        "type": ["string", "null"],
        "pattern": AMOUNT["pattern"],
        "maxLength": 64,
    },
    "currency": {"type": ["string", "null"], "pattern": "^[A-Z]{3}$"},
}
_KEY_FIELD = {"idempotency_key": {"type": ["string", "null"], "maxLength": 255}}
_METADATA = {
    "description": "Up to 20 pairs. A key has 1 to 40 characters, each one of a-z, 0-9, _, . and -.",
    "type": ["object", "null"],
    "maxProperties": 20,
    "additionalProperties": {"type": "string", "maxLength": 500},
}

HOLD_SCHEMAS: dict[str, Any] = {
    "NewHold": {
        **object_(
            {
                "wallet_id": {"type": "string"},
                "receiver_wallet_id": {**NULLABLE_STRING, "description": "Only service accounts may leave it out."},
                "amount": {**AMOUNT, "maxLength": 64},
                "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
                "expires_in": {"description": "Seconds from now.", "type": ["integer", "null"], "minimum": 1},
                "description": {"type": ["string", "null"], "maxLength": 280},
                "metadata": _METADATA,
                **_KEY_FIELD,
            },
            optional=("receiver_wallet_id", "expires_in", "description", "metadata", "idempotency_key"),
        ),
        "additionalProperties": False,
    },
    "Capture": {
        **object_(
            {
                **_PART,
                "receiver_wallet_id": {**NULLABLE_STRING, "description": "Required exactly where the hold names no receiver."},
                "keep_remaining": {"description": "Keep what remains for further captures.", "type": "boolean", "default": False},
                "after_expiry": {**enum(AfterExpiry), "default": AfterExpiry.REFUSE.value},
                **_KEY_FIELD,
            },
            optional=("amount", "currency", "receiver_wallet_id", "keep_remaining", "after_expiry", "idempotency_key"),
        ),
        "additionalProperties": False,
    },
    "Release": {
        **object_(
            {**_PART, "reason": {"type": ["string", "null"], "maxLength": 280}, **_KEY_FIELD},
            optional=("amount", "currency", "reason", "idempotency_key"),
        ),
        "additionalProperties": False,
    },
    "Hold": object_(
        {
            "id": {"type": "string"},
            "status": enum(HoldStatus),
            "wallet_id": {"type": "string"},
            "receiver_wallet_id": NULLABLE_STRING,
            "amount": AMOUNT,
            "captured": AMOUNT,
            "released": AMOUNT,
            "remaining": AMOUNT,
            "currency": {"type": "string"},
            "description": NULLABLE_STRING,
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
            "created_at": MOMENT,
            "expires_at": {"type": ["string", "null"], "format": "date-time"},
            "closed_at": {"type": ["string", "null"], "format": "date-time"},
        }
    ),
    "HoldResult": object_({
        "hold": nullable("Hold"),
        "transaction": nullable("Transaction"),
        "replayed": {"type": "boolean"},
    }),
}  # fmt: skip


def _post(summary: str, description: str, operation_id: str, body: str, *, of_one: bool = True) -> dict[str, Any]:
    again = "The key was used for this before. This is the hold as it is now."
    return post(summary, description, operation_id, body, "HoldResult", again=again, of_one=of_one)


HOLD_PATHS: dict[str, Any] = {
    "/holds": {
        "post": _post(
            "Hold money of a wallet in favour of a receiver",
            "The money stays in its wallet, but can be spent by captures only, until it is released or its time is over.",
            "placeHold",
            "NewHold",
            of_one=False,
        )
    },
    "/holds/{id}": {"get": get("One hold", "getHold", "Hold")},
    "/holds/{id}/capture": {
        "post": _post(
            "Pay from a hold",
            "By the owner of the receiver's wallet, or a service account. It never fails for funds while the hold is open.",
            "captureHold",
            "Capture",
        )
    },
    "/holds/{id}/release": {
        "post": _post(
            "Give up a hold, or a part of it",
            "By the owner of the receiver's wallet or a service account; by the payer only if the hold names no receiver.",
            "releaseHold",
            "Release",
        )
    },
}
