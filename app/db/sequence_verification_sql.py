"""The rules of positions: no gap, each settled transaction at exactly one. Each is a query for what breaks it."""

from __future__ import annotations

from app.db.verification_check import Check

POSITIONS_SINCE = 28
"""The revision with positions."""

VIEWS = """
, events AS ( -- each event at its position
    SELECT c.first_position + e.place - 1 AS position, e.kind, e.subject_id, e.number
    FROM event_chunks c
    CROSS JOIN LATERAL unnest(string_to_array(c.kinds, NULL), c.subject_ids, c.numbers)
        WITH ORDINALITY AS e (kind, subject_id, number, place)
), waiting AS ( -- transactions whose event has no position yet. Read as text: not every payload can be read as JSON
    SELECT substring(payload::text FROM '"transaction_id":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')::uuid AS id
    FROM (SELECT payload FROM outbox UNION ALL SELECT payload FROM outbox_parked) AS payloads
)
"""

POSITIONS = (
    Check(
        "Position {first_position} follows position {previous}.",
        """
        SELECT first_position, previous
        FROM (SELECT first_position, lag(last_position, 1, 0::bigint) OVER (ORDER BY first_position) AS previous
              FROM event_chunks) AS chunks
        WHERE first_position <> previous + 1
        """,
        since=POSITIONS_SINCE,
    ),
    Check(
        "The counts and ids of transactions that are stored for positions {first_position} to {last_position} are not theirs.",
        """
        SELECT c.first_position, c.last_position
        FROM (SELECT first_position, last_position, settled, lowest_transaction_id, highest_transaction_id,
                     sum(char_length(kinds) - char_length(replace(kinds, 'S', ''))) OVER (ORDER BY first_position) AS count
              FROM event_chunks) AS c
        LEFT JOIN (SELECT first_position, (array_agg(e.subject_id ORDER BY e.subject_id))[1] AS lowest,
                          (array_agg(e.subject_id ORDER BY e.subject_id DESC))[1] AS highest
                   FROM event_chunks CROSS JOIN LATERAL unnest(string_to_array(kinds, NULL), subject_ids) AS e (kind, subject_id)
                   WHERE e.kind = 'S' GROUP BY first_position) AS ids USING (first_position)
        WHERE c.settled <> c.count
           OR (c.lowest_transaction_id, c.highest_transaction_id) IS DISTINCT FROM (ids.lowest, ids.highest)
        """,
        since=POSITIONS_SINCE,
    ),
    Check(
        "Transaction {transaction_id} has {positions} positions instead of one, the first of them {position}.",
        """
        SELECT subject_id AS transaction_id, count(*) AS positions, min(position) AS position
        FROM events WHERE kind = 'S' GROUP BY subject_id HAVING count(*) > 1
        """,
        since=POSITIONS_SINCE,
    ),
    Check(
        "Position {position} is of transaction {transaction_id}, which is not a completed one.",
        """
        SELECT e.position, e.subject_id AS transaction_id
        FROM events e LEFT JOIN transactions t ON t.id = e.subject_id AND t.status = 'COMPLETED'
        WHERE e.kind = 'S' AND t.id IS NULL
        """,
        since=POSITIONS_SINCE,
    ),
    Check(
        "Transaction {transaction_id} is COMPLETED, but it has no position, and no event of it waits for one.",
        """
        SELECT t.id AS transaction_id
        FROM transactions t
        LEFT JOIN (SELECT subject_id AS id FROM events WHERE kind = 'S' UNION ALL SELECT id FROM waiting) AS known
            ON known.id = t.id
        WHERE t.status = 'COMPLETED' AND known.id IS NULL
        """,
        since=POSITIONS_SINCE,
    ),
    Check(
        "Event {number} of hold {hold_id} has {positions} positions instead of one, the first of them {position}.",
        """
        SELECT subject_id AS hold_id, number, count(*) AS positions, min(position) AS position
        FROM events WHERE kind = 'H' GROUP BY subject_id, number HAVING count(*) > 1
        """,
        since=POSITIONS_SINCE,
    ),
)
