"""Ways of submitting a function: from a file, from an imported module, from a notebook."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from anchorhold import _digest
from anchorhold._collect.command import collect_file
from anchorhold._collect.source import Refused
from anchorhold._live import collect_live

LOCK = "sha256:" + "0" * 64


def from_text(folder: Path, text: str, entry: str = "f", assets: tuple[str, ...] = ("patients",)) -> dict[str, Any]:
    file = folder / "analysis.py"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    return collect_file(file, entry, list(assets), LOCK)


def main_py(answer: dict[str, Any]) -> str:
    return str(answer["code"]["files"][0]["text"])


def digest(answer: dict[str, Any]) -> str:
    return _digest.code_digest(answer["code"])


def refusal(folder: Path, text: str, entry: str = "f", assets: tuple[str, ...] = ("patients",)) -> str:
    """The words of a refusal, which always has a remedy."""
    with pytest.raises(Refused) as refused:
        from_text(folder, text, entry, assets)
    assert refused.value.message
    assert refused.value.remedy
    return str(refused.value)


def from_module(module: ModuleType, entry: str = "f", assets: tuple[str, ...] = ("patients",)) -> dict[str, Any]:
    return collect_live(getattr(module, entry), list(assets), LOCK)


def from_command(folder: Path, text: str, entry: str = "f") -> dict[str, Any]:
    """By the collector's command line, as a process of its own that sees only its own library."""
    file = folder / "analysis.py"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    program = [sys.executable, "-m", "anchorhold._collect", str(file), "--entry", entry, "--asset", "patients"]
    done = subprocess.run([*program, "--environment", LOCK], capture_output=True, check=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


class Notebook:
    """A real IPython shell, one cell at a time."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    def run(self, *cells: str) -> None:
        for cell in cells:
            self.shell.run_cell(textwrap.dedent(cell), store_history=True)

    def collect(self, entry: str = "f", assets: tuple[str, ...] = ("patients",)) -> dict[str, Any]:
        return collect_live(self.shell.user_ns[entry], list(assets), LOCK)


@contextmanager
def ipython(folder: Path) -> Iterator[Notebook]:
    config = Config()
    config.HistoryManager.enabled = False  # no database; the cells of this session are kept all the same
    config.InteractiveShell.ipython_dir = str(folder)
    shell = InteractiveShell.instance(config=config)
    try:
        yield Notebook(shell)
    finally:
        InteractiveShell.clear_instance()
