"""Transactions of any number of entries: their rules, their input beyond the columns, and the lists that they are in.

A transaction between two wallets keeps its two PRINCIPAL entries: they are what was requested. Further entries have another
purpose and touch only those two wallets and the system's. A posting names no sender and no receiver: its legs are in `terms`,
and its entries are exactly those. `transaction_wallets` has each wallet of a transaction other than its sender and receiver,
so that a wallet's list costs the same for these as for the others.

The new constraints are not checked here, because that would read each row under a lock that every transfer waits for. The next
revision checks them.
"""

from __future__ import annotations

from alembic import context, op
from alembic.util.exc import CommandError
from sqlalchemy import text

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

LOCK = "LOCK TABLE wallets, transactions, ledger_entries IN ACCESS EXCLUSIVE MODE"
"""In the order in which a transfer takes them, so that neither waits for the other in a circle."""

COLUMNS = (
    "ALTER TABLE ledger_entries ADD COLUMN purpose entry_purpose DEFAULT 'PRINCIPAL' NOT NULL",
    """
    ALTER TABLE transactions ADD COLUMN reference text COLLATE "C", ADD COLUMN metadata jsonb, ADD COLUMN terms jsonb,
    ADD CONSTRAINT transactions_sides_unless_posting CHECK (
        (sender_wallet_id IS NULL) = (type = 'POSTING') AND (receiver_wallet_id IS NULL) = (type = 'POSTING')) NOT VALID,
    ADD CONSTRAINT transactions_legs_iff_posting CHECK (
        (type = 'POSTING') = (terms IS NOT NULL AND terms ? 'legs')) NOT VALID,
    ADD CONSTRAINT transactions_reference_length CHECK (char_length(reference) BETWEEN 1 AND 140) NOT VALID,
    ADD CONSTRAINT transactions_input_is_objects CHECK (
        jsonb_typeof(metadata) = 'object' AND metadata <> '{}' AND jsonb_typeof(terms) = 'object') NOT VALID
    """,
    "ALTER TABLE wallets ADD COLUMN account_type account_type DEFAULT 'LIABILITY' NOT NULL",
    "UPDATE wallets SET account_type = 'ASSET' WHERE kind = 'SYSTEM'",
    # No default: the trigger gives an older release's new wallets their type.
    "ALTER TABLE wallets ALTER COLUMN account_type DROP DEFAULT",
    """
    ALTER TABLE wallets ADD CONSTRAINT wallets_of_users_are_liabilities
    CHECK (kind = 'SYSTEM' OR account_type = 'LIABILITY') NOT VALID
    """,
)

TABLE = """
CREATE TABLE transaction_wallets (
    wallet_id uuid NOT NULL,
    transaction_id uuid NOT NULL,
    change smallint NOT NULL,
    CONSTRAINT transaction_wallets_pkey PRIMARY KEY (wallet_id, transaction_id),
    CONSTRAINT transaction_wallets_change_is_a_sign CHECK (change BETWEEN -1 AND 1)
)
"""

# By the initiator for their own search, and by the text for administrators. Only rows that have one: others cost nothing.
INDEXES = ("CREATE INDEX transactions_reference_idx ON transactions (reference, id) WHERE reference IS NOT NULL",)

INSERT_ONLY = """
CREATE TRIGGER transaction_wallets_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transaction_wallets
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('transaction_wallets_insert_only', 'it follows from the entries')
"""

# Parts of functions before and after.
POSTED = (
    (
        "    broken record;\n    expected bigint;",
        "    broken record;\n    has_more boolean;\n    expected bigint;",
    ),
    (
        """\
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
""",
        """\
    -- The first two entries of a transaction between two wallets are its principal: the sender's debit and the receiver's
    -- credit. Its further entries have another purpose and touch only these two wallets and the system's. A transaction
    -- without sender and receiver has exactly the legs of its terms.
    SELECT (array_agg(e.transaction_id) FILTER (WHERE t.status IS DISTINCT FROM 'COMPLETED' OR NOT coalesce(CASE
               WHEN t.sender_wallet_id IS NULL OR t.receiver_wallet_id IS NULL THEN t.terms->'legs'->(e.leg::int) =
                   (SELECT jsonb_build_array(w.id, e.amount, w.currency, e.purpose) FROM wallets w WHERE w.id = e.wallet_id)
               WHEN e.leg = 0 THEN e.wallet_id = t.sender_wallet_id AND e.amount = -t.amount AND e.purpose = 'PRINCIPAL'
               WHEN e.leg = 1 THEN e.wallet_id = t.receiver_wallet_id AND e.amount = t.amount AND e.purpose = 'PRINCIPAL'
               ELSE e.purpose <> 'PRINCIPAL' AND (e.wallet_id IN (t.sender_wallet_id, t.receiver_wallet_id)
                   OR EXISTS (SELECT FROM wallets w WHERE w.id = e.wallet_id AND w.kind = 'SYSTEM'))
           END, false)))[1] AS transaction_id,
           bool_or(e.leg > 1 OR t.sender_wallet_id IS NULL) AS has_more
    INTO broken
    FROM new_entries e LEFT JOIN transactions t ON t.id = e.transaction_id;
    has_more := broken.has_more;
    IF broken.transaction_id IS NOT NULL THEN
        RAISE EXCEPTION 'an entry of transaction % is not what was requested, or it is not completed', broken.transaction_id
""",
    ),
    (
        """\
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_continue_chain';
    END IF;
    RETURN NULL;
""",
        """\
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_continue_chain';
    END IF;

    IF has_more THEN
        SELECT t.id INTO broken
        FROM transactions t
        WHERE t.id IN (SELECT transaction_id FROM new_entries) AND t.sender_wallet_id IS NULL
          AND jsonb_array_length(t.terms->'legs') <> (SELECT count(*) FROM new_entries e WHERE e.transaction_id = t.id)
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'these are not all the entries of transaction %', broken.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_posted_whole';
        END IF;
        INSERT INTO transaction_wallets (wallet_id, transaction_id, change)
        SELECT e.wallet_id, e.transaction_id, sign(sum(e.amount))
        FROM new_entries e JOIN transactions t ON t.id = e.transaction_id
        WHERE e.wallet_id IS DISTINCT FROM t.sender_wallet_id AND e.wallet_id IS DISTINCT FROM t.receiver_wallet_id
        GROUP BY e.wallet_id, e.transaction_id;
    END IF;
    RETURN NULL;
""",
    ),
)
GUARDED_WALLET = (
    (
        "        RETURN NEW;\n    END IF;\n    IF pg_trigger_depth() < 2",
        """\
        NEW.account_type :=
            coalesce(NEW.account_type, CASE NEW.kind WHEN 'SYSTEM' THEN 'ASSET' ELSE 'LIABILITY' END::account_type);
        RETURN NEW;
    END IF;
    IF pg_trigger_depth() < 2""",
    ),
    ("NEW.created_at, NEW.system_purpose)", "NEW.created_at, NEW.system_purpose, NEW.account_type)"),
    ("OLD.created_at, OLD.system_purpose)", "OLD.created_at, OLD.system_purpose, OLD.account_type)"),
)
GUARDED_TRANSACTION = (
    ("NEW.description, NEW.created_at)", "NEW.description, NEW.reference, NEW.metadata, NEW.terms, NEW.created_at)"),
    ("OLD.description, OLD.created_at)", "OLD.description, OLD.reference, OLD.metadata, OLD.terms, OLD.created_at)"),
)
FUNCTIONS = {
    "post_ledger_entries": POSTED,
    "guard_wallet": GUARDED_WALLET,
    "guard_transaction": GUARDED_TRANSACTION,
}

NO_COLUMNS = (
    "ALTER TABLE wallets DROP COLUMN account_type",
    """
    ALTER TABLE transactions DROP CONSTRAINT transactions_sides_unless_posting, DROP COLUMN reference, DROP COLUMN metadata,
    DROP COLUMN terms
    """,
    "ALTER TABLE ledger_entries DROP COLUMN purpose",
)
UNKEEPABLE = """
SELECT EXISTS (SELECT FROM transactions WHERE reference IS NOT NULL OR metadata IS NOT NULL OR terms IS NOT NULL)
    OR EXISTS (SELECT FROM ledger_entries WHERE purpose <> 'PRINCIPAL')
    OR EXISTS (SELECT FROM wallets WHERE kind = 'SYSTEM' AND system_purpose <> 'DEPOSITS')
"""


def upgrade() -> None:
    """Add columns without rewriting a table, then the rules. Only the lock is waited for; what it guards takes milliseconds."""
    op.execute(LOCK)
    for statement in COLUMNS:
        # Not op.execute: it would read :: and ? as its own.
        op.get_bind().exec_driver_sql(statement)
    op.execute(TABLE)
    for statement in INDEXES:
        op.execute(statement)
    op.execute(INSERT_ONLY)
    role = op.get_bind().execute(text("SELECT quote_ident(:role)"), {"role": context.config.attributes["database_role"]})
    op.execute(f"GRANT SELECT ON transaction_wallets TO {role.scalar_one()}")
    for function, parts in FUNCTIONS.items():
        _rewrite(function, parts)


def downgrade() -> None:
    """Remove them. Refused if the ledger has what the older form cannot hold, unless everything goes."""
    is_whole_way = context.get_revision_argument() is None
    if not is_whole_way and op.get_bind().exec_driver_sql(UNKEEPABLE).scalar_one():
        raise CommandError("the ledger has postings, references, metadata or purposes that the older form cannot hold")
    for function, parts in FUNCTIONS.items():
        _rewrite(function, tuple((new, old) for old, new in parts))
    op.execute("DROP TABLE transaction_wallets")
    for statement in NO_COLUMNS:
        op.execute(statement)


def _rewrite(function: str, parts: tuple[tuple[str, str], ...]) -> None:
    """Replace parts of a function. Its settings and rights stay."""
    definition: str = op.get_bind().scalar(text("SELECT pg_get_functiondef(CAST(:name AS regproc))"), {"name": function})
    for old, new in parts:
        assert definition.count(old) == 1, f"{function} is not as an earlier migration made it: {old!r}"
        definition = definition.replace(old, new)
    op.get_bind().exec_driver_sql(definition)
