"""The rules of statements, as `paycore verify` checks them. Their files are hashed in `services/statements/verification.py`."""

from __future__ import annotations

from app.db.verification_check import Check

STATEMENTS_SINCE = 33
"""The revision with statements."""

STATEMENTS = (
    Check(
        "Statement {number} of wallet {wallet_id} does not begin where the one before it ended.",
        """
        SELECT wallet_id, number
        FROM (SELECT s.*, lag(s.number, 1, 0::bigint) OVER (PARTITION BY s.wallet_id ORDER BY s.number) AS number_before,
                     lag(s.last_sequence, 1, 0::bigint) OVER (PARTITION BY s.wallet_id ORDER BY s.number) AS last_before,
                     lag(s.closing, 1, 0::bigint) OVER (PARTITION BY s.wallet_id ORDER BY s.number) AS closing_before,
                     lag(s.to_at) OVER (PARTITION BY s.wallet_id ORDER BY s.number) AS end_before
              FROM statements s) AS chain
        WHERE number <> number_before + 1 OR first_sequence <> last_before + 1 OR opening <> closing_before
           OR from_at <> end_before
        """,
        since=STATEMENTS_SINCE,
    ),
    Check(
        "Statement {number} of wallet {wallet_id} covers {entries} entries, from {opening} to {closing} with {credits} credits. "
        "Its entries do not say so.",
        """
        SELECT s.wallet_id, s.number, s.last_sequence - s.first_sequence + 1 AS entries, s.opening, s.closing,
               coalesce(s.credits::text, 'unknown') AS credits
        FROM statements s
        LEFT JOIN (
            SELECT s.id, count(*) AS entries, sum(e.amount) AS total, sum(e.amount) FILTER (WHERE e.amount > 0) AS credits,
                   count(*) FILTER (WHERE e.amount > 0) AS credit_count, bool_or(e.created_at >= s.to_at) AS has_later,
                   bool_or(e.sequence = s.last_sequence AND e.balance_after <> s.closing) AS ends_elsewhere
            FROM statements s
            JOIN ledger_entries e ON e.wallet_id = s.wallet_id AND e.sequence BETWEEN s.first_sequence AND s.last_sequence
            GROUP BY s.id
        ) AS found USING (id)
        WHERE NOT EXISTS (
            SELECT FROM archived_spans a WHERE a.wallet_id = s.wallet_id
               AND a.first_sequence <= s.last_sequence AND a.last_sequence >= s.first_sequence)
          AND (coalesce(found.entries, 0) <> s.last_sequence - s.first_sequence + 1
           OR s.opening + coalesce(found.total, 0) <> s.closing OR found.has_later OR found.ends_elsewhere
           OR (s.status = 'READY' AND (s.credits, s.debits, s.credit_count) IS DISTINCT FROM
               (coalesce(found.credits, 0), coalesce(found.credits, 0) - coalesce(found.total, 0),
                coalesce(found.credit_count, 0))))
        """,
        since=STATEMENTS_SINCE,
    ),
    Check(
        "Statement {number} of wallet {wallet_id} is {status} and has {files} files, of which {whole} have all their parts.",
        """
        SELECT s.wallet_id, s.number, s.status, coalesce(f.files, 0) AS files, coalesce(f.whole, 0) AS whole
        FROM statements s
        LEFT JOIN (
            SELECT f.statement_id, count(*) AS files, count(*) FILTER (WHERE coalesce(p.parts, 0) = f.parts) AS whole
            FROM statement_files f
            LEFT JOIN (SELECT statement_id, format, count(*) AS parts FROM statement_parts GROUP BY statement_id, format) p
                USING (statement_id, format)
            GROUP BY f.statement_id
        ) AS f ON f.statement_id = s.id
        WHERE (coalesce(f.files, 0), coalesce(f.whole, 0)) IS DISTINCT FROM CASE s.status
            WHEN 'READY' THEN (cardinality(enum_range(NULL::statement_format))::bigint,
                               cardinality(enum_range(NULL::statement_format))::bigint)
            ELSE (0::bigint, 0::bigint) END
        """,
        since=STATEMENTS_SINCE,
    ),
)

FILES = """
SELECT s.wallet_id, s.number, f.statement_id, f.format::text, f.size, f.parts, f.sha256
FROM statement_files f JOIN statements s ON s.id = f.statement_id
WHERE f.sha256 IS NOT NULL AND f.statement_id > $1 ORDER BY f.statement_id, f.format LIMIT $2
"""
"""The files of the statements after one, by id. A statement's files come together if the limit allows."""
