"""A site, as somebody who is known there sees it: researcher, owner, reviewer or auditor."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from ._capture import Captured, Submitted, capture, choose_environment
from ._dataset import Datasets
from ._environment import Environments
from ._errors import Denied, Invalid, InvalidReceipt, InvalidResult, NotFound, Unauthenticated
from ._grant import Grants
from ._http import Http, quote
from ._ledger import Ledger, standings
from ._listing import Collection, Json, Listing, Record, short_time
from ._local import ADDRESS, socket_of
from ._login import find, learned
from ._note import Bad, parse_vkey
from ._output import Output, Releases
from ._progress import interactive
from ._query import Answer, ask
from ._request import Request, Requests
from ._resources import Resources
from ._run import Quota, Runs, seconds
from ._text import facts_html, facts_text, visible
from ._trial import Trial
from .receipt import read_key


class Principal(Record):
    """Somebody who can act at the site."""

    @property
    def email(self) -> str:
        """The address, or the id of somebody local."""
        return self._text("email") or self.id

    @property
    def roles(self) -> list[str]:
        """What they may be, and where: "owner", "researcher for dataset:heart"."""
        found = []
        for b in self._items("bindings"):
            scope = b.get("scope")
            found.append(str(b.get("role")) + (f" for {scope}" if scope and scope != "site" else ""))
        return found

    def _facts(self) -> list[tuple[str, object]]:
        return [("email", self.email), ("roles", ", ".join(self.roles)), ("disabled", self._data.get("disabled") or "")]


class NewUser:
    """A user who was just added. The token is shown by .token and by nothing else, and cannot be had again."""

    def __init__(self, data: Json) -> None:
        self.id = str(data.get("id", ""))
        self.email = str(data.get("email", ""))
        self.role = str(data.get("role", ""))
        self.expires = str(data.get("expires", ""))
        self.token = str(data.get("token", ""))

    def _facts(self) -> list[tuple[str, object]]:
        rows: list[tuple[str, object]] = [
            ("email", self.email),
            ("role", self.role),
            ("expires", short_time(self.expires)),
        ]
        return [*rows, ("token", "in .token; give it to them, it cannot be had again")]

    def __repr__(self) -> str:
        return facts_text("New user", self._facts())

    def _repr_html_(self) -> str:
        return facts_html("New user", self._facts())


class Users(Collection[Principal]):
    """The users of a site; for owners."""

    def _one(self, data: Json) -> Principal:
        return Principal(data)

    def all(self) -> Listing[Principal]:
        """Everybody who is known here."""
        found = [self._one(p) for p in self._http.pages("/v1/users")]
        return Listing(found, ("id", "email", "roles"), lambda p: [p.id, p.email, ", ".join(p.roles)])

    def __getitem__(self, email: str) -> Principal:
        found = [p for p in self.all() if p.email.lower() == email.lower() or p.id == email]
        if not found:
            raise NotFound(f"there is no user {visible(email, 254)}", "see .all(), or .add(email, role)")
        return found[0]

    def add(self, email: str, role: str, scope: str | None = None) -> NewUser:
        """Add a user as owner, reviewer, researcher or auditor; everywhere, or for "dataset:NAME"."""
        return NewUser(
            self._http.post("/v1/users", {"email": email, "role": role, **({"scope": scope} if scope else {})})
        )

    def remove_role(self, email: str, role: str, scope: str | None = None) -> Principal:
        """Take one role from a user, everywhere or for "dataset:NAME", and leave the others."""
        query = {"scope": scope} if scope else None
        self._http.delete(f"/v1/users/{quote(email)}/roles/{quote(role)}", query)
        return self[email]

    def remove(self, email: str) -> None:
        """End a user's access: no token of theirs holds any more."""
        self._http.delete(f"/v1/users/{quote(email)}")

    def quota(self, email: str | None = None) -> Quota:
        """What a person's runs may take, and have taken; without an address, everybody's without one of their own."""
        return Quota(self._http.get(quota_path(email)))

    def set_quota(self, email: str | None = None, *, queued: int = 0, cpu_day: str | float | timedelta = 0) -> Quota:
        """Bound how many runs somebody may have at once, and their processor time in a day ("2h"); 0 is no bound.

        Without an address it holds for everybody without a quota of their own. Without
        bounds, a person's own is taken away.
        """
        body = {"queued": queued, "cpu_seconds": seconds(cpu_day)}
        return Quota(self._http.replace(quota_path(email), body))


def quota_path(email: str | None) -> str:
    return f"/v1/users/{quote(email)}/quota" if email else "/v1/quota"


class Site:
    """A site that you are connected to. Made by connect."""

    def __init__(self, http: Http, about: Json, me: Json, trust: str) -> None:
        self._http = http
        self._about = about
        self.me = Principal(me)
        self.key = str(about.get("key") or "")
        self.datasets = Datasets(http)
        self.requests = Requests(http, self.key, trust)
        self.grants = Grants(http)
        self.releases = Releases(http)
        self.runs = Runs(http)
        self.users = Users(http)

    @property
    def url(self) -> str:
        """The site's address."""
        return self._http.url

    @property
    def name(self) -> str:
        """What the site calls itself."""
        return str(self._about.get("name") or "")

    @property
    def environments(self) -> Environments:
        """The environments in which code can run here, and .request(lock_file) to ask for a further one."""
        return Environments(self._http, list(self._about.get("environments") or []))

    def capture(
        self,
        fn: Submitted,
        /,
        *,
        entry: str = "",
        outputs: Iterable[Output | str] = (),
        environment: str | None = None,
        **arguments: Any,
    ) -> Captured:
        """What submit would send for a function, a script or a folder with its arguments; nothing is sent."""
        return capture(fn, arguments, choose_environment(list(self.environments), environment), entry, outputs)

    def submit(
        self,
        fn: Submitted,
        /,
        *,
        purpose: str,
        entry: str = "",
        outputs: Iterable[Output | str] = (),
        expect: Resources | None = None,
        study: str | None = None,
        environment: str | None = None,
        **arguments: Any,
    ) -> Request:
        """Ask the site to run a function on its private data.

        Pass datasets or assets, and values, under the names of the function's
        parameters. The function's source goes along with the helpers, constants and
        imports that it uses; what cannot be captured is refused with the remedy.
        Nothing of your data or memory is sent.

        Instead of a function it may be a script, ``"analysis.py"``: the arguments are
        there as variables when it begins, and what it leaves in ``result`` is its
        answer. Or a folder of modules, ``"folder/"`` with ``entry="main:run"``: every
        file of it goes along.

        ``outputs`` declares what comes out where the annotation does not say it:
        ``[ah.Output("table", kind="table"), ah.Output("fit", sensitivity="model")]``;
        the function then returns a dict or a tuple of them. ``expect`` says what a run
        may use at most: ``ah.Resources(cpu_seconds=90, memory="2 GiB", wall="5 min")``.
        ``study`` names the study that it belongs to; roles that you have in it hold.
        """
        captured = self.capture(fn, entry=entry, outputs=outputs, environment=environment, **arguments)
        if interactive():
            print(f"Submitting {captured.summary}", file=sys.stderr)
        data = self._http.post("/v1/requests", {**asked(captured, expect, study), "purpose": purpose})
        if data.get("code_digest") != captured.digest:
            raise InvalidResult(
                "the site names the code by another digest than this package", "update this package, or tell the owner"
            )
        return Request(self._http, data, self.key, self.requests._trust)

    def try_on_mock(
        self,
        fn: Submitted,
        /,
        *,
        entry: str = "",
        outputs: Iterable[Output | str] = (),
        expect: Resources | None = None,
        study: str | None = None,
        environment: str | None = None,
        **arguments: Any,
    ) -> Trial:
        """Run a function on the mocks at the site, exactly as it would run on the private data.

        The same environment, the same sandbox, the same reading of the result; nobody
        has to decide, and nothing is kept from you: ``.result()``, ``.log()``,
        ``.failure`` (the traceback) and ``.usage``. Pass the same arguments as to submit.
        """
        captured = self.capture(fn, entry=entry, outputs=outputs, environment=environment, **arguments)
        return Trial(self._http, self._http.post("/v1/trials", asked(captured, expect, study))).wait()

    def sql(self, sql: str, *, dataset: str, study: str | None = None, level: float = 0.95) -> Answer:
        """Ask an aggregate question in SQL of a dataset; see ``Dataset.sql``."""
        return ask(self._http, dataset, sql, study, level)

    def exposure(self, population: str = "") -> Listing[Json]:
        """How limits of exposure stand: one's own, and those over everybody."""
        return standings(self._http, population)

    @property
    def ledger(self) -> Ledger:
        """Who has learnt what so far, and the limits of that; ``site.ledger()`` lists it, line by line."""
        return Ledger(self._http)

    def audit(self, limit: int = 100) -> Listing[Json]:
        """The newest entries of the audit log, in its order."""
        found = self._http.get("/v1/audit/entries", {"limit": max(1, min(limit, 1000))})
        head = ("index", "time", "actor", "action", "subject", "rule")
        return Listing([e for e in found.get("items") or [] if isinstance(e, dict)], head, audit_row)

    def __repr__(self) -> str:
        return facts_text(f"Site {self.name}", self._facts())

    def _repr_html_(self) -> str:
        return facts_html(f"Site {self.name}", self._facts())

    def _facts(self) -> list[tuple[str, object]]:
        you = f"{self.me.email} ({', '.join(self.me.roles)})"
        address = "on this machine" if self._http.local else self.url
        return [("address", address), ("you", you), ("key", self.key), ("version", self._about.get("version"))]


def asked(captured: Captured, expect: Resources | None, study: str | None) -> Json:
    """What a request and a trial have in common, as the site reads it."""
    return {
        "code": captured.code,
        "assets": {p: {"dataset": a.dataset, "asset": a.name} for p, a in captured.assets.items()},
        "parameters": captured.values,
        **({"expect": expect.as_json()} if expect is not None else {}),
        **({"study": study} if study else {}),
    }


def audit_row(e: Json) -> list[object]:
    event = e.get("event") if isinstance(e.get("event"), dict) else e
    assert event is not None
    return [e.get("index"), *[event.get(n) for n in ("time", "actor", "action", "subject", "rule")]]


def connect(
    url: str | None = None,
    token: str | None = None,
    *,
    dir: str | os.PathLike[str] | None = None,  # noqa: A002 - the word for it everywhere
    key: str | os.PathLike[str] | None = None,
    ca: str | os.PathLike[str] | None = None,
    timeout: float = 30.0,
) -> Site:
    """Connect to a site.

    Without arguments the address and token come from ANCHORHOLD_URL and
    ANCHORHOLD_TOKEN, or from what `anchorhold login` stored. The site's public key
    is pinned for as long as the connection is used; pass ``key`` (its text, or a
    file) to insist on one that you know. An address may name the key of the site's
    TLS door (a connection string, "https://host:port#sha256=..."): then that key is
    trusted and no other. ``ca`` is the file of a certificate to trust, ``timeout``
    the seconds to wait for an answer.

    On the site's own machine its owner can pass ``dir``, the folder of a site that is
    being served, instead of address and token: the machine says who you are.
    """
    if dir is not None:
        if url is not None or token is not None or ca is not None:
            raise Invalid("dir= stands for address and token", "pass either dir=, or an address and a token")
        return greet(Http(ADDRESS, None, timeout=timeout, socket=socket_of(dir)), key, None)
    login = find(url, token)
    http = Http(
        login.url,
        login.token,
        ca=os.fspath(ca) if ca is not None else None,
        ca_text=login.ca,
        timeout=timeout,
        learned=learned,
    )
    if login.token is None:
        raise Unauthenticated(
            f"there is no token for {visible(login.url)}",
            "pass token=, set ANCHORHOLD_TOKEN, or run `anchorhold login` for this address",
        )
    return greet(http, key, login.key)


def greet(http: Http, key: str | os.PathLike[str] | None, known: str | None) -> Site:
    """Ask a site who it is and who calls, and insist on its key where that is known."""
    about = http.get("/v1/site")
    wanted = read_key(key) if key is not None else known
    found = str(about.get("key") or "")
    try:
        parse_vkey(found)
    except Bad:
        raise InvalidReceipt("key", "the site does not name a public key that can be used") from None
    if wanted is not None and wanted != found:
        raise Denied(
            "the site has another key than the one that you know", "do not use it; ask its owner which key is right"
        )
    trust = "the key that you know" if wanted is not None else "the key that the site named when you connected"
    return Site(http, about, http.get("/v1/me"), trust)
