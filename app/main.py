"""The API process: routes and lifespan. Importing this module creates nothing; `create_app` does."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Callable
from types import FrameType

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.jwks import SigningKeys
from app.clock import Clock, system_clock
from app.db.currency_sql import load_currencies
from app.db.engine import create_engine, dispose
from app.db.installation_sql import load_redis_names
from app.demo import routes as demo_routes
from app.demo import tampering_routes
from app.demo.ambient import Ambient
from app.demo.rates import DemoRates
from app.demo.receiver import Receiver
from app.demo.tampering import Tampering, superuser_url
from app.demo.timelines import Timelines
from app.demo.tools import DemoTools
from app.demo.traffic import Traffic
from app.http import dashboard, health
from app.http.compression import CompressedAnswers
from app.http.rates import RequestRateLimit
from app.http.request_limits import BodyLimit, RequestId
from app.http.short_way import Application
from app.http.slashes import without_slash
from app.http.traces import TracedRequests
from app.limits.rates import RateLimit, RequestRates
from app.limits.sharing import RateLimitSharing
from app.messages.publisher import redis_url
from app.messages.pubsub import PubSub
from app.rest import routes as rest
from app.schema.transport.view import PaycoreView
from app.services.container import Services
from app.services.identity import Identities
from app.services.live import LiveUpdates
from app.services.receipts.operating import public_key_of
from app.services.transfers import Ledger
from app.settings import Settings, load_settings
from app.telemetry import tracing

_GC_THRESHOLDS = 10_000, 10, 10
"""Above what hundreds of in-flight requests allocate. Requests create no cycles (`tests/api/test_leaves_nothing.py`), so earlier
collections would find nothing and cost about 10 % of a transfer."""


_CORS_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "X-Request-Id",
    # Sent by Apollo's clients, by clients that trace, and by clients that force a preflight.
    "apollographql-client-name",
    "apollographql-client-version",
    "x-apollo-operation-name",
    "apollo-require-preflight",
    "graphql-preflight",
    "x-graphql-client-name",
    "x-graphql-client-version",
    "traceparent",
    "tracestate",
    "baggage",
)


class _GraphQLEndpoint:
    """Forwards to the view, which the lifespan creates."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["app"].state.graphql(scope, receive, send)


def create_app(
    settings: Settings | None = None, *, clock: Clock = system_clock, on_started: Callable[[Starlette], None] = lambda _: None
) -> Application:
    """Returns the ASGI application. Raises ConfigurationError if the settings do not allow a start."""
    chosen = settings or load_settings()
    public_key_of(chosen)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with running_services(chosen, clock) as (services, pubsub, tools):
            app.state.services, app.state.pubsub, app.state.demo, app.state.draining = services, pubsub, tools, False
            app.state.graphql = PaycoreView(services)
            on_started(app)
            yield

    endpoint = _GraphQLEndpoint()
    routes = [
        Route("/graphql", endpoint, methods=["GET", "POST"]),
        WebSocketRoute("/graphql", endpoint),
        *rest.routes(),
        *health.routes(),
    ]
    if chosen.environment != "production":
        routes += [*demo_routes.routes(), *tampering_routes.routes()]
    if chosen.dashboard:
        routes += dashboard.routes(chosen)
    first, limits = _steps(chosen)
    app = Application(
        routes=routes,
        lifespan=lifespan,
        middleware=[first, *_for_some(chosen), *limits],
        exception_handlers=rest.EXCEPTION_HANDLERS,
    )
    if chosen.otlp_endpoint is None:
        short: dict[str, ASGIApp] = {"/graphql": endpoint, "/transfer": rest.TransferEndpoint()}
        app.shorten(short, [first, *limits], rest.EXCEPTION_HANDLERS, has_cors=bool(chosen.cors_origins))
    # Starlette's redirect uses the scheme and host that this process sees: http, if a proxy terminates TLS.
    app.router.redirect_slashes = False
    app.router.default = without_slash(app.router)
    return app


def _steps(settings: Settings) -> tuple[Middleware, list[Middleware]]:
    """What every request goes through, on the general and on the short way: what comes first, and its limits."""
    first = Middleware(RequestId, https_only=settings.environment == "production")
    body = Middleware(BodyLimit, limit=settings.max_body_bytes, seconds=settings.body_timeout_seconds)
    return first, [Middleware(RequestRateLimit), body, Middleware(CompressedAnswers)]


def _for_some(settings: Settings) -> list[Middleware]:
    """What only some requests need, between the two."""
    chain = []
    if settings.otlp_endpoint is not None:
        chain.append(Middleware(TracedRequests, continues=settings.trace_parents))
    if settings.dashboard:
        chain.append(Middleware(dashboard.Pages, settings=settings))
    if settings.cors_origins:
        chain.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST"],
                allow_headers=_CORS_HEADERS,
                expose_headers=["X-Request-Id", "Retry-After", "RateLimit", "RateLimit-Policy"],
                max_age=600,
            )
        )
    return chain


def create_process_app() -> Starlette:
    """Returns the application for a process of its own, as `paycore serve` starts it: it changes gc and signal handlers."""
    return create_app(on_started=_own_the_process)


def _own_the_process(app: Starlette) -> None:
    # Modules and schema live as long as the process. Excluding them from collections makes a request a sixth cheaper.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)

    def stop() -> None:
        app.state.draining = True
        # Uvicorn waits for unfinished answers, and an event stream never finishes by itself.
        app.state.graphql.event_streams.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        _before_handling(number, stop)


def _before_handling(number: signal.Signals, act: Callable[[], None]) -> None:
    """On the signal, schedule `act` in the event loop, then call the previous handler."""
    loop, handler = asyncio.get_running_loop(), signal.getsignal(number)
    if not callable(handler):
        return

    def handle(received: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        handler(received, frame)

    signal.signal(number, handle)


@contextlib.asynccontextmanager
async def running_services(settings: Settings, clock: Clock) -> AsyncIterator[tuple[Services, PubSub, DemoTools | None]]:
    """Start the services that requests use, and stop them in reverse order."""
    async with contextlib.AsyncExitStack() as stack:
        tracing.start(settings, "paycore-api")
        stack.push_async_callback(tracing.stop)
        engine = create_engine(settings)
        stack.push_async_callback(dispose, engine)
        currencies, names = await load_currencies(engine), await load_redis_names(engine)
        pubsub = PubSub(redis_url(settings), names.check_channel)
        await pubsub.connect()
        stack.push_async_callback(pubsub.disconnect)
        keys = SigningKeys(settings) if settings.uses_jwks else None
        if keys is not None:
            await keys.start()
            stack.push_async_callback(keys.stop)
        live = LiveUpdates(engine, pubsub, names, settings)
        await live.start()
        stack.push_async_callback(live.stop)
        rates, party_lookups = RequestRates(settings), RateLimit(settings.wallet_party_per_minute, 60, name="party")
        query_budget = RateLimit(settings.query_budget_per_minute, 60, name="points")
        sharing = RateLimitSharing(redis_url(settings), names, [*rates.limits, party_lookups, query_budget])
        await sharing.start()
        stack.push_async_callback(sharing.stop)
        timelines = None if settings.environment == "production" else Timelines()
        ledger = Ledger(engine, settings, currencies, clock, observe=None if timelines is None else timelines.committed)
        await ledger.start()
        stack.push_async_callback(ledger.stop)
        tools = None
        if timelines is not None:
            timelines.start(pubsub, names)
            stack.push_async_callback(timelines.stop)
            tools = await _demo_tools(stack, settings, clock, timelines, Traffic(ledger, currencies, clock))
        if settings.supervisor_home is not None:
            # Only under `paycore dev`: a service of one's own has rates of its own, or none.
            rates_of_demo = DemoRates(engine, settings)
            await rates_of_demo.start()
            stack.push_async_callback(rates_of_demo.stop)
        yield (
            Services(
                settings=settings,
                clock=clock,
                engine=engine,
                currencies=currencies,
                identities=Identities(engine, settings, clock, keys),
                ledger=ledger,
                live=live,
                party_lookups=party_lookups,
                query_budget=query_budget,
                rates=rates,
                sharing=sharing,
            ),
            pubsub,
            tools,
        )


async def _demo_tools(
    stack: contextlib.AsyncExitStack, settings: Settings, clock: Clock, timelines: Timelines, traffic: Traffic
) -> DemoTools:
    stack.push_async_callback(traffic.stop)
    tampering = Tampering(settings, superuser_url(settings), clock)
    await tampering.start()
    stack.push_async_callback(tampering.stop)
    return DemoTools(timelines, traffic, Ambient(clock), Receiver(settings.base_url, clock), tampering)
