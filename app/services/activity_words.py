"""The words under which an entry is found, and the search for them. Both come from the same function.

Every word begins with a part of the owner's id: an index of words then finds those of one user alone. The names of others are
not among the words, because they change: an entry has the id of the other side, and a search first finds whose names it means.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from uuid import UUID

MAX_WORDS = 8
"""Words of a search."""
MAX_QUERY = 200
"""Characters of a search."""
_MAX_LETTERS = 64
"""A longer word is cut. PostgreSQL refuses one of 2 kB, and some characters become up to 18 letters."""
_MAX_TEXT_WORDS = 256
_WORD = re.compile(r"[^\W_]+")
_SYSTEM = "paycore"


def words_of(text: str) -> list[str]:
    """Returns the words of a text, in order: without accents and case, split where there is neither a letter nor a digit."""
    if text.isascii():
        letters = text.lower()
    else:
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        letters = "".join(character for character in plain if not unicodedata.combining(character))
    return list(dict.fromkeys(word[:_MAX_LETTERS] for word in _WORD.findall(letters)))[:_MAX_TEXT_WORDS]


@lru_cache(maxsize=20_000)
def words_of_name(name: str) -> tuple[str, ...]:
    """Returns the words of a name. The same names are looked at in each search of a user."""
    return tuple(words_of(name))


def document(texts: Iterable[str | None], metadata: Mapping[str, str] | None) -> list[str]:
    """Returns the words of a transaction, the same for all of its entries."""
    found = [word for text in texts if text for word in words_of(text)]
    return found + [_pair(key, value) for key, value in (metadata or {}).items()]


def lexemes(owner_id: UUID, party_id: UUID | None, words: Iterable[str], *, is_with_system: bool) -> str:
    """Returns the words of an owner's entry, separated by spaces: those of the transaction, and who is on the other side."""
    scope = _scope(owner_id)
    found = [scope + word for word in words]
    if is_with_system:
        found.append(f"{scope}@{_SYSTEM}")
    elif party_id is not None:
        found.append(scope + _party(party_id))
    return " ".join(found)


def search(owner_id: UUID, words: Sequence[tuple[str, Iterable[UUID]]], metadata: Iterable[tuple[str, str]]) -> str | None:
    """Returns the search as a `tsquery`: each word begins a word of the entry or the name of one of these users.

    Each pair of metadata must be exactly that of the transaction. None if there is nothing to search for.
    """
    scope = _scope(owner_id)
    parts = []
    for word, party_ids in words:
        choices = [f"'{scope}{word}':*", *(f"'{scope}{_party(party_id)}'" for party_id in party_ids)]
        if _SYSTEM.startswith(word):
            choices.append(f"'{scope}@{_SYSTEM}'")
        parts.append(f"({' | '.join(choices)})")
    parts += [f"'{scope}{_pair(key, value)}'" for key, value in metadata]
    return " & ".join(parts) or None


def _scope(owner_id: UUID) -> str:
    """The random end of the owner's id. Two owners who share it are told apart by the table's column."""
    return owner_id.hex[-8:]


def _party(user_id: UUID) -> str:
    return f"@{user_id.hex[-12:]}"


def _pair(key: str, value: str) -> str:
    """A digest: it has no characters that mean anything to PostgreSQL, and one length."""
    return "#" + hashlib.blake2b(f"{key}\0{value}".encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()
