"""TLS in front of PostgreSQL, with certificates that a test creates and may change."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.proxy import PostgresProxy

_SSL_REQUEST_BYTES = 8


class TlsProxy(PostgresProxy):
    """Accepts TLS and forwards to the server without it."""

    certificate: Path
    refusals = 0
    """The number of clients that rejected the certificate."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(_SSL_REQUEST_BYTES)
            writer.write(b"S")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            await writer.start_tls(context)
        except (OSError, EOFError):
            self.refusals += 1
            with contextlib.suppress(OSError):
                writer.transport.abort()
            return
        await super()._serve(reader, writer)

    def verified(self, root: Path | str) -> str:
        """The URL for a client that verifies with this root certificate."""
        return f"{self.url.partition('?')[0]}?sslmode=verify-full&sslrootcert={root}"


def make_certificate(path: Path) -> Path:
    """Write a self-signed certificate for 127.0.0.1 and its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, path.stem)])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return path
