"""Whom to trust behind TLS: a pinned key, a given certificate, or what this machine trusts.

A connection string names the SHA-256 of the public key that the site's certificate
must hold. Then that key is what counts, and neither names, dates nor authorities.
The key is looked at before a byte is sent. Over a connection that such a key vouches
for, and over no other, the site may say which keys count from now on: so it changes
its key without a word by other means. Tests connect to servers with other keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any

from ._errors import Denied, Invalid
from ._text import visible

if TYPE_CHECKING:
    import urllib3

LABEL = "sha256="
HEADER = "Anchorhold-Pins"
MOST = 8


def parse_pins(fragment: str) -> tuple[bytes, ...]:
    """The fingerprints behind # in a connection string; none where nothing stands there."""
    if not fragment:
        return ()
    parts = fragment[len(LABEL) :].split(",")
    pins = [decode(part) for part in parts]
    if not fragment.startswith(LABEL) or len(parts) > MOST or None in pins:
        raise Invalid(
            "what stands behind # in the address does not name the key of a site",
            "copy the connection string again, in one piece: https://HOST:PORT#sha256=...",
        )
    return tuple(pin for pin in pins if pin is not None)


def decode(text: str) -> bytes | None:
    try:
        pin = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return pin if encode(pin) == text and len(pin) == hashlib.sha256().digest_size else None


def fragment_of(pins: tuple[bytes, ...]) -> str:
    """Pins as they stand behind # in a connection string."""
    return LABEL + ",".join(encode(pin) for pin in pins)


class Trust:
    """The keys that a client insists on; none where nothing is pinned."""

    def __init__(self, pins: tuple[bytes, ...]) -> None:
        self.pins = pins

    def learn(self, said: str | None) -> tuple[bytes, ...] | None:
        """Take what an answer says of the site's keys; gives those that counted before, where that is new.

        A word that cannot be read changes nothing.
        """
        if not self.pins or not said:
            return None
        try:
            pins = parse_pins(said)
        except Invalid:
            return None
        if pins == self.pins:
            return None
        before, self.pins = self.pins, pins
        return before


def encode(pin: bytes) -> str:
    return base64.urlsafe_b64encode(pin).decode().rstrip("=")


def pin_of(certificate: bytes) -> bytes:
    """The fingerprint of a certificate's public key: SHA-256 of its SubjectPublicKeyInfo."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_der_x509_certificate(certificate).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def check(pins: tuple[bytes, ...], certificate: bytes | None, host: str) -> None:
    """Refuse a server that does not hold a pinned key; the handshake has proved that it holds the certificate's."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        found = pin_of(certificate or b"")
    except (ValueError, TypeError, UnsupportedAlgorithm):  # a stranger's certificate may be made of anything
        found = b""
    if found in pins:
        return
    theirs = f": sha256 of its key is {encode(found)}" if found else ""
    raise Denied(
        f"whoever answers at {visible(host, 200)} has another key than the one in the address{theirs}",
        "send it nothing; ask the site's owner, by another way than this network, whether the key was changed, "
        "and for the connection string of today",
    )


def pool_for(trust: Trust, ca: str | None, ca_text: str | None) -> urllib3.PoolManager:
    """A pool of connections to a site that is trusted in the one way that was asked for."""
    import ssl

    import urllib3

    if trust.pins:
        return pinned(trust)
    try:
        context = ssl.create_default_context(cafile=ca, cadata=None if ca else ca_text)
    except OSError:
        shown = visible(ca or "what login stored", 200)
        raise Invalid(f"{shown} holds no certificate", "pass the path of a PEM file as ca=") from None
    return urllib3.PoolManager(maxsize=4, ssl_context=context)


def pinned(trust: Trust) -> urllib3.PoolManager:
    import ssl

    import urllib3
    from urllib3.connection import HTTPSConnection

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # Pinned.connect checks the key itself

    class Pinned(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            sock: Any = self.sock
            try:
                check(trust.pins, sock.getpeercert(binary_form=True), self.host)
            except BaseException:
                self.close()
                raise
            self.is_verified = True

    class Pool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Pinned

    manager = urllib3.PoolManager(maxsize=4, ssl_context=context, assert_hostname=False)
    manager.pool_classes_by_scheme = {"https": Pool}
    return manager
