"""The executable schema: how an operation is prepared, admitted, run and answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any, cast

import orjson
from graphql import GraphQLError, execute
from strawberry import Schema
from strawberry.exceptions import MissingQueryError
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from app.errors import QueryTooComplex, RequestError, RequestTimeout, Unauthenticated
from app.schema.context import Context
from app.schema.engine.cost import FREE_EVENT
from app.schema.engine.documents import DocumentCache, KnownDocument, Operation
from app.schema.engine.error_handling import present_all
from app.schema.engine.execution import Execution, ExecutionWithoutSuggestions, mark_plain_fields
from app.schema.engine.operation_names import OperationNames
from app.schema.engine.requests import check_variables
from app.schema.mutations import Mutation
from app.schema.queries import Query
from app.schema.refusals import ERROR_TYPES
from app.schema.scalars import SCALARS
from app.schema.subscriptions import Subscription
from app.schema.types import LedgerEntry
from app.settings import Settings
from app.telemetry import metrics, tracing

TOO_LARGE = "The answer is too large. Ask for less at a time."
_HTTP_OPERATIONS = {OperationType.QUERY, OperationType.MUTATION}


class PaycoreSchema(Schema):
    """Prepares each document once, and passes every error through `present_all` before a client sees it.

    This is done in the schema and not in Strawberry extensions, because an extension costs more per request than the document.
    """

    def __init__(self, settings: Settings, config: StrawberryConfig) -> None:
        super().__init__(
            query=Query,
            mutation=Mutation,
            subscription=Subscription,
            types=[*ERROR_TYPES, LedgerEntry],
            execution_context_class=Execution if settings.introspection_enabled else ExecutionWithoutSuggestions,
            config=config,
        )
        mark_plain_fields(self._schema)
        self.documents = DocumentCache(settings, self._schema)
        self._settings = settings
        self.names = OperationNames(self.documents)

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

        Calls graphql-core directly. Strawberry's own path exists for extensions, which Paycore does not use, and takes a tenth
        of the time of a transfer.
        """
        if not query:
            raise MissingQueryError
        assert context_value is not None
        known = self.documents.prepare(query, context_value)
        if isinstance(known, list):
            return ExecutionResult(None, self._shown(known))
        context = context_value.for_operation()
        context.document_is_valid = True
        try:
            operation = known.operation(operation_name)
            _check_type(operation.type, allowed_operation_types)
            self._admit(operation, variable_values, context)
            with self._traced(operation.type, query, operation_name, context):
                data, errors = await self._run(known, operation, variable_values, context, operation_name)
        except (CannotGetOperationTypeError, InvalidOperationTypeError):
            raise
        except Exception as error:  # noqa: BLE001 - `present` logs it or maps it to a code
            data, errors = None, [GraphQLError(str(error), original_error=error)]
        return ExecutionResult(data, self._shown(errors, context) if errors else None, context.answer_extensions)

    async def _run(
        self, known: KnownDocument, operation: Operation, variables: dict[str, Any] | None, context: Context, name: str | None
    ) -> tuple[dict[str, Any] | None, list[GraphQLError] | None]:
        result = execute(
            self._schema,
            known.document,
            context_value=context,
            variable_values=variables,
            operation_name=name,
            is_awaitable=cast("Any", optimized_is_awaitable),
            executor_class=cast("type[Execution]", self.execution_context_class),
        )
        if not isawaitable(result):
            return result.data, result.errors
        try:
            async with asyncio.timeout(self._time_limit(operation.type)):
                data, errors = await result
        except TimeoutError:
            raise _timed_out(operation.type) from None
        return data, errors

    @contextmanager
    def _traced(self, type_: OperationType, query: str, name: str | None, context: Context) -> Iterator[None]:
        """Open a span for the operation. On a WebSocket it is the root of a trace."""
        if not tracing.is_on():
            yield
            return
        type_name = type_.value.lower()
        label = self.names.name(query, name, is_known=context.maybe_viewer is not None)
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
        if self._settings.query_cost_in_answers:
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

    async def _prepare_operation_async(
        self, context: ExecutionContext, extensions_runner: SchemaExtensionsRunner
    ) -> PreExecutionError | None:
        """Prepare an operation whose answers are streamed: give it its own context and loaders, and a validated document."""
        operation_context = context.context = context.context.for_operation()
        known = self.documents.prepare(context.query, operation_context) if context.query else None
        if isinstance(known, list):
            return _refused(context, known)
        context.graphql_document = None if known is None else known.document
        context.validation_rules = ()
        problem = await super()._prepare_operation_async(context, extensions_runner)
        if problem is not None or known is None:
            return problem
        operation_context.document_is_valid = True
        try:
            # The public `operation_name` falls back to the first operation.
            operation = known.operation(context._provided_operation_name)  # noqa: SLF001
            self._trim_variables(operation, context.variables)
            self._admit(operation, context.variables, operation_context)
        except RequestError as error:
            return _refused(context, [GraphQLError(str(error), original_error=error)])
        return None

    def _trim_variables(self, operation: Operation, variables: dict[str, Any] | None) -> None:
        """Delete the variables that the operation does not declare, in place: the socket keeps this dict while it runs.

        Raises QueryTooComplex for a subscription whose remaining variables are too large: a process holds thousands of them.
        """
        if variables:
            for name in variables.keys() - operation.variables:
                del variables[name]
        if operation.type is OperationType.SUBSCRIPTION:
            check_variables(variables, self._settings.max_subscription_variables_bytes)

    async def _execute_operation(self, execution_context: ExecutionContext, *rest: Any) -> Any:
        """Run a query or mutation in a stream of answers. Raises QueryTooComplex if the answer to a query is too large."""
        type_ = execution_context.operation_type
        try:
            async with asyncio.timeout(self._time_limit(type_)):
                query, name = execution_context.query or "", execution_context.operation_name
                with self._traced(type_, query, name, execution_context.context):
                    result: Any = await super()._execute_operation(execution_context, *rest)
        except TimeoutError:
            raise _timed_out(type_) from None
        if type_ is OperationType.QUERY and len(orjson.dumps(result.data)) > self._settings.max_answer_bytes:
            raise QueryTooComplex(TOO_LARGE)
        return result

    async def _handle_execution_result(self, context: ExecutionContext, *rest: Any, **options: Any) -> ExecutionResult:
        result = await super()._handle_execution_result(context, *rest, **options)
        # Only the first answer of a stream carries them; they would be the same in the others.
        result.extensions, context.context.answer_extensions = context.context.answer_extensions, None
        return result

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Replace the errors in place: Strawberry sends this list to the client."""
        errors[:] = self._shown(errors, None if execution_context is None else execution_context.context)

    def _shown(self, errors: list[GraphQLError], context: Context | None = None) -> list[GraphQLError]:
        is_validated, outcomes = (False, {}) if context is None else (context.document_is_valid, context.outcomes)
        shown = present_all(errors, self._settings.max_errors, is_validated=is_validated, outcomes=outcomes)
        metrics.count_errors((error.extensions or {}).get("code") for error in shown)
        return shown


def _check_type(type_: OperationType, allowed: Iterable[OperationType] | None) -> None:
    if type_ not in _HTTP_OPERATIONS.intersection(allowed or ()):
        raise InvalidOperationTypeError(type_)


def _refused(context: ExecutionContext, errors: list[GraphQLError]) -> PreExecutionError:
    context.pre_execution_errors = errors
    return PreExecutionError(data=None, errors=errors)


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
