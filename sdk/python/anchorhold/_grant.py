"""Grants: what may run again without another decision, and how far it may differ.

A grant is made by Request.approve. Whoever it names sees what they may ask;
only those who decide or audit see who else is named, and what became of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ._errors import Invalid
from ._http import Http, quote
from ._listing import Collection, Json, Listing, Record, short_time

# What Request.approve takes for a parameter: (0, 120) is a range, a set or list is a closed set, "any" is any value.
Bound = tuple[float | None, float | None] | set[Any] | frozenset[Any] | list[Any] | str


def bounds(given: Mapping[str, Bound]) -> Json:
    """The bounds of an approval, as the API writes them."""
    return {name: bound(name, value) for name, value in given.items()}


def bound(name: str, value: Bound) -> Json:
    if isinstance(value, tuple) and len(value) == 2 and all(is_end(v) for v in value) and value != (None, None):
        return {k: v for k, v in zip(("min", "max"), value, strict=True) if v is not None}
    if isinstance(value, (set, frozenset, list)) and value:
        return {"set": sorted(value, key=repr) if not isinstance(value, list) else value}
    if value == "any":
        return {"any": True}
    raise Invalid(
        f"the bound of {name} cannot be read", 'give a range as (0, 120), a set as {"a", "b"}, or "any" for any value'
    )


def is_end(value: object) -> bool:
    """Whether a value can end a range; None leaves it open."""
    if value is None:
        return True
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def people(given: str | Iterable[str]) -> list[str]:
    """Whom an approval names: one address, or several."""
    return [given] if isinstance(given, str) else list(given)


class Grant(Record):
    """What may run without another decision: which code, by whom, on which versions, with which values."""

    def __init__(self, http: Http, data: Json) -> None:
        super().__init__(data)
        self._http = http

    @property
    def state(self) -> str:
        """Active, suspended, used-up, expired or revoked; inactive to who runs under it."""
        return self._text("state")

    @property
    def covers(self) -> str:
        """What it covers, in words."""
        return self._text("covers")

    @property
    def code_digest(self) -> str:
        """The code that it covers."""
        return self._text("code_digest")

    @property
    def purpose(self) -> str:
        """The purpose that a submission has to name; empty where any will do."""
        return self._text("purpose")

    @property
    def yours(self) -> bool:
        """Whether you may run under it."""
        return bool(self._data.get("yours"))

    @property
    def uses(self) -> int | None:
        """How many runs it covers, where you may know."""
        return self._data.get("uses")

    @property
    def used(self) -> int | None:
        """How many of them there were, where you may know."""
        return self._data.get("used")

    @property
    def expires(self) -> datetime | None:
        """Until when it holds."""
        return self._time("expires")

    @property
    def bounds(self) -> dict[str, Json]:
        """By parameter which other values are covered, as {"age": {"min": 18, "max": 120}}; else as asked."""
        found = self._data.get("params")
        return {k: dict(v) for k, v in found.items()} if isinstance(found, dict) else {}

    @property
    def failures(self) -> int:
        """Failed runs and stopped outputs since it was made or resumed; at .failure_limit it is suspended."""
        return int(self._data.get("failures") or 0)

    @property
    def failure_limit(self) -> int | None:
        """How many failures suspend it, where you may know."""
        return self._data.get("failure_limit")

    @property
    def people(self) -> list[str]:
        """Who may run under it beside its author, where you may know."""
        return [str(p) for p in self._data.get("for") or []]

    def refresh(self) -> Grant:
        """Look again."""
        self._data = self._http.get(self._path())
        return self

    def revoke(self, reason: str = "") -> Grant:
        """End it, and what waits or runs under it."""
        self._data = self._http.post(self._path("/revoke"), {"reason": reason} if reason else {})
        return self

    def resume(self) -> Grant:
        """Let it permit runs again after failures suspended it."""
        self._data = self._http.post(self._path("/resume"))
        return self

    def _path(self, more: str = "") -> str:
        return f"/v1/grants/{quote(self.id)}{more}"

    def _facts(self) -> list[tuple[str, object]]:
        used = f"{self.used} of {self.uses}" if self.uses is not None else ""
        return [
            ("state", self.state),
            ("code", self._text("entry")),
            ("purpose", self.purpose),
            ("covers", self.covers),
            ("used", used),
            ("expires", short_time(self._data.get("expires"))),
        ]


class Grants(Collection[Grant]):
    """Grants that you may see: those of your data, or those under which you may run."""

    _path = "/v1/grants"

    def _one(self, data: Json) -> Grant:
        return Grant(self._http, data)

    def all(self, dataset: str = "") -> Listing[Grant]:
        """All of them, newest first, also those that have ended."""
        return grants([self._one(g) for g in self._http.pages(self._path, {"dataset": dataset} if dataset else None)])

    def active(self, dataset: str = "") -> Listing[Grant]:
        """Those that permit something now."""
        return grants([g for g in self.all(dataset) if g.state == "active"])

    def suspended(self, dataset: str = "") -> Listing[Grant]:
        """Those that wait for you to .resume() them, after failures or an output that a check stopped."""
        return grants([g for g in self.all(dataset) if g.state == "suspended" or g.raw.get("stopped")])


def grants(found: list[Grant]) -> Listing[Grant]:
    return Listing(found, ("grant", "state", "covers"), lambda g: [g.id, g.state, g.covers])
