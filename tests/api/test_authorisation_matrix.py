"""Who may see and do what: each root field, node type and route, for each kind of caller.

A field, type or route without a decision here fails. `test_field_matrix.py` does the same for the fields of other types.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import httpx
import pytest
from graphql import GraphQLObjectType, build_schema
from sqlalchemy import text as sql
from starlette.routing import Mount, Route, WebSocketRoute

from app import ids
from app.access.tokens import mint_token
from app.clock import rfc3339, system_clock
from app.db import log_sql
from app.db.engine import connect
from app.paging.update_cursor import encode_update_cursor
from app.processes.statement_maker import StatementMaker
from app.records import FeePayer
from app.schema.engine.build import sdl
from app.services.fee_schedules import publish
from app.services.fx_quotes import QuoteInput, create_quote
from app.services.fx_rates import RateInput, set_rate
from app.services.holds import CaptureInput, PlaceInput, capture_hold, place_hold
from app.services.projection import project_live
from app.services.receipts.notes import new_signer
from app.services.receipts.sealing import sign
from app.services.statements.creating import StatementInput
from app.services.statements.creating import create as create_statement
from app.services.transfers import TransferInput, transfer
from app.settings import Settings
from tests.api.conftest import Api
from tests.api.test_event_stream import Stream
from tests.bank import new_key, uuid_of
from tests.fee_input import fee_input
from tests.waiting import START_SECONDS

CALLERS: dict[str, tuple[str, str | None, str | None]] = {
    "owner": ("alice", None, None),
    "receiver": ("bob", None, None),
    "stranger": ("carol", None, None),
    "support": ("sam", "support", None),
    "admin": ("root", "admin", None),
    "reading service": ("alice", None, "wallets:read"),
    "sending service": ("alice", None, "transfers:write"),
    "opening service": ("alice", None, "wallets:write"),
    "service without a scope of ours": ("alice", None, "openid profile"),
    "administrating service": ("bot", None, "admin"),
    "admin by a reading application": ("root", "admin", "wallets:read"),
    "posting service": ("bot", None, "postings:write"),
}
"""Subject, role and scopes of each caller's token. A caller without a token follows as the last one."""

# One letter for each caller, in their order: Y yes, - nothing (as if it did not exist), N WALLET_NOT_FOUND, F FORBIDDEN,
# U UNAUTHENTICATED, I INVALID_INPUT. The objects are alice's wallet, her completed transfer to bob, and a refused one.
ANY_TOKEN = "YYYYY YYYY YYY U"
WALLET = "Y--YY YFFF YYF U"
COMPLETED = "YY-YY YFFF YYF U"
FAILED = WALLET
ALL_OF_THEM = "FFFYY FFFF YYF U"
ADMIN_ONLY = "FFFFY FFFF YFF U"
PAY_FROM_IT = "YNNFN FYFF NFF U"
POSTING = "FFFFY FFFF YFY U"
PARTY = "YYYYY YYFF YYF U"
PUBLIC = "YYYYY YYYY YYY Y"
NOT_EMBEDDED = "FFFF- FFFF -FF U"
"""Nobody: the tests have no database that may be tampered with."""
OWN_ONLY = "Y---- YFFF --F U"

_TRANSFER = "idempotencyKey: NEW_KEY, senderWalletId: WALLET, receiverWalletId: THEIR_WALLET, amount: ONE"
QUERIES = {
    "previewTransfer": (
        f"{{ previewTransfer(input: {{{_TRANSFER}}}) {{ debited {{ amount }} userErrors {{ code }} }} }}",
        PAY_FROM_IT,
    ),
    "viewer": ("{ viewer { id } }", ANY_TOKEN),
    "node": ("{ node(id: WALLET) { id } }", WALLET),
    "nodes": ("{ nodes(ids: [WALLET]) { id } }", WALLET),
    "wallet": ("{ wallet(id: WALLET) { id } }", WALLET),
    "transaction": ("{ transaction(id: COMPLETED) { id } }", COMPLETED),
    "hold": ("{ hold(id: HOLD) { id } }", COMPLETED),
    "transactionByIdempotencyKey": ("{ transactionByIdempotencyKey(idempotencyKey: KEY) { id } }", "Y---- YYFF --F U"),
    "walletParty": ("{ walletParty(walletId: WALLET) { displayName } }", PARTY),
    "currencies": ("{ currencies { code } }", ANY_TOKEN),
    "users": ("{ users(search: OWNER) { edges { node { id } } } }", ALL_OF_THEM),
    "wallets": ("{ wallets { edges { node { id } } } }", ALL_OF_THEM),
    "transactions": ("{ transactions { edges { node { id } } } }", ALL_OF_THEM),
    "feeSchedules": ("{ feeSchedules { id } }", PARTY),
    "fxRates": ("{ fxRates { rate } }", PARTY),
    "checkpoint": ("{ checkpoint { size } }", "YYYYY YFFF YYF U"),
    "consistencyProof": ('{ consistencyProof(size: "1") }', "YYYYY YFFF YYF U"),
    "fxQuote": ("{ fxQuote(id: QUOTE) { id } }", "Y--YY YYFF YYF U"),
    "webhookEndpoints": ("{ webhookEndpoints { edges { node { id } } } }", OWN_ONLY),
    "ledgerStatus": ("{ ledgerStatus { totals { currency } } }", ALL_OF_THEM),
    "ledgerPartitions": ("{ ledgerPartitions { state } }", ALL_OF_THEM),
}

NODES = {
    "Wallet": ("WALLET", WALLET),
    "Transaction": ("COMPLETED", COMPLETED),
    "LedgerEntry": ("ENTRY", WALLET),
    "User": ("OWNER", WALLET),
    "Hold": ("HOLD", COMPLETED),
    "FeeSchedule": ("SCHEDULE", "YYYYY YFFF YYF U"),
    "FxQuote": ("QUOTE", WALLET),
    "WebhookEndpoint": ("ENDPOINT", OWN_ONLY),
    "WebhookDelivery": ("DELIVERY", OWN_ONLY),
    "Statement": ("STATEMENT", WALLET),
}

# Who may ask for a quote, and who may convert by alice's.
PRICE, CONVERT = "YYYFY FYFF YFF U", "Y--F- FYFF -FF U"
NEW_QUOTE = 'idempotencyKey: NEW_KEY, from: "USD", to: "JPY", amount: {source: ONE}'
BY_QUOTE = "idempotencyKey: NEW_KEY, quoteId: QUOTE, sourceWalletId: WALLET, targetWalletId: MY_JPY"
RATE = 'base: "USD", quote: "JPY", rate: "150", spreadBasisPoints: 50, source: "Desk", reason: "x"'

MY_ENDPOINT = "YIIFI FFFF IFF U"
NEW_ENDPOINT = (
    'idempotencyKey: NEW_KEY, url: "https://hooks.example.com/", '
    'document: "subscription ($w: ID!) { walletUpdated(walletId: $w) { cursor } }", variables: VARIABLES'
)

REVERSAL = 'idempotencyKey: NEW_KEY, transactionId: COMPLETED, amount: {amount: "0.01", currency: "USD"}, reason: REFUND'
GIVE_BACK = "-Y-FY F-FF YFF U"

# Of alice's hold in favour of bob's wallet: who may place it, who decides what becomes of it, and who may extend it.
PLACE, DECIDE, EXTEND = "YNNFY FYFF YFY U", "FY-FY FFFF YFY U", "YF-FY FYFF YFY U"
CENT = '{amount: "0.01", currency: "USD"}'
OF_HOLD = "idempotencyKey: NEW_KEY, holdId: HOLD"
NEW_HOLD = "idempotencyKey: NEW_KEY, walletId: WALLET, receiverWalletId: THEIR_WALLET, amount: ONE"

# Fields that show less than the object they belong to.
NARROWER = {
    "a refused transfer": ("{ transaction(id: FAILED) { id } }", FAILED),
    "the receiver's entry": ("{ node(id: THEIR_ENTRY) { id } }", "-Y-YY -FFF YYF U"),
    "Transaction.idempotencyKey": ("{ transaction(id: COMPLETED) { idempotencyKey } }", "Y---- YFFF --F U"),
    "transactionByIdempotencyKey, of a user": (
        "{ transactionByIdempotencyKey(idempotencyKey: KEY, userId: OWNER) { id } }",
        ALL_OF_THEM,
    ),
    "Transaction.receipt": ("{ transaction(id: COMPLETED) { receipt { proof } } }", COMPLETED),
    "Transaction.entries": ("{ transaction(id: COMPLETED) { entries { id } } }", COMPLETED),
    "reverseTransaction, a refused transfer": (
        f"mutation {{ reverseTransaction(input: {{{REVERSAL.replace('COMPLETED', 'FAILED')}}}) {{ transaction {{ id }} }} }}",
        "---F- F-FF -FF U",
    ),
    "reverseTransaction, with an overdraft": (
        f"mutation {{ reverseTransaction(input: {{{REVERSAL}, allowOverdraft: true}}) {{ transaction {{ id }} }} }}",
        ADMIN_ONLY,
    ),
    "Transaction.conversion": ("{ transaction(id: CONVERTED) { conversion { bought { amount } } } }", COMPLETED),
    "Conversion.quote": ("{ transaction(id: CONVERTED) { conversion { quote { id } } } }", WALLET),
    "LedgerStatus.fx": ("{ ledgerStatus { fx { positions { currency } } } }", ALL_OF_THEM),
    "Transaction.hold": ("{ transaction(id: CAPTURED) { hold { id } } }", COMPLETED),
    "Hold.captures": ("{ hold(id: HOLD) { captures { edges { node { id } } } } }", COMPLETED),
    "Hold.idempotencyKey": ("{ hold(id: HOLD) { idempotencyKey } }", "Y---- YFFF --F U"),
    "Wallet.holds": ("{ wallet(id: WALLET) { holds { edges { node { id } } } } }", WALLET),
    "Wallet.incomingHolds": ("{ wallet(id: THEIR_WALLET) { incomingHolds { edges { node { id } } } } }", "-Y-YY -FFF YYF U"),
    "placeHold, for no receiver": (
        "mutation { placeHold(input: {idempotencyKey: NEW_KEY, walletId: WALLET, amount: ONE}) { userErrors { code } } }",
        "IIIFY FIFF YFY U",
    ),
    "Wallet.statements": ("{ wallet(id: WALLET) { statements { edges { node { id } } } } }", WALLET),
    "Statement.wallet": ("{ node(id: STATEMENT) { ... on Statement { wallet { name } } } }", WALLET),
    "Statement.entries": ("{ node(id: STATEMENT) { ... on Statement { entries { edges { node { id } } } } } }", WALLET),
    "Statement.files": ("{ node(id: STATEMENT) { ... on Statement { files { sha256 } } } }", WALLET),
    "Statement.download": ("{ node(id: STATEMENT) { ... on Statement { download(format: CSV) { url } } } }", WALLET),
    "Transaction.fees": ("{ transaction(id: CHARGED) { fees { label } } }", WALLET),
    "WalletParty.wallet": ("{ transaction(id: COMPLETED) { sender { wallet { id } } } }", WALLET),
    "WalletParty.wallet, of the other": ("{ transaction(id: COMPLETED) { receiver { wallet { id } } } }", "-Y-YY -FFF YYF U"),
    "User.wallets": ("{ viewer { wallets { edges { node { id } } } } }", "YY--- Y--- --- U"),
    "User.wallets, of another": ("{ node(id: OWNER) { ... on User { wallets { edges { node { id } } } } } }", WALLET),
    "User.activity": ("{ viewer { activity { edges { node { id } } } } }", "YY--- Y--- --- U"),
    "User.activity, of another": ("{ node(id: OWNER) { ... on User { activity { edges { node { id } } } } } }", WALLET),
    "Wallet.balanceAt": ('{ wallet(id: WALLET) { balanceAt(at: "2025-01-01T00:00:00Z") { sequence } } }', WALLET),
    "Wallet.balances": (
        """{ wallet(id: WALLET) {
            balances(from: "2025-01-01T00:00:00Z", to: "2025-01-02T00:00:00Z", step: DAY) { entryCount }
        } }""",
        WALLET,
    ),
    "ActivityItem.transaction": (
        "{ node(id: OWNER) { ... on User { activity { edges { node { transaction { id } } } } } } }",
        WALLET,
    ),
    "Wallet.owner": ("{ wallet(id: WALLET) { owner { id } } }", WALLET),
    "Wallet.transactions": ("{ wallet(id: WALLET) { transactions { edges { node { id } } } } }", WALLET),
    "Wallet.entries": ("{ wallet(id: WALLET) { entries { edges { node { id } } } } }", WALLET),
    "LedgerEntry.wallet": ("{ node(id: ENTRY) { ... on LedgerEntry { wallet { id } } } }", WALLET),
    "LedgerEntry.transaction": ("{ node(id: ENTRY) { ... on LedgerEntry { transaction { id } } } }", WALLET),
}

LEGS = (
    "idempotencyKey: NEW_KEY, legs: [{walletId: WALLET, direction: DEBIT, amount: ONE}, "
    "{walletId: THEIR_WALLET, direction: CREDIT, amount: ONE}]"
)
SCHEDULE = 'idempotencyKey: NEW_KEY, name: "x", currency: "EUR", payer: SENDER, percent: "1", reason: "x"'
# The key of the statement that there is: its owner gets that one again, and others the next number, from another moment.
NEXT_STATEMENT = 'idempotencyKey: STATED_KEY, walletId: WALLET, from: "2000-01-01T00:00:00Z", to: STATED_END'
SYSTEM_WALLET = '{currency: "USD", purpose: "X", accountType: ASSET, name: "x", reason: "x"}'
MUTATIONS = {
    "reverseTransaction": (
        f"mutation {{ reverseTransaction(input: {{{REVERSAL}}}) {{ transaction {{ id }} }} }}",
        GIVE_BACK,
    ),
    "placeHold": (f"mutation {{ placeHold(input: {{{NEW_HOLD}}}) {{ replayed userErrors {{ code }} }} }}", PLACE),
    **{
        f"{name}Hold": (
            f"mutation {{ {name}Hold(input: {{{OF_HOLD}, {fields}}}) {{ replayed userErrors {{ code }} }} }}",
            row,
        )
        for name, fields, row in (
            ("capture", f"amount: {CENT}, keepRemaining: true", DECIDE),
            ("release", f"amount: {CENT}", DECIDE),
            ("extend", f"by: {CENT}", EXTEND),
        )
    },
    "transfer": (
        f"mutation {{ transfer(input: {{{_TRANSFER}}}) {{ transaction {{ id }} userErrors {{ code }} }} }}",
        PAY_FROM_IT,
    ),
    "transferBatch": (
        f"mutation {{ transferBatch(input: {{transfers: [{{{_TRANSFER}}}]}}) {{ results {{ userErrors {{ code }} }} }} }}",
        PAY_FROM_IT,
    ),
    "postTransaction": (
        f"mutation {{ postTransaction(input: {{{LEGS}}}) {{ transaction {{ id }} userErrors {{ code }} }} }}",
        POSTING,
    ),
    "openSystemWallet": (
        f"mutation {{ openSystemWallet(input: {SYSTEM_WALLET}) {{ wallet {{ id }} }} }}",
        ADMIN_ONLY,
    ),
    "publishFeeSchedule": (
        f"mutation {{ publishFeeSchedule(input: {{{SCHEDULE}}}) {{ feeSchedule {{ id }} }} }}",
        ADMIN_ONLY,
    ),
    "setFxRate": (f"mutation {{ setFxRate(input: {{{RATE}}}) {{ rate {{ base }} }} }}", ADMIN_ONLY),
    "createFxQuote": (f"mutation {{ createFxQuote(input: {{{NEW_QUOTE}}}) {{ quote {{ id }} }} }}", PRICE),
    "convert": (f"mutation {{ convert(input: {{{BY_QUOTE}}}) {{ transaction {{ id }} userErrors {{ code }} }} }}", CONVERT),
    "createWebhookEndpoint": (
        f"mutation {{ createWebhookEndpoint(input: {{{NEW_ENDPOINT}}}) {{ endpoint {{ id }} userErrors {{ code }} }} }}",
        "YIIFY FFFF YFF U",
    ),
    "rotateWebhookSecret": (
        "mutation { rotateWebhookSecret(input: {endpointId: ENDPOINT}) { endpoint { id } userErrors { code } } }",
        MY_ENDPOINT,
    ),
    "replayWebhooks": (
        (
            "mutation { replayWebhooks(input: {endpointId: ENDPOINT, from: {deliveryId: DELIVERY}}) "
            "{ scheduled userErrors { code } } }"
        ),
        MY_ENDPOINT,
    ),
    "testWebhook": ("mutation { testWebhook(endpointId: ENDPOINT) { payload userErrors { code } } }", MY_ENDPOINT),
    "setWebhookStatus": (
        "mutation { setWebhookStatus(input: {endpointId: ENDPOINT, status: ENABLED}) { endpoint { id } userErrors { code } } }",
        MY_ENDPOINT,
    ),
    "createStatement": (
        f"mutation {{ createStatement(input: {{{NEXT_STATEMENT}}}) {{ statement {{ id }} userErrors {{ code }} }} }}",
        "YNNFY FFFF YFF U",
    ),
    "deleteWebhookEndpoint": (
        "mutation { deleteWebhookEndpoint(endpointId: DOOMED) { deletedId userErrors { code } } }",
        MY_ENDPOINT,
    ),
    "openWallet": (
        'mutation { openWallet(input: {idempotencyKey: NEW_KEY, currency: "USD", name: "x"}) { wallet { id } } }',
        "YYYFY FFYF YFF U",
    ),
    "deposit": (
        "mutation { deposit(input: {idempotencyKey: NEW_KEY, walletId: WALLET, amount: ONE}) { transaction { id } } }",
        ADMIN_ONLY,
    ),
    "setWalletStatus": (
        'mutation { setWalletStatus(input: {walletId: WALLET, status: ACTIVE, reason: "x"}) { wallet { id } } }',
        ADMIN_ONLY,
    ),
}

SUBSCRIPTIONS = {
    "walletUpdated": ("subscription { walletUpdated(walletId: WALLET) { kind } }", WALLET),
    "holdUpdated": ("subscription { holdUpdated(holdId: HOLD) { id } }", COMPLETED),
    "transactionSettled": ("subscription { transactionSettled { transaction { id } missed } }", COMPLETED),
}

ROUTES = {
    "POST /transfer": ("/transfer", PAY_FROM_IT),
    "POST /transactions/{id}/reverse": ("/transactions/COMPLETED/reverse", "-Y-FY F-FF YFF U"),
    "POST /holds": ("/holds", PLACE),
    "POST /holds/{id}/capture": ("/holds/HOLD/capture", DECIDE),
    "POST /holds/{id}/release": ("/holds/HOLD/release", DECIDE),
    "GET /holds/{id}": ("/holds/HOLD", COMPLETED),
    "GET /events": ("/events", ALL_OF_THEM),
    "GET /fx/rates": ("/fx/rates", PARTY),
    "POST /fx/quotes": ("/fx/quotes", PRICE),
    "GET /fx/quotes/{id}": ("/fx/quotes/QUOTE", WALLET),
    "POST /conversions": ("/conversions", CONVERT),
    "GET /wallets/{id}": ("/wallets/WALLET", WALLET),
    "GET /wallets/{id}/transactions": ("/wallets/WALLET/transactions", WALLET),
    "GET /wallets/{id}/balance": ("/wallets/WALLET/balance?at=2025-01-01T00:00:00Z", WALLET),
    "GET /wallets/{id}/balances": (
        "/wallets/WALLET/balances?from=2025-01-01T00:00:00Z&to=2025-01-02T00:00:00Z",
        WALLET,
    ),
    "GET /activity": ("/activity", "YYYYY YFFF YYF U"),
    "GET /wallets/{id}/statements": ("/wallets/WALLET/statements", WALLET),
    "POST /wallets/{id}/statements": ("/wallets/WALLET/statements", "YNNFY FFFF YFF U"),
    "GET /wallets/{id}/statements/{number}.{format}": ("/wallets/WALLET/statements/1.csv", WALLET),
    # Links are signed for a file and not for a caller. This one is not signed.
    "GET /statements/{statement}.{format}": ("/statements/STATEMENT.csv", "----- ---- --- -"),
    "GET /transactions/{id}": ("/transactions/COMPLETED", COMPLETED),
    "GET /transactions/{id}/receipt": ("/transactions/COMPLETED/receipt", COMPLETED),
    "GET /checkpoint": ("/checkpoint", "YYYYY YFFF YYF U"),
    "GET /log/key": ("/log/key", "----- -FFF --F U"),
    "GET /openapi.json": ("/openapi.json", PUBLIC),
    "GET /healthz": ("/healthz", PUBLIC),
    "GET /readyz": ("/readyz", PUBLIC),
    "GET /metrics": ("/metrics", PUBLIC),
    "GET /demo/session": ("/demo/session", PUBLIC),
    "GET /demo/transactions/{id}/life": ("/demo/transactions/COMPLETED/life", COMPLETED),
    "POST /demo/break": ("/demo/break", "YYYYY YFFF YYF U"),
    "POST /demo/ambient": ("/demo/ambient", "YYYYY YFFF YYF U"),
    "GET /demo/traffic": ("/demo/traffic", ADMIN_ONLY),
    "POST /demo/traffic": ("/demo/traffic", ADMIN_ONLY),
    "DELETE /demo/traffic": ("/demo/traffic", ADMIN_ONLY),
    "GET /demo/receiver": ("/demo/receiver", "YYY-- YFFF --F U"),
    "PUT /demo/receiver": ("/demo/receiver", "YYY-- YFFF --F U"),
    "POST /demo/receiver/{subject}": ("/demo/receiver/nobody", "----- ---- --- -"),
    "GET /demo/tampering": ("/demo/tampering", ADMIN_ONLY),
    "POST /demo/tampering": ("/demo/tampering", NOT_EMBEDDED),
    "DELETE /demo/tampering": ("/demo/tampering", NOT_EMBEDDED),
    "POST /demo/tampering/verification": ("/demo/tampering/verification", NOT_EMBEDDED),
}
BODIES: dict[str, dict[str, object]] = {
    "/demo/break": {"what": "relay"},
    "/demo/traffic": {"per_second": 1, "seconds": 1},
    "/demo/receiver": {"answer": 200},
    "/demo/tampering": {"what": "words"},
}
"""The bodies of requests that change something other than money."""
ELSEWHERE = {"GET /graphql", "POST /graphql", "WEBSOCKET /graphql"}
"""The objects of the tables above."""


class World:
    """alice has paid bob once and was refused once; carol took part in neither."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.names: dict[str, str] = {}

    async def build(self) -> World:
        """Create the wallets and transfers."""
        bank, key = self.api.bank, new_key()
        alice = await bank.viewer("alice")
        wallet, theirs = await bank.wallet(alice, balance="1000.00"), await bank.wallet(await bank.viewer("bob"))
        described = TransferInput(key, wallet, theirs, "1.00", "USD", "for the concert", "order-7", (("shop", "7"),))
        paid, refused = await transfer(bank.ledger, alice, described), await bank.pay(alice, wallet, theirs, "9999.00")
        assert paid.transaction is not None
        assert refused.transaction is not None
        self.names = {
            "THEIR_WALLET": theirs,
            "WALLET": wallet,
            "COMPLETED": ids.encode("txn", paid.transaction.id),
            "FAILED": ids.encode("txn", refused.transaction.id),
            "THEIR_ENTRY": ids.encode("ent", paid.entries[1].id),
            "ENTRY": ids.encode("ent", paid.entries[0].id),
            "OWNER": ids.encode("usr", alice.user_id),
            "KEY": key,
            **await self._charged(),
            **await self._held(wallet, theirs),
            "CURSOR": encode_update_cursor(uuid_of(wallet), 0),
        }
        self.names |= await self._exchanged()
        self.names |= await self._watched()
        self.names |= await self._stated()
        await self._signed()
        return self

    async def _signed(self) -> None:
        """A checkpoint of the log with all of these transactions, which are in the read models too."""
        connection = await connect(self.api.settings)
        try:
            async with asyncio.timeout(START_SECONDS):
                while (await connection.fetch("SELECT FROM outbox LIMIT 1")) or await log_sql.settled_from(  # noqa: ASYNC110
                    connection, await log_sql.size(connection), 1
                ):
                    await asyncio.sleep(0.05)  # it happens in the relay
            await sign(connection, new_signer("example.com/ledger"), None)
            while await project_live(connection):
                pass
        finally:
            await connection.close()

    async def _exchanged(self) -> dict[str, str]:
        """A quote for alice's dollars that is open for an hour, and one by which she has paid bob in yen."""
        bank, lasting = self.api.bank, self.api.settings.model_copy(update={"fx_quote_seconds": 3600})
        alice, admin = await bank.viewer("alice"), await bank.viewer("root", admin=True)
        rate = RateInput("USD", "JPY", "150", 50, "Desk", None, "A test")
        assert (await set_rate(bank.engine, admin, rate, bank.currencies, system_clock)).rate is not None
        quotes = []
        for _ in range(2):
            wanted = QuoteInput(new_key(), "USD", "JPY", ("1.00", "USD"), is_target_fixed=False)
            quote = (await create_quote(bank.ledger, lasting, alice, wanted)).quote
            assert quote is not None
            quotes.append(ids.encode("fxq", quote.id))
        details = TransferInput(new_key(), self.names["WALLET"], self.names["THEIR_JPY"], "1.00", "USD", quote_id=quotes[1])
        paid = (await transfer(bank.ledger, alice, details)).transaction
        assert paid is not None
        return {"QUOTE": quotes[0], "USED_QUOTE": quotes[1], "CONVERTED": ids.encode("txn", paid.id)}

    async def _watched(self) -> dict[str, str]:
        """An endpoint of alice's for her wallet, with a delivery that has failed once."""
        wallet = self.names["WALLET"]
        variables = f'{{"w": "{wallet}"}}'
        self.names["VARIABLES"] = variables.replace('"', '\\"')
        template = f"mutation {{ createWebhookEndpoint(input: {{{NEW_ENDPOINT}}}) {{ endpoint {{ id }} }} }}"
        made = [(await self.api.data("alice", self.text(template)))["createWebhookEndpoint"] for _ in range(2)]
        created, doomed = [one["endpoint"]["id"] for one in made]
        endpoint_id, delivery_id = ids.decode("whe", created), ids.new_id(system_clock())
        async with self.api.services.engine.begin() as connection:
            for statement in (
                (
                    "INSERT INTO webhook_deliveries (id, endpoint_id, subject_id, number, position, created_at, next_attempt_at, "
                    "attempts, failures, lanes, payload) VALUES (:id, :endpoint, :wallet, 1, 1, now(), now() + interval '1 day', "
                    "1, 1, ARRAY[CAST(:wallet AS uuid)], '{}')"
                ),
                (
                    "INSERT INTO webhook_attempts (delivery_id, number, at, duration_ms, status, response_body) "
                    "VALUES (:id, 1, now(), 5, 500, 'x')"
                ),
            ):
                values = {"id": delivery_id, "endpoint": endpoint_id, "wallet": uuid_of(wallet)}
                await connection.execute(sql(statement), values)
        return {"ENDPOINT": created, "DELIVERY": ids.encode("whd", delivery_id), "DOOMED": doomed}

    async def _stated(self) -> dict[str, str]:
        """A statement of alice's wallet that is READY."""
        services, key, end = self.api.services, new_key(), system_clock()
        details = StatementInput(key, self.names["WALLET"], datetime(2000, 1, 1, tzinfo=UTC), end)
        now = self.api.settings.model_copy(update={"statement_delay_seconds": 0.0})
        alice = await self.api.bank.viewer("alice")
        created = await create_statement(services.engine, now, alice, details, clock=services.clock)
        assert created.statement is not None, created.refusals
        await StatementMaker(services.engine, services.clock).make_next(asyncio.Event())
        return {
            "STATEMENT": ids.encode("stm", created.statement.id),
            "STATED_KEY": key,
            "STATED_END": rfc3339(end),
        }

    async def _charged(self) -> dict[str, str]:
        """A transfer in yen that alice pays a fee for, and francs of which bob would pay one."""
        bank = self.api.bank
        (alice, bob), admin = [await bank.viewer(name) for name in ("alice", "bob")], await bank.viewer("root", admin=True)
        names: dict[str, str] = {}
        published = []
        for currency, payer in (("JPY", FeePayer.SENDER), ("CHF", FeePayer.RECEIVER)):
            mine, theirs = await bank.wallet(alice, currency, "1000"), await bank.wallet(bob, currency)
            names |= {f"MY_{currency}": mine, f"THEIR_{currency}": theirs}
            schedule = fee_input(currency=currency, payer=payer, percent=None, flat=("10", currency))
            result = await publish(bank.engine, admin, schedule, bank.currencies, system_clock)
            assert result.schedule is not None, result.refusals
            published.append(result.schedule)
        details = TransferInput(new_key(), names["MY_JPY"], names["THEIR_JPY"], "100", "JPY", max_fee=("10", "JPY"))
        paid = (await transfer(bank.ledger, alice, details)).transaction
        assert paid is not None
        return {**names, "CHARGED": ids.encode("txn", paid.id), "SCHEDULE": ids.encode("fee", published[0].id)}

    async def _held(self, wallet: str, theirs: str) -> dict[str, str]:
        """A hold of alice's money in favour of bob, of which he has captured a part."""
        bank = self.api.bank
        alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
        details = PlaceInput(new_key(), wallet, ("10.00", "USD"), theirs, 3600, "a table", (("seats", "4"),))
        hold = (await place_hold(bank.ledger, alice, details)).hold
        assert hold is not None
        hold_id = ids.encode("hld", hold.id)
        taking = CaptureInput(new_key(), hold_id, ("1.00", "USD"), keep_remaining=True)
        captured = (await capture_hold(bank.ledger, bob, taking)).result.transaction
        assert captured is not None
        return {"HOLD": hold_id, "CAPTURED": ids.encode("txn", captured.id)}

    def text(self, template: str) -> str:
        """The document, with the names of this world's objects replaced by their ids."""
        for name, value in self.names.items():
            template = template.replace(f": {name}", f': "{value}"').replace(f"[{name}]", f'["{value}"]')
        return template.replace("NEW_KEY", f'"{new_key()}"').replace("ONE", '{amount: "1.00", currency: "USD"}')

    def headers(self, caller: str) -> dict[str, str]:
        """A caller's Authorization header."""
        if caller not in CALLERS:
            return {}
        subject, role, scope = CALLERS[caller]
        return {"Authorization": f"Bearer {mint_token(subject, self.api.settings, role=role, scope=scope)}"}

    async def ask(self, caller: str, template: str) -> str:
        """Run one operation over HTTP and return its letter."""
        body = {"query": self.text(template)}
        return letter((await self.api.http.post("/graphql", json=body, headers=self.headers(caller))).json())

    async def row(self, template: str) -> str:
        """The letters of all callers."""
        letters = [await self.ask(caller, template) for caller in (*CALLERS, "nobody")]
        return spaced(letters)


@pytest.fixture
async def world(api: Api) -> World:
    return await World(api).build()


def spaced(letters: list[str]) -> str:
    """The letters grouped as in the tables: people, alice's services, administrators, nobody."""
    text = "".join(letters)
    return f"{text[:5]} {text[5:9]} {text[9:12]} {text[12:]}"


LETTERS = {
    "FORBIDDEN": "F",
    "UNAUTHENTICATED": "U",
    "NOT_FOUND": "-",
    "NOT_REVERSIBLE": "-",
    "HOLD_NOT_OPEN": "-",
    "QUOTE_MISMATCH": "-",
    "QUOTE_USED": "Y",
    "INVALID_INPUT": "I",
    "WALLET_NOT_FOUND": "N",
    "PERIOD_NOT_NEXT": "Y",
    "NOT_SUPERVISED": "Y",
}
"""NOT_SUPERVISED: the caller may break things, but no supervisor would start them again. QUOTE_USED and
PERIOD_NOT_NEXT: it was theirs to ask for."""


def letter_of_code(error: dict[str, Any]) -> str:
    """The letter of an error, or its whole code if it has no letter."""
    code: str = error["extensions"]["code"]
    return LETTERS.get(code, code)


def letter(answer: dict[str, Any]) -> str:
    """The letter of an answer."""
    if answer.get("errors"):
        return letter_of_code(answer["errors"][0])
    return found(answer["data"])


def found(value: Any) -> str:
    """Y for a value; - for null and empty lists at any depth; N for a wallet that the caller may not use."""
    if isinstance(value, dict):
        if value.get("userErrors"):
            return letter_of_code({"extensions": value["userErrors"][0]})
        inner = [found(item) for name, item in value.items() if name != "userErrors"]
        return inner[0] if inner else "Y"
    if isinstance(value, list):
        return found(value[0]) if value else "-"
    return "-" if value is None else "Y"


def types(settings: Settings) -> dict[str, GraphQLObjectType]:
    """The schema's object types."""
    schema = build_schema(sdl(settings))
    return {name: type_ for name, type_ in schema.type_map.items() if isinstance(type_, GraphQLObjectType) and name[:2] != "__"}


async def test_every_query_answers_each_caller_as_decided(world: World) -> None:
    assert {name: await world.row(query) for name, (query, _) in QUERIES.items()} == {n: row for n, (_, row) in QUERIES.items()}


async def test_every_node_type_answers_each_caller_as_decided_by_node_and_by_nodes(world: World) -> None:
    decided = {name: row for name, (_, row) in NODES.items()}
    assert {name: await world.row(f"{{ node(id: {node}) {{ id }} }}") for name, (node, _) in NODES.items()} == decided
    assert {name: await world.row(f"{{ nodes(ids: [{node}]) {{ id }} }}") for name, (node, _) in NODES.items()} == decided


async def test_every_narrower_field_answers_each_caller_as_decided(world: World) -> None:
    assert {name: await world.row(query) for name, (query, _) in NARROWER.items()} == {n: row for n, (_, row) in NARROWER.items()}


async def test_every_mutation_answers_each_caller_as_decided(world: World) -> None:
    decided = {name: row for name, (_, row) in MUTATIONS.items()}
    assert {name: await world.row(mutation) for name, (mutation, _) in MUTATIONS.items()} == decided


@pytest.mark.parametrize("transport", ["websocket", "events"])
async def test_every_subscription_answers_each_caller_as_decided(world: World, transport: str) -> None:
    subscribed = over_websocket if transport == "websocket" else over_events
    rows = {
        name: spaced([await watch(world, caller, name, subscribed) for caller in (*CALLERS, "nobody")]) for name in SUBSCRIPTIONS
    }
    assert rows == {name: row for name, (_, row) in SUBSCRIPTIONS.items()}


class Feed(Protocol):
    """The next answer of one subscription. Raises TimeoutError if none comes in time."""

    async def __call__(self, *, within: float = 30) -> dict[str, Any]: ...


Subscribed = Callable[[World, str, str], AbstractAsyncContextManager[Feed]]


@asynccontextmanager
async def over_websocket(world: World, caller: str, query: str) -> AsyncIterator[Feed]:
    """One subscription over graphql-transport-ws."""
    async with world.api.socket(**world.headers(caller)) as socket:
        await socket.subscribe("1", query)

        async def feed(*, within: float = 30) -> dict[str, Any]:
            message = await socket.message("1", within=within)
            return {"errors": message["payload"]} if message["type"] == "error" else dict(message["payload"])

        yield feed


@asynccontextmanager
async def over_events(world: World, caller: str, query: str) -> AsyncIterator[Feed]:
    """One subscription over Server-Sent Events."""
    headers, answers = {**world.headers(caller), "Accept": "text/event-stream"}, asyncio.Queue[dict[str, Any]]()
    async with world.api.http.stream("POST", "/graphql", json={"query": query}, headers=headers) as response:

        async def read() -> None:
            # In a task of its own: a cancelled read ends the iterator over the answer's lines.
            stream = Stream(response)
            while (event := await stream.event(within=60))[0] == "next":
                answers.put_nowait(event[1])

        async def feed(*, within: float = 30) -> dict[str, Any]:
            return await asyncio.wait_for(answers.get(), within)

        reader = asyncio.create_task(read())
        try:
            yield feed
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


async def watch(world: World, caller: str, name: str, subscribed: Subscribed) -> str:
    """The letter of a subscription. One to `transactionSettled` is Y if it shows alice's transfer to bob."""
    await world.api.relayed()
    async with subscribed(world, caller, world.text(SUBSCRIPTIONS[name][0])) as feed:
        if name == "transactionSettled" and caller in CALLERS:
            return await watch_settled(world, feed, CALLERS[caller][0])
        return letter(await feed())


async def watch_settled(world: World, feed: Feed, subject: str) -> str:
    """Y if the subscriber gets alice's transfer to bob; - if only the next one, to themselves."""
    bank = world.api.bank
    alice, mine = await bank.viewer("alice"), await bank.wallet(await bank.viewer(subject))

    async def pay(receiver: str) -> str:
        paid = (await bank.pay(alice, world.names["WALLET"], receiver)).transaction
        assert paid is not None
        return ids.encode("txn", paid.id)

    for _ in range(40):
        # Transfers that settle before the subscription is active are not sent.
        await pay(mine)
        with contextlib.suppress(TimeoutError):
            first = await feed(within=0.5)
            break
    else:
        pytest.fail("the subscription never started")
    if first.get("errors"):
        return letter(first)
    watched, fence = await pay(world.names["THEIR_WALLET"]), await pay(mine)
    while (settled := (await feed())["data"]["transactionSettled"])["transaction"]["id"] not in (watched, fence):
        pass
    assert settled["missed"] == 0
    return "Y" if settled["transaction"]["id"] == watched else "-"


async def test_every_route_answers_each_caller_as_decided(world: World) -> None:
    rows = {name: spaced([await visit(world, name, caller) for caller in (*CALLERS, "nobody")]) for name in ROUTES}
    assert rows == {name: row for name, (_, row) in ROUTES.items()}


async def visit(world: World, name: str, caller: str) -> str:
    """The letter of one REST request."""
    method, path = name.split(maxsplit=1)[0], ROUTES[name][0]
    for placeholder in ("COMPLETED", "WALLET", "HOLD", "QUOTE", "STATEMENT"):
        path = path.replace(placeholder, world.names[placeholder])
    body: dict[str, object] = {
        "sender_wallet_id": world.names["WALLET"],
        "receiver_wallet_id": world.names["THEIR_WALLET"],
        "amount": "1.00",
        "currency": "USD",
        "idempotency_key": new_key(),
    }
    if path.endswith("/statements"):
        body = {"from": "2000-01-01T00:00:00Z", "to": "2001-01-01T00:00:00Z", "idempotency_key": new_key()}
    if path.endswith("/reverse"):
        body = {"amount": "0.01", "currency": "USD", "reason": "REFUND", "idempotency_key": new_key()}
    if path == "/fx/quotes":
        body = {"source_currency": "USD", "target_currency": "JPY", "source_amount": "1.00", "idempotency_key": new_key()}
    if path == "/conversions":
        body = {
            "quote_id": world.names["QUOTE"],
            "source_wallet_id": world.names["WALLET"],
            "target_wallet_id": world.names["MY_JPY"],
            "idempotency_key": new_key(),
        }
    if path == "/holds":
        body["wallet_id"] = body.pop("sender_wallet_id")
    if path.startswith("/holds/"):
        body = {"amount": "0.01", "currency": "USD", "idempotency_key": new_key()}
        if path.endswith("/capture"):
            body["keep_remaining"] = True
    response: httpx.Response = await world.api.http.request(
        method, path, json=BODIES.get(path, body) if method in ("POST", "PUT") else None, headers=world.headers(caller)
    )
    if response.status_code < 300:
        return "Y"
    return letter_of_code({"extensions": response.json()})


def test_every_root_field_and_node_type_has_a_decision(settings: Settings) -> None:
    known = types(settings)
    assert set(known["Query"].fields) == set(QUERIES)
    assert set(known["Mutation"].fields) == set(MUTATIONS)
    assert set(known["Subscription"].fields) == set(SUBSCRIPTIONS)
    assert {name for name, type_ in known.items() if any(i.name == "Node" for i in type_.interfaces)} == set(NODES)


async def test_every_route_has_a_decision(api: Api) -> None:
    served = set()
    for route in api.app.routes:
        if isinstance(route, WebSocketRoute):
            served.add(f"WEBSOCKET {route.path}")
        else:
            if isinstance(route, Mount) and route.path == "/assets":
                continue  # files, the same for everybody
            assert isinstance(route, Route), f"{route} is of a kind that no table covers"
            served |= {f"{method} {route.path}" for method in set(route.methods or ()) - {"HEAD"}}
    assert served == {*ROUTES, *ELSEWHERE}
