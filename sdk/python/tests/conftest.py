"""Fixtures: a fake site, and an environment that holds nothing of the machine."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

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


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    program = os.environ.get("ANCHORHOLD_TEST_BINARY") or str(REPOSITORY / "bin" / "anchorhold")
    folder = tmp_path_factory.mktemp("real") / "site"

    def run(*args: str) -> Any:
        done = subprocess.run([program, *args, "--dir", str(folder), "--json"], capture_output=True, check=True)
        return json.loads(done.stdout)

    run("init", "--name", "real")
    token = run("user", "add", "olga@example.org", "--role", "owner")["token"]
    serving = subprocess.Popen(
        [program, "serve", "--dir", str(folder), "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert serving.stdout is not None
    try:
        for line in serving.stdout:
            if found := re.search(r"listening on (\S+)", line):
                yield Real(program, folder, found[1], token)
                break
    finally:
        serving.terminate()
        serving.communicate()


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
