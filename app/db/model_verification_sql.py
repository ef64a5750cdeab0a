"""The rules of the read models: they have what the ledger has, up to their position. Each is a query for what breaks it.

The words of searches only the service can make: `app/services/model_verification.py` compares them.
"""

from __future__ import annotations

from app.db.verification_check import Check

MODELS_SINCE = 32
"""The revision with read models."""
QUARTERS_SINCE = 36
"""The revision with a mark at the first entry of each quarter of an hour."""

VIEWS = """
, model AS MATERIALIZED (
    SELECT generation, position FROM read_models WHERE is_live
), known AS MATERIALIZED ( -- how far the days of each wallet go
    SELECT d.wallet_id, max(d.last_sequence) AS last_sequence
    FROM model m JOIN wallet_days d ON d.generation = m.generation GROUP BY d.wallet_id
), counted AS (
    SELECT * FROM (
        SELECT e.wallet_id, e.sequence, e.created_at, e.amount, e.balance_after, (e.created_at AT TIME ZONE 'UTC')::date AS day,
               sum(e.debits) OVER of_wallet AS debits_so_far, e.is_span, lag(e.created_at) OVER of_wallet AS previous_at,
               coalesce(lag(e.is_span) OVER of_wallet, false) AS is_after_span
        FROM (SELECT wallet_id, sequence, created_at, amount, balance_after, greatest(-amount, 0) AS debits, false AS is_span
              FROM ledger_entries
              UNION ALL
              SELECT wallet_id, last_sequence, NULL, NULL, NULL, debits, true FROM archived_spans) AS e
        JOIN known k ON k.wallet_id = e.wallet_id AND e.sequence <= k.last_sequence
        WINDOW of_wallet AS (PARTITION BY e.wallet_id ORDER BY e.sequence)
    ) AS placed WHERE NOT is_span
), projected AS ( -- entries whose event the models have seen
    SELECT e.*, w.owner_id, w.currency,
           (left(e.transaction_id::text, 33) || lpad(to_hex(e.leg::int), 3, '0'))::uuid AS entry_id
    FROM events v
    JOIN model m ON v.position <= m.position
    JOIN ledger_entries e ON e.transaction_id = v.subject_id
    JOIN wallets w ON w.id = e.wallet_id
    WHERE v.kind = 'S'
)
"""

MODELS = (
    Check(
        "The read models are at position {position}, and there are only {last}.",
        """
        SELECT m.position, coalesce(max(c.last_position), 0) AS last
        FROM model m LEFT JOIN event_chunks c ON true
        GROUP BY m.position HAVING m.position > coalesce(max(c.last_position), 0)
        """,
        since=MODELS_SINCE,
    ),
    Check(
        "Day {day} of wallet {wallet_id} in the read models is not that of its entries.",
        """
        SELECT wallet_id, day
        FROM (SELECT d.wallet_id, d.day, d.opening, d.closing, d.entry_count, d.first_sequence, d.last_sequence, d.debits,
                     d.credits, d.debits_so_far
              FROM model m JOIN wallet_days d ON d.generation = m.generation) AS stored
        FULL JOIN (SELECT wallet_id, day, (array_agg(balance_after - amount ORDER BY sequence))[1] AS opening,
                          (array_agg(balance_after ORDER BY sequence DESC))[1] AS closing, count(*) AS entry_count,
                          min(sequence) AS first_sequence, max(sequence) AS last_sequence, sum(greatest(-amount, 0)) AS debits,
                          sum(greatest(amount, 0)) AS credits, max(debits_so_far) AS debits_so_far
                   FROM counted GROUP BY wallet_id, day) AS made USING (wallet_id, day)
        WHERE (stored.opening, stored.closing, stored.entry_count, stored.first_sequence, stored.last_sequence, stored.debits,
               stored.credits, stored.debits_so_far)
            IS DISTINCT FROM
              (made.opening, made.closing, made.entry_count, made.first_sequence, made.last_sequence, made.debits, made.credits,
               made.debits_so_far)
          AND NOT EXISTS (
            SELECT FROM archived_spans s WHERE s.wallet_id = stored.wallet_id
               AND s.first_sequence <= stored.last_sequence AND s.last_sequence >= stored.first_sequence)
        """,
        since=MODELS_SINCE,
    ),
    Check(
        "The mark of wallet {wallet_id} at entry {sequence} in the read models is not that of the entry.",
        """
        SELECT wallet_id, sequence
        FROM (SELECT k.wallet_id, k.sequence, k.at, k.amount, k.balance, k.debits_so_far
              FROM model m JOIN wallet_marks k ON k.generation = m.generation) AS stored
        FULL JOIN (SELECT wallet_id, sequence, created_at, amount, balance_after, debits_so_far, is_after_span
                   FROM counted
                   WHERE sequence % 4 = 0 OR previous_at IS NULL OR previous_at < date_bin('15 minutes', created_at, 'epoch')
                  ) AS made USING (wallet_id, sequence)
        WHERE (stored.at, stored.amount, stored.balance, stored.debits_so_far)
            IS DISTINCT FROM (made.created_at, made.amount, made.balance_after, made.debits_so_far)
          -- What came before it is not known: it may be the first of its quarter of an hour, or not.
          AND NOT (made.is_after_span AND stored.at IS NULL AND made.sequence % 4 <> 0)
          AND NOT EXISTS (
            SELECT FROM archived_spans s WHERE s.wallet_id = coalesce(stored.wallet_id, made.wallet_id)
               AND coalesce(stored.sequence, made.sequence) BETWEEN s.first_sequence AND s.last_sequence)
        """,
        since=QUARTERS_SINCE,
    ),
    Check(
        "Entry {sequence} of wallet {wallet_id} is missing in the read models, which have seen its event.",
        """
        SELECT p.wallet_id, p.sequence FROM projected p LEFT JOIN known k ON k.wallet_id = p.wallet_id
        WHERE p.sequence > coalesce(k.last_sequence, 0)
        """,
        since=MODELS_SINCE,
    ),
    Check(
        "The activity of user {owner_id} in the read models does not have entry {entry_id} as it is.",
        """
        SELECT owner_id, entry_id
        FROM (SELECT a.owner_id, a.entry_id, a.wallet_id, a.at, a.amount, a.currency, a.purpose
              FROM model m JOIN activity a ON a.generation = m.generation) AS stored
        FULL JOIN (SELECT owner_id, entry_id, wallet_id, created_at, amount, currency, purpose
                   FROM projected WHERE owner_id IS NOT NULL) AS made USING (owner_id, entry_id)
        WHERE (stored.wallet_id, stored.at, stored.amount, stored.currency, stored.purpose)
            IS DISTINCT FROM (made.wallet_id, made.created_at, made.amount, made.currency, made.purpose)
          AND NOT EXISTS (SELECT FROM archived a WHERE stored.entry_id >= a.low AND stored.entry_id < a.high)
        """,
        since=MODELS_SINCE,
    ),
)

WORDS = """
SELECT a.owner_id, a.entry_id, tsvector_to_array(a.words) AS words, a.counterparty_wallet_id
FROM activity a WHERE a.generation = (SELECT generation FROM read_models WHERE is_live) AND (a.owner_id, a.entry_id) > ($1, $2)
ORDER BY a.owner_id, a.entry_id LIMIT $3
"""
"""What searches compare, of the live model. In the order of the primary key, after an owner and an entry."""
UNKNOWN_PARTIES = """
SELECT met.owner_id, met.party_id FROM unnest($1::uuid[], $2::uuid[]) AS met (owner_id, party_id)
WHERE NOT EXISTS (
    SELECT FROM activity_parties p
    WHERE p.generation = (SELECT generation FROM read_models WHERE is_live)
      AND p.owner_id = met.owner_id AND p.party_id = met.party_id)
ORDER BY 1, 2
"""
"""Those of the pairs that the live model does not have."""
