# Reads files of every format by their registered types: reading_check.py JOB PACKAGES
import importlib.util
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.append(sys.argv[2])
spec = importlib.util.spec_from_file_location("inputs", f"{sys.argv[1]}/inputs.py")
inputs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(inputs)

FOLDER = pathlib.Path(tempfile.mkdtemp())


class Reading(unittest.TestCase):
    COLUMNS = (
        ("i", "int"),
        ("j", "int"),
        ("f", "float"),
        ("s", "string"),
        ("b", "bool"),
        ("c", "bool"),
        ("d", "date"),
        ("t", "timestamp"),
    )
    CSV = "i,j,f,s,b,c,d,t\n1,?,2,007,True,true,2020-01-02,2020-01-02 03:04:05\n"
    CSV += " 2 ,9007199254740993,NA,?,FALSE,,,2020-01-02T03:04\n"

    def spec(self, kind, form="csv", columns=None, missing=("?",)):
        columns = [{"name": n, "type": t} for n, t in columns or self.COLUMNS]
        return {"type": kind, "format": form, "columns": columns, "missing": list(missing)}

    def write(self, text):
        path = FOLDER / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def test_frame(self):
        frame = inputs.read_input(self.write(self.CSV), self.spec("dataframe"))
        found = {name: str(dtype) for name, dtype in frame.dtypes.items()}
        self.assertEqual(
            found,
            {
                "i": "int64",
                "j": "float64",
                "f": "float64",
                "s": "str",
                "b": "bool",
                "c": "boolean",
                "d": "datetime64[us]",
                "t": "datetime64[us]",
            },
        )
        self.assertEqual(frame.s.tolist()[0], "007")
        self.assertTrue(frame.s.isna()[1])
        self.assertEqual(frame.t.astype(str).tolist(), ["2020-01-02 03:04:05", "2020-01-02 03:04:00"])
        self.assertEqual(frame.columns.tolist(), [n for n, _ in self.COLUMNS])

    def test_types_do_not_depend_on_values(self):
        columns = [("f", "float"), ("s", "string"), ("d", "date")]
        one = inputs.read_input(self.write("f,s,d\n1,1,2020-01-01\n"), self.spec("dataframe", columns=columns))
        two = inputs.read_input(self.write("f,s,d\n1.5,x,2020-01-01\n,,\n"), self.spec("dataframe", columns=columns))
        all_missing = inputs.read_input(self.write("f,s,d\n,,\n"), self.spec("dataframe", columns=columns))
        self.assertEqual(one.dtypes.tolist(), two.dtypes.tolist())
        self.assertEqual(one.dtypes.tolist(), all_missing.dtypes.tolist())

    def test_arrow(self):
        table = inputs.read_input(self.write(self.CSV), self.spec("arrow"))
        self.assertEqual(
            [str(t) for t in table.schema.types],
            ["int64", "int64", "double", "string", "bool", "bool", "date32[day]", "timestamp[us]"],
        )
        self.assertEqual(table["j"].to_pylist(), [None, 9007199254740993])
        self.assertEqual(table["f"].to_pylist(), [2.0, None])
        self.assertEqual(table["c"].to_pylist(), [True, None])
        self.assertIsNone(table.schema.metadata)

    def test_numpy(self):
        import numpy as np

        columns = [("a", "int"), ("b", "float"), ("c", "bool")]
        array = inputs.read_input(self.write("a,b,c\n1,2.5,True\n,,\n"), self.spec("numpy", columns=columns))
        np.testing.assert_array_equal(array, [[1, 2.5, 1], [np.nan, np.nan, np.nan]])
        self.assertEqual(array.dtype, np.float64)
        with self.assertRaisesRegex(inputs.InputRefused, "column 's'.*numbers only; annotate"):
            inputs.read_input(self.write("s\nx\n"), self.spec("numpy", columns=[("s", "string")]))

    def test_delimiters_and_marks(self):
        columns = [("a,b", "string"), ("c", "int")]
        for text in ['"a,b";c\n"x;y";1\n', '\ufeff"a,b"\tc\r\nx;y\t1\r\n', '\n"a,b",c\n"x;y",1\n', '"a,b";c\n"x;y";1']:
            frame = inputs.read_input(self.write(text), self.spec("dataframe", columns=columns))
            self.assertEqual(frame.to_dict("list"), {"a,b": ["x;y"], "c": [1]})

    def test_times(self):
        import pandas as pd

        columns = [("t", "timestamp")]
        for text, dtype, want in [
            ("2020-01-02\n", "datetime64[us]", "2020-01-02"),
            ("2020-01-02T03:04:05Z\n2020-01-02T03:04:05+02:00\n", "datetime64[us, UTC]", "2020-01-02 03:04:05+00:00"),
            ("2020-01-02T03:04:05.123456789\n", "datetime64[ns]", "2020-01-02 03:04:05.123456789"),
            ("2020-01-02 03:04:05.5\n\n2021-01-01\n", "datetime64[us]", "2020-01-02 03:04:05.5"),
        ]:
            frame = inputs.read_input(self.write("t\n" + text), self.spec("dataframe", columns=columns))
            self.assertEqual(str(frame.t.dtype), dtype)
            self.assertEqual(frame.t[0], pd.Timestamp(want))

    def test_a_file_that_is_not_as_registered(self):
        for text, columns in [
            ("a,b\n1,2\n", [("a", "int")]),
            ("b,a\n1,2\n", [("a", "int"), ("b", "int")]),
            ("a\nx\n", [("a", "int")]),
            ("a\nmaybe\n", [("a", "bool")]),
            ("a\nx\n", [("a", "float")]),
            ("a\nyesterday\n", [("a", "date")]),
        ]:
            with self.subTest(text), self.assertRaises(ValueError):
                inputs.read_input(self.write(text), self.spec("dataframe", columns=columns))

    def test_parquet(self):
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(
            {
                "i": pa.array([1, None], pa.int32()),
                "f": pa.array([1.5, None], pa.float32()),
                "b": pa.array([True, None]),
                "c": pa.array([True, False]),
                "s": pa.array(["x", None]),
                "k": pa.array(["x", None]).dictionary_encode(),
                "d": pa.array([1, None], pa.date32()),
                "t": pa.array([1, None], pa.timestamp("ns", "UTC")),
                "n": pa.nulls(2),
            }
        )
        types = ["int", "float", "bool", "bool", "string", "string", "date", "timestamp", "float"]
        path = FOLDER / "table.parquet"
        pq.write_table(table.replace_schema_metadata({"pandas": '{"index_columns": ["i"]}'}), path)
        spec = self.spec("dataframe", "parquet", list(zip(table.column_names, types, strict=True)))
        frame = inputs.read_input(str(path), spec)
        found = [str(t) for t in frame.dtypes]
        want = "float64 float32 boolean bool str category datetime64[us] datetime64[ns,UTC] float64"
        self.assertEqual([f.replace(" ", "") for f in found], want.split())
        arrow = inputs.read_input(str(path), {**spec, "type": "arrow"})
        self.assertEqual(arrow.schema.types, table.schema.types)
        self.assertIsNone(arrow.schema.metadata)
        with self.assertRaisesRegex(inputs.InputRefused, "register a new version"):
            inputs.read_input(str(path), self.spec("dataframe", "parquet", [("i", "int")]))


class Formats(unittest.TestCase):
    """One table in every format is the same, however a parameter asks for it."""

    COLUMNS = (("i", "int"), ("f", "float"), ("s", "string"), ("b", "bool"), ("d", "date"), ("t", "timestamp"))

    def table(self):
        import pyarrow as pa

        n = 1000
        return pa.table(
            {
                "i": pa.array(range(n), pa.int64()),
                "f": pa.array([None if k % 7 == 0 else k / 8 for k in range(n)], pa.float64()),
                "s": pa.array([f"word {k % 5}" for k in range(n)]),
                "b": pa.array([k % 2 == 0 for k in range(n)]),
                "d": pa.array(range(n), pa.date32()),
                "t": pa.array([k * 10**6 for k in range(n)], pa.timestamp("us")),
            }
        )

    def files(self):
        import pyarrow as pa
        import pyarrow.csv
        import pyarrow.feather
        import pyarrow.parquet

        table = self.table()
        lines = [{k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in r.items()} for r in table.to_pylist()]
        pa.csv.write_csv(table, FOLDER / "t.csv")
        pa.parquet.write_table(table, FOLDER / "t.parquet", row_group_size=300)
        pa.feather.write_feather(table, FOLDER / "t.arrow", chunksize=300)
        views = table.set_column(2, "s", table["s"].cast(pa.string_view()))
        with pa.ipc.new_stream(FOLDER / "t.arrows", views.schema) as w:
            w.write_table(views, max_chunksize=300)
        (FOLDER / "t.jsonl").write_text("".join(json.dumps(line) + "\n\n" for line in lines))
        return ["csv", "parquet", "arrow", "arrows", "jsonl"]

    def spec(self, form, asked, columns=None):
        columns = [{"name": n, "type": t} for n, t in columns or self.COLUMNS]
        return {"type": asked, "format": form, "columns": columns, "missing": []}

    def test_tables(self):
        import pyarrow as pa

        inputs.BATCH_ROWS, inputs.BATCH_BYTES = 256, 1 << 14
        want = self.table()
        frame = inputs.read_input(self.path("parquet"), self.spec("parquet", "dataframe")) if self.files() else None
        for form in self.files():
            with self.subTest(form):
                found = inputs.read_input(self.path(form), self.spec(form, "arrow"))
                self.assertTrue(found.equals(want), found.schema)
                self.assertIsNone(found.schema.metadata)
                batches = inputs.read_input(self.path(form), self.spec(form, "batches"))
                sizes = [b.num_rows for b in batches]
                self.assertTrue(len(sizes) > 3 and max(sizes) <= 256, sizes)
                self.assertTrue(pa.Table.from_batches(list(batches)).equals(want), "a second time")
                self.assertEqual(batches.schema, want.schema)
                self.assertEqual(next(batches).num_rows, sizes[0])
                other = inputs.read_input(self.path(form), self.spec(form, "dataframe"))
                self.assertTrue(other.equals(frame), other.dtypes)
                numbers = [("i", "int"), ("f", "float")]
                with self.assertRaisesRegex(inputs.InputRefused, "numbers only|register a new version"):
                    inputs.read_input(self.path(form), self.spec(form, "numpy", [*numbers, ("s", "string")]))
                with self.assertRaisesRegex(inputs.InputRefused, "register a new version"):
                    inputs.read_input(self.path(form), self.spec(form, "arrow", numbers))
                with self.assertRaisesRegex(inputs.InputRefused, "annotate the parameter as pandas.DataFrame"):
                    inputs.read_input(self.path(form), self.spec(form, "tensors"))

    def path(self, form):
        return str(FOLDER / f"t.{form}")

    def test_arrays(self):
        import numpy as np

        matrix = np.arange(12, dtype="float32").reshape(4, 3)
        np.save(FOLDER / "a.npy", matrix)
        np.savez(FOLDER / "a.npz", matrix=matrix, mask=np.array([True, False]))
        found = inputs.read_input(str(FOLDER / "a.npy"), self.spec("npy", "numpy", [("values", "float")]))
        self.assertIs(type(found), np.ndarray)
        self.assertTrue((found == matrix).all() and found.dtype == matrix.dtype)
        archive = inputs.read_input(str(FOLDER / "a.npz"), self.spec("npz", "tensors"))
        self.assertEqual([*archive], ["matrix", "mask"])
        half = np.array([1.5, -2], dtype="float32").view("u4") >> 16
        header = {
            "x": {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]},
            "y": {"dtype": "BF16", "shape": [2], "data_offsets": [48, 52]},
            "z": {"dtype": "U8", "shape": [], "data_offsets": [52, 53]},
        }
        text = json.dumps(header).encode()
        body = matrix.tobytes() + half.astype("<u2").tobytes() + bytes([7])
        (FOLDER / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + body)
        found = inputs.read_input(str(FOLDER / "a.safetensors"), self.spec("safetensors", "tensors"))
        self.assertTrue((found["x"] == matrix).all())
        self.assertEqual(found["y"].tolist(), [1.5, -2.0])
        self.assertEqual(found["z"].item(), 7)
        with self.assertRaisesRegex(inputs.InputRefused, "annotate the parameter as numpy.ndarray"):
            inputs.read_input(str(FOLDER / "a.npy"), self.spec("npy", "dataframe"))
        np.save(FOLDER / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
        with self.assertRaisesRegex(ValueError, "Python objects"):
            inputs.read_input(str(FOLDER / "o.npy"), self.spec("npy", "numpy"))

    def test_files(self):
        import os

        path = FOLDER / "packed"
        path.write_bytes(b"....onetwo\nlines")
        fd = os.open(path, os.O_RDONLY)
        made = FOLDER / "made"
        files = inputs.Files([("a/one.txt", fd, 4, 3), ("two", fd, 7, 9)], lambda: str(made))
        self.assertEqual([*files], ["a/one.txt", "two"])
        self.assertEqual(files["a/one.txt"].read_text(), "one")
        self.assertEqual(files["two"].size, 9)
        with files["two"].open() as f:
            self.assertEqual(f.readlines(), [b"two\n", b"lines"])
            self.assertEqual(f.seek(-5, 2), 4)
            self.assertEqual(f.read(), b"lines")
        self.assertFalse(made.exists())
        self.assertEqual(pathlib.Path(files["a/one.txt"].path).read_bytes(), b"one")
        self.assertEqual(files["a/one.txt"].path, str(made / "a" / "one.txt"))
        self.assertIs(inputs.read_input(files, self.spec("tar", "files")), files)
        with self.assertRaises(KeyError):
            files["/etc/passwd"]


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=0)
