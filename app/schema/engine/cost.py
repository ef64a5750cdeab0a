"""What a query may cost: a bound, known before it runs, on the rows it reads and the resolvers it calls.

One point for each field that is resolved by a call, one for each row of a list, and one more for every ten scalars that
are asked of a row; the operation itself counts as a row, without its point. A list counts as long as it can be: a
connection's `first` or `last`, the ids given to `nodes`, the transfers of a batch. Neither @skip nor types that exclude each
other lower it, nor do fields that are asked for twice.
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
    "Transaction.entries": 2,
    "LedgerStatus.totals": 10,
    "LedgerStatus.hotWallets": 10,
    "TransferPayload.userErrors": 1,
    "TransferBatchPayload.userErrors": 1,
    "DepositPayload.userErrors": 1,
    "OpenWalletPayload.userErrors": 1,
    "SetWalletStatusPayload.userErrors": 1,
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
"""How long the lists are that no argument bounds: about so long, since they are short or held in memory."""

_BY_ARGUMENT_ABOVE = frozenset({"edges", "results"})
"""Lists as long as an argument of the field above them says: a connection's page, a batch's results."""


FREE_EVENT = 10
"""An event of a subscription that costs no more draws on no budget, if the database need not be asked for it."""
_SCALARS_FOR_A_POINT = 10


@dataclass(frozen=True, slots=True)
class Cost:
    """Points: some for certain, and some for each item of lists whose length the variables tell."""

    fixed: int = 0
    varying: tuple[tuple[Length, Cost], ...] = ()

    def of(self, variables: Variables) -> int:
        """The points of one request."""
        if not self.varying:
            return self.fixed
        return self.fixed + sum(
            (length if isinstance(length, int) else length(variables)) * cost.of(variables) for length, cost in self.varying
        )

    def times(self, length: Length) -> Cost:
        """So often as a list is long."""
        if isinstance(length, int) and not self.varying:
            return Cost(self.fixed * length)
        return Cost(0, ((length, self),))


def total(costs: Iterable[Cost]) -> Cost:
    """All together."""
    fixed = 0
    varying: list[tuple[Length, Cost]] = []
    for cost in costs:
        fixed += cost.fixed
        varying += cost.varying
    return Cost(fixed, tuple(varying))


def operation_cost(
    schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], operation: OperationDefinitionNode
) -> Cost:
    """The cost of an operation of a valid document whose size is within the limits."""
    root = schema.get_root_type(operation.operation)
    assert root is not None, "valid documents ask for what the schema has"
    return _Estimate(schema, fragments, operation).of_set(root, operation.selection_set, 1).as_row(0)


class _Selected(NamedTuple):
    """What a selection set costs, and how many scalars it asks of the row that it is part of."""

    cost: Cost
    scalars: int

    def as_row(self, points: int) -> Cost:
        """The cost of one row of just this: so many points, and those for its width."""
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
        assert field is not None, "valid documents ask for what the schema has"
        call = Cost(int(is_resolved(field)))
        inner_type = get_named_type(field.type)
        if is_leaf_type(inner_type):
            return _Selected(call, 1)
        assert is_composite_type(inner_type)
        inner = self.of_set(inner_type, node.selection_set, self._rows_below(node))
        if is_list_type(get_nullable_type(field.type)):
            all_rows = inner.as_row(1).times(self._length(f"{type_.name}.{node.name.value}", node, rows))
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
        """How long a list is that takes its length from this field's arguments."""
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
            # Python reads no numbers of thousands of digits; any past a page's size count alike.
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
    """Whether a field calls a resolver of ours; others are read off what is loaded."""
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return definition is not None and not definition.is_basic_field


def _value(given: Any, variables: Variables) -> Any:
    return given(variables) if callable(given) else given


def _page(first: Any, last: Any) -> int:
    """What comes of a page's size. One that will be refused counts as the largest."""
    size = last if first is None else first
    if size is None:
        return DEFAULT_PAGE
    return min(size, MAX_PAGE) if isinstance(size, int) and size > 0 else MAX_PAGE


def _list_length(value: Any, path: tuple[str, ...], limit: int) -> int:
    """The length of the list at the path, up to the limit past which it is refused anyway."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    # A single value stands for a list of one.
    return min(len(value), limit) if isinstance(value, list | tuple) else 1
