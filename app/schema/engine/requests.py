"""What a request asks, checked for its shape: one operation, or several where batches are switched on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from cross_web import HTTPException
from strawberry.http import GraphQLRequestData

from app.errors import BadUserInput, QueryTooComplex, Unauthenticated
from app.schema.context import Context
from app.schema.engine.persisted import PersistedOperations
from app.settings import MAX_BATCH

LONGEST_LIST = 2 * MAX_BATCH
"""Items of a list in the variables. Somewhat more than a field takes, so that the field's own refusal says what it takes."""
FREE_BYTES = 4096
"""An input that is no larger draws nothing, so that an ordinary mutation never depends on the query budget."""
_BYTES_FOR_A_POINT = 256
"""Parsing and coercing so much takes about as long as a point's worth of an answer."""

_MEMBERS: Mapping[str, tuple[type, str]] = {
    "query": (str, "a string"),
    "operationName": (str, "a string"),
    "variables": (dict, "an object"),
    "extensions": (dict, "an object"),
}


def operation_of(data: Any, persisted: PersistedOperations) -> GraphQLRequestData:
    """The operation of a JSON object. Raises HTTPException for whatever has not the shape of one, and RequestError."""
    if not isinstance(data, dict):
        raise HTTPException(400, "A GraphQL request is a JSON object.")
    for name, (type_, wanted) in _MEMBERS.items():
        if not isinstance(data.get(name), type_ | None):
            raise HTTPException(400, f"The GraphQL operation's `{name}` must be {wanted} or null, if provided.")
    return GraphQLRequestData(
        query=persisted.text_of(data),
        variables=data.get("variables"),
        operation_name=data.get("operationName"),
        extensions=data.get("extensions"),
    )


def check_size(context: Context, size: int) -> None:
    """Check an HTTP request's input of so many bytes before it is parsed.

    Raises Unauthenticated for a large one without a valid token, and RateLimited where the viewer's budget is used up.
    """
    if context.maybe_viewer is None and size > context.services.settings.max_anonymous_message_bytes:
        raise context.refusal or Unauthenticated
    draw_for_size(context, size)


def draw_for_size(context: Context, size: int) -> None:
    """Draw on the viewer's query budget for an input of so many bytes, whatever is in it. Raises RateLimited."""
    viewer = context.maybe_viewer
    points = (size - FREE_BYTES) // _BYTES_FOR_A_POINT
    if viewer is not None and points > 0:
        points = min(points, context.services.settings.max_query_cost)
        context.services.query_budget.check(viewer.user_id.hex, points)


def check_batch(operations: list[Any], most: int) -> None:
    """Raises HTTPException where so many operations may not come in one request."""
    if not most:
        raise HTTPException(400, "Request batching is not enabled: send one operation at a time.")
    if not 1 <= len(operations) <= most:
        raise HTTPException(400, f"A batch holds 1 to {most} operations; this one has {len(operations)}.")


def check_lists(variables: Mapping[str, Any] | None) -> None:
    """Raises QueryTooComplex for a list in the variables that is longer than any field takes.

    Coercing a list builds an object for each of its items before a resolver can count them.
    """
    waiting: list[Any] = [variables]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            if len(value) > LONGEST_LIST:
                raise QueryTooComplex(f"A list in the variables has more than {LONGEST_LIST} items.")
            waiting += value


def check_variables(variables: Mapping[str, Any] | None, most: int) -> None:
    """Raises QueryTooComplex for variables that measure more bytes than that, as JSON, and BadUserInput where JSON ends."""
    if not variables:
        return
    try:
        measured = len(orjson.dumps(variables))
    except orjson.JSONEncodeError:
        raise BadUserInput("The variables are nested too deeply.") from None
    if measured > most:
        raise QueryTooComplex(f"The variables are larger than {most} bytes.")
