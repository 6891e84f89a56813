"""Code that is submitted as it stands: a script, or a folder with an entry point.

A script runs from top to bottom. The variables that it only annotates, or that
are given an asset, are there when it begins; what it leaves in ``result`` is its
answer. Of a folder every file goes along, so that a reviewer sees what the code
can see; what cannot be read is refused by its name, and what tools leave beside
code is left out, by its name too.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
import symtable
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .entry import asset_parameter, check_entry, parameters, value_parameter
from .gather import MODULE_NAMES, check_limits
from .modules import Finder
from .names import Module, bound_names, loaded, outside_functions
from .outputs import RESULT, declared_outputs
from .source import MAX_FILES, Definition, FunctionNode, Refused, Unit, decode, first_line, read_unit

SCRIPT = "__main__"  # in the place of a function's name: the file runs from top to bottom
MAX_DATA = 64 << 10  # of one text that is no code

# What tools and editors leave beside code, and no code reads.
LEFT_OUT = frozenset(
    """
    __pycache__ .git .gitignore .gitattributes .gitmodules .github .hg .hgignore .svn .venv .tox .nox .idea
    .vscode .DS_Store .ipynb_checkpoints .mypy_cache .ruff_cache .pytest_cache .coverage .python-version .editorconfig
    .directory .pre-commit-config.yaml Thumbs.db desktop.ini
    """.split()
)


# ------------------------------------------------------------------ scripts


def collect_script(path: Path, assets: list[str], environment: str, outputs: Sequence[str] = ()) -> dict[str, Any]:
    """A script with the modules beside it that it imports."""
    unit = read_unit(path)
    module = Module([unit], path.resolve().parent)
    given = script_parameters(module, unit, assets)
    finder = Finder(module)
    finder.follow(unit.tree, unit, "")
    files = [{"path": "main.py", "text": unit.text}]
    files += [{"path": p, "text": t} for p, t in sorted(finder.files.items())]
    check_limits(files)
    shown = [{"name": "script", "kind": "entry", "file": unit.label, "line": 1}]
    shown += [{"name": p, "kind": "file", "file": p, "line": 1} for p in sorted(finder.files)]
    return answer(files, f"main.py:{SCRIPT}", given, script_outputs(module, unit, outputs), environment, shown)


def answer(
    files: list[dict[str, str]],
    entry: str,
    given: list[dict[str, Any]],
    outputs: list[dict[str, str]],
    environment: str,
    shown: list[dict[str, Any]],
) -> dict[str, Any]:
    code = {"files": files, "entry": entry, "parameters": given, "outputs": outputs, "environment": environment}
    return {"code": code, "shown": shown}


def script_parameters(module: Module, unit: Unit, assets: list[str]) -> list[dict[str, Any]]:
    """The variables that are there when a script begins: those with an asset, and those that it only annotates."""
    kinds = {name: kind for name, _, kind in (a.partition(":") for a in assets)}
    hints = {
        s.target.id: s.annotation
        for s in unit.tree.body
        if isinstance(s, ast.AnnAssign) and s.value is None and isinstance(s.target, ast.Name)
    }
    names = [n for n in hints if n in kinds or n not in module.bindings]
    names += sorted(set(kinds) - set(names))
    if len(names) > 64:
        raise Refused(f"{unit.label} takes more than 64 parameters", "pass fewer")
    check_runs(module, unit, set(names))
    result = []
    for name in names:
        check_given(name, unit)
        arg = ast.arg(arg=name, annotation=hints.get(name))
        result.append(
            asset_parameter(arg, module, kinds[name]) if name in kinds else value_parameter(arg, None, unit, module)
        )
    return result


def check_given(name: str, unit: Unit) -> None:
    """A variable that is given must be used before it gets another value."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name):
        raise Refused(f"the parameter {name!a} is not a plain identifier", "use ASCII letters, digits and _")
    if name not in loaded(ast.walk(unit.tree)):
        raise Refused(f"{unit.label} does not use {name}", f"use the variable {name} in it, or leave it out")
    for stmt in unit.tree.body:
        if name in loaded(outside_functions(stmt)):
            return
        if name in bound_names(stmt):
            raise Refused(
                f"{name} is given another value on {unit.at(stmt)} before it is used",
                f"leave that line out: {name} is there when the script begins; "
                f"a value is declared by its type alone, as in {name}: int",
            )


def check_runs(module: Module, unit: Unit, given: set[str]) -> None:
    """Refuse what cannot run at a site at all."""
    for name in sorted(loaded(ast.walk(unit.tree)) & {"get_ipython", "display"} - set(module.bindings)):
        raise Refused(f"{name} ({unit.label}) does not exist where the code runs", f"do without {name}")
    for node in ast.walk(unit.tree):
        if isinstance(node, ast.Attribute) and node.attr == "connect" and is_anchorhold(node.value, module):
            raise Refused(
                f"the script connects to a site on {unit.at(node)}",
                "leave that out: the site gives it its tables as variables, such as patients",
            )
    known = {*module.bindings, *module.globals, *given, *MODULE_NAMES, "__file__", "__builtins__"}
    for name in sorted(used_names(unit) - known):
        if not hasattr(builtins, name) and not module.stars:
            raise Refused(
                f"{name} is not defined in {unit.label}",
                f"define or import it, or pass an asset for it; a value is declared by its type, as in {name}: int",
            )


def is_anchorhold(node: ast.expr, module: Module) -> bool:
    """Whether an expression is this package under the name that the module imports it as."""
    found = module.bindings.get(node.id, []) if isinstance(node, ast.Name) else []
    return any(b.alias is not None and b.alias.name == "anchorhold" for b in found)


def used_names(unit: Unit) -> set[str]:
    """The names of its top level that a file uses, anywhere."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(unit.text, unit.label, "exec", dont_inherit=True)  # finds more than parsing
            stack = [symtable.symtable(unit.text, unit.label, "exec")]
    except SyntaxError as e:
        raise Refused(f"{unit.label} line {e.lineno or 1} is not valid Python: {e.msg}", "correct that line") from None
    found = {s.get_name() for s in stack[0].get_symbols() if s.is_referenced() and not s.is_assigned()}
    while stack:
        table = stack.pop()
        stack.extend(table.get_children())
        found |= {
            s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced() and not s.is_assigned()
        }
    return found


def script_outputs(module: Module, unit: Unit, given: Sequence[str]) -> list[dict[str, str]]:
    """What a script leaves: the variables that are declared, or result, of the kind that its annotation says."""
    hints = [
        s.annotation
        for s in unit.tree.body
        if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name) and s.target.id == RESULT
    ]
    outputs = declared_outputs(hints[-1] if hints else None, module, list(given))
    for output in outputs:
        name = output["name"]
        if name not in module.bindings:
            functions = sorted(n for n, bs in module.bindings.items() if all(b.kind == "function" for b in bs))
            other = f"; or name the function that you mean: --entry {functions[0]}" if functions else ""
            what = "answer" if name == RESULT else "output"
            raise Refused(f"{unit.label} assigns no {name}", f"end it with {name} = ..., which is its {what}{other}")
    return outputs


# ------------------------------------------------------------------ folders


def collect_folder(
    folder: Path, entry: str, assets: list[str], environment: str, outputs: Sequence[str] = ()
) -> dict[str, Any]:
    """Every file of a folder, and its entry point: "module:function", or "FILE.py" for a script."""
    left_out: list[str] = []
    units: dict[str, Unit] = {}
    texts: dict[str, str] = {}
    for path, file in walk(folder, "", left_out):
        if len(texts) >= MAX_FILES:
            raise Refused(f"the folder has more than {MAX_FILES} files", "leave out what the code does not need")
        if path.endswith(".py"):
            units[path] = read_unit(file, path)
            used_names(units[path])
            texts[path] = units[path].text
        else:
            texts[path] = read_data(file, path)
    files = [{"path": p, "text": texts[p]} for p in sorted(texts)]
    check_limits(files)
    check_modules(folder, units)
    path, function = entry_of(entry, units)
    unit = units[path]
    package = path.rpartition("/")[0].replace("/", ".")
    module = Module([unit], folder, package)
    begins = 1
    if function == SCRIPT:
        given = script_parameters(module, unit, assets)
        declared = script_outputs(module, unit, outputs)
    else:
        node = find_function(module, unit, function)
        check_entry(node, unit)
        begins = first_line(node)
        given = parameters(node, unit, module, assets)
        declared = declared_outputs(node.returns, module, list(outputs))
    shown = [{"name": function if function != SCRIPT else "script", "kind": "entry", "file": path, "line": begins}]
    shown += [{"name": p, "kind": "file" if p in units else "data", "file": p, "line": 1} for p in sorted(texts)]
    shown += [{"name": p, "kind": "left out", "file": p, "line": 1} for p in left_out]
    return answer(files, f"{path}:{function}", given, declared, environment, shown)


def walk(folder: Path, inside: str, left_out: list[str]) -> Iterator[tuple[str, Path]]:
    """The files of a folder with their paths in it, in order; what may not be there is refused."""
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError as e:
        raise Refused(f"{inside or folder.name} cannot be read: {e.strerror}", "give the path of a folder") from None
    for entry in entries:
        path = f"{inside}/{entry.name}" if inside else entry.name
        if entry.name in LEFT_OUT or entry.name.endswith((".pyc", ".egg-info")):
            left_out.append(path)
        elif entry.is_symlink():
            raise Refused(f"{path!a} is a link", "put the file itself in its place, or take it out of the folder")
        elif entry.name.startswith("."):
            raise Refused(f"{path!a} is hidden", "give it a name without the dot, or take it out of the folder")
        elif entry.is_dir():
            yield from walk(Path(entry.path), path, left_out)
        elif entry.is_file():
            yield path, Path(entry.path)
        else:
            raise Refused(f"{path!a} is no ordinary file", "take it out of the folder")


def read_data(file: Path, path: str) -> str:
    """A text that is no code: small, and readable for whoever reviews it."""
    if path.endswith(".ipynb"):
        raise Refused(f"{path!a} is a notebook", "save its code as a .py file, and take it out of the folder")
    try:
        if file.stat().st_size > MAX_DATA:
            raise Refused(
                f"{path!a} is larger than {MAX_DATA >> 10} KiB",
                "take it out of the folder: large data are offered as an asset, or passed as parameters",
            )
        data = file.read_bytes()
    except OSError as e:
        raise Refused(f"{path!a} cannot be read: {e.strerror}", "take it out of the folder") from None
    readable = "submit text alone: take it out of the folder, or save it as UTF-8 text"
    if b"\x00" in data or len(data) > MAX_DATA:
        raise Refused(f"{path!a} is no text", readable)
    try:
        return decode(data, path)
    except Refused:
        raise Refused(f"{path!a} is no UTF-8 text", readable) from None


def check_modules(folder: Path, units: dict[str, Unit]) -> None:
    """Refuse names under which Python would find something else."""
    if "__init__.py" in units:
        name = folder.resolve().name
        raise Refused(
            "the folder is itself a package: __init__.py lies at its top",
            f"submit the folder that holds it, with --entry {name}.MODULE:FUNCTION",
        )
    taken = set(getattr(sys, "stdlib_module_names", sys.builtin_module_names))
    for path in sorted(units):
        first = path.partition("/")[0]
        if first.removesuffix(".py") in taken:
            raise Refused(f"{first!a} has the name of a module of Python's own", "give it another name")


def entry_of(entry: str, units: dict[str, Unit]) -> tuple[str, str]:
    """The file and the function of an entry point: module:function, FILE.py:function, or FILE.py for a script."""
    place, _, function = entry.partition(":")
    if not function and not place.endswith(".py"):
        raise Refused(
            f"{entry!a} names no function of a module" if entry else "no entry point is named",
            "write it as MODULE:FUNCTION, such as main:run; or as FILE.py for a script",
        )
    stem = place if place.endswith(".py") else place.replace(".", "/")
    for path in (stem, f"{stem}.py", f"{stem}/__init__.py"):
        if path in units:
            if not function and "/" in path:
                raise Refused(
                    f"{path} lies in a folder of its own", "submit that folder, or a function: MODULE:FUNCTION"
                )
            return path, function or SCRIPT
    raise Refused(f"the folder has no module {place!a}", f"its files are: {', '.join(sorted(units)) or 'none'}")


def find_function(module: Module, unit: Unit, name: str) -> Definition:
    found = [b.node for b in module.bindings.get(name, []) if isinstance(b.node, FunctionNode)]
    if len(found) != 1 or len(module.bindings[name]) != 1:
        functions = sorted(n for n, bs in module.bindings.items() if all(b.kind == "function" for b in bs))
        what = "defines more than once" if name in module.bindings else "has no function"
        raise Refused(
            f"{unit.label} {what} {name!a}",
            f"define it once, at the top level; it has: {', '.join(functions) or 'none'}",
        )
    return found[0]
