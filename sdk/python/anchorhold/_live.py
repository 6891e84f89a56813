"""Capture a function that is alive in this process, by way of its source.

The source is what is submitted; the living values only confirm it: a function
that was edited after its import, or a constant that was changed since its line
ran, is refused instead of being submitted as something else. Notebooks are read
as their executed cells, in order. The tests run a real IPython shell.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import sys
import sysconfig
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ._collect.constants import check_constant
from ._collect.gather import Collector, pick_static
from ._collect.modules import package_of
from ._collect.names import Binding, Module
from ._collect.source import Definition, FunctionNode, Refused, Unit, decode, first_line, normal_lines

_MISSING = object()


def collect_live(
    fn: Callable[..., Any], assets: list[str], environment: str, outputs: Sequence[str] = ()
) -> dict[str, Any]:
    """Gather a function object: the same answer as collect_file for the same source."""
    function = plain_function(fn)
    module, unit = source_of(function)
    module.values = function.__globals__
    entry = find_node(function, unit)
    top_level = any(entry is stmt for stmt in unit.tree.body)
    if top_level and unit.path is not None:
        pick_static(entry.name, module.bindings[entry.name], module)
    check_defaults(function, entry, unit)
    collector = Collector(module, pick_live)
    answer = collector.collect(entry, unit, assets, environment, outputs)
    check_elsewhere(collector)
    check_beside(collector)
    return answer


def plain_function(fn: Callable[..., Any]) -> types.FunctionType:
    """The function written with def behind an object, or a refusal that says what it is instead."""
    name = str(getattr(fn, "__name__", type(fn).__name__))
    make = "write a plain function with def, at the top level, and submit that"
    if inspect.ismethod(fn):
        raise Refused(f"{name} is a method", make)
    unwrapped = inspect.unwrap(fn)
    if inspect.isclass(unwrapped):
        raise Refused(f"{name} is a class", make)
    if inspect.isbuiltin(unwrapped) or (callable(unwrapped) and not isinstance(unwrapped, types.FunctionType)):
        kind = (
            "built in or compiled" if inspect.isbuiltin(unwrapped) else f"an object of type {type(unwrapped).__name__}"
        )
        raise Refused(f"{name} is {kind}, not a function written in Python", make)
    if not isinstance(unwrapped, types.FunctionType):
        raise Refused(f"{type(fn).__name__} is not a function", make)
    if unwrapped.__name__ == "<lambda>":
        raise Refused("a lambda cannot be submitted", "give it a name: write it with def")
    outer = unwrapped.__qualname__.rpartition(".")[0]
    if outer and not outer.endswith("<locals>"):
        raise Refused(f"{name} belongs to the class {outer}", make)
    if unwrapped.__code__.co_freevars:
        free = unwrapped.__code__.co_freevars[0]
        raise Refused(
            f"{name} uses {free}, a variable of the function around it",
            f"pass {free} as a parameter, or define {name} and {free} at the top level",
        )
    return unwrapped


# ------------------------------------------------------------- finding the source


def source_of(function: types.FunctionType) -> tuple[Module, Unit]:
    """The module that a function was written in, as source, and the unit that holds the function."""
    filename = function.__code__.co_filename
    cells = notebook_cells(function)
    if cells is not None:
        return cells
    path = Path(filename)
    if filename.startswith("<") or not path.is_file():
        raise Refused(
            f"the source of {function.__name__} cannot be found: it was typed at a prompt or made at run time",
            "write it in a file and import it, or use a notebook",
        )
    root, package = package_of(path)
    unit = Unit(path.name, decode(path.read_bytes(), path.name), path)
    return Module([unit], root, package), unit


def notebook_cells(function: types.FunctionType) -> tuple[Module, Unit] | None:
    """The executed cells of the notebook or IPython session that defined a function, if one did."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or function.__globals__ is not shell.user_ns:
        return None
    filename = function.__code__.co_filename
    cached = linecache.cache.get(filename, ())
    # What IPython keeps has no time stamp; older versions gave it one, but there is no such file.
    if len(cached) != 4 or (cached[1] is not None and Path(filename).is_file()):
        if not filename.startswith("<"):
            return None
        raise Refused(
            f"the notebook does not keep the source of {function.__name__}",
            "define it in a cell of its own, without a %% line above it",
        )
    own = normal_lines("".join(cached[2]))
    units: list[Unit] = []
    mine: Unit | None = None
    for n, text in enumerate(shell.history_manager.input_hist_parsed):
        try:
            unit = Unit(f"cell {n}", normal_lines(text))
        except Refused:
            continue  # a cell that does not parse has defined nothing
        units.append(unit)
        if unit.text.rstrip() == own.rstrip():
            mine = unit
    if mine is None:
        mine = Unit("the cell", own)
        units.append(mine)
    return Module(units, Path.cwd()), mine


def find_node(function: types.FunctionType, unit: Unit) -> Definition:
    """The definition of a living function in its source, which must still say the same."""
    code = function.__code__
    named = [n for n in ast.walk(unit.tree) if isinstance(n, FunctionNode) and n.name == code.co_name]
    compiled = compiled_functions(unit)
    fits = [n for n in named if any(same_function(c, code) for c in compiled.get((n.name, first_line(n)), []))]
    here = [n for n in fits if first_line(n) == code.co_firstlineno] or fits
    if not here:
        raise Refused(
            f"{function.__name__} no longer is what {unit.label} says: the file was changed after it was imported",
            "import it again: restart, or importlib.reload",
        )
    return here[0]


@functools.lru_cache(maxsize=256)
def compiled_functions(unit: Unit) -> dict[tuple[str, int], list[types.CodeType]]:
    """Every function of a unit as Python compiles it here, by name and first line."""
    found: dict[tuple[str, int], list[types.CodeType]] = {}
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if unit.path is None else 0
    try:
        stack = [compile(unit.text, unit.label, "exec", flags=flags, dont_inherit=True)]
    except (SyntaxError, ValueError):
        return found
    while stack:
        code = stack.pop()
        found.setdefault((code.co_name, code.co_firstlineno), []).append(code)
        stack.extend(c for c in code.co_consts if isinstance(c, types.CodeType))
    return found


def same_function(a: types.CodeType, b: types.CodeType) -> bool:
    """Whether two code objects do the same, wherever their lines are."""
    plain = ("co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_argcount", "co_kwonlyargcount")
    if any(getattr(a, f) != getattr(b, f) for f in plain) or len(a.co_consts) != len(b.co_consts):
        return False
    return all(same_const(x, y) for x, y in zip(a.co_consts, b.co_consts, strict=True))


def same_const(x: object, y: object) -> bool:
    if isinstance(x, types.CodeType) and isinstance(y, types.CodeType):
        return same_function(x, y)
    return type(x) is type(y) and (x == y or repr(x) == repr(y))


# ------------------------------------------------------- living values confirm it


def pick_live(name: str, found: list[Binding], module: Module) -> Binding:
    """The newest binding of a name that agrees with its living value."""
    if found[-1].unit.path is not None:
        found = [pick_static(name, found, module)]
    assert module.values is not None
    value = module.values.get(name, _MISSING)
    last = found[-1]
    if value is _MISSING:
        raise Refused(f"{name} has no value now, though {last.where} gives it one", "run that line again")
    for binding in reversed(found):
        if binding.kind in ("block", "changed"):
            return binding  # the collector says what is wrong with it
        if binding.kind == "constant":
            check_constant(binding, module)
        if confirms(binding, value, module):
            return binding
    raise Refused(f"{name} was changed after {last.where}", f"run that line again, or pass {name} as a parameter")


def confirms(binding: Binding, value: object, module: Module) -> bool:
    if binding.kind == "import":
        return imported_as(binding, value)
    if binding.kind == "function":
        return is_function_of(binding, value)
    if binding.kind == "class":
        return is_class_of(binding, value)
    return agrees(evaluate(binding, module), value)


def imported_as(binding: Binding, value: object) -> bool:
    assert binding.alias is not None
    if isinstance(binding.node, ast.Import):
        wanted = binding.alias.name if binding.alias.asname else binding.alias.name.split(".")[0]
        return isinstance(value, types.ModuleType) and (value is sys.modules.get(wanted) or value.__name__ == wanted)
    source = sys.modules.get(getattr(binding.node, "module", None) or "")
    if source is None:
        return True
    return agrees(getattr(source, binding.alias.name, value), value)


def is_function_of(binding: Binding, value: object) -> bool:
    function = inspect.unwrap(value) if callable(value) else value
    if getattr(binding.node, "decorator_list", None) and not isinstance(function, types.FunctionType):
        return callable(function)
    if not isinstance(function, types.FunctionType):
        return False
    compiled = compiled_functions(binding.unit).get((binding.name, first_line(binding.node)), [])
    return any(same_function(c, function.__code__) for c in compiled) or (
        bool(getattr(binding.node, "decorator_list", None)) and function.__code__.co_name != binding.name
    )


def is_class_of(binding: Binding, value: object) -> bool:
    if not isinstance(value, type) or value.__name__ != binding.name:
        return False
    compiled = compiled_functions(binding.unit)
    return all(is_member_of(stmt, value, compiled) for stmt in getattr(binding.node, "body", []))


SIMPLE = (int, float, complex, str, bytes, bool, list, tuple, dict, set, frozenset, type(None))


def is_member_of(stmt: ast.stmt, owner: type, compiled: dict[tuple[str, int], list[types.CodeType]]) -> bool:
    """Whether a living class still has a plain method or a simple value as its source says."""
    if isinstance(stmt, ast.FunctionDef) and not stmt.decorator_list:
        method = owner.__dict__.get(stmt.name)
        candidates = compiled.get((stmt.name, stmt.lineno), [])
        return not isinstance(method, types.FunctionType) or any(same_function(c, method.__code__) for c in candidates)
    if isinstance(stmt, ast.Assign) and len(stmt.targets) == 1 and isinstance(stmt.targets[0], ast.Name):
        value = owner.__dict__.get(stmt.targets[0].id, _MISSING)
        try:
            return type(value) not in SIMPLE or agrees(ast.literal_eval(stmt.value), value)
        except ValueError:
            return True  # made by an expression, which its class may have turned into something else
    return True


def evaluate(binding: Binding, module: Module) -> object:
    """What the source of a constant gives now. Only ever called for sources that were checked to be pure."""
    if not isinstance(binding.node, (ast.Assign, ast.AnnAssign)):
        return _MISSING
    space: dict[str, Any] = dict(module.values or {})
    tree = ast.Module([binding.node], [])
    if isinstance(binding.node, ast.AnnAssign):
        target = ast.Assign([binding.node.target], binding.node.value or ast.Constant(None))
        tree = ast.fix_missing_locations(ast.Module([ast.copy_location(target, binding.node)], []))
    try:
        exec(compile(tree, binding.unit.label, "exec", dont_inherit=True), space)  # noqa: S102
    except Exception as e:  # noqa: BLE001 (whatever the author's line raises)
        raise Refused(f"{binding.name} ({binding.where}) gives {type(e).__name__} now", "run that line again") from None
    return space.get(binding.name, _MISSING)


def agrees(a: object, b: object) -> bool:
    """Whether two values are the same, as far as values of their kind can be compared."""
    if a is b:
        return True
    if isinstance(a, types.FunctionType) and isinstance(b, types.FunctionType):
        return same_function(a.__code__, b.__code__)
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(agrees, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(agrees(a[k], b[k]) for k in a)
    if isinstance(a, float):
        return a == b or (a != a and b != b)
    if hasattr(a, "tobytes") and hasattr(a, "dtype"):
        return bool(a.dtype == b.dtype and a.tobytes() == b.tobytes())  # type: ignore[attr-defined]
    if hasattr(a, "equals"):
        return bool(a.equals(b))
    if type(a).__eq__ is object.__eq__:
        return True  # an object that says nothing about equality; its source is all that we have
    return bool(a == b)


def check_defaults(function: types.FunctionType, node: Definition, unit: Unit) -> None:
    """Refuse a function whose defaults were changed after its definition."""
    args = node.args
    sources = dict(zip([a.arg for a in args.args[::-1]], args.defaults[::-1], strict=False))
    sources.update({a.arg: d for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is not None})
    for name, parameter in inspect.signature(function, follow_wrapped=False).parameters.items():
        source = sources.get(name)
        if source is None or parameter.default is parameter.empty:
            continue
        try:
            value = ast.literal_eval(source)
        except ValueError:
            continue  # the collector refuses it, or computes it from constants that are confirmed
        if not agrees(value, parameter.default):
            raise Refused(f"the default of {name} was changed after {unit.at(source)}", "define the function again")


def check_elsewhere(collector: Collector) -> None:
    """Refuse modules that lie neither beside the code nor where environments install, such as editable installs."""
    root = collector.module.root
    for name, found in sorted(collector.imports.items()):
        for b in found:
            assert b.alias is not None
            source = b.node.module if isinstance(b.node, ast.ImportFrom) and not b.node.level else b.alias.name
            top = (source or "").partition(".")[0]
            if top == "anchorhold" or (isinstance(b.node, ast.ImportFrom) and b.node.level):
                continue
            if root is not None and ((root / top).is_dir() or (root / f"{top}.py").is_file()):
                continue
            file = getattr(sys.modules.get(top), "__file__", None)
            if file and not is_installed(Path(file)):
                raise Refused(
                    f"{name} ({b.where}) comes from {top}, which lies neither beside the code nor in an environment",
                    f"put {top} into the folder of the code",
                )


def check_beside(collector: Collector) -> None:
    """Refuse modules beside the code whose files no longer say what was imported."""
    root = collector.module.root
    for path, text in collector.files.items():
        unit = Unit(path, text)
        compiled = [c for found in compiled_functions(unit).values() for c in found]
        for module in list(sys.modules.values()):
            if root is None or getattr(module, "__file__", None) != str(root / path):
                continue
            alive = [f for f in vars(module).values() if isinstance(f, types.FunctionType)]
            for f in alive:
                if f.__module__ == module.__name__ and not any(same_function(c, f.__code__) for c in compiled):
                    raise Refused(
                        f"{f.__name__} no longer is what {path} says: the file was changed after it was imported",
                        "import it again: restart, or importlib.reload",
                    )


def is_installed(file: Path) -> bool:
    if {"site-packages", "dist-packages"} & set(file.parts):
        return True
    return any(file.is_relative_to(sysconfig.get_path(p)) for p in ("stdlib", "platstdlib"))
