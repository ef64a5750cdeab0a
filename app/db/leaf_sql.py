"""Makes leaves of the log for the sealer: in one statement, so that nothing but their hashes leaves the database.

The hash of a leaf is that of `app/services/receipts/leaves.py`, which receipts and `paycore verify` compute. They compare what
this made with what they find, so an error in one of the two shows.
"""

from __future__ import annotations

from typing import NamedTuple

import asyncpg

from app.db.log_sql import ENTRY, HEAD, REQUEST, WORDS
from app.db.statements import Reader

_SECONDS = 30
_MAX_CHUNK = 1000
_HASH_BYTES = 32

# A chunk has at most 1,000 events, so the next one ends within this.
_NEXT = """
SELECT coalesce((SELECT settled FROM event_chunks WHERE settled <= $1 ORDER BY settled DESC LIMIT 1), 0) AS before,
       (SELECT settled FROM event_chunks WHERE settled > $1 AND settled <= $1 + $2 ORDER BY settled DESC LIMIT 1) AS end
"""


def _commitment(salt: str, of: str) -> str:
    return f"'\\x00000020'::bytea || sha256({salt} || {of})"


def _derived(label: str) -> str:
    return f"sha256(key.secret || uuid_send(t.id) || {label})"


_WORDS = f"'\\x00'::bytea || {WORDS}"
_REQUEST_COMMITMENT = _commitment(_derived("'request'::bytea"), f"'\\x01'::bytea || {REQUEST}")
_ENTRY_COMMITMENT = _commitment(_derived("'entry'::bytea || convert_to(e.leg::text, 'UTF8')"), f"'\\x02'::bytea || {ENTRY}")
_ARCHIVED_COMMITMENT = _commitment(_derived("'entry'::bytea || convert_to((a.place - 1)::text, 'UTF8')"), "a.entry")

# The salts of words are random: two random ids. They are stored with the leaves, and the subquery makes each of them once.
_MAKE = f"""
WITH leaf AS MATERIALIZED (
    SELECT asked.place, t.id, words.salt,
           sha256('\\x0001'::bytea || {HEAD}
                  || CASE WHEN words.salt IS NULL THEN '\\xffffffff'::bytea
                          ELSE {_commitment("words.salt", _WORDS)} END
                  || {_REQUEST_COMMITMENT} || posted.entries) AS hash
    FROM (SELECT secret FROM log_secret) AS key
    CROSS JOIN (
        SELECT e.id, c.first_position + e.place AS place
        FROM event_chunks c
        CROSS JOIN LATERAL unnest(c.subject_ids, string_to_array(c.kinds, NULL)) WITH ORDINALITY AS e (id, kind, place)
        WHERE c.settled > $1 AND c.settled <= $2 AND e.kind = 'S'
        ORDER BY place OFFSET $3
    ) AS asked
    JOIN transactions t ON t.id = asked.id AND t.status = 'COMPLETED'
    CROSS JOIN LATERAL (
        SELECT CASE WHEN t.description IS NOT NULL OR t.reference IS NOT NULL OR t.metadata IS NOT NULL
                    THEN uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) END AS salt
    ) AS words
    CROSS JOIN LATERAL (
        SELECT coalesce(
            (SELECT string_agg({_ENTRY_COMMITMENT}, ''::bytea ORDER BY e.leg)
             FROM ledger_entries e WHERE e.transaction_id = t.id),
            (SELECT string_agg({_ARCHIVED_COMMITMENT}, ''::bytea ORDER BY a.place)
             FROM archived_entries f CROSS JOIN LATERAL unnest(f.entries) WITH ORDINALITY AS a (entry, place)
             WHERE f.transaction_id = t.id)) AS entries
    ) AS posted
), salted AS (
    INSERT INTO log_salts (transaction_id, salt) SELECT id, salt FROM leaf WHERE salt IS NOT NULL
)
SELECT string_agg(hash, ''::bytea ORDER BY place) FROM leaf
"""  # noqa: S608 - the parts are constants


class Next(NamedTuple):
    """The settled transactions of whole chunks: after the first `before` of all there are, up to the first `end`."""

    before: int
    end: int


async def next_settled(reader: Reader, index: int, most: int) -> Next | None:
    """Returns which settled transactions come from a leaf on, about `most` of them. None: there are none yet."""
    ((before, end),) = await reader.fetch(_NEXT, index, most + _MAX_CHUNK)
    return None if end is None else Next(before, end)


async def make_leaves(connection: asyncpg.Connection, index: int, asked: Next) -> list[bytes]:
    """Makes the leaves from `index` to `asked.end`, and stores the salts of their words. Returns the hashes in their order.

    They are fewer if a transaction is not COMPLETED.
    """
    ((hashes,),) = await connection.fetch(_MAKE, asked.before, asked.end, index - asked.before, timeout=_SECONDS)
    return [hashes[at : at + _HASH_BYTES] for at in range(0, len(hashes or b""), _HASH_BYTES)]
