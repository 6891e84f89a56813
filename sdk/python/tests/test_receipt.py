"""The independent verifier, against the vectors of the specification."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import VECTORS

import anchorhold as ah
from anchorhold import _note, _statement, receipt
from anchorhold.__main__ import main

RECEIPTS = json.loads((VECTORS / "receipt.json").read_text(encoding="utf-8"))
SECOND = json.loads((VECTORS / "receipt2.json").read_text(encoding="utf-8"))
ANSWER = json.loads((VECTORS / "answer.json").read_text(encoding="utf-8"))
LOG = json.loads((VECTORS / "log.json").read_text(encoding="utf-8"))
OUTPUT = base64.b64decode(RECEIPTS["output_base64"])
GOOD = (VECTORS / RECEIPTS["files"][0]["file"]).read_bytes()


LISTS = (RECEIPTS, SECOND, ANSWER)


@pytest.mark.parametrize("case", [c for v in LISTS for c in v["files"]], ids=lambda c: Path(c["file"]).stem)
def test_vectors(case: dict[str, str]) -> None:
    wanted = next(v["statement"] for v in LISTS if case in v["files"])
    data = (VECTORS / case["file"]).read_bytes()
    if not case["reason"]:
        verified = receipt.verify(data, case["vkey"])
        assert verified.covers(OUTPUT)
        assert verified.statement == wanted
        return
    with pytest.raises(ah.InvalidReceipt) as refused:
        receipt.verify(data, case["vkey"], OUTPUT)
    assert refused.value.reason == case["reason"]
    assert refused.value.remedy


def test_the_signed_bytes() -> None:
    payload = base64.b64decode(json.loads(GOOD)["envelope"]["payload"])
    assert base64.b64encode(receipt.pae(receipt.PAYLOAD_TYPE, payload)).decode() == RECEIPTS["pae_base64"]


def test_every_bit_counts() -> None:
    """Whatever bit of a good receipt is flipped, it does not hold as another receipt."""
    wanted = receipt.verify(GOOD, RECEIPTS["vkey"]).statement
    for position in range(0, len(GOOD), 7):
        changed = bytearray(GOOD)
        changed[position] ^= 1 << (position % 8)
        try:
            found = receipt.verify(bytes(changed), RECEIPTS["vkey"])
        except ah.InvalidReceipt:
            continue
        assert found.statement == wanted  # white space, or the signature of somebody else


@pytest.mark.parametrize("data", [b"", b"{}", b"null", b"[", b"\xff", b"[" * 100_000, b"0" * (1 << 21), b'{"v":1e0}'])
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ah.InvalidReceipt) as refused:
        receipt.verify(data, RECEIPTS["vkey"])
    assert refused.value.reason == "format"


def test_another_output_is_refused() -> None:
    with pytest.raises(ah.InvalidReceipt) as refused:
        receipt.verify(GOOD, RECEIPTS["vkey"], OUTPUT + b" ")
    assert refused.value.reason == "output"


def test_a_verified_receipt_shows_what_it_says() -> None:
    shown = repr(receipt.verify(GOOD, RECEIPTS["vkey"]))
    for word in (
        "hospital.example/heart",
        "the key that you gave",
        RECEIPTS["statement"]["predicate"]["request"]["id"],
    ):
        assert word in shown


def test_the_receipt_of_an_answer_shows_what_it_says() -> None:
    data = (VECTORS / ANSWER["files"][0]["file"]).read_bytes()
    shown = repr(receipt.verify(data, ANSWER["vkey"], OUTPUT))
    for word in (
        "que-0123456789abcdef",
        "ada@example.org",
        "discrete_laplace",
        "visits: row of patients",
        "240.5",
        "0.5",
    ):
        assert word in shown
    assert receipt.Receipt(data).verify(key=ANSWER["vkey"]).predicate["question"]["of"] == "que-zyxwvtsrqpnmkjhg"


# ---- the log ------------------------------------------------------------------

KEY = _note.parse_vkey(LOG["vkey"])
ROOTS = {c["size"]: bytes.fromhex(c["root_hex"]) for c in LOG["checkpoints"]}
LEAVES = {e["index"]: bytes.fromhex(e["leaf_hash_hex"]) for e in LOG["entries"]}


def open_vector(e: dict[str, Any]) -> dict[str, Any]:
    return _note.open_entry(base64.b64decode(e["entry_base64"]), bytes.fromhex(e["key_hex"]), LOG["origin"], e["index"])


@pytest.mark.parametrize("entry", LOG["entries"], ids=lambda e: str(e["index"]))
def test_entries(entry: dict[str, Any]) -> None:
    assert open_vector(entry) == json.loads(entry["plaintext"])
    assert _note.leaf_hash(base64.b64decode(entry["entry_base64"])).hex() == entry["leaf_hash_hex"]


@pytest.mark.parametrize("entry", LOG["entries_refused"], ids=lambda e: e["name"])
def test_entries_that_are_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(_note.Bad):
        open_vector(entry)


@pytest.mark.parametrize("checkpoint", LOG["checkpoints"], ids=lambda c: str(c["size"]))
def test_checkpoints(checkpoint: dict[str, Any]) -> None:
    assert _note.open_checkpoint(checkpoint["note"], KEY) == (checkpoint["size"], bytes.fromhex(checkpoint["root_hex"]))


@pytest.mark.parametrize("case", LOG["checkpoints_refused"], ids=lambda c: c["name"])
def test_checkpoints_that_are_refused(case: dict[str, str]) -> None:
    with pytest.raises(_note.Bad):
        _note.open_checkpoint(case["text"], KEY)


@pytest.mark.parametrize("case", LOG["vkeys_refused"], ids=lambda c: c["name"])
def test_keys_that_are_refused(case: dict[str, str]) -> None:
    with pytest.raises(_note.Bad):
        _note.parse_vkey(case["text"])


def proofs() -> list[tuple[int, int, list[bytes]]]:
    return [(p["index"], p["size"], [base64.b64decode(h) for h in p["proof"]]) for p in LOG["inclusion"]]


@pytest.mark.parametrize(("index", "size", "proof"), proofs())
def test_proofs(index: int, size: int, proof: list[bytes]) -> None:
    leaf, root = LEAVES[index], ROOTS[size]
    _note.check_inclusion(index, size, leaf, proof, root)
    wrong: list[tuple[int, int, bytes, list[bytes], bytes]] = [
        (index, size, leaf, [*proof, root], root),
        (index, size, bytes(32), proof, root),
        (index, size, leaf, proof, bytes(32)),
        (size, size, leaf, proof, root),
        (-1, size, leaf, proof, root),
    ]
    wrong += [(index, size, leaf, proof[:-1], root), (index ^ 1, size, leaf, proof, root)] if proof else []
    for case in wrong:
        with pytest.raises(_note.Bad):
            _note.check_inclusion(*case)


# ---- forms --------------------------------------------------------------------


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *[p for k, v in inner for p in paths(v, (*path, k))]]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    again = json.loads(json.dumps(value))
    here = again
    for step in path[:-1]:
        here = here[step]
    if new is None:
        del here[path[-1]]
    else:
        here[path[-1]] = new
    return again


@pytest.mark.parametrize("path", [p for p in paths(RECEIPTS["statement"]) if p], ids=str)
def test_every_member_of_a_statement_has_its_form(path: tuple[Any, ...]) -> None:
    statement = RECEIPTS["statement"]
    assert _statement.STATEMENT(statement)
    for new in (None, {}, [], 1.5, -1, "\x00", "x" * 5000, [[]], {"more": 1}):
        other = changed(statement, path, new)
        harmless = path[-1] == "study" and new is None
        lists = isinstance(path[-1], int) or path[-1] in ("assets", "checks", "exposure", "decisions")
        if not harmless and not (lists and new in (None, [])):
            assert not _statement.STATEMENT(other), new
    assert not _statement.STATEMENT({**statement, "more": 1})


# ---- the command line ----------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    contents = {"good": GOOD, "bad": GOOD.replace(b'"v"', b'"w"'), "key": RECEIPTS["vkey"].encode(), "output": OUTPUT}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return {name: str(tmp_path / name) for name in [*contents, "nothing"]}


def test_the_command_verifies(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["receipt", "verify", files["good"], "--key", files["key"], "--output", files["output"]]) == 0
    assert "Receipt holds" in capsys.readouterr().out
    assert main(["receipt", "verify", files["good"], "--key", RECEIPTS["vkey"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["valid"] is True


def test_the_command_takes_the_key_from_the_environment(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["receipt", "verify", files["good"]]) == 1
    monkeypatch.setenv("ANCHORHOLD_KEY", files["key"])
    assert main(["receipt", "verify", files["good"]]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bad", "--key", "key"], "form of a receipt"),
        (["good", "--key", "nothing"], "holds no key"),
        (["good", "--key", "output"], "not a vkey"),
        (["nothing", "--key", "key"], "cannot be read"),
        (["good", "--key", "key", "--output", "key"], "not the one that the receipt is about"),
        (["good"], "no key is given"),
    ],
)
def test_the_command_says_what_is_wrong(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    line = ["receipt", "verify", *[files.get(a, a) for a in arguments]]
    assert main(line) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert main([*line, "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["valid"] is False
    assert answer["remedy"]


def test_the_command_is_a_program(files: dict[str, str]) -> None:
    program = [sys.executable, "-m", "anchorhold", "receipt", "verify", files["good"], "--key", files["key"]]
    assert subprocess.run(program, capture_output=True, check=False).returncode == 0
