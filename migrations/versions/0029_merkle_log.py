"""The Merkle log: a leaf for each settled transaction, in the order of positions, in tiles that only grow.

`log_salts` has the salt of what people wrote with a transaction, so that both can be erased together. The other salts follow
from `log_secret`. Both hide contents from those who have only hashes; that nothing was changed does not depend on them.
"""

from __future__ import annotations

from alembic import context, op
from alembic.util.exc import CommandError
from sqlalchemy import text

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE log_secret (
        only_row boolean DEFAULT true NOT NULL,
        secret bytea NOT NULL,
        CONSTRAINT log_secret_pkey PRIMARY KEY (only_row),
        CONSTRAINT log_secret_one_row CHECK (only_row),
        CONSTRAINT log_secret_length CHECK (octet_length(secret) = 32)
    )
    """,
    "INSERT INTO log_secret (secret) VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))",
    """
    CREATE TABLE log_tiles (
        level smallint NOT NULL,
        number bigint NOT NULL,
        hashes bytea NOT NULL,
        CONSTRAINT log_tiles_pkey PRIMARY KEY (level, number),
        CONSTRAINT log_tiles_whole_hashes CHECK (
            octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0 AND level >= 0 AND number >= 0)
    )
    """,
    # Hashes cannot be compressed.
    "ALTER TABLE log_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL",
    """
    CREATE TABLE log_salts (
        transaction_id uuid NOT NULL,
        salt bytea NOT NULL,
        CONSTRAINT log_salts_pkey PRIMARY KEY (transaction_id),
        CONSTRAINT log_salts_length CHECK (octet_length(salt) = 32)
    )
    """,
    """
    CREATE TABLE log_checkpoints (
        size bigint NOT NULL,
        root bytea NOT NULL,
        origin text NOT NULL,
        note text NOT NULL,
        signed_at timestamp with time zone NOT NULL,
        CONSTRAINT log_checkpoints_pkey PRIMARY KEY (size),
        CONSTRAINT log_checkpoints_of_a_log CHECK (size > 0 AND octet_length(root) = 32)
    )
    """,
    """
    CREATE TABLE log_cosignatures (
        size bigint NOT NULL,
        witness text COLLATE "C" NOT NULL,
        line text NOT NULL,
        added_at timestamp with time zone NOT NULL,
        CONSTRAINT log_cosignatures_pkey PRIMARY KEY (size, witness),
        CONSTRAINT log_cosignatures_checkpoint_fkey FOREIGN KEY (size) REFERENCES log_checkpoints (size)
    )
    """,
    # Where the sealer goes on.
    "CREATE INDEX event_chunks_settled_idx ON event_chunks (settled)",
)
FUNCTIONS = (
    """
    CREATE FUNCTION guard_log_tile() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
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
    END $$
    """,
    """
    CREATE FUNCTION guard_log_checkpoint() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
    -- Of a larger log each time, and of no more leaves than there are.
    BEGIN
        IF NEW.size <= coalesce((SELECT max(size) FROM log_checkpoints), 0)
           OR NEW.size > coalesce((SELECT number * 256 + octet_length(hashes) / 32 FROM log_tiles
                                   WHERE level = 0 ORDER BY number DESC LIMIT 1), 0) THEN
            RAISE EXCEPTION 'a checkpoint of % leaves does not follow', NEW.size
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'log_checkpoints_grow';
        END IF;
        RETURN NEW;
    END $$
    """,
)
TRIGGERS = (
    "CREATE TRIGGER log_tiles_guard BEFORE INSERT OR UPDATE ON log_tiles FOR EACH ROW EXECUTE FUNCTION guard_log_tile()",
    """
    CREATE TRIGGER log_tiles_never_deleted BEFORE DELETE OR TRUNCATE ON log_tiles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('log_tiles_never_deleted', 'the log only grows')
    """,
    """
    CREATE TRIGGER log_checkpoints_guard BEFORE INSERT ON log_checkpoints
    FOR EACH ROW EXECUTE FUNCTION guard_log_checkpoint()
    """,
    """
    CREATE TRIGGER log_checkpoints_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('log_checkpoints_insert_only', 'what was signed stays')
    """,
    """
    CREATE TRIGGER log_cosignatures_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_cosignatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('log_cosignatures_insert_only', 'what was signed stays')
    """,
)
GRANTS = (
    "REVOKE ALL ON FUNCTION guard_log_tile(), guard_log_checkpoint() FROM PUBLIC",
    "GRANT SELECT ON log_secret, log_tiles, log_salts, log_checkpoints, log_cosignatures TO {role}",
    "GRANT INSERT ON log_tiles, log_salts, log_checkpoints, log_cosignatures TO {role}",
    "GRANT UPDATE (hashes) ON log_tiles TO {role}",
)
DOWN = (
    "DROP TABLE log_cosignatures, log_checkpoints, log_salts, log_tiles, log_secret",
    "DROP FUNCTION guard_log_tile(), guard_log_checkpoint()",
    "DROP INDEX event_chunks_settled_idx",
)


def upgrade() -> None:
    """Make the tables. The sealer fills them from the first position on."""
    for statement in (*TABLES, *FUNCTIONS, *TRIGGERS, *GRANTS):
        op.get_bind().exec_driver_sql(_named(statement))


def downgrade() -> None:
    """Remove the log. Refused once a checkpoint is signed: another log under the same name would contradict it."""
    is_whole_way = context.get_revision_argument() is None
    if not is_whole_way and op.get_bind().scalar(text("SELECT EXISTS (SELECT FROM log_checkpoints)")):
        raise CommandError("checkpoints of the log are signed, and another log would contradict them")
    for statement in DOWN:
        op.get_bind().exec_driver_sql(statement)


def _named(statement: str) -> str:
    query = text("SELECT quote_ident(:role), quote_ident(current_schema())")
    role, schema = op.get_bind().execute(query, {"role": context.config.attributes["database_role"]}).one()
    return statement.replace("{role}", role).replace("{schema}", schema)
