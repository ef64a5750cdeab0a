"""The rules of the stored ledger. Each is a query that returns the rows that break it.

Queries are set-based, so that they stay fast on a large ledger. Sums and differences are numeric, because broken values may
overflow a bigint.
"""

from __future__ import annotations

from app.db import fx_verification_sql, hold_verification_sql, model_verification_sql, sequence_verification_sql
from app.db.fx_verification_sql import CONVERSIONS, CONVERSIONS_SINCE
from app.db.hold_verification_sql import HOLDS, HOLDS_SINCE
from app.db.model_verification_sql import MODELS, MODELS_SINCE
from app.db.sequence_verification_sql import POSITIONS, POSITIONS_SINCE
from app.db.statement_verification_sql import STATEMENTS
from app.db.verification_check import Check

FEES_SINCE = 15
"""The revision with fee schedules."""
ARCHIVES_SINCE = 35
"""The revision with archived months."""

# Views that several rules use. PostgreSQL does not run a CTE that a query does not name.
_VIEWS = """
WITH archived AS (SELECT NULL::uuid AS low, NULL::uuid AS high WHERE false),
archived_spans AS (
    SELECT NULL::uuid AS wallet_id, 0::bigint AS first_sequence, 0::bigint AS last_sequence, 0::numeric AS debits WHERE false
), chain AS ( -- each entry with the previous one of its wallet
    SELECT wallet_id, sequence, balance_after::numeric - amount AS balance_before, created_at,
           lag(sequence, 1, 0::bigint) OVER chain AS previous_sequence,
           lag(balance_after, 1, 0::bigint) OVER chain AS previous_balance,
           lag(created_at) OVER chain AS previous_time
    FROM ledger_entries WINDOW chain AS (PARTITION BY wallet_id ORDER BY sequence)
), wallet_totals AS ( -- each wallet with the totals of its entries
    SELECT w.id AS wallet_id, w.balance, w.sequence, w.posted_at, w.created_at, coalesce(e.total, 0) AS total,
           coalesce(e.newest, 0) AS newest, e.newest_time
    FROM wallets w
    LEFT JOIN (SELECT wallet_id, sum(amount) AS total, max(sequence) AS newest, max(created_at) AS newest_time
               FROM ledger_entries GROUP BY wallet_id) e ON e.wallet_id = w.id
)
"""

# The same where months may be archived: a wallet's place at the end of such a month stands for its entries in the month.
_VIEWS_WITH_ARCHIVES = """
WITH archived AS MATERIALIZED ( -- the months whose entries are in files
    SELECT low, high FROM archived_months()
), archived_places AS (
    SELECT p.* FROM wallet_places p JOIN archived USING (high)
), archived_spans AS MATERIALIZED ( -- the sequences of each wallet that are in files, by month
    SELECT wallet_id, first_sequence, sequence AS last_sequence, debits FROM archived_places
), chain AS ( -- each entry with the previous one of its wallet
    SELECT * FROM (
        SELECT is_place, wallet_id, sequence, balance_after::numeric - amount AS balance_before, created_at,
               lag(sequence, 1, 0::bigint) OVER chain AS previous_sequence,
               lag(balance_after, 1, 0::bigint) OVER chain AS previous_balance,
               lag(created_at) OVER chain AS previous_time
        FROM (SELECT false AS is_place, wallet_id, sequence, balance_after, amount, created_at FROM ledger_entries
              UNION ALL
              SELECT true, wallet_id, sequence, balance, 0, posted_at FROM archived_places) AS placed
        WINDOW chain AS (PARTITION BY wallet_id ORDER BY sequence)
    ) AS linked WHERE NOT is_place
), wallet_totals AS ( -- each wallet with the totals of its entries
    SELECT w.id AS wallet_id, w.balance, w.sequence, w.posted_at, w.created_at, coalesce(e.total, 0) AS total,
           coalesce(e.newest, 0) AS newest, e.newest_time
    FROM wallets w
    LEFT JOIN (SELECT wallet_id, sum(amount) AS total, max(sequence) AS newest, max(created_at) AS newest_time
               FROM (SELECT wallet_id, amount, sequence, created_at FROM ledger_entries
                     UNION ALL
                     SELECT wallet_id, change, sequence, posted_at FROM archived_places) AS moved
               GROUP BY wallet_id) e ON e.wallet_id = w.id
)
"""
# A rule that compares a transaction with entries, its own or its original's, cannot be checked while they are in files.
_NOT_ARCHIVED = """
WHERE NOT EXISTS (SELECT FROM archived a WHERE broken.transaction_id >= a.low AND broken.transaction_id < a.high)
  AND NOT EXISTS (
    SELECT FROM transactions r JOIN archived a ON (r.reverses_id >= a.low AND r.reverses_id < a.high)
        OR (r.reverses_id IS NOT NULL AND r.id >= a.low AND r.id < a.high)
    WHERE broken.transaction_id IN (r.id, r.reverses_id))
"""

_FEE_VERSIONS = """
, fee_versions AS ( -- each version of a fee schedule with the moment at which the next one begins
    SELECT *, lead(valid_from) OVER (PARTITION BY transaction_type, currency, user_id ORDER BY version) AS valid_to
    FROM fee_schedules
)
"""

REVERSALS_SINCE = 19
"""The revision with reversals."""

_REVERSALS = """
, reversals AS ( -- each completed reversal with its original, and the part of the fee that it gives back
    SELECT *, CASE WHEN with_fee = 0 THEN 0
                   ELSE div(fee * with_fee_so_far, original_amount) - div(fee * (with_fee_so_far - amount), original_amount)
              END AS fee_given
    FROM (
        SELECT r.id, r.reverses_id, r.amount::numeric AS amount, r.sender_wallet_id, r.receiver_wallet_id,
               o.amount::numeric AS original_amount, coalesce(o.fee, 0)::numeric AS fee, part.with_fee,
               sum(part.with_fee) OVER (PARTITION BY r.reverses_id ORDER BY e.sequence) AS with_fee_so_far
        FROM transactions r
        JOIN transactions o ON o.id = r.reverses_id
        JOIN ledger_entries e ON e.transaction_id = r.id AND e.wallet_id = r.sender_wallet_id AND e.purpose = 'PRINCIPAL'
        CROSS JOIN LATERAL (
            SELECT CASE r.terms->'reversal'->>'fees' WHEN 'PROPORTIONAL' THEN r.amount::numeric ELSE 0 END AS with_fee
        ) part
        WHERE r.status = 'COMPLETED'
    ) AS ordered
)
"""

LEDGER = (
    Check(
        "All entries in {currency} sum to {total} instead of 0.",
        """
        SELECT w.currency, sum(e.amount) AS total FROM ledger_entries e JOIN wallets w ON w.id = e.wallet_id
        GROUP BY w.currency HAVING sum(e.amount) <> 0
        """,
    ),
    Check(
        "Entries of transaction {transaction_id} in {currency} sum to {total} instead of 0.",
        """
        SELECT e.transaction_id, w.currency, sum(e.amount) AS total
        FROM ledger_entries e JOIN wallets w ON w.id = e.wallet_id
        GROUP BY e.transaction_id, w.currency HAVING sum(e.amount) <> 0
        """,
    ),
    Check(
        "Entry {sequence} of wallet {wallet_id} follows entry {previous_sequence}.",
        "SELECT wallet_id, sequence, previous_sequence FROM chain WHERE sequence <> previous_sequence::numeric + 1",
    ),
    Check(
        "Entry {sequence} of wallet {wallet_id} starts at {balance_before}, but the balance was {previous_balance}.",
        """
        SELECT wallet_id, sequence, balance_before, previous_balance FROM chain
        WHERE balance_before <> previous_balance
        """,
    ),
    Check(
        "Entry {sequence} of wallet {wallet_id} is of {created_at}, earlier than the one before it.",
        "SELECT wallet_id, sequence, created_at FROM chain WHERE created_at < previous_time",
    ),
)

WALLETS = (
    Check(
        "Wallet {wallet_id} has balance {balance}, but its entries sum to {total}.",
        "SELECT wallet_id, balance, total FROM wallet_totals WHERE balance <> total",
    ),
    Check(
        "Wallet {wallet_id} is at sequence {sequence}, but its newest entry is {newest}.",
        "SELECT wallet_id, sequence, newest FROM wallet_totals WHERE sequence <> newest",
    ),
    Check(
        "Wallet {wallet_id} was posted to at {posted_at}, but its newest entry is of {newest_time}.",
        """
        SELECT wallet_id, posted_at, coalesce(newest_time, created_at) AS newest_time FROM wallet_totals
        WHERE posted_at <> coalesce(newest_time, created_at)
        """,
    ),
    Check(
        "Wallet {wallet_id} of a user has {available} available, below zero.",
        """
        SELECT id AS wallet_id, balance::numeric - held AS available FROM wallets
        WHERE kind = 'USER' AND balance::numeric - held < 0
        """,
        until=REVERSALS_SINCE - 1,
    ),
    Check(
        "Wallet {wallet_id} of a user has {available} available, below zero.",
        """
        SELECT id AS wallet_id, balance::numeric - held AS available FROM wallets
        WHERE kind = 'USER' AND balance::numeric - held < 0 AND NOT (overdrawn AND EXISTS (
            SELECT FROM transactions t
            WHERE t.sender_wallet_id = wallets.id AND t.status = 'COMPLETED' AND t.terms->'reversal'->>'overdraft' = 'true'))
        """,
        since=REVERSALS_SINCE,
    ),
    Check(
        "Wallet {wallet_id} is marked as overdrawn, but has {available} available.",
        """
        SELECT id AS wallet_id, balance::numeric - held AS available FROM wallets
        WHERE overdrawn AND (kind = 'SYSTEM' OR balance::numeric - held >= 0)
        """,
        since=REVERSALS_SINCE,
    ),
    Check(
        "Wallet {wallet_id} is closed with balance {balance} and {held} held.",
        "SELECT id AS wallet_id, balance, held FROM wallets WHERE status = 'CLOSED' AND (balance <> 0 OR held <> 0)",
    ),
)

TRANSACTIONS = (
    Check(
        "Transaction {transaction_id} is COMPLETED without entries.",
        """
        SELECT t.id AS transaction_id FROM transactions t
        WHERE t.status = 'COMPLETED' AND NOT EXISTS (SELECT FROM ledger_entries e WHERE e.transaction_id = t.id)
        """,
    ),
    Check(
        "Transaction {transaction_id} is {status} with entries.",
        """
        SELECT t.id AS transaction_id, t.status::text AS status FROM transactions t
        WHERE t.status <> 'COMPLETED' AND EXISTS (SELECT FROM ledger_entries e WHERE e.transaction_id = t.id)
        """,
    ),
    Check(
        "Entries of transaction {transaction_id} do not match it: {amount} {currency} from sender to receiver.",
        """
        SELECT t.id AS transaction_id, t.amount, t.currency
        FROM transactions t
        JOIN ledger_entries e ON e.transaction_id = t.id
        LEFT JOIN wallets w ON w.id = e.wallet_id
        WHERE t.type::text NOT IN ('POSTING', 'REVERSAL', 'CONVERSION')
        GROUP BY t.id, t.amount, t.currency
        HAVING count(*) <> max(e.leg) + 1
            OR count(*) FILTER (WHERE e.leg = 0 AND e.wallet_id = t.sender_wallet_id AND e.amount = -t.amount::numeric) <> 1
            OR count(*) FILTER (WHERE e.leg = 1 AND e.wallet_id = t.receiver_wallet_id AND e.amount = t.amount) <> 1
            OR bool_or((e.leg <= 1) <> (e.purpose = 'PRINCIPAL'))
            OR bool_or(w.currency IS DISTINCT FROM t.currency)
        """,
        since=13,
    ),
    Check(
        "Entry {leg} of transaction {transaction_id} is in wallet {wallet_id}, which is neither a side of it nor the system's.",
        """
        SELECT e.leg, e.transaction_id, e.wallet_id
        FROM ledger_entries e JOIN transactions t ON t.id = e.transaction_id LEFT JOIN wallets w ON w.id = e.wallet_id
        WHERE e.leg > 1 AND t.type::text NOT IN ('POSTING', 'REVERSAL', 'CONVERSION')
          AND e.wallet_id <> t.sender_wallet_id AND e.wallet_id <> t.receiver_wallet_id AND w.kind IS DISTINCT FROM 'SYSTEM'
        """,
        since=13,
    ),
    Check(
        "Transaction {transaction_id} was charged {charged}, but version {version} of the fee schedule charges {due}.",
        # Computed here without the function that the posting trigger uses.
        """
        SELECT t.id AS transaction_id, coalesce(t.fee, 0) AS charged, due.version, coalesce(due.fee, 0) AS due
        FROM transactions t
        JOIN wallets sender ON sender.id = t.sender_wallet_id
        JOIN wallets receiver ON receiver.id = t.receiver_wallet_id
        LEFT JOIN LATERAL (
            SELECT f.id, f.version, least(greatest(coalesce(f.flat, 0) + CASE f.rounding
                       WHEN 'UP' THEN trunc(f.exact) + (f.exact > trunc(f.exact))::int WHEN 'DOWN' THEN trunc(f.exact)
                       ELSE trunc(f.exact) + (f.exact - trunc(f.exact) > 0.5
                           OR (f.exact - trunc(f.exact) = 0.5 AND trunc(f.exact) % 2 = 1))::int
                   END, f.minimum), f.maximum, 9223372036854775807) AS fee
            FROM (SELECT *, coalesce(percent, 0) * t.amount / 100::numeric AS exact FROM fee_versions) f
            WHERE f.transaction_type = t.type AND f.currency = t.currency
              AND f.valid_from <= t.completed_at AND (f.valid_to IS NULL OR t.completed_at < f.valid_to)
              AND (f.user_id IS NULL OR (f.payer = 'SENDER' AND f.user_id = sender.owner_id)
                   OR (f.payer = 'RECEIVER' AND f.user_id = receiver.owner_id))
            ORDER BY f.user_id IS NULL, f.payer LIMIT 1
        ) due ON true
        WHERE t.status = 'COMPLETED' AND t.type::text NOT IN ('POSTING', 'REVERSAL', 'CONVERSION')
          AND (t.fee IS NOT NULL OR due.fee > 0)
          AND (t.fee, t.fee_schedule_id) IS DISTINCT FROM (due.fee, due.id)
        """,
        since=FEES_SINCE,
    ),
    Check(
        "Entries of transaction {transaction_id} do not post its fee of {fee} from the payer to the fee wallet.",
        """
        SELECT t.id AS transaction_id, coalesce(t.fee, 0) AS fee
        FROM transactions t
        JOIN ledger_entries e ON e.transaction_id = t.id
        LEFT JOIN fee_schedules f ON f.id = t.fee_schedule_id
        LEFT JOIN wallets w ON w.id = e.wallet_id
        WHERE t.type::text NOT IN ('POSTING', 'REVERSAL', 'CONVERSION')
        GROUP BY t.id, t.fee
        HAVING count(*) FILTER (WHERE e.leg > 1) <> CASE WHEN t.fee IS NULL THEN 0 ELSE 2 END
            OR (t.fee IS NOT NULL AND (
                count(*) FILTER (WHERE e.leg = 2 AND e.purpose = 'FEE' AND e.amount = -t.fee::numeric
                    AND e.wallet_id = CASE f.payer WHEN 'SENDER' THEN t.sender_wallet_id ELSE t.receiver_wallet_id END) <> 1
                OR count(*) FILTER (WHERE e.leg = 3 AND e.purpose = 'FEE' AND e.amount = t.fee
                    AND w.system_purpose = 'FEES') <> 1))
        """,
        since=FEES_SINCE,
    ),
    Check(
        "Entries of posting {transaction_id} are not its legs.",
        """
        SELECT t.id AS transaction_id
        FROM transactions t JOIN ledger_entries e ON e.transaction_id = t.id LEFT JOIN wallets w ON w.id = e.wallet_id
        WHERE t.type = 'POSTING'
        GROUP BY t.id, t.terms
        HAVING count(*) IS DISTINCT FROM jsonb_array_length(t.terms->'legs')
            OR bool_or(t.terms->'legs'->(e.leg::int)
                IS DISTINCT FROM jsonb_build_array(e.wallet_id, e.amount, w.currency, e.purpose))
        """,
        since=13,
    ),
    Check(
        "Transaction {transaction_id} reverses {original_id}, which is no completed transfer, capture, deposit or "
        "conversion between its wallets.",
        """
        SELECT t.id AS transaction_id, t.reverses_id AS original_id
        FROM transactions t LEFT JOIN transactions o ON o.id = t.reverses_id
        WHERE t.reverses_id IS NOT NULL AND (
            o.status IS DISTINCT FROM 'COMPLETED' OR o.type::text NOT IN ('TRANSFER', 'DEPOSIT', 'CAPTURE', 'CONVERSION')
            OR o.currency <> t.currency
            OR (o.sender_wallet_id, o.receiver_wallet_id) IS DISTINCT FROM (t.receiver_wallet_id, t.sender_wallet_id))
        """,
        since=REVERSALS_SINCE,
    ),
    Check(
        "Entries of reversal {transaction_id} do not give back {amount}, with {fee} of the fee, between the original's wallets.",
        """
        SELECT r.id AS transaction_id, r.amount, r.fee_given AS fee
        FROM reversals r
        JOIN transactions o ON o.id = r.reverses_id AND o.type::text <> 'CONVERSION'
        JOIN ledger_entries e ON e.transaction_id = r.id
        LEFT JOIN ledger_entries charged ON charged.transaction_id = r.reverses_id AND charged.leg = 3 - e.leg
        GROUP BY r.id, r.amount, r.fee_given, r.sender_wallet_id, r.receiver_wallet_id
        HAVING count(*) <> CASE WHEN r.fee_given > 0 THEN 4 ELSE 2 END
            OR count(*) FILTER (WHERE e.leg = CASE WHEN r.fee_given > 0 THEN 2 ELSE 0 END AND e.purpose = 'PRINCIPAL'
                AND e.wallet_id = r.sender_wallet_id AND e.amount = -r.amount) <> 1
            OR count(*) FILTER (WHERE e.leg = CASE WHEN r.fee_given > 0 THEN 3 ELSE 1 END AND e.purpose = 'PRINCIPAL'
                AND e.wallet_id = r.receiver_wallet_id AND e.amount = r.amount) <> 1
            OR (r.fee_given > 0 AND (
                count(*) FILTER (WHERE e.leg = 0 AND e.purpose = 'FEE' AND e.wallet_id = charged.wallet_id
                    AND e.amount = -r.fee_given) <> 1
                OR count(*) FILTER (WHERE e.leg = 1 AND e.purpose = 'FEE' AND e.wallet_id = charged.wallet_id
                    AND e.amount = r.fee_given) <> 1))
        """,
        since=REVERSALS_SINCE,
    ),
    Check(
        "Of transaction {transaction_id} {recorded} and {fee_recorded} of the fee are recorded as given back, but its reversals "
        "sum to {found} of {amount} and {fee_found} of {fee}.",
        """
        SELECT coalesce(a.transaction_id, r.reverses_id) AS transaction_id, coalesce(a.reversed, 0) AS recorded,
               coalesce(a.fee_reversed, 0) AS fee_recorded, coalesce(r.found, 0) AS found, coalesce(r.fee_found, 0) AS fee_found,
               coalesce(r.original_amount, a.amount) AS amount, coalesce(r.fee, a.fee) AS fee
        FROM reversed_amounts a
        FULL JOIN (
            SELECT reverses_id, original_amount, fee, sum(amount) AS found, sum(with_fee) AS with_fee, sum(fee_given) AS fee_found
            FROM reversals GROUP BY reverses_id, original_amount, fee
        ) r ON r.reverses_id = a.transaction_id
        WHERE (a.amount, a.fee, a.reversed, a.reversed_with_fee, a.fee_reversed)
              IS DISTINCT FROM (r.original_amount, r.fee, r.found, r.with_fee, r.fee_found)
           OR r.found > r.original_amount
        """,
        since=REVERSALS_SINCE,
    ),
    Check(
        "Transaction {transaction_id} is in the list of wallet {wallet_id} with the sign {listed}, but its entries have {found}.",
        """
        SELECT coalesce(l.transaction_id, e.transaction_id) AS transaction_id, coalesce(l.wallet_id, e.wallet_id) AS wallet_id,
               l.change AS listed, e.change AS found
        FROM transaction_wallets l
        FULL JOIN (
            SELECT e.transaction_id, e.wallet_id, sign(sum(e.amount)) AS change
            FROM ledger_entries e JOIN transactions t ON t.id = e.transaction_id
            WHERE e.wallet_id IS DISTINCT FROM t.sender_wallet_id AND e.wallet_id IS DISTINCT FROM t.receiver_wallet_id
              AND (e.leg > 1 OR t.type::text IN ('POSTING', 'REVERSAL'))
            GROUP BY e.transaction_id, e.wallet_id
        ) e ON e.transaction_id = l.transaction_id AND e.wallet_id = l.wallet_id
        WHERE l.change IS DISTINCT FROM e.change
        """,
        since=13,
    ),
    Check(
        "Entries of transaction {transaction_id} do not match it: {amount} {currency} from sender to receiver.",
        # A missing wallet has its own finding. Here it counts as a wrong currency.
        """
        SELECT t.id AS transaction_id, t.amount, t.currency
        FROM transactions t
        JOIN ledger_entries e ON e.transaction_id = t.id
        LEFT JOIN wallets w ON w.id = e.wallet_id
        GROUP BY t.id, t.amount, t.currency
        HAVING count(*) <> 2
            OR count(*) FILTER (WHERE e.leg = 0 AND e.wallet_id = t.sender_wallet_id AND e.amount = -t.amount::numeric) <> 1
            OR count(*) FILTER (WHERE e.leg = 1 AND e.wallet_id = t.receiver_wallet_id AND e.amount = t.amount) <> 1
            OR bool_or(w.currency IS DISTINCT FROM t.currency)
        """,
        until=12,
    ),
)

# Uniqueness, checked without the unique indexes: an index that an upgrade of the system's collations has broken accepts
# duplicates. Compared by bytes, whatever the collation.
UNIQUE_TEXTS = (
    Check(
        "User {user_id} has the same subject as user {first_id}, who was first.",
        """
        SELECT user_id, first_id FROM (
            SELECT id AS user_id, first_value(id) OVER same AS first_id, row_number() OVER same AS place
            FROM users WINDOW same AS (PARTITION BY subject COLLATE "C" ORDER BY created_at, id)
        ) AS subjects WHERE place > 1
        """,
    ),
    Check(
        "User {initiator_id} has {times} transactions with one idempotency key, {idempotency_key!r}.",
        """
        SELECT initiator_id, idempotency_key COLLATE "C" AS idempotency_key, count(*) AS times FROM transactions
        GROUP BY 1, 2 HAVING count(*) > 1
        """,
    ),
    Check(
        "User {owner_id} has opened {times} wallets with one idempotency key, {idempotency_key!r}.",
        """
        SELECT owner_id, idempotency_key COLLATE "C" AS idempotency_key, count(*) AS times FROM wallet_openings
        GROUP BY 1, 2 HAVING count(*) > 1
        """,
    ),
    Check(
        "There are {times} system wallets in {currency} for {purpose}.",
        """
        SELECT currency COLLATE "C" AS currency, system_purpose COLLATE "C" AS purpose, count(*) AS times FROM wallets
        WHERE system_purpose IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1
        """,
    ),
    Check(
        "Currency {code} exists {times} times.",
        'SELECT code COLLATE "C" AS code, count(*) AS times FROM currencies GROUP BY 1 HAVING count(*) > 1',
    ),
    Check(
        "User {user_id} has {times} quotas in {currency}.",
        """
        SELECT user_id, currency COLLATE "C" AS currency, count(*) AS times FROM quota_amounts
        GROUP BY 1, 2 HAVING count(*) > 1
        """,
    ),
)


def _missing(whose: str, what: str, selected: str, condition: str) -> Check:
    return Check(f"{whose} names {what}, which does not exist.", f"SELECT {selected} WHERE {condition}")


REFERENCES = (
    _missing(
        "Entry {sequence} of wallet {wallet_id}",
        "transaction {transaction_id}",
        "e.wallet_id, e.sequence, e.transaction_id FROM ledger_entries e",
        "NOT EXISTS (SELECT FROM transactions t WHERE t.id = e.transaction_id)",
    ),
    _missing(
        "Entry {sequence} of transaction {transaction_id}",
        "wallet {wallet_id}",
        "e.wallet_id, e.sequence, e.transaction_id FROM ledger_entries e",
        "NOT EXISTS (SELECT FROM wallets w WHERE w.id = e.wallet_id)",
    ),
    _missing(
        "Transaction {transaction_id}",
        "user {initiator_id}",
        "t.id AS transaction_id, t.initiator_id FROM transactions t",
        "NOT EXISTS (SELECT FROM users u WHERE u.id = t.initiator_id)",
    ),
    _missing(
        "Transaction {transaction_id}",
        "wallet {wallet_id}",
        """t.id AS transaction_id, n.wallet_id
        FROM transactions t CROSS JOIN LATERAL (VALUES (t.sender_wallet_id), (t.receiver_wallet_id)) AS n (wallet_id)""",
        "n.wallet_id IS NOT NULL AND NOT EXISTS (SELECT FROM wallets w WHERE w.id = n.wallet_id)",
    ),
    _missing(
        "Transaction {transaction_id}",
        "currency {currency}",
        "t.id AS transaction_id, t.currency FROM transactions t",
        "NOT EXISTS (SELECT FROM currencies c WHERE c.code = t.currency)",
    ),
    _missing(
        "Wallet {wallet_id}",
        "user {owner_id}",
        "w.id AS wallet_id, w.owner_id FROM wallets w",
        "w.owner_id IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.id = w.owner_id)",
    ),
    _missing(
        "Wallet {wallet_id}",
        "currency {currency}",
        "w.id AS wallet_id, w.currency FROM wallets w",
        "NOT EXISTS (SELECT FROM currencies c WHERE c.code = w.currency)",
    ),
    _missing(
        "The opening key of user {owner_id}",
        "wallet {wallet_id}",
        "o.owner_id, o.wallet_id FROM wallet_openings o",
        "NOT EXISTS (SELECT FROM wallets w WHERE w.id = o.wallet_id AND w.owner_id = o.owner_id)",
    ),
)

ARCHIVES = (
    Check(
        "The seal of {partition} says that {currency} is debited {debits} and credited {credits}.",
        """
        SELECT s.partition, of_currency.key AS currency, of_currency.value->>0 AS debits, of_currency.value->>1 AS credits
        FROM ledger_seals s CROSS JOIN LATERAL jsonb_each(s.sums) AS of_currency
        WHERE (of_currency.value->>0)::numeric <> (of_currency.value->>1)::numeric
        """,
        since=ARCHIVES_SINCE,
    ),
    Check(
        "The seal of {partition} says that {currency} is credited {credits}, but the entries have {found}.",
        """
        SELECT s.partition, of_currency.key AS currency, of_currency.value->>1 AS credits, coalesce(found.credits, 0) AS found
        FROM ledger_seals s
        JOIN ledger_partitions() p ON p.name = s.partition
        CROSS JOIN LATERAL jsonb_each(s.sums) AS of_currency
        LEFT JOIN LATERAL (
            SELECT sum(e.amount) AS credits FROM ledger_entries e JOIN wallets w ON w.id = e.wallet_id
            WHERE e.transaction_id >= s.low AND e.transaction_id < s.high AND e.amount > 0 AND w.currency = of_currency.key
        ) found ON true
        WHERE coalesce(found.credits, 0) <> (of_currency.value->>1)::numeric
        """,
        since=ARCHIVES_SINCE,
    ),
    Check(
        "Wallets changed by {change} in {currency} in the archived month {partition}, which its seal does not say.",
        """
        SELECT s.partition, w.currency, sum(p.change) AS change
        FROM ledger_seals s JOIN wallet_places p ON p.high = s.high JOIN wallets w ON w.id = p.wallet_id
        GROUP BY s.partition, w.currency HAVING sum(p.change) <> 0
        """,
        since=ARCHIVES_SINCE,
    ),
    Check(
        "Wallets were debited {found} {currency} in the archived month {partition}, but its seal says {debits}.",
        """
        SELECT s.partition, w.currency, sum(p.debits) AS found, coalesce(s.sums->w.currency->>0, 'nothing') AS debits
        FROM ledger_seals s JOIN wallet_places p ON p.high = s.high JOIN wallets w ON w.id = p.wallet_id
        GROUP BY s.partition, w.currency, s.sums HAVING sum(p.debits) IS DISTINCT FROM (s.sums->w.currency->>0)::numeric
        """,
        since=ARCHIVES_SINCE,
    ),
)

REVISION = "SELECT version_num FROM alembic_version"

BY_INDEX = "SET LOCAL enable_indexscan = on; SET LOCAL enable_nestloop = on; SET LOCAL enable_seqscan = off"
"""For what is compared with a hash, row by row: a row that a damaged index hides is found, because its hash is another."""

HAS_ARCHIVES = "SELECT EXISTS (SELECT FROM archived_months())"

RECORD = "INSERT INTO ledger_verifications (finished_at, duration_ms, findings) VALUES ($1, $2, $3)"

CHECKS = (
    *LEDGER, *WALLETS, *TRANSACTIONS, *HOLDS, *CONVERSIONS, *POSITIONS, *MODELS, *STATEMENTS,
    *UNIQUE_TEXTS, *REFERENCES, *ARCHIVES,
)  # fmt: skip


def limited(check: Check, limit: int, *, has_archives: bool = False) -> str:
    """Returns the check's query limited to `limit` rows, with the number of all rows in the column `in_all`.

    `has_archives`: some months are in files.
    """
    # Safe: the query and the limit are constants.
    further = (
        (FEES_SINCE, _FEE_VERSIONS),
        (REVERSALS_SINCE, _REVERSALS),
        (HOLDS_SINCE, hold_verification_sql.VIEWS),
        (CONVERSIONS_SINCE, fx_verification_sql.VIEWS),
        (POSITIONS_SINCE, sequence_verification_sql.VIEWS),
        (MODELS_SINCE, model_verification_sql.VIEWS),
    )
    views = (_VIEWS_WITH_ARCHIVES if has_archives else _VIEWS) + "".join(view for since, view in further if check.since >= since)
    kept = _NOT_ARCHIVED if has_archives and "{transaction_id}" in check.sentence else ""
    return f"{views} SELECT *, count(*) OVER () AS in_all FROM ({check.query}) AS broken {kept} LIMIT {limit}"  # noqa: S608
