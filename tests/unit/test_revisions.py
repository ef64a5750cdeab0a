"""Which revisions of the database a release works on."""

from __future__ import annotations

import pytest
from alembic.script import ScriptDirectory

from app.db import revisions


def test_revisions_are_named_by_four_digits_that_rise() -> None:
    """By these a release tells a newer database from a foreign one, and a newer one it takes on trust."""
    directory = ScriptDirectory(str(revisions.SCRIPTS))
    names = [script.revision for script in directory.walk_revisions()][::-1]
    assert names == [f"{number:04}" for number in range(1, len(names) + 1)]
    assert revisions.head() == names[-1], "read from the names of the scripts"


@pytest.mark.parametrize(
    ("revision", "newer", "suits"),
    [
        (None, False, False),
        ("", False, False),
        ("0001", False, False),
        (revisions.head(), False, True),
        (f"{int(revisions.head()) + 1:04}", True, True),
        ("9999", True, True),
        ("-9999", False, False),
        ("9999.5", False, False),
        ("a1b2c3d4", False, False),
        ("head", False, False),
    ],
)
def test_a_newer_revision_suits_and_an_unknown_one_does_not(revision: str | None, newer: bool, suits: bool) -> None:
    assert revisions.is_newer(revision) is newer
    assert revisions.suits(revision) is suits
