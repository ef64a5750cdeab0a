"""The access policy: every resolver, loader, subscription and route calls it, and no other code decides on access.

A token has a role (who the caller is) and scopes (what the token was issued for). Together they make the viewer's rights. An
object that the viewer may not see is reported as if it did not exist. An action that the viewer may not do is FORBIDDEN,
whatever its object.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from app.access.viewer import NO_RIGHTS, Right, Role, Viewer
from app.errors import Forbidden
from app.records import Transaction, TransactionType, Wallet

_RIGHTS_OF_ROLE = {
    Role.USER: frozenset({Right.SEE_OWN, Right.TRANSFER, Right.OPEN_WALLET, Right.USE_WEBHOOKS}),
    Role.SERVICE: frozenset({Right.SEE_OWN, Right.TRANSFER, Right.OPEN_WALLET, Right.POST, Right.USE_WEBHOOKS}),
    Role.SUPPORT: frozenset({Right.SEE_OWN, Right.SEE_ALL}),
    Role.ADMIN: frozenset(Right),
}

ADMIN_SCOPE = "admin"
POSTINGS_SCOPE = "postings:write"
RIGHTS_OF_SCOPE = {
    "wallets:read": frozenset({Right.SEE_OWN, Right.SEE_ALL}),
    "wallets:write": frozenset({Right.OPEN_WALLET}),
    "transfers:write": frozenset({Right.TRANSFER}),
    POSTINGS_SCOPE: frozenset({Right.POST}),
    "webhooks:write": frozenset({Right.USE_WEBHOOKS}),
    ADMIN_SCOPE: frozenset(Right),
}
"""The rights that a scope lets a token use, if its role has them. Unknown scopes give no rights."""

_IMPLIED_ROLES = {ADMIN_SCOPE: Role.ADMIN, POSTINGS_SCOPE: Role.SERVICE}
"""The role of a token that has the scope and names no role. The first one counts."""

_REFUSALS = {
    Right.SEE_OWN: "This needs the scope wallets:read.",
    Right.TRANSFER: "This needs the scope transfers:write and a role that is not read-only.",
    Right.OPEN_WALLET: "This needs the scope wallets:write and a role that is not read-only.",
    Right.USE_WEBHOOKS: "This needs the scope webhooks:write and a role that is not read-only.",
    Right.POST: "This needs the scope postings:write: it is for administrators and service accounts.",
}
"""All other rights are refused with Forbidden's default message: administrators only."""


_GIVEN_BACK_BY_RECEIVERS = (TransactionType.TRANSFER, TransactionType.CAPTURE, TransactionType.CONVERSION)


def rights_of(role: Role | None, scopes: Iterable[str] | None) -> frozenset[Right]:
    """Returns the rights of a token.

    `scopes` is None if the token has no scope claim: then only its role limits it. A token without a role is a user's, unless a
    scope makes it an administrator's (`admin`) or a service's (`postings:write`), because service accounts have scopes only.
    """
    if scopes is None:
        return _RIGHTS_OF_ROLE[role or Role.USER]
    named = set(scopes)
    chosen = role or next((implied for scope, implied in _IMPLIED_ROLES.items() if scope in named), Role.USER)
    return _RIGHTS_OF_ROLE[chosen] & NO_RIGHTS.union(*(RIGHTS_OF_SCOPE.get(scope, NO_RIGHTS) for scope in named))


def require(viewer: Viewer, right: Right) -> None:
    """Raises Forbidden if the viewer lacks the right. The error says nothing about any object."""
    if right not in viewer.rights:
        raise Forbidden(_REFUSALS.get(right))


def require_webhooks(viewer: Viewer) -> None:
    """Raises Forbidden if the viewer may not have events delivered, which is also a way of seeing them."""
    require(viewer, Right.USE_WEBHOOKS)
    require(viewer, Right.SEE_OWN)


def role_sees_all(role: Role | None, scopes: Iterable[str] | None) -> bool | None:
    """Whether the user behind a token may see everything, whatever this token is for. None: the token does not say it."""
    if role is not None or scopes is None:
        return Right.SEE_ALL in _RIGHTS_OF_ROLE[role or Role.USER]
    return True if Right.SEE_ALL in rights_of(role, scopes) else None


def may_use_endpoint(viewer: Viewer, *, sees_all: bool) -> bool:
    """Whether the owner of an endpoint may still see and enable what it is sent."""
    return not sees_all or Right.SEE_ALL in viewer.rights


def rights_of_endpoint(*, sees_all: bool) -> frozenset[Right]:
    """Returns the rights with which an endpoint's document is answered: to see, and nothing else."""
    return frozenset({Right.SEE_OWN, Right.SEE_ALL}) if sees_all else frozenset({Right.SEE_OWN})


def may_reverse(viewer: Viewer, transaction: Transaction, sender_owner_id: UUID | None, receiver_owner_id: UUID | None) -> bool:
    """The owner of the wallet that a transfer or capture paid may give it back. Other reversals require REVERSE_ANY.

    So does the reversal of a conversion between one's own wallets: anyone who could take it back at the old rate once the rate
    has moved would exchange without a risk.
    """
    if Right.REVERSE_ANY in viewer.rights:
        return True
    if transaction.type is TransactionType.CONVERSION and sender_owner_id == receiver_owner_id:
        return False
    return transaction.type in _GIVEN_BACK_BY_RECEIVERS and receiver_owner_id == viewer.user_id


def may_use_hold(viewer: Viewer, parties: Iterable[UUID | None]) -> bool:
    """Whether the viewer is one of the parties of a hold. With POST, any hold may be used."""
    return Right.POST in viewer.rights or viewer.user_id in parties


def may_see_hold(viewer: Viewer, parties: Iterable[UUID | None]) -> bool:
    """Whether the viewer is one of the parties of a hold, or has SEE_ALL."""
    return sees_all(viewer) or (may_view(viewer) and viewer.user_id in parties)


def require_holds(viewer: Viewer) -> None:
    """Raises Forbidden if the viewer may neither transfer nor post: then no hold is theirs to act on."""
    if Right.POST not in viewer.rights:
        require(viewer, Right.TRANSFER)


def require_hold_action(viewer: Viewer, owner_id: UUID | None) -> None:
    """Raises Forbidden unless the viewer is the side that decides it. With POST, any hold may be acted on."""
    if viewer.user_id != owner_id and Right.POST not in viewer.rights:
        raise Forbidden("This is for the other side of the hold, or for a service account.")


def require_view(viewer: Viewer) -> None:
    """Raises Forbidden if the viewer may not see anything."""
    require(viewer, Right.SEE_OWN)


def may_view(viewer: Viewer) -> bool:
    return Right.SEE_OWN in viewer.rights


def only_own(viewer: Viewer) -> UUID | None:
    """Returns the only user whose objects the viewer sees, or None if the viewer sees all. The viewer must have SEE_OWN."""
    assert may_view(viewer)
    return None if Right.SEE_ALL in viewer.rights else viewer.user_id


def sees_all(viewer: Viewer) -> bool:
    return Right.SEE_ALL in viewer.rights


def may_load_user(viewer: Viewer, user_id: UUID) -> bool:
    """Viewers may load themselves. Loading others requires SEE_ALL."""
    return viewer.user_id == user_id or sees_all(viewer)


def may_load_wallet(viewer: Viewer, wallet: Wallet) -> bool:
    """Whether the viewer owns the wallet or has SEE_ALL. Live updates check it at their start and at every update."""
    return may_load_wallets_of(viewer, wallet.owner_id)


def may_load_wallets_of(viewer: Viewer, owner_id: UUID | None) -> bool:
    """Whether the viewer may load this owner's wallets. None means the system, whose wallets require SEE_ALL."""
    return sees_all(viewer) or (may_view(viewer) and viewer.user_id == owner_id)


def may_know_key(viewer: Viewer, transaction: Transaction) -> bool:
    """An idempotency key is shown only to the user who sent it."""
    return transaction.initiator_id == viewer.user_id


def require_view_or_transfer(viewer: Viewer) -> None:
    """Guards what a sender needs even without the right to see: who the receiver is, and the outcome of a key.

    Raises Forbidden if the viewer may neither see nor send.
    """
    if Right.TRANSFER not in viewer.rights:
        require_view(viewer)
