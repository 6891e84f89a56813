"""What other people write is shown as text: no markup, no script, nothing invisible, nothing for a terminal to obey."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from fake_site import FakeSite

import anchorhold as ah
from anchorhold._decision import decisions
from anchorhold._text import Prose, amount, visible, visible_lines, who

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&`"
    "\x1b]0;title\x07\x1b[2J\x00\r\b\x7f\x9b31m"
    "\u202etxt.exe\u2066\u2069\u200b\u200f\ufeff\u2028\u00ad\U000e0041\ud800"
)
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\u00ad\ud800-\udfff\U000e0000-\U000e007f]"
)
ALLOWED = {"table", "thead", "tbody", "tr", "th", "td", "div", "strong", "em", "pre", "details", "summary"}


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, attrs))


def check(thing: Any) -> str:
    shown = repr(thing)
    assert not FORBIDDEN.search(shown), ascii(shown)
    if hasattr(thing, "_repr_html_"):
        markup = thing._repr_html_()
        assert not FORBIDDEN.search(markup), ascii(markup)
        tags = Tags()
        tags.feed(markup)
        assert {t for t, _ in tags.found} <= ALLOWED, tags.found
        assert not [a for _, a in tags.found if a], tags.found
        shown += markup
    return shown


def spoil(value: Any) -> Any:
    """Every text of a JSON value made hostile, where it is not needed to find the way."""
    keep = ("id", "kind", "sha256", "format", "key", "origin", "state", "verdict", "python", "lock", "version", "next")
    if isinstance(value, dict):
        return {k: v if k in keep and isinstance(v, str) else spoil(v) for k, v in value.items()}
    if isinstance(value, list):
        return [spoil(v) for v in value]
    return HOSTILE if isinstance(value, str) else value


@pytest.fixture
def spoilt(site: FakeSite) -> FakeSite:
    site.datasets = {HOSTILE: spoil(site.datasets["heart"])}
    original = site.answer

    def answer(call: dict[str, Any]) -> tuple[int, Any]:
        status, body = original(call)
        return status, spoil(body)

    site.answer = answer
    return site


REQUEST = {
    "id": "req-1", "digest": "sha256:0", "code_digest": "d",
    "code": {"files": [{"path": "a", "text": "b"}], "entry": "e"}, "author_name": "a",
    "assets": {"p": {"dataset": "d", "asset": "a", "version": "v"}}, "parameters": {"k": "v"},
    "purpose": "p", "study": "s", "created": "x", "state": "asked",
    "decisions": [{"verdict": "deny", "decider_name": "d", "reason": "r", "dataset": "d", "created": "c"}],
    "messages": [{"name": "n", "question": True, "text": "t"}, {"name": "n", "question": False, "text": "t"}],
    "runs": [{"id": "r", "state": "done", "reason": "r", "boundary": "b", "outputs": [
        {"name": "n", "kind": "k", "python": "p", "sha256": "0",
         "checks": [{"name": "n", "result": "r", "detail": "d"}],
         "release": {"id": "rel-1", "state": "approved", "decider_name": "d", "reason": "r"}}]}],
}  # fmt: skip


def test_everything_of_a_site_is_shown_as_text(spoilt: FakeSite) -> None:
    request = spoil(REQUEST)
    spoilt.requests = {"req-1": request, "req-2": {**request, "state": HOSTILE}}
    site = ah.connect(spoilt.url, "owner-token")
    dataset = next(iter(site.datasets))
    things = [
        site,
        site.me,
        site.datasets,
        dataset,
        dataset.only,
        dataset.only.columns,
        dataset.mock,
        site.environments,
    ]
    things += [
        site.users,
        site.users.all()[0],
        site.users.add("a", "b"),
        site.ledger(),
        site.audit(),
        site.releases,
        site.runs,
    ]
    for r in (*site.requests, site.requests["req-1"]):
        things += [r, r.decisions, r.decisions[0], r.messages, r.runs, r.runs[0], r.explain(), r.source, r.diff()]
    release = site.releases.all()[0]
    things += [site.requests, release, release.output, release.output.checks, site.requests.pending()]
    shown = "".join(map(check, things))
    assert "<U+202E>" in shown
    assert "&lt;script&gt;" in shown


def test_errors_are_shown_as_text(site: FakeSite) -> None:
    connection = ah.connect(site.url, "owner-token")
    site.trouble = [(409, {}, {"detail": HOSTILE, "remedy": HOSTILE, "kind": HOSTILE, "title": HOSTILE})]
    with pytest.raises(ah.Conflict) as conflict:
        connection.datasets["x"]
    with pytest.raises(ah.NotFound) as missing:
        connection.datasets[HOSTILE.replace("\ud800", "")]["nothing"]
    with pytest.raises(ah.Error) as name:
        connection.datasets["<b>\x1b[2J\u202e"]
    for error in (conflict, missing, name):
        assert not FORBIDDEN.search(str(error.value)), ascii(str(error.value))
        assert not FORBIDDEN.search(error.value.kind)


@pytest.mark.parametrize("state", ["pending", "denied", "failed", "released", "refused", "expired", HOSTILE])
def test_every_state_is_explained(site: FakeSite, state: str) -> None:
    site.requests["req-1"] = {**REQUEST, "state": state}
    request = ah.connect(site.url, "owner-token").requests["req-1"]
    check(request)
    assert len(request.explain()) > 100
    check(request.explain())


def test_captured_code_is_shown_as_text(ada: ah.Site, module: Any) -> None:
    code = module("def f(patients, k: str = '<b>\u202e'):\n    '''<script>\u200b\x1b[2J'''\n    return '\u202e'\n")
    captured = ada.capture(code.f, patients=ada.datasets["heart"], k=HOSTILE.replace("\ud800", "").replace("\x00", ""))
    check(captured)
    check(captured.source)
    assert "\u202e" in captured.code["files"][0]["text"]  # what is submitted is what was written


def test_visible_text() -> None:
    assert visible("plain, caf\u00e9, \u65e5\u672c, \U0001f600") == "plain, caf\u00e9, \u65e5\u672c, \U0001f600"
    assert visible("a\nb\tc") == "a<U+000A>b<U+0009>c"
    assert visible("x" * 600) == "x" * 500 + "\u2026"
    assert visible_lines("a\n\tb") == "a\n    b"
    assert repr(Prose("<a>\n\x1b")) == "<a>\n<U+001B>"
    assert Prose("<a>")._repr_html_() == "<pre>&lt;a&gt;</pre>"


def test_people_and_sizes_are_written_in_one_form() -> None:
    assert who("local:0, olga@example.org") == "somebody at the site's machine (local:0), olga@example.org"
    assert (who(None), who("ada@example.org")) == ("", "ada@example.org")
    sizes = {0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536 << 20: "1.5 GiB", 10 << 30: "10 GiB", 1 << 62: "4096 PiB"}
    assert {n: amount(n) for n in sizes} == sizes
    word = {"verdict": "approve", "decider_name": "local:0", "dataset": "heart", "created": "2026-11-21T09:31:00Z"}
    assert "somebody at the site's machine" in repr(decisions([word]))
