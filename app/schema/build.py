"""The schema, put together."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import isawaitable
from typing import Any, cast

from graphql import GraphQLError, execute, parse
from strawberry import Schema
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from app.schema.context import Context
from app.schema.documents import DocumentCache, ambiguity, operation_types
from app.schema.error_handling import present
from app.schema.execution import Execution, note_plain_fields
from app.schema.mutations import Mutation
from app.schema.queries import Query
from app.schema.refusals import ERROR_TYPES
from app.schema.scalars import SCALARS
from app.schema.subscriptions import Subscription
from app.schema.types import LedgerEntry
from app.settings import Settings

_MOST_LABELS = 100
_HTTP_OPERATIONS = {OperationType.QUERY, OperationType.MUTATION}


class PaycoreSchema(Schema):
    """Prepares each document once, and shows clients no error that it has not looked at.

    Both in the schema itself: an extension would cost each request more than the document.
    """

    def __init__(self, documents: DocumentCache, config: StrawberryConfig) -> None:
        super().__init__(
            query=Query,
            mutation=Mutation,
            subscription=Subscription,
            types=[*ERROR_TYPES, LedgerEntry],
            execution_context_class=Execution,
            config=config,
        )
        note_plain_fields(self._schema)
        self._documents = documents
        self._labels: set[str] = set()

    def operation_type(self, query: str, operation_name: str | None) -> OperationType | None:
        """What kind of operation runs, of a text that is valid; None where that is not clear."""
        known = self._documents.get(query)
        try:
            limit = self._documents.parse_options["max_tokens"]
            operations = operation_types(parse(query, max_tokens=limit)) if known is None else known.operations
        except (GraphQLError, RecursionError):
            return None
        return operations.get(operation_name)

    def operation_label(self, query: str, operation_name: str | None) -> str:
        """The operation's name, for counting. Clients may name as they like, so only so many names are told apart."""
        known = self._documents.get(query)
        if known is None:
            return "unknown"
        name = operation_name or next((name for name in known.operations if name), None) or "anonymous"
        if name not in self._labels and len(self._labels) >= _MOST_LABELS:
            return "other"
        self._labels.add(name)
        return name

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Context | None = None,
        root_value: None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Run a query or mutation.

        A document seen before goes straight to graphql-core: what Strawberry puts around it serves extensions, of which
        there are none, and costs a tenth of a transfer.
        """
        known = self._documents.get(query or "")
        type_ = known and known.operations.get(operation_name)
        if known is None or context_value is None or type_ not in _HTTP_OPERATIONS.intersection(allowed_operation_types or ()):
            return await super().execute(
                query, variable_values, context_value, root_value, operation_name, allowed_operation_types, operation_extensions
            )
        context = context_value.for_operation()
        context.document_is_valid = True
        try:
            result = execute(
                self._schema,
                known.document,
                context_value=context,
                variable_values=variable_values,
                operation_name=operation_name,
                is_awaitable=cast("Any", optimized_is_awaitable),
                executor_class=Execution,
            )
            data, errors = await result if isawaitable(result) else result
        except Exception as error:  # noqa: BLE001 - whatever it is, `present` looks at it
            data, errors = None, [GraphQLError(str(error), original_error=error)]
        return ExecutionResult(data, [present(error, is_validated=True) for error in errors] if errors else None)

    async def _prepare_operation_async(
        self, context: ExecutionContext, extensions_runner: SchemaExtensionsRunner
    ) -> PreExecutionError | None:
        """Give the operation a context and loaders of its own; parse and validate a text only the first time."""
        operation = context.context = context.context.for_operation()
        if operation.is_http:
            context.allowed_operations = set(context.allowed_operations) & _HTTP_OPERATIONS
        known = self._documents.get(context.query or "")
        context.graphql_document = None if known is None else known.document
        context.parse_options = self._documents.parse_options
        context.validation_rules = () if known else self._documents.rules
        problem = await super()._prepare_operation_async(context, extensions_runner)
        if problem is not None:
            return problem
        operation.document_is_valid = True
        document = context.graphql_document
        assert document is not None
        if known is None:
            self._documents.put(context.query or "", document)
        # The public operation_name falls back to the first operation's.
        error = ambiguity(document, context._provided_operation_name)  # noqa: SLF001
        if error is not None:
            context.pre_execution_errors = [error]
            return PreExecutionError(data=None, errors=[error])
        return None

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Replace each error, in the very list that will be answered, by what a client may see of it."""
        validated = execution_context is not None and execution_context.context.document_is_valid
        errors[:] = [present(error, is_validated=validated) for error in errors]


def build_schema(settings: Settings) -> PaycoreSchema:
    """The executable schema with the limits of these settings."""
    config = StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=settings.environment == "production")
    return PaycoreSchema(DocumentCache(settings), config)


def sdl(settings: Settings) -> str:
    """The schema in GraphQL's schema definition language."""
    return print_schema(build_schema(settings)) + "\n"
