"""Reading the files of statements back, each format by a parser that is not ours."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import mt940
from lxml import etree  # type: ignore[import-untyped] # it has no stubs here
from pypdf import PdfReader

_SCHEMA = Path(__file__).parent / "unit" / "iso20022" / "camt.053.001.08.xsd"
_NAMES = {"c": "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"}


class ReadBack(NamedTuple):
    """What a file says. Amounts with their sign."""

    number: int
    opening: Decimal
    closing: Decimal
    amounts: list[Decimal]
    texts: list[str]
    """All that it says of each entry's texts, joined."""


def read_csv(content: bytes) -> ReadBack:
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    assert [rows[0]["record"], rows[-1]["record"]] == ["OPENING", "CLOSING"]
    entries = rows[1:-1]
    assert all(row["record"] == "ENTRY" for row in entries)
    texts = [" ".join((row["counterparty"], row["description"], row["reference"])) for row in entries]
    amounts = [Decimal(row["amount"]) for row in entries]
    return ReadBack(0, Decimal(rows[0]["balance"]), Decimal(rows[-1]["balance"]), amounts, texts)


def read_json(content: bytes) -> ReadBack:
    found = json.loads(content)
    entries = found["entries"]
    assert Decimal(found["opening"]) + Decimal(found["credits"]) - Decimal(found["debits"]) == Decimal(found["closing"])
    texts = [" ".join(str(one[name]) for name in ("counterparty", "description", "reference")) for one in entries]
    amounts = [Decimal(one["amount"]) for one in entries]
    return ReadBack(found["number"], Decimal(found["opening"]), Decimal(found["closing"]), amounts, texts)


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(file=str(_SCHEMA))


def read_camt(content: bytes) -> ReadBack:
    document = etree.fromstring(content)
    _schema().assertValid(document)

    def text(node: Any, path: str) -> str:
        (found,) = node.xpath(path, namespaces=_NAMES)
        return str(found.text)

    def signed(node: Any) -> Decimal:
        amount = Decimal(text(node, "c:Amt"))
        return -amount if text(node, "c:CdtDbtInd") == "DBIT" else amount

    (statement,) = document.xpath("//c:Stmt", namespaces=_NAMES)
    balances = {text(one, "c:Tp/c:CdOrPrtry/c:Cd"): signed(one) for one in statement.xpath("c:Bal", namespaces=_NAMES)}
    entries = statement.xpath("c:Ntry", namespaces=_NAMES)
    for entry in entries:
        is_reversal = text(entry, "c:BkTxCd/c:Prtry/c:Cd").startswith("REVERSAL")
        assert bool(entry.xpath("c:RvslInd[.='true']", namespaces=_NAMES)) == is_reversal
    texts = [" ".join(entry.xpath(".//c:TxDtls//text()", namespaces=_NAMES)) for entry in entries]
    amounts = [signed(entry) for entry in entries]
    assert sum(amounts) == balances["CLBD"] - balances["OPBD"]
    return ReadBack(int(text(statement, "c:ElctrncSeqNb")), balances["OPBD"], balances["CLBD"], amounts, texts)


def read_mt940(content: bytes) -> ReadBack:
    text = content.decode("ascii")
    assert all(len(line) <= 80 for line in text.split("\r\n"))
    messages = text.split("\r\n-\r\n")[:-1]
    amounts: list[Decimal] = []
    texts: list[str] = []
    balance: Decimal | None = None
    opening = Decimal(0)
    number = 0
    for place, message in enumerate(messages, 1):
        found = mt940.parse(message)
        kinds = ("F" if place == 1 else "M", "F" if place == len(messages) else "M")
        assert f":60{kinds[0]}:" in message
        assert f":62{kinds[1]}:" in message
        start = _balance(message, f":60{kinds[0]}:")
        assert balance is None or start == balance, "a message opens where the one before closed"
        opening = start if place == 1 else opening
        number = int(found.data["statement_number"])
        assert int(found.data["sequence_number"]) == place
        own = [one for one in found.transactions if "amount" in one.data]
        signed = [_signed(one) for one in own]
        amounts += signed
        texts += [one.data["transaction_details"].replace("\n", "") for one in own]
        balance = _balance(message, f":62{kinds[1]}:")
        assert start + sum(signed, Decimal(0)) == balance
    assert balance is not None
    return ReadBack(number, opening, balance, amounts, texts)


def _signed(transaction: Any) -> Decimal:
    """RC is the reversal of a credit, so a debit. The parser takes it for a credit."""
    amount: Decimal = abs(transaction.data["amount"].amount)
    return -amount if transaction.data["status"] in ("D", "RC") else amount


def _balance(message: str, tag: str) -> Decimal:
    value = message.split(tag, 1)[1].split("\r\n", 1)[0]
    amount = Decimal(value[10:].replace(",", ".").rstrip("."))
    return -amount if value[0] == "D" else amount


def read_pdf(content: bytes) -> str:
    """All of its text."""
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
