"""What the release before revision 0012 sends while it moves money, word for word: it runs on while a new one migrates."""

from __future__ import annotations

WALLET_FACTS = "SELECT id, kind::text, owner_id FROM wallets WHERE id = ANY($1::uuid[])"

LOCK_WALLETS = """
SELECT id, kind::text, owner_id, name, currency, balance, held, sequence, status::text, version, posted_at, created_at,
       EXISTS (SELECT FROM quotas WHERE quotas.user_id = wallets.owner_id) AS has_quota
FROM wallets WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""

RECORDED_TRANSACTIONS = """
SELECT t.id, t.initiator_id, t.idempotency_key, t.type::text, t.status::text, t.sender_wallet_id,
       t.receiver_wallet_id, t.amount, t.currency, t.description, t.failure_code, t.failure_field,
       t.failure_available, t.created_at, t.completed_at
FROM unnest($1::uuid[], $2::text[]) AS k (initiator_id, idempotency_key)
JOIN transactions t ON t.initiator_id = k.initiator_id AND t.idempotency_key = k.idempotency_key COLLATE "C"
"""

RECORD = """
WITH recorded AS (
    INSERT INTO transactions (id, initiator_id, idempotency_key, type, status, sender_wallet_id,
        receiver_wallet_id, amount, currency, description, failure_code, failure_field, failure_available,
        created_at, completed_at)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::transaction_type[], $5::transaction_status[], $6::uuid[],
        $7::uuid[], $8::bigint[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::timestamptz[],
        $15::timestamptz[])
    ON CONFLICT ON CONSTRAINT transactions_idempotency_key DO NOTHING
    RETURNING id
), outcome AS (
    SELECT count(*) = cardinality($1::uuid[]) AS is_complete FROM recorded
), posted AS (
    INSERT INTO ledger_entries (transaction_id, leg, wallet_id, sequence, amount, balance_after, created_at)
    SELECT entry.* FROM unnest($16::uuid[], $17::smallint[], $18::uuid[], $19::bigint[], $20::bigint[], $21::bigint[],
        $22::timestamptz[]) AS entry
    WHERE (SELECT is_complete FROM outcome)
), queued AS (
    INSERT INTO outbox (created_at, payload)
    SELECT clock_timestamp(), payload::json FROM unnest($23::text[]) WITH ORDINALITY AS event (payload, position)
    WHERE (SELECT is_complete FROM outcome)
    ORDER BY position
)
SELECT is_complete FROM outcome
"""

INSERT_DEPOSITS_WALLET = """
INSERT INTO wallets (id, posted_at, created_at, kind, currency, name, system_purpose)
VALUES ($1, $2, $2, 'SYSTEM', $3, 'Deposits', 'DEPOSITS')
"""
