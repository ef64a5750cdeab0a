"""Page cursors: a position in one list, bound to that list and its filter.

Opaque to clients: version, a short digest of the list's scope, and the position (an id or a sequence) in 16 bytes.
A cursor of another list, of another filter, or of no list at all is refused.
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


def decode_cursor(text: str, scope: str, *, highest: int) -> int:
    """The position, at most `highest`, that a cursor stands for. Raises BadUserInput unless it is one of this very list.

    The digest keeps lists apart; it is no signature, so a position is never trusted to be one that was handed out.
    """
    position = _position(text)
    # One text for each cursor: what does not encode back to itself was not made here. That checks version and scope, too.
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


def _digest(scope: str) -> bytes:
    return hashlib.blake2b(scope.encode("utf-8"), digest_size=_DIGEST_BYTES).digest()
