"""The parts that the descriptions of REST routes share."""

from __future__ import annotations

from typing import Any

NULLABLE_STRING = {"type": ["string", "null"]}
MOMENT = {"type": "string", "format": "date-time"}
AMOUNT = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "examples": ["12.34"]}
MONEY = {
    "type": "object",
    "required": ["amount", "currency"],
    "properties": {"amount": AMOUNT, "currency": {"type": "string"}},
}
BEARER: list[dict[str, list[str]]] = [{"bearer": []}]


def enum(values: Any) -> dict[str, Any]:
    return {"type": "string", "enum": [value.value for value in values]}


def object_(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [name for name in properties if name not in optional]}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(name: str) -> dict[str, Any]:
    return {"oneOf": [ref(name), {"type": "null"}]}


def answer(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": ref(schema)}}}


def problems(*statuses: int) -> dict[str, Any]:
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
        str(status): {"description": described[status], "content": {"application/problem+json": {"schema": ref("Problem")}}}
        for status in sorted({*statuses, 401, 403, 429, 500, 503})
    }


def query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
PAGE_SIZE = {"type": "integer", "minimum": 1, "maximum": 100}
KEY = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "1 to 255 visible ASCII characters. A value that begins with a quotation mark is refused. The key can "
        "be in the body instead. If it is in both, they must be equal.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~][!-~]*$"},
    }
]
"""The parameters of each route that moves money."""


def get(summary: str, operation_id: str, schema: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "operationId": operation_id,
        "security": BEARER,
        "parameters": [ID],
        "responses": {"200": answer("Found.", schema), **problems(404)},
    }


def post(
    summary: str, description: str, operation_id: str, body: str, result: str, *, again: str, of_one: bool = False
) -> dict[str, Any]:
    """Returns the operation of a POST with an idempotency key. `again` describes the answer to a repeated key."""
    return {
        "summary": summary,
        "description": f"{description} Safe to send again with the same idempotency key.",
        "operationId": operation_id,
        "security": BEARER,
        "parameters": [ID, *KEY] if of_one else KEY,
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref(body)}}},
        "responses": {
            "201": answer("It is done.", result),
            "200": answer(again, result),
            **problems(400, 404, 409, 413, 415, 422, 504),
        },
    }
