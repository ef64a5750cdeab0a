"""Every field of every type, requested by every kind of caller: nodes, lists, payloads, refusals and values.

The letters and callers are those of `test_authorisation_matrix.py`. A field without a decision fails.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, get_named_type, is_leaf_type

from app.settings import Settings
from tests.api.conftest import Api
from tests.api.test_authorisation_matrix import (
    ADMIN_ONLY,
    ALL_OF_THEM,
    ANY_TOKEN,
    BY_QUOTE,
    CALLERS,
    COMPLETED,
    CONVERT,
    FAILED,
    GIVE_BACK,
    LEGS,
    NEW_ENDPOINT,
    NEW_HOLD,
    NEW_QUOTE,
    NEXT_STATEMENT,
    OWN_ONLY,
    PARTY,
    POSTING,
    PRICE,
    RATE,
    REVERSAL,
    SCHEDULE,
    SYSTEM_WALLET,
    WALLET,
    World,
    found,
    letter,
    over_websocket,
    spaced,
    types,
)

_THEY_PAY = "idempotencyKey: NEW_KEY, senderWalletId: WALLET, receiverWalletId: THEIR_WALLET"
PAY = f"mutation {{ transfer(input: {{{_THEY_PAY}, amount: ONE}}) {{ FIELDS }} }}"
PAY_MANY = f"mutation {{ transferBatch(input: {{transfers: [{{{_THEY_PAY}, amount: ONE}}]}}) {{ FIELDS }} }}"
DEPOSIT = "mutation { deposit(input: {idempotencyKey: NEW_KEY, walletId: WALLET, amount: ONE}) { FIELDS } }"
OPEN = 'mutation { openWallet(input: {idempotencyKey: NEW_KEY, currency: "USD", name: "x"}) { FIELDS } }'
PREVIEW = f"{{ previewTransfer(input: {{{_THEY_PAY}, amount: ONE}}) {{ FIELDS }} }}"
POST = f"mutation {{ postTransaction(input: {{{LEGS}}}) {{ FIELDS }} }}"
OPEN_SYSTEM = f"mutation {{ openSystemWallet(input: {SYSTEM_WALLET}) {{ FIELDS }} }}"
PAY_IF = (
    f"mutation {{ transfer(input: {{{_THEY_PAY}, amount: ONE, "
    'conditions: [{sequenceIs: {walletId: WALLET, sequence: "0"}}]}) '
    "{ userErrors { ... on ConditionFailed { FIELDS } } } }"
)
PUBLISH = f"mutation {{ publishFeeSchedule(input: {{{SCHEDULE}}}) {{ FIELDS }} }}"
REVERSE = f"mutation {{ reverseTransaction(input: {{{REVERSAL}}}) {{ FIELDS }} }}"
SET_RATE = f"mutation {{ setFxRate(input: {{{RATE}}}) {{ FIELDS }} }}"
ASK_PRICE = f"mutation {{ createFxQuote(input: {{{NEW_QUOTE}}}) {{ FIELDS }} }}"
WATCH = f"mutation {{ createWebhookEndpoint(input: {{{NEW_ENDPOINT}}}) {{ FIELDS }} }}"
LISTED, ASKED = OWN_ONLY, "YYYYY YFFF YYF U"
EXCHANGE = f"mutation {{ convert(input: {{{BY_QUOTE}}}) {{ FIELDS }} }}"
HOLD = f"mutation {{ placeHold(input: {{{NEW_HOLD}}}) {{ FIELDS }} }}"
STATE = f"mutation {{ createStatement(input: {{{NEXT_STATEMENT}}}) {{ FIELDS }} }}"
SET_STATUS = 'mutation { setWalletStatus(input: {walletId: WALLET, status: ACTIVE, reason: "x"}) { FIELDS } }'


def refused(amount: str, currency: str = "USD", key: str = "NEW_KEY") -> str:
    """A transfer that the ledger refuses, with its user errors of one type."""
    document = PAY.replace("ONE", f'{{amount: "{amount}", currency: "{currency}"}}').replace("NEW_KEY", key)
    return document.replace("FIELDS", "userErrors { ... on TYPE { FIELDS } }")


PAID = "Y--F- FYFF -FF U"
"""For transfers from alice's wallet, which does not exist for the other callers."""
NOT_PAID = "-YYFY F-FF YFF U"


def charged(currency: str, amount: str, max_fee: str) -> str:
    """A transfer of which a fee of 10 would be paid, with its user errors of one type."""
    wallets = f"senderWalletId: MY_{currency}, receiverWalletId: THEIR_{currency}"
    amounts = ", ".join(
        f'{name}: {{amount: "{value}", currency: "{currency}"}}' for name, value in (("amount", amount), ("maxFee", max_fee))
    )
    named = f"idempotencyKey: NEW_KEY, {wallets}, {amounts}"
    return f"mutation {{ transfer(input: {{{named}}}) {{ userErrors {{ ... on TYPE {{ FIELDS }} }} }} }}"


ASKED_TO_PAY = "YYYFY FYFF YFF U"
OPENED = "YYYFY FFYF YFF U"
NOBODY_OPENED = "---F- FF-F -FF U"
NOBODY_FOR_ADMINS = "FFFF- FFFF -FF U"

LIST = {WALLET: "edges pageInfo"}
EDGE = {WALLET: "node cursor"}
THEN = '(at: "2025-01-01T00:00:00Z")'
DAY = '(from: "2025-01-01T00:00:00Z", to: "2025-01-02T00:00:00Z", step: DAY)'
MOVED = "{ node(id: OWNER) { ... on User { activity { MOVED } } } }"
ARGUMENTS = {"balanceAt": THEN, "balances": DAY, "download": "(format: CSV)"}
"""The arguments of fields that need some."""

FIELDS: list[tuple[str, str, dict[str, str]]] = [
    ("User", "{ node(id: OWNER) { ... on User { FIELDS } } }", {WALLET: "id displayName wallets activity"}),
    (
        "Wallet",
        "{ wallet(id: WALLET) { FIELDS } }",
        {
            WALLET: "id kind owner name currency balance available held status accountType sequence updatesCursor createdAt "
            "transactions entries holds incomingHolds balanceAt balances statements"
        },
    ),
    (
        "WalletParty",
        "{ walletParty(walletId: WALLET) { FIELDS } }",
        {PARTY: "walletId displayName currency", "Y--YY Y-FF YYF U": "wallet"},
    ),
    (
        "Transaction",
        "{ transaction(id: COMPLETED) { FIELDS } }",
        {
            COMPLETED: "id type status sender receiver amount description reference metadata entries createdAt completedAt "
            "reversals reversed reversible receipt",
            "Y---- YFFF --F U": "idempotencyKey",
            "----- -FFF --F U": "failureCode fees hold conversion reverses",
        },
    ),
    (
        "Transaction",
        "{ transaction(id: FAILED) { FIELDS } }",
        {
            FAILED: "id type status sender receiver amount failureCode createdAt reversals reversed reversible",
            "Y---- YFFF --F U": "idempotencyKey",
            "----- -FFF --F U": "description reference metadata entries fees hold conversion reverses completedAt receipt",
        },
    ),
    (
        "Hold",
        "{ hold(id: HOLD) { FIELDS } }",
        {
            COMPLETED: "id status wallet receiver amount captured released remaining description metadata expiresAt createdAt "
            "captures",
            "Y---- YFFF --F U": "idempotencyKey",
            "----- -FFF --F U": "closedAt",
        },
    ),
    (
        "BalancePoint",
        f"{{ wallet(id: WALLET) {{ balanceAt{THEN} {{ FIELDS }} }} }}",
        {WALLET: "at sequence balance held available"},
    ),
    (
        "BalancePeriod",
        f"{{ wallet(id: WALLET) {{ balances{DAY} {{ FIELDS }} }} }}",
        {WALLET: "from to opening debits credits closing entryCount closingSequence"},
    ),
    ("ActivityConnection", MOVED.replace("MOVED", "FIELDS"), {WALLET: "edges pageInfo readPosition"}),
    ("ActivityEdge", MOVED.replace("MOVED", "edges { FIELDS }"), EDGE),
    (
        "ActivityItem",
        MOVED.replace("MOVED", "edges { node { FIELDS } }"),
        {WALLET: "id at wallet amount direction purpose counterparty transaction"},
    ),
    ("ReadPosition", MOVED.replace("MOVED", "readPosition { FIELDS }"), {WALLET: "position at lagSeconds"}),
    ("HoldConnection", "{ wallet(id: WALLET) { holds { FIELDS } } }", LIST),
    ("HoldEdge", "{ wallet(id: WALLET) { holds { edges { FIELDS } } } }", EDGE),
    (
        "LedgerEntry",
        "{ node(id: ENTRY) { ... on LedgerEntry { FIELDS } } }",
        {WALLET: "id wallet sequence direction purpose amount balanceBefore balanceAfter transaction createdAt"},
    ),
    ("Money", "{ wallet(id: WALLET) { balance { FIELDS } } }", {WALLET: "amount currency"}),
    ("Currency", "{ currencies { FIELDS } }", {ANY_TOKEN: "code exponent name"}),
    ("WalletConnection", "{ node(id: OWNER) { ... on User { wallets { FIELDS } } } }", LIST),
    ("WalletEdge", "{ node(id: OWNER) { ... on User { wallets { edges { FIELDS } } } } }", EDGE),
    ("UserConnection", "{ users { FIELDS } }", {ALL_OF_THEM: "edges pageInfo"}),
    ("UserEdge", "{ users { edges { FIELDS } } }", {ALL_OF_THEM: "node cursor"}),
    ("WalletConnection", "{ wallets { FIELDS } }", {ALL_OF_THEM: "edges pageInfo"}),
    ("WalletEdge", "{ wallets { edges { FIELDS } } }", {ALL_OF_THEM: "node cursor"}),
    ("TransactionConnection", "{ wallet(id: WALLET) { transactions { FIELDS } } }", LIST),
    ("TransactionEdge", "{ wallet(id: WALLET) { transactions { edges { FIELDS } } } }", EDGE),
    ("TransactionConnection", "{ transactions { FIELDS } }", {ALL_OF_THEM: "edges pageInfo"}),
    ("TransactionEdge", "{ transactions { edges { FIELDS } } }", {ALL_OF_THEM: "node cursor"}),
    ("LedgerEntryConnection", "{ wallet(id: WALLET) { entries { FIELDS } } }", LIST),
    ("LedgerEntryEdge", "{ wallet(id: WALLET) { entries { edges { FIELDS } } } }", EDGE),
    (
        "PageInfo",
        "{ wallet(id: WALLET) { entries { pageInfo { FIELDS } } } }",
        {WALLET: "hasNextPage hasPreviousPage startCursor endCursor"},
    ),
    (
        "LedgerStatus",
        "{ ledgerStatus { FIELDS } }",
        {ALL_OF_THEM: "totals trialBalance transfersPerSecond outboxPending outboxLagSeconds hotWallets fx"},
    ),
    (
        "CurrencyTotal",
        "{ ledgerStatus { totals { FIELDS } } }",
        {ALL_OF_THEM: "currency userBalances systemBalances difference"},
    ),
    (
        "LedgerPartition",
        "{ ledgerPartitions { FIELDS } }",
        {
            ALL_OF_THEM: "from to state entryCount bytes",
            # Of a month that was sealed.
            "FFF-- FFFF --F U": "sealHash archiveUri archivedAt verifiedAt",
        },
    ),
    ("TrialBalanceLine", "{ ledgerStatus { trialBalance { FIELDS } } }", {ALL_OF_THEM: "accountType currency debit credit"}),
    ("MetadataItem", "{ transaction(id: COMPLETED) { metadata { FIELDS } } }", {COMPLETED: "key value"}),
    ("PostTransactionPayload", POST, {POSTING: "transaction replayed", "FFFF- FFFF -F- U": "userErrors preview"}),
    ("OpenSystemWalletPayload", OPEN_SYSTEM, {ADMIN_ONLY: "wallet replayed", NOBODY_FOR_ADMINS: "userErrors"}),
    (
        "FeeSchedule",
        "{ node(id: SCHEDULE) { ... on FeeSchedule { FIELDS } } }",
        {
            "YYYYY YFFF YYF U": "id name version transactionType currency payer flat rounding validFrom",
            "----- -FFF --F U": "userId percent minimum maximum",
        },
    ),
    (
        "FeeCharge",
        "{ transaction(id: CHARGED) { fees { FIELDS } } }",
        {WALLET: "label payer amount schedule explanation reversed"},
    ),
    ("FeeSchedulePayload", PUBLISH, {ADMIN_ONLY: "feeSchedule replayed", NOBODY_FOR_ADMINS: "userErrors"}),
    ("FeeExceedsLimit", charged("JPY", "20", "0"), {PAID: "code message path fee limit"}),
    ("FeeExceedsAmount", charged("CHF", "5", "10"), {PAID: "code message path fee"}),
    ("FxRate", "{ fxRates { FIELDS } }", {PARTY: "base quote rate spreadBasisPoints source validFrom"}),
    (
        "FxQuote",
        "{ node(id: USED_QUOTE) { ... on FxQuote { FIELDS } } }",
        {WALLET: "id status source target rate spread total createdAt expiresAt transaction", "----- -FFF --F U": "fees"},
    ),
    (
        "Conversion",
        "{ transaction(id: CONVERTED) { conversion { FIELDS } } }",
        {COMPLETED: "rate sold bought spread residue", WALLET: "quote"},
    ),
    (
        "WebhookEndpoint",
        "{ node(id: ENDPOINT) { ... on WebhookEndpoint { FIELDS } } }",
        {OWN_ONLY: "id url document variables status publicKey ordered createdAt oldestUndelivered deliveries"},
    ),
    ("WebhookEndpointConnection", "{ webhookEndpoints { FIELDS } }", {LISTED: "edges", ASKED: "pageInfo"}),
    ("WebhookEndpointEdge", "{ webhookEndpoints { edges { FIELDS } } }", {OWN_ONLY: "node cursor"}),
    (
        "WebhookDelivery",
        "{ node(id: DELIVERY) { ... on WebhookDelivery { FIELDS } } }",
        {
            OWN_ONLY: "id messageId event wallet sequence payload createdAt nextAttemptAt attempts",
            "----- -FFF --F U": "deliveredAt",
        },
    ),
    (
        "WebhookDeliveryConnection",
        "{ node(id: ENDPOINT) { ... on WebhookEndpoint { deliveries { FIELDS } } } }",
        {OWN_ONLY: "edges pageInfo"},
    ),
    (
        "WebhookDeliveryEdge",
        "{ node(id: ENDPOINT) { ... on WebhookEndpoint { deliveries { edges { FIELDS } } } } }",
        {OWN_ONLY: "node cursor"},
    ),
    (
        "WebhookAttempt",
        "{ node(id: DELIVERY) { ... on WebhookDelivery { attempts { FIELDS } } } }",
        {OWN_ONLY: "at durationMs status responseBody", "----- -FFF --F U": "error"},
    ),
    (
        "WebhookEndpointPayload",
        WATCH,
        {"Y--FY FFFF YFF U": "endpoint secret", "YYYFY FFFF YFF U": "replayed", "-YYF- FFFF -FF U": "userErrors"},
    ),
    (
        "DeleteWebhookEndpointPayload",
        "mutation { deleteWebhookEndpoint(endpointId: DOOMED) { FIELDS } }",
        {"Y--F- FFFF -FF U": "deletedId", "-YYFY FFFF YFF U": "userErrors"},
    ),
    (
        "ReplayWebhooksPayload",
        "mutation { replayWebhooks(input: {endpointId: ENDPOINT, from: {deliveryId: DELIVERY}}) { FIELDS } }",
        {"YYYFY FFFF YFF U": "scheduled", "-YYFY FFFF YFF U": "userErrors"},
    ),
    (
        "WebhookTestPayload",
        "mutation { testWebhook(endpointId: ENDPOINT) { FIELDS } }",
        {"Y--F- FFFF -FF U": "payload error", "---F- FFFF -FF U": "status", "-YYFY FFFF YFF U": "userErrors"},
    ),
    (
        "Statement",
        "{ node(id: STATEMENT) { ... on Statement { FIELDS } } }",
        {
            WALLET: "id number status from to firstSequence lastSequence createdAt wallet opening credits debits closing "
            "entries files download",
            "----- -FFF --F U": "problem",
        },
    ),
    ("StatementConnection", "{ wallet(id: WALLET) { statements { FIELDS } } }", LIST),
    ("StatementEdge", "{ wallet(id: WALLET) { statements { edges { FIELDS } } } }", EDGE),
    (
        "StatementFile",
        "{ node(id: STATEMENT) { ... on Statement { files { FIELDS } } } }",
        {WALLET: "format bytes sha256", "----- -FFF --F U": "problem"},
    ),
    (
        "Download",
        "{ node(id: STATEMENT) { ... on Statement { download(format: CSV) { FIELDS } } } }",
        {WALLET: "url sha256 expiresAt"},
    ),
    (
        "StatementPayload",
        STATE,
        {"Y--F- FFFF -FF U": "statement", "YYYFY FFFF YFF U": "replayed", "-YYFY FFFF YFF U": "userErrors"},
    ),
    (
        "PeriodNotNext",
        STATE.replace("FIELDS", "userErrors { ... on PeriodNotNext { FIELDS } }"),
        {"---FY FFFF YFF U": "code message path expectedFrom"},
    ),
    ("Receipt", "{ transaction(id: COMPLETED) { receipt { FIELDS } } }", {COMPLETED: "index leaf proof"}),
    (
        "Checkpoint",
        "{ checkpoint { FIELDS } }",
        {"YYYYY YFFF YYF U": "origin size rootHash text at", "----- -FFF --F U": "cosignedBy publicKey"},
    ),
    ("FxStatus", "{ ledgerStatus { fx { FIELDS } } }", {ALL_OF_THEM: "baseCurrency positions unrealised"}),
    (
        "FxPosition",
        "{ ledgerStatus { fx { positions { FIELDS } } } }",
        {ALL_OF_THEM: "currency position value spreadEarned residue", "FFF-- FFFF --F U": "limit"},
    ),
    ("FxRatePayload", SET_RATE, {ADMIN_ONLY: "rate", NOBODY_FOR_ADMINS: "userErrors"}),
    ("FxQuotePayload", ASK_PRICE, {PRICE: "quote replayed", "---F- F-FF -FF U": "userErrors"}),
    # The second request with alice's rights finds the quote used.
    ("ConvertPayload", EXCHANGE, {CONVERT: "transaction", PRICE: "replayed", "-YYFY FYFF YFF U": "userErrors"}),
    ("ConditionFailed", PAY_IF, {"Y--F- FFFF -FF U": "code message path wallet"}),
    (
        "TransferPreview",
        PREVIEW,
        {PAID: "debited credited entries", "---F- F-FF -FF U": "replayed fees", NOT_PAID: "userErrors"},
    ),
    (
        "PreviewEntry",
        PREVIEW.replace("FIELDS", "entries { FIELDS }"),
        {PAID: "direction amount purpose wallet", "Y--F- F-FF -FF U": "balanceAfter"},
    ),
    ("TransferPayload", PAY, {PAID: "transaction", ASKED_TO_PAY: "replayed", NOT_PAID: "userErrors"}),
    ("TransferBatchPayload", PAY_MANY, {ASKED_TO_PAY: "results", "---F- F-FF -FF U": "userErrors"}),
    ("DepositPayload", DEPOSIT, {ADMIN_ONLY: "transaction replayed", NOBODY_FOR_ADMINS: "userErrors"}),
    ("ReversalPayload", REVERSE, {GIVE_BACK: "transaction original", ASKED_TO_PAY: "replayed", "Y-YF- FYFF -FF U": "userErrors"}),
    (
        "HoldPayload",
        HOLD,
        {
            "Y--FY F-FF YF- U": "hold",
            "YYYFY FYFF YFY U": "replayed",
            "-YYF- F-FF -F- U": "userErrors",
            "---F- F-FF -F- U": "transaction",
        },
    ),
    ("OpenWalletPayload", OPEN, {OPENED: "wallet replayed", NOBODY_OPENED: "userErrors"}),
    ("SetWalletStatusPayload", SET_STATUS, {ADMIN_ONLY: "wallet", NOBODY_FOR_ADMINS: "userErrors"}),
    ("InvalidInput", refused("0"), {ASKED_TO_PAY: "code message path"}),
    (
        "IdempotencyKeyReused",
        refused("7.00", key="KEY"),
        {PAID: "code message path", "Y--F- F-FF -FF U": "transaction"},
    ),
    ("InsufficientFunds", refused("9999.00"), {"Y--F- F-FF -FF U": "code message path available required"}),
    ("TransferRefused", refused("1.00", "EUR"), {PAID: "code message path"}),
    (
        "WalletUpdate",
        "subscription { walletUpdated(walletId: WALLET, after: CURSOR) { FIELDS } }",
        {WALLET: "kind cursor wallet entry"},
    ),
]
"""By type: the document that reads it, and each row of letters with its fields."""

ELSEWHERE = {"Query", "Mutation", "Subscription", "TransactionSettled"}
"""The root fields, which `test_authorisation_matrix.py` covers."""
SETTLED = "transaction missed"


def decided(rows: dict[str, str]) -> dict[str, str]:
    """The row of each field."""
    return {name: row for row, names in rows.items() for name in names.split()}


def selection(type_: GraphQLObjectType) -> str:
    """A selection of all fields of a type, only as deep as needed to see that each has a value."""
    inner = {name: "" if is_leaf_type(get_named_type(field.type)) else " { __typename }" for name, field in type_.fields.items()}
    return " ".join(["here: __typename", *(name + ARGUMENTS.get(name, "") + rest for name, rest in inner.items())])


def inside(value: Any) -> dict[str, Any] | None:
    """The requested object at any depth of the answer, or None."""
    if isinstance(value, dict):
        return value if "here" in value else next(filter(None, map(inside, value.values())), None)
    return next(filter(None, map(inside, value)), None) if isinstance(value, list) else None


def letters(answer: dict[str, Any], type_: GraphQLObjectType) -> dict[str, str]:
    """The letter of each field of one answer."""
    there = inside(answer.get("data"))
    if there is None:
        # A refusal of another type does not count.
        whole = letter(answer) if answer.get("errors") else "-"
        return dict.fromkeys(type_.fields, whole)
    assert there["here"] == type_.name
    failed = {error["path"][-1]: letter({"errors": [error]}) for error in answer.get("errors", ())}
    return {name: failed.get(name) or found(there[name]) for name in type_.fields}


@pytest.fixture
async def world(api: Api) -> World:
    return await World(api).build()


async def ask(world: World, caller: str, document: str) -> dict[str, Any]:
    """The answer to one caller; for a subscription, the first one."""
    text = world.text(document)
    if text.startswith("subscription"):
        async with over_websocket(world, caller, text) as feed:
            return await feed()
    response = await world.api.http.post("/graphql", json={"query": text}, headers=world.headers(caller))
    answer: dict[str, Any] = response.json()
    return answer


async def test_every_field_answers_each_caller_as_decided(world: World) -> None:
    known, seen = types(world.api.settings), {}
    for name, document, _ in FIELDS:
        type_ = known[name]
        text = document.replace("TYPE", name).replace("FIELDS", selection(type_))
        answers = [letters(await ask(world, caller, text), type_) for caller in (*CALLERS, "nobody")]
        seen[document] = {field: spaced([one[field] for one in answers]) for field in type_.fields}
    assert seen == {document: decided(rows) for _, document, rows in FIELDS}


def test_every_field_of_every_type_has_a_decision(settings: Settings) -> None:
    known = types(settings)
    assert {name for name, _, _ in FIELDS} == set(known) - ELSEWHERE
    for name, document, rows in FIELDS:
        names = Counter(field for fields in rows.values() for field in fields.split())
        assert set(names) == set(known[name].fields), document
        assert set(names.values()) == {1}, document
    assert set(known["TransactionSettled"].fields) == set(SETTLED.split())
    interfaces = {interface for type_ in known.values() for interface in type_.interfaces}
    assert {interface.name for interface in interfaces} == {"Node", "UserError"}
    assert all(isinstance(interface, GraphQLInterfaceType) for interface in interfaces)
