"""The database's part of a trace: a span for each statement, whichever way it is sent. Nothing where tracing is off."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine

from app.telemetry import tracing

_VERB = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+(?!unnest\b|lateral\b|as\b)(\w+)", re.IGNORECASE)
_INNERMOST = re.compile(r"\([^()]*\)")
_BEGAN = "paycore_statement_began"


def trace_connection(connection: asyncpg.Connection) -> None:
    """Statements sent by asyncpg itself: the ledger's, the relay's."""
    if tracing.is_on():
        connection.add_query_logger(_sent_by_asyncpg)


def trace_engine(engine: AsyncEngine) -> None:
    """Statements sent by SQLAlchemy, which asyncpg does not tell about."""
    if tracing.is_on():
        event.listen(engine.sync_engine, "before_cursor_execute", _begins)
        event.listen(engine.sync_engine, "after_cursor_execute", _ends)
        event.listen(engine.sync_engine, "handle_error", _fails)


@lru_cache(maxsize=500)
def summary(text: str) -> str:
    """What a statement does, in two words: `SELECT wallets`. For one with parts, what its first part does; `ping` for none."""
    shown = text
    if not text.lstrip().upper().startswith("WITH"):
        while (outer := _INNERMOST.sub("", shown)) != shown:
            shown = outer
    verb, table = _VERB.search(shown), _TABLE.search(shown) or _TABLE.search(text)
    if verb is None:
        words = text.replace(";", " ").split()
        return words[0].upper() if words else "ping"
    return verb[0].upper() if table is None else f"{verb[0].upper()} {table[1]}"


def _sent_by_asyncpg(record: Any) -> None:
    tracing.statement(summary(record.query), record.query, record.elapsed, record.exception)


def _begins(connection: Connection, *_: object) -> None:
    connection.info[_BEGAN] = time.monotonic()


def _ends(connection: Connection, _cursor: object, text: str, *_: object) -> None:
    tracing.statement(summary(text), text, time.monotonic() - connection.info[_BEGAN], None)


def _fails(failed: ExceptionContext) -> None:
    if failed.connection is not None and failed.statement is not None:
        began = failed.connection.info.get(_BEGAN, time.monotonic())
        tracing.statement(summary(failed.statement), failed.statement, time.monotonic() - began, failed.original_exception)
