"""Inputs in: what a registered asset is to a function's parameter.

read_input turns an asset's file, or files, into what a parameter asks for. A job
in the sandbox and the researcher's package use this very file, so that a mock and
the private side look alike.

Only formats that are data and nothing else are read. There is no pickle here, and
libraries are imported only when they are needed. A further format is a line of
TABLES and its reader (docs/guides/codec.md).
"""

from __future__ import annotations

import decimal
import io
import json
import math
import os
import struct
from collections.abc import Iterator, Mapping

BATCH_ROWS = 65536
BATCH_BYTES = 16 << 20


class InputRefused(ValueError):
    """An input that is not as it was registered, or not what its parameter asks for."""


# What each format is to code, and what a parameter may ask of that.
KINDS = {"npy": "array", "npz": "tensors", "safetensors": "tensors", "folder": "files", "tar": "files"}
ASKED = {
    "table": ("dataframe", "polars", "arrow", "numpy", "batches"),
    "array": ("numpy",),
    "tensors": ("tensors",),
    "files": ("files",),
}


def read_input(source, spec):
    """An asset as spec["type"] asks.

    source is the path of its file; of an asset of files, the Files. spec is an
    input of a job: "type", "format", "columns" (name and registered type of each,
    in order) and "missing" (texts of a CSV file that mean "no value", beside those
    that pandas knows). Of a table comes out:

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
    list        arrays                                 list
    struct      dicts                                  struct
    map         lists of pairs                         map
    ==========  =====================================  ======================

    Parquet and Arrow keep the widths and categories that they store. Polars has the Arrow table's types,
    batches are its parts. NumPy gives of a table a two-dimensional float64 array, one column for each of the
    table's, missing values as NaN, truth values as 0 and 1; a table with anything else in it is refused. An
    array file is the array that it holds, tensors are a dict of arrays by name.
    """
    asked, form = spec["type"], spec["format"]
    kind = KINDS.get(form, "table")
    if asked not in ASKED[kind]:
        raise InputRefused(f"{ARTICLE[kind]} cannot be read as {asked}; annotate the parameter as {ANNOTATION[kind]}")
    if kind == "files":
        return source
    if kind == "array":
        return _read_npy(source)
    if kind == "tensors":
        return _read_safetensors(source) if form == "safetensors" else _read_npz(source)
    return _read_table(source, spec, asked)


ARTICLE = {"table": "a table", "array": "an array", "tensors": "a set of arrays", "files": "a folder of files"}
ANNOTATION = {
    "table": "pandas.DataFrame, polars.DataFrame, pyarrow.Table, numpy.ndarray, anchorhold.Batches or pathlib.Path",
    "array": "numpy.ndarray or pathlib.Path",
    "tensors": "anchorhold.Tensors or pathlib.Path",
    "files": "anchorhold.Files or pathlib.Path",
}


# ---- tables -----------------------------------------------------------------


def _read_table(source, spec, asked):
    form = spec["format"]
    if form not in TABLES:
        raise InputRefused(f"files of the format {form} are not known here")
    if asked == "numpy":
        _refuse_texts(spec["columns"])
    if form == "csv" and asked in ("dataframe", "numpy"):
        return _as_asked(_read_csv(source, spec, exact_ints=False), asked)
    whole, parts = TABLES[form]
    if asked == "batches":
        return Batches(lambda: parts(source, spec))
    table = whole(source, spec)
    if asked == "arrow":
        return table
    if asked == "polars":
        import polars

        return polars.from_arrow(table)
    return _as_asked(_frame(table), asked)


class Batches(Iterator):
    """A table as an iterator of pyarrow.RecordBatch, so that all of it need not fit into memory.

    next() goes through it once; each for loop begins anew.
    """

    def __init__(self, begin):
        self._begin = begin
        self._own = None

    def __iter__(self):
        return self._begin()

    def __next__(self):
        if self._own is None:
            self._own = self._begin()
        return next(self._own)

    @property
    def schema(self):
        """The schema of every batch."""
        return next(self._begin()).schema


def _as_asked(frame, kind):
    return frame.to_numpy(dtype="float64", na_value=math.nan) if kind == "numpy" else frame


def _refuse_texts(columns):
    for column in columns:
        if column["type"] not in ("int", "float", "bool"):
            raise InputRefused(
                f"column {column['name']!r} has the type {column['type']}, and a NumPy array holds numbers only; "
                "annotate the parameter as pandas.DataFrame and select the columns of numbers there"
            )


def _read_csv(source, spec, exact_ints, rows=None):
    """A DataFrame, or DataFrames of so many rows each."""
    import pandas as pd

    types = {c["name"]: c["type"] for c in spec["columns"]}
    # Integers are left to pandas, which finds int64 or float64 by whether values
    # miss; what it cannot know (truth values, times) is read as text first.
    dtypes = {name: "float64" if kind == "float" else str for name, kind in types.items() if kind != "int"}
    if exact_ints:
        dtypes.update({name: "Int64" for name, kind in types.items() if kind == "int"})
    found = pd.read_csv(
        source,
        sep=_delimiter(source),
        dtype=dtypes,
        na_values=list(spec.get("missing") or []),
        index_col=False,
        encoding="utf-8",
        low_memory=False,
        chunksize=rows,
    )
    return _as_registered(found, types) if rows is None else _each_as_registered(found, types)


def _each_as_registered(parts, types):
    with parts:
        for part in parts:
            yield _as_registered(part, types)


def _as_registered(frame, types):
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
    return series.astype("int64") if series.dtype.kind == "f" and series.notna().all() else series  # written as 1.0


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


def _csv_table(source, spec):
    return _csv_to_arrow(_read_csv(source, spec, exact_ints=True), spec["columns"])


def _csv_batches(source, spec):
    schema = None
    for frame in _read_csv(source, spec, exact_ints=True, rows=BATCH_ROWS):
        table = _csv_to_arrow(frame, spec["columns"])
        schema = schema or table.schema
        yield from _same(table, schema).to_batches()


def _same(table, schema):
    """A part with the types of the parts before: how times are written may differ from row to row."""
    import pyarrow as pa

    if table.schema.equals(schema):
        return table
    try:
        for new, old in zip(table.schema, schema, strict=True):
            if getattr(new.type, "tz", None) and not getattr(old.type, "tz", None):
                raise pa.ArrowInvalid(f"a zone in column {new.name}")
        return table.cast(schema)
    except pa.ArrowInvalid:
        raise InputRefused(
            "times are written in different ways within the file; annotate the parameter as pyarrow.Table"
        ) from None


def _csv_to_arrow(frame, columns):
    import pyarrow as pa

    plain = {"int": pa.int64(), "float": pa.float64(), "string": pa.string(), "bool": pa.bool_(), "date": pa.date32()}
    arrays, fields = [], []
    for column in columns:
        kind = plain.get(column["type"])  # none for a timestamp: its unit and zone come from what is written
        arrays.append(pa.array(frame[column["name"]], type=kind, from_pandas=True))
        fields.append(pa.field(column["name"], arrays[-1].type))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _frame(table):
    """A table of Arrow as pandas has it."""
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


def _parquet_table(source, spec):
    import pyarrow.parquet as pq

    # No pandas metadata: a file's columns are its columns, as registered.
    table = pq.ParquetFile(source, memory_map=True).read().replace_schema_metadata(None)
    _check_columns(table.column_names, _types(spec))
    return table


def _parquet_batches(source, spec):
    import pyarrow.parquet as pq

    file = pq.ParquetFile(source, memory_map=False, pre_buffer=False)
    _check_columns(file.schema_arrow.names, _types(spec))
    for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
        yield batch.replace_schema_metadata(None)


def _types(spec):
    return {c["name"]: c["type"] for c in spec["columns"]}


def _arrow_table(source, spec):
    import pyarrow as pa

    batches = list(_arrow_batches(source, spec))
    return pa.Table.from_batches(batches) if batches else pa.table({name: [] for name in _types(spec)})


def _arrow_batches(source, spec):
    """The batches in the order in which they lie, which is what was registered: not by a file's index of them."""
    import pyarrow as pa

    file = pa.memory_map(source)
    file.seek(8 if spec["format"] == "arrow" else 0)
    reader = pa.ipc.open_stream(file)
    _check_columns(reader.schema.names, _types(spec))
    plain = pa.schema([_without_views(f) for f in reader.schema])
    for batch in reader:
        bare = batch.replace_schema_metadata(None)
        part = bare if bare.schema.equals(plain) else bare.cast(plain)
        for start in range(0, part.num_rows, BATCH_ROWS):
            yield part.slice(start, BATCH_ROWS)


def _without_views(field):
    """A field whose texts, and those within it, are stored as others know them."""
    import pyarrow as pa

    kind = pa.string() if field.type == pa.string_view() else field.type
    if pa.types.is_struct(kind):
        kind = pa.struct([_without_views(f) for f in kind])
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        make = pa.list_ if pa.types.is_list(kind) else pa.large_list
        kind = make(_without_views(kind.value_field))
    return pa.field(field.name, kind, field.nullable)


def _jsonl_table(source, spec):
    import pyarrow as pa

    return pa.Table.from_batches([b for t in _jsonl_parts(source, spec) for b in t.to_batches()])


def _jsonl_batches(source, spec):
    for table in _jsonl_parts(source, spec):
        yield from table.to_batches(max_chunksize=BATCH_ROWS)


def _jsonl_parts(source, spec):
    """Tables of some lines each, so that one after the other is enough."""
    with open(source, "rb") as f:
        schema = None
        while lines := f.readlines(BATCH_BYTES):
            text = b"".join(lines).removeprefix(b"\xef\xbb\xbf")
            if not text.strip():
                continue
            table = _parse_jsonl(text, spec["columns"])
            schema = schema or table.schema
            yield _same(table, schema)


def _parse_jsonl(text, columns):
    import pyarrow as pa
    import pyarrow.json as pj

    schema = pa.schema([(c["name"], _jsonl_type(c)) for c in columns])
    try:
        table = pj.read_json(
            io.BytesIO(text),
            read_options=pj.ReadOptions(block_size=len(text) + 1, use_threads=False),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
    except pa.ArrowInvalid:
        raise InputRefused("the lines of the file are not as they were registered; register a new version") from None
    for i, c in enumerate(columns):
        if c["type"] in ("date", "timestamp"):
            times = _to_times(table.column(i).to_pandas())
            kind = pa.date32() if c["type"] == "date" else None
            table = table.set_column(i, c["name"], pa.chunked_array([pa.array(times, type=kind, from_pandas=True)]))
    return table


def _jsonl_type(column):
    """What a member is parsed as; times are read from their texts later."""
    import pyarrow as pa

    parts = [pa.field(c["name"], _jsonl_type(c)) for c in column.get("fields") or []]
    if parts:
        return pa.list_(parts[0]) if column["type"] == "list" else pa.struct(parts)
    return {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}.get(column["type"], pa.string())


def _geojson_table(source, spec):
    import pyarrow as pa

    return pa.Table.from_batches(list(_geojson_batches(source, spec)))


def _geojson_batches(source, spec):
    """A row for each feature: its geometry as a canonical text, its id, its properties."""
    with open(source, encoding="utf-8-sig") as f:
        features = json.load(f)["features"]
    schema = None
    for start in range(0, len(features), BATCH_ROWS):
        lines = [json.dumps(_feature_row(feature)) for feature in features[start : start + BATCH_ROWS]]
        table = _parse_jsonl("\n".join(lines).encode(), spec["columns"])
        schema = schema or table.schema
        yield from _same(table, schema).to_batches(max_chunksize=BATCH_ROWS)


def _feature_row(feature):
    shape = feature.get("geometry")
    own = {"id": feature["id"]} if "id" in feature else {}
    return {"geometry": shape and _canonical(shape), **own, **(feature.get("properties") or {})}


def _canonical(value):
    """A geometry as canonical JSON (RFC 8785), which is what the site compares with."""
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(k) + ":" + _canonical(value[k]) for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return json.dumps(value) if isinstance(value, str) else _canonical_number(float(value))


def _canonical_number(value):
    if value == 0:
        return "0"
    digits, _, exponent = repr(value).partition("e")
    if 1e-6 <= abs(value) < 1e21:
        return format(decimal.Decimal(repr(value)), "f").removesuffix(".0")
    return f"{digits.removesuffix('.0')}e{int(exponent):+d}"


# Each format of tables: how all of it is read into an Arrow table, and how its batches are.
TABLES = {
    "csv": (_csv_table, _csv_batches),
    "parquet": (_parquet_table, _parquet_batches),
    "arrow": (_arrow_table, _arrow_batches),
    "arrows": (_arrow_table, _arrow_batches),
    "jsonl": (_jsonl_table, _jsonl_batches),
    "geojson": (_geojson_table, _geojson_batches),
}


# ---- arrays -----------------------------------------------------------------


def _read_npy(source):
    import numpy as np

    return np.asarray(np.load(source, mmap_mode="r", allow_pickle=False))


def _read_npz(source):
    import numpy as np

    with np.load(source, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


_TENSOR_TYPES = {
    "BOOL": "bool",
    "F16": "f2",
    "F32": "f4",
    "F64": "f8",
    **{f"{sign}{8 * n}": f"{sign.lower()}{n}" for sign in "IU" for n in (1, 2, 4, 8)},
}


def _read_safetensors(source):
    import numpy as np

    with open(source, "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        header = {k: v for k, v in json.loads(f.read(size)).items() if k != "__metadata__"}
    data = np.memmap(source, dtype="u1", mode="r")
    found = {}
    for name, t in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, end = (8 + size + o for o in t["data_offsets"])
        part = np.asarray(data[start:end])
        if t["dtype"] == "BF16":  # NumPy has no such type; the upper half of float32 is
            values = (part.view("<u2").astype("u4") << 16).view("f4")
        else:
            values = part.view(np.dtype(_TENSOR_TYPES[t["dtype"]]).newbyteorder("<"))
        found[name] = values.reshape(t["shape"])
    return found


# ---- files ------------------------------------------------------------------


class Files(Mapping):
    """The files of an asset by name, in the order of their names. Read-only.

    A name is the path within the folder that the owner offers, with slashes.
    """

    def __init__(self, entries, folder):
        """entries: name, descriptor, offset and size of each; folder makes one for files that need a path."""
        self._files = {name: File(name, fd, offset, size, folder) for name, fd, offset, size in entries}

    def __getitem__(self, name):
        return self._files[name]

    def __iter__(self):
        return iter(self._files)

    def __len__(self):
        return len(self._files)

    def __repr__(self):
        return f"<{len(self)} files>"


class File:
    """One file of an asset."""

    def __init__(self, name, fd, offset, size, folder):
        self.name = name
        self.size = size
        self._fd, self._offset, self._folder = fd, offset, folder

    def open(self):
        """The content as a file of bytes."""
        return io.BufferedReader(_Slice(self._fd, self._offset, self.size))

    def read_bytes(self):
        """The whole content."""
        with self.open() as f:
            return f.read()

    def read_text(self, encoding="utf-8"):
        """The whole content as text."""
        return self.read_bytes().decode(encoding)

    @property
    def path(self):
        """A path of the file, for libraries that open files themselves: a copy, made when it is first asked for."""
        path = os.path.join(self._folder(), *self.name.split("/"))
        if not os.path.lexists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with self.open() as source, open(path, "xb") as f:
                while part := source.read(1 << 20):
                    f.write(part)
        return path

    def __repr__(self):
        return f"<{self.name}, {self.size} bytes>"


# What a parameter of several arrays is: arrays by their names.
Tensors = dict


def _pread(fd, n, offset):
    if hasattr(os, "pread"):
        return os.pread(fd, n, offset)
    os.lseek(fd, offset, os.SEEK_SET)  # Windows
    return os.read(fd, n)


class _Slice(io.RawIOBase):
    """A part of an open file, with a position of its own."""

    def __init__(self, fd, offset, size):
        self._fd, self._offset, self._size, self._at = fd, offset, size, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self._at

    def seek(self, offset, whence=io.SEEK_SET):
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer):
        n = max(0, min(len(buffer), self._size - self._at))
        data = _pread(self._fd, n, self._offset + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
