"""Trying on the mock at the site: all of it comes back, and nobody is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from fake_site import LOCK, FakeSite

import anchorhold as ah

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
    assert trial.outputs[0].preview == "age"
    sent = site.calls("POST", "/v1/trials")[0]["body"]
    assert set(sent) == {"code", "assets", "parameters"}
    assert sent["code"]["environment"] == LOCK
    assert sent["parameters"] == {"k": 2}
    assert not site.calls("POST", "/v1/requests")


def test_a_trial_is_the_code_that_would_be_submitted(site: FakeSite, ada: ah.Site, code: Any) -> None:
    heart = ada.datasets["heart"]
    ada.try_on_mock(code.by_diagnosis, patients=heart)
    ada.submit(code.by_diagnosis, patients=heart, purpose="to learn")
    tried, asked = (site.calls("POST", f"/v1/{p}")[0]["body"]["code"] for p in ("trials", "requests"))
    assert tried == asked


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
