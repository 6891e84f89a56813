"""Functions that are alive: their source is submitted, and their living values must agree with it."""

from __future__ import annotations

import functools
import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from gather import LOCK, digest, from_module, from_text, ipython, main_py

from anchorhold._collect.source import Refused
from anchorhold._live import agrees, collect_live


def refused(fn: Any, assets: tuple[str, ...] = ("patients",)) -> str:
    with pytest.raises(Refused) as error:
        collect_live(fn, list(assets), LOCK)
    assert error.value.remedy
    return str(error.value)


def test_what_is_no_function() -> None:
    k = 3

    class Model:
        def method(self, patients: object) -> int:
            return k

        @staticmethod
        def static(patients: object) -> int:
            return 1

    def closure(patients: object) -> int:
        return k

    def outer() -> int:
        return closure(None)

    assert "a lambda cannot be submitted" in refused(lambda patients: 1)
    assert "closure uses k, a variable of the function around it" in refused(closure)
    assert "outer uses closure" in refused(outer)
    assert "method is a method" in refused(Model().method)
    assert "belongs to the class" in refused(Model.static)
    assert "belongs to the class" in refused(Model.method)
    assert "Model is a class" in refused(Model)
    assert "len is built in" in refused(len)
    assert "an object of type partial" in refused(functools.partial(outer))
    assert "int is not a function" in refused(3)


def test_what_has_no_source() -> None:
    space: dict[str, Any] = {}
    exec("def f(patients):\n    return 1\n", space)
    assert "the source of f cannot be found" in refused(space["f"])
    exec(compile("def g(patients):\n    return 1\n", "<stdin>", "exec"), space)
    words = refused(space["g"])
    assert "typed at a prompt" in words
    assert "use a notebook" in words


def test_a_function_inside_of_a_function_is_taken_out() -> None:
    def local(patients):  # type: ignore[no-untyped-def]
        text = """
  kept as it is"""
        return [patients, text]

    text = main_py(collect_live(local, ["patients"], LOCK))
    assert "\n\ndef local(patients):  # type:" in text
    assert '\n    text = """\n  kept as it is"""\n' in text
    compile(text, "main.py", "exec")


def test_values_that_were_changed_are_refused(module: Any) -> None:
    code = module(
        """
        k = 3
        names = ["a"]
        class Scale:
            factor = 2
            def go(self):
                return 1
        def helper():
            return 1
        def f(patients):
            return k
        def g(patients):
            return names
        def h(patients):
            return helper()
        def i(patients):
            return Scale().go()
        def j(patients, n: int = 3):
            return n
        """
    )
    for entry in "fghij":
        assert from_module(code, entry)
    code.k = 5
    assert "k was changed after line 2 of analysis.py" in refused(code.f)
    code.k = 3.0
    assert "k was changed" in refused(code.f)
    code.k = 3
    code.names.append("b")
    assert "names was changed after line 3" in refused(code.g)
    code.helper = lambda: 2
    assert "helper was changed after line 8" in refused(code.h)
    code.Scale.go = lambda self: 2
    assert "Scale was changed after line 4" in refused(code.i)
    importlib.reload(code)
    code.Scale.factor = 3
    assert "Scale was changed after line 4" in refused(code.i)
    code.j.__defaults__ = (4,)
    assert "the default of n was changed" in refused(code.j)
    del code.k
    assert "k has no value now" in refused(code.f)


def test_modules_that_were_replaced_are_refused(module: Any) -> None:
    code = module(
        """
        import math
        from math import tau

        def f(patients):
            return math.pi

        def g(patients):
            return tau
        """
    )
    assert from_module(code, "f")
    assert from_module(code, "g")
    code.math = sys
    assert "math was changed" in refused(code.f)
    code.tau = 3.0
    assert "tau was changed" in refused(code.g)


def test_a_file_that_was_changed_after_its_import_is_refused(module: Any) -> None:
    code = module("def helper():\n    return 1\n\ndef f(patients):\n    return helper()\n")
    file = Path(code.__file__)
    file.write_text("# a line more\ndef helper():\n    return 1\n\ndef f(patients):\n    return helper()\n")
    assert from_module(code)  # lines moved, and the code is the same
    file.write_text("def helper():\n    return 2\n\ndef f(patients):\n    return helper()\n")
    assert "helper was changed" in refused(code.f)
    file.write_text("def helper():\n    return 1\n\ndef f(patients):\n    return helper() + 1\n")
    assert "the file was changed after it was imported" in refused(code.f)
    importlib.reload(code)
    assert from_module(code)
    file.unlink()
    assert "cannot be found" in refused(code.f)


def test_a_module_beside_it_that_was_changed_after_its_import_is_refused(module: Any, tmp_path: Path) -> None:
    helpers = tmp_path / "code" / "helpers.py"
    helpers.write_text("def x():\n    return 1\n")
    code = module("import helpers\n\ndef f(patients):\n    return helpers.x()\n")
    assert len(from_module(code)["code"]["files"]) == 2
    helpers.write_text("def x():\n    return 2\n")
    assert "x no longer is what helpers.py says" in refused(code.f)
    importlib.reload(code.helpers)
    assert from_module(code)


def test_classes_that_change_their_members_are_taken(module: Any) -> None:
    code = module(
        """
        from collections import namedtuple
        from dataclasses import dataclass, field
        from enum import Enum, IntEnum
        from typing import NamedTuple

        class Colour(Enum):
            RED = 1

        class Level(IntEnum):
            LOW = 1

        class Point(NamedTuple):
            x: int = 1

        Pair = namedtuple("Pair", "a b")

        @dataclass(frozen=True, slots=True)
        class Config:
            k: int = 3
            names: list = field(default_factory=list)

            @property
            def twice(self):
                return 2 * self.k

            @staticmethod
            def one():
                return 1

        def f(patients):
            return Colour.RED, Level.LOW, Point(), Pair(1, 2), Config()
        """
    )
    assert {"Colour", "Level", "Point", "Pair", "Config"} < {s["name"] for s in from_module(code)["shown"]}


def test_decorated_functions(module: Any) -> None:
    text = """
    import functools
    def logged(g):
        @functools.wraps(g)
        def wrapper(*a, **k):
            return g(*a, **k)
        return wrapper
    def bare(g):
        def wrapper(*a):
            return g(*a)
        return wrapper
    @functools.lru_cache
    def helper(n):
        return n
    @bare
    def other(n):
        return n
    @logged
    def f(patients):
        return helper(1) + other(2)
    @bare
    def g(patients):
        return 1
    """
    code = module(text)
    answer = from_module(code)
    assert "@logged\ndef f(patients):" in main_py(answer)
    assert "@functools.lru_cache\ndef helper(n):" in main_py(answer)
    assert "wrapper uses g" in refused(code.g)


def test_a_module_from_elsewhere_is_refused(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "src"
    elsewhere.mkdir()
    (elsewhere / "far_away.py").write_text("def x():\n    return 1\n")
    monkeypatch.syspath_prepend(str(elsewhere))
    code = module(
        "import far_away\nimport json\nimport numpy\n\ndef f(patients):\n    return far_away.x(), json, numpy\n"
    )
    assert "comes from far_away, which lies neither beside the code nor in an environment" in refused(code.f)
    del sys.modules["far_away"]


def test_a_package_submits_as_it_does_from_its_file(module: Any, tmp_path: Path) -> None:
    text = "from .helpers import x\nfrom study import helpers\n\ndef f(patients):\n    return x, helpers\n"
    folder = tmp_path / "code" / "study"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("__init__", ""), ("helpers", "x = 1\n"), ("analysis", text)):
        (folder / f"{name}.py").write_text(content)
    importlib.invalidate_caches()
    code = importlib.import_module("study.analysis")
    assert digest(from_module(code)) == digest(from_text(folder, text))
    assert [f["path"] for f in from_module(code)["code"]["files"]] == [
        "main.py",
        "study/__init__.py",
        "study/helpers.py",
    ]


# ---- notebooks ----------------------------------------------------------------


def test_a_notebook_submits_what_its_cells_say(tmp_path: Path) -> None:
    with ipython(tmp_path) as notebook:
        notebook.run(
            "import math",
            "k = 3\nlimit = k * math.pi",
            "df = open",
            "this is not python",
            "%lsmagic",
            "def helper(x):\n    return x * k + limit",
            "k = 4\nlimit = k * math.pi",
            "1 / 0\nk = 5",
            "def f(patients):\n    return helper(patients)",
        )
        answer = notebook.collect()
        assert "\nk = 4\n" in main_py(answer)
        assert {s["name"]: s["file"] for s in answer["shown"]}["k"] == "cell 7"
        file = "import math\nk = 4\nlimit = k * math.pi\ndef helper(x):\n    return x * k + limit\n"
        assert digest(answer) == digest(from_text(tmp_path, file + "def f(patients):\n    return helper(patients)\n"))


def test_a_notebook_in_which_something_was_changed(tmp_path: Path) -> None:
    with ipython(tmp_path) as notebook:
        notebook.run("k = 3", "def f(patients):\n    return k", "globals()['k'] = 9")
        assert "k was changed after line 1 of cell 1" in refused(notebook.shell.user_ns["f"])
        notebook.run("for k in range(3): pass")
        assert "k is defined inside a block on line 1 of cell 4" in refused(notebook.shell.user_ns["f"])
        notebook.run("k = 3")
        assert notebook.collect()
        notebook.run("k += 1")
        assert "k is changed on line 1 of cell 6" in refused(notebook.shell.user_ns["f"])
        notebook.run("k = heart.mock.to_pandas()", "k = 7", "codes = [1]", "codes.append(2)")
        notebook.run("def g(patients):\n    return codes")
        assert "codes was changed after line 1 of cell 9" in refused(notebook.shell.user_ns["g"])
        notebook.run("data = open(__import__('os').devnull)", "def h(patients):\n    return data")
        assert "data (line 1 of cell 12) is made by open(...)" in refused(notebook.shell.user_ns["h"])
        notebook.shell.user_ns["data"].close()


def test_a_notebook_with_an_older_function_at_hand(tmp_path: Path) -> None:
    with ipython(tmp_path) as notebook:
        notebook.run("def f(patients):\n    return 1", "old = f", "def f(patients):\n    return 2")
        assert "return 2" in main_py(notebook.collect())
        assert "return 1" in main_py(collect_live(notebook.shell.user_ns["old"], ["patients"], LOCK))


def test_a_notebook_with_star_imports(tmp_path: Path) -> None:
    with ipython(tmp_path) as notebook:
        notebook.run("from math import *", "def f(patients, k: int = 1):\n    return len(patients) + k")
        assert notebook.collect()  # len is Python's own here, as the living namespace shows
        notebook.run("def g(patients):\n    return tau")
        assert "tau may come from `from math import *`" in refused(notebook.shell.user_ns["g"])


def test_a_notebook_imports_a_module_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside_it.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with ipython(tmp_path) as notebook:
        notebook.run("from beside_it import x", "def f(patients):\n    return x")
        assert [f["path"] for f in notebook.collect()["code"]["files"]] == ["main.py", "beside_it.py"]
    del sys.modules["beside_it"]


def test_a_cell_whose_source_is_not_kept(tmp_path: Path) -> None:
    with ipython(tmp_path) as notebook:
        notebook.run("k = 3", "%%capture\ndef f(patients):\n    return k")
        assert "return k" in main_py(notebook.collect())
        exec(compile("def g(patients):\n    return 1", "<timed exec>", "exec"), notebook.shell.user_ns)
        assert "the notebook does not keep the source of g" in refused(notebook.shell.user_ns["g"])


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (1, 1, True),
        (1, True, False),
        (1, 1.0, False),
        (float("nan"), float("nan"), True),
        ([1, [2]], [1, [2]], True),
        ([1], [1, 2], False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        ((1,), [1], False),
        (lambda x: x + 1, lambda x: x + 1, True),
        (lambda x: x + 1, lambda x: x + 2, False),
        (object(), object(), True),
        ({1, 2}, {2, 1}, True),
    ],
)
def test_agreement_of_values(a: object, b: object, wanted: bool) -> None:
    assert agrees(a, b) is wanted


def test_agreement_of_arrays_and_tables() -> None:
    import numpy as np
    import pandas as pd

    assert agrees(np.array([1, 2]), np.array([1, 2]))
    assert not agrees(np.array([1, 2]), np.array([1, 3]))
    assert not agrees(np.array([1, 2]), np.array([1.0, 2.0]))
    assert agrees(pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}))
    assert not agrees(pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]}))
