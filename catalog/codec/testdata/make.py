"""Writes the files beside it, as the libraries that owners use write them.

python make.py (needs numpy, pandas, Polars and pyarrow); then the tests of package codec.
"""

from __future__ import annotations

import datetime
import json
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

HERE = Path(__file__).parent
DAY = datetime.date(2024, 2, 29)
TIME = datetime.datetime(2024, 2, 29, 12, 30, 1, 250000)  # noqa: DTZ001 (a local time)


def rows(n: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for i in range(n):
        missing = i % 5 == 4
        found.append(
            {
                "id": 1000 + i,
                "score": None if missing else i / 4,
                "ok": None if missing else i % 2 == 0,
                "name": None if missing else ["Bern", "Genève", "a text of more than twelve bytes", ""][i % 4],
                "ward": "ABC"[i % 3],
                "day": None if missing else DAY + datetime.timedelta(i),
                "at": TIME + datetime.timedelta(hours=i),
            }
        )
    return found


def main() -> None:
    schema = pa.schema(
        [
            ("id", pa.int32()),
            ("score", pa.float64()),
            ("ok", pa.bool_()),
            ("name", pa.string()),
            ("ward", pa.dictionary(pa.int8(), pa.string())),
            ("day", pa.date32()),
            ("at", pa.timestamp("us")),
        ]
    )
    table = pa.Table.from_pylist(rows(23), schema=schema)
    views = table.set_column(3, "name", table["name"].cast(pa.string_view()))
    large = table.set_column(3, "name", table["name"].cast(pa.large_string()))
    for name, data, codec in (
        ("plain", table, None),
        ("lz4", table, "lz4"),
        ("zstd", table, "zstd"),
        ("views", views, None),
        ("large", large, None),
    ):
        options = pa.ipc.IpcWriteOptions(compression=codec)
        with pa.ipc.new_file(HERE / f"{name}.arrow", data.schema, options=options) as w:
            w.write_table(data, max_chunksize=10)
    with pa.ipc.new_stream(HERE / "stream.arrows", schema) as w:
        w.write_table(table, max_chunksize=10)
    pa.parquet.write_table(table, HERE / "table.parquet")
    with pa.ipc.new_file(HERE / "whole.arrow", schema) as w:
        w.write_table(table)
    # What pandas writes by itself, with categories, zones and missing values.
    usual = pd.DataFrame(
        {
            "a": pd.array([1, None, 3], dtype="Int64"),
            "f": [0.5, float("nan"), -1.0],
            "s": ["x", "y", None],
            "c": pd.Categorical(["u", "v", "u"]),
            "t": pd.to_datetime(["2020-01-01", None, "2020-01-02"]).tz_localize("Europe/Zurich"),
            "b": [True, False, True],
        }
    )
    usual.to_parquet(HERE / "pandas.parquet")
    usual.to_parquet(HERE / "indexed.parquet", write_page_index=True, compression="zstd")
    usual.to_feather(HERE / "categories.feather")
    frame = table.to_pandas()
    pa.feather.write_feather(frame, HERE / "pandas.feather")
    # Polars writes files that only their index says how to read.
    pl.DataFrame({"n": [1, 2], "t": ["a", "b"]}).write_ipc(HERE / "polars.arrow")
    lines = [{k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()} for row in rows(23)]
    (HERE / "table.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    matrix = np.arange(12, dtype="float32").reshape(4, 3) / 8
    np.save(HERE / "matrix.npy", matrix)
    np.save(HERE / "series.npy", np.array([1, 2, 2**40], dtype="int64"))
    np.save(HERE / "scalar.npy", np.array(7, dtype="uint8"))
    np.save(HERE / "stack.npy", np.arange(24, dtype="int16").reshape(2, 3, 4))
    np.save(HERE / "halves.npy", np.array([0, 1.5, -2, np.inf, np.nan, 6e-8], dtype="float16"))
    np.save(HERE / "columns.npy", np.asfortranarray(matrix))
    np.save(HERE / "big.npy", matrix.astype(">f4"))
    np.save(HERE / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(HERE / "times.npy", np.array(["2024-01-01"], dtype="datetime64[D]"))
    np.save(HERE / "fields.npy", np.zeros(2, dtype=[("a", "f8"), ("b", "i4")]))
    np.savez(HERE / "two.npz", matrix=matrix, mask=np.array([True, False, True]))
    np.savez_compressed(HERE / "packed.npz", matrix=matrix, mask=np.array([True, False, True]))
    header = {
        "__metadata__": {"format": "np"},
        "matrix": {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]},
        "mask": {"dtype": "BOOL", "shape": [3], "data_offsets": [48, 51]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    body = matrix.tobytes() + b"\x01\x00\x01"
    (HERE / "two.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
    assert pd.__version__


main()
