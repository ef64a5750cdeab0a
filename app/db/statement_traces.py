"""Spans for database statements, sent by asyncpg or by SQLAlchemy. Does nothing if tracing is off."""

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
_START = "paycore_statement_start"


def trace_connection(connection: asyncpg.Connection) -> None:
    """Trace the statements that are sent with asyncpg directly: the ledger's and the relay's."""
    if tracing.is_on():
        connection.add_query_logger(_sent_by_asyncpg)


def trace_engine(engine: AsyncEngine) -> None:
    """Trace the statements that SQLAlchemy sends. asyncpg's query logger does not see them."""
    if tracing.is_on():
        event.listen(engine.sync_engine, "before_cursor_execute", _started)
        event.listen(engine.sync_engine, "after_cursor_execute", _ended)
        event.listen(engine.sync_engine, "handle_error", _failed)


@lru_cache(maxsize=500)
def summary(text: str) -> str:
    """Returns a statement's verb and table, such as `SELECT wallets`: with CTEs those of the first one, `ping` if it is empty."""
    if text.startswith("BEGIN"):
        # A batch begins with more than this in one message.
        return "BEGIN"
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


def _started(connection: Connection, *_: object) -> None:
    connection.info[_START] = time.monotonic()


def _ended(connection: Connection, _cursor: object, text: str, *_: object) -> None:
    tracing.statement(summary(text), text, time.monotonic() - connection.info[_START], None)


def _failed(context: ExceptionContext) -> None:
    if context.connection is not None and context.statement is not None:
        start = context.connection.info.get(_START, time.monotonic())
        tracing.statement(summary(context.statement), context.statement, time.monotonic() - start, context.original_exception)
