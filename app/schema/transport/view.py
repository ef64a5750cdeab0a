"""The /graphql endpoint over HTTP and WebSocket: Strawberry's view, with strict requests and coded errors."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from functools import lru_cache
from typing import Any, cast

import orjson
from cross_web import HTTPException
from prometheus_client import Histogram
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET, UnsetType

from app.access.tokens import bearer_token
from app.access.viewer import Viewer
from app.db.failures import is_unavailable
from app.errors import BadUserInput, QueryTooComplex, RequestError, Unauthenticated, Unavailable
from app.http import strict_json
from app.schema.context import Context
from app.schema.engine.build import TOO_LARGE, PaycoreSchema, build_schema
from app.schema.engine.requests import LONGEST_LIST, MAX_VARIABLES_BYTES, check_lists, check_size, check_variables, operation_of
from app.schema.transport import media
from app.schema.transport.event_stream import EventStreams, EventTransport, with_timeout
from app.schema.transport.websocket import COUNTED, Adapter, AuthenticationUnavailable, TransportHandler, count_close
from app.services.container import Services
from app.telemetry import metrics

logger = logging.getLogger(__name__)

_INIT_SECONDS = 5
"""For a WebSocket to send `connection_init`."""
_BY_POST_ALONE = (OperationType.MUTATION, OperationType.SUBSCRIPTION)


class PaycoreView(GraphQL[Context, None]):
    """The /graphql endpoint."""

    graphql_transport_ws_handler_class = TransportHandler
    websocket_adapter_class = Adapter

    def __init__(self, services: Services) -> None:
        settings = services.settings
        super().__init__(
            build_schema(settings),
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
            connection_init_wait_timeout=timedelta(seconds=_INIT_SECONDS),
            max_subscriptions_per_connection=settings.max_subscriptions_per_connection,
            allowed_origins=settings.cors_origins,
        )
        self._services = services
        self.event_streams = EventStreams()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket. An invalid request is answered with a coded JSON error."""
        if scope["type"] != "http":
            await super().__call__(scope, _with_close_count(scope, receive), send)
            return
        request = Request(scope, receive)
        takes = media.accepted(request.headers.get("accept", ""))
        try:
            response = await self._respond(request, takes)
        except HTTPException as error:
            response = self._refusal(error.status_code, BadUserInput(error.reason), takes)
        except RequestError as error:
            response = self._refusal(error.http_status, error, takes)
        if isinstance(response, StreamingResponse):
            await self._send_stream(response, scope, receive, send)
        else:
            await response(scope, receive, send)

    @staticmethod
    def _refusal(status: int, error: RequestError, takes: tuple[str, ...]) -> Response:
        metrics.count_errors([error.code])
        return media.refusal(status, error, _plain(takes))

    async def _send_stream(self, response: StreamingResponse, scope: Scope, receive: Receive, send: Send) -> None:
        assert isinstance(response.body_iterator, AsyncGenerator)
        seconds = self._services.settings.send_timeout_seconds
        # Close the generator however sending ends: its watch would keep running otherwise.
        async with aclosing(response.body_iterator):
            try:
                await response(scope, receive, with_timeout(send, seconds))
            except TimeoutError:
                logger.warning("closed an event stream: the client read nothing for %.0f s", seconds)

    async def _respond(self, request: Request, takes: tuple[str, ...]) -> Response:
        """Answer one operation, with one response or a stream. Raises HTTPException for an invalid request."""
        if request.method not in ("GET", "POST"):
            raise HTTPException(405, "GraphQL accepts GET and POST.")
        if not takes or (request.method == "GET" and takes == (media.EVENTS,)):
            raise HTTPException(406, f"The answer can be {media.GRAPHQL}, {media.JSON} or, for a POST, {media.EVENTS}.")
        context = await self.get_context(request)
        operation = await self._read(request, context)
        if request.method == "GET" and self._operation_type(operation, context) in _BY_POST_ALONE:
            raise HTTPException(405, "Mutations and subscriptions are sent by POST.")
        if media.EVENTS in takes and request.method == "POST" and self._wants_events(takes, operation, context):
            context.is_http = False
            return await self._stream(request, context, operation)
        response = await self._answer(request, context, operation, _plain(takes))
        request.scope["state"][metrics.TIMER] = self._timer(operation, context)
        return response

    async def _answer(self, request: Request, context: Context, operation: GraphQLRequestData, media_type: str) -> Response:
        """Answer one operation. A query's answer that is too large becomes an error; a mutation's is always sent."""
        result = await self.execute_single(request, self.request_adapter_class(request), Response(), context, None, operation)
        response = media.answer(_content(result), media_type)
        assert isinstance(self.schema, PaycoreSchema)
        too_large = len(response.body) > self.schema.max_answer_bytes
        if too_large and self._operation_type(operation) is OperationType.QUERY:
            metrics.count_errors([QueryTooComplex.code])
            return media.answer(media.errors(QueryTooComplex(TOO_LARGE)), media_type)
        return response

    def _wants_events(self, takes: tuple[str, ...], operation: GraphQLRequestData, context: Context) -> bool:
        """Whether to answer with a stream. If the client accepts both, the type of the operation decides."""
        return takes == (media.EVENTS,) or self._operation_type(operation, context) is OperationType.SUBSCRIPTION

    def _timer(self, operation: GraphQLRequestData, context: Context) -> Histogram:
        assert isinstance(self.schema, PaycoreSchema)
        is_known = context.maybe_viewer is not None
        return self.schema.names.timer(operation.query or "", operation.operation_name, "http", is_known=is_known)

    def _operation_type(self, operation: GraphQLRequestData, sender: Context | None = None) -> OperationType | None:
        assert isinstance(self.schema, PaycoreSchema)
        return self.schema.operation_type(operation.query or "", operation.operation_name, sender)

    async def _stream(self, request: Request, context: Context, operation: GraphQLRequestData) -> Response:
        """Answer a POST with Server-Sent Events: one operation, one event for each result."""
        if not operation.query:
            raise HTTPException(400, "No GraphQL query found in the request")
        results = await self.schema.stream(
            operation.query,
            variable_values=operation.variables,
            context_value=context,
            operation_name=operation.operation_name,
            operation_extensions=operation.extensions,
        )
        transport = EventTransport()
        chunks = self._stream_result(request, cast("SubscriptionExecutionResult", results), transport)()
        viewer = context.maybe_viewer

        async def token_end() -> str:
            assert viewer is not None
            refusal = media.errors(await self._services.identities.end_of(viewer))
            return transport.encode_next(cast("GraphQLHTTPResponse", refusal), self.encode_json) + transport.encode_complete()

        stream = self.event_streams.until_end(chunks, None if viewer is None else token_end)
        return StreamingResponse(stream, headers=transport.headers)

    async def get_context(
        self,
        request: Request | WebSocket,
        response: Response | WebSocket | None = None,  # noqa: ARG002 - Strawberry's signature
    ) -> Context:
        """Identify the caller by the Authorization header. Over a WebSocket the token comes later, with `connection_init`."""
        request_id = request.scope.get("state", {}).get("request_id")
        if isinstance(request, WebSocket):
            return Context(self._services, None, request_id=request_id)
        # The rate limit for requests has identified the caller already, if it is enabled.
        viewer, refusal = request.scope["state"].get("viewer"), None
        if viewer is None:
            viewer, refusal = await self._authenticate(request.headers.get("authorization"))
        return Context(self._services, viewer, refusal=refusal, request_id=request_id, is_http=True)

    async def on_ws_connect(self, context: Context) -> UnsetType | dict[str, object] | None:
        """Verify the token of `connection_init`. A missing token is accepted; fields then answer UNAUTHENTICATED."""
        params = context.connection_params or {}
        header = params.get("Authorization", params.get("authorization"))
        # The parameters may be large, and the context lives as long as the socket.
        context.connection_params = None
        if header is not None and not isinstance(header, str):
            raise ConnectionRejectionError
        viewer, refusal = await self._authenticate(header)
        if isinstance(refusal, Unauthenticated):
            raise ConnectionRejectionError
        if refusal is not None:
            raise AuthenticationUnavailable
        context.maybe_viewer = viewer
        return cast("UnsetType", UNSET)

    async def _authenticate(self, header: str | None) -> tuple[Viewer | None, RequestError | None]:
        """Return the viewer, or the error that every field then answers with."""
        try:
            token = bearer_token(header)
            return (None, None) if token is None else (await self._services.identities.viewer(token), None)
        except RequestError as error:
            return None, error
        except Exception as error:
            if is_unavailable(error):
                return None, Unavailable()
            raise

    async def _read(self, request: Request, context: Context) -> GraphQLRequestData:
        """Read the operation of a request. The size is checked before the body is parsed.

        Raises HTTPException for any other shape, and RequestError.
        """
        if request.method == "GET":
            check_size(context, len(request.scope["query_string"]))
            if len(request.query_params.multi_items()) != len(request.query_params):
                raise BadUserInput("A parameter is given twice.")
            params = self.parse_query_params(dict(request.query_params))
            # GraphQL over HTTP: in a URL an empty name equals a missing one.
            return self._operation({**params, "operationName": params.get("operationName") or None})
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "A GraphQL request is a body of application/json.")
        body = await request.body()
        check_size(context, len(body))
        data = self.parse_json(body)
        if isinstance(data, list):
            raise HTTPException(400, "A request carries one operation, not an array. For many transfers use transferBatch.")
        return self._operation(data, len(body))

    def _operation(self, data: Any, size: int | None = None) -> GraphQLRequestData:
        """Read one operation from a body of `size` bytes. Raises HTTPException and RequestError."""
        operation = operation_of(data, cast("PaycoreSchema", self.schema).documents.persisted)
        # The variables are part of the body, so those of a small body need no check.
        if size is None or size > MAX_VARIABLES_BYTES:
            check_variables(operation.variables)
        if size is None or size > LONGEST_LIST:
            check_lists(operation.variables)
        return operation

    def decode_json(self, data: str | bytes) -> object:
        """Parse JSON strictly: no lone surrogates, no invalid UTF-8, no duplicate names. Raises BadUserInput for the last."""
        return strict_json.loads(data)

    def encode_json(self, data: object) -> str:
        """Encode as text: bytes would be sent as a binary WebSocket frame."""
        return orjson.dumps(data).decode()

    async def process_result(
        self,
        request: Request,  # noqa: ARG002 - Strawberry's signature
        result: ExecutionResult,
    ) -> GraphQLHTTPResponse:
        return cast("GraphQLHTTPResponse", _content(result))


@lru_cache
def _plain(takes: tuple[str, ...]) -> str:
    """The media type of an answer that is not a stream."""
    return next((name for name in takes if name != media.EVENTS), media.JSON)


def _content(result: ExecutionResult) -> dict[str, object]:
    """A GraphQL response. Contains `data`, possibly null, if the operation ran: its errors then have a path."""
    content: dict[str, object] = {}
    if result.data is not None or not result.errors or any(error.path for error in result.errors):
        content["data"] = result.data
    if result.errors:
        content["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        content["extensions"] = result.extensions
    return content


def _with_close_count(scope: Scope, receive: Receive) -> Receive:
    async def receive_and_count() -> Message:
        message = await receive()
        if message["type"] == "websocket.disconnect" and COUNTED not in scope["state"]:
            count_close(message.get("code") or 1005)
        return message

    return receive_and_count
