"""Results of the kinds that are declared, since no type implies them: CSV, SVG,
safetensors, ONNX and samples. encode.py, which knows all others, asks here first.
"""

from __future__ import annotations

import json
import sys


def encode():
    """encode.py, which imports this file."""
    return sys.modules["_anchorhold_encode"]


def _csv_form(value):
    if type(value) is str:
        return "csv", "str", encode()._write_text
    for root, name, write in (("pandas", "DataFrame", _write_pandas_csv), ("polars", "DataFrame", _write_polars_csv)):
        if any(f"{b.__module__.partition('.')[0]}.{b.__name__}" == f"{root}.{name}" for b in type(value).__mro__):
            return "csv", f"{root}.DataFrame", write
    raise encode().ResultRefused(
        f"CSV cannot be {encode()._describe(value)}", "return a DataFrame, or the text of the file"
    )


def _write_pandas_csv(value, f):
    named = value.index.names != [None]  # a numbered index says nothing
    f.write(encode()._utf8(value.to_csv(index=named, lineterminator="\n"), "the table"))


def _write_polars_csv(value, f):
    value.write_csv(f)


def _svg_form(value):
    roots = {base.__module__.partition(".")[0] for base in type(value).__mro__}
    if "matplotlib" in roots and encode()._matplotlib_form(value):
        return "svg", "image/svg+xml", _write_drawing
    if isinstance(value, str):
        return "svg", "image/svg+xml", encode()._write_text
    raise encode().ResultRefused(
        f"a drawing cannot be {encode()._describe(value)}", "return a Matplotlib figure, or the text of an SVG file"
    )


def _write_drawing(value, f):
    import matplotlib as mpl

    figure = value.figure if hasattr(value, "figure") else value
    with mpl.rc_context({"svg.hashsalt": "anchorhold", "svg.fonttype": "path"}):
        figure.savefig(f, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})


def _safetensors_form(value):
    if not isinstance(value, dict) or not value:
        raise encode().ResultRefused(
            f"tensors cannot be {encode()._describe(value)}", "return a dict of arrays by name, or model.state_dict()"
        )
    return "safetensors", "dict", _write_tensors


_TENSOR_TYPES = {"bool": "BOOL", "float16": "F16", "float32": "F32", "float64": "F64"}
_TENSOR_TYPES |= {
    f"{sign}int{bits}": f"{sign.upper()}I{bits}".replace("UI", "U") for sign in ("", "u") for bits in (8, 16, 32, 64)
}


def _write_tensors(value, f):
    import numpy as np

    header, parts, at = {}, [], 0
    for name in sorted(value, key=str):
        tensor = value[name]
        for step in ("detach", "cpu", "numpy"):  # as PyTorch has them
            if not isinstance(tensor, np.ndarray) and hasattr(tensor, step):
                tensor = getattr(tensor, step)()
        if type(name) is not str or not isinstance(tensor, np.ndarray) or tensor.dtype.name not in _TENSOR_TYPES:
            raise encode().ResultRefused(
                f"{name!r} is {encode()._describe(tensor)}, which is not an array of numbers",
                "return a dict of NumPy arrays by name",
            )
        data = np.asarray(tensor, dtype=tensor.dtype.newbyteorder("<"), order="C").tobytes()
        header[name] = {
            "dtype": _TENSOR_TYPES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + len(data)],
        }
        parts.append(data)
        at += len(data)
    text = encode()._utf8(json.dumps(header, ensure_ascii=False), "a tensor's name")
    for part in (len(text).to_bytes(8, "little"), text, *parts):
        f.write(part)


def _onnx_form(value):
    if isinstance(value, (bytes, bytearray)):
        return "onnx", "onnx.ModelProto", encode()._write_bytes
    if hasattr(value, "SerializeToString") and hasattr(value, "graph"):
        return "onnx", "onnx.ModelProto", _write_model
    raise encode().ResultRefused(
        f"a model cannot be {encode()._describe(value)}", "return an onnx.ModelProto, or the bytes of its file"
    )


def _write_model(value, f):
    f.write(value.SerializeToString())


def _samples_form(value):
    kind, python, write = encode()._form_of(value)
    if kind != "table" or python in ("pandas.Series", "pandas.Index"):
        raise encode().ResultRefused(
            f"samples cannot be {encode()._describe(value)}", "return rows of a table, such as patients.head(20)"
        )
    return "samples", python, write


DECLARED = {
    "csv": _csv_form,
    "svg": _svg_form,
    "safetensors": _safetensors_form,
    "onnx": _onnx_form,
    "samples": _samples_form,
}
