"""The legs of each kind of request, the wallets that it may use, and the input field behind each leg. Pure functions.

A transfer, deposit or capture has two legs, the sender's debit and the receiver's credit. Two more follow if a fee is charged. A
posting has the legs that it names. A conversion has those of its quote: the two sides, the FX wallets of both currencies, spread,
residue and fee. A reversal has those of the transaction that it reverses, backwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from app.records import EntryPurpose, FeePayer, HoldEventKind, ReversedAmount, TransactionType, Wallet, WalletKind
from app.services.fees import Charge
from app.services.fx import part_given_back
from app.services.requests import Conversion, HoldAction, Leg, Request, Reversal


def legs_of(request: Request, charge: Charge | None = None) -> Sequence[Leg]:
    """The legs to post, in order. The order decides which debit lacks funds and the sequences of a wallet's entries."""
    if request.type is TransactionType.POSTING:
        return request.legs
    assert request.sender_wallet_id is not None
    assert request.receiver_wallet_id is not None
    if request.conversion is not None:
        return _legs_of_conversion(request.sender_wallet_id, request.receiver_wallet_id, request.conversion)
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


def _legs_of_conversion(sender_id: UUID, receiver_id: UUID, conversion: Conversion) -> Sequence[Leg]:
    quote = conversion.quote
    sold, bought = quote.source_currency, quote.target_currency
    legs = [
        Leg(sender_id, -quote.source_amount, sold),
        Leg(receiver_id, quote.target_amount, bought),
        Leg(conversion.position, quote.source_amount - quote.spread, sold, EntryPurpose.FX),
        Leg(conversion.target_position, -quote.target_amount - quote.residue, bought, EntryPurpose.FX),
    ]
    if conversion.spread_wallet is not None:
        legs.append(Leg(conversion.spread_wallet, quote.spread, sold, EntryPurpose.SPREAD))
    if conversion.residue_wallet is not None:
        legs.append(Leg(conversion.residue_wallet, quote.residue, bought, EntryPurpose.RESIDUE))
    if conversion.fee_wallet is not None and quote.fee is not None:
        legs.append(Leg(sender_id, -quote.fee, sold, EntryPurpose.FEE))
        legs.append(Leg(conversion.fee_wallet, quote.fee, sold, EntryPurpose.FEE))
    return legs


def legs_of_converted_reversal(reversal: Reversal, amount: int, fee_given_back: int, state: ReversedAmount) -> Sequence[Leg]:
    """The legs of a conversion backwards, in part: `amount` of what was sold, after what has gone back before.

    What was bought is rounded up over all parts so far, spread and residue are rounded down; the FX wallets make up the rest.
    """

    def part(leg: Leg, *, rounds_up: bool = False) -> int:
        return part_given_back(leg.amount, state.reversed, amount, reversal.original_amount, rounds_up=rounds_up)

    _, bought, _, _, *further = reversal.conversion_legs
    target_back = part(bought, rounds_up=True)
    spread_back = sum(part(leg) for leg in further if leg.purpose is EntryPurpose.SPREAD)
    residue_back = sum(part(leg) for leg in further if leg.purpose is EntryPurpose.RESIDUE)
    amounts = {
        EntryPurpose.FEE: (fee_given_back, fee_given_back),
        EntryPurpose.PRINCIPAL: (amount, target_back),
        EntryPurpose.FX: (target_back + residue_back, amount - spread_back),
        EntryPurpose.SPREAD: (0, spread_back),
        EntryPurpose.RESIDUE: (0, residue_back),
    }
    """By purpose: what goes back of a debit and of a credit."""
    back = []
    for wallet_id, original, currency, purpose in reversed(reversal.conversion_legs):
        given = amounts[purpose][original > 0]
        if given:
            back.append(Leg(wallet_id, -given if original > 0 else given, currency, purpose))
    return back


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
    if request.type in (TransactionType.TRANSFER, TransactionType.CONVERSION):
        is_usable = sender is not None and sender.owner_id == request.initiator_id
    else:
        is_usable = sender is not None and sender.kind is WalletKind.SYSTEM
    if not is_usable:
        return _sender_field(request)
    is_others = _is_own_conversion(request) and receiver is not None and receiver.owner_id != request.initiator_id
    if receiver is None or receiver.kind is not WalletKind.USER or is_others:
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
        return amount_field(request, leg)
    return _sender_field(request) if leg == 0 else _receiver_field(request)


def currency_field(request: Request, leg: int) -> str:
    """The input field at fault if the leg's wallet has another currency."""
    if request.type is TransactionType.POSTING or leg == 0:
        return amount_field(request, leg)
    return _receiver_field(request)


def amount_field(request: Request, leg: int) -> str:
    """The input field that says the leg's amount."""
    if request.hold is not None and request.hold.kind is HoldEventKind.EXTENDED:
        return "by"
    if _is_own_conversion(request):
        return "quoteId"
    return f"legs.{leg}.amount" if request.type is TransactionType.POSTING else "amount"


def _is_own_conversion(request: Request) -> bool:
    """Whether it came from `convert`, whose input has other fields than that of `transfer`."""
    return request.conversion is not None and not request.conversion.is_payment


def _sender_field(request: Request) -> str:
    return "sourceWalletId" if _is_own_conversion(request) else "senderWalletId"


def _receiver_field(request: Request) -> str:
    if _is_own_conversion(request):
        return "targetWalletId"
    return "walletId" if request.type is TransactionType.DEPOSIT else "receiverWalletId"
