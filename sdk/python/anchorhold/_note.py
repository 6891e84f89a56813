"""Keys, checkpoints, inclusion proofs and entries of a site's log (docs/spec/log.md).

An independent reader: it shares no code with the site. Whatever is not exactly
what the specification says is refused. The vectors of the specification are the
test; each one that must be refused names its reason.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any, NamedTuple

from . import _jcs

MAX_NOTE = 16_384
MAX_SIZE = 2**53 - 1

_ORIGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/:-]{0,126}[A-Za-z0-9])?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_PRIME = 2**255 - 19
_CURVE = -121665 * pow(121666, -1, _PRIME) % _PRIME
_SMALL_ORDER = {
    bytes.fromhex(h)
    for h in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
}


class Bad(ValueError):
    """Something that is not what the specification says."""


class Key(NamedTuple):
    """A site's public key: its origin, the hash that names the key, and the key."""

    origin: str
    hash: bytes
    public: bytes

    @property
    def keyid(self) -> str:
        """How signatures name the key: the vkey without its last part."""
        return f"{self.origin}+{self.hash.hex()}"

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether an Ed25519 signature holds."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def unbase64(text: object) -> bytes:
    """Bytes of canonical base64; anything else is Bad."""
    if not isinstance(text, str):
        raise Bad("base64 is missing")
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Bad("not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Bad("base64 that is not canonical")
    return data


def is_origin(text: object) -> bool:
    return isinstance(text, str) and bool(_ORIGIN.fullmatch(text)) and ".." not in text and "//" not in text


def parse_vkey(text: str) -> Key:
    """A public key from its vkey text."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not is_origin(parts[0]) or not re.fullmatch("[0-9a-f]{8}", parts[1]):
        raise Bad("the key is not a vkey: ORIGIN+HASH+BASE64")
    data = unbase64(parts[2])
    if len(data) != 33 or data[0] != 1:
        raise Bad("the key is not an Ed25519 key")
    named = hashlib.sha256(parts[0].encode() + b"\n" + data).digest()[:4]
    if named.hex() != parts[1]:
        raise Bad("the key's hash is not that of the key")
    check_point(data[1:])
    return Key(parts[0], named, data[1:])


def check_point(public: bytes) -> None:
    """Refuse a public key that is no canonical point of the curve, or one of small order."""
    sign = public[31] >> 7
    bare = public[:31] + bytes([public[31] & 0x7F])
    if bare in _SMALL_ORDER:
        raise Bad("the key is of small order")
    y = int.from_bytes(bare, "little")
    if y >= _PRIME:
        raise Bad("the key is not canonically encoded")
    u, v = (y * y - 1) % _PRIME, (_CURVE * y * y + 1) % _PRIME
    square = u * pow(v, -1, _PRIME) % _PRIME
    if square == 0:
        if sign:
            raise Bad("the key is not canonically encoded")
    elif pow(square, (_PRIME - 1) // 2, _PRIME) != 1:
        raise Bad("the key is not a point of the curve")


def open_checkpoint(note: object, key: Key) -> tuple[int, bytes]:
    """Size and root of a checkpoint that the key has signed."""
    if not isinstance(note, str):
        raise Bad("no checkpoint")
    try:
        long = len(note.encode("utf-8")) > MAX_NOTE
    except UnicodeEncodeError:
        raise Bad("the checkpoint is not text") from None
    if long or re.search("[\x00-\x09\x0b-\x1f]", note):
        raise Bad("the checkpoint is not a signed note")
    text, gap, signatures = note.rpartition("\n\n")
    if not gap or not signatures.endswith("\n"):
        raise Bad("the checkpoint is not a signed note")
    text += "\n"
    signed = [_signed_by(line, text, key) for line in signatures[:-1].split("\n")]  # every line must have the form
    if not any(signed):
        raise Bad("the checkpoint is not signed by the key")
    lines = text.split("\n")
    if len(lines) != 4 or lines[0] != key.origin:
        raise Bad("the checkpoint is not of this log")
    if not re.fullmatch("0|[1-9][0-9]{0,15}", lines[1]) or int(lines[1]) > MAX_SIZE:
        raise Bad("the checkpoint's size is not a number")
    root = unbase64(lines[2])
    if len(root) != 32:
        raise Bad("the checkpoint's root is not a hash")
    return int(lines[1]), root


def _signed_by(line: str, text: str, key: Key) -> bool:
    match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
    if not match:
        raise Bad("a signature line has the wrong form")
    data = unbase64(match[2])
    if len(data) < 5:
        raise Bad("a signature line has the wrong form")
    if match[1] != key.origin or data[:4] != key.hash:
        return False
    if not key.verify(data[4:], text.encode()):
        raise Bad("the checkpoint's signature does not hold")
    return True


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def check_inclusion(index: int, size: int, leaf: bytes, proof: list[bytes], root: bytes) -> None:
    """RFC 9162 §2.1.3.2 (the tree of RFC 6962): the leaf is at index of the tree of this size and root."""
    if not 0 <= index < size or any(len(p) != 32 for p in proof):
        raise Bad("the proof has the wrong form")
    node, last, here = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Bad("the proof is too long")
        if node & 1 or node == last:
            here = hashlib.sha256(b"\x01" + sibling + here).digest()
            while not node & 1 and node != 0:
                node, last = node >> 1, last >> 1
        else:
            here = hashlib.sha256(b"\x01" + here + sibling).digest()
        node, last = node >> 1, last >> 1
    if last != 0 or here != root:
        raise Bad("the proof does not lead to the checkpoint")


def open_entry(entry: bytes, key: bytes, origin: str, index: int) -> dict[str, Any]:
    """The event of an entry, with the key that it was given to a reader under."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    blocks, rest = divmod(len(entry) - 61, 256)
    if not 0 <= index <= MAX_SIZE or rest or not 1 <= blocks <= 64 or entry[0] != 1 or len(key) != 32:
        raise Bad("the entry has the wrong form")
    if hashlib.sha256(b"anchorhold-audit-v1 key\n" + key).digest() != entry[1:33]:
        raise Bad("the key is not the entry's")
    context = b"anchorhold-audit-v1 entry\n" + origin.encode() + b"\n" + index.to_bytes(8, "big")
    try:
        padded = AESGCM(key).decrypt(entry[33:45], entry[45:], context)
    except InvalidTag:
        raise Bad("the entry does not open") from None
    return parse_event(padded)


def parse_event(padded: bytes) -> dict[str, Any]:
    bare = padded.rstrip(b" ")
    try:
        event = _jcs.parse(bare)
        exact = _jcs.canonical(bare) == bare
    except _jcs.NotCanonical:
        raise Bad("the event is not canonical JSON") from None
    if not exact or len(padded) - len(bare) >= 256 or len(padded) % 256:
        raise Bad("the event is not canonical JSON with its padding")
    members = {"v", "time", "actor", "action", "rule", "subject", "digest", "details"}
    if not isinstance(event, dict) or set(event) != members or event["v"] != 1 or isinstance(event["v"], bool):
        raise Bad("the event has other members")
    details = event["details"]
    texts = [event[m] for m in members - {"v", "details"}]
    texts += list(details.values()) if isinstance(details, dict) else [None]
    plain = all(isinstance(t, str) and "\x00" not in t for t in texts)
    if not plain or not _TIME.fullmatch(event["time"]) or not event["action"]:
        raise Bad("the event's members are not what they must be")
    if event["digest"] and not re.fullmatch("sha256:[0-9a-f]{64}", event["digest"]):
        raise Bad("the event's digest is none")
    return event
