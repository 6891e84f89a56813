"""The ledger of a site: what others have learnt, and how much they may learn."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ._errors import Conflict, Invalid
from ._http import Http
from ._listing import Json, Listing, Record, short_time
from ._text import facts_html, facts_text, visible

SCOPES = ("population", "researcher", "study", "exploration", "question")
CLASSES = {
    "proved": "Proved: bounded by our own mechanisms",
    "declared": "Declared: what reviewed code says of itself",
    "unbounded": "Unbounded: released or confirmed by a person",
}
ENTRY = ("class", "population", "who", "what", "subject", "at")
STANDING = ("population", "for", "limit ε", "spent ε", "plain sum", "left", "more of ε = 0.1")
ENTRY_COLUMNS = ("id", "created", "class", "population", "study", "principal", "subject", "what")
AMOUNTS = ("epsilon", "delta", "pure", "rho", "zcdp_delta")


class Ledger:
    """Who has learnt what, and the limits of that. ``owner.ledger()`` lists its entries."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def __call__(self, population: str = "") -> Listing[Json]:
        """One line for each answer, each release and each disclosed fact, newest first."""
        return Listing(list(self._entries(population)), ENTRY, entry_row)

    def _entries(self, population: str) -> list[Json]:
        return list(self._http.pages("/v1/ledger", {"population": population} if population else None))

    def limits(
        self,
        population: str = "",
        epsilon: float | str | None = None,
        delta: float | str | None = None,
        *,
        researcher: str | None = None,
        study: str | None = None,
        exploration: bool = False,
        question: bool = False,
        reason: str = "",
        remove: bool = False,
    ) -> Listing[Json]:
        """Say how much may be learnt, ever, about one person of a population; without ``epsilon`` show it.

        The limit is for all answers to everybody together, or within it for one
        ``researcher`` (an address, or "each"), one ``study`` (or "each"), all ``exploration`` outside of
        studies, or one ``question``. Without ``delta`` only mechanisms that need none are used. Raising a
        limit needs a ``reason``, which is on record; what was spent stays spent. ``remove=True`` ends the
        limit.
        """
        if epsilon is None and delta is None and not remove:
            return standings(self._http, population)
        body = limit_body(
            population, epsilon, delta, researcher=researcher, study=study, exploration=exploration,
            question=question, remove=remove,
        )  # fmt: skip
        self._http.replace("/v1/exposure/limits", {**body, **({"reason": reason} if reason else {})})
        return standings(self._http, population)

    def show(self, population: str) -> Shown:
        """What was disclosed of a population, in three classes that are never added, and how its limits stand."""
        asked = {str(q.get("id")): str(q.get("sql")) for q in self._http.pages("/v1/queries")}
        return Shown(population, standings(self._http, population, odds=True), self._entries(population), asked)

    def try_(
        self,
        population: str,
        epsilon: float | str,
        delta: float | str | None = None,
        *,
        researcher: str | None = None,
        study: str | None = None,
        exploration: bool = False,
        question: bool = False,
    ) -> WhatIf:
        """Say what another limit would have let through of all that was asked; nothing is changed."""
        body = limit_body(
            population, epsilon, delta, researcher=researcher, study=study, exploration=exploration, question=question
        )
        return WhatIf(self._http.post("/v1/exposure/replays", body))

    def export(self, path: str | os.PathLike[str], population: str = "", *, force: bool = False) -> Path:
        """Write every entry to a file, the oldest first: CSV where its name ends in .csv, else one JSON object a line.

        Amounts are exact decimals, so that anybody can add them up.
        """
        to = Path(path)
        if to.exists() and not force:
            raise Conflict(f"{visible(to)} is there already", "name another file, or use force=True")
        entries = self._entries(population)[::-1]
        if to.suffix.lower() == ".csv":
            with to.open("w", newline="", encoding="utf-8") as f:
                rows = csv.writer(f)
                rows.writerow([*ENTRY_COLUMNS, *AMOUNTS, "amount"])
                rows.writerows([plain(x) for x in export_row(e)] for e in entries)
        else:
            to.write_text("".join(json.dumps(e, ensure_ascii=False) + "\n" for e in entries), encoding="utf-8")
        return to

    def plan(self, events: Iterable[Json], delta: float | str) -> Plan:
        """Say what mechanisms would cost together that are all fixed before the first is used.

        ``events`` are such as ``{"mechanism": "gaussian", "sigma": 2.0, "sampling_probability": 0.01,
        "count": 10000}``; mechanisms are gaussian, laplace, discrete_gaussian, discrete_laplace
        ("sigma" or "scale", with "sensitivity"), exponential, pure ("epsilon") and zcdp ("rho").
        Each ε is an upper bound by itself, so that the smallest holds.
        """
        return Plan(self._http.post("/v1/exposure/plans", {"events": list(events), "delta": float(delta)}))

    def __repr__(self) -> str:
        return repr(self())

    def _repr_html_(self) -> str:
        return self()._repr_html_()


def export_row(e: Json) -> list[object]:
    """An entry with what it counts in columns of their own, which can be added up."""
    row = [e.get(c) for c in ENTRY_COLUMNS]
    if e.get("class") != "proved":
        return [*row, *("" for _ in AMOUNTS), e.get("amount")]
    amount = json.loads(str(e.get("amount")))
    return [*row, *(amount.get(a) for a in AMOUNTS), ""]


def plain(value: object) -> object:
    """A cell of a table that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


class Shown:
    """The ledger of a population: ``.limits``, and ``.proved``, ``.declared`` and ``.unbounded`` entries."""

    def __init__(self, population: str, limits: Listing[Json], entries: list[Json], asked: dict[str, str]) -> None:
        self.population = population
        self.limits = limits
        self._entries = [e | {"asked": asked.get(str(e.get("subject")), "")} for e in entries]

    def _of(self, name: str) -> Listing[Json]:
        return Listing([e for e in self._entries if e.get("class") == name], ENTRY, entry_row)

    @property
    def proved(self) -> Listing[Json]:
        """Answers whose exposure our own mechanisms bound; only this is limited."""
        return self._of("proved")

    @property
    def declared(self) -> Listing[Json]:
        """What reviewed code says of itself."""
        return self._of("declared")

    @property
    def unbounded(self) -> Listing[Json]:
        """What a person released or confirmed."""
        return self._of("unbounded")

    @property
    def odds(self) -> list[str]:
        """What the limits mean for one person, in sentences."""
        return [str(s) for a in self.limits for s in (a.get("meaning") or {}).get("words") or []]

    @property
    def odds_now(self) -> list[str]:
        """The same for what was spent so far."""
        return [str(s) for a in self.limits for s in (a.get("now") or {}).get("words") or []]

    def _parts(self) -> list[tuple[str, Listing[Json]]]:
        return [("How limits stand", self.limits), *((title, self._of(name)) for name, title in CLASSES.items())]

    def __repr__(self) -> str:
        parts = [f"{title}\n{listing!r}" for title, listing in self._parts()]
        return "\n\n".join([*map(visible, self.odds), *parts])

    def _repr_html_(self) -> str:
        said = facts_html(self.population, [("", s) for s in self.odds]) if self.odds else ""
        return said + "".join(f"<h4>{title}</h4>{listing._repr_html_()}" for title, listing in self._parts())


class WhatIf(Record):
    """What a past would have been under another limit."""

    @property
    def answered(self) -> int:
        """How many questions would have been answered."""
        return int(self._data.get("answered") or 0)

    @property
    def refused(self) -> int:
        """How many would have been refused."""
        return int(self._data.get("refused") or 0)

    @property
    def first_refused(self) -> str:
        """The id of the first of them."""
        return self._text("first_refused")

    @property
    def spent(self) -> Json:
        """What those that were answered would have spent."""
        found = self._data.get("spent")
        return dict(found) if isinstance(found, dict) else {}

    def __repr__(self) -> str:
        return facts_text("Under this limit", self._facts())

    def _repr_html_(self) -> str:
        return facts_html("Under this limit", self._facts())

    def _facts(self) -> list[tuple[str, object]]:
        spent = f"ε {self.spent.get('epsilon')} by addition, ρ {self.spent.get('rho')}"
        rows: list[tuple[str, object]] = [("answered", str(self.answered)), ("refused", str(self.refused))]
        return [*rows, ("first refused", self.first_refused), ("spent", spent)]


class Plan(Record):
    """Upper bounds on the ε of events that are all fixed beforehand."""

    @property
    def epsilon(self) -> float:
        """The smallest of the bounds: it holds."""
        found = [b["epsilon"] for b in self.bounds.values() if isinstance(b.get("epsilon"), (int, float))]
        if not found:
            raise Invalid("these events have no bound", "see .bounds for the reasons")
        return float(min(found))

    @property
    def bounds(self) -> dict[str, Json]:
        """Each bound by its way: pure, zcdp, rdp, pld."""
        return {k: dict(self._data[k]) for k in ("pure", "zcdp", "rdp", "pld") if isinstance(self._data.get(k), dict)}

    def _title(self) -> str:
        return f"Together, with δ = {self._data.get('delta')}, ε is at most"

    def _facts(self) -> list[tuple[str, object]]:
        return [(k, b.get("reason") if b.get("epsilon") is None else b["epsilon"]) for k, b in self.bounds.items()]


def limit_body(
    population: str,
    epsilon: float | str | None,
    delta: float | str | None,
    *,
    researcher: str | None,
    study: str | None,
    exploration: bool,
    question: bool,
    remove: bool = False,
) -> Json:
    """A limit as the site reads it."""
    if not population:
        raise Invalid("it is not said whom the limit protects", 'name the population: limits("heart", epsilon=3)')
    if remove == (epsilon is not None):
        raise Invalid("a limit is either set or ended", "give epsilon=, or remove=True")
    ways = {"researcher": researcher, "study": study, "exploration": exploration, "question": question}
    given = [(scope, value) for scope, value in ways.items() if value]
    if len(given) > 1:
        raise Invalid("a limit is for one of: a researcher, a study, exploration, a question", "set one at a time")
    body: Json = {"population": population}
    if given:
        scope, value = given[0]
        body["scope"] = scope
        if isinstance(value, str) and value != "each":
            body["name"] = value
    return body | {k: decimal(v) for k, v in (("epsilon", epsilon), ("delta", delta)) if v is not None}


def decimal(x: float | str) -> str:
    return x if isinstance(x, str) else repr(x)


def standings(http: Http, population: str, odds: bool = False) -> Listing[Json]:
    """How limits of exposure stand, and for whom it helps, what they mean."""
    query = {"population": population} if population else {}
    found = http.get("/v1/exposure", query | ({"odds": "true"} if odds else {}))
    return Listing([a for a in found.get("accounts") or [] if isinstance(a, dict)], STANDING, standing_row)


def standing_row(account: Json) -> list[object]:
    limit, left = account.get("limit") or {}, account.get("left") or {}
    rest = left.get("pure") if limit.get("delta") in (None, "0") else f"ρ {left.get('rho')}"
    who = " ".join(str(account.get(k)) for k in ("scope", "name") if account.get(k))
    fits: Any = account.get("fits")
    return [
        account.get("population"),
        who,
        limit.get("epsilon", ""),
        account.get("epsilon"),
        account.get("plain_epsilon"),
        rest if limit else "",
        "" if fits is None else fits,
    ]


def entry_row(e: Json) -> list[object]:
    names = ("class", "population", "principal")
    what = e.get("asked") or e.get("what")
    return [*[e.get(n) for n in names], what, e.get("subject"), short_time(e.get("created"))]
