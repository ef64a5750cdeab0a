"""GraphQL over HTTP: the media type and the status of an answer.

https://graphql.github.io/graphql-over-http/draft/: with `application/graphql-response+json` the status says whether the
operation ran. With the older `application/json` every well-formed request is answered with 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from starlette.responses import Response

from app.errors import BadUserInput, RequestError, http_status

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
EVENTS = "text/event-stream"

HEADERS = {"Cache-Control": "no-store"}
_LONGEST_ACCEPT = 1000


@lru_cache(maxsize=256)
def accepted(accept: str) -> tuple[str, ...]:
    """Return the media types that an Accept header accepts, preferred ones first, the older one first if they rank equally.

    Empty if it accepts none of them. A missing or empty header accepts JSON.
    """
    if len(accept) > _LONGEST_ACCEPT:
        return ()
    if not accept.strip():
        return (JSON,)
    qualities = {name: _quality(accept, name) for name in (JSON, GRAPHQL, EVENTS)}
    # Only a client that names the event stream can read one: `*/*` means a single answer.
    if EVENTS not in accept.lower():
        qualities[EVENTS] = 0.0
    wanted = [name for name, quality in qualities.items() if quality > 0]
    return tuple(sorted(wanted, key=lambda name: (-qualities[name], _place(accept, name))))


def _quality(accept: str, name: str) -> float:
    """The quality of a media type: that of the most specific range that matches it (RFC 9110, section 12.5.1)."""
    best = (0, 0.0)
    for part in accept.lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        ranks = {name: 3, name.partition("/")[0] + "/*": 2, "*/*": 1}
        if media_range in ranks:
            best = max(best, (ranks[media_range], _q(parameters)))
    return best[1]


def _q(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def _place(accept: str, name: str) -> int:
    """The position among media types of equal quality. Those that only a wildcard matches come last, in the server's order."""
    found = accept.lower().find(name)
    return found if found >= 0 else len(accept)


def answer(content: Mapping[str, Any], media_type: str) -> Response:
    """A GraphQL response. If the operation did not run there is no `data`, and the newer media type gets a 4xx or 5xx status."""
    status = 200
    if media_type == GRAPHQL and "data" not in content:
        codes = {error.get("extensions", {}).get("code") for error in content.get("errors", ())}
        status = max((http_status(code) for code in codes), default=400)
    return Response(orjson.dumps(content), status, HEADERS, media_type)


def refusal(status: int, error: RequestError, media_type: str) -> Response:
    """The response to a request that contains no valid operation."""
    response = Response(orjson.dumps(errors(error)), status, HEADERS, media_type)
    if status == 405:
        response.headers["Allow"] = "POST"
    return response


def errors(error: RequestError | None = None) -> dict[str, object]:
    """The body of a response with one error and no data."""
    error = error or BadUserInput()
    return {"errors": [{"message": str(error), "extensions": error.extensions}]}
