"""Where webhooks may be sent: the table of addresses that must be refused, in every form."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from app.services.webhooks.destinations import BadDestination, check_address, destination_of

REFUSED_URLS = [
    "http://example.com/",  # not TLS
    "ftp://example.com/",
    "file:///etc/passwd",
    "https:///path",
    "https://",
    "https://user:password@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com/#fragment",
    "https://example.com:0/",
    "https://example.com:/",
    "https://example.com:65536/",
    "https://example.com:http/",
    "https://exa mple.com/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com/\r\nHost: other",
    "https://münchen.example/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://①②⑦.0.0.1/",
    "https://%31%32%37.0.0.1/",
    "https://" + "a" * 254 + "/",
    "https://a..b/",
    "https://example.com/" + "a" * 2048,
    # IPv4, in the usual form
    "https://127.0.0.1/",
    "https://127.255.255.254/",
    "https://127.0.0.1./",
    "https://0.0.0.0/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://192.0.0.1/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    # decimal, octal, hexadecimal, short
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.01/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0/",
    "https://0x/",
    "https://1.2.3.4.5/",
    "https://8.8.8.256/",
    # IPv6
    "https://[::1]/",
    "https://[::]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fec0::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    # IPv4 in IPv6: mapped, compatible, translated, 6to4, Teredo, ISATAP
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:8.8.8.8]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
    "https://[2607:f8b0::5efe:7f00:1]/",
    "https://[2607:f8b0::200:5efe:127.0.0.1]/",
    "https://[127.0.0.1]/",
    "https://[::1/",
]


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_url_is_refused(url: str) -> None:
    with pytest.raises(BadDestination):
        destination_of(url, allow_private=False)


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "authority"),
    [
        ("https://example.com", "example.com", 443, "/", "example.com"),
        ("https://Example.COM./hook?a=b", "example.com", 443, "/hook?a=b", "example.com"),
        ("https://example.com:8443/hook", "example.com", 8443, "/hook", "example.com:8443"),
        ("https://xn--mnchen-3ya.example/", "xn--mnchen-3ya.example", 443, "/", "xn--mnchen-3ya.example"),
        ("https://8.8.8.8/", "8.8.8.8", 443, "/", "8.8.8.8"),
        ("https://[2607:f8b0:4004::1]/", "2607:f8b0:4004::1", 443, "/", "[2607:f8b0:4004::1]"),
    ],
)
def test_a_public_url_is_read(url: str, host: str, port: int, target: str, authority: str) -> None:
    found = destination_of(url, allow_private=False)
    assert (found.host, found.port, found.target, found.authority) == (host, port, target, authority)


def test_development_allows_private_hosts_and_plain_http_but_no_strange_forms() -> None:
    assert destination_of("http://127.0.0.1:9000/x", allow_private=True).port == 9000
    assert destination_of("http://localhost/x", allow_private=True).authority == "localhost"
    with pytest.raises(BadDestination):
        destination_of("http://2130706433/", allow_private=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "169.254.169.254", "64:ff9b::a00:1"])
def test_an_address_that_a_name_resolves_to_is_refused(address: str) -> None:
    with pytest.raises(BadDestination):
        check_address(ip_address(address))
