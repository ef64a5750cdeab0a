"""Size limits of a document, checked in one walk before the standard rules, some of which take quadratic time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from app.schema.engine.error_handling import TOO_COMPLEX

MAX_ALIASES = 100
MAX_DIRECTIVES = 50
MAX_FIELDS = 2000
"""Fields and fragment spreads in a document. A fragment's fields count for each spread."""
MAX_ROOT_FIELDS = 100
MAX_INTROSPECTION_DEPTH = 20
"""Levels below `__schema` and `__type`, and these."""

_INTROSPECTION = ("__schema", "__type")


class _Size(NamedTuple):
    """The size of a selection set. A fragment counts each time it is spread."""

    depth: int = 0
    introspection_depth: int = 0
    fields: int = 0
    root_fields: int = 0


_EMPTY = _Size()


def excess(document: DocumentNode, max_depth: int) -> GraphQLError | None:
    """Return the error for the first limit that a document exceeds, or None. Takes linear time in the text's length.

    Raises RecursionError for hundreds of fragments that are nested in each other.
    """
    measure = _Measure(document)
    sizes = [measure.of_set(operation.selection_set) for operation in _operations(document)]
    # Unused fragments count too: the standard rules visit their directives and aliases.
    for name in measure.fragments:
        measure.of_fragment(name)
    return next(_problems(measure, sizes, max_depth), None)


def count_fields(document: DocumentNode, operation: OperationDefinitionNode) -> int:
    """The number of fields and fragment spreads of an operation. A fragment's fields count for each spread."""
    return _Measure(document).of_set(operation.selection_set).fields


def _problems(measure: _Measure, sizes: list[_Size], max_depth: int) -> Iterator[GraphQLError]:
    measured = (
        ("aliases", measure.aliases, MAX_ALIASES),
        ("directives", measure.directives, MAX_DIRECTIVES),
        ("fields and spreads, counted where its fragments are spread,", sum(size.fields for size in sizes), MAX_FIELDS),
        ("fields at the root of an operation", max((s.root_fields for s in sizes), default=0), MAX_ROOT_FIELDS),
        ("levels", max((size.depth for size in sizes), default=0), max_depth),
        ("levels of introspection", max((s.introspection_depth for s in sizes), default=0), MAX_INTROSPECTION_DEPTH),
    )
    for what, found, limit in measured:
        if found > limit:
            yield GraphQLError(f"The document has more than {limit} {what}.", extensions={"code": TOO_COMPLEX})


def _operations(document: DocumentNode) -> Iterator[OperationDefinitionNode]:
    return (one for one in document.definitions if isinstance(one, OperationDefinitionNode))


class _Measure:
    """Walks each selection set once and caches each fragment's size."""

    def __init__(self, document: DocumentNode) -> None:
        self.fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
        self.aliases = 0
        self.directives = sum(len(one.directives or ()) for one in document.definitions if hasattr(one, "directives"))
        for operation in _operations(document):
            self.directives += sum(len(variable.directives or ()) for variable in operation.variable_definitions or ())
        self._sizes: dict[str, _Size] = {}

    def of_set(self, selections: SelectionSetNode | None) -> _Size:
        depth = introspection_depth = fields = root_fields = 0
        for node in selections.selections if selections else ():
            size = self._of_selection(node)
            depth = max(depth, size.depth)
            introspection_depth = max(introspection_depth, size.introspection_depth)
            fields += size.fields
            root_fields += size.root_fields
        return _Size(depth, introspection_depth, fields, root_fields)

    def of_fragment(self, name: str) -> _Size:
        if name not in self._sizes:
            # The standard rules report cycles and unknown fragments.
            self._sizes[name] = _EMPTY
            fragment = self.fragments.get(name)
            self._sizes[name] = self.of_set(fragment.selection_set if fragment else None)
        return self._sizes[name]

    def _of_selection(self, node: SelectionNode) -> _Size:
        self.directives += len(node.directives or ())
        if isinstance(node, FragmentSpreadNode):
            # Expanding a spread takes time as well.
            inner = self.of_fragment(node.name.value)
            return inner._replace(fields=1 + inner.fields)
        assert hasattr(node, "selection_set")
        inner = self.of_set(node.selection_set)
        if not isinstance(node, FieldNode):
            return inner
        self.aliases += node.alias is not None
        name = node.name.value
        if name in _INTROSPECTION:
            # Tools write the introspection query, and it is deep. It has its own limit.
            return _Size(0, 1 + inner.depth, 1 + inner.fields, 1)
        return _Size(0 if name.startswith("__") else 1 + inner.depth, inner.introspection_depth, 1 + inner.fields, 1)
