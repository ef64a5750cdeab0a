"""graphql-transport-ws: each breach of the protocol has its close code, and a socket ends with the token that opened it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from graphql import GraphQLError
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import ConnectionInitMessage, Message, SubscribeMessage
from strawberry.types.graphql import OperationType

from app import metrics
from app.clock import monotonic
from app.errors import RateLimited, RequestError
from app.schema.build import PaycoreSchema
from app.schema.context import Context
from app.schema.requests import check_variables

TOKEN_ENDED = 4403
"""Forbidden. After it graphql-ws connects again, with a token that it asks for anew; after 4401 it would give up."""
TRY_AGAIN_LATER = 1013

_CODES = frozenset((1000, 1001, 1005, 1006, 1009, 1011, 1012, 1013, 4400, 4401, 4403, 4406, 4408, 4409, 4429))
_MAX_ID_LENGTH = 255
_MAX_REASON_BYTES = 123
"""What a close frame holds (RFC 6455, section 5.5)."""
_BEFORE_EXPIRY = timedelta(milliseconds=100)
"""Subscriptions are ended by then, so that none of them is told that its token has expired: it would take that for its end."""


class NotNow(Exception):
    """The token cannot be verified at present; the client may try again."""


def count_close(code: int) -> None:
    """Count the end of a socket. A client may send any code, so those that nobody knows are counted as one."""
    metrics.WEBSOCKET_CLOSES.labels(code if code in _CODES else "other").inc()


class Adapter(ASGIWebSocketAdapter):
    """The socket's end on this side."""

    async def close(self, code: int, reason: str) -> None:
        """Close with a reason that fits: Strawberry quotes what the client sent, which may be long."""
        count_close(code)
        await super().close(code, reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore"))


class TransportHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """One socket."""

    _ending: asyncio.Task[None] | None = None

    async def handle(self) -> None:
        """Serve the socket until either side ends it."""
        with metrics.WEBSOCKETS.track_inprogress():
            try:
                await super().handle()
            finally:
                if self._ending is not None:
                    self._ending.cancel()

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

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Acknowledge, and from then on mind the token's end."""
        try:
            await super().handle_connection_init(message)
        except NotNow:
            await self.websocket.close(TRY_AGAIN_LATER, "Try again later")
        if self.connection_acknowledged and self._ending is None and self.context.maybe_viewer is not None:
            self._ending = asyncio.create_task(self._end_with_the_token())

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        """Run one, and time it where it is one that ends."""
        started = monotonic()
        await super().run_operation(operation)
        assert isinstance(self.schema, PaycoreSchema)
        if self.schema.operation_type(operation.query, operation.operation_name) is not OperationType.SUBSCRIPTION:
            label = self.schema.operation_label(operation.query, operation.operation_name)
            metrics.REQUESTS.labels(label, "websocket").observe(monotonic() - started)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation, unless it is refused: by a coded error, then, of that operation alone."""
        is_new = self.connection_acknowledged and message["id"] not in self.operations
        if is_new:
            try:
                self._admit(message)
            except RequestError as refusal:
                error = GraphQLError(str(refusal), extensions=refusal.extensions)
                await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})
                return
        await super().handle_subscribe(message)

    def _admit(self, message: SubscribeMessage) -> None:
        """Put the text where the message may have its hash. Raises RequestError for an operation that may not start."""
        assert isinstance(self.schema, PaycoreSchema)
        limit = self.max_subscriptions_per_connection
        if limit is not None and len(self.operations) >= limit:
            raise RateLimited(1, f"This socket runs {limit} operations already: complete one first.")
        payload = message["payload"]
        check_variables(payload.get("variables"), self.context.services.settings.max_variables_bytes)
        payload["query"] = self.schema.documents.persisted.text_of(payload) or ""

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:  # noqa: ARG004 - Strawberry's signature
        """Never: what is wrong with one operation is answered by its own `error` and leaves its siblings alone."""
        return None

    async def _end_with_the_token(self) -> None:
        """Close when the token ends: subscriptions at once, so that they can resume; the rest has its answer first."""
        viewer = self.context.maybe_viewer
        assert viewer is not None
        assert isinstance(self.schema, PaycoreSchema)
        services = self.context.services
        await asyncio.sleep((viewer.expires_at - services.clock() - _BEFORE_EXPIRY).total_seconds())
        for operation in list(self.operations.values()):
            if self.schema.operation_type(operation.query, operation.operation_name) is OperationType.SUBSCRIPTION:
                await self.cleanup_operation(operation.id)
        answering = [operation.task for operation in self.operations.values() if operation.task]
        if answering:
            await asyncio.wait(answering, timeout=services.settings.request_timeout_seconds)
        await self.websocket.close(TOKEN_ENDED, "Forbidden: the bearer token has expired")


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
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str | None):
        return "A subscribe message needs a payload with a query"
    if not isinstance(payload.get("variables"), dict | None):
        return "Variables must be an object"
    if not isinstance(payload.get("extensions"), dict | None):
        return "Extensions must be an object"
    if payload.get("query") is None and payload.get("documentId") is None and not payload.get("extensions"):
        return "A subscribe message needs a payload with a query"
    if not isinstance(payload.get("operationName"), str | None):
        return "An operationName must be a string"
    return None
