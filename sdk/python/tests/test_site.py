"""The researcher's way: look, write against the mock, submit, wait, get the answer and its receipt."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fake_site import FakeSite

import anchorhold as ah

CODE = """
import numpy as np
import pandas as pd
import pyarrow as pa

def by_diagnosis(patients):
    return patients.groupby("num")["age"].mean()

def as_frame(patients, k: int = 1) -> pd.DataFrame:
    return patients.head(k)

def as_index(patients):
    return patients.columns

def as_arrow(patients):
    return pa.Table.from_pandas(patients, preserve_index=False)

def as_array(patients) -> np.ndarray:
    return patients.to_numpy()

def as_scalar(patients):
    return patients["age"].mean()

def as_int(patients) -> int:
    return len(patients)

def as_nan(patients) -> float:
    return float("nan")

def as_dict(patients) -> dict:
    return {"n": len(patients), "ok": True, "none": None}

def as_tuple(patients):
    return (1, "a")

def as_text(patients) -> str:
    return "short"

def as_long_text(patients) -> str:
    return "line\\n" * 5000

def as_image(patients) -> bytes:
    return b"\\x89PNG\\r\\n\\x1a\\n and more"

def fails(patients):
    raise ValueError("a private value")

def with_values(patients, k: int, names: list[str], x: float = 0.5, flag: bool = False):
    return [k, names, x, flag]
"""

PRIVATE_MEANS = {0: 41.0, 1: 57.5, 2: 74.0}


@pytest.fixture
def code(module: Any) -> Any:
    return module(CODE)


def ask(ada: ah.Site, olga: ah.Site, function: Any, **values: Any) -> ah.Request:
    request = ada.submit(function, patients=ada.datasets["heart"], purpose="testing", **values)
    olga.requests.pending()[0].approve(auto_release=True)
    return request.wait(timeout=300, progress=False)


def test_the_whole_way(ada: ah.Site, olga: ah.Site, code: Any) -> None:
    heart = ada.datasets["heart"]
    assert code.by_diagnosis(heart.mock.to_pandas()).to_dict() == {0: 40.0, 1: 55.0}
    request = ada.submit(code.by_diagnosis, patients=heart, purpose="Does age go with the diagnosis?")
    assert request.state == "pending"
    waiting = olga.requests.pending()
    assert [r.id for r in waiting] == [request.id]
    assert waiting[0].author == "ada@example.org"
    waiting[0].approve(auto_release=True, uses=2, expires="30d")
    answer = request.wait(timeout=300).result()
    pd.testing.assert_series_equal(answer, pd.Series(PRIVATE_MEANS, name="age").rename_axis("num"))
    verified = request.receipt().verify()
    assert verified.predicate["request"]["id"] == request.id
    assert "when you connected" in verified.trust


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("as_frame", pd.DataFrame),
        ("as_index", pd.Index),
        ("as_arrow", pa.Table),
        ("as_array", np.ndarray),
        ("as_scalar", np.float64),
        ("as_int", int),
        ("as_dict", dict),
        ("as_tuple", tuple),
        ("as_text", str),
        ("as_long_text", str),
        ("as_image", bytes),
    ],
)
def test_answers_come_back_as_the_type_that_was_returned(
    ada: ah.Site, olga: ah.Site, code: Any, name: str, wanted: type
) -> None:
    function = getattr(code, name)
    answer = ask(ada, olga, function).result()
    assert isinstance(answer, wanted)
    direct = function(pd.DataFrame({"age": [41, 52, 63, 74], "num": [0, 1, 1, 2], "sex": [1, 0, 1, 0]}))
    if isinstance(direct, pd.DataFrame):
        pd.testing.assert_frame_equal(answer, direct)
    elif isinstance(direct, pd.Index):
        pd.testing.assert_index_equal(answer, direct)
    elif isinstance(direct, np.ndarray):
        np.testing.assert_array_equal(answer, direct)
    else:
        assert answer == direct


def test_a_nan_comes_back_as_a_nan(ada: ah.Site, olga: ah.Site, code: Any) -> None:
    answer = ask(ada, olga, code.as_nan).result()
    assert isinstance(answer, float)
    assert answer != answer


def test_values_arrive_with_their_types(ada: ah.Site, olga: ah.Site, code: Any, site: FakeSite) -> None:
    answer = ask(ada, olga, code.with_values, k=np.int64(3), names=("a", "b"), x=2).result()
    assert answer == [3, ["a", "b"], 2, False]
    assert site.calls("POST", "/v1/requests")[0]["body"]["parameters"] == {"k": 3, "names": ["a", "b"], "x": 2}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"names": []}, "k has no value"),
        ({"k": 1.5, "names": []}, "k is not of type int"),
        ({"k": True, "names": []}, "k is not of type int"),
        ({"k": 2**53, "names": []}, "k is not of type int"),
        ({"k": 1, "names": [1]}, "names is not of type str"),
        ({"k": 1, "names": [], "x": float("nan")}, "x is not of type float"),
        ({"k": 1, "names": [], "x": "2"}, "x is not of type float"),
        ({"k": 1, "names": [], "unknown": 2}, "no parameter 'unknown'"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_sent(
    ada: ah.Site, site: FakeSite, code: Any, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(ah.Invalid, match=said):
        ada.submit(code.with_values, patients=ada.datasets["heart"], purpose="p", **values)
    assert not site.calls("POST", "/v1/requests")


def test_data_is_passed_by_name_and_not_by_value(ada: ah.Site, code: Any, module: Any) -> None:
    heart = ada.datasets["heart"]
    for wrong, said in (
        (heart.mock, "is a mock"),
        (heart.mock.to_pandas(), "is a DataFrame"),
        (ada.datasets["two"], "2 assets"),
    ):
        with pytest.raises(ah.Invalid, match=said) as refused:
            ada.submit(code.by_diagnosis, patients=wrong, purpose="p")
        assert refused.value.remedy
    assert ada.capture(code.by_diagnosis, patients=ada.datasets["two"]["labs"]).assets["patients"].name == "labs"


def test_a_library_that_the_site_lacks_is_refused(ada: ah.Site, module: Any, site: FakeSite) -> None:
    code = module(
        """
        import urllib3

        def f(patients):
            return urllib3.__version__

        def g(patients):
            import sklearn, json, matplotlib.pyplot
            try:
                import cryptography
            except ImportError:
                cryptography = None
            return 1
        """
    )
    with pytest.raises(ah.NotCaptured, match=r"urllib3, which main\.py line \d+ imports, is not in the site's env"):
        ada.submit(code.f, patients=ada.datasets["heart"], purpose="p")
    assert ada.capture(code.g, patients=ada.datasets["heart"]).digest.startswith("sha256:")


def test_imports_of_every_file_are_looked_at(ada: ah.Site, tmp_path: Path) -> None:
    heart = ada.datasets["heart"]
    files = {
        "study/main.py": "from parts import means\nfrom parts.codes import names\nimport plain\n"
        "def run(patients):\n    return means.of(patients, names)\n",
        "study/parts/means.py": "from . import codes\nimport json\ndef of(patients, names):\n    return 1\n",
        "study/parts/codes.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import polars\nnames = 1\n",
        "study/plain.py": "import numpy as np\n",
        "study/absent/codes.csv": "num\n",
        "analysis.py": "from tidy import tidy\nresult = tidy(patients)\n",
        "tidy.py": "def tidy(patients):\n    return patients\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert ada.capture(tmp_path / "study", entry="main:run", patients=heart).digest.startswith("sha256:")
    assert ada.capture(tmp_path / "analysis.py", patients=heart).digest.startswith("sha256:")
    (tmp_path / "study/parts/codes.py").write_text("names = 1\n\ndef later():\n    import absent.models\n")
    with pytest.raises(ah.NotCaptured, match=r"absent, which parts/codes\.py line 4 imports, is not in") as refused:
        ada.capture(tmp_path / "study", entry="main:run", patients=heart)
    assert "ask the owner for an environment that has it" in refused.value.remedy
    (tmp_path / "tidy.py").write_text("import absent\ndef tidy(patients):\n    return patients\n")
    with pytest.raises(ah.NotCaptured, match=r"absent, which tidy\.py line 1 imports"):
        ada.submit(str(tmp_path / "analysis.py"), patients=heart, purpose="p")


def test_a_reserved_parameter_is_refused(ada: ah.Site, module: Any) -> None:
    code = module("def f(patients, study: str = 'x'):\n    return study\n")
    with pytest.raises(ah.NotCaptured, match="study"):
        ada.submit(code.f, patients=ada.datasets["heart"], purpose="p")


def test_what_stands_in_the_way_of_a_result(ada: ah.Site, olga: ah.Site, code: Any) -> None:
    heart = ada.datasets["heart"]
    request = ada.submit(code.by_diagnosis, patients=heart, purpose="p")
    with pytest.raises(ah.NotReady, match="no result yet"):
        request.result()
    with pytest.raises(ah.NotReady):
        request.receipt()
    olga.requests[request.id].deny("single patients would show")
    with pytest.raises(ah.Denied, match=r"olga@example\.org denied the request: single patients would show") as denied:
        request.result()
    assert denied.value.remedy
    failed = ask(ada, olga, code.fails)
    with pytest.raises(ah.Failed) as failure:
        failed.result()
    assert "a private value" not in str(failure.value)


def test_a_withdrawn_request_has_ended(ada: ah.Site, code: Any) -> None:
    request = ada.submit(code.by_diagnosis, patients=ada.datasets["heart"], purpose="p").withdraw()
    assert request.wait(timeout=300).state == "withdrawn"
    with pytest.raises(ah.Ended):
        request.result()


def test_questions_end_the_waiting_until_they_are_answered(ada: ah.Site, olga: ah.Site, code: Any) -> None:
    request = ada.submit(code.by_diagnosis, patients=ada.datasets["heart"], purpose="p")
    olga.requests[request.id].ask("Why so old?")
    assert request.wait(timeout=300).state == "asked"
    with pytest.raises(ah.NotReady, match="Why so old"):
        request.result()
    assert request.answer("Because.").state == "pending"
    assert [m["text"] for m in request.messages] == ["Why so old?", "Because."]
    assert "Why so old?" in request.explain()


def test_waiting_ends_with_a_timeout_and_the_request_goes_on(ada: ah.Site, olga: ah.Site, code: Any) -> None:
    request = ada.submit(code.by_diagnosis, patients=ada.datasets["heart"], purpose="p")
    with pytest.raises(ah.Timeout, match="has not ended after 0 s: waiting for the owner") as timeout:
        request.wait(timeout=0)
    assert isinstance(timeout.value, TimeoutError)
    assert request.id in timeout.value.remedy
    olga.requests[request.id].approve(auto_release=True)
    assert ada.requests[request.id].wait(timeout=300).state == "released"


def test_waiting_reports_its_progress(ada: ah.Site, olga: ah.Site, code: Any) -> None:
    request = ada.submit(code.by_diagnosis, patients=ada.datasets["heart"], purpose="p")
    states: list[str] = []

    def report(state: str, seconds: float) -> None:
        states.append(state)
        if len(states) == 1:
            threading.Thread(target=lambda: olga.requests[request.id].approve(auto_release=True)).start()

    request.wait(timeout=300, progress=report)
    assert (states[0], states[-1]) == ("pending", "released")


def test_a_line_of_progress_on_a_terminal_and_none_in_a_pipe(
    ada: ah.Site, code: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ada.submit(code.by_diagnosis, patients=ada.datasets["heart"], purpose="p")
    with pytest.raises(ah.Timeout):
        request.wait(timeout=0)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with pytest.raises(ah.Timeout):
        request.wait(timeout=0)
    assert "waiting for the owner's decision" in capsys.readouterr().err
    ada.submit(code.as_frame, patients=ada.datasets["heart"], purpose="p")
    assert "as_frame (analysis.py:" in capsys.readouterr().err


def test_waiting_sits_out_a_restart(
    ada: ah.Site, olga: ah.Site, site: FakeSite, code: Any, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ada.submit(code.by_diagnosis, patients=ada.datasets["heart"], purpose="p")
    olga.requests[request.id].approve(auto_release=True)
    monkeypatch.setattr("anchorhold._request.time.sleep", lambda s: None)
    site.trouble = [503] * 12
    assert request.wait(timeout=300).state == "released"


def test_what_has_left_is_there_while_another_output_waits(
    ada: ah.Site, olga: ah.Site, site: FakeSite, code: Any
) -> None:
    request = ask(ada, olga, code.as_int)
    value = request.result()
    asked = site.requests[request.id]
    asked["state"] = "deciding"
    request.refresh()
    assert [o.value() for o in request.outputs] == [value]
    request.receipt().verify()
    with pytest.raises(ah.NotReady, match="no result yet") as waits:
        request.result()
    assert waits.value.remedy.endswith("what has left already is in .outputs: result")
    asked["runs"].append({"id": "run-2", "state": "deciding", "outputs": []})
    with pytest.raises(ah.NotReady, match="no result yet") as waits:
        _ = request.refresh().outputs
    assert waits.value.remedy == "call .wait()"


def test_a_tampered_result_is_refused(ada: ah.Site, olga: ah.Site, site: FakeSite, code: Any) -> None:
    request = ask(ada, olga, code.as_int)
    release = request.outputs[0].raw["release"]["id"]
    site.files[release] = b"5"
    with pytest.raises(ah.InvalidResult, match="not the output"):
        request.result()


def test_a_result_that_lies_about_its_kind_is_refused(ada: ah.Site, olga: ah.Site, site: FakeSite, code: Any) -> None:
    request = ask(ada, olga, code.as_int)
    site.requests[request.id]["runs"][0]["outputs"][0]["python"] = "pandas.DataFrame"
    with pytest.raises(ah.InvalidResult, match="cannot be read"):
        request.refresh().result()


def test_a_receipt_of_another_request_is_refused(ada: ah.Site, olga: ah.Site, site: FakeSite, code: Any) -> None:
    first, second = ask(ada, olga, code.as_int), ask(ada, olga, code.as_text)
    foreign = ah.Receipt(first.receipt().data, first.receipt()._key, "", second.receipt()._expect)
    with pytest.raises(ah.InvalidReceipt, match="not the one that it was fetched for"):
        foreign.verify()


def test_a_receipt_of_another_key_is_refused(ada: ah.Site, olga: ah.Site, site: FakeSite, code: Any) -> None:
    request = ask(ada, olga, code.as_int)
    site.signer = type(site.signer)(site.signer.origin)
    with pytest.raises(ah.InvalidReceipt) as refused:
        request.receipt().verify()
    assert refused.value.reason == "signature"


def test_receipts_and_outputs_can_be_kept(ada: ah.Site, olga: ah.Site, code: Any, tmp_path: Path) -> None:
    request = ask(ada, olga, code.as_frame)
    saved = request.receipt("result").save(tmp_path / "receipt.json")
    with pytest.raises(ah.Invalid, match="name one of: result"):
        request.receipt("weights")
    assert "  state     released\n" in repr(request)
    assert ah.Receipt.load(saved).verify(key=ada.key, output=request.outputs[0].read())
    with pytest.raises(ah.InvalidReceipt, match="not the one that the receipt is about"):
        ah.Receipt.load(saved).verify(key=ada.key, output=b"else")
    with pytest.raises(ah.Invalid, match="no key"):
        ah.Receipt.load(saved).verify()
    file = request.outputs[0].save(tmp_path)
    assert file.name == "result.parquet"
    assert len(pd.read_parquet(file)) == 1


def test_another_digest_of_the_site_is_noticed(ada: ah.Site, code: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fake_site._digest", type("D", (), {"code_digest": staticmethod(lambda c: "sha256:" + "0" * 64)})
    )
    with pytest.raises(ah.InvalidResult, match="another digest"):
        ada.submit(code.as_int, patients=ada.datasets["heart"], purpose="p")


def test_datasets_are_found_by_name_and_words(ada: ah.Site, site: FakeSite) -> None:
    assert [d.name for d in ada.datasets] == ["heart", "two"]
    assert [d.name for d in ada.datasets.search("hea")] == ["heart"]
    ada.datasets.search("a", column="age", tag=["b", "c"], duo="GRU")
    assert site.calls("GET", "/v1/datasets")[-1]["query"] | {"limit": ""} == {
        "q": "a",
        "column": "age",
        "tag": "c",
        "duo": "GRU",
        "limit": "",
    }
    assert "heart" in ada.datasets
    assert "other" not in ada.datasets
    assert len(ada.datasets) == 2
    assert ada.datasets["heart"].card()["name"] == "heart"
    with pytest.raises(ah.NotFound, match="'other'"):
        ada.datasets["other"]
    with pytest.raises(ah.NotFound, match="its assets: patients, labs"):
        ada.datasets["two"]["nurses"]
    with pytest.raises(ah.NotFound, match="2 assets"):
        _ = ada.datasets["two"].mock


def test_mocks_are_read_kept_and_checked(ada: ah.Site, site: FakeSite) -> None:
    mock = ada.datasets["heart"].mock
    assert list(mock.to_pandas().columns) == ["age", "num", "sex"]
    assert mock.to_arrow().num_rows == mock.rows == 3
    assert mock.to_numpy().shape == (3, 3)
    path = "/v1/datasets/heart/assets/patients/mock"
    assert len(site.calls("GET", path)) == 1  # kept after the first time
    mock.path().write_text("age,num,sex\n1,1,1\n")
    assert len(mock.to_pandas()) == 3  # a file that was changed is fetched again
    assert len(site.calls("GET", path)) == 2
    site.files["mock"] = b"other"
    mock.path().unlink()
    with pytest.raises(ah.InvalidResult, match="not the file that its card describes"):
        mock.to_pandas()
    site.datasets["heart"]["assets"][0]["version"] = {"columns": []}
    with pytest.raises(ah.NotFound, match="has no mock"):
        _ = ada.datasets["heart"].mock


@pytest.mark.parametrize("wrong", ["../../etc/passwd", "", "a" * 63 + "/"])
def test_a_hostile_hash_of_a_mock_names_no_file(ada: ah.Site, site: FakeSite, wrong: str) -> None:
    site.datasets["heart"]["assets"][0]["version"]["mock"] = {"sha256": wrong, "format": "csv"}
    with pytest.raises(ah.InvalidResult):
        ada.datasets["heart"].mock.path()


def test_an_environment_is_chosen(ada: ah.Site, site: FakeSite, code: Any) -> None:
    heart = ada.datasets["heart"]
    lock = ada.environments[0]["lock"]
    assert ada.capture(code.as_int, patients=heart, environment=lock[:20]).code["environment"] == lock
    site.environments[0]["name"] = "default"
    named = ah.connect(site.url, "researcher-token")
    assert named.capture(code.as_int, patients=heart, environment="default").code["environment"] == lock
    with pytest.raises(ah.Invalid, match="no such environment"):
        ada.capture(code.as_int, patients=heart, environment="sha256:9")
    site.environments = []
    with pytest.raises(ah.Invalid, match="no such environment") as refused:
        ah.connect(site.url, "researcher-token").capture(code.as_int, patients=heart)
    assert "env add" in refused.value.remedy


def test_an_environment_is_asked_for(ada: ah.Site, site: FakeSite, tmp_path: Path) -> None:
    lock = tmp_path / "my.lock"
    lock.write_text("tiny==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    asked = ada.environments.request(lock, reason="survival curves")
    assert site.calls("POST", "/v1/envs/requests")[0]["body"] == {"lock": lock.read_text(), "reason": "survival curves"}
    assert asked.state == "requested"
    assert "survival curves" in repr(asked)
    assert asked.decline("nobody maintains it").state == "declined"
    assert asked.refresh().answer == "nobody maintains it"
    requests = ada.environments.requests
    assert [r.id for r in requests.all("declined")] == [r.id for r in requests] == [asked.id]
    assert requests[asked.id].state == "declined"
    assert asked.id in repr(requests)
    assert asked.id in requests._repr_html_()
    with pytest.raises(ah.Invalid, match="no lock"):
        ada.environments.request(tmp_path / "absent.lock")
