"""The ledger's rules, in the database: a bug in Python cannot break them.

Each violation names a constraint, as a CHECK would, so that Python and people can tell which rule it was.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
-- For tables that only grow. The trigger's argument names the rule.
BEGIN
    RAISE EXCEPTION '% of % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[1]
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_ARGV[0], TABLE = TG_TABLE_NAME;
END $$
"""

POST_ENTRIES = """
CREATE FUNCTION post_ledger_entries() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- The only writer of wallets.balance, sequence and posted_at. Runs once per INSERT, over all its rows:
-- each transaction is COMPLETED, posted whole, once, and sums to zero per currency; each wallet is active and its
-- chain of entries goes on from where it stood, without a gap and never back in time. No entry overdraws a user's
-- wallet, not even one that a later entry makes good: the CHECK of the wallet sees only where the chain ends.
DECLARE
    broken record;
    expected bigint;
    updated bigint;
BEGIN
    -- A transaction between two wallets is posted as just that: its sender's debit, its receiver's credit.
    -- One with more legs names neither side.
    SELECT e.transaction_id INTO broken
    FROM new_entries e LEFT JOIN transactions t ON t.id = e.transaction_id
    WHERE t.status IS DISTINCT FROM 'COMPLETED'
       OR (t.sender_wallet_id IS NOT NULL AND t.receiver_wallet_id IS NOT NULL
           AND NOT CASE e.leg WHEN 0 THEN e.wallet_id = t.sender_wallet_id AND e.amount = -t.amount
                              WHEN 1 THEN e.wallet_id = t.receiver_wallet_id AND e.amount = t.amount
                              ELSE false END)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'an entry of transaction % is not what was asked, or it is not completed', broken.transaction_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_of_completed_transaction';
    END IF;

    SELECT transaction_id INTO broken
    FROM new_entries GROUP BY transaction_id
    HAVING min(leg) <> 0 OR max(leg) <> count(*) - 1 OR count(*) < 2
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'these are not all the entries of transaction %', broken.transaction_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_posted_whole';
    END IF;

    SELECT e.transaction_id, w.currency, sum(e.amount) AS total INTO broken
    FROM new_entries e JOIN wallets w ON w.id = e.wallet_id
    GROUP BY e.transaction_id, w.currency HAVING sum(e.amount) <> 0
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entries of transaction % sum to % in %', broken.transaction_id, broken.total, broken.currency
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_sum_to_zero';
    END IF;

    SELECT e.wallet_id, e.sequence, w.kind = 'USER' AND e.balance_after < w.held AS overdrawn INTO broken
    FROM (SELECT wallet_id, sequence, balance_before, balance_after, created_at,
                 lag(sequence) OVER chain AS previous_sequence,
                 lag(balance_after) OVER chain AS previous_balance,
                 lag(created_at) OVER chain AS previous_time
          FROM new_entries WINDOW chain AS (PARTITION BY wallet_id ORDER BY sequence)) e
    LEFT JOIN wallets w ON w.id = e.wallet_id
    WHERE w.status IS DISTINCT FROM 'ACTIVE'
       OR e.sequence <> coalesce(e.previous_sequence, w.sequence) + 1
       OR e.balance_before <> coalesce(e.previous_balance, w.balance)
       OR e.created_at < coalesce(e.previous_time, w.posted_at)
       OR (w.kind = 'USER' AND e.balance_after < w.held)
    LIMIT 1;
    IF FOUND AND broken.overdrawn THEN
        RAISE EXCEPTION 'entry % of wallet % spends more than is available', broken.sequence, broken.wallet_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'wallets_available_not_negative';
    ELSIF FOUND THEN
        RAISE EXCEPTION 'entry % of wallet % does not continue the chain of an active wallet', broken.sequence, broken.wallet_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_continue_chain';
    END IF;

    SELECT count(DISTINCT wallet_id) INTO expected FROM new_entries;
    UPDATE wallets w SET balance = e.balance_after, sequence = e.sequence, posted_at = e.created_at
    FROM (SELECT DISTINCT ON (wallet_id) wallet_id, sequence, balance_after, created_at
          FROM new_entries ORDER BY wallet_id, sequence DESC) e
    WHERE w.id = e.wallet_id AND w.sequence < e.sequence AND w.status = 'ACTIVE';
    GET DIAGNOSTICS updated = ROW_COUNT;
    IF updated <> expected THEN
        RAISE EXCEPTION 'a wallet moved on meanwhile: lock wallets before posting'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_continue_chain';
    END IF;
    RETURN NULL;
END $$
"""

CHECK_REFERENCES = """
CREATE FUNCTION check_transaction_references() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Foreign keys of a whole batch in one look, and that what may settle is in its wallets' currency.
-- Sound because users, wallets and currencies are never deleted and keep their ids.
DECLARE
    broken record;
BEGIN
    SELECT t.id, t.currency,
           c.code IS NOT NULL AND t.status <> 'FAILED' AND (s.currency <> t.currency OR r.currency <> t.currency) AS mismatched
    INTO broken
    FROM new_transactions t
    LEFT JOIN users u ON u.id = t.initiator_id
    LEFT JOIN wallets s ON s.id = t.sender_wallet_id
    LEFT JOIN wallets r ON r.id = t.receiver_wallet_id
    LEFT JOIN currencies c ON c.code = t.currency
    WHERE u.id IS NULL OR c.code IS NULL
       OR (s.id IS NULL AND t.sender_wallet_id IS NOT NULL)
       OR (r.id IS NULL AND t.receiver_wallet_id IS NOT NULL)
       OR (t.status <> 'FAILED' AND (s.currency <> t.currency OR r.currency <> t.currency))
    LIMIT 1;
    IF FOUND AND broken.mismatched THEN
        RAISE EXCEPTION 'transaction % is in %, but its wallets are not', broken.id, broken.currency
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transactions_currency_of_wallets';
    ELSIF FOUND THEN
        RAISE EXCEPTION 'transaction % names a user, wallet or currency that does not exist', broken.id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'transactions_references_exist';
    END IF;
    RETURN NULL;
END $$
"""

GUARD_WALLET = """
CREATE FUNCTION guard_wallet() RETURNS trigger LANGUAGE plpgsql AS $$
-- Born empty; who, what and when never change; a change that is no entry raises the version.
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.balance <> 0 OR NEW.held <> 0 OR NEW.sequence <> 0 OR NEW.version <> 1
           OR NEW.posted_at <> NEW.created_at THEN
            RAISE EXCEPTION 'a wallet is born empty'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'wallets_born_empty';
        END IF;
        RETURN NEW;
    END IF;
    IF pg_trigger_depth() < 2
       AND (NEW.balance, NEW.sequence, NEW.posted_at) IS DISTINCT FROM (OLD.balance, OLD.sequence, OLD.posted_at) THEN
        RAISE EXCEPTION 'the balance of wallet % follows from its entries: insert those', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'wallets_balance_from_entries';
    END IF;
    IF (NEW.id, NEW.kind, NEW.owner_id, NEW.currency, NEW.created_at, NEW.system_purpose)
       IS DISTINCT FROM (OLD.id, OLD.kind, OLD.owner_id, OLD.currency, OLD.created_at, OLD.system_purpose) THEN
        RAISE EXCEPTION 'kind, owner, currency and creation of wallet % never change', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'wallets_identity_is_final';
    END IF;
    NEW.version := OLD.version + ((NEW.status, NEW.name, NEW.held) IS DISTINCT FROM (OLD.status, OLD.name, OLD.held))::int;
    RETURN NEW;
END $$
"""

GUARD_TRANSACTION = """
CREATE FUNCTION guard_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
-- Settled is final. What is PENDING may settle, but what was asked never changes.
BEGIN
    IF OLD.status <> 'PENDING'
       OR (NEW.id, NEW.initiator_id, NEW.idempotency_key, NEW.request_hash, NEW.type, NEW.sender_wallet_id,
           NEW.receiver_wallet_id, NEW.amount, NEW.currency, NEW.description, NEW.created_at)
       IS DISTINCT FROM
          (OLD.id, OLD.initiator_id, OLD.idempotency_key, OLD.request_hash, OLD.type, OLD.sender_wallet_id,
           OLD.receiver_wallet_id, OLD.amount, OLD.currency, OLD.description, OLD.created_at) THEN
        RAISE EXCEPTION 'transaction % is settled, or the change would rewrite what was asked', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transactions_settled_is_final';
    END IF;
    RETURN NEW;
END $$
"""

TAKE_TRANSACTION_ID = """
CREATE FUNCTION take_transaction_id() RETURNS trigger LANGUAGE plpgsql AS $$
-- Before a row of news gets its id, its transaction has one of its own: the relay tells by those which ids of news may
-- still be missing.
BEGIN
    PERFORM pg_current_xact_id();
    RETURN NULL;
END $$
"""

TRIGGERS = (
    """
    CREATE TRIGGER outbox_take_transaction_id BEFORE INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION take_transaction_id()
    """,
    """
    CREATE TRIGGER ledger_entries_post AFTER INSERT ON ledger_entries
    REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT EXECUTE FUNCTION post_ledger_entries()
    """,
    """
    CREATE TRIGGER transactions_check_references AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS new_transactions FOR EACH STATEMENT EXECUTE FUNCTION check_transaction_references()
    """,
    """
    CREATE TRIGGER transactions_guard BEFORE UPDATE ON transactions
    FOR EACH ROW EXECUTE FUNCTION guard_transaction()
    """,
    """
    CREATE TRIGGER wallets_guard_insert BEFORE INSERT ON wallets
    FOR EACH ROW EXECUTE FUNCTION guard_wallet()
    """,
    # Its condition keeps the posting trigger's own updates, the hot path, free of a function call per row.
    """
    CREATE TRIGGER wallets_guard_update BEFORE UPDATE ON wallets
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 OR (NEW.id, NEW.kind, NEW.owner_id, NEW.currency, NEW.status, NEW.name, NEW.held)
        IS DISTINCT FROM (OLD.id, OLD.kind, OLD.owner_id, OLD.currency, OLD.status, OLD.name, OLD.held))
    EXECUTE FUNCTION guard_wallet()
    """,
)

FUNCTIONS = (
    "post_ledger_entries",
    "check_transaction_references",
    "guard_transaction",
    "guard_wallet",
    "take_transaction_id",
    "refuse_change",
)

INSERT_ONLY = {
    "ledger_entries": ("UPDATE OR DELETE OR TRUNCATE", "entries are insert-only: correct with a new transaction"),
    "audit_log": ("UPDATE OR DELETE OR TRUNCATE", "the audit log is insert-only"),
    "wallet_openings": ("UPDATE OR DELETE OR TRUNCATE", "idempotency keys are never forgotten"),
    "transactions": ("DELETE OR TRUNCATE", "transactions and their keys are kept for ever"),
    "wallets": ("DELETE OR TRUNCATE", "wallets are closed, never deleted"),
    "users": ("DELETE OR TRUNCATE", "the ledger refers to users for ever"),
    "currencies": ("DELETE OR TRUNCATE", "the ledger refers to currencies for ever"),
}

# What entries and transactions refer to, or are read by, without a foreign key.
FINAL_COLUMNS = {
    "users": ("id", "the ledger refers to users for ever"),
    "currencies": ("code, exponent", "every amount ever written is in these units"),
}


def upgrade() -> None:
    """Create the functions and hang them on the tables."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    for function in (REFUSE_CHANGE, POST_ENTRIES, CHECK_REFERENCES, GUARD_WALLET, GUARD_TRANSACTION, TAKE_TRANSACTION_ID):
        op.execute(function)
    for name in FUNCTIONS:
        # Temporary tables last: else a table of that name, made by whoever inserts, would be read in place of ours.
        op.execute(f"ALTER FUNCTION {name}() SET search_path = {schema}, pg_temp")
        # Else anyone could hang the posting function on a table of their own, and move balances without entries.
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name}() FROM PUBLIC")
    for trigger in TRIGGERS:
        op.execute(trigger)
    for table, (events, reason) in INSERT_ONLY.items():
        # Per statement, so that even a change that would hit no row is refused.
        op.execute(
            f"CREATE TRIGGER {table}_insert_only BEFORE {events} ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('{table}_insert_only', '{reason}')"
        )
    for table, (columns, reason) in FINAL_COLUMNS.items():
        op.execute(
            f"CREATE TRIGGER {table}_identity_is_final BEFORE UPDATE OF {columns} ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('{table}_identity_is_final', '{reason}')"
        )


def downgrade() -> None:
    """Drop them; triggers go with their functions."""
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}() CASCADE")
