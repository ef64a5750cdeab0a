"""The triggers look less often at wallets for transfers with fees. The rules stay.

Most statements post transfers alone, with or without fees. One query shows that their entries are what was requested and whole;
only others need the queries for legs of any kind. A batch with fees looks at the wallets' owners only if a user has a line.
"""

from __future__ import annotations

import re
from textwrap import indent

from alembic import op
from sqlalchemy import text

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

DECLARED = (
    "    broken record;\n    has_more boolean;\n",
    "    broken record;\n    is_plain boolean;\n    has_fees boolean;\n    has_more boolean;\n",
)
GENERAL = "    -- The first two entries of a transaction between two wallets are its principal"
"""Where the queries for entries of any kind begin. They end where the check of the chain begins."""
PLAIN = """\
    -- Most statements post transfers alone: the sender's debit, the receiver's credit and, if there is a fee, its debit and its
    -- credit. Such entries are what was requested and whole, because no leg of a transaction is there twice. They sum to zero,
    -- because both wallets have the transaction's currency.
    SELECT count(*) = 2 * count(DISTINCT e.transaction_id) + 2 * count(DISTINCT e.transaction_id) FILTER (WHERE t.fee > 0)
           AND bool_and(coalesce(t.status = 'COMPLETED' AND t.reverses_id IS NULL AND t.hold_id IS NULL AND t.quote_id IS NULL
               AND CASE e.leg
                   WHEN 0 THEN e.wallet_id = t.sender_wallet_id AND e.amount = -t.amount AND e.purpose = 'PRINCIPAL'
                   WHEN 1 THEN e.wallet_id = t.receiver_wallet_id AND e.amount = t.amount AND e.purpose = 'PRINCIPAL'
                   WHEN 2 THEN e.wallet_id IN (t.sender_wallet_id, t.receiver_wallet_id) AND e.amount = -t.fee
                       AND e.purpose = 'FEE'
                   WHEN 3 THEN e.amount = t.fee AND e.purpose = 'FEE' AND fees.kind = 'SYSTEM' AND fees.currency = t.currency
                       AND e.wallet_id <> t.sender_wallet_id AND e.wallet_id <> t.receiver_wallet_id
               END, false)),
           bool_or(e.leg > 1)
    INTO is_plain, has_fees
    FROM new_entries e
    LEFT JOIN transactions t ON t.id = e.transaction_id
    LEFT JOIN wallets fees ON e.leg = 3 AND fees.id = e.wallet_id;
    IF NOT is_plain THEN
"""
END_OF_GENERAL = "\n    END IF;\n\n"
CHAIN = "    SELECT e.wallet_id, e.sequence, w.kind = 'USER'"
"""Where the check of the chain begins."""
ADDITIONAL = (
    "    IF has_more THEN\n",
    """\
    IF is_plain AND has_fees THEN
        INSERT INTO transaction_wallets (wallet_id, transaction_id, change)
        SELECT wallet_id, transaction_id, 1 FROM new_entries WHERE leg = 3;
    ELSIF has_more THEN
""",
)
FEE_OF = (
    """\
SELECT CASE WHEN schedule.percent IS NULL AND schedule.flat IS NULL THEN 0 ELSE least(greatest(
    CASE schedule.rounding
        WHEN 'UP' THEN ceil(exact) WHEN 'DOWN' THEN floor(exact)
        ELSE CASE WHEN exact - floor(exact) = 0.5 THEN floor(exact) + mod(floor(exact), 2) ELSE round(exact) END
    END + coalesce(schedule.flat, 0), coalesce(schedule.minimum, 0)),
    coalesce(schedule.maximum, 9223372036854775807)) END::bigint
FROM (SELECT coalesce(schedule.percent, 0) * amount * 0.01 AS exact) AS part
""",
    """\
-- One expression, which a query takes in: a call would take longer than the rest of the check.
SELECT CASE WHEN schedule.percent IS NULL AND schedule.flat IS NULL THEN 0 ELSE least(greatest(
    coalesce(CASE schedule.rounding
        WHEN 'UP' THEN ceil(schedule.percent * amount * 0.01)
        WHEN 'DOWN' THEN floor(schedule.percent * amount * 0.01)
        ELSE CASE WHEN mod(schedule.percent * amount * 0.01, 1) = 0.5
                  THEN floor(schedule.percent * amount * 0.01) + mod(floor(schedule.percent * amount * 0.01), 2)
                  ELSE round(schedule.percent * amount * 0.01) END
    END, 0) + coalesce(schedule.flat, 0), coalesce(schedule.minimum, 0)),
    coalesce(schedule.maximum, 9223372036854775807)) END::bigint
""",
)
DUE = (
    (
        "    broken record;\nBEGIN\n",
        "    broken record;\n    has_lines_of_users boolean;\nBEGIN\n",
    ),
    (
        "    SELECT t.id INTO broken\n",
        "    has_lines_of_users := EXISTS (SELECT FROM fee_schedules WHERE user_id IS NOT NULL);\n    SELECT t.id INTO broken\n",
    ),
    (
        """\
    JOIN wallets sender ON sender.id = t.sender_wallet_id
    JOIN wallets receiver ON receiver.id = t.receiver_wallet_id
    LEFT JOIN LATERAL (
        SELECT one.id, one.payer, fee_of(one, t.amount) AS fee
        FROM (SELECT DISTINCT ON (user_id) * FROM fee_schedules
              WHERE transaction_type = t.type AND currency = t.currency AND valid_from <= t.completed_at
                AND (user_id IS NULL OR user_id IN (sender.owner_id, receiver.owner_id))
              ORDER BY user_id, valid_from DESC) one
        WHERE one.user_id IS NULL OR (one.user_id = sender.owner_id AND one.payer = 'SENDER')
           OR (one.user_id = receiver.owner_id AND one.payer = 'RECEIVER')
        ORDER BY one.user_id IS NULL, one.payer LIMIT 1
    ) due ON true
    WHERE (t.fee, t.fee_schedule_id) IS DISTINCT FROM (nullif(due.fee, 0), CASE WHEN due.fee > 0 THEN due.id END)
       OR (t.fee IS NULL AND e.last_leg > 1)
""",
        """\
    LEFT JOIN LATERAL (
        SELECT (one.schedule).id, (one.schedule).payer, fee_of(one.schedule, t.amount) AS fee
        FROM ((SELECT general AS schedule, 3 AS place FROM fee_schedules general
               WHERE transaction_type = t.type AND currency = t.currency AND valid_from <= t.completed_at AND user_id IS NULL
               ORDER BY valid_from DESC LIMIT 1)
              UNION ALL
              SELECT own.schedule, CASE payer WHEN 'SENDER' THEN 1 ELSE 2 END
              FROM (SELECT DISTINCT ON (user_id) schedule, user_id, payer FROM fee_schedules schedule
                    WHERE has_lines_of_users AND transaction_type = t.type AND currency = t.currency
                      AND valid_from <= t.completed_at
                      AND user_id IN (SELECT owner_id FROM wallets WHERE id IN (t.sender_wallet_id, t.receiver_wallet_id))
                    ORDER BY user_id, valid_from DESC) own
              WHERE user_id = (SELECT owner_id FROM wallets WHERE id = CASE payer WHEN 'SENDER' THEN t.sender_wallet_id
                                                                                  ELSE t.receiver_wallet_id END)) one
        ORDER BY place LIMIT 1
    ) due ON true
    WHERE coalesce(t.fee, 0) <> coalesce(due.fee, 0)
       OR t.fee_schedule_id IS DISTINCT FROM CASE WHEN t.fee IS NOT NULL THEN due.id END
       OR (t.fee IS NULL AND e.last_leg > 1)
""",
    ),
    (
        "OR e.payer_id <> CASE due.payer WHEN 'SENDER' THEN sender.id ELSE receiver.id END",
        "OR e.payer_id <> CASE due.payer WHEN 'SENDER' THEN t.sender_wallet_id ELSE t.receiver_wallet_id END",
    ),
)


def upgrade() -> None:
    """Replace the functions. No table is locked, and sessions plan anew."""
    before, general, after = _parts(_definition("post_ledger_entries"), GENERAL)
    before, after = _replaced(before, *DECLARED), _replaced(after, *ADDITIONAL)
    _run(before + PLAIN + indent(general.rstrip("\n"), "    ") + END_OF_GENERAL + after)
    _run(_replaced(_definition("fee_of"), *FEE_OF))
    fees = _definition("check_fees")
    for old, new in DUE:
        fees = _replaced(fees, old, new)
    _run(fees)


def downgrade() -> None:
    """Put back what was there."""
    before, general, after = _parts(_definition("post_ledger_entries"), PLAIN)
    general = re.sub("^    ", "", general.removeprefix(PLAIN).removesuffix(END_OF_GENERAL), flags=re.MULTILINE)
    before, after = _replaced(before, *reversed(DECLARED)), _replaced(after, *reversed(ADDITIONAL))
    _run(before + general + "\n\n" + after)
    _run(_replaced(_definition("fee_of"), *reversed(FEE_OF)))
    fees = _definition("check_fees")
    for old, new in DUE:
        fees = _replaced(fees, new, old)
    _run(fees)


def _definition(function: str) -> str:
    query = text("SELECT pg_get_functiondef(CAST(:name AS regproc))")
    definition: str = op.get_bind().execute(query, {"name": function}).scalar_one()
    return definition


def _parts(definition: str, start: str) -> tuple[str, str, str]:
    """What comes before `start`, from there up to the check of the chain, and the rest."""
    before, found, rest = definition.partition(start)
    between, chain, after = rest.partition(CHAIN)
    assert found
    assert chain, "the function is not as an earlier migration made it"
    return before, start + between, CHAIN + after


def _replaced(definition: str, old: str, new: str) -> str:
    assert definition.count(old) == 1, f"the function is not as an earlier migration made it: {old!r}"
    return definition.replace(old, new)


def _run(definition: str) -> None:
    op.get_bind().exec_driver_sql(definition)
