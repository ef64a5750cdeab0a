"""The rules of stored holds. Each is a query that returns the rows that break it, as in `verification_sql.py`."""

from __future__ import annotations

from app.db.verification_check import Check

HOLDS_SINCE = 22
"""The revision with holds."""

VIEWS = """
, hold_steps AS ( -- each event of a hold with what remained, and when its time was over, before it
    SELECT *, sum(change) OVER steps - change AS remaining_before, sum(change) OVER steps AS remaining,
           row_number() OVER steps AS place,
           max(expires_at) OVER (PARTITION BY hold_id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
               AS ends_before
    FROM (SELECT *, placed::numeric - captured - released AS change FROM hold_events) e
    WINDOW steps AS (PARTITION BY hold_id ORDER BY number)
), hold_sums AS ( -- each hold with the sums of its events
    SELECT hold_id, sum(placed::numeric) AS placed, sum(captured::numeric) AS captured, sum(released::numeric) AS released,
           max(number) AS events, max(expires_at) AS expires_at,
           sum(captured) FILTER (WHERE kind = 'CAPTURED') AS captured_in_time,
           max(created_at) FILTER (WHERE remaining = 0 AND kind <> 'CAPTURED_LATE') AS closed_at,
           bool_or(kind = 'EXPIRED') AS expired
    FROM hold_steps GROUP BY hold_id
)
"""

HOLDS = (
    Check(
        "Of wallet {wallet_id} {held} are held, but {found} remain of its open holds.",
        """
        SELECT w.id AS wallet_id, w.held, coalesce(o.remaining, 0) AS found
        FROM wallets w
        LEFT JOIN (SELECT wallet_id, sum(amount::numeric - captured - released) AS remaining
                   FROM holds WHERE status = 'OPEN' GROUP BY wallet_id) o ON o.wallet_id = w.id
        WHERE w.held <> coalesce(o.remaining, 0)
        """,
        since=HOLDS_SINCE,
    ),
    Check(
        "Hold {hold_id} has {captured} captured and {released} released of {amount}, but its events sum to {captured_found} and "
        "{released_found} of {amount_found}.",
        """
        SELECT h.id AS hold_id, h.captured, h.released, h.amount, coalesce(s.captured, 0) AS captured_found,
               coalesce(s.released, 0) AS released_found, coalesce(s.placed, 0) AS amount_found
        FROM holds h LEFT JOIN hold_sums s ON s.hold_id = h.id
        WHERE (h.amount, h.captured, h.released) IS DISTINCT FROM (s.placed, s.captured, s.released)
        """,
        since=HOLDS_SINCE,
    ),
    Check(
        "Hold {hold_id} is {status} after {events} events until {ends}, which is not what its events say.",
        """
        SELECT h.id AS hold_id, h.status, h.events, coalesce(h.expires_at::text, 'it is closed') AS ends
        FROM holds h JOIN hold_sums s ON s.hold_id = h.id
        WHERE h.events <> s.events OR h.expires_at IS DISTINCT FROM s.expires_at
           OR h.status::text <> CASE WHEN s.placed > s.captured + s.released THEN 'OPEN' WHEN s.expired THEN 'EXPIRED'
               WHEN s.captured_in_time > 0 THEN 'CAPTURED' ELSE 'RELEASED' END
           OR h.closed_at IS DISTINCT FROM CASE WHEN s.placed > s.captured + s.released THEN NULL
               WHEN s.expired THEN h.expires_at ELSE s.closed_at END
        """,
        since=HOLDS_SINCE,
    ),
    Check(
        "Event {number} of hold {hold_id}, {kind}, does not follow from the events before it.",
        """
        SELECT hold_id, number, kind FROM hold_steps
        WHERE number <> place OR remaining < 0 OR (kind = 'PLACED') <> (number = 1)
           OR CASE kind WHEN 'PLACED' THEN false
               WHEN 'CAPTURED_LATE' THEN remaining_before <> 0
               WHEN 'EXPIRED' THEN remaining <> 0 OR remaining_before <= 0 OR (created_at >= ends_before) IS NOT TRUE
               ELSE remaining_before <= 0 OR created_at >= ends_before END
        """,
        since=HOLDS_SINCE,
    ),
    Check(
        "Transaction {transaction_id} captures {amount} of hold {hold_id}, whose events have {found} for it.",
        """
        SELECT t.id AS transaction_id, t.amount, t.hold_id, coalesce(e.captured, 0) AS found
        FROM transactions t LEFT JOIN hold_events e ON e.id = t.id AND e.hold_id = t.hold_id
        WHERE t.type::text = 'CAPTURE'
          AND coalesce(e.captured, 0) <> CASE WHEN t.status = 'COMPLETED' THEN t.amount ELSE 0 END
        """,
        since=HOLDS_SINCE,
    ),
    Check(
        "Event {number} of hold {hold_id} captures by transaction {transaction_id}, which is no completed capture of it.",
        """
        SELECT e.hold_id, e.number, e.id AS transaction_id
        FROM hold_events e JOIN holds h ON h.id = e.hold_id LEFT JOIN transactions t ON t.id = e.id
        WHERE e.captured > 0 AND NOT coalesce(
            t.type::text = 'CAPTURE' AND t.status = 'COMPLETED' AND t.hold_id = h.id AND t.currency = h.currency
            AND t.sender_wallet_id = h.wallet_id
            AND coalesce(h.receiver_wallet_id, t.receiver_wallet_id) = t.receiver_wallet_id, false)
        """,
        since=HOLDS_SINCE,
    ),
    Check(
        "Hold {hold_id} is in {currency}, but its wallet or its receiver's does not exist, or is not.",
        """
        SELECT h.id AS hold_id, h.currency
        FROM holds h LEFT JOIN wallets w ON w.id = h.wallet_id LEFT JOIN wallets r ON r.id = h.receiver_wallet_id
        WHERE w.currency IS DISTINCT FROM h.currency
           OR (h.receiver_wallet_id IS NOT NULL AND r.currency IS DISTINCT FROM h.currency)
        """,
        since=HOLDS_SINCE,
    ),
)
