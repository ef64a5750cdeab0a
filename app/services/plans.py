"""The legs of each kind of request, the wallets that it may use, and the input field behind each leg. Pure functions.

A transfer, deposit or capture has two legs, the sender's debit and the receiver's credit. Two more follow if a fee is charged. A
posting has the legs that it names. A reversal has those of the transaction that it reverses, backwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from app.records import EntryPurpose, FeePayer, HoldEventKind, TransactionType, Wallet, WalletKind
from app.services.fees import Charge
from app.services.requests import HoldAction, Leg, Request


def legs_of(request: Request, charge: Charge | None = None) -> Sequence[Leg]:
    """The legs to post, in order. The order decides which debit lacks funds and the sequences of a wallet's entries."""
    if request.type is TransactionType.POSTING:
        return request.legs
    assert request.sender_wallet_id is not None
    assert request.receiver_wallet_id is not None
    sides = (
        Leg(request.sender_wallet_id, -request.amount, request.currency),
        Leg(request.receiver_wallet_id, request.amount, request.currency),
    )
    if charge is None:
        return sides
    payer = request.sender_wallet_id if charge.schedule.payer is FeePayer.SENDER else request.receiver_wallet_id
    return (
        *sides,
        Leg(payer, -charge.amount, request.currency, EntryPurpose.FEE),
        Leg(charge.fee_wallet_id, charge.amount, request.currency, EntryPurpose.FEE),
    )


def legs_of_reversal(request: Request, fee_given_back: int) -> Sequence[Leg]:
    """The legs of a transfer or deposit backwards: first the fee, so that one who was paid less a fee need not find it again."""
    sides = legs_of(request)
    assert request.reversal is not None
    if not fee_given_back or request.reversal.fee_legs is None:
        return sides
    payer, fee_wallet = request.reversal.fee_legs
    return (
        Leg(fee_wallet, -fee_given_back, request.currency, EntryPurpose.FEE),
        Leg(payer, fee_given_back, request.currency, EntryPurpose.FEE),
        *sides,
    )


def unusable_wallet(request: Request, wallets: Mapping[UUID, Wallet]) -> str | None:
    """The field of the first wallet that does not exist or that the requester may not use, or None."""
    if request.type is TransactionType.POSTING:
        return _missing_leg(request, wallets) or _unusable_condition(request, wallets)
    if request.hold is not None:
        return _unusable_for_hold(request, request.hold, wallets)
    if request.type is TransactionType.REVERSAL:
        # Who may reverse the transaction was decided with the input, by facts that never change.
        return None if all(wallet_id in wallets for wallet_id in request.wallet_ids) else "transactionId"
    assert request.sender_wallet_id is not None
    assert request.receiver_wallet_id is not None
    sender, receiver = wallets.get(request.sender_wallet_id), wallets.get(request.receiver_wallet_id)
    if request.type is TransactionType.TRANSFER:
        is_usable = sender is not None and sender.owner_id == request.initiator_id
    else:
        is_usable = sender is not None and sender.kind is WalletKind.SYSTEM
    if not is_usable:
        return "senderWalletId"
    if receiver is None or receiver.kind is not WalletKind.USER:
        return _receiver_field(request)
    return _unusable_condition(request, wallets) if request.conditions else None


def _unusable_for_hold(request: Request, action: HoldAction, wallets: Mapping[UUID, Wallet]) -> str | None:
    """Who may use an existing hold was decided with the input, by facts that never change."""
    assert request.sender_wallet_id is not None
    sender = wallets.get(request.sender_wallet_id)
    if sender is None or sender.kind is not WalletKind.USER:
        return wallet_field(request, 0)
    if action.hold_id is None and not action.by_right and sender.owner_id != request.initiator_id:
        return wallet_field(request, 0)
    if request.receiver_wallet_id is None:
        return None
    receiver = wallets.get(request.receiver_wallet_id)
    return "receiverWalletId" if receiver is None or receiver.kind is not WalletKind.USER else None


def _missing_leg(request: Request, wallets: Mapping[UUID, Wallet]) -> str | None:
    for index, leg in enumerate(request.legs):
        if leg.wallet_id not in wallets:
            return wallet_field(request, index)
    return None


def _unusable_condition(request: Request, wallets: Mapping[UUID, Wallet]) -> str | None:
    """A user's conditions may only name their own wallets: they would reveal the balances of others."""
    for index, condition in enumerate(request.conditions):
        wallet = wallets.get(condition.wallet_id)
        is_own = request.type is TransactionType.POSTING or (wallet is not None and wallet.owner_id == request.initiator_id)
        if wallet is None or not is_own:
            return f"conditions.{index}.{condition.kind.value}.walletId"
    return None


def wallet_field(request: Request, leg: int) -> str:
    """The input field, dotted, that names the leg's wallet."""
    if request.type is TransactionType.POSTING:
        return f"legs.{leg}.walletId"
    if request.type is TransactionType.REVERSAL:
        return "transactionId"
    if request.hold is not None:
        if leg == 1 and request.hold.names_receiver:
            return "receiverWalletId"
        return "walletId" if request.hold.hold_id is None else "holdId"
    if leg > 1:
        return "amount"
    return "senderWalletId" if leg == 0 else _receiver_field(request)


def currency_field(request: Request, leg: int) -> str:
    """The input field at fault if the leg's wallet has another currency."""
    if request.type is TransactionType.POSTING or leg == 0:
        return amount_field(request, leg)
    return _receiver_field(request)


def amount_field(request: Request, leg: int) -> str:
    """The input field that says the leg's amount."""
    if request.hold is not None and request.hold.kind is HoldEventKind.EXTENDED:
        return "by"
    return f"legs.{leg}.amount" if request.type is TransactionType.POSTING else "amount"


def _receiver_field(request: Request) -> str:
    return "walletId" if request.type is TransactionType.DEPOSIT else "receiverWalletId"
