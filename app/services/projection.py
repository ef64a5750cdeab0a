"""From positions of events to the read models: the days of wallets, and the activity of users. One projector at a time.

Each step is one transaction: the rows and the position. Killed at any point, the next step does the same again. A generation
that `paycore rebuild` fills goes through the same steps as the live one, and its rows do not depend on where steps begin and
end: so both have the same rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from uuid import UUID

import asyncpg

from app import ids
from app.db import projection_sql, sequence_sql
from app.db.projection_sql import ActivityRow, Posted, Progress, Texts
from app.records import EventKind
from app.services.activity_words import document, lexemes

STEP = 500
"""Events of one transaction. Each has up to a hundred entries."""
_NO_TEXTS = Texts(None, None, None)


async def project_live(connection: asyncpg.Connection, step: int = STEP) -> int:
    """Add the next events to the live models. Returns how many there were; 0 also if another worker is at it."""
    async with connection.transaction():
        progress = await projection_sql.lock_live(connection)
        return 0 if progress is None else await project(connection, progress, step)


async def project(connection: asyncpg.Connection, progress: Progress, step: int = STEP) -> int:
    """Add the next events to a generation that this transaction has locked. Returns how many there were."""
    events = await sequence_sql.events_after(connection, progress.position, step)
    if not events:
        return 0
    settled = list({event.subject_id for event in events if event.kind is EventKind.SETTLED})
    if settled:
        await projection_sql.add_days(connection, progress.generation, settled)
        await _add_activity(connection, progress.generation, settled)
    await projection_sql.advance(connection, progress.generation, events[-1].position)
    return len(events)


async def _add_activity(connection: asyncpg.Connection, generation: int, transaction_ids: Sequence[UUID]) -> None:
    movements, met = await movements_of(connection, transaction_ids)
    if movements:
        await projection_sql.add_activity(connection, generation, movements)
    if met:
        await projection_sql.add_parties(connection, generation, sorted(met))


async def movements_of(
    connection: asyncpg.Connection, transaction_ids: Sequence[UUID]
) -> tuple[list[ActivityRow], set[tuple[UUID, UUID]]]:
    """Returns the rows of `activity` of these transactions in the order of its index, and who met whom."""
    entries = await projection_sql.posted(connection, transaction_ids)
    texts = await projection_sql.texts(connection, transaction_ids)
    movements: list[ActivityRow] = []
    met: set[tuple[UUID, UUID]] = set()
    for transaction_id, found in groupby(entries, key=lambda entry: entry.transaction_id):
        _add_movements(list(found), texts.get(transaction_id, _NO_TEXTS), movements, met)
    # In the order of the index, which is then written page by page.
    movements.sort(key=lambda movement: (movement.owner_id.int, movement.entry_id.int))
    return movements, met


def _add_movements(entries: Sequence[Posted], texts: Texts, movements: list[ActivityRow], met: set[tuple[UUID, UUID]]) -> None:
    """Add the entries of one transaction that are in wallets of users, and who met whom."""
    words = document((texts.description, texts.reference), texts.metadata)
    sides: dict[tuple[object, bool], dict[UUID, Posted]] = defaultdict(dict)
    for entry in entries:
        sides[entry.purpose, entry.amount > 0][entry.wallet_id] = entry
    for entry in entries:
        if entry.owner_id is None:
            continue
        # The one wallet that gave what this one got, or got what it gave. Of several, none is the counterparty.
        others = [other for other in sides[entry.purpose, entry.amount < 0].values() if other.wallet_id != entry.wallet_id]
        other = others[0] if len(others) == 1 else None
        party_id = None if other is None else other.owner_id
        if party_id is not None:
            met.add((entry.owner_id, party_id))
        with_system = other is not None and party_id is None
        movements.append(
            ActivityRow(
                entry.owner_id,
                ids.entry_id(entry.transaction_id, entry.leg),
                entry.wallet_id,
                entry.created_at,
                entry.amount,
                entry.currency,
                entry.exponent,
                entry.purpose.value,
                None if other is None else other.wallet_id,
                lexemes(entry.owner_id, party_id, words, is_with_system=with_system),
            )
        )
