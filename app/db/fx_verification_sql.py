"""The rules of quotes and conversions. As in `verification_sql.py`, each is a query that returns the rows that break it.

They compute with the rates on their own, without the functions that the triggers use.
"""

from __future__ import annotations

from app.db.verification_check import Check

CONVERSIONS_SINCE = 25
"""The revision with conversions."""

VIEWS = """
, priced AS ( -- each quote with minor units of the target for one of the source, and what is exchanged without the spread
    SELECT q.*, q.source_amount - q.spread AS net, q.rate * ('1e' || (target.exponent - source.exponent))::numeric AS factor
    FROM fx_quotes q
    JOIN currencies source ON source.code = q.source_currency
    JOIN currencies target ON target.code = q.target_currency
), quoted_legs AS ( -- the entries that each completed conversion must have
    SELECT t.id AS transaction_id, row_number() OVER (PARTITION BY t.id ORDER BY l.place) - 1 AS leg,
           l.wallet_id, l.system_purpose, l.currency, l.amount, l.purpose
    FROM transactions t
    JOIN fx_quotes q ON q.id = t.quote_id
    CROSS JOIN LATERAL (VALUES
        (1, t.sender_wallet_id, NULL, q.source_currency, 0 - q.source_amount::numeric, 'PRINCIPAL'),
        (2, t.receiver_wallet_id, NULL, q.target_currency, q.target_amount::numeric, 'PRINCIPAL'),
        (3, NULL, 'FX', q.source_currency, q.source_amount::numeric - q.spread, 'FX'),
        (4, NULL, 'FX', q.target_currency, 0 - q.target_amount::numeric - q.residue, 'FX'),
        (5, NULL, 'FX_SPREAD', q.source_currency, q.spread::numeric, 'SPREAD'),
        (6, NULL, 'FX_RESIDUE', q.target_currency, q.residue::numeric, 'RESIDUE'),
        (7, t.sender_wallet_id, NULL, q.source_currency, 0 - coalesce(q.fee, 0)::numeric, 'FEE'),
        (8, NULL, 'FEES', q.source_currency, coalesce(q.fee, 0)::numeric, 'FEE')
    ) AS l (place, wallet_id, system_purpose, currency, amount, purpose)
    WHERE t.status = 'COMPLETED' AND l.amount <> 0
), given_back AS ( -- each completed reversal of a conversion, with what had gone back before it and after it
    SELECT r.*, q.source_amount::numeric AS total, q.target_amount::numeric AS target, q.spread::numeric AS spread,
           q.residue::numeric AS residue,
           sum(r.amount) OVER (PARTITION BY r.reverses_id ORDER BY e.sequence) AS after,
           sum(r.amount) OVER (PARTITION BY r.reverses_id ORDER BY e.sequence) - r.amount AS before
    FROM reversals r
    JOIN transactions o ON o.id = r.reverses_id
    JOIN fx_quotes q ON q.id = o.quote_id
    JOIN ledger_entries e ON e.transaction_id = r.id AND e.wallet_id = r.sender_wallet_id AND e.purpose = 'PRINCIPAL'
), given_back_legs AS ( -- the entries that it must have: those of the conversion backwards, in part
    SELECT g.id AS transaction_id, row_number() OVER (PARTITION BY g.id ORDER BY e.leg DESC) - 1 AS leg,
           e.wallet_id, e.purpose, 0 - sign(e.amount) * part.amount AS amount
    FROM (SELECT *, ceil(target * after / total) - ceil(target * before / total) AS target_back,
                 floor(spread * after / total) - floor(spread * before / total) AS spread_back,
                 floor(residue * after / total) - floor(residue * before / total) AS residue_back FROM given_back) g
    JOIN ledger_entries e ON e.transaction_id = g.reverses_id
    CROSS JOIN LATERAL (
        SELECT CASE e.purpose
                   WHEN 'FEE' THEN g.fee_given
                   WHEN 'PRINCIPAL' THEN CASE WHEN e.amount < 0 THEN g.amount ELSE g.target_back END
                   WHEN 'FX' THEN CASE WHEN e.amount < 0 THEN g.target_back + g.residue_back ELSE g.amount - g.spread_back END
                   WHEN 'SPREAD' THEN g.spread_back
                   ELSE g.residue_back
               END AS amount
    ) part
    WHERE part.amount <> 0
)
"""

CONVERSIONS = (
    Check(
        "The amounts of quote {quote_id} do not follow from its rate of {rate}.",
        """
        SELECT id AS quote_id, rate FROM priced
        WHERE spread * 10000::numeric < source_amount::numeric * spread_basis_points
           OR (spread - 1) * 10000::numeric >= source_amount::numeric * spread_basis_points
           OR target_amount::numeric + residue > net * factor OR target_amount::numeric + residue + 1 <= net * factor
           OR residue < 0 OR (residue > 0 AND (NOT is_target_fixed OR residue >= factor))
           -- With the target fixed, one unit less of the source would not buy it.
           OR (is_target_fixed AND (net - CASE WHEN (spread - 1) * 10000::numeric
               >= (source_amount - 1)::numeric * spread_basis_points THEN 0 ELSE 1 END) * factor >= target_amount)
        """,
        since=CONVERSIONS_SINCE,
    ),
    Check(
        "Quote {quote_id} was used {times} times.",
        """
        SELECT quote_id, count(*) AS times FROM transactions
        WHERE quote_id IS NOT NULL AND status = 'COMPLETED' GROUP BY quote_id HAVING count(*) > 1
        """,
        since=CONVERSIONS_SINCE,
    ),
    Check(
        "Conversion {transaction_id} does not match quote {quote_id}: another user's, another amount, or another fee.",
        """
        SELECT t.id AS transaction_id, t.quote_id FROM transactions t LEFT JOIN fx_quotes q ON q.id = t.quote_id
        WHERE t.quote_id IS NOT NULL AND (
            (q.user_id, q.source_amount, q.source_currency) IS DISTINCT FROM (t.initiator_id, t.amount, t.currency)
            OR (t.status = 'COMPLETED' AND (q.fee, q.fee_schedule_id) IS DISTINCT FROM (t.fee, t.fee_schedule_id)))
        """,
        since=CONVERSIONS_SINCE,
    ),
    Check(
        "Conversion {transaction_id} was posted at {completed_at}, but its quote had expired at {expires_at}.",
        """
        SELECT t.id AS transaction_id, t.completed_at, q.expires_at FROM transactions t JOIN fx_quotes q ON q.id = t.quote_id
        WHERE t.completed_at >= q.expires_at
        """,
        since=CONVERSIONS_SINCE,
    ),
    Check(
        "Entries of conversion {transaction_id} are not what its quote says.",
        """
        SELECT DISTINCT coalesce(l.transaction_id, e.transaction_id) AS transaction_id
        FROM quoted_legs l
        FULL JOIN (
            SELECT e.*, w.currency, w.system_purpose FROM ledger_entries e
            JOIN transactions t ON t.id = e.transaction_id AND t.quote_id IS NOT NULL
            LEFT JOIN wallets w ON w.id = e.wallet_id
        ) e ON e.transaction_id = l.transaction_id AND e.leg = l.leg
        WHERE (l.currency, l.amount, l.purpose) IS DISTINCT FROM (e.currency, e.amount::numeric, e.purpose::text)
           OR (l.wallet_id IS NOT NULL AND l.wallet_id <> e.wallet_id)
           OR (l.wallet_id IS NULL AND l.system_purpose IS DISTINCT FROM e.system_purpose)
        """,
        since=CONVERSIONS_SINCE,
    ),
    Check(
        "Entries of reversal {transaction_id} do not give back the parts of the conversion's entries.",
        """
        SELECT DISTINCT coalesce(l.transaction_id, e.transaction_id) AS transaction_id
        FROM given_back_legs l
        FULL JOIN (SELECT e.* FROM ledger_entries e JOIN given_back g ON g.id = e.transaction_id) e
            ON e.transaction_id = l.transaction_id AND e.leg = l.leg
        WHERE (l.wallet_id, l.amount, l.purpose) IS DISTINCT FROM (e.wallet_id, e.amount::numeric, e.purpose)
        """,
        since=CONVERSIONS_SINCE,
    ),
)
