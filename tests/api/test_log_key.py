"""The log's public key, as the service is told it."""

from __future__ import annotations

import pytest

from app.db.pool import Database
from app.errors import ConfigurationError
from app.main import create_app
from app.services.receipts import notes
from app.settings import Settings, load_settings
from tests.api.conftest import Api, serving

KEY = str(notes.new_signer("example.com/ledger").verifier)


async def test_the_key_is_answered_where_it_is_set(api: Api, settings: Settings, engine: Database) -> None:
    assert (await api.http.get("/log/key", headers=api.headers("alice"))).status_code == 404
    async with serving(settings.model_copy(update={"log_public_key": KEY}), engine, relay=False) as told:
        answer = await told.http.get("/log/key", headers=told.headers("alice"))
        assert (answer.status_code, answer.text) == (200, f"{KEY}\n")
        assert (await told.http.get("/log/key")).status_code == 401


@pytest.mark.parametrize(
    "key",
    ["example.com/ledger", f"{KEY}\n", KEY.replace("+", " "), f"x{KEY[:-4]}"],
    ids=["its name", "a line", "spaces", "cut off"],
)
def test_what_is_no_key_is_refused_as_a_setting(key: str) -> None:
    with pytest.raises(ConfigurationError, match="PAYCORE_LOG_PUBLIC_KEY"):
        load_settings(log_public_key=key)


def test_a_key_that_is_damaged_or_a_witnesss_stops_the_start(settings: Settings) -> None:
    damaged = KEY.replace("example.com", "example.org")
    with pytest.raises(ConfigurationError, match="PAYCORE_LOG_PUBLIC_KEY: the key does not match its id"):
        create_app(settings.model_copy(update={"log_public_key": damaged}))
    witness = str(notes.VerifierKey("witness", notes.new_signer("witness").verifier.key, is_witness=True))
    with pytest.raises(ConfigurationError, match="a witness's key"):
        create_app(settings.model_copy(update={"log_public_key": witness}))
