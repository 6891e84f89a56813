"""The entry function: what it may be, and its declared parameters."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, Optional

from .constants import NotStatic, dotted, static_value
from .names import Module, outside_functions
from .source import MAX_NAME, Definition, Refused, Unit


def check_entry(node: Definition, unit: Unit) -> None:
    name = node.name
    if isinstance(node, ast.AsyncFunctionDef):
        raise Refused(f"{name} is an async function", "write a plain function: def instead of async def")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or len(name) > MAX_NAME:
        raise Refused("the function's name is not a plain identifier", "use ASCII letters, digits and _")
    for child in outside_nested(node):
        if isinstance(child, (ast.Yield, ast.YieldFrom)):
            raise Refused(
                f"{name} is a generator ({unit.at(child)} yields)",
                "return one value: collect the parts into a list or a table",
            )


def outside_nested(node: Definition) -> Iterator[ast.AST]:
    for stmt in node.body:
        yield from outside_functions(stmt)


VALUE_TYPES = ("int", "float", "str", "bool", "list[int]", "list[float]", "list[str]")
ASSET_TYPES = {
    "pandas.DataFrame": "dataframe",
    "pandas.core.frame.DataFrame": "dataframe",
    "builtins.object": "dataframe",
    "typing.Any": "dataframe",
    "pyarrow.Table": "arrow",
    "pyarrow.lib.Table": "arrow",
    "numpy.ndarray": "numpy",
    "numpy.typing.NDArray": "numpy",
    "pathlib.Path": "path",
    "pathlib.PurePath": "path",
    "polars.DataFrame": "polars",
    "polars.dataframe.frame.DataFrame": "polars",
    "anchorhold.Batches": "batches",
    "anchorhold.Tensors": "tensors",
    "anchorhold.Files": "files",
}
# What an annotation with brackets stands for, by what is in them last.
GENERIC = {
    **{
        f"{module}.{name}": {"pyarrow.RecordBatch": "batches", "pyarrow.lib.RecordBatch": "batches"}
        for module in ("typing", "collections.abc")
        for name in ("Iterator", "Iterable")
    },
    **{
        name: {"numpy.ndarray": "tensors"}
        for name in ("builtins.dict", "typing.Dict", "typing.Mapping", "collections.abc.Mapping")
    },
}
# What a parameter without an annotation takes, by the asset's kind where it is known.
PLAIN = {"array": "numpy", "tensors": "tensors", "files": "files"}
USUAL = {
    "pl": "polars",
    "ah": "anchorhold",
    "pd": "pandas",
    "np": "numpy",
    "pa": "pyarrow",
    "npt": "numpy.typing",
    "plt": "matplotlib.pyplot",
}


def annotation_path(node: Optional[ast.expr], module: Module) -> str:
    """The full name of an annotation, of what it subscripts; "" where it has none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            return "?"
    if node is None:
        return ""
    if isinstance(node, ast.Constant) and node.value is None:
        return "None"
    if isinstance(node, ast.Subscript):
        node = node.value
    found = dotted(node, module)
    if found is not None:
        return found
    text = ast.unparse(node)
    head, _, rest = text.partition(".")
    return f"{USUAL[head]}.{rest}" if head in USUAL and rest and head not in module.bindings else text


def value_type(node: Optional[ast.expr], module: Module) -> str:
    """The declared type of a value parameter, or "" where the annotation names none that is known."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            return ""
    path = annotation_path(node, module)
    if isinstance(node, ast.Subscript) and path in ("builtins.list", "typing.List"):
        item = annotation_path(node.slice, module)
        text = f"list[{item[len('builtins.') :]}]" if item.startswith("builtins.") else ""
    else:
        text = path[len("builtins.") :] if path.startswith("builtins.") else ""
    return text if text in VALUE_TYPES else ""


def type_of(value: Any) -> str:
    """The declared type that a default value implies, or ""."""
    if isinstance(value, bool):
        return "bool"
    for kind, name in ((int, "int"), (float, "float"), (str, "str")):
        if isinstance(value, kind):
            return name
    if isinstance(value, list) and value:
        kinds = {type_of(v) for v in value}
        kinds = {"float"} if kinds == {"int", "float"} else kinds
        return f"list[{kinds.pop()}]" if len(kinds) == 1 and kinds <= {"int", "float", "str"} else ""
    return ""


def fits(value: Any, declared: str) -> bool:
    if declared.startswith("list["):
        return isinstance(value, list) and all(fits(v, declared[5:-1]) for v in value)
    if isinstance(value, bool) or declared == "bool":
        return isinstance(value, bool) and declared == "bool"
    if isinstance(value, int):
        return declared in ("int", "float") and abs(value) < 2**53
    if isinstance(value, float):
        return declared == "float" and value == value and abs(value) != float("inf")
    return (
        isinstance(value, str) and declared == "str" and "\x00" not in value and not re.search("[\ud800-\udfff]", value)
    )


def parameters(node: Definition, unit: Unit, module: Module, assets: list[str]) -> list[dict[str, Any]]:
    args = node.args
    for kind, star in (("*", args.vararg), ("**", args.kwarg)):
        if star is not None:
            raise Refused(
                f"{node.name} takes {kind}{star.arg}", "name each parameter, so that a reviewer sees what is passed"
            )
    if args.posonlyargs:
        raise Refused(
            f"{args.posonlyargs[0].arg} of {node.name} is positional-only", "remove the / from the parameters"
        )
    names = [a.arg for a in [*args.args, *args.kwonlyargs]]
    # An asset is a parameter's name, or name:kind where the kind of the asset is known.
    kinds = {name: kind for name, _, kind in (a.partition(":") for a in assets)}
    for asset in kinds:
        if asset not in names:
            takes = ", ".join(names) or "no parameters"
            raise Refused(f"{node.name} has no parameter {asset!a}", f"use one of its parameters: {takes}")
    if len(names) > 64:
        raise Refused(f"{node.name} has more than 64 parameters", "pass fewer")
    defaults: list[Optional[ast.expr]] = [None] * (len(args.args) - len(args.defaults))
    defaults += [*args.defaults, *args.kw_defaults]
    result = []
    for arg, default in zip([*args.args, *args.kwonlyargs], defaults):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", arg.arg) or len(arg.arg) > MAX_NAME:
            raise Refused(f"a parameter of {node.name} is not a plain identifier", "use ASCII letters, digits and _")
        one = (
            asset_parameter(arg, module, kinds[arg.arg])
            if arg.arg in kinds
            else value_parameter(arg, default, unit, module)
        )
        result.append(one)
    return result


def asset_parameter(arg: ast.arg, module: Module, kind_of_asset: str = "") -> dict[str, Any]:
    path = annotation_path(arg.annotation, module)
    kind = generic_type(arg.annotation, module) or ASSET_TYPES.get(path)
    if not path or (kind == "dataframe" and path.startswith(("builtins.", "typing."))):
        kind = PLAIN.get(kind_of_asset, "dataframe")
    if kind is None:
        raise Refused(
            f"{arg.arg} is given an asset, but is annotated {path.replace('builtins.', '')}",
            "annotate it pd.DataFrame, pl.DataFrame, pa.Table, np.ndarray, Iterator[pa.RecordBatch], pathlib.Path, "
            "ah.Files or ah.Tensors, or not at all",
        )
    return {"name": arg.arg, "kind": "asset", "type": kind}


def generic_type(node: Optional[ast.expr], module: Module) -> str:
    """The declared type of an annotation such as Iterator[pa.RecordBatch], or ""."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            return ""
    if not isinstance(node, ast.Subscript):
        return ""
    inner: ast.expr = node.slice
    if isinstance(inner, ast.Tuple) and inner.elts:
        inner = inner.elts[-1]
    return GENERIC.get(annotation_path(node, module), {}).get(annotation_path(inner, module), "")


def value_parameter(arg: ast.arg, default: Optional[ast.expr], unit: Unit, module: Module) -> dict[str, Any]:
    declared = value_type(arg.annotation, module)
    if arg.annotation is not None and not declared:
        path = annotation_path(arg.annotation, module)
        if ASSET_TYPES.get(path) and not path.startswith("builtins."):
            raise Refused(f"{arg.arg} takes data, but no asset is given for it", f"pass an asset for {arg.arg}")
        raise Refused(
            f"{arg.arg} has the type {ast.unparse(arg.annotation)}, which a parameter cannot have",
            f"use one of {', '.join(VALUE_TYPES)}",
        )
    if default is None:
        if not declared:
            raise Refused(f"{arg.arg} has no type", f"pass an asset for it, or write its type, as in {arg.arg}: int")
        return {"name": arg.arg, "kind": "value", "type": declared}
    try:
        value = static_value(default, module)
    except NotStatic:
        raise Refused(
            f"the default of {arg.arg} ({unit.at(default)}) is not a plain value", "write the value itself"
        ) from None
    declared = declared or type_of(value)
    if not declared:
        raise Refused(
            f"{arg.arg} has no type, and its default implies none", f"write its type, as in {arg.arg}: {VALUE_TYPES[0]}"
        )
    if not fits(value, declared):
        raise Refused(
            f"the default of {arg.arg} is not of its type {declared}", "write a default of that type, or none"
        )
    return {"name": arg.arg, "kind": "value", "type": declared, "default": value}
