"""Digests of code and of requests, as docs/spec/digests.md defines them.

The same code has the same digest at every site and in every language; code that
breaks a rule of the specification has none. Its vectors are the test.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import _jcs

MAX_BYTES = 1 << 20
MAX_ITEMS = 10_000

ASSET_TYPES = ("dataframe", "arrow", "numpy", "path", "polars", "batches", "tensors", "files")
SCALARS = ("int", "float", "str", "bool")
VALUE_TYPES = (*SCALARS, "list[int]", "list[float]", "list[str]")
OUTPUT_KINDS = ("table", "array", "json", "text", "image", "csv", "svg", "safetensors", "onnx", "samples", "any")
SENSITIVITIES = ("aggregate", "model", "individual")
RESOURCES = ("cpu_seconds", "memory", "wall_seconds")

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_VERSION = re.compile(r"ver-[0-9abcdefghjkmnpqrstvwxyz]{16}")


class NoDigest(ValueError):
    """Code, values or a request that break a rule of the specification."""


def code_digest(code: Mapping[str, Any]) -> str:
    """The code digest of a code bundle in the form in which the API carries it."""
    return _tagged(f"anchorhold-code-v{_code_version(code)}\n", code_manifest(code))


def _code_version(code: Mapping[str, Any]) -> int:
    """Version 2 is for outputs that declare a sensitivity, which version 1 cannot say."""
    return 2 if any(o.get("sensitivity") for o in code.get("outputs") or []) else 1


def code_manifest(code: Mapping[str, Any]) -> bytes:
    """The canonical text that the code digest hashes."""
    _check_code(code)
    files = [
        {"path": f["path"], "sha256": hashlib.sha256(f["text"].encode()).hexdigest(), "size": len(f["text"].encode())}
        for f in sorted(code["files"], key=lambda f: str(f["path"]))
    ]
    parameters = [{k: p[k] for k in ("name", "kind", "type", "default") if k in p} for p in code["parameters"] or []]
    outputs = [{k: o[k] for k in ("name", "kind", "sensitivity") if o.get(k)} for o in code["outputs"]]
    manifest = {
        "v": _code_version(code),
        "files": files,
        "entry": code["entry"],
        "parameters": parameters,
        "outputs": outputs,
    }
    return _dumps({**manifest, "environment": code["environment"]})


def request_digest(
    code: str,
    values: Mapping[str, Any],
    assets: Mapping[str, str],
    purpose: str,
    author: str,
    study: str = "",
    expect: Mapping[str, int] | None = None,
) -> str:
    """The request digest; values are complete with defaults, assets map parameters to version ids."""
    tag = f"anchorhold-request-v{1 if expect is None else 2}\n"
    return _tagged(tag, request_manifest(code, values, assets, purpose, author, study, expect))


def request_manifest(
    code: str,
    values: Mapping[str, Any],
    assets: Mapping[str, str],
    purpose: str,
    author: str,
    study: str = "",
    expect: Mapping[str, int] | None = None,
) -> bytes:
    """The canonical text that the request digest hashes."""
    _need(bool(_DIGEST.fullmatch(code)), "the code digest has the wrong form")
    _need(all(_IDENTIFIER.fullmatch(n) for n in [*values, *assets]), "a parameter's name is not a plain identifier")
    _need(all(_VERSION.fullmatch(v) for v in assets.values()), "an asset has no version id")
    for text, limit, least in ((purpose, 4096, 1), (author, 320, 1), (study, 320, 0)):
        _need(is_text(text) and least <= len(text.encode()) <= limit, "a text of the request is missing or too long")
    manifest: dict[str, Any] = {"v": 1, "code": code, "values": dict(values), "assets": dict(assets)}
    manifest |= {"purpose": purpose, "author": author}
    if study:
        manifest["study"] = study
    if expect is not None:
        _need(bool(expect) and set(expect) <= set(RESOURCES), "an expected resource is unknown, or none is expected")
        _need(all(fits(n, "int") and n > 0 for n in expect.values()), "an expected resource is out of range")
        manifest |= {"v": 2, "expect": dict(expect)}
    return _dumps(manifest)


def check_values(parameters: Iterable[Mapping[str, Any]], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a request, complete with defaults; NoDigest names the parameter that does not fit."""
    complete: dict[str, Any] = {}
    declared = {p["name"]: p for p in parameters}
    for name in values:
        _need(name in declared, f"the function has no parameter {name!a}")
        _need(declared[name]["kind"] == "value", f"{name} is an asset parameter and takes no value")
    for name, p in declared.items():
        if p["kind"] != "value":
            continue
        _need(name in values or "default" in p, f"the parameter {name} has no value and no default")
        complete[name] = _fit(name, p["type"], values.get(name, p.get("default")))
    _need(sum(len(_dumps(v)) for v in complete.values()) <= MAX_BYTES, "the values are larger than 1 MiB")
    return complete


def is_text(value: object) -> bool:
    """Whether a value is text that has a UTF-8 form, without NUL."""
    if not isinstance(value, str) or "\x00" in value:
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _fit(name: str, declared: str, value: Any) -> Any:
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()  # a NumPy scalar
    if isinstance(value, (list, tuple)) and declared.startswith("list["):
        _need(len(value) <= MAX_ITEMS, f"the value of {name} has more than {MAX_ITEMS} items")
        return [_fit(name, declared[5:-1], v) for v in value]
    _need(fits(value, declared), f"the value of {name} is not of type {declared}")
    if declared == "int":
        return int(value)
    return value


def fits(value: Any, declared: str) -> bool:
    """Whether a value is of a declared type; a whole float counts as int."""
    if declared.startswith("list["):
        return isinstance(value, list) and len(value) <= MAX_ITEMS and all(fits(v, declared[5:-1]) for v in value)
    if isinstance(value, bool) or declared == "bool":
        return isinstance(value, bool) and declared == "bool"
    if isinstance(value, (int, float)):
        if declared == "int":
            return value == value and abs(value) <= _jcs.MAX_SAFE and value == int(value)
        return declared == "float" and abs(value) <= 1.7976931348623157e308
    return declared == "str" and is_text(value)


def _check_code(code: Mapping[str, Any]) -> None:
    _check_files(code.get("files") or [])
    path, _, function = str(code.get("entry")).partition(":")
    paths = [f["path"] for f in code["files"]]
    _need(
        bool(_IDENTIFIER.fullmatch(function)) and path.endswith(".py") and path in paths, "the entry names no function"
    )
    parameters = code.get("parameters") or []
    _need(len(parameters) <= 64, "more than 64 parameters")
    _check_names([p.get("name") for p in parameters])
    for p in parameters:
        types = {"asset": ASSET_TYPES, "value": VALUE_TYPES}.get(str(p.get("kind")), ())
        _need(p.get("type") in types, f"the parameter {p['name']} has an unknown kind or type")
        if "default" in p:
            _need(
                p["kind"] == "value" and fits(p["default"], p["type"]),
                f"the default of {p['name']} does not fit its type",
            )
    outputs = code.get("outputs") or []
    _need(1 <= len(outputs) <= 16, "1 to 16 outputs are declared")
    _check_names([o.get("name") for o in outputs])
    _need(all(o.get("kind") in OUTPUT_KINDS for o in outputs), "an output has an unknown kind")
    for o in outputs:
        implied = {"samples": "individual", "safetensors": "model", "onnx": "model"}.get(o["kind"], "aggregate")
        declared = o.get("sensitivity") or ""
        _need(declared in ("", *SENSITIVITIES), "an output has an unknown sensitivity")
        _need(not declared or implied not in (declared, "individual"), "an output's kind implies its sensitivity")
    _need(bool(_DIGEST.fullmatch(str(code.get("environment")))), "the code names no environment")


def _check_files(files: Sequence[Mapping[str, Any]]) -> None:
    _need(1 <= len(files) <= 100, "1 to 100 files make code")
    folded: set[str] = set()
    for f in files:
        path = f.get("path")
        _need(
            isinstance(path, str) and len(path) <= 200 and all(map(_SEGMENT.fullmatch, path.split("/"))),
            "an unsafe path",
        )
        _need(str(path).lower() not in folded, "two files have one path")
        folded.add(str(path).lower())
        _need(is_text(f.get("text")), f"{path} is not text")
    _need(sum(len(f["text"].encode()) for f in files) <= MAX_BYTES, "the code is larger than 1 MiB")
    for path in folded:
        parts = path.split("/")
        _need(not any("/".join(parts[:n]) in folded for n in range(1, len(parts))), "a path is a file and a folder")


def _check_names(names: Sequence[Any]) -> None:
    _need(all(isinstance(n, str) and _IDENTIFIER.fullmatch(n) for n in names), "a name is not a plain identifier")
    _need(len(set(names)) == len(names), "two names are equal")


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise NoDigest(what)


def _dumps(value: Any) -> bytes:
    try:
        return _jcs.dumps(value)
    except _jcs.NotCanonical as e:
        raise NoDigest(str(e)) from None


def _tagged(tag: str, manifest: bytes) -> str:
    return "sha256:" + hashlib.sha256(tag.encode() + manifest).hexdigest()
