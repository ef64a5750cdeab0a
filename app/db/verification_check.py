"""A rule of the stored ledger, as `paycore verify` checks it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """A rule: the query for rows that break it, and the sentence to print for each row, with the query's columns."""

    sentence: str
    query: str
    since: int = 1
    """The first revision with the columns that the query reads. On an older database the check is left out."""
    until: int | None = None
    """The last revision that the rule is for."""
