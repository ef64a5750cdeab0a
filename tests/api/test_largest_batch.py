"""The default limits have room for the largest batch that the contract allows."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest

from app.services.input_rules import MAX_DESCRIPTION
from app.settings import MAX_BATCH
from tests.api.conftest import Api, shares_api
from tests.bank import new_key

BATCH = """mutation($i: [TransferInput!]!) { transferBatch(input: {transfers: $i}) {
    userErrors { code } results { transaction { status description } userErrors { code } } } }"""
DESCRIPTIONS = {
    "emoji": "\N{GRINNING FACE}" * MAX_DESCRIPTION,
    "Chinese": "\u4e2d" * MAX_DESCRIPTION,
    "Korean in letters": unicodedata.normalize("NFD", "\ud55c" * MAX_DESCRIPTION),
    "Vietnamese in letters": unicodedata.normalize("NFD", "\u1ec7" * MAX_DESCRIPTION),
    "quotes": '"' * MAX_DESCRIPTION,
    "commas": "," * MAX_DESCRIPTION,
}


async def largest_batch(api: Api, description: str) -> list[dict[str, Any]]:
    alice = await api.bank.viewer("alice")
    sender, receiver = await api.bank.wallet(alice, balance="1000.00"), await api.bank.wallet(alice)
    return [
        {
            "idempotencyKey": f"{new_key()}-{number}-".ljust(255, "\\"),
            "senderWalletId": sender,
            "receiverWalletId": receiver,
            "amount": {"amount": "1.00", "currency": "USD"},
            "description": description,
        }
        for number in range(MAX_BATCH)
    ]


def settled(answer: dict[str, Any], description: str) -> bool:
    kept = {"status": "COMPLETED", "description": unicodedata.normalize("NFC", description)}
    results = answer["data"]["transferBatch"]["results"]
    return bool(results == [{"transaction": kept, "userErrors": []}] * MAX_BATCH)


@pytest.mark.parametrize("is_escaped", [True, False], ids=["escaped", "UTF-8"])
@pytest.mark.parametrize("name", DESCRIPTIONS)
@shares_api
async def test_a_batch_of_500_fits_in_a_post_by_default(shared: Api, name: str, is_escaped: bool) -> None:
    transfers = await largest_batch(shared, DESCRIPTIONS[name])
    body = json.dumps({"query": BATCH, "variables": {"i": transfers}}, ensure_ascii=is_escaped).encode()
    headers = {**shared.headers("alice"), "Content-Type": "application/json"}
    answer = (await shared.http.post("/graphql", content=body, headers=headers, timeout=60)).json()
    assert settled(answer, DESCRIPTIONS[name]), answer.get("errors")


@pytest.mark.parametrize("name", DESCRIPTIONS)
@shares_api
async def test_a_batch_of_500_fits_in_a_websocket_message_by_default(shared: Api, name: str) -> None:
    transfers = await largest_batch(shared, DESCRIPTIONS[name])
    async with shared.socket("alice") as socket:
        await socket.subscribe("1", BATCH, i=transfers)
        message = await socket.message("1", within=60)
    assert message["type"] == "next", message
    assert settled(message["payload"], DESCRIPTIONS[name]), message["payload"].get("errors")


@pytest.mark.parametrize("name", DESCRIPTIONS)
@shares_api
async def test_the_longest_description_fits_in_a_rest_transfer_by_default(shared: Api, name: str) -> None:
    given, *_ = await largest_batch(shared, DESCRIPTIONS[name])
    fields = {
        "sender_wallet_id": given["senderWalletId"],
        "receiver_wallet_id": given["receiverWalletId"],
        **given["amount"],
        "description": given["description"],
        "idempotency_key": given["idempotencyKey"],
    }
    headers = {**shared.headers("alice"), "Content-Type": "application/json"}
    response = await shared.http.post("/transfer", content=json.dumps(fields).encode(), headers=headers)
    assert response.status_code == 201, response.text
