"""TLS: a certificate is trusted because the machine or the caller trusts it, and for no other reason."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_site import FakeSite

import anchorhold as ah


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A self-signed certificate, as an owner makes one."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files = folder / f"{host}.pem", folder / f"{host}.key"
    files[0].write_bytes(made.public_bytes(pem))
    files[1].write_bytes(key)
    return files


@pytest.fixture
def secure(site: FakeSite, tmp_path: Path) -> Iterator[Path]:
    """The site behind TLS, and the file of its certificate."""
    own, key = certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    plain = site.server.socket
    site.server.socket = context.wrap_socket(plain, server_side=True)
    yield own
    plain.close()


def test_a_certificate_that_the_owner_gave(site: FakeSite, secure: Path) -> None:
    url = site.url.replace("http://", "https://")
    assert ah.connect(url, "researcher-token", ca=secure).me.email == "ada@example.org"


def test_other_certificates_are_not_trusted(site: FakeSite, secure: Path, tmp_path: Path, pauses: list[float]) -> None:
    url = site.url.replace("http://", "https://")
    stranger, _ = certificate(tmp_path, "127.0.0.2")
    for ca in (None, stranger):
        with pytest.raises(ah.Unavailable, match="is not trusted") as refused:
            ah.connect(url, "researcher-token", ca=ca)
        assert "ca=" in refused.value.remedy
    assert not site.seen  # the token was never sent
