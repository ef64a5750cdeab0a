"""PDF, for people: a heading, the sums and the entries, on A4.

DejaVu Sans writes Latin, Greek, Cyrillic, Hebrew, Arabic and more; GNU Unifont writes all other scripts and emoji, each character
by itself: letters of Arabic and of the scripts of India are not joined. What no font has is written as U+FFFD.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

from fpdf import FPDF
from fpdf.bidi import BidiParagraph
from fpdf.fonts import TTFFont

from app.services.statements.model import Heading, Line, visible

MAX_ENTRIES = 2_000
"""A statement with more has a PDF without its entries. A PDF is held in memory until it is whole, and nobody reads more."""
_FONTS = Path(__file__).parent / "fonts"
_MAIN, *_OTHERS = "DejaVuSans", "Unifont", "UnifontUpper"
_MARGIN, _BOTTOM = 15.0, 280.0
_TEXT_WIDTH, _AMOUNT_AT, _BALANCE_AT, _DETAILS_AT = 82.0, 158.0, 195.0, 43.0
_SIZE, _STEP = 8.0, 4.0
_MM_PER_POINT = 25.4 / 72
_MOST_LINES = 4
_RIGHT_TO_LEFT = frozenset(("R", "AL", "AN"))
_REPLACEMENT = "\ufffd"


class PdfFile:
    """The encoder of PDF. It keeps the lines, at most MAX_ENTRIES, and writes the file at its end."""

    def __init__(self, heading: Heading) -> None:
        self._heading = heading
        self._lines: list[Line] = []

    def begin(self) -> bytes:
        return b""

    def add(self, lines: Sequence[Line]) -> bytes:
        if self._heading.entry_count <= MAX_ENTRIES:
            self._lines += lines
        return b""

    def end(self) -> bytes:
        paper = _Paper(self._heading)
        paper.write_heading()
        if self._heading.entry_count > MAX_ENTRIES:
            paper.note(
                f"This statement has {self._heading.entry_count:,} entries. A PDF lists at most {MAX_ENTRIES:,}: "
                "the other formats have all of them."
            )
        else:
            paper.write_columns()
            for line in self._lines:
                paper.write_line(line)
        return bytes(paper.pdf.output())


class _Paper:
    """The pages and the place on the last one, from its top in millimetres."""

    def __init__(self, heading: Heading) -> None:
        self.heading = heading
        self.pdf = FPDF(format="A4")
        self.pdf.set_auto_page_break(auto=False)
        self.pdf.set_creation_date(heading.created_at)
        self.pdf.set_producer("Paycore")
        self.pdf.set_title(f"Statement {heading.number}")
        self.pdf.set_lang("en")
        self._fonts: list[TTFFont] = []
        self._add_font(_MAIN)
        self._at = 0.0
        self._turn()

    def _add_font(self, name: str) -> None:
        self.pdf.add_font(name, fname=_FONTS / f"{name}.woff")
        self._fonts.append(self.pdf.fonts[name.lower()])  # type: ignore[arg-type]

    def _turn(self) -> None:
        """Begin a page, with what belongs on each one."""
        self.pdf.add_page()
        self._write(_MARGIN, 290.0, f"Statement {self.heading.number} of {self.heading.wallet_id}", 7.0)
        self._write_right(_BALANCE_AT, 290.0, f"Page {self.pdf.page}", 7.0)
        self._at = _MARGIN + 5

    def write_heading(self) -> None:
        heading = self.heading
        self._write(_MARGIN, self._at, f"Statement {heading.number}", 18.0)
        self._at += 10
        facts = {
            "Holder": heading.holder,
            "Wallet": heading.wallet_name,
            "Wallet id": heading.wallet_id,
            "Currency": heading.currency,
            "From": _moment(heading.from_at),
            "Until before": _moment(heading.to_at),
            "Made at": _moment(heading.created_at),
            "Entries": f"{heading.entry_count:,}",
        }
        for name, value in facts.items():
            self._write(_MARGIN, self._at, name, _SIZE)
            for text in self._wrapped(value, 140.0):
                self._write(_DETAILS_AT, self._at, text, _SIZE)
                self._at += _STEP
        self._at += _STEP
        sums = {
            "Opening balance": heading.opening,
            f"{heading.credit_count:,} credits": heading.credits,
            f"{heading.debit_count:,} debits": -heading.debits,
            "Closing balance": heading.closing,
        }
        for name, minor in sums.items():
            self._write(_MARGIN, self._at, name, _SIZE + 1)
            self._write_right(90.0, self._at, f"{heading.decimal(minor)} {heading.currency}", _SIZE + 1)
            self._at += _STEP + 1
        self._at += _STEP

    def note(self, text: str) -> None:
        self._write(_MARGIN, self._at, text, _SIZE)

    def write_columns(self) -> None:
        if not self.heading.entry_count:
            self.note("There are no entries in this period.")
            return
        self._write(_MARGIN, self._at, "Time (UTC)", _SIZE)
        self._write(_DETAILS_AT, self._at, "Details", _SIZE)
        self._write_right(_AMOUNT_AT, self._at, "Amount", _SIZE)
        self._write_right(_BALANCE_AT, self._at, "Balance", _SIZE)
        self._at += 1.5
        self.pdf.line(_MARGIN, self._at, _BALANCE_AT, self._at)
        self._at += _STEP

    def write_line(self, line: Line) -> None:
        details = [self._title(line), line.description, line.reference, line.transaction_id]
        texts = [text for part in details if part for text in self._wrapped(part, _TEXT_WIDTH)]
        if self._at + _STEP * len(texts) > _BOTTOM:
            self._turn()
            self.write_columns()
        self._write(_MARGIN, self._at, f"{line.posted_at:%Y-%m-%d %H:%M}", _SIZE)
        self._write_right(_AMOUNT_AT, self._at, line.amount_text, _SIZE)
        self._write_right(_BALANCE_AT, self._at, line.balance_text, _SIZE)
        for text in texts:
            self._write(_DETAILS_AT, self._at, text, _SIZE)
            self._at += _STEP
        self._at += 1

    @staticmethod
    def _title(line: Line) -> str:
        kind = line.type.value.capitalize() if line.purpose.value == "PRINCIPAL" else line.purpose.value.capitalize()
        return f"{kind}: {line.counterparty}" if line.counterparty else kind

    def _write(self, left: float, top: float, text: str, size: float) -> None:
        """Draw a text, each run of characters in the first font that has them."""
        for font, run in groupby(self._drawable(text), self._font_of):
            drawn = "".join(run)
            self.pdf.set_font(font.fontkey, size=size)
            self.pdf.text(left, top, drawn)
            left += self._width(drawn, size)

    def _write_right(self, right: float, top: float, text: str, size: float) -> None:
        self._write(right - self._width(text, size), top, text, size)

    def _width(self, text: str, size: float) -> float:
        """In millimetres. A thousandth of the size, which is in points, is the unit of a font's widths."""
        return sum(self._font_of(one).cw[ord(one)] for one in text) * size / 1000 * _MM_PER_POINT

    def _wrapped(self, text: str, width: float) -> list[str]:
        """The text in lines of at most this width. After the last line that there may be, it is cut."""
        text = self._known_text(visible(text))
        lines: list[str] = []
        while text:
            fitting = self._fitting(text, width)
            if fitting < len(text):
                blank = text.rfind(" ", 1, fitting + 1)
                fitting = blank if blank > 0 else fitting
            lines.append(text[:fitting].rstrip())
            text = text[fitting:].lstrip()
            if text and len(lines) == _MOST_LINES:
                lines[-1] = lines[-1][:-1] + "…"
                break
        return lines or [""]

    def _fitting(self, text: str, width: float) -> int:
        """How many characters of the text fit, at least one."""
        for count, one in enumerate(text):
            width -= self._width(one, _SIZE)
            if width < 0:
                return max(1, count)
        return len(text)

    def _drawable(self, text: str) -> str:
        """The text in the order in which it is drawn."""
        text = self._known_text(visible(text))
        if text.isascii() or not any(unicodedata.bidirectional(one) in _RIGHT_TO_LEFT for one in text):
            return text
        return BidiParagraph(text).get_reordered_string()

    def _known_text(self, text: str) -> str:
        """The text without characters that are not drawn, and with U+FFFD for those that no font has. Adds fonts as needed."""
        if text.isascii():
            return text
        text = "".join(one for one in text if not _is_undrawn(one))
        while len(self._fonts) <= len(_OTHERS) and any(not self._has(one) for one in text):
            self._add_font(_OTHERS[len(self._fonts) - 1])
        return "".join(one if self._has(one) else _REPLACEMENT for one in text)

    def _has(self, character: str) -> bool:
        return any(ord(character) in font.cmap for font in self._fonts)

    def _font_of(self, character: str) -> TTFFont:
        return next(font for font in self._fonts if ord(character) in font.cmap)


def _is_undrawn(character: str) -> bool:
    """Whether it only controls how others are drawn: joiners, marks of direction, variation selectors."""
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f" or character >= "\U000e0000"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC"
