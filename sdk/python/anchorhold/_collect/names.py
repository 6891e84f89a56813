"""Names: what the top level of a module binds, and what a piece of it needs.

Everything that gives a name its value is found, also where it makes the name
impossible to submit (a loop, a change in place, `global`), so that it can be
refused by its line instead of being submitted as something else.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Optional, Union

from .source import FunctionNode, Refused, Unit, same_code


class Binding:
    """One place where a name of the module gets its value."""

    def __init__(self, name: str, kind: str, node: ast.stmt, unit: Unit, alias: Optional[ast.alias] = None) -> None:
        self.name = name
        self.kind = kind  # import, function, class, constant; or why not: changed, block
        self.node = node
        self.unit = unit
        self.alias = alias

    @property
    def where(self) -> str:
        return self.unit.at(self.node)


class Module:
    """The top-level names of a file, or of a notebook's cells in the order of their execution."""

    def __init__(self, units: list[Unit], root: Optional[Path] = None, package: str = "") -> None:
        self.units = units
        self.root = root  # the folder whose modules are submitted along
        self.package = package  # dotted name of the package of the file; "" outside of one
        self.values: Optional[dict[str, Any]] = None  # the names' values where the code is alive
        self.bindings: dict[str, list[Binding]] = {}
        self.changes: dict[str, Binding] = {}  # name -> where its content is changed in place
        self.globals: dict[str, tuple[str, Binding]] = {}  # name -> function that rebinds it
        self.stars: list[Binding] = []
        self.future = False
        for unit in units:
            for stmt in unit.tree.body:
                self._scan(stmt, unit)

    @property
    def label(self) -> str:
        return self.units[-1].label if len(self.units) == 1 else "the notebook"

    def is_builtin(self, name: str) -> bool:
        """Whether a name that the module does not bind itself is Python's own."""
        if self.values is not None:
            return hasattr(builtins, name) and name not in self.values
        return hasattr(builtins, name) and not self.stars

    def _bind(self, name: str, kind: str, node: ast.stmt, unit: Unit, alias: Optional[ast.alias] = None) -> None:
        self.bindings.setdefault(name, []).append(Binding(name, kind, node, unit, alias))

    def _scan(self, stmt: ast.stmt, unit: Unit) -> None:
        self._scan_changes(stmt, unit)
        if isinstance(stmt, (ast.Import, ast.ImportFrom)):
            self._scan_import(stmt, unit)
        elif isinstance(stmt, FunctionNode):
            self._bind(stmt.name, "function", stmt, unit)
        elif isinstance(stmt, ast.ClassDef):
            self._bind(stmt.name, "class", stmt, unit)
        elif isinstance(stmt, ast.If) and is_test(stmt.test, "TYPE_CHECKING"):
            for inner in stmt.body:
                self._scan(inner, unit)
        elif is_constant(stmt):
            for name in bound_names(stmt):
                self._bind(name, "constant", stmt, unit)
        else:
            kind = "changed" if isinstance(stmt, (ast.AugAssign, ast.Delete, ast.Expr)) else "block"
            for name in bound_names(stmt):
                self._bind(name, kind, stmt, unit)

    def _scan_import(self, stmt: Union[ast.Import, ast.ImportFrom], unit: Unit) -> None:
        if isinstance(stmt, ast.ImportFrom) and stmt.module == "__future__":
            self.future = self.future or any(a.name == "annotations" for a in stmt.names)
            return
        for alias in stmt.names:
            if alias.name == "*":
                self.stars.append(Binding("*", "import", stmt, unit, alias))
            else:
                self._bind(alias.asname or alias.name.split(".")[0], "import", stmt, unit, alias)

    def _scan_changes(self, stmt: ast.stmt, unit: Unit) -> None:
        for node in ast.walk(stmt):
            if isinstance(node, FunctionNode):
                declared = {n for g in ast.walk(node) if isinstance(g, ast.Global) for n in g.names}
                for name in declared & set(stored_names(ast.walk(node))):
                    self.globals.setdefault(name, (node.name, Binding(name, "changed", node, unit)))
        for node in outside_functions(stmt):
            name = changed_in_place(node)
            if name:
                self.changes.setdefault(name, Binding(name, "changed", stmt, unit))


def is_test(test: ast.expr, name: str) -> bool:
    return (isinstance(test, ast.Name) and test.id == name) or (isinstance(test, ast.Attribute) and test.attr == name)


def is_constant(stmt: ast.stmt) -> bool:
    if type(stmt).__name__ == "TypeAlias":
        return True
    if isinstance(stmt, ast.AnnAssign):
        return stmt.value is not None and isinstance(stmt.target, ast.Name)
    if not isinstance(stmt, ast.Assign):
        return False
    return all(isinstance(n, (ast.Name, ast.Tuple, ast.List, ast.Starred)) for t in stmt.targets for n in targets(t))


def targets(node: ast.expr) -> Iterator[ast.expr]:
    yield node
    if isinstance(node, (ast.Tuple, ast.List)):
        for item in node.elts:
            yield from targets(item)
    elif isinstance(node, ast.Starred):
        yield from targets(node.value)


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what is below it, without bodies of functions, classes and lambdas."""
    stack = [node]
    while stack:
        here = stack.pop()
        yield here
        if not isinstance(here, (ast.ClassDef, ast.Lambda, *FunctionNode)):
            stack.extend(ast.iter_child_nodes(here))


def stored_names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield node.id
        elif isinstance(node, (ast.ClassDef, *FunctionNode)):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.split(".")[0]
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        elif type(node).__name__ in ("MatchAs", "MatchStar") and getattr(node, "name", None):
            yield str(getattr(node, "name"))


def bound_names(stmt: ast.stmt) -> list[str]:
    """The names that a statement binds, without the variables of its comprehensions."""
    if isinstance(stmt, ast.AnnAssign) and stmt.value is None:
        return []
    nodes = list(outside_functions(stmt))
    inner = {id(n) for c in nodes if isinstance(c, ast.comprehension) for n in ast.walk(c.target)}
    return sorted(set(stored_names(n for n in nodes if id(n) not in inner)))


MUTATORS = frozenset(
    """
    append extend insert remove pop clear sort reverse update add discard setdefault popitem appendleft extendleft
    popleft rotate move_to_end subtract difference_update intersection_update symmetric_difference_update fill put
    resize setflags itemset
    """.split()
)


def changed_in_place(node: ast.AST) -> str:
    """The name whose content a node changes: X[...] = 1, X.y = 1, del X[...], X.append(1); or ""."""
    base: Optional[ast.AST] = None
    if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)):
        base = node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
        base = node.func.value
    while isinstance(base, (ast.Subscript, ast.Attribute)):
        base = base.value
    return base.id if isinstance(base, ast.Name) else ""


class Needs:
    """The module's names that a piece of source uses: hard ones must exist, soft ones may."""

    def __init__(self, text: str, node: ast.stmt, future: bool) -> None:
        self.hard: set[str] = set()
        self.soft: set[str] = set()
        header = "from __future__ import annotations\n" if future else ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                table = symtable.symtable(header + text, "main.py", "exec")
        except SyntaxError as e:
            raise Refused(f"the code is not valid Python: {e.msg}", "correct it") from None
        own = bound_names(node)
        for symbol in table.get_symbols():
            # From 3.12 on, variables of comprehensions are listed here as if the module assigned them.
            if symbol.is_referenced() and (symbol.get_name() in own or not symbol.is_assigned()):
                self.hard.add(symbol.get_name())
        for child in table.get_children():
            self._walk(child)
        hints = {n for a in hints_of(node) for n in loaded(ast.walk(a))}
        self.soft |= hints if future else set()
        self.hard |= set() if future else hints - type_parameters(node)
        self.hard -= type_parameters(node)

    def _walk(self, table: symtable.SymbolTable) -> None:
        for symbol in table.get_symbols():
            name = symbol.get_name()
            if symbol.is_declared_global() and symbol.is_assigned():
                raise Refused(
                    f"{name} is changed by `global {name}` in {table.get_name()}",
                    f"pass {name} in and return its new value instead",
                )
            if symbol.is_global() and symbol.is_referenced():
                self.hard.add(name)
            elif table.get_type() == "class" and symbol.is_referenced() and symbol.is_assigned():
                self.soft.add(name)  # `k = k` in a class body reads the module's k
        for child in table.get_children():
            self._walk(child)


def hints_of(node: ast.AST) -> Iterator[ast.expr]:
    for n in ast.walk(node):
        if isinstance(n, FunctionNode) and n.returns is not None:
            yield n.returns
        elif isinstance(n, (ast.arg, ast.AnnAssign)) and n.annotation is not None:
            yield n.annotation


def type_parameters(node: ast.AST) -> set[str]:
    return {str(p.name) for n in ast.walk(node) for p in getattr(n, "type_params", [])}


def loaded(nodes: Iterable[ast.AST]) -> set[str]:
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def at_definition(node: ast.AST) -> set[str]:
    """Names that are read when a definition is executed, rather than when it is called."""
    found: set[str] = set()
    stack = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, FunctionNode):
            stack.extend(here.decorator_list)
            stack.append(here.args)
            stack.extend([here.returns] if here.returns else [])
        elif isinstance(here, ast.Lambda):
            stack.append(here.args)
        else:
            found |= loaded([here])
            stack.extend(ast.iter_child_nodes(here))
    return found


def same_import(a: Binding, b: Binding) -> bool:
    """Two imports that agree, or that add submodules of one package (import os, import os.path)."""
    if same_code(a.node, b.node):
        return True
    plain = isinstance(a.node, ast.Import) and isinstance(b.node, ast.Import)
    if plain and a.alias and b.alias:
        return not a.alias.asname and not b.alias.asname
    return dotted_alias(a) == dotted_alias(b)


def dotted_alias(binding: Binding) -> tuple[str, Optional[str]]:
    assert binding.alias is not None
    stmt = binding.node
    base = f"{'.' * stmt.level}{stmt.module or ''}." if isinstance(stmt, ast.ImportFrom) else ""
    return base + binding.alias.name, binding.alias.asname
