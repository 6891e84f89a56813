"""Canonical JSON and digests, against the vectors of the specification."""

from __future__ import annotations

import base64
import json
import random
import struct
from typing import Any

import pytest
from conftest import VECTORS

import anchorhold as ah
from anchorhold import _digest, _jcs

ALL = json.loads((VECTORS / "digest.json").read_text(encoding="utf-8"))


def named(kind: str) -> Any:
    return pytest.mark.parametrize("case", ALL[kind], ids=lambda c: c["name"])


@named("jcs")
def test_canonical(case: dict[str, str]) -> None:
    found = _jcs.canonical(case["in"])
    assert found.decode() == case["out"]
    assert _jcs.canonical(found) == found


@named("jcs_refused")
def test_no_canonical_form(case: dict[str, str]) -> None:
    data = base64.b64decode(case["in_base64"]) if "in_base64" in case else case["in"]
    with pytest.raises(_jcs.NotCanonical):
        _jcs.canonical(data)


def test_numbers_are_the_shortest_that_give_the_double_back() -> None:
    chance = random.Random(1)
    for _ in range(5000):
        value = struct.unpack("<d", chance.randbytes(8))[0]
        if value == value and abs(value) != float("inf"):
            text = _jcs.number(value)
            assert float(text) == value
            assert _jcs.canonical(text).decode() == text


@named("code")
def test_code(case: dict[str, Any]) -> None:
    assert _digest.code_manifest(case["code"]).decode() == case["manifest_jcs"]
    assert ah.code_digest(case["code"]) == case["code_digest"]


@named("code_refused")
def test_code_without_a_digest(case: dict[str, Any]) -> None:
    with pytest.raises(_digest.NoDigest):
        ah.code_digest(case["code"])


@named("request")
def test_request(case: dict[str, Any]) -> None:
    names = ("code_digest", "values", "assets", "purpose", "author")
    arguments = [*[case[n] for n in names], case.get("study", ""), case.get("expect")]
    assert _digest.request_manifest(*arguments).decode() == case["manifest_jcs"]
    assert _digest.request_digest(*arguments) == case["request_digest"]


@named("values")
def test_values(case: dict[str, Any]) -> None:
    found = _digest.check_values(case["parameters"], case["values"])
    assert _jcs.dumps(found) == _jcs.dumps(case["out"])


@named("values_refused")
def test_values_that_do_not_fit(case: dict[str, Any]) -> None:
    with pytest.raises(_digest.NoDigest):
        _digest.check_values(case["parameters"], case["values"])
