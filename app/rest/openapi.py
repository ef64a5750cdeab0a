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

_NULLABLE_STRING = {"type": ["string", "null"]}
_MOMENT = {"type": "string", "format": "date-time"}
_AMOUNT = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "examples": ["12.34"]}
_MONEY = {
    "type": "object",
    "required": ["amount", "currency"],
    "properties": {"amount": _AMOUNT, "currency": {"type": "string"}},
}
_BEARER: list[dict[str, list[str]]] = [{"bearer": []}]


def _enum(values: Any) -> dict[str, Any]:
    return {"type": "string", "enum": [value.value for value in values]}


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [name for name in properties if name not in optional]}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _problems(*statuses: int) -> dict[str, Any]:
    """Returns the problems of a route. Every route has 401, 403, 429, 500 and 503 besides `statuses`."""
    described = {
        400: "The request is malformed.",
        401: "The bearer token is missing or invalid.",
        403: "The token's role or scopes do not allow this.",
        404: "It does not exist, or the caller may not see it.",
        409: "The idempotency key was used with other input.",
        413: "The request body is too large.",
        415: "The request body is not application/json, or compressed.",
        422: "The ledger refused the transfer: funds, currency or status.",
        429: "A quota or a rate limit is exceeded.",
        500: "Something went wrong on our side.",
        503: "The service cannot take the request now. No money moved.",
        504: "The outcome is not known yet. Send the request again with the same key.",
    }
    return {
        str(status): {"description": described[status], "content": {"application/problem+json": {"schema": _ref("Problem")}}}
        for status in sorted({*statuses, 401, 403, 429, 500, 503})
    }


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_PAGE_SIZE = {"type": "integer", "minimum": 1, "maximum": 100}

_TRANSFER = {
    "summary": "Move money from one of the caller's wallets to another wallet",
    "description": "Safe to send again with the same idempotency key: it moves money at most once.",
    "operationId": "transfer",
    "security": _BEARER,
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "1 to 255 visible ASCII characters. A value that begins with a quotation mark is refused. The key can "
            "be in the body instead. If it is in both, they must be equal.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~][!-~]*$"},
        }
    ],
    "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Transfer")}}},
    "responses": {
        "201": _answer("The transfer settled.", "TransferResult"),
        "200": _answer("The key was used for this transfer before. This is its outcome.", "TransferResult"),
        **_problems(400, 404, 409, 413, 415, 422, 504),
    },
}

_KEY = _TRANSFER["parameters"]
_REVERSE = {
    "summary": "Give back a transfer or deposit, whole or in parts",
    "description": "By the owner of the wallet that a transfer paid, or an administrator. Never more than the amount goes back. "
    "Safe to send again with the same idempotency key.",
    "operationId": "reverseTransaction",
    "security": _BEARER,
    "parameters": [_ID, *_KEY],
    "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Reversal")}}},
    "responses": {
        "201": _answer("The reversal settled.", "TransferResult"),
        "200": _answer("The key was used for this reversal before. This is its outcome.", "TransferResult"),
        **_problems(400, 404, 409, 413, 415, 422, 504),
    },
}

_LIST = {
    "summary": "The transactions with an entry in a wallet, newest first",
    "operationId": "listWalletTransactions",
    "security": _BEARER,
    "parameters": [
        _ID,
        _query("first", "Page size, from the newest. Default: 20, if `last` is not given either.", _PAGE_SIZE),
        _query("after", "The `end_cursor` of the previous page.", {"type": "string"}),
        _query("last", "Page size, from the oldest.", _PAGE_SIZE),
        _query("before", "The `start_cursor` of the next page.", {"type": "string"}),
        _query("type", "Only transactions of this type.", _enum(TransactionType)),
        _query("status", "Only transactions with this status.", _enum(TransactionStatus)),
        _query("direction", "DEBIT: only those that lower its balance. CREDIT: only those that raise it.", _enum(EntryDirection)),
        _query("reference", "Exactly this reference.", {"type": "string"}),
        _query("created_from", "Inclusive.", _MOMENT),
        _query("created_to", "Exclusive.", _MOMENT),
    ],
    "responses": {"200": _answer("One page.", "TransactionPage"), **_problems(400, 404)},
}


def _get(summary: str, operation_id: str, schema: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "operationId": operation_id,
        "security": _BEARER,
        "parameters": [_ID],
        "responses": {"200": _answer("Found.", schema), **_problems(404)},
    }


_SCHEMAS: dict[str, Any] = {
    "Transfer": {
        **_object(
            {
                "sender_wallet_id": {"type": "string"},
                "receiver_wallet_id": {"type": "string"},
                "amount": {**_AMOUNT, "maxLength": 64},
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
                    "pattern": _AMOUNT["pattern"],
                    "maxLength": 64,
                },
            },
            optional=("description", "idempotency_key", "reference", "metadata", "max_fee"),
        ),
        "additionalProperties": False,
    },
    "Reversal": {
        **_object(
            {
                "amount": {
                    "description": "With `currency`. Without both: all that has not gone back yet.",
                    "type": ["string", "null"],
                    "pattern": _AMOUNT["pattern"],
                    "maxLength": 64,
                },
                "currency": {"type": ["string", "null"], "pattern": "^[A-Z]{3}$"},
                "reason": _enum(ReversalReason),
                "fees": {**_enum(FeeReversal), "default": FeeReversal.PROPORTIONAL.value},
                "allow_overdraft": {"description": "Administrators only.", "type": "boolean", "default": False},
                "description": {"type": ["string", "null"], "maxLength": 280},
                "idempotency_key": {"type": ["string", "null"], "maxLength": 255},
            },
            optional=("amount", "currency", "fees", "allow_overdraft", "description", "idempotency_key"),
        ),
        "additionalProperties": False,
    },
    "TransferResult": _object({"transaction": _ref("Transaction"), "replayed": {"type": "boolean"}}),
    "Transaction": _object(
        {
            "id": {"type": "string"},
            "type": _enum(TransactionType),
            "status": _enum(TransactionStatus),
            "sender_wallet_id": _NULLABLE_STRING,
            "receiver_wallet_id": _NULLABLE_STRING,
            "amount": _AMOUNT,
            "currency": {"type": "string"},
            "fee": {
                **_NULLABLE_STRING,
                "description": "What was charged on top of the amount. Null if nothing was, or if the caller did not send it.",
            },
            "description": _NULLABLE_STRING,
            "reference": _NULLABLE_STRING,
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
            "reverses_id": {**_NULLABLE_STRING, "description": "Of a REVERSAL: the transaction that it gives back."},
            "failure_code": {"enum": [*(code.value for code in RefusalCode), None]},
            "idempotency_key": _NULLABLE_STRING,
            "created_at": _MOMENT,
            "completed_at": {"type": ["string", "null"], "format": "date-time"},
        }
    ),
    "TransactionPage": _object(
        {
            "items": {"type": "array", "items": _ref("Transaction")},
            "has_next_page": {"type": "boolean"},
            "has_previous_page": {"type": "boolean"},
            "start_cursor": _NULLABLE_STRING,
            "end_cursor": _NULLABLE_STRING,
        }
    ),
    "Wallet": _object(
        {
            "id": {"type": "string"},
            "kind": _enum(WalletKind),
            "name": {"type": "string"},
            "currency": {"type": "string"},
            "balance": _AMOUNT,
            "available": _AMOUNT,
            "status": _enum(WalletStatus),
            "account_type": _enum(AccountType),
            "sequence": {"type": "string"},
            "created_at": _MOMENT,
        }
    ),
    "Problem": _object(
        {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "A refusal code or an error code. For programs."},
            "detail": {"type": "string", "description": "The reason, as a sentence. For people; it may change."},
            "field": _NULLABLE_STRING,
            "replayed": {"type": "boolean"},
            "retryable": {"type": "boolean"},
            "retry_after_seconds": {"type": "integer"},
            "available": _MONEY,
            "required": _MONEY,
            "fee": _MONEY,
            "limit": _MONEY,
            "transaction": _ref("Transaction"),
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
            "transaction",
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
        "/wallets/{id}": {"get": _get("One wallet", "getWallet", "Wallet")},
        "/wallets/{id}/transactions": {"get": _LIST},
        "/transactions/{id}/reverse": {"post": _REVERSE},
        "/transactions/{id}": {"get": _get("One transaction", "getTransaction", "Transaction")},
    },
    "components": {
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        "schemas": _SCHEMAS,
    },
}
"""Served at /openapi.json. A test compares it with the answers of the routes."""
