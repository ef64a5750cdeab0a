"""Questions about the selection of a field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode

from app.schema.context import Info

_OF_ANY = frozenset({"id", "__typename"})

Fragments = Mapping[str, FragmentDefinitionNode]


def field_selects_only_id(info: Info) -> bool:
    """Whether the current field's selection needs only the object's id."""
    raw = info._raw_info  # noqa: SLF001 - its `selected_fields` would convert the whole selection
    return all(selects_only_id(node.selection_set, raw.fragments) for node in raw.field_nodes)


def field_selects_only(info: Info, names: frozenset[str]) -> bool:
    """Whether the current field's object needs only fields with these names, besides its id."""
    raw = info._raw_info  # noqa: SLF001 - see above
    return all(_selects_only(node.selection_set, raw.fragments, names | _OF_ANY) for node in raw.field_nodes)


def field_selects(info: Info, names: frozenset[str]) -> bool:
    """Whether a field with one of these names is selected anywhere below the current field."""
    return any(True for _ in _fields_below(info, names))


def field_selects_more_than_ids(info: Info, names: frozenset[str]) -> bool:
    """Whether a field with one of these names, anywhere below the current field, needs more than its object's id."""
    fragments = info._raw_info.fragments  # noqa: SLF001 - see above
    return any(not selects_only_id(node.selection_set, fragments) for node in _fields_below(info, names))


def only_child(info: Info, name: str) -> FieldNode | None:
    """The field with this name directly below the current field, if it is selected once and under no condition."""
    raw = info._raw_info  # noqa: SLF001 - see above
    found = [node for parent in raw.field_nodes for node in _children(parent.selection_set, raw.fragments, name)]
    return found[0] if len(found) == 1 else None


def selects(node: FieldNode, info: Info, names: frozenset[str]) -> bool:
    """Whether a field with one of these names is selected anywhere below this field, which is below the current one."""
    return any(True for _ in _fields_of(node.selection_set, info._raw_info.fragments, names))  # noqa: SLF001 - see above


def is_only_root_field(info: Info) -> bool:
    """Whether the operation selects nothing beside the current field, which is one of its root fields."""
    selections = info._raw_info.operation.selection_set.selections  # noqa: SLF001 - see above
    return len(selections) == 1 and isinstance(selections[0], FieldNode)


def _children(selections: SelectionSetNode | None, fragments: Fragments, name: str) -> Iterator[FieldNode | None]:
    """The fields with this name, None for each that has a condition."""
    for node in selections.selections if selections else ():
        if isinstance(node, FieldNode):
            if node.name.value == name:
                yield None if node.directives else node
        else:
            for one in _children(fragment_of(node, fragments).selection_set, fragments, name):
                yield None if node.directives else one


def _fields_below(info: Info, names: frozenset[str]) -> Iterator[FieldNode]:
    raw = info._raw_info  # noqa: SLF001 - see above
    for node in raw.field_nodes:
        yield from _fields_of(node.selection_set, raw.fragments, names)


def _fields_of(selections: SelectionSetNode | None, fragments: Fragments, names: frozenset[str]) -> Iterator[FieldNode]:
    for node in selections.selections if selections else ():
        if isinstance(node, FieldNode):
            if node.name.value in names:
                yield node
            yield from _fields_of(node.selection_set, fragments, names)
        else:
            yield from _fields_of(fragment_of(node, fragments).selection_set, fragments, names)


def selects_only_id(selections: SelectionSetNode | None, fragments: Fragments) -> bool:
    """Whether only the id is selected, fragments included. The document must be valid, so that its fragments form no cycle."""
    return _selects_only(selections, fragments, _OF_ANY)


def _selects_only(selections: SelectionSetNode | None, fragments: Fragments, names: frozenset[str]) -> bool:
    for node in selections.selections if selections else ():
        if isinstance(node, FieldNode):
            if node.name.value not in names:
                return False
        elif not _selects_only(fragment_of(node, fragments).selection_set, fragments, names):
            return False
    return True


def fragment_of(node: object, fragments: Fragments) -> FragmentDefinitionNode | InlineFragmentNode:
    """Return the fragment of an inline fragment or a spread."""
    if isinstance(node, FragmentSpreadNode):
        return fragments[node.name.value]
    assert isinstance(node, InlineFragmentNode)
    return node
