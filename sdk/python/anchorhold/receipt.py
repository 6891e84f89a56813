"""Receipts: verify offline what a site says about an answer.

A receipt says which code answered, on which versions of which data, by whose
decision, and what left; it is signed by the site and included in its audit log.
Verifying needs the file and the site's public key, and no network. It proves who
claims what, and in which order; not that the data are true. This verifier is
written from docs/spec/receipt.md and shares no code with the site; the vectors
of the specification are its test.

    python -m anchorhold receipt verify answer.receipt --key site.vkey
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ._errors import Invalid, InvalidReceipt
from ._note import Bad, Key, check_inclusion, leaf_hash, open_checkpoint, open_entry, parse_vkey, unbase64
from ._statement import parse_file, parse_statement
from ._text import facts_html, facts_text, visible, who

__all__ = ["Receipt", "Verified", "pae", "verify"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Verified:
    """A receipt that holds: what the site said, and where its log recorded it."""

    def __init__(self, statement: dict[str, Any], key: Key, index: int, size: int, logged: str, pinned: str) -> None:
        self.statement = statement
        self.site = key.origin
        self.key = key.keyid
        self.log_index = index
        self.log_size = size
        self.logged = logged
        self.trust = pinned

    @property
    def predicate(self) -> dict[str, Any]:
        """What the receipt says of request, data, environment, run, decisions and release."""
        found: dict[str, Any] = self.statement["predicate"]
        return found

    @property
    def output_sha256(self) -> str:
        """Hash of the file that left, in hexadecimal."""
        return str(self.statement["subject"][0]["digest"]["sha256"])

    def covers(self, output: bytes) -> bool:
        """Whether these bytes are the output, or the answer's JSON file, that the receipt is about."""
        size = self.predicate["output"]["size"]
        return len(output) == size and hashlib.sha256(output).hexdigest() == self.output_sha256

    def _facts(self) -> list[tuple[str, object]]:
        p = self.predicate
        logged = [
            ("log", f"entry {self.log_index} of {self.log_size}, {self.logged}"),
            ("key", f"{self.key} ({self.trust})"),
        ]
        if "question" in p:
            return [("site", self.site), *answer_facts(p), ("answer", f"sha256:{self.output_sha256}"), *logged]
        how = "automatically, by grant " if p["release"]["automatic"] else "by "
        return [
            ("site", self.site),
            ("request", p["request"]["id"]),
            ("code", p["request"]["code_digest"]),
            ("purpose", p["request"]["purpose"]),
            *[("data", f"{a['dataset']}/{a['asset']} {a['version']}") for a in p["assets"]],
            ("environment", f"{p['environment'].get('python', 'none')}, lock {p['environment']['lock']}"),
            ("isolation", p["run"]["boundary"]),
            *[("approved", f"by {who(d['decider'])} for {d['dataset']} at {d['at']}") for d in p["decisions"]],
            ("released", f"{how}{who(p['release']['decider'])} at {p['release']['at']}"),
            ("output", f"{p['output']['kind']}, {p['output']['size']} bytes, sha256:{self.output_sha256}"),
            *[(f["name"], f["text"]) for f in p.get("facts", [])],
            *logged,
        ]

    def __repr__(self) -> str:
        return facts_text("Receipt holds", self._facts())

    def _repr_html_(self) -> str:
        return facts_html("Receipt holds", self._facts())


def answer_facts(p: dict[str, Any]) -> list[tuple[str, object]]:
    """What the receipt of an answer in SQL says, for people."""
    moved = [f"{b['name']} by {b['low']} to {b['high']}" for b in p["bounds"] if "low" in b]
    return [
        ("question", f"{p['question']['id']}, by {p['question']['author']}"),
        ("statement", p["question"]["statement"]),
        *[("data", f"{a['dataset']}/{a['asset']} {a['version']}") for a in p["assets"]],
        *[("unit", f"{u['asset']}: {u['unit']}") for u in p["unit"]],
        ("mechanism", p["mechanism"]),
        ("one unit", f"is in at most {p['max_groups']} groups with {p['max_rows']} rows; moves {', '.join(moved)}"),
        *[("exposure", f"{e['class']}, {e['population']}: {e['amount']}") for e in p["exposure"]],
        ("answered", p["answered"]),
    ]


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that a DSSE signature is over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def verify(data: bytes, vkey: str, output: bytes | None = None, *, trust: str = "the key that you gave") -> Verified:
    """Verify a receipt file offline; InvalidReceipt.reason names the step that failed.

    With ``output``, also that these bytes are what the receipt says has left.
    """
    key = _step("key", lambda: parse_vkey(vkey.strip()))
    file = _step("format", lambda: parse_file(data))
    if file["v"] != 1:
        raise InvalidReceipt("version", f"the receipt has version {file['v']}, which this program does not know")
    envelope, log = file["envelope"], file["log"]
    payload = unbase64(envelope["payload"])
    _step("signature", lambda: _check_signature(envelope, payload, key))
    statement = _step("payload", lambda: parse_statement(payload))
    if statement["predicate"]["site"] != key.origin or log["origin"] != key.origin:
        raise InvalidReceipt("site", "the receipt is of another site than the key")
    size, root = _step("checkpoint", lambda: open_checkpoint(log["checkpoint"], key))
    if size != log["size"]:
        raise InvalidReceipt("checkpoint", "the checkpoint is of another size than the receipt says")
    entry = unbase64(log["entry"])
    proof = [unbase64(p) for p in log["proof"]]
    _step("inclusion", lambda: check_inclusion(log["index"], size, leaf_hash(entry), proof, root))
    event = _step("entry", lambda: open_entry(entry, unbase64(log["key"]), key.origin, log["index"]))
    _check_event(event, statement, payload)
    verified = Verified(statement, key, log["index"], size, event["time"], trust)
    if output is not None and not verified.covers(output):
        raise InvalidReceipt("output", "the output is not the one that the receipt is about")
    return verified


def _step(reason: str, check: Callable[[], Any]) -> Any:
    try:
        return check()
    except Bad as e:
        raise InvalidReceipt(reason, str(e)) from None


def _check_signature(envelope: dict[str, Any], payload: bytes, key: Key) -> None:
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise Bad("the receipt's payload is of another type")
    own = [s for s in envelope["signatures"] if s["keyid"] == key.keyid]
    if len(own) != 1 or not key.verify(unbase64(own[0]["sig"]), pae(PAYLOAD_TYPE, payload)):
        raise Bad("the receipt is not signed by the key")


def _check_event(event: dict[str, Any], statement: dict[str, Any], payload: bytes) -> None:
    said = statement["predicate"]
    action, subject = ("query.answer", "question") if "question" in said else ("release.approve", "release")
    wanted = {
        "action": action,
        "subject": said[subject]["id"],
        "digest": "sha256:" + hashlib.sha256(payload).hexdigest(),
    }
    if any(event[name] != value for name, value in wanted.items()):
        raise InvalidReceipt("event", "the log's entry is about something else than the receipt")


class Receipt:
    """A receipt file, not verified until ``verify`` says so."""

    def __init__(self, data: bytes, key: str = "", trust: str = "", expect: dict[str, str] | None = None) -> None:
        self.data = data
        self._key = key
        self._trust = trust
        self._expect = expect or {}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Receipt:
        """A receipt from a file."""
        return cls(Path(path).read_bytes())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the receipt file, to keep or to give to an auditor."""
        target = Path(path)
        target.write_bytes(self.data)
        return target

    def verify(self, key: str | os.PathLike[str] | None = None, output: bytes | None = None) -> Verified:
        """Verify offline, with a public key (its text, or a file that holds it) or the one pinned when you connected.

        A receipt that was fetched for a request must also be about that request and its result.
        """
        if key is None and not self._key:
            raise Invalid("no key to verify the receipt with", "pass key=, the site's vkey or a file that holds it")
        vkey, trust = (self._key, self._trust) if key is None else (read_key(key), "the key that you gave")
        verified = verify(self.data, vkey, output, trust=trust)
        about = verified.predicate.get("request") or verified.predicate["question"]
        found = {**{k: str(v) for k, v in about.items()}, "output": verified.output_sha256}
        for name, wanted in self._expect.items():
            if found.get(name) != wanted:
                what = {"output": "the output", "code_digest": "the code", "statement": "the question"}.get(
                    name, "the request"
                )
                raise InvalidReceipt("output", f"the receipt holds, but {what} is not the one that it was fetched for")
        return verified

    def __repr__(self) -> str:
        return f"<Receipt, {len(self.data)} bytes, not verified: call .verify()>"


def read_key(key: str | os.PathLike[str]) -> str:
    """A vkey, given as its text or as a file that holds it."""
    if isinstance(key, str) and "+" in key:
        return key.strip()
    try:
        data = Path(key).read_bytes()[:4096]
        return data.decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        shown = visible(os.fspath(key), 100)
        raise Invalid(
            f"{shown} holds no key", "give the site's vkey (ORIGIN+HASH+BASE64), or a file that holds it"
        ) from None
