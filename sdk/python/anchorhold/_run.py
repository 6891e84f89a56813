"""Runs: one execution of a request, and what owners do with them; and the queue in which they wait."""

from __future__ import annotations

import os
import re
import time
from datetime import timedelta
from pathlib import Path

from ._errors import Invalid, Timeout
from ._http import Http, quote
from ._listing import Collection, Json, Listing, Record, short_time
from ._progress import Progress, Report
from ._text import facts_html, facts_text, table_html, table_text, visible
from .receipt import Receipt

ENDED = ("done", "failed", "cancelled")
PRIORITIES = {"low": -1, "normal": 0, "high": 1}
LONGEST = 30
GRACE = 15.0  # seconds that a poll may take beyond what it asked for


class Run(Record):
    """One execution of a request."""

    def __init__(self, http: Http, data: Json) -> None:
        super().__init__(data)
        self._http = http

    @property
    def state(self) -> str:
        """Where the run stands."""
        return self._text("state")

    @property
    def ahead(self) -> int | None:
        """At most how many runs come before it while it waits, roughly; None where that is not known."""
        found = self._data.get("ahead")
        return found if isinstance(found, int) else None

    @property
    def priority(self) -> str:
        """Low, normal or high; for owners."""
        found = self._data.get("priority") or 0
        return next((name for name, n in PRIORITIES.items() if n == found), "normal")

    @property
    def replayed(self) -> Listing[Json]:
        """Of a replay each output, its hash then and now, and whether it is the same; for owners."""
        found = self._data.get("replay")
        items = [o for o in (found.get("outputs") or []) if isinstance(o, dict)] if isinstance(found, dict) else []
        return Listing(items, ("output", "then", "now", "same"), replayed_row)

    @property
    def reproduced(self) -> bool:
        """Of a replay that has ended: whether the same came out."""
        return self.state == "done" and bool(self.replayed) and all(o.get("same") is True for o in self.replayed)

    def refresh(self) -> Run:
        """Look again."""
        self._data = self._http.get(f"/v1/runs/{quote(self.id)}")
        return self

    def wait(self, timeout: float | None = None, progress: bool | Report | None = None) -> Run:
        """Wait until it has ended; Timeout when that takes longer."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        with Progress(progress) as line:
            line.show(self._phase())
            while self.state not in ENDED:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Timeout(f"the {self._word} has not ended after {timeout:g} s", "it goes on: wait again")
                seconds = int(min(LONGEST, line.every, max(left, 1)))
                query = {"wait": seconds, "state": self.state}
                self._data = self._http.get(f"/v1/runs/{quote(self.id)}", query, timeout=seconds + GRACE)
                line.show(self._phase())
        return self

    _word = "run"

    def _phase(self) -> str:
        return self.state

    def log(self) -> str:
        """What the run printed; for owners."""
        answer = self._http.get(f"/v1/runs/{quote(self.id)}/log")
        return str(answer.get("text") or "")

    def cancel(self) -> Run:
        """End it."""
        self._data = self._http.post(f"/v1/runs/{quote(self.id)}/cancel")
        return self

    def prioritize(self, priority: str) -> Run:
        """Have it, and its request's other runs, claimed before or after those of others: low, normal or high."""
        if priority not in PRIORITIES:
            raise Invalid(f"{visible(priority, 50)} is no priority", "say low, normal or high")
        self._data = self._http.post(f"/v1/runs/{quote(self.id)}/priority", {"priority": priority})
        return self

    def _facts(self) -> list[tuple[str, object]]:
        names = ("request", "state", "reason", "boundary")
        times = [(n, short_time(self._data.get(n))) for n in ("queued", "started", "finished")]
        ahead = "" if self.ahead is None else f"at most {self.ahead}" if self.ahead else "it is the next"
        return [*[(n, self._text(n)) for n in names], ("runs before it", ahead), *times]

    _HEAD = ("output", "kind", "bytes")

    def _rows(self) -> list[list[object]]:
        return [[o.get("name"), o.get("kind"), o.get("size")] for o in self._items("outputs")]

    def __repr__(self) -> str:
        rows = self._rows()
        text = facts_text(self._title(), self._facts()) + ("\n" + table_text(self._HEAD, rows) if rows else "")
        return f"{text}\n{self.replayed!r}" if self.replayed else text

    def _repr_html_(self) -> str:
        html = facts_html(self._title(), self._facts()) + table_html(self._HEAD, self._rows())
        return html + (self.replayed._repr_html_() if self.replayed else "")


def replayed_row(o: Json) -> list[object]:
    return [o.get("name"), o.get("then"), o.get("now") or "", "yes" if o.get("same") is True else "no"]


class Runs(Collection[Run]):
    """Runs of the site, newest first."""

    _path = "/v1/runs"

    def _one(self, data: Json) -> Run:
        return Run(self._http, data)

    def all(self, request: str = "") -> Listing[Run]:
        """All runs on private data that you may see, or those of one request."""
        return self._list({"request": request})

    def replays(self) -> Listing[Run]:
        """What was replayed; for those who review it."""
        return self._list({"side": "replay"})

    def replay(self, receipt: Receipt | str | os.PathLike[str]) -> Run:
        """Run again what a receipt of this site speaks of; for owners. Then .wait(), and see .reproduced.

        Nothing is kept or released by it. Its turn and its processor time are yours.
        """
        if isinstance(receipt, Receipt):
            text = receipt.data.decode("utf-8")
        else:
            try:
                text = Path(receipt).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                shown = visible(os.fspath(receipt), 100)
                raise Invalid(f"{shown} is no receipt that can be read", "name the file of a receipt") from None
        return self._one(self._http.post("/v1/replays", {"receipt": text}))

    def queue(self) -> Queue:
        """How many runs wait and go on; for owners."""
        return Queue(self._http.get("/v1/queue"))

    def _list(self, query: Json) -> Listing[Run]:
        found = [self._one(r) for r in self._http.pages(self._path, query)]
        return Listing(found, ("run", "request", "state", "queued"), run_row)


def run_row(r: Run) -> list[object]:
    return [r.id, r.raw.get("request"), r.state, short_time(r.raw.get("queued"))]


class Queue(Record):
    """What goes on at a site."""

    @property
    def slots(self) -> int:
        """How many runs may go on at once."""
        return int(self._data.get("slots") or 0)

    @property
    def waiting(self) -> int:
        """How many runs wait."""
        return int(self._data.get("waiting") or 0)

    @property
    def running(self) -> int:
        """How many go on."""
        return int(self._data.get("running") or 0)

    def _title(self) -> str:
        return "Queue"


class Quota(Record):
    """What somebody's runs may take, and what they have taken; 0 is no bound."""

    @property
    def person(self) -> str:
        """Whose it is; empty for everybody without one of their own."""
        return self._text("person")

    @property
    def own(self) -> bool:
        """Whether it is their own, and not everybody's."""
        return bool(self._data.get("own"))

    @property
    def queued(self) -> int:
        """How many runs on private data may wait or go on at once."""
        return int(self._data.get("queued") or 0)

    @property
    def cpu_day(self) -> timedelta:
        """How much processor time they may use in one day (UTC)."""
        return timedelta(seconds=float(self._data.get("cpu_seconds") or 0))

    @property
    def open(self) -> int:
        """How many of their runs have not ended."""
        return int(self._data.get("open") or 0)

    @property
    def spent(self) -> timedelta:
        """How much processor time they have used today."""
        return timedelta(seconds=float(self._data.get("spent") or 0))

    def _title(self) -> str:
        return f"Quota of {self.person or 'everybody'}"

    def _facts(self) -> list[tuple[str, object]]:
        rows: list[tuple[str, object]] = [
            ("at once", self.queued or "no bound"),
            ("in a day", self.cpu_day or "no bound"),
        ]
        return [*rows, ("now", self.open), ("today", self.spent)] if self.person else rows


def seconds(value: str | float | timedelta) -> float:
    """A length of time as seconds: from "2h", "90m", a number of seconds or a timedelta."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, str):
        match = re.fullmatch(r"(\d{1,6})([smhd])", value.strip())
        value = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]] if match else -1
    if not 0 <= value < float("inf"):
        raise Invalid("that is no length of time", 'write it like "2h" or "90m", or give a timedelta')
    return float(value)
