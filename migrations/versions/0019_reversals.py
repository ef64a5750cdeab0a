"""Reversals: what they name, how much of a transaction has gone back, and wallets that a reversal may take below zero.

A reversal posts its original's entries backwards, for a part of the amount: from the wallet that was paid to the one that paid,
after the part of the fee that goes back. `reversed_amounts` has one row for each transaction with a reversal, which only the
posting trigger writes, under the lock of the wallet that was paid. Its CHECK is the limit: never more than the amount.

The new constraints are not checked on old rows here. The next revision checks them.
"""

from __future__ import annotations

from alembic import context, op
from alembic.util.exc import CommandError
from sqlalchemy import text

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

LOCK = "LOCK TABLE wallets, transactions, ledger_entries IN ACCESS EXCLUSIVE MODE"
"""In the order in which a transfer takes them, so that neither waits for the other in a circle."""

COLUMNS = (
    """
    ALTER TABLE transactions ADD COLUMN reverses_id uuid,
    ADD CONSTRAINT transactions_original_iff_reversal CHECK (
        (type = 'REVERSAL') = (reverses_id IS NOT NULL)
        AND (type = 'REVERSAL') = (terms IS NOT NULL AND terms ? 'reversal')) NOT VALID
    """,
    """
    ALTER TABLE wallets ADD COLUMN overdrawn boolean DEFAULT false NOT NULL,
    DROP CONSTRAINT wallets_available_not_negative,
    ADD CONSTRAINT wallets_available_not_negative CHECK (
        kind = 'SYSTEM' OR overdrawn = (balance - held < 0)) NOT VALID
    """,
)
TABLE = """
CREATE TABLE reversed_amounts (
    transaction_id uuid NOT NULL,
    amount bigint NOT NULL,
    fee bigint NOT NULL,
    reversed bigint NOT NULL,
    reversed_with_fee bigint NOT NULL,
    fee_reversed bigint NOT NULL,
    CONSTRAINT reversed_amounts_pkey PRIMARY KEY (transaction_id),
    CONSTRAINT reversed_amounts_within_amount CHECK (reversed > 0 AND reversed <= amount),
    CONSTRAINT reversed_amounts_with_fee_in_range CHECK (reversed_with_fee BETWEEN 0 AND reversed),
    CONSTRAINT reversed_amounts_within_fee CHECK (fee_reversed BETWEEN 0 AND fee)
)
"""
# Only rows that have one: others cost nothing.
INDEX = "CREATE INDEX transactions_reverses_idx ON transactions (reverses_id, id) WHERE reverses_id IS NOT NULL"
ONLY_FROM_ENTRIES = (
    """
CREATE TRIGGER reversed_amounts_from_entries BEFORE INSERT OR UPDATE ON reversed_amounts
FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
EXECUTE FUNCTION refuse_change('reversed_amounts_from_entries', 'it follows from the entries: insert those')
""",
    """
CREATE TRIGGER reversed_amounts_only_grow BEFORE DELETE OR TRUNCATE ON reversed_amounts
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('reversed_amounts_from_entries', 'it follows from the entries')
""",
)

# Parts of functions before and after.
POSTED = (
    (
        "    has_more boolean;\n",
        "    has_more boolean;\n    has_reversal boolean;\n    reversal record;\n    fee_before bigint;\n    fee_given bigint;\n",
    ),
    (
        "NOT coalesce(CASE\n               WHEN t.sender_wallet_id IS NULL",
        """\
NOT coalesce(CASE
               WHEN t.reverses_id IS NOT NULL THEN true -- checked below
               WHEN t.sender_wallet_id IS NULL""",
    ),
    (
        "bool_or(e.leg > 1 OR t.sender_wallet_id IS NULL) AS has_more\n",
        "bool_or(e.leg > 1 OR t.sender_wallet_id IS NULL) AS has_more, bool_or(t.reverses_id IS NOT NULL) AS has_reversal\n",
    ),
    ("    has_more := broken.has_more;\n", "    has_more := broken.has_more;\n    has_reversal := broken.has_reversal;\n"),
    (
        "w.kind = 'USER' AND e.balance_after < w.held AS overdrawn INTO",
        "w.kind = 'USER' AND e.balance_after < w.held AND e.amount < 0 AS overdrawn INTO",
    ),
    (
        "FROM (SELECT wallet_id, sequence, balance_after - amount AS balance_before,",
        "FROM (SELECT transaction_id, wallet_id, sequence, amount, balance_after - amount AS balance_before,",
    ),
    (
        "OR (w.kind = 'USER' AND e.balance_after < w.held)\n",
        """\
OR (w.kind = 'USER' AND e.balance_after < w.held AND e.amount < 0 AND NOT EXISTS (
           SELECT FROM transactions t WHERE t.id = e.transaction_id AND t.terms->'reversal'->'overdraft' = 'true'))
""",
    ),
    (
        "posted_at = e.created_at\n",
        """\
posted_at = e.created_at,
        overdrawn = w.kind = 'USER' AND e.balance_after < w.held AND (w.overdrawn OR (has_reversal AND EXISTS (
            SELECT FROM new_entries n JOIN transactions t ON t.id = n.transaction_id
            WHERE n.wallet_id = w.id AND n.amount < 0 AND t.terms->'reversal'->'overdraft' = 'true')))
""",
    ),
    (
        """\
        GROUP BY e.wallet_id, e.transaction_id;
    END IF;
    RETURN NULL;
""",
        """\
        GROUP BY e.wallet_id, e.transaction_id;
    END IF;

    IF has_reversal THEN
        -- One after another, in the order of the entries of the wallet that gives back: each sees what the ones before it gave.
        FOR reversal IN
            SELECT t.id, t.amount, t.reverses_id, o.amount AS original_amount, coalesce(o.fee, 0) AS fee,
                   t.terms->'reversal'->>'fees' = 'PROPORTIONAL' AS with_fee,
                   o.status = 'COMPLETED' AND o.type IN ('TRANSFER', 'DEPOSIT') AND o.currency = t.currency
                   AND o.sender_wallet_id = t.receiver_wallet_id AND o.receiver_wallet_id = t.sender_wallet_id AS is_sound
            FROM new_entries e
            JOIN transactions t ON t.id = e.transaction_id
            LEFT JOIN transactions o ON o.id = t.reverses_id
            WHERE t.reverses_id IS NOT NULL AND e.wallet_id = t.sender_wallet_id AND e.amount < 0
            ORDER BY e.wallet_id, e.sequence
        LOOP
            IF reversal.is_sound IS DISTINCT FROM true THEN
                RAISE EXCEPTION 'transaction % reverses none between its wallets', reversal.id
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_reverse_the_original';
            END IF;
            SELECT max(fee_reversed) INTO fee_before FROM reversed_amounts WHERE transaction_id = reversal.reverses_id;
            -- The fee's part is of all that has gone back with it, rounded down, so that the parts sum to the fee exactly.
            INSERT INTO reversed_amounts AS r (transaction_id, amount, fee, reversed, reversed_with_fee, fee_reversed)
            VALUES (reversal.reverses_id, reversal.original_amount, reversal.fee, reversal.amount,
                    CASE WHEN reversal.with_fee THEN reversal.amount ELSE 0 END,
                    CASE WHEN reversal.with_fee THEN div(reversal.fee::numeric * reversal.amount, reversal.original_amount)
                         ELSE 0 END)
            ON CONFLICT (transaction_id) DO UPDATE
            SET reversed = r.reversed + EXCLUDED.reversed,
                reversed_with_fee = r.reversed_with_fee + EXCLUDED.reversed_with_fee,
                fee_reversed = div(r.fee::numeric * (r.reversed_with_fee + EXCLUDED.reversed_with_fee), r.amount)
            RETURNING fee_reversed - coalesce(fee_before, 0) INTO fee_given;
            IF (SELECT string_agg(concat_ws(' ', e.wallet_id, e.amount, e.purpose), ',' ORDER BY e.leg)
                FROM new_entries e WHERE e.transaction_id = reversal.id)
               IS DISTINCT FROM
               (SELECT string_agg(concat_ws(' ', e.wallet_id, CASE WHEN e.amount < 0 THEN 1 ELSE -1 END
                           * CASE WHEN e.leg < 2 THEN reversal.amount ELSE fee_given END, e.purpose), ',' ORDER BY e.leg DESC)
                FROM ledger_entries e WHERE e.transaction_id = reversal.reverses_id AND (e.leg < 2 OR fee_given > 0)) THEN
                RAISE EXCEPTION 'the entries of transaction % are not those of % backwards', reversal.id, reversal.reverses_id
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_reverse_the_original';
            END IF;
        END LOOP;
    END IF;
    RETURN NULL;
""",
    ),
)
CHARGED = (("AND t.type <> 'POSTING'", "AND t.type IN ('TRANSFER', 'DEPOSIT')"),)
REFERENCED = (
    (
        "WHERE u.id IS NULL OR c.code IS NULL\n",
        """\
WHERE u.id IS NULL OR c.code IS NULL
       OR (t.reverses_id IS NOT NULL AND NOT EXISTS (SELECT FROM transactions o WHERE o.id = t.reverses_id))
""",
    ),
)
GUARDED_TRANSACTION = (
    ("NEW.terms, NEW.created_at)", "NEW.terms, NEW.reverses_id, NEW.created_at)"),
    ("OLD.terms, OLD.created_at)", "OLD.terms, OLD.reverses_id, OLD.created_at)"),
)
GUARDED_WALLET = (
    (
        "(NEW.balance, NEW.sequence, NEW.posted_at) IS DISTINCT FROM (OLD.balance, OLD.sequence, OLD.posted_at)",
        """\
(NEW.balance, NEW.sequence, NEW.posted_at, NEW.overdrawn)
           IS DISTINCT FROM (OLD.balance, OLD.sequence, OLD.posted_at, OLD.overdrawn)""",
    ),
)
FUNCTIONS = {
    "post_ledger_entries": POSTED,
    "check_fees": CHARGED,
    "check_transaction_references": REFERENCED,
    "guard_transaction": GUARDED_TRANSACTION,
    "guard_wallet": GUARDED_WALLET,
}

NO_COLUMNS = (
    """
    ALTER TABLE wallets DROP COLUMN overdrawn,
    ADD CONSTRAINT wallets_available_not_negative CHECK (kind = 'SYSTEM' OR balance - held >= 0)
    """,
    "ALTER TABLE transactions DROP COLUMN reverses_id",
)


def upgrade() -> None:
    """Add columns without rewriting a table, then the rules. Under the lock the transactions are read once, for the index."""
    op.execute(LOCK)
    for statement in COLUMNS:
        # Not op.execute: it would read :: and ? as its own.
        op.get_bind().exec_driver_sql(statement)
    op.execute(TABLE)
    op.execute(INDEX)
    for statement in ONLY_FROM_ENTRIES:
        op.execute(statement)
    role = op.get_bind().execute(text("SELECT quote_ident(:role)"), {"role": context.config.attributes["database_role"]})
    op.execute(f"GRANT SELECT ON reversed_amounts TO {role.scalar_one()}")
    for function, parts in FUNCTIONS.items():
        _rewrite(function, parts)


def downgrade() -> None:
    """Remove them. Refused if a transaction was reversed, unless everything goes."""
    is_whole_way = context.get_revision_argument() is None
    if not is_whole_way and op.get_bind().exec_driver_sql("SELECT EXISTS (SELECT FROM reversed_amounts)").scalar_one():
        raise CommandError("the ledger has reversals, which the older form cannot hold")
    for function, parts in FUNCTIONS.items():
        _rewrite(function, tuple((new, old) for old, new in parts))
    op.execute("DROP TABLE reversed_amounts")
    for statement in NO_COLUMNS:
        op.get_bind().exec_driver_sql(statement)


def _rewrite(function: str, parts: tuple[tuple[str, str], ...]) -> None:
    """Replace parts of a function. Its settings and rights stay."""
    definition: str = op.get_bind().scalar(text("SELECT pg_get_functiondef(CAST(:name AS regproc))"), {"name": function})
    for old, new in parts:
        assert definition.count(old) == 1, f"{function} is not as an earlier migration made it: {old!r}"
        definition = definition.replace(old, new)
    op.get_bind().exec_driver_sql(definition)
