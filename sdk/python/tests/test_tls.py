"""TLS: a certificate is trusted because the machine or the caller trusts it, and for no other reason."""

from __future__ import annotations

import base64
import hashlib
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
from test_login import store

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


def fragment(certificate: Path) -> str:
    """What stands behind # for the key of a certificate, worked out as openssl users would."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "#sha256=" + base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def test_a_pinned_key_is_all_that_counts(site: FakeSite, secure: Path, tmp_path: Path) -> None:
    stranger, _ = certificate(tmp_path, "127.0.0.3")
    # The certificate is for 127.0.0.1 and of no authority.
    url = site.url.replace("http://127.0.0.1", "https://localhost")
    assert ah.connect(url + fragment(secure), "researcher-token").me.email == "ada@example.org"
    both = fragment(stranger) + "," + fragment(secure).partition("=")[2]
    assert ah.connect(url + both, "researcher-token").me.email == "ada@example.org"


def test_another_key_gets_nothing(site: FakeSite, secure: Path, tmp_path: Path, pauses: list[float]) -> None:
    url = site.url.replace("http://", "https://")
    stranger, _ = certificate(tmp_path, "127.0.0.9")
    with pytest.raises(ah.Denied, match="another key") as refused:
        ah.connect(url + fragment(stranger), "researcher-token")
    assert "ask the site's owner" in refused.value.remedy
    assert fragment(secure).partition("=")[2] in str(refused.value)
    assert not site.seen  # the token was never sent
    assert not pauses


def test_a_pin_leaves_no_say_to_certificates(site: FakeSite, secure: Path) -> None:
    url = site.url.replace("http://", "https://")
    with pytest.raises(ah.Invalid, match="no certificate has a say"):
        ah.connect(url + fragment(secure), "researcher-token", ca=secure)


@pytest.mark.parametrize(
    "tail", ["#x", "#sha256=", "#sha256=abc", "#sha1=" + "A" * 43, "#" + "A" * 43, "#sha256=" + "A" * 42 + "B"]
)
def test_a_torn_connection_string_is_refused(site: FakeSite, tail: str) -> None:
    with pytest.raises(ah.Invalid, match="does not name the key"):
        ah.connect("https://data.hospital.example" + tail, "researcher-token")


def test_plain_http_pins_nothing(site: FakeSite, secure: Path) -> None:
    with pytest.raises(ah.Invalid, match="proves no key"):
        ah.connect(site.url + fragment(secure), "researcher-token")


def test_what_login_stored_is_insisted_on(site: FakeSite, secure: Path, tmp_path: Path, pauses: list[float]) -> None:
    url = site.url.replace("http://", "https://")
    stranger, _ = certificate(tmp_path, "127.0.0.9")
    store(url + fragment(secure))
    assert ah.connect().me.email == "ada@example.org"
    assert ah.connect(url).me.email == "ada@example.org"  # with the stored pin
    store(url + fragment(stranger))
    for address in (None, url):
        with pytest.raises(ah.Denied, match="another key"):
            ah.connect(address, "researcher-token")
    with pytest.raises(ah.Unauthenticated, match="no token for"):
        ah.connect(url + fragment(secure))  # what was stored is for whoever holds the other key


def test_a_certificate_that_login_stored(site: FakeSite, secure: Path) -> None:
    url = site.url.replace("http://", "https://")
    store(url, ca=secure.read_text())
    assert ah.connect().me.email == "ada@example.org"
    assert ah.connect(url).me.email == "ada@example.org"
