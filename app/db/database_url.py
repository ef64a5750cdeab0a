"""Parses PAYCORE_DATABASE_URL, as providers and poolers write it, into arguments for asyncpg."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from app.errors import ConfigurationError


class UntrustedServer(ConnectionError):
    """The server's certificate is not accepted. Retried like a lost connection, because it may be renewed."""


_INVALID_URL = (
    "PAYCORE_DATABASE_URL is not valid: it must be postgresql://user:password@host:port/name, with special characters "
    "percent-encoded."
)
_PASSED_ON = frozenset(
    {
        *("host", "port", "dbname", "database", "user", "password", "passfile", "options", "target_session_attrs"),
        *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib"),
    }
)
"""Parameters that asyncpg handles."""
_OWN = frozenset(
    {
        *("application_name", "fallback_application_name", "sslsni", "tcp_user_timeout"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    }
)
"""Parameters that the service sets itself on every connection. Their values in the URL are ignored."""
_CHOSEN = frozenset({"connect_timeout", "channel_binding", "gssencmode", "sslcompression"})
_LEAST_CONNECT_SECONDS = 2
_CONNECT_SECONDS = 5
_VERIFYING = ("verify-ca", "verify-full")
_SYSTEM = "system"
_SERVERS_FOR_WRITING = ("any", "read-write", "primary")


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """The address of the database: asyncpg's arguments, for each host in turn."""

    dsn: str = field(repr=False)
    hosts: tuple[tuple[str, int] | None, ...]
    """Each of several hosts with its port. A single None means that the URL has one host or none."""
    connect_seconds: float
    ssl: ssl.SSLContext | None
    """Replaces the URL's certificate parameters if set."""
    lacks_channel_binding: bool
    """Whether the URL requires channel binding, which asyncpg does not support."""


def invalid_url() -> ConfigurationError:
    """The error for an invalid URL. It does not quote the URL, since any part may be a piece of the password."""
    return ConfigurationError(_INVALID_URL)


def parse(url: str) -> DatabaseAddress:
    """Returns the parsed address. Raises ConfigurationError, one line without the password, if it is invalid or unsupported."""
    try:
        parts = urlsplit(url.replace("postgresql+asyncpg://", "postgresql://", 1))
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise invalid_url() from None
    # An unescaped /, ? or # in a password ends the host's part early. The rest of the password is then in a later part.
    if parts.fragment or any("@" in part for part in (parts.path, parts.query)):
        raise invalid_url()
    options = dict(pairs)
    _refuse_unknown(options)
    _check_certificates(options)
    try:
        seconds = int(options.get("connect_timeout") or 0)
        hosts = _hosts(parts.netloc.rpartition("@")[2], options)
    except ValueError:
        raise invalid_url() from None
    context = _system_context(options)
    kept = {name: value for name, value in options.items() if name in _PASSED_ON}
    if len(hosts) > 1:
        kept.setdefault("target_session_attrs", "read-write")
    if kept.get("target_session_attrs", "any") not in _SERVERS_FOR_WRITING:
        raise ConfigurationError("PAYCORE_DATABASE_URL: target_session_attrs must be read-write, primary or any.")
    return DatabaseAddress(
        dsn=parts._replace(query=urlencode(kept)).geturl(),
        hosts=hosts,
        connect_seconds=max(seconds, _LEAST_CONNECT_SECONDS) if seconds > 0 else _CONNECT_SECONDS,
        ssl=context,
        lacks_channel_binding=options.get("channel_binding") == "require",
    )


def _refuse_unknown(options: dict[str, str]) -> None:
    unknown = sorted(options.keys() - _PASSED_ON - _OWN - _CHOSEN)
    if unknown and "password" in options:
        # The unknown name may be the rest of a password with an unescaped & in it: do not quote it.
        raise invalid_url()
    if unknown:
        raise ConfigurationError(f"PAYCORE_DATABASE_URL has a parameter that Paycore does not know: {', '.join(unknown)}.")
    if options.get("gssencmode") == "require":
        raise ConfigurationError("PAYCORE_DATABASE_URL: gssencmode=require is not supported. TLS is: sslmode=verify-full.")


def _check_certificates(options: dict[str, str]) -> None:
    """Raises ConfigurationError for missing files. The driver would only fail later, with what looks like a lost connection."""
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
        path = options.get(name)
        if path and not (name == "sslrootcert" and path == _SYSTEM) and not os.access(path, os.R_OK):
            raise ConfigurationError(f"PAYCORE_DATABASE_URL: {name} cannot be read: {path}")
    mode = options.get("sslmode") or os.environ.get("PGSSLMODE")
    given = options.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")
    if mode in _VERIFYING and not given and not (Path("~").expanduser() / ".postgresql/root.crt").exists():
        raise ConfigurationError(
            f"PAYCORE_DATABASE_URL: sslmode={mode} needs a root certificate: add sslrootcert=/path/to/ca.pem, or "
            "sslrootcert=system for the system's certificates."
        )


def _system_context(options: dict[str, str]) -> ssl.SSLContext | None:
    """Returns the context for sslrootcert=system, which asyncpg does not support. As in libpq, it requires verify-full."""
    if options.get("sslrootcert") != _SYSTEM:
        return None
    if options.get("sslmode", "verify-full") != "verify-full":
        raise ConfigurationError("PAYCORE_DATABASE_URL: sslrootcert=system needs sslmode=verify-full.")
    for name in ("sslcrl", "ssl_min_protocol_version", "ssl_max_protocol_version"):
        if options.get(name):
            raise ConfigurationError(f"PAYCORE_DATABASE_URL: {name} is not supported together with sslrootcert=system.")
    context = ssl.create_default_context()
    context.set_alpn_protocols(["postgresql"])
    try:
        if options.get("sslcert"):
            context.load_cert_chain(options["sslcert"], options.get("sslkey"), options.get("sslpassword"))
    except (OSError, ssl.SSLError):
        raise ConfigurationError(
            "PAYCORE_DATABASE_URL: sslcert and sslkey cannot be loaded: they do not match, or sslpassword is wrong."
        ) from None
    for name in ("sslrootcert", "sslmode", "sslcert", "sslkey", "sslpassword"):
        options.pop(name, None)
    return context


def _hosts(netloc: str, options: dict[str, str]) -> tuple[tuple[str, int] | None, ...]:
    """Returns the hosts if there are several, each with its port, else (None,). Raises ValueError if one is invalid."""
    listed = netloc or options.get("host", "")
    if "," not in listed:
        return (None,)
    hosts = listed.split(",")
    ports = (options.get("port") or "").split(",") if options.get("port") else [""]
    if len(ports) == 1:
        ports *= len(hosts)
    options.pop("host", None)
    options.pop("port", None)
    return tuple(_host(host, port) for host, port in zip(hosts, ports, strict=True))


def _host(text: str, port: str) -> tuple[str, int]:
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        own = rest.removeprefix(":")
    elif text.startswith("/"):
        address, own = text, ""
    else:
        address, _, own = text.partition(":")
    if not address:
        raise ValueError
    return unquote(address), int(port or own or 5432)
