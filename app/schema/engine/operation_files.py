"""Finds the operations of a front end, in .graphql files and in template strings of TypeScript and JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

from app.errors import ConfigurationError

_GRAPHQL = {".graphql", ".gql"}
_SCRIPTS = {".ts", ".tsx", ".js", ".jsx", ".mts", ".mjs"}
_TAGGED = re.compile(r"(?:\b(?:graphql|gql)\s*\(?|/\*\s*GraphQL\s*\*/)\s*`([^`]*)`")
"""graphql(`…`), gql`…` and /* GraphQL */ `…`."""


def operations_in(folder: Path) -> list[str]:
    """Return each operation below a folder as its own document, with the fragments that it needs, ordered by name.

    Fragments are found by name in any file. Raises ConfigurationError for invalid GraphQL, an operation without a name, a
    duplicate name, and a missing fragment.
    """
    operations: dict[str, OperationDefinitionNode] = {}
    fragments: dict[str, FragmentDefinitionNode] = {}
    for path, text in _documents(folder):
        for definition in _parse(path, text).definitions:
            if isinstance(definition, FragmentDefinitionNode):
                _add(fragments, definition.name.value, definition, path)
            elif isinstance(definition, OperationDefinitionNode):
                _add(operations, definition.name.value if definition.name else "", definition, path)
    return [_complete(operations[name], fragments) for name in sorted(operations)]


def _documents(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*")):
        if "node_modules" in path.parts or not path.is_file():
            continue
        if path.suffix in _GRAPHQL:
            yield path, path.read_text(encoding="utf-8")
        elif path.suffix in _SCRIPTS:
            for text in _TAGGED.findall(path.read_text(encoding="utf-8")):
                yield path, text


def _parse(path: Path, text: str) -> DocumentNode:
    if "${" in text:
        raise ConfigurationError(f"{path}: an operation must not be built at run time: spread fragments by name.")
    try:
        return parse(text, no_location=True)
    except GraphQLError as error:
        raise ConfigurationError(f"{path}: {error.message}") from None


def _add(
    known: dict[str, FragmentDefinitionNode] | dict[str, OperationDefinitionNode], name: str, node: object, path: Path
) -> None:
    if not name:
        raise ConfigurationError(f"{path}: every operation needs a name.")
    if known.setdefault(name, node) != node:  # type: ignore[arg-type] # each dictionary gets its own kind
        raise ConfigurationError(f"{path}: two operations or fragments have the name {name}.")


def _complete(operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]) -> str:
    needed: dict[str, FragmentDefinitionNode] = {}
    waiting = _spreads(operation)
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        if name not in fragments:
            raise ConfigurationError(f"There is no fragment {name}.")
        needed[name] = fragments[name]
        waiting |= _spreads(fragments[name])
    return "\n\n".join([print_ast(operation), *(print_ast(needed[name]) for name in sorted(needed))])


def _spreads(node: OperationDefinitionNode | FragmentDefinitionNode) -> set[str]:
    found = _Spreads()
    visit(node, found)
    return found.names


class _Spreads(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        self.names.add(node.name.value)
