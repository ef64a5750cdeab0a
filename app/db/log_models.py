"""The tables of the Merkle log. As in `models.py`, triggers and grants are in the migrations."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, _ByBytes


class LogSecret(Base):
    """What salts follow from. There is exactly one row."""

    __tablename__ = "log_secret"
    __table_args__ = (
        CheckConstraint("only_row", name="log_secret_one_row"),
        CheckConstraint("octet_length(secret) = 32", name="log_secret_length"),
    )

    only_row: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    secret: Mapped[bytes]


class LogTile(Base):
    """Up to 256 hashes of a level of the tree. It only grows."""

    __tablename__ = "log_tiles"
    __table_args__ = (
        CheckConstraint(
            "octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0 AND level >= 0 AND number >= 0",
            name="log_tiles_whole_hashes",
        ),
    )

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes]


class LogSalt(Base):
    """The salt of what people wrote with a transaction."""

    __tablename__ = "log_salts"
    __table_args__ = (CheckConstraint("octet_length(salt) = 32", name="log_salts_length"),)

    transaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    salt: Mapped[bytes]


class LogCheckpoint(Base):
    """A signed head of the log. Insert-only."""

    __tablename__ = "log_checkpoints"
    __table_args__ = (CheckConstraint("size > 0 AND octet_length(root) = 32", name="log_checkpoints_of_a_log"),)

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes]
    origin: Mapped[str]
    note: Mapped[str]
    signed_at: Mapped[datetime]


class LogCosignature(Base):
    """A witness's signature line under a checkpoint. Insert-only."""

    __tablename__ = "log_cosignatures"

    size: Mapped[int] = mapped_column(
        ForeignKey("log_checkpoints.size", name="log_cosignatures_checkpoint_fkey"), primary_key=True
    )
    witness: Mapped[str] = mapped_column(_ByBytes, primary_key=True)
    line: Mapped[str]
    added_at: Mapped[datetime]
