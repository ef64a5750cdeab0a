"""Receipts of transactions, and the log that they are from."""

from __future__ import annotations

import base64
from datetime import datetime

import strawberry

from app.db.log_sql import StoredCheckpoint
from app.schema.scalars import BigInt
from app.services.receipts import reading


@strawberry.type(description="Signed tree head in the format of c2sp.org/tlog-checkpoint.")
class Checkpoint:
    origin: str
    size: BigInt
    root_hash: str = strawberry.field(description="Base64.")
    text: str = strawberry.field(description="The signed note, with the cosignatures of witnesses.")
    at: datetime
    cosigned_by: list[str] = strawberry.field(description="Names of the witnesses that have cosigned it.")
    public_key: str | None = strawberry.field(
        description="The log's public key, by PAYCORE_LOG_PUBLIC_KEY. An operator who lies would lie here too: better is the key "
        "that was published elsewhere."
    )

    @staticmethod
    def of(checkpoint: StoredCheckpoint, public_key: str | None) -> Checkpoint:
        return Checkpoint(
            origin=checkpoint.origin,
            size=BigInt(checkpoint.size),
            root_hash=base64.b64encode(checkpoint.root).decode(),
            text=checkpoint.text,
            at=checkpoint.signed_at,
            cosigned_by=checkpoint.witnesses,
            public_key=public_key,
        )


@strawberry.type
class Receipt:
    index: BigInt
    leaf: str = strawberry.field(description="The bytes whose hash is the leaf, base64: what the receipt proves.")
    proof: str | None = strawberry.field(
        description="c2sp.org/tlog-proof@v1: verifiable offline, with the log's public key alone. Its extra line is JSON with "
        "the leaf, and opens what the viewer may see of it. Null until the next checkpoint."
    )

    @staticmethod
    def of(receipt: reading.Receipt) -> Receipt:
        return Receipt(index=BigInt(receipt.index), leaf=base64.b64encode(receipt.leaf).decode(), proof=receipt.proof)
