"""graphql-transport-ws: each protocol error has its close code, and a socket ends when its token expires."""

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
from app.http.sockets import ON_STOP
from app.schema.context import Context
from app.schema.engine.build import PaycoreSchema
from app.schema.engine.requests import MAX_ANONYMOUS_BYTES, charge_for_size, check_lists, check_variables
from app.telemetry import metrics
from app.telemetry.privacy import withhold_values

logger = logging.getLogger(__name__)

TOKEN_ENDED = 4403
"""Forbidden. After it graphql-ws reconnects with a fresh token; after 4401 it would give up."""
NO_TOKEN = 4401
"""Unauthorized. Clients do not reconnect after it: without a token they would be closed again."""
COUNTED = "close_counted"
"""Key in a socket's state: the server closed it and has counted the close."""
SERVICE_RESTART = 1012
"""The client reconnects, to another process, and resumes from its cursors."""
TRY_AGAIN_LATER = 1013
TOO_BIG = 1009
_BAD_REQUEST = 4400

_CODES = frozenset((1000, 1001, 1005, 1006, 1009, 1011, 1012, 1013, 4400, 4401, 4403, 4406, 4408, 4409, 4429))
_MAX_ID_LENGTH = 255
_MAX_REASON_BYTES = 123
"""Longest reason in a close frame (RFC 6455, section 5.5)."""
_ANONYMOUS_SECONDS = 60.0
"""Lifetime of a socket without a token."""
_BEFORE_EXPIRY = timedelta(milliseconds=100)
"""Subscriptions end this long before the token expires. An error about the token would end them for the client as well."""


_GONE = (WebSocketDisconnect, SocketEnded)
"""What sending raises if the client disconnected, or if the server has closed the socket. Any other error is a bug."""


class AuthenticationUnavailable(Exception):
    """The token cannot be verified at present. The client may try again."""


def count_close(code: int) -> None:
    """Count the end of a socket. A client may send any code, so unknown ones share a label."""
    metrics.WEBSOCKET_CLOSES.labels(code if code in _CODES else "other").inc()


class Adapter(ASGIWebSocketAdapter):
    """The server side of the socket."""

    max_bytes: int | None = None
    """Longest message, if less is allowed than by the server's own limit."""
    received = 0
    """Bytes of the current message."""

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:  # noqa: ARG002 - Strawberry's
        """Yield the messages. One that is too long is not parsed: the parsed value takes thirty times its bytes."""
        with contextlib.suppress(WebSocketDisconnect):
            while self.ws.application_state is not WebSocketState.DISCONNECTED:
                text = await self._text()
                self.received = len(text.encode())
                if self.max_bytes is not None and self.received > self.max_bytes:
                    await self.close(TOO_BIG, f"Without a token a message has at most {self.max_bytes} bytes")
                    return
                try:
                    message = self.view.decode_json(text)
                except JSONDecodeError:
                    raise NonJsonMessageReceived from None
                except BadUserInput as error:
                    await self.close(_BAD_REQUEST, str(error))
                    return
                # Free the message before waiting for the next one.
                del text
                yield message
                del message

    async def _text(self) -> str:
        try:
            return await self.ws.receive_text()
        except KeyError:
            raise NonTextMessageReceived from None

    async def close(self, code: int, reason: str) -> None:
        """Close the socket. Cuts the reason to what a close frame holds: Strawberry quotes input of any length."""
        count_close(code)
        self.ws.scope["state"][COUNTED] = True
        # The client may have disconnected already.
        with contextlib.suppress(*_GONE):
            await super().close(code, reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore"))

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message. Raises WebSocketDisconnected if either side has closed the socket."""
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
        self._adapter.max_bytes = MAX_ANONYMOUS_BYTES
        self._adapter.ws.scope["state"][ON_STOP] = self._end_with_the_process
        with metrics.WEBSOCKETS.track_inprogress():
            try:
                await super().handle()
            finally:
                if self._ending is not None:
                    self._ending.cancel()

    async def handle_message(self, message: Message) -> None:
        """Dispatch one message, or close the socket if it does not follow the protocol."""
        problem = _problem(message)
        if problem is not None:
            await self.handle_invalid_message(problem)
        elif message["type"] != "subscribe" and not self._has_budget():
            await self.websocket.close(TRY_AGAIN_LATER, "Try again later")
        elif message["type"] == "connection_init" and message.get("payload") is None:
            # Strawberry accepts a missing payload but not null.
            await super().handle_message({"type": "connection_init"})
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Acknowledge the connection and schedule its end: when the token expires, or soon if there is no token."""
        try:
            await super().handle_connection_init(message)
        except AuthenticationUnavailable:
            await self.websocket.close(TRY_AGAIN_LATER, "Try again later")
        # The socket's loop keeps the message until the next one arrives, which may never happen.
        message.pop("payload", None)
        if not self.connection_acknowledged or self._ending is not None:
            return
        if self.context.maybe_viewer is None:
            self._ending = asyncio.create_task(self._end_without_a_token())
        else:
            self._adapter.max_bytes = None
            self._ending = asyncio.create_task(self._end_with_the_token())

    async def handle_task_exception(self, error: Exception) -> None:
        """Log why an operation failed, except for a client that disconnected: that is no fault and ends all its operations."""
        if isinstance(error, WebSocketDisconnected):
            return
        if is_unavailable(error):
            logger.warning("an operation ended because the database is not available: %s", type(error).__name__)
            return
        withhold_values(error)
        logger.error("an operation failed", exc_info=error)

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        """Run one operation. Records its duration, except for subscriptions, which last as long as the client wants."""
        started = monotonic()
        await super().run_operation(operation)
        assert isinstance(self.schema, PaycoreSchema)
        if self.schema.operation_type(operation.query, operation.operation_name) is not OperationType.SUBSCRIPTION:
            is_known = self.context.maybe_viewer is not None
            timer = self.schema.names.timer(operation.query, operation.operation_name, "websocket", is_known=is_known)
            timer.observe(monotonic() - started)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation, or refuse it with a coded error that leaves the other operations running."""
        if self._stopping:
            # Ignore the message, as if the socket had closed before it. An error would end a subscription for the client, and
            # the next process can serve it.
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
        """Count one operation against the user's rate, or the address's if there is no viewer. Raises RateLimited."""
        rates, viewer, client = self.context.services.rates, self.context.maybe_viewer, self._adapter.ws.client
        if viewer is not None:
            rates.check_user(viewer.user_id)
        elif client is not None:
            rates.check_address(client.host)

    def _has_budget(self) -> bool:
        """Charge for the size of a message that cannot be answered with an error. False if the budget is used up."""
        try:
            charge_for_size(self.context, self._adapter.received)
        except RateLimited:
            return False
        return True

    def _admit(self, message: SubscribeMessage) -> None:
        """Check that an operation may start, and replace a hash by its text. Raises RequestError."""
        assert isinstance(self.schema, PaycoreSchema)
        self._count()
        charge_for_size(self.context, self._adapter.received)
        limit = self.max_subscriptions_per_connection
        if limit is not None and len(self.operations) >= limit:
            raise RateLimited(1, f"This socket runs {limit} operations already: complete one first.")
        payload = message["payload"]
        check_variables(payload.get("variables"))
        check_lists(payload.get("variables"))
        payload["query"] = self.schema.documents.persisted.text_of(payload) or ""

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:  # noqa: ARG004 - Strawberry's signature
        """Return None, so that the socket stays open: an operation's problem is answered by its own `error`."""
        return None

    async def _end_without_a_token(self) -> None:
        """Close after a delay. A client that has a token sends it with `connection_init`, so none can follow."""
        await asyncio.sleep(_ANONYMOUS_SECONDS)
        await self.websocket.close(NO_TOKEN, f"Unauthorized: without a token a socket ends after {_ANONYMOUS_SECONDS:g} s")

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
        """Close the socket. Subscriptions end at once, since they can resume; other operations may answer first."""
        assert isinstance(self.schema, PaycoreSchema)
        for operation in list(self.operations.values()):
            if self.schema.operation_type(operation.query, operation.operation_name) is OperationType.SUBSCRIPTION:
                await self.cleanup_operation(operation.id)
        answering = [operation.task for operation in self.operations.values() if operation.task]
        if answering:
            await asyncio.wait(answering, timeout=self.context.services.settings.request_timeout_seconds)
        await self.websocket.close(code, reason)


def _problem(message: Any) -> str | None:
    """Why a message does not follow the protocol, or None if it does."""
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
