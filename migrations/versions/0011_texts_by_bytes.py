"""What is unique is so by its bytes, not by the order of a language: that order may change under an index.

A collation comes from the operating system or from ICU. After an upgrade of either, or a move to another image, an index
in the old order no longer finds what is in it, and lets the same text in a second time: a second user of one subject.

The currency of wallets and of quotas stays as it is, and has unique indexes that compare bytes (text_pattern_ops): the release
that runs has prepared statements that return those columns while it moves money, and PostgreSQL refuses them once a column's
type or collation has changed.
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

LOCK = "LOCK TABLE wallets, currencies, users, quota_amounts IN ACCESS EXCLUSIVE MODE"
"""In the order in which a transfer takes them: else one that has begun and this would wait for each other."""

# PostgreSQL changes no column that a trigger names.
NO_TRIGGER = "DROP TRIGGER currencies_identity_is_final ON currencies"
TRIGGER = """
CREATE TRIGGER currencies_identity_is_final BEFORE UPDATE OF code, exponent ON currencies FOR EACH STATEMENT
EXECUTE FUNCTION refuse_change('currencies_identity_is_final', 'every amount ever written is in these units')
"""
SYSTEM_WALLETS = """
CREATE UNIQUE INDEX wallets_system_purpose_key ON wallets ({columns}) WHERE system_purpose IS NOT NULL
"""
UP = (
    LOCK,
    NO_TRIGGER,
    'ALTER TABLE currencies ALTER COLUMN code TYPE text COLLATE "C"',
    TRIGGER,
    'ALTER TABLE users ALTER COLUMN subject TYPE text COLLATE "C"',
    "DROP INDEX wallets_system_purpose_key",
    'ALTER TABLE wallets ALTER COLUMN system_purpose TYPE text COLLATE "C"',
    SYSTEM_WALLETS.format(columns="currency text_pattern_ops, system_purpose"),
    "CREATE UNIQUE INDEX quota_amounts_by_bytes ON quota_amounts (user_id, currency text_pattern_ops)",
)
DOWN = (
    LOCK,
    "DROP INDEX quota_amounts_by_bytes",
    "DROP INDEX wallets_system_purpose_key",
    'ALTER TABLE wallets ALTER COLUMN system_purpose TYPE text COLLATE "default"',
    SYSTEM_WALLETS.format(columns="currency, system_purpose"),
    'ALTER TABLE users ALTER COLUMN subject TYPE text COLLATE "default"',
    NO_TRIGGER,
    'ALTER TABLE currencies ALTER COLUMN code TYPE text COLLATE "default"',
    TRIGGER,
)


def upgrade() -> None:
    """Rebuild the indexes of subjects, currencies and system wallets; no table is rewritten."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Order them as the database's collation does again."""
    for statement in DOWN:
        op.execute(statement)
