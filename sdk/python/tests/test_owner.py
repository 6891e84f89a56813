"""The owner's side: read, decide, release, and see what was learnt."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from fake_site import FakeSite

import anchorhold as ah
from anchorhold._listing import expiry, parse_time


@pytest.fixture
def request_id(ada: ah.Site, module: Any) -> str:
    code = module("def f(patients):\n    return len(patients)\n")
    return ada.submit(code.f, patients=ada.datasets["heart"], purpose="count", study="st-1").id


def test_an_owner_reads_and_approves(olga: ah.Site, site: FakeSite, request_id: str) -> None:
    (request,) = olga.requests.pending()
    assert request.id == request_id
    assert "return len(patients)" in request.source
    assert request.raw["study"] == "st-1"
    assert request.approve(uses=3, expires="30d", reason="fine").state == "held"
    word = site.calls("POST", f"/v1/requests/{request_id}/decisions")[0]["body"]
    when = parse_time(word.pop("expires"))
    assert word == {"verdict": "approve", "reason": "fine", "uses": 3}
    assert when is not None
    assert timedelta(days=29) < when - datetime.now(timezone.utc) <= timedelta(days=30)
    assert request.decisions[0].decider == "olga@example.org"
    assert not olga.requests.pending()


def test_an_owner_looks_at_an_output_and_lets_it_out(olga: ah.Site, ada: ah.Site, request_id: str) -> None:
    olga.requests[request_id].approve()
    assert ada.requests[request_id].state == "held"
    (held,) = olga.releases.held()
    assert held.request == request_id
    assert held.output.value() == 4
    assert held.output.read() == b"4"
    assert held.approve("small enough").state == "approved"
    assert ada.requests[request_id].result() == 4
    assert held.receipt().verify(key=olga.key).predicate["release"]["id"] == held.id
    assert not olga.releases.held()


def test_an_output_over_several_datasets_waits_for_all_who_decide(
    olga: ah.Site, site: FakeSite, request_id: str
) -> None:
    olga.requests[request_id].approve()
    (held,) = olga.releases.held()
    assert held.approve(dataset="genes").state == "held"
    (call,) = site.calls("POST", f"/v1/releases/{held.id}/decisions")
    assert call["body"] == {"verdict": "approve", "dataset": "genes"}
    assert held.decisions[0].dataset == "genes"
    assert held.decisions[0].decider == "olga@example.org"
    assert held.waits_for[0]["deciders"] == ["gina@example.org"]
    assert "1 of 2 approvals (gina@example.org)" in repr(held)
    assert held.approve().state == "approved"
    assert not held.waits_for


def test_an_owner_keeps_an_output_here(olga: ah.Site, ada: ah.Site, request_id: str) -> None:
    olga.requests[request_id].approve()
    assert olga.releases.held()[0].deny("too exact").reason == "too exact"
    with pytest.raises(ah.Refused):
        ada.requests[request_id].result()


def test_an_owner_denies_and_asks(olga: ah.Site, site: FakeSite, request_id: str) -> None:
    request = olga.requests[request_id]
    assert request.ask("why?").state == "asked"
    with pytest.raises(ah.Invalid, match="no reason"):
        request.deny(" ")
    assert request.deny("not now").state == "denied"
    with pytest.raises(ah.Conflict):
        request.approve()
    assert str(request.diff()).startswith("---")


def test_a_standing_grant_says_how_far_it_goes(olga: ah.Site, site: FakeSite, request_id: str) -> None:
    olga.requests[request_id].approve(
        uses=9,
        params={"age": (18, 120), "share": (None, 0.5), "sex": {"M", "F"}, "codes": [3, 1], "k": "any"},
        any_later_version=True,
        any_purpose=True,
        for_=["bob@example.org"],
        failure_limit=2,
    )
    (call,) = site.calls("POST", f"/v1/requests/{request_id}/decisions")
    assert call["body"] == {
        "verdict": "approve",
        "uses": 9,
        "params": {
            "age": {"min": 18, "max": 120},
            "share": {"max": 0.5},
            "sex": {"set": ["F", "M"]},
            "codes": {"set": [3, 1]},
            "k": {"any": True},
        },
        "any_later_version": True,
        "any_purpose": True,
        "for": ["bob@example.org"],
        "failure_limit": 2,
    }
    (grant,) = olga.grants
    assert (grant.state, grant.uses, grant.used, grant.yours, grant.expires) == ("suspended", 9, 1, False, None)
    assert "in words" in repr(grant)
    assert grant.resume().state == "active"
    assert [g.id for g in olga.grants.active("heart")] == [grant.id]
    assert olga.grants[grant.id].revoke("over").state == "revoked"
    assert grant.refresh().state == "revoked"
    assert site.calls("POST", f"/v1/grants/{grant.id}/revoke")[0]["body"] == {"reason": "over"}


@pytest.mark.parametrize(
    "bound", [(), (None, None), (1, 2, 3), (True, 5), ("a", "b"), (0, float("inf")), set(), [], "all", 5, None]
)
def test_bounds_that_say_nothing_are_refused(olga: ah.Site, site: FakeSite, request_id: str, bound: Any) -> None:
    with pytest.raises(ah.Invalid, match="bound of k"):
        olga.requests[request_id].approve(params={"k": bound})
    assert not site.calls("POST", f"/v1/requests/{request_id}/decisions")


def test_a_reviewer_marks_what_they_have_read(olga: ah.Site, site: FakeSite, request_id: str) -> None:
    request = olga.requests[request_id]
    assert "main.py" in repr(request.reading())
    assert "1-2" in repr(request.reading())
    assert "1-2" not in repr(request.seen("main.py"))
    (call,) = site.calls("POST", f"/v1/requests/{request_id}/seen")
    assert call["body"] == {"marks": [{"path": "main.py", "digest": "sha256:x", "first": 1, "last": 2}]}
    request.seen("main.py", 2, 2)
    with pytest.raises(ah.Invalid, match=r"main\.py"):
        request.seen("other.py")


def test_a_request_says_what_it_waits_for(ada: ah.Site, site: FakeSite, request_id: str) -> None:
    site.requests[request_id]["waits_for"] = [{"dataset": "heart", "approvals": 1, "quorum": 2}]
    assert "heart: 1 of 2 approvals" in repr(ada.requests[request_id])


def test_a_denial_says_what_would_be_accepted(olga: ah.Site, ada: ah.Site, request_id: str) -> None:
    olga.requests[request_id].deny("single rows", category="disclosure-risk", would_accept="groups of ten")
    with pytest.raises(ah.Denied) as caught:
        ada.requests[request_id].result()
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.category, error.reason, error.would_accept) == ("disclosure-risk", "single rows", "groups of ten")
    assert "groups of ten" in str(error)
    assert "groups of ten" in str(ada.requests[request_id].explain())


def test_nobody_decides_on_their_own_request(ada: ah.Site, request_id: str) -> None:
    with pytest.raises(ah.Denied, match="own request"):
        ada.requests[request_id].approve()


@pytest.mark.parametrize("uses", [0, -1, True])
def test_uses_are_counted_from_one(olga: ah.Site, request_id: str, uses: int) -> None:
    with pytest.raises(ah.Invalid, match="uses"):
        olga.requests[request_id].approve(uses=uses)


def test_runs(olga: ah.Site, request_id: str) -> None:
    olga.requests[request_id].approve()
    (run,) = olga.runs
    assert run.state == "done"
    assert olga.runs["run-1"].log() == "printed\n"
    assert run.cancel().state == "cancelled"


def test_users_ledger_and_audit(olga: ah.Site) -> None:
    new = olga.users.add("new@example.org", "researcher", scope="dataset:heart")
    assert (new.email, new.role, new.token) == ("new@example.org", "researcher", "fresh-secret-token")
    assert {u.email for u in olga.users} == {"ada@example.org", "olga@example.org"}
    ledger = olga.ledger()
    assert len(ledger) == 120
    assert len(ledger[:5]) == 5
    assert list(ledger.to_pandas().columns)[:2] == ["class", "population"]
    assert olga.audit()[0]["event"]["action"] == "site.init"
    assert olga.me.roles == ["owner"]


def test_expiry() -> None:
    now = datetime.now(timezone.utc)
    for value, wanted in (
        ("12h", timedelta(hours=12)),
        ("2w", timedelta(weeks=2)),
        (timedelta(days=1), timedelta(days=1)),
    ):
        when = parse_time(expiry(value))
        assert when is not None
        assert abs(when - now - wanted) < timedelta(seconds=10)
    assert expiry("2999-01-31T12:00:00+02:00") == "2999-01-31T10:00:00Z"
    assert expiry(datetime(2999, 1, 31, tzinfo=timezone.utc)) == "2999-01-31T00:00:00Z"
    assert expiry("2999-01-31").startswith("2999-01-3")
    for wrong in ("", "soon", "30", "-3d", "3y", "2020-01-01T00:00:00Z", "9999999d", "999999w"):
        with pytest.raises(ah.Invalid):
            expiry(wrong)
    with pytest.raises(ah.Invalid, match="past"):
        expiry(timedelta(0))


def test_times_of_the_api() -> None:
    assert parse_time("2026-11-21T09:30:00.123456789Z") == datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=timezone.utc)
    assert parse_time("2026-11-21T09:30:00.5Z") == datetime(2026, 11, 21, 9, 30, 0, 500000, tzinfo=timezone.utc)
    assert parse_time("x") is None
    assert parse_time(5) is None


def test_an_owner_writes_the_card(olga: ah.Site, site: FakeSite) -> None:
    heart = olga.datasets["heart"]
    assert heart.state == "open"
    said = heart.update(
        title="Heart disease",
        tags=["cardiology"],
        duo=("GRU",),
        contacts=[{"name": "Olga", "email": "olga@example.org"}],
        asking={"wait": "3 days"},
        parts={"mock": ["ada@example.org"], "counts": "hidden", "columns": {"to": "public"}},
        columns={"age": "Age in years", "num": {"unit": "1"}},
    )
    (call,) = site.calls("PATCH", "/v1/datasets/heart")
    assert call["body"] == {
        "title": "Heart disease",
        "tags": ["cardiology"],
        "duo": ["GRU"],
        "contacts": [{"name": "Olga", "email": "olga@example.org"}],
        "asking": {"wait": "3 days"},
        "parts": {
            "mock": {"to": "named", "people": ["ada@example.org"]},
            "counts": {"to": "hidden"},
            "columns": {"to": "public"},
        },
        "columns": [
            {"asset": "patients", "name": "age", "description": "Age in years"},
            {"asset": "patients", "name": "num", "unit": "1"},
        ],
    }
    assert said is heart
    assert (heart.title, heart.tags, heart.duo, heart.asking["wait"]) == (
        "Heart disease",
        ["cardiology"],
        ["GRU"],
        "3 days",
    )
    assert heart.contacts[0]["name"] == "Olga"
    assert "wait: 3 days" in repr(heart)
    assert "data use: GRU" in repr(heart)
    olga.datasets["two"].update(tags=[], columns={"labs": {"age": "at the visit"}})
    assert site.calls("PATCH", "/v1/datasets/two")[0]["body"] == {
        "tags": [],
        "columns": [{"asset": "labs", "name": "age", "description": "at the visit"}],
    }


def test_a_dataset_says_what_holds_for_who_asks(olga: ah.Site, site: FakeSite) -> None:
    """The guide promises columns, units and terms of use to whoever looks at one in a terminal."""
    patients = site.datasets["heart"]["assets"][0]["version"]
    patients["columns"] = [{"name": "chol", "type": "float", "unit": "mg/dl", "description": "Serum cholesterol"}]
    site.datasets["heart"] |= {"license": "CC-BY-4.0", "samples": {"rows": 20, "mask": ["num", "age"]}}
    heart = olga.datasets["heart"]
    for shown in (repr(heart), heart._repr_html_()):
        for text in ("CC-BY-4.0", "at most 20 rows, without num, age", "mg/dl", "Serum cholesterol"):
            assert text in shown
    site.datasets["heart"]["samples"] = {"rows": 0}
    assert "samples" not in repr(olga.datasets["heart"])


def test_a_halted_dataset_says_so(olga: ah.Site, site: FakeSite) -> None:
    site.datasets["heart"] |= {"state": "frozen", "halt": {"since": "2026-11-27T10:00:00Z", "reason": "moving house"}}
    heart = olga.datasets["heart"]
    assert (heart.state, heart.reason) == ("frozen", "moving house")
    assert "frozen: moving house" in repr(heart)
    assert "moving house" in heart._repr_html_()


def test_an_owner_freezes_and_withdraws(olga: ah.Site, site: FakeSite) -> None:
    heart = olga.datasets["heart"]
    assert heart.freeze("a question", show_reason=True).state == "frozen"
    assert heart.thaw("answered").state == "open"
    assert heart.withdraw("no consent", confirm="heart") == {"dataset": "heart", "released": []}
    (call,) = site.calls("POST", "/v1/datasets/heart/withdrawal")
    assert call["body"] == {"reason": "no consent", "confirm": "heart", "show_reason": False}
    assert site.calls("POST", "/v1/datasets/heart/freeze")[0]["body"] == {"reason": "a question", "show_reason": True}
