"""Reads holds that a viewer may see: those on their money, in their favour, or placed by them."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from app.access import policy
from app.access.viewer import Viewer
from app.db import hold_sql
from app.db.statements import Reader
from app.paging.pages import Page, PageRequest
from app.records import Hold, HoldStatus, Transaction, Wallet
from app.services.reading import empty_page, id_position, page_of, page_window


async def load_holds(database: Reader, viewer: Viewer, hold_ids: Collection[UUID]) -> dict[UUID, Hold]:
    """Holds by id, only those that the viewer may see."""
    if not policy.may_view(viewer):
        return {}
    return {hold.id: hold for hold in await hold_sql.holds_by_id(database, hold_ids, policy.only_own(viewer))}


async def load_keys(database: Reader, hold_ids: Collection[UUID]) -> dict[UUID, str]:
    """The idempotency keys under which holds were placed. Does not check the viewer."""
    return await hold_sql.placing_keys(database, hold_ids)


async def holds_of(
    database: Reader, viewer: Viewer, wallet: Wallet, page: PageRequest, status: HoldStatus | None, *, incoming: bool
) -> Page[Hold]:
    """The holds on a wallet's money, or those in its favour, newest first. Empty if the viewer may not load the wallet."""
    if not policy.may_load_wallet(viewer, wallet):
        return empty_page()
    scope = f"holds {'for' if incoming else 'of'} {wallet.id} {status or ''}"
    window = page_window(page, scope)
    found = await hold_sql.list_holds(database, wallet.id, status, window, incoming=incoming)
    return page_of(found, page, scope, id_position)


async def captures_of(database: Reader, viewer: Viewer, hold: Hold, page: PageRequest) -> Page[Transaction]:
    """The captures of a hold that the viewer may see, newest first."""
    if not policy.may_view(viewer):
        return empty_page()
    scope = f"captures of {hold.id}"
    window = page_window(page, scope)
    found = await hold_sql.list_captures(database, hold.id, policy.only_own(viewer), window)
    return page_of(found, page, scope, id_position)
