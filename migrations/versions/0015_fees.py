"""Fees: schedules, the fee of a transaction, and the rule that each transaction is charged what the valid version says.

A version is valid from its moment until the next version of its line. Each batch of transfers takes a shared advisory lock, and
publishing a version takes it alone: so no transfer is in progress then, and a version is valid only after everything that was
posted in its currency. A release that does not know fees takes the lock too, in a trigger, and is refused where a fee is due.

The new constraint is not checked on old rows here. The next revision checks it.
"""

from __future__ import annotations

from alembic import context, op
from alembic.util.exc import CommandError
from sqlalchemy import text

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

LOCK = "LOCK TABLE transactions, ledger_entries IN ACCESS EXCLUSIVE MODE"
"""In the order in which a transfer takes them, so that neither waits for the other in a circle."""

TYPES = (
    "CREATE TYPE fee_payer AS ENUM ('SENDER', 'RECEIVER')",
    "CREATE TYPE rounding_mode AS ENUM ('UP', 'DOWN', 'HALF_EVEN')",
)

TABLE = """
CREATE TABLE fee_schedules (
    id uuid NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    transaction_type transaction_type NOT NULL,
    currency text COLLATE "C" NOT NULL,
    user_id uuid,
    version bigint NOT NULL,
    name text NOT NULL,
    payer fee_payer NOT NULL,
    percent numeric(9, 6),
    flat bigint,
    minimum bigint,
    maximum bigint,
    rounding rounding_mode NOT NULL,
    valid_from timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    initiator_id uuid NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    CONSTRAINT fee_schedules_pkey PRIMARY KEY (id),
    CONSTRAINT fee_schedules_number_key UNIQUE (number),
    CONSTRAINT fee_schedules_idempotency_key UNIQUE (initiator_id, idempotency_key),
    CONSTRAINT fee_schedules_initiator_fkey FOREIGN KEY (initiator_id) REFERENCES users (id),
    CONSTRAINT fee_schedules_user_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT fee_schedules_currency_fkey FOREIGN KEY (currency) REFERENCES currencies (code),
    CONSTRAINT fee_schedules_key_is_visible_ascii CHECK (
        idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255),
    CONSTRAINT fee_schedules_hash_is_sha256 CHECK (octet_length(request_hash) = 32),
    CONSTRAINT fee_schedules_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT fee_schedules_percent_in_range CHECK (percent BETWEEN 0 AND 100),
    CONSTRAINT fee_schedules_amounts_not_negative CHECK (flat >= 0 AND minimum >= 0 AND maximum >= 0),
    CONSTRAINT fee_schedules_limits_in_order CHECK (minimum <= maximum),
    CONSTRAINT fee_schedules_limits_of_a_fee CHECK (
        percent IS NOT NULL OR flat IS NOT NULL OR (minimum IS NULL AND maximum IS NULL)),
    CONSTRAINT fee_schedules_payer_of_type CHECK (
        transaction_type = 'TRANSFER' OR (transaction_type = 'DEPOSIT' AND payer = 'RECEIVER'))
)
"""
LINE_INDEX = """
CREATE UNIQUE INDEX fee_schedules_line_key
ON fee_schedules (transaction_type, currency, coalesce(user_id, '00000000-0000-0000-0000-000000000000'), version)
"""

COLUMNS = """
ALTER TABLE transactions ADD COLUMN fee bigint, ADD COLUMN fee_schedule_id uuid,
ADD CONSTRAINT transactions_fee_by_a_schedule CHECK (
    fee > 0 AND (fee IS NULL) = (fee_schedule_id IS NULL)
    AND (fee IS NULL OR status <> 'FAILED' OR failure_code <> 'BATCH_ABORTED')) NOT VALID
"""

FUNCTIONS = (
    """
CREATE FUNCTION fee_of(schedule fee_schedules, amount bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
-- Rounded once, then kept between minimum and maximum.
SELECT CASE WHEN schedule.percent IS NULL AND schedule.flat IS NULL THEN 0 ELSE least(greatest(
    CASE schedule.rounding
        WHEN 'UP' THEN ceil(exact) WHEN 'DOWN' THEN floor(exact)
        ELSE CASE WHEN exact - floor(exact) = 0.5 THEN floor(exact) + mod(floor(exact), 2) ELSE round(exact) END
    END + coalesce(schedule.flat, 0), coalesce(schedule.minimum, 0)),
    coalesce(schedule.maximum, 9223372036854775807)) END::bigint
FROM (SELECT coalesce(schedule.percent, 0) * amount * 0.01 AS exact) AS part
$$
""",
    """
CREATE FUNCTION guard_fee_schedule() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO {schema}, pg_temp AS $$
-- Nothing is posted while a version is published, and a version is valid only after all that was posted in its currency and
-- after the version before it. Without a moment it is valid from now.
DECLARE
    previous record;
    posted timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock({lock_class}, 0);
    SELECT max(version) AS version, max(valid_from) AS valid_from INTO previous FROM fee_schedules
    WHERE transaction_type = NEW.transaction_type AND currency = NEW.currency AND user_id IS NOT DISTINCT FROM NEW.user_id;
    SELECT max(posted_at) INTO posted FROM wallets WHERE currency = NEW.currency;
    IF NOT EXISTS (SELECT FROM wallets
                   WHERE currency = NEW.currency AND system_purpose = 'FEES' AND account_type = 'INCOME') THEN
        RAISE EXCEPTION 'the fees of % have no wallet to go to', NEW.currency
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'fee_schedules_have_a_wallet';
    END IF;
    NEW.created_at := clock_timestamp();
    NEW.version := coalesce(previous.version, 0) + 1;
    IF NEW.valid_from IS NULL THEN
        NEW.valid_from := greatest(NEW.created_at, posted + interval '1 microsecond');
        -- Published twice before anything is posted, by a clock that is behind those of the services.
        IF NEW.valid_from = previous.valid_from THEN
            NEW.valid_from := NEW.valid_from + interval '1 microsecond';
        END IF;
    END IF;
    IF NEW.valid_from < NEW.created_at OR NEW.valid_from <= posted THEN
        RAISE EXCEPTION 'a fee schedule cannot be valid from a time that has passed'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'fee_schedules_not_backdated';
    ELSIF NEW.valid_from <= previous.valid_from THEN
        RAISE EXCEPTION 'a version is valid only after the version before it, which is valid from %', previous.valid_from
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'fee_schedules_in_order';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE FUNCTION check_fees() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO {schema}, pg_temp AS $$
-- Each transfer and deposit is charged by the version that is valid when it is posted: legs 2 and 3, from the payer to the
-- currency's fee wallet, or no further leg. A user's version counts where the user pays, and the sender's comes first.
DECLARE
    broken record;
BEGIN
    PERFORM pg_advisory_xact_lock_shared({lock_class}, 0);
    IF NOT EXISTS (SELECT FROM fee_schedules) AND NOT EXISTS (SELECT FROM new_entries WHERE leg > 1) THEN
        RETURN NULL;
    END IF;
    SELECT t.id INTO broken
    FROM (SELECT transaction_id, max(leg) AS last_leg, bool_and(leg < 2 OR purpose = 'FEE') AS are_fees,
                 max(amount) FILTER (WHERE leg = 2) AS paid, (array_agg(wallet_id) FILTER (WHERE leg = 2))[1] AS payer_id,
                 max(amount) FILTER (WHERE leg = 3) AS got, (array_agg(wallet_id) FILTER (WHERE leg = 3))[1] AS payee_id
          FROM new_entries GROUP BY transaction_id) e
    JOIN transactions t ON t.id = e.transaction_id AND t.type <> 'POSTING'
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
       OR (t.fee IS NOT NULL AND (e.last_leg <> 3 OR NOT e.are_fees OR (e.paid, e.got) IS DISTINCT FROM (-t.fee, t.fee)
           OR e.payer_id <> CASE due.payer WHEN 'SENDER' THEN sender.id ELSE receiver.id END
           OR NOT EXISTS (SELECT FROM wallets w WHERE w.id = e.payee_id AND w.system_purpose = 'FEES')))
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction % is not charged what the fee schedule says', broken.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_charge_the_fee';
    END IF;
    RETURN NULL;
END $$
""",
)
LOCK_CLASS = 0x50434645
"""The first half of the advisory lock. `app/db/fee_sql.py` takes the same."""

TRIGGERS = (
    """
CREATE TRIGGER fee_schedules_guard_insert BEFORE INSERT ON fee_schedules
FOR EACH ROW EXECUTE FUNCTION guard_fee_schedule()
""",
    """
CREATE TRIGGER fee_schedules_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fee_schedules
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('fee_schedules_insert_only', 'publish another version instead')
""",
    """
CREATE TRIGGER ledger_entries_verify_fees AFTER INSERT ON ledger_entries REFERENCING NEW TABLE AS new_entries
FOR EACH STATEMENT EXECUTE FUNCTION check_fees()
""",
)

GRANTS = (
    "GRANT SELECT ON fee_schedules TO {role}",
    """
    GRANT INSERT (id, transaction_type, currency, user_id, name, payer, percent, flat, minimum, maximum, rounding, valid_from,
    initiator_id, idempotency_key, request_hash) ON fee_schedules TO {role}
    """,
    "REVOKE ALL ON FUNCTION guard_fee_schedule(), check_fees() FROM PUBLIC",
)


def upgrade() -> None:
    """Add columns without rewriting a table, then the rules. Only the lock is waited for; what it guards takes milliseconds."""
    role, schema = (
        op.get_bind()
        .execute(
            text("SELECT quote_ident(:role), quote_ident(current_schema())"), {"role": context.config.attributes["database_role"]}
        )
        .one()
    )
    op.execute(LOCK)
    for statement in (*TYPES, TABLE, LINE_INDEX, COLUMNS):
        op.get_bind().exec_driver_sql(statement)
    for function in FUNCTIONS:
        op.get_bind().exec_driver_sql(function.replace("{schema}", schema).replace("{lock_class}", str(LOCK_CLASS)))
    for statement in (*TRIGGERS, *GRANTS):
        op.execute(statement.format(role=role))


def downgrade() -> None:
    """Remove them. Refused if a fee was charged or a schedule is published, unless everything goes."""
    is_whole_way = context.get_revision_argument() is None
    if not is_whole_way and op.get_bind().exec_driver_sql("SELECT EXISTS (SELECT FROM fee_schedules)").scalar_one():
        raise CommandError("fee schedules are published, which the older form cannot hold")
    op.execute("DROP TRIGGER ledger_entries_verify_fees ON ledger_entries")
    op.execute("DROP FUNCTION check_fees()")
    op.execute("DROP FUNCTION fee_of(fee_schedules, bigint)")
    op.execute("ALTER TABLE transactions DROP COLUMN fee, DROP COLUMN fee_schedule_id")
    op.execute("DROP TABLE fee_schedules")
    op.execute("DROP FUNCTION guard_fee_schedule()")
    op.execute("DROP TYPE fee_payer")
    op.execute("DROP TYPE rounding_mode")
