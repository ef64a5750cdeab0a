"""The API's processes: uvicorn, with a listening socket for each worker.

A socket that workers share gives most connections to whichever of them wakes first: of 16, one got 13, and a core stood
idle. With a socket each (SO_REUSEPORT, on Linux) the kernel spreads them. The parent keeps all sockets open, so that
connections that wait for a worker that has died are taken by the one that replaces it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
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
from app.http.protocol import ConnectionLimits, GuardedProtocol, GuardedWebSocket
from app.processes.starting import stand_in, wait_for_database
from app.processes.workers import CLOSING_SECONDS, Server, Workers
from app.settings import Settings

logger = logging.getLogger(__name__)

_GRACEFUL_SECONDS = 15
"""At least so long is waited for answers under way when the service is told to stop."""
_MARGIN_SECONDS = 5
_ASIDE_CLOSE_SECONDS = 2
_HANGS_AFTER_SECONDS = 30
"""A worker that is silent for so long is replaced. One that starts is silent until all is imported."""


def graceful_seconds(settings: Settings) -> int:
    """For answers under way: longer than any of them takes, since one that is cut off tells nothing of its transfer."""
    patience = settings.request_timeout_seconds + max(settings.body_timeout_seconds, _MARGIN_SECONDS)
    return max(_GRACEFUL_SECONDS, math.ceil(patience))


def ends_within(settings: Settings) -> int:
    """Seconds from SIGTERM to the end of all processes, come what may."""
    return graceful_seconds(settings) + CLOSING_SECONDS + 2


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until told to stop, once there is a database.

    Raises ConfigurationError where the address is taken, and what `wait_for_database` raises.
    """
    listeners = [bind(host, port)] if workers == 1 else _listeners(host, port, workers)
    asyncio.run(wait_for_database(settings, lambda: _standing_in(settings, listeners[0])))
    shown = f"[{host}]" if ":" in host else host
    logger.info("running on http://%s:%d, %d worker%s", shown, listeners[0].getsockname()[1], workers, "s"[: workers > 1])
    config = _api_config(settings, host, port, workers)
    if workers == 1:
        _serve_alone(config, listeners)
    else:
        with tempfile.TemporaryDirectory(prefix="paycore-metrics-") as directory:
            # Each worker counts in a file of its own there; it reads the variable when it starts.
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
        # Uvicorn calls them and never asks whether they are classes. They go to the workers as they are.
        ws=cast("type[Protocol]", partial(GuardedWebSocket, limits=limits)),
        ws_ping_interval=settings.websocket_ping_seconds,
        ws_ping_timeout=settings.websocket_ping_seconds,
        ws_max_size=settings.max_websocket_message_bytes,
        # Messages are small: compressing them would cost each socket memory, and let a small one unpack into a large one.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=graceful_seconds(settings),
        timeout_worker_healthcheck=_HANGS_AFTER_SECONDS,
        access_log=False,
        server_header=False,
        http=cast("type[Protocol]", partial(GuardedProtocol, limits=limits)),
        # What one request binds for its log lines is not the next one's on the same connection.
        reset_contextvars=True,
        # It counts the connection that asks, too.
        limit_concurrency=settings.max_connections + 1,
        # A header that anyone can send is believed of nobody but the proxies that are named.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=proxies_as_seen(settings.trusted_proxies),
        timeout_keep_alive=settings.keep_alive_seconds,
        log_level=settings.log_level,
        # Through our own pipe: see app/telemetry/logs.py.
        log_config=None,
    )


def _limits(settings: Settings) -> ConnectionLimits:
    return ConnectionLimits(settings.head_timeout_seconds, settings.max_head_bytes, settings.send_timeout_seconds)


def _standing_in(settings: Settings, listener: socket.socket) -> AbstractAsyncContextManager[None]:
    """Answers on the API's socket in its place, and leaves the socket open: connections that come meanwhile wait for the API."""
    config = uvicorn.Config(
        stand_in(settings),
        http=cast("type[Protocol]", partial(GuardedProtocol, limits=_limits(settings))),
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        limit_concurrency=settings.max_connections + 1,
        timeout_graceful_shutdown=_ASIDE_CLOSE_SECONDS,
        log_level=settings.log_level,
        # Through our own pipe: see app/telemetry/logs.py.
        log_config=None,
    )
    return serving_aside(config, listener.dup())


@contextlib.asynccontextmanager
async def serving_aside(config: uvicorn.Config, listener: socket.socket) -> AsyncIterator[None]:
    """Serve on this socket for as long as the block runs, and leave the signals to the block. The socket is closed in the end."""
    server = _AsideServer(config)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait({serving})


class _AsideServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield


def _serve_alone(config: uvicorn.Config, listeners: list[socket.socket]) -> None:
    server = Server(config)
    server.run(sockets=listeners)
    if not server.started:
        sys.exit(uvicorn.config.STARTUP_FAILURE)


def _listeners(host: str, port: int, count: int) -> list[socket.socket]:
    """A bound socket for each worker, where the kernel spreads connections over them; elsewhere one for all."""
    single = bind(host, port)
    if sys.platform != "linux":
        return [single]
    # The address is free, as that bind has shown; from here on another service of the same user could share it unnoticed.
    address: tuple[str, int] = single.getsockname()[:2]
    single.close()
    return [bind(*address, shared=True) for _ in range(count)]


def proxies_as_seen(proxies: str) -> str:
    """Addresses and networks, separated by commas, each IPv4 one also as an IPv6 socket that takes both shows it."""
    networks = [ip_network(part) for part in filter(None, map(str.strip, proxies.split(",")))]
    mapped = [
        f"::ffff:{network.network_address}/{96 + network.prefixlen}" for network in networks if isinstance(network, IPv4Network)
    ]
    return ",".join([*map(str, networks), *mapped])


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches what listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket to listen on; `shared` where other sockets of this user may have the same address.

    Raises ConfigurationError where the address is taken.
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
