"""`paycore verify` finds each corruption of statements and of their files by name."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest

from app.clock import system_clock
from app.processes.statement_maker import StatementMaker
from app.services.statements.creating import StatementInput, create
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank, new_key
from tests.invariants.conftest import bank, owner

__all__ = ["bank", "owner"]

CHAIN = "Statement 2 of wallet {wallet} does not begin where the one before it ended."
SUMS = "Statement {number} of wallet {wallet} covers {entries} entries, from {opening} to {closing} with {credits} credits. Its "
SUMS += "entries do not say so."
SECOND = SUMS.replace("{number}", "2")
CORRUPTIONS = {
    "another number": ("UPDATE statements SET number = 3 WHERE number = 2", [CHAIN.replace("Statement 2", "Statement 3")]),
    "a gap between periods": ("UPDATE statements SET from_at = from_at + interval '1 microsecond' WHERE number = 2", [CHAIN]),
    "another closing": (
        "UPDATE statements SET closing = closing + 1, debits = debits - 1 WHERE number = 2",
        [SECOND.format_map({"wallet": "{wallet}", "entries": 2, "opening": 500, "closing": 301, "credits": 0})],
    ),
    "another first entry": (
        "UPDATE statements SET first_sequence = 3 WHERE number = 2",
        [CHAIN, SECOND.format_map({"wallet": "{wallet}", "entries": 1, "opening": 500, "closing": 300, "credits": 0})],
    ),
    "another sum of credits": (
        "UPDATE statements SET credits = credits + 1, debits = debits + 1 WHERE number = 2",
        [SECOND.format_map({"wallet": "{wallet}", "entries": 2, "opening": 500, "closing": 300, "credits": 1})],
    ),
    "an end before its last entry": (
        "UPDATE statements SET to_at = from_at + interval '1 microsecond' WHERE number = 2",
        [SECOND.format_map({"wallet": "{wallet}", "entries": 2, "opening": 500, "closing": 300, "credits": 0})],
    ),
    "a part that is gone": (
        "DELETE FROM statement_parts USING statements s WHERE s.id = statement_id AND s.number = 2 AND format = 'MT940'",
        [
            "Statement 2 of wallet {wallet} is READY and has 5 files, of which 4 have all their parts.",
            "The MT940 file of statement 2 of wallet {wallet} has other bytes.",
        ],
    ),
    "a file that is gone": (
        "DELETE FROM statement_files USING statements s WHERE s.id = statement_id AND s.number = 1 AND format = 'CSV'",
        ["Statement 1 of wallet {wallet} is READY and has 4 files, of which 4 have all their parts."],
    ),
    "a file of other bytes": (
        (
            "UPDATE statement_parts p SET content = q.content FROM statement_parts q, statements s WHERE s.id = p.statement_id "
            "AND s.number = 1 AND q.statement_id <> p.statement_id AND q.format = 'JSON' AND p.format = 'JSON'"
        ),
        ["The JSON file of statement 1 of wallet {wallet} has other bytes."],
    ),
    "a part that is damaged": (
        (
            "UPDATE statement_parts p SET content = set_byte(content, 20, 255 - get_byte(content, 20)) FROM statements s "
            "WHERE s.id = p.statement_id AND s.number = 1 AND p.format = 'PDF'"
        ),
        ["The PDF file of statement 1 of wallet {wallet} has other bytes."],
    ),
}


@pytest.mark.parametrize(("corruption", "expected"), CORRUPTIONS.values(), ids=CORRUPTIONS)
async def test_each_corruption_is_found(
    bank: Bank, owner: asyncpg.Connection, settings: Settings, corruption: str, expected: list[str]
) -> None:
    alice, now = await bank.viewer("alice"), settings.model_copy(update={"statement_delay_seconds": 0.0})
    wallet, theirs = await bank.wallet(alice, balance="5.00"), await bank.wallet(await bank.viewer("bob"))
    from_at = datetime(2000, 1, 1, tzinfo=UTC)
    for _ in range(2):
        details = StatementInput(new_key(), wallet, from_at, system_clock())
        result = await create(bank.engine, now, alice, details, clock=system_clock)
        assert result.statement is not None, result.refusals
        from_at = details.to_at
        if result.statement.number == 1:
            for _ in range(2):
                await bank.pay(alice, wallet, theirs, "1.00")
    maker = StatementMaker(bank.engine, system_clock)
    while await maker.make_next(asyncio.Event()) == 0:
        pass
    assert await verify(settings) == []
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        await owner.execute(corruption)
    assert await verify(settings) == [sentence.format(wallet=wallet) for sentence in expected]
