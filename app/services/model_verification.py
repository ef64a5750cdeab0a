"""Verifies what only the service can make of the read models: the words under which entries are found, and the other sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from app import ids
from app.db import model_verification_sql as sql
from app.services.projection import movements_of

_AT_ONCE = 2000


async def findings(connection: asyncpg.Connection, most: int) -> tuple[list[str], int]:
    """Return a sentence for each of the first `most` faults, and the number of all. The caller has opened a snapshot.

    Entries that are not in the database, such as archived ones, are left out: other checks know whether they may be missing.
    """
    found: list[str] = []
    count = 0
    after = (ids.LOWEST, ids.LOWEST)
    while rows := await connection.fetch(sql.WORDS, *after, _AT_ONCE):
        sentences = await _compared(connection, rows)
        count += len(sentences)
        found += sentences[: most - len(found)]
        after = rows[-1]["owner_id"], rows[-1]["entry_id"]
    return found, count


async def _compared(connection: asyncpg.Connection, rows: Sequence[Any]) -> list[str]:
    made, met = await movements_of(connection, list({ids.split_entry_id(row["entry_id"])[0] for row in rows}))
    expected = {(one.owner_id, one.entry_id): (set(one.words.split()), one.counterparty_wallet_id) for one in made}
    found = []
    for row in rows:
        key = row["owner_id"], row["entry_id"]
        if key in expected and expected[key] != (set(row["words"]), row["counterparty_wallet_id"]):
            entry = ids.encode("ent", row["entry_id"])
            found.append(
                f"The activity of user {_user(key[0])} in the read models finds entry {entry} by other words than its own."
            )
    owners = {row["owner_id"] for row in rows}
    pairs = sorted(pair for pair in met if pair[0] in owners)
    missing = await connection.fetch(sql.UNKNOWN_PARTIES, [one for one, _ in pairs], [other for _, other in pairs])
    return found + [
        f"The activity of user {_user(owner)} in the read models does not know user {_user(party)}, who is on the other side."
        for owner, party in missing
    ]


def _user(user_id: UUID) -> str:
    return ids.encode("usr", user_id)
