"""Results out: the file that a returned value becomes.

encode_result writes one value as data and nothing else: Parquet, .npy without
objects, JSON, UTF-8 text, PNG; and where it is declared CSV, SVG, safetensors or
ONNX. What is not data is refused with a sentence that
says what to return instead. There is no pickle here, and libraries are imported
only when a value of theirs is at hand. codec.decode_result reads what this writes.
"""

from __future__ import annotations

import json
import math
import os

from _anchorhold_codec import METADATA_KEY, NULLABLE  # codec.py, as the runner names it
from _anchorhold_declared import DECLARED  # declared.py

EXTENSIONS = {"table": ".parquet", "array": ".npy", "json": ".json", "text": ".txt", "image": ".png"}
EXTENSIONS |= {"csv": ".csv", "svg": ".svg", "safetensors": ".safetensors", "onnx": ".onnx", "samples": ".parquet"}

INDEX_PREFIX = "__index_"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# A text shorter than this, on one line, is a JSON value; any other is a file of text.
SHORT_TEXT_BYTES = 4096
MAX_LABEL_BYTES = 1024
MAX_DEPTH = 32  # of lists and dicts within each other
LEAST_INT, MOST_INT = -(2**63), 2**64 - 1


class ResultRefused(TypeError):
    """A value that cannot leave as data: what it is, and what to return instead."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")


def encode_result(value, name, declared, directory):
    """Write value as a file of directory; give its entry of the manifest.

    declared is a kind of output, or "any". Raises ResultRefused, in words for
    the author of the code, for what is not data or not of the declared kind.
    """
    kind, python, write = DECLARED[declared](value) if declared in DECLARED else _form_of(value)
    if declared not in ("any", kind):
        raise ResultRefused(
            f"the output {name!r} was declared as {declared}, but the function returned {_describe(value)}",
            f"return what was declared, or declare {kind}",
        )
    file = name + EXTENSIONS[kind]
    with open(os.path.join(directory, file), "wb") as f:
        write(value, f)
    return {"name": name, "kind": kind, "python": python, "file": file}


def _form_of(value):
    """Kind, name of the Python type, and writer of a value."""
    roots = {base.__module__.partition(".")[0] for base in type(value).__mro__}
    for root, chooser in _LIBRARIES.items():
        if root in roots:
            form = chooser(value)
            if form is not None:
                return form
            raise _unsupported(value)
    return _plain_form(value)


def _pandas_form(value):
    import pandas as pd

    for base, name in ((pd.DataFrame, "DataFrame"), (pd.Series, "Series"), (pd.Index, "Index")):
        if isinstance(value, base):
            return "table", f"pandas.{name}", _write_pandas
    return None


def _pyarrow_form(value):
    import pyarrow as pa

    if isinstance(value, (pa.Table, pa.RecordBatch)):
        return "table", "pyarrow.Table", _write_arrow
    return None


def _numpy_form(value):
    import numpy as np

    if isinstance(value, np.ndarray):
        return "array", "numpy.ndarray", _write_array
    if isinstance(value, np.str_):
        return _plain_form(str(value))
    if isinstance(value, np.generic):
        return "json", f"numpy.{value.dtype.name}", _write_json
    return None


def _matplotlib_form(value):
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

    if isinstance(value, (FigureBase, Axes)):
        return "image", "image/png", _write_figure
    return None


def _polars_form(value):
    import polars as pl

    return ("table", "polars.DataFrame", _write_polars) if isinstance(value, (pl.DataFrame, pl.Series)) else None


def _pil_form(value):
    from PIL.Image import Image

    return ("image", "image/png", _write_picture) if isinstance(value, Image) else None


_LIBRARIES = {
    "pandas": _pandas_form,
    "polars": _polars_form,
    "pyarrow": _pyarrow_form,
    "numpy": _numpy_form,
    "matplotlib": _matplotlib_form,
    "PIL": _pil_form,
}


def _plain_form(value):
    kind = type(value)
    if kind is str:
        data = _utf8(value, "the text")
        short = len(data) < SHORT_TEXT_BYTES and "\n" not in value
        return ("json", "str", _write_json) if short else ("text", "str", _write_text)
    if value is None or kind in (bool, int, float, list, tuple):
        return "json", "None" if value is None else kind.__name__, _write_json
    if isinstance(value, dict):  # also OrderedDict, defaultdict, Counter: they come back as dict
        return "json", "dict", _write_json
    if isinstance(value, (bytes, bytearray)) and value.startswith(PNG_SIGNATURE):
        return "image", "image/png", _write_bytes
    raise _unsupported(value)


# What to return instead, by the name of a type or of one that it derives from.
_REMEDIES = {
    "NAType NaTType": "return None",
    "complex complexfloating": "return its real and its imaginary part",
    "set frozenset": "return sorted(x), a list",
    "generator range map filter zip dict_keys dict_values dict_items Iterator": "return list(x)",
    "function builtin_function_or_method method type": "call it, and return what it gives",
    "coroutine": "write the function with def, not async def",
    "datetime date time timedelta Timestamp Timedelta datetime64 timedelta64 Period": "return str(x)",
    "Decimal Fraction": "return float(x) or str(x)",
    "bytes bytearray memoryview": "return text, an array, or the bytes of a PNG image",
    "PurePath": "return what stands in the file",
    "BaseGroupBy GroupBy": "aggregate it, for example with .mean() or .size()",
    "Styler": "return the DataFrame itself",
    "Interval": "return its bounds as a list",
    "ExtensionArray": "return pandas.Series(x)",
    "Array ChunkedArray Scalar": "return a pyarrow.Table with it",
    "BaseEstimator": "return what was learnt, for example the coefficients as a DataFrame or a dict",
}


def _unsupported(value):
    names = {base.__name__ for base in type(value).__mro__}
    remedy = "return a DataFrame, an array, a number, text, a list, a dict or a figure"
    if isinstance(value, tuple):
        remedy = "return x._asdict() or tuple(x)"
    elif hasattr(type(value), "__dataclass_fields__"):
        remedy = "return dataclasses.asdict(x)"
    else:
        for types, text in _REMEDIES.items():
            if not names.isdisjoint(types.split()):
                remedy = text
                break
    return ResultRefused(f"a result cannot be {_describe(value)}", remedy)


def _describe(value):
    kind = type(value)
    if value is None:
        return "None"
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"of the type {name}"


def _utf8(text, what):
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ResultRefused(
            f"{what} holds a half of a character (a lone surrogate)", "remove it: x.encode(errors='ignore').decode()"
        ) from None


def _write_text(value, f):
    f.write(_utf8(value, "the text"))


def _write_bytes(value, f):
    f.write(value)


def _write_json(value, f):
    # NaN alone is null, and python says that it was a float. Within a container
    # null would come back as None.
    if _is_float(value) and math.isnan(value):
        value = None
    plain = _to_json(value, "the result", 0)
    f.write(json.dumps(plain, ensure_ascii=False, allow_nan=False).encode())


def _is_float(value):
    return isinstance(value, float) or getattr(getattr(value, "dtype", None), "kind", "") == "f"


def _to_json(value, where, depth):
    """The same value from JSON's own types alone; tuples become lists."""
    if depth > MAX_DEPTH:
        raise ResultRefused(
            f"{where[:80]}… is nested deeper than {MAX_DEPTH} levels", "return it flat, or as a DataFrame"
        )
    kind = type(value)
    if kind in _SCALARS:
        return _SCALARS[kind](value, where)
    if kind in (list, tuple):
        return [_to_json(v, f"{where}[{i}]", depth + 1) for i, v in enumerate(value)]
    if isinstance(value, dict):
        return {_key(k, where): _to_json(v, f"{where}[{k!r}]", depth + 1) for k, v in value.items()}
    return _numpy_to_json(value, where)


def _int_to_json(value, where):
    if not LEAST_INT <= value <= MOST_INT:
        raise ResultRefused(f"{where} is a whole number beyond 64 bits", "return it as text: str(x)")
    return value


def _text_to_json(value, where):
    _utf8(value, where)
    return value


def _float_to_json(value, where):
    if not math.isfinite(value):
        what = "NaN" if math.isnan(value) else "infinite"
        remedy = "put None in its place, or return a Series" if math.isnan(value) else "return str(x) or numpy.array(x)"
        raise ResultRefused(f"{where} is {what}, which JSON cannot hold", remedy)
    return value


def _same(value, _):
    return value


_SCALARS = {type(None): _same, bool: _same, str: _text_to_json, int: _int_to_json, float: _float_to_json}


def _key(key, where):
    if type(key) is not str:
        raise ResultRefused(f"a key of {where} is {_describe(key)}, not text", "use {str(k): v for k, v in x.items()}")
    _utf8(key, f"a key of {where}")
    return key


def _numpy_to_json(value, where):
    if any(base.__module__ == "numpy" and base.__name__ == "generic" for base in type(value).__mro__):
        kind = value.dtype.kind
        if kind == "b":
            return bool(value)
        if kind in "iu":
            return int(value)
        if kind == "f" and value.dtype.itemsize <= 8:
            return _float_to_json(float(value), where)
        if kind == "U":
            return _to_json(str(value), where, 0)
    refused = _unsupported(value)
    if where == "the result":
        raise refused
    remedy = str(refused).partition("; ")[2]
    if any(base.__module__.partition(".")[0] in _LIBRARIES for base in type(value).__mro__):
        remedy = "return it by itself, or turn it into plain values first, for example with .tolist() or .to_dict()"
    raise ResultRefused(f"{where} is {_describe(value)}, which a list or dict of results cannot hold", remedy)


def _write_array(value, f):
    import numpy as np

    if isinstance(value, np.ma.MaskedArray):
        raise ResultRefused("the result is a masked array", "return x.filled(numpy.nan)")
    kind = value.dtype.kind
    if kind == "c":
        raise ResultRefused(
            "the result is an array of complex numbers", "return x.real and x.imag, for example numpy.stack"
        )
    if kind == "V":
        raise ResultRefused("the result is a structured array", "return pandas.DataFrame(x)")
    if kind not in "biufMmU" or (kind == "f" and value.dtype.itemsize > 8):
        raise ResultRefused(
            f"the result is an array of the type {value.dtype}, which may hold anything",
            "give it one type of numbers or text, for example x.astype(float), or return a list or a DataFrame",
        )
    little = np.asarray(value, dtype=value.dtype.newbyteorder("<"), order="C")
    np.save(f, little, allow_pickle=False)


def _write_figure(value, f):
    figure = value.figure if hasattr(value, "figure") else value
    figure.savefig(f, format="png", metadata={"Software": None})


def _write_picture(value, f):
    if "transparency" in value.info:
        value = value.convert("RGBA")
    if value.mode not in ("1", "L", "LA", "I;16", "P", "RGB", "RGBA"):
        value = value.convert("RGB")
    bare = value.copy()
    bare.info = {}  # comments, profiles, positions
    bare.save(f, format="PNG")


# ---- tables out -------------------------------------------------------------


def _write_pandas(value, f):
    import pandas as pd
    import pyarrow as pa

    meta = {"v": 1, "python": "", "columns": [], "column_names": [None], "index": []}
    writer = _Columns(pa)
    if isinstance(value, pd.Index):
        meta["python"] = "pandas.Index"
        _add_levels(writer, value, meta)
    else:
        if isinstance(value, pd.Series):
            meta["python"] = "pandas.Series"
            if value.name is not None:
                meta["series_name"] = _label(value.name, "the name of the series", "x.rename(str(x.name))")
            labels, columns = [meta.get("series_name")], [value]
        else:
            meta["python"] = "pandas.DataFrame"
            labels = [_label(c, "a column's label", "set df.columns = df.columns.map(str)") for c in value.columns]
            columns = [value.iloc[:, i] for i in range(value.shape[1])]
            meta["column_names"] = [_name(n) for n in value.columns.names]
        if not columns:
            raise ResultRefused("the table has no columns", "return its index, or add a column: x.reset_index()")
        meta["columns"] = labels
        _add_index(writer, value.index, meta)
        for name, column in zip(_file_names(labels), columns, strict=True):
            writer.add(name, column, "the series" if column is value else None)
    if writer.dtypes:
        meta["dtypes"] = writer.dtypes
    _write_parquet(pa.table(writer.arrays, schema=pa.schema(writer.fields)), meta, f)


def _name(name):
    return _label(name, "a name of the index", "rename it: x.rename_axis(...)")


def _label(label, what, remedy):
    """A label as JSON holds it: a scalar, or an array for several levels."""
    if isinstance(label, tuple):
        return [_label(part, what, remedy) for part in label]
    if label is None or type(label).__name__ in ("NAType", "NaTType") or (_is_float(label) and math.isnan(label)):
        return None
    try:
        plain = _to_json(label, what, MAX_DEPTH)
    except ResultRefused:
        plain = None
    if plain is None or isinstance(plain, (list, dict)):
        raise ResultRefused(f"{what} is {_describe(label)}", f"labels are text or numbers: {remedy}")
    if isinstance(plain, str) and (len(plain.encode()) > MAX_LABEL_BYTES or not plain.replace("\n", "").isprintable()):
        raise ResultRefused(f"{what} is longer than {MAX_LABEL_BYTES} bytes, or cannot be shown", "rename it")
    return plain


def _file_names(labels):
    """Names of columns in the file: the labels where these are distinct texts."""
    plain = all(isinstance(x, str) and not x.startswith(INDEX_PREFIX) for x in labels)
    if plain and len(set(labels)) == len(labels):
        return labels
    return [f"c{i}" for i in range(len(labels))]


def _add_index(writer, index, meta):
    import pandas as pd

    if type(index) is pd.RangeIndex and index.name is None:
        meta["range_index"] = {"start": index.start, "stop": index.stop, "step": index.step}
    else:
        _add_levels(writer, index, meta)


def _add_levels(writer, index, meta):
    import pandas as pd

    for i, name in enumerate(index.names):
        column = f"{INDEX_PREFIX}{i}"
        meta["index"].append({"column": column, "name": _name(name)})
        writer.add(column, pd.Series(index.get_level_values(i)), f"level {i} of the index")


# The types of a column that must be turned into another first.
_COLUMN_REMEDIES = {
    "complex": "split it into real and imaginary part",
    "Sparse": "make it dense: .sparse.to_dense()",
    "period": "turn it into timestamps: .dt.to_timestamp() or .to_timestamp()",
    "interval": "turn it into text: .astype(str)",
}


class _Columns:
    """The columns of a file that is being made."""

    def __init__(self, pa):
        self.pa = pa
        self.arrays, self.fields, self.dtypes = [], [], {}

    def add(self, name, series, where=None):
        where = where or f"column {name!r}"
        array = self._array(series, where)
        check_type(array.type, where)
        dtype = str(series.dtype)
        if dtype in NULLABLE or dtype == "object":
            self.dtypes[name] = dtype
        elif type(series.dtype).__name__ == "ArrowDtype":
            self.dtypes[name] = "arrow"
        _utf8(name, "a column's label")
        self.arrays.append(array)
        self.fields.append(self.pa.field(name, array.type))

    def _array(self, series, where):
        dtype = series.dtype
        for start, remedy in _COLUMN_REMEDIES.items():
            if str(dtype).startswith(start):
                raise ResultRefused(f"{where} has the type {dtype}, which a table of results cannot hold", remedy)
        if str(dtype) == "category":
            _check_categories(dtype, where)
        try:
            if dtype.kind in "biuf" and type(dtype).__module__.startswith("numpy"):
                return self.pa.array(series.to_numpy(), from_pandas=False)  # NaN stays NaN
            found = self.pa.array(series, from_pandas=True)
            if str(dtype) == "object" and not set(map(type, series)).isdisjoint({set, frozenset}):
                raise TypeError  # Arrow would make lists of them
        except (self.pa.ArrowException, TypeError, ValueError, OverflowError) as e:
            raise ResultRefused(
                f"{where} holds values of several types, or of one that is not data",
                "give it one type, for example with .astype(str) or .astype(float)",
            ) from e
        return found.combine_chunks() if isinstance(found, self.pa.ChunkedArray) else found


def _check_categories(dtype, where):
    if dtype.categories.dtype.kind not in "OUT" or not all(isinstance(c, str) for c in dtype.categories):
        raise ResultRefused(
            f"{where} has categories that are not text",
            "turn them into text with .astype(str), or into their own type, for example with .astype(int)",
        )


def check_type(kind, where):
    """Refuse an Arrow type that results may not have."""
    import pyarrow.types as t

    if t.is_list(kind) and _is_scalar(kind.value_type):
        return
    if t.is_dictionary(kind) and (t.is_string(kind.value_type) or t.is_large_string(kind.value_type)):
        return
    if not _is_scalar(kind):
        remedy = "turn it into text, numbers or timestamps first, or leave it out"
        if t.is_binary(kind) or t.is_large_binary(kind) or t.is_fixed_size_binary(kind):
            remedy = "leave it out, or write it as text, for example with .map(bytes.hex)"
        elif t.is_nested(kind) or t.is_dictionary(kind):
            remedy = "make one column of each part, with plain values"
        elif t.is_time(kind):
            remedy = "turn it into text with .astype(str)"
        raise ResultRefused(f"{where} has the type {kind}, which a table of results cannot hold", remedy)


def _is_scalar(kind):
    import pyarrow.types as t

    tests = (t.is_boolean, t.is_integer, t.is_floating, t.is_string, t.is_large_string, t.is_date32, t.is_timestamp)
    return any(test(kind) for test in (*tests, t.is_duration, t.is_decimal128, t.is_null))


def _write_arrow(value, f, python="pyarrow.Table"):
    import pyarrow as pa

    table = pa.Table.from_batches([value]) if isinstance(value, pa.RecordBatch) else value
    if not table.num_columns:
        raise ResultRefused("the table has no columns", "return a table with at least one")
    labels = table.column_names
    fields = []
    for name, field in zip(_file_names(labels), table.schema, strict=True):
        check_type(field.type, f"column {field.name!r}")
        fields.append(pa.field(name, field.type, field.nullable))
    meta = {"v": 1, "python": python, "columns": labels, "column_names": [None], "index": []}
    _write_parquet(pa.table(table.columns, schema=pa.schema(fields)), meta, f)


def _write_parquet(table, meta, f):
    import pyarrow.parquet as pq

    text = json.dumps(meta, ensure_ascii=False, allow_nan=False)
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: text.encode()}), f, compression="snappy")


def _write_polars(value, f):
    import pyarrow as pa

    frame = value.to_frame() if hasattr(value, "to_frame") else value
    table = frame.to_arrow()
    plain = pa.schema([pa.field(x.name, _without_views(pa, x.type)) for x in table.schema])
    _write_arrow(table.cast(plain), f, "polars.DataFrame")


def _without_views(pa, kind):
    """An Arrow type as others know it: Polars has texts that are views of others."""
    if pa.types.is_large_list(kind):
        return pa.list_(_without_views(pa, kind.value_type))
    if str(kind) == "string_view":
        return pa.large_string()
    if pa.types.is_dictionary(kind):
        return pa.dictionary(pa.int32(), pa.large_string(), kind.ordered)
    return kind
