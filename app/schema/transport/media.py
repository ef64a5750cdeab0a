"""GraphQL over HTTP: which media type answers a request, and with which status.

https://graphql.github.io/graphql-over-http/draft/: under `application/graphql-response+json` the status tells whether the
operation ran; under the older `application/json` a request that was understood is always 200.
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
    """Those of our media types that an Accept header takes, its favourites first, older before newer where it does not mind.

    Empty where it takes none of them. No header, or an empty one, takes JSON.
    """
    if len(accept) > _LONGEST_ACCEPT:
        return ()
    if not accept.strip():
        return (JSON,)
    qualities = {name: _quality(accept, name) for name in (JSON, GRAPHQL, EVENTS)}
    # A stream is for those who name it: `*/*` asks for an answer.
    if EVENTS not in accept.lower():
        qualities[EVENTS] = 0.0
    wanted = [name for name, quality in qualities.items() if quality > 0]
    return tuple(sorted(wanted, key=lambda name: (-qualities[name], _place(accept, name))))


def _quality(accept: str, name: str) -> float:
    """How much a media type is wanted: the most specific range that covers it decides (RFC 9110, section 12.5.1)."""
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
    """Where it is named, among those that are wanted as much; those that only a wildcard covers keep our own order."""
    found = accept.lower().find(name)
    return found if found >= 0 else len(accept)


def answer(content: Mapping[str, Any], media_type: str) -> Response:
    """A GraphQL response. Where the operation did not run there is no `data`, and the newer media type has it as a 4xx or 5xx."""
    status = 200
    if media_type == GRAPHQL and "data" not in content:
        codes = {error.get("extensions", {}).get("code") for error in content.get("errors", ())}
        status = max((http_status(code) for code in codes), default=400)
    return Response(orjson.dumps(content), status, HEADERS, media_type)


def refusal(status: int, error: RequestError, media_type: str) -> Response:
    """The request itself is at fault, so that there is no operation to answer."""
    response = Response(orjson.dumps(errors(error)), status, HEADERS, media_type)
    if status == 405:
        response.headers["Allow"] = "POST"
    return response


def errors(error: RequestError | None = None) -> dict[str, object]:
    """A response that is nothing but one error."""
    error = error or BadUserInput()
    return {"errors": [{"message": str(error), "extensions": error.extensions}]}
