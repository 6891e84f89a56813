"""Tables in, results out: what a registered file is to code, and a result's file to its reader.

read_table turns a registered file into what a function's parameter asks for;
decode_result turns the file of a result, as encode.py writes it, into the value
that the function returned. A job in the sandbox and the researcher's package
use this very file, so that a mock and a private table give the same types.

Only formats that are data and nothing else are read: Parquet, .npy without
objects, JSON, UTF-8 text, PNG. There is no pickle here, and libraries are
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
