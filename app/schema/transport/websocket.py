"""graphql-transport-ws: each breach of the protocol has its close code, and a socket ends with the token that opened it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from json import JSONDecodeError
from typing import Any

from graphql import GraphQLError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from starlette.websockets import WebSocketDisconnected as SocketEnded
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import ConnectionInitMessage, Message, SubscribeMessage
from strawberry.types.graphql import OperationType

from app.clock import monotonic
from app.db.failures import is_unavailable
from app.errors import BadUserInput, RateLimited, RequestError
from app.http.protocol import ON_STOP
from app.schema.context import Context
from app.schema.engine.build import PaycoreSchema
from app.schema.engine.requests import check_lists, check_variables, draw_for_size
from app.telemetry import metrics
from app.telemetry.privacy import withhold_values

logger = logging.getLogger(__name__)

TOKEN_ENDED = 4403
"""Forbidden. After it graphql-ws connects again, with a token that it asks for anew; after 4401 it would give up."""
NO_TOKEN = 4401
"""Unauthorized. To connect again without a token would lead nowhere else."""
COUNTED = "close_counted"
"""In a socket's state: it was closed from here, and counted then."""
SERVICE_RESTART = 1012
"""The client connects again, to another process, and goes on from its cursors."""
TRY_AGAIN_LATER = 1013
TOO_BIG = 1009
_BAD_REQUEST = 4400

_CODES = frozenset((1000, 1001, 1005, 1006, 1009, 1011, 1012, 1013, 4400, 4401, 4403, 4406, 4408, 4409, 4429))
_MAX_ID_LENGTH = 255
_MAX_REASON_BYTES = 123
"""What a close frame holds (RFC 6455, section 5.5)."""
_BEFORE_EXPIRY = timedelta(milliseconds=100)
"""Subscriptions are ended by then, so that none of them is told that its token has expired: it would take that for its end."""


_GONE = (WebSocketDisconnect, SocketEnded)
"""What sending to a socket raises where its client has gone, and where it has been closed from here. Anything else is a fault."""


class NotNow(Exception):
    """The token cannot be verified at present; the client may try again."""


def count_close(code: int) -> None:
    """Count the end of a socket. A client may send any code, so those that nobody knows are counted as one."""
    metrics.WEBSOCKET_CLOSES.labels(code if code in _CODES else "other").inc()


class Adapter(ASGIWebSocketAdapter):
    """The socket's end on this side."""

    longest: int | None = None
    """Bytes that a message may have, as long as less is allowed than by the server."""
    received = 0
    """Bytes of the message that is handled now."""

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:  # noqa: ARG002 - Strawberry's
        """The messages, one by one. One that is too long is not parsed: what is made of it takes thirty times its bytes."""
        with contextlib.suppress(WebSocketDisconnect):
            while self.ws.application_state is not WebSocketState.DISCONNECTED:
                text = await self._text()
                self.received = len(text.encode())
                if self.longest is not None and self.received > self.longest:
                    await self.close(TOO_BIG, f"Without a token a message has {self.longest} bytes at most")
                    return
                try:
                    message = self.view.decode_json(text)
                except JSONDecodeError:
                    raise NonJsonMessageReceived from None
                except BadUserInput as error:
                    await self.close(_BAD_REQUEST, str(error))
                    return
                # Nothing of one is kept here while the next is awaited.
                del text
                yield message
                del message

    async def _text(self) -> str:
        try:
            return await self.ws.receive_text()
        except KeyError:
            raise NonTextMessageReceived from None

    async def close(self, code: int, reason: str) -> None:
        """Close with a reason that fits: Strawberry quotes what the client sent, which may be long."""
        count_close(code)
        self.ws.scope["state"][COUNTED] = True
        # The client may have gone first.
        with contextlib.suppress(*_GONE):
            await super().close(code, reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore"))

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message. Raises WebSocketDisconnected where the client has gone, or the socket is closed from here."""
        text = self.view.encode_json(message)
        assert isinstance(text, str)
        try:
            await self.ws.send_text(text)
        except _GONE:
            raise WebSocketDisconnected from None


class TransportHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """One socket."""

    _ending: asyncio.Task[None] | None = None
    _stopping = False

    async def handle(self) -> None:
        """Serve the socket until either side ends it."""
        self._adapter.longest = self.context.services.settings.max_anonymous_message_bytes
        self._adapter.ws.scope["state"][ON_STOP] = self._end_with_the_process
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
        elif message["type"] != "subscribe" and not self._has_budget():
            await self.websocket.close(TRY_AGAIN_LATER, "Try again later")
        elif message["type"] == "connection_init" and message.get("payload") is None:
            # Null is as good as nothing.
            await super().handle_message({"type": "connection_init"})
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Acknowledge, and from then on mind the token's end; without a token it is near."""
        try:
            await super().handle_connection_init(message)
        except NotNow:
            await self.websocket.close(TRY_AGAIN_LATER, "Try again later")
        # The socket's loop keeps the message until the next one comes, which may be never.
        message.pop("payload", None)
        if not self.connection_acknowledged or self._ending is not None:
            return
        if self.context.maybe_viewer is None:
            self._ending = asyncio.create_task(self._end_without_a_token())
        else:
            self._adapter.longest = None
            self._ending = asyncio.create_task(self._end_with_the_token())

    async def handle_task_exception(self, error: Exception) -> None:
        """Log what ended an operation, unless its client went away: that is no fault, and one has many operations."""
        if isinstance(error, WebSocketDisconnected):
            return
        if is_unavailable(error):
            logger.warning("an operation ended because the database is not available: %s", type(error).__name__)
            return
        withhold_values(error)
        logger.error("an operation failed", exc_info=error)

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        """Run one, and time it where it is one that ends."""
        started = monotonic()
        await super().run_operation(operation)
        assert isinstance(self.schema, PaycoreSchema)
        if self.schema.operation_type(operation.query, operation.operation_name) is not OperationType.SUBSCRIPTION:
            is_known = self.context.maybe_viewer is not None
            timer = self.schema.names.timer(operation.query, operation.operation_name, "websocket", is_known=is_known)
            timer.observe(monotonic() - started)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation, unless it is refused: by a coded error, then, of that operation alone."""
        if self._stopping:
            # As if the socket had closed before this came. An error would end a subscription that the next process can serve.
            return
        is_new = self.connection_acknowledged and message["id"] not in self.operations
        if is_new:
            try:
                self._admit(message)
            except RequestError as refusal:
                metrics.count_errors([refusal.code])
                error = GraphQLError(str(refusal), extensions=refusal.extensions)
                await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})
                return
        await super().handle_subscribe(message)

    @property
    def _adapter(self) -> Adapter:
        assert isinstance(self.websocket, Adapter)
        return self.websocket

    def _count(self) -> None:
        """Count one operation against its user's rate, or its address's where there is none. Raises RateLimited."""
        rates, viewer, client = self.context.services.rates, self.context.maybe_viewer, self._adapter.ws.client
        if viewer is not None:
            rates.check_user(viewer.user_id)
        elif client is not None:
            rates.check_address(client.host)

    def _has_budget(self) -> bool:
        """Draw for the size of a message that has no error to answer with. False where the budget is used up."""
        try:
            draw_for_size(self.context, self._adapter.received)
        except RateLimited:
            return False
        return True

    def _admit(self, message: SubscribeMessage) -> None:
        """Put the text where the message may have its hash. Raises RequestError for an operation that may not start."""
        assert isinstance(self.schema, PaycoreSchema)
        self._count()
        draw_for_size(self.context, self._adapter.received)
        limit = self.max_subscriptions_per_connection
        if limit is not None and len(self.operations) >= limit:
            raise RateLimited(1, f"This socket runs {limit} operations already: complete one first.")
        payload = message["payload"]
        check_variables(payload.get("variables"), self.context.services.settings.max_variables_bytes)
        check_lists(payload.get("variables"))
        payload["query"] = self.schema.documents.persisted.text_of(payload) or ""

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:  # noqa: ARG004 - Strawberry's signature
        """Never: what is wrong with one operation is answered by its own `error` and leaves its siblings alone."""
        return None

    async def _end_without_a_token(self) -> None:
        """Close after a while: whoever has a token brings it with `connection_init`."""
        seconds = self.context.services.settings.anonymous_socket_seconds
        await asyncio.sleep(seconds)
        await self.websocket.close(NO_TOKEN, f"Unauthorized: without a token a socket ends after {seconds:g} s")

    async def _end_with_the_token(self) -> None:
        viewer = self.context.maybe_viewer
        assert viewer is not None
        end = await self.context.services.identities.end_of(viewer, ahead=_BEFORE_EXPIRY)
        await self._end(TOKEN_ENDED, f"Forbidden: {end}")

    def _end_with_the_process(self) -> None:
        self._stopping = True
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.create_task(self._end(SERVICE_RESTART, "Service restart"))

    async def _end(self, code: int, reason: str) -> None:
        """Close: subscriptions end at once, so that they can resume; the rest has its answer first."""
        assert isinstance(self.schema, PaycoreSchema)
        for operation in list(self.operations.values()):
            if self.schema.operation_type(operation.query, operation.operation_name) is OperationType.SUBSCRIPTION:
                await self.cleanup_operation(operation.id)
        answering = [operation.task for operation in self.operations.values() if operation.task]
        if answering:
            await asyncio.wait(answering, timeout=self.context.services.settings.request_timeout_seconds)
        await self.websocket.close(code, reason)


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
