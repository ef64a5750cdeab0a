"""graphql-transport-ws: messages without its shape close the socket with 4400 instead of ending in a traceback."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLError
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message, SubscribeMessage

from app.errors import RateLimited
from app.schema.context import Context

_MAX_ID_LENGTH = 255
_MAX_REASON_BYTES = 123
"""What a close frame holds (RFC 6455, section 5.5)."""


class Adapter(ASGIWebSocketAdapter):
    """The socket's end on this side."""

    async def close(self, code: int, reason: str) -> None:
        """Close with a reason that fits: Strawberry quotes what the client sent, which may be long."""
        await super().close(code, reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore"))


class TransportHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """One socket."""

    async def handle_message(self, message: Message) -> None:
        """Dispatch one message that has the protocol's shape."""
        problem = _problem(message)
        if problem is not None:
            await self.handle_invalid_message(problem)
        elif message["type"] == "connection_init" and message.get("payload") is None:
            # Null is as good as nothing.
            await super().handle_message({"type": "connection_init"})
        else:
            await super().handle_message(message)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation, unless this socket runs as many as it may: a coded error, then, of that operation alone."""
        limit = self.max_subscriptions_per_connection
        is_new = self.connection_acknowledged and message["id"] not in self.operations
        if limit is None or not is_new or len(self.operations) < limit:
            await super().handle_subscribe(message)
            return
        refusal = RateLimited(1, f"This socket runs {limit} operations already: complete one first.")
        error = GraphQLError(str(refusal), extensions=refusal.extensions)
        await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})

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
