"""The settings. Each is read from PAYCORE_<NAME>, secrets also from the file PAYCORE_<NAME>_FILE. No other module reads these."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from redis.asyncio import ConnectionPool

from app.errors import ConfigurationError

DEMO_JWT_SECRET = "paycore-demo-secret-for-development-only"
"""Public, for the demo only. Production refuses to start with it."""
DEMO_LOG_KEY = "PRIVATE+KEY+paycore.example/demo+3bb8e2a3+AdxL3pVlpw+os2okK73ErXEYj6flBgSmFuJ5WMwa84+F"
"""The same, of the log of transactions."""

DEMO_WEBHOOK_KEY = "paycore-demo-webhook-key-for-development-only"
"""As the secret above: it encrypts the secrets of the demo's webhooks."""

DEMO_LINK_KEY = "paycore-demo-link-key-for-development-only"
"""The same, for links to files of statements."""

MAX_BATCH = 500
"""Transfers in one transferBatch. Part of the contract, so not a setting. Limits that count transfers must leave room for it."""
COMMIT_LIMIT = 500
"""Transfers settled in one database transaction."""
JWKS_REFRESH_SECONDS = 300
"""Interval between reads of the published keys."""
RATE_SECONDS = 10
"""Rates are set per second but apply over ten, because a page that loads sends many requests at once."""

_PREFIX = "PAYCORE_"
_TESTS_PREFIX = "PAYCORE_TEST_"
_READ_ELSEWHERE = frozenset({"PAYCORE_SERVICE_PASSWORD", "PAYCORE_URL", "PAYCORE_TOKEN"})
"""Variables of compose.yaml and of the front end's scripts. The service ignores them."""
_MIN_SECRET_BYTES = 32
_HEADERS = re.compile(r"[\w-]+=[^,\r\n]*(,[\w-]+=[^,\r\n]*)*")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+")


SUBSCRIBER_RIGHTS = "+subscribe +unsubscribe +ping &paycore:*"
SHARING_RIGHTS = "+evalsha +script|load +incrby +expire ~paycore:*"
RELAY_RIGHTS = "+eval +publish &paycore:*"
"""In the syntax of `ACL SETUSER`. The log and /readyz name a right that is missing."""


class Settings(BaseSettings):
    """Read once when a process starts. The descriptions are the text of docs/reference/settings.md."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    verifies_tokens: ClassVar[bool] = True
    seals: ClassVar[bool] = True
    uses_redis: ClassVar[bool] = True
    signs_log: ClassVar[bool] = False

    environment: Literal["development", "test", "production"] = Field(
        "development", description="`production` refuses demo secrets, embedded servers and demo data."
    )
    database_url: SecretStr | None = Field(
        None,
        description="`postgresql://user:password@host:port/name`; separate several hosts by commas. Unset: an embedded "
        "PostgreSQL (development only). docs/howto/deploy.md lists the parameters.",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="`redis://`, `rediss://` or `unix:///path/to/socket?db=0`. Unset: an embedded Redis-compatible server "
        f"(development only). Rights that its user needs: for the API `{SUBSCRIBER_RIGHTS} {SHARING_RIGHTS}`, for the relay "
        f"`{RELAY_RIGHTS}`, for both `+select` if the URL has a database number.",
    )
    database_role: str = Field(
        "paycore_app",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="Role that the API and the relay switch to after connecting. It does not own the tables. `paycore migrate` "
        "creates it.",
    )
    home: Path = Field(Path(".paycore"), description="Directory for the data of the embedded servers and of `paycore dev`.")
    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port that the API listens on.")
    workers: int = Field(1, ge=1, le=64, description="API processes of `paycore serve`.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="One JSON object per line, or text. `auto`: JSON in production, text elsewhere."
    )

    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^@\s]+$",
        description="Base URL of an OpenTelemetry collector that accepts OTLP over HTTP, such as `http://collector:4318`. Traces "
        "are sent to its `/v1/traces`. Unset: no tracing. Credentials belong in PAYCORE_OTLP_HEADERS.",
    )
    otlp_headers: SecretStr | None = Field(
        None, description="Headers for the collector: `name=value` pairs, separated by commas."
    )
    trace_sample: float = Field(0.01, ge=0, le=1, description="Share of requests whose traces are recorded.")
    trace_parents: bool = Field(
        default=False,
        description="Continue the trace in a request's `traceparent` header, including its decision to record. Only for an API "
        "behind a gateway that sets this header; otherwise clients decide what is recorded.",
    )

    jwt_secret: SecretStr = Field(
        SecretStr(DEMO_JWT_SECRET), description="Signs and verifies bearer tokens (HS256); at least 32 bytes."
    )
    jwks_url: str | None = Field(
        None,
        description="URL of the identity provider's keys (JWKS; RS256, ES256, EdDSA). Must be `https://` in production. Replaces "
        "PAYCORE_JWT_SECRET.",
    )
    jwks_file: Path | None = Field(None, description="File with the identity provider's keys. Replaces PAYCORE_JWKS_URL.")
    jwks_max_age_seconds: float = Field(
        21_600,
        # Keys that end sooner would be refused between two reads.
        ge=JWKS_REFRESH_SECONDS,
        description="How long keys stay valid while their source cannot be read. After that, requests with a token are answered "
        "with UNAVAILABLE.",
    )
    jwt_issuer: str | None = Field(None, min_length=1, description="`iss` that tokens must have. Production with JWKS needs it.")
    jwt_audience: str | None = Field(
        None, min_length=1, description="`aud` that tokens must have. Production with JWKS needs it."
    )
    jwt_role_claim: str = Field(
        "role", min_length=1, description="Claim with the role, `admin` or `support`: a name or a list of names."
    )
    jwt_scope_claim: str = Field(
        "scope",
        min_length=1,
        description="Claim with the scopes that limit a token: names separated by spaces, or a list of names. If a token lacks "
        "it, `scope` is used, then `scp`.",
    )
    jwt_clock_skew_seconds: int = Field(30, ge=0, le=300, description="Leeway for a token's `exp` and `nbf`.")

    request_timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="After this time a request is answered with TIMEOUT. Its transfer may still settle, once."
    )
    statement_timeout_ms: int = Field(
        3000, ge=100, description="Longest time of a database statement. Must be below the request timeout."
    )
    lock_timeout_ms: int = Field(
        300, ge=10, description="Longest wait for a wallet's lock before the other transfers of the batch continue without it."
    )
    database_pool_size: int = Field(10, ge=3, le=200, description="Database connections per API process.")
    database_wait_seconds: float = Field(
        300.0,
        ge=0,
        description="How long `paycore serve` waits at its start for an unreachable database before it exits. Meanwhile it is "
        "alive but not ready. 0: does not wait.",
    )
    transfer_queue_limit: int = Field(
        5000, ge=1, description="Transfers that may wait in one process. Further ones are refused as UNAVAILABLE."
    )
    transfers_waiting_per_user: int = Field(
        2500,
        ge=MAX_BATCH,
        description="Transfers of one user that may wait in one process, so that one user cannot fill the queue. Further ones "
        "are refused as RATE_LIMITED; no money moves.",
    )

    max_wallets_per_user: int = Field(
        1000,
        ge=1,
        description="Wallets of one user, including closed ones. openWallet refuses further ones as QUOTA_EXCEEDED.",
    )
    fees_without_limit: Literal["refuse", "charge"] = Field(
        "refuse",
        description="A transfer without maxFee on which a fee is due: `refuse` it with FEE_EXCEEDS_LIMIT, which states the fee, "
        "so that nobody pays a fee that they did not see; or `charge` any fee silently.",
    )
    fx_base_currency: str = Field(
        "USD",
        pattern="^[A-Z]{3}$",
        description="Currencies without a rate of their own are exchanged through this one. Positions are valued in it.",
    )
    fx_quote_seconds: int = Field(
        30, ge=1, le=3600, description="How long a quote for a conversion is valid. Its rate is promised for this time."
    )
    fx_max_rate_age_seconds: int = Field(
        900,
        ge=1,
        description="A rate from a feed that is older is not used: RATE_UNAVAILABLE. A rate that an administrator has set is "
        "valid until the next one.",
    )
    log_key: SecretStr | None = Field(
        None,
        description="Key that signs checkpoints of the log of transactions; `paycore log key NAME` makes one. Unset: the log is "
        "kept and nothing is signed, so there are no receipts. Only the relay needs it.",
    )
    log_public_key: str | None = Field(
        None,
        pattern=r"^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{43}[A-Za-z0-9+/=]$",
        description="Public key of the log, as `paycore log key` prints it. The API has it as `Checkpoint.publicKey` and at "
        "`GET /log/key`. `paycore dev` sets it.",
    )
    log_checkpoint_seconds: float = Field(
        5.0, ge=0.1, le=86_400, description="Shortest time between two signed checkpoints. A receipt waits for the next one."
    )
    log_checkpoint_file: Path | None = Field(
        None,
        description="File outside the database for the newest signed checkpoint. The relay writes it before anyone can see the "
        "checkpoint, and signs nothing that contradicts it: so a restored database cannot sign another history.",
    )
    log_witnesses: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Public keys of witnesses, separated by commas, whose cosignatures `paycore log cosigned` accepts."
    )
    fx_feed_url: SecretStr | None = Field(
        None,
        description="Where the relay reads exchange rates: `https://…`, or `file:///…` with an absolute path. Unset: "
        "administrators set the rates. docs/howto/exchange-rates.md has the format.",
    )
    fx_feed_seconds: float = Field(
        60.0,
        ge=1,
        description="Interval at which the feed is read. At most a quarter of PAYCORE_FX_MAX_RATE_AGE_SECONDS, so that one read "
        "that fails stops no conversions.",
    )
    fx_feed_spread_basis_points: int = Field(
        0, ge=0, le=5000, description="Spread of the feed's rates, in hundredths of a percent of what is sold."
    )
    fx_max_step_percent: Decimal = Field(
        Decimal(10),
        gt=0,
        le=1000,
        description="Largest change of a rate that is taken from the feed, in percent of the rate before it. A larger one is "
        "refused.",
    )
    fx_exposure_limits: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="How far conversions may move the FX position of a currency above or below zero, such as "
        "`EUR=50000.00,JPY=7000000`. Beyond it: LIQUIDITY_EXHAUSTED. A currency that is not named has no limit.",
    )
    quota_transfers_per_minute: int | None = Field(
        None,
        ge=0,
        description="Completed transfers of one user per minute. Unset: no limit, unless `paycore quota` sets one.",
    )
    quota_transfers_per_day: int | None = Field(
        None,
        ge=0,
        description="Completed transfers of one user per day (UTC). Unset: no limit, unless `paycore quota` sets one.",
    )
    quota_amounts_per_day: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Amount that one user may transfer per day (UTC), by currency, such as `USD=5000.00,JPY=700000`. `paycore "
        "quota` sets other limits for a user.",
    )

    keep_alive_seconds: int = Field(
        75,
        ge=1,
        description="How long an idle HTTP connection stays open. Must be above the idle timeout of the proxy in front (60 s for "
        "most), because a proxy that reuses a closing connection answers 502.",
    )
    head_timeout_seconds: float = Field(
        10.0,
        gt=0,
        description="Time for an HTTP request's line and headers to arrive, from the opening of the connection or the request's "
        "first byte. After it the connection is closed.",
    )
    max_body_bytes: int = Field(
        3_145_728,
        ge=1024,
        description="Largest HTTP request body, and largest message on a WebSocket; larger ones close it with 1009. A "
        "`transferBatch` of 500 fits with descriptions in any script, even if each character is escaped as in `\\u00e9`.",
    )
    body_timeout_seconds: float = Field(
        10.0, gt=0, description="Time for an HTTP request body to arrive. Slower ones are answered with 408."
    )
    send_timeout_seconds: float = Field(
        60.0,
        gt=0,
        description="Time for a client to receive an answer, an event or a WebSocket message. After it the connection is closed.",
    )
    max_connections: int = Field(
        10_000, ge=1, description="HTTP connections and WebSockets per API process. Further ones are answered with 503."
    )
    dashboard: bool = Field(default=True, description="Serve the dashboard, and GraphiQL if it is on.")
    dashboard_dir: Path | None = Field(
        None, description="Directory of the built pages. Unset: `frontend-demo/dist` beside the code."
    )
    graphiql: bool | None = Field(None, description="Serve GraphiQL. Unset: on, except in production.")
    supervisor_home: Path | None = Field(
        None,
        description="Set by `paycore dev` for the processes that it starts: the home directory through which the demo's pages "
        "request faults.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origins, separated by commas, whose pages may call the API and open WebSockets, such as "
        "`https://app.example.com`. The API's own origin is always allowed.",
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks, separated by commas, of proxies whose X-Forwarded-For and X-Forwarded-Proto are "
        "trusted. Empty: none.",
    )
    introspection: bool | None = Field(
        None,
        description="Answer `__schema` and `__type`, and suggest names in errors. Unset: on, except in production.",
    )
    max_query_depth: int = Field(15, ge=1, description="Deepest nesting of a GraphQL operation.")
    max_query_cost: int = Field(
        10_000,
        ge=10,
        description="Largest cost of an operation in points: about the number of rows it may read and resolvers it may call.",
    )
    max_subscription_cost: int = Field(
        500,
        ge=1,
        description="Largest cost of each event of a subscription in points. Events that are read from the database, and events "
        "above 10 points, are charged to the user's budget.",
    )
    query_budget_per_minute: int = Field(
        600_000,
        ge=10,
        description="Points per minute for one user's queries, new subscriptions, events that are read or expensive, new "
        "documents and inputs of more than 4 KiB. Mutations have quotas of their own instead.",
    )
    persisted_operations: Literal["off", "allow", "only"] = Field(
        "off",
        description="`allow`: listed operations can be run by their hash, any others by their text. `only`: only listed "
        "operations can be run.",
    )
    persisted_operations_file: Path | None = Field(
        None,
        description="The list of operations: a JSON object of documents by SHA-256. docs/howto/harden-graphql.md says how to "
        "write it.",
    )

    wallet_party_per_minute: int = Field(
        60, ge=1, description="Look-ups of a wallet's owner (`walletParty`) per user and minute."
    )
    requests_per_user_per_second: int | None = Field(
        None,
        ge=0,
        description="Requests and WebSocket operations of one user per second, over 10 seconds. 0: no limit. Unset: 100 in "
        "production, no limit elsewhere.",
    )
    requests_per_address_per_second: int | None = Field(
        None,
        ge=0,
        description="Requests, and operations on WebSockets without a token, from one address (IPv6: one /64) per second, over "
        "10 seconds. 0: no limit. Unset: 1000 in production, no limit elsewhere. Behind a proxy, set PAYCORE_TRUSTED_PROXIES: "
        "otherwise all clients have the proxy's address.",
    )
    transfers_per_user_per_second: int | None = Field(
        None,
        ge=0,
        description="Transfers, deposits and openings of wallets that one user may request per second, over 10 seconds, whatever "
        "their outcome. Each member of a batch counts. 0: no limit. Unset: 1000 in production, no limit elsewhere.",
    )

    websocket_ping_seconds: float = Field(
        20.0, gt=0, description="Interval of pings on a WebSocket. If no answer comes within the same time, the socket is closed."
    )
    max_subscriptions_per_connection: int = Field(
        100, ge=1, description="Largest number of operations that run at once on a WebSocket."
    )
    max_subscriptions_per_user: int = Field(
        2500,
        ge=1,
        description="Largest number of subscriptions of one user that run at once in an API process, over all connections.",
    )
    live_check_seconds: float = Field(
        3.0, gt=0, description="Interval at which subscribed wallets are compared with the database, in one statement."
    )

    webhook_keys: SecretStr | None = Field(
        None,
        description="Keys, separated by commas, that encrypt the secrets of webhooks in the database; at least 32 bytes each. "
        "The first one encrypts; the others still decrypt, while a key is being replaced. Unset in production: no webhooks.",
    )
    webhook_private_targets: bool = Field(
        default=False,
        description="Allow webhooks to `http://` and to private addresses, such as localhost. For development only.",
    )
    webhooks_per_user: int = Field(
        20, ge=0, description="Webhook endpoints of one user. createWebhookEndpoint refuses further ones as QUOTA_EXCEEDED."
    )
    webhook_rights_days: float = Field(
        30.0,
        gt=0,
        description="Endpoints that see everything stop so long after their owner was last seen with a token of that right. A "
        "token without the right pauses them at once.",
    )
    webhook_timeout_seconds: float = Field(
        10.0, gt=0, le=60, description="Time for an endpoint to answer a delivery, from the look-up of its name to the end."
    )

    statement_link_keys: SecretStr | None = Field(
        None,
        description="Keys, separated by commas, that sign the links to files of statements; at least 32 bytes each. The first "
        "one signs; the others are still accepted, while a key is being replaced. Unset in production: no links, and files are "
        "downloaded by REST.",
    )
    statement_link_seconds: int = Field(
        300, ge=10, le=3600, description="How long a link to a file of a statement is valid. Nobody needs a token to use it."
    )
    statement_delay_seconds: float = Field(
        10.0,
        ge=0,
        le=3600,
        description="How far in the past a statement must end, unless the wallet has had an entry since. More than the clocks of "
        "the API processes differ. An entry that comes later all the same is in the next statement.",
    )
    statements_preparing_per_user: int = Field(
        10,
        ge=1,
        description="Statements of one user that may be in preparation. createStatement refuses further ones as QUOTA_EXCEEDED.",
    )

    relay_port: int = Field(
        0, ge=0, le=65535, description="Port of the relay's /healthz, /readyz and /metrics, on PAYCORE_HOST. 0: none."
    )
    worker_port: int = Field(
        0, ge=0, le=65535, description="Port of the worker's /healthz, /readyz and /metrics, on PAYCORE_HOST. 0: none."
    )
    verify_hours: float = Field(
        0.0,
        ge=0,
        description="The worker verifies the ledger, as `paycore verify` does, so long after the last time. It reads every row. "
        "0: only the command does.",
    )
    webhook_retention_days: float = Field(
        30.0, gt=0, description="How long delivered webhooks, with their payloads and attempts, are kept."
    )

    @property
    def graphiql_enabled(self) -> bool:
        return self.environment != "production" if self.graphiql is None else self.graphiql

    @property
    def sealing_keys(self) -> tuple[str, ...]:
        """The keys for secrets of webhooks, the first one for new secrets. Empty: there are no webhooks."""
        if self.webhook_keys is None:
            return () if self.environment == "production" else (DEMO_WEBHOOK_KEY,)
        return tuple(part.strip() for part in self.webhook_keys.get_secret_value().split(",") if part.strip())

    @property
    def link_keys(self) -> tuple[str, ...]:
        """The keys of links to files of statements, the first one for new links. Empty: there are no links."""
        if self.statement_link_keys is None:
            return () if self.environment == "production" else (DEMO_LINK_KEY,)
        return tuple(part.strip() for part in self.statement_link_keys.get_secret_value().split(",") if part.strip())

    @property
    def uses_demo_secret(self) -> bool:
        """Whether tokens are verified with the public demo secret."""
        return not self.uses_jwks and self.jwt_secret.get_secret_value() == DEMO_JWT_SECRET

    @property
    def uses_jwks(self) -> bool:
        """Whether tokens are verified with published keys. If not, with the installation's secret."""
        return self.jwks_url is not None or self.jwks_file is not None

    @property
    def introspection_enabled(self) -> bool:
        """Whether introspection is answered and errors suggest names."""
        return self.environment != "production" if self.introspection is None else self.introspection

    @property
    def base_url(self) -> str:
        """The URL of the API on this machine."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @field_validator("cors_origins", "quota_amounts_per_day", "fx_exposure_limits", "log_witnesses", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: str) -> str:
        for part in filter(None, map(str.strip, value.split(","))):
            try:
                ip_network(part)
            except ValueError:
                # `*` is refused too: any client could then claim any address.
                raise ValueError("must be addresses or networks such as 10.0.0.0/8, separated by commas") from None
        return value

    @field_validator("otlp_headers")
    @classmethod
    def _check_headers(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _HEADERS.fullmatch(value.get_secret_value()):
            raise ValueError("must be name=value pairs, separated by commas")
        return value

    @field_validator("transfers_per_user_per_second")
    @classmethod
    def _check_room(cls, value: int | None) -> int | None:
        if value and value * RATE_SECONDS < MAX_BATCH:
            raise ValueError(f"must be 0 or at least {MAX_BATCH // RATE_SECONDS}: a batch of {MAX_BATCH} counts whole")
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.request_timeout_seconds * 1000 <= max(self.statement_timeout_ms, self.lock_timeout_ms):
            raise ValueError("the statement and lock timeouts must be below PAYCORE_REQUEST_TIMEOUT_SECONDS")
        if self.verifies_tokens:
            self._check_identity()
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError("PAYCORE_CORS_ORIGINS must be origins such as https://app.example.com, without a path, and no *")
        if self.redis_url is not None and self.uses_redis:
            _check_redis_url(self.redis_url.get_secret_value())
        if self.database_url is not None and not self.database_url.get_secret_value().startswith(
            ("postgresql://", "postgres://", "postgresql+asyncpg://")
        ):
            raise ValueError("PAYCORE_DATABASE_URL must start with postgresql://")
        if self.persisted_operations != "off" and self.persisted_operations_file is None:
            raise ValueError("PAYCORE_PERSISTED_OPERATIONS needs a list: PAYCORE_PERSISTED_OPERATIONS_FILE")
        if self.query_budget_per_minute < self.max_query_cost:
            raise ValueError("PAYCORE_QUERY_BUDGET_PER_MINUTE must be at least PAYCORE_MAX_QUERY_COST, the cost of one operation")
        if self.environment == "production":
            self._check_production()
        return self

    def _check_identity(self) -> None:
        """Checks that there is exactly one way to verify tokens, and that it is complete."""
        if len(self.jwt_secret.get_secret_value().encode()) < _MIN_SECRET_BYTES:
            raise ValueError(f"PAYCORE_JWT_SECRET needs at least {_MIN_SECRET_BYTES} bytes")
        if not self.uses_jwks:
            return
        if self.jwks_url is not None and self.jwks_file is not None:
            raise ValueError("set one of PAYCORE_JWKS_URL and PAYCORE_JWKS_FILE")
        if "jwt_secret" in self.model_fields_set:
            raise ValueError("set PAYCORE_JWT_SECRET or JWKS, not both")
        url = self.jwks_url or "https://"
        if not url.startswith(("https://", "http://")):
            raise ValueError("PAYCORE_JWKS_URL must start with https://")
        if self.environment == "production":
            if not url.startswith("https://"):
                raise ValueError("PAYCORE_JWKS_URL must start with https:// in production")
            if self.jwt_issuer is None or self.jwt_audience is None:
                raise ValueError("production with JWKS needs PAYCORE_JWT_ISSUER and PAYCORE_JWT_AUDIENCE")

    @model_validator(mode="after")
    def _check_webhooks(self) -> Self:
        keys = self.sealing_keys
        if self.webhook_keys is not None and (not keys or any(len(key.encode()) < _MIN_SECRET_BYTES for key in keys)):
            raise ValueError(f"each of PAYCORE_WEBHOOK_KEYS needs at least {_MIN_SECRET_BYTES} bytes")
        if self.environment == "production":
            if DEMO_WEBHOOK_KEY in keys:
                raise ValueError("production needs PAYCORE_WEBHOOK_KEYS (or _FILE) of its own: the demo key is public")
            if self.webhook_private_targets:
                raise ValueError("PAYCORE_WEBHOOK_PRIVATE_TARGETS is for development only, not for production")
        return self

    @model_validator(mode="after")
    def _check_links(self) -> Self:
        keys = self.link_keys
        if self.statement_link_keys is not None and (not keys or any(len(key.encode()) < _MIN_SECRET_BYTES for key in keys)):
            raise ValueError(f"each of PAYCORE_STATEMENT_LINK_KEYS needs at least {_MIN_SECRET_BYTES} bytes")
        if self.environment == "production" and DEMO_LINK_KEY in keys:
            raise ValueError("production needs PAYCORE_STATEMENT_LINK_KEYS (or _FILE) of its own: the demo key is public")
        return self

    @model_validator(mode="after")
    def _check_feed(self) -> Self:
        """Checks the feed's interval and its URL, which may hold a key and so is not quoted."""
        if self.fx_feed_url is None:
            return self
        try:
            parts = urlsplit(self.fx_feed_url.get_secret_value())
            is_complete = not parts.netloc and parts.path.startswith("/") if parts.scheme == "file" else bool(parts.hostname)
        except ValueError:
            raise ValueError("PAYCORE_FX_FEED_URL is not a URL") from None
        if parts.scheme not in ("https", "http", "file") or not is_complete:
            raise ValueError("PAYCORE_FX_FEED_URL must be https://host/path, or file:///path of a file")
        if parts.scheme == "http" and self.environment == "production":
            raise ValueError("PAYCORE_FX_FEED_URL must start with https:// or file:// in production")
        if self.fx_feed_seconds * 4 > self.fx_max_rate_age_seconds:
            raise ValueError("PAYCORE_FX_FEED_SECONDS must be at most a quarter of PAYCORE_FX_MAX_RATE_AGE_SECONDS")
        return self

    def _check_production(self) -> None:
        if self.log_key is not None and self.log_key.get_secret_value() == DEMO_LOG_KEY:
            raise ValueError("production needs a PAYCORE_LOG_KEY (or _FILE) of its own: the demo's key is public")
        if self.verifies_tokens and self.uses_demo_secret:
            raise ValueError(
                "production needs PAYCORE_JWKS_URL, or a PAYCORE_JWT_SECRET (or _FILE) of its own: the demo secret is public"
            )
        if self.supervisor_home is not None:
            raise ValueError("PAYCORE_SUPERVISOR_HOME is for `paycore dev` only, not for production")
        if self.database_url is None or (self.uses_redis and self.redis_url is None):
            servers = "PAYCORE_DATABASE_URL and PAYCORE_REDIS_URL" if self.uses_redis else "PAYCORE_DATABASE_URL"
            raise ValueError(f"production needs {servers}: embedded servers are for development")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Precedence: arguments, then the environment, then the files that the environment names."""
        return init_settings, env_settings, _SecretFiles(settings_cls)


class RelaySettings(Settings):
    """Settings of the relay. It verifies no tokens, so settings for tokens are not checked and the JWT secret is not read."""

    verifies_tokens: ClassVar[bool] = False
    signs_log: ClassVar[bool] = True
    seals: ClassVar[bool] = False


class WorkerSettings(RelaySettings):
    """Settings of the worker. It opens the secrets of webhooks, and uses no Redis."""

    uses_redis: ClassVar[bool] = False
    signs_log: ClassVar[bool] = False
    seals: ClassVar[bool] = True


class DatabaseSettings(RelaySettings):
    """Settings of commands that only use the database, such as `paycore migrate`."""

    uses_redis: ClassVar[bool] = False
    signs_log: ClassVar[bool] = False


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads secrets from PAYCORE_<NAME>_FILE, because orchestrators mount secrets as files."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        assert issubclass(settings_cls, Settings)
        # One ConfigMap may name the files for all processes, also where a process has no access to the secret.
        self._unused = {
            *(() if settings_cls.verifies_tokens else ("jwt_secret", "statement_link_keys")),
            *(() if settings_cls.uses_redis else ("redis_url",)),
            *(() if settings_cls.signs_log else ("log_key",)),
            *(() if settings_cls.seals else ("webhook_keys",)),
        }

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{_PREFIX}{field_name.upper()}_FILE")
        if not path or not is_secret(field) or field_name in self._unused:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError as error:
            raise ConfigurationError(f"{_PREFIX}{field_name.upper()}_FILE cannot be read: {error.strerror}: {path}") from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"{_PREFIX}{field_name.upper()}_FILE is not text in UTF-8: {path}") from None

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting can be given as a file."""
    return "SecretStr" in str(field.annotation)


def unknown_variables() -> list[str]:
    """The names of variables that look like settings but are none, for example misspelt ones. They have no effect."""
    known = {name for setting in Settings.model_fields for name in _variables_of(setting)} | _READ_ELSEWHERE
    given = (name for name, value in os.environ.items() if value and name.upper().startswith(_PREFIX))
    # Names of settings are read in any case.
    return sorted(name for name in given if name.upper() not in known and not name.startswith(_TESTS_PREFIX))


def _variables_of(setting: str) -> tuple[str, ...]:
    name = f"{_PREFIX}{setting.upper()}"
    return (name, f"{name}_FILE") if is_secret(Settings.model_fields[setting]) else (name,)


def _check_redis_url(url: str) -> None:
    """Raises ValueError if it is not the URL of one Redis. The message does not quote it, since it may hold a password."""
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("PAYCORE_REDIS_URL must start with redis://, rediss:// or unix://")
    try:
        ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]
        is_one = "," not in urlsplit(url).netloc.rpartition("@")[2]
    except (ValueError, TypeError):
        is_one = False
    if not is_one:
        raise ValueError("PAYCORE_REDIS_URL must be the URL of one Redis: redis://user:password@host:port/database")


def load_settings(kind: type[Settings] = Settings, /, **overrides: Any) -> Settings:
    """Returns the settings of this process. `kind` is a subclass for processes that need less.

    Raises ConfigurationError, which names every problem on one line and never quotes a secret.
    """
    try:
        return kind(**overrides)
    except ValidationError as error:
        problems = "; ".join(_describe(problem) for problem in error.errors(include_input=False, include_url=False))
        raise ConfigurationError(f"Paycore cannot start: {problems}.") from None


def _describe(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    return f"{_PREFIX}{name.upper()}: {message}" if name else message
