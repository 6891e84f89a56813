"""Gathering: from the entry to everything that it needs, as one canonical main.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from .constants import check_constant
from .entry import check_entry, parameters
from .modules import Finder, absolute_name
from .names import Binding, Module, bound_names, same_import
from .order import Item, order
from .outputs import declared_outputs
from .source import MAX_BYTES, MAX_FILES, Definition, Refused, Unit, first_line, parse

MODULE_NAMES = ("__name__", "__doc__", "__debug__", "__classdict__", "__conditional_annotations__")

# Chooses among the bindings of a name the one that counts.
Pick = Callable[[str, "list[Binding]", Module], Binding]


def pick_static(name: str, found: list[Binding], _: Module) -> Binding:
    """The one binding of a name; across the cells of a notebook, the last one."""
    last = found[-1]
    for other in found[:-1]:
        if other.unit is last.unit and not (other.kind == last.kind == "import" and same_import(other, last)):
            raise Refused(
                f"{name} is assigned more than once in {last.unit.label} "
                f"(lines {first_line(other.node)} and {first_line(last.node)})",
                "give each value a name of its own",
            )
    return last


class Collector:
    """Gathers an entry function and everything that it needs into a canonical main.py."""

    def __init__(self, module: Module, pick: Pick = pick_static) -> None:
        self.module = module
        self.pick = pick
        self.items: dict[str, Item] = {}  # by every name that they bind
        self.imports: dict[str, list[Binding]] = {}
        self.files: dict[str, str] = {}

    def collect(
        self, entry: Definition, unit: Unit, assets: list[str], environment: str, outputs: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The JSON answer: {"code", "shown"}."""
        check_entry(entry, unit)
        item = Item(entry, unit, "function", [entry.name], self.module.future)
        self.items[entry.name] = item
        self._follow(item)
        ordered = order(self.items, item)
        text = self._main(ordered)
        self._bundle(ordered)
        files = [{"path": "main.py", "text": text}, *({"path": p, "text": t} for p, t in sorted(self.files.items()))]
        check_limits(files)
        code = {
            "files": files,
            "entry": f"main.py:{entry.name}",
            "parameters": parameters(entry, unit, self.module, assets),
            "outputs": declared_outputs(entry.returns, self.module, list(outputs)),
            "environment": environment,
        }
        return {"code": code, "shown": self._shown(ordered)}

    def _follow(self, item: Item) -> None:
        for name in sorted(item.needs.hard | item.needs.soft):
            if name not in self.items and name not in self.imports:
                self._resolve(name, item)

    def _resolve(self, name: str, user: Item) -> None:
        found = self.module.bindings.get(name, [])
        if not found:
            self._unbound(name, user)
            return
        star = self.module.stars[-1] if self.module.stars else None
        if star and star.unit is found[-1].unit and first_line(star.node) > first_line(found[-1].node):
            refuse_star(name, star)
        binding = self.pick(name, found, self.module)
        self._check(binding)
        if binding.kind == "import":
            siblings = [b for b in found if b.kind == "import" and same_import(b, binding)]
            self.imports[name] = siblings
            return
        names = [name] if binding.kind != "constant" else bound_names(binding.node)
        item = Item(binding.node, binding.unit, binding.kind, names, self.module.future)
        for bound in names:
            self.items.setdefault(bound, item)
        self._follow(item)

    def _unbound(self, name: str, user: Item) -> None:
        if name in ("get_ipython", "display", "__file__", "__path__", "__spec__"):
            raise Refused(
                f"{name} ({user.unit.at(user.node)}) does not exist where the code runs", f"do without {name}"
            )
        if self.module.is_builtin(name) or name in MODULE_NAMES or name in user.needs.soft - user.needs.hard:
            return
        if self.module.stars:
            refuse_star(name, self.module.stars[-1])
        raise Refused(
            f"{name}, used by {user.names[0]}, is not defined in {self.module.label}",
            f"define or import {name} at the top level beside {user.names[0]}, or pass it as a parameter",
        )

    def _check(self, binding: Binding) -> None:
        name, where = binding.name, binding.where
        if binding.kind == "changed":
            raise Refused(
                f"{name} is changed on {where}", "assign it once, with its final value, or pass it as a parameter"
            )
        if binding.kind == "block":
            raise Refused(
                f"{name} is defined inside a block on {where}",
                f"define {name} at the top level, without a condition or loop",
            )
        if name in self.module.globals:
            function, change = self.module.globals[name]
            raise Refused(
                f"{name} is changed by `global {name}` in {function} ({change.where})", f"pass {name} as a parameter"
            )
        if binding.kind == "import":
            return
        if name in self.module.changes and self.module.values is None:
            raise Refused(
                f"{name} is changed on {self.module.changes[name].where}", "write its final value where it is assigned"
            )
        if binding.kind == "constant":
            check_constant(binding, self.module)

    def _main(self, ordered: list[Item]) -> str:
        lines = self._import_lines()
        parts = (["\n".join(lines)] if lines else []) + [item.text for item in ordered]
        text = "\n\n".join(parts) + "\n"
        parse(text, "main.py")
        return text

    def _import_lines(self) -> list[str]:
        plain: set[str] = set()
        froms: dict[str, set[str]] = {}
        for bindings in self.imports.values():
            for b in bindings:
                assert b.alias is not None
                suffix = f" as {b.alias.asname}" if b.alias.asname else ""
                if isinstance(b.node, ast.ImportFrom):
                    froms.setdefault(absolute(b, self.module), set()).add(b.alias.name + suffix)
                else:
                    plain.add(f"import {b.alias.name}{suffix}")
        head = ["from __future__ import annotations"] if self.module.future else []
        return head + sorted(plain) + [f"from {m} import {', '.join(sorted(froms[m]))}" for m in sorted(froms)]

    def _bundle(self, ordered: list[Item]) -> None:
        """Add the local modules that main.py imports, and those that they import."""
        finder = Finder(self.module)
        for bindings in self.imports.values():
            for b in bindings:
                assert b.alias is not None
                if isinstance(b.node, ast.ImportFrom):
                    finder.want(absolute(b, self.module), [b.alias.name])
                else:
                    finder.want(b.alias.name, [])
        for item in ordered:
            finder.follow(item.node, item.unit, "")
        self.files = finder.files

    def _shown(self, ordered: list[Item]) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = []
        for i, item in enumerate(ordered):
            kind = "entry" if i == len(ordered) - 1 else item.kind
            place = {"file": item.unit.label, "line": first_line(item.node)}
            shown.extend({"name": name, "kind": kind, **place} for name in item.names)
        for name, bindings in sorted(self.imports.items()):
            b = bindings[-1]
            shown.append({"name": name, "kind": "import", "file": b.unit.label, "line": first_line(b.node)})
        shown.extend({"name": p, "kind": "file", "file": p, "line": 1} for p in sorted(self.files))
        return shown


def refuse_star(name: str, star: Binding) -> NoReturn:
    source = getattr(star.node, "module", "") or "a module"
    raise Refused(
        f"{name} may come from `from {source} import *` on {star.where}",
        f"name it: from {source} import {name}; or import {source} and write {source}.{name}",
    )


def absolute(binding: Binding, module: Module) -> str:
    stmt = binding.node
    assert isinstance(stmt, ast.ImportFrom)
    return absolute_name(stmt, module.package, binding.where)


def check_limits(files: list[dict[str, str]]) -> None:
    if len(files) > MAX_FILES:
        raise Refused(f"the function needs more than {MAX_FILES} files", "submit only the modules that it needs")
    if sum(len(f["text"].encode()) for f in files) > MAX_BYTES:
        raise Refused("the code is larger than 1 MiB", "keep data out of the code; pass it as a parameter or an asset")
    for f in files:
        segments = f["path"].split("/")
        if len(f["path"]) > 200 or not all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", s) for s in segments):
            raise Refused(
                f"the path {f['path']!a} cannot be submitted",
                "use ASCII letters, digits, _, - and . in file names",
            )
