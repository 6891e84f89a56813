"""Declared outputs: by the annotation where that is plain, else by name, kind and sensitivity."""

from __future__ import annotations

import ast
import re
from typing import Optional

from .entry import annotation_path
from .names import Module
from .source import MAX_NAME, Refused

RESULT = "result"
KINDS = ("table", "array", "json", "text", "image", "csv", "svg", "safetensors", "onnx", "samples", "any")
SENSITIVITIES = ("aggregate", "model", "individual")
IMPLIED = {"samples": "individual", "safetensors": "model", "onnx": "model"}  # else aggregate
MAX_OUTPUTS = 16

OUTPUT_KINDS = {
    "pandas.DataFrame": "table",
    "pandas.Series": "table",
    "pandas.Index": "table",
    "pyarrow.Table": "table",
    "pyarrow.RecordBatch": "table",
    "numpy.ndarray": "array",
    "numpy.typing.NDArray": "array",
    "matplotlib.figure.Figure": "image",
    "matplotlib.pyplot.Figure": "image",
    "matplotlib.axes.Axes": "image",
    "matplotlib.pyplot.Axes": "image",
    "PIL.Image.Image": "image",
    **{f"builtins.{t}": "json" for t in ("int", "float", "bool", "dict", "list", "tuple")},
    **{f"typing.{t}": "json" for t in ("Dict", "List", "Tuple")},
    "None": "json",
    **{f"anchorhold.{n}": n.lower() for n in ("CSV", "SVG", "Safetensors", "ONNX", "Samples")},
}


# Kinds that no type implies: a function declares one by its name, as in
# ``def f(patients) -> "svg":``, or as "ah.SVG".
DECLARED_KINDS = ("csv", "svg", "safetensors", "onnx", "samples")


def declared_outputs(returns: Optional[ast.expr], module: Module, given: list[str]) -> list[dict[str, str]]:
    """The outputs that are declared beside the code, as NAME=KIND:SENSITIVITY; else what the annotation says."""
    found = [one_output(text) for text in given]
    if not found:
        found = fields_of(returns, module) or [{"name": RESULT, "kind": kind_of(returns, module)}]
    if len(found) > MAX_OUTPUTS:
        raise Refused(f"more than {MAX_OUTPUTS} outputs are declared", "declare fewer")
    for n, output in enumerate(found):
        if output["name"] in [o["name"] for o in found[:n]]:
            raise Refused(f"the output {output['name']} is declared twice", "give each output a name of its own")
    return found


def one_output(text: str) -> dict[str, str]:
    """One output, written as NAME, NAME=KIND or NAME=KIND:SENSITIVITY."""
    name, _, rest = text.partition("=")
    kind, _, sensitivity = rest.partition(":")
    kind = kind or "any"
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or len(name) > MAX_NAME:
        raise Refused(f"the output {name!a} has no plain name", "use ASCII letters, digits and _")
    if kind not in KINDS:
        raise Refused(f"the output {name} has the kind {kind!a}, which there is not", f"use one of {', '.join(KINDS)}")
    if sensitivity and sensitivity not in SENSITIVITIES:
        raise Refused(
            f"the output {name} has the sensitivity {sensitivity!a}, which there is not",
            f"use one of {', '.join(SENSITIVITIES)}",
        )
    implied = IMPLIED.get(kind, SENSITIVITIES[0])
    if sensitivity in ("", implied):  # what the kind implies is not said again
        return {"name": name, "kind": kind}
    if implied == "individual":
        raise Refused(f"the output {name} holds rows, and is individual", "leave its sensitivity out")
    return {"name": name, "kind": kind, "sensitivity": sensitivity}


def fields_of(returns: Optional[ast.expr], module: Module) -> list[dict[str, str]]:
    """The fields of a NamedTuple of the module, as which a function says that it returns several outputs."""
    name = returns.value if isinstance(returns, ast.Constant) else returns.id if isinstance(returns, ast.Name) else None
    found = module.bindings.get(name, []) if isinstance(name, str) else []
    node = found[-1].node if found else None
    if not isinstance(node, ast.ClassDef):
        return []
    if "typing.NamedTuple" not in [annotation_path(base, module) for base in node.bases]:
        return []
    return [
        {"name": s.target.id, "kind": kind_of(s.annotation, module)}
        for s in node.body
        if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
    ]


def kind_of(annotation: Optional[ast.expr], module: Module) -> str:
    """The kind of output that an annotation declares, or any."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        named = annotation.value.strip().removeprefix("anchorhold.").removeprefix("ah.").lower()
        if named in DECLARED_KINDS:
            return named
    return OUTPUT_KINDS.get(annotation_path(annotation, module), "any")
