"""GraphQL over HTTP and WebSocket: Strawberry's view, made strict about what comes in and plain about what goes out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.streaming import SSETransport
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import SubscriptionExecutionResult
from strawberry.types.unset import UNSET, UnsetType

from app.auth import Viewer, bearer_token
from app.db.failures import is_unavailable
from app.errors import BadUserInput, RequestError, TokenExpired, Unauthenticated, Unavailable
from app.schema.build import build_schema
from app.schema.context import Context
from app.schema.event_stream import EventStreams
from app.schema.websocket import Adapter, NotNow, TransportHandler, count_close
from app.services.container import Services

_REQUEST_MEMBERS: Mapping[str, tuple[type, str]] = {
    "query": (str, "a string"),
    "operationName": (str, "a string"),
    "variables": (dict, "an object"),
    "extensions": (dict, "an object"),
}


class PaycoreView(GraphQL[Context, None]):
    """The /graphql endpoint."""

    graphql_transport_ws_handler_class = TransportHandler
    websocket_adapter_class = Adapter

    def __init__(self, services: Services) -> None:
        settings = services.settings
        super().__init__(
            build_schema(settings),
            graphql_ide=None if settings.environment == "production" else "graphiql",
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
            connection_init_wait_timeout=timedelta(seconds=settings.connection_init_timeout_seconds),
            max_subscriptions_per_connection=settings.max_subscriptions_per_connection,
        )
        self._services = services
        self.event_streams = EventStreams()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or one socket. What is wrong with the request itself is answered as a coded JSON error."""
        if scope["type"] != "http":
            await super().__call__(scope, _counting_closes(receive), send)
            return
        try:
            request = Request(scope, receive)
            response: Response = await (self._answer(request) if request.method == "POST" else self.run(request))
        except HTTPException as error:
            response = _refuse(error.status_code, BadUserInput(error.reason))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        """A POST: one operation, one answer. `run` goes a longer way, past pages for people."""
        adapter = self.request_adapter_class(request)
        context = await self.get_context(request)
        asked = await self.parse_http_body(adapter)
        if _wants_events(request):
            return await self._stream(request, context, asked)
        result = await self.execute_single(request, adapter, Response(), context, None, asked)
        return _json(await self.process_result(request, result))

    async def _stream(self, request: Request, context: Context, asked: GraphQLRequestData) -> Response:
        """A POST that takes Server-Sent Events: one operation, its results one by one."""
        if not asked.query:
            raise HTTPException(400, "No GraphQL query found in the request")
        results = await self.schema.stream(
            asked.query,
            variable_values=asked.variables,
            context_value=context,
            operation_name=asked.operation_name,
            operation_extensions=asked.extensions,
        )
        transport = SSETransport()
        chunks = self._stream_result(request, cast("SubscriptionExecutionResult", results), transport)()
        viewer = context.maybe_viewer
        seconds = None if viewer is None else (viewer.expires_at - self._services.clock()).total_seconds()
        farewell = transport.encode_next(cast("GraphQLHTTPResponse", _errors(TokenExpired())), self.encode_json)
        bounded = self.event_streams.bounded(chunks, seconds, farewell + transport.encode_complete())
        return StreamingResponse(bounded, headers=transport.headers)

    async def get_context(
        self,
        request: Request | WebSocket,
        response: Response | WebSocket | None = None,  # noqa: ARG002 - Strawberry's signature
    ) -> Context:
        """Who asks, by the Authorization header; over a WebSocket the token comes later, with `connection_init`."""
        request_id = request.scope.get("state", {}).get("request_id")
        if isinstance(request, WebSocket):
            return Context(self._services, None, request_id=request_id)
        viewer, refusal = await self._authenticate(request.headers.get("authorization"))
        return Context(self._services, viewer, refusal=refusal, request_id=request_id, is_http=not _wants_events(request))

    async def on_ws_connect(self, context: Context) -> UnsetType | dict[str, object] | None:
        """Verify the token of `connection_init`. None at all is accepted: fields then answer UNAUTHENTICATED."""
        params = context.connection_params or {}
        header = params.get("Authorization", params.get("authorization"))
        if header is not None and not isinstance(header, str):
            raise ConnectionRejectionError
        viewer, refusal = await self._authenticate(header)
        if isinstance(refusal, Unauthenticated):
            raise ConnectionRejectionError
        if refusal is not None:
            raise NotNow
        context.maybe_viewer = viewer
        return cast("UnsetType", UNSET)

    async def _authenticate(self, header: str | None) -> tuple[Viewer | None, RequestError | None]:
        """The viewer, or why there is none: every field then answers with that."""
        try:
            token = bearer_token(header)
            return (None, None) if token is None else (await self._services.identities.viewer(token), None)
        except RequestError as error:
            return None, error
        except Exception as error:
            if is_unavailable(error):
                return None, Unavailable()
            raise

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        """The operation of a request. Raises HTTPException for whatever has not the shape of one."""
        if request.method == "GET":
            data = self.parse_query_params(request.query_params)
        elif (request.content_type or "").partition(";")[0].strip().lower() == "application/json":
            data = self.parse_json(await request.get_body())
        else:
            raise HTTPException(400, "Unsupported content type")
        for name, (type_, wanted) in _REQUEST_MEMBERS.items():
            if not isinstance(data.get(name), type_ | None):
                raise HTTPException(400, f"The GraphQL operation's `{name}` must be {wanted} or null, if provided.")
        return GraphQLRequestData(
            query=data.get("query"),
            variables=data.get("variables"),
            operation_name=data.get("operationName"),
            extensions=data.get("extensions"),
        )

    def parse_json(self, data: str | bytes) -> Any:
        """A JSON object. Lone surrogates and invalid UTF-8 are no JSON here."""
        parsed = super().parse_json(data)
        if isinstance(parsed, list):
            raise HTTPException(400, "Request batching is not enabled: send one operation at a time.")
        if not isinstance(parsed, dict):
            raise HTTPException(400, "A GraphQL request is a JSON object.")
        return parsed

    def decode_json(self, data: str | bytes) -> object:
        """By orjson, which takes nothing that JSON does not allow."""
        return orjson.loads(data)

    def encode_json(self, data: object) -> str:
        """As text, since WebSocket frames of bytes would be binary."""
        return orjson.dumps(data).decode()

    def create_response(self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response) -> Response:
        """The answer as JSON, straight from orjson."""
        response = _json(response_data)
        response.headers.raw.extend(sub_response.headers.raw)
        if sub_response.status_code:
            response.status_code = sub_response.status_code
        return response


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status_code=status, media_type="application/json")


def _refuse(status: int, error: RequestError) -> Response:
    return _json(_errors(error), status)


def _errors(error: RequestError) -> Mapping[str, object]:
    return {"errors": [{"message": str(error), "extensions": error.extensions}]}


def _wants_events(request: Request) -> bool:
    return request.method == "POST" and "text/event-stream" in request.headers.get("accept", "").lower()


def _counting_closes(receive: Receive) -> Receive:
    async def counted() -> Message:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            count_close(message.get("code") or 1005)
        return message

    return counted
