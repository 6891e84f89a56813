"""Data go in: files, folders and what lies in memory, offered to a real site."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import Real
from fake_site import FakeSite

import anchorhold as ah
from anchorhold import _offer, _text, _upload


@pytest.fixture
def olga_away(real: Real) -> ah.Site:
    """An owner with a token, on another machine as it were."""
    return ah.connect(real.url, real.token)


@pytest.fixture
def here(real: Real) -> ah.Site:
    """Whoever runs the tests, on the site's machine."""
    return ah.connect(dir=real.dir)


FRAME = pd.DataFrame(
    {
        "age": pd.array([61, 47, None], dtype="Int64"),
        "sex": pd.Categorical(["f", "m", "f"]),
        "seen": pd.to_datetime(["2024-02-03", "2024-03-04", "2024-05-06"]),
    }
)
INVENTED = pd.DataFrame(
    {
        "age": pd.array([1, None], dtype="Int64"),
        "sex": pd.Categorical(["x", "y"]),
        "seen": pd.to_datetime(["1970-01-01", "1970-01-02"]),
    }
)


class Frame:
    """A table that speaks Arrow and is of no library that this package knows."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def test_in_memory_objects_become_assets(olga_away: ah.Site) -> None:
    arrow = pa.table({"t": pa.array(["a", "b"], pa.string_view()), "n": [1, 2]})
    said: list[str] = []
    stack = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    added = olga_away.datasets.add(
        "memory",
        {
            "patients": FRAME,
            "lab": arrow,
            "other": Frame(arrow.slice(1)),
            "stack": stack,
            "weights": {"file": stack[:2], "w": np.ones(3)},
        },
        {
            "patients": INVENTED,
            "lab": pa.table({"t": ["z"], "n": [0]}),
            "stack": np.zeros((1, 2, 3), np.float32) - 1,
            "weights": "generate",
        },
        description="What lay in memory",
        tags=["test"],
        duo="GRU",
        visibility="named",
        parts={"counts": "hidden"},
        contacts=[{"name": "Olga", "email": "olga@example.org"}],
        asking={"wait": "a day"},
        accept_differences=["unseen:stack"],
        quorum=2,
        review="every-line",
        request_days=9,
        population="people",
        columns={"patients": {"age": {"description": "Age", "unit": "a", "facts": {"min": 18}}, "sex": "Sex"}},
        progress=lambda state, seconds: said.append(state),
    )
    again = olga_away.datasets["memory"]
    assert {a.name: (a.kind, a.version["private"]["format"]) for a in again} == {
        "patients": ("table", "parquet"),
        "lab": ("table", "parquet"),
        "other": ("table", "parquet"),
        "stack": ("array", "npy"),
        "weights": ("tensors", "npz"),
    }
    age = again["patients"].columns[0]
    assert (age["type"], age["description"], age["unit"]) == ("int", "Age", "a")
    assert {f["name"]: f["value"] for f in age["facts"]}["min"] == 18
    raw = again.raw
    assert (raw["quorum"], raw["review"], raw["request_days"], raw["population"]) == (2, "every-line", 9, "people")
    assert (raw["visibility"], raw["parts"]["counts"]["to"], again.asking["wait"]) == ("named", "hidden", "a day")
    assert (again.tags, again.duo, again.description) == (["test"], ["DUO:0000042"], "What lay in memory")
    pd.testing.assert_frame_equal(again["patients"].mock.to_pandas(), INVENTED, check_dtype=False)
    assert again["weights"].mock.tensors().keys() == {"file", "w"}
    assert added.raw == raw
    assert any(s.startswith("sending patients.parquet") for s in said)


def test_files_are_named_here_and_sent_from_elsewhere(here: ah.Site, olga_away: ah.Site, tmp_path: Path) -> None:
    file, folder = tmp_path / "p.csv", tmp_path / "scans"
    file.write_text("a,b\n1,x\n2,y\n")
    (folder / "deep").mkdir(parents=True)
    (folder / "one.txt").write_text("a short text of some words\n")
    (folder / "deep" / "two.bin").write_bytes(b"\0\1\2")
    (folder / ".hidden").write_text("stays")
    assert "on this machine" in repr(here)
    given = {"p": str(file), "scans": folder}
    shown = here.datasets.inspect(assets=given)
    named = here.datasets.add("named", given, {"p": "generate"}, confirm=shown)
    assert named["p"].version["private"]["path"] == str(file)
    assert not named["p"].version["private"].get("copied")
    sent = olga_away.datasets.add("sent", {"p": file, "scans": str(folder)}, "generate")
    copied = here.datasets.add("copied", {"p": file}, {"p": pd.DataFrame({"a": [7], "b": ["q"]})}, copy=True)
    assert copied["p"].version["mock"]["format"] == "csv"
    for d in (sent, copied):
        assert d["p"].version["private"]["copied"]
        assert d["p"].version["private"]["path"] == "p.csv"
    assert sent["scans"].version["private"]["rows"] == named["scans"].version["private"]["rows"] == 2
    assert sent["scans"].kind == "files"
    # The next version: changed where it lies, changed in memory, and with another mock.
    file.write_text("a,b\n1,x\n2,y\n3,z\n")
    assert named.new_version(asset="p")["p"].version["private"]["rows"] == 3
    # It is not mended by being sent: a path of the site's machine is named by who is there.
    again = sent.new_version(pd.DataFrame({"a": [5, 6], "b": ["v", "w"]}), asset="p", mock="generate")
    assert (again["p"].version["number"], again["p"].version["private"]["format"]) == (2, "parquet")
    assert copied.new_version(missing="?").only.version["private"]["rows"] == 2
    with pytest.raises(ah.Denied):
        olga_away.datasets["named"].new_version(asset="p")


def test_facts_are_seen_before_they_are_confirmed(olga_away: ah.Site) -> None:
    many = pd.concat([FRAME] * 40)  # whose index counts to three, again and again
    many.index = many.index.rename("visit")
    found = olga_away.datasets.inspect(many)
    assert found.rows == 120
    assert "age" in repr(found)
    assert "age" in found._repr_html_()
    assert [c["name"] for c in found.columns] == ["visit", "age", "sex", "seen"]
    assert {f["name"] for c in found.columns for f in c.get("facts", [])} >= {"min", "max"}
    assert found.facts[0]["provenance"] == "measured"
    olga_away.datasets.add("unconfirmed", {"p": many.reset_index(drop=True)[5:]}, "generate", mock_rows=4, mock_seed=3)
    with pytest.raises(ah.Invalid, match="confirmed without naming them"):
        olga_away.datasets.add("confirmed", {"p": many}, "generate", confirm=True)
    preview = olga_away.datasets.inspect(many)
    assert "rows:data" in {p["code"] for p in preview.proposals}
    olga_away.datasets.add("confirmed", {"p": many}, "generate", confirm=preview)
    facts = {
        name: {
            f["name"]
            for c in olga_away.datasets[name].only.columns
            for f in c.get("facts", [])
            if f["provenance"] == "measured"
        }
        for name in ("unconfirmed", "confirmed")
    }
    assert "max" in facts["confirmed"]
    assert not facts["unconfirmed"] & {"min", "max", "categories"}


def test_private_rows_in_a_mock_are_refused(olga_away: ah.Site) -> None:
    with pytest.raises(ah.Conflict, match="may not be published"):
        olga_away.datasets.add("leaky", {"p": FRAME}, {"p": FRAME})
    with pytest.raises(ah.Conflict, match="not like"):
        olga_away.datasets.add("odd", {"p": FRAME}, {"p": pd.DataFrame({"other": [1]})})
    assert "leaky" not in olga_away.datasets
    known = olga_away.datasets.add("known", {"p": FRAME}, {"p": FRAME}, override_common="published as an example")
    assert known.mock.common is not None
    assert known.mock.common["reason"] == "published as an example"


def test_differences_of_a_mock_are_accepted_one_by_one(olga_away: ah.Site) -> None:
    mock = INVENTED.assign(age=[1.5, 2.5])
    with pytest.raises(ah.Conflict, match=r"type:p\.age .*nulls:p\.age"):
        olga_away.datasets.add("near", {"p": FRAME}, {"p": mock})
    with pytest.raises(ah.Conflict, match=r"nulls:p\.age"):
        olga_away.datasets.add("near", {"p": FRAME}, {"p": mock}, accept_differences="type:p.age")
    with pytest.raises(ah.Invalid, match="q is not among the assets"):
        olga_away.datasets.add("near", {"p": FRAME}, {"p": mock}, accept_differences=["type:q.age"])
    near = olga_away.datasets.add("near", {"p": FRAME}, {"p": mock}, accept_differences=["type:p.age", "nulls:p.age"])
    assert [d["code"] for d in near.mock.differences] == ["type:p.age", "nulls:p.age"]
    assert near.mock.common is None
    taller = FRAME.assign(height=[1, 2, 3])
    with pytest.raises(ah.Conflict, match=r"absent:p\.height"):
        near.new_version(taller)
    near.new_version(taller, accept_differences=["absent:p.height"])
    assert [d["code"] for d in near.mock.differences] == ["type:p.age", "absent:p.height", "nulls:p.age"]


CLIENT = """
import os, signal, sys
import anchorhold as ah
site = ah.connect(sys.argv[1], sys.argv[2])
sent = []
def say(state, seconds):
    sent.append(state)
    print(state, flush=True)
    if sys.argv[4] == "die" and len(sent) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
site.datasets.add("long", {"p": sys.argv[3]}, progress=say)
"""


def test_a_killed_upload_goes_on(real: Real, olga_away: ah.Site, tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    file.write_bytes(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(900_000)))
    parts = -(-file.stat().st_size // _upload.PART)
    assert parts > 3

    def client(way: str) -> subprocess.CompletedProcess[str]:
        args = [sys.executable, "-c", CLIENT, real.url, real.token, str(file), way]
        return subprocess.run(args, capture_output=True, text=True, check=False)

    killed = client("die")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = client("live")
    assert done.returncode == 0, done.stderr
    states = done.stdout.splitlines()
    assert states[0] == f"sending long.csv: 8 MiB of {_text.amount(file.stat().st_size)}"
    assert len(states) == parts - 2 + 1
    assert olga_away.datasets["long"].only.version["private"]["rows"] == 900_000


# ---- against a site that fails as networks do --------------------------------


@pytest.mark.parametrize("trouble", ["drop", "drop after", 503, 429])
def test_a_part_whose_answer_was_lost_is_sent_again(
    olga: ah.Site, site: FakeSite, pauses: list[float], trouble: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_upload, "PART", 1000)
    site.trouble = [None, None, *[trouble] * 6]
    data = np.arange(700, dtype=np.int16)
    olga.datasets.add("x", {"a": data})
    (added,) = site.calls("POST", "/v1/datasets")
    kept = site.uploads[added["body"]["assets"][0]["upload"]]
    buffer = io.BytesIO()
    np.save(buffer, data)
    assert kept["data"] == buffer.getvalue()
    assert kept["name"] == "a.npy"
    assert kept["sha256"] == f"sha256:{hashlib.sha256(buffer.getvalue()).hexdigest()}"
    assert len(pauses) == 6


def test_what_cannot_be_offered_is_refused_by_name(olga: ah.Site, site: FakeSite, tmp_path: Path) -> None:
    canary = "canary-7c1f"
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a").symlink_to("/etc/passwd")
    frames = {"a": pd.DataFrame({"x": [1]})}
    for value, text in (
        (tmp_path / "none.csv", "no file or folder"),
        (tmp_path / "f", "holds a link"),
        (pd.DataFrame({"x": [1, canary]}), "the column x of p holds values of several types"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "several columns of one name"),
        (pd.DataFrame({"x": [1]}, index=["g"]), "an index without a name"),
        (np.array([object()]), "holds Python objects"),
        ({"a": np.array([{}])}, "holds Python objects"),
        (frames, "dict"),
        ([1, 2], "list"),
        (type("LazyFrame", (), {})(), "LazyFrame"),
    ):
        with pytest.raises(ah.Invalid, match=text) as refused:
            olga.datasets.add("x", {"p": value})
        assert refused.value.remedy
        assert canary not in str(refused.value) + str(refused.value.__cause__)
    for wrong in ({}, None):
        with pytest.raises(ah.Invalid, match="no asset"):
            olga.datasets.add("x", wrong)  # type: ignore[arg-type]
    for more in ({"mocks": {"q": "generate"}}, {"columns": {"q": {"age": "Age"}, "p": {}}}):
        with pytest.raises(ah.Invalid, match="not among the assets"):
            olga.datasets.add("x", {"p": np.ones(1), "r": np.ones(1)}, **more)
    assert not site.calls("POST", "/v1/datasets")


def test_a_folder_that_is_served_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ah.Unavailable, match="no site is being served"):
        ah.connect(dir=tmp_path)
    with pytest.raises(ah.Invalid, match="no folder"):
        ah.connect(dir=tmp_path / "none")
    with pytest.raises(ah.Invalid, match="dir="):
        ah.connect("http://127.0.0.1:1", dir=tmp_path)


def test_the_same_content_is_the_same_file(tmp_path: Path) -> None:
    """An upload that was interrupted is found again by its digest."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_text("1")
    (tmp_path / "a").write_text("2")

    def digest(value: Any) -> str:
        with _offer.pack(value) if isinstance(value, Path) else io.BytesIO() as file:
            if not isinstance(value, Path):
                _offer.writer("p", value, "")[1](file)
            return _upload.measure(file)[1]

    values = (lambda: FRAME.copy(), lambda: {"x": np.ones(2), "y": np.zeros(1)}, lambda: tmp_path, lambda: np.ones(4))
    for make in values:
        first = digest(make())
        os.utime(tmp_path / "a", (1, 1))
        assert digest(make()) == first
    with _offer.pack(tmp_path) as file:
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            assert tar.getnames() == ["a", "b/x"]


def test_no_library_is_loaded_that_the_caller_has_not(site: FakeSite, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("a\n1\n")
    program = f"""
        import sys, anchorhold as ah
        ah.connect({site.url!r}, "owner-token").datasets.add("x", {{"p": {str(file)!r}}}, "generate")
        print([m for m in ("pandas", "numpy", "pyarrow", "polars") if m in sys.modules])
    """
    args = [sys.executable, "-c", textwrap.dedent(program)]
    assert subprocess.run(args, capture_output=True, check=True, text=True).stdout.strip() == "[]"


def test_mocks_are_made_of_what_is_confirmed(olga_away: ah.Site) -> None:
    rows = range(120)
    patients = pd.DataFrame({"patient_id": [700 + 3 * i for i in rows], "sex": ["fm"[i % 2] for i in rows]})
    visits = pd.DataFrame({"visit": rows, "patient_id": [700 + 3 * (i * 7 % 120) for i in rows]})
    made = olga_away.datasets.add("registry", {"patients": patients, "visits": visits}, "generate")
    proposed = {p["code"]: p["says"] for p in made.propose_mock()}
    assert proposed["categories:patients.sex"] == 'patients.sex has these values and no others: "f", "m"'
    assert {"rows:patients", "references:visits.patient_id", "unique:patients.patient_id"} <= proposed.keys()
    assert next(iter(made.propose_mock("visits")))["code"] == "rows:visits"
    assert "rows:patients" in repr(made.propose_mock())
    made.make_mock(
        confirm=["rows:patients", "references:visits.patient_id"], faults={"patients.patient_id": {"duplicates": 0.05}}
    )
    part = olga_away.datasets.add("part", {"patients": patients}, "generate", confirm="rows:patients")
    assert len(part.mock.to_pandas()) == 120
    assert {p["code"] for p in part.propose_mock() if p.get("confirmed")} == {"rows:patients"}
    with pytest.raises(ah.Invalid, match="no generated mock"):
        part.new_version(patients, mock=patients, confirm="rows:patients")
    twins, seen = made["patients"].mock.to_pandas(), made["visits"].mock.to_pandas()
    assert len(twins) == 120
    assert twins["patient_id"].nunique() == 114
    assert set(twins["sex"]) != {"f", "m"}
    assert len(seen.merge(twins.drop_duplicates("patient_id"), on="patient_id")) == len(seen)
    first = made["patients"].version["mock"]["sha256"]
    assert made.make_mock(seed=9)["patients"].version["mock"]["sha256"] != first
    assert made.make_mock(seed=0)["patients"].version["mock"]["sha256"] == first
    assert {p["code"] for p in made.propose_mock() if p.get("confirmed")} == {
        "rows:patients",
        "references:visits.patient_id",
    }
    with pytest.raises(ah.Invalid, match="is proposed"):
        made.make_mock(confirm="range:patients.sex")
