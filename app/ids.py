"""Ids: UUIDv7 (RFC 9562) in the database, TypeIDs such as `wal_01h455vb4pex5vsknk084sn02q` in the API.

The low 12 bits of a transaction's id are zero. An entry's id is its transaction's id plus its leg. So entries need no stored
id, and an entry's id gives the transaction by arithmetic.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, cast
from uuid import UUID

from asyncpg.pgproto import pgproto
from typeid import TypeID
from typeid.core.errors import TypeIDException

from app.clock import unix_milliseconds

Prefix = Literal["usr", "wal", "txn", "ent", "fee", "hld", "fxq", "whe", "whd", "msg", "stm"]

LEG_BITS = 12
MAX_LEGS = 1 << LEG_BITS
_LEG_MASK = MAX_LEGS - 1
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_BYTES = 8
_RANDOM_MASK = (1 << 62) - 1
_LOW_RANDOM_MASK = (1 << 50) - 1
_DECODED_CACHE = 16_384
"""Cached decodings of public ids: requests name the same few wallets again and again."""
_ENCODED_CACHE = 4096
"""Cached encodings: one transfer's ids are shown several times, in its answer and in the logs."""


def new_id(moment: datetime) -> UUID:
    """Returns a new UUIDv7: 48 bits of milliseconds from `moment`, then 74 random bits."""
    random_bits = secrets.randbits(74)
    return _uuid(
        unix_milliseconds(moment) << 80 | _VERSION_7 | (random_bits >> 62) << 64 | _VARIANT | random_bits & ((1 << 62) - 1)
    )


def new_transaction_id(moment: datetime) -> UUID:
    """Returns a new UUIDv7 whose low 12 bits are zero, for the legs of its entries. 62 random bits remain."""
    return new_transaction_ids(moment, 1)[0]


def new_transaction_ids(moment: datetime, count: int) -> list[UUID]:
    """Returns ids as `new_transaction_id` does, in ascending order."""
    base = unix_milliseconds(moment) << 80 | _VERSION_7 | _VARIANT
    drawn = secrets.token_bytes(_RANDOM_BYTES * count)
    numbers = (
        int.from_bytes(drawn[place : place + _RANDOM_BYTES]) & _RANDOM_MASK for place in range(0, len(drawn), _RANDOM_BYTES)
    )
    # 12 bits after the version, 50 after the variant.
    return [
        _uuid(value)
        for value in sorted(base | (number >> 50) << 64 | (number & _LOW_RANDOM_MASK) << LEG_BITS for number in numbers)
    ]


LOWEST, HIGHEST = UUID(int=0), UUID(int=2**128 - 1)
POSTED_WITHIN = timedelta(days=1)
"""How far the time of an entry may be from that of its transaction's id, which is the time of the request: by the seconds that
a request may wait, and by what the clocks of processes differ. A day is far above both, and costs reads of entries at most one
more partition of a month."""


def id_floor(moment: datetime) -> UUID:
    """Returns a lower bound of the UUIDv7s of that millisecond: the keyset bound for "created from"."""
    return _uuid(unix_milliseconds(moment) << 80)


def entry_id(transaction_id: UUID, leg: int) -> UUID:
    """Returns the id of a transaction's entry. `leg` counts from 0."""
    assert 0 <= leg < MAX_LEGS
    assert transaction_id.int & _LEG_MASK == 0
    return _uuid(transaction_id.int | leg)


def split_entry_id(entry: UUID) -> tuple[UUID, int]:
    """Returns the transaction's id and the leg of an entry's id."""
    return _uuid(entry.int & ~_LEG_MASK), entry.int & _LEG_MASK


def _uuid(value: int) -> UUID:
    """A UUID of the driver's kind, which is written in C: four times as fast as a key, and sent to the database as it is."""
    return pgproto.UUID(value.to_bytes(16))


@lru_cache(maxsize=_ENCODED_CACHE)
def encode(prefix: Prefix, value: UUID) -> str:
    """Returns the public form of an id."""
    # The library declares its own UUID type, but only reads the bytes, which the standard type has too.
    return str(TypeID.from_uuid(cast("Any", value), prefix=prefix))


def decode(prefix: Prefix, text: str) -> UUID | None:
    """Returns the UUID of a public id, or None if the text is malformed or has another prefix.

    Callers must treat None like an id that does not exist, so that clients learn nothing from the difference.
    """
    decoded = decode_any(text)
    return decoded[1] if decoded is not None and decoded[0] == prefix else None


@lru_cache(maxsize=_DECODED_CACHE)
def decode_any(text: str) -> tuple[str, UUID] | None:
    """Returns the prefix and the UUID of a public id, or None if the text is malformed."""
    if len(text) != 30:
        return None
    try:
        parsed = TypeID.from_string(text)
    except (TypeIDException, ValueError):
        return None
    return parsed.prefix, _uuid(parsed.uuid.int)
