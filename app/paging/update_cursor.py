"""The cursor of walletUpdated: a subscriber's position in a wallet's entries. Opaque to clients.

Format: base64url without padding of 27 bytes: version, sequence (8, big-endian), the wallet's id (16), CRC-16 of all of it. The
checksum catches typos. It is not a signature: a cursor gives no access, and the wallet's visibility is checked as usual.
"""

from __future__ import annotations

import base64
import binascii
import struct
from uuid import UUID

from app.errors import BadUserInput

_FORMAT = struct.Struct(">Bq16sH")
_VERSION = 1
_TEXT_LENGTH = 36
assert _FORMAT.size * 4 == _TEXT_LENGTH * 3, "whole base64 groups: no padding, so each cursor has one text"


def encode_update_cursor(wallet_id: UUID, sequence: int) -> str:
    """Returns the cursor after the wallet's entry `sequence`; 0 is before the first entry."""
    assert sequence >= 0
    body = _FORMAT.pack(_VERSION, sequence, wallet_id.bytes, 0)[:-2]
    packed = _FORMAT.pack(_VERSION, sequence, wallet_id.bytes, binascii.crc_hqx(body, 0))
    return base64.urlsafe_b64encode(packed).decode("ascii")


def decode_update_cursor(text: str, wallet_id: UUID) -> int:
    """Returns the sequence after which to resume. Raises BadUserInput if `text` is not an update cursor of this wallet."""
    found = read_update_cursor(text)
    if found is None or found[0] != wallet_id:
        raise BadUserInput("This is not a cursor of this wallet's updates.")
    return found[1]


def read_update_cursor(text: str) -> tuple[UUID, int] | None:
    """Returns the wallet's id and the sequence of an update cursor, or None if it is none."""
    if len(text) != _TEXT_LENGTH or not text.isascii():
        return None
    try:
        packed = base64.b64decode(text, altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    if len(packed) != _FORMAT.size:
        return None
    _, sequence, wallet_bytes, _ = _FORMAT.unpack(packed)
    wallet_id = UUID(bytes=wallet_bytes)
    # Comparing with a fresh encoding checks the version and the checksum at once.
    return (wallet_id, sequence) if sequence >= 0 and encode_update_cursor(wallet_id, sequence) == text else None
