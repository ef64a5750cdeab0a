"""The inputs of webhooks."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry import UNSET

from app.schema.enums import WebhookStatus
from app.schema.inputs import given
from app.services.webhooks import endpoints, replaying


@strawberry.input
class CreateWebhookEndpointInput:
    idempotency_key: str = strawberry.field(description="As for transfers, among the viewer's endpoints.")
    url: str = strawberry.field(description="https:// of a public host, without user, password or fragment.")
    document: str = strawberry.field(
        description="A subscription of this schema with one of walletUpdated, holdUpdated and transactionSettled, directly and "
        "without `after`. At most 10000 characters."
    )
    variables: str | None = strawberry.field(default=UNSET, description="A JSON object for the document's variables.")
    ordered: bool = True

    def to_service(self) -> endpoints.EndpointInput:
        return endpoints.EndpointInput(
            idempotency_key=self.idempotency_key,
            url=self.url,
            document=self.document,
            variables=given(self.variables),
            ordered=self.ordered,
        )


@strawberry.input
class RotateWebhookSecretInput:
    endpoint_id: strawberry.ID
    overlap: int = strawberry.field(
        default=86_400, description="Seconds for which the old secret and the old key still sign too: 0 to 604800."
    )


@strawberry.input(one_of=True, description="Exactly one.")
class WebhookReplayInput:
    delivery_id: strawberry.ID | None = UNSET
    since: datetime | None = strawberry.field(default=UNSET, description="All events since this moment.")
    after: str | None = strawberry.field(
        default=UNSET, description="All entries after this cursor of walletUpdated, for an endpoint of that wallet."
    )


@strawberry.input
class ReplayWebhooksInput:
    endpoint_id: strawberry.ID
    from_: WebhookReplayInput = strawberry.field(name="from")

    def to_service(self) -> replaying.ReplayInput:
        chosen = self.from_
        return replaying.ReplayInput(given(chosen.delivery_id), given(chosen.since), given(chosen.after))


@strawberry.input
class SetWebhookStatusInput:
    endpoint_id: strawberry.ID
    status: WebhookStatus = strawberry.field(
        description="PAUSED: events are delivered when it is ENABLED again. DISABLED_FAILING is refused: answers cause it."
    )
