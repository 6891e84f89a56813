# Sends values of many types through the codec and back: codec_check.py JOB PACKAGES
#
# JOB is the folder of codec.py and encode.py, PACKAGES that of the libraries.
#
# With "encode FOLDER" it writes them there instead, and with "decode FOLDER" it
# compares what stands there then: between the two a site parses them.
import collections
import datetime
import decimal
import importlib.util
import io
import json
import math
import pathlib
import sys
import tempfile
import unittest

sys.path.append(sys.argv[2])


def load(name):
    spec = importlib.util.spec_from_file_location(f"_anchorhold_{name}", f"{sys.argv[1]}/{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


codec, _, encoder = load("codec"), load("declared"), load("encode")

FOLDER = pathlib.Path(tempfile.mkdtemp())


def encode(value, kind="any"):
    entry = encoder.encode_result(value, "result", kind, str(FOLDER))
    return entry, (FOLDER / entry["file"]).read_bytes()


def there_and_back(value):
    entry, data = encode(value)
    return codec.decode_result(entry["kind"], entry["python"], data)


def metadata(data):
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.ParquetFile(pa.BufferReader(data)).schema_arrow
    assert set(schema.metadata) == {b"anchorhold"}, schema.metadata
    return schema, json.loads(schema.metadata[b"anchorhold"])


def declared(value, kind):
    entry, data = encode(value, kind)
    assert entry["kind"] == kind, entry
    return codec.decode_result(kind, entry["python"], data)


class Plain(unittest.TestCase):
    """Runs first: no library has been imported yet, and none may be by these."""

    def test_values(self):
        for value in [
            *(None, True, False, 0, -1, 2**64 - 1, -(2**63), 1.5, -0.0, 1e300, 5.0, "", "text", "ünï😀", 'quote "'),
            *([], [1, [2, [3.5, None, True]]], {}, {"a": {"b": [1]}, "": 0}, (), (1, "two"), [[], {}]),
            *("line\nline", "\r\n \ttabs\x00", "x" * 5000, "ü" * 2048, "x" * 4095),
        ]:
            with self.subTest(value=repr(value)[:40]):
                back = there_and_back(value)
                self.assertIs(type(back), type(value))
                self.assertEqual(back, value)
        self.assertEqual(math.copysign(1, there_and_back(-0.0)), -1)
        self.assertTrue(math.isnan(there_and_back(math.nan)))
        self.assertIs(type(there_and_back(math.nan)), float)

    def test_kinds(self):
        for value, kind, file in [
            ("short", "json", "result.json"),
            ("two\nlines", "text", "result.txt"),
            ("x" * 4096, "text", "result.txt"),
            (encoder.PNG_SIGNATURE + b"rest", "image", "result.png"),
            (None, "json", "result.json"),
        ]:
            entry, _ = encode(value)
            self.assertEqual((entry["kind"], entry["file"], entry["name"]), (kind, file, "result"))

    def test_subclasses_of_dict_come_back_as_dict(self):
        for value in (collections.Counter("aab"), collections.OrderedDict(a=1), collections.defaultdict(int, a=2)):
            back = there_and_back(value)
            self.assertIs(type(back), dict)
            self.assertEqual(back, dict(value))

    def test_inside_containers_tuples_become_lists(self):
        self.assertEqual(there_and_back({"a": (1, 2)}), {"a": [1, 2]})

    def test_refusals(self):
        deep = []
        for _ in range(40):
            deep = [deep]
        circular = []
        circular.append(circular)
        point = collections.namedtuple("point", "x y")
        for value, what, remedy in [
            ({1, 2}, "set", "sorted(x)"),
            (frozenset(), "frozenset", "sorted(x)"),
            ((x for x in [1]), "generator", "list(x)"),
            (range(3), "range", "list(x)"),
            (map(str, []), "map", "list(x)"),
            ({}.keys(), "dict_keys", "list(x)"),
            (len, "builtin_function", "call it"),
            (lambda: 1, "function", "call it"),
            (int, "type", "call it"),
            (1 + 2j, "complex", "real and its imaginary"),
            (datetime.date(2020, 1, 1), "datetime.date", "str(x)"),
            (datetime.timedelta(1), "datetime.timedelta", "str(x)"),
            (decimal.Decimal("1.5"), "decimal.Decimal", "float(x)"),
            (b"bytes", "bytes", "PNG"),
            (pathlib.Path("/"), "PosixPath", "stands in the file"),
            (point(1, 2), "point", "_asdict"),
            (object(), "object", "return a DataFrame"),
            (math.inf, "infinite", "str(x)"),
            (2**64, "beyond 64 bits", "str(x)"),
            (-(2**63) - 1, "beyond 64 bits", "str(x)"),
            ([1, {2}], "the result[1] is of the type set", "sorted(x)"),
            ({"a": {"b": math.nan}}, "the result['a']['b'] is NaN", "None"),
            ([math.inf], "infinite", "str(x)"),
            ({1: 2}, "a key of the result is of the type int", "str(k)"),
            (deep, "deeper than 32", "flat"),
            (circular, "deeper than 32", "flat"),
            ("\ud800", "lone surrogate", "ignore"),
            (["\ud800"], "lone surrogate", "ignore"),
            ({"\ud800": 1}, "lone surrogate", "ignore"),
        ]:
            with self.subTest(value=repr(value)[:40]):
                with self.assertRaises(encoder.ResultRefused) as caught:
                    encode(value)
                text = str(caught.exception)
                self.assertIn(what, text)
                self.assertIn(remedy, text.partition("; ")[2])

    def test_declared_kind(self):
        self.assertEqual(encode(3, "json")[0]["kind"], "json")
        with self.assertRaisesRegex(encoder.ResultRefused, "declared as table.*int; .*declare json"):
            encode(3, "table")

    def test_hostile_types_of_results(self):
        for kind, python, data in [
            ("json", "list", b"{}"),
            ("json", "int", b"true"),
            ("json", "float", b'"x"'),
            ("json", "os.system", b"1"),
            ("json", "numpy.object_", b"1"),
            ("json", "numpy.void", b"1"),
            ("json", "int", b"1 2"),
            ("pickle", "int", b"1"),
            ("text", "bytes", b"1"),
            ("text", "str", b"\xff"),
        ]:
            with self.subTest(kind=kind, python=python), self.assertRaises(ValueError):
                codec.decode_result(kind, python, data)

    def test_zz_nothing_was_imported(self):
        self.assertEqual(sorted({"numpy", "pandas", "pyarrow", "matplotlib", "PIL"} & set(sys.modules)), [])


def pandas_values():
    import numpy as np
    import pandas as pd

    def frame(**columns):
        return pd.DataFrame(columns)

    times = pd.Series(pd.to_datetime(["2020-01-02 03:04:05", None]))
    yield "ints", frame(a=[1, 2], b=[3, 4])
    yield "floats with NaN", frame(a=[1.5, np.nan, np.inf, -0.0])
    yield "NaN only", frame(a=[np.nan, np.nan])
    yield "text", frame(a=["x", "ü", None])
    yield "bool", frame(a=[True, False])
    yield "object of text", frame(a=pd.Series(["x", None], dtype=object))
    yield "object of truth values", frame(a=pd.Series([True, None], dtype=object))
    yield "object of big ints", frame(a=pd.Series([2**60 + 1, None], dtype=object))
    yield "object of lists", frame(a=pd.Series([[1, 2], [], None], dtype=object))
    yield "object of dates", frame(a=pd.Series([datetime.date(2020, 1, 2), None], dtype=object))
    yield "object of decimals", frame(a=pd.Series([decimal.Decimal("1.50"), None], dtype=object))
    yield "all None", frame(a=pd.Series([None, None], dtype=object))
    for unit in ("s", "ms", "us", "ns"):
        yield f"datetime64[{unit}]", times.astype(f"datetime64[{unit}]")
        yield f"timedelta64[{unit}]", pd.Series([pd.Timedelta(90, "s"), None]).astype(f"timedelta64[{unit}]")
    yield "time zone", times.dt.tz_localize("Europe/Berlin")
    yield "UTC", times.dt.tz_localize("UTC")
    yield "fixed offset", times.dt.tz_localize("+05:30")
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32"):
        yield name, pd.Series([1, 2, 100], dtype=name)
    yield "uint64 at its end", pd.Series([2**64 - 1], dtype="uint64")
    for name in sorted(codec.NULLABLE - {"string"}):
        yield name, pd.Series([1, 0, None], dtype=name)
        yield f"{name} without missing values", pd.Series([1, 0], dtype=name)
    yield "string", pd.Series(["x", None], dtype="string")
    yield "string without missing values", pd.Series(["x"], dtype="string")
    yield "Arrow's int", pd.Series([1, None], dtype="int64[pyarrow]")
    yield "Arrow's text", pd.Series(["x", None], dtype="string[pyarrow]")
    yield "category", pd.Series(["b", "a", None], dtype="category")
    yield "ordered, with unused", pd.Series(pd.Categorical(["b"], categories=["c", "b", "a"], ordered=True))
    yield "empty frame", frame(a=pd.Series([], dtype="int64"), b=pd.Series([], dtype="str"))
    yield "unnamed series", pd.Series([1.5, 2.5])
    yield "named series", pd.Series([1.5, 2.5], name="x")
    yield "series named by a number", pd.Series([1], name=7)
    yield "series named by a tuple", pd.Series([1], name=("a", 1))
    yield "series named like an index", pd.Series([1], name="__index_0")
    yield "series with an empty name", pd.Series([1], name="")
    yield "text index", pd.Series([1, 2], index=pd.Index(["a", "b"], name="k"))
    yield "int index", pd.Series([1, 2], index=[5, 3])
    yield "float index with NaN", pd.Series([1, 2], index=[0.5, np.nan])
    yield "bool index", pd.Series([1, 2], index=[True, False])
    yield "range from 5 by -2", pd.Series([1, 2], index=pd.RangeIndex(5, 1, -2))
    yield "named range", pd.Series([1, 2], index=pd.RangeIndex(2, name="n"))
    yield "time index", pd.Series([1, 2], index=pd.DatetimeIndex(["2020-01-01", "2020-01-05"], name="t"))
    yield "time index with zone", pd.Series([1], index=pd.DatetimeIndex(["2020-01-01"], tz="Europe/Berlin"))
    yield "categorical index", pd.Series([1, 2], index=pd.CategoricalIndex(["b", "a"], name="c"))
    yield "nullable index", pd.Series([1, 2], index=pd.Index([1, None], dtype="Int64"))
    levels = [["a", "a", "b"], [1, 2, 1], pd.to_datetime(["2020-01-01"] * 3)]
    yield "three levels", pd.Series([1.5, 2.5, 3.5], index=pd.MultiIndex.from_arrays(levels, names=["x", None, "z"]))
    both = pd.MultiIndex.from_product([["a", "b"], ["mean", "max"]], names=["of", None])
    yield "two levels of columns", pd.DataFrame(np.arange(8.0).reshape(2, 4), columns=both)
    mixed = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1), ("", 0)])
    yield "levels of text and numbers", pd.DataFrame(np.arange(8.0).reshape(2, 4), columns=mixed)
    yield (
        "levels both ways",
        pd.DataFrame(np.arange(12.0).reshape(3, 4), columns=both, index=pd.MultiIndex.from_arrays(levels)),
    )
    yield "no labels", pd.DataFrame(np.arange(6).reshape(2, 3))
    yield "number labels", pd.DataFrame([[1, 2]], columns=[2020, 2019])
    yield "float labels", pd.DataFrame([[1, 2]], columns=[0.5, 1.5])
    yield "truth labels", pd.DataFrame([[1, 2]], columns=pd.Index([False, True], name="smokes"))
    yield "mixed labels", pd.DataFrame([[1, 2]], columns=pd.Index(["a", 1], dtype=object))
    yield "missing label", pd.DataFrame([[1, 2]], columns=[1.0, np.nan])
    yield "equal labels", pd.DataFrame([[1, 2.5]], columns=["a", "a"])
    yield "label of an index", pd.DataFrame([[1]], columns=["__index_0"])
    yield "odd labels", pd.DataFrame([[1, 2, 3, 4]], columns=["", "a.b", "c0", 'ü "'])
    yield "index", pd.Index(["a", "b"], name="k")
    yield "index of numbers", pd.Index([1.5, 2.5])
    yield "index of levels", pd.MultiIndex.from_arrays([["a", "b"], [1, 2]], names=["x", "y"])
    yield "index of times", pd.DatetimeIndex(["2020-01-01"])
    patients = frame(sex=["f", "m", "f", "m"], age=[50, 60, 70, 80], chol=[200.0, np.nan, 250.0, 300.0])
    yield "group by", patients.groupby("sex")["age"].mean()
    yield "aggregates", patients.groupby("sex").agg({"age": ["mean", "std"], "chol": ["count"]})
    yield "describe", patients.describe()
    yield "crosstab", pd.crosstab(patients.sex, patients.age > 65)
    yield "pivot", patients.pivot_table(index="sex", columns="age", values="chol")
    yield "value counts", patients.sex.value_counts()
    yield "correlation", patients[["age", "chol"]].corr()
    yield "quantiles", patients.age.quantile([0.25, 0.5])
    yield "dtypes as text", patients.dtypes.astype(str)


def compare(back, value):
    import pandas as pd
    import pandas.testing as pt

    if isinstance(value, pd.Index):
        pt.assert_index_equal(back, value)
        return
    {pd.DataFrame: pt.assert_frame_equal, pd.Series: pt.assert_series_equal}[type(value)](back, value)
    if value.index.name is None:  # a range with a name comes back as numbers
        assert type(back.index) is type(value.index)


def refused_values():
    """Values, what is said of them, and the remedy."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    numbers = pd.Series([1.5, 2.5])
    yield from [
        (pd.DataFrame({"a": [1, "x"]}), "column 'a'", "astype(str)"),
        (pd.DataFrame({"a": ["x", "y"], "b": [1, 2]}).describe(include="all"), "column 'a'", "astype(str)"),
        (pd.DataFrame({"a": ["x"], "b": [1]}).iloc[0], "the series holds values of several types", "astype(str)"),
        (pd.DataFrame({"a": [{1}]}), "column 'a'", "astype"),
        (pd.DataFrame({"a": [{"k": 1}]}), "column 'a'", "one column of each part"),
        (pd.DataFrame({"a": [b"x"]}), "column 'a'", "bytes.hex"),
        (pd.DataFrame({"a": [pd.DataFrame()]}), "column 'a'", "astype"),
        (pd.DataFrame({"a": [object()]}), "column 'a'", "astype"),
        (pd.DataFrame({"a": [datetime.time(1)]}), "time64", "astype(str)"),
        (pd.DataFrame({"a": [1j]}), "complex", "real and imaginary"),
        (pd.DataFrame({"a": [[[1]]]}), "list", "one column of each part"),
        (pd.DataFrame({"a": [2**70]}), "column 'a'", "astype"),
        (numbers.astype("Sparse[float]"), "Sparse", "to_dense"),
        (pd.Series(pd.period_range("2020", periods=2, freq="Y")), "period", "to_timestamp"),
        (pd.cut(numbers, 2), "categories that are not text", "astype(str)"),
        (pd.Series([1, 2], dtype="category"), "categories that are not text", "astype(int)"),
        (numbers.groupby(pd.cut(numbers, 2)).mean(), "level 0 of the index", "astype(str)"),
        (pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1, 2])), "interval", "astype(str)"),
        (pd.DataFrame(), "no columns", "reset_index"),
        (pd.DataFrame([[1]], columns=pd.to_datetime(["2020-01-01"])), "label", "map(str)"),
        (pd.DataFrame([[1]], columns=["x" * 2000]), "longer than 1024", "rename"),
        (pd.DataFrame([[1]], columns=["\x1b[2J"]), "cannot be shown", "rename"),
        (pd.DataFrame([[1]], columns=pd.Index(["\ud800"], dtype=object)), "label", "text or numbers"),
        (pd.Series([1], name=pd.Timestamp(0)), "name of the series", "rename"),
        (pd.Series(["\ud800"], dtype=object), "holds values", "astype"),
        (numbers.groupby(numbers), "SeriesGroupBy", "aggregate"),
        (pd.Timestamp(0), "Timestamp", "str(x)"),
        (pd.NA, "NAType", "None"),
        (pd.NaT, "NaTType", "None"),
        (pd.Categorical(["a"]), "Categorical", "pandas.Series(x)"),
        ({"a": numbers}, "the result['a']", "by itself"),
        ([pd.DataFrame()], "the result[0]", "by itself"),
        (pa.array([1]), "pyarrow", "pyarrow.Table"),
        (pa.table({"a": [b"x"]}), "binary", "bytes.hex"),
        (pa.table({"a": pa.array([{"k": 1}])}), "struct", "one column"),
        (pa.table({"a": pa.array([1, 2]).dictionary_encode()}), "dictionary", "plain values"),
        (pa.table({}), "no columns", "at least one"),
        (np.array([object()]), "object", "astype(float)"),
        (np.array([1j]), "complex", "x.real"),
        (np.zeros(2, dtype=[("a", "i4")]), "structured", "pandas.DataFrame(x)"),
        (np.ma.masked_array([1, 2], [True, False]), "masked", "filled"),
        (np.zeros(1, dtype="longdouble"), "float128", "astype(float)"),
        (np.array([b"x"]), "|S1", "astype"),
        (np.datetime64("2020"), "datetime64", "str(x)"),
        (np.complex64(1), "complex", "real"),
        (np.longdouble(1), "longdouble", "number"),
        (np.float64("inf"), "infinite", "str(x)"),
        ([np.array([1])], "ndarray", "tolist"),
        ({"a": np.float64("nan")}, "NaN", "None"),
    ]


class Tables(unittest.TestCase):
    def test_pandas(self):
        seen = 0
        for name, value in pandas_values():
            with self.subTest(name):
                seen += 1
                compare(there_and_back(value), value)
        self.assertGreater(seen, 90)

    def test_the_file_says_how_to_read_it(self):
        import pandas as pd

        value = pd.DataFrame({"a": [1], "b": ["x"]}, index=pd.Index([9], name="k"))
        schema, meta = metadata(encode(value)[1])
        self.assertEqual(schema.names, ["__index_0", "a", "b"])
        self.assertEqual(
            meta,
            {
                "v": 1,
                "python": "pandas.DataFrame",
                "columns": ["a", "b"],
                "column_names": [None],
                "index": [{"column": "__index_0", "name": "k"}],
            },
        )
        schema, meta = metadata(encode(pd.Series([1.5], name="x", index=pd.RangeIndex(1, 2)))[1])
        self.assertEqual(schema.names, ["x"])
        self.assertEqual(meta["range_index"], {"start": 1, "stop": 2, "step": 1})
        self.assertEqual(meta["series_name"], "x")
        self.assertNotIn("dtypes", meta)
        _, meta = metadata(encode(pd.DataFrame([[1, 2]], columns=[["a", "b"], [1, 2]]))[1])
        self.assertEqual(meta["columns"], [["a", 1], ["b", 2]])
        self.assertEqual(meta["column_names"], [None, None])

    def test_arrow(self):
        import pyarrow as pa

        table = pa.table(
            {
                "b": pa.array([True, None]),
                "i": pa.array([1, None], pa.int16()),
                "f": pa.array([1.5, None], pa.float16()),
                "t": pa.array(["x", None]),
                "T": pa.array(["x", None], pa.large_string()),
                "d": pa.array([1, None], pa.date32()),
                "s": pa.array([1, None], pa.timestamp("s", "Europe/Berlin")),
                "u": pa.array([1, None], pa.duration("ms")),
                "c": pa.array(["a", None]).dictionary_encode(),
                "m": pa.array([decimal.Decimal("1.25"), None], pa.decimal128(10, 2)),
                "l": pa.array([[1, None], None], pa.list_(pa.int64())),
                "n": pa.nulls(2),
            }
        )
        back = there_and_back(table)
        self.assertTrue(back.equals(table), back.schema)
        self.assertTrue(there_and_back(table.to_batches()[0]).equals(table))
        twins = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
        self.assertTrue(there_and_back(twins).equals(twins))
        _, data = encode(table.replace_schema_metadata({"secret": "x"}))
        self.assertNotIn(b"secret", data)

    def test_refusals(self):
        for value, what, remedy in refused_values():
            with self.subTest(f"{type(value)} {what}"):
                with self.assertRaises(encoder.ResultRefused) as caught:
                    encode(value)
                text = str(caught.exception)
                self.assertIn(what, text)
                self.assertIn(remedy, text.partition("; ")[2])

    def test_tables_that_lie(self):
        import pyarrow as pa
        import pyarrow.parquet as pq

        for meta in ({}, {b"anchorhold": b"{}"}, {b"anchorhold": b'{"v":1,"python":"pandas.Series"}'}):
            out = io.BytesIO()
            pq.write_table(pa.table({"a": [1]}).replace_schema_metadata(meta), out)
            with self.assertRaises(ValueError):
                codec.decode_result("table", "pandas.DataFrame", out.getvalue())


class Arrays(unittest.TestCase):
    def test_arrays(self):
        import numpy as np

        for value in [
            np.arange(6).reshape(2, 3),
            np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            np.array(5.5),
            np.array([]),
            np.zeros((0, 3)),
            np.array([True, False]),
            np.array(["a", "bü"]),
            np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"),
            np.array([1, 2], dtype="timedelta64[s]"),
            np.array([1.5, np.nan, np.inf], dtype="float32"),
            np.array([1.5], dtype="float16"),
            np.array([1, 2], dtype=">i4"),
            np.arange(10)[::2],
            *(np.array([1, 2], dtype=n) for n in ("int8", "uint16", "uint64")),
        ]:
            with self.subTest(f"{value.dtype} {value.shape}"):
                back = there_and_back(value)
                np.testing.assert_array_equal(back, value)
                self.assertEqual(back.dtype, value.dtype.newbyteorder("<"))
                self.assertEqual(back.shape, value.shape)

    def test_scalars(self):
        import numpy as np

        names = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float16", "float32", "float64"]
        for value in [np.True_, np.uint64(2**64 - 1), np.float32(0.1), *(np.dtype(n).type(7) for n in names)]:
            back = there_and_back(value)
            self.assertIs(type(back), type(value))
            self.assertEqual(back, value)
        nan = there_and_back(np.float32("nan"))
        self.assertIs(type(nan), np.float32)
        self.assertTrue(np.isnan(nan))
        self.assertEqual(there_and_back(np.str_("x")), "x")
        back = there_and_back({"n": np.int64(3), "mean": np.float64(1.5), "all": np.True_, "names": [np.str_("a")]})
        self.assertEqual(back, {"n": 3, "mean": 1.5, "all": True, "names": ["a"]})
        self.assertEqual([type(v) for v in back.values()], [int, float, bool, list])

    def test_objects_are_never_read(self):
        import pickle

        import numpy as np

        class Evil:
            def __reduce__(self):
                return print, ("unpickled",)

        out = io.BytesIO()
        np.save(out, np.array([Evil()], dtype=object), allow_pickle=True)
        for data in (out.getvalue(), pickle.dumps([1])):
            with self.assertRaises(ValueError):
                codec.decode_result("array", "numpy.ndarray", data)

    def test_no_pickle(self):
        text = "".join(
            pathlib.Path(sys.argv[1], name).read_text()
            for name in ("codec.py", "declared.py", "encode.py", "runner.py")
        )
        for word in ("import pickle", "marshal", "dill", "shelve", "joblib", "read_pickle", "eval(", "exec("):
            self.assertNotIn(word, text)
        self.assertEqual(text.count("allow_pickle=False"), text.count("np.load(") + text.count("np.save("))


class Images(unittest.TestCase):
    def chunks(self, data):
        self.assertTrue(data.startswith(encoder.PNG_SIGNATURE))
        names, at = [], 8
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "big")
            names.append(data[at + 4 : at + 8].decode())
            at += size + 12
        return names

    def test_figures(self):
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots()
        axes.plot([1, 2])
        for value in (figure, axes):
            entry, data = encode(value)
            self.assertEqual((entry["kind"], entry["python"], entry["file"]), ("image", "image/png", "result.png"))
            self.assertTrue({"tEXt", "iTXt", "zTXt", "tIME", "eXIf"}.isdisjoint(self.chunks(data)))
            self.assertEqual(codec.decode_result("image", "image/png", data), data)
        with self.assertRaisesRegex(encoder.ResultRefused, "Line2D"):
            encode(axes.lines[0])
        _, grid = plt.subplots(2, 2)
        with self.assertRaisesRegex(encoder.ResultRefused, "array of the type object"):
            encode(grid)

    def test_pictures(self):
        from PIL import Image, PngImagePlugin

        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", "secret")
        out = io.BytesIO()
        Image.new("RGB", (3, 2), "red").save(out, "PNG", pnginfo=info, dpi=(72, 72))
        loaded = Image.open(io.BytesIO(out.getvalue()))
        loaded.load()
        for value in (
            loaded,
            *(Image.new(m, (3, 2)) for m in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "F", "I;16")),
        ):
            with self.subTest(value.mode):
                entry, data = encode(value)
                self.assertEqual(entry["kind"], "image")
                self.assertNotIn(b"secret", data)
                self.assertTrue(set(self.chunks(data)) <= {"IHDR", "PLTE", "tRNS", "IDAT", "IEND"}, self.chunks(data))


class Tensor:
    """As PyTorch's."""

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        import numpy as np

        return np.array([[1.5, 2.5]], "float32")


def figure():
    from matplotlib.figure import Figure

    made = Figure()
    axes = made.subplots(1, 2)
    axes[0].plot([1, 2, 3], label="line")
    axes[0].legend()
    axes[0].set_title("ages & <sexes>")
    axes[1].bar([1, 2], [3, 4], hatch="/")
    axes[1].imshow([[1, 2], [3, 4]])
    return made


def declared_values():
    """Values of kinds that no type implies."""
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2], "b": ["x", 'y, "z"\nü']})
    yield "csv", frame
    yield "csv", frame.groupby("b").sum()
    yield "csv", "a,b\n1,2\n"
    yield "svg", figure()
    yield "safetensors", {"w": Tensor(), "b": np.arange(3), "flag": np.array(True), "none": np.zeros((0, 2), "float16")}


class Declared(unittest.TestCase):
    """Kinds that no type implies."""

    def test_csv(self):
        import pandas as pd

        frame = pd.DataFrame({"a": [1, 2], "b": ["x", 'y, "z"']})
        self.assertTrue(declared(frame, "csv").equals(frame))
        self.assertEqual(list(declared(frame.groupby("b").sum(), "csv").columns), ["b", "a"])
        with self.assertRaises(encoder.ResultRefused):
            encode([1], "csv")

    def test_svg(self):
        first, second = encode(figure(), "svg")[1], encode(figure(), "svg")[1]
        self.assertEqual(first, second)
        self.assertIn("<svg", declared(figure(), "svg"))
        self.assertNotIn(b"Matplotlib v", first)
        self.assertEqual(encode(figure())[0]["kind"], "image")
        with self.assertRaises(encoder.ResultRefused):
            encode(1, "svg")

    def test_safetensors(self):
        import numpy as np

        found = declared({"w": Tensor(), "b": np.arange(3), "none": np.zeros((0, 2), "float16")}, "safetensors")
        self.assertEqual(list(found), ["b", "none", "w"])
        self.assertEqual(found["w"].tolist(), [[1.5, 2.5]])
        self.assertEqual((found["none"].shape, found["none"].dtype.name), ((0, 2), "float16"))
        self.assertEqual(found["b"].dtype.name, "int64")
        for wrong in ({}, {"a": [1]}, {1: np.zeros(1)}, {"a": np.array(["x"])}, [np.zeros(1)]):
            with self.assertRaises(encoder.ResultRefused):
                encode(wrong, "safetensors")

    def test_onnx(self):
        self.assertEqual(declared(b"\x08\x07", "onnx"), b"\x08\x07")
        with self.assertRaises(encoder.ResultRefused):
            encode({"model": 1}, "onnx")

    def test_samples(self):
        import pandas as pd

        frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
        self.assertTrue(declared(frame, "samples").equals(frame))
        for wrong in (frame["a"], frame.index, [1]):
            with self.assertRaises(encoder.ResultRefused):
                encode(wrong, "samples")

    def test_polars(self):
        try:
            import polars as pl
        except ImportError:
            return  # an environment of before
        frame = pl.DataFrame(
            {
                "n": [1, None],
                "t": ["a", "b"],
                "d": [datetime.date(2024, 1, 2), None],
                "x": [0.5, 1.5],
                "l": [[1, 2], []],
            }
        )
        self.assertTrue(there_and_back(frame).equals(frame))
        self.assertTrue(there_and_back(frame["n"]).equals(frame.select("n")))
        self.assertTrue(declared(frame.select("n", "t"), "csv").equals(frame.select("n", "t")))


def encode_all(folder):
    """Write each value, and what the manifest says of it beside it."""
    for i, (_, value) in enumerate(pandas_values()):
        entry = encoder.encode_result(value, f"v{i}", "any", folder)
        (pathlib.Path(folder) / f"v{i}.entry").write_text(json.dumps(entry))
    for i, (kind, value) in enumerate(declared_values()):
        entry = encoder.encode_result(value, f"d{i}", kind, folder)
        (pathlib.Path(folder) / f"d{i}.entry").write_text(json.dumps(entry))


class Parsed(unittest.TestCase):
    def test_values(self):
        for i, (name, value) in enumerate(pandas_values()):
            with self.subTest(name):
                path = pathlib.Path(sys.argv[4]) / f"v{i}"
                entry = json.loads(path.with_suffix(".entry").read_text())
                data = path.with_suffix(".canonical").read_bytes()
                compare(codec.decode_result(entry["kind"], entry["python"], data), value)

    def test_declared(self):
        for i, (kind, value) in enumerate(declared_values()):
            with self.subTest(f"{kind} {i}"):
                path = pathlib.Path(sys.argv[4]) / f"d{i}"
                entry = json.loads(path.with_suffix(".entry").read_text())
                found = codec.decode_result(kind, entry["python"], path.with_suffix(".canonical").read_bytes())
                wanted = declared(value, kind)
                if kind == "safetensors":
                    self.assertEqual(repr(found), repr(wanted))
                elif kind == "svg":
                    self.assertEqual(found.count("<path"), wanted.count("<path"))
                    self.assertNotIn("<metadata", found)
                else:
                    self.assertEqual(str(found), str(wanted))


def main():
    if sys.argv[3:4] == ["encode"]:
        return encode_all(sys.argv[4])
    cases = (Parsed,) if sys.argv[3:4] == ["decode"] else (Plain, Tables, Arrays, Images, Declared)
    # In this order: the first tests watch that no library is imported.
    suite = unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, cases))
    return not unittest.TextTestRunner(verbosity=0).run(suite).wasSuccessful()


if __name__ == "__main__":
    sys.exit(main())
