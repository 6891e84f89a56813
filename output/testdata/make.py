"""Writes testdata/given: files as the runner writes them, from pandas, PyArrow,
NumPy and Pillow, to show that what real libraries write is understood.

Run with these installed: python make.py
"""

import datetime as dt
import decimal
import io
import json
import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HERE = pathlib.Path(__file__).parent / "given"


def label(v):
    if isinstance(v, tuple):
        return [label(x) for x in v]
    if isinstance(v, np.generic):
        v = v.item()
    return v if isinstance(v, (str, int, float, bool, type(None))) else str(v)


def table(name, python, x, compression="snappy"):
    meta = {"v": 1, "python": python}
    if isinstance(x, pa.Table):
        meta["columns"], meta["column_names"], meta["index"] = x.column_names, [], []
        arrow = x
    else:
        frame = x
        if isinstance(x, pd.Series):
            meta["series_name"] = label(x.name)
            frame = x.to_frame("0" if x.name is None else x.name)
        if isinstance(x, pd.Index):
            frame = pd.DataFrame(index=x)
        meta["columns"] = [label(c) for c in frame.columns]
        meta["column_names"] = [label(n) for n in frame.columns.names]
        index = frame.index
        meta["index"] = []
        arrays, names = [], []
        if isinstance(index, pd.RangeIndex) and not isinstance(x, pd.Index):
            meta["range_index"] = {"start": index.start, "stop": index.stop, "step": index.step}
        else:
            for i in range(index.nlevels):
                meta["index"].append({"column": f"__index_{i}", "name": label(index.names[i])})
                names.append(f"__index_{i}")
                arrays.append(pa.array(index.get_level_values(i), from_pandas=True))
        texts = all(isinstance(c, str) for c in frame.columns) and frame.columns.is_unique
        for i, c in enumerate(frame.columns):
            names.append(c if texts else f"c{i}")
            arrays.append(pa.array(frame.iloc[:, i], from_pandas=True))
        arrow = pa.table(arrays, names=names)
    arrow = arrow.replace_schema_metadata({"anchorhold": json.dumps(meta)})
    pq.write_table(arrow, HERE / f"{name}.parquet", compression=compression)


def tables():
    n = 6
    everything = pd.DataFrame(
        {
            "int": range(n),
            "float": [1.5, np.nan, -0.0, 1e300, np.inf, 2.0],
            "text": ["a", None, "", "größe", "x" * 50, "63"],
            "bool": [True, False] * 3,
            "nullable": pd.array([1, None, 3, 4, 5, 2**62], dtype="Int64"),
            "small": np.arange(n, dtype="uint8"),
            "float32": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], dtype="float32"),
            "category": pd.Categorical(list("abcabc")),
            "ordered": pd.Categorical(["low", "high", None, "low", "low", "high"], ["low", "middle", "high"], ordered=True),
            "time": pd.date_range("2024-01-01", periods=n, freq="h").as_unit("ns"),
            "zoned": pd.date_range("2024-01-01", periods=n, freq="D", tz="Europe/Vienna"),
            "seconds": pd.date_range("2024-01-01", periods=n, freq="D").as_unit("s"),
            "span": pd.to_timedelta([1, 2, 3, 4, 5, None], unit="min"),
            "date": [dt.date(2024, 2, d + 1) for d in range(n)],
        }
    )
    table("everything", "pandas.DataFrame", everything)
    table("plain", "pandas.DataFrame", pd.DataFrame({"x": [1, 2], "y": [0.5, 1.5]}), "none")
    table("gzip", "pandas.DataFrame", pd.DataFrame({"x": np.arange(5000) % 7}), "gzip")
    table("empty", "pandas.DataFrame", everything.iloc[:0])
    table("nocolumns", "pandas.DataFrame", pd.DataFrame())
    table("duplicates", "pandas.DataFrame", pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]))
    table("numbered", "pandas.DataFrame", pd.DataFrame([[1, 2], [3, 4]]))
    table("dotted", "pandas.DataFrame", pd.DataFrame({"a.b": pd.Categorical(["x", "y"]), "größe (cm)": [1, 2], "a b": [3, 4]}))
    heart = pd.DataFrame({"sex": [0, 0, 1, 1], "cp": [1, 2, 1, 2], "age": [50.5, 51.0, 52.0, 53.0], "chol": [200.0, 210.0, 220.0, 230.0]})
    table("multiindex", "pandas.DataFrame", heart.groupby(["sex", "cp"]).agg(["mean", "count"]))
    table("series", "pandas.Series", heart.groupby("sex")["age"].mean())
    table("counts", "pandas.Series", heart["cp"].value_counts())
    table("unnamed", "pandas.Series", pd.Series([1.0, 2.0]))
    table("range", "pandas.Series", pd.Series([1.0, 2.0], index=pd.RangeIndex(10, 14, 2), name="r"))
    table("index", "pandas.Index", pd.Index(["a", "b"], name="letters"))
    table("intervals", "pandas.Series", heart.groupby(pd.cut(heart["age"], [40, 51.5, 60]).astype(str))["chol"].mean())
    table(
        "arrow",
        "pyarrow.Table",
        pa.table(
            {
                "list": pa.array([[1, 2], None, [], [3]], pa.list_(pa.int64())),
                "texts": pa.array([["a"], ["b", None], [], None], pa.large_list(pa.large_string())),
                "decimal": pa.array([decimal.Decimal("1.23"), None, decimal.Decimal("-99999.99"), decimal.Decimal("0.00")], pa.decimal128(20, 2)),
                "half": pa.array(np.array([1.0, 0.5, np.nan, 65504.0], "float16")),
                "null": pa.nulls(4),
                "dictionary": pa.array(["x", None, "y", "x"]).dictionary_encode(),
                "large": pa.array(["x", "y", None, "z"], pa.large_string()),
                "u64": pa.array([0, 2**64 - 1, None, 5], pa.uint64()),
                "us": pa.array([1, None, 3, -4], pa.timestamp("us", "UTC")),
                "ms": pa.array([1, None, 3, -4], pa.duration("ms")),
            }
        ),
    )


def arrays():
    def save(name, x, version=None):
        with open(HERE / f"{name}.npy", "wb") as f:
            np.lib.format.write_array(f, x, version=version)

    grid = np.arange(12, dtype="float64").reshape(3, 4)
    save("vector", np.array([1.0, np.nan, np.inf]))
    save("grid", grid)
    save("fortran", np.asfortranarray(grid))
    save("fortran3", np.asfortranarray(np.arange(24, dtype=">i2").reshape(2, 3, 4)))
    save("big", grid.astype(">f4"), (2, 0))
    save("scalar", np.array(7))
    save("none", np.zeros((0, 3)))
    save("truth", np.array([True, False]))
    save("half", np.array([0.5, np.nan], "float16"))
    save("complex", np.array([1 + 2j, 3 - 1j]))
    save("words", np.array(["ab", "größe", ""]))
    save("bigwords", np.array(["ab", "c"], dtype=">U3"), (3, 0))
    save("days", np.array(["2024-01-01", "NaT"], "datetime64[D]"))
    save("spans", np.array([1, 2], "timedelta64[ms]"))
    save("months", np.array(["2024-03"], "datetime64[M]"))


def images():
    palette = Image.new("P", (5, 4))
    palette.putpalette([i % 256 for i in range(768)])
    palette.putpixel((1, 1), 7)
    palette.save(HERE / "palette.png", pnginfo=None)
    Image.new("RGBA", (4, 3), (200, 10, 20, 0)).save(HERE / "clear.png")
    Image.new("RGB", (4, 3), (200, 10, 20)).save(HERE / "red.png")
    Image.fromarray(np.arange(12, dtype="uint16").reshape(3, 4) * 5000).save(HERE / "deep.png")
    with_text = io.BytesIO()
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("secret", "patient 4711")
    Image.new("L", (3, 3), 5).save(with_text, "png", pnginfo=info)
    (HERE / "chunks.png").write_bytes(with_text.getvalue() + b"after the end")


def values():
    (HERE / "dict.json").write_text(json.dumps({"b": 1, "a": [1.0, 2.5e-7, True, None, "ü\n\u2028"], "n": {"x": -0.0, "big": 2**63 + 1}}))
    (HERE / "nan.json").write_text("null")
    (HERE / "words.txt").write_bytes("mean age\t54.4\r\nwomen 97\n".encode())


HERE.mkdir(exist_ok=True)
tables()
arrays()
images()
values()
