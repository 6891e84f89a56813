"""From a function and its arguments to what is submitted: code, assets and values.

Everything that can be known to be wrong is refused here, before anything is
sent: what cannot be captured, a table instead of a dataset, a value of the wrong
type, a library that the site's environment does not have.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from . import _digest
from ._asset import Asset
from ._collect.available import check_available
from ._collect.command import collect_path
from ._collect.source import Refused as CollectRefused
from ._dataset import Dataset
from ._errors import Invalid, NotCaptured
from ._listing import Json
from ._mock import Mock
from ._output import Output
from ._text import Prose, facts_html, facts_text, pre_html, visible, visible_lines

RESERVED = ("purpose", "study", "environment", "entry", "outputs", "expect")

# What can be submitted: a function, "FILE.py:function", the path of a script, or of a folder with an entry.
Submitted = Callable[..., Any] | str | os.PathLike[str]


class Captured:
    """A function as it would be submitted: its code, and what it is asked of."""

    def __init__(self, code: Json, shown: list[Json], assets: dict[str, Asset], values: Json) -> None:
        self.code = code
        self.shown = shown
        self.assets = assets
        self.values = values
        self.digest = code_digest(code)

    @property
    def source(self) -> Prose:
        """The files, as a reviewer will read them."""
        parts = [f"# ---- {visible(f['path'])}\n{visible_lines(f['text'])}" for f in self.code["files"]]
        return Prose("\n".join(parts))

    @property
    def summary(self) -> str:
        """What was gathered, in one line."""
        parts = [
            f"{visible(s['name'])} ({visible(s['file'])}:{s['line']})"
            for s in self.shown
            if s["kind"] not in ("import", "file")
        ]
        others = [visible(s["name"]) for s in self.shown if s["kind"] in ("import", "file")]
        return ", ".join([*reversed(parts), *others])

    def _facts(self) -> list[tuple[str, object]]:
        rows: list[tuple[str, object]] = [("digest", self.digest), ("begins at", self.code["entry"])]
        rows += [(s["kind"], f"{s['name']}, {s['file']} line {s['line']}") for s in self.shown]
        rows += [(p, f"{a.dataset}/{a.name}") for p, a in self.assets.items()]
        rows += [(p, repr(v)) for p, v in self.values.items()]
        return rows + [("output", ", ".join(str(v) for v in o.values())) for o in self.code["outputs"]]

    def __repr__(self) -> str:
        return f"{facts_text('Would be submitted', self._facts())}\n{self.source!r}"

    def _repr_html_(self) -> str:
        return facts_html("Would be submitted", self._facts()) + pre_html(self.source)


def capture(
    fn: Submitted, arguments: dict[str, Any], environment: Json, entry: str = "", outputs: Iterable[Output | str] = ()
) -> Captured:
    """Capture a function, a script or a folder with its arguments for one environment."""
    assets = {name: as_asset(name, value) for name, value in arguments.items() if is_data(name, value)}
    values = {name: value for name, value in arguments.items() if name not in assets}
    kinds = [f"{name}:{a.kind}" for name, a in assets.items()]
    answer = collected(fn, entry, kinds, environment, declarations(outputs))
    code: Json = answer["code"]
    for p in code["parameters"]:
        if p["name"] in RESERVED:
            raise NotCaptured(
                f"the parameter {p['name']} has a name that submit needs for itself", "rename the parameter"
            )
    try:
        complete = _digest.check_values(code["parameters"], values)
    except _digest.NoDigest as e:
        raise Invalid(str(e), "give each value parameter a value of its declared type") from None
    return Captured(code, answer["shown"], assets, {n: complete[n] for n in values})


def declarations(outputs: Iterable[Output | str]) -> list[str]:
    """Declared outputs as the collector reads them; a text is the name of one."""
    texts = []
    for o in outputs if not isinstance(outputs, (str, Output)) else [outputs]:
        if not isinstance(o, (str, Output)):
            raise Invalid("an output is declared by something else", 'write it as ah.Output("table", kind="table")')
        texts.append(o if isinstance(o, str) else f"{o.name}={o.kind}" + (f":{o.sensitivity}" if o.sensitivity else ""))
    return texts


def collected(fn: Submitted, entry: str, assets: list[str], environment: Json, outputs: list[str]) -> Json:
    lock = str(environment.get("lock") or "")
    packages = [str(p.get("name")) for p in environment.get("packages") or []]
    try:
        if isinstance(fn, (str, os.PathLike)):
            path, entry = place(os.fspath(fn), entry)
            return collect_path(path, entry, assets, lock, (), outputs, packages)
        if entry:
            raise Invalid("a function needs no entry", "leave entry= out, or pass a file or a folder")
        from ._live import collect_live

        answer = collect_live(fn, assets, lock, outputs)
        check_available(answer["code"]["files"], packages)
        return answer
    except CollectRefused as e:
        raise NotCaptured(visible(e.message, 2000), visible(e.remedy, 2000)) from None


def place(text: str, entry: str) -> tuple[Path, str]:
    """The path and the entry point that a text names: a folder, "FILE.py", or "FILE.py:function"."""
    named = re.fullmatch(r"(.+\.py):(\w+)", text)
    if named and not entry:
        text, entry = named.groups()
    path = Path(text)
    if not text.endswith(".py") and not path.is_dir():
        raise Invalid("a text is no function", 'pass the function itself, "FILE.py:function", a script or a folder')
    return path, entry


def is_data(name: str, value: object) -> bool:
    """Whether an argument is an asset; tables themselves are refused with what to pass instead."""
    if isinstance(value, (Asset, Dataset)):
        return True
    what = type(value).__name__
    if isinstance(value, Mock):
        raise Invalid(f"{name} is a mock", f"pass the dataset or asset itself: {name}=heart, without .mock")
    if what in ("DataFrame", "Series", "Table", "RecordBatch", "ndarray") and getattr(value, "ndim", 2) != 0:
        raise Invalid(
            f"{name} is a {what}", f"pass the dataset or asset, as in {name}=heart; its private table is used there"
        )
    if inspect.isfunction(value) or inspect.isclass(value):
        raise Invalid(f"{name} is a {what}", "define it at the top level beside the function; it is submitted along")
    return False


def as_asset(name: str, value: Asset | Dataset) -> Asset:
    if isinstance(value, Asset):
        return value
    if len(value.assets) != 1:
        have = ", ".join(visible(a) for a in value.assets) or "none"
        raise Invalid(
            f"{visible(value.name)} has {len(value.assets)} assets ({have})", f'choose one for {name}: dataset["..."]'
        )
    return value.only


def code_digest(code: Json) -> str:
    try:
        return _digest.code_digest(code)
    except _digest.NoDigest as e:
        raise NotCaptured(f"the code cannot be submitted: {e}", "change it accordingly") from None


def choose_environment(environments: list[Json], wanted: str | None) -> Json:
    """The environment to run in: the site's default, or the one whose lock begins so."""
    if wanted is None:
        found = [e for e in environments if e.get("default")] or environments[:1]
        remedy = "ask the owner to add one: anchorhold env add"
    else:
        named = [e for e in environments if e.get("name") == wanted]
        found = named or [e for e in environments if str(e.get("lock", "")).startswith((wanted, f"sha256:{wanted}"))]
        remedy = "see site.environments for those that it has"
    if len(found) != 1:
        raise Invalid("the site has no such environment" if not found else "several environments begin so", remedy)
    return found[0]
