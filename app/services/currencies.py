"""The currencies, read once when a process starts: only a migration changes them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import models
from app.money import Currency


async def load_currencies(engine: AsyncEngine) -> dict[str, Currency]:
    """All currencies by code."""
    query = select(models.Currency.code, models.Currency.exponent, models.Currency.name)
    async with engine.connect() as connection:
        return {code: Currency(code, exponent, name) for code, exponent, name in await connection.execute(query)}
