"""Outputs and releases: what a run wrote, and the decision that lets it leave.

Bytes are used only after their hash is the one that the site named; they are
read as the type that the function returned, by the same code that wrote them.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from ._collect.outputs import IMPLIED, one_output
from ._collect.source import Refused
from ._decision import Decision, decisions, waits_words
from ._errors import Invalid, InvalidResult
from ._http import Http, quote
from ._listing import Collection, Json, Listing, Record, need, short_time
from ._text import amount, facts_html, facts_text, visible, who
from .receipt import Receipt


class Output(Record):
    """An output: as declared, ``ah.Output("rows", kind="table", sensitivity="individual")``, or as a run wrote it.

    Kinds are table, array, json, text, image, csv, svg, safetensors, onnx, samples, and any.
    The sensitivity is what it tells of the people in the data: aggregate, model, or
    individual, which never leaves without a person's decision. Left out, it is what the kind implies.
    What there is not is refused at once.
    """

    def __init__(self, name: str, *, kind: str = "any", sensitivity: str = "") -> None:
        try:
            one_output(f"{name}={kind}" + (f":{sensitivity}" if sensitivity else ""))
        except Refused as e:
            raise Invalid(str(e), e.remedy) from None
        super().__init__({"name": name, "kind": kind, "sensitivity": sensitivity})

    @classmethod
    def of(cls, data: Json) -> Output:
        """As the site says it."""
        found = cls.__new__(cls)
        Record.__init__(found, data)
        return found

    @property
    def name(self) -> str:
        """The declared name."""
        return self._text("name")

    @property
    def kind(self) -> str:
        """Table, array, json, text or image; csv, svg, safetensors, onnx or samples where it was declared."""
        return self._text("kind")

    @property
    def sensitivity(self) -> str:
        """Aggregate, model or individual; where it was not declared, what the kind implies."""
        return self._text("sensitivity") or IMPLIED.get(self.kind, "aggregate")

    def _facts(self) -> list[tuple[str, object]]:
        return [("name", self.name), ("kind", self.kind), ("sensitivity", self.sensitivity)]

    def __repr__(self) -> str:
        return facts_text("Output", self._facts())

    def _repr_html_(self) -> str:
        return facts_html("Output", self._facts())


class RunOutput(Output):
    """One output of a run, with what the disclosure checks found."""

    def __init__(self, http: Http, data: Json, release: str) -> None:
        Record.__init__(self, data)
        self._http = http
        self._path = f"/v1/releases/{quote(release)}/output"

    @property
    def sha256(self) -> str:
        """The hash of its file, in hexadecimal."""
        return self._text("sha256").removeprefix("sha256:")

    @property
    def size(self) -> int:
        """Bytes of its file."""
        return int(self._data.get("size") or 0)

    @property
    def checks(self) -> Listing[Json]:
        """What the disclosure checks found; for reviewers."""
        head = ("check", "result", "detail")
        return Listing(self._items("checks"), head, lambda c: [c.get("name"), c.get("result"), c.get("detail") or ""])

    def read(self) -> bytes:
        """The file, byte for byte as it was frozen."""
        data = self._http.file(self._path)
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise InvalidResult(
                "the file is not the output that the site describes", "try again; tell the site's owner"
            )
        return data

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file; into a folder under its own name."""
        target = Path(path)
        if target.is_dir():
            target = target / f"{self.name}{EXTENSIONS.get(self.kind, '.bin')}"
        target.write_bytes(self.read())
        return target

    def value(self) -> Any:
        """The value that the function returned, of the same type."""
        return decode(self.kind, self._text("python"), self.read())

    def _facts(self) -> list[tuple[str, object]]:
        return [
            ("name", self.name),
            ("kind", f"{self.kind} ({self._text('python')})"),
            ("sensitivity", self.sensitivity),
            ("size", amount(self.size)),
            ("sha256", self.sha256),
        ]

    def __repr__(self) -> str:
        return facts_text("Output", self._facts()) + (f"\n{self.checks!r}" if self.checks else "")

    def _repr_html_(self) -> str:
        return facts_html("Output", self._facts()) + (self.checks._repr_html_() if self.checks else "")


EXTENSIONS = {"table": ".parquet", "array": ".npy", "json": ".json", "text": ".txt", "image": ".png"}
EXTENSIONS |= {"csv": ".csv", "svg": ".svg", "safetensors": ".safetensors", "onnx": ".onnx", "samples": ".parquet"}


def decode(kind: str, python: str, data: bytes) -> Any:
    """A value from the file of an output."""
    if kind in ("table", "samples"):
        need("pyarrow")
    if python.startswith("pandas."):
        need("pandas")
    if kind in ("array", "safetensors") or python.startswith("numpy."):
        need("numpy")
    from . import _codec

    try:
        value = _codec.decode_result(kind, python, data)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError) as e:
        raise InvalidResult(
            f"the {visible(kind)} output cannot be read ({type(e).__name__})",
            "save it with .save(path) and look at the file",
        ) from None
    shown = {"image": Picture, "svg": Drawing, "onnx": Model}.get(kind)
    return shown(value) if shown else value


class Picture(bytes):
    """The bytes of a PNG image, which a notebook shows as the image."""

    __slots__ = ()

    def _repr_png_(self) -> bytes:
        return bytes(self)

    def __repr__(self) -> str:
        return f"<PNG image, {len(self)} bytes>"


class Drawing(str):
    """The text of an SVG file, which a notebook shows as the image. It holds no scripts, links or styles of others."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<SVG image, {len(self)} characters>"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file."""
        target = Path(path)
        target.write_text(self, encoding="utf-8")
        return target


class Model(bytes):
    """The bytes of an ONNX model."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<ONNX model, {len(self)} bytes>"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file, for onnx.load or onnxruntime."""
        target = Path(path)
        target.write_bytes(self)
        return target


class Release(Record):
    """The decision about one output."""

    def __init__(self, http: Http, data: Json) -> None:
        super().__init__(data)
        self._http = http

    @property
    def state(self) -> str:
        """One of held, approved, denied."""
        return self._text("state")

    @property
    def request(self) -> str:
        """The id of the request that the output answers."""
        return self._text("request")

    @property
    def reason(self) -> str:
        """Why it was decided so."""
        return self._text("reason")

    @property
    def output(self) -> RunOutput:
        """What would leave, or has left."""
        if not isinstance(self._data.get("output"), dict):
            self._load()
        found = self._data.get("output")
        return RunOutput(self._http, found if isinstance(found, dict) else {}, self.id)

    @property
    def decisions(self) -> Listing[Decision]:
        """What was decided, for which dataset and by whom, as far as you may know."""
        return decisions(self._items("decisions"))

    @property
    def waits_for(self) -> Listing[Json]:
        """The datasets whose decisions it still waits for."""
        if self.state == "held" and "waits_for" not in self._data:  # a list leaves it out
            self._load()
        head = ("dataset", "approvals", "of", "who may decide")
        return Listing(self._items("waits_for"), head, wait_row)

    def approve(self, reason: str = "", *, dataset: str | None = None) -> Release:
        """Let the output leave, as far as you decide on it.

        It leaves when every dataset of its request has as many approvals as its owner
        asks; one denial keeps it here. Name the dataset where others decide on others.
        """
        return self._decide("approve", reason, dataset)

    def deny(self, reason: str, *, dataset: str | None = None) -> Release:
        """Keep the output here, and say why."""
        return self._decide("deny", reason, dataset)

    def receipt(self) -> Receipt:
        """The receipt of a release that was approved."""
        return Receipt(self._http.file(f"/v1/releases/{quote(self.id)}/receipt"))

    def _load(self) -> None:
        self._data = self._http.get(f"/v1/releases/{quote(self.id)}")

    def _decide(self, verdict: str, reason: str, dataset: str | None) -> Release:
        body = {"verdict": verdict, "reason": reason, "dataset": dataset or ""}
        self._data = self._http.post(f"/v1/releases/{quote(self.id)}/decisions", {k: v for k, v in body.items() if v})
        return self

    def _facts(self) -> list[tuple[str, object]]:
        by = who(self._text("decider_name") or self._text("decider"))
        decided = f"{by} {short_time(self._data.get('decided'))}".strip()
        facts = [("state", self.state), ("request", self.request), ("decided", decided), ("reason", self.reason)]
        return [*facts, *[("waits for", waits_words(w)) for w in self._items("waits_for")]]


def wait_row(w: Json) -> list[object]:
    deciders = who(", ".join(map(str, w.get("deciders") or [])))
    return [w.get("dataset"), w.get("approvals"), w.get("quorum") or "", deciders]


class Releases(Collection[Release]):
    """Releases of the site: held ones wait for you."""

    _path = "/v1/releases"

    def _one(self, data: Json) -> Release:
        return Release(self._http, data)

    def all(self, state: str = "") -> Listing[Release]:
        """All releases that you may see, or those in one state; newest first."""
        found = [self._one(r) for r in self._http.pages(self._path, {"state": state})]
        return Listing(found, ("release", "request", "state", "decided by"), release_row)

    def held(self) -> Listing[Release]:
        """Outputs that wait for a decision."""
        return self.all("held")


def release_row(r: Release) -> list[object]:
    return [r.id, r.request, r.state, who(r.raw.get("decider_name"))]
