"""How fast a statement is made: entries a second for all formats together, and for the encoder of each one.

In a process of its own, as a worker makes it, so that its memory is known: `python -m bench.statement_entries URL`.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID, uuid4

import asyncpg
import orjson
import uvloop

from app import ids
from app.clock import rfc3339, system_clock
from app.db.currency_sql import load_currencies
from app.db.engine import create_engine, dispose
from app.records import EntryPurpose, StatementFormat, TransactionType
from app.services.statements import making
from app.services.statements.files import FileWriter
from app.services.statements.model import Heading, Line
from app.services.statements.pdf_file import MAX_ENTRIES
from app.settings import Settings, load_settings

__all__ = ["statement_entries"]

_WARM_UP = 2_000
_ENCODED = 20_000
"""Lines that each encoder writes; PDF writes as many as it lists."""
_KILOBYTES_PER_MEGABYTE = 1024
# A statement over a wallet's first entries. The rules of `createStatement` are not what is measured.
_PREPARE = """
INSERT INTO statements (id, wallet_id, initiator_id, number, idempotency_key, first_sequence, last_sequence, opening, closing,
                        from_at, to_at, status, request_hash, created_at)
SELECT $1::uuid, w.id, w.owner_id, $3, $1::uuid::text, 1, last.sequence, 0, last.balance_after, first.created_at,
       last.created_at + interval '1 second', 'PREPARING', sha256('bench'), now()
FROM wallets w JOIN ledger_entries first ON first.wallet_id = w.id AND first.sequence = 1
JOIN ledger_entries last ON last.wallet_id = w.id AND last.sequence = least(w.sequence, $4::bigint) WHERE w.id = $2
"""


async def statement_entries(url: str, wallet_id: UUID) -> dict[str, object]:
    """The rates of a statement over all entries of a wallet. Run as the owner of the tables. Raises RuntimeError."""
    command = [sys.executable, "-m", "bench.statement_entries", url, str(wallet_id)]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError("no statement was made")
    return cast("dict[str, object]", orjson.loads(output))


async def _measure(settings: Settings, url: str, wallet_id: UUID) -> dict[str, object]:
    await _made(settings, url, wallet_id, 1, _WARM_UP)
    before = _peak_mb()
    entries, seconds = await _made(settings, url, wallet_id, 2, 2**62)
    after = _peak_mb()
    return {
        "per_second": round(entries / seconds, 1),
        "entries": entries,
        "each_per_second": {format_.value: round(_encoded(format_), 1) for format_ in StatementFormat},
        "peak_mb_of_2000": before,
        "peak_mb": after,
    }


async def _made(settings: Settings, url: str, wallet_id: UUID, number: int, most: int) -> tuple[int, float]:
    """Make a statement. Returns how many entries it has, and the seconds."""
    owner = await asyncpg.connect(url)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(_PREPARE, uuid4(), wallet_id, number, most)
    await owner.close()
    engine = create_engine(settings)
    try:
        lease = await making.take(engine)
        assert lease is not None
        currencies, started = await load_currencies(engine), time.perf_counter()
        if not await making.make(engine, currencies, lease, system_clock):
            raise RuntimeError("the statement is FAILED")
        return lease.statement.entry_count, time.perf_counter() - started
    finally:
        await dispose(engine)


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _KILOBYTES_PER_MEGABYTE


def _encoded(format_: StatementFormat) -> float:
    """Entries a second of one encoder, hashing and compressing included."""
    count = MAX_ENTRIES if format_ is StatementFormat.PDF else _ENCODED
    lines = [_line(number) for number in range(1, count + 1)]
    writer = FileWriter(uuid4(), format_, _heading(count))
    started = time.perf_counter()
    writer.begin()
    for first in range(0, count, making.CHUNK):
        writer.add(lines[first : first + making.CHUNK])
    writer.end()
    return count / (time.perf_counter() - started)


_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_WALLET_ID = ids.encode("wal", UUID(int=1))


def _heading(count: int) -> Heading:
    return Heading(
        statement_id=ids.encode("stm", UUID(int=1)),
        number=1,
        wallet_id=_WALLET_ID,
        wallet_name="Wallet",
        holder="Reader",
        currency="USD",
        exponent=2,
        from_at=_BEGIN,
        to_at=_BEGIN + timedelta(days=31),
        created_at=_BEGIN + timedelta(days=31),
        first_sequence=1,
        last_sequence=count,
        opening=0,
        closing=100 * count,
        credits=100 * count,
        debits=0,
        credit_count=count,
    )


def _line(number: int) -> Line:
    at = _BEGIN + timedelta(seconds=number)
    return Line(
        sequence=number,
        posted_at=at,
        amount=100,
        balance_after=100 * number,
        posted_text=rfc3339(at),
        amount_text="1.00",
        balance_text=f"{number}.00",
        purpose=EntryPurpose.PRINCIPAL,
        type=TransactionType.TRANSFER,
        transaction_id=ids.encode("txn", ids.new_transaction_id(at)),
        counterparty="Peter Peer",
        counterparty_wallet_id=_WALLET_ID,
        description="Coffee with friends",
        reference=None,
        reverses_id=None,
    )


def main(url: str, wallet_id: str) -> None:
    settings = load_settings(database_url=url)
    sys.stdout.buffer.write(orjson.dumps(uvloop.run(_measure(settings, url, UUID(wallet_id)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
