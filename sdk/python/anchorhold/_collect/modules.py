"""Local modules: those beside the code are submitted along, those of an environment are not."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Optional

from .names import Module
from .source import MAX_FILES, Refused, Unit, read_unit


class Finder:
    """Finds the modules that lie beside the code; those of the environment stay where they are."""

    def __init__(self, module: Module) -> None:
        self.root = module.root
        self.files: dict[str, str] = {}

    def want(self, name: str, attributes: list[str]) -> None:
        """Take a module by its dotted name, and those of its attributes that are modules."""
        parts = name.split(".")
        if self.root is None or not name or parts[0] in sys.builtin_module_names or not self._is_local(parts):
            return
        for n in range(1, len(parts) + 1):
            self._take(parts[:n])
        for attribute in attributes:
            self._take([*parts, attribute])

    def _is_local(self, parts: list[str]) -> bool:
        assert self.root is not None
        first = self.root / parts[0]
        if first.with_suffix(".py").is_file() or (first / "__init__.py").is_file():
            return True
        return len(parts) > 1 and first.is_dir() and bool(self._path(parts))

    def _path(self, parts: list[str]) -> Optional[str]:
        assert self.root is not None
        for path in ("/".join([*parts, "__init__.py"]), "/".join(parts) + ".py"):
            if (self.root / path).is_file():
                return path
        return None

    def _take(self, parts: list[str]) -> None:
        path = self._path(parts)
        if path is None or path in self.files:
            return
        assert self.root is not None
        if path == "main.py":
            raise Refused(
                "the code imports a module named main, which is the name of the submitted file", "rename main.py"
            )
        if len(self.files) >= MAX_FILES:
            raise Refused(f"the function needs more than {MAX_FILES} files", "submit only the modules that it needs")
        unit = read_unit(self.root / path, path)
        self.files[path] = unit.text
        package = parts if path.endswith("/__init__.py") else parts[:-1]
        self.follow(unit.tree, unit, ".".join(package))

    def follow(self, tree: ast.AST, unit: Unit, package: str) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.want(alias.name, [])
            elif isinstance(node, ast.ImportFrom):
                self.want(absolute_name(node, package, unit.at(node)), [a.name for a in node.names])


def package_of(path: Path) -> tuple[Path, str]:
    """The folder that imports start from, and the dotted package that a file belongs to."""
    folder = path.resolve().parent
    parts: list[str] = []
    while (folder / "__init__.py").is_file() and folder.name.isidentifier() and folder.parent != folder:
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def absolute_name(stmt: ast.ImportFrom, package: str, where: str) -> str:
    if stmt.level == 0:
        return stmt.module or ""
    parts = package.split(".") if package else []
    keep = len(parts) - (stmt.level - 1)
    if keep <= 0:
        raise Refused(f"the relative import on {where} leaves the folder of the code", "import the module by its name")
    return ".".join(parts[:keep] + ([stmt.module] if stmt.module else []))
