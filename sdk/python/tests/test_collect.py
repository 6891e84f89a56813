"""What is gathered: everything that a function needs, nothing else, in one canonical form."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gather import LOCK, digest, from_command, from_module, from_text, ipython, main_py

import anchorhold._collect
from anchorhold._collect.command import collect_file, main
from anchorhold._collect.source import Refused

QUESTION = '''
"""A script as people write it."""
from __future__ import annotations
import sys, os.path
import pandas as pd
import numpy as np
from math import tau, pi
from collections import Counter as Count

THRESHOLD = 3  # years
CODES = {"a": 1,
         "b": THRESHOLD + 1}
LIMIT: float = np.float64(2.5)
UNUSED = open
data = pd.DataFrame({"age": [1]})

class Scale(object):
    """A helper."""
    factor = THRESHOLD

    def apply(self, x):
        return x * self.factor * tau

def unused(x):
    return sys.path

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)

def double(f):
    return f

@double
def helper(x: pd.Series, more=CODES):
    # a comment stays
    text = """trailing blanks stay   
    in a text"""
    return Scale().apply(x) + len(more) + len(text) + even(2)   # and this one

def f(patients: pd.DataFrame, k: int = 5) -> pd.Series:
    """Explain."""
    total = Count()   
    return helper(patients["age"]) + k + LIMIT + len(total)

if __name__ == "__main__":
    print(f(data))
'''  # noqa: W291

CANONICAL = '''from __future__ import annotations
import numpy as np
import pandas as pd
from collections import Counter as Count
from math import tau

LIMIT: float = np.float64(2.5)

THRESHOLD = 3  # years

CODES = {"a": 1,
         "b": THRESHOLD + 1}

class Scale(object):
    """A helper."""
    factor = THRESHOLD

    def apply(self, x):
        return x * self.factor * tau

def double(f):
    return f

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)

@double
def helper(x: pd.Series, more=CODES):
    # a comment stays
    text = """trailing blanks stay   
    in a text"""
    return Scale().apply(x) + len(more) + len(text) + even(2)   # and this one

def f(patients: pd.DataFrame, k: int = 5) -> pd.Series:
    """Explain."""
    total = Count()
    return helper(patients["age"]) + k + LIMIT + len(total)
'''  # noqa: W291


def test_the_canonical_file(tmp_path: Path) -> None:
    answer = from_text(tmp_path, QUESTION)
    assert main_py(answer) == CANONICAL
    assert answer["code"]["entry"] == "main.py:f"
    assert answer["code"]["parameters"] == [
        {"name": "patients", "kind": "asset", "type": "dataframe"},
        {"name": "k", "kind": "value", "type": "int", "default": 5},
    ]
    assert answer["code"]["outputs"] == [{"name": "result", "kind": "table"}]
    assert answer["code"]["environment"] == LOCK


def test_the_canonical_file_gathers_to_itself(tmp_path: Path) -> None:
    assert main_py(from_text(tmp_path, CANONICAL)) == CANONICAL


def test_what_was_gathered_is_shown(tmp_path: Path) -> None:
    shown = {s["name"]: (s["kind"], s["file"], s["line"]) for s in from_text(tmp_path, QUESTION)["shown"]}
    assert shown["f"] == (
        "entry",
        "analysis.py",
        QUESTION.split("\n").index("def f(patients: pd.DataFrame, k: int = 5) -> pd.Series:") + 1,
    )
    assert shown["THRESHOLD"][0] == "constant"
    assert shown["Scale"][0] == "class"
    assert shown["helper"][0] == "function"
    assert shown["pd"][0] == "import"
    assert not {"UNUSED", "data", "unused", "sys", "os", "pi"} & set(shown)


def test_one_digest_however_it_is_submitted(tmp_path: Path, module: Any) -> None:
    wanted = digest(from_text(tmp_path, QUESTION))
    assert digest(from_command(tmp_path, QUESTION)) == wanted
    assert digest(from_module(module(QUESTION))) == wanted
    with ipython(tmp_path) as notebook:
        notebook.run(
            "%lsmagic", "def f(patients:", "def f(patients):\n    return 'an earlier version'", *cells_of(QUESTION)
        )
        assert digest(notebook.collect()) == wanted


def cells_of(text: str) -> list[str]:
    """A script as cells of one statement each."""
    lines = text.split("\n")
    nodes = [n for n in ast.parse(text).body if not isinstance(n, ast.If)]
    starts = [min([n.lineno, *(d.lineno for d in getattr(n, "decorator_list", []))]) for n in nodes]
    return ["\n".join(lines[start - 1 : n.end_lineno]) for start, n in zip(starts, nodes, strict=True)]


def test_line_ends_and_marks_of_other_machines_do_not_matter(tmp_path: Path) -> None:
    wanted = main_py(from_text(tmp_path, QUESTION))
    file = tmp_path / "analysis.py"
    file.write_bytes(b"\xef\xbb\xbf# -*- coding: utf-8 -*-\r\n" + QUESTION.encode().replace(b"\n", b"\r\n"))
    assert main_py(collect_file(file, "f", ["patients"], LOCK)) == wanted


@pytest.mark.parametrize(
    "line",
    [
        "X = [1, 2.5, 'a', b'b', None, True, 1j, ...]",
        "X = {'a': (1, 2), 'b': {3, 4}}",
        "X = [i ** 2 for i in range(10) if i % 2]",
        "X = {k: v for k, v in zip('ab', (1, 2))}",
        "i = 1\nX = [i for i in range(3)] + [i]",
        "Y = 1\nX = [[Y for i in (j, Y)] for j in range(3) if (j, Y)]",
        "X = -1 if 2 > 1 else not True",
        "X = f'{1 + 1:>10}' + 'a b'.upper()",
        "X = 'age sex num'.split()",
        "X = ', '.join(sorted({'b', 'a'}))",
        "X = (lambda a: open(a))",
        "X = {'mean': lambda s: s.mean()}",
        "import math\nX = math.sqrt(2) + math.pi",
        "from math import sqrt\nX = sqrt(2)",
        "import re\nX = re.compile('a+', re.IGNORECASE)",
        "import datetime as dt\nX = dt.date(2020, 1, 1) - dt.timedelta(days=3)",
        "from datetime import datetime\nX = datetime.fromisoformat('2020-01-01')",
        "import numpy as np\nX = np.array([1, 2]) * np.pi",
        "import numpy as np\nX = np.linspace(0, 1, 5).reshape(5, 1)",
        "import pandas as pd\nX = pd.Timestamp('2020-01-01')",
        "import pandas as pd\nX = pd.DataFrame({'a': [1]})['a']",
        "from collections import namedtuple\nX = namedtuple('P', 'x y')",
        "from typing import Optional\nX = Optional[int]",
        "X: 'int' = 3",
        "Y = 2\nX = Y + 1",
        "X, Y = 1, 2",
        "X = Y = [0]",
        "(X, *Y) = range(3)",
        "X = 1; Y = 2",
        "X = '''several\nlines   \n'''",
        "from pathlib import Path\nX = Path('a') / 'b'",
        "import operator\nX = operator.itemgetter(1)",
    ],
)
def test_constants_that_are_values(tmp_path: Path, line: str) -> None:
    text = main_py(from_text(tmp_path, line + "\n\ndef f(patients):\n    return X\n"))
    mine: dict[str, Any] = {"__name__": "main"}
    exec(compile(text, "main.py", "exec"), mine)
    assert "X" in mine


def test_the_order_serves_what_runs_early(tmp_path: Path) -> None:
    text = main_py(
        from_text(
            tmp_path,
            """
            def f(patients):
                return aa()

            REGISTRY = {}

            def register(g):
                REGISTRY[g.__name__] = zz(g)
                return g

            def zz(g):
                return g

            @register
            def aa():
                return bb

            bb = 1

            class Base:
                pass

            class Anchor(Base):
                made = bb
            """.replace("return aa()", "return aa(), Anchor"),
        )
    )
    exec(compile(text, "main.py", "exec"), {"__name__": "main"})
    places = [text.index(part) for part in ("REGISTRY = ", "def zz", "def register", "@register", "def f")]
    assert places == sorted(places)


def test_recursion_and_circles(tmp_path: Path) -> None:
    text = main_py(
        from_text(
            tmp_path, "def g(n):\n    return f(n)\n\ndef f(patients):\n    return g(patients) if patients else f(1)\n"
        )
    )
    assert text.endswith("def f(patients):\n    return g(patients) if patients else f(1)\n")


def test_names_in_every_scope_are_found(tmp_path: Path) -> None:
    names = "a b c d e g h i j k l m n".split()
    text = "\n".join(f"{n} = {i}" for i, n in enumerate(names))
    text += """

class T:
    k = k

    def go(self):
        return [l for _ in range(m)]

def dec(x):
    return lambda fn: fn

@dec(a)
def f(patients, *, p: int = 1):
    def inner(z=b):
        x = lambda: c
        return x
    y = [d for q in range(e) if g]
    if (w := h):
        pass
    t = T
    def shadow(n):
        return n
    return f"{i!r:{j}}"
"""
    shown = {s["name"] for s in from_text(tmp_path, text)["shown"]}
    assert shown == {*names, "T", "dec", "f"} - {"n"}


def test_local_modules_go_along(tmp_path: Path) -> None:
    files = {
        "helpers.py": "import tools.text as tt\nfrom tools import more\nimport json, pandas\n",
        "tools/__init__.py": "from .text import clean\n",
        "tools/text.py": "from . import more\nfrom .deep import x\ndef clean(s):\n    import late\n    return s\n",
        "tools/more.py": "",
        "tools/deep/__init__.py": "x = 1\r\n",
        "late.py": "",
        "unrelated.py": "",
        "pandas_data/table.csv": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(text.encode())
    answer = from_text(tmp_path, "import helpers\nimport unrelated\n\ndef f(patients):\n    return helpers.more\n")
    sent = {f["path"]: f["text"] for f in answer["code"]["files"]}
    assert sorted(sent) == sorted(["main.py", *files.keys() - {"unrelated.py", "pandas_data/table.csv"}])
    assert sent["tools/deep/__init__.py"] == "x = 1\n"
    assert {"helpers.py", "late.py"} < {s["name"] for s in answer["shown"] if s["kind"] == "file"}


def test_a_file_of_a_package_keeps_its_package(tmp_path: Path) -> None:
    package = tmp_path / "study" / "steps"
    package.mkdir(parents=True)
    (tmp_path / "study" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "clean.py").write_text("from ..common import x\n")
    (tmp_path / "study" / "common.py").write_text("x = 1\n")
    answer = from_text(
        package, "from .clean import x\nfrom ..common import x as y\n\ndef f(patients):\n    return x + y\n"
    )
    paths = [f["path"] for f in answer["code"]["files"]]
    assert paths == [
        "main.py",
        "study/__init__.py",
        "study/common.py",
        "study/steps/__init__.py",
        "study/steps/clean.py",
    ]
    assert main_py(answer).startswith("from study.common import x as y\nfrom study.steps.clean import x\n")


@pytest.mark.parametrize(
    ("annotation", "wanted"),
    [
        ("", "dataframe"),
        (": pd.DataFrame", "dataframe"),
        (': "pandas.DataFrame"', "dataframe"),
        (': "pd.DataFrame"', "dataframe"),
        (": DataFrame", "dataframe"),
        (": pa.Table", "arrow"),
        (": np.ndarray", "numpy"),
        (": npt.NDArray[np.float64]", "numpy"),
        (": Path", "path"),
        (": pathlib.Path", "path"),
    ],
)
def test_types_of_assets(tmp_path: Path, annotation: str, wanted: str) -> None:
    header = "import pandas as pd, pyarrow as pa, numpy as np, pathlib\nimport numpy.typing as npt\n"
    header += "from pandas import DataFrame\nfrom pathlib import Path\n\n"
    answer = from_text(tmp_path, f"{header}def f(patients{annotation}):\n    return 1\n")
    assert answer["code"]["parameters"] == [{"name": "patients", "kind": "asset", "type": wanted}]


@pytest.mark.parametrize(
    ("parameter", "wanted"),
    [
        ("k: int", {"type": "int"}),
        ("k: 'float' = 1", {"type": "float", "default": 1}),
        ("k: bool = True", {"type": "bool", "default": True}),
        ("k = 2.5", {"type": "float", "default": 2.5}),
        ("k = 'x'", {"type": "str", "default": "x"}),
        ("k = -3", {"type": "int", "default": -3}),
        ("k = 2 * 3 + LIMIT", {"type": "int", "default": 16}),
        ("k: list[int] = []", {"type": "list[int]", "default": []}),
        ("k = [1, 2.5]", {"type": "list[float]", "default": [1, 2.5]}),
        ("k: List[str]", {"type": "list[str]"}),
        ("*, k: int = LIMIT", {"type": "int", "default": 10}),
    ],
)
def test_types_of_values(tmp_path: Path, parameter: str, wanted: dict[str, Any]) -> None:
    text = f"from typing import List\nLIMIT = 10\n\ndef f(patients, {parameter}):\n    return 1\n"
    assert from_text(tmp_path, text)["code"]["parameters"][1] == {"name": "k", "kind": "value", **wanted}


@pytest.mark.parametrize(
    ("annotation", "wanted"),
    [
        ("", "any"),
        ("str", "any"),
        ("bytes", "any"),
        ("int", "json"),
        ("dict[str, float]", "json"),
        ("list", "json"),
        ("None", "json"),
        ("pd.DataFrame", "table"),
        ("pd.Series", "table"),
        ("'pa.Table'", "table"),
        ("np.ndarray", "array"),
        ("plt.Figure", "image"),
        ("pd.DataFrame | None", "any"),
        ("Unknown", "any"),
    ],
)
def test_kinds_of_outputs(tmp_path: Path, annotation: str, wanted: str) -> None:
    header = "from __future__ import annotations\nimport pandas as pd, numpy as np, matplotlib.pyplot as plt\n\n"
    arrow = f" -> {annotation}" if annotation else ""
    answer = from_text(tmp_path, f"{header}def f(patients){arrow}:\n    return 1\n")
    assert answer["code"]["outputs"] == [{"name": "result", "kind": wanted}]


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_kinds_that_only_their_name_says(tmp_path: Path, future: str) -> None:
    for name, kind in (("ah.Samples", "samples"), ("anchorhold.SVG", "svg"), ("ah.CSV", "csv"), ("'onnx'", "onnx")):
        text = f"{future}import anchorhold\nimport anchorhold as ah\n\ndef f(patients) -> {name}:\n    return 1\n"
        assert from_text(tmp_path, text)["code"]["outputs"] == [{"name": "result", "kind": kind}]


NAMED = """
from typing import NamedTuple
import pandas as pd
from matplotlib.figure import Figure
import anchorhold as ah

class Answer(NamedTuple):
    table: pd.DataFrame
    figure: Figure
    rows: ah.Samples
    more: object = None

def f(patients) -> Answer:
    return Answer(patients, None, patients)
"""


def test_several_outputs_by_the_names_of_a_tuple(tmp_path: Path) -> None:
    answer = from_text(tmp_path, NAMED)
    kinds = [("table", "table"), ("figure", "image"), ("rows", "samples"), ("more", "any")]
    assert answer["code"]["outputs"] == [{"name": n, "kind": k} for n, k in kinds]
    assert "class Answer" in main_py(answer)
    plain = NAMED.replace("-> Answer", "-> tuple[int, str]")
    assert from_text(tmp_path, plain)["code"]["outputs"] == [{"name": "result", "kind": "json"}]


def test_declared_outputs(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("def f(patients) -> int:\n    return 1\n")

    def declared(*outputs: str) -> Any:
        return collect_file(file, "f", ["patients"], LOCK, outputs)

    outputs = declared("table=table:aggregate", "fit=array:model", "weights=safetensors:model", "rows=samples", "other")
    assert outputs["code"]["outputs"] == [
        {"name": "table", "kind": "table"},
        {"name": "fit", "kind": "array", "sensitivity": "model"},
        {"name": "weights", "kind": "safetensors"},
        {"name": "rows", "kind": "samples"},
        {"name": "other", "kind": "any"},
    ]
    assert digest(outputs)
    assert digest(declared("result=json:aggregate")) == digest(declared())
    assert digest(declared("result=json:individual")) != digest(declared())
    for wrong, said in (
        ("a b=table", "no plain name"),
        ("a=pickle", "which there is not"),
        ("a=table:harmless", "which there is not"),
        ("a=samples:aggregate", "is individual"),
    ):
        with pytest.raises(Refused, match=said):
            declared(wrong)
    with pytest.raises(Refused, match="declared twice"):
        declared("a", "a=table")
    with pytest.raises(Refused, match="more than 16"):
        declared(*(f"a{n}" for n in range(17)))


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.py"
    file.write_text("def f(patients, k: int):\n    return k\n")
    assert main([str(file), "--entry", "f", "--asset", "patients", "--value-param", "k"]) == 0
    assert json.loads(capsys.readouterr().out)["code"]["entry"] == "main.py:f"
    for arguments, said in (
        (["--entry", "g"], "no function 'g'"),
        (["--entry", "f", "--asset", "patients", "--value-param", "z"], "'z'"),
    ):
        assert main([str(file), *arguments]) == 1
        error = json.loads(capsys.readouterr().out)["error"]
        assert said in error["message"]
        assert error["remedy"]


def test_nothing_of_the_file_is_executed(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    text = f"""
from pathlib import Path
Path({str(marker)!r}).write_text("executed")

def stop():
    raise SystemExit

class Meta(type):
    def __new__(cls, *a):
        stop()

def f(patients, k=3):
    return Meta
"""
    assert from_text(tmp_path, text)["code"]["entry"] == "main.py:f"
    assert not marker.exists()


def test_the_collector_needs_python_3_9_and_its_own_library() -> None:
    for file in Path(anchorhold._collect.__file__).parent.glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert str(node.module).split(".")[0] in sys.stdlib_module_names, file
            if isinstance(node, ast.Import):
                assert {a.name for a in node.names} <= sys.stdlib_module_names, file
            assert type(node).__name__ not in ("Match", "TryStar", "TypeAlias"), file


def test_the_collector_warns_of_nothing(tmp_path: Path) -> None:
    """Odd escapes in the author's texts are no business of the person who submits."""
    file = tmp_path / "a.py"
    file.write_text("def f(patients):\n    return patients['x'].str.match('\\d+')\n")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "anchorhold._collect", str(file), "--entry", "f", "--asset", "patients"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
