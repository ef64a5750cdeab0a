"""The API's processes: uvicorn, with a listening socket for each worker.

If workers share one socket, most connections go to the worker that wakes first: one got 13 of 16, and a core stayed idle.
With one socket each (SO_REUSEPORT, on Linux) the kernel spreads the connections. The parent keeps all sockets open, so a
connection that waits for a dead worker is accepted by its replacement.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import sys
import tempfile
from asyncio import Protocol
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from ipaddress import IPv4Network, ip_address, ip_network
from typing import cast

import uvicorn

from app.errors import ConfigurationError
from app.http.connections import ConnectionLimits
from app.http.protocol import GuardedProtocol
from app.http.sockets import GuardedWebSocket
from app.processes.importing import importing
from app.processes.starting import Terminated, stand_in, wait_for_database
from app.processes.workers import CLOSING_SECONDS, Server, Workers
from app.settings import Settings

logger = logging.getLogger(__name__)

_MIN_GRACEFUL_SECONDS = 15
"""Least time for running requests after the signal to stop."""
_MARGIN_SECONDS = 5
_PROBE_CLOSE_SECONDS = 2
_HANGS_AFTER_SECONDS = 30
"""A worker that serves and then does not answer for this long is replaced."""


def graceful_seconds(settings: Settings) -> int:
    """Seconds for running requests after SIGTERM. Longer than any takes: a cut-off answer leaves the transfer unknown."""
    longest = settings.request_timeout_seconds + max(settings.body_timeout_seconds, _MARGIN_SECONDS)
    return max(_MIN_GRACEFUL_SECONDS, math.ceil(longest))


def ends_within(settings: Settings) -> int:
    """Seconds from SIGTERM to the end of all processes, in every case."""
    return graceful_seconds(settings) + CLOSING_SECONDS + 2


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Wait for the database, then serve until SIGTERM or SIGINT.

    Raises ConfigurationError if the address is taken, and whatever `wait_for_database` raises.
    """
    listeners = [bind(host, port)] if workers == 1 else _listeners(host, port, workers)
    try:
        asyncio.run(wait_for_database(settings, lambda: _serving_stand_in(settings, listeners[0])))
    except Terminated:
        sys.exit(128 + signal.SIGTERM)
    shown = f"[{host}]" if ":" in host else host
    logger.info("running on http://%s:%d, %d worker%s", shown, listeners[0].getsockname()[1], workers, "s"[: workers > 1])
    config = _api_config(settings, host, port, workers)
    if workers == 1:
        _serve_alone(config, listeners)
    else:
        with tempfile.TemporaryDirectory(prefix="paycore-metrics-") as directory:
            # Each worker writes its metrics to its own file in this directory. It reads the variable when it starts.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
            code = Workers(config, listeners).run()
        if code:
            sys.exit(code)


def _api_config(settings: Settings, host: str, port: int, workers: int) -> uvicorn.Config:
    limits = _limits(settings)
    return uvicorn.Config(
        "app.main:create_process_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        # Uvicorn only calls these, so they need not be classes. They are pickled for the workers.
        ws=cast("type[Protocol]", partial(GuardedWebSocket, limits=limits)),
        ws_ping_interval=settings.websocket_ping_seconds,
        ws_ping_timeout=settings.websocket_ping_seconds,
        ws_max_size=settings.max_body_bytes,
        # Messages are small. Compression would cost memory per socket and let a small message expand into a large one.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=graceful_seconds(settings),
        timeout_worker_healthcheck=_HANGS_AFTER_SECONDS,
        access_log=False,
        server_header=False,
        http=cast("type[Protocol]", partial(GuardedProtocol, limits=limits)),
        # Log fields of one request must not appear in the next one on the same connection.
        reset_contextvars=True,
        # Uvicorn counts the current connection as well.
        limit_concurrency=settings.max_connections + 1,
        # Any client can send these headers, so they are trusted only from the configured proxies.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=with_mapped_addresses(settings.trusted_proxies),
        timeout_keep_alive=settings.keep_alive_seconds,
        log_level=settings.log_level,
        # Logging is configured in app/telemetry/logs.py.
        log_config=None,
    )


def _limits(settings: Settings) -> ConnectionLimits:
    return ConnectionLimits(settings.head_timeout_seconds, settings.send_timeout_seconds)


def _serving_stand_in(settings: Settings, listener: socket.socket) -> AbstractAsyncContextManager[None]:
    """Serve the stand-in on the API's socket, and leave the socket open: connections in its queue then wait for the API."""
    config = uvicorn.Config(
        stand_in(settings),
        http=cast("type[Protocol]", partial(GuardedProtocol, limits=_limits(settings))),
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        limit_concurrency=settings.max_connections + 1,
        timeout_graceful_shutdown=_PROBE_CLOSE_SECONDS,
        log_level=settings.log_level,
        # Logging is configured in app/telemetry/logs.py.
        log_config=None,
    )
    return serving_in_background(config, listener.dup())


@contextlib.asynccontextmanager
async def serving_in_background(config: uvicorn.Config, listener: socket.socket) -> AsyncIterator[None]:
    """Serve on this socket while the block runs, without handling signals. Closes the socket at the end."""
    server = _BackgroundServer(config)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait({serving})


class _BackgroundServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process that runs the block."""
        yield


def _serve_alone(config: uvicorn.Config, listeners: list[socket.socket]) -> None:
    with importing():
        config.load()
    server = Server(config)
    server.run(sockets=listeners)
    if not server.started:
        sys.exit(uvicorn.config.STARTUP_FAILURE)


def _listeners(host: str, port: int, count: int) -> list[socket.socket]:
    """A bound socket for each worker on Linux, whose kernel spreads connections over them. Elsewhere one for all workers."""
    single = bind(host, port)
    if sys.platform != "linux":
        return [single]
    # The exclusive bind has shown that the address is free. A shared bind alone would not: it succeeds beside another service
    # of the same user.
    address: tuple[str, int] = single.getsockname()[:2]
    single.close()
    return [bind(*address, shared=True) for _ in range(count)]


def with_mapped_addresses(proxies: str) -> str:
    """Add the IPv4-mapped IPv6 form of each IPv4 address or network in a comma-separated list.

    A dual-stack socket reports IPv4 clients in that form.
    """
    networks = [ip_network(part) for part in filter(None, map(str.strip, proxies.split(",")))]
    mapped = [
        f"::ffff:{network.network_address}/{96 + network.prefixlen}" for network in networks if isinstance(network, IPv4Network)
    ]
    return ",".join([*map(str, networks), *mapped])


def is_loopback(host: str) -> bool:
    """Whether a socket on this host can be reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a bound socket. `shared` lets other sockets of this user bind the same address.

    Raises ConfigurationError if the address is taken.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConfigurationError(f"Paycore cannot listen on {host}, port {port}: {error.strerror}.") from None
    bound.set_inheritable(True)
    return bound
