-- The schema that the migrations make. Written by `make generate`; changed by a new migration.
--
-- PostgreSQL database dump
--



SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: account_type; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.account_type AS ENUM (
    'ASSET',
    'LIABILITY',
    'INCOME',
    'EXPENSE'
);


--
-- Name: entry_purpose; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.entry_purpose AS ENUM (
    'PRINCIPAL',
    'FEE',
    'FX',
    'SPREAD',
    'RESIDUE',
    'CLEARING',
    'SETTLEMENT',
    'OTHER'
);


--
-- Name: fee_payer; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.fee_payer AS ENUM (
    'SENDER',
    'RECEIVER'
);


--
-- Name: hold_event_kind; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.hold_event_kind AS ENUM (
    'PLACED',
    'EXTENDED',
    'CAPTURED',
    'CAPTURED_LATE',
    'RELEASED',
    'EXPIRED'
);


--
-- Name: hold_status; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.hold_status AS ENUM (
    'OPEN',
    'CAPTURED',
    'RELEASED',
    'EXPIRED'
);


--
-- Name: rounding_mode; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.rounding_mode AS ENUM (
    'UP',
    'DOWN',
    'HALF_EVEN'
);


--
-- Name: statement_format; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.statement_format AS ENUM (
    'CSV',
    'JSON',
    'CAMT_053',
    'MT940',
    'PDF'
);


--
-- Name: statement_status; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.statement_status AS ENUM (
    'PREPARING',
    'READY',
    'FAILED'
);


--
-- Name: transaction_status; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.transaction_status AS ENUM (
    'PENDING',
    'COMPLETED',
    'FAILED'
);


--
-- Name: transaction_type; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.transaction_type AS ENUM (
    'TRANSFER',
    'DEPOSIT',
    'POSTING',
    'REVERSAL',
    'CAPTURE',
    'CONVERSION'
);


--
-- Name: wallet_kind; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.wallet_kind AS ENUM (
    'USER',
    'SYSTEM'
);


--
-- Name: wallet_status; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.wallet_status AS ENUM (
    'ACTIVE',
    'FROZEN',
    'CLOSED'
);


--
-- Name: webhook_source; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.webhook_source AS ENUM (
    'WALLET',
    'SETTLED',
    'HOLD'
);


--
-- Name: webhook_status; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.webhook_status AS ENUM (
    'ENABLED',
    'PAUSED',
    'DISABLED_FAILING'
);


--
-- Name: apply_hold_events(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.apply_hold_events() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
-- The only writer of wallets.held, and of a hold's amounts, status and times once it is born. Runs once per INSERT, over all its
-- rows, in the order of each hold's events: the first is what the hold was born with, each follows the one before it, an expired
-- hold is neither captured, released nor extended, and only what is open expires. A capture is a completed transaction of the
-- hold's wallets over the same amount. Left joins: each begins with the new rows, whatever the size of the other tables was when
-- it was planned.
DECLARE
    event record;
    broken record;
    kinds record;
    changed bigint;
BEGIN
    SELECT bool_or(kind = 'PLACED') AS placed, bool_or(captured > 0) AS captured,
           count(*) FILTER (WHERE kind <> 'PLACED') AS later,
           count(DISTINCT hold_id) FILTER (WHERE kind <> 'PLACED') AS holds
    INTO kinds FROM new_events;

    IF kinds.placed THEN
        SELECT e.hold_id, coalesce(w.status = 'ACTIVE' AND e.number = 1 AND h.events = 1 AND h.amount = e.placed
                   AND h.captured = 0 AND h.released = 0 AND h.created_at = e.created_at
                   AND h.expires_at IS NOT DISTINCT FROM e.expires_at, false) AS follows
        INTO broken
        FROM new_events e
        LEFT JOIN holds h ON h.id = e.hold_id
        LEFT JOIN wallets w ON w.id = h.wallet_id
        LEFT JOIN wallets r ON r.id = h.receiver_wallet_id
        LEFT JOIN users u ON u.id = h.initiator_id
        WHERE e.kind = 'PLACED' AND NOT coalesce(
            w.status = 'ACTIVE' AND e.number = 1 AND h.events = 1 AND h.amount = e.placed AND h.captured = 0 AND h.released = 0
            AND h.created_at = e.created_at AND h.expires_at IS NOT DISTINCT FROM e.expires_at
            AND u.id IS NOT NULL AND e.initiator_id = u.id AND w.kind = 'USER' AND w.currency = h.currency
            AND (h.receiver_wallet_id IS NULL OR (r.kind = 'USER' AND r.currency = h.currency)), false)
        LIMIT 1;
        IF FOUND AND NOT broken.follows THEN
            RAISE EXCEPTION 'the first event of hold % does not say what it was born with', broken.hold_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'hold_events_follow_the_hold';
        ELSIF FOUND THEN
            RAISE EXCEPTION 'hold % names a user, wallet or currency that does not fit', broken.hold_id
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'holds_references_exist';
        END IF;
    END IF;

    -- All holds at once. Several events of one hold follow one another, so their numbers take turns.
    FOR event IN SELECT DISTINCT number FROM new_events WHERE kind <> 'PLACED' AND kinds.holds < kinds.later
                 UNION ALL SELECT NULL WHERE kinds.holds = kinds.later AND kinds.later > 0
                 ORDER BY number
    LOOP
        UPDATE holds h SET
            amount = h.amount + e.placed,
            captured = h.captured + e.captured,
            released = h.released + e.released,
            expires_at = coalesce(e.expires_at, h.expires_at),
            events = e.number,
            status = CASE WHEN h.status <> 'OPEN' THEN h.status
                WHEN h.captured + e.captured + h.released + e.released < h.amount + e.placed THEN 'OPEN'
                WHEN e.kind = 'EXPIRED' THEN 'EXPIRED'
                WHEN h.captured + e.captured > 0 THEN 'CAPTURED' ELSE 'RELEASED' END::hold_status,
            closed_at = CASE WHEN h.status <> 'OPEN' THEN h.closed_at
                WHEN h.captured + e.captured + h.released + e.released < h.amount + e.placed THEN NULL
                WHEN e.kind = 'EXPIRED' THEN h.expires_at ELSE e.created_at END
        FROM new_events e
        WHERE h.id = e.hold_id AND e.kind <> 'PLACED' AND (event.number IS NULL OR e.number = event.number)
          AND h.events = e.number - 1 AND e.created_at >= h.created_at
          AND (e.kind IN ('RELEASED', 'EXPIRED') OR (SELECT status FROM wallets WHERE id = h.wallet_id) = 'ACTIVE')
          AND (e.expires_at IS NULL OR e.expires_at > h.expires_at)
          AND CASE e.kind
              WHEN 'EXPIRED' THEN h.status = 'OPEN' AND h.expires_at <= e.created_at
                  AND e.released = h.amount - h.captured - h.released
              WHEN 'CAPTURED_LATE' THEN h.status IN ('RELEASED', 'EXPIRED')
              ELSE h.status = 'OPEN' AND (h.expires_at IS NULL OR e.created_at < h.expires_at) END;
        GET DIAGNOSTICS changed = ROW_COUNT;
        kinds.later := kinds.later - changed;
    END LOOP;
    IF kinds.later > 0 THEN
        SELECT e.hold_id, e.number INTO broken
        FROM new_events e LEFT JOIN holds h ON h.id = e.hold_id
        WHERE e.kind <> 'PLACED' AND coalesce(h.events, 0) < e.number LIMIT 1;
        RAISE EXCEPTION 'event % of hold % does not follow from its state', broken.number, broken.hold_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'hold_events_follow_the_hold';
    END IF;

    IF kinds.captured THEN
        SELECT e.hold_id INTO broken
        FROM new_events e
        LEFT JOIN transactions t ON t.id = e.id
        WHERE e.captured > 0 AND NOT coalesce(
            t.hold_id = e.hold_id AND t.status = 'COMPLETED' AND t.amount = e.captured AND t.initiator_id = e.initiator_id, false)
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'hold % is captured without its transaction', broken.hold_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'hold_events_capture_by_transaction';
        END IF;
    END IF;

    WITH changes AS (
        SELECT h.wallet_id, sum(e.placed - e.captured - e.released)::bigint AS change
        FROM new_events e LEFT JOIN holds h ON h.id = e.hold_id
        GROUP BY h.wallet_id HAVING sum(e.placed - e.captured - e.released) <> 0
    ), updated AS (
        UPDATE wallets w SET held = w.held + d.change, overdrawn = w.overdrawn AND w.balance - (w.held + d.change) < 0
        FROM changes d WHERE w.id = d.wallet_id
        RETURNING w.id, d.change > 0 AND w.overdrawn AS is_short
    )
    SELECT id INTO broken FROM updated WHERE is_short LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a hold on wallet % is of more than is available', broken.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'wallets_available_not_negative';
    END IF;
    RETURN NULL;
END $$;


--
-- Name: archived_months(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.archived_months() RETURNS TABLE(partition text, low uuid, high uuid)
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- The sealed months whose entries are not in the table now.
    SELECT s.partition, s.low, s.high FROM ledger_seals s
    WHERE NOT EXISTS (SELECT FROM ledger_partitions() p WHERE p.name = s.partition)
    $$;


--
-- Name: check_fees(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.check_fees() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
-- Each transfer and deposit is charged by the version that is valid when it is posted: legs 2 and 3, from the payer to the
-- currency's fee wallet, or no further leg. A user's version counts where the user pays, and the sender's comes first.
DECLARE
    broken record;
    has_lines_of_users boolean;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1346586181, 0);
    IF NOT EXISTS (SELECT FROM fee_schedules) AND NOT EXISTS (SELECT FROM new_entries WHERE leg > 1) THEN
        RETURN NULL;
    END IF;
    has_lines_of_users := EXISTS (SELECT FROM fee_schedules WHERE user_id IS NOT NULL);
    SELECT t.id INTO broken
    FROM (SELECT transaction_id, max(leg) AS last_leg, bool_and(leg < 2 OR purpose = 'FEE') AS are_fees,
                 max(amount) FILTER (WHERE leg = 2) AS paid, (array_agg(wallet_id) FILTER (WHERE leg = 2))[1] AS payer_id,
                 max(amount) FILTER (WHERE leg = 3) AS got, (array_agg(wallet_id) FILTER (WHERE leg = 3))[1] AS payee_id
          FROM new_entries GROUP BY transaction_id) e
    JOIN transactions t ON t.id = e.transaction_id AND t.type IN ('TRANSFER', 'DEPOSIT', 'CAPTURE')
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
       OR (t.fee IS NOT NULL AND (e.last_leg <> 3 OR NOT e.are_fees OR (e.paid, e.got) IS DISTINCT FROM (-t.fee, t.fee)
           OR e.payer_id <> CASE due.payer WHEN 'SENDER' THEN t.sender_wallet_id ELSE t.receiver_wallet_id END
           OR NOT EXISTS (SELECT FROM wallets w WHERE w.id = e.payee_id AND w.system_purpose = 'FEES')))
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction % is not charged what the fee schedule says', broken.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_charge_the_fee';
    END IF;
    RETURN NULL;
END $$;


--
-- Name: check_hold_is_placed(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.check_hold_is_placed() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM hold_events WHERE hold_id = NEW.id AND number = 1) THEN
        RAISE EXCEPTION 'hold % has no event that places it', NEW.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'holds_are_placed';
    END IF;
    RETURN NULL;
END $$;


--
-- Name: check_transaction_references(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.check_transaction_references() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
-- Foreign keys of a whole batch in one look, and that what may settle is in its wallets' currency.
-- Sound because users, wallets and currencies are never deleted and keep their ids.
DECLARE
    broken record;
BEGIN
    SELECT t.id, t.currency,
           c.code IS NOT NULL AND t.status <> 'FAILED' AND (s.currency <> t.currency OR r.currency <> t.currency) AND t.quote_id IS NULL
           AND (t.reverses_id IS NULL OR 0 = ( -- of a conversion: checked with the entries
               SELECT count(*) FROM transactions o WHERE o.id = t.reverses_id AND o.quote_id IS NOT NULL)) AS mismatched
    INTO broken
    FROM new_transactions t
    LEFT JOIN users u ON u.id = t.initiator_id
    LEFT JOIN wallets s ON s.id = t.sender_wallet_id
    LEFT JOIN wallets r ON r.id = t.receiver_wallet_id
    LEFT JOIN currencies c ON c.code = t.currency
    WHERE u.id IS NULL OR c.code IS NULL
       OR (t.reverses_id IS NOT NULL AND 0 = (SELECT count(*) FROM transactions o WHERE o.id = t.reverses_id))
       OR (t.hold_id IS NOT NULL AND 0 = (
           SELECT count(*) FROM holds h WHERE h.id = t.hold_id AND h.wallet_id = t.sender_wallet_id
           AND coalesce(h.receiver_wallet_id, t.receiver_wallet_id) = t.receiver_wallet_id))
       OR (s.id IS NULL AND t.sender_wallet_id IS NOT NULL)
       OR (r.id IS NULL AND t.receiver_wallet_id IS NOT NULL)
       OR (t.status <> 'FAILED' AND (s.currency <> t.currency OR r.currency <> t.currency) AND t.quote_id IS NULL
           AND (t.reverses_id IS NULL OR 0 = ( -- of a conversion: checked with the entries
               SELECT count(*) FROM transactions o WHERE o.id = t.reverses_id AND o.quote_id IS NOT NULL)))
       OR (t.quote_id IS NOT NULL AND 0 = (SELECT count(*) FROM fx_quotes q WHERE q.id = t.quote_id))
    LIMIT 1;
    IF FOUND AND broken.mismatched THEN
        RAISE EXCEPTION 'transaction % is in %, but its wallets are not', broken.id, broken.currency
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transactions_currency_of_wallets';
    ELSIF FOUND THEN
        RAISE EXCEPTION 'transaction % names a user, wallet or currency that does not exist', broken.id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'transactions_references_exist';
    END IF;
    RETURN NULL;
END $$;


--
-- Name: delete_published(bigint, bigint); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.delete_published(after_position bigint, up_to_position bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- Delete the outbox rows of whole chunks, by their positions. Returns how many there were.
    DECLARE
        published bigint[];
        deleted bigint := 0;
    BEGIN
        IF after_position < up_to_position THEN
            SELECT array_agg(e.id) INTO published
            FROM event_chunks c CROSS JOIN unnest(c.outbox_ids) AS e (id)
            WHERE c.first_position > after_position AND c.first_position <= up_to_position
              AND c.last_position <= up_to_position;
            DELETE FROM outbox WHERE id = ANY (published);
            GET DIAGNOSTICS deleted = ROW_COUNT;
        END IF;
        RETURN deleted;
    END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: fee_schedules; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fee_schedules (
    id uuid NOT NULL,
    number bigint NOT NULL,
    transaction_type public.transaction_type NOT NULL,
    currency text NOT NULL COLLATE pg_catalog."C",
    user_id uuid,
    version bigint NOT NULL,
    name text NOT NULL,
    payer public.fee_payer NOT NULL,
    percent numeric(9,6),
    flat bigint,
    minimum bigint,
    maximum bigint,
    rounding public.rounding_mode NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    initiator_id uuid NOT NULL,
    idempotency_key text NOT NULL COLLATE pg_catalog."C",
    request_hash bytea NOT NULL,
    CONSTRAINT fee_schedules_amounts_not_negative CHECK (((flat >= 0) AND (minimum >= 0) AND (maximum >= 0))),
    CONSTRAINT fee_schedules_hash_is_sha256 CHECK ((octet_length(request_hash) = 32)),
    CONSTRAINT fee_schedules_key_is_visible_ascii CHECK (((idempotency_key ~ '^[!-~]+$'::text) AND (octet_length(idempotency_key) <= 255))),
    CONSTRAINT fee_schedules_limits_in_order CHECK ((minimum <= maximum)),
    CONSTRAINT fee_schedules_limits_of_a_fee CHECK (((percent IS NOT NULL) OR (flat IS NOT NULL) OR ((minimum IS NULL) AND (maximum IS NULL)))),
    CONSTRAINT fee_schedules_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100))),
    CONSTRAINT fee_schedules_payer_of_type CHECK (((transaction_type = 'TRANSFER'::public.transaction_type) OR ((transaction_type = 'DEPOSIT'::public.transaction_type) AND (payer = 'RECEIVER'::public.fee_payer)) OR ((transaction_type = 'CONVERSION'::public.transaction_type) AND (payer = 'SENDER'::public.fee_payer)))),
    CONSTRAINT fee_schedules_percent_in_range CHECK (((percent >= (0)::numeric) AND (percent <= (100)::numeric)))
);


--
-- Name: fee_of(public.fee_schedules, bigint); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.fee_of(schedule public.fee_schedules, amount bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
-- Rounded once, then kept between minimum and maximum.
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
$$;


--
-- Name: guard_event_chunk(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_event_chunk() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- Positions have no gap: a chunk begins where the last one ends. Of two relays that append to the same one, the primary key
    -- refuses the second. What follows from the events is computed here. What was published is deleted from the outbox before.
    DECLARE
        before record;
    BEGIN
        SELECT last_position, published_position, settled INTO before
        FROM event_chunks ORDER BY first_position DESC LIMIT 1;
        IF NEW.first_position IS DISTINCT FROM coalesce(before.last_position, 0) + 1 THEN
            RAISE EXCEPTION 'position % does not follow %', NEW.first_position, coalesce(before.last_position, 0)
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'event_chunks_contiguous';
        END IF;
        IF NEW.published_position IS NULL OR NEW.published_position
           NOT BETWEEN coalesce(before.published_position, 0) AND coalesce(before.last_position, 0) THEN
            RAISE EXCEPTION 'what is published only grows, up to the chunk before'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'event_chunks_published_in_order';
        END IF;
        IF NEW.outbox_ids IS NULL THEN
            RAISE EXCEPTION 'a new event comes from the outbox'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'event_chunks_from_outbox';
        END IF;
        SELECT (array_agg(e.subject_id ORDER BY e.subject_id))[1], (array_agg(e.subject_id ORDER BY e.subject_id DESC))[1],
               coalesce(before.settled, 0) + count(*)
        INTO NEW.lowest_transaction_id, NEW.highest_transaction_id, NEW.settled
        FROM unnest(NEW.subject_ids, string_to_array(NEW.kinds, NULL)) AS e (subject_id, kind)
        WHERE e.kind = 'S';
        NEW.last_position := NEW.first_position + cardinality(NEW.subject_ids) - 1;
        NEW.sequenced_at := clock_timestamp();
        PERFORM set_config('synchronous_commit', 'on', true);
        RETURN NEW;
    END $$;


--
-- Name: guard_fee_schedule(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_fee_schedule() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
-- Nothing is posted while a version is published, and a version is valid only after all that was posted in its currency and
-- after the version before it. Without a moment it is valid from now.
DECLARE
    previous record;
    posted timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(1346586181, 0);
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
END $$;


--
-- Name: guard_fx_quote(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_fx_quote() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
END $$;


--
-- Name: guard_fx_rate(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_fx_rate() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
END $$;


--
-- Name: guard_hold(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_hold() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
-- Born untouched; then only its events change it, and never what it is about.
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF (NEW.captured, NEW.released, NEW.events, NEW.status) IS DISTINCT FROM (0, 0, 1, 'OPEN'::hold_status)
           OR NEW.closed_at IS NOT NULL THEN
            RAISE EXCEPTION 'a hold is born untouched: only its events change it'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'holds_born_untouched';
        END IF;
    ELSIF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'the state of hold % follows from its events: insert those', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'holds_state_from_events';
    END IF;
    RETURN NEW;
END $$;


--
-- Name: guard_ledger_partition(text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_ledger_partition(partition text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- The statement triggers of a partitioned table do not fire for a statement that names a partition. So nobody has rights on
    -- a partition, and each has guards of its own. Entries only come in through the partitioned table, whose triggers check them.
    DECLARE
        grantee text;
    BEGIN
        EXECUTE format(
            'CREATE TRIGGER ledger_entries_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT '
            'EXECUTE FUNCTION refuse_change(%L, %L)',
            partition, 'ledger_entries_insert_only', 'entries are insert-only: correct with a new transaction');
        EXECUTE format(
            'CREATE TRIGGER ledger_entries_through_parent BEFORE INSERT ON %I FOR EACH STATEMENT '
            'EXECUTE FUNCTION refuse_change(%L, %L)',
            partition, 'ledger_entries_through_parent', 'insert into ledger_entries, whose triggers check the entries');
        FOR grantee IN
            SELECT DISTINCT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END
            FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x
            WHERE c.oid = to_regclass(quote_ident(partition)) AND x.grantee <> c.relowner
        LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %s', partition, grantee);
        END LOOP;
    END $$;


--
-- Name: guard_log_checkpoint(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_log_checkpoint() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- Of a larger log each time, and of no more leaves than there are.
    BEGIN
        IF NEW.size <= coalesce((SELECT max(size) FROM log_checkpoints), 0)
           OR NEW.size > coalesce((SELECT number * 256 + octet_length(hashes) / 32 FROM log_tiles
                                   WHERE level = 0 ORDER BY number DESC LIMIT 1), 0) THEN
            RAISE EXCEPTION 'a checkpoint of % leaves does not follow', NEW.size
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'log_checkpoints_grow';
        END IF;
        RETURN NEW;
    END $$;


--
-- Name: guard_log_tile(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_log_tile() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- A tile begins where the one before it is full, and then only gets more hashes.
    BEGIN
        IF TG_OP = 'INSERT' THEN
            IF NEW.number > 0 AND 8192 <> coalesce((SELECT octet_length(hashes) FROM log_tiles
                                                    WHERE level = NEW.level AND number = NEW.number - 1), 0) THEN
                RAISE EXCEPTION 'tile % of level % does not follow a full one', NEW.number, NEW.level
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'log_tiles_contiguous';
            END IF;
        ELSIF (NEW.level, NEW.number) IS DISTINCT FROM (OLD.level, OLD.number)
              OR octet_length(NEW.hashes) <= octet_length(OLD.hashes)
              OR substring(NEW.hashes FROM 1 FOR octet_length(OLD.hashes)) IS DISTINCT FROM OLD.hashes THEN
            RAISE EXCEPTION 'tile % of level % can only get more hashes', OLD.number, OLD.level
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'log_tiles_only_grow';
        END IF;
        RETURN NEW;
    END $$;


--
-- Name: guard_new_statement(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_new_statement() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- A statement follows the one before it, and is final: the wallet is locked, and what is posted to it after this comes later.
    DECLARE
        place record;
        before record;
        last_entry record;
        next_posted timestamptz;
        broken text;
    BEGIN
        SELECT sequence, posted_at INTO place FROM wallets WHERE id = NEW.wallet_id FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RETURN NEW; -- the foreign key refuses it
        END IF;
        SELECT number, last_sequence, closing, to_at INTO before FROM statements
        WHERE wallet_id = NEW.wallet_id ORDER BY number DESC LIMIT 1;
        SELECT balance_after, created_at INTO last_entry FROM ledger_entries
        WHERE wallet_id = NEW.wallet_id AND sequence = NEW.last_sequence;
        SELECT created_at INTO next_posted FROM ledger_entries
        WHERE wallet_id = NEW.wallet_id AND sequence = NEW.last_sequence + 1;
        broken := CASE
            WHEN NEW.status <> 'PREPARING' THEN 'it has no files yet'
            WHEN NEW.number <> coalesce(before.number, 0) + 1 THEN 'it has another number than the next'
            WHEN NEW.first_sequence <> coalesce(before.last_sequence, 0) + 1 THEN 'it does not begin after the one before'
            WHEN NEW.opening <> coalesce(before.closing, 0) THEN 'it does not open where the one before closed'
            WHEN NEW.from_at <> before.to_at THEN 'its period does not begin where the one before ended'
            WHEN NEW.last_sequence > place.sequence THEN 'it ends after the last entry'
            WHEN NEW.last_sequence < NEW.first_sequence AND NEW.closing <> NEW.opening THEN 'it has no entry and another closing'
            WHEN NEW.last_sequence >= NEW.first_sequence AND NEW.closing IS DISTINCT FROM last_entry.balance_after
                THEN 'its closing is not the balance after its last entry'
            WHEN NEW.last_sequence >= NEW.first_sequence AND last_entry.created_at >= NEW.to_at THEN 'it has a later entry'
            WHEN next_posted < NEW.to_at THEN 'it lacks an entry of its period'
            WHEN NEW.number = 1 AND NEW.from_at > (
                SELECT created_at FROM ledger_entries WHERE wallet_id = NEW.wallet_id AND sequence = 1
            ) THEN 'it begins after the first entry'
            WHEN NEW.to_at > greatest(clock_timestamp(), place.posted_at) THEN 'its period is not over'
        END;
        IF broken IS NOT NULL THEN
            RAISE EXCEPTION 'statement % of wallet %: %', NEW.number, NEW.wallet_id, broken
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'statements_follow_each_other';
        END IF;
        RETURN NEW;
    END $$;


--
-- Name: guard_read_model(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_read_model() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- Events are not read again by going back, and there always is a live generation.
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.is_live THEN
                RAISE EXCEPTION 'generation % of the read models is live', OLD.generation
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'read_models_live_stays';
            END IF;
            RETURN OLD;
        END IF;
        IF NEW.generation <> OLD.generation OR NEW.position < OLD.position THEN
            RAISE EXCEPTION 'the position of the read models does not go back'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'read_models_rise';
        END IF;
        RETURN NEW;
    END $$;


--
-- Name: guard_statement(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_statement() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- What it covers does not change, and neither does a statement that is READY or FAILED. READY: all its files are whole.
    BEGIN
        IF OLD.status <> 'PREPARING'
           OR (NEW.id, NEW.wallet_id, NEW.initiator_id, NEW.number, NEW.first_sequence, NEW.last_sequence, NEW.opening,
               NEW.closing, NEW.from_at, NEW.to_at, NEW.created_at, NEW.request_hash, NEW.idempotency_key)
           IS DISTINCT FROM
              (OLD.id, OLD.wallet_id, OLD.initiator_id, OLD.number, OLD.first_sequence, OLD.last_sequence, OLD.opening,
               OLD.closing, OLD.from_at, OLD.to_at, OLD.created_at, OLD.request_hash, OLD.idempotency_key)
           OR NEW.attempts < OLD.attempts THEN
            RAISE EXCEPTION 'a statement does not change'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'statements_do_not_change';
        END IF;
        IF NEW.status = 'READY' AND (
            (SELECT count(*) FROM statement_files WHERE statement_id = NEW.id)
                <> cardinality(enum_range(NULL::statement_format))
            OR EXISTS (
                SELECT FROM statement_files f
                LEFT JOIN (SELECT format, count(*) AS parts, max(number) AS last FROM statement_parts
                           WHERE statement_id = NEW.id GROUP BY format) p USING (format)
                WHERE f.statement_id = NEW.id
                  AND (f.parts, f.parts) IS DISTINCT FROM (coalesce(p.parts, 0), coalesce(p.last, 0)))
        ) THEN
            RAISE EXCEPTION 'a statement is ready once all its files are whole'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'statements_ready_with_files';
        END IF;
        RETURN NEW;
    END $$;


--
-- Name: guard_statement_content(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_statement_content() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- Files are written while their statement is prepared, and never after it.
    BEGIN
        PERFORM FROM statements
        WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.statement_id ELSE NEW.statement_id END AND status <> 'PREPARING' FOR SHARE;
        IF FOUND THEN
            RAISE EXCEPTION 'the files of a statement do not change'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'statement_files_do_not_change';
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$;


--
-- Name: guard_transaction(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_transaction() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
-- Settled is final. What is PENDING may settle, but what was asked never changes.
BEGIN
    IF OLD.status <> 'PENDING'
       OR (NEW.id, NEW.initiator_id, NEW.idempotency_key, NEW.type, NEW.sender_wallet_id,
           NEW.receiver_wallet_id, NEW.amount, NEW.currency, NEW.description, NEW.reference, NEW.metadata, NEW.terms, NEW.reverses_id, NEW.hold_id, NEW.quote_id, NEW.created_at)
       IS DISTINCT FROM
          (OLD.id, OLD.initiator_id, OLD.idempotency_key, OLD.type, OLD.sender_wallet_id,
           OLD.receiver_wallet_id, OLD.amount, OLD.currency, OLD.description, OLD.reference, OLD.metadata, OLD.terms, OLD.reverses_id, OLD.hold_id, OLD.quote_id, OLD.created_at) THEN
        RAISE EXCEPTION 'transaction % is settled, or the change would rewrite what was asked', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transactions_settled_is_final';
    END IF;
    RETURN NEW;
END $$;


--
-- Name: guard_wallet(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_wallet() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
-- Born empty; who, what and when never change; a change that is no entry raises the version.
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.balance <> 0 OR NEW.held <> 0 OR NEW.sequence <> 0 OR NEW.version <> 1
           OR NEW.posted_at <> NEW.created_at THEN
            RAISE EXCEPTION 'a wallet is born empty'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'wallets_born_empty';
        END IF;
        NEW.account_type :=
            coalesce(NEW.account_type, CASE NEW.kind WHEN 'SYSTEM' THEN 'ASSET' ELSE 'LIABILITY' END::account_type);
        RETURN NEW;
    END IF;
    IF pg_trigger_depth() < 2
       AND (NEW.balance, NEW.sequence, NEW.posted_at, NEW.overdrawn)
           IS DISTINCT FROM (OLD.balance, OLD.sequence, OLD.posted_at, OLD.overdrawn) THEN
        RAISE EXCEPTION 'the balance of wallet % follows from its entries: insert those', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'wallets_balance_from_entries';
    END IF;
    IF pg_trigger_depth() < 2 AND NEW.held IS DISTINCT FROM OLD.held THEN
        RAISE EXCEPTION 'what is held of wallet % follows from the events of its holds: insert those', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'wallets_held_from_events';
    END IF;
    IF (NEW.id, NEW.kind, NEW.owner_id, NEW.currency, NEW.created_at, NEW.system_purpose, NEW.account_type)
       IS DISTINCT FROM (OLD.id, OLD.kind, OLD.owner_id, OLD.currency, OLD.created_at, OLD.system_purpose, OLD.account_type) THEN
        RAISE EXCEPTION 'kind, owner, currency and creation of wallet % never change', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'wallets_identity_is_final';
    END IF;
    NEW.version := OLD.version + ((NEW.status, NEW.name, NEW.held) IS DISTINCT FROM (OLD.status, OLD.name, OLD.held))::int;
    RETURN NEW;
END $$;


--
-- Name: guard_webhook_delivery(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_webhook_delivery() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- Which event it is, and so its header webhook-id, is the same in every attempt.
    BEGIN
        IF (NEW.id, NEW.endpoint_id, NEW.subject_id, NEW.number, NEW.position, NEW.lanes, NEW.created_at)
           IS DISTINCT FROM
           (OLD.id, OLD.endpoint_id, OLD.subject_id, OLD.number, OLD.position, OLD.lanes, OLD.created_at)
           OR NEW.attempts < OLD.attempts THEN
            RAISE EXCEPTION 'a delivery keeps its event, its place and its attempts'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'webhook_deliveries_keep_their_event';
        END IF;
        RETURN NEW;
    END $$;


--
-- Name: guard_webhook_endpoint(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_webhook_endpoint() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- What was created is not changed: a delivery means what its endpoint meant when the event happened.
    BEGIN
        IF (NEW.id, NEW.owner_id, NEW.subject_id, NEW.start_number, NEW.created_at, NEW.source, NEW.sees_all, NEW.ordered,
            NEW.request_hash, NEW.url, NEW.document, NEW.variables, NEW.idempotency_key)
           IS DISTINCT FROM
           (OLD.id, OLD.owner_id, OLD.subject_id, OLD.start_number, OLD.created_at, OLD.source, OLD.sees_all, OLD.ordered,
            OLD.request_hash, OLD.url, OLD.document, OLD.variables, OLD.idempotency_key) THEN
            RAISE EXCEPTION 'an endpoint keeps its URL, document and owner: create another one'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'webhook_endpoints_keep_what_they_are';
        END IF;
        IF OLD.deleted_at IS DISTINCT FROM NEW.deleted_at AND OLD.deleted_at IS NOT NULL THEN
            RAISE EXCEPTION 'a deleted endpoint stays deleted'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'webhook_endpoints_stay_deleted';
        END IF;
        IF NEW.behind_after < OLD.behind_after AND NEW.deleted_at IS NULL THEN
            RAISE EXCEPTION 'the position of an endpoint does not go back'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'webhook_endpoints_behind_rises';
        END IF;
        RETURN NEW;
    END $$;


--
-- Name: guard_webhook_endpoint_delete(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_webhook_endpoint_delete() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
-- The row of an endpoint goes last, after its owner has deleted the endpoint.
BEGIN
    IF OLD.deleted_at IS NULL THEN
        RAISE EXCEPTION 'only an endpoint that its owner has deleted is removed'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'webhook_endpoints_deleted_by_owner';
    END IF;
    RETURN OLD;
END $$;


--
-- Name: guard_webhook_progress(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_webhook_progress() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- Events are not skipped by going forward twice, nor read again by going back.
    BEGIN
        IF NEW.position < OLD.position THEN
            RAISE EXCEPTION 'the position of webhooks does not go back'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'webhook_progress_rises';
        END IF;
        RETURN NEW;
    END $$;


--
-- Name: keep_ledger_partitions(integer); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.keep_ledger_partitions(months integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET lock_timeout TO '1s'
    AS $$
    -- Makes the partitions of this month and of the next ones that are missing. Returns their number. It only makes empty
    -- partitions after the newest one, so the service may run it, which owns no tables.
    DECLARE
        ahead integer := greatest(1, least(months, 24));
        wanted timestamptz := date_trunc('month', clock_timestamp()) + make_interval(months => ahead + 1);
        newest timestamptz;
        made integer := 0;
    BEGIN
        SELECT max(ledger_id_moment(high)) INTO newest FROM ledger_partitions();
        IF newest >= wanted THEN
            RETURN 0;
        END IF;
        -- Keepers run one after another. Then another one may have made them.
        PERFORM pg_advisory_xact_lock(7021306990002);
        SELECT max(ledger_id_moment(high)) INTO newest FROM ledger_partitions();
        WHILE newest < wanted LOOP
            PERFORM make_ledger_partition(newest, newest + interval '1 month');
            newest := newest + interval '1 month';
            made := made + 1;
        END LOOP;
        RETURN made;
    END $$;


--
-- Name: last_entry_before(uuid, timestamp with time zone, bigint, bigint); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.last_entry_before(wallet uuid, moment timestamp with time zone, lowest bigint, highest bigint) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- The greatest sequence of a wallet's entries, lowest to highest, that was posted before the moment. A wallet's entries never
    -- go back in time, so a binary search finds it. An entry that is not here was archived, and so is older than all others.
    DECLARE
        middle bigint;
        posted timestamptz;
    BEGIN
        WHILE lowest < highest LOOP
            middle := lowest + (highest - lowest + 1) / 2;
            SELECT e.created_at INTO posted FROM ledger_entries e WHERE e.wallet_id = wallet AND e.sequence = middle;
            IF coalesce(posted < moment, true) THEN
                lowest := middle;
            ELSE
                highest := middle - 1;
            END IF;
        END LOOP;
        RETURN lowest;
    END $$;


--
-- Name: ledger_id_floor(timestamp with time zone); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.ledger_id_floor(moment timestamp with time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- The lowest id of that millisecond.
    SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
    $$;


--
-- Name: ledger_id_moment(uuid); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.ledger_id_moment(id uuid) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE STRICT
    SET search_path TO 'public', 'pg_temp'
    AS $$
    SELECT 'epoch'::timestamptz
        + ('x0000' || left(replace(id::text, '-', ''), 12))::bit(64)::bigint * interval '1 millisecond'
    $$;


--
-- Name: ledger_partitions(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.ledger_partitions() RETURNS TABLE(name text, low uuid, high uuid)
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $_$
    -- The partitions of ledger_entries with their bounds: from `low`, which the first one does not have, to below `high`.
    SELECT c.relname::text, substring(bound FROM $re$FROM \('([0-9a-f-]{36})$re$)::uuid,
           substring(bound FROM $re$TO \('([0-9a-f-]{36})$re$)::uuid
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) AS bound
    WHERE i.inhparent = to_regclass('ledger_entries') AND NOT i.inhdetachpending
    $_$;


--
-- Name: make_ledger_partition(timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.make_ledger_partition(starts timestamp with time zone, ends timestamp with time zone) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $$
    -- ATTACH locks the partitioned table so that transfers and reads go on; CREATE TABLE … PARTITION OF would block them.
    DECLARE
        partition text := 'ledger_entries_' || to_char(starts, 'YYYY_MM');
    BEGIN
        EXECUTE format(
            'CREATE TABLE %I (LIKE ledger_entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE, '
            'CONSTRAINT %I PRIMARY KEY (wallet_id, sequence), CONSTRAINT %I UNIQUE (transaction_id, leg))',
            partition, partition || '_pkey', partition || '_transaction_leg_key');
        PERFORM guard_ledger_partition(partition);
        EXECUTE format('ALTER TABLE ledger_entries ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       partition, ledger_id_floor(starts), ledger_id_floor(ends));
        RETURN partition;
    END $$;


--
-- Name: park_unreadable(bigint[], text[]); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.park_unreadable(ids bigint[], reasons text[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- Set aside outbox rows that the relay cannot read. Returns the id of this transaction.
    BEGIN
        WITH unreadable AS (DELETE FROM outbox WHERE id = ANY (ids) RETURNING id, created_at, payload)
        INSERT INTO outbox_parked (id, created_at, payload, parked_at, reason)
        SELECT u.id, u.created_at, u.payload, now(), found.reason
        FROM unreadable u JOIN unnest(ids, reasons) AS found (id, reason) ON found.id = u.id;
        RETURN pg_current_xact_id()::text::bigint;
    END $$;


--
-- Name: part_given_back(bigint, bigint, bigint, bigint, boolean); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.part_given_back(whole bigint, before bigint, now bigint, total bigint, rounds_up boolean) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
-- The part of `whole` that goes back with `now` of `total` after `before`: the sum of all parts so far is rounded once, so
-- that all parts together are `whole`.
SELECT (div(whole::numeric * (before::numeric + now) + extra, total) - div(whole::numeric * before + extra, total))::bigint
FROM (SELECT CASE WHEN rounds_up THEN total - 1 ELSE 0 END AS extra) AS rounding
$$;


--
-- Name: post_ledger_entries(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.post_ledger_entries() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
-- The only writer of wallets.balance, sequence and posted_at. Runs once per INSERT, over all its rows:
-- each transaction is COMPLETED, posted whole, once, and sums to zero per currency; each wallet is active and its
-- chain of entries goes on from where it stood, without a gap and never back in time. No entry overdraws a user's
-- wallet, not even one that a later entry makes good: the CHECK of the wallet sees only where the chain ends.
DECLARE
    broken record;
    is_plain boolean;
    has_fees boolean;
    has_more boolean;
    has_reversal boolean;
    has_capture boolean;
    has_conversion boolean;
    reversal record;
    fee_before bigint;
    fee_given bigint;
    before bigint;
    target_back bigint;
    spread_back bigint;
    residue_back bigint;
    checked bigint := 0;
    expected bigint;
    updated bigint;
BEGIN
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
        -- The first two entries of a transaction between two wallets are its principal: the sender's debit and the receiver's
        -- credit. Its further entries have another purpose and touch only these two wallets and the system's. A transaction
        -- without sender and receiver has exactly the legs of its terms.
        SELECT (array_agg(e.transaction_id) FILTER (WHERE t.status IS DISTINCT FROM 'COMPLETED' OR NOT coalesce(CASE
                   WHEN t.reverses_id IS NOT NULL OR t.quote_id IS NOT NULL THEN true -- checked below
                   WHEN t.sender_wallet_id IS NULL OR t.receiver_wallet_id IS NULL THEN t.terms->'legs'->(e.leg::int) =
                       (SELECT jsonb_build_array(w.id, e.amount, w.currency, e.purpose) FROM wallets w WHERE w.id = e.wallet_id)
                   WHEN e.leg = 0 THEN e.wallet_id = t.sender_wallet_id AND e.amount = -t.amount AND e.purpose = 'PRINCIPAL'
                   WHEN e.leg = 1 THEN e.wallet_id = t.receiver_wallet_id AND e.amount = t.amount AND e.purpose = 'PRINCIPAL'
                   ELSE e.purpose <> 'PRINCIPAL' AND (e.wallet_id IN (t.sender_wallet_id, t.receiver_wallet_id)
                       OR EXISTS (SELECT FROM wallets w WHERE w.id = e.wallet_id AND w.kind = 'SYSTEM'))
               END, false)))[1] AS transaction_id,
               bool_or(e.leg > 1 OR t.sender_wallet_id IS NULL) AS has_more, bool_or(t.reverses_id IS NOT NULL) AS has_reversal,
               bool_or(t.hold_id IS NOT NULL) AS has_capture, bool_or(t.quote_id IS NOT NULL) AS has_conversion,
               (array_agg(e.transaction_id) FILTER (WHERE t.hold_id IS NOT NULL AND e.leg = 0 AND 1 <> ( -- not EXISTS,
                   -- which a session that planned it on a small table would answer by reading all of it
                   SELECT count(*) FROM hold_events h
                   WHERE h.hold_id = t.hold_id AND h.id = t.id AND h.captured = t.amount)))[1] AS capture_id
        INTO broken
        FROM new_entries e LEFT JOIN transactions t ON t.id = e.transaction_id;
        has_more := broken.has_more;
        has_reversal := broken.has_reversal;
        has_capture := broken.has_capture;
        has_conversion := broken.has_conversion;
        IF broken.capture_id IS NOT NULL THEN
            RAISE EXCEPTION 'transaction % captures no hold', broken.capture_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_capture_the_hold';
        END IF;
        IF broken.transaction_id IS NOT NULL THEN
            RAISE EXCEPTION 'an entry of transaction % is not what was requested, or it is not completed', broken.transaction_id
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
    END IF;

    SELECT e.wallet_id, e.sequence, w.kind = 'USER' AND e.balance_after < w.held AND e.amount < 0 AS overdrawn INTO broken
    FROM (SELECT transaction_id, wallet_id, sequence, amount, balance_after - amount AS balance_before, balance_after, created_at,
                 lag(sequence) OVER chain AS previous_sequence,
                 lag(balance_after) OVER chain AS previous_balance,
                 lag(created_at) OVER chain AS previous_time
          FROM new_entries WINDOW chain AS (PARTITION BY wallet_id ORDER BY sequence)) e
    LEFT JOIN wallets w ON w.id = e.wallet_id
    WHERE w.status IS DISTINCT FROM 'ACTIVE'
       OR e.sequence <> coalesce(e.previous_sequence, w.sequence) + 1
       OR e.balance_before <> coalesce(e.previous_balance, w.balance)
       OR e.created_at < coalesce(e.previous_time, w.posted_at)
       OR (w.kind = 'USER' AND e.balance_after < w.held AND e.amount < 0 AND 0 = (
           SELECT count(*) FROM transactions t WHERE t.id = e.transaction_id
           AND (t.terms->'reversal'->'overdraft' = 'true' OR 1 = ( -- what is held is there for its capture
               SELECT count(*) FROM hold_events h
               WHERE h.hold_id = t.hold_id AND h.id = t.id AND h.kind = 'CAPTURED'))))
    LIMIT 1;
    IF FOUND AND broken.overdrawn THEN
        RAISE EXCEPTION 'entry % of wallet % spends more than is available', broken.sequence, broken.wallet_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'wallets_available_not_negative';
    ELSIF FOUND THEN
        RAISE EXCEPTION 'entry % of wallet % does not continue the chain of an active wallet', broken.sequence, broken.wallet_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_continue_chain';
    END IF;

    SELECT count(DISTINCT wallet_id) INTO expected FROM new_entries;
    UPDATE wallets w SET balance = e.balance_after, sequence = e.sequence, posted_at = e.created_at,
        overdrawn = w.kind = 'USER' AND e.balance_after < w.held AND (w.overdrawn OR ((has_reversal OR has_capture) AND EXISTS (
            SELECT FROM new_entries n JOIN transactions t ON t.id = n.transaction_id
            WHERE n.wallet_id = w.id AND n.amount < 0 AND (t.terms->'reversal'->'overdraft' = 'true' OR 1 = (
                SELECT count(*) FROM hold_events h
                WHERE h.hold_id = t.hold_id AND h.id = t.id AND h.kind = 'CAPTURED')))))
    FROM (SELECT DISTINCT ON (wallet_id) wallet_id, sequence, balance_after, created_at
          FROM new_entries ORDER BY wallet_id, sequence DESC) e
    WHERE w.id = e.wallet_id AND w.sequence < e.sequence AND w.status = 'ACTIVE';
    GET DIAGNOSTICS updated = ROW_COUNT;
    IF updated <> expected THEN
        RAISE EXCEPTION 'a wallet moved on meanwhile: lock wallets before posting'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_continue_chain';
    END IF;

    IF is_plain AND has_fees THEN
        INSERT INTO transaction_wallets (wallet_id, transaction_id, change)
        SELECT wallet_id, transaction_id, 1 FROM new_entries WHERE leg = 3;
    ELSIF has_more THEN
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

    IF has_conversion THEN
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

    IF has_reversal THEN
        -- One after another, in the order of the entries of the wallet that gives back: each sees what the ones before it gave.
        FOR reversal IN
            SELECT t.id, t.amount, t.reverses_id, o.amount AS original_amount, coalesce(o.fee, 0) AS fee,
                   o.quote_id, q.target_amount, q.spread, q.residue,
                   t.terms->'reversal'->>'fees' = 'PROPORTIONAL' AS with_fee,
                   o.status = 'COMPLETED' AND o.type IN ('TRANSFER', 'DEPOSIT', 'CAPTURE', 'CONVERSION') AND o.currency = t.currency
                   AND o.sender_wallet_id = t.receiver_wallet_id AND o.receiver_wallet_id = t.sender_wallet_id AS is_sound
            FROM new_entries e
            JOIN transactions t ON t.id = e.transaction_id
            LEFT JOIN transactions o ON o.id = t.reverses_id
            LEFT JOIN fx_quotes q ON q.id = o.quote_id
            WHERE t.reverses_id IS NOT NULL AND e.wallet_id = t.sender_wallet_id AND e.amount < 0
            ORDER BY e.wallet_id, e.sequence
        LOOP
            IF reversal.is_sound IS DISTINCT FROM true THEN
                RAISE EXCEPTION 'transaction % reverses none between its wallets', reversal.id
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_reverse_the_original';
            END IF;
            SELECT max(fee_reversed), coalesce(max(reversed), 0) INTO fee_before, before
            FROM reversed_amounts WHERE transaction_id = reversal.reverses_id;
            IF reversal.quote_id IS NOT NULL THEN
                -- What was bought goes back rounded up, spread and residue rounded down.
                target_back :=
                    part_given_back(reversal.target_amount, before, reversal.amount, reversal.original_amount, true);
                spread_back := part_given_back(reversal.spread, before, reversal.amount, reversal.original_amount, false);
                residue_back := part_given_back(reversal.residue, before, reversal.amount, reversal.original_amount, false);
            END IF;
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
               (SELECT string_agg(concat_ws(' ', e.wallet_id,
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
                RAISE EXCEPTION 'the entries of transaction % are not those of % backwards', reversal.id, reversal.reverses_id
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_reverse_the_original';
            END IF;
            checked := checked + 1;
        END LOOP;
        -- One that takes nothing from the wallet that gives back would not be seen above.
        IF checked <> (SELECT count(DISTINCT t.id) FROM new_entries e JOIN transactions t ON t.id = e.transaction_id
                       WHERE t.reverses_id IS NOT NULL) THEN
            RAISE EXCEPTION 'a reversal does not give back from the wallet that was paid'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_reverse_the_original';
        END IF;
    END IF;
    RETURN NULL;
END $$;


--
-- Name: refuse_change(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
-- For tables that only grow. The trigger's argument names the rule.
BEGIN
    RAISE EXCEPTION '% of % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[1]
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_ARGV[0], TABLE = TG_TABLE_NAME;
END $$;


--
-- Name: retry_parked(uuid); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.retry_parked(record_id uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
-- Another try for all that is parked, and the record of it. The only way there is, so none goes without.
DECLARE
    retried bigint;
BEGIN
    -- New ids: the relay has passed the old ones. A transaction id comes before them, as it must: the deletion takes one.
    WITH parked AS (DELETE FROM outbox_parked RETURNING id, created_at, payload),
         back AS (INSERT INTO outbox (created_at, payload) SELECT created_at, payload FROM parked ORDER BY id RETURNING id)
    SELECT count(*) INTO retried FROM back;
    IF retried > 0 THEN
        INSERT INTO audit_log (id, operator, action, before, after)
        VALUES (record_id, session_user, 'RETRY_PARKED', jsonb_build_object('parked', retried), jsonb_build_object('parked', 0));
    END IF;
    RETURN retried;
END $$;


--
-- Name: seal_ledger_partition(text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.seal_ledger_partition(partition text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    -- From now on nothing comes into the partition, not even through ledger_entries. Waits for what is being written into it.
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass(quote_ident(partition))
                       AND tgname = 'ledger_entries_sealed') THEN
            EXECUTE format(
                'CREATE TRIGGER ledger_entries_sealed BEFORE INSERT ON %I FOR EACH ROW EXECUTE FUNCTION refuse_change(%L, %L)',
                partition, 'ledger_entries_sealed', 'this month is sealed');
        END IF;
    END $$;


--
-- Name: sign_audit_record(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.sign_audit_record() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
-- When it is, and as whom somebody who is no user of the ledger has logged in: known here, so nobody is asked.
BEGIN
    NEW.created_at := clock_timestamp();
    IF NEW.operator IS NOT NULL THEN
        NEW.operator := session_user;
    END IF;
    RETURN NEW;
END $$;


--
-- Name: take_transaction_id(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.take_transaction_id() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
-- Before a row of news gets its id, its transaction has one of its own: the relay tells by those which ids of news may
-- still be missing.
BEGIN
    PERFORM pg_current_xact_id();
    RETURN NULL;
END $$;


--
-- Name: activity; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.activity (
    generation smallint NOT NULL,
    exponent smallint NOT NULL,
    owner_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    wallet_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    amount bigint NOT NULL,
    purpose public.entry_purpose NOT NULL,
    currency text NOT NULL,
    counterparty_wallet_id uuid,
    words tsvector NOT NULL,
    CONSTRAINT activity_amount_not_zero CHECK ((amount <> 0)),
    CONSTRAINT activity_not_with_oneself CHECK ((wallet_id <> counterparty_wallet_id))
);


--
-- Name: activity_parties; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.activity_parties (
    generation smallint NOT NULL,
    owner_id uuid NOT NULL,
    party_id uuid NOT NULL
);


--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: archived_entries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.archived_entries (
    transaction_id uuid NOT NULL,
    entries bytea[] NOT NULL,
    CONSTRAINT archived_entries_whole CHECK ((cardinality(entries) >= 2))
);


--
-- Name: audit_log; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_log (
    id uuid NOT NULL,
    actor_id uuid,
    action text NOT NULL,
    subject_id uuid,
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    reason text,
    request_id text,
    created_at timestamp with time zone NOT NULL,
    operator text,
    CONSTRAINT audit_log_one_actor CHECK (((actor_id IS NULL) <> (operator IS NULL))),
    CONSTRAINT audit_log_reason_length CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 280)))
);


--
-- Name: currencies; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.currencies (
    code text NOT NULL COLLATE pg_catalog."C",
    exponent smallint NOT NULL,
    name text NOT NULL,
    CONSTRAINT currencies_code_is_iso CHECK ((code ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT currencies_exponent_in_range CHECK (((exponent >= 0) AND (exponent <= 4)))
);


--
-- Name: event_chunks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.event_chunks (
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    published_position bigint NOT NULL,
    settled bigint NOT NULL,
    sequenced_at timestamp with time zone NOT NULL,
    lowest_transaction_id uuid,
    highest_transaction_id uuid,
    kinds text NOT NULL,
    subject_ids uuid[] NOT NULL,
    numbers bigint[] NOT NULL,
    outbox_ids bigint[],
    CONSTRAINT event_chunks_kinds_known CHECK ((kinds ~ '^[SHW]+$'::text)),
    CONSTRAINT event_chunks_whole CHECK (((((last_position - first_position) >= 0) AND ((last_position - first_position) <= 999)) AND (char_length(kinds) = ((last_position - first_position) + 1)) AND (cardinality(subject_ids) = ((last_position - first_position) + 1)) AND (cardinality(numbers) = ((last_position - first_position) + 1)) AND ((outbox_ids IS NULL) OR (cardinality(outbox_ids) = ((last_position - first_position) + 1))) AND (array_position(subject_ids, NULL::uuid) IS NULL) AND (array_position(numbers, NULL::bigint) IS NULL) AND (array_position(outbox_ids, NULL::bigint) IS NULL)))
);


--
-- Name: fee_schedules_number_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.fee_schedules ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.fee_schedules_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: fx_quotes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fx_quotes (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    source_amount bigint NOT NULL,
    target_amount bigint NOT NULL,
    spread bigint NOT NULL,
    residue bigint NOT NULL,
    fee bigint,
    fee_schedule_id uuid,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    rate_valid_from timestamp with time zone NOT NULL,
    spread_basis_points integer NOT NULL,
    is_target_fixed boolean NOT NULL,
    source_currency text NOT NULL COLLATE pg_catalog."C",
    target_currency text NOT NULL COLLATE pg_catalog."C",
    rate numeric NOT NULL,
    rate_source text NOT NULL,
    idempotency_key text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT fx_quotes_amounts_in_range CHECK (((source_amount > 0) AND (target_amount > 0) AND (spread >= 0) AND (spread < source_amount) AND (residue >= 0))),
    CONSTRAINT fx_quotes_between_two_currencies CHECK ((source_currency <> target_currency)),
    CONSTRAINT fx_quotes_expire_later CHECK ((expires_at > created_at)),
    CONSTRAINT fx_quotes_fee_by_a_schedule CHECK (((fee > 0) AND ((fee IS NULL) = (fee_schedule_id IS NULL)))),
    CONSTRAINT fx_quotes_key_is_visible_ascii CHECK (((idempotency_key ~ '^[!-~]+$'::text) AND (octet_length(idempotency_key) <= 255))),
    CONSTRAINT fx_quotes_rate_positive CHECK (((rate > (0)::numeric) AND (rate < 'Infinity'::numeric))),
    CONSTRAINT fx_quotes_spread_in_range CHECK (((spread_basis_points >= 0) AND (spread_basis_points <= 9999)))
);


--
-- Name: fx_rates; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fx_rates (
    id uuid NOT NULL,
    number bigint NOT NULL,
    base text NOT NULL COLLATE pg_catalog."C",
    quote text NOT NULL COLLATE pg_catalog."C",
    rate numeric(30,15) NOT NULL,
    spread_basis_points integer NOT NULL,
    source text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    initiator_id uuid,
    CONSTRAINT fx_rates_between_two_currencies CHECK ((base <> quote)),
    CONSTRAINT fx_rates_rate_positive CHECK (((rate > (0)::numeric) AND (rate < 'Infinity'::numeric))),
    CONSTRAINT fx_rates_source_length CHECK (((char_length(source) >= 1) AND (char_length(source) <= 100))),
    CONSTRAINT fx_rates_spread_in_range CHECK (((spread_basis_points >= 0) AND (spread_basis_points <= 5000)))
);


--
-- Name: fx_rates_number_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.fx_rates ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.fx_rates_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: hold_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.hold_events (
    hold_id uuid NOT NULL,
    number integer NOT NULL,
    id uuid NOT NULL,
    kind public.hold_event_kind NOT NULL,
    placed bigint NOT NULL,
    captured bigint NOT NULL,
    released bigint NOT NULL,
    expires_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    initiator_id uuid,
    idempotency_key text COLLATE pg_catalog."C",
    terms jsonb,
    CONSTRAINT hold_events_amounts_of_kind CHECK (
CASE kind
    WHEN 'PLACED'::public.hold_event_kind THEN ((placed > 0) AND (captured = 0) AND (released = 0))
    WHEN 'EXTENDED'::public.hold_event_kind THEN ((placed >= 0) AND (captured = 0) AND (released = 0) AND ((placed > 0) OR (expires_at IS NOT NULL)))
    WHEN 'CAPTURED'::public.hold_event_kind THEN ((placed = 0) AND (captured > 0) AND (released >= 0))
    WHEN 'CAPTURED_LATE'::public.hold_event_kind THEN ((placed = 0) AND (captured > 0) AND (released = (- captured)))
    ELSE ((placed = 0) AND (captured = 0) AND (released > 0))
END),
    CONSTRAINT hold_events_expire_later CHECK (((expires_at IS NULL) OR ((kind = ANY (ARRAY['PLACED'::public.hold_event_kind, 'EXTENDED'::public.hold_event_kind])) AND (expires_at > created_at)))),
    CONSTRAINT hold_events_input_iff_asked CHECK ((((kind = ANY (ARRAY['PLACED'::public.hold_event_kind, 'EXTENDED'::public.hold_event_kind, 'RELEASED'::public.hold_event_kind])) = (terms IS NOT NULL)) AND ((terms IS NULL) = (idempotency_key IS NULL)) AND ((kind = 'EXPIRED'::public.hold_event_kind) = (initiator_id IS NULL)))),
    CONSTRAINT hold_events_key_is_visible_ascii CHECK (((idempotency_key ~ '^[!-~]+$'::text) AND (octet_length(idempotency_key) <= 255)))
);


--
-- Name: holds; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.holds (
    id uuid NOT NULL,
    wallet_id uuid NOT NULL,
    receiver_wallet_id uuid,
    initiator_id uuid NOT NULL,
    amount bigint NOT NULL,
    captured bigint DEFAULT 0 NOT NULL,
    released bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    closed_at timestamp with time zone,
    events integer DEFAULT 1 NOT NULL,
    status public.hold_status DEFAULT 'OPEN'::public.hold_status NOT NULL,
    currency text NOT NULL,
    description text,
    metadata jsonb,
    CONSTRAINT holds_description_length CHECK ((char_length(description) <= 280)),
    CONSTRAINT holds_metadata_is_object CHECK (((jsonb_typeof(metadata) = 'object'::text) AND (metadata <> '{}'::jsonb))),
    CONSTRAINT holds_not_for_the_payer CHECK ((wallet_id <> receiver_wallet_id)),
    CONSTRAINT holds_open_while_any_remains CHECK ((((status = 'OPEN'::public.hold_status) = ((captured + released) < amount)) AND ((status = 'OPEN'::public.hold_status) = (closed_at IS NULL)))),
    CONSTRAINT holds_within_amount CHECK (((captured >= 0) AND (released >= 0) AND ((captured + released) <= amount)))
);


--
-- Name: installation; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.installation (
    only_row boolean DEFAULT true NOT NULL,
    id uuid NOT NULL,
    CONSTRAINT installation_one_row CHECK (only_row)
);


--
-- Name: ledger_archives; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_archives (
    partition text NOT NULL COLLATE pg_catalog."C",
    uri text NOT NULL COLLATE pg_catalog."C",
    file_sha256 bytea NOT NULL,
    bytes bigint NOT NULL,
    verified_at timestamp with time zone NOT NULL,
    CONSTRAINT ledger_archives_bytes_positive CHECK ((bytes > 0)),
    CONSTRAINT ledger_archives_hash_is_sha256 CHECK ((octet_length(file_sha256) = 32))
);


--
-- Name: ledger_entries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_entries (
    wallet_id uuid NOT NULL,
    sequence bigint NOT NULL,
    transaction_id uuid NOT NULL,
    amount bigint NOT NULL,
    balance_after bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    leg smallint NOT NULL,
    purpose public.entry_purpose DEFAULT 'PRINCIPAL'::public.entry_purpose NOT NULL,
    CONSTRAINT ledger_entries_amount_not_zero CHECK ((amount <> 0)),
    CONSTRAINT ledger_entries_leg_in_range CHECK (((leg >= 0) AND (leg <= 4095))),
    CONSTRAINT ledger_entries_sequence_positive CHECK ((sequence > 0))
)
PARTITION BY RANGE (transaction_id);


--
-- Name: ledger_entries_first; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_entries_first (
    wallet_id uuid CONSTRAINT ledger_entries_wallet_id_not_null NOT NULL,
    sequence bigint CONSTRAINT ledger_entries_sequence_not_null NOT NULL,
    transaction_id uuid CONSTRAINT ledger_entries_transaction_id_not_null NOT NULL,
    amount bigint CONSTRAINT ledger_entries_amount_not_null NOT NULL,
    balance_after bigint CONSTRAINT ledger_entries_balance_after_not_null NOT NULL,
    created_at timestamp with time zone CONSTRAINT ledger_entries_created_at_not_null NOT NULL,
    leg smallint CONSTRAINT ledger_entries_leg_not_null NOT NULL,
    purpose public.entry_purpose DEFAULT 'PRINCIPAL'::public.entry_purpose CONSTRAINT ledger_entries_purpose_not_null NOT NULL,
    CONSTRAINT ledger_entries_amount_not_zero CHECK ((amount <> 0)),
    CONSTRAINT ledger_entries_leg_in_range CHECK (((leg >= 0) AND (leg <= 4095))),
    CONSTRAINT ledger_entries_sequence_positive CHECK ((sequence > 0))
);


--
-- Name: ledger_seals; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_seals (
    partition text NOT NULL COLLATE pg_catalog."C",
    low uuid NOT NULL,
    high uuid NOT NULL,
    entries bigint NOT NULL,
    sums jsonb NOT NULL,
    sha256 bytea NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    CONSTRAINT ledger_seals_entries_not_negative CHECK ((entries >= 0)),
    CONSTRAINT ledger_seals_hash_is_sha256 CHECK ((octet_length(sha256) = 32)),
    CONSTRAINT ledger_seals_in_order CHECK ((low < high))
);


--
-- Name: ledger_verifications; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_verifications (
    id bigint NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    duration_ms bigint NOT NULL,
    findings bigint NOT NULL,
    CONSTRAINT ledger_verifications_duration_not_negative CHECK ((duration_ms >= 0)),
    CONSTRAINT ledger_verifications_findings_not_negative CHECK ((findings >= 0))
);


--
-- Name: ledger_verifications_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.ledger_verifications ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ledger_verifications_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: log_checkpoints; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.log_checkpoints (
    size bigint NOT NULL,
    root bytea NOT NULL,
    origin text NOT NULL,
    note text NOT NULL,
    signed_at timestamp with time zone NOT NULL,
    CONSTRAINT log_checkpoints_of_a_log CHECK (((size > 0) AND (octet_length(root) = 32)))
);


--
-- Name: log_cosignatures; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.log_cosignatures (
    size bigint NOT NULL,
    witness text NOT NULL COLLATE pg_catalog."C",
    line text NOT NULL,
    added_at timestamp with time zone NOT NULL
);


--
-- Name: log_salts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.log_salts (
    transaction_id uuid NOT NULL,
    salt bytea NOT NULL,
    CONSTRAINT log_salts_length CHECK ((octet_length(salt) = 32))
);


--
-- Name: log_secret; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.log_secret (
    only_row boolean DEFAULT true NOT NULL,
    secret bytea NOT NULL,
    CONSTRAINT log_secret_length CHECK ((octet_length(secret) = 32)),
    CONSTRAINT log_secret_one_row CHECK (only_row)
);


--
-- Name: log_tiles; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.log_tiles (
    level smallint NOT NULL,
    number bigint NOT NULL,
    hashes bytea NOT NULL,
    CONSTRAINT log_tiles_whole_hashes CHECK ((((octet_length(hashes) >= 32) AND (octet_length(hashes) <= 8192)) AND ((octet_length(hashes) % 32) = 0) AND (level >= 0) AND (number >= 0)))
);
ALTER TABLE ONLY public.log_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;


--
-- Name: outbox; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.outbox (
    id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    payload json NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_cost_delay='0', vacuum_truncate='false');


--
-- Name: outbox_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: outbox_parked; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.outbox_parked (
    id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    payload json NOT NULL,
    parked_at timestamp with time zone NOT NULL,
    reason text NOT NULL
);


--
-- Name: quota_amounts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.quota_amounts (
    user_id uuid NOT NULL,
    currency text NOT NULL,
    amount_per_day bigint,
    day date DEFAULT '1970-01-01'::date NOT NULL,
    day_amount numeric DEFAULT 0 NOT NULL,
    CONSTRAINT quota_amounts_count_not_negative CHECK ((day_amount >= (0)::numeric)),
    CONSTRAINT quota_amounts_limit_not_negative CHECK ((amount_per_day >= 0))
);


--
-- Name: quotas; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.quotas (
    user_id uuid NOT NULL,
    transfers_per_minute bigint,
    transfers_per_day bigint,
    minute timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    minute_transfers bigint DEFAULT 0 NOT NULL,
    day date DEFAULT '1970-01-01'::date NOT NULL,
    day_transfers bigint DEFAULT 0 NOT NULL,
    CONSTRAINT quotas_counts_not_negative CHECK (((minute_transfers >= 0) AND (day_transfers >= 0))),
    CONSTRAINT quotas_limits_not_negative CHECK (((transfers_per_minute >= 0) AND (transfers_per_day >= 0)))
);


--
-- Name: read_models; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.read_models (
    generation smallint NOT NULL,
    "position" bigint NOT NULL,
    is_live boolean NOT NULL,
    started_at timestamp with time zone NOT NULL,
    CONSTRAINT read_models_counted CHECK (((generation > 0) AND ("position" >= 0)))
);


--
-- Name: reversed_amounts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.reversed_amounts (
    transaction_id uuid NOT NULL,
    amount bigint NOT NULL,
    fee bigint NOT NULL,
    reversed bigint NOT NULL,
    reversed_with_fee bigint NOT NULL,
    fee_reversed bigint NOT NULL,
    CONSTRAINT reversed_amounts_with_fee_in_range CHECK (((reversed_with_fee >= 0) AND (reversed_with_fee <= reversed))),
    CONSTRAINT reversed_amounts_within_amount CHECK (((reversed > 0) AND (reversed <= amount))),
    CONSTRAINT reversed_amounts_within_fee CHECK (((fee_reversed >= 0) AND (fee_reversed <= fee)))
);


--
-- Name: statement_files; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.statement_files (
    statement_id uuid NOT NULL,
    size bigint NOT NULL,
    parts integer NOT NULL,
    format public.statement_format NOT NULL,
    sha256 bytea,
    problem text,
    CONSTRAINT statement_files_content_or_problem CHECK ((((sha256 IS NULL) = (problem IS NOT NULL)) AND ((sha256 IS NULL) = (size = 0)) AND ((size = 0) = (parts = 0)) AND (size >= 0) AND (parts >= 0))),
    CONSTRAINT statement_files_problem_length CHECK (((char_length(problem) >= 1) AND (char_length(problem) <= 500))),
    CONSTRAINT statement_files_sha256_length CHECK ((octet_length(sha256) = 32))
);


--
-- Name: statement_parts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.statement_parts (
    statement_id uuid NOT NULL,
    number integer NOT NULL,
    format public.statement_format NOT NULL,
    content bytea NOT NULL,
    CONSTRAINT statement_parts_number_positive CHECK ((number >= 1)),
    CONSTRAINT statement_parts_size CHECK (((octet_length(content) >= 1) AND (octet_length(content) <= 2097152)))
);
ALTER TABLE ONLY public.statement_parts ALTER COLUMN content SET STORAGE EXTERNAL;


--
-- Name: statements; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.statements (
    id uuid NOT NULL,
    wallet_id uuid NOT NULL,
    initiator_id uuid NOT NULL,
    number bigint NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence bigint NOT NULL,
    opening bigint NOT NULL,
    closing bigint NOT NULL,
    credits numeric(38,0),
    debits numeric(38,0),
    credit_count bigint,
    from_at timestamp with time zone NOT NULL,
    to_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    leased_until timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    status public.statement_status DEFAULT 'PREPARING'::public.statement_status NOT NULL,
    lease uuid,
    request_hash bytea NOT NULL,
    problem text,
    idempotency_key text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT statements_attempts_not_negative CHECK ((attempts >= 0)),
    CONSTRAINT statements_finished_iff_final CHECK ((((status = 'PREPARING'::public.statement_status) = (finished_at IS NULL)) AND ((status = 'PREPARING'::public.statement_status) OR ((lease IS NULL) AND (leased_until IS NULL))))),
    CONSTRAINT statements_hash_is_sha256 CHECK ((octet_length(request_hash) = 32)),
    CONSTRAINT statements_key_is_visible_ascii CHECK (((idempotency_key ~ '^[!-~]+$'::text) AND (octet_length(idempotency_key) <= 255))),
    CONSTRAINT statements_lease_ends CHECK (((lease IS NULL) = (leased_until IS NULL))),
    CONSTRAINT statements_number_positive CHECK ((number >= 1)),
    CONSTRAINT statements_period_in_order CHECK ((from_at < to_at)),
    CONSTRAINT statements_problem_iff_failed CHECK ((((status = 'FAILED'::public.statement_status) = (problem IS NOT NULL)) AND ((char_length(problem) >= 1) AND (char_length(problem) <= 500)))),
    CONSTRAINT statements_sequences_in_order CHECK (((first_sequence >= 1) AND (last_sequence >= (first_sequence - 1)))),
    CONSTRAINT statements_sums_close CHECK (((credits >= (0)::numeric) AND (debits >= (0)::numeric) AND ((((opening)::numeric + credits) - debits) = (closing)::numeric) AND ((credit_count >= 0) AND (credit_count <= ((last_sequence - first_sequence) + 1))))),
    CONSTRAINT statements_sums_iff_ready CHECK ((((status = 'READY'::public.statement_status) = (credits IS NOT NULL)) AND ((status = 'READY'::public.statement_status) = (debits IS NOT NULL)) AND ((status = 'READY'::public.statement_status) = (credit_count IS NOT NULL))))
);


--
-- Name: transaction_wallets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.transaction_wallets (
    wallet_id uuid NOT NULL,
    transaction_id uuid NOT NULL,
    change smallint NOT NULL,
    CONSTRAINT transaction_wallets_change_is_a_sign CHECK (((change >= '-1'::integer) AND (change <= 1)))
);


--
-- Name: transactions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.transactions (
    id uuid NOT NULL,
    initiator_id uuid NOT NULL,
    sender_wallet_id uuid,
    receiver_wallet_id uuid,
    amount bigint NOT NULL,
    failure_available bigint,
    created_at timestamp with time zone NOT NULL,
    completed_at timestamp with time zone,
    type public.transaction_type NOT NULL,
    status public.transaction_status NOT NULL,
    idempotency_key text NOT NULL COLLATE pg_catalog."C",
    currency text NOT NULL,
    failure_code text,
    failure_field text,
    description text,
    reference text COLLATE pg_catalog."C",
    metadata jsonb,
    terms jsonb,
    fee bigint,
    fee_schedule_id uuid,
    reverses_id uuid,
    hold_id uuid,
    quote_id uuid,
    CONSTRAINT transactions_amount_positive CHECK ((amount > 0)),
    CONSTRAINT transactions_completed_after_created CHECK ((completed_at >= created_at)),
    CONSTRAINT transactions_completed_at_iff_completed CHECK (((status = 'COMPLETED'::public.transaction_status) = (completed_at IS NOT NULL))),
    CONSTRAINT transactions_description_length CHECK ((char_length(description) <= 280)),
    CONSTRAINT transactions_failure_code_iff_failed CHECK (((status = 'FAILED'::public.transaction_status) = (failure_code IS NOT NULL))),
    CONSTRAINT transactions_failure_code_known CHECK ((failure_code = ANY (ARRAY['WALLET_NOT_ACTIVE'::text, 'CURRENCY_MISMATCH'::text, 'INSUFFICIENT_FUNDS'::text, 'QUOTA_EXCEEDED'::text, 'BATCH_ABORTED'::text, 'QUOTE_EXPIRED'::text, 'QUOTE_USED'::text, 'LIQUIDITY_EXHAUSTED'::text]))),
    CONSTRAINT transactions_fee_by_a_schedule CHECK (((fee > 0) AND ((fee IS NULL) = (fee_schedule_id IS NULL)) AND ((fee IS NULL) OR (status <> 'FAILED'::public.transaction_status) OR (failure_code <> 'BATCH_ABORTED'::text)))),
    CONSTRAINT transactions_hold_iff_capture CHECK ((((type = 'CAPTURE'::public.transaction_type) = (hold_id IS NOT NULL)) AND ((type = 'CAPTURE'::public.transaction_type) = ((terms IS NOT NULL) AND (terms ? 'capture'::text))))),
    CONSTRAINT transactions_input_is_objects CHECK (((jsonb_typeof(metadata) = 'object'::text) AND (metadata <> '{}'::jsonb) AND (jsonb_typeof(terms) = 'object'::text))),
    CONSTRAINT transactions_key_is_visible_ascii CHECK (((idempotency_key ~ '^[!-~]+$'::text) AND (octet_length(idempotency_key) <= 255))),
    CONSTRAINT transactions_legs_iff_posting CHECK (((type = 'POSTING'::public.transaction_type) = ((terms IS NOT NULL) AND (terms ? 'legs'::text)))),
    CONSTRAINT transactions_not_to_oneself CHECK ((sender_wallet_id <> receiver_wallet_id)),
    CONSTRAINT transactions_original_iff_reversal CHECK ((((type = 'REVERSAL'::public.transaction_type) = (reverses_id IS NOT NULL)) AND ((type = 'REVERSAL'::public.transaction_type) = ((terms IS NOT NULL) AND (terms ? 'reversal'::text))))),
    CONSTRAINT transactions_quote_iff_conversion CHECK (((type = 'CONVERSION'::public.transaction_type) = (quote_id IS NOT NULL))),
    CONSTRAINT transactions_reference_length CHECK (((char_length(reference) >= 1) AND (char_length(reference) <= 140))),
    CONSTRAINT transactions_sides_unless_posting CHECK ((((sender_wallet_id IS NULL) = (type = 'POSTING'::public.transaction_type)) AND ((receiver_wallet_id IS NULL) = (type = 'POSTING'::public.transaction_type))))
);


--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    id uuid NOT NULL,
    subject text NOT NULL COLLATE pg_catalog."C",
    display_name text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT users_display_name_length CHECK (((char_length(display_name) >= 1) AND (char_length(display_name) <= 100))),
    CONSTRAINT users_subject_length CHECK (((char_length(subject) >= 1) AND (char_length(subject) <= 255)))
);


--
-- Name: wallet_days; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.wallet_days (
    generation smallint NOT NULL,
    day date NOT NULL,
    wallet_id uuid NOT NULL,
    opening bigint NOT NULL,
    closing bigint NOT NULL,
    entry_count bigint NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence bigint NOT NULL,
    debits numeric NOT NULL,
    credits numeric NOT NULL,
    debits_so_far numeric NOT NULL,
    CONSTRAINT wallet_days_add_up CHECK (((closing)::numeric = (((opening)::numeric + credits) - debits))),
    CONSTRAINT wallet_days_not_negative CHECK (((debits >= (0)::numeric) AND (credits >= (0)::numeric) AND (debits_so_far >= debits))),
    CONSTRAINT wallet_days_whole CHECK (((first_sequence > 0) AND (entry_count > 0) AND (entry_count = ((last_sequence - first_sequence) + 1))))
)
WITH (fillfactor='70');


--
-- Name: wallet_marks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.wallet_marks (
    generation smallint NOT NULL,
    wallet_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    amount bigint NOT NULL,
    balance bigint NOT NULL,
    debits_so_far numeric NOT NULL,
    CONSTRAINT wallet_marks_not_negative CHECK ((debits_so_far >= (0)::numeric)),
    CONSTRAINT wallet_marks_of_entries CHECK (((sequence > 0) AND (amount <> 0)))
);


--
-- Name: wallet_openings; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.wallet_openings (
    owner_id uuid NOT NULL,
    idempotency_key text NOT NULL COLLATE pg_catalog."C",
    request_hash bytea NOT NULL,
    wallet_id uuid NOT NULL,
    CONSTRAINT wallet_openings_hash_is_sha256 CHECK ((octet_length(request_hash) = 32)),
    CONSTRAINT wallet_openings_key_is_visible_ascii CHECK (((idempotency_key ~ '^[!-~]+$'::text) AND (octet_length(idempotency_key) <= 255)))
);


--
-- Name: wallet_places; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.wallet_places (
    wallet_id uuid NOT NULL,
    high uuid NOT NULL,
    sequence bigint NOT NULL,
    balance bigint NOT NULL,
    change numeric NOT NULL,
    posted_at timestamp with time zone NOT NULL,
    first_sequence bigint NOT NULL,
    debits numeric NOT NULL,
    CONSTRAINT wallet_places_debits_not_negative CHECK ((debits >= (0)::numeric)),
    CONSTRAINT wallet_places_in_order CHECK (((first_sequence > 0) AND (first_sequence <= sequence)))
);


--
-- Name: wallets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.wallets (
    id uuid NOT NULL,
    owner_id uuid,
    balance bigint DEFAULT 0 NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    sequence bigint DEFAULT 0 NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    posted_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    kind public.wallet_kind NOT NULL,
    status public.wallet_status DEFAULT 'ACTIVE'::public.wallet_status NOT NULL,
    currency text NOT NULL,
    name text NOT NULL,
    system_purpose text COLLATE pg_catalog."C",
    account_type public.account_type NOT NULL,
    overdrawn boolean DEFAULT false NOT NULL,
    CONSTRAINT wallets_available_not_negative CHECK (((kind = 'SYSTEM'::public.wallet_kind) OR (overdrawn = ((balance - held) < 0)))),
    CONSTRAINT wallets_closed_at_zero CHECK (((status <> 'CLOSED'::public.wallet_status) OR ((balance = 0) AND (held = 0)))),
    CONSTRAINT wallets_held_not_negative CHECK ((held >= 0)),
    CONSTRAINT wallets_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100))),
    CONSTRAINT wallets_of_users_are_liabilities CHECK (((kind = 'SYSTEM'::public.wallet_kind) OR (account_type = 'LIABILITY'::public.account_type))),
    CONSTRAINT wallets_owner_iff_user CHECK (((kind = 'SYSTEM'::public.wallet_kind) = (owner_id IS NULL))),
    CONSTRAINT wallets_purpose_iff_system CHECK (((kind = 'SYSTEM'::public.wallet_kind) = (system_purpose IS NOT NULL))),
    CONSTRAINT wallets_sequence_not_negative CHECK ((sequence >= 0)),
    CONSTRAINT wallets_version_positive CHECK ((version >= 1))
)
WITH (fillfactor='50');


--
-- Name: webhook_attempts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhook_attempts (
    delivery_id uuid NOT NULL,
    number integer NOT NULL,
    at timestamp with time zone NOT NULL,
    duration_ms integer NOT NULL,
    status integer,
    error text,
    response_body text,
    CONSTRAINT webhook_attempts_answer_or_error CHECK (((status IS NULL) = (error IS NOT NULL))),
    CONSTRAINT webhook_attempts_duration_not_negative CHECK ((duration_ms >= 0)),
    CONSTRAINT webhook_attempts_number_positive CHECK ((number >= 1)),
    CONSTRAINT webhook_attempts_texts_short CHECK (((char_length(error) <= 500) AND (char_length(response_body) <= 1024)))
);


--
-- Name: webhook_deliveries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhook_deliveries (
    id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    number bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    next_attempt_at timestamp with time zone,
    leased_until timestamp with time zone,
    delivered_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    lanes uuid[] NOT NULL,
    payload text,
    CONSTRAINT webhook_deliveries_attempts_counted CHECK (((failures >= 0) AND (failures <= attempts))),
    CONSTRAINT webhook_deliveries_done_or_waiting CHECK (((delivered_at IS NULL) OR ((next_attempt_at IS NULL) AND (leased_until IS NULL) AND (attempts > 0)))),
    CONSTRAINT webhook_deliveries_leased_while_waiting CHECK (((leased_until IS NULL) OR (next_attempt_at IS NOT NULL))),
    CONSTRAINT webhook_deliveries_position_positive CHECK (("position" > 0))
);


--
-- Name: webhook_endpoints; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhook_endpoints (
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    subject_id uuid,
    start_number bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone,
    failing_since timestamp with time zone,
    old_keys_until timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    source public.webhook_source NOT NULL,
    status public.webhook_status DEFAULT 'ENABLED'::public.webhook_status NOT NULL,
    sees_all boolean NOT NULL,
    ordered boolean NOT NULL,
    public_key bytea NOT NULL,
    keys bytea NOT NULL,
    old_keys bytea,
    request_hash bytea NOT NULL,
    url text NOT NULL,
    document text NOT NULL,
    variables jsonb,
    idempotency_key text NOT NULL COLLATE pg_catalog."C",
    behind_after bigint,
    look_at timestamp with time zone,
    rights_until timestamp with time zone DEFAULT (now() + '30 days'::interval) NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT webhook_endpoints_behind_is_looked_at CHECK (((behind_after IS NULL) = (look_at IS NULL))),
    CONSTRAINT webhook_endpoints_behind_not_negative CHECK ((behind_after >= 0)),
    CONSTRAINT webhook_endpoints_deleted_is_not_enabled CHECK (((deleted_at IS NULL) OR (status <> 'ENABLED'::public.webhook_status))),
    CONSTRAINT webhook_endpoints_document_length CHECK (((char_length(document) >= 1) AND (char_length(document) <= 10000))),
    CONSTRAINT webhook_endpoints_failing_since_a_failure CHECK (((failures >= 0) AND ((failures = 0) = (failing_since IS NULL)))),
    CONSTRAINT webhook_endpoints_hash_is_sha256 CHECK ((octet_length(request_hash) = 32)),
    CONSTRAINT webhook_endpoints_key_is_visible_ascii CHECK (((idempotency_key ~ '^[!-~]+$'::text) AND (octet_length(idempotency_key) <= 255))),
    CONSTRAINT webhook_endpoints_old_keys_end CHECK (((old_keys IS NULL) = (old_keys_until IS NULL))),
    CONSTRAINT webhook_endpoints_public_key_length CHECK ((octet_length(public_key) = 32)),
    CONSTRAINT webhook_endpoints_subject_iff_of_one CHECK (((source = 'SETTLED'::public.webhook_source) = (subject_id IS NULL))),
    CONSTRAINT webhook_endpoints_url_length CHECK (((char_length(url) >= 1) AND (char_length(url) <= 2048))),
    CONSTRAINT webhook_endpoints_variables_is_object CHECK ((jsonb_typeof(variables) = 'object'::text))
);


--
-- Name: webhook_progress; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhook_progress (
    only_row boolean DEFAULT true NOT NULL,
    "position" bigint NOT NULL,
    CONSTRAINT webhook_progress_one_row CHECK (only_row)
);


--
-- Name: worker_duties; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.worker_duties (
    name text NOT NULL COLLATE pg_catalog."C",
    next_at timestamp with time zone NOT NULL,
    leased_until timestamp with time zone,
    started_at timestamp with time zone,
    succeeded_at timestamp with time zone,
    duration_ms bigint,
    failures integer DEFAULT 0 NOT NULL,
    last_error text,
    CONSTRAINT worker_duties_error_short CHECK ((char_length(last_error) <= 500)),
    CONSTRAINT worker_duties_failures_counted CHECK (((failures >= 0) AND ((failures = 0) OR (last_error IS NOT NULL)))),
    CONSTRAINT worker_duties_name CHECK ((name ~ '^[a-z][a-z_]{0,39}$'::text)),
    CONSTRAINT worker_duties_succeeded_in_some_time CHECK ((((succeeded_at IS NULL) = (duration_ms IS NULL)) AND (duration_ms >= 0)))
);


--
-- Name: ledger_entries_first; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_entries ATTACH PARTITION public.ledger_entries_first FOR VALUES FROM (MINVALUE) TO ('…');


--
-- Name: activity_parties activity_parties_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.activity_parties
    ADD CONSTRAINT activity_parties_pkey PRIMARY KEY (generation, owner_id, party_id);


--
-- Name: activity activity_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.activity
    ADD CONSTRAINT activity_pkey PRIMARY KEY (generation, owner_id, entry_id);


--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: archived_entries archived_entries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.archived_entries
    ADD CONSTRAINT archived_entries_pkey PRIMARY KEY (transaction_id);


--
-- Name: audit_log audit_log_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);


--
-- Name: currencies currencies_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.currencies
    ADD CONSTRAINT currencies_pkey PRIMARY KEY (code);


--
-- Name: event_chunks event_chunks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.event_chunks
    ADD CONSTRAINT event_chunks_pkey PRIMARY KEY (first_position);


--
-- Name: fee_schedules fee_schedules_idempotency_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fee_schedules
    ADD CONSTRAINT fee_schedules_idempotency_key UNIQUE (initiator_id, idempotency_key);


--
-- Name: fee_schedules fee_schedules_number_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fee_schedules
    ADD CONSTRAINT fee_schedules_number_key UNIQUE (number);


--
-- Name: fee_schedules fee_schedules_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fee_schedules
    ADD CONSTRAINT fee_schedules_pkey PRIMARY KEY (id);


--
-- Name: fx_quotes fx_quotes_idempotency_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fx_quotes
    ADD CONSTRAINT fx_quotes_idempotency_key UNIQUE (user_id, idempotency_key);


--
-- Name: fx_quotes fx_quotes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fx_quotes
    ADD CONSTRAINT fx_quotes_pkey PRIMARY KEY (id);


--
-- Name: fx_rates fx_rates_number_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fx_rates
    ADD CONSTRAINT fx_rates_number_key UNIQUE (number);


--
-- Name: fx_rates fx_rates_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fx_rates
    ADD CONSTRAINT fx_rates_pkey PRIMARY KEY (id);


--
-- Name: hold_events hold_events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.hold_events
    ADD CONSTRAINT hold_events_pkey PRIMARY KEY (hold_id, number);


--
-- Name: holds holds_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_pkey PRIMARY KEY (id);


--
-- Name: installation installation_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (only_row);


--
-- Name: ledger_archives ledger_archives_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_archives
    ADD CONSTRAINT ledger_archives_pkey PRIMARY KEY (partition, uri);


--
-- Name: ledger_entries_first ledger_entries_first_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_entries_first
    ADD CONSTRAINT ledger_entries_first_pkey PRIMARY KEY (wallet_id, sequence);


--
-- Name: ledger_entries ledger_entries_transaction_leg_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_entries
    ADD CONSTRAINT ledger_entries_transaction_leg_key UNIQUE (transaction_id, leg);


--
-- Name: ledger_entries_first ledger_entries_first_transaction_leg_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_entries_first
    ADD CONSTRAINT ledger_entries_first_transaction_leg_key UNIQUE (transaction_id, leg);


--
-- Name: ledger_seals ledger_seals_once; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_seals
    ADD CONSTRAINT ledger_seals_once UNIQUE (high);


--
-- Name: ledger_seals ledger_seals_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_seals
    ADD CONSTRAINT ledger_seals_pkey PRIMARY KEY (partition);


--
-- Name: ledger_verifications ledger_verifications_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_verifications
    ADD CONSTRAINT ledger_verifications_pkey PRIMARY KEY (id);


--
-- Name: log_checkpoints log_checkpoints_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.log_checkpoints
    ADD CONSTRAINT log_checkpoints_pkey PRIMARY KEY (size);


--
-- Name: log_cosignatures log_cosignatures_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.log_cosignatures
    ADD CONSTRAINT log_cosignatures_pkey PRIMARY KEY (size, witness);


--
-- Name: log_salts log_salts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.log_salts
    ADD CONSTRAINT log_salts_pkey PRIMARY KEY (transaction_id);


--
-- Name: log_secret log_secret_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.log_secret
    ADD CONSTRAINT log_secret_pkey PRIMARY KEY (only_row);


--
-- Name: log_tiles log_tiles_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.log_tiles
    ADD CONSTRAINT log_tiles_pkey PRIMARY KEY (level, number);


--
-- Name: outbox_parked outbox_parked_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox_parked
    ADD CONSTRAINT outbox_parked_pkey PRIMARY KEY (id);


--
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);


--
-- Name: quota_amounts quota_amounts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.quota_amounts
    ADD CONSTRAINT quota_amounts_pkey PRIMARY KEY (user_id, currency);


--
-- Name: quotas quotas_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.quotas
    ADD CONSTRAINT quotas_pkey PRIMARY KEY (user_id);


--
-- Name: read_models read_models_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.read_models
    ADD CONSTRAINT read_models_pkey PRIMARY KEY (generation);


--
-- Name: reversed_amounts reversed_amounts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.reversed_amounts
    ADD CONSTRAINT reversed_amounts_pkey PRIMARY KEY (transaction_id);


--
-- Name: statement_files statement_files_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statement_files
    ADD CONSTRAINT statement_files_pkey PRIMARY KEY (statement_id, format);


--
-- Name: statement_parts statement_parts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statement_parts
    ADD CONSTRAINT statement_parts_pkey PRIMARY KEY (statement_id, format, number);


--
-- Name: statements statements_idempotency_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statements
    ADD CONSTRAINT statements_idempotency_key UNIQUE (initiator_id, idempotency_key);


--
-- Name: statements statements_number_once; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statements
    ADD CONSTRAINT statements_number_once UNIQUE (wallet_id, number);


--
-- Name: statements statements_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statements
    ADD CONSTRAINT statements_pkey PRIMARY KEY (id);


--
-- Name: transaction_wallets transaction_wallets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.transaction_wallets
    ADD CONSTRAINT transaction_wallets_pkey PRIMARY KEY (wallet_id, transaction_id);


--
-- Name: transactions transactions_idempotency_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.transactions
    ADD CONSTRAINT transactions_idempotency_key UNIQUE (initiator_id, idempotency_key);


--
-- Name: transactions transactions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.transactions
    ADD CONSTRAINT transactions_pkey PRIMARY KEY (id);


--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);


--
-- Name: users users_subject_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_subject_key UNIQUE (subject);


--
-- Name: wallet_days wallet_days_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallet_days
    ADD CONSTRAINT wallet_days_pkey PRIMARY KEY (generation, wallet_id, day);


--
-- Name: wallet_marks wallet_marks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallet_marks
    ADD CONSTRAINT wallet_marks_pkey PRIMARY KEY (generation, wallet_id, at, sequence);


--
-- Name: wallet_openings wallet_openings_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallet_openings
    ADD CONSTRAINT wallet_openings_pkey PRIMARY KEY (owner_id, idempotency_key);


--
-- Name: wallet_places wallet_places_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallet_places
    ADD CONSTRAINT wallet_places_pkey PRIMARY KEY (wallet_id, high);


--
-- Name: wallets wallets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT wallets_pkey PRIMARY KEY (id);


--
-- Name: webhook_attempts webhook_attempts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_attempts
    ADD CONSTRAINT webhook_attempts_pkey PRIMARY KEY (delivery_id, number);


--
-- Name: webhook_deliveries webhook_deliveries_once; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_once UNIQUE (endpoint_id, subject_id, number);


--
-- Name: webhook_deliveries webhook_deliveries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id);


--
-- Name: webhook_endpoints webhook_endpoints_idempotency_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_idempotency_key UNIQUE (owner_id, idempotency_key);


--
-- Name: webhook_endpoints webhook_endpoints_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id);


--
-- Name: webhook_progress webhook_progress_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_progress
    ADD CONSTRAINT webhook_progress_pkey PRIMARY KEY (only_row);


--
-- Name: worker_duties worker_duties_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.worker_duties
    ADD CONSTRAINT worker_duties_pkey PRIMARY KEY (name);


--
-- Name: activity_words_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX activity_words_idx ON public.activity USING gin (words) WITH (gin_pending_list_limit='256');


--
-- Name: audit_log_subject_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_log_subject_idx ON public.audit_log USING btree (subject_id, id);


--
-- Name: event_chunks_settled_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX event_chunks_settled_idx ON public.event_chunks USING btree (settled);


--
-- Name: event_chunks_transactions_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX event_chunks_transactions_idx ON public.event_chunks USING btree (highest_transaction_id, lowest_transaction_id);


--
-- Name: fee_schedules_line_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX fee_schedules_line_key ON public.fee_schedules USING btree (transaction_type, currency, COALESCE(user_id, '00000000-0000-0000-0000-000000000000'::uuid), version);


--
-- Name: fx_rates_pair_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fx_rates_pair_idx ON public.fx_rates USING btree (LEAST(base, quote), GREATEST(base, quote), valid_from, number);


--
-- Name: hold_events_capture_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX hold_events_capture_key ON public.hold_events USING btree (id) WHERE (captured > 0);


--
-- Name: hold_events_idempotency_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX hold_events_idempotency_key ON public.hold_events USING btree (initiator_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);


--
-- Name: holds_due_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX holds_due_idx ON public.holds USING btree (expires_at) WHERE ((status = 'OPEN'::public.hold_status) AND (expires_at IS NOT NULL));


--
-- Name: holds_lasting_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX holds_lasting_idx ON public.holds USING btree (wallet_id, id) WHERE ((closed_at IS NOT NULL) AND ((closed_at - created_at) > '32 days'::interval));


--
-- Name: holds_open_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX holds_open_idx ON public.holds USING btree (wallet_id, expires_at) WHERE (status = 'OPEN'::public.hold_status);


--
-- Name: holds_receiver_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX holds_receiver_idx ON public.holds USING btree (receiver_wallet_id, id) WHERE (receiver_wallet_id IS NOT NULL);


--
-- Name: holds_wallet_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX holds_wallet_idx ON public.holds USING btree (wallet_id, id);


--
-- Name: quota_amounts_by_bytes; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX quota_amounts_by_bytes ON public.quota_amounts USING btree (user_id, currency text_pattern_ops);


--
-- Name: read_models_live_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX read_models_live_key ON public.read_models USING btree (is_live) WHERE is_live;


--
-- Name: statements_preparing_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX statements_preparing_idx ON public.statements USING btree (created_at) WHERE (status = 'PREPARING'::public.statement_status);


--
-- Name: transactions_hold_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX transactions_hold_idx ON public.transactions USING btree (hold_id, id) WHERE (hold_id IS NOT NULL);


--
-- Name: transactions_quote_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX transactions_quote_key ON public.transactions USING btree (quote_id) WHERE ((quote_id IS NOT NULL) AND (status = 'COMPLETED'::public.transaction_status));


--
-- Name: transactions_receiver_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX transactions_receiver_idx ON public.transactions USING btree (receiver_wallet_id, id) WHERE (status = 'COMPLETED'::public.transaction_status);


--
-- Name: transactions_reference_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX transactions_reference_idx ON public.transactions USING btree (reference, id) WHERE (reference IS NOT NULL);


--
-- Name: transactions_reverses_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX transactions_reverses_idx ON public.transactions USING btree (reverses_id, id) WHERE (reverses_id IS NOT NULL);


--
-- Name: transactions_sender_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX transactions_sender_idx ON public.transactions USING btree (sender_wallet_id, id);


--
-- Name: wallets_owner_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX wallets_owner_idx ON public.wallets USING btree (owner_id, id) WHERE (owner_id IS NOT NULL);


--
-- Name: wallets_system_purpose_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX wallets_system_purpose_key ON public.wallets USING btree (currency text_pattern_ops, system_purpose) WHERE (system_purpose IS NOT NULL);


--
-- Name: webhook_deliveries_delivered_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhook_deliveries_delivered_idx ON public.webhook_deliveries USING btree (delivered_at) WHERE (delivered_at IS NOT NULL);


--
-- Name: webhook_deliveries_endpoint_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhook_deliveries_endpoint_idx ON public.webhook_deliveries USING btree (endpoint_id, id);


--
-- Name: webhook_deliveries_stuck_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhook_deliveries_stuck_idx ON public.webhook_deliveries USING btree (endpoint_id) WHERE ((delivered_at IS NULL) AND ((failures > 0) OR (next_attempt_at IS NULL)));


--
-- Name: webhook_deliveries_waiting_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhook_deliveries_waiting_idx ON public.webhook_deliveries USING btree (endpoint_id, "position", number) WHERE (delivered_at IS NULL);


--
-- Name: webhook_endpoints_all_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhook_endpoints_all_idx ON public.webhook_endpoints USING btree (id) WHERE ((source = 'SETTLED'::public.webhook_source) AND sees_all);


--
-- Name: webhook_endpoints_behind_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhook_endpoints_behind_idx ON public.webhook_endpoints USING btree (look_at) WHERE ((status = 'ENABLED'::public.webhook_status) AND (behind_after IS NOT NULL));


--
-- Name: webhook_endpoints_deleted_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhook_endpoints_deleted_idx ON public.webhook_endpoints USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);


--
-- Name: webhook_endpoints_due_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhook_endpoints_due_idx ON public.webhook_endpoints USING btree (due_at) WHERE ((status = 'ENABLED'::public.webhook_status) AND (due_at IS NOT NULL));


--
-- Name: webhook_endpoints_settled_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhook_endpoints_settled_idx ON public.webhook_endpoints USING btree (owner_id) WHERE (source = 'SETTLED'::public.webhook_source);


--
-- Name: webhook_endpoints_subject_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhook_endpoints_subject_idx ON public.webhook_endpoints USING btree (subject_id) WHERE (subject_id IS NOT NULL);


--
-- Name: ledger_entries_first_transaction_leg_key; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.ledger_entries_transaction_leg_key ATTACH PARTITION public.ledger_entries_first_transaction_leg_key;


--
-- Name: archived_entries archived_entries_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER archived_entries_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.archived_entries FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('archived_entries_insert_only', 'what was sealed is not changed');


--
-- Name: audit_log audit_log_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_log_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('audit_log_insert_only', 'the audit log is insert-only');


--
-- Name: audit_log audit_log_signed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_log_signed BEFORE INSERT ON public.audit_log FOR EACH ROW EXECUTE FUNCTION public.sign_audit_record();


--
-- Name: currencies currencies_identity_is_final; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER currencies_identity_is_final BEFORE UPDATE OF code, exponent ON public.currencies FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('currencies_identity_is_final', 'every amount ever written is in these units');


--
-- Name: currencies currencies_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER currencies_insert_only BEFORE DELETE OR TRUNCATE ON public.currencies FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('currencies_insert_only', 'the ledger refers to currencies for ever');


--
-- Name: event_chunks event_chunks_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER event_chunks_guard BEFORE INSERT ON public.event_chunks FOR EACH ROW EXECUTE FUNCTION public.guard_event_chunk();


--
-- Name: event_chunks event_chunks_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER event_chunks_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.event_chunks FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('event_chunks_insert_only', 'a position stays with its event');


--
-- Name: fee_schedules fee_schedules_guard_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER fee_schedules_guard_insert BEFORE INSERT ON public.fee_schedules FOR EACH ROW EXECUTE FUNCTION public.guard_fee_schedule();


--
-- Name: fee_schedules fee_schedules_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER fee_schedules_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.fee_schedules FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('fee_schedules_insert_only', 'publish another version instead');


--
-- Name: fx_quotes fx_quotes_guard_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER fx_quotes_guard_insert BEFORE INSERT ON public.fx_quotes FOR EACH ROW EXECUTE FUNCTION public.guard_fx_quote();


--
-- Name: fx_quotes fx_quotes_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER fx_quotes_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.fx_quotes FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('fx_quotes_insert_only', 'a promise is not changed');


--
-- Name: fx_rates fx_rates_guard_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER fx_rates_guard_insert BEFORE INSERT ON public.fx_rates FOR EACH ROW EXECUTE FUNCTION public.guard_fx_rate();


--
-- Name: fx_rates fx_rates_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER fx_rates_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.fx_rates FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('fx_rates_insert_only', 'set another rate instead');


--
-- Name: hold_events hold_events_apply; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER hold_events_apply AFTER INSERT ON public.hold_events REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT EXECUTE FUNCTION public.apply_hold_events();


--
-- Name: hold_events hold_events_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER hold_events_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.hold_events FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('hold_events_insert_only', 'what has happened is not changed');


--
-- Name: holds holds_are_placed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE CONSTRAINT TRIGGER holds_are_placed AFTER INSERT ON public.holds DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.check_hold_is_placed();


--
-- Name: holds holds_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER holds_guard BEFORE INSERT OR UPDATE ON public.holds FOR EACH ROW EXECUTE FUNCTION public.guard_hold();


--
-- Name: holds holds_never_deleted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER holds_never_deleted BEFORE DELETE OR TRUNCATE ON public.holds FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('holds_never_deleted', 'a hold is closed by an event');


--
-- Name: ledger_archives ledger_archives_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ledger_archives_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_archives FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('ledger_archives_insert_only', 'what was sealed is not changed');


--
-- Name: ledger_entries ledger_entries_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ledger_entries_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('ledger_entries_insert_only', 'entries are insert-only: correct with a new transaction');


--
-- Name: ledger_entries_first ledger_entries_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ledger_entries_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_entries_first FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('ledger_entries_insert_only', 'entries are insert-only: correct with a new transaction');


--
-- Name: ledger_entries ledger_entries_post; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ledger_entries_post AFTER INSERT ON public.ledger_entries REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT EXECUTE FUNCTION public.post_ledger_entries();


--
-- Name: ledger_entries_first ledger_entries_through_parent; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ledger_entries_through_parent BEFORE INSERT ON public.ledger_entries_first FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('ledger_entries_through_parent', 'insert into ledger_entries, whose triggers check the entries');


--
-- Name: ledger_entries ledger_entries_verify_fees; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ledger_entries_verify_fees AFTER INSERT ON public.ledger_entries REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT EXECUTE FUNCTION public.check_fees();


--
-- Name: ledger_seals ledger_seals_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ledger_seals_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_seals FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('ledger_seals_insert_only', 'what was sealed is not changed');


--
-- Name: ledger_verifications ledger_verifications_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ledger_verifications_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_verifications FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('ledger_verifications_insert_only', 'what was found is not changed');


--
-- Name: log_checkpoints log_checkpoints_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER log_checkpoints_guard BEFORE INSERT ON public.log_checkpoints FOR EACH ROW EXECUTE FUNCTION public.guard_log_checkpoint();


--
-- Name: log_checkpoints log_checkpoints_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER log_checkpoints_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.log_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('log_checkpoints_insert_only', 'what was signed stays');


--
-- Name: log_cosignatures log_cosignatures_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER log_cosignatures_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.log_cosignatures FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('log_cosignatures_insert_only', 'what was signed stays');


--
-- Name: log_tiles log_tiles_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER log_tiles_guard BEFORE INSERT OR UPDATE ON public.log_tiles FOR EACH ROW EXECUTE FUNCTION public.guard_log_tile();


--
-- Name: log_tiles log_tiles_never_deleted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER log_tiles_never_deleted BEFORE DELETE OR TRUNCATE ON public.log_tiles FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('log_tiles_never_deleted', 'the log only grows');


--
-- Name: outbox outbox_take_transaction_id; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER outbox_take_transaction_id BEFORE INSERT ON public.outbox FOR EACH STATEMENT EXECUTE FUNCTION public.take_transaction_id();


--
-- Name: read_models read_models_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER read_models_guard BEFORE DELETE OR UPDATE ON public.read_models FOR EACH ROW EXECUTE FUNCTION public.guard_read_model();


--
-- Name: reversed_amounts reversed_amounts_from_entries; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER reversed_amounts_from_entries BEFORE INSERT OR UPDATE ON public.reversed_amounts FOR EACH STATEMENT WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.refuse_change('reversed_amounts_from_entries', 'it follows from the entries: insert those');


--
-- Name: reversed_amounts reversed_amounts_only_grow; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER reversed_amounts_only_grow BEFORE DELETE OR TRUNCATE ON public.reversed_amounts FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('reversed_amounts_from_entries', 'it follows from the entries');


--
-- Name: statement_files statement_files_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER statement_files_guard BEFORE INSERT ON public.statement_files FOR EACH ROW EXECUTE FUNCTION public.guard_statement_content();


--
-- Name: statement_files statement_files_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER statement_files_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.statement_files FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('statement_files_do_not_change', 'a file is the same at each download');


--
-- Name: statement_parts statement_parts_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER statement_parts_guard BEFORE INSERT OR DELETE ON public.statement_parts FOR EACH ROW EXECUTE FUNCTION public.guard_statement_content();


--
-- Name: statement_parts statement_parts_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER statement_parts_insert_only BEFORE UPDATE OR TRUNCATE ON public.statement_parts FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('statement_files_do_not_change', 'a file is the same at each download');


--
-- Name: statements statements_follow_each_other; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER statements_follow_each_other BEFORE INSERT ON public.statements FOR EACH ROW EXECUTE FUNCTION public.guard_new_statement();


--
-- Name: statements statements_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER statements_guard BEFORE UPDATE ON public.statements FOR EACH ROW EXECUTE FUNCTION public.guard_statement();


--
-- Name: statements statements_never_deleted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER statements_never_deleted BEFORE DELETE OR TRUNCATE ON public.statements FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('statements_never_deleted', 'the next one opens where it closed');


--
-- Name: transaction_wallets transaction_wallets_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER transaction_wallets_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.transaction_wallets FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('transaction_wallets_insert_only', 'it follows from the entries');


--
-- Name: transactions transactions_check_references; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER transactions_check_references AFTER INSERT ON public.transactions REFERENCING NEW TABLE AS new_transactions FOR EACH STATEMENT EXECUTE FUNCTION public.check_transaction_references();


--
-- Name: transactions transactions_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER transactions_guard BEFORE UPDATE ON public.transactions FOR EACH ROW EXECUTE FUNCTION public.guard_transaction();


--
-- Name: transactions transactions_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER transactions_insert_only BEFORE DELETE OR TRUNCATE ON public.transactions FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('transactions_insert_only', 'transactions and their keys are kept for ever');


--
-- Name: users users_identity_is_final; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER users_identity_is_final BEFORE UPDATE OF id ON public.users FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('users_identity_is_final', 'the ledger refers to users for ever');


--
-- Name: users users_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER users_insert_only BEFORE DELETE OR TRUNCATE ON public.users FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('users_insert_only', 'the ledger refers to users for ever');


--
-- Name: wallet_openings wallet_openings_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER wallet_openings_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.wallet_openings FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('wallet_openings_insert_only', 'idempotency keys are never forgotten');


--
-- Name: wallet_places wallet_places_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER wallet_places_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.wallet_places FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('wallet_places_insert_only', 'what was sealed is not changed');


--
-- Name: wallets wallets_guard_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER wallets_guard_insert BEFORE INSERT ON public.wallets FOR EACH ROW EXECUTE FUNCTION public.guard_wallet();


--
-- Name: wallets wallets_guard_update; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER wallets_guard_update BEFORE UPDATE ON public.wallets FOR EACH ROW WHEN (((pg_trigger_depth() = 0) OR (((((((new.id IS DISTINCT FROM old.id) OR (new.kind IS DISTINCT FROM old.kind)) OR (new.owner_id IS DISTINCT FROM old.owner_id)) OR (new.currency IS DISTINCT FROM old.currency)) OR (new.status IS DISTINCT FROM old.status)) OR (new.name IS DISTINCT FROM old.name)) OR (new.held IS DISTINCT FROM old.held)))) EXECUTE FUNCTION public.guard_wallet();


--
-- Name: wallets wallets_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER wallets_insert_only BEFORE DELETE OR TRUNCATE ON public.wallets FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('wallets_insert_only', 'wallets are closed, never deleted');


--
-- Name: webhook_attempts webhook_attempts_insert_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhook_attempts_insert_only BEFORE UPDATE ON public.webhook_attempts FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('webhook_attempts_insert_only', 'what was answered is not changed');


--
-- Name: webhook_deliveries webhook_deliveries_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhook_deliveries_guard BEFORE UPDATE ON public.webhook_deliveries FOR EACH ROW EXECUTE FUNCTION public.guard_webhook_delivery();


--
-- Name: webhook_endpoints webhook_endpoints_delete_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhook_endpoints_delete_guard BEFORE DELETE ON public.webhook_endpoints FOR EACH ROW EXECUTE FUNCTION public.guard_webhook_endpoint_delete();


--
-- Name: webhook_endpoints webhook_endpoints_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhook_endpoints_guard BEFORE UPDATE ON public.webhook_endpoints FOR EACH ROW EXECUTE FUNCTION public.guard_webhook_endpoint();


--
-- Name: webhook_endpoints webhook_endpoints_never_deleted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhook_endpoints_never_deleted BEFORE TRUNCATE ON public.webhook_endpoints FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('webhook_endpoints_never_deleted', 'pause it instead');


--
-- Name: webhook_progress webhook_progress_guard; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhook_progress_guard BEFORE UPDATE ON public.webhook_progress FOR EACH ROW EXECUTE FUNCTION public.guard_webhook_progress();


--
-- Name: audit_log audit_log_actor_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_actor_fkey FOREIGN KEY (actor_id) REFERENCES public.users(id);


--
-- Name: fee_schedules fee_schedules_currency_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fee_schedules
    ADD CONSTRAINT fee_schedules_currency_fkey FOREIGN KEY (currency) REFERENCES public.currencies(code);


--
-- Name: fee_schedules fee_schedules_initiator_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fee_schedules
    ADD CONSTRAINT fee_schedules_initiator_fkey FOREIGN KEY (initiator_id) REFERENCES public.users(id);


--
-- Name: fee_schedules fee_schedules_user_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fee_schedules
    ADD CONSTRAINT fee_schedules_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);


--
-- Name: fx_quotes fx_quotes_fee_schedule_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fx_quotes
    ADD CONSTRAINT fx_quotes_fee_schedule_fkey FOREIGN KEY (fee_schedule_id) REFERENCES public.fee_schedules(id);


--
-- Name: fx_quotes fx_quotes_source_currency_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fx_quotes
    ADD CONSTRAINT fx_quotes_source_currency_fkey FOREIGN KEY (source_currency) REFERENCES public.currencies(code);


--
-- Name: fx_quotes fx_quotes_target_currency_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fx_quotes
    ADD CONSTRAINT fx_quotes_target_currency_fkey FOREIGN KEY (target_currency) REFERENCES public.currencies(code);


--
-- Name: fx_quotes fx_quotes_user_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fx_quotes
    ADD CONSTRAINT fx_quotes_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);


--
-- Name: fx_rates fx_rates_base_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fx_rates
    ADD CONSTRAINT fx_rates_base_fkey FOREIGN KEY (base) REFERENCES public.currencies(code);


--
-- Name: fx_rates fx_rates_initiator_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fx_rates
    ADD CONSTRAINT fx_rates_initiator_fkey FOREIGN KEY (initiator_id) REFERENCES public.users(id);


--
-- Name: fx_rates fx_rates_quote_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fx_rates
    ADD CONSTRAINT fx_rates_quote_fkey FOREIGN KEY (quote) REFERENCES public.currencies(code);


--
-- Name: ledger_archives ledger_archives_seal_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_archives
    ADD CONSTRAINT ledger_archives_seal_fkey FOREIGN KEY (partition) REFERENCES public.ledger_seals(partition);


--
-- Name: log_cosignatures log_cosignatures_checkpoint_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.log_cosignatures
    ADD CONSTRAINT log_cosignatures_checkpoint_fkey FOREIGN KEY (size) REFERENCES public.log_checkpoints(size);


--
-- Name: quota_amounts quota_amounts_currency_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.quota_amounts
    ADD CONSTRAINT quota_amounts_currency_fkey FOREIGN KEY (currency) REFERENCES public.currencies(code);


--
-- Name: quota_amounts quota_amounts_quota_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.quota_amounts
    ADD CONSTRAINT quota_amounts_quota_fkey FOREIGN KEY (user_id) REFERENCES public.quotas(user_id);


--
-- Name: quotas quotas_user_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.quotas
    ADD CONSTRAINT quotas_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);


--
-- Name: statement_files statement_files_statement_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statement_files
    ADD CONSTRAINT statement_files_statement_fkey FOREIGN KEY (statement_id) REFERENCES public.statements(id);


--
-- Name: statement_parts statement_parts_statement_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statement_parts
    ADD CONSTRAINT statement_parts_statement_fkey FOREIGN KEY (statement_id) REFERENCES public.statements(id);


--
-- Name: statements statements_initiator_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statements
    ADD CONSTRAINT statements_initiator_fkey FOREIGN KEY (initiator_id) REFERENCES public.users(id);


--
-- Name: statements statements_wallet_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statements
    ADD CONSTRAINT statements_wallet_fkey FOREIGN KEY (wallet_id) REFERENCES public.wallets(id);


--
-- Name: wallet_openings wallet_openings_owner_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallet_openings
    ADD CONSTRAINT wallet_openings_owner_fkey FOREIGN KEY (owner_id) REFERENCES public.users(id);


--
-- Name: wallet_openings wallet_openings_wallet_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallet_openings
    ADD CONSTRAINT wallet_openings_wallet_fkey FOREIGN KEY (wallet_id) REFERENCES public.wallets(id);


--
-- Name: wallet_places wallet_places_seal_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallet_places
    ADD CONSTRAINT wallet_places_seal_fkey FOREIGN KEY (high) REFERENCES public.ledger_seals(high);


--
-- Name: wallets wallets_currency_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT wallets_currency_fkey FOREIGN KEY (currency) REFERENCES public.currencies(code);


--
-- Name: wallets wallets_owner_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT wallets_owner_fkey FOREIGN KEY (owner_id) REFERENCES public.users(id);


--
-- Name: webhook_attempts webhook_attempts_delivery_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_attempts
    ADD CONSTRAINT webhook_attempts_delivery_fkey FOREIGN KEY (delivery_id) REFERENCES public.webhook_deliveries(id) ON DELETE CASCADE;


--
-- Name: webhook_deliveries webhook_deliveries_endpoint_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_endpoint_fkey FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id);


--
-- Name: webhook_endpoints webhook_endpoints_owner_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_owner_fkey FOREIGN KEY (owner_id) REFERENCES public.users(id);


--
-- Name: SCHEMA public; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA public TO paycore_app;


--
-- Name: FUNCTION apply_hold_events(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.apply_hold_events() FROM PUBLIC;


--
-- Name: FUNCTION check_fees(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.check_fees() FROM PUBLIC;


--
-- Name: FUNCTION check_hold_is_placed(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.check_hold_is_placed() FROM PUBLIC;


--
-- Name: FUNCTION check_transaction_references(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.check_transaction_references() FROM PUBLIC;


--
-- Name: FUNCTION delete_published(after_position bigint, up_to_position bigint); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.delete_published(after_position bigint, up_to_position bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.delete_published(after_position bigint, up_to_position bigint) TO paycore_app;


--
-- Name: TABLE fee_schedules; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(id) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.transaction_type; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(transaction_type) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.currency; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(currency) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.user_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(user_id) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.name; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(name) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.payer; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(payer) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.percent; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(percent) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.flat; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(flat) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.minimum; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(minimum) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.maximum; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(maximum) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.rounding; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(rounding) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.valid_from; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(valid_from) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.initiator_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(initiator_id) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.idempotency_key; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(idempotency_key) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: COLUMN fee_schedules.request_hash; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(request_hash) ON TABLE public.fee_schedules TO paycore_app;


--
-- Name: FUNCTION guard_event_chunk(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_event_chunk() FROM PUBLIC;


--
-- Name: FUNCTION guard_fee_schedule(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_fee_schedule() FROM PUBLIC;


--
-- Name: FUNCTION guard_fx_quote(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_fx_quote() FROM PUBLIC;


--
-- Name: FUNCTION guard_fx_rate(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_fx_rate() FROM PUBLIC;


--
-- Name: FUNCTION guard_hold(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_hold() FROM PUBLIC;


--
-- Name: FUNCTION guard_ledger_partition(partition text); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_ledger_partition(partition text) FROM PUBLIC;


--
-- Name: FUNCTION guard_log_checkpoint(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_log_checkpoint() FROM PUBLIC;


--
-- Name: FUNCTION guard_log_tile(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_log_tile() FROM PUBLIC;


--
-- Name: FUNCTION guard_new_statement(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_new_statement() FROM PUBLIC;


--
-- Name: FUNCTION guard_read_model(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_read_model() FROM PUBLIC;


--
-- Name: FUNCTION guard_statement(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_statement() FROM PUBLIC;


--
-- Name: FUNCTION guard_statement_content(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_statement_content() FROM PUBLIC;


--
-- Name: FUNCTION guard_transaction(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_transaction() FROM PUBLIC;


--
-- Name: FUNCTION guard_wallet(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_wallet() FROM PUBLIC;


--
-- Name: FUNCTION guard_webhook_delivery(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_webhook_delivery() FROM PUBLIC;


--
-- Name: FUNCTION guard_webhook_endpoint(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_webhook_endpoint() FROM PUBLIC;


--
-- Name: FUNCTION guard_webhook_endpoint_delete(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_webhook_endpoint_delete() FROM PUBLIC;


--
-- Name: FUNCTION guard_webhook_progress(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.guard_webhook_progress() FROM PUBLIC;


--
-- Name: FUNCTION keep_ledger_partitions(months integer); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.keep_ledger_partitions(months integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.keep_ledger_partitions(months integer) TO paycore_app;


--
-- Name: FUNCTION last_entry_before(wallet uuid, moment timestamp with time zone, lowest bigint, highest bigint); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.last_entry_before(wallet uuid, moment timestamp with time zone, lowest bigint, highest bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.last_entry_before(wallet uuid, moment timestamp with time zone, lowest bigint, highest bigint) TO paycore_app;


--
-- Name: FUNCTION make_ledger_partition(starts timestamp with time zone, ends timestamp with time zone); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.make_ledger_partition(starts timestamp with time zone, ends timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION park_unreadable(ids bigint[], reasons text[]); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.park_unreadable(ids bigint[], reasons text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.park_unreadable(ids bigint[], reasons text[]) TO paycore_app;


--
-- Name: FUNCTION post_ledger_entries(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.post_ledger_entries() FROM PUBLIC;


--
-- Name: FUNCTION refuse_change(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.refuse_change() FROM PUBLIC;


--
-- Name: FUNCTION retry_parked(record_id uuid); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.retry_parked(record_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.retry_parked(record_id uuid) TO paycore_app;


--
-- Name: FUNCTION seal_ledger_partition(partition text); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.seal_ledger_partition(partition text) FROM PUBLIC;


--
-- Name: FUNCTION sign_audit_record(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.sign_audit_record() FROM PUBLIC;


--
-- Name: FUNCTION take_transaction_id(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.take_transaction_id() FROM PUBLIC;


--
-- Name: TABLE activity; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE public.activity TO paycore_app;


--
-- Name: TABLE activity_parties; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE public.activity_parties TO paycore_app;


--
-- Name: TABLE alembic_version; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.alembic_version TO paycore_app;


--
-- Name: TABLE archived_entries; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.archived_entries TO paycore_app;


--
-- Name: TABLE audit_log; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.audit_log TO paycore_app;


--
-- Name: COLUMN audit_log.id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(id) ON TABLE public.audit_log TO paycore_app;


--
-- Name: COLUMN audit_log.actor_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(actor_id) ON TABLE public.audit_log TO paycore_app;


--
-- Name: COLUMN audit_log.action; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(action) ON TABLE public.audit_log TO paycore_app;


--
-- Name: COLUMN audit_log.subject_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(subject_id) ON TABLE public.audit_log TO paycore_app;


--
-- Name: COLUMN audit_log.before; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(before) ON TABLE public.audit_log TO paycore_app;


--
-- Name: COLUMN audit_log.after; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(after) ON TABLE public.audit_log TO paycore_app;


--
-- Name: COLUMN audit_log.reason; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(reason) ON TABLE public.audit_log TO paycore_app;


--
-- Name: COLUMN audit_log.request_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(request_id) ON TABLE public.audit_log TO paycore_app;


--
-- Name: COLUMN audit_log.created_at; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(created_at) ON TABLE public.audit_log TO paycore_app;


--
-- Name: TABLE currencies; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.currencies TO paycore_app;


--
-- Name: TABLE event_chunks; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.event_chunks TO paycore_app;


--
-- Name: COLUMN event_chunks.first_position; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(first_position) ON TABLE public.event_chunks TO paycore_app;


--
-- Name: COLUMN event_chunks.published_position; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(published_position) ON TABLE public.event_chunks TO paycore_app;


--
-- Name: COLUMN event_chunks.kinds; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(kinds) ON TABLE public.event_chunks TO paycore_app;


--
-- Name: COLUMN event_chunks.subject_ids; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(subject_ids) ON TABLE public.event_chunks TO paycore_app;


--
-- Name: COLUMN event_chunks.numbers; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(numbers) ON TABLE public.event_chunks TO paycore_app;


--
-- Name: COLUMN event_chunks.outbox_ids; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(outbox_ids) ON TABLE public.event_chunks TO paycore_app;


--
-- Name: TABLE fx_quotes; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.fx_quotes TO paycore_app;


--
-- Name: TABLE fx_rates; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.fx_rates TO paycore_app;


--
-- Name: COLUMN fx_rates.id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(id) ON TABLE public.fx_rates TO paycore_app;


--
-- Name: COLUMN fx_rates.base; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(base) ON TABLE public.fx_rates TO paycore_app;


--
-- Name: COLUMN fx_rates.quote; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(quote) ON TABLE public.fx_rates TO paycore_app;


--
-- Name: COLUMN fx_rates.rate; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(rate) ON TABLE public.fx_rates TO paycore_app;


--
-- Name: COLUMN fx_rates.spread_basis_points; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(spread_basis_points) ON TABLE public.fx_rates TO paycore_app;


--
-- Name: COLUMN fx_rates.source; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(source) ON TABLE public.fx_rates TO paycore_app;


--
-- Name: COLUMN fx_rates.valid_from; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(valid_from) ON TABLE public.fx_rates TO paycore_app;


--
-- Name: COLUMN fx_rates.initiator_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(initiator_id) ON TABLE public.fx_rates TO paycore_app;


--
-- Name: TABLE hold_events; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.hold_events TO paycore_app;


--
-- Name: TABLE holds; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.holds TO paycore_app;


--
-- Name: COLUMN holds.id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(id) ON TABLE public.holds TO paycore_app;


--
-- Name: COLUMN holds.wallet_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(wallet_id) ON TABLE public.holds TO paycore_app;


--
-- Name: COLUMN holds.receiver_wallet_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(receiver_wallet_id) ON TABLE public.holds TO paycore_app;


--
-- Name: COLUMN holds.initiator_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(initiator_id) ON TABLE public.holds TO paycore_app;


--
-- Name: COLUMN holds.amount; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(amount) ON TABLE public.holds TO paycore_app;


--
-- Name: COLUMN holds.created_at; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(created_at) ON TABLE public.holds TO paycore_app;


--
-- Name: COLUMN holds.expires_at; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(expires_at) ON TABLE public.holds TO paycore_app;


--
-- Name: COLUMN holds.currency; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(currency) ON TABLE public.holds TO paycore_app;


--
-- Name: COLUMN holds.description; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(description) ON TABLE public.holds TO paycore_app;


--
-- Name: COLUMN holds.metadata; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(metadata) ON TABLE public.holds TO paycore_app;


--
-- Name: TABLE installation; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.installation TO paycore_app;


--
-- Name: TABLE ledger_archives; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.ledger_archives TO paycore_app;


--
-- Name: TABLE ledger_entries; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.ledger_entries TO paycore_app;


--
-- Name: TABLE ledger_seals; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.ledger_seals TO paycore_app;


--
-- Name: TABLE ledger_verifications; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.ledger_verifications TO paycore_app;


--
-- Name: COLUMN ledger_verifications.finished_at; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(finished_at) ON TABLE public.ledger_verifications TO paycore_app;


--
-- Name: COLUMN ledger_verifications.duration_ms; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(duration_ms) ON TABLE public.ledger_verifications TO paycore_app;


--
-- Name: COLUMN ledger_verifications.findings; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(findings) ON TABLE public.ledger_verifications TO paycore_app;


--
-- Name: TABLE log_checkpoints; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.log_checkpoints TO paycore_app;


--
-- Name: TABLE log_cosignatures; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.log_cosignatures TO paycore_app;


--
-- Name: TABLE log_salts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.log_salts TO paycore_app;


--
-- Name: TABLE log_secret; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.log_secret TO paycore_app;


--
-- Name: TABLE log_tiles; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.log_tiles TO paycore_app;


--
-- Name: COLUMN log_tiles.hashes; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(hashes) ON TABLE public.log_tiles TO paycore_app;


--
-- Name: TABLE outbox; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.outbox TO paycore_app;


--
-- Name: COLUMN outbox.created_at; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(created_at) ON TABLE public.outbox TO paycore_app;


--
-- Name: COLUMN outbox.payload; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(payload) ON TABLE public.outbox TO paycore_app;


--
-- Name: TABLE outbox_parked; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.outbox_parked TO paycore_app;


--
-- Name: TABLE quota_amounts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.quota_amounts TO paycore_app;


--
-- Name: COLUMN quota_amounts.user_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(user_id) ON TABLE public.quota_amounts TO paycore_app;


--
-- Name: COLUMN quota_amounts.currency; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(currency) ON TABLE public.quota_amounts TO paycore_app;


--
-- Name: COLUMN quota_amounts.day; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(day),UPDATE(day) ON TABLE public.quota_amounts TO paycore_app;


--
-- Name: COLUMN quota_amounts.day_amount; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(day_amount),UPDATE(day_amount) ON TABLE public.quota_amounts TO paycore_app;


--
-- Name: TABLE quotas; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.quotas TO paycore_app;


--
-- Name: COLUMN quotas.user_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(user_id) ON TABLE public.quotas TO paycore_app;


--
-- Name: COLUMN quotas.minute; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(minute) ON TABLE public.quotas TO paycore_app;


--
-- Name: COLUMN quotas.minute_transfers; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(minute_transfers) ON TABLE public.quotas TO paycore_app;


--
-- Name: COLUMN quotas.day; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(day) ON TABLE public.quotas TO paycore_app;


--
-- Name: COLUMN quotas.day_transfers; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(day_transfers) ON TABLE public.quotas TO paycore_app;


--
-- Name: TABLE read_models; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE public.read_models TO paycore_app;


--
-- Name: COLUMN read_models."position"; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE("position") ON TABLE public.read_models TO paycore_app;


--
-- Name: COLUMN read_models.is_live; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(is_live) ON TABLE public.read_models TO paycore_app;


--
-- Name: TABLE reversed_amounts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.reversed_amounts TO paycore_app;


--
-- Name: TABLE statement_files; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.statement_files TO paycore_app;


--
-- Name: TABLE statement_parts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE public.statement_parts TO paycore_app;


--
-- Name: TABLE statements; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.statements TO paycore_app;


--
-- Name: COLUMN statements.credits; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(credits) ON TABLE public.statements TO paycore_app;


--
-- Name: COLUMN statements.debits; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(debits) ON TABLE public.statements TO paycore_app;


--
-- Name: COLUMN statements.credit_count; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(credit_count) ON TABLE public.statements TO paycore_app;


--
-- Name: COLUMN statements.finished_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(finished_at) ON TABLE public.statements TO paycore_app;


--
-- Name: COLUMN statements.leased_until; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(leased_until) ON TABLE public.statements TO paycore_app;


--
-- Name: COLUMN statements.attempts; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(attempts) ON TABLE public.statements TO paycore_app;


--
-- Name: COLUMN statements.status; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(status) ON TABLE public.statements TO paycore_app;


--
-- Name: COLUMN statements.lease; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(lease) ON TABLE public.statements TO paycore_app;


--
-- Name: COLUMN statements.problem; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(problem) ON TABLE public.statements TO paycore_app;


--
-- Name: TABLE transaction_wallets; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.transaction_wallets TO paycore_app;


--
-- Name: TABLE transactions; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.transactions TO paycore_app;


--
-- Name: COLUMN transactions.failure_available; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(failure_available) ON TABLE public.transactions TO paycore_app;


--
-- Name: COLUMN transactions.completed_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(completed_at) ON TABLE public.transactions TO paycore_app;


--
-- Name: COLUMN transactions.status; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(status) ON TABLE public.transactions TO paycore_app;


--
-- Name: COLUMN transactions.failure_code; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(failure_code) ON TABLE public.transactions TO paycore_app;


--
-- Name: COLUMN transactions.failure_field; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(failure_field) ON TABLE public.transactions TO paycore_app;


--
-- Name: TABLE users; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.users TO paycore_app;


--
-- Name: COLUMN users.display_name; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(display_name) ON TABLE public.users TO paycore_app;


--
-- Name: TABLE wallet_days; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE public.wallet_days TO paycore_app;


--
-- Name: COLUMN wallet_days.closing; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(closing) ON TABLE public.wallet_days TO paycore_app;


--
-- Name: COLUMN wallet_days.entry_count; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(entry_count) ON TABLE public.wallet_days TO paycore_app;


--
-- Name: COLUMN wallet_days.last_sequence; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(last_sequence) ON TABLE public.wallet_days TO paycore_app;


--
-- Name: COLUMN wallet_days.debits; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(debits) ON TABLE public.wallet_days TO paycore_app;


--
-- Name: COLUMN wallet_days.credits; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(credits) ON TABLE public.wallet_days TO paycore_app;


--
-- Name: COLUMN wallet_days.debits_so_far; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(debits_so_far) ON TABLE public.wallet_days TO paycore_app;


--
-- Name: TABLE wallet_marks; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE public.wallet_marks TO paycore_app;


--
-- Name: TABLE wallet_openings; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.wallet_openings TO paycore_app;


--
-- Name: TABLE wallet_places; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.wallet_places TO paycore_app;


--
-- Name: TABLE wallets; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.wallets TO paycore_app;


--
-- Name: COLUMN wallets.status; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(status) ON TABLE public.wallets TO paycore_app;


--
-- Name: COLUMN wallets.name; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(name) ON TABLE public.wallets TO paycore_app;


--
-- Name: TABLE webhook_attempts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.webhook_attempts TO paycore_app;


--
-- Name: TABLE webhook_deliveries; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE public.webhook_deliveries TO paycore_app;


--
-- Name: COLUMN webhook_deliveries.next_attempt_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(next_attempt_at) ON TABLE public.webhook_deliveries TO paycore_app;


--
-- Name: COLUMN webhook_deliveries.leased_until; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(leased_until) ON TABLE public.webhook_deliveries TO paycore_app;


--
-- Name: COLUMN webhook_deliveries.delivered_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(delivered_at) ON TABLE public.webhook_deliveries TO paycore_app;


--
-- Name: COLUMN webhook_deliveries.attempts; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(attempts) ON TABLE public.webhook_deliveries TO paycore_app;


--
-- Name: COLUMN webhook_deliveries.failures; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(failures) ON TABLE public.webhook_deliveries TO paycore_app;


--
-- Name: COLUMN webhook_deliveries.payload; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(payload) ON TABLE public.webhook_deliveries TO paycore_app;


--
-- Name: TABLE webhook_endpoints; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: COLUMN webhook_endpoints.due_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(due_at) ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: COLUMN webhook_endpoints.failing_since; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(failing_since) ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: COLUMN webhook_endpoints.old_keys_until; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(old_keys_until) ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: COLUMN webhook_endpoints.failures; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(failures) ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: COLUMN webhook_endpoints.status; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(status) ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: COLUMN webhook_endpoints.public_key; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(public_key) ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: COLUMN webhook_endpoints.keys; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(keys) ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: COLUMN webhook_endpoints.old_keys; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(old_keys) ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: COLUMN webhook_endpoints.behind_after; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(behind_after) ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: COLUMN webhook_endpoints.look_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(look_at) ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: COLUMN webhook_endpoints.rights_until; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(rights_until) ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: COLUMN webhook_endpoints.deleted_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(deleted_at) ON TABLE public.webhook_endpoints TO paycore_app;


--
-- Name: TABLE webhook_progress; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.webhook_progress TO paycore_app;


--
-- Name: COLUMN webhook_progress."position"; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE("position") ON TABLE public.webhook_progress TO paycore_app;


--
-- Name: TABLE worker_duties; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.worker_duties TO paycore_app;


--
-- Name: COLUMN worker_duties.next_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(next_at) ON TABLE public.worker_duties TO paycore_app;


--
-- Name: COLUMN worker_duties.leased_until; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(leased_until) ON TABLE public.worker_duties TO paycore_app;


--
-- Name: COLUMN worker_duties.started_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(started_at) ON TABLE public.worker_duties TO paycore_app;


--
-- Name: COLUMN worker_duties.succeeded_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(succeeded_at) ON TABLE public.worker_duties TO paycore_app;


--
-- Name: COLUMN worker_duties.duration_ms; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(duration_ms) ON TABLE public.worker_duties TO paycore_app;


--
-- Name: COLUMN worker_duties.failures; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(failures) ON TABLE public.worker_duties TO paycore_app;


--
-- Name: COLUMN worker_duties.last_error; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(last_error) ON TABLE public.worker_duties TO paycore_app;


--
-- PostgreSQL database dump complete
--
