"""A cache from a query's text to its parsed and validated document, and the validation rules.

Parsing an uncached text is charged to its sender: a viewer pays with the query budget, and anonymous callers get only short
texts parsed. Cached texts cost nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol, TypeVar

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    Lexer,
    MaxIntrospectionDepthRule,
    NamedTypeNode,
    NonNullTypeNode,
    NoSchemaIntrospectionCustomRule,
    Source,
    TokenKind,
    VariableDefinitionNode,
    is_input_object_type,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types.graphql import OperationType

from app.errors import BadUserInput, RequestError, Unauthenticated
from app.schema.context import Context
from app.schema.engine.cost import Cost, operation_cost
from app.schema.engine.error_handling import MAX_ERRORS, TOO_COMPLEX, present
from app.schema.engine.event_reads import events_are_read
from app.schema.engine.limits import excess
from app.schema.engine.persisted import PersistedOperations, metric_name, operations_of
from app.schema.engine.plans import DocumentFacts, Planner
from app.settings import Settings

MAX_LENGTH = 100_000
"""Longest document, in characters."""
MAX_TOKENS = 5000
"""Longest document, in tokens."""
_MAX_CACHED_TOKENS = 100_000
"""Size of the document cache, in tokens. A token takes at most half a kilobyte of memory."""
_TOKENS_PER_DOCUMENT = 10
"""Memory of the smallest document, in tokens."""
_CHARACTERS_PER_TOKEN = 50
"""Characters of a document's text that take as much memory as one token."""
_MAX_REFUSED_CHARACTERS = 1_000_000
"""Size of the cache of refused texts and their errors, in characters."""
_CHARACTERS_PER_ERROR = 500
"""Memory of an error besides its message, in characters."""
_CHARACTERS_PER_POINT = 10
"""Characters of a new text that take about as long to parse and validate as one point of an answer takes to compute."""
_SHORT_TOKENS, _SHORT_LENGTH = 500, 10_000
"""Longest text that is parsed for anonymous callers. Tools send the introspection query, 200 tokens, before they have a token."""
_ANONYMOUS_TOKENS = 200
"""The same without introspection: an anonymous caller can then send little that is valid."""

# By the library's default bound, comparing fields of the same name may take seconds. This one takes about 20 ms, and allows
# thirty fragments on one type. The module's documentation names this constant as the way to lower the bound.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 8_000


class _IntrospectionListsRule(MaxIntrospectionDepthRule):
    """Refuses nested lists of types as too complex: their lengths multiply."""

    def report_error(self, error: GraphQLError) -> None:
        super().report_error(GraphQLError(error.message, error.nodes, extensions={"code": TOO_COMPLEX}))


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a valid document."""

    type: OperationType
    cost: Cost
    name: str
    """The name in metrics and traces."""
    variables: frozenset[str]
    """The names of the declared variables."""
    needs_viewer: bool
    """Whether it declares lists or input objects. Introspection takes neither, and all other fields need a viewer."""
    reads_events: bool
    """Whether it is a subscription whose events need reads from the database."""
    planner: Planner


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document that passed validation."""

    document: DocumentNode
    operations: dict[str | None, Operation]
    """By name. A single operation is also under None."""
    size: int
    """Memory, in tokens."""

    def operation(self, name: str | None) -> Operation:
        """The operation to run.

        Raises CannotGetOperationTypeError for an unknown name, BadUserInput if there are several and no name is given.
        """
        found = self.operations.get(name)
        if found is not None:
            return found
        if name is None:
            # Strawberry would run the first one.
            raise BadUserInput("The document has several operations: choose one with `operationName`.")
        raise CannotGetOperationTypeError(name)


@dataclass(frozen=True, slots=True)
class _Refused:
    """The errors of a refused text."""

    errors: list[GraphQLError]
    size: int
    """Memory, in characters."""


class _Sized(Protocol):
    @property
    def size(self) -> int: ...


S = TypeVar("S", bound=_Sized)


class _Cache(OrderedDict[str, S]):
    """Values by text, up to a total size. Drops the least recently used first."""

    def __init__(self, max_size: int) -> None:
        super().__init__()
        self._max_size = max_size
        self._size = 0

    def find(self, text: str) -> S | None:
        found = self.get(text)
        if found is not None:
            self.move_to_end(text)
        return found

    def add(self, text: str, value: S) -> None:
        self[text] = value
        self._size += value.size
        while self._size > self._max_size:
            self._size -= self.popitem(last=False)[1].size


class DocumentCache:
    """Documents by their text, valid and refused ones. Built once per schema."""

    def __init__(self, settings: Settings, schema: GraphQLSchema) -> None:
        self.persisted = PersistedOperations(settings)
        self._settings = settings
        self._schema = schema
        rules = [rule for rule in specified_rules if rule is not MaxIntrospectionDepthRule]
        self._rules: tuple[type[ASTValidationRule], ...] = (
            *rules,
            _IntrospectionListsRule if settings.introspection_enabled else NoSchemaIntrospectionCustomRule,
        )
        self._documents: _Cache[KnownDocument] = _Cache(_MAX_CACHED_TOKENS)
        self._refused: _Cache[_Refused] = _Cache(_MAX_REFUSED_CHARACTERS)
        self._anonymous_tokens = _SHORT_TOKENS if settings.introspection_enabled else _ANONYMOUS_TOKENS

    def get(self, query: str) -> KnownDocument | None:
        """The validated document of a cached text."""
        return self._documents.find(query)

    def prepare(self, query: str, sender: Context | None = None) -> KnownDocument | list[GraphQLError]:
        """Return the validated document of a text, or its errors. A new text is charged to the sender, if there is one.

        Raises CannotGetOperationTypeError if the document contains no operation.
        """
        known = self._documents.find(query)
        if known is not None:
            return known
        refused = self._refused.find(query)
        if refused is not None:
            return list(refused.errors)
        if len(query) > MAX_LENGTH:
            return [GraphQLError(f"The document is longer than {MAX_LENGTH} characters.", extensions={"code": TOO_COMPLEX})]
        if sender is not None:
            try:
                self._charge(query, sender)
            except RequestError as error:
                return [GraphQLError(str(error), original_error=error)]
        return self._read(query)

    def _charge(self, query: str, sender: Context) -> None:
        """Raises Unauthenticated for a long text of an anonymous caller, RateLimited if a viewer's budget is used up."""
        if sender.maybe_viewer is None:
            if len(query) > _SHORT_LENGTH or _has_more_tokens(query, self._anonymous_tokens):
                raise sender.refusal or Unauthenticated()
            return
        points = min(1 + len(query) // _CHARACTERS_PER_POINT, self._settings.max_query_cost)
        sender.services.query_budget.check(sender.maybe_viewer.user_id.hex, points)

    def _read(self, query: str) -> KnownDocument | list[GraphQLError]:
        """Parse and validate a new text, and cache the result."""
        try:
            document = self.parse(query)
            self.persisted.check(document)
            if not operations_of(document):
                raise CannotGetOperationTypeError(None)
            too_much = excess(document, self._settings.max_query_depth)
            problems = [too_much] if too_much else self._validate(document)
            if not problems:
                operations = self._operations(document)
                size = _TOKENS_PER_DOCUMENT + document.token_count + len(query) // _CHARACTERS_PER_TOKEN
                size += sum(planner.size for planner in {one.planner for one in operations.values()})
                known = KnownDocument(document, operations, size)
                self._documents.add(query, known)
                return known
        except GraphQLError as error:
            problems = [error]
        except RequestError as error:
            problems = [GraphQLError(str(error), original_error=error)]
        except RecursionError:
            problems = [GraphQLError("The document is nested too deeply.", extensions={"code": TOO_COMPLEX})]
        errors = [_without_nodes(error) for error in problems]
        size = len(query) + sum(_CHARACTERS_PER_ERROR + len(error.message) for error in errors)
        self._refused.add(query, _Refused(errors, size))
        return list(errors)

    def parse(self, query: str) -> DocumentNode:
        """Parse a text. Raises GraphQLError if it is not a document or has too many tokens."""
        return parse(query, max_tokens=MAX_TOKENS)

    def types(self, query: str) -> dict[str | None, OperationType]:
        """The type of each operation of an uncached text, by name. Empty if the text is long or not a document."""
        if len(query) > _SHORT_LENGTH:
            return {}
        try:
            return _operation_types(parse(query, max_tokens=_SHORT_TOKENS))
        except (GraphQLError, RecursionError):
            return {}

    def _validate(self, document: DocumentNode) -> list[GraphQLError]:
        hides = not self._settings.introspection_enabled
        errors = validate(self._schema, document, self._rules, MAX_ERRORS, hide_suggestions=hides)
        # Validation aborts after MAX_ERRORS errors, or earlier if comparing the fields of the document would take too long.
        if errors and isinstance(errors[-1], ValidationAbortedError) and len(errors) <= MAX_ERRORS:
            errors[-1] = GraphQLError("The document is too complex to be validated.", extensions={"code": TOO_COMPLEX})
        return [_without_python_error(error) for error in errors]

    def _operations(self, document: DocumentNode) -> dict[str | None, Operation]:
        fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
        nodes, facts = operations_of(document), DocumentFacts(document)
        found: dict[str | None, Operation] = {}
        for node in nodes:
            variables = frozenset(one.variable.name.value for one in node.variable_definitions or ())
            cost = operation_cost(self._schema, fragments, node)
            needs_viewer = any(self._is_structured(one) for one in node.variable_definitions or ())
            type_ = OperationType(node.operation.value)
            reads = type_ is OperationType.SUBSCRIPTION and events_are_read(self._schema, fragments, node)
            planner = Planner(self._schema, facts, node)
            operation = Operation(type_, cost, metric_name(node), variables, needs_viewer, reads, planner)
            found[node.name.value if node.name else None] = operation
            if len(nodes) == 1:
                found[None] = operation
        return found

    def _is_structured(self, variable: VariableDefinitionNode) -> bool:
        node = variable.type.type if isinstance(variable.type, NonNullTypeNode) else variable.type
        return not isinstance(node, NamedTypeNode) or is_input_object_type(self._schema.get_type(node.name.value))


def _without_python_error(error: GraphQLError) -> GraphQLError:
    """Replace Python's message about a literal that it cannot convert, such as a number of thousands of digits."""
    if isinstance(error.original_error, ValueError) and not isinstance(error.original_error, RequestError):
        return GraphQLError("A value in the document cannot be read.", error.nodes)
    return error


def _without_nodes(error: GraphQLError) -> GraphQLError:
    """The error as clients see it. A cached error must not keep the document or a traceback alive."""
    shown = present(error, is_validated=False)
    return GraphQLError(shown.message, source=shown.source, positions=shown.positions, extensions=shown.extensions)


def _has_more_tokens(text: str, limit: int) -> bool:
    """Whether a text has more than `limit` tokens. Counts up to the first syntax error."""
    lexer = Lexer(Source(text))
    try:
        return all(lexer.advance().kind is not TokenKind.EOF for _ in range(limit + 1))
    except GraphQLSyntaxError:
        return False


def _operation_types(document: DocumentNode) -> dict[str | None, OperationType]:
    """The type of each operation, by name. A single operation is also under None."""
    operations = operations_of(document)
    types: dict[str | None, OperationType] = {
        one.name.value: OperationType(one.operation.value) for one in operations if one.name is not None
    }
    if len(operations) == 1:
        types[None] = OperationType(operations[0].operation.value)
    return types
