"""Who may see or do what: every resolver, loader, subscription and route asks here, and nothing else decides.

A token says who somebody is (its role) and what it was issued for (its scopes); together they make the viewer's rights.
What a viewer may not see looks like what does not exist. What a viewer may not do, whatever it is done to, is FORBIDDEN.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from app.access.viewer import NO_RIGHTS, Right, Role, Viewer
from app.errors import Forbidden
from app.records import Transaction, Wallet

_OF_ROLE = {
    Role.USER: frozenset({Right.SEE_OWN, Right.TRANSFER, Right.OPEN_WALLET}),
    Role.SUPPORT: frozenset({Right.SEE_OWN, Right.SEE_ALL}),
    Role.ADMIN: frozenset(Right),
}

ADMIN_SCOPE = "admin"
OF_SCOPE = {
    "wallets:read": frozenset({Right.SEE_OWN, Right.SEE_ALL}),
    "wallets:write": frozenset({Right.OPEN_WALLET}),
    "transfers:write": frozenset({Right.TRANSFER}),
    ADMIN_SCOPE: frozenset(Right),
}
"""The rights that each scope lets a token use, as far as its role has them. Scopes that are not here give nothing."""

_REFUSALS = {
    Right.SEE_OWN: "This needs the scope wallets:read.",
    Right.TRANSFER: "This needs the scope transfers:write, and a role that may do more than read.",
    Right.OPEN_WALLET: "This needs the scope wallets:write, and a role that may do more than read.",
}
"""For the rest: administrators only."""


def rights_of(role: Role | None, scopes: Iterable[str] | None) -> frozenset[Right]:
    """What a token lets its bearer do.

    `scopes` is None for a token without any, which its role alone limits. A token without a role is a user's; with the
    scope `admin` it is an administrator's: a service account has scopes only.
    """
    if scopes is None:
        return _OF_ROLE[role or Role.USER]
    named = set(scopes)
    chosen = role or (Role.ADMIN if ADMIN_SCOPE in named else Role.USER)
    return _OF_ROLE[chosen] & NO_RIGHTS.union(*(OF_SCOPE.get(scope, NO_RIGHTS) for scope in named))


def require(viewer: Viewer, right: Right) -> None:
    """Raises Forbidden where the viewer has not the right. Says nothing of any object."""
    if right not in viewer.rights:
        raise Forbidden(_REFUSALS.get(right))


def require_view(viewer: Viewer) -> None:
    """Raises Forbidden where the viewer may see nothing at all."""
    require(viewer, Right.SEE_OWN)


def may_view(viewer: Viewer) -> bool:
    """Whether the viewer may see anything."""
    return Right.SEE_OWN in viewer.rights


def only_own(viewer: Viewer) -> UUID | None:
    """The user whose things alone are shown; None for those who see all. Only for viewers who may see anything."""
    assert may_view(viewer)
    return None if Right.SEE_ALL in viewer.rights else viewer.user_id


def sees_all(viewer: Viewer) -> bool:
    """Whether everybody's things are shown."""
    return Right.SEE_ALL in viewer.rights


def may_load_user(viewer: Viewer, user_id: UUID) -> bool:
    """Oneself; and everybody for those who see all."""
    return viewer.user_id == user_id or sees_all(viewer)


def may_load_wallet(viewer: Viewer, wallet: Wallet) -> bool:
    """Its owner, and those who see all. For watches too, at their start and at every update."""
    return may_load_wallets_of(viewer, wallet.owner_id)


def may_load_wallets_of(viewer: Viewer, owner_id: UUID | None) -> bool:
    """The wallets of this owner; None is the system, whose wallets only those see who see all."""
    return sees_all(viewer) or (may_view(viewer) and viewer.user_id == owner_id)


def may_know_key(viewer: Viewer, transaction: Transaction) -> bool:
    """An idempotency key is shown to whoever sent it, and to nobody else."""
    return transaction.initiator_id == viewer.user_id


def require_view_or_transfer(viewer: Viewer) -> None:
    """What a sender needs to know, though they may see nothing else: whom they pay, what became of their key.

    Raises Forbidden for those who may neither see nor send.
    """
    if Right.TRANSFER not in viewer.rights:
        require_view(viewer)
