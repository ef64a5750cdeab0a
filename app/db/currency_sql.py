"""The currencies. Only a migration changes them, so a process reads them once, when it starts."""

from __future__ import annotations

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import models
from app.money import Currency

_CURRENCIES = "SELECT code, exponent, name FROM currencies"


async def load_currencies(engine: AsyncEngine) -> dict[str, Currency]:
    """Returns all currencies by code."""
    query = select(models.Currency.code, models.Currency.exponent, models.Currency.name)
    async with engine.connect() as connection:
        return {code: Currency(code, exponent, name) for code, exponent, name in await connection.execute(query)}


async def currencies_of(connection: asyncpg.Connection) -> dict[str, Currency]:
    """Returns all currencies by code, over an asyncpg connection."""
    return {row["code"]: Currency(*row) for row in await connection.fetch(_CURRENCIES)}
