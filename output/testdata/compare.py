"""Compares the files of one folder with those of another of the same names, as
PyArrow, pandas and NumPy read them: python compare.py GIVEN CANONICAL

Prints a line for each difference, and how many files were equal.
"""

import json
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

given, canonical = map(pathlib.Path, sys.argv[1:])
equal = 0


def expected_type(t):
    """The type that a column has after the canonical form, for the type before."""
    if pa.types.is_dictionary(t):
        return pa.dictionary(pa.int32(), pa.string(), t.ordered)
    if pa.types.is_large_list(t):
        return pa.list_(expected_type(t.value_type))
    return t


def differences(path):
    other = canonical / path.name
    if path.suffix == ".parquet":
        a, b = pq.read_table(path), pq.read_table(other)
        if set(b.schema.metadata or {}) != {b"anchorhold"}:
            yield f"metadata {set(b.schema.metadata or {})}"
        if json.loads(a.schema.metadata[b"anchorhold"]) != json.loads(b.schema.metadata[b"anchorhold"]):
            yield "description"
        if [expected_type(t) for t in a.schema.types] != b.schema.types:
            yield f"types {a.schema.types} and {b.schema.types}"
        for name, x, y in zip(a.column_names, a.columns, b.columns):
            if repr(x.to_pylist()) != repr(y.to_pylist()):
                yield f"column {name}: {x.to_pylist()} and {y.to_pylist()}"
            if pa.types.is_dictionary(y.type) and len(y) and x.chunk(0).dictionary.to_pylist() != y.chunk(0).dictionary.to_pylist():
                yield f"categories of {name}"
        b.to_pandas()
    if path.suffix == ".npy":
        a, b = np.load(path), np.load(other)
        if not np.array_equal(a, b, equal_nan=a.dtype.kind in "fc") and not (a.dtype.kind == "M" and (a == b).sum() == 1):
            yield f"array {a} and {b}"
        if a.dtype.newbyteorder("=") != b.dtype or not b.flags.c_contiguous:
            yield "dtype"
    if path.suffix == ".json" and json.dumps(json.loads(path.read_text())) != json.dumps(json.loads(other.read_text())):
        yield "value"


for path in sorted(given.iterdir()):
    found = list(differences(path))
    for d in found:
        print(f"{path.name}: {d}")
    equal += not found
print(f"{equal} files are equal")
