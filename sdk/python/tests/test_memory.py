"""What lies in memory is written as a site reads it, with the libraries that owners use."""

from __future__ import annotations

import io
import zipfile

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq

from anchorhold import _offer


def test_categories_of_polars() -> None:
    """Polars gives categories whose texts are views, which Parquet cannot store."""
    words = pl.Series(["a", None, "b"])
    frame = pl.DataFrame({"c": words.cast(pl.Categorical), "e": words.cast(pl.Enum(["a", "b"])), "l": [[1], [], None]})
    suffix, file = written(frame)
    assert suffix == ".parquet"
    assert pq.read_table(file).to_pylist() == frame.to_dicts()


def test_relations_of_duckdb() -> None:
    relation = duckdb.sql(
        "SELECT i % 3 AS ward, count(*) AS n, avg(i) AS m FROM range(9) t(i) GROUP BY ward ORDER BY ward"
    )
    suffix, file = written(relation)
    assert suffix == ".parquet"
    assert pq.read_table(file).to_pylist() == [{"ward": w, "n": 3, "m": 3.0 + w} for w in range(3)]


def test_arrays_lie_row_by_row() -> None:
    """A site reads rows, and what a DataFrame gives as an array lies column by column."""
    columns = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}).to_numpy()
    assert not columns.flags.c_contiguous
    for value in (columns, columns[::-1], np.float32(3) * np.ones((2, 3))[:, ::2]):
        _, file = written(value)
        assert b"'fortran_order': False" in file.getvalue()
        assert (np.load(file) == value).all()
    suffix, file = written({"x": columns, "n": np.array(7)})
    assert suffix == ".npz"
    with zipfile.ZipFile(file) as archive:
        assert all(b"'fortran_order': False" in archive.read(name) for name in archive.namelist())
    file.seek(0)
    assert (np.load(file)["x"] == columns).all()


def written(value: object) -> tuple[str, io.BytesIO]:
    suffix, write = _offer.writer("p", value, "")
    file = io.BytesIO()
    write(file)
    file.seek(0)
    return suffix, file
