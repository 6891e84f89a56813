"""Fixtures: a fake site, and an environment that holds nothing of the machine."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NamedTuple

import pytest
from fake_site import FakeSite

import anchorhold as ah

REPOSITORY = Path(__file__).resolve().parents[3]
VECTORS = REPOSITORY / "docs" / "spec" / "vectors"


@pytest.fixture(autouse=True)
def clean_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No login, token or cache of whoever runs the tests."""
    for name in ("ANCHORHOLD_URL", "ANCHORHOLD_TOKEN", "ANCHORHOLD_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Real(NamedTuple):
    """A site in a process of its own."""

    program: str
    dir: Path
    url: str
    token: str

    def run(self, *args: str) -> Any:
        """What a command on the site's own machine answers."""
        done = subprocess.run(
            [self.program, *args, "--dir", str(self.dir), "--json"], capture_output=True, check=True
        )  # fmt: skip
        return json.loads(done.stdout)


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[Real]:
    """A new site that is served while the context lasts."""
    program = os.environ.get("ANCHORHOLD_TEST_BINARY") or str(REPOSITORY / "bin" / "anchorhold")
    made = Real(program, folder, "", "")
    made.run("init", "--name", "real")
    token = made.run("user", "add", "olga@example.org", "--role", "owner")["token"]
    process = subprocess.Popen(
        [program, "serve", "--dir", str(folder), "--listen", "127.0.0.1:0", "--json", *flags],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield made._replace(url=json.JSONDecoder().raw_decode(until_object(process.stdout))[0]["connect"], token=token)
    finally:
        process.terminate()
        process.communicate()


def until_object(lines: IO[str]) -> str:
    """The lines of a JSON object, which may be written over several."""
    text = ""
    for line in lines:
        text += line
        if line.rstrip().endswith("}"):
            break
    return text


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    with serving(tmp_path_factory.mktemp("real") / "site") as found:
        yield found


@pytest.fixture
def site() -> Iterator[FakeSite]:
    found = FakeSite()
    yield found
    found.close()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Retries that do not wait, and how long they would have."""
    found: list[float] = []
    monkeypatch.setattr("anchorhold._http.time", FakeTime(found))
    return found


class FakeTime:
    def __init__(self, pauses: list[float]) -> None:
        self.sleep = pauses.append


@pytest.fixture
def ada(site: FakeSite) -> ah.Site:
    """A researcher."""
    return ah.connect(site.url, "researcher-token")


@pytest.fixture
def olga(site: FakeSite) -> ah.Site:
    """An owner."""
    return ah.connect(site.url, "owner-token")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """Writes files into a folder and imports one, as a person's script would."""
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)

    def make(text: str, name: str = "analysis", **others: str) -> ModuleType:
        for other, content in {name: text, **others}.items():
            path = folder / (other.replace("__", "/") + ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(content), encoding="utf-8")
        importlib.invalidate_caches()
        return importlib.import_module(name.replace("__", "."))

    yield make
    for added in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[added], "__file__", "")):
            del sys.modules[added]
