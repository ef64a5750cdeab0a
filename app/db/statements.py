"""Queries that are built once, as text that asyncpg prepares once on each connection.

SQLAlchemy builds the text: filters and pages compose there, and the columns are those of the models. To build it for each
request took longer than PostgreSQL takes to answer. A query whose shape depends on the request is a cached function of that
shape, and everything else that varies is a parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast
from uuid import UUID

import asyncpg
from sqlalchemy import ARRAY, BigInteger, BindParameter, Select, Text, Uuid, any_, bindparam, literal
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql.elements import ColumnElement

from app.db import models
from app.records import TransactionStatus

_DIALECT: Any = cast("Any", PGDialect_asyncpg)()

Condition = ColumnElement[bool]

COMPLETED = literal(TransactionStatus.COMPLETED, models.Transaction.status.type, literal_execute=True)
"""The status, in the text and not as a parameter, so that the planner can use the partial index of the receiver's side."""


class Reader(Protocol):
    """What runs a query: the pool, the share of it that live updates use, or a connection in a transaction."""

    async def fetch(self, query: str, /, *arguments: Any) -> Sequence[asyncpg.Record]:
        """Run one statement and return its rows."""
        ...


class Statement:
    """A query with named parameters."""

    def __init__(self, query: Select[*tuple[Any, ...]]) -> None:
        compiled: Any = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        self.text = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._order: tuple[str, ...] = tuple(compiled.positiontup)

    async def rows(self, reader: Reader, **values: Any) -> Sequence[asyncpg.Record]:
        """Run the query with these parameters. Sends the values as they are: asyncpg knows UUIDs, times and texts."""
        given = self._constants | values
        return await reader.fetch(self.text, *[given[name] for name in self._order])


def parameter(name: str, column: Any) -> BindParameter[Any]:
    """A parameter of the type of a column."""
    return _parameter(name, column.type)


def number_parameter(name: str) -> BindParameter[int]:
    """A parameter that is a whole number."""
    return _parameter(name, BigInteger())


def numbers_parameter(name: str) -> BindParameter[Sequence[int]]:
    """A parameter that is an array of whole numbers."""
    return _parameter(name, ARRAY(BigInteger()))


def text_parameter(name: str) -> BindParameter[str]:
    """A parameter that is a text."""
    return _parameter(name, Text())


def id_parameter(name: str) -> BindParameter[UUID]:
    """A parameter that is an id."""
    return _parameter(name, Uuid())


def among(column: Any, name: str) -> Condition:
    """The condition that a column is one of the ids of a parameter: an array, so that one text serves any number of ids."""
    condition: Condition = column == any_(_parameter(name, ARRAY(Uuid())))
    return condition


def _parameter(name: str, type_: Any) -> BindParameter[Any]:
    # Not required, because the text is built before there are values.
    return bindparam(name, type_=type_, required=False)
