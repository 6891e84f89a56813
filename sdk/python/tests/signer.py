"""Signs receipts as a site does, so that the way from submission to receipt can be tested in one process.

The verifier is proved by the vectors of the specification; this is only a source
of receipts about the requests of a test.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from anchorhold import _jcs, receipt

DIGEST = "sha256:" + "5" * 64


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Signer:
    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.private = Ed25519PrivateKey.generate()
        public = b"\x01" + self.private.public_key().public_bytes_raw()
        self.hash = hashlib.sha256(origin.encode() + b"\n" + public).digest()[:4]
        self.vkey = f"{origin}+{self.hash.hex()}+{b64(public)}"

    def receipt(self, request: dict[str, Any], release: dict[str, Any]) -> bytes:
        payload = _jcs.dumps(self.statement(request, release))
        event = {"v": 1, "time": "2026-11-21T09:30:00.000Z", "actor": "pri-2", "action": "release.approve", "rule": "r"}
        event |= {"subject": release["id"], "digest": "sha256:" + hashlib.sha256(payload).hexdigest(), "details": {}}
        entry, key = self.entry(_jcs.dumps(event), 0)
        root = hashlib.sha256(b"\x00" + entry).digest()
        text = f"{self.origin}\n1\n{b64(root)}\n"
        note = f"{text}\n\u2014 {self.origin} {b64(self.hash + self.private.sign(text.encode()))}\n"
        signature = self.private.sign(receipt.pae(receipt.PAYLOAD_TYPE, payload))
        keyid = f"{self.origin}+{self.hash.hex()}"
        envelope = {"payloadType": receipt.PAYLOAD_TYPE, "payload": b64(payload)}
        log = {"origin": self.origin, "index": 0, "size": 1, "checkpoint": note, "proof": []}
        file = {
            "v": 1,
            "envelope": {**envelope, "signatures": [{"keyid": keyid, "sig": b64(signature)}]},
            "log": {**log, "entry": b64(entry), "key": b64(key)},
        }
        return json.dumps(file).encode()

    def entry(self, event: bytes, index: int) -> tuple[bytes, bytes]:
        key, nonce = os.urandom(32), os.urandom(12)
        padded = event + b" " * (-len(event) % 256)
        context = b"anchorhold-audit-v1 entry\n" + self.origin.encode() + b"\n" + index.to_bytes(8, "big")
        commitment = hashlib.sha256(b"anchorhold-audit-v1 key\n" + key).digest()
        return b"\x01" + commitment + nonce + AESGCM(key).encrypt(nonce, padded, context), key

    def statement(self, request: dict[str, Any], release: dict[str, Any]) -> dict[str, Any]:
        at = "2026-11-21T09:30:00Z"
        output = release["output"]
        refs = sorted(request["assets"].items())
        one = {"version": "ver-" + "0" * 16, "commitment": DIGEST}
        names = {k: request[k] for k in ("id", "digest", "code_digest", "purpose", "author")}
        decision = {"dataset": "heart", "verdict": "approve", "decider": "olga@example.org", "rule": "r", "at": at}
        predicate = {
            "site": self.origin,
            "request": names,
            "assets": [{"parameter": p, "dataset": r["dataset"], "asset": r["asset"], **one} for p, r in refs],
            "environment": {"lock": DIGEST, "built": DIGEST, "python": "3.11"},
            "run": {"id": "run-1", "boundary": "gvisor", "started": at, "finished": at},
            "decisions": [decision],
            "checks": [],
            "exposure": [{"class": "unbounded", "population": "p", "amount": "{}"}],
            "release": {"id": release["id"], "decider": "olga@example.org", "automatic": False, "at": at},
            "output": {"kind": output["kind"], "python": output["python"], "media": "m", "size": output["size"]},
        }
        subject = [{"name": output["name"], "digest": {"sha256": output["sha256"]}}]
        types = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://anchorhold.org/receipt/v1"}
        return {**types, "subject": subject, "predicate": predicate}
