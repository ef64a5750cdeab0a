"""Common mistakes are answered with a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.db.pool import Database
from app.settings import Settings
from tests.api.conftest import Api, serving


@pytest.mark.parametrize(("amount", "currency", "hint"), [('"1.00"', "USD", '"USD"'), ("1.50", '"USD"', '"1.50"')])
async def test_a_value_without_quotes_gets_a_hint_to_quote_it(api: Api, amount: str, currency: str, hint: str) -> None:
    document = f"""mutation {{ transfer(input: {{idempotencyKey: "k", senderWalletId: "a", receiverWalletId: "b",
      amount: {{amount: {amount}, currency: {currency}}}}}) {{ replayed }} }}"""
    (error,) = (await api.graphql("alice", document))["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert f"Put it in quotes: {hint}." in error["message"]


async def test_an_asset_is_404_if_the_pages_are_not_built(settings: Settings, engine: Database, tmp_path: Path) -> None:
    async with serving(settings.model_copy(update={"dashboard_dir": tmp_path / "nothing"}), engine, relay=False) as api:
        for _ in range(2):
            answer = await api.http.get("/assets/app-1a2b.js")
            assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
