"""Constants: values that their own source gives, and nothing else.

A constant may be built of literals, operators, other constants and calls that
are known to be pure. A table that was read from a file, or an answer of a site,
is none: submitted code would not have it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, Optional

from .names import Binding, Module, at_definition, bound_names
from .source import Refused

PURE_BUILTINS = frozenset(
    """
    abs bool bytes complex dict divmod enumerate filter float format frozenset int len list map max min ord chr pow
    range repr reversed round set slice sorted str sum tuple zip hex bin oct any all
    """.split()
)
PURE_METHODS = frozenset(
    """
    split rsplit splitlines strip lstrip rstrip lower upper title capitalize casefold format format_map join replace
    removeprefix removesuffix startswith endswith zfill ljust rjust center encode decode count index find items keys
    values get copy union intersection difference symmetric_difference issubset fromkeys fromisoformat strptime
    combine fromordinal fromisocalendar isoformat strftime total_seconds date time bit_length to_bytes from_bytes
    as_integer_ratio conjugate maketrans translate astype reshape ravel tolist item to_numpy set_index rename_axis
    """.split()
)
PURE_MODULES = frozenset(
    """
    math cmath fractions decimal operator statistics string textwrap
    """.split()
)
PURE_CALLS = frozenset(
    """
    re.compile re.escape datetime.date datetime.datetime datetime.time datetime.timedelta datetime.timezone
    collections.namedtuple collections.OrderedDict collections.defaultdict collections.Counter collections.deque
    collections.ChainMap types.MappingProxyType types.SimpleNamespace functools.partial typing.TypeVar
    typing.NewType typing.NamedTuple typing.cast typing.ParamSpec pathlib.Path pathlib.PurePath
    pathlib.PurePosixPath uuid.UUID zoneinfo.ZoneInfo enum.auto dataclasses.field pandas.Timestamp pandas.Timedelta
    pandas.Interval pandas.IntervalIndex pandas.CategoricalDtype pandas.Categorical pandas.Index pandas.Series
    pandas.DataFrame pandas.MultiIndex pandas.date_range pandas.timedelta_range pandas.interval_range
    pandas.DateOffset pandas.to_datetime pandas.to_timedelta pandas.Period pandas.NamedAgg numpy.array numpy.asarray
    numpy.arange numpy.linspace numpy.logspace numpy.geomspace numpy.zeros numpy.ones numpy.full numpy.eye
    numpy.identity numpy.dtype numpy.sqrt numpy.log numpy.log2 numpy.log10 numpy.log1p numpy.exp numpy.expm1
    numpy.sin numpy.cos numpy.tan numpy.arcsin numpy.arccos numpy.arctan numpy.arctan2 numpy.sinh numpy.cosh
    numpy.tanh numpy.deg2rad numpy.rad2deg numpy.radians numpy.degrees numpy.abs numpy.absolute numpy.floor
    numpy.ceil numpy.round numpy.power numpy.square numpy.sign numpy.maximum numpy.minimum numpy.concatenate
    numpy.diff numpy.cumsum numpy.datetime64 numpy.timedelta64 numpy.bool_ numpy.str_ numpy.bytes_ numpy.half
    numpy.single numpy.double numpy.float16 numpy.float32 numpy.float64 numpy.int8 numpy.int16 numpy.int32
    numpy.int64 numpy.uint8 numpy.uint16 numpy.uint32 numpy.uint64 numpy.intp numpy.complex64 numpy.complex128
    pyarrow.schema pyarrow.field pyarrow.int8 pyarrow.int16 pyarrow.int32 pyarrow.int64 pyarrow.uint8 pyarrow.uint16
    pyarrow.uint32 pyarrow.uint64 pyarrow.float16 pyarrow.float32 pyarrow.float64 pyarrow.string
    pyarrow.large_string pyarrow.bool_ pyarrow.date32 pyarrow.timestamp pyarrow.duration pyarrow.decimal128
    pyarrow.list_ pyarrow.dictionary pyarrow.null
    """.split()
)
NOT_VALUES = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)


def check_constant(binding: Binding, module: Module) -> None:
    """Refuse a constant whose value is not given by its own source."""
    value = getattr(binding.node, "value", None)
    if not isinstance(value, ast.expr) or type(binding.node).__name__ == "TypeAlias":
        return
    if set(bound_names(binding.node)) & at_definition(value):
        raise Refused(
            f"{binding.name} ({binding.where}) is made from its own earlier value", "write its final value once"
        )
    for node in without_lambda_bodies(value):
        why = ""
        if isinstance(node, NOT_VALUES):
            why = "with an expression that is not a plain value"
        elif isinstance(node, ast.Call) and not is_pure_call(node, module):
            why = f"by {callee_text(node.func)}(...), whose result cannot be submitted as source"
        if why:
            raise Refused(
                f"{binding.name} ({binding.where}) is made {why}",
                f"pass {binding.name} as a parameter, write its value, or move the line into the function",
            )


def without_lambda_bodies(node: ast.AST) -> Iterator[ast.AST]:
    stack = [node]
    while stack:
        here = stack.pop()
        yield here
        stack.extend([here.args] if isinstance(here, ast.Lambda) else ast.iter_child_nodes(here))


def is_pure_call(call: ast.Call, module: Module) -> bool:
    path = dotted(call.func, module)
    if path is None:
        return isinstance(call.func, ast.Attribute) and call.func.attr in PURE_METHODS
    if path.startswith("builtins."):
        return path[len("builtins.") :] in PURE_BUILTINS
    if path in PURE_CALLS or path.split(".")[0] in PURE_MODULES:
        return True
    owner, _, method = path.rpartition(".")
    return owner in PURE_CALLS and method in PURE_METHODS


def callee_text(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 60 else text[:57] + "..."


def dotted(node: ast.expr, module: Module) -> Optional[str]:
    """The full name of what an expression names by way of imports ("numpy.float64"), or None."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    found = module.bindings.get(node.id, [])
    if not found:
        return ".".join(["builtins", node.id, *attributes]) if module.is_builtin(node.id) else None
    if any(b.kind != "import" for b in found):
        return None
    alias, stmt = found[-1].alias, found[-1].node
    assert alias is not None
    if isinstance(stmt, ast.ImportFrom):
        base = f"{'.' * stmt.level}{stmt.module or ''}.{alias.name}"
    else:
        base = alias.name if alias.asname else alias.name.split(".")[0]
    return ".".join([base, *attributes])


class NotStatic(Exception):
    """A value that is not written out in the source."""


def static_value(node: Optional[ast.expr], module: Module, depth: int = 0) -> Any:
    """The value of literals, of arithmetic on them, and of names bound to them once."""
    if depth > 50:
        raise NotStatic
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List):
        return [static_value(item, module, depth + 1) for item in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = number(static_value(node.operand, module, depth + 1))
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        left = number(static_value(node.left, module, depth + 1))
        right = number(static_value(node.right, module, depth + 1))
        return arithmetic(node.op, left, right)
    if isinstance(node, ast.Name):
        found = module.bindings.get(node.id, [])
        plain = [b for b in found if b.kind == "constant" and isinstance(b.node, (ast.Assign, ast.AnnAssign))]
        if len(found) == len(plain) == 1 and len(bound_names(plain[0].node)) == 1:
            return static_value(getattr(plain[0].node, "value"), module, depth + 1)
    raise NotStatic


def number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 2**64:
        raise NotStatic
    return value


def arithmetic(op: ast.operator, left: Any, right: Any) -> Any:
    try:
        if isinstance(op, ast.Add):
            return left + right
        if isinstance(op, ast.Sub):
            return left - right
        if isinstance(op, ast.Mult):
            return left * right
        if isinstance(op, ast.Div):
            return left / right
        if isinstance(op, ast.Pow) and abs(right) <= 64:
            return left**right
    except (ArithmeticError, ValueError):
        pass
    raise NotStatic
