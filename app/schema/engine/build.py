"""The executable schema: how an operation is prepared, admitted, run and answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, cast

import orjson
from graphql import ExecutionResult as GraphQLExecutionResult
from graphql import GraphQLError, execute, subscribe
from graphql.pyutils import AwaitableOrValue
from strawberry import Schema
from strawberry.exceptions import MissingQueryError
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from app.errors import QueryTooComplex, RequestError, RequestTimeout, Unauthenticated
from app.schema.context import Context
from app.schema.engine.cost import FREE_EVENT
from app.schema.engine.documents import DocumentCache, KnownDocument, Operation
from app.schema.engine.error_handling import present_all
from app.schema.engine.execution import Execution, ExecutionWithoutSuggestions
from app.schema.engine.operation_names import OperationNames
from app.schema.engine.requests import check_variables
from app.schema.engine.webhooks import WebhookDocuments
from app.schema.mutations import Mutation
from app.schema.queries import Query
from app.schema.refusals import ERROR_TYPES
from app.schema.scalars import SCALARS
from app.schema.subscriptions import Subscription
from app.schema.types import LedgerEntry
from app.services.webhooks.endpoints import Subject
from app.settings import Settings
from app.telemetry import metrics, tracing

TOO_LARGE = "The answer is too large. Ask for less at a time."
MAX_SUBSCRIPTION_VARIABLES_BYTES = 16_384
"""Variables of a subscription stay in memory while it runs."""
_ONE_ANSWER = frozenset({OperationType.QUERY, OperationType.MUTATION})


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An operation that passed validation and admission."""

    document: KnownDocument
    operation: Operation
    query: str
    name: str | None
    variables: dict[str, Any] | None
    context: Context

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments for graphql-core's `execute` and `subscribe`."""
        return {"context_value": self.context, "variable_values": self.variables, "operation_name": self.name}


class PaycoreSchema(Schema):
    """Prepares each document once, and passes every error through `present_all` before a client sees it.

    This is done in the schema and not in Strawberry extensions, because an extension costs more per request than the document.
    """

    max_answer_bytes = 8_388_608
    """Largest answer to a query. A mutation's answer is never withheld."""

    def __init__(self, settings: Settings, config: StrawberryConfig) -> None:
        executor = Execution if settings.introspection_enabled else ExecutionWithoutSuggestions
        super().__init__(
            query=Query,
            mutation=Mutation,
            subscription=Subscription,
            types=[*ERROR_TYPES, LedgerEntry],
            execution_context_class=executor,
            config=config,
        )
        self._executor = executor
        self.documents = DocumentCache(settings, self._schema)
        self._settings = settings
        self.names = OperationNames(self.documents)
        self._webhooks = WebhookDocuments(self._schema, self.documents, settings)

    def operation_type(self, query: str, operation_name: str | None, sender: Context | None = None) -> OperationType | None:
        """The type of the operation to run, or None if it cannot be determined.

        Parsing an uncached document is charged to `sender`. Without a sender only short documents are parsed.
        """
        try:
            known = self.documents.get(query) if sender is None else self.documents.prepare(query, sender)
        except CannotGetOperationTypeError:
            return None
        if isinstance(known, KnownDocument):
            operation = known.operations.get(operation_name)
            return None if operation is None else operation.type
        return self.documents.types(query).get(operation_name)

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Context | None = None,
        root_value: None = None,  # noqa: ARG002 - Strawberry's signature
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,  # noqa: ARG002 - see above
    ) -> ExecutionResult:
        """Run a query or mutation.

        Calls graphql-core directly, as `stream` does. Strawberry's own path exists for extensions, which Paycore does not use,
        and takes a tenth of the time of a transfer.
        """
        assert context_value is not None
        allowed = _ONE_ANSWER.intersection(allowed_operation_types or ())
        prepared = self._prepare(query, variable_values, context_value, operation_name, allowed)
        if isinstance(prepared, PreExecutionError):
            return prepared
        return await self._answer(prepared)

    async def webhook_subject(self, document: str, variables: dict[str, Any] | None, context: Context) -> Subject:
        """What the document of a webhook endpoint subscribes to. Raises BadDocument."""
        return await self._webhooks.subject(document, variables, context)

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Context | None = None,
        root_value: None = None,  # noqa: ARG002 - Strawberry's signature
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,  # noqa: ARG002 - see above
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Run an operation whose answers are streamed: one for a query or mutation, any number for a subscription."""
        assert context_value is not None
        allowed = frozenset(OperationType if allowed_operation_types is None else allowed_operation_types)
        try:
            prepared = self._prepare(query, variable_values, context_value, operation_name, allowed)
        except CannotGetOperationTypeError as error:
            prepared = self._refused([GraphQLError(error.as_http_error_reason(), original_error=error)])
        except (MissingQueryError, InvalidOperationTypeError, RequestError) as error:
            prepared = self._refusal(error)
        return self._stream_answers(prepared)

    async def _stream_answers(self, prepared: _Prepared | PreExecutionError) -> AsyncGenerator[ExecutionResult, None]:
        if isinstance(prepared, PreExecutionError):
            yield prepared
        elif prepared.operation.type is OperationType.SUBSCRIPTION:
            async with aclosing(self._answer_events(prepared)) as answers:
                async for answer in answers:
                    yield answer
        else:
            yield await self._answer(prepared, max_bytes=self.max_answer_bytes)

    def _prepare(
        self,
        query: str | None,
        variables: dict[str, Any] | None,
        context: Context,
        name: str | None,
        allowed: frozenset[OperationType],
    ) -> _Prepared | PreExecutionError:
        """Validate and admit an operation, and create its context. Returns a refusal if it may not run.

        Raises MissingQueryError, CannotGetOperationTypeError or InvalidOperationTypeError.
        """
        if not query:
            raise MissingQueryError
        known = self.documents.prepare(query, context)
        if isinstance(known, list):
            return self._refused(known)
        operation = known.operation(name)
        if operation.type not in allowed:
            raise InvalidOperationTypeError(operation.type)
        own = context.for_operation()
        own.document_is_valid = True
        try:
            self._trim_variables(operation, variables)
            self._admit(operation, variables, own)
        except Exception as error:  # noqa: BLE001 - `present` logs it or maps it to a code
            return self._refusal(error, own)
        return _Prepared(known, operation, query, name, variables, own)

    def _refusal(self, error: Exception, context: Context | None = None) -> PreExecutionError:
        return self._refused([GraphQLError(str(error), original_error=error)], context)

    def _refused(self, errors: list[GraphQLError], context: Context | None = None) -> PreExecutionError:
        return PreExecutionError(None, self._shown(errors, context), None if context is None else context.answer_extensions)

    async def _answer(self, prepared: _Prepared, *, max_bytes: int | None = None) -> ExecutionResult:
        """Run a query or mutation. If the answer to a query is larger than `max_bytes`, the result is an error."""
        context = prepared.context
        try:
            with self._traced(prepared):
                data, errors = await self._run(prepared)
        except Exception as error:  # noqa: BLE001 - `present` logs it or maps it to a code
            return self._refusal(error, context)
        is_query = prepared.operation.type is OperationType.QUERY
        if max_bytes is not None and is_query and len(orjson.dumps(data)) > max_bytes:
            return self._refusal(QueryTooComplex(TOO_LARGE), context)
        return ExecutionResult(data, self._shown(errors, context) if errors else None, context.answer_extensions)

    async def _answer_events(self, prepared: _Prepared) -> AsyncGenerator[ExecutionResult, None]:
        """Run a subscription. Yields one answer for each event."""
        context = prepared.context
        source = subscribe(
            self._schema,
            prepared.document.document,
            executor_class=self._executor,
            planner=prepared.operation.planner,
            **prepared.arguments,
        )
        events = await source if isawaitable(source) else source
        if isinstance(events, GraphQLExecutionResult):
            yield self._refused(events.errors or [], context)
            return
        try:
            async with aclosing(cast("AsyncGenerator[GraphQLExecutionResult, None]", events)) as results:
                async for data, errors in results:
                    yield ExecutionResult(data, self._shown(errors, context) if errors else None, context.answer_extensions)
                    # Only the first answer carries them; they would be the same in the others.
                    context.answer_extensions = None
        except Exception as error:  # noqa: BLE001 - `present` logs it or maps it to a code
            yield ExecutionResult(None, self._shown([GraphQLError(str(error), original_error=error)], context))

    async def _run(self, prepared: _Prepared) -> tuple[dict[str, Any] | None, list[GraphQLError] | None]:
        result = self._started(prepared)
        if not isawaitable(result):
            return result.data, result.errors
        type_ = prepared.operation.type
        try:
            async with asyncio.timeout(self._time_limit(type_)):
                data, errors = await result
        except TimeoutError:
            raise _timed_out(type_) from None
        return data, errors

    def _started(self, prepared: _Prepared) -> AwaitableOrValue[GraphQLExecutionResult]:
        """Start a query or mutation: by its plan, or by graphql-core as a whole the first time and if it has no plan."""
        planner = prepared.operation.planner
        if not planner.is_due():
            return execute(
                self._schema,
                prepared.document.document,
                is_awaitable=cast("Any", optimized_is_awaitable),
                executor_class=self._executor,
                **prepared.arguments,
            )
        execution = self._executor.planned(planner, prepared.variables, prepared.context)
        if isinstance(execution, list):
            return GraphQLExecutionResult(None, execution)
        return cast("AwaitableOrValue[GraphQLExecutionResult]", execution.execute_operation())

    @contextmanager
    def _traced(self, prepared: _Prepared) -> Iterator[None]:
        """Open a span for the operation. On a WebSocket it is the root of a trace."""
        if not tracing.is_on():
            yield
            return
        type_name = prepared.operation.type.value.lower()
        label = self.names.name(prepared.query, prepared.name, is_known=prepared.context.maybe_viewer is not None)
        attributes = {"graphql.operation.type": type_name, "graphql.operation.name": label}
        with tracing.request_span(f"{type_name} {label}", attributes=attributes):
            yield

    def _admit(self, operation: Operation, variables: dict[str, Any] | None, context: Context) -> None:
        """Charge an operation's cost and report it in the answer. Raises Unauthenticated, QueryTooComplex or RateLimited.

        Runs before any variable is coerced. A mutation takes nothing from the query budget here: quotas limit what it may
        move, and the size of a large input is charged already. A subscription is charged again for each event.
        """
        viewer = context.maybe_viewer
        if viewer is None and operation.needs_viewer:
            raise context.refusal or Unauthenticated()
        requested = operation.cost.of(variables or {})
        limit = self._settings.max_query_cost
        if operation.type is OperationType.SUBSCRIPTION:
            limit = min(limit, self._settings.max_subscription_cost)
            context.event_cost = requested if operation.reads_events or requested > FREE_EVENT else 0
        cost = {"requested": requested, "limit": limit}
        context.answer_extensions = {"cost": cost}
        if requested > limit:
            raise QueryTooComplex(f"This operation costs up to {requested} points; {limit} is the limit. Ask for smaller pages.")
        if operation.type is not OperationType.MUTATION and viewer is not None:
            cost["remaining"] = context.services.query_budget.check(viewer.user_id.hex, requested).remaining

    def _time_limit(self, type_: OperationType | None) -> float:
        """Seconds that an operation may take.

        A query ends at the request timeout. A mutation gets twice that: its last field starts before the timeout, and its
        transfer then answers within another one.
        """
        seconds = self._settings.request_timeout_seconds
        return seconds if type_ is OperationType.QUERY else 2 * seconds + 1

    def _trim_variables(self, operation: Operation, variables: dict[str, Any] | None) -> None:
        """Delete the variables that the operation does not declare, in place: the socket keeps this dict while it runs.

        Raises QueryTooComplex for a subscription whose remaining variables are too large: a process holds thousands of them.
        """
        if variables:
            for name in variables.keys() - operation.variables:
                del variables[name]
        if operation.type is OperationType.SUBSCRIPTION:
            check_variables(variables, MAX_SUBSCRIPTION_VARIABLES_BYTES)

    def _shown(self, errors: list[GraphQLError], context: Context | None = None) -> list[GraphQLError]:
        is_validated, outcomes = (False, {}) if context is None else (context.document_is_valid, context.outcomes)
        shown = present_all(errors, is_validated=is_validated, outcomes=outcomes)
        metrics.count_errors((error.extensions or {}).get("code") for error in shown)
        return shown


def _timed_out(type_: OperationType) -> RequestTimeout:
    if type_ is OperationType.MUTATION:
        return RequestTimeout()
    return RequestTimeout("The answer took too long. Ask for less at a time, or try again.")


def build_schema(settings: Settings) -> PaycoreSchema:
    """Build the schema with the limits of these settings. Raises ConfigurationError for a bad list of persisted operations."""
    return PaycoreSchema(settings, StrawberryConfig(scalar_map=SCALARS))


def sdl(settings: Settings) -> str:
    """The schema in GraphQL's schema definition language."""
    return print_schema(build_schema(settings)) + "\n"
