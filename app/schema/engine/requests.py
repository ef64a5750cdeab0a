"""Checks the shape and size of a request: one operation, or several if request batches are enabled."""

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

MAX_VARIABLES_BYTES = 2_097_152
"""Largest variables of an operation, as JSON in UTF-8. A `transferBatch` of 500 fits with descriptions in any script."""
MAX_ANONYMOUS_BYTES = 16_384
"""Largest HTTP input without a valid token, and largest message on a WebSocket until its token is accepted."""
LONGEST_LIST = 2 * MAX_BATCH
"""Longest list in the variables. Longer than any field takes, so that the field's own error can name its limit."""
FREE_BYTES = 4096
"""Inputs up to this size are free, so that an ordinary mutation never depends on the query budget."""
_BYTES_PER_POINT = 256
"""Bytes of input that take about as long to parse and coerce as one point of an answer takes to compute."""

_MEMBERS: Mapping[str, tuple[type, str]] = {
    "query": (str, "a string"),
    "operationName": (str, "a string"),
    "variables": (dict, "an object"),
    "extensions": (dict, "an object"),
}


def operation_of(data: Any, persisted: PersistedOperations) -> GraphQLRequestData:
    """Read an operation from a JSON value. Raises HTTPException for the wrong shape, and RequestError for a bad hash."""
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
    """Check the size of an HTTP request's input, in bytes, before it is parsed.

    Raises Unauthenticated for a large input without a valid token, and RateLimited if the viewer's budget is used up.
    """
    if context.maybe_viewer is None and size > MAX_ANONYMOUS_BYTES:
        raise context.refusal or Unauthenticated
    charge_for_size(context, size)


def charge_for_size(context: Context, size: int) -> None:
    """Charge the viewer's query budget for the size of an input, in bytes. Raises RateLimited."""
    viewer = context.maybe_viewer
    points = (size - FREE_BYTES) // _BYTES_PER_POINT
    if viewer is not None and points > 0:
        points = min(points, context.services.settings.max_query_cost)
        context.services.query_budget.check(viewer.user_id.hex, points)


def check_lists(variables: Mapping[str, Any] | None) -> None:
    """Raises QueryTooComplex for a list in the variables that is longer than any field takes.

    GraphQL coerces every item of a list before a resolver can check its length.
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


def check_variables(variables: Mapping[str, Any] | None, max_bytes: int = MAX_VARIABLES_BYTES) -> None:
    """Raises QueryTooComplex for variables larger than `max_bytes` as JSON, BadUserInput if they are nested too deeply."""
    if not variables:
        return
    try:
        measured = len(orjson.dumps(variables))
    except orjson.JSONEncodeError:
        raise BadUserInput("The variables are nested too deeply.") from None
    if measured > max_bytes:
        raise QueryTooComplex(f"The variables are larger than {max_bytes} bytes.")
