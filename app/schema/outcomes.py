"""What a mutation came to stands, whatever part of its answer is missing: errors below it must not say that nothing moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app import ids
from app.errors import AnswerIncomplete, RequestTimeout, Unavailable
from app.services.transfers import BatchResult, TransferResult
from app.services.wallets import WalletResult

Outcome = TransferResult | BatchResult | WalletResult

OUTCOME_FIELDS = frozenset({
    ("TransferPayload", "transaction"),
    ("DepositPayload", "transaction"),
    ("OpenWalletPayload", "wallet"),
    ("SetWalletStatusPayload", "wallet"),
})  # fmt: skip
"""Null in such a field means a refusal. If it cannot be read, its payload is null instead."""
_OF_THE_OUTCOME = (Unavailable.code, RequestTimeout.code)
"""Their messages are about the outcome of the whole, not about one part."""


def incomplete(message: str, extensions: Mapping[str, object], outcome: Outcome, path: Sequence[str | int]) -> AnswerIncomplete:
    """The error of a part of a mutation's answer, at this path: it says what stands, and what became of the part."""
    found = _member(outcome, path)
    facts: dict[str, object] = {}
    stands = "What this mutation did stands."
    if isinstance(found, TransferResult) and found.transaction is not None:
        status = found.transaction.status.value
        facts = {"transactionId": ids.encode("txn", found.transaction.id), "transactionStatus": status}
        stands = f"The transaction is recorded and stands as {status}."
    elif isinstance(found, WalletResult) and found.wallet is not None:
        facts = {"walletId": ids.encode("wal", found.wallet.id)}
        stands = "The wallet stands as this mutation left it."
    elif found.refusals:
        stands = "The mutation was refused, and the refusal stands."
    why = "" if extensions.get("code") in _OF_THE_OUTCOME else f" {message}"
    facts = {**extensions, "reason": extensions.get("code"), **facts}
    return AnswerIncomplete(f"{stands} Only this part of the answer is missing.{why}", facts)


def _member(outcome: Outcome, path: Sequence[str | int]) -> Outcome:
    """Of a batch the member that the path leads to, if to one."""
    if isinstance(outcome, BatchResult) and len(path) > 2:
        position = path[2]
        if isinstance(position, int) and position < len(outcome.results):
            return outcome.results[position]
    return outcome
