"""Decides whether the events of a subscription can be answered without reading from the database."""

from __future__ import annotations

from graphql import (
    FieldNode,
    GraphQLCompositeType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_composite_type,
)

from app.schema.engine.cost import is_resolved
from app.schema.selections import Fragments, fragment_of, selects_only_id

_ID_IS_KNOWN = frozenset({"LedgerEntry.transaction", "Wallet.owner"})
"""Fields whose parent object has the id of the child, so `id` alone needs no read."""
_IN_THE_EVENT = frozenset({"LedgerEntry.wallet"})
"""Fields whose object is part of the event: an update's entry belongs to the update's wallet."""
_ALWAYS_READ = frozenset({"Subscription.transactionSettled"})
"""Fields that always need a read: this event has only the transaction's id, and the database knows who may see it."""


def events_are_read(schema: GraphQLSchema, fragments: Fragments, operation: OperationDefinitionNode) -> bool:
    """Whether each event of this subscription needs a read from the database. The document must be valid."""
    root = schema.get_root_type(operation.operation)
    assert root is not None, "a valid document selects only what the schema has"
    return _is_read(schema, fragments, root, operation.selection_set)


def _is_read(
    schema: GraphQLSchema, fragments: Fragments, type_: GraphQLCompositeType, selections: SelectionSetNode | None
) -> bool:
    for node in selections.selections if selections else ():
        if not isinstance(node, FieldNode):
            inner = fragment_of(node, fragments)
            condition = inner.type_condition
            narrowed = type_ if condition is None else schema.get_type(condition.name.value)
            if _is_read(schema, fragments, narrowed, inner.selection_set):  # type: ignore[arg-type] # of a valid document
                return True
            continue
        coordinate = f"{type_.name}.{node.name.value}"
        field = schema.get_field(type_, node.name.value)
        assert field is not None, "a valid document selects only what the schema has"
        is_known = coordinate in _IN_THE_EVENT or (coordinate in _ID_IS_KNOWN and selects_only_id(node.selection_set, fragments))
        calls = is_resolved(field) and type_ is not schema.subscription_type
        if coordinate in _ALWAYS_READ or (calls and not is_known):
            return True
        inner_type = get_named_type(field.type)
        if is_composite_type(inner_type) and _is_read(schema, fragments, inner_type, node.selection_set):
            return True
    return False
