"""The files of statements from made-up lines: each format parses back, whatever the words and the amounts are."""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import rfc3339
from app.money import format_minor
from app.records import EntryPurpose, StatementFormat, TransactionType
from app.services.statements import mt940_file
from app.services.statements.camt_file import CamtFile
from app.services.statements.csv_file import CsvFile
from app.services.statements.files import FileWriter, writers
from app.services.statements.json_file import JsonFile
from app.services.statements.model import CannotHold, Heading, Line
from app.services.statements.mt940_file import Mt940File
from app.services.statements.pdf_file import MAX_ENTRIES, PdfFile
from tests.statement_files import read_camt, read_csv, read_json, read_mt940, read_pdf

START = datetime(2026, 1, 1, tzinfo=UTC)
READERS = {CsvFile: read_csv, JsonFile: read_json, CamtFile: read_camt, Mt940File: read_mt940}
EVERY = [*READERS, PdfFile]
WORDS = (
    st.none() | st.text(max_size=60) | st.sampled_from(["=1+1", ":61:", "-", "\r\n-\r\n", "\x00", "\ud800", "]]>", "//", "''"])
)
LINES = st.lists(
    st.tuples(
        st.integers(-(10**12), 10**12).filter(bool),
        st.sampled_from(TransactionType),
        st.sampled_from(EntryPurpose),
        WORDS,
        WORDS,
        WORDS,
    ),
    max_size=30,
)


def statement(rows, *, opening: int = 0, exponent: int = 2, currency: str = "USD") -> tuple[Heading, list[Line]]:
    """A heading and lines of these amounts, types, purposes, names, descriptions and references."""
    balance, lines = opening, []
    for sequence, (amount, type_, purpose, name, description, reference) in enumerate(rows, 1):
        balance += amount
        moment = START + timedelta(hours=sequence)
        lines.append(
            Line(
                sequence=sequence,
                posted_at=moment,
                amount=amount,
                balance_after=balance,
                posted_text=rfc3339(moment),
                amount_text=format_minor(amount, exponent),
                balance_text=format_minor(balance, exponent),
                purpose=purpose,
                type=type_,
                transaction_id=f"txn_01jgfjjz00e008000000{sequence % 10**6:06}",
                counterparty=name,
                counterparty_wallet_id=None if name is None else "wal_01jgfjjz00e008000000000000",
                description=description,
                reference=reference,
                reverses_id="txn_01jgfjjz00e008000000000000" if type_ is TransactionType.REVERSAL else None,
            )
        )
    heading = Heading(
        statement_id="stm_01jgfjjz00e008000000000000",
        number=7,
        wallet_id="wal_01jgfjjz00e008000000000001",
        wallet_name="=Wallet & <b> 王",
        holder="Zoë \x07 محمد 😀",
        currency=currency,
        exponent=exponent,
        from_at=START,
        to_at=START + timedelta(days=400),
        created_at=START + timedelta(days=401),
        first_sequence=1,
        last_sequence=len(lines),
        opening=opening,
        closing=balance,
        credits=sum(line.amount for line in lines if line.amount > 0),
        debits=-sum(line.amount for line in lines if line.amount < 0),
        credit_count=sum(line.amount > 0 for line in lines),
    )
    return heading, lines


def whole(kind, heading: Heading, lines: list[Line], step: int = 1000) -> bytes:
    encoder = kind(heading)
    pieces = [encoder.begin()]
    pieces += [encoder.add(lines[at : at + step]) for at in range(0, len(lines), step)]
    return b"".join([*pieces, encoder.end()])


def plain_rows(count: int, amount: int = 100):
    kind = TransactionType.TRANSFER, EntryPurpose.PRINCIPAL
    return [(amount if place % 3 else -amount, *kind, f"Name {place}", "Rent", f"r-{place}") for place in range(count)]


@settings(max_examples=150, deadline=None)
@given(rows=LINES, opening=st.integers(-(10**12), 10**12), exponent=st.sampled_from([0, 2, 3]))
def test_every_format_parses_back_to_the_same_numbers(rows, opening, exponent):
    heading, lines = statement(rows, opening=opening, exponent=exponent)
    unit = Decimal(1).scaleb(-exponent)
    for kind, read in READERS.items():
        found = read(whole(kind, heading, lines))
        assert found.amounts == [line.amount * unit for line in lines], kind
        assert (found.opening, found.closing) == (opening * unit, heading.closing * unit), kind


@settings(max_examples=60, deadline=None)
@given(words=st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=5))
def test_a_spreadsheet_finds_no_formula(words):
    heading, lines = statement([(5, TransactionType.TRANSFER, EntryPurpose.PRINCIPAL, *texts) for texts in words])
    text = whole(CsvFile, heading, lines).decode()
    for row in csv.DictReader(io.StringIO(text, newline=""), strict=True):
        for name in ("counterparty", "description", "reference"):
            bare = row[name].lstrip(' \u00a0\u3000\ufeff"')
            assert not bare.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("kind", EVERY)
def test_the_bytes_do_not_depend_on_the_steps_in_which_lines_come(kind):
    heading, lines = statement(plain_rows(50))
    assert whole(kind, heading, lines, 1) == whole(kind, heading, lines, 7) == whole(kind, heading, lines)


def test_another_process_at_another_time_writes_the_same_bytes(tmp_path: Path):
    code = (
        "import hashlib; from tests.unit.test_statement_files import *\n"
        "last = (5, TransactionType.REVERSAL, EntryPurpose.PRINCIPAL, '王 محمد 😀', 'é', None)\n"
        "heading, lines = statement([*plain_rows(30), last])\n"
        "print([hashlib.sha256(whole(kind, heading, lines)).hexdigest() for kind in EVERY])"
    )
    root = Path(__file__).parents[2]
    environments = ({"TZ": "UTC", "PYTHONHASHSEED": "1"}, {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "2", "LANG": "C"})
    printed = [
        subprocess.run([sys.executable, "-c", code], cwd=root, env=one, capture_output=True, text=True, check=True).stdout
        for one in environments
    ]
    assert printed[0] == printed[1]
    assert printed[0].count(",") == 4


def test_an_amount_that_a_format_cannot_hold_is_said_and_not_cut():
    heading, lines = statement([(10**18, TransactionType.TRANSFER, EntryPurpose.PRINCIPAL, None, None, None)])
    for narrow in (CamtFile, Mt940File):
        with pytest.raises(CannotHold, match="amount"):
            whole(narrow, heading, lines)
    for wide, read in ((CsvFile, read_csv), (JsonFile, read_json)):
        assert read(whole(wide, heading, lines)).amounts == [Decimal(10) ** 16]
    writer = FileWriter(UUID(int=1), StatementFormat.MT940, heading)
    assert (writer.begin(), writer.add(lines), writer.end()) == ([], [], [])
    assert writer.file().problem == "An amount has more than the 15 characters that MT940 allows."
    assert (writer.file().sha256, writer.file().size, writer.file().parts) == (None, 0, 0)


def test_parts_are_whole_and_their_hash_is_of_the_file():
    heading, lines = statement(plain_rows(20_000))
    parts = dict.fromkeys(StatementFormat, b"")
    numbers = dict.fromkeys(StatementFormat, 0)
    files = writers(UUID(int=1), heading)
    steps = [lambda one: one.begin(), *(lambda one, at=at: one.add(lines[at : at + 2000]) for at in range(0, 20_000, 2000))]
    for step in [*steps, lambda one: one.end()]:
        for format_, number, content in [part for one in files for part in step(one)]:
            assert number == numbers[format_] + 1
            assert len(zlib.decompress(content)) <= 1_048_576
            parts[format_] += zlib.decompress(content)
            numbers[format_] = number
    for one in files:
        file = one.file()
        assert file.sha256 == hashlib.sha256(parts[file.format]).digest()
        assert (file.size, file.parts) == (len(parts[file.format]), numbers[file.format])
    assert numbers[StatementFormat.CAMT_053] > 5


def test_mt940_messages_are_short_and_open_where_the_one_before_closed():
    rows = [(5, TransactionType.TRANSFER, EntryPurpose.PRINCIPAL, "x" * 100, "y" * 280, "z" * 140)] * 200
    heading, lines = statement(rows)
    content = whole(Mt940File, heading, lines)
    messages = content.decode().split("\r\n-\r\n")
    assert max(len(message) for message in messages) <= 2_000
    assert len(messages) > 40
    assert read_mt940(content).amounts == [Decimal("0.05")] * 200


def test_mt940_messages_of_a_large_statement_have_numbers_of_five_digits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mt940_file, "_MESSAGES", 9)
    heading, lines = statement([(5, TransactionType.TRANSFER, EntryPurpose.PRINCIPAL, "x" * 100, "y" * 280, "z" * 140)] * 500)
    content = whole(Mt940File, heading, lines)
    assert content.count(b":28C:") <= 9
    assert len(read_mt940(content).amounts) == 500


def test_mt940_writes_letters_without_marks_and_points_for_the_rest():
    rows = [(-5, TransactionType.REVERSAL, EntryPurpose.PRINCIPAL, "Łukasz Šaß Ærø", "王 € \u2013", "a//b"),
            (5, TransactionType.REVERSAL, EntryPurpose.PRINCIPAL, None, None, None)]  # fmt: skip
    heading, lines = statement(rows)
    text = whole(Mt940File, heading, lines).decode("ascii")
    assert "Lukasz Sass AEro . EUR - a//b" in text
    assert "RC0,05NRTIa/-b//" in text
    assert "RD0,05NRTINONREF//" in text


def test_a_pdf_writes_every_name_and_crashes_on_no_character():
    names = ["Zoë Łódź", "王小明", "ไทย", "देवनागरी", "한국어", "שלום", "😀", "\U00020000", "\x00\x1b", "\ud800", "a" * 100]
    rows = [(5, TransactionType.TRANSFER, EntryPurpose.PRINCIPAL, name, None, None) for name in names]
    heading, lines = statement(rows)
    text = read_pdf(whole(PdfFile, heading, lines))
    for name in ("Zoë Łódź", "王小明", "ไทย", "한국어", "שלום", "😀"):
        # The reader may put right-to-left text back into the order of reading.
        assert name in text or name[::-1] in text, name
    every = [chr(code) for code in range(0x110000) if code % 997 == 0]
    heading, lines = statement([(5, TransactionType.TRANSFER, EntryPurpose.PRINCIPAL, one, one * 3, None) for one in every])
    assert read_pdf(whole(PdfFile, heading, lines))


def test_a_large_pdf_has_its_sums_and_says_where_the_entries_are():
    heading, lines = statement(plain_rows(MAX_ENTRIES + 1))
    content = whole(PdfFile, heading, lines)
    text = read_pdf(content)
    assert f"This statement has {MAX_ENTRIES + 1:,} entries." in text
    assert "the other formats have all of them" in text
    assert "Name 5" not in text
    assert heading.decimal(heading.closing) in text
    assert len(content) < 100_000
