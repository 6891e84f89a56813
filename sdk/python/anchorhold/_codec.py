"""Results in: what the file of a result is to its reader.

decode_result turns the file of a result, as encode.py writes it, into the value
that the function returned. The researcher's package uses this very file.

Only formats that are data and nothing else are read: Parquet, .npy without
objects, JSON, UTF-8 text, PNG, CSV, SVG, safetensors, ONNX. There is no pickle here, and libraries are
imported only when they are needed.
"""

from __future__ import annotations

import json
import math
import re

# The key of a Parquet file's metadata that says what the table was in Python.
METADATA_KEY = b"anchorhold"

# Types of pandas that Arrow's type alone does not tell from others.
NULLABLE = {
    *("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"),
    *("Float32", "Float64", "boolean", "string"),
}


def decode_result(kind, python, data):
    """The value of an output from its file's bytes, of the type that was returned.

    kind and python are those of the output. An image gives the bytes of its PNG
    file. Raises ValueError for what encode_result does not write.
    """
    if kind in ("table", "samples"):
        return _decode_table(python, data)
    if kind == "json":
        return _decode_json(python, json.loads(data))
    if kind == "csv":
        return _decode_csv(python, data)
    for known, decode in _DECODERS.items():
        if known == (kind, python):
            return decode(bytes(data))
    raise ValueError(f"results of the kind {kind!r} and the type {python!r} are not known")


def _decode_csv(python, data):
    import io

    if python == "str":
        return bytes(data).decode()
    if python == "polars.DataFrame" and (polars := _polars()):
        return polars.read_csv(bytes(data))
    import pandas as pd

    return pd.read_csv(io.BytesIO(data))


def _polars():
    """Polars where it is installed: what it wrote can be read without it."""
    try:
        import polars
    except ImportError:
        return None
    return polars


_TENSOR_TYPES = {"BOOL": "?", "F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2"}
_TENSOR_TYPES.update({f"{sign}{bits}": f"<{sign.lower()}{bits // 8}" for sign in "UI" for bits in (8, 16, 32, 64)})


def _decode_tensors(data):
    """A dict of arrays; a bfloat16, which NumPy does not know, becomes a float32."""
    import numpy as np

    end = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, about in json.loads(data[8:end]).items():
        if name == "__metadata__":
            continue
        start, stop = about["data_offsets"]
        array = np.frombuffer(data[end + start : end + stop], dtype=_TENSOR_TYPES[about["dtype"]]).reshape(
            about["shape"]
        )
        if about["dtype"] == "BF16":
            array = (array.astype("<u4") << 16).view("<f4")
        tensors[name] = array.copy()
    return tensors


def _decode_array(data):
    import io

    import numpy as np

    return np.load(io.BytesIO(data), allow_pickle=False)


_DECODERS = {
    ("array", "numpy.ndarray"): _decode_array,
    ("text", "str"): bytes.decode,
    ("image", "image/png"): bytes,
    ("svg", "image/svg+xml"): bytes.decode,
    ("safetensors", "dict"): _decode_tensors,
    ("onnx", "onnx.ModelProto"): bytes,
}

_JSON_TYPES = {"bool": bool, "int": int, "str": str, "list": list, "dict": dict, "None": type(None)}
_NUMPY_SCALAR = re.compile(r"numpy\.(bool|bool_|u?int(8|16|32|64)|float(16|32|64))")


def _decode_json(python, value):
    if python == "float" and (value is None or type(value) in (int, float)):
        return math.nan if value is None else float(value)
    if python == "tuple" and type(value) is list:
        return tuple(value)
    if _NUMPY_SCALAR.fullmatch(python) and (value is None or type(value) in (bool, int, float)):
        import numpy as np

        return np.dtype(python.removeprefix("numpy.").rstrip("_")).type(math.nan if value is None else value)
    if type(value) is not _JSON_TYPES.get(python):
        raise ValueError(f"the result is not of the type {python!r}")
    return value


def _decode_table(python, data):
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data))
    table = _with_seconds(file.read(), file.metadata.metadata.get(b"ARROW:schema"))
    text = (table.schema.metadata or {}).get(METADATA_KEY)
    meta = json.loads(text) if text else {}
    if meta.get("v") != 1 or meta.get("python") != python:
        raise ValueError("the table does not say how it is to be read")
    table = table.replace_schema_metadata(None)
    if python in ("pyarrow.Table", "polars.DataFrame"):
        table = table.rename_columns(meta["columns"])
        polars = _polars() if python == "polars.DataFrame" else None
        return polars.from_arrow(table) if polars else table
    decoders = {"pandas.DataFrame": _decode_frame, "pandas.Series": _decode_series, "pandas.Index": _decode_index}
    return decoders[python](table, meta)


def _with_seconds(table, stored):
    """Give back timestamps of whole seconds, which Parquet keeps as milliseconds.

    stored is the schema that the table was written with.
    """
    import base64

    import pyarrow as pa

    if stored is None:
        return table
    written = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(stored)))
    for i, field in enumerate(written):
        if pa.types.is_timestamp(field.type) and field.type.unit == "s" and field.name == table.column_names[i]:
            table = table.set_column(i, field.name, table.column(i).cast(field.type))
    return table


def _decode_frame(table, meta):
    import pandas as pd

    data = _data_columns(table, meta)
    frame = pd.DataFrame(dict(enumerate(data)), index=range(table.num_rows))
    frame.index = _decode_index(table, meta)
    frame.columns = _decode_labels(meta["columns"], meta["column_names"])
    return frame


def _decode_series(table, meta):
    (series,) = _data_columns(table, meta)
    series.index = _decode_index(table, meta)
    series.name = _tupled(meta.get("series_name"))
    return series


def _data_columns(table, meta):
    first = len(meta["index"])
    return [_decode_column(table, i, meta) for i in range(first, table.num_columns)]


def _decode_index(table, meta):
    import pandas as pd

    levels = [_decode_column(table, i, meta) for i in range(len(meta["index"]))]
    names = [_tupled(level["name"]) for level in meta["index"]]
    if not levels:
        r = meta.get("range_index") or {"start": 0, "stop": table.num_rows, "step": 1}
        return pd.RangeIndex(r["start"], r["stop"], r["step"])
    if len(levels) == 1:
        return pd.Index(levels[0], name=names[0])
    return pd.MultiIndex.from_arrays(levels, names=names)


def _decode_column(table, i, meta):
    import pandas as pd
    import pyarrow.types as t

    array = table.column(i)
    dtype = meta.get("dtypes", {}).get(table.column_names[i])
    if dtype == "arrow":
        return pd.Series(pd.arrays.ArrowExtensionArray(array))
    if dtype in NULLABLE:
        return pd.Series(pd.api.types.pandas_dtype(dtype).__from_arrow__(array))
    if dtype == "object" or t.is_list(array.type):
        return pd.Series(array.to_pylist(), dtype=object)
    return array.to_pandas().rename(None)


def _decode_labels(labels, names):
    import pandas as pd

    names = [_tupled(n) for n in names]
    if len(names) > 1:
        return pd.MultiIndex.from_tuples([tuple(_missing_as_nan(x) for x in label) for label in labels], names=names)
    labels = [_missing_as_nan(_tupled(x)) for x in labels]
    if all(type(x) is int for x in labels) and labels == list(range(len(labels))):
        return pd.RangeIndex(len(labels), name=names[0])
    return pd.Index(labels, name=names[0], tupleize_cols=False)


def _missing_as_nan(label):
    return math.nan if label is None else label


def _tupled(label):
    return tuple(_tupled(part) for part in label) if isinstance(label, list) else label
