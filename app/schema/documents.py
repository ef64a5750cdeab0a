"""One cache from a query's text to its parsed and validated document, and the rules that it is validated by."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    MaxIntrospectionDepthRule,
    NoSchemaIntrospectionCustomRule,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types.graphql import OperationType

from app.errors import BadUserInput, RequestError
from app.schema.cost import Cost, operation_cost
from app.schema.error_handling import TOO_COMPLEX
from app.schema.limits import excess
from app.schema.persisted import PersistedOperations, counted_name, operations_of
from app.settings import Settings

_MAX_DOCUMENTS = 500
_MAX_CACHED_LENGTH = 10_000

# Comparing fields of one name may take seconds by the library's own bound; so much of it takes a tenth of one at the most.
# The module's documentation offers this as the way to lower it.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 20_000


class _IntrospectionListsRule(MaxIntrospectionDepthRule):
    """Lists of types within lists of types multiply: refused as too complex, like all that is too large."""

    def report_error(self, error: GraphQLError) -> None:
        super().report_error(GraphQLError(error.message, error.nodes, extensions={"code": TOO_COMPLEX}))


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a valid document."""

    type: OperationType
    cost: Cost
    name: str
    """What it is counted as."""


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document that passed validation."""

    document: DocumentNode
    operations: dict[str | None, Operation]
    """By name; under None the only one there is."""

    def operation(self, name: str | None) -> Operation:
        """The one to run. Raises CannotGetOperationTypeError for an unknown name, BadUserInput where none is given."""
        found = self.operations.get(name)
        if found is not None:
            return found
        if name is None:
            # Strawberry would run the first.
            raise BadUserInput("The document has several operations: say which by `operationName`.")
        raise CannotGetOperationTypeError(name)


class DocumentCache:
    """Documents that passed validation, by their text, the least used dropped first. Built once per schema."""

    def __init__(self, settings: Settings, schema: GraphQLSchema) -> None:
        self.persisted = PersistedOperations(settings)
        self._settings = settings
        self._schema = schema
        rules = [rule for rule in specified_rules if rule is not MaxIntrospectionDepthRule]
        self._rules: tuple[type[ASTValidationRule], ...] = (
            *rules,
            _IntrospectionListsRule if settings.introspection_enabled else NoSchemaIntrospectionCustomRule,
        )
        self._documents: OrderedDict[str, KnownDocument] = OrderedDict()

    def get(self, query: str) -> KnownDocument | None:
        """The validated document of a text seen before."""
        known = self._documents.get(query)
        if known is not None:
            self._documents.move_to_end(query)
        return known

    def prepare(self, query: str) -> KnownDocument | list[GraphQLError]:
        """The validated document of a text, or what is wrong with it.

        Raises CannotGetOperationTypeError where there is no operation in it.
        """
        known = self.get(query)
        if known is not None:
            return known
        try:
            document = self.parse(query)
            self.persisted.check(document)
            if not operations_of(document):
                raise CannotGetOperationTypeError(None)
            too_much = excess(document, self._settings)
            problems = [too_much] if too_much else self._validate(document)
            if problems:
                return problems
            known = KnownDocument(document, self._operations(document))
        except GraphQLError as error:
            return [error]
        except RequestError as error:
            return [GraphQLError(str(error), original_error=error)]
        except RecursionError:
            return [GraphQLError("The document is nested too deeply.", extensions={"code": TOO_COMPLEX})]
        self._put(query, known)
        return known

    def parse(self, query: str) -> DocumentNode:
        """The document of a text. Raises GraphQLError where it is none, or too long."""
        limit = self._settings.max_query_length
        if len(query) > limit:
            raise GraphQLError(f"The document is longer than {limit} characters.", extensions={"code": TOO_COMPLEX})
        return parse(query, max_tokens=self._settings.max_query_tokens)

    def _validate(self, document: DocumentNode) -> list[GraphQLError]:
        most = self._settings.max_errors
        errors = validate(self._schema, document, self._rules, most, hide_suggestions=not self._settings.introspection_enabled)
        # It counts its errors, or gives up on a document that it could compare for ever.
        if errors and isinstance(errors[-1], ValidationAbortedError) and len(errors) <= most:
            errors[-1] = GraphQLError("The document is too complex to be validated.", extensions={"code": TOO_COMPLEX})
        return [_readable(error) for error in errors]

    def _operations(self, document: DocumentNode) -> dict[str | None, Operation]:
        fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
        nodes = operations_of(document)
        found: dict[str | None, Operation] = {}
        for node in nodes:
            cost = operation_cost(self._schema, fragments, node)
            operation = Operation(OperationType(node.operation.value), cost, counted_name(node))
            found[node.name.value if node.name else None] = operation
            if len(nodes) == 1:
                found[None] = operation
        return found

    def _put(self, query: str, known: KnownDocument) -> None:
        if len(query) > _MAX_CACHED_LENGTH:
            return
        self._documents[query] = known
        if len(self._documents) > _MAX_DOCUMENTS:
            self._documents.popitem(last=False)


def _readable(error: GraphQLError) -> GraphQLError:
    """Python's own words about a literal that it cannot read, such as a number of thousands of digits, say nothing to clients."""
    if isinstance(error.original_error, ValueError) and not isinstance(error.original_error, RequestError):
        return GraphQLError("A value in the document cannot be read.", error.nodes)
    return error


def operation_types(document: DocumentNode) -> dict[str | None, OperationType]:
    """The kind of each operation, by its name; of the only one also under None."""
    operations = operations_of(document)
    types: dict[str | None, OperationType] = {
        one.name.value: OperationType(one.operation.value) for one in operations if one.name is not None
    }
    if len(operations) == 1:
        types[None] = OperationType(operations[0].operation.value)
    return types
