"""Environments: the sets of Python packages in which code runs at a site, and asking for further ones."""

from __future__ import annotations

import os
from pathlib import Path

from ._errors import Invalid
from ._http import Http, quote
from ._listing import Collection, Json, Listing, Record, short_time
from ._text import visible, who

MAX_LOCK = 1 << 20


class EnvironmentRequest(Record):
    """A further environment that somebody asked for."""

    def __init__(self, http: Http, data: Json) -> None:
        super().__init__(data)
        self._http = http

    @property
    def state(self) -> str:
        """One of requested, added, declined."""
        return self._text("state")

    @property
    def lock(self) -> str:
        """The digest that names the environment: pass it to submit once it was added."""
        return self._text("lock")

    @property
    def packages(self) -> list[str]:
        """What the lock holds, as name==version."""
        return [str(p) for p in self._data.get("packages") or []]

    @property
    def answer(self) -> str:
        """What the owner said to it."""
        return self._text("answer")

    def refresh(self) -> EnvironmentRequest:
        """Look again."""
        self._data = self._http.get(f"/v1/envs/requests/{quote(self.id)}")
        return self

    def decline(self, reason: str) -> EnvironmentRequest:
        """Say that it will not be added; for owners. Adding is done on the site's machine: anchorhold env add ID."""
        body = {"verdict": "deny", "reason": reason}
        self._data = self._http.post(f"/v1/envs/requests/{quote(self.id)}/decisions", body)
        return self

    def _facts(self) -> list[tuple[str, object]]:
        names = ("state", "lock", "python", "platform", "author_name", "reason", "answer")
        builds = ", ".join(str(b) for b in self._data.get("builds") or [])
        asked = short_time(self._data.get("created"))
        return [
            *[(n, self._text(n)) for n in names],
            ("builds", builds),
            ("packages", len(self.packages)),
            ("asked", asked),
        ]


class EnvironmentRequests(Collection[EnvironmentRequest]):
    """What was asked for: for owners everything, for others their own. One by its id, or all."""

    _path = "/v1/envs/requests"

    def _one(self, data: Json) -> EnvironmentRequest:
        return EnvironmentRequest(self._http, data)

    def all(self, state: str = "") -> Listing[EnvironmentRequest]:
        """All of them, or those that are requested, added or declined; newest first."""
        found = [self._one(r) for r in self._http.pages(self._path, {"state": state})]
        return Listing(found, ("environment", "state", "who", "packages", "reason"), request_row)


class Environments(Listing[Json]):
    """The environments in which code can run here."""

    def __init__(self, http: Http, found: list[Json]) -> None:
        super().__init__(found, ("lock", "name", "default", "python", "packages"), environment_row)
        self._http = http

    def request(self, lock_file: str | os.PathLike[str], reason: str = "") -> EnvironmentRequest:
        """Ask the owner for a further environment, named by its lock.

        Make the lock with ``uv pip compile --generate-hashes --universal --no-header
        --no-annotate my.in -o my.lock``. Nothing is built before the owner has read it.
        """
        path = Path(lock_file)
        try:
            data = path.read_bytes()[: MAX_LOCK + 1]
            text = data.decode("ascii")
        except (OSError, UnicodeDecodeError):
            shown = visible(os.fspath(lock_file), 100)
            raise Invalid(f"{shown} is no lock that can be read", "name the file that uv pip compile wrote") from None
        body = {"lock": text, **({"reason": reason} if reason else {})}
        return EnvironmentRequest(self._http, self._http.post("/v1/envs/requests", body))

    @property
    def requests(self) -> EnvironmentRequests:
        """The further environments that were asked for: .requests.all(), .requests["env-..."]."""
        return EnvironmentRequests(self._http)


def request_row(r: EnvironmentRequest) -> list[object]:
    return [r.id, r.state, who(r.raw.get("author_name")), len(r.packages), r.raw.get("reason") or ""]


def environment_row(e: Json) -> list[object]:
    packages = ", ".join(f"{p.get('name')} {p.get('version')}" for p in e.get("packages") or [])
    return [e.get("lock"), e.get("name") or "", "yes" if e.get("default") else "", e.get("python"), packages]
