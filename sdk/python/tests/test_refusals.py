"""What cannot be gathered faithfully is refused, by name and line, with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from gather import from_text, refusal

from anchorhold._collect.command import collect_file
from anchorhold._collect.source import Refused

USES_X = "\n\ndef f(patients):\n    return X\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("X = open('x')", "X (line 1 of analysis.py) is made by open(...)"),
        ("X = input()", "input(...)"),
        ("X = heart.mock.to_pandas()", "heart.mock.to_pandas(...)"),
        ("import pandas as pd\nX = pd.read_csv('x.csv')", "X (line 2 of analysis.py) is made by pd.read_csv(...)"),
        ("import numpy as np\nX = np.load('x')", "np.load(...)"),
        ("import numpy as np\nX = np.random.rand(3)", "np.random.rand(...)"),
        ("import datetime\nX = datetime.datetime.now()", "datetime.datetime.now(...)"),
        ("from datetime import datetime\nX = [datetime.now()]", "datetime.now(...)"),
        ("import time\nX = time.time()", "time.time(...)"),
        ("import os\nX = os.environ.get('HOME')", None),
        ("X = [open(p) for p in ('a',)]", "open(...)"),
        ("X = {'a': {'b': eval('1')}}", "eval(...)"),
        ("X = f'{open(1)}'", "open(...)"),
        ("X = 3 if input() else 4", "input(...)"),
        ("X = (lambda a=open('x'): a)", "open(...)"),
        ("X = (lambda: 1)()", "whose result"),
        ("X = __import__('os').getcwd()", "whose result"),
        ("X = (y := 3)", "not a plain value"),
        ("def g():\n    return 1\n\nX = g()", "g(...)"),
        ("class C:\n    pass\n\nX = C()", "C(...)"),
        ("X = [].append(1)", "[].append(...)"),
        ("X = 1\nX = 2", "assigned more than once in analysis.py (lines 1 and 2)"),
        ("X = 1\nX += 1", "more than once"),
        ("X = []\nX.append(1)", "X is changed on line 2"),
        ("X = {}\nX['a'] = 1", "X is changed on line 2"),
        ("X = {'a': {}}\nX['a']['b'] = 1", "X is changed on line 2"),
        ("X = {}\nfor i in range(3):\n    X[i] = i", "X is changed on line 2"),
        ("X = [1]\ndel X[0]", "X is changed on line 2"),
        ("def X():\n    pass\n\nX.cache = {}", "X is changed on line 4"),
        ("X = X + 1", "its own earlier value"),
        ("for X in range(3):\n    pass", "inside a block on line 1"),
        ("with open('a') as X:\n    pass", "inside a block on line 1"),
        ("if True:\n    X = 1", "inside a block on line 1"),
        ("try:\n    import X\nexcept ImportError:\n    X = None", "inside a block on line 1"),
        ("import sys\nif sys.argv:\n    def X():\n        pass", "inside a block on line 2"),
        ("print(X := 3)", "X is changed on line 1"),
        ("X = 1\n\ndef g():\n    global X\n    X = 2", "X is changed by `global X` in g (line 3"),
        ("from math import *", "X may come from `from math import *` on line 1"),
        ("X = 1\nfrom math import *", "X may come from"),
        ("from . import X", "leaves the folder"),
        ("from ..helpers import X", "leaves the folder"),
        ("", "X, used by f, is not defined in analysis.py"),
        ("X: int", "X, used by f, is not defined"),
        ("del X", "X is changed on line 1"),
        ("X = __file__", "__file__"),
        ("import X\nX = 3", "more than once"),
        ("def X():\n    return Y", "Y, used by X, is not defined"),
        ("X = [Y]\nY = Z()\nZ = 1", None),
        ("class X:\n    def go(self):\n        return Y", "Y, used by X"),
        ("async def g():\n    return 1\n\nX = g", None),
    ],
)
def test_variables_that_cannot_go_along(tmp_path: Path, line: str, said: str | None) -> None:
    if said is None and "async" in line:
        assert from_text(tmp_path, line + USES_X)  # a helper may be anything; it is the entry that must be plain
        return
    words = refusal(tmp_path, line + USES_X)
    if said is not None:
        assert said in words


def test_the_name_of_the_variable_is_always_said(tmp_path: Path) -> None:
    assert "model" in refusal(tmp_path, "model = fit()\n\ndef f(patients):\n    return model\n")
    words = refusal(tmp_path, "secret = open('x')\nmodel = [secret]\n\ndef f(patients):\n    return model\n")
    assert "secret (line 1" in words
    assert "pass secret as a parameter, write its value, or move the line into the function" in words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(patients):\n    yield 1", "f is a generator (line 2 of analysis.py yields)"),
        ("def f(patients):\n    x = yield from g", "generator"),
        ("async def f(patients):\n    return 1", "f is an async function"),
        ("f = lambda patients: 1", "f (line 1 of analysis.py) is not a function written with def"),
        ("class f:\n    pass", "not a function written with def"),
        ("from math import sqrt as f", "not a function written with def"),
        ("if True:\n    def f(patients):\n        return 1", "inside a block"),
        ("def f(patients):\n    return 1\n\ndef f(patients):\n    return 2", "assigned more than once"),
        ("def g(patients):\n    return 1", "no function 'f'; use one of its functions: g"),
        ("", "no function 'f'"),
        ("def f(patients):\n    global k\n    k = 1\n    return k", "k is changed by `global k` in f"),
        ("def f(patients):\n    return get_ipython()", "get_ipython"),
        ("def f(patients:\n    return 1", "analysis.py line 1 is not valid Python"),
        ("x = 1\n\ndef f(patients):\nreturn 1", "analysis.py line 4 is not valid Python"),
        ("def f(patients):\n    return 1\n\x00", "analysis.py"),
        ("def f(patients):\n    nonlocal k\n    return k", "valid Python"),
        ("def f(patients):\n    return " + "(" * 300 + ")" * 300, "analysis.py"),
        ("def f(patients):\n    return " + "-" * 20_000 + "1", "analysis.py"),
        (
            "def dec(g):\n    return f\n\n@dec\ndef helper():\n    pass\n\nT = [f]\n\ndef f(patients):\n    return T",
            "T (line",
        ),
        ("class A(B):\n    pass\n\nclass B(A):\n    pass\n\ndef f(patients):\n    return A", "need each other"),
        ("def \u0192(patients):\n    return 1\nf = \u0192", "not a function written with def"),
        ("def f(patients):\n    import os.path as p\n    from .x import y\n    return p", "leaves the folder"),
    ],
)
def test_functions_that_cannot_be_submitted(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        ("*patients", "f takes *patients"),
        ("patients, **more", "f takes **more"),
        ("patients, /", "patients of f is positional-only"),
        ("rows", "no parameter 'patients'; use one of its parameters: rows"),
        ("", "no parameters"),
        ("patients: int", "patients is given an asset, but is annotated int"),
        ("patients: dict[str, int]", "patients is given an asset, but is annotated dict"),
        ("patients: 'not python('", "patients is given an asset"),
        ("patients, k", "k has no type; pass an asset for it, or write its type, as in k: int"),
        ("patients, k: dict", "k has the type dict, which a parameter cannot have"),
        ("patients, k: list", "k has the type list"),
        ("patients, k: list[list[int]]", "k has the type list[list[int]]"),
        ("patients, k: 'int | None' = None", "k has the type 'int | None'"),
        ("patients, k: datetime", "k has the type datetime"),
        ("patients, other: pd.DataFrame", "other takes data, but no asset is given for it; pass an asset for other"),
        ("patients, k=None", "k has no type"),
        ("patients, k=b'x'", "k has no type"),
        ("patients, k=[]", "k has no type"),
        ("patients, k=[1, 'a']", "k has no type"),
        ("patients, k: int = 1.5", "the default of k is not of its type int"),
        ("patients, k: int = True", "the default of k is not of its type int"),
        ("patients, k: int = 9007199254740993", "the default of k is not of its type int"),
        ("patients, k: str = 'a\\x00'", "the default of k is not of its type str"),
        ("patients, k: str = '\\ud800'", "the default of k is not of its type str"),
        ("patients, k: float = 1e999", "the default of k is not of its type float"),
        ("patients, k: int = 10 ** 10 ** 10", "the default of k (line 5 of analysis.py) is not a plain value"),
        ("patients, k: int = len('abc')", "not a plain value"),
        ("patients, k: float = 1 / 0", "not a plain value"),
        ("patients, k: int = UNKNOWN", "UNKNOWN"),
        ("patients, \u00e9: int", "not a plain identifier"),
    ],
)
def test_parameters_that_cannot_be_declared(tmp_path: Path, signature: str, said: str) -> None:
    header = "import pandas as pd\nfrom datetime import datetime\n\n\n"
    assert said in refusal(tmp_path, f"{header}def f({signature}):\n    return 1\n")


def test_too_many_parameters(tmp_path: Path) -> None:
    many = ", ".join(f"p{i}: int" for i in range(64))
    assert "more than 64 parameters" in refusal(tmp_path, f"def f(patients, {many}):\n    return 1\n")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"# caf\xe9\ndef f(patients):\n    return 1\n", "analysis.py line 1 is not UTF-8"),
        (b"x = 1\n\ny = '\xff'\ndef f(patients):\n    return 1\n", "analysis.py line 3 is not UTF-8"),
        (b"# -*- coding: latin-1 -*-\ndef f(patients):\n    return 1\n", "another encoding than UTF-8"),
        (b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n", "another encoding than UTF-8"),
        ("def f(patients):\n    return 1\n".encode("utf-16"), "not UTF-8"),
        (b"#" * (1 << 20) + b"#\n", "larger than 1 MiB"),
    ],
)
def test_files_that_are_no_plain_text(tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "analysis.py"
    file.write_bytes(data)
    with pytest.raises(Refused) as refused:
        collect_file(file, "f", ["patients"], "")
    assert said in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.py", tmp_path):
        with pytest.raises(Refused, match="cannot be read"):
            collect_file(path, "f", [], "")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("helpers.py", "def broken(:\n", "helpers.py line 1 is not valid Python"),
        ("helpers.py", "from .other import x\n", "line 1 of helpers.py leaves the folder"),
        ("helpers.py", "import main\n", "a module named main"),
        ("helpers/__init__.py", "from ..outside import x\n", "leaves the folder"),
    ],
)
def test_local_modules_that_cannot_go_along(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    (tmp_path / "main.py").write_text("")
    assert said in refusal(tmp_path, "import helpers\n\ndef f(patients):\n    return helpers\n")


def test_too_much_code(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("#" * ((1 << 20) - 10))
    assert "larger than 1 MiB" in refusal(tmp_path, "import helpers\n\ndef f(patients):\n    return helpers\n")
    package = tmp_path / "many"
    package.mkdir()
    (package / "__init__.py").write_text("".join(f"from . import m{i}\n" for i in range(120)))
    for i in range(120):
        (package / f"m{i}.py").write_text("")
    assert "more than 100 files" in refusal(tmp_path, "import many\n\ndef f(patients):\n    return many\n")


def test_a_name_that_cannot_be_a_path(tmp_path: Path) -> None:
    (tmp_path / "h\u00e9lp.py").write_text("")
    assert "cannot be submitted" in refusal(tmp_path, "import h\u00e9lp\n\ndef f(patients):\n    return h\u00e9lp\n")
