"""Tables in, results out: the one place that says what a value looks like as a file.

read_table turns a registered file into what a function's parameter asks for,
encode_result turns what the function returned into a file, decode_result turns
that file into the same value again. A job in the sandbox and the researcher's
package use this very file, so that a mock and a private table give the same
types and an answer comes back as it was returned.

Only formats that are data and nothing else are written and read: Parquet, .npy
without objects, JSON, UTF-8 text, PNG. There is no pickle here, and libraries
are imported only when a value of theirs is at hand.
"""

from __future__ import annotations

import json
import math
import os
import re

EXTENSIONS = {"table": ".parquet", "array": ".npy", "json": ".json", "text": ".txt", "image": ".png"}

METADATA_KEY = b"anchorhold"
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


class InputRefused(ValueError):
    """An input file that is not as it was registered."""


# ---- reading tables ---------------------------------------------------------


def read_table(source, spec):
    """Read a CSV or Parquet file as spec["type"] asks.

    spec is an input of a job: "type" (dataframe, arrow or numpy), "format" (csv
    or parquet), "columns" (name and registered type of each, in order) and
    "missing" (texts of a CSV file that mean "no value", beside those that pandas
    knows). What comes out:

    ==========  =====================================  ======================
    registered  DataFrame                              Arrow table
    ==========  =====================================  ======================
    int         int64; float64 where values miss       int64
    float       float64                                double
    string      str, as pandas reads it                string
    bool        bool; boolean where values miss        bool
    date        datetime64[us]                         date32
    timestamp   datetime64[us], with UTC where a zone  timestamp[us], the same
                is written
    ==========  =====================================  ======================

    A Parquet file keeps the widths and categories that it stores. NumPy gives a
    two-dimensional float64 array, one column for each of the table's, missing
    values as NaN, truth values as 0 and 1; a table with text or dates in it is
    refused.
    """
    kind, form = spec["type"], spec["format"]
    if kind not in ("dataframe", "arrow", "numpy") or form not in ("csv", "parquet"):
        raise InputRefused(f"a {form} file cannot be read as {kind}")
    if kind == "numpy":
        _refuse_texts(spec["columns"])
    if form == "csv":
        frame = _read_csv(source, spec, exact_ints=kind == "arrow")
        return _csv_to_arrow(frame, spec["columns"]) if kind == "arrow" else _as_asked(frame, kind)
    table = _read_parquet(source, spec)
    return table if kind == "arrow" else _as_asked(_parquet_to_frame(table), kind)


def _as_asked(frame, kind):
    return frame.to_numpy(dtype="float64", na_value=math.nan) if kind == "numpy" else frame


def _refuse_texts(columns):
    for column in columns:
        if column["type"] not in ("int", "float", "bool"):
            raise InputRefused(
                f"column {column['name']!r} has the type {column['type']}, and a NumPy array holds numbers only; "
                "annotate the parameter as pandas.DataFrame and select the columns of numbers there"
            )


def _read_csv(source, spec, exact_ints):
    import pandas as pd

    types = {c["name"]: c["type"] for c in spec["columns"]}
    # Integers are left to pandas, which finds int64 or float64 by whether values
    # miss; what it cannot know (truth values, times) is read as text first.
    dtypes = {name: "float64" if kind == "float" else str for name, kind in types.items() if kind != "int"}
    if exact_ints:
        dtypes.update({name: "Int64" for name, kind in types.items() if kind == "int"})
    frame = pd.read_csv(
        source,
        sep=_delimiter(source),
        dtype=dtypes,
        na_values=list(spec.get("missing") or []),
        index_col=False,
        encoding="utf-8",
        low_memory=False,
    )
    _check_columns(list(frame.columns), types)
    converters = {"bool": _to_bool, "date": _to_times, "timestamp": _to_times, "int": _check_ints}
    changed = {n: converters[k](frame[n]) for n, k in types.items() if k in converters}
    return frame.assign(**changed)[list(types)] if changed else frame


def _check_columns(found, types):
    if found != list(types):
        raise InputRefused("the columns of the file are not those that were registered; register a new version of it")


def _delimiter(source):
    """Comma, semicolon or tab: as registration finds it, from the first line."""
    with open(source, "rb") as f:
        head = f.read(256 << 10)
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    line = b"".join(head.split(b'"')[::2]).split(b"\n", 1)[0]  # what stands outside of quotation marks
    counts = {",": line.count(b","), ";": line.count(b";"), "\t": line.count(b"\t")}
    return max(counts, key=counts.__getitem__)  # of equals the first


def _check_ints(series):
    if series.dtype.kind not in "iuf":
        raise InputRefused(f"column {series.name!r} was registered as int and holds something else")
    return series


_TRUTHS = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}


def _to_bool(series):
    missing = series.isna()
    found = series.map(_TRUTHS)
    if (found.isna() & ~missing).any():
        raise InputRefused(f"column {series.name!r} was registered as bool and holds something else")
    return found.astype("boolean") if missing.any() else found.astype(bool)


_ZONE = r"(?:Z|[+-][0-9]{2}:[0-9]{2})$"


def _to_times(series):
    import pandas as pd

    zoned = series.dropna().str.contains(_ZONE).any()
    times = pd.to_datetime(series, format="ISO8601", utc=bool(zoned))
    micros = times.dt.as_unit("us")
    return micros if (micros == times).equals(times.notna()) else times  # keeps nanoseconds where they are written


def _csv_to_arrow(frame, columns):
    import pyarrow as pa

    plain = {"int": pa.int64(), "float": pa.float64(), "string": pa.string(), "bool": pa.bool_(), "date": pa.date32()}
    arrays, fields = [], []
    for column in columns:
        kind = plain.get(column["type"])  # none for a timestamp: its unit and zone come from what is written
        arrays.append(pa.array(frame[column["name"]], type=kind, from_pandas=True))
        fields.append(pa.field(column["name"], arrays[-1].type))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _read_parquet(source, spec):
    import pyarrow.parquet as pq

    # No pandas metadata: a file's columns are its columns, as registered.
    table = pq.ParquetFile(source, memory_map=True).read().replace_schema_metadata(None)
    _check_columns(table.column_names, {c["name"]: c["type"] for c in spec["columns"]})
    return table


def _parquet_to_frame(table):
    import pyarrow as pa

    target = []
    for field in table.schema:
        kind = field.type
        if pa.types.is_date(kind):
            kind = pa.timestamp("us")
        elif pa.types.is_null(kind):
            kind = pa.float64()
        target.append(pa.field(field.name, kind))
    nullable = [f.name for f in target if pa.types.is_boolean(f.type) and table[f.name].null_count]
    frame = table.cast(pa.schema(target)).to_pandas()
    return frame.astype(dict.fromkeys(nullable, "boolean")) if nullable else frame


# ---- writing results --------------------------------------------------------


def encode_result(value, name, declared, directory):
    """Write value as a file of directory; give its entry of the manifest.

    declared is a kind of output, or "any". Raises ResultRefused, in words for
    the author of the code, for what is not data or not of the declared kind.
    """
    kind, python, write = _form_of(value)
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


def _pil_form(value):
    from PIL.Image import Image

    return ("image", "image/png", _write_picture) if isinstance(value, Image) else None


_LIBRARIES = {
    "pandas": _pandas_form,
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
    "complex complexfloating": "return its real and its imaginary part",
    "set frozenset": "return sorted(x), a list",
    "generator range map filter zip dict_keys dict_values dict_items Iterator": "return list(x)",
    "function builtin_function_or_method method type": "call it, and return what it gives",
    "coroutine": "write the function with def, not async def",
    "datetime date time timedelta Timestamp Timedelta datetime64 timedelta64 Period": "return str(x)",
    "Decimal Fraction": "return float(x) or str(x)",
    "NAType NaTType": "return None",
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


# Types of pandas that Arrow's type alone does not tell from others.
_NULLABLE = {
    *("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"),
    *("Float32", "Float64", "boolean", "string"),
}

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
        if dtype in _NULLABLE or dtype == "object":
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


def _write_arrow(value, f):
    import pyarrow as pa

    table = pa.Table.from_batches([value]) if isinstance(value, pa.RecordBatch) else value
    if not table.num_columns:
        raise ResultRefused("the table has no columns", "return a table with at least one")
    labels = table.column_names
    fields = []
    for name, field in zip(_file_names(labels), table.schema, strict=True):
        check_type(field.type, f"column {field.name!r}")
        fields.append(pa.field(name, field.type, field.nullable))
    meta = {"v": 1, "python": "pyarrow.Table", "columns": labels, "column_names": [None], "index": []}
    _write_parquet(pa.table(table.columns, schema=pa.schema(fields)), meta, f)


def _write_parquet(table, meta, f):
    import pyarrow.parquet as pq

    text = json.dumps(meta, ensure_ascii=False, allow_nan=False)
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: text.encode()}), f, compression="snappy")


# ---- reading results --------------------------------------------------------


def decode_result(kind, python, data):
    """The value of an output from its file's bytes, of the type that was returned.

    kind and python are those of the output. An image gives the bytes of its PNG
    file. Raises ValueError for what encode_result does not write.
    """
    if kind == "table":
        return _decode_table(python, data)
    if kind == "array" and python == "numpy.ndarray":
        return _decode_array(data)
    if kind == "json":
        return _decode_json(python, json.loads(data))
    if kind == "text" and python == "str":
        return bytes(data).decode()
    if kind == "image" and python == "image/png":
        return bytes(data)
    raise ValueError(f"results of the kind {kind!r} and the type {python!r} are not known")


def _decode_array(data):
    import io

    import numpy as np

    return np.load(io.BytesIO(data), allow_pickle=False)


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
    if python == "pyarrow.Table":
        return table.rename_columns(meta["columns"])
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
    if dtype in _NULLABLE:
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
