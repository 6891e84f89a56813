"""Canonical JSON (JCS, RFC 8785) as docs/spec/digests.md §1 narrows it.

What JSON readers understand differently is refused and never repaired, so that
one text has one meaning in every language. The vectors of the specification are
the test.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

MAX_DEPTH = 64
MAX_MEMBERS = 4096
MAX_SAFE = 2**53 - 1

_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_ESCAPE = re.compile('["\\\\\x00-\x1f]')


class NotCanonical(ValueError):
    """A JSON text that has no canonical form."""


def parse(data: bytes | str) -> Any:
    """The value of a JSON text that has a canonical form."""
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_float
        )
    except NotCanonical:
        raise
    except (ValueError, RecursionError) as e:
        raise NotCanonical(f"not JSON in UTF-8 ({type(e).__name__})") from None
    _check(value, 0)
    return value


def canonical(data: bytes | str) -> bytes:
    """The canonical form of a JSON text."""
    return _write(parse(data)).encode("utf-8")


def dumps(value: Any) -> bytes:
    """The canonical form of a Python value."""
    try:
        return canonical(json.dumps(value, allow_nan=False))
    except (TypeError, RecursionError, ValueError) as e:
        if isinstance(e, NotCanonical):
            raise
        raise NotCanonical("a value has no JSON form") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_MEMBERS:
        raise NotCanonical(f"an object has more than {MAX_MEMBERS} members")
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotCanonical("an object holds the same name twice")
    return found


def _integer(text: str) -> int | float:
    value = _float(text)
    if abs(value) <= MAX_SAFE:
        return int(value)
    if number(value) != text:
        raise NotCanonical(f"an integer is beyond ±{MAX_SAFE} and would lose digits")
    return value


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotCanonical("a number is outside of what a 64-bit float holds")
    return value


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, (dict, list)):
        if depth == MAX_DEPTH:
            raise NotCanonical(f"nested deeper than {MAX_DEPTH} levels")
        for name in value if isinstance(value, dict) else ():
            _check_text(name)
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)


def _check_text(text: str) -> None:
    if re.search("[\ud800-\udfff]", text):
        raise NotCanonical("half of a surrogate pair")


def _write(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return '"' + _ESCAPE.sub(lambda m: _SHORT.get(m[0]) or f"\\u{ord(m[0]):04x}", value) + '"'
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(_write, value)) + "]"
    names = sorted(value, key=lambda n: n.encode("utf-16-be"))
    return "{" + ",".join(f"{_write(n)}:{_write(value[n])}" for n in names) + "}"


def number(value: int | float) -> str:
    """A number as ECMAScript writes a double: the shortest digits that give it back."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, power = repr(abs(float(value))).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(power or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        text = digits + "0" * (point - count)
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        exponent = point - 1
        head = digits[0] + ("." + digits[1:] if count > 1 else "")
        text = f"{head}e{'+' if exponent > 0 else '-'}{abs(exponent)}"
    return sign + text
