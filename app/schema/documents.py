"""One cache from a query's text to its parsed and validated document, and the rules that it is validated by."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, ClassVar

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
    specified_rules,
)
from strawberry.types.execution import ParseOptions
from strawberry.types.graphql import OperationType

from app.errors import BadUserInput
from app.schema.error_handling import TOO_COMPLEX
from app.settings import Settings

_MAX_DOCUMENTS = 500
_MAX_CACHED_LENGTH = 10_000


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document that passed validation."""

    document: DocumentNode
    operations: dict[str | None, OperationType]
    """By name; under None the only one there is."""


class DocumentCache:
    """Documents that passed validation, by their text, the least used dropped first. Built once per schema."""

    def __init__(self, settings: Settings) -> None:
        self.parse_options = ParseOptions(max_tokens=settings.max_query_tokens)
        self.rules: tuple[type[ASTValidationRule], ...] = (
            *specified_rules,
            limit_rule(settings.max_query_depth, settings.max_query_aliases),
        )
        self._documents: OrderedDict[str, KnownDocument] = OrderedDict()

    def get(self, query: str) -> KnownDocument | None:
        """The validated document of a text seen before."""
        known = self._documents.get(query)
        if known is not None:
            self._documents.move_to_end(query)
        return known

    def put(self, query: str, document: DocumentNode) -> None:
        """Remember a document that is valid."""
        if len(query) > _MAX_CACHED_LENGTH:
            return
        self._documents[query] = KnownDocument(document, operation_types(document))
        if len(self._documents) > _MAX_DOCUMENTS:
            self._documents.popitem(last=False)


def operation_types(document: DocumentNode) -> dict[str | None, OperationType]:
    """The kind of each operation, by its name; of the only one also under None."""
    operations = [definition for definition in document.definitions if isinstance(definition, OperationDefinitionNode)]
    types: dict[str | None, OperationType] = {
        one.name.value: OperationType(one.operation.value) for one in operations if one.name is not None
    }
    if len(operations) == 1:
        types[None] = OperationType(operations[0].operation.value)
    return types


def ambiguity(document: DocumentNode, operation_name: str | None) -> GraphQLError | None:
    """An error where the document has several operations and none is named. Strawberry would run the first."""
    if operation_name is not None or len(document.definitions) == 1:
        return None
    if sum(isinstance(definition, OperationDefinitionNode) for definition in document.definitions) == 1:
        return None
    message = "The document has several operations: say which by `operationName`."
    return GraphQLError(message, extensions=BadUserInput().extensions)


class LimitRule(ValidationRule):
    """Refuses documents that are too deep or have too many aliases. `limit_rule` sets the limits.

    Fragments count where they are spread. Introspection is exempt from the depth: its shape is the tools', not the user's.
    """

    max_depth: ClassVar[int]
    max_aliases: ClassVar[int]

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._depths: dict[str, int] = {}
        self._aliases = 0

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Count aliases."""
        self._aliases += node.alias is not None
        if self._aliases == self.max_aliases + 1:
            self._refuse(f"The document has more than {self.max_aliases} aliases.", node)

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        """Measure the depth."""
        if self._depth(node.selection_set, frozenset()) > self.max_depth:
            self._refuse(f"The operation is nested deeper than {self.max_depth} levels.", node)

    def _refuse(self, message: str, node: FieldNode | OperationDefinitionNode) -> None:
        self.report_error(GraphQLError(message, node, extensions={"code": TOO_COMPLEX}))

    def _depth(self, selections: SelectionSetNode | None, seen: frozenset[str]) -> int:
        if selections is None:
            return 0
        return max((self._selection_depth(selection, seen) for selection in selections.selections), default=0)

    def _selection_depth(self, node: SelectionNode, seen: frozenset[str]) -> int:
        if isinstance(node, FieldNode):
            return 0 if node.name.value.startswith("__") else 1 + self._depth(node.selection_set, seen)
        if isinstance(node, InlineFragmentNode):
            return self._depth(node.selection_set, seen)
        assert isinstance(node, FragmentSpreadNode)
        return self._fragment_depth(node.name.value, seen)

    def _fragment_depth(self, name: str, seen: frozenset[str]) -> int:
        if name not in self._depths:
            fragment = self.context.get_fragment(name)
            # A cycle and an unknown fragment are for other rules to report.
            if fragment is None or name in seen:
                return 0
            self._depths[name] = self._depth(fragment.selection_set, seen | {name})
        return self._depths[name]


def limit_rule(max_depth: int, max_aliases: int) -> type[LimitRule]:
    """The rule with its limits. Build it once, not per request."""
    return type("LimitRule", (LimitRule,), {"max_depth": max_depth, "max_aliases": max_aliases})
