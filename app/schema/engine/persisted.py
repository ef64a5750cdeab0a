"""Persisted operations: a list of documents, known by the SHA-256 of their text, and whether others may run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
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
    """The list of one process, and the mode: `off`, `allow` (the list and anything else) or `only` (nothing else)."""

    def __init__(self, settings: Settings) -> None:
        self._is_off = settings.persisted_operations == "off"
        self.is_locked = settings.persisted_operations == "only"
        self.texts: Mapping[str, str] = {} if self._is_off else _load(settings)
        documents = [parse(text) for text in self.texts.values()]
        self.names = frozenset(counted_name(node) for document in documents for node in operations_of(document))
        """What the listed operations are counted as."""
        self._canonical = set(map(canonical, documents)) if self.is_locked else set()

    def text_of(self, asked: Mapping[str, Any]) -> str | None:
        """The document asked for: by its text, or by its hash, as `documentId` or `extensions.persistedQuery.sha256Hash`.

        Raises PersistedQueryNotFound, PersistedQueryNotSupported, or BadUserInput for what is no hash, or not the text's.
        """
        text: str | None = asked.get("query")
        given = _hash_of(asked)
        if given is None:
            return text
        match = _HASH.fullmatch(given) if isinstance(given, str) else None
        if match is None:
            raise BadUserInput("A persisted operation is named by the SHA-256 of its text: 64 hexadecimal digits.")
        if text:
            if sha256(text) != match[1]:
                raise BadUserInput("The given hash is not that of the given query.")
            return text
        if self._is_off:
            raise PersistedQueryNotSupported
        if match[1] not in self.texts:
            raise PersistedQueryNotFound
        return self.texts[match[1]]

    def check(self, document: DocumentNode) -> None:
        """Raises OperationNotAllowed where only listed operations may run, and this is none of them.

        A listed one may be laid out as its client likes, and ask for `__typename` anywhere: client libraries do.
        """
        if self.is_locked and canonical(document) not in self._canonical:
            raise OperationNotAllowed


def operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    """The operations of a document, in its order."""
    return [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]


def counted_name(operation: OperationDefinitionNode) -> str:
    """The name that an operation is counted under."""
    return operation.name.value[:_LONGEST_NAME] if operation.name else "anonymous"


def sha256(text: str) -> str:
    """The name of a document."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def canonical(document: DocumentNode) -> str:
    """One text for all documents that ask for the same, but for `__typename`. Definitions are ordered by kind and name."""
    stripped: DocumentNode = visit(document, _WithoutTypenames())
    return "\n".join(print_ast(definition) for definition in sorted(stripped.definitions, key=_order))


def _order(definition: DefinitionNode) -> tuple[bool, str]:
    name = getattr(definition, "name", None)
    return not isinstance(definition, OperationDefinitionNode), name.value if name else ""


class _WithoutTypenames(Visitor):
    def enter_field(self, node: FieldNode, *_: Any) -> VisitorAction:
        is_plain = node.name.value == "__typename" and node.alias is None and not node.directives
        return REMOVE if is_plain else None


def _hash_of(asked: Mapping[str, Any]) -> Any:
    if asked.get("documentId") is not None:
        return asked["documentId"]
    extension = (asked.get("extensions") or {}).get("persistedQuery")
    if extension is None:
        return None
    return extension.get("sha256Hash", "") if isinstance(extension, dict) else ""


def _load(settings: Settings) -> dict[str, str]:
    """The file's documents by hash. Raises ConfigurationError, which never quotes it."""
    path = settings.persisted_operations_file
    assert path is not None, "the settings see to it"
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
    return listed


def _check(digest: str, text: str) -> None:
    if sha256(text) != digest:
        raise ConfigurationError(f"PAYCORE_PERSISTED_OPERATIONS_FILE: {digest} is not the SHA-256 of its document.")
    try:
        parse(text)
    except (GraphQLError, RecursionError):
        raise ConfigurationError(f"PAYCORE_PERSISTED_OPERATIONS_FILE: {digest} is not a GraphQL document.") from None


def manifest(documents: Iterable[str]) -> str:
    """The file for a list of documents, ordered by hash."""
    return json.dumps(dict(sorted((sha256(text), text) for text in documents)), indent=2, ensure_ascii=False) + "\n"
