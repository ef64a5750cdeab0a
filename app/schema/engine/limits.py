"""How large a document may be: measured in one walk, before the standard rules, some of which grow with its square."""

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
from app.settings import Settings

_INTROSPECTION = ("__schema", "__type")


class _Size(NamedTuple):
    """The size of a selection set, fragments counted wherever they are spread."""

    depth: int = 0
    introspection_depth: int = 0
    fields: int = 0
    root_fields: int = 0


_EMPTY = _Size()


def excess(document: DocumentNode, settings: Settings) -> GraphQLError | None:
    """Which limit a document is past, if any. Linear in its text, however its fragments multiply.

    Raises RecursionError for fragments that are spread in one another by the hundreds.
    """
    measure = _Measure(document)
    sizes = [measure.of_set(operation.selection_set) for operation in _operations(document)]
    # Also of fragments that no operation spreads: their directives and aliases are there to be looked at.
    for name in measure.fragments:
        measure.of_fragment(name)
    return next(_problems(measure, sizes, settings), None)


def _problems(measure: _Measure, sizes: list[_Size], settings: Settings) -> Iterator[GraphQLError]:
    measured = (
        ("aliases", measure.aliases, settings.max_query_aliases),
        ("directives", measure.directives, settings.max_query_directives),
        (
            "fields and spreads, counted where its fragments are spread,",
            sum(size.fields for size in sizes),
            settings.max_query_fields,
        ),
        ("fields at the root of an operation", max((s.root_fields for s in sizes), default=0), settings.max_query_root_fields),
        ("levels", max((size.depth for size in sizes), default=0), settings.max_query_depth),
        ("levels of introspection", max((s.introspection_depth for s in sizes), default=0), settings.max_introspection_depth),
    )
    for what, found, limit in measured:
        if found > limit:
            yield GraphQLError(f"The document has more than {limit} {what}.", extensions={"code": TOO_COMPLEX})


def _operations(document: DocumentNode) -> Iterator[OperationDefinitionNode]:
    return (one for one in document.definitions if isinstance(one, OperationDefinitionNode))


class _Measure:
    """Walks each selection set once and remembers each fragment's size."""

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
            # A cycle and an unknown fragment are for the standard rules to report.
            self._sizes[name] = _EMPTY
            fragment = self.fragments.get(name)
            self._sizes[name] = self.of_set(fragment.selection_set if fragment else None)
        return self._sizes[name]

    def _of_selection(self, node: SelectionNode) -> _Size:
        self.directives += len(node.directives or ())
        if isinstance(node, FragmentSpreadNode):
            # A spread is work, too, for each operation that comes by it.
            inner = self.of_fragment(node.name.value)
            return inner._replace(fields=1 + inner.fields)
        assert hasattr(node, "selection_set")
        inner = self.of_set(node.selection_set)
        if not isinstance(node, FieldNode):
            return inner
        self.aliases += node.alias is not None
        name = node.name.value
        if name in _INTROSPECTION:
            # Its shape is the tools', not the user's: it has a limit of its own.
            return _Size(0, 1 + inner.depth, 1 + inner.fields, 1)
        return _Size(0 if name.startswith("__") else 1 + inner.depth, inner.introspection_depth, 1 + inner.fields, 1)
