"""The form of a receipt's file and of its statement (docs/spec/receipt.md §1 and §3).

Forms are data: nested descriptions of exactly the members that an object has.
Anything more, less or other is refused. The vectors of the specification are
the test.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

from . import _jcs
from ._note import MAX_SIZE, Bad, is_origin, unbase64

MAX_FILE = 1 << 20
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://anchorhold.org/receipt/v1"
PREDICATE_TYPE_2 = "https://anchorhold.org/receipt/v2"  # can also say what facts are for
ANSWER_TYPE = "https://anchorhold.org/answer/v1"  # about an answer in SQL, not an output

Form = Callable[[Any], bool]
_TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", re.ASCII)


def text(value: Any, extra: str = "") -> bool:
    if not isinstance(value, str) or not value or len(value.encode("utf-8", "surrogatepass")) > 4096:
        return False
    return not any((c < " " and c not in extra) or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in value)


def purpose(value: Any) -> bool:
    return text(value, "\n\t")


def hex256(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value))


def digest(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("sha256:") and hex256(value[7:])


def moment(value: Any) -> bool:
    return isinstance(value, str) and bool(_TIME.fullmatch(value))


def minute(value: Any) -> bool:
    return moment(value) and str(value).endswith(":00Z")


def version(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch("ver-[0-9abcdefghjkmnpqrstvwxyz]{16}", value))


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SIZE


def positive(value: Any) -> bool:
    return whole(value) and bool(value >= 1)


def boolean(value: Any) -> bool:
    return isinstance(value, bool)


def is_base64(value: Any) -> bool:
    try:
        unbase64(value)
    except Bad:
        return False
    return True


def is_hash(value: Any) -> bool:
    return is_base64(value) and len(unbase64(value)) == 32


def plain(value: Any) -> bool:
    return isinstance(value, str)


def amount(value: Any) -> bool:
    try:
        return text(value) and _jcs.canonical(value) == value.encode()
    except _jcs.NotCanonical:
        return False


def one_of(*words: str) -> Form:
    return lambda value: isinstance(value, str) and value in words


def many(form: Form, least: int, most: int) -> Form:
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(map(form, value))


def members(**forms: Form) -> Form:
    """An object with exactly these members; a name that ends in _opt may be absent."""
    optional = {n[: -len("_opt")]: f for n, f in forms.items() if n.endswith("_opt")}
    required = {n: f for n, f in forms.items() if not n.endswith("_opt")}
    everything = {**optional, **required}

    def check(value: Any) -> bool:
        if not isinstance(value, dict) or not set(required) <= set(value) <= set(everything):
            return False
        return all(everything[n](v) for n, v in value.items())

    return check


RESULTS = ("passed", "failed", "inapplicable")
CLASSES = ("proved", "declared", "unbounded")
KINDS = ("table", "array", "json", "text", "image")

FILE = members(
    v=whole,
    envelope=members(payloadType=plain, payload=is_base64, signatures=many(members(keyid=plain, sig=is_base64), 1, 8)),
    log=members(
        origin=plain,
        index=whole,
        size=whole,
        checkpoint=plain,
        proof=many(is_hash, 0, 63),
        entry=is_base64,
        key=is_hash,
    ),
)

PREDICATE: dict[str, Form] = {
    "site": is_origin,
    "request": members(id=text, digest=digest, code_digest=digest, purpose=purpose, author=text, study_opt=text),
    "assets": many(members(parameter=text, dataset=text, asset=text, version=version, commitment=digest), 0, 64),
    "environment": members(lock=digest, built=digest, python=text),
    "run": members(id=text, boundary=text, started=minute, finished=minute),
    "decisions": many(members(dataset=text, verdict=one_of("approve"), decider=text, rule=text, at=moment), 1, 64),
    "checks": many(members(name=text, result=one_of(*RESULTS)), 0, 64),
    "exposure": many(members(**{"class": one_of(*CLASSES)}, population=text, amount=amount), 0, 64),
    "release": members(id=text, decider=text, automatic=boolean, at=moment),
    "output": members(kind=one_of(*KINDS), python=text, media=text, size=whole),
}


def either(*forms: Form) -> Form:
    return lambda value: any(form(value) for form in forms)


def statement(kind: str, predicate: dict[str, Form]) -> Form:
    subject = many(members(name=text, digest=members(sha256=hex256)), 1, 1)
    return members(
        _type=one_of(STATEMENT_TYPE), subject=subject, predicateType=one_of(kind), predicate=members(**predicate)
    )


STATEMENT = statement(PREDICATE_TYPE, PREDICATE)
STATEMENT_2 = statement(
    PREDICATE_TYPE_2,
    {
        **PREDICATE,
        "environment": either(PREDICATE["environment"], members(lock=digest)),
        "output": members(kind=text, python=text, media=text, size=whole),
        "facts": many(members(name=text, text=text), 0, 64),
    },
)


ANSWER = statement(
    ANSWER_TYPE,
    {
        "site": is_origin,
        "question": members(id=text, statement=digest, author=text, study_opt=text, of_opt=text),
        "assets": many(members(dataset=text, asset=text, version=version, commitment=digest), 1, 64),
        "unit": many(members(asset=text, unit=text), 1, 64),
        "mechanism": text,
        "max_groups": positive,
        "max_rows": positive,
        "bounds": many(
            either(members(name=text, kind=text), members(name=text, kind=text, low=text, high=text)), 0, 64
        ),
        "exposure": many(
            members(**{"class": one_of("proved")}, population=text, amount=amount, counted_opt=many(text, 1, 64)), 0, 64
        ),
        "answered": moment,
        "output": members(media=text, size=whole),
    },
)


def parse_file(data: bytes) -> dict[str, Any]:
    """A receipt file's members; the number of another version is left to the caller."""
    if len(data) > MAX_FILE:
        raise Bad("the receipt is larger than 1 MiB")
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_once, parse_float=_no_float, parse_constant=_no_float
        )
    except (ValueError, RecursionError):
        raise Bad("the receipt is not JSON in UTF-8 with plain integers and each name once") from None
    if isinstance(value, dict) and whole(value.get("v")) and value["v"] != 1:
        return value
    if not FILE(value) or not value["log"]["index"] < value["log"]["size"]:
        raise Bad("the receipt has not the form of a receipt")
    found: dict[str, Any] = value
    return found


ORDERS = (("assets", "assets", ("parameter",)), ("facts", "facts", ("name",)))
ORDERS_OF_ANSWER = (("tables", "assets", ("dataset", "asset")), ("units", "unit", ("asset",)))


def parse_statement(payload: bytes) -> dict[str, Any]:
    """The statement of a payload."""
    try:
        value = _jcs.parse(payload)
        exact = _jcs.canonical(payload) == payload
    except _jcs.NotCanonical:
        raise Bad("the statement is not canonical JSON") from None
    if not exact or not (STATEMENT(value) or STATEMENT_2(value) or ANSWER(value)):
        raise Bad("the statement has not the form of a receipt's statement")
    predicate = value["predicate"]
    orders = ORDERS_OF_ANSWER if value["predicateType"] == ANSWER_TYPE else ORDERS
    for what, member, keys in orders:
        names = [[item[key].encode() for key in keys] for item in predicate.get(member, [])]
        if any(a >= b for a, b in itertools.pairwise(names)):
            raise Bad(f"the statement's {what} are not in order")
    found: dict[str, Any] = value
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({n for n, _ in pairs}) != len(pairs):
        raise ValueError("the same name twice")
    return dict(pairs)


def _no_float(_: str) -> Any:
    raise ValueError("a number that is not a plain integer")
