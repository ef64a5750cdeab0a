"""Webhook endpoints, their deliveries and attempts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol, cast

import strawberry
from strawberry import UNSET

from app import ids, records
from app.access import policy
from app.schema.basics import Node
from app.schema.connections import Connection, connection, page_request
from app.schema.context import Context, Info
from app.schema.enums import WebhookStatus
from app.schema.scalars import BigInt
from app.services.webhooks import endpoints, events
from app.services.webhooks.endpoints import Subject, SubjectOf
from app.services.webhooks.signing import public_text


class _ChecksDocuments(Protocol):
    """What the executable schema offers: the types below it cannot import it."""

    async def webhook_subject(self, document: str, variables: dict[str, Any] | None, context: Context) -> Subject: ...


def subject_of(info: Info) -> SubjectOf:
    """Returns the check of an endpoint's document for the viewer."""
    schema, context = cast("_ChecksDocuments", info.schema), info.context

    async def check(document: str, variables: dict[str, Any] | None) -> Subject:
        return await schema.webhook_subject(document, variables, context)

    return check


@strawberry.type(description="What came of one attempt to deliver: a status, or an error.")
class WebhookAttempt:
    at: datetime
    duration_ms: int
    status: int | None = strawberry.field(description="Of HTTP. 2xx: delivered. 410: the endpoint is disabled.")
    error: str | None = strawberry.field(description="Why there is no status.")
    response_body: str | None = strawberry.field(description="The first 1024 bytes.")

    @staticmethod
    def of(attempt: records.WebhookAttempt) -> WebhookAttempt:
        return WebhookAttempt(
            at=attempt.at,
            duration_ms=attempt.duration_ms,
            status=attempt.status,
            error=attempt.error,
            response_body=attempt.response_body,
        )


@strawberry.type(description="One event for one endpoint. Only the owner of the endpoint sees it.")
class WebhookDelivery(Node):
    message_id: str = strawberry.field(
        description="The header webhook-id: the same in every attempt, also in replays. Receivers drop a second one by it."
    )
    payload: str | None = strawberry.field(description="What was sent last. Null before the first attempt.")
    created_at: datetime
    delivered_at: datetime | None
    next_attempt_at: datetime | None = strawberry.field(
        description="Null when it is delivered, or parked after the last attempt failed: then only a replay sends it again."
    )
    record: strawberry.Private[records.WebhookDelivery]
    source: strawberry.Private[records.WebhookSource]

    @staticmethod
    def of(delivery: records.WebhookDelivery, source: records.WebhookSource) -> WebhookDelivery:
        return WebhookDelivery(
            id=strawberry.ID(ids.encode("whd", delivery.id)),
            message_id=events.message_id(delivery.id),
            payload=delivery.payload,
            created_at=delivery.created_at,
            delivered_at=delivery.delivered_at,
            next_attempt_at=delivery.next_attempt_at,
            record=delivery,
            source=source,
        )

    @strawberry.field(
        description="What it is about: wallet id and sequence, a transaction id, or hold id and the number of its event; or test."
    )
    def event(self) -> str:
        return events.event_name(self.source, self.record)

    @strawberry.field(description="Of walletUpdated.")
    def wallet(self) -> strawberry.ID | None:
        return strawberry.ID(ids.encode("wal", self.record.subject_id)) if self._is_entry else None

    @strawberry.field(
        description="Of walletUpdated: the sequence of the entry. It rises by one with each delivery of the wallet."
    )
    def sequence(self) -> BigInt | None:
        return BigInt(self.record.number) if self._is_entry else None

    @property
    def _is_entry(self) -> bool:
        return self.source is records.WebhookSource.WALLET and not events.is_test(self.record)

    @strawberry.field(description="In order: at most 14, and those of replays.")
    async def attempts(self, info: Info) -> list[WebhookAttempt]:
        return [WebhookAttempt.of(one) for one in await info.context.loaders.webhook_attempts.load(self.record.id) or ()]


@strawberry.type(description="Where the viewer's events are sent, signed by Standard Webhooks. Only its owner sees it.")
class WebhookEndpoint(Node):
    url: str
    document: str = strawberry.field(
        description="A subscription operation of this schema; each event's payload is its answer, as its owner may see it."
    )
    variables: str | None = strawberry.field(description="A JSON object.")
    status: WebhookStatus
    public_key: str = strawberry.field(description="Ed25519 public key, whpk_…; for those who want no shared secret.")
    ordered: bool = strawberry.field(
        description="Events of one wallet are delivered one after the other, in sequence. False: as fast as they come."
    )
    created_at: datetime
    record: strawberry.Private[records.WebhookEndpoint]

    @staticmethod
    def of(endpoint: records.WebhookEndpoint) -> WebhookEndpoint:
        return WebhookEndpoint(
            id=strawberry.ID(ids.encode("whe", endpoint.id)),
            url=endpoint.url,
            document=endpoint.document,
            variables=events.variables_text(endpoint.variables),
            status=endpoint.status,
            public_key=public_text(endpoint.public_key),
            ordered=endpoint.ordered,
            created_at=endpoint.created_at,
            record=endpoint,
        )

    @strawberry.field(description="The first one that is not delivered, in the ledger's order.")
    async def oldest_undelivered(self, info: Info) -> WebhookDelivery | None:
        if not policy.may_use_endpoint(info.context.viewer, sees_all=self.record.sees_all):
            return None
        found = await info.context.loaders.oldest_undelivered.load(self.record.id)
        return None if found is None else WebhookDelivery.of(found, self.record.source)

    @strawberry.field(description="Newest first. With `failed`, those that have failed and are not delivered.")
    async def deliveries(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        failed: bool | None = UNSET,  # noqa: FBT001 - GraphQL passes it by name
    ) -> Connection[WebhookDelivery]:
        context, page = info.context, page_request(first, after, last, before)
        found = await endpoints.deliveries_of(context.services.engine, context.viewer, self.record, page, failed=failed is True)
        return connection(found, lambda delivery: WebhookDelivery.of(delivery, self.record.source))
