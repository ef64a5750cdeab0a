from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.errors import ConfigurationError
from app.processes.serving import ends_within, graceful_seconds
from app.settings import (
    DEMO_JWT_SECRET,
    DEMO_LOG_KEY,
    DatabaseSettings,
    RelaySettings,
    Settings,
    load_settings,
    unknown_variables,
)

ROOT = Path(__file__).parents[2]
SECRET = "0123456789abcdef0123456789abcdef-of-our-own"
DATABASE_URL = "postgresql://paycore:hunter2@db.example/paycore"
REDIS_URL = "redis://:hunter3@redis.example:6379/0"


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A complete production environment."""
    monkeypatch.setenv("PAYCORE_ENVIRONMENT", "production")
    monkeypatch.setenv("PAYCORE_JWT_SECRET", SECRET)
    monkeypatch.setenv("PAYCORE_DATABASE_URL", DATABASE_URL)
    monkeypatch.setenv("PAYCORE_REDIS_URL", REDIS_URL)
    return monkeypatch


def test_development_needs_no_settings():
    settings = load_settings()
    assert settings.environment == "development"
    assert settings.port == 8000
    assert settings.database_url is None
    assert settings.jwt_secret.get_secret_value() == DEMO_JWT_SECRET


def test_settings_are_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("PAYCORE_PORT", "9001")
    monkeypatch.setenv("PAYCORE_HOME", "/srv/paycore")
    settings = load_settings()
    assert settings.port == 9001
    assert settings.home == Path("/srv/paycore")


def test_an_argument_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("PAYCORE_PORT", "9001")
    assert load_settings(port=9002).port == 9002


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("PAYCORE_PORT", "")
    monkeypatch.setenv("PAYCORE_DATABASE_URL", "")
    settings = load_settings()
    assert settings.port == 8000
    assert settings.database_url is None


def test_settings_cannot_be_changed_after_the_start():
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_production_starts_with_a_secret_and_servers_of_its_own(production):
    assert load_settings().environment == "production"


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("PAYCORE_JWT_SECRET", "PAYCORE_JWT_SECRET"),
        ("PAYCORE_DATABASE_URL", "PAYCORE_DATABASE_URL"),
        ("PAYCORE_REDIS_URL", "PAYCORE_REDIS_URL"),
    ],
)
def test_production_refuses_to_start_without_its_secret_and_servers(production, missing, named):
    production.delenv(missing)
    with pytest.raises(ConfigurationError, match=named):
        load_settings()


def test_production_refuses_the_demo_secret_if_it_is_set(production):
    production.setenv("PAYCORE_JWT_SECRET", DEMO_JWT_SECRET)
    with pytest.raises(ConfigurationError, match="demo secret"):
        load_settings()


UNUSABLE_IDENTITY = [
    {},
    {"PAYCORE_JWT_SECRET": DEMO_JWT_SECRET},
    {"PAYCORE_JWT_SECRET": "short"},
    {"PAYCORE_JWT_SECRET_FILE": "/nonexistent/secret"},
    {"PAYCORE_JWKS_URL": "https://id.example/keys"},
    {"PAYCORE_JWKS_URL": "https://id.example/keys", "PAYCORE_JWT_SECRET": SECRET},
]


@pytest.mark.parametrize("kind", [RelaySettings, DatabaseSettings])
@pytest.mark.parametrize("identity", UNUSABLE_IDENTITY)
def test_a_process_that_verifies_no_tokens_needs_no_secret_and_no_published_keys(production, kind, identity):
    production.delenv("PAYCORE_JWT_SECRET")
    for name, value in identity.items():
        production.setenv(name, value)
    assert load_settings(kind).environment == "production"
    with pytest.raises(ConfigurationError):
        load_settings()


@pytest.mark.parametrize("redis", [{}, {"PAYCORE_REDIS_URL": "memory://"}, {"PAYCORE_REDIS_URL_FILE": "/nonexistent/url"}])
def test_a_process_that_only_uses_the_database_needs_no_redis(production, redis):
    production.delenv("PAYCORE_REDIS_URL")
    for name, value in redis.items():
        production.setenv(name, value)
    assert load_settings(DatabaseSettings).environment == "production"
    with pytest.raises(ConfigurationError):
        load_settings(RelaySettings)


@pytest.mark.parametrize("kind", [RelaySettings, DatabaseSettings])
def test_every_command_needs_a_database_in_production(production, kind):
    production.delenv("PAYCORE_DATABASE_URL")
    with pytest.raises(ConfigurationError, match="PAYCORE_DATABASE_URL"):
        load_settings(kind)


def test_a_secret_can_come_from_a_file(production, tmp_path):
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    production.delenv("PAYCORE_JWT_SECRET")
    production.setenv("PAYCORE_JWT_SECRET_FILE", str(file))
    assert load_settings().jwt_secret.get_secret_value() == SECRET


@pytest.mark.parametrize(
    "url",
    ["memory://", "kafka://h:9092", "postgres://u:hunter3@h/d", "redis:/h", "redis://a:1,b:2", "redis://a,redis://b", "redis://h:port",
     "redis://:hunter3@h:99999", "redis://h/0?unheard_of=1"],
)  # fmt: skip
def test_a_redis_url_that_is_invalid_is_refused_and_not_quoted(production, url):
    production.setenv("PAYCORE_REDIS_URL", url)
    with pytest.raises(ConfigurationError, match="PAYCORE_REDIS_URL must") as refusal:
        load_settings()
    assert "hunter3" not in str(refusal.value)


@pytest.mark.parametrize(
    "origins", ["*", "https://a.example.com/path", "a.example.com", "https://a.example.com https://b.example.com"]
)
def test_an_invalid_origin_is_refused(monkeypatch, origins):
    monkeypatch.setenv("PAYCORE_CORS_ORIGINS", origins)
    with pytest.raises(ConfigurationError, match="PAYCORE_CORS_ORIGINS"):
        load_settings()


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_the_addresses_with_passwords_can_come_from_files(production, tmp_path, name):
    file = tmp_path / "url"
    file.write_text({"DATABASE_URL": DATABASE_URL, "REDIS_URL": REDIS_URL}[name])
    production.delenv(f"PAYCORE_{name}")
    production.setenv(f"PAYCORE_{name}_FILE", str(file))
    assert getattr(load_settings(), name.lower()).get_secret_value() == file.read_text()


def test_a_secret_file_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PAYCORE_JWT_SECRET_FILE", str(tmp_path / "absent"))
    with pytest.raises(ConfigurationError, match=r"PAYCORE_JWT_SECRET_FILE cannot be read: No such file or directory: .*absent"):
        load_settings()


def test_a_secret_file_that_is_not_text_is_named(monkeypatch, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00" * 20)
    monkeypatch.setenv("PAYCORE_JWT_SECRET_FILE", str(tmp_path / "binary"))
    with pytest.raises(ConfigurationError, match="PAYCORE_JWT_SECRET_FILE"):
        load_settings()


def test_only_secrets_are_read_from_files(monkeypatch, tmp_path):
    (tmp_path / "port").write_text("9001")
    monkeypatch.setenv("PAYCORE_PORT_FILE", str(tmp_path / "port"))
    assert load_settings().port == 8000


def test_variables_that_are_no_settings_are_named(monkeypatch):
    for name in ("PAYCORE_MAX_ERRORS", "PAYCORE_PROT", "paycore_prot", "PAYCORE_PORT_FILE"):
        monkeypatch.setenv(name, "5")
    assert unknown_variables() == ["PAYCORE_MAX_ERRORS", "PAYCORE_PORT_FILE", "PAYCORE_PROT", "paycore_prot"]


def test_settings_files_of_secrets_and_variables_of_other_programs_are_not_named(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.setenv(f"PAYCORE_{name.upper()}", "x")
    for name in ("PAYCORE_JWT_SECRET_FILE", "PAYCORE_DATABASE_URL_FILE", "PAYCORE_REDIS_URL_FILE", "PAYCORE_OTLP_HEADERS_FILE",
                 "PAYCORE_SERVICE_PASSWORD", "PAYCORE_URL", "PAYCORE_TOKEN", "PAYCORE_TEST_SERVERS", "paycore_port",
                 "PAYCOREX"):  # fmt: skip
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("PAYCORE_EMPTY", "")
    assert unknown_variables() == []


def test_every_paycore_variable_of_the_repository_is_known(monkeypatch):
    """Those of the image, the manifests, the compose file, the Makefile and the pipeline."""
    named = {name for file in deployed_files() for name in re.findall(r"\bPAYCORE_[A-Z0-9_]*[A-Z0-9]\b", file.read_text("utf-8"))}
    assert {"PAYCORE_ENVIRONMENT", "PAYCORE_DATABASE_URL", "PAYCORE_SERVICE_PASSWORD"} <= named
    for name in named:
        monkeypatch.setenv(name, "x")
    assert unknown_variables() == []


def deployed_files() -> list[Path]:
    files = [ROOT / name for name in ("Dockerfile", "Makefile", "compose.yaml")]
    kinds = {".yaml", ".env", ".sh", ".conf", ".md"}
    return files + [file for folder in ("deploy", ".github") for file in (ROOT / folder).rglob("*") if file.suffix in kinds]


def test_secrets_are_not_in_printed_settings(production):
    settings = load_settings()
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert SECRET not in shown
    assert "hunter2" not in shown
    assert "hunter3" not in shown


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("PAYCORE_JWT_SECRET", "too-short-but-secret", "too-short-but-secret"),
        ("PAYCORE_DATABASE_URL", "mysql://user:hunter2@db/paycore", "hunter2"),
        ("PAYCORE_REDIS_URL", "memcached://:hunter3@cache", "hunter3"),
    ],
)
def test_secrets_are_not_in_errors(monkeypatch, name, value, secret):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as caught:
        load_settings()
    assert secret not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAYCORE_PORT", "eighty"),
        ("PAYCORE_PORT", "0"),
        ("PAYCORE_PORT", "65536"),
        ("PAYCORE_ENVIRONMENT", "prod"),
        ("PAYCORE_WORKERS", "0"),
        ("PAYCORE_DATABASE_ROLE", "robert'; DROP TABLE wallets"),
        ("PAYCORE_REQUEST_TIMEOUT_SECONDS", "0"),
        ("PAYCORE_DATABASE_POOL_SIZE", "2"),
    ],
)
def test_an_invalid_value_is_reported_on_one_line_with_its_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as caught:
        load_settings()
    assert "\n" not in str(caught.value)


def test_several_invalid_values_are_reported_together(monkeypatch):
    monkeypatch.setenv("PAYCORE_PORT", "eighty")
    monkeypatch.setenv("PAYCORE_WORKERS", "many")
    with pytest.raises(ConfigurationError, match=r"PAYCORE_PORT.*PAYCORE_WORKERS") as caught:
        load_settings()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("statement_ms", "lock_ms", "request_seconds"), [(5000, 300, 5.0), (3000, 5000, 5.0), (3000, 300, 3.0), (600, 300, 0.5)]
)
def test_the_timeouts_of_the_database_must_be_below_the_request_timeout(statement_ms, lock_ms, request_seconds):
    with pytest.raises(ConfigurationError, match="below PAYCORE_REQUEST_TIMEOUT_SECONDS"):
        load_settings(statement_timeout_ms=statement_ms, lock_timeout_ms=lock_ms, request_timeout_seconds=request_seconds)


def test_every_setting_has_a_description():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("request_timeout", "body_timeout", "graceful"), [(5, 10, 15), (5, 0.1, 15), (12, 0.1, 17), (60, 10, 70), (60, 90.5, 151)]
)
def test_a_stop_waits_longer_than_any_request_takes(request_timeout: float, body_timeout: float, graceful: int) -> None:
    settings = Settings(request_timeout_seconds=request_timeout, body_timeout_seconds=body_timeout)
    assert graceful_seconds(settings) == graceful
    assert ends_within(settings) == graceful + 12


def test_limits_that_count_transfers_must_allow_a_whole_batch(monkeypatch):
    monkeypatch.setenv("PAYCORE_TRANSFERS_PER_USER_PER_SECOND", "49")
    with pytest.raises(ConfigurationError, match="at least 50"):
        load_settings()
    monkeypatch.setenv("PAYCORE_TRANSFERS_PER_USER_PER_SECOND", "50")
    assert load_settings().transfers_per_user_per_second == 50
    monkeypatch.setenv("PAYCORE_TRANSFERS_WAITING_PER_USER", "499")
    with pytest.raises(ConfigurationError, match="PAYCORE_TRANSFERS_WAITING_PER_USER"):
        load_settings()


@pytest.mark.parametrize(
    "url",
    ["https://rates.example/latest?key=hunter4", "file:///srv/rates.json", "file:///srv/the%20rates.json"],
)
def test_production_reads_a_feed_over_tls_or_from_a_file(production, url):
    production.setenv("PAYCORE_FX_FEED_URL", url)
    settings = load_settings()
    assert settings.fx_feed_url is not None
    assert settings.fx_feed_url.get_secret_value() == url
    assert "hunter4" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "http://rates.example/?key=hunter4",
        "rates.example/?key=hunter4",
        "ftp://rates.example/?key=hunter4",
        "https://?key=hunter4",
        "https://[hunter4",
        "file://srv/rates-hunter4.json",
        "file:rates-hunter4.json",
        "/srv/rates-hunter4.json",
    ],
)
def test_a_feed_of_another_kind_is_refused_and_not_quoted(production, url):
    production.setenv("PAYCORE_FX_FEED_URL", url)
    with pytest.raises(ConfigurationError, match="PAYCORE_FX_FEED_URL") as refused:
        load_settings(RelaySettings)
    assert "hunter4" not in str(refused.value)


def test_outside_production_a_feed_may_be_read_without_tls():
    assert load_settings(fx_feed_url="http://127.0.0.1:9/rates.json").fx_feed_url is not None


def test_a_feed_is_read_often_enough_for_its_rates_to_stay_usable():
    url = "https://rates.example/"
    assert load_settings(fx_feed_url=url, fx_feed_seconds=225).fx_feed_seconds == 225
    assert load_settings(fx_feed_seconds=226).fx_feed_url is None
    with pytest.raises(ConfigurationError, match="PAYCORE_FX_FEED_SECONDS"):
        load_settings(fx_feed_url=url, fx_feed_seconds=226)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fx_feed_seconds", 0.5),
        ("fx_feed_spread_basis_points", -1),
        ("fx_feed_spread_basis_points", 5001),
        ("fx_max_step_percent", 0),
        ("fx_max_step_percent", "NaN"),
        ("fx_max_step_percent", "Infinity"),
        ("fx_max_step_percent", 1001),
    ],
)
def test_a_setting_of_the_feed_outside_its_range_is_refused(name, value):
    with pytest.raises(ConfigurationError, match=name.upper()):
        load_settings(**{name: value})


def test_production_refuses_the_demos_key_of_the_log() -> None:
    own = {"jwt_secret": "s" * 40, "database_url": "postgresql://db/x", "redis_url": "redis://r"}
    with pytest.raises(ConfigurationError, match="PAYCORE_LOG_KEY") as refused:
        load_settings(environment="production", log_key=DEMO_LOG_KEY, **own)
    assert DEMO_LOG_KEY not in str(refused.value)
    assert load_settings(environment="production", **own).log_key is None


def test_only_the_relay_reads_the_file_of_the_logs_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYCORE_LOG_KEY_FILE", "/missing/file")
    assert load_settings().log_key is None
    with pytest.raises(ConfigurationError, match="PAYCORE_LOG_KEY_FILE cannot be read"):
        load_settings(RelaySettings)
