"""The leaf of a settled transaction, and what opens its commitments. Pure.

A leaf has in the clear what all parties know. What people wrote, what only the initiator knows, and each entry are commitments:
SHA-256 of a salt and the bytes. A receipt opens those that its holder may see. All bytes come from the database, encoded by
`app/db/log_sql.py`: a kind, then fields, each with its length before it, so no two contents have the same bytes.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

VERSION = b"\x01"
SALT_BYTES = 32
_ABSENT = struct.pack(">i", -1)
_COMMITMENT = struct.pack(">i", sha256().digest_size)
_REQUEST, _ENTRY = b"request", b"entry"
_WALLET_IN_ENTRY = slice(1 + 4 + 2 + 4, 1 + 4 + 2 + 4 + 16)


@dataclass(frozen=True, slots=True)
class Canonical:
    """The canonical bytes of a transaction. `words` is None if nobody wrote any; the entries are in the order of their legs."""

    id: bytes
    head: bytes
    request: bytes
    words: bytes | None
    entries: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Opening:
    """What a commitment is of: `words`, `request` or `entry`."""

    of: str
    salt: bytes
    data: bytes

    def as_json(self) -> dict[str, str]:
        """For the extra line of a receipt."""
        return {"of": self.of, "salt": base64.b64encode(self.salt).decode(), "bytes": base64.b64encode(self.data).decode()}


def leaf(transaction: Canonical, secret: bytes, words_salt: bytes | None) -> bytes:
    """The bytes whose hash is a transaction's leaf.

    `secret` is the log's, from which the salts of request and entries follow. The salt of the words is random, so that they can
    be erased together. `words_salt` None: there are no words.
    """
    parts = [VERSION, transaction.head]
    if words_salt is None and transaction.words is None:
        parts.append(_ABSENT)
    else:
        # Words without a salt were written after the leaf was made, and are no part of it: this is then another leaf.
        parts += (_COMMITMENT, sha256((words_salt or b"") + (transaction.words or b"")).digest())
    salted = secret + transaction.id
    parts += (_COMMITMENT, sha256(sha256(salted + _REQUEST).digest() + transaction.request).digest())
    for leg, entry in enumerate(transaction.entries):
        parts += (_COMMITMENT, sha256(sha256(b"%b%b%d" % (salted, _ENTRY, leg)).digest() + entry).digest())
    return b"".join(parts)


def wallet_of_entry(entry: bytes) -> UUID:
    """The wallet in the bytes of an entry: after its kind comes the leg, then the wallet."""
    return UUID(bytes=entry[_WALLET_IN_ENTRY])


def opened_words(transaction: Canonical, words_salt: bytes | None) -> list[Opening]:
    """What people wrote with a transaction."""
    if words_salt is None or transaction.words is None:
        return []
    return [Opening("words", words_salt, transaction.words)]


def opened_request(transaction: Canonical, secret: bytes) -> Opening:
    """What only the initiator knows."""
    return Opening("request", sha256(secret + transaction.id + _REQUEST).digest(), transaction.request)


def opened_entry(transaction: Canonical, secret: bytes, leg: int) -> Opening:
    """One entry."""
    salt = sha256(b"%b%b%b%d" % (secret, transaction.id, _ENTRY, leg)).digest()
    return Opening("entry", salt, transaction.entries[leg])
