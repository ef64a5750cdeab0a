"""Encryption of secrets that are stored in the database (AES-256-GCM), with a key from the settings.

A sealed value names the key that sealed it, so the key can be replaced: new values are sealed with the first of the keys, and
the others still open older ones. A value is bound to the row that it belongs to, so a copy in another row does not open.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FORMAT = b"\x01"
_NAME_BYTES = 4
_NONCE_BYTES = 12
_HEAD = len(_FORMAT) + _NAME_BYTES + _NONCE_BYTES


class CannotOpen(Exception):
    """The value was sealed with a key that is not among these, or for another row, or it was changed."""


class Seal:
    """Seals and opens with the keys of the settings. Never logged: the representation hides them."""

    def __init__(self, keys: Sequence[str]) -> None:
        assert keys
        derived = [hashlib.sha256(b"paycore webhooks\x00" + key.encode()).digest() for key in keys]
        self._first = _name_of(derived[0])
        self._ciphers = {_name_of(key): AESGCM(key) for key in reversed(derived)}

    def seal(self, value: bytes, row: UUID) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _FORMAT + self._first + nonce + self._ciphers[self._first].encrypt(nonce, value, row.bytes)

    def open(self, sealed: bytes, row: UUID) -> bytes:
        """Return the value. Raises CannotOpen."""
        name, nonce = sealed[len(_FORMAT) : len(_FORMAT) + _NAME_BYTES], sealed[_HEAD - _NONCE_BYTES : _HEAD]
        cipher = self._ciphers.get(name)
        if sealed[: len(_FORMAT)] != _FORMAT or cipher is None:
            raise CannotOpen("PAYCORE_WEBHOOK_KEYS lacks the key of this secret")
        try:
            return cipher.decrypt(nonce, sealed[_HEAD:], row.bytes)
        except InvalidTag:
            raise CannotOpen("this secret was changed, or belongs to another row") from None


def _name_of(key: bytes) -> bytes:
    """A few bytes by which a key is found again. They say nothing about it."""
    return hashlib.sha256(b"name\x00" + key).digest()[:_NAME_BYTES]
