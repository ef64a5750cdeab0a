"""What tests of processes share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with the mode that a careful root gives to all of its own."""
    parent = Path(tempfile.mkdtemp(prefix="paycore-test-"))
    assert parent.stat().st_mode & 0o777 == 0o700
    yield parent / "home"
    shutil.rmtree(parent)
