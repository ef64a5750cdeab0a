"""Page cursors: a position in one list, bound to that list and its filter.

Opaque to clients: version, a short digest of the list's scope, and the position (an id or a sequence) in 16 bytes.
A cursor of another list, of another filter, or made by hand is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from app.errors import BadUserInput

_VERSION: Final = b"\x01"
_DIGEST_BYTES: Final = 8
_POSITION_BYTES: Final = 16
_LENGTH: Final = len(_VERSION) + _DIGEST_BYTES + _POSITION_BYTES
_TEXT_LENGTH: Final = -(-_LENGTH * 4 // 3)


def encode_cursor(scope: str, position: int) -> str:
    """The cursor of a position (a sequence, or an id as an integer) in the list that `scope` names."""
    raw = _VERSION + _digest(scope) + position.to_bytes(_POSITION_BYTES, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_cursor(text: str, scope: str) -> int:
    """The position that a cursor stands for. Raises BadUserInput unless this very list made it."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raw = b""
    position = int.from_bytes(raw[-_POSITION_BYTES:], "big") if len(raw) == _LENGTH else -1
    # One text for each cursor: what does not encode back to itself was not made here.
    if position < 0 or len(text) != _TEXT_LENGTH or encode_cursor(scope, position) != text:
        raise BadUserInput("This cursor does not belong to this list.")
    return position


def _digest(scope: str) -> bytes:
    return hashlib.blake2b(scope.encode("utf-8"), digest_size=_DIGEST_BYTES).digest()
