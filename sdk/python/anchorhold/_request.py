"""Requests: from the submission to the answer, for researchers and for those who decide.

Waiting is a long poll; it ends when nothing more happens without somebody's
act, and a request goes on when the waiting is given up. What a failed run saw
of private data stays at the site, so a failure carries no detail.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ._decision import Decision, decisions, waits_words
from ._errors import Denied, Ended, Error, Failed, Invalid, NotReady, Refused, Timeout, Unavailable
from ._grant import Bound, bounds, people
from ._http import Http, quote
from ._listing import Collection, Json, Listing, Record, expiry, short_time
from ._output import Output, RunOutput
from ._progress import Progress, Report, state_line, state_words
from ._resources import Resources
from ._run import Run
from ._text import Prose, facts_html, facts_text, pre_html, visible, visible_lines, who
from ._trial import Trial
from .receipt import Receipt

ENDED = ("denied", "withdrawn", "expired", "failed", "cancelled", "released", "refused")
WAITS_FOR_NOBODY = (*ENDED, "asked")  # nothing more happens without the author
STILL = (*WAITS_FOR_NOBODY, "held")  # nothing more happens without whoever sees this
DECIDING = ("deciding", "held")  # it ran; some of its outputs may have left already
LONGEST_OUTAGE = 300.0
SIGN_OF_LIFE = 20.0  # seconds within which a site that tells events says something
SOMEBODY = "somebody who decides"  # for data of which you are no reviewer
GRACE = 15.0  # seconds that a poll may take beyond what it asked for


class Request(Record):
    """A question: code, parameter values, assets and purpose. Read it, wait for it, decide about it."""

    def __init__(self, http: Http, data: Json, key: str = "", trust: str = "") -> None:
        super().__init__(data)
        self._http = http
        self._key = key
        self._trust = trust

    # ---- what it is

    @property
    def state(self) -> str:
        """Where it stands, as of the last look; see refresh."""
        return self._text("state")

    @property
    def digest(self) -> str:
        """The request digest."""
        return self._text("digest")

    @property
    def code_digest(self) -> str:
        """The code digest: the same for the same code at every site."""
        return self._text("code_digest")

    @property
    def purpose(self) -> str:
        """What it is for, in the author's words."""
        return self._text("purpose")

    @property
    def author(self) -> str:
        """Who asks."""
        return self._text("author_name") or self._text("author")

    @property
    def source(self) -> str:
        """The submitted code, every file, with invisible characters made visible."""
        code = self._data.get("code") or {}
        if code.get("files") is None:  # a list leaves the code out
            code = self.refresh()._data.get("code") or {}
        parts = [f"# ---- {visible(f.get('path'))}\n{visible_lines(f.get('text'))}" for f in code.get("files") or []]
        return Prose("\n".join(parts))

    @property
    def declared(self) -> Listing[Output]:
        """The outputs that the code declares."""
        code = self._data.get("code") or {}
        if code.get("outputs") is None:  # a list leaves the code out
            code = self.refresh()._data.get("code") or {}
        found = [Output.of(o) for o in code.get("outputs") or [] if isinstance(o, dict)]
        return Listing(found, ("output", "kind", "sensitivity"), lambda o: [o.name, o.kind, o.sensitivity])

    @property
    def expect(self) -> Resources | None:
        """What its author expects its runs to use at most; None: as much as the site allows."""
        found = self._data.get("expect")
        return Resources.of(found) if isinstance(found, dict) else None

    @property
    def decisions(self) -> Listing[Decision]:
        """What was decided, and by whom."""
        return decisions(self._items("decisions"))

    @property
    def messages(self) -> Listing[Json]:
        """Questions to the author, and answers."""
        head = ("from", "asks or answers", "text", "at")
        return Listing(self._items("messages"), head, message_row)

    @property
    def runs(self) -> Listing[Run]:
        """Its runs, oldest first."""
        found = [Run(self._http, r) for r in self._items("runs")]
        return Listing(found, ("run", "state"), lambda r: [r.id, r.state])

    @property
    def ahead(self) -> int | None:
        """At most how many runs come before its own while that waits, roughly; None where that is not known."""
        runs = self.runs
        return runs[-1].ahead if runs else None

    @property
    def trial(self) -> Trial | None:
        """What the site's own run on the mocks gave; None where there was none, see trial_note."""
        found = self._data.get("trial")
        return Trial(self._http, found) if isinstance(found, dict) else None

    @property
    def trial_note(self) -> str:
        """Why the site did not try the code on the mocks; empty where it did."""
        return self._text("trial_note")

    @property
    def lint(self) -> Listing[Json]:
        """Lines of the code that a reviewer should look at, and why; advice, found without running it."""
        found = self._data.get("lint")
        items = [f for f in (found.get("findings") or []) if isinstance(f, dict)] if isinstance(found, dict) else []
        head = ("line", "category", "what", "why it matters")
        return Listing(items, head, lint_row)

    def refresh(self) -> Request:
        """Look again."""
        self._data = self._http.get(self._path())
        return self

    def diff(self) -> str:
        """What changed since the author's last approved version of it, or if there is none the newest earlier one."""
        return Prose(str(self._http.get(self._path("/diff")).get("text") or ""))

    # ---- waiting and results

    def wait(self, timeout: float | None = None, progress: bool | Report | None = None) -> Request:
        """Wait until the request has ended, or the owner asks something; Timeout when that takes longer.

        Who decides on outputs waits until one is held for them, too.

        Progress is shown on a terminal and in a notebook; pass False for none, or a
        function that takes the state and the seconds waited.
        """
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        with Progress(progress) as line:
            line.show(self.state)
            while self.state not in STILL:
                if not self._follow(deadline, line):
                    self._poll(deadline, line.every)
                line.show(self.state)
                if self.state not in STILL and time.monotonic() >= deadline:
                    message = f"the request has not ended after {timeout:g} s: {state_words(self.state)}"
                    raise Timeout(message, f"it goes on: wait again, or later get it with site.requests[{self.id!r}]")
        return self

    def _follow(self, deadline: float, line: Progress) -> bool:
        """Listen until nothing more happens by itself; False where the site tells of no change: ask it then."""
        if deadline - time.monotonic() < SIGN_OF_LIFE:
            return False
        state = self.state
        for event in self._http.events(self._path("/events"), timeout=SIGN_OF_LIFE):
            if event is not None:
                state = str(event.get("state") or state)
            if state in STILL:
                break
            line.show(state)
            if deadline - time.monotonic() < SIGN_OF_LIFE:
                break
        if state == self.state:
            return False
        self.refresh()
        return True

    def _poll(self, deadline: float, longest: int) -> None:
        """Look until the state has changed, or for so many seconds; outages are sat out for a while."""
        give_up = min(deadline, time.monotonic() + LONGEST_OUTAGE)
        while True:
            left = max(0.0, deadline - time.monotonic())
            seconds = int(min(longest, left))
            query = {"wait": seconds, "state": self.state} if seconds else None
            try:
                self._data = self._http.get(self._path(), query, timeout=seconds + GRACE)
            except Unavailable:
                if time.monotonic() >= give_up:
                    raise
                time.sleep(1)
                continue
            if not seconds and self.state not in STILL:
                time.sleep(min(left, 0.5))  # too little is left for the site to wait
            return

    def result(self) -> Any:
        """The answer, of the type that the function returned; several outputs come as a dict by name."""
        self._raise_unless_released()
        outputs = self.outputs
        if len(outputs) == 1 and len(self.declared) <= 1:
            return outputs[0].value()
        return {o.name: o.value() for o in outputs}

    @property
    def outputs(self) -> Listing[RunOutput]:
        """The released outputs of the newest run, also while others of it wait; raises what stands in their way."""
        if self.state not in WAITS_FOR_NOBODY:
            self.refresh()
        found = self._left() if self.state in (*DECIDING, "released") else []
        if not found:
            self._raise_unless_released()
            raise NotReady("the request has no released output that you may see", "look at its .state and .runs")
        outputs = [RunOutput(self._http, o, str(o["release"].get("id"))) for o in found]
        return Listing(outputs, ("output", "kind", "bytes"), lambda o: [o.name, o.kind, o.size])

    def _left(self) -> list[Json]:
        """What has left of the newest run that matters: while one is being decided, of that one."""
        runs = self._items("runs")
        for run in reversed(runs[-1:] if self.state in DECIDING else runs):
            found = [o for o in run.get("outputs") or [] if (o.get("release") or {}).get("state") == "approved"]
            if found:
                return found
        return []

    def receipt(self, output: str | None = None) -> Receipt:
        """The receipt of the answer, or of the output of this name where there are several.

        Verify it with .verify(): against the key pinned when you connected.
        """
        found = next((o for o in self.outputs if output in (None, o.name)), None)
        if found is None:
            names = ", ".join(visible(o.name) for o in self.outputs)
            raise Invalid(f"there is no released output {visible(output)}", f"name one of: {names}")
        release = str((found.raw.get("release") or {}).get("id"))
        data = self._http.file(f"/v1/releases/{quote(release)}/receipt")
        expect = {"id": self.id, "digest": self.digest, "code_digest": self.code_digest, "output": found.sha256}
        return Receipt(data, self._key, self._trust, {k: v for k, v in expect.items() if v})

    def _raise_unless_released(self) -> None:
        if self.state not in WAITS_FOR_NOBODY:
            self.refresh()
        if self.state != "released":
            raise self._obstacle()

    def _obstacle(self) -> Error:
        """What stands between the author and a result, as an error."""
        if self.state == "denied":
            return self._denied()
        if self.state == "failed":
            return Failed(
                "the run failed; what it saw stays at the site, so there are no details",
                "try the function on the mock with odd values (missing, no rows), or ask the owner; then submit again",
            )
        if self.state == "refused":
            return Refused(
                "the output was not released", "ask the owner why; smaller groups and single rows are the usual reason"
            )
        if self.state in ENDED:
            return Ended(f"the request is {self.state}", "submit it again if you still want the answer")
        if self.state == "asked":
            return NotReady(f"the owner asks: {self._question()}", 'answer with .answer("..."), then wait again')
        left = ", ".join(visible(o.get("name")) for o in self._left()) if self.state in DECIDING else ""
        remedy = f"call .wait(); what has left already is in .outputs: {left}" if left else "call .wait()"
        return NotReady(f"there is no result yet: {state_words(self.state)}", remedy)

    def _denied(self) -> Denied:
        """The newest denial, as an error that says what would be accepted."""
        denials = [d for d in self.decisions if d.verdict == "deny"]
        if not denials:
            return Denied("the owner denied the request", "change the code or the purpose, and submit again")
        last = denials[-1]
        why = f": {visible(last.reason, 2000)}" if last.reason else ""
        remedy = "change the code or the purpose accordingly, and submit again"
        if last.would_accept:
            remedy = f"this would be accepted: {visible(last.would_accept, 2000)}"
        return Denied(
            f"{visible(who(last.decider) or 'the owner')} denied the request{why}",
            remedy,
            category=last.category,
            reason=last.reason,
            would_accept=last.would_accept,
        )

    def _question(self) -> str:
        asked = [m for m in self._items("messages") if m.get("question")]
        return visible(asked[-1].get("text"), 2000) if asked else "a question that you may not see"

    # ---- what its author does

    def answer(self, text: str) -> Request:
        """Answer the owner's question."""
        return self._post("/answers", {"text": text})

    def withdraw(self) -> Request:
        """Take the request back."""
        return self._post("/withdraw")

    def explain(self) -> Prose:
        """Where the request stands, what happened, and what happens next, in words."""
        lines = [f"{self.id} is {state_line(self.state)}.", f"Purpose: {self.purpose}"]
        refs = (self._data.get("assets") or {}).items()
        lines += [f"Data: {p} is {r.get('dataset')}/{r.get('asset')} ({r.get('version')})" for p, r in refs]
        lines.append(f"Code: {self.code_digest}, the same at every site that is asked this.")
        for d in self.decisions:
            verb = "approved" if d.verdict == "approve" else "denied"
            more = f": {d.reason}" if d.reason else ""
            more += f" (would be accepted: {d.would_accept})" if d.would_accept else ""
            lines.append(
                f"{who(d.decider)} {verb} it for {d.raw.get('dataset')} on {short_time(d.raw.get('created'))}{more}"
            )
        for m in self.messages:
            name = who(m.get("name")) or SOMEBODY
            lines.append(f"{name} {'asks' if m.get('question') else 'answers'}: {m.get('text')}")
        lines.append(NEXT.get(self.state, "See .state again in a while."))
        return Prose("\n".join(visible(line, 5000) for line in lines))

    # ---- what owners and reviewers do

    def approve(
        self,
        *,
        auto_release: bool = False,
        uses: int | None = None,
        expires: str | timedelta | datetime | None = None,
        params: Mapping[str, Bound] | None = None,
        any_later_version: bool = False,
        any_purpose: bool = False,
        for_: str | Iterable[str] = (),
        failure_limit: int | None = None,
        reason: str = "",
        dataset: str | None = None,
    ) -> Request:
        """Let the code run on the private data: as often as ``uses`` says, until ``expires`` ("30d").

        With ``auto_release`` an output that passes every check leaves without a
        further decision; else each one is held for you. Of ``uses`` runs each is
        for exactly what was asked, unless you say more: ``params`` gives other
        values, as ``{"age": (18, 120), "sex": {"F", "M"}, "k": "any"}``;
        ``any_later_version`` covers later versions of the data, ``any_purpose``
        other purposes, and ``for_`` names who else may run it by e-mail address, or
        is "everybody". Failed runs count; ``failure_limit`` of them suspend the
        grant (see ``owner.grants``).
        """
        for name, value in (("uses", uses), ("failure_limit", failure_limit)):
            if value is not None and (isinstance(value, bool) or value < 1):
                raise Invalid(f"{name} is less than one", "say how many runs the approval covers")
        body: Json = {"verdict": "approve", "reason": reason, "uses": uses, "auto_release": auto_release or None}
        body |= {"expires": expiry(expires) if expires is not None else None, "dataset": dataset}
        body |= {"params": bounds(params or {}), "any_later_version": any_later_version or None}
        body |= {"any_purpose": any_purpose or None, "for": people(for_), "failure_limit": failure_limit}
        return self._post("/decisions", {k: v for k, v in body.items() if v not in (None, "", {}, [])})

    def deny(self, reason: str, *, category: str = "", would_accept: str = "", dataset: str | None = None) -> Request:
        """Refuse the request, and say why, and what you would accept instead.

        The category is one of purpose, disclosure-risk, code-quality, wrong-data,
        policy and other.
        """
        if not reason.strip():
            raise Invalid("a denial has no reason", "say what the author should change")
        body = {"verdict": "deny", "reason": reason, "category": category, "would_accept": would_accept}
        body |= {"dataset": dataset or ""}
        return self._post("/decisions", {k: v for k, v in body.items() if v})

    def reading(self) -> Listing[Json]:
        """How far the request has been read, text by text: what you have not marked as seen, and who has read all."""
        return reading_table(self._http.get(self._path("/reading")))

    def seen(self, path: str, first: int | None = None, last: int | None = None) -> Listing[Json]:
        """Mark lines of one of its texts as read by you; without numbers all of them.

        A dataset whose review is every-line is approved only by who has marked every
        line of the code, and of "(what is asked)".
        """
        parts = {str(p.get("path")): p for p in self._http.get(self._path("/reading")).get("parts") or []}
        if path not in parts:
            raise Invalid(f"the request has no text {path}", f"name one of: {', '.join(map(visible, parts))}")
        part = parts[path]
        first = 1 if first is None else first
        mark = {"path": path, "digest": part["digest"], "first": first, "last": part["lines"] if last is None else last}
        return reading_table(self._http.post(self._path("/seen"), {"marks": [mark]}))

    def prioritize(self, priority: str) -> Request:
        """Have its runs, those to come included, claimed before or after those of others: low, normal or high."""
        Run(self._http, {"id": self.id}).prioritize(priority)
        return self.refresh()

    def deposit(self, folder: str | os.PathLike[str]) -> Run:
        """Hand in what was made elsewhere for it, once it is approved; for owners, on the site's own machine.

        The folder has one file for each declared output, named by it (``result.csv``). It is
        parsed, checked and held as what is run here, and the receipt says that it was not.
        """
        path = os.path.abspath(folder)
        return Run(self._http, self._http.post(self._path("/deposits"), {"dir": path}))

    def ask(self, text: str) -> Request:
        """Ask the author something before you decide."""
        return self._post("/questions", {"text": text})

    # ---- how it shows

    def _path(self, more: str = "") -> str:
        return f"/v1/requests/{quote(self.id)}{more}"

    def _post(self, more: str, body: Json | None = None) -> Request:
        self._data = self._http.post(self._path(more), body)
        return self

    def _facts(self) -> list[tuple[str, object]]:
        refs = (self._data.get("assets") or {}).items()
        values = (self._data.get("parameters") or {}).items()
        code = self._data.get("code") or {}
        return [
            ("state", state_line(self.state)),
            ("author", who(self.author)),
            ("purpose", self.purpose),
            ("study", self._text("study")),
            *[(p, f"{r.get('dataset')}/{r.get('asset')}") for p, r in refs],
            *[(p, repr(v)) for p, v in values],
            ("code", self.code_digest),
            ("entry", code.get("entry")),
            *[("output", output_words(o)) for o in code.get("outputs") or [] if isinstance(o, dict)],
            ("expected", f"at most {self.expect.words()}" if self.expect else ""),
            ("created", short_time(self._data.get("created"))),
            ("question", self._question() if self.state == "asked" else ""),
            *[("waits for", waits_words(w)) for w in self._items("waits_for")],
        ]

    def __repr__(self) -> str:
        return facts_text(self._title(), self._facts())

    def _repr_html_(self) -> str:
        code = f"<details><summary>code</summary>{pre_html(self.source)}</details>"
        return facts_html(self._title(), self._facts()) + code


NEXT = {
    "pending": "Next: a reviewer or owner of the data reads the code and decides. Nothing for you to do but .wait().",
    "asked": 'Next: answer with .answer("..."); then the owner decides.',
    "approved": "Next: it runs by itself. Call .wait().",
    "queued": "Next: it runs by itself. Call .wait().",
    "running": "Next: its output is checked, then released or not. Call .wait().",
    "deciding": "Next: the checks or the owner decide whether the output leaves. Call .wait().",
    "held": "Next: an owner decides about the output: owner.releases.held().",
    "released": "Next: .result() has the answer, .receipt().verify() the proof of what was done.",
    "denied": "Next: change the code or the purpose as the reason says, and submit again.",
    "failed": "Next: no details leave the site. Try odd values on the mock, or ask the owner; then submit again.",
    "refused": "Next: the output stays at the site. Ask the owner, or ask for less detail.",
    "expired": "Next: submit again for a new decision.",
    "withdrawn": "Next: submit again if you still want the answer.",
    "cancelled": "Next: submit again if you still want the answer.",
}


def output_words(o: Json) -> str:
    """One declared output, and what it tells of people."""
    declared = Output.of(o)
    return f"{declared.name}: {declared.kind}, {declared.sensitivity}"


def reading_table(found: Json) -> Listing[Json]:
    """The texts of a request, with what is unread."""
    head = ("text", "lines", "unread by you", "read by")
    return Listing([p for p in found.get("parts") or [] if isinstance(p, dict)], head, reading_row)


def reading_row(p: Json) -> list[object]:
    unread = ", ".join(f"{s.get('first')}-{s.get('last')}" for s in p.get("unread") or [])
    return [p.get("path"), p.get("lines"), unread, ", ".join(map(str, p.get("readers") or []))]


def lint_row(f: Json) -> list[object]:
    return [f"{f.get('file')}:{f.get('line')}", f.get("category"), f.get("what"), f.get("why")]


def message_row(m: Json) -> list[object]:
    return [
        m.get("name") or SOMEBODY,
        "asks" if m.get("question") else "answers",
        m.get("text"),
        short_time(m.get("created")),
    ]


class Requests(Collection[Request]):
    """Requests that you may see: your own, and those that you may decide about."""

    _path = "/v1/requests"

    def __init__(self, http: Http, key: str, trust: str) -> None:
        super().__init__(http)
        self._key = key
        self._trust = trust

    def _one(self, data: Json) -> Request:
        return Request(self._http, data, self._key, self._trust)

    def all(self, state: str = "") -> Listing[Request]:
        """All requests, or those in one state; newest first."""
        requests = [self._one(r) for r in self._http.pages(self._path, {"state": state})]
        return Listing(
            requests, ("request", "state", "author", "purpose"), lambda r: [r.id, r.state, r.author, r.purpose]
        )

    def pending(self) -> Listing[Request]:
        """Requests that wait for a decision, newest first."""
        return self.all("pending")
