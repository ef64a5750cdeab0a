"""Prose in generated pages."""

from __future__ import annotations

import textwrap

LONGEST_LINE = 119


def wrapped(text: str) -> str:
    """The paragraphs of the text, in lines below 120 characters."""
    return "\n\n".join(
        textwrap.fill(" ".join(paragraph.split()), LONGEST_LINE, break_long_words=False, break_on_hyphens=False)
        for paragraph in text.split("\n\n")
    )
