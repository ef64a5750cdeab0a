"""The OpenAPI description of the event feed."""

from __future__ import annotations

from typing import Any

from app.rest.openapi_parts import BEARER, problems, query
from app.services.event_feed import MAX_EVENTS, MAX_WAIT_SECONDS

FEED_PATHS: dict[str, Any] = {
    "/events": {
        "get": {
            "summary": "All events after a position",
            "description": "For administrators, and for service accounts that see everything. CloudEvents 1.0, one JSON object "
            "per line, in the order of positions, without a gap. `Paycore-Position` of the answer is the next `after`. A "
            "transaction never changes; a hold or wallet is shown as it is now.",
            "operationId": "listEvents",
            "security": BEARER,
            "parameters": [
                query("after", "Position of the last event that was read; 0 at first.", {"type": "integer", "minimum": 0}),
                query("limit", "Most events of the answer.", {"type": "integer", "minimum": 1, "maximum": MAX_EVENTS}),
                query(
                    "wait",
                    "Seconds to wait for an event, if there is none yet.",
                    {"type": "integer", "minimum": 0, "maximum": MAX_WAIT_SECONDS},
                ),
            ],
            "responses": {
                "200": {
                    "description": "The events; empty if there is none.",
                    "headers": {"Paycore-Position": {"schema": {"type": "string"}}},
                    "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
                },
                **problems(400),
            },
        }
    }
}
