"""The OpenAPI description of the routes of exchange rates, quotes and conversions."""

from __future__ import annotations

from typing import Any

from app.records import QuoteStatus
from app.rest.openapi_parts import AMOUNT, BEARER, MOMENT, NULLABLE_STRING, answer, enum, get, object_, post, problems, ref

_CODE = {"type": "string", "pattern": "^[A-Z]{3}$"}
_KEY_FIELD = {"idempotency_key": {"type": ["string", "null"], "maxLength": 255}}
_FIXED = {"type": ["string", "null"], "pattern": AMOUNT["pattern"], "maxLength": 64}

FX_SCHEMAS: dict[str, Any] = {
    "NewQuote": {
        "description": "Exactly one of `source_amount` and `target_amount`: the quote says the other one.",
        **object_(
            {
                "source_currency": _CODE,
                "target_currency": _CODE,
                "source_amount": _FIXED,
                "target_amount": _FIXED,
                **_KEY_FIELD,
            },
            optional=("source_amount", "target_amount", "idempotency_key"),
        ),
        "additionalProperties": False,
    },
    "Quote": object_(
        {
            "id": {"type": "string"},
            "status": enum(QuoteStatus),
            "source_currency": {"type": "string"},
            "source_amount": {**AMOUNT, "description": "What is sold, with the spread."},
            "target_currency": {"type": "string"},
            "target_amount": {**AMOUNT, "description": "What arrives."},
            "rate": {"type": "string", "description": "Units of the target currency for one of the source currency, exactly."},
            "rate_source": {"type": "string"},
            "spread_basis_points": {"type": "integer"},
            "spread": {**AMOUNT, "description": "A part of `source_amount`."},
            "residue": {**AMOUNT, "description": "What rounding leaves, in the target currency."},
            "fee": {**NULLABLE_STRING, "description": "On top of `source_amount`."},
            "total": {**AMOUNT, "description": "What leaves the source wallet."},
            "created_at": MOMENT,
            "expires_at": MOMENT,
        }
    ),
    "QuoteResult": object_({"quote": ref("Quote"), "replayed": {"type": "boolean"}}),
    "NewConversion": {
        **object_(
            {
                "quote_id": {"type": "string"},
                "source_wallet_id": {"type": "string"},
                "target_wallet_id": {"type": "string"},
                "description": {"type": ["string", "null"], "maxLength": 280},
                **_KEY_FIELD,
            },
            optional=("description", "idempotency_key"),
        ),
        "additionalProperties": False,
    },
    "Rate": object_(
        {
            "base": {"type": "string"},
            "quote": {"type": "string"},
            "rate": {"type": "string", "description": "Units of `quote` for one of `base`, exactly."},
            "spread_basis_points": {"type": "integer"},
            "source": {"type": "string"},
            "valid_from": MOMENT,
        }
    ),
    "Rates": object_({"items": {"type": "array", "items": ref("Rate")}}),
}

_AGAIN = "The key was used for this before. This is what it made."

FX_PATHS: dict[str, Any] = {
    "/fx/rates": {
        "get": {
            "summary": "The rates that are valid now",
            "operationId": "listRates",
            "security": BEARER,
            "responses": {"200": answer("One for each two currencies.", "Rates"), **problems()},
        }
    },
    "/fx/quotes": {
        "post": post(
            "Promise a price for a conversion",
            "For one use, for some seconds. It holds nothing and moves nothing.",
            "createQuote",
            "NewQuote",
            "QuoteResult",
            again=_AGAIN,
        )
    },
    "/fx/quotes/{id}": {"get": get("One quote", "getQuote", "Quote")},
    "/conversions": {
        "post": post(
            "Exchange what a quote says between two of the caller's wallets",
            "To pay another's wallet, pass the quote to `POST /transfer`.",
            "convert",
            "NewConversion",
            "TransferResult",
            again=_AGAIN,
        )
    },
}
