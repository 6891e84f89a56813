"""What owners steer from Python, at a real site: who decides, who waits for whom, what is run again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from conftest import Real

import anchorhold as ah

PEOPLE = pd.DataFrame({"id": [f"P{i:02}" for i in range(24)], "age": [30 + 7 * i % 40 for i in range(24)]})
MARKERS = pd.DataFrame({"id": PEOPLE["id"], "marker": [i % 2 for i in range(24)]})


def age_by_marker(patients: pd.DataFrame, markers: pd.DataFrame, least: int = 3) -> pd.Series:
    groups = patients.merge(markers, on="id").groupby("marker")["age"].agg(["size", "mean"])
    return groups[groups["size"] >= least]["mean"].round(1)


@pytest.fixture
def here(real: Real) -> ah.Site:
    """Whoever runs the tests, on the site's machine."""
    return ah.connect(dir=real.dir)


def join(real: Real, here: ah.Site, email: str, role: str, scope: str | None = None) -> ah.Site:
    """Somebody who is new here."""
    return ah.connect(real.url, here.users.add(email, role, scope).token)


def test_a_question_over_the_data_of_two_owners(real: Real, here: ah.Site, tmp_path: Path) -> None:
    here.datasets.add("heart", {"patients": PEOPLE}, mocks="generate", confirm=here.datasets.inspect(PEOPLE))
    here.datasets.add("genes", {"markers": MARKERS}, mocks="generate", confirm=here.datasets.inspect(MARKERS))
    eva = join(real, here, "eva@example.org", "reviewer", "dataset:heart")
    gil = join(real, here, "gil@example.org", "owner", "dataset:genes")
    ana = join(real, here, "ana@example.org", "researcher")
    asked = ana.submit(
        age_by_marker,
        patients=ana.datasets["heart"],
        markers=ana.datasets["genes"],
        purpose="Does the marker go with age?",
    )
    request = eva.requests[asked.id]
    with pytest.raises(ah.Denied, match="--dataset heart"):
        request.approve()
    request.approve(dataset="heart", uses=3, params={"least": (3, 10)})
    assert [d.decider for d in request.decisions] == ["eva@example.org"]
    assert "genes: others decide for it" in repr(request)
    gil.requests[asked.id].approve(dataset="genes", uses=5, params={"least": (1, 5)})

    assert here.runs[asked.id].wait(timeout=300, progress=False).state == "done"
    (held,) = eva.releases.held()
    assert held.output.value() is not None
    assert held.approve("large groups", dataset="heart").state == "held"
    assert not [d for d in held.decisions if d.decider != "eva@example.org"]
    (held,) = gil.releases.held()
    assert [w["dataset"] for w in held.waits_for] == ["genes"]
    assert "eva" not in repr(held.raw)
    assert held.approve(dataset="genes").state == "approved"
    answer = asked.wait(timeout=300, progress=False).result()
    assert list(answer.index) == [0, 1]
    receipt = asked.receipt()
    said = receipt.verify(key=ana.key).predicate
    assert said["release"]["decider"] == "eva@example.org, gil@example.org"
    assert {"name": "released-by:genes", "text": "approved by gil@example.org"} in said["facts"]

    (grant,) = here.grants.active()
    assert grant.bounds == {"least": {"type": "int", "min": 3, "max": 5}}
    assert (grant.uses, grant.used, grant.failures, grant.people) == (3, 1, 0, [])
    assert not here.grants.suspended()

    # The same comes out again, from the receipt alone; nothing is released by it.
    replay = here.runs.replay(receipt.save(tmp_path / "receipt.json")).wait(timeout=300, progress=False)
    assert replay.reproduced
    assert replay.replayed[0]["same"] is True
    assert [r.id for r in here.runs.replays()] == [replay.id]
    assert not ana.runs.replays()
    with pytest.raises(ah.NotFound):
        ana.runs[replay.id]
    with pytest.raises(ah.Denied):
        ana.runs.replay(receipt)

    # A result from elsewhere is handed in on the site's machine, and parsed as what is made here.
    made = tmp_path / "made"
    made.mkdir()
    with pytest.raises(ah.Denied):
        ana.requests[asked.id].deposit(made)
    pd.DataFrame({"age": [50.1, 49.9]}).to_parquet(made / "result.parquet")
    handed = here.requests[asked.id].deposit(made).wait(timeout=300, progress=False)
    assert handed.state == "done"
    (held,) = gil.releases.held()
    assert list(held.output.value()["age"]) == [50.1, 49.9]
    assert held.deny("an example", dataset="genes").state == "denied"


def test_who_waits_for_whom(real: Real, here: ah.Site) -> None:
    bob = join(real, here, "bob@example.org", "researcher")
    assert here.users.quota().cpu_day == timedelta()
    quota = here.users.set_quota("bob@example.org", queued=2, cpu_day="2h")
    assert (quota.person, quota.own, quota.queued, quota.cpu_day) == ("bob@example.org", True, 2, timedelta(hours=2))
    assert "2:00:00" in repr(quota)
    assert not here.users.set_quota("bob@example.org").own
    with pytest.raises(ah.Invalid, match="length of time"):
        here.users.set_quota(cpu_day="soon")
    with pytest.raises(ah.Denied):
        bob.users.set_quota("bob@example.org", queued=9)
    queue = here.runs.queue()
    assert queue.slots >= 1
    assert queue.waiting == queue.running == 0
    assert here.datasets["heart"].update(priority="high").raw["priority"] == 1
    assert "priority" not in bob.datasets["heart"].raw
    with pytest.raises(ah.Invalid, match="low, normal or high"):
        here.datasets["heart"].update(priority="urgent")
    asked = bob.submit(
        age_by_marker, patients=bob.datasets["heart"], markers=bob.datasets["genes"], purpose="Order", least=4
    )
    here.requests[asked.id].approve()
    assert here.runs[asked.id].prioritize("high").raw["request"] == asked.id
    assert here.requests[asked.id].raw["priority"] == 1
    assert here.requests[asked.id].prioritize("low").raw["priority"] == -1
    with pytest.raises(ah.Denied):
        bob.runs[asked.id].prioritize("high")
    assert asked.refresh().ahead is None or asked.ahead >= 0


def test_roles_are_taken_back(real: Real, here: ah.Site) -> None:
    cleo = join(real, here, "cleo@example.org", "researcher")
    here.users.add("cleo@example.org", "reviewer", "dataset:heart")
    assert here.users["cleo@example.org"].roles == ["researcher", "reviewer for dataset:heart"]
    assert here.users.remove_role("cleo@example.org", "reviewer", "dataset:heart").roles == ["researcher"]
    assert cleo.datasets["heart"].name == "heart"
    with pytest.raises(ah.Denied):
        cleo.users.remove_role("cleo@example.org", "researcher")
    here.users.remove("cleo@example.org")
    with pytest.raises(ah.Unauthenticated):
        cleo.datasets["heart"]
    with pytest.raises(ah.NotFound, match="no user"):
        here.users["nobody@example.org"]
