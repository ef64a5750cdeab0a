"""graphql-transport-ws: messages without its shape close the socket with 4400 instead of ending in a traceback."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLError
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message

from app.schema.context import Context

_MAX_ID_LENGTH = 255


class TransportHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """One socket."""

    async def handle_message(self, message: Message) -> None:
        """Dispatch one message that has the protocol's shape."""
        problem = _problem(message)
        if problem is not None:
            await self.handle_invalid_message(problem)
        else:
            await super().handle_message(message)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:  # noqa: ARG004 - Strawberry's signature
        """Never: what is wrong with one operation is answered by its own `error` and leaves its siblings alone."""
        return None


def _problem(message: Any) -> str | None:
    """What keeps a message from being one of the protocol's; None where it is fine."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message must be an object with a type"
    if message["type"] not in ("subscribe", "complete"):
        return None
    if not isinstance(message.get("id"), str) or not 0 < len(message["id"]) <= _MAX_ID_LENGTH:
        return "An id must be a string of 1 to 255 characters"
    return _payload_problem(message.get("payload")) if message["type"] == "subscribe" else None


def _payload_problem(payload: Any) -> str | None:
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
        return "A subscribe message needs a payload with a query"
    if not isinstance(payload.get("variables"), dict | None):
        return "Variables must be an object"
    if not isinstance(payload.get("operationName"), str | None):
        return "An operationName must be a string"
    return None
