"""The OpenAPI description of the routes of statements."""

from __future__ import annotations

from typing import Any

from app.records import StatementStatus
from app.rest.openapi_parts import (
    AMOUNT,
    BEARER,
    ID,
    MOMENT,
    NULLABLE_STRING,
    PAGE_SIZE,
    answer,
    object_,
    post,
    problems,
    query,
    ref,
)
from app.services.statements.reading import FORMATS, MEDIA_TYPES

_NULLABLE_AMOUNT = {**AMOUNT, "type": ["string", "null"]}
STATEMENT_SCHEMAS: dict[str, Any] = {
    "NewStatement": {
        **object_(
            {
                "from": {
                    **MOMENT,
                    "description": "Where the one before ended; for the first one, the wallet's first entry or any time before.",
                },
                "to": {**MOMENT, "description": "Exclusive, and in the past."},
                "idempotency_key": {"type": ["string", "null"], "maxLength": 255},
            },
            optional=("idempotency_key",),
        ),
        "additionalProperties": False,
    },
    "StatementFile": object_(
        {
            "format": {"type": "string", "enum": list(FORMATS)},
            "bytes": {"type": "integer"},
            "sha256": {**NULLABLE_STRING, "description": "In hexadecimal; null if there is no file."},
            "problem": {**NULLABLE_STRING, "description": "Why there is no file in this format."},
        }
    ),
    "Statement": object_(
        {
            "id": {"type": "string"},
            "number": {"type": "string"},
            "status": {"type": "string", "enum": [status.value for status in StatementStatus]},
            "wallet_id": {"type": "string"},
            "from": MOMENT,
            "to": MOMENT,
            "first_sequence": {"type": "string"},
            "last_sequence": {"type": "string"},
            "currency": {"type": "string"},
            "opening": AMOUNT,
            "credits": {**_NULLABLE_AMOUNT, "description": "Null until it is READY, as are the debits."},
            "debits": _NULLABLE_AMOUNT,
            "closing": AMOUNT,
            "problem": NULLABLE_STRING,
            "created_at": MOMENT,
            "files": {"type": "array", "items": ref("StatementFile")},
        }
    ),
    "StatementResult": object_({"statement": ref("Statement"), "replayed": {"type": "boolean"}}),
    "StatementPage": object_(
        {
            "items": {"type": "array", "items": ref("Statement")},
            "has_next_page": {"type": "boolean"},
            "has_previous_page": {"type": "boolean"},
            "start_cursor": NULLABLE_STRING,
            "end_cursor": NULLABLE_STRING,
        }
    ),
}
_FORMAT = {"name": "format", "in": "path", "required": True, "schema": {"type": "string", "enum": list(FORMATS)}}
_BINARY = {
    media.partition(";")[0]: {"schema": {"type": "string", "contentMediaType": media.partition(";")[0]}}
    for media in MEDIA_TYPES.values()
}
_FILE = {
    "200": {
        "description": "The file, the same bytes each time.",
        "headers": {
            "ETag": {"description": "The SHA-256 in hexadecimal.", "schema": {"type": "string"}},
            "Content-Disposition": {"schema": {"type": "string"}},
        },
        "content": _BINARY,
    },
    "304": {"description": "If-None-Match names its ETag."},
}

STATEMENT_PATHS: dict[str, Any] = {
    "/wallets/{id}/statements": {
        "get": {
            "summary": "The statements of a wallet, newest first",
            "operationId": "listStatements",
            "security": BEARER,
            "parameters": [
                ID,
                query("first", "Page size, from the newest. Default: 20, if `last` is not given either.", PAGE_SIZE),
                query("after", "The `end_cursor` of the previous page.", {"type": "string"}),
                query("last", "Page size, from the oldest.", PAGE_SIZE),
                query("before", "The `start_cursor` of the next page.", {"type": "string"}),
            ],
            "responses": {"200": answer("One page.", "StatementPage"), **problems(400, 404)},
        },
        "post": post(
            "Make the next statement of a wallet",
            "It begins where the one before it ended. A worker makes its files.",
            "createStatement",
            "NewStatement",
            "StatementResult",
            again="The key was used for this before. This is the statement as it is now.",
            of_one=True,
        ),
    },
    "/wallets/{id}/statements/{number}.{format}": {
        "get": {
            "summary": "A file of a statement",
            "operationId": "getStatementFile",
            "security": BEARER,
            "parameters": [
                ID,
                {"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}},
                _FORMAT,
            ],
            "responses": {**_FILE, **problems(404)},
        }
    },
    "/statements/{statement}.{format}": {
        "get": {
            "summary": "A file of a statement, by a signed link",
            "description": "`Statement.download` of GraphQL makes links. They need no token. 403 if the time of one is over.",
            "operationId": "getLinkedStatementFile",
            "security": [],
            "parameters": [
                {"name": "statement", "in": "path", "required": True, "schema": {"type": "string"}},
                _FORMAT,
                query("expires", "Of the link.", {"type": "string"}),
                query("signature", "Of the link.", {"type": "string"}),
            ],
            "responses": {**_FILE, **problems(404)},
        }
    },
}
