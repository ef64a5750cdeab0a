"""The cursor of walletUpdated: where a subscriber stands in one wallet's entries. Opaque to clients.

base64url, without padding, of 27 bytes: version, sequence (8, big-endian), the wallet's id (16), CRC-16 of it all. The
checksum is for typos, not for secrets: a cursor opens nothing that its bearer may not read anyway.
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
assert _FORMAT.size * 4 == _TEXT_LENGTH * 3, "a whole number of base64 groups: no padding, one text per cursor"


def encode_update_cursor(wallet_id: UUID, sequence: int) -> str:
    """The cursor of one who has seen the wallet's entries up to and with `sequence` (0: none)."""
    assert sequence >= 0
    body = _FORMAT.pack(_VERSION, sequence, wallet_id.bytes, 0)[:-2]
    packed = _FORMAT.pack(_VERSION, sequence, wallet_id.bytes, binascii.crc_hqx(body, 0))
    return base64.urlsafe_b64encode(packed).decode("ascii")


def decode_update_cursor(text: str, wallet_id: UUID) -> int:
    """The sequence after which to go on. Raises BadUserInput where this is no update cursor of that wallet."""
    sequence = _sequence(text, wallet_id)
    if sequence is None:
        raise BadUserInput("This is no cursor of this wallet's updates.")
    return sequence


def _sequence(text: str, wallet_id: UUID) -> int | None:
    if len(text) != _TEXT_LENGTH or not text.isascii():
        return None
    try:
        packed = base64.b64decode(text, altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    if len(packed) != _FORMAT.size:
        return None
    _, sequence, _, _ = _FORMAT.unpack(packed)
    # What it decodes to must make the same text again: that checks version, wallet and checksum at once.
    return sequence if sequence >= 0 and encode_update_cursor(wallet_id, sequence) == text else None
