"""Which revisions of the database a release works on."""

from __future__ import annotations

import pytest
from alembic.script import ScriptDirectory

from app.db import migrate


def test_revisions_are_named_by_four_digits_that_rise() -> None:
    """By these a release tells a newer database from a foreign one, and a newer one it takes on trust."""
    directory = ScriptDirectory(str(migrate.SCRIPTS))
    names = [script.revision for script in directory.walk_revisions()][::-1]
    assert names == [f"{number:04}" for number in range(1, len(names) + 1)]


@pytest.mark.parametrize(
    ("revision", "newer", "suits"),
    [
        (None, False, False),
        ("", False, False),
        ("0001", False, False),
        (migrate.head(), False, True),
        (f"{int(migrate.head()) + 1:04}", True, True),
        ("9999", True, True),
        ("-9999", False, False),
        ("9999.5", False, False),
        ("a1b2c3d4", False, False),
        ("head", False, False),
    ],
)
def test_a_newer_revision_suits_and_an_unknown_one_does_not(revision: str | None, newer: bool, suits: bool) -> None:
    assert migrate.is_newer(revision) is newer
    assert migrate.suits(revision) is suits
