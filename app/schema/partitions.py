"""Partitions of the ledger's entries, as administrators see them."""

from __future__ import annotations

from datetime import date, datetime

import strawberry

from app.schema.scalars import BigInt
from app.services import partitions
from app.services.partitions import PartitionState

strawberry.enum(
    PartitionState,
    description="SEALED: its sums, hashes and every wallet's place at its end are recorded. ARCHIVED: its rows are in files; "
    "balances and statements still are right, entries are ARCHIVED until restored.",
)


@strawberry.type(description="A partition of the ledger's entries: those of a month, or of the time before the first month.")
class LedgerPartition:
    from_: date = strawberry.field(name="from", description="1970-01-01 for the time before the first month.")
    to: date
    state: PartitionState
    entry_count: BigInt = strawberry.field(description="As sealed; before that an estimate.")
    bytes: BigInt = strawberry.field(description="In the database, with indexes.")
    seal_hash: str | None = strawberry.field(description="SHA-256 of its rows, hexadecimal.")
    archive_uri: str | None = strawberry.field(description="The file with its rows, also after it was restored.")
    archived_at: datetime | None
    verified_at: datetime | None = strawberry.field(description="When the file was read back and compared with the seal.")

    @staticmethod
    def of(record: partitions.LedgerPartition) -> LedgerPartition:
        return LedgerPartition(
            from_=record.starts,
            to=record.ends,
            state=record.state,
            entry_count=BigInt(record.entries),
            bytes=BigInt(record.size),
            seal_hash=None if record.seal is None else record.seal.hex(),
            archive_uri=record.uri,
            archived_at=record.archived_at,
            verified_at=record.verified_at,
        )
