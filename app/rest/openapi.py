"""The OpenAPI 3.1 description of the REST routes."""

from __future__ import annotations

from typing import Any

from app import __version__
from app.errors import RefusalCode
from app.records import (
    AccountType,
    EntryDirection,
    FeeReversal,
    ReversalReason,
    TransactionStatus,
    TransactionType,
    WalletKind,
    WalletStatus,
)
from app.rest.log_routes import LOG_PATHS
from app.rest.openapi_feed import FEED_PATHS
from app.rest.openapi_fx import FX_PATHS, FX_SCHEMAS
from app.rest.openapi_holds import HOLD_PATHS, HOLD_SCHEMAS
from app.rest.openapi_parts import (
    AMOUNT,
    BEARER,
    ID,
    KEY,
    MOMENT,
    MONEY,
    NULLABLE_STRING,
    PAGE_SIZE,
    answer,
    enum,
    get,
    object_,
    problems,
    query,
    ref,
)
from app.rest.openapi_statements import STATEMENT_PATHS, STATEMENT_SCHEMAS
from app.rest.openapi_time import TIME_PATHS, TIME_SCHEMAS

_TRANSFER = {
    "summary": "Move money from one of the caller's wallets to another wallet",
    "description": "Safe to send again with the same idempotency key: it moves money at most once.",
    "operationId": "transfer",
    "security": BEARER,
    "parameters": KEY,
    "requestBody": {"required": True, "content": {"application/json": {"schema": ref("Transfer")}}},
    "responses": {
        "201": answer("The transfer settled.", "TransferResult"),
        "200": answer("The key was used for this transfer before. This is its outcome.", "TransferResult"),
        **problems(400, 404, 409, 413, 415, 422, 504),
    },
}

_REVERSE = {
    "summary": "Give back a transfer, capture, conversion or deposit, whole or in parts",
    "description": "By the owner of the wallet that a transfer or capture paid, or an administrator. Never more than the amount "
    "goes back. Safe to send again with the same idempotency key.",
    "operationId": "reverseTransaction",
    "security": BEARER,
    "parameters": [ID, *KEY],
    "requestBody": {"required": True, "content": {"application/json": {"schema": ref("Reversal")}}},
    "responses": {
        "201": answer("The reversal settled.", "TransferResult"),
        "200": answer("The key was used for this reversal before. This is its outcome.", "TransferResult"),
        **problems(400, 404, 409, 413, 415, 422, 504),
    },
}

_LIST = {
    "summary": "The transactions with an entry in a wallet, newest first",
    "operationId": "listWalletTransactions",
    "security": BEARER,
    "parameters": [
        ID,
        query("first", "Page size, from the newest. Default: 20, if `last` is not given either.", PAGE_SIZE),
        query("after", "The `end_cursor` of the previous page.", {"type": "string"}),
        query("last", "Page size, from the oldest.", PAGE_SIZE),
        query("before", "The `start_cursor` of the next page.", {"type": "string"}),
        query("type", "Only transactions of this type.", enum(TransactionType)),
        query("status", "Only transactions with this status.", enum(TransactionStatus)),
        query("direction", "DEBIT: only those that lower its balance. CREDIT: only those that raise it.", enum(EntryDirection)),
        query("reference", "Exactly this reference.", {"type": "string"}),
        query("created_from", "Inclusive.", MOMENT),
        query("created_to", "Exclusive.", MOMENT),
    ],
    "responses": {"200": answer("One page.", "TransactionPage"), **problems(400, 404)},
}


_SCHEMAS: dict[str, Any] = {
    **HOLD_SCHEMAS,
    **FX_SCHEMAS,
    **TIME_SCHEMAS,
    **STATEMENT_SCHEMAS,
    "Transfer": {
        **object_(
            {
                "sender_wallet_id": {"type": "string"},
                "receiver_wallet_id": {"type": "string"},
                "amount": {**AMOUNT, "maxLength": 64},
                "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
                "description": {"type": ["string", "null"], "maxLength": 280},
                "idempotency_key": {"type": ["string", "null"], "maxLength": 255},
                "reference": {"type": ["string", "null"], "minLength": 1, "maxLength": 140},
                "metadata": {
                    "description": "Up to 20 pairs. A key has 1 to 40 characters, each one of a-z, 0-9, _, . and -.",
                    "type": ["object", "null"],
                    "maxProperties": 20,
                    "additionalProperties": {"type": "string", "maxLength": 500},
                },
                "max_fee": {
                    "description": "The most that it accepts in fees, in the same currency. Without it fees must be zero.",
                    "type": ["string", "null"],
                    "pattern": AMOUNT["pattern"],
                    "maxLength": 64,
                },
                "quote_id": {
                    "description": "Pays a wallet in another currency, by this quote.",
                    "type": ["string", "null"],
                },
            },
            optional=("description", "idempotency_key", "reference", "metadata", "max_fee", "quote_id"),
        ),
        "additionalProperties": False,
    },
    "Reversal": {
        **object_(
            {
                "amount": {
                    "description": "With `currency`. Without both: all that has not gone back yet.",
                    "type": ["string", "null"],
                    "pattern": AMOUNT["pattern"],
                    "maxLength": 64,
                },
                "currency": {"type": ["string", "null"], "pattern": "^[A-Z]{3}$"},
                "reason": enum(ReversalReason),
                "fees": {**enum(FeeReversal), "default": FeeReversal.PROPORTIONAL.value},
                "allow_overdraft": {"description": "Administrators only.", "type": "boolean", "default": False},
                "description": {"type": ["string", "null"], "maxLength": 280},
                "idempotency_key": {"type": ["string", "null"], "maxLength": 255},
            },
            optional=("amount", "currency", "fees", "allow_overdraft", "description", "idempotency_key"),
        ),
        "additionalProperties": False,
    },
    "TransferResult": object_({"transaction": ref("Transaction"), "replayed": {"type": "boolean"}}),
    "Transaction": object_(
        {
            "id": {"type": "string"},
            "type": enum(TransactionType),
            "status": enum(TransactionStatus),
            "sender_wallet_id": NULLABLE_STRING,
            "receiver_wallet_id": NULLABLE_STRING,
            "amount": AMOUNT,
            "currency": {"type": "string"},
            "fee": {
                **NULLABLE_STRING,
                "description": "What was charged on top of the amount. Null if nothing was, or if the caller did not send it.",
            },
            "description": NULLABLE_STRING,
            "reference": NULLABLE_STRING,
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
            "reverses_id": {**NULLABLE_STRING, "description": "Of a REVERSAL: the transaction that it gives back."},
            "hold_id": {**NULLABLE_STRING, "description": "Of a CAPTURE: the hold that it pays from."},
            "quote_id": {**NULLABLE_STRING, "description": "Of a CONVERSION: its quote. Null to all but who sent it."},
            "failure_code": {"enum": [*(code.value for code in RefusalCode), None]},
            "idempotency_key": NULLABLE_STRING,
            "created_at": MOMENT,
            "completed_at": {"type": ["string", "null"], "format": "date-time"},
        }
    ),
    "TransactionPage": object_(
        {
            "items": {"type": "array", "items": ref("Transaction")},
            "has_next_page": {"type": "boolean"},
            "has_previous_page": {"type": "boolean"},
            "start_cursor": NULLABLE_STRING,
            "end_cursor": NULLABLE_STRING,
        }
    ),
    "Wallet": object_(
        {
            "id": {"type": "string"},
            "kind": enum(WalletKind),
            "name": {"type": "string"},
            "currency": {"type": "string"},
            "balance": AMOUNT,
            "available": AMOUNT,
            "held": AMOUNT,
            "status": enum(WalletStatus),
            "account_type": enum(AccountType),
            "sequence": {"type": "string"},
            "created_at": MOMENT,
        }
    ),
    "Problem": object_(
        {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "A refusal code or an error code. For programs."},
            "detail": {"type": "string", "description": "The reason, as a sentence. For people; it may change."},
            "field": NULLABLE_STRING,
            "replayed": {"type": "boolean"},
            "retryable": {"type": "boolean"},
            "retry_after_seconds": {"type": "integer"},
            "available": MONEY,
            "required": MONEY,
            "fee": MONEY,
            "limit": MONEY,
            "expected_from": {**MOMENT, "description": "Where the next statement begins."},
            "transaction": ref("Transaction"),
            "hold": {**ref("Hold"), "description": "The hold that was refused, as it is now."},
            "transaction_id": {"type": "string", "description": "The transaction that the key was used for."},
        },
        optional=(
            "field",
            "replayed",
            "retryable",
            "retry_after_seconds",
            "available",
            "required",
            "fee",
            "limit",
            "expected_from",
            "transaction",
            "hold",
            "transaction_id",
        ),
    ),
}

DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Paycore",
        "version": __version__,
        "description": "A wallet and money-transfer service: its routes for callers without GraphQL.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "paths": {
        "/transfer": {"post": _TRANSFER},
        "/wallets/{id}": {"get": get("One wallet", "getWallet", "Wallet")},
        "/wallets/{id}/transactions": {"get": _LIST},
        **HOLD_PATHS,
        **FX_PATHS,
        **FEED_PATHS,
        **LOG_PATHS,
        **TIME_PATHS,
        **STATEMENT_PATHS,
        "/transactions/{id}/reverse": {"post": _REVERSE},
        "/transactions/{id}": {"get": get("One transaction", "getTransaction", "Transaction")},
    },
    "components": {
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        "schemas": _SCHEMAS,
    },
}
"""Served at /openapi.json. A test compares it with the answers of the routes."""
