"""A wallet and a page of its transactions: most documents that ask for the one ask for the other, so both are read at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from graphql.execution.values import VariableValues, get_argument_values

from app.errors import BadUserInput
from app.paging.pages import PageRequest, TransactionFilter
from app.schema.connections import page_request
from app.schema.context import Info
from app.schema.selections import only_child, selects

if TYPE_CHECKING:
    from graphql import GraphQLObjectType

PARTIES = frozenset({"sender", "receiver"})
ANY_TRANSACTION = TransactionFilter()
_ARGUMENTS = ("first", "after", "last", "before")


@dataclass(frozen=True, slots=True)
class AskedPage:
    """What a selection of a wallet asks of its transactions."""

    page: PageRequest
    with_parties: bool


def asked_page(info: Info) -> AskedPage | None:
    """The page of transactions that the selection of the current field, a wallet, asks for.

    None if it asks for none, for several, or for one that is filtered. These are read by the resolver of `transactions`.
    """
    node = only_child(info, "transactions")
    if node is None:
        return None
    wallet = cast("GraphQLObjectType", info._raw_info.return_type)  # noqa: SLF001 - Strawberry's is of Python
    given = get_argument_values(wallet.fields["transactions"], node, VariableValues({}, info.variable_values))
    if given.get("filter") is not None:
        return None
    try:
        page = page_request(*[given.get(name) for name in _ARGUMENTS])
    except BadUserInput:
        return None
    return AskedPage(page, selects(node, info, PARTIES))
