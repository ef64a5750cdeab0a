"""The outbox for operators: its backlog, its parked rows, and a retry of those."""

from __future__ import annotations

from datetime import UTC, datetime

from app import ids
from app.clock import system_clock
from app.db import status_sql
from app.db.engine import create_engine
from app.settings import Settings

_SHOWN = 20


async def describe_outbox(settings: Settings, *, retry: bool) -> list[str]:
    """Return lines to print. With `retry`, first put parked rows back into the outbox, for a relay that can read them now.

    The audit log records the retry with the database role of the operator.
    """
    engine = create_engine(settings, pool_size=1)
    try:
        unparked = None
        if retry:
            async with engine.begin() as connection:
                unparked = await status_sql.unpark(connection, ids.new_id(system_clock()))
        backlog = await status_sql.outbox_backlog(engine, datetime.now(UTC))
        parked = await status_sql.parked(engine, _SHOWN)
    finally:
        await engine.dispose()
    lines = [] if unparked is None else [f"Parked rows put back into the outbox: {unparked}."]
    lines.append(f"Rows that wait for the relay: {backlog.pending}, the oldest for {backlog.lag.total_seconds():.1f} s.")
    lines.append(f"Rows that are parked: {backlog.parked}.")
    lines += [f"  {row.id}, {row.parked_at:%Y-%m-%d %H:%M:%S} UTC: {row.reason}" for row in parked]
    if backlog.parked > len(parked):
        lines.append(f"  and {backlog.parked - len(parked)} more")
    return lines
