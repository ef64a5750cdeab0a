"""The schema, put together."""

from __future__ import annotations

from graphql import GraphQLError
from strawberry import Schema
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from app.schema.documents import CachedDocuments, DocumentCache
from app.schema.error_handling import present
from app.schema.mutations import Mutation
from app.schema.queries import Query
from app.schema.refusals import ERROR_TYPES
from app.schema.scalars import SCALARS
from app.schema.subscriptions import Subscription
from app.schema.types import LedgerEntry
from app.settings import Settings


class PaycoreSchema(Schema):
    """Shows clients no error that it has not looked at."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Replace each error, in the very list that will be answered, by what a client may see of it."""
        validated = execution_context is not None and execution_context.context.document_is_valid
        errors[:] = [present(error, is_validated=validated) for error in errors]


def build_schema(settings: Settings) -> PaycoreSchema:
    """The executable schema with the limits of these settings."""
    cache = DocumentCache(settings)
    return PaycoreSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[*ERROR_TYPES, LedgerEntry],
        extensions=[lambda: CachedDocuments(cache)],
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=settings.environment == "production"),
    )


def sdl(settings: Settings) -> str:
    """The schema in GraphQL's schema definition language."""
    return print_schema(build_schema(settings)) + "\n"
