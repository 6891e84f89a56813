"""Trying on the mock at the site: all of it comes back, and nobody is asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fake_site import LOCK, FakeSite

import anchorhold as ah
from anchorhold import code_digest as digest

CODE = """
def by_diagnosis(patients, k: int = 1):
    return patients.groupby("num")["age"].mean() * k

def fails(patients):
    raise ValueError("seen by its author")
"""


@pytest.fixture
def code(module: Callable[[str], Any]) -> Any:
    return module(CODE)


def test_a_trial_gives_what_the_function_returned(site: FakeSite, ada: ah.Site, code: Any) -> None:
    trial = ada.try_on_mock(code.by_diagnosis, patients=ada.datasets["heart"], k=2)
    assert trial.state == "done"
    pd.testing.assert_series_equal(trial.result(), pd.Series({0: 80.0, 1: 110.0}, name="age").rename_axis("num"))
    assert trial.log() == "printed\n"
    assert trial.failure == ""
    assert trial.usage["cpu_seconds"] == 1.25
    assert trial.outputs[0].preview == "age\n51"
    assert "  result  age\n          51" in repr(trial)
    assert "<pre>age\n51</pre>" in trial._repr_html_()
    sent = site.calls("POST", "/v1/trials")[0]["body"]
    assert set(sent) == {"code", "assets", "parameters"}
    assert sent["code"]["environment"] == LOCK
    assert sent["parameters"] == {"k": 2}
    assert not site.calls("POST", "/v1/requests")
    ada.try_on_mock(code.by_diagnosis, patients=ada.datasets["heart"], study="s1")
    assert site.calls("POST", "/v1/trials")[1]["body"]["study"] == "s1"


def test_a_trial_is_the_code_that_would_be_submitted(site: FakeSite, ada: ah.Site, code: Any) -> None:
    heart = ada.datasets["heart"]
    ada.try_on_mock(code.by_diagnosis, patients=heart)
    ada.submit(code.by_diagnosis, patients=heart, purpose="to learn")
    tried, asked = (site.calls("POST", f"/v1/{p}")[0]["body"]["code"] for p in ("trials", "requests"))
    assert tried == asked


def test_scripts_and_folders_are_tried_and_submitted_alike(
    site: FakeSite, ada: ah.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heart = ada.datasets["heart"]
    (tmp_path / "analysis.py").write_text("k: int\nresult = patients['age'].mean() * k\n")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "main.py").write_text("def run(patients):\n    return patients['age'].mean()\n")
    (tmp_path / "study" / "codes.csv").write_text("num,name\n")
    monkeypatch.chdir(tmp_path)
    ada.try_on_mock("analysis.py", patients=heart, k=2)
    ada.submit(tmp_path / "analysis.py", patients=heart, k=2, purpose="to learn")
    ada.submit("study/", entry="main:run", patients=heart, purpose="to learn")
    tried = site.calls("POST", "/v1/trials")[0]["body"]
    script, folder = (c["body"] for c in site.calls("POST", "/v1/requests"))
    assert tried["code"] == script["code"]
    assert script["code"]["entry"] == "main.py:__main__"
    assert script["parameters"] == {"k": 2}
    assert [f["path"] for f in folder["code"]["files"]] == ["codes.csv", "main.py"]
    assert ada.capture("study", entry="main:run", patients=heart).digest == digest(folder["code"])
    for wrong, entry, said in (
        ("nowhere/", "main:run", "a text is no function"),
        ("study/", "", "no entry point is named"),
        ("absent.py", "", "cannot be read"),
        (len, "main:run", "a function needs no entry"),
    ):
        with pytest.raises(ah.Error, match=said):
            ada.capture(wrong, entry=entry, patients=heart)


def test_declared_outputs_and_expected_resources_are_sent(site: FakeSite, ada: ah.Site, code: Any) -> None:
    heart = ada.datasets["heart"]
    outputs = [ah.Output("table", kind="table"), ah.Output("fit", sensitivity="model"), "other"]
    expect = ah.Resources(cpu_seconds=1.5, memory="1.5 GiB", wall="2 min")
    request = ada.submit(code.by_diagnosis, patients=heart, purpose="to learn", outputs=outputs, expect=expect)
    ada.try_on_mock(code.by_diagnosis, patients=heart, outputs=ah.Output("table"), expect=expect)
    sent = site.calls("POST", "/v1/requests")[0]["body"]
    assert sent["expect"] == {"cpu_seconds": 2, "memory": 3 << 29, "wall_seconds": 120}
    assert sent["code"]["outputs"] == [
        {"name": "table", "kind": "table"},
        {"name": "fit", "kind": "any", "sensitivity": "model"},
        {"name": "other", "kind": "any"},
    ]
    assert [(o.name, o.sensitivity) for o in request.declared] == [
        ("table", "aggregate"),
        ("fit", "model"),
        ("other", "aggregate"),
    ]
    for line in (
        "output    table: table, aggregate",
        "fit: any, model",
        "at most 2 s of processor time, 1.5 GiB of mem",
    ):
        assert line in repr(request)
    tried = site.calls("POST", "/v1/trials")[0]["body"]
    assert tried["expect"] == sent["expect"]
    assert tried["code"]["outputs"] == [{"name": "table", "kind": "any"}]
    with pytest.raises(ah.Invalid, match="declared by something else"):
        ada.capture(code.by_diagnosis, patients=heart, outputs=[3])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("name", "more", "said", "remedy"),
    [
        ("fit", {"kind": "tabel"}, "has the kind 'tabel', which there is not", "use one of table, array, json, "),
        ("fit", {"sensitivity": "secret"}, "has the sensitivity 'secret'", "use one of aggregate, model, individual"),
        ("fit", {"kind": "samples", "sensitivity": "model"}, "is individual", "leave its sensitivity out"),
        ("my fit", {}, "has no plain name", "use ASCII letters"),
        ("fit=table", {}, "has the kind 'table=any'", "use one of"),
    ],
)
def test_outputs_that_there_are_not_are_refused_at_once(
    name: str, more: dict[str, str], said: str, remedy: str
) -> None:
    with pytest.raises(ah.Invalid, match=said) as refused:
        ah.Output(name, **more)
    assert refused.value.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"cpu_seconds": 90}, {"cpu_seconds": 90}),
        ({"cpu_seconds": timedelta(minutes=1)}, {"cpu_seconds": 60}),
        ({"memory": 1 << 30}, {"memory": 1 << 30}),
        ({"memory": "512MB", "wall": "1.5 hours"}, {"memory": 512 * 10**6, "wall_seconds": 5400}),
        ({"wall": 0.2}, {"wall_seconds": 1}),
        ({}, {}),
    ],
)
def test_resources(given: dict[str, Any], wanted: dict[str, int]) -> None:
    found = ah.Resources(**given)
    assert found.as_json() == wanted
    assert ah.Resources.of(wanted).as_json() == wanted
    assert eval(repr(found), {"Resources": ah.Resources}).as_json() == wanted


@pytest.mark.parametrize(
    "given",
    [
        {"cpu_seconds": -1},
        {"cpu_seconds": 0},
        {"wall": "soon"},
        {"wall": float("nan")},
        {"memory": "2"},
    ],
)
def test_resources_that_are_none(given: dict[str, Any]) -> None:
    with pytest.raises(ah.Invalid):
        ah.Resources(**given)


def test_a_failure_is_shown_whole_and_printable(ada: ah.Site, code: Any) -> None:
    trial = ada.try_on_mock(code.fails, patients=ada.datasets["heart"])
    assert trial.state == "failed"
    assert "seen by its author" in trial.failure
    assert "\x1b" not in trial.failure
    assert "seen by its author" in repr(trial)
    assert "\x1b" not in repr(trial) + trial._repr_html_()
    with pytest.raises(ah.Failed, match="raised an error"):
        trial.result()


def test_an_output_that_is_not_the_one_described_is_refused(site: FakeSite, ada: ah.Site, code: Any) -> None:
    trial = ada.try_on_mock(code.by_diagnosis, patients=ada.datasets["heart"])
    site.files[trial.id] += b"x"
    with pytest.raises(ah.InvalidResult):
        trial.result()


def test_a_request_shows_what_the_site_tried(site: FakeSite, ada: ah.Site, code: Any) -> None:
    request = ada.submit(code.by_diagnosis, patients=ada.datasets["heart"], purpose="to learn")
    assert request.trial is None
    site.requests[request.id]["trial_note"] = "heart/patients has no mock"
    assert request.refresh().trial_note == "heart/patients has no mock"
    site.requests[request.id]["trial"] = {"id": "run-1", "side": "mock", "state": "failed", "failure": "Traceback"}
    trial = request.refresh().trial
    assert trial is not None
    assert trial.state == "failed"
    assert "Traceback" in trial.failure


def test_a_request_shows_what_to_look_at(site: FakeSite, ada: ah.Site, code: Any) -> None:
    request = ada.submit(code.by_diagnosis, patients=ada.datasets["heart"], purpose="to learn")
    assert len(request.lint) == 0
    finding = {"file": "main.py", "line": 3, "category": "files", "what": "open(\x1b)", "why": "Code needs no files."}
    site.requests[request.id]["lint"] = {"version": 1, "findings": [finding]}
    shown = repr(request.refresh().lint)
    assert "main.py:3" in shown
    assert "Code needs no files." in shown
    assert "\x1b" not in shown
