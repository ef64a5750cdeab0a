"""The errors of a mutation that has an outcome. The outcome is final: such an error must not say that nothing moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app import ids
from app.errors import AnswerIncomplete, RequestTimeout, Unavailable
from app.services.fee_schedules import PublishResult
from app.services.fx_quotes import QuoteResult
from app.services.fx_rates import RateResult
from app.services.holds import HoldResult
from app.services.statements.creating import StatementResult
from app.services.transfers import BatchResult, TransferResult
from app.services.wallets import WalletResult
from app.services.webhooks.endpoints import EndpointResult

Outcome = (
    TransferResult
    | BatchResult
    | WalletResult
    | PublishResult
    | HoldResult
    | QuoteResult
    | RateResult
    | EndpointResult
    | StatementResult
)

OUTCOME_FIELDS = frozenset({
    ("TransferPayload", "transaction"),
    ("DepositPayload", "transaction"),
    ("PostTransactionPayload", "transaction"),
    ("ReversalPayload", "transaction"),
    ("HoldPayload", "transaction"),
    ("HoldPayload", "hold"),
    ("OpenSystemWalletPayload", "wallet"),
    ("OpenWalletPayload", "wallet"),
    ("SetWalletStatusPayload", "wallet"),
    ("FeeSchedulePayload", "feeSchedule"),
    ("FxQuotePayload", "quote"),
    ("FxRatePayload", "rate"),
    ("ConvertPayload", "transaction"),
    ("WebhookEndpointPayload", "endpoint"),
    ("StatementPayload", "statement"),
})  # fmt: skip
"""Null in one of these fields means a refusal. If the field cannot be read, the whole payload is null instead."""
_ABOUT_THE_OUTCOME = (Unavailable.code, RequestTimeout.code)
"""The messages of these codes are about the outcome of the operation, so they would be wrong about one part of its answer."""


def incomplete(message: str, extensions: Mapping[str, object], outcome: Outcome, path: Sequence[str | int]) -> AnswerIncomplete:
    """Return the error for the missing part of a mutation's answer at this path. It names the outcome and the part's error."""
    found = _member(outcome, path)
    facts: dict[str, object] = {}
    state = "The outcome of this mutation is final."
    if isinstance(found, TransferResult) and found.transaction is not None:
        status = found.transaction.status.value
        facts = {"transactionId": ids.encode("txn", found.transaction.id), "transactionStatus": status}
        state = f"The transaction is recorded as {status}."
    elif isinstance(found, WalletResult) and found.wallet is not None:
        facts = {"walletId": ids.encode("wal", found.wallet.id)}
        state = "The change to the wallet is recorded."
    elif isinstance(found, PublishResult) and found.schedule is not None:
        facts = {"feeScheduleId": ids.encode("fee", found.schedule.id)}
        state = "The fee schedule is published."
    elif (made := _made(found)) is not None:
        state, facts = made
    elif isinstance(found, HoldResult) and found.hold is not None and not found.result.refusals:
        facts = {"holdId": ids.encode("hld", found.hold.id), "holdStatus": found.hold.status.value}
        if found.result.transaction is not None:
            facts["transactionId"] = ids.encode("txn", found.result.transaction.id)
        state = "The change to the hold is recorded."
    elif not isinstance(found, HoldResult) and found.refusals:
        state = "The mutation was refused, and the refusal is final."
    why = "" if extensions.get("code") in _ABOUT_THE_OUTCOME else f" {message}"
    facts = {**extensions, "reason": extensions.get("code"), **facts}
    return AnswerIncomplete(f"{state} Only this part of the answer is missing.{why}", facts)


def _made(found: Outcome) -> tuple[str, dict[str, object]] | None:
    """What a mutation that moves no money has made, and its id. None for others, and for a refusal."""
    if isinstance(found, QuoteResult) and found.quote is not None:
        return "The quote is made.", {"quoteId": ids.encode("fxq", found.quote.id)}
    if isinstance(found, RateResult) and found.rate is not None:
        return "The rate is set.", {}
    if isinstance(found, EndpointResult) and found.endpoint is not None:
        return "The change to the webhook endpoint is recorded.", {"webhookEndpointId": ids.encode("whe", found.endpoint.id)}
    if isinstance(found, StatementResult) and found.statement is not None:
        return "The statement is recorded.", {"statementId": ids.encode("stm", found.statement.id)}
    return None


def _member(outcome: Outcome, path: Sequence[str | int]) -> Outcome:
    """The batch member that the path leads to; otherwise the outcome itself."""
    if isinstance(outcome, BatchResult) and len(path) > 2:
        position = path[2]
        if isinstance(position, int) and position < len(outcome.results):
            return outcome.results[position]
    return outcome
