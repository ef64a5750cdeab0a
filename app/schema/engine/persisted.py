"""Persisted operations: a list of documents by the SHA-256 of their text, and whether other documents may run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from graphql import (
    REMOVE,
    DefinitionNode,
    DocumentNode,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    Visitor,
    VisitorAction,
    parse,
    print_ast,
    visit,
)

from app.errors import BadUserInput, ConfigurationError, OperationNotAllowed, PersistedQueryNotFound, PersistedQueryNotSupported
from app.settings import Settings

_LONGEST_NAME = 64
_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.ASCII)


class PersistedOperations:
    """The persisted operations, and the mode: `off`, `allow` (other documents may run too) or `only` (none may)."""

    def __init__(self, settings: Settings) -> None:
        self._is_off = settings.persisted_operations == "off"
        self.is_locked = settings.persisted_operations == "only"
        self.texts: Mapping[str, str] = {} if self._is_off else _load(settings)
        documents = [parse(text) for text in self.texts.values()]
        self.names = frozenset(metric_name(node) for document in documents for node in operations_of(document))
        """The listed operations' names in metrics."""
        self._canonical = set(map(canonical, documents)) if self.is_locked else set()

    def text_of(self, request: Mapping[str, Any]) -> str | None:
        """The text of a request's document, given itself or by hash: `documentId` or `extensions.persistedQuery.sha256Hash`.

        Raises PersistedQueryNotFound, PersistedQueryNotSupported, or BadUserInput for a malformed or wrong hash.
        """
        text: str | None = request.get("query")
        given = _hash_of(request)
        if given is None:
            return text
        match = _HASH.fullmatch(given) if isinstance(given, str) else None
        if match is None:
            raise BadUserInput("The id of a persisted operation is the SHA-256 of its text: 64 hexadecimal digits.")
        if text:
            if sha256(text) != match[1]:
                raise BadUserInput("The hash does not match the query.")
            return text
        if self._is_off:
            raise PersistedQueryNotSupported
        if match[1] not in self.texts:
            raise PersistedQueryNotFound
        return self.texts[match[1]]

    def check(self, document: DocumentNode) -> None:
        """Raises OperationNotAllowed if only listed operations may run and this document is not listed.

        The layout may differ from the listed text, and `__typename` may be selected anywhere: client libraries add it.
        """
        if self.is_locked and canonical(document) not in self._canonical:
            raise OperationNotAllowed


def operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    """The operations of a document, in its order."""
    return [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]


def metric_name(operation: OperationDefinitionNode) -> str:
    """The name of an operation in metrics and traces."""
    return operation.name.value[:_LONGEST_NAME] if operation.name else "anonymous"


def sha256(text: str) -> str:
    """The id of a document in the list."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def canonical(document: DocumentNode) -> str:
    """Normalise a document: without layout and `__typename`, definitions ordered by kind and name."""
    stripped: DocumentNode = visit(document, _WithoutTypenames())
    return "\n".join(print_ast(definition) for definition in sorted(stripped.definitions, key=_order))


def _order(definition: DefinitionNode) -> tuple[bool, str]:
    name = getattr(definition, "name", None)
    return not isinstance(definition, OperationDefinitionNode), name.value if name else ""


class _WithoutTypenames(Visitor):
    def enter_field(self, node: FieldNode, *_: Any) -> VisitorAction:
        is_plain = node.name.value == "__typename" and node.alias is None and not node.directives
        return REMOVE if is_plain else None


def _hash_of(request: Mapping[str, Any]) -> Any:
    if request.get("documentId") is not None:
        return request["documentId"]
    extension = (request.get("extensions") or {}).get("persistedQuery")
    if extension is None:
        return None
    return extension.get("sha256Hash", "") if isinstance(extension, dict) else ""


def _load(settings: Settings) -> dict[str, str]:
    """The file's documents by hash. Raises ConfigurationError, whose message never quotes the file."""
    path = settings.persisted_operations_file
    assert path is not None, "the settings require it"
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"PAYCORE_PERSISTED_OPERATIONS_FILE cannot be read: {error.strerror}: {path}") from None
    except ValueError:
        raise ConfigurationError(f"PAYCORE_PERSISTED_OPERATIONS_FILE is not JSON in UTF-8: {path}") from None
    if not isinstance(listed, dict) or not all(isinstance(text, str) for text in listed.values()):
        raise ConfigurationError(f"PAYCORE_PERSISTED_OPERATIONS_FILE must be an object of documents by their SHA-256: {path}")
    for digest, text in listed.items():
        _check(digest, text)
    return {sha256(text): text for text in listed.values()}


def _check(digest: str, text: str) -> None:
    # GraphQL Code Generator writes the prefix, the Relay compiler does not.
    if sha256(text) != digest.removeprefix("sha256:"):
        raise ConfigurationError(f"PAYCORE_PERSISTED_OPERATIONS_FILE: {digest} is not the SHA-256 of its document.")
    try:
        parse(text)
    except (GraphQLError, RecursionError):
        raise ConfigurationError(f"PAYCORE_PERSISTED_OPERATIONS_FILE: {digest} is not a GraphQL document.") from None
