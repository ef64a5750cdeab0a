"""ISO 20022 camt.053.001.08, as accounting programs import it.

The opening balance is OPBD and the closing one CLBD. An amount is never negative: `CdtDbtInd` has its sign, also of a balance.
A reversal has `RvslInd`, and its `CdtDbtInd` is the side on which it is booked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from xml.sax.saxutils import escape

from app.clock import rfc3339
from app.money import format_minor
from app.records import TransactionType
from app.services.statements.model import CannotHold, Heading, Line

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
_DIGITS = 18
"""Most digits of an amount."""
_FOREIGN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold."""


class CamtFile:
    """The encoder of camt.053."""

    def __init__(self, heading: Heading) -> None:
        self._heading = heading
        self._largest = 10**_DIGITS - 1

    def begin(self) -> bytes:
        heading = self._heading
        created, currency = rfc3339(heading.created_at), heading.currency
        account = _element("Id", _element("Othr", _element("Id", heading.wallet_id)))
        account += _element("Ccy", currency) + _text("Nm", heading.wallet_name, 70)
        account += _element("Ownr", _text("Nm", heading.holder, 140))
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}"><BkToCstmrStmt>'
            + _element("GrpHdr", _element("MsgId", heading.statement_id) + _element("CreDtTm", created))
            + f"<Stmt>{_element('Id', heading.statement_id)}{_element('ElctrncSeqNb', str(heading.number))}"
            + _element("CreDtTm", created)
            + _element("FrToDt", _element("FrDtTm", rfc3339(heading.from_at)) + _element("ToDtTm", rfc3339(heading.to_at)))
            + _element("Acct", account)
            + self._balance("OPBD", heading.opening, heading.from_at)
            + self._balance("CLBD", heading.closing, heading.to_at)
            + self._summary()
            + "\n"
        ).encode("utf-8", "replace")

    def add(self, lines: Sequence[Line]) -> bytes:
        return "".join(map(self._entry, lines)).encode("utf-8", "replace")

    def end(self) -> bytes:
        return b"</Stmt></BkToCstmrStmt></Document>\n"

    def _balance(self, code: str, minor: int, at: datetime) -> str:
        kind = _element("Tp", _element("CdOrPrtry", _element("Cd", code)))
        return _element("Bal", kind + self._amount(minor) + _element("Dt", _element("DtTm", rfc3339(at))))

    def _summary(self) -> str:
        heading = self._heading
        net = heading.closing - heading.opening
        total = _element("NbOfNtries", str(heading.entry_count))
        total += _element("Sum", format_minor(heading.credits + heading.debits, heading.exponent))
        total += _element("TtlNetNtry", _element("Amt", heading.decimal(abs(net))) + _element("CdtDbtInd", _side(net)))
        if heading.credits + heading.debits > self._largest:
            # It says nothing that the entries do not say.
            return ""
        return _element(
            "TxsSummry",
            _element("TtlNtries", total)
            + _element("TtlCdtNtries", self._sum(heading.credit_count, heading.credits))
            + _element("TtlDbtNtries", self._sum(heading.debit_count, heading.debits)),
        )

    def _sum(self, count: int, minor: int) -> str:
        return _element("NbOfNtries", str(count)) + _element("Sum", self._heading.decimal(minor))

    def _entry(self, line: Line) -> str:
        booked = f"<DtTm>{line.posted_text}</DtTm>"
        is_reversal = line.type is TransactionType.REVERSAL
        description = _text("Ustrd", line.description, 140)
        if line.description and len(line.description) > 140:
            description += _text("Ustrd", line.description[140:], 140)
        details = (
            f"<Refs>{_text('EndToEndId', line.reference, 35)}<TxId>{line.transaction_id}</TxId></Refs>"
            + self._parties(line)
            + (f"<RmtInf>{description}</RmtInf>" if description else "")
            + (f"<AddtlTxInf>Reverses {line.reverses_id}</AddtlTxInf>" if line.reverses_id else "")
        )
        return (
            f"<Ntry><NtryRef>{line.sequence}</NtryRef>{self._amount(line.amount)}"
            + ("<RvslInd>true</RvslInd>" if is_reversal else "")
            + f"<Sts><Cd>BOOK</Cd></Sts><BookgDt>{booked}</BookgDt><ValDt>{booked}</ValDt>"
            f"<AcctSvcrRef>{line.transaction_id}</AcctSvcrRef>"
            f"<BkTxCd><Prtry><Cd>{line.type.value}/{line.purpose.value}</Cd><Issr>Paycore</Issr></Prtry></BkTxCd>"
            f"<NtryDtls><TxDtls>{details}</TxDtls></NtryDtls></Ntry>\n"
        )

    def _parties(self, line: Line) -> str:
        """The other side: the creditor of a debit, the debtor of a credit."""
        if line.counterparty_wallet_id is None:
            return ""
        role = "Cdtr" if line.amount < 0 else "Dbtr"
        name = _element("Pty", _text("Nm", line.counterparty, 140))
        account = f"<Id><Othr><Id>{line.counterparty_wallet_id}</Id></Othr></Id>"
        return f"<RltdPties><{role}>{name}</{role}><{role}Acct>{account}</{role}Acct></RltdPties>"

    def _amount(self, minor: int) -> str:
        if abs(minor) > self._largest:
            raise CannotHold(f"An amount has more than the {_DIGITS} digits that camt.053 allows.")
        heading = self._heading
        return f'<Amt Ccy="{heading.currency}">{heading.decimal(abs(minor))}</Amt><CdtDbtInd>{_side(minor)}</CdtDbtInd>'


def _side(minor: int) -> str:
    return "DBIT" if minor < 0 else "CRDT"


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"


def _text(name: str, text: str | None, most: int) -> str:
    """An element with a user's text, at most so long. None for a text that is empty."""
    cut = _FOREIGN.sub("\ufffd", text)[:most] if text else ""
    return f"<{name}>{escape(cut)}</{name}>" if cut else ""
