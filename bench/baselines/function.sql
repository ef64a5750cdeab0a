-- Baseline (a): one transfer as one function, in one round trip, in its own database transaction. It does what Paycore
-- does for one transfer, on Paycore's own tables and under their rules: locks in one order, a key that pays once, funds
-- and status checked, a transaction, two entries, an event for the relay.
CREATE OR REPLACE FUNCTION bench_transfer(sender_number int, receiver_number int, amount bigint) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    sender_id uuid := ('019aa000-0000-7000-8000-' || lpad(sender_number::text, 12, '0'))::uuid;
    receiver_id uuid := ('019aa000-0000-7000-8000-' || lpad(receiver_number::text, 12, '0'))::uuid;
    key text := gen_random_uuid()::text;
    transaction_id uuid := (left(uuidv7()::text, 33) || '000')::uuid;
    sender wallets;
    receiver wallets;
    posted_at timestamptz;
    recorded_id uuid;
BEGIN
    IF sender_id < receiver_id THEN
        SELECT * INTO sender FROM wallets WHERE id = sender_id FOR NO KEY UPDATE;
        SELECT * INTO receiver FROM wallets WHERE id = receiver_id FOR NO KEY UPDATE;
    ELSE
        SELECT * INTO receiver FROM wallets WHERE id = receiver_id FOR NO KEY UPDATE;
        SELECT * INTO sender FROM wallets WHERE id = sender_id FOR NO KEY UPDATE;
    END IF;
    IF sender.status <> 'ACTIVE' OR receiver.status <> 'ACTIVE' OR sender.currency <> receiver.currency
       OR sender.balance - sender.held < amount THEN
        RAISE EXCEPTION 'refused';
    END IF;
    posted_at := greatest(clock_timestamp(), sender.posted_at, receiver.posted_at);
    INSERT INTO transactions (id, initiator_id, idempotency_key, type, status, sender_wallet_id,
                              receiver_wallet_id, amount, currency, created_at, completed_at)
    VALUES (transaction_id, sender.owner_id, key,
            'TRANSFER', 'COMPLETED', sender_id, receiver_id, amount, sender.currency, posted_at, posted_at)
    ON CONFLICT ON CONSTRAINT transactions_idempotency_key DO NOTHING RETURNING id INTO recorded_id;
    IF recorded_id IS NULL THEN
        RETURN (SELECT t.id FROM transactions t
                WHERE t.initiator_id = sender.owner_id AND t.idempotency_key = key);
    END IF;
    INSERT INTO ledger_entries (transaction_id, leg, wallet_id, sequence, amount, balance_after, created_at)
    VALUES (transaction_id, 0, sender_id, sender.sequence + 1, -amount, sender.balance - amount, posted_at),
           (transaction_id, 1, receiver_id, receiver.sequence + 1, amount, receiver.balance + amount, posted_at);
    INSERT INTO outbox (created_at, payload)
    VALUES (clock_timestamp(), json_build_object(
        'v', 1, 'kind', 'settled', 'transaction_id', transaction_id,
        'owner_ids', json_build_array(sender.owner_id, receiver.owner_id),
        'entries', json_build_array(
            json_build_array(sender_id, 0, sender.sequence + 1, -amount, sender.balance, sender.balance - amount, posted_at),
            json_build_array(receiver_id, 1, receiver.sequence + 1, amount, receiver.balance, receiver.balance + amount,
                             posted_at))));
    RETURN transaction_id;
END $$
