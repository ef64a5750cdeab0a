"""The Mutation type. Payloads are built from the committed records, so a failed read afterwards cannot lose an outcome."""

from __future__ import annotations

import strawberry

from app.clock import monotonic
from app.errors import RequestTimeout
from app.schema.context import Context, Info
from app.schema.fees import FeeSchedule
from app.schema.fx import FxQuote, FxRate
from app.schema.fx_inputs import ConvertInput, CreateFxQuoteInput, SetFxRateInput
from app.schema.hold_inputs import CaptureHoldInput, ExtendHoldInput, PlaceHoldInput, ReleaseHoldInput
from app.schema.inputs import (
    DepositInput,
    OpenSystemWalletInput,
    OpenWalletInput,
    PostTransactionInput,
    PublishFeeScheduleInput,
    ReverseTransactionInput,
    SetWalletStatusInput,
    TransferBatchInput,
    TransferInput,
)
from app.schema.outcomes import Outcome
from app.schema.previews import PreviewEntry, preview_entries
from app.schema.refusals import UserError, user_errors
from app.schema.types import Hold, Transaction, Wallet
from app.schema.webhook_inputs import (
    CreateWebhookEndpointInput,
    ReplayWebhooksInput,
    RotateWebhookSecretInput,
    SetWebhookStatusInput,
)
from app.schema.webhooks import WebhookEndpoint, subject_of
from app.services import (
    conversions,
    fee_schedules,
    fx_quotes,
    fx_rates,
    holds,
    postings,
    rehearsals,
    reversals,
    transfers,
    wallets,
)
from app.services.holds import HoldResult
from app.services.transfers import TransferResult
from app.services.webhooks import endpoints, replaying
from app.services.webhooks.endpoints import EndpointResult
from app.settings import MAX_BATCH

_NOT_STARTED = "Earlier mutations used up the request's time, so this one did not start. Send it again with the same key."


@strawberry.type(
    description="Has an outcome or a refusal. An error below it is ANSWER_INCOMPLETE: the outcome is final, and `extensions` "
    "hold its id. If the outcome itself cannot be shown, the payload is null. The same holds for every mutation."
)
class TransferPayload:
    transaction: Transaction | None = strawberry.field(
        description="Set whenever an outcome was recorded: COMPLETED, or FAILED for a refusal by the ledger (funds, status, "
        "currency, quota)."
    )
    replayed: bool = strawberry.field(description="True where the key had been used before and this is that outcome.")
    user_errors: list[UserError]


@strawberry.type
class TransferBatchPayload:
    results: list[TransferPayload] = strawberry.field(description="One for each input, in its order.")
    user_errors: list[UserError] = strawberry.field(
        description="About the batch as a whole, such as its size; `results` is then empty."
    )


@strawberry.type
class DepositPayload:
    transaction: Transaction | None
    replayed: bool
    user_errors: list[UserError]


@strawberry.type
class PostTransactionPayload:
    transaction: Transaction | None = strawberry.field(
        description="Its amount is what it debits in the currency of its first leg. Its sender and receiver are the wallets that "
        "it debits and credits, null where there are several."
    )
    preview: list[PreviewEntry] | None = strawberry.field(
        description="The entries that a dry run would write, empty if it would be refused; null for any other request."
    )
    replayed: bool
    user_errors: list[UserError]


@strawberry.type
class ReversalPayload:
    transaction: Transaction | None = strawberry.field(
        description="The reversal, set whenever an outcome was recorded. A FAILED one gives nothing back and counts for nothing."
    )
    original: Transaction | None = strawberry.field(description="What is reversed; null if the viewer may not reverse it.")
    replayed: bool
    user_errors: list[UserError]


@strawberry.type
class HoldPayload:
    hold: Hold | None = strawberry.field(description="As it is now; of a refused capture or release, too.")
    transaction: Transaction | None = strawberry.field(description="Of a capture, set whenever an outcome was recorded.")
    replayed: bool
    user_errors: list[UserError]


@strawberry.type
class OpenSystemWalletPayload:
    wallet: Wallet | None
    replayed: bool = strawberry.field(description="True if the wallet was open already.")
    user_errors: list[UserError]


@strawberry.type
class OpenWalletPayload:
    wallet: Wallet | None
    replayed: bool
    user_errors: list[UserError]


@strawberry.type
class FeeSchedulePayload:
    fee_schedule: FeeSchedule | None
    replayed: bool
    user_errors: list[UserError]


@strawberry.type
class FxQuotePayload:
    quote: FxQuote | None
    replayed: bool = strawberry.field(description="True where the key had been used before and this is that quote.")
    user_errors: list[UserError]


@strawberry.type
class ConvertPayload:
    transaction: Transaction | None = strawberry.field(
        description="Set whenever an outcome was recorded: COMPLETED, or FAILED for a refusal by the ledger."
    )
    replayed: bool
    user_errors: list[UserError]


@strawberry.type
class FxRatePayload:
    rate: FxRate | None
    user_errors: list[UserError]


@strawberry.type
class WebhookEndpointPayload:
    endpoint: WebhookEndpoint | None
    secret: str | None = strawberry.field(description="whsec_…, shown this once.")
    replayed: bool = strawberry.field(description="True where the key had been used before and this is that endpoint.")
    user_errors: list[UserError]


@strawberry.type
class DeleteWebhookEndpointPayload:
    deleted_id: strawberry.ID | None
    user_errors: list[UserError]


@strawberry.type
class ReplayWebhooksPayload:
    scheduled: int = strawberry.field(description="How many deliveries.")
    user_errors: list[UserError]


@strawberry.type
class WebhookTestPayload:
    payload: str | None = strawberry.field(description="What was sent.")
    status: int | None = strawberry.field(description="Of the answer. Null without one.")
    error: str | None = strawberry.field(description="Why there is no status.")
    user_errors: list[UserError]


@strawberry.type
class SetWalletStatusPayload:
    wallet: Wallet | None
    user_errors: list[UserError]


@strawberry.type(
    description="Payloads are nullable so that one field's failure never erases the answer of another field in the same document."
)
class Mutation:
    @strawberry.mutation
    async def transfer(self, info: Info, input: TransferInput) -> TransferPayload | None:
        context = _start_transfers(info)
        result = await transfers.transfer(context.services.ledger, context.viewer, input.to_service())
        _save_outcome(info, result)
        return _transfer_payload(info, result)

    @strawberry.mutation
    async def transfer_batch(self, info: Info, input: TransferBatchInput) -> TransferBatchPayload | None:
        context = _start_transfers(info, min(len(input.transfers), MAX_BATCH))
        inputs = [one.to_service() for one in input.transfers]
        result = await transfers.transfer_batch(context.services.ledger, context.viewer, inputs, atomic=input.atomic)
        _save_outcome(info, result)
        return TransferBatchPayload(
            results=[_transfer_payload(info, one) for one in result.results], user_errors=user_errors(result.refusals)
        )

    @strawberry.mutation(
        description="QUOTA_EXCEEDED if the user has the most wallets that one user may have: not recorded, the key stays unused."
    )
    async def open_wallet(self, info: Info, input: OpenWalletInput) -> OpenWalletPayload | None:
        context = _start_transfers(info)
        services = context.services
        result = await wallets.open_wallet(
            services.engine,
            context.viewer,
            wallets.OpenWalletInput(input.idempotency_key, input.currency, input.name),
            services.currencies,
            services.clock,
            most=services.settings.max_wallets_per_user,
        )
        _save_outcome(info, result)
        return OpenWalletPayload(
            wallet=None if result.wallet is None else Wallet.of(info, result.wallet),
            replayed=result.replayed,
            user_errors=user_errors(result.refusals),
        )

    @strawberry.mutation
    async def deposit(self, info: Info, input: DepositInput) -> DepositPayload | None:
        context = _start_transfers(info)
        result = await transfers.deposit(
            context.services.ledger, context.viewer, input.to_service(), request_id=context.request_id
        )
        _save_outcome(info, result)
        return DepositPayload(
            transaction=_transaction(info, result), replayed=result.replayed, user_errors=user_errors(result.refusals)
        )

    @strawberry.mutation(
        description="Posts 2 to 100 balanced legs between any wallets, all or none. Needs the scope postings:write; recorded in "
        "the audit log."
    )
    async def post_transaction(self, info: Info, input: PostTransactionInput) -> PostTransactionPayload | None:
        context = _start_transfers(info, max(1, min(len(input.legs), postings.MAX_LEGS) // 2))
        if input.dry_run:
            preview = await rehearsals.preview_posting(context.services.ledger, context.viewer, input.to_service())
            return PostTransactionPayload(
                transaction=None if preview.replayed is None else Transaction.of(info, preview.replayed),
                preview=preview_entries(info, preview),
                replayed=preview.replayed is not None,
                user_errors=user_errors(preview.refusals),
            )
        result = await postings.post_transaction(
            context.services.ledger, context.viewer, input.to_service(), request_id=context.request_id
        )
        _save_outcome(info, result)
        return PostTransactionPayload(
            transaction=_transaction(info, result),
            preview=None,
            replayed=result.replayed,
            user_errors=user_errors(result.refusals),
        )

    @strawberry.mutation(
        description="Gives back a transfer, capture or deposit, whole or in parts, never more than its amount. It is final."
    )
    async def reverse_transaction(self, info: Info, input: ReverseTransactionInput) -> ReversalPayload | None:
        context = _start_transfers(info)
        found = await reversals.reverse_transaction(
            context.services.ledger, context.viewer, input.to_service(), request_id=context.request_id
        )
        _save_outcome(info, found.result)
        return ReversalPayload(
            transaction=_transaction(info, found.result),
            original=None if found.original is None else Transaction.of(info, found.original),
            replayed=found.result.replayed,
            user_errors=user_errors(found.result.refusals),
        )

    @strawberry.mutation(description="The money stays in its wallet, but can be spent by captures only.")
    async def place_hold(self, info: Info, input: PlaceHoldInput) -> HoldPayload | None:
        context = _start_transfers(info)
        details = input.to_service()
        return _hold_payload(
            info, await holds.place_hold(context.services.ledger, context.viewer, details, request_id=context.request_id)
        )

    @strawberry.mutation(description="The transaction has the type CAPTURE. Each capture can be reversed on its own.")
    async def capture_hold(self, info: Info, input: CaptureHoldInput) -> HoldPayload | None:
        context = _start_transfers(info)
        details = input.to_service()
        return _hold_payload(
            info, await holds.capture_hold(context.services.ledger, context.viewer, details, request_id=context.request_id)
        )

    @strawberry.mutation
    async def release_hold(self, info: Info, input: ReleaseHoldInput) -> HoldPayload | None:
        context = _start_transfers(info)
        details = input.to_service()
        return _hold_payload(
            info, await holds.release_hold(context.services.ledger, context.viewer, details, request_id=context.request_id)
        )

    @strawberry.mutation
    async def extend_hold(self, info: Info, input: ExtendHoldInput) -> HoldPayload | None:
        context = _start_transfers(info)
        details = input.to_service()
        return _hold_payload(
            info, await holds.extend_hold(context.services.ledger, context.viewer, details, request_id=context.request_id)
        )

    @strawberry.mutation(description="Administrators only; recorded in the audit log.")
    async def open_system_wallet(self, info: Info, input: OpenSystemWalletInput) -> OpenSystemWalletPayload | None:
        context = _start(info)
        result = await wallets.open_system_wallet(
            context.services.engine,
            context.viewer,
            wallets.SystemWalletInput(input.currency, input.purpose, input.account_type, input.name, input.reason),
            context.services.currencies,
            context.services.clock,
            request_id=context.request_id,
        )
        _save_outcome(info, result)
        return OpenSystemWalletPayload(
            wallet=None if result.wallet is None else Wallet.of(info, result.wallet),
            replayed=result.replayed,
            user_errors=user_errors(result.refusals),
        )

    @strawberry.mutation(
        description="Opens the currency's fee wallet with its first schedule. Administrators only; recorded in the audit log."
    )
    async def publish_fee_schedule(self, info: Info, input: PublishFeeScheduleInput) -> FeeSchedulePayload | None:
        context = _start(info)
        services = context.services
        result = await fee_schedules.publish(
            services.engine,
            context.viewer,
            input.to_service(),
            services.currencies,
            services.clock,
            request_id=context.request_id,
        )
        _save_outcome(info, result)
        return FeeSchedulePayload(
            fee_schedule=None if result.schedule is None else FeeSchedule.of(info, result.schedule),
            replayed=result.replayed,
            user_errors=user_errors(result.refusals),
        )

    @strawberry.mutation(
        description="Promises a price for a conversion or a payment in another currency. It holds nothing and moves nothing."
    )
    async def create_fx_quote(self, info: Info, input: CreateFxQuoteInput) -> FxQuotePayload | None:
        context = _start_transfers(info)
        services = context.services
        result = await fx_quotes.create_quote(services.ledger, services.settings, context.viewer, input.to_service())
        _save_outcome(info, result)
        return FxQuotePayload(
            quote=None if result.quote is None else FxQuote.of(result.quote),
            replayed=result.replayed,
            user_errors=user_errors(result.refusals),
        )

    @strawberry.mutation(
        description="Exchanges between two of the viewer's wallets what a quote says. To pay another's wallet, pass the quote "
        "to `transfer`."
    )
    async def convert(self, info: Info, input: ConvertInput) -> ConvertPayload | None:
        context = _start_transfers(info)
        result = await conversions.convert(context.services.ledger, context.viewer, input.to_service())
        _save_outcome(info, result)
        return ConvertPayload(
            transaction=_transaction(info, result), replayed=result.replayed, user_errors=user_errors(result.refusals)
        )

    @strawberry.mutation(
        description="Sets the rate between two currencies, in either direction. Administrators only; recorded in the audit log."
    )
    async def set_fx_rate(self, info: Info, input: SetFxRateInput) -> FxRatePayload | None:
        context = _start(info)
        services = context.services
        result = await fx_rates.set_rate(
            services.engine,
            context.viewer,
            input.to_service(),
            services.currencies,
            services.clock,
            request_id=context.request_id,
        )
        _save_outcome(info, result)
        return FxRatePayload(
            rate=None if result.rate is None else FxRate.of(result.rate), user_errors=user_errors(result.refusals)
        )

    @strawberry.mutation(
        description="Sends what the subscription of `document` would send from now on to `url`. Needs the scope webhooks:write. "
        "QUOTA_EXCEEDED if the user has the most endpoints that one user may have."
    )
    async def create_webhook_endpoint(self, info: Info, input: CreateWebhookEndpointInput) -> WebhookEndpointPayload | None:
        context = _start_transfers(info)
        services = context.services
        return _endpoint_payload(
            info,
            await endpoints.create(
                services.engine, services.settings, context.viewer, input.to_service(), subject_of(info), clock=services.clock
            ),
        )

    @strawberry.mutation(description="Replaces the secret and the Ed25519 key. Both old ones sign too while `overlap` lasts.")
    async def rotate_webhook_secret(self, info: Info, input: RotateWebhookSecretInput) -> WebhookEndpointPayload | None:
        context = _start_transfers(info)
        services = context.services
        return _endpoint_payload(
            info,
            await endpoints.rotate(
                services.engine,
                services.settings,
                context.viewer,
                input.endpoint_id,
                overlap_seconds=input.overlap,
                clock=services.clock,
            ),
        )

    @strawberry.mutation(description="Pauses an endpoint, or enables it, also one that was disabled.")
    async def set_webhook_status(self, info: Info, input: SetWebhookStatusInput) -> WebhookEndpointPayload | None:
        context = _start_transfers(info)
        services = context.services
        return _endpoint_payload(
            info,
            await endpoints.set_status(
                services.engine, services.settings, context.viewer, input.endpoint_id, input.status, clock=services.clock
            ),
        )

    @strawberry.mutation(
        description="Deletes an endpoint, its secrets and its deliveries. Its idempotency key stays used. Again: the same answer."
    )
    async def delete_webhook_endpoint(self, info: Info, endpoint_id: strawberry.ID) -> DeleteWebhookEndpointPayload | None:
        context = _start_transfers(info)
        services = context.services
        result = await endpoints.delete(services.engine, context.viewer, endpoint_id, clock=services.clock)
        _save_outcome(info, result)
        return DeleteWebhookEndpointPayload(
            deleted_id=None if result.endpoint is None else endpoint_id, user_errors=user_errors(result.refusals)
        )

    @strawberry.mutation(
        description="Delivers again, each with the webhook-id that it had: one delivery, or all since a moment, or all entries "
        "of the endpoint's wallet after a cursor. The last finds every entry, also of a time when the endpoint was disabled."
    )
    async def replay_webhooks(self, info: Info, input: ReplayWebhooksInput) -> ReplayWebhooksPayload | None:
        context = _start_transfers(info)
        services = context.services
        result = await replaying.replay(
            services.engine, context.viewer, input.endpoint_id, input.to_service(), clock=services.clock
        )
        return ReplayWebhooksPayload(scheduled=result.scheduled, user_errors=user_errors(result.refusals))

    @strawberry.mutation(description="Sends a test to the endpoint, once, signed like all others, and waits for the answer.")
    async def test_webhook(self, info: Info, endpoint_id: strawberry.ID) -> WebhookTestPayload | None:
        context = _start_transfers(info)
        services = context.services
        result = await replaying.send_test(services.engine, services.settings, context.viewer, endpoint_id, clock=services.clock)
        attempt = result.attempt
        waits = None if result.refusals else "There is no answer yet: look at the endpoint's deliveries."
        return WebhookTestPayload(
            payload=None if result.refusals else replaying.TEST_PAYLOAD,
            status=None if attempt is None else attempt.status,
            error=waits if attempt is None else attempt.error,
            user_errors=user_errors(result.refusals),
        )

    @strawberry.mutation(description="Administrators only; recorded in the audit log.")
    async def set_wallet_status(self, info: Info, input: SetWalletStatusInput) -> SetWalletStatusPayload | None:
        context = _start(info)
        result = await wallets.set_wallet_status(
            context.services.engine,
            context.viewer,
            input.wallet_id,
            input.status,
            input.reason,
            clock=context.services.clock,
            request_id=context.request_id,
            holding_back=context.services.ledger.group_commit.holding_back,
        )
        _save_outcome(info, result)
        return SetWalletStatusPayload(
            wallet=None if result.wallet is None else Wallet.of(info, result.wallet), user_errors=user_errors(result.refusals)
        )


def _start(info: Info) -> Context:
    """Reset the context for a mutation: those of one document run in order, so what an earlier one read may be stale.

    Raises RequestTimeout if the request's time is over. Mutations that have started still answer; no further one starts.
    """
    context = info.context
    seconds = context.services.settings.request_timeout_seconds
    if monotonic() - context.started > seconds:
        raise RequestTimeout(_NOT_STARTED)
    context.reset()
    return context


def _start_transfers(info: Info, count: int = 1) -> Context:
    """As `_start`, and count this many ledger requests against the viewer's transfer rate. Raises RateLimited as well."""
    context = _start(info)
    context.services.rates.check_transfers(context.viewer.user_id, count)
    return context


def _save_outcome(info: Info, outcome: Outcome) -> None:
    """Save the outcome, so that a later error of this mutation reports it instead of saying that nothing moved."""
    info.context.outcomes[info.path.key] = outcome


def _hold_payload(info: Info, found: HoldResult) -> HoldPayload:
    _save_outcome(info, found)
    return HoldPayload(
        hold=None if found.hold is None else Hold.of(found.hold),
        transaction=_transaction(info, found.result),
        replayed=found.result.replayed,
        user_errors=user_errors(found.result.refusals),
    )


def _endpoint_payload(info: Info, result: EndpointResult) -> WebhookEndpointPayload:
    _save_outcome(info, result)
    return WebhookEndpointPayload(
        endpoint=None if result.endpoint is None else WebhookEndpoint.of(result.endpoint),
        secret=result.secret,
        replayed=result.replayed,
        user_errors=user_errors(result.refusals),
    )


def _transfer_payload(info: Info, result: TransferResult) -> TransferPayload:
    return TransferPayload(
        transaction=_transaction(info, result), replayed=result.replayed, user_errors=user_errors(result.refusals)
    )


def _transaction(info: Info, result: TransferResult) -> Transaction | None:
    if result.transaction is None:
        return None
    if result.entries:
        info.context.settled.append(result)
    return Transaction.of(info, result.transaction)
