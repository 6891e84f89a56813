# Reads CSV and Parquet files by their registered types: reading_check.py JOB PACKAGES
import importlib.util
import pathlib
import sys
import tempfile
import unittest

sys.path.append(sys.argv[2])
spec = importlib.util.spec_from_file_location("codec", f"{sys.argv[1]}/codec.py")
codec = importlib.util.module_from_spec(spec)
spec.loader.exec_module(codec)

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
        frame = codec.read_table(self.write(self.CSV), self.spec("dataframe"))
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
        one = codec.read_table(self.write("f,s,d\n1,1,2020-01-01\n"), self.spec("dataframe", columns=columns))
        two = codec.read_table(self.write("f,s,d\n1.5,x,2020-01-01\n,,\n"), self.spec("dataframe", columns=columns))
        all_missing = codec.read_table(self.write("f,s,d\n,,\n"), self.spec("dataframe", columns=columns))
        self.assertEqual(one.dtypes.tolist(), two.dtypes.tolist())
        self.assertEqual(one.dtypes.tolist(), all_missing.dtypes.tolist())

    def test_arrow(self):
        table = codec.read_table(self.write(self.CSV), self.spec("arrow"))
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
        array = codec.read_table(self.write("a,b,c\n1,2.5,True\n,,\n"), self.spec("numpy", columns=columns))
        np.testing.assert_array_equal(array, [[1, 2.5, 1], [np.nan, np.nan, np.nan]])
        self.assertEqual(array.dtype, np.float64)
        with self.assertRaisesRegex(codec.InputRefused, "column 's'.*numbers only; annotate"):
            codec.read_table(self.write("s\nx\n"), self.spec("numpy", columns=[("s", "string")]))

    def test_delimiters_and_marks(self):
        columns = [("a,b", "string"), ("c", "int")]
        for text in ['"a,b";c\n"x;y";1\n', '\ufeff"a,b"\tc\r\nx;y\t1\r\n', '\n"a,b",c\n"x;y",1\n', '"a,b";c\n"x;y";1']:
            frame = codec.read_table(self.write(text), self.spec("dataframe", columns=columns))
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
            frame = codec.read_table(self.write("t\n" + text), self.spec("dataframe", columns=columns))
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
                codec.read_table(self.write(text), self.spec("dataframe", columns=columns))

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
        frame = codec.read_table(str(path), spec)
        found = [str(t) for t in frame.dtypes]
        want = "float64 float32 boolean bool str category datetime64[us] datetime64[ns,UTC] float64"
        self.assertEqual([f.replace(" ", "") for f in found], want.split())
        arrow = codec.read_table(str(path), {**spec, "type": "arrow"})
        self.assertEqual(arrow.schema.types, table.schema.types)
        self.assertIsNone(arrow.schema.metadata)
        with self.assertRaisesRegex(codec.InputRefused, "register a new version"):
            codec.read_table(str(path), self.spec("dataframe", "parquet", [("i", "int")]))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=0)
