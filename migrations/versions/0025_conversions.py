"""Conversions: exchange rates, quotes, and the rule that what is posted is what was quoted.

A rate is a row of `fx_rates`, a promise to one user a row of `fx_quotes`; both are insert-only. A conversion is a transaction
that names its quote. Its entries are exactly those that the quote says: the posting trigger builds them and compares. A unique
index lets one completed transaction use a quote. A reversal of a conversion gives back a part of each entry, by one rounding
of the sum of all parts so far. A reversal that takes nothing from the wallet that was paid is refused, which an older rule
missed.

The changed constraints are not checked on old rows here. The next revision checks them.
"""

from __future__ import annotations

from alembic import context, op
from alembic.util.exc import CommandError
from sqlalchemy import text

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

LOCK = "LOCK TABLE transactions, ledger_entries, fee_schedules IN ACCESS EXCLUSIVE MODE"
"""In the order in which a transfer takes them, so that neither waits for the other in a circle."""

CODES = "'WALLET_NOT_ACTIVE', 'CURRENCY_MISMATCH', 'INSUFFICIENT_FUNDS', 'QUOTA_EXCEEDED', 'BATCH_ABORTED'"
NEW_CODES = f"{CODES}, 'QUOTE_EXPIRED', 'QUOTE_USED', 'LIQUIDITY_EXHAUSTED'"
PAYERS = "transaction_type = 'TRANSFER' OR (transaction_type = 'DEPOSIT' AND payer = 'RECEIVER')"
NEW_PAYERS = f"{PAYERS} OR (transaction_type = 'CONVERSION' AND payer = 'SENDER')"
COLUMNS = (
    f"""
    ALTER TABLE transactions ADD COLUMN quote_id uuid,
    ADD CONSTRAINT transactions_quote_iff_conversion CHECK ((type = 'CONVERSION') = (quote_id IS NOT NULL)) NOT VALID,
    DROP CONSTRAINT transactions_failure_code_known,
    ADD CONSTRAINT transactions_failure_code_known CHECK (failure_code IN ({NEW_CODES})) NOT VALID
    """,
    f"""
    ALTER TABLE fee_schedules DROP CONSTRAINT fee_schedules_payer_of_type,
    ADD CONSTRAINT fee_schedules_payer_of_type CHECK ({NEW_PAYERS})
    """,
    """
    CREATE UNIQUE INDEX transactions_quote_key ON transactions (quote_id)
    WHERE quote_id IS NOT NULL AND status = 'COMPLETED'
    """,
)

TABLES = (
    """
    CREATE TABLE fx_rates (
        id uuid NOT NULL,
        number bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
        base text COLLATE "C" NOT NULL,
        quote text COLLATE "C" NOT NULL,
        rate numeric(30, 15) NOT NULL,
        spread_basis_points int NOT NULL,
        source text NOT NULL,
        valid_from timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        initiator_id uuid,
        CONSTRAINT fx_rates_pkey PRIMARY KEY (id),
        CONSTRAINT fx_rates_number_key UNIQUE (number),
        CONSTRAINT fx_rates_base_fkey FOREIGN KEY (base) REFERENCES currencies (code),
        CONSTRAINT fx_rates_quote_fkey FOREIGN KEY (quote) REFERENCES currencies (code),
        CONSTRAINT fx_rates_initiator_fkey FOREIGN KEY (initiator_id) REFERENCES users (id),
        CONSTRAINT fx_rates_between_two_currencies CHECK (base <> quote),
        CONSTRAINT fx_rates_rate_positive CHECK (rate > 0 AND rate < 'infinity'),
        CONSTRAINT fx_rates_spread_in_range CHECK (spread_basis_points BETWEEN 0 AND 5000),
        CONSTRAINT fx_rates_source_length CHECK (char_length(source) BETWEEN 1 AND 100)
    )
    """,
    "CREATE INDEX fx_rates_pair_idx ON fx_rates (least(base, quote), greatest(base, quote), valid_from, number)",
    """
    CREATE TABLE fx_quotes (
        id uuid NOT NULL,
        user_id uuid NOT NULL,
        source_amount bigint NOT NULL,
        target_amount bigint NOT NULL,
        spread bigint NOT NULL,
        residue bigint NOT NULL,
        fee bigint,
        fee_schedule_id uuid,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        rate_valid_from timestamptz NOT NULL,
        spread_basis_points int NOT NULL,
        is_target_fixed boolean NOT NULL,
        source_currency text COLLATE "C" NOT NULL,
        target_currency text COLLATE "C" NOT NULL,
        rate numeric NOT NULL,
        rate_source text NOT NULL,
        idempotency_key text COLLATE "C" NOT NULL,
        CONSTRAINT fx_quotes_pkey PRIMARY KEY (id),
        CONSTRAINT fx_quotes_idempotency_key UNIQUE (user_id, idempotency_key),
        CONSTRAINT fx_quotes_user_fkey FOREIGN KEY (user_id) REFERENCES users (id),
        CONSTRAINT fx_quotes_source_currency_fkey FOREIGN KEY (source_currency) REFERENCES currencies (code),
        CONSTRAINT fx_quotes_target_currency_fkey FOREIGN KEY (target_currency) REFERENCES currencies (code),
        CONSTRAINT fx_quotes_fee_schedule_fkey FOREIGN KEY (fee_schedule_id) REFERENCES fee_schedules (id),
        CONSTRAINT fx_quotes_between_two_currencies CHECK (source_currency <> target_currency),
        CONSTRAINT fx_quotes_amounts_in_range CHECK (
            source_amount > 0 AND target_amount > 0 AND spread >= 0 AND spread < source_amount AND residue >= 0),
        CONSTRAINT fx_quotes_fee_by_a_schedule CHECK (fee > 0 AND (fee IS NULL) = (fee_schedule_id IS NULL)),
        CONSTRAINT fx_quotes_rate_positive CHECK (rate > 0 AND rate < 'infinity'),
        CONSTRAINT fx_quotes_spread_in_range CHECK (spread_basis_points BETWEEN 0 AND 9999),
        CONSTRAINT fx_quotes_expire_later CHECK (expires_at > created_at),
        CONSTRAINT fx_quotes_key_is_visible_ascii CHECK (
            idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255)
    )
    """,
)

NEW_FUNCTIONS = {
    "guard_fx_rate": """
CREATE FUNCTION guard_fx_rate() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
-- A rate is valid from now, or from a later moment: an answer about the past does not change. A moment of the last minute
-- means now, for clients whose request took a while.
BEGIN
    NEW.created_at := clock_timestamp();
    IF NEW.valid_from IS NULL OR NEW.valid_from BETWEEN NEW.created_at - interval '1 minute' AND NEW.created_at THEN
        NEW.valid_from := NEW.created_at;
    ELSIF NEW.valid_from < NEW.created_at THEN
        RAISE EXCEPTION 'a rate cannot be valid from a time that has passed'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'fx_rates_not_backdated';
    END IF;
    RETURN NEW;
END $$
""",
    "guard_fx_quote": """
CREATE FUNCTION guard_fx_quote() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
-- What is sold, less the spread, at the rate is what is bought and the residue: the spread is rounded up, what is bought down.
-- With a fixed target the source is the least that buys it; with a fixed source all is delivered, and nothing is left over.
DECLARE
    bought numeric;
    factor numeric;
BEGIN
    -- Minor units of the target for one of the source: a product, because a quotient would be rounded.
    SELECT NEW.rate * power(10::numeric, target.exponent - source.exponent) INTO factor
    FROM currencies source, currencies target
    WHERE source.code = NEW.source_currency AND target.code = NEW.target_currency;
    bought := floor((NEW.source_amount - NEW.spread) * factor);
    IF NEW.spread <> div(NEW.source_amount::numeric * NEW.spread_basis_points + 9999, 10000)
       OR bought IS DISTINCT FROM NEW.target_amount::numeric + NEW.residue
       OR (NOT NEW.is_target_fixed AND NEW.residue <> 0)
       OR (NEW.is_target_fixed AND (
           NEW.source_amount - 1 - div((NEW.source_amount - 1)::numeric * NEW.spread_basis_points + 9999, 10000)) * factor
           >= NEW.target_amount) THEN
        RAISE EXCEPTION 'the amounts of quote % do not follow from its rate', NEW.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'fx_quotes_follow_the_rate';
    END IF;
    RETURN NEW;
END $$
""",
    "part_given_back": """
CREATE FUNCTION part_given_back(whole bigint, before bigint, now bigint, total bigint, rounds_up boolean) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
-- The part of `whole` that goes back with `now` of `total` after `before`: the sum of all parts so far is rounded once, so
-- that all parts together are `whole`.
SELECT (div(whole::numeric * (before::numeric + now) + extra, total) - div(whole::numeric * before + extra, total))::bigint
FROM (SELECT CASE WHEN rounds_up THEN total - 1 ELSE 0 END AS extra) AS rounding
$$
""",
}

TRIGGERS = (
    "CREATE TRIGGER fx_rates_guard_insert BEFORE INSERT ON fx_rates FOR EACH ROW EXECUTE FUNCTION guard_fx_rate()",
    """
    CREATE TRIGGER fx_rates_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_rates
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('fx_rates_insert_only', 'set another rate instead')
    """,
    "CREATE TRIGGER fx_quotes_guard_insert BEFORE INSERT ON fx_quotes FOR EACH ROW EXECUTE FUNCTION guard_fx_quote()",
    """
    CREATE TRIGGER fx_quotes_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_quotes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('fx_quotes_insert_only', 'a promise is not changed')
    """,
)
GRANTS = (
    "GRANT SELECT ON fx_rates, fx_quotes TO {role}",
    "GRANT INSERT (id, base, quote, rate, spread_basis_points, source, valid_from, initiator_id) ON fx_rates TO {role}",
    "GRANT INSERT ON fx_quotes TO {role}",
)

_CONVERSIONS = """    IF has_conversion THEN
        -- Each is what its quote says, entry by entry, posted before the quote expires, for the user whom it was made for.
        SELECT t.id INTO broken
        FROM (SELECT e.transaction_id, string_agg(concat_ws(' ', CASE e.wallet_id WHEN c.sender_wallet_id THEN 'sender'
                         WHEN c.receiver_wallet_id THEN 'receiver' ELSE w.system_purpose END, w.currency, e.amount, e.purpose),
                     ',' ORDER BY e.leg) AS entries
              FROM new_entries e
              JOIN transactions c ON c.id = e.transaction_id AND c.quote_id IS NOT NULL
              JOIN wallets w ON w.id = e.wallet_id
              GROUP BY e.transaction_id) posted
        JOIN transactions t ON t.id = posted.transaction_id
        LEFT JOIN fx_quotes q ON q.id = t.quote_id
        WHERE (q.user_id, q.source_amount, q.source_currency, q.fee, q.fee_schedule_id)
              IS DISTINCT FROM (t.initiator_id, t.amount, t.currency, t.fee, t.fee_schedule_id)
           OR t.completed_at >= q.expires_at
           OR posted.entries IS DISTINCT FROM concat_ws(',',
               concat_ws(' ', 'sender', q.source_currency, -q.source_amount, 'PRINCIPAL'),
               concat_ws(' ', 'receiver', q.target_currency, q.target_amount, 'PRINCIPAL'),
               concat_ws(' ', 'FX', q.source_currency, q.source_amount - q.spread, 'FX'),
               concat_ws(' ', 'FX', q.target_currency, -q.target_amount - q.residue, 'FX'),
               CASE WHEN q.spread > 0 THEN concat_ws(' ', 'FX_SPREAD', q.source_currency, q.spread, 'SPREAD') END,
               CASE WHEN q.residue > 0 THEN concat_ws(' ', 'FX_RESIDUE', q.target_currency, q.residue, 'RESIDUE') END,
               CASE WHEN q.fee > 0 THEN concat_ws(' ', 'sender', q.source_currency, -q.fee, 'FEE') END,
               CASE WHEN q.fee > 0 THEN concat_ws(' ', 'FEES', q.source_currency, q.fee, 'FEE') END)
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'the entries of transaction % are not what its quote says', broken.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_follow_the_quote';
        END IF;
    END IF;

"""
_EXPECTED = """               (SELECT string_agg(concat_ws(' ', e.wallet_id, CASE WHEN e.amount < 0 THEN 1 ELSE -1 END
                           * CASE WHEN e.leg < 2 THEN reversal.amount ELSE fee_given END, e.purpose), ',' ORDER BY e.leg DESC)
                FROM ledger_entries e WHERE e.transaction_id = reversal.reverses_id AND (e.leg < 2 OR fee_given > 0)) THEN
"""
_EXPECTED_OF_ALL = """               (SELECT string_agg(concat_ws(' ', e.wallet_id,
                               CASE WHEN e.amount < 0 THEN part.amount ELSE -part.amount END, e.purpose),
                           ',' ORDER BY e.leg DESC)
                FROM ledger_entries e CROSS JOIN LATERAL (
                    SELECT CASE
                        WHEN e.purpose = 'FEE' THEN fee_given
                        WHEN reversal.quote_id IS NULL OR e.leg = 0 THEN reversal.amount
                        WHEN e.purpose = 'PRINCIPAL' THEN target_back
                        WHEN e.purpose = 'SPREAD' THEN spread_back
                        WHEN e.purpose = 'RESIDUE' THEN residue_back
                        WHEN e.amount > 0 THEN reversal.amount - spread_back
                        ELSE target_back + residue_back
                    END AS amount) part
                WHERE e.transaction_id = reversal.reverses_id AND part.amount > 0) THEN
"""
_ORIGINAL = "            SELECT t.id, t.amount, t.reverses_id, o.amount AS original_amount, coalesce(o.fee, 0) AS fee,\n"
_ORIGINAL_WITH_QUOTE = f"{_ORIGINAL}                   o.quote_id, q.target_amount, q.spread, q.residue,\n"
_BEFORE = (
    "            SELECT max(fee_reversed) INTO fee_before FROM reversed_amounts WHERE transaction_id = reversal.reverses_id;\n"
)
_BEFORE_AND_PARTS = """            SELECT max(fee_reversed), coalesce(max(reversed), 0) INTO fee_before, before
            FROM reversed_amounts WHERE transaction_id = reversal.reverses_id;
            IF reversal.quote_id IS NOT NULL THEN
                -- What was bought goes back rounded up, spread and residue rounded down.
                target_back :=
                    part_given_back(reversal.target_amount, before, reversal.amount, reversal.original_amount, true);
                spread_back := part_given_back(reversal.spread, before, reversal.amount, reversal.original_amount, false);
                residue_back := part_given_back(reversal.residue, before, reversal.amount, reversal.original_amount, false);
            END IF;
"""
_MORE_VARIABLES = """    fee_given bigint;
    before bigint;
    target_back bigint;
    spread_back bigint;
    residue_back bigint;
    checked bigint := 0;
"""
_LOOP_ENDS = """        END LOOP;
    END IF;
"""
_EVERY_REVERSAL_CHECKED = """            checked := checked + 1;
        END LOOP;
        -- One that takes nothing from the wallet that gives back would not be seen above.
        IF checked <> (SELECT count(DISTINCT t.id) FROM new_entries e JOIN transactions t ON t.id = e.transaction_id
                       WHERE t.reverses_id IS NOT NULL) THEN
            RAISE EXCEPTION 'a reversal does not give back from the wallet that was paid'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_reverse_the_original';
        END IF;
    END IF;
"""
_POSTING = (
    (
        "               WHEN t.reverses_id IS NOT NULL THEN true -- checked below\n",
        "               WHEN t.reverses_id IS NOT NULL OR t.quote_id IS NOT NULL THEN true -- checked below\n",
    ),
    (
        "           bool_or(t.hold_id IS NOT NULL) AS has_capture,\n",
        "           bool_or(t.hold_id IS NOT NULL) AS has_capture, bool_or(t.quote_id IS NOT NULL) AS has_conversion,\n",
    ),
    ("    has_capture boolean;\n", "    has_capture boolean;\n    has_conversion boolean;\n"),
    (
        "    has_capture := broken.has_capture;\n",
        "    has_capture := broken.has_capture;\n    has_conversion := broken.has_conversion;\n",
    ),
    ("    fee_given bigint;\n", _MORE_VARIABLES),
    (
        "    IF has_reversal THEN\n        -- One after another",
        f"{_CONVERSIONS}    IF has_reversal THEN\n        -- One after another",
    ),
    (_ORIGINAL, _ORIGINAL_WITH_QUOTE),
    ("o.type IN ('TRANSFER', 'DEPOSIT', 'CAPTURE')", "o.type IN ('TRANSFER', 'DEPOSIT', 'CAPTURE', 'CONVERSION')"),
    (
        "            LEFT JOIN transactions o ON o.id = t.reverses_id\n",
        "            LEFT JOIN transactions o ON o.id = t.reverses_id\n            LEFT JOIN fx_quotes q ON q.id = o.quote_id\n",
    ),
    (_BEFORE, _BEFORE_AND_PARTS),
    (_EXPECTED, _EXPECTED_OF_ALL),
    (_LOOP_ENDS, _EVERY_REVERSAL_CHECKED),
)
_IN_ONE_CURRENCY = """ AND t.quote_id IS NULL
           AND (t.reverses_id IS NULL OR 0 = ( -- of a conversion: checked with the entries
               SELECT count(*) FROM transactions o WHERE o.id = t.reverses_id AND o.quote_id IS NOT NULL))"""
_MISMATCHED = "t.status <> 'FAILED' AND (s.currency <> t.currency OR r.currency <> t.currency)"
_QUOTE_EXISTS = """
       OR (t.quote_id IS NOT NULL AND 0 = (SELECT count(*) FROM fx_quotes q WHERE q.id = t.quote_id))
"""
_REFERENCES = (
    (f"IS NOT NULL AND {_MISMATCHED} AS mismatched", f"IS NOT NULL AND {_MISMATCHED}{_IN_ONE_CURRENCY} AS mismatched"),
    (f"       OR ({_MISMATCHED})\n", f"       OR ({_MISMATCHED}{_IN_ONE_CURRENCY}){_QUOTE_EXISTS}"),
)
_GUARD = (
    ("NEW.reverses_id, NEW.hold_id, NEW.created_at", "NEW.reverses_id, NEW.hold_id, NEW.quote_id, NEW.created_at"),
    ("OLD.reverses_id, OLD.hold_id, OLD.created_at", "OLD.reverses_id, OLD.hold_id, OLD.quote_id, OLD.created_at"),
)
FUNCTIONS = {
    "post_ledger_entries": _POSTING,
    "check_transaction_references": _REFERENCES,
    "guard_transaction": _GUARD,
}

DROPPED = (
    "DROP INDEX transactions_quote_key",
    f"""
    ALTER TABLE transactions DROP COLUMN quote_id, DROP CONSTRAINT transactions_failure_code_known,
    ADD CONSTRAINT transactions_failure_code_known CHECK (failure_code IN ({CODES}))
    """,
    f"""
    ALTER TABLE fee_schedules DROP CONSTRAINT fee_schedules_payer_of_type,
    ADD CONSTRAINT fee_schedules_payer_of_type CHECK ({PAYERS})
    """,
    "DROP TABLE fx_quotes, fx_rates",
    "DROP FUNCTION guard_fx_rate, guard_fx_quote, part_given_back",
)


def upgrade() -> None:
    """Add a column without rewriting a table, then the rules. Under the lock the transactions are read once, for the index."""
    op.execute(LOCK)
    connection = op.get_bind()
    for statement in (*COLUMNS, *TABLES):
        connection.exec_driver_sql(statement)
    names = _names()
    for function in NEW_FUNCTIONS.values():
        connection.exec_driver_sql(function.replace("{schema}", names["schema"]))
    for statement in TRIGGERS:
        op.execute(statement)
    for name in ("guard_fx_rate", "guard_fx_quote"):
        op.execute(f"REVOKE ALL ON FUNCTION {name}() FROM PUBLIC")
    for statement in GRANTS:
        op.execute(statement.format(**names))
    for name, parts in FUNCTIONS.items():
        _rewrite(name, parts)


def downgrade() -> None:
    """Remove them. Refused if there are quotes, unless everything goes."""
    is_whole_way = context.get_revision_argument() is None
    connection = op.get_bind()
    if not is_whole_way and connection.exec_driver_sql("SELECT EXISTS (SELECT FROM fx_quotes)").scalar_one():
        raise CommandError("the ledger has quotes, which the older form cannot hold")
    for name, parts in FUNCTIONS.items():
        _rewrite(name, tuple((new, old) for old, new in parts))
    for statement in DROPPED:
        connection.exec_driver_sql(statement)


def _names() -> dict[str, str]:
    query = text("SELECT quote_ident(:role), quote_ident(current_schema())")
    role, schema = op.get_bind().execute(query, {"role": context.config.attributes["database_role"]}).one()
    return {"role": role, "schema": schema}


def _rewrite(function: str, parts: tuple[tuple[str, str], ...]) -> None:
    """Replace parts of a function. Its settings and rights stay."""
    definition: str = op.get_bind().scalar(text("SELECT pg_get_functiondef(CAST(:name AS regproc))"), {"name": function})
    for old, new in parts:
        assert definition.count(old) == 1, f"{function} is not as an earlier migration made it: {old!r}"
        definition = definition.replace(old, new)
    op.get_bind().exec_driver_sql(definition)
