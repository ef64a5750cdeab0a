"""How the documentation is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LONGEST = 119
_LINK = re.compile(r"\]\([^)\s]*\)|<https?://[^>\s]*>")


def prose(text: str) -> list[tuple[int, str]]:
    """The numbered lines outside code blocks, tables and comments, without the addresses of links."""
    lines, in_code = [], False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.lstrip().startswith(("|", "<!--")):
            lines.append((number, _LINK.sub("", line)))
    return lines


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_of_prose_are_shorter_than_120_characters(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert [number for number, line in prose(text) if len(line) > _LONGEST] == []
