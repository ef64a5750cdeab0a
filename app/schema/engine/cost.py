"""The cost of a query: an upper bound, computed before it runs, on the rows it reads and the resolvers it calls.

One point for each field with a resolver, one for each row of a list, and one more for every ten scalars selected from a row.
A field that reads many more rows than it returns costs further points (FURTHER_POINTS).
The operation itself counts as a row without its point. A list counts with its largest possible length: a connection's `first`
or `last`, the ids given to `nodes`, the transfers of a batch. The cost ignores @skip, counts mutually exclusive types
together, and counts a field that is selected twice two times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_leaf_type,
    is_list_type,
    value_from_ast_untyped,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter

from app.paging.pages import DEFAULT_PAGE, MAX_PAGE
from app.schema.queries import MAX_NODES
from app.settings import MAX_BATCH

Variables: TypeAlias = Mapping[str, Any]
Length: TypeAlias = int | Callable[[Variables], int]

LIST_LENGTHS: Mapping[str, int] = {
    "Query.currencies": 1,
    "Query.feeSchedules": 20,
    "Transaction.entries": 2,
    "Transaction.metadata": 1,
    "Transaction.fees": 1,
    "LedgerStatus.totals": 10,
    "LedgerStatus.trialBalance": 20,
    "LedgerStatus.hotWallets": 10,
    "TransferPayload.userErrors": 1,
    "TransferBatchPayload.userErrors": 1,
    "DepositPayload.userErrors": 1,
    "PostTransactionPayload.userErrors": 1,
    "PostTransactionPayload.preview": 10,
    "ReversalPayload.userErrors": 1,
    "HoldPayload.userErrors": 1,
    "Hold.metadata": 1,
    "TransferPreview.entries": 4,
    "TransferPreview.fees": 1,
    "TransferPreview.userErrors": 1,
    "OpenSystemWalletPayload.userErrors": 1,
    "OpenWalletPayload.userErrors": 1,
    "SetWalletStatusPayload.userErrors": 1,
    "FeeSchedulePayload.userErrors": 1,
    "Query.fxRates": 20,
    "Query.consistencyProof": 20,
    "Checkpoint.cosignedBy": 4,
    "FxQuote.fees": 1,
    "FxStatus.positions": 10,
    "FxQuotePayload.userErrors": 1,
    "FxRatePayload.userErrors": 1,
    "ConvertPayload.userErrors": 1,
    "WebhookEndpointPayload.userErrors": 1,
    "DeleteWebhookEndpointPayload.userErrors": 1,
    "ReplayWebhooksPayload.userErrors": 1,
    "WebhookTestPayload.userErrors": 1,
    "WebhookDelivery.attempts": 5,
    "__Schema.types": 60,
    "__Schema.directives": 5,
    "__Type.fields": 6,
    "__Type.interfaces": 1,
    "__Type.possibleTypes": 6,
    "__Type.enumValues": 5,
    "__Type.inputFields": 4,
    "__Field.args": 2,
    "__Directive.args": 2,
}
"""Approximate lengths of the lists that no argument bounds. An estimate is enough: they are short or held in memory."""

FURTHER_POINTS: Mapping[str, int] = {"Query.users": 500}
"""Points of fields that read many more rows than they return: a search of users compares up to 10,000 names in one pass."""

_BY_ARGUMENT_ABOVE = frozenset({"edges", "results"})
"""Lists whose length is an argument of the field above them: a connection's page, a batch's results."""


FREE_EVENT = 10
"""A subscription event that costs no more points is free, if it needs no read from the database."""
_SCALARS_FOR_A_POINT = 10


@dataclass(frozen=True, slots=True)
class Cost:
    """Points: a fixed part, and a part for each item of the lists whose length depends on the variables."""

    fixed: int = 0
    varying: tuple[tuple[Length, Cost], ...] = ()

    def of(self, variables: Variables) -> int:
        """Return the points of a request with these variables."""
        if not self.varying:
            return self.fixed
        return self.fixed + sum(
            (length if isinstance(length, int) else length(variables)) * cost.of(variables) for length, cost in self.varying
        )

    def times(self, length: Length) -> Cost:
        """Return this cost multiplied by the length of a list."""
        if isinstance(length, int) and not self.varying:
            return Cost(self.fixed * length)
        return Cost(0, ((length, self),))


def total(costs: Iterable[Cost]) -> Cost:
    fixed = 0
    varying: list[tuple[Length, Cost]] = []
    for cost in costs:
        fixed += cost.fixed
        varying += cost.varying
    return Cost(fixed, tuple(varying))


def operation_cost(
    schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], operation: OperationDefinitionNode
) -> Cost:
    """Return the cost of an operation. Its document must be valid and within the size limits."""
    root = schema.get_root_type(operation.operation)
    assert root is not None, "a valid document selects only what the schema has"
    return _Estimate(schema, fragments, operation).of_set(root, operation.selection_set, 1).as_row(0)


class _Selected(NamedTuple):
    """The cost of a selection set, and the number of scalars that it selects from its row."""

    cost: Cost
    scalars: int

    def as_row(self, points: int) -> Cost:
        """Return the cost of one row with this selection: `points`, and those for its number of scalars."""
        return total((Cost(points + self.scalars // _SCALARS_FOR_A_POINT), self.cost))


class _Estimate:
    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], operation: OperationDefinitionNode
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._defaults = {
            variable.variable.name.value: value_from_ast_untyped(variable.default_value)
            for variable in operation.variable_definitions or ()
            if variable.default_value is not None
        }

    def of_set(self, type_: GraphQLCompositeType, selections: SelectionSetNode | None, rows: Length) -> _Selected:
        selected = [self._of_selection(type_, node, rows) for node in (selections.selections if selections else ())]
        return _Selected(total(one.cost for one in selected), sum(one.scalars for one in selected))

    def _of_selection(self, type_: GraphQLCompositeType, node: SelectionNode, rows: Length) -> _Selected:
        if isinstance(node, FragmentSpreadNode):
            return self._of_fragment(type_, self._fragments[node.name.value], rows)
        if isinstance(node, InlineFragmentNode):
            return self._of_fragment(type_, node, rows)
        assert isinstance(node, FieldNode)
        field = self._schema.get_field(type_, node.name.value)
        assert field is not None, "a valid document selects only what the schema has"
        coordinate = f"{type_.name}.{node.name.value}"
        call = Cost(int(is_resolved(field)) + FURTHER_POINTS.get(coordinate, 0))
        inner_type = get_named_type(field.type)
        if is_leaf_type(inner_type):
            return _Selected(call, 1)
        assert is_composite_type(inner_type)
        inner = self.of_set(inner_type, node.selection_set, self._rows_below(node))
        if is_list_type(get_nullable_type(field.type)):
            all_rows = inner.as_row(1).times(self._length(coordinate, node, rows))
            return _Selected(total((call, all_rows)), 0)
        return _Selected(total((call, inner.cost)), inner.scalars)

    def _of_fragment(
        self, type_: GraphQLCompositeType, fragment: FragmentDefinitionNode | InlineFragmentNode, rows: Length
    ) -> _Selected:
        condition = fragment.type_condition
        narrowed = type_ if condition is None else self._schema.get_type(condition.name.value)
        return self.of_set(narrowed, fragment.selection_set, rows)  # type: ignore[arg-type] # of a valid document

    def _length(self, coordinate: str, node: FieldNode, rows: Length) -> Length:
        if node.name.value in _BY_ARGUMENT_ABOVE:
            return rows
        if coordinate == "Query.nodes":
            return self._bounded(node, "ids", (), MAX_NODES)
        return LIST_LENGTHS[coordinate]

    def _rows_below(self, node: FieldNode) -> Length:
        """The length of the list below this field, by the field's arguments."""
        if node.name.value == "transferBatch":
            return self._bounded(node, "input", ("transfers",), MAX_BATCH)
        first, last = self._argument(node, "first"), self._argument(node, "last")
        if callable(first) or callable(last):
            return lambda variables: _page(_value(first, variables), _value(last, variables))
        return _page(first, last)

    def _bounded(self, node: FieldNode, argument: str, path: tuple[str, ...], limit: int) -> Length:
        given = self._argument(node, argument)
        if callable(given):
            return lambda variables: _list_length(given(variables), path, limit)
        return _list_length(given, path, limit)

    def _argument(self, node: FieldNode, name: str) -> Any:
        """An argument's value, or a function from the variables to it."""
        value = next((one.value for one in node.arguments or () if one.name.value == name), None)
        return self._read(value)

    def _read(self, value: ValueNode | None) -> Any:
        if isinstance(value, VariableNode):
            name, default = value.name.value, self._defaults.get(value.name.value)
            return lambda variables: variables.get(name, default)
        if isinstance(value, IntValueNode):
            # int() refuses thousands of digits. Nine are enough: every number above a page's size costs the same.
            return int(value.value[:9])
        if isinstance(value, ListValueNode):
            return value.values
        if isinstance(value, ObjectValueNode):
            members = {member.name.value: self._read(member.value) for member in value.fields}
            if any(callable(member) for member in members.values()):
                return lambda variables: {key: _value(member, variables) for key, member in members.items()}
            return members
        return value


def is_resolved(field: GraphQLField) -> bool:
    """Whether a field has a resolver in this project. Other fields are attributes of a loaded object."""
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return definition is not None and not definition.is_basic_field


def _value(given: Any, variables: Variables) -> Any:
    return given(variables) if callable(given) else given


def _page(first: Any, last: Any) -> int:
    """The number of rows for these arguments. A size that will be refused counts as the largest page."""
    size = last if first is None else first
    if size is None:
        return DEFAULT_PAGE
    return min(size, MAX_PAGE) if isinstance(size, int) and size > 0 else MAX_PAGE


def _list_length(value: Any, path: tuple[str, ...], limit: int) -> int:
    """The length of the list at the path, at most `limit`: longer lists are refused later."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    # GraphQL coerces a single value to a list of one.
    return min(len(value), limit) if isinstance(value, list | tuple) else 1
