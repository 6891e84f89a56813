"""Scripts and folders: what goes along as it stands, and what is refused by its name."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

import pytest
from gather import LOCK, digest

from anchorhold._collect.command import collect_path
from anchorhold._collect.source import Refused

SCRIPT = """
    import pandas as pd
    from helpers import keep

    patients: pd.DataFrame
    least: int

    if __name__ == "__main__":
        groups = patients.groupby("num")["age"].agg(["size", "mean"])
    result: pd.Series = keep(groups, least)["mean"]
    """


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
    return folder


def script(folder: Path, text: str, assets: tuple[str, ...] = ("patients",), **more: str) -> dict[str, Any]:
    write(folder, {"analysis.py": text, **{f"{n}.py": t for n, t in more.items()}})
    return collect_path(folder / "analysis.py", "", list(assets), LOCK)


def refused_script(folder: Path, text: str, assets: tuple[str, ...] = ("patients",)) -> str:
    with pytest.raises(Refused) as refused:
        script(folder, text, assets)
    assert refused.value.remedy
    return str(refused.value)


def test_a_script(tmp_path: Path) -> None:
    answer = script(tmp_path, SCRIPT, helpers="def keep(groups, least):\n    return groups[groups['size'] >= least]\n")
    code = answer["code"]
    assert code["entry"] == "main.py:__main__"
    assert [f["path"] for f in code["files"]] == ["main.py", "helpers.py"]
    assert code["files"][0]["text"] == textwrap.dedent(SCRIPT)
    assert code["parameters"] == [
        {"name": "patients", "kind": "asset", "type": "dataframe"},
        {"name": "least", "kind": "value", "type": "int"},
    ]
    assert code["outputs"] == [{"name": "result", "kind": "table"}]
    assert digest(answer).startswith("sha256:")
    assert [s["kind"] for s in answer["shown"]] == ["entry", "file"]


def test_a_script_has_one_digest_whatever_its_name_and_the_order_of_its_assets(tmp_path: Path) -> None:
    text = "result = len(b) + len(a)\n"
    first = script(tmp_path, text, ("a:table", "b:table"))
    (tmp_path / "other.py").write_bytes(text.replace("\n", "\r\n").encode())
    second = collect_path(tmp_path / "other.py", "", ["b:table", "a:table"], LOCK)
    assert digest(first) == digest(second)
    assert [p["name"] for p in first["code"]["parameters"]] == ["a", "b"]


def test_kinds_of_assets_and_annotations(tmp_path: Path) -> None:
    text = "import pathlib\nscans: pathlib.Path\nresult: 'svg' = draw(scans, arrays)\nfrom drawing import draw\n"
    answer = script(tmp_path, text, ("arrays:array", "scans:files"), drawing="def draw(a, b):\n    return ''\n")
    assert [(p["name"], p["type"]) for p in answer["code"]["parameters"]] == [("scans", "path"), ("arrays", "numpy")]
    assert answer["code"]["outputs"][0]["kind"] == "svg"


def test_a_script_leaves_what_is_declared(tmp_path: Path) -> None:
    write(tmp_path, {"analysis.py": "table = patients.describe()\nn = len(patients)\n"})
    path, outputs = tmp_path / "analysis.py", ["n=json", "table=table:individual"]
    code = collect_path(path, "", ["patients"], LOCK, (), outputs)["code"]
    assert code["outputs"] == [
        {"name": "n", "kind": "json"},
        {"name": "table", "kind": "table", "sensitivity": "individual"},
    ]
    with pytest.raises(Refused, match="assigns no fit; end it with fit = "):
        collect_path(path, "", ["patients"], LOCK, (), ["fit=array"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("result = 1\n", "does not use patients"),
        ("patients.describe()\n", "assigns no result; end it with result ="),
        ("def ages(patients):\n    return patients\npatients\n", "--entry ages"),
        ("patients = read()\nresult = patients\ndef read(): pass\n", "given another value on line 1"),
        ("least: int = 3\nresult = patients, leas\n", "leas is not defined"),
        ("def f():\n    return patient\nresult = patients, f()\n", "patient is not defined"),
        ("least: Decimal\nfrom decimal import Decimal\nresult = patients, least\n", "which a parameter cannot have"),
        ("import pandas as pd\nother: pd.DataFrame\nresult = patients, other\n", "no asset is given for it"),
        ("import anchorhold as ah\nsite = ah.connect()\nresult = patients\n", "connects to a site on line 2"),
        ("get_ipython().run_line_magic('x', '')\nresult = patients\n", "get_ipython"),
        ("result = patients\nreturn result\n", "line 2 is not valid Python: 'return' outside function"),
        ("result = patients +\n", "line 1 is not valid Python"),
    ],
)
def test_scripts_that_are_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused_script(tmp_path, text)


def test_what_scripts_may_do(tmp_path: Path) -> None:
    text = """
        from math import *
        patients = patients.dropna()
        best: float
        for k in range(3):
            best = tau * k
        total = 0
        def add(x):
            global total, extra
            total += x
            extra = [y for y in range(x)]
        class Scale:
            by = k
        add(1)
        result = best, total, extra, Scale.by, __file__, __name__
        """
    answer = script(tmp_path, text)
    assert [p["name"] for p in answer["code"]["parameters"]] == ["patients"]


FOLDER = {
    "main.py": """
        import pandas as pd
        from parts import codes
        from parts.tables import means

        def run(patients: pd.DataFrame, least: int = 5) -> pd.DataFrame:
            return means(patients, codes.read(), least)
        """,
    "parts/__init__.py": "",
    "parts/codes.py": "from pathlib import Path\ndef read():\n    return Path('codes.csv').read_text()\n",
    "parts/tables.py": "from . import codes\ndef means(patients, codes, least):\n    return patients\n",
    "codes.csv": "num,name\n0,none\n",
    "README.md": "# Means\n",
    "__pycache__/main.cpython-313.pyc": b"\x00\x01",
    ".git/config": "[core]\n",
    "parts/.DS_Store": b"\x00",
}


def test_a_folder(tmp_path: Path) -> None:
    answer = collect_path(write(tmp_path, dict(FOLDER)), "main:run", ["patients"], LOCK)
    code = answer["code"]
    assert code["entry"] == "main.py:run"
    assert [f["path"] for f in code["files"]] == [
        "README.md",
        "codes.csv",
        "main.py",
        "parts/__init__.py",
        "parts/codes.py",
        "parts/tables.py",
    ]
    assert [(p["name"], p["kind"]) for p in code["parameters"]] == [("patients", "asset"), ("least", "value")]
    assert code["outputs"] == [{"name": "result", "kind": "table"}]
    assert {s["name"]: s["kind"] for s in answer["shown"]} == {
        "run": "entry",
        "README.md": "data",
        "codes.csv": "data",
        "main.py": "file",
        "parts/__init__.py": "file",
        "parts/codes.py": "file",
        "parts/tables.py": "file",
        "__pycache__": "left out",
        ".git": "left out",
        "parts/.DS_Store": "left out",
    }
    before = digest(answer)
    (tmp_path / "codes.csv").write_text("num,name\n0,nothing\n")
    assert digest(collect_path(tmp_path, "main:run", ["patients"], LOCK)) != before


@pytest.mark.parametrize("entry", ["main:run", "main.py:run"])
def test_names_of_an_entry(tmp_path: Path, entry: str) -> None:
    assert collect_path(write(tmp_path, dict(FOLDER)), entry, ["patients"], LOCK)["code"]["entry"] == "main.py:run"


def test_entries_in_packages_and_scripts_of_folders(tmp_path: Path) -> None:
    write(tmp_path, {"a/__init__.py": "def f(patients) -> 'svg': return ''\n", "a/b.py": "def f(patients): return 1\n"})
    write(tmp_path, {"go.py": "from a import f\nresult = f(patients)\n"})
    entries = {"a:f": "a/__init__.py:f", "a.b:f": "a/b.py:f", "a/b.py:f": "a/b.py:f", "go.py": "go.py:__main__"}
    for entry, wanted in entries.items():
        answer = collect_path(tmp_path, entry, ["patients"], LOCK)
        assert answer["code"]["entry"] == wanted
        assert digest(answer)


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("picture.png", b"\x89PNG\r\n\x1a\n\x00\x00", "'picture.png' is no text"),
        ("parts/latin.txt", "größe".encode("latin-1"), "'parts/latin.txt' is no UTF-8 text"),
        ("table.csv", "1,2,3\n" * 20_000, "'table.csv' is larger than 64 KiB"),
        ("explore.ipynb", "{}", "'explore.ipynb' is a notebook"),
        (".env", "TOKEN=1", "'.env' is hidden"),
        ("parts/.hidden/x.py", "", "'parts/.hidden' is hidden"),
        ("broken.py", "def f(:\n", "broken.py line 1 is not valid Python"),
        ("latin.py", "# größe".encode("latin-1"), "latin.py line 1 is not UTF-8"),
        ("huge.py", "x = 1\n" * 200_000, "huge.py is larger than 1 MiB"),
        ("statistics.py", "", "'statistics.py' has the name of a module of Python's own"),
        ("random/__init__.py", "", "'random' has the name of a module of Python's own"),
        ("my file.py", "", "the path 'my file.py' cannot be submitted"),
        ("__init__.py", "", "the folder is itself a package"),
    ],
)
def test_what_a_folder_may_not_hold(tmp_path: Path, path: str, content: str | bytes, said: str) -> None:
    folder = write(tmp_path / "code", {**FOLDER, path: content})
    with pytest.raises(Refused) as refused:
        collect_path(folder, "main:run", ["patients"], LOCK)
    assert said in str(refused.value)
    assert refused.value.remedy


def test_links_and_pipes_are_refused(tmp_path: Path) -> None:
    write(tmp_path, dict(FOLDER))
    secret = tmp_path.parent / "secret.txt"
    secret.write_text("private")
    for make, said in (
        (lambda p: p.symlink_to(secret), "'odd' is a link"),
        (lambda p: p.symlink_to(tmp_path, target_is_directory=True), "'odd' is a link"),
        (os.mkfifo, "'odd' is no ordinary file"),
    ):
        make(tmp_path / "odd")
        with pytest.raises(Refused) as refused:
            collect_path(tmp_path, "main:run", ["patients"], LOCK)
        assert said in str(refused.value)
        (tmp_path / "odd").unlink()


def test_too_many_files(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": "def run(patients): return 1\n", **{f"m{n}.py": "" for n in range(100)}})
    with pytest.raises(Refused, match="more than 100 files"):
        collect_path(tmp_path, "main:run", ["patients"], LOCK)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("", "no entry point is named"),
        ("main", "'main' names no function"),
        ("other:run", "no module 'other'"),
        ("../main:run", "no module '../main'"),
        ("main:means", "means"),
        ("main:walk", "main.py has no function 'walk'; define it once, at the top level; it has: run"),
        ("parts/codes.py", "lies in a folder of its own"),
    ],
)
def test_entries_that_are_refused(tmp_path: Path, entry: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        collect_path(write(tmp_path, dict(FOLDER)), entry, ["patients"], LOCK)
    assert said in str(refused.value)
