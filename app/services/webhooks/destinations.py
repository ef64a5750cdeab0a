"""Where a webhook may be sent: public addresses only, whatever form the URL, the resolver or a redirect gives them.

A URL is checked when it is stored, and the address that its name resolves to before each connection. The connection goes to
the address that was checked (`sending.py`), so a resolver that answers differently the second time is not asked again.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

MAX_URL = 2048
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_URL_CHARACTERS = re.compile(r"[!-~]+", re.ASCII)
_MAX_HOST = 253

_UNICAST = IPv6Network("2000::/3")
"""All that is routed. Everything that embeds an IPv4 address by a prefix (mapped, compatible, translated) is outside."""
_NOT_ROUTED = (
    IPv6Network("2001::/23"),  # Teredo, benchmarks, ORCHID
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4, which embeds an IPv4 address
    IPv6Network("3fff::/20"),
)
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The upper half of an interface id whose lower half is an IPv4 address."""


class BadDestination(ValueError):
    """The URL or the address is not allowed. The message says why, for the owner of the endpoint."""


class Destination(NamedTuple):
    """A URL in parts."""

    is_tls: bool
    host: str
    """A name in lower case, or an IP address without brackets."""
    port: int
    target: str
    """Path and query."""

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


def destination_of(url: str, *, allow_private: bool) -> Destination:
    """Read a URL. Raises BadDestination. `allow_private` is for development: it also allows http and any address."""
    if len(url) > MAX_URL:
        raise BadDestination(f"A URL has at most {MAX_URL} characters.")
    if not _URL_CHARACTERS.fullmatch(url) or "\\" in url:
        raise BadDestination("A URL has visible ASCII characters only; write other names in punycode.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadDestination("This is not a URL.") from None
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        raise BadDestination("The URL must start with https://.")
    if "@" in parts.netloc:
        raise BadDestination("A URL must not contain a user or password.")
    if "#" in url:
        raise BadDestination("A URL must not contain a fragment.")
    if port == 0 or parts.netloc.endswith(":"):
        raise BadDestination("The port is not valid.")
    host = _host(parts.hostname or "", is_bracketed="[" in parts.netloc)
    literal = _literal(host)
    if literal is not None and not allow_private:
        check_address(literal)
    is_tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(is_tls, host, port or (443 if is_tls else 80), target)


def _host(host: str, *, is_bracketed: bool) -> str:
    """The host as it is connected to. Raises BadDestination for any form of an address but the usual one."""
    if is_bracketed:
        try:
            address = IPv6Address(host)
        except ValueError:
            raise BadDestination("The IPv6 address is not valid.") from None
        if address.scope_id is not None:
            raise BadDestination("The IPv6 address must not name an interface.")
        return str(address)
    name = host.removesuffix(".")
    labels = name.split(".")
    if len(name) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadDestination("The URL needs the name of a host.")
    if _NUMBER.fullmatch(labels[-1]):
        # Resolvers read 2130706433, 0x7f.1 and 0177.0.0.1 as addresses. Only the usual form is one here.
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise BadDestination("An IPv4 address has four decimal numbers.") from None
    return name


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def check_address(address: IPv4Address | IPv6Address) -> None:
    """Raises BadDestination unless the address is public: one that any host on the Internet could have."""
    if not (_is_public_v4(address) if isinstance(address, IPv4Address) else _is_public_v6(address)):
        raise BadDestination("The address is not public.")


def _is_public_v4(address: IPv4Address) -> bool:
    # 192.88.99.0/24 are the relays of 6to4; is_global knows the other reserved networks.
    return address.is_global and not address.is_multicast and not address.is_reserved and address.packed[:3] != b"\xc0\x58\x63"


def _is_public_v6(address: IPv6Address) -> bool:
    if address not in _UNICAST or any(address in network for network in _NOT_ROUTED) or not address.is_global:
        return False
    return (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP
