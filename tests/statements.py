"""What a service asks its database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from unittest.mock import patch

from sqlalchemy import event

from app.db.connection import Connection
from app.db.pool import Database


@contextmanager
def on_each_statement(engine: Database, act: Callable[[str, tuple[Any, ...]], None]) -> Iterator[None]:
    """Within the block, call `act` with each statement that the engine is about to run, and its parameters."""
    read, run = Database._fetch, Connection.fetch
    is_read = ContextVar("is_read", default=False)

    async def fetch(self: Database, query: str, arguments: tuple[Any, ...]) -> Any:
        is_read.set(self.sync_engine is engine.sync_engine)
        return await read(self, query, arguments)

    async def by_asyncpg(self: Connection, query: str, *arguments: Any, **options: Any) -> Any:
        # Other connections than the pool's have nothing to do with the engine.
        if is_read.get():
            is_read.set(False)
            act(query, arguments)
        return await run(self, query, *arguments, **options)

    def by_sqlalchemy(*arguments: Any) -> None:
        act(arguments[2], arguments[3])

    event.listen(engine.sync_engine, "before_cursor_execute", by_sqlalchemy)
    try:
        with patch.object(Database, "_fetch", fetch), patch.object(Connection, "fetch", by_asyncpg):
            yield
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", by_sqlalchemy)


@contextmanager
def recorded_statements(engine: Database) -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """Yields a list of the statements that the engine runs within the block, with their parameters."""
    recorded: list[tuple[str, tuple[Any, ...]]] = []
    with on_each_statement(engine, lambda *statement: recorded.append(statement)):
        yield recorded
