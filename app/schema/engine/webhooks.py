"""Checks an endpoint's document when it is stored, as the operation of the viewer that it will be."""

from __future__ import annotations

from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLSchema, get_argument_values, get_variable_values
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types.graphql import OperationType

from app import ids
from app.errors import RequestError
from app.records import WebhookSource
from app.schema.context import Context
from app.schema.engine.documents import DocumentCache, KnownDocument
from app.schema.engine.persisted import operations_of
from app.schema.engine.requests import check_variables
from app.services.webhooks.endpoints import MAX_DOCUMENT, MAX_VARIABLES_BYTES, BadDocument, Subject
from app.settings import Settings

_SOURCES = {
    "walletUpdated": WebhookSource.WALLET,
    "transactionSettled": WebhookSource.SETTLED,
    "holdUpdated": WebhookSource.HOLD,
}


class WebhookDocuments:
    """The check, with the schema and its cache of documents."""

    def __init__(self, schema: GraphQLSchema, documents: DocumentCache, settings: Settings) -> None:
        self._schema = schema
        self._documents = documents
        self._most_points = min(settings.max_query_cost, settings.max_subscription_cost)

    async def subject(self, document: str, variables: dict[str, Any] | None, context: Context) -> Subject:
        """What the document subscribes to. Raises BadDocument, and RateLimited if the viewer's budget is used up."""
        if not 0 < len(document) <= MAX_DOCUMENT:
            raise BadDocument(f"A document has 1 to {MAX_DOCUMENT} characters.")
        try:
            known = self._documents.prepare(document, context)
        except CannotGetOperationTypeError:
            raise BadDocument("The document has no operation.") from None
        if isinstance(known, list):
            raise _refusal(known[0])
        given = variables or {}
        self._check_operation(known, given)
        field = self._root_field(known)
        arguments = self._arguments(known, field, given)
        source = _SOURCES[field.name.value]
        if source is WebhookSource.SETTLED:
            return Subject(source, None, 0)
        return await _subject_of_one(source, arguments, context)

    def _check_operation(self, known: KnownDocument, variables: dict[str, Any]) -> None:
        if len(operations_of(known.document)) != 1:
            raise BadDocument("The document must have exactly one operation.")
        operation = known.operation(None)
        if operation.type is not OperationType.SUBSCRIPTION:
            raise BadDocument("The document must be a subscription.")
        try:
            check_variables(variables, MAX_VARIABLES_BYTES)
        except RequestError as error:
            raise BadDocument(str(error)) from None
        cost = operation.cost.of(variables)
        if cost > self._most_points:
            raise BadDocument(f"Each event would cost up to {cost} points; {self._most_points} is the limit.")

    def _root_field(self, known: KnownDocument) -> FieldNode:
        (operation,) = operations_of(known.document)
        (root,) = operation.selection_set.selections[:1]
        if not isinstance(root, FieldNode) or root.name.value not in _SOURCES or root.directives:
            raise BadDocument(f"The subscription must select one of {', '.join(_SOURCES)}, directly and without directives.")
        return root

    def _arguments(self, known: KnownDocument, field: FieldNode, given: dict[str, Any]) -> dict[str, Any]:
        (operation,) = operations_of(known.document)
        unknown = given.keys() - known.operation(None).variables
        if unknown:
            raise BadDocument("The document does not declare all of these variables.")
        values = get_variable_values(self._schema, operation.variable_definitions or (), given)
        if isinstance(values, list):
            raise _refusal(values[0])
        root_type = self._schema.subscription_type
        assert root_type is not None
        arguments: dict[str, Any] = get_argument_values(root_type.fields[field.name.value], field, values)
        if arguments.get("after") is not None:
            raise BadDocument("The document must not have `after`: replayWebhooks delivers what was before.")
        return arguments


async def _subject_of_one(source: WebhookSource, arguments: dict[str, Any], context: Context) -> Subject:
    """The wallet or hold, which the viewer must see now. Each delivery asks again."""
    if source is WebhookSource.WALLET:
        wallet_id = ids.decode("wal", arguments["walletId"])
        wallet = None if wallet_id is None else await context.loaders.wallets.load(wallet_id)
        if wallet is None:
            raise BadDocument("The wallet does not exist, or you may not see it.")
        return Subject(source, wallet.id, wallet.sequence)
    hold_id = ids.decode("hld", arguments["holdId"])
    hold = None if hold_id is None else await context.loaders.holds.load(hold_id)
    if hold is None:
        raise BadDocument("The hold does not exist, or you may not see it.")
    return Subject(source, hold.id, hold.events)


def _refusal(error: GraphQLError) -> Exception:
    """RATE_LIMITED and the like stay what they are; anything else is about the document."""
    if isinstance(error.original_error, RequestError):
        return error.original_error
    return BadDocument(error.message)
