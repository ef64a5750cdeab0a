"""Tampering with a row of the demo's ledger as PostgreSQL's superuser, for an administrator to see that it is found.

Only for the embedded PostgreSQL of `paycore dev`. The row comes back when it is asked for, after a time, when the service stops,
and when it starts: what the row was is in a file before anything is changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from app import ids, tasks
from app.access.viewer import Viewer
from app.clock import Clock
from app.db.failures import DATABASE_ERRORS
from app.db.pool import Database
from app.demo.embedded import find_running
from app.errors import BadUserInput, Unavailable
from app.services import durable_files, verification
from app.services.receipts.reading import load_receipts
from app.settings import Settings

logger = logging.getLogger(__name__)

SECONDS = 120
"""After this time the row is restored, whether anybody watches or not."""
_RETRY_SECONDS = 1.0
_CANDIDATES = 100
_PATIENCE_SECONDS = 10
_AS_SUPERUSER = "SET LOCAL session_replication_role = replica"
"""Triggers do not fire then, and only a superuser may set it."""


@dataclass(frozen=True, slots=True)
class Trick:
    """What is changed. The service computes nothing from it, so that nothing that happens meanwhile depends on it."""

    table: str
    key: str
    column: str
    value: str


TRICKS = {
    "words": Trick("transactions", "id = $1", "description", "'Consulting, as agreed'"),
    "time": Trick("transactions", "id = $1", "completed_at", "completed_at + interval '30 days'"),
    "amount": Trick("ledger_entries", "transaction_id = $1 AND leg = 1", "amount", "amount * 10"),
}
# Without a fee: to refund it, the service reads the transaction alone.
_PICK = """
SELECT t.id FROM transactions t JOIN ledger_entries e ON e.transaction_id = t.id AND e.leg = 1
WHERE t.type = 'TRANSFER' AND t.status = 'COMPLETED' AND t.fee IS NULL AND e.amount > 0
ORDER BY t.id DESC LIMIT $1
"""


@dataclass(frozen=True, slots=True)
class Tampered:
    """A row that is not what it was. `receipt` is the transaction's from before."""

    what: str
    transaction_id: UUID
    sql: str
    before: dict[str, Any]
    after: dict[str, Any]
    receipt: str
    restores_at: datetime


class Tampering:
    """At most one row at a time. `url` is the superuser's; None: there is no embedded PostgreSQL, so nothing can be changed."""

    def __init__(self, settings: Settings, url: str | None, clock: Clock, *, seconds: float = SECONDS) -> None:
        self._settings = settings
        self._url = url
        self._clock = clock
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None
        self._current: Tampered | None = None

    @property
    def current(self) -> Tampered | None:
        """What this process has changed, until it is restored, also by another process."""
        return self._current if self._url is not None and self._note.exists() else None

    @property
    def is_possible(self) -> bool:
        return self._url is not None

    @property
    def _note(self) -> Path:
        return (self._settings.supervisor_home or self._settings.home) / "tampered.json"

    async def start(self) -> None:
        """Restore what a killed process has left, before anything is answered."""
        if self._url is not None and self._note.exists():
            await self._restore_surely()

    async def stop(self) -> None:
        """Restore, and end the timer."""
        await tasks.end(self._timer)
        if self._url is not None and self._note.exists():
            with contextlib.suppress(*DATABASE_ERRORS):
                await self._restore()

    async def tamper(self, engine: Database, viewer: Viewer, what: object) -> Tampered:
        """Change a row of the newest transfer that a signed checkpoint covers. Raises BadUserInput, Unavailable."""
        if not isinstance(what, str) or what not in TRICKS:
            raise BadUserInput(f"`what` must be one of {', '.join(TRICKS)}.")
        async with self._lock:
            if self._note.exists():
                raise BadUserInput("A row is tampered with already. Restore it first.")
            try:
                async with self._superuser() as connection:
                    transaction_id, receipt = await self._pick(engine, viewer, connection)
                    self._current = tampered = await self._change(connection, what, transaction_id, receipt)
            finally:
                # Whatever failed: from the moment that the note is there, the row may be another one.
                if self._note.exists():
                    self._timer = asyncio.create_task(self._restore_later(), name="tampering")
        logger.warning("the demo's ledger was tampered with, as requested", extra={"table": TRICKS[what].table})
        return tampered

    async def restore(self) -> dict[str, Any] | None:
        """Make the row what it was. Returns it; None if none was changed."""
        await tasks.end(self._timer)
        self._timer = None
        return await self._restore() if self._url is not None and self._note.exists() else None

    async def verify(self) -> list[str]:
        """What `paycore verify` finds now. In a thread: to compute all hashes again would hold up the requests of others."""
        return await asyncio.to_thread(lambda: asyncio.run(verification.verify(self._settings)))

    async def _pick(self, engine: Database, viewer: Viewer, connection: asyncpg.Connection) -> tuple[UUID, str]:
        # What is changed before it is sealed would be sealed as it then is.
        newest = [row["id"] for row in await connection.fetch(_PICK, _CANDIDATES)]
        receipts = await load_receipts(engine, viewer, newest)
        for transaction_id in newest:
            if transaction_id in receipts and (proof := receipts[transaction_id].proof) is not None:
                return transaction_id, proof
        raise Unavailable("No checkpoint covers a transfer yet. Pay something, and try again in a few seconds.")

    async def _change(self, connection: asyncpg.Connection, what: str, transaction_id: UUID, receipt: str) -> Tampered:
        trick = TRICKS[what]
        change = f"UPDATE {trick.table} SET {trick.column} = {trick.value} WHERE {trick.key}"  # noqa: S608 - constants
        before = await _row(connection, trick, transaction_id)
        # On the disk before the row is changed: a crash of the machine must not lose it.
        note = {"what": what, "transaction_id": str(transaction_id), "before": before}
        durable_files.write(self._note, json.dumps(note).encode())
        async with connection.transaction():
            await connection.execute(_AS_SUPERUSER)
            await connection.execute(change, transaction_id)
        named = change.replace("$1", f"'{transaction_id}'")
        after = await _row(connection, trick, transaction_id)
        until = self._clock() + timedelta(seconds=self._seconds)
        sql = f"BEGIN;\n{_AS_SUPERUSER};\n{named};\nCOMMIT;"
        return Tampered(what, transaction_id, sql, before, after, receipt, until)

    async def _restore(self) -> dict[str, Any]:
        """Safe to repeat: a completed transaction never changes by itself."""
        async with self._lock:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            trick, transaction_id = TRICKS[note["what"]], UUID(note["transaction_id"])
            value = f"(jsonb_populate_record(NULL::{trick.table}, $2::jsonb)).{trick.column}"
            async with self._superuser() as connection:
                async with connection.transaction():
                    await connection.execute(_AS_SUPERUSER)
                    update = f"UPDATE {trick.table} SET {trick.column} = {value} WHERE {trick.key}"  # noqa: S608 - constants
                    await connection.execute(update, transaction_id, json.dumps(note["before"]))
                row = await _row(connection, trick, transaction_id)
            self._note.unlink(missing_ok=True)
            self._current = None
        logger.info("the row that was tampered with is restored")
        return row

    async def _restore_later(self) -> None:
        await asyncio.sleep(self._seconds)
        await self._restore_surely()

    async def _restore_surely(self) -> None:
        while self._note.exists():
            try:
                await self._restore()
            except DATABASE_ERRORS:
                logger.exception("the row that was tampered with could not be restored; trying again")
                await asyncio.sleep(_RETRY_SECONDS)

    @contextlib.asynccontextmanager
    async def _superuser(self) -> Any:
        assert self._url is not None
        connection = await asyncpg.connect(self._url, timeout=_PATIENCE_SECONDS, command_timeout=_PATIENCE_SECONDS)
        try:
            yield connection
        finally:
            await connection.close()


def superuser_url(settings: Settings) -> str | None:
    """The URL of the embedded PostgreSQL, whose user is the superuser. None: the database is another one."""
    if settings.environment == "production" or settings.supervisor_home is None or settings.database_url is None:
        return None
    running, url = find_running(settings.supervisor_home), settings.database_url.get_secret_value()
    return url if running is not None and running.database_url == url else None


def shown(tampered: Tampered) -> dict[str, Any]:
    """For the page."""
    trick = TRICKS[tampered.what]
    return {
        **{name: value for name, value in asdict(tampered).items() if name not in ("transaction_id", "restores_at")},
        "transaction_id": ids.encode("txn", tampered.transaction_id),
        "table": trick.table,
        "column": trick.column,
    }


async def _row(connection: asyncpg.Connection, trick: Trick, transaction_id: UUID) -> dict[str, Any]:
    """The row as JSON, exact: PostgreSQL writes all digits of numbers and times."""
    found = await connection.fetchval(f"SELECT to_jsonb(r) FROM {trick.table} r WHERE {trick.key}", transaction_id)  # noqa: S608
    row: dict[str, Any] = json.loads(found) if found is not None else {}
    return row
