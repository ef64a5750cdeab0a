"""Ids: UUIDv7 (RFC 9562) in the database, TypeIDs such as `wal_01h455vb4pex5vsknk084sn02q` outside.

A transaction's low 12 bits are zero; its entries' ids are the transaction's id plus their leg, so an entry's id
is never stored and leads back to its transaction by arithmetic.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, cast
from uuid import UUID

from typeid import TypeID
from typeid.core.errors import TypeIDException

from app.clock import unix_milliseconds

Prefix = Literal["usr", "wal", "txn", "ent"]

LEG_BITS = 12
MAX_LEGS = 1 << LEG_BITS
_LEG_MASK = MAX_LEGS - 1
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_REMEMBERED = 16_384
"""Public ids that are not decoded anew: the same few wallets are named again and again."""
_SHOWN = 4096
"""Ids that are not encoded anew: one transfer shows its own several times, in its answer and in the logs."""


def new_id(moment: datetime) -> UUID:
    """A fresh UUIDv7: 48 bits of milliseconds from `moment`, then 74 random bits."""
    random_bits = secrets.randbits(74)
    return UUID(
        int=unix_milliseconds(moment) << 80 | _VERSION_7 | (random_bits >> 62) << 64 | _VARIANT | random_bits & ((1 << 62) - 1)
    )


def new_transaction_id(moment: datetime) -> UUID:
    """A fresh UUIDv7 whose low 12 bits are free for the legs of its entries (62 random bits remain)."""
    return UUID(int=new_id(moment).int & ~_LEG_MASK)


def id_floor(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond: a keyset bound for "created from"."""
    return UUID(int=unix_milliseconds(moment) << 80)


def entry_id(transaction_id: UUID, leg: int) -> UUID:
    """The id of a transaction's entry number `leg`, counted from 0."""
    assert 0 <= leg < MAX_LEGS
    assert transaction_id.int & _LEG_MASK == 0
    return UUID(int=transaction_id.int | leg)


def split_entry_id(entry: UUID) -> tuple[UUID, int]:
    """The transaction's id and the leg that an entry's id was made of."""
    return UUID(int=entry.int & ~_LEG_MASK), entry.int & _LEG_MASK


@lru_cache(maxsize=_SHOWN)
def encode(prefix: Prefix, value: UUID) -> str:
    """The public form of an id."""
    # The library asks for its own UUID type but reads only the bytes, which the standard one has too.
    return str(TypeID.from_uuid(cast("Any", value), prefix=prefix))


def decode(prefix: Prefix, text: str) -> UUID | None:
    """The UUID behind a public id; None where it is malformed or of another kind.

    Callers treat None exactly as an id that does not exist, so that a stranger learns nothing from the difference.
    """
    decoded = decode_any(text)
    return decoded[1] if decoded is not None and decoded[0] == prefix else None


@lru_cache(maxsize=_REMEMBERED)
def decode_any(text: str) -> tuple[str, UUID] | None:
    """The prefix and the UUID of any public id; None where it is malformed."""
    if len(text) != 30:
        return None
    try:
        parsed = TypeID.from_string(text)
    except (TypeIDException, ValueError):
        return None
    return parsed.prefix, UUID(int=parsed.uuid.int)
