"""A wallet's transactions as the tests read them: in both ways, alone and with the wallet."""

from __future__ import annotations

from app.access.viewer import Viewer
from app.db.statements import Reader
from app.paging.pages import Page, PageRequest, TransactionFilter
from app.records import Transaction, Wallet
from app.services import reading


async def transactions_of(
    database: Reader, viewer: Viewer, wallet: Wallet, request: PageRequest, narrowed: TransactionFilter
) -> Page[Transaction]:
    """A page of the wallet's transactions. Both ways must return the same, with parties and without."""
    alone = await reading.transactions_of(database, viewer, wallet, request, narrowed)
    for with_parties in (False, True):
        one = await reading.transactions_of(database, viewer, wallet, request, narrowed, with_parties=with_parties)
        found = await reading.wallet_and_transactions(database, viewer, wallet.id, request, narrowed, with_parties=with_parties)
        assert found is not None
        assert found[0].id == wallet.id
        assert found[1] == one
        assert one.page == alone.page
        named = {wallet_id for each in one.page.items for wallet_id in (each.sender_wallet_id, each.receiver_wallet_id)}
        assert named - {None} == set(one.parties) or not with_parties
    return alone.page
