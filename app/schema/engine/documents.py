"""One cache from a query's text to its parsed and validated document, and the rules that it is validated by.

A text that nobody has sent lately is read at its sender's expense: for a viewer by points of the query budget, and for
strangers only where it is short. Known texts cost nothing.
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
from app.schema.engine.error_handling import TOO_COMPLEX, present
from app.schema.engine.event_reads import events_are_read
from app.schema.engine.limits import excess
from app.schema.engine.persisted import PersistedOperations, counted_name, operations_of
from app.settings import Settings

_ROOM = 100_000
"""What the documents that are kept may measure together: in tokens, each of which holds half a kilobyte at the most."""
_TOKENS_OF_ANY = 10
"""The smallest document is as large in memory as so many tokens."""
_CHARACTERS_IN_A_TOKEN = 50
"""So many characters of a document's text are as large in memory as a token is."""
_ROOM_FOR_REFUSED = 1_000_000
"""What the refused texts that are kept may measure together, with their errors: in characters."""
_CHARACTERS_OF_ANY = 500
"""An error is as large in memory as so many characters, besides its words."""
_CHARACTERS_FOR_A_POINT = 10
"""Reading that much of a new text takes about as long as a point's worth of an answer."""
_SHORT_TOKENS, _SHORT_LENGTH = 500, 10_000
"""What is read without a look at who sent it. Tools ask for the schema before they have a token: that takes 200 tokens."""
_STRANGERS_TOKENS = 200
"""What is read for strangers where the schema may not be asked for: little is left that they could ask."""

# Comparing fields of one name may take seconds by the library's own bound; so much of it takes some 20 ms, and thirty fragments
# on one type stay below it. The module's documentation offers this as the way to lower it.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 8_000


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
    variables: frozenset[str]
    """The names of those that it declares."""
    needs_viewer: bool
    """Whether it declares lists or input objects: introspection takes none, and all other fields need a viewer."""
    reads_events: bool
    """Whether it is a subscription whose events the database is asked for."""


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document that passed validation."""

    document: DocumentNode
    operations: dict[str | None, Operation]
    """By name; under None the only one there is."""
    size: int
    """In tokens, and what is as large as they are."""

    def operation(self, name: str | None) -> Operation:
        """The one to run. Raises CannotGetOperationTypeError for an unknown name, BadUserInput where none is given."""
        found = self.operations.get(name)
        if found is not None:
            return found
        if name is None:
            # Strawberry would run the first.
            raise BadUserInput("The document has several operations: say which by `operationName`.")
        raise CannotGetOperationTypeError(name)


@dataclass(frozen=True, slots=True)
class _Refused:
    """What is wrong with a text."""

    errors: list[GraphQLError]
    size: int
    """In characters, and what is as large as they are."""


class _Sized(Protocol):
    @property
    def size(self) -> int: ...


S = TypeVar("S", bound=_Sized)


class _Recent(OrderedDict[str, S]):
    """Things by text, as many as have room together, the least used dropped first."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room
        self._held = 0

    def find(self, text: str) -> S | None:
        found = self.get(text)
        if found is not None:
            self.move_to_end(text)
        return found

    def keep(self, text: str, thing: S) -> None:
        self[text] = thing
        self._held += thing.size
        while self._held > self._room:
            self._held -= self.popitem(last=False)[1].size


class DocumentCache:
    """Documents by their text, those that passed validation and those that did not. Built once per schema."""

    def __init__(self, settings: Settings, schema: GraphQLSchema) -> None:
        self.persisted = PersistedOperations(settings)
        self._settings = settings
        self._schema = schema
        rules = [rule for rule in specified_rules if rule is not MaxIntrospectionDepthRule]
        self._rules: tuple[type[ASTValidationRule], ...] = (
            *rules,
            _IntrospectionListsRule if settings.introspection_enabled else NoSchemaIntrospectionCustomRule,
        )
        self._documents: _Recent[KnownDocument] = _Recent(_ROOM)
        self._refused: _Recent[_Refused] = _Recent(_ROOM_FOR_REFUSED)
        self._strangers_tokens = _SHORT_TOKENS if settings.introspection_enabled else _STRANGERS_TOKENS

    def get(self, query: str) -> KnownDocument | None:
        """The validated document of a text seen before."""
        return self._documents.find(query)

    def prepare(self, query: str, sender: Context | None = None) -> KnownDocument | list[GraphQLError]:
        """The validated document of a text, or what is wrong with it; of a new text at its sender's expense, if there is one.

        Raises CannotGetOperationTypeError where there is no operation in it.
        """
        known = self._documents.find(query)
        if known is not None:
            return known
        refused = self._refused.find(query)
        if refused is not None:
            return list(refused.errors)
        limit = self._settings.max_query_length
        if len(query) > limit:
            return [GraphQLError(f"The document is longer than {limit} characters.", extensions={"code": TOO_COMPLEX})]
        if sender is not None:
            try:
                self._charge(query, sender)
            except RequestError as error:
                return [GraphQLError(str(error), original_error=error)]
        return self._look_at(query)

    def _charge(self, query: str, sender: Context) -> None:
        """Raises Unauthenticated for a long text of a stranger, RateLimited where a viewer's budget is used up."""
        if sender.maybe_viewer is None:
            if len(query) > _SHORT_LENGTH or _has_more_tokens(query, self._strangers_tokens):
                raise sender.refusal or Unauthenticated()
            return
        points = min(1 + len(query) // _CHARACTERS_FOR_A_POINT, self._settings.max_query_cost)
        sender.services.query_budget.check(sender.maybe_viewer.user_id.hex, points)

    def _look_at(self, query: str) -> KnownDocument | list[GraphQLError]:
        """Read a new text, and keep what comes of it."""
        try:
            document = self.parse(query)
            self.persisted.check(document)
            if not operations_of(document):
                raise CannotGetOperationTypeError(None)
            too_much = excess(document, self._settings)
            problems = [too_much] if too_much else self._validate(document)
            if not problems:
                size = _TOKENS_OF_ANY + document.token_count + len(query) // _CHARACTERS_IN_A_TOKEN
                known = KnownDocument(document, self._operations(document), size)
                self._documents.keep(query, known)
                return known
        except GraphQLError as error:
            problems = [error]
        except RequestError as error:
            problems = [GraphQLError(str(error), original_error=error)]
        except RecursionError:
            problems = [GraphQLError("The document is nested too deeply.", extensions={"code": TOO_COMPLEX})]
        errors = [_without_nodes(error) for error in problems]
        size = len(query) + sum(_CHARACTERS_OF_ANY + len(error.message) for error in errors)
        self._refused.keep(query, _Refused(errors, size))
        return list(errors)

    def parse(self, query: str) -> DocumentNode:
        """The document of a text. Raises GraphQLError where it is none, or too long."""
        return parse(query, max_tokens=self._settings.max_query_tokens)

    def types(self, query: str) -> dict[str | None, OperationType]:
        """The kind of each operation of a text that is not known, by its name; none where it is no document, or a long one."""
        if len(query) > _SHORT_LENGTH:
            return {}
        try:
            return _operation_types(parse(query, max_tokens=_SHORT_TOKENS))
        except (GraphQLError, RecursionError):
            return {}

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
            variables = frozenset(one.variable.name.value for one in node.variable_definitions or ())
            cost = operation_cost(self._schema, fragments, node)
            needs_viewer = any(self._is_structured(one) for one in node.variable_definitions or ())
            type_ = OperationType(node.operation.value)
            reads = type_ is OperationType.SUBSCRIPTION and events_are_read(self._schema, fragments, node)
            operation = Operation(type_, cost, counted_name(node), variables, needs_viewer, reads)
            found[node.name.value if node.name else None] = operation
            if len(nodes) == 1:
                found[None] = operation
        return found

    def _is_structured(self, variable: VariableDefinitionNode) -> bool:
        node = variable.type.type if isinstance(variable.type, NonNullTypeNode) else variable.type
        return not isinstance(node, NamedTypeNode) or is_input_object_type(self._schema.get_type(node.name.value))


def _readable(error: GraphQLError) -> GraphQLError:
    """Python's own words about a literal that it cannot read, such as a number of thousands of digits, say nothing to clients."""
    if isinstance(error.original_error, ValueError) and not isinstance(error.original_error, RequestError):
        return GraphQLError("A value in the document cannot be read.", error.nodes)
    return error


def _without_nodes(error: GraphQLError) -> GraphQLError:
    """The error as clients see it, which holds neither the document nor where in our code it was raised."""
    shown = present(error, is_validated=False)
    return GraphQLError(shown.message, source=shown.source, positions=shown.positions, extensions=shown.extensions)


def _has_more_tokens(text: str, limit: int) -> bool:
    """Whether a text has more tokens than that. One that cannot be read to its end has as many as can be read."""
    lexer = Lexer(Source(text))
    try:
        return all(lexer.advance().kind is not TokenKind.EOF for _ in range(limit + 1))
    except GraphQLSyntaxError:
        return False


def _operation_types(document: DocumentNode) -> dict[str | None, OperationType]:
    """The kind of each operation, by its name; of the only one also under None."""
    operations = operations_of(document)
    types: dict[str | None, OperationType] = {
        one.name.value: OperationType(one.operation.value) for one in operations if one.name is not None
    }
    if len(operations) == 1:
        types[None] = OperationType(operations[0].operation.value)
    return types
