"""The OpenAPI description of balances in time and of activity."""

from __future__ import annotations

from typing import Any

from app.records import EntryDirection, EntryPurpose
from app.rest.openapi_parts import (
    AMOUNT,
    BEARER,
    ID,
    MOMENT,
    NULLABLE_STRING,
    PAGE_SIZE,
    answer,
    enum,
    object_,
    problems,
    query,
    ref,
)
from app.services.calendars import MAX_PERIODS, BalanceStep

_TEXT = {"type": "string"}
_COUNT = {"type": "string", "pattern": "^[0-9]+$"}
_LIMIT = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$", "maxLength": 64}

TIME_SCHEMAS: dict[str, Any] = {
    "BalancePoint": object_(
        {
            "at": MOMENT,
            "sequence": _COUNT,
            "currency": _TEXT,
            "balance": AMOUNT,
            "held": AMOUNT,
            "available": AMOUNT,
        }
    ),
    "BalancePeriod": object_(
        {
            "from": MOMENT,
            "to": MOMENT,
            "opening": AMOUNT,
            "debits": AMOUNT,
            "credits": AMOUNT,
            "closing": AMOUNT,
            "entry_count": _COUNT,
            "closing_sequence": _COUNT,
        }
    ),
    "BalancePeriods": object_({"currency": _TEXT, "items": {"type": "array", "items": ref("BalancePeriod")}}),
    "ReadPosition": object_({"position": _TEXT, "at": MOMENT, "lag_seconds": {"type": "number", "minimum": 0}}),
    "ActivityItem": object_(
        {
            "id": _TEXT,
            "at": MOMENT,
            "wallet_id": _TEXT,
            "transaction_id": _TEXT,
            "direction": enum(EntryDirection),
            "amount": AMOUNT,
            "currency": _TEXT,
            "purpose": enum(EntryPurpose),
            "counterparty_wallet_id": {**NULLABLE_STRING, "description": "Null where there are several."},
        }
    ),
    "ActivityPage": object_(
        {
            "items": {"type": "array", "items": ref("ActivityItem")},
            "has_next_page": {"type": "boolean"},
            "has_previous_page": {"type": "boolean"},
            "start_cursor": NULLABLE_STRING,
            "end_cursor": NULLABLE_STRING,
            "read_position": ref("ReadPosition"),
        }
    ),
}


def _needed(name: str, description: str) -> dict[str, Any]:
    return {**query(name, description, MOMENT), "required": True}


TIME_PATHS: dict[str, Any] = {
    "/wallets/{id}/balance": {
        "get": {
            "summary": "What a wallet's balance was",
            "description": "After every entry posted at or before `at`, which must be at least 5 seconds ago. The answer never "
            "changes.",
            "operationId": "getBalanceAt",
            "security": BEARER,
            "parameters": [ID, _needed("at", "A time with an offset.")],
            "responses": {"200": answer("The balance.", "BalancePoint"), **problems(400, 404)},
        }
    },
    "/wallets/{id}/balances": {
        "get": {
            "summary": "A wallet's balances over the periods of a calendar",
            "description": f"At most {MAX_PERIODS} periods.",
            "operationId": "listBalances",
            "security": BEARER,
            "parameters": [
                ID,
                _needed("from", "The first period contains it."),
                _needed("to", "The last period contains the last moment before it."),
                query("step", "The length of a period. Default: DAY.", enum(BalanceStep)),
                query("time_zone", 'The zone of the calendar, such as "Europe/Berlin". Default: UTC.', _TEXT),
            ],
            "responses": {"200": answer("The periods.", "BalancePeriods"), **problems(400, 404)},
        }
    },
    "/activity": {
        "get": {
            "summary": "The entries of all of the caller's wallets, newest first",
            "description": "A parameter such as `metadata.order=17` asks for a pair of the transaction's metadata.",
            "operationId": "listActivity",
            "security": BEARER,
            "parameters": [
                query("first", "Page size. Default: 20.", PAGE_SIZE),
                query("after", "The `end_cursor` of the previous page.", _TEXT),
                query(
                    "query",
                    "Each word must begin a word of the description, the reference or the counterparty's name.",
                    {**_TEXT, "maxLength": 200},
                ),
                query("wallet_id", "Only entries of this wallet.", _TEXT),
                query("direction", "Only this side.", enum(EntryDirection)),
                query("amount_from", "Inclusive, in the currency of each entry.", _LIMIT),
                query("amount_to", "Inclusive.", _LIMIT),
                query("created_from", "Inclusive.", MOMENT),
                query("created_to", "Exclusive.", MOMENT),
                query(
                    "not_before",
                    "A position, or a wallet's update cursor: the answer has seen it, or is 503 after a second.",
                    _TEXT,
                ),
            ],
            "responses": {"200": answer("One page.", "ActivityPage"), **problems(400)},
        }
    },
}
