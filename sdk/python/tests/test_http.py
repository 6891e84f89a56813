"""The HTTP door: retries that never act twice, errors that say what to do, tokens that show nowhere."""

from __future__ import annotations

import logging
import pickle
import socket
import traceback
from pathlib import Path
from typing import Any

import pytest
from fake_site import FakeSite

import anchorhold as ah
from anchorhold._errors import BY_KIND
from anchorhold._http import Http, check_url, problem, quote

TOKEN = "researcher-token"


def add(site: ah.Site) -> Any:
    return site.users.add("new@example.org", "researcher")


@pytest.mark.parametrize("trouble", [503, 502, 504, 429, "drop", "drop after"])
def test_a_write_is_retried_with_the_same_key_and_happens_once(
    site: FakeSite, olga: ah.Site, pauses: list[float], trouble: Any
) -> None:
    site.trouble = [trouble, trouble]
    assert add(olga).token == "fresh-secret-token"
    keys = [c["headers"]["idempotency-key"] for c in site.calls("POST", "/v1/users")]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert len(pauses) == 2


def test_two_writes_have_two_keys(site: FakeSite, olga: ah.Site) -> None:
    add(olga)
    add(olga)
    keys = {c["headers"]["idempotency-key"] for c in site.calls("POST", "/v1/users")}
    assert len(keys) == 2
    assert all(len(k) >= 32 for k in keys)


def test_a_read_carries_no_key(site: FakeSite, ada: ah.Site) -> None:
    assert list(ada.datasets)
    assert all("idempotency-key" not in c["headers"] for c in site.seen if c["method"] == "GET")


def test_giving_up_says_so(site: FakeSite, ada: ah.Site, pauses: list[float]) -> None:
    site.trouble = [503] * 5
    with pytest.raises(ah.Unavailable, match="busy") as refused:
        list(ada.datasets)
    assert refused.value.status == 503
    assert len(pauses) == 4
    assert pauses == sorted(pauses)


def test_the_site_says_how_long_to_wait(site: FakeSite, ada: ah.Site, pauses: list[float]) -> None:
    site.trouble = [(429, {"Retry-After": "7"}), (503, {"Retry-After": "999999"}), (503, {"Retry-After": "soon"})]
    assert list(ada.datasets)
    assert pauses[:2] == [7.0, 30.0]
    assert 0 < pauses[2] <= 30


@pytest.mark.parametrize("status", [500, 501])
def test_other_failures_are_not_retried(site: FakeSite, ada: ah.Site, status: int) -> None:
    site.trouble = [(status, {}, {"kind": "internal", "detail": "our fault"})]
    with pytest.raises(ah.Internal, match="our fault"):
        list(ada.datasets)
    assert len(site.calls("GET", "/v1/datasets")) == 1


def test_a_site_that_does_not_answer_is_given_up(site: FakeSite, pauses: list[float]) -> None:
    site.trouble = ["hang"] * 2
    with pytest.raises(ah.Unavailable, match="did not answer in time"):
        Http(site.url, TOKEN, timeout=0.05, attempts=2).get("/v1/site")


def test_nobody_there(pauses: list[float]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, but nobody listens
        with pytest.raises(ah.Unavailable, match="cannot be reached") as refused:
            ah.connect(f"http://127.0.0.1:{nobody.getsockname()[1]}", TOKEN)
    assert "running" in refused.value.remedy


@pytest.mark.parametrize(
    ("status", "kind", "wanted"),
    [
        (409, "conflict", ah.Conflict),
        (403, "denied", ah.Denied),
        (413, "too-large", ah.TooLarge),
        (422, "invalid", ah.Invalid),
    ],
)
def test_problems_become_errors(site: FakeSite, ada: ah.Site, status: int, kind: str, wanted: type[ah.Error]) -> None:
    body = {"type": "about:blank", "title": "t", "status": status, "detail": "what was wrong", "kind": kind}
    site.trouble = [(status, {}, {**body, "remedy": "what to do"})]
    with pytest.raises(wanted) as refused:
        list(ada.datasets)
    error = refused.value
    assert (error.kind, error.remedy, error.status) == (kind, "what to do", status)
    assert str(error) == "what was wrong; what to do"


def test_every_kind_of_the_site_has_a_class() -> None:
    kinds = "invalid unauthenticated denied not-found conflict too-large unavailable internal".split()
    assert sorted(BY_KIND) == sorted(kinds)
    assert all(issubclass(c, ah.Error) and c.kind == k for k, c in BY_KIND.items())


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>proxy</html>", b"[]", b'{"detail": 5}', b"\xff\xfe", b'"x"', b"[" * 100_000, b'{"kind": {"a": 1}}'],
)
def test_whatever_comes_instead_of_a_problem_is_an_error(content: bytes) -> None:
    error = problem(404, content)
    assert isinstance(error, ah.NotFound)
    assert error.message
    assert error.remedy


def test_plain_http_to_a_door_that_speaks_tls_is_named(ada: ah.Site) -> None:
    said = b"Client sent an HTTP request to an HTTPS server.\n"
    error = ada._http._refusal(400, said)
    assert isinstance(error, ah.Invalid)
    assert "speaks TLS" in error.message
    assert "connection string" in error.remedy


def test_a_kind_that_is_new_keeps_its_name() -> None:
    error = problem(418, b'{"kind": "teapot", "detail": "short and stout"}')
    assert type(error) is ah.Error
    assert error.kind == "teapot"


@pytest.mark.parametrize("data", [b"not json", b"[1]", b'"x"', b"\xff"])
def test_an_answer_that_is_no_object_is_an_error(site: FakeSite, ada: ah.Site, data: bytes) -> None:
    site.trouble = [(200, {}, data)]
    with pytest.raises(ah.Internal):
        ada.datasets["heart"]


def test_an_answer_that_is_too_large_is_refused(site: FakeSite, ada: ah.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anchorhold._http.MAX_JSON", 1000)
    site.trouble = [(200, {}, b'{"name": "' + b"x" * 5000 + b'"}')]
    with pytest.raises(ah.TooLarge):
        ada.datasets["heart"]
    site.trouble = [(404, {}, b"x" * 100_000)]
    with pytest.raises(ah.NotFound):
        ada.datasets["heart"]
    assert ada.datasets["heart"].name == "heart"  # the connection is still good


def test_redirects_are_not_followed(site: FakeSite, ada: ah.Site) -> None:
    site.trouble = [(307, {"Location": "http://127.0.0.1:9/steal"})]
    with pytest.raises(ah.Error, match="redirect"):
        ada.datasets["heart"]


def test_lists_are_read_to_their_end(site: FakeSite, olga: ah.Site) -> None:
    assert len(olga.ledger()) == 120
    assert len(site.calls("GET", "/v1/ledger")) == 2


def test_a_list_without_end_is_noticed(site: FakeSite, olga: ah.Site) -> None:
    site.trouble = [(200, {}, {"items": [{}], "next": "x"})] * 3
    with pytest.raises(ah.Internal, match="does not end"):
        olga.ledger()


@pytest.mark.parametrize(
    "url",
    [
        "http://hospital.example",
        "http://10.0.0.1:7440",
        "http://127.0.0.1.example.org",
        "http://[::2]/",
        "http://0.0.0.0",
        "ftp://127.0.0.1",
        "127.0.0.1:7440",
        "",
        "https://",
        "https://user:secret@hospital.example",
        "https://hospital.example?token=secret",
        "https://hospital.example#secret",
        "http://127.0.0.1:99999999",
        "javascript:alert(1)",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ah.Invalid) as refused:
        check_url(url)
    assert refused.value.remedy
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://127.0.0.1:7440/", "http://127.0.0.1:7440"),
        ("http://localhost:7440", "http://localhost:7440"),
        ("http://127.1.2.3", "http://127.1.2.3"),
        ("http://[::1]:7440", "http://[::1]:7440"),
        (" https://hospital.example/sites/heart/ ", "https://hospital.example/sites/heart"),
    ],
)
def test_addresses_that_are_taken(url: str, wanted: str) -> None:
    assert check_url(url) == wanted


@pytest.mark.parametrize("token", ["", " ", "a b", "a\r\nX-Evil: 1", "caf\u00e9", "a\x00b", "a\tb"])
def test_a_token_that_does_not_fit_is_refused_unseen(token: str) -> None:
    with pytest.raises(ah.Invalid) as refused:
        Http("http://127.0.0.1:1", token)
    if token.strip():
        assert token not in str(refused.value)


@pytest.mark.parametrize("name", ["..", ".", "../requests", "a/b", "a?b", "a#b", "a%2Fb", "\u00fc", "a b"])
def test_a_name_stays_one_segment_of_the_path(site: FakeSite, ada: ah.Site, name: str) -> None:
    with pytest.raises(ah.NotFound):
        ada.datasets[name]
    path = site.seen[-1]["path"]
    assert path.count("/") == 3
    assert path == "/v1/datasets/" + quote(name)


def test_the_token_shows_nowhere(
    site: FakeSite, pauses: list[float], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    connection = ah.connect(site.url, TOKEN)
    heart = connection.datasets["heart"]
    new = ah.connect(site.url, "owner-token").users.add("new@example.org", "researcher")
    things = [connection, connection._http, heart, heart.mock, connection.requests, connection.me, new]
    shown = [f(t) for t in things for f in (repr, str)]
    shown += [t._repr_html_() for t in things if hasattr(t, "_repr_html_")]
    for trouble in ([503] * 5, ["drop"] * 5, [(404, {}, {})], [(401, {}, {"detail": "no"})]):
        site.trouble = list(trouble)
        try:
            connection.datasets["heart"]
        except ah.Error as e:
            shown += [str(e), repr(e), "".join(traceback.format_exception(e)), repr(e.__dict__)]
    shown += [caplog.text, *capsys.readouterr()]
    for token in (TOKEN, "owner-token", "fresh-secret-token"):
        assert not [s for s in shown if token in s]


def test_a_connection_cannot_be_pickled_with_its_token(ada: ah.Site) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(ada)


def test_errors_can_be_pickled() -> None:
    for error in (ah.Denied("m", "r", status=403), ah.InvalidReceipt("format", "m"), ah.Timeout("m", "r")):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__


def test_a_certificate_file_that_is_none(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for file in ("nowhere.pem", empty):
        with pytest.raises(ah.Invalid, match="certificate"):
            ah.connect("https://127.0.0.1:9", TOKEN, ca=file)
