"""The package as a package: quick to import, documented, and what it copies is a true copy."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import REPOSITORY
from fake_site import FakeSite

import anchorhold as ah

HEAVY = ("pandas", "numpy", "pyarrow", "urllib3", "cryptography", "matplotlib", "IPython")
PACKAGE = Path(ah.__file__).parent


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout


@pytest.mark.parametrize(
    "statement", ["import anchorhold", "import anchorhold; anchorhold.connect, anchorhold.Receipt"]
)
def test_importing_loads_nothing_heavy(statement: str) -> None:
    loaded = json.loads(python(f"{statement}; import json, sys; print(json.dumps(sorted(sys.modules)))"))
    assert not set(HEAVY) & {name.partition(".")[0] for name in loaded}


def test_importing_is_quick() -> None:
    code = "import time; a = time.process_time(); import anchorhold; print(time.process_time() - a)"
    assert min(float(python(code)) for _ in range(3)) < 0.1


def test_a_script_on_its_way_to_a_table_loads_no_pandas(site: object) -> None:
    url = getattr(site, "url")
    code = f"import anchorhold as ah, sys; s = ah.connect({url!r}, 'researcher-token'); s.datasets['heart'].mock.path()"
    assert python(f"{code}; print([m for m in ('pandas', 'numpy', 'pyarrow') if m in sys.modules])").strip() == "[]"


def test_every_public_name_is_there_and_documented() -> None:
    for name in ah.__all__:
        thing = getattr(ah, name)
        if inspect.isclass(thing) or inspect.isfunction(thing) or inspect.ismodule(thing):
            assert thing.__doc__, name
        if not inspect.isclass(thing):
            continue
        for member, value in vars(thing).items():
            public = not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
            assert not public or inspect.getdoc(value), f"{name}.{member}"
    assert set(ah.__all__) == set(dir(ah))
    with pytest.raises(AttributeError, match="nothing"):
        _ = ah.nothing


def test_every_module_says_why_it_exists() -> None:
    for file in PACKAGE.rglob("*.py"):
        assert file.read_text(encoding="utf-8").startswith('"""'), file


def test_what_runs_at_a_site_is_a_copy() -> None:
    for name in ("codec", "inputs"):
        source = REPOSITORY / "run" / "job" / f"{name}.py"
        copy = PACKAGE / f"_{name}.py"
        assert copy.read_bytes() == source.read_bytes(), f"copy run/job/{name}.py to anchorhold/_{name}.py"


def test_one_version() -> None:
    program = (REPOSITORY / "anchorhold.go").read_text(encoding="utf-8")
    assert f'const ProgramVersion = "{ah.__version__}"' in program


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_the_copy_of_the_licence() -> None:
    assert (PACKAGE.parent / "LICENSE").read_bytes() == (REPOSITORY / "LICENSE").read_bytes()


def test_a_missing_library_says_how_to_get_it(ada: ah.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ah.Unavailable, match="pandas is not installed") as refused:
        ada.datasets["heart"].mock.to_pandas()
    assert refused.value.remedy == "run: pip install pandas"


def blocks_of_the_readme() -> list[str]:
    text = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    return [part.split("```")[0] for part in text.split("```python\n")[1:]]


def test_the_blocks_of_the_readme(site: FakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking, deciding = blocks_of_the_readme()
    for old, new in (
        ("http://127.0.0.1:7440", site.url),
        ('"OWNER TOKEN"', '"owner-token"'),
        ('"TOKEN"', '"researcher-token"'),
    ):
        asking, deciding = asking.replace(old, new), deciding.replace(old, new)
    (tmp_path / "question.py").write_text(asking.replace("timeout=600", "timeout=300"))
    monkeypatch.syspath_prepend(str(tmp_path))

    def decide() -> None:
        with site.changed:
            site.changed.wait_for(lambda: site.requests, timeout=300)
        exec(compile(deciding, "README.md", "exec"), {"ah": ah})

    owner = threading.Thread(target=decide)
    owner.start()
    question = importlib.import_module("question")
    owner.join()
    del sys.modules["question"]
    assert question.request.result().to_dict() == {0: 41.0, 1: 57.5, 2: 74.0}


def test_it_imports_where_unix_is_not() -> None:
    """Windows has none of these; nothing at import may want them."""
    absent = ["fcntl", "grp", "pwd", "resource", "termios", "tty", "syslog", "posix_ipc"]
    program = (
        f"import sys\nfor m in {absent!r}: sys.modules[m] = None\nimport anchorhold\nprint(anchorhold.__version__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ah.__version__
