"""Page cursors: a position in a list, bound to that list and its filter.

A cursor holds a version, a short digest of the list's scope, and the position (an id or a sequence) in 16 bytes. It is opaque
to clients. A cursor of another list or filter, or a made-up one, is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import lru_cache
from typing import Final

from app.errors import BadUserInput

_VERSION: Final = b"\x01"
_DIGEST_BYTES: Final = 8
_POSITION_BYTES: Final = 16
_LENGTH: Final = len(_VERSION) + _DIGEST_BYTES + _POSITION_BYTES
_TEXT_LENGTH: Final = -(-_LENGTH * 4 // 3)


def encode_cursor(scope: str, position: int) -> str:
    """Returns the cursor of `position` (a sequence, or an id as an integer) in the list that `scope` names."""
    raw = _VERSION + _digest(scope) + position.to_bytes(_POSITION_BYTES, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_cursor(text: str, scope: str, *, highest: int) -> int:
    """Returns the cursor's position, at most `highest`. Raises BadUserInput if it is not a cursor of this list.

    The digest distinguishes the lists. It is not a signature: clients can forge a position, so the caller must not trust it.
    """
    position = _position(text)
    # Each cursor has one valid text. Comparing with a fresh encoding also checks the version and the scope.
    if position is None or position > highest or encode_cursor(scope, position) != text:
        raise BadUserInput("This cursor does not belong to this list.")
    return position


def _position(text: str) -> int | None:
    if len(text) != _TEXT_LENGTH or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    return int.from_bytes(raw[-_POSITION_BYTES:], "big")


@lru_cache(maxsize=256)
def _digest(scope: str) -> bytes:
    return hashlib.blake2b(scope.encode("utf-8"), digest_size=_DIGEST_BYTES).digest()
