"""Writes nested.* beside it: one table of nested columns, as the libraries that owners use write it.

python nested.py (needs pandas and pyarrow); then the tests of package codec.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

HERE = Path(__file__).parent


def rows(n: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for i in range(n):
        missing = i % 5 == 4
        found.append(
            {
                "id": 1000 + i,
                "home": None if missing else {"town": ["Bern", "Genève", None][i % 3], "zip": 3000 + i},
                "doses": None if missing else [i / 4 + k for k in range(i % 4)],
                "visits": [{"ward": "ABC"[k], "codes": [i, k]} for k in range(i % 3)],
                "marks": None if i % 7 == 6 else {f"m{k}": i + k for k in range(i % 3)},
            }
        )
    return found


def schema(items: object = pa.list_) -> pa.Schema:
    visit = pa.struct([("ward", pa.string()), ("codes", items(pa.int32()))])
    home = pa.struct([("town", pa.string()), pa.field("zip", pa.int64(), nullable=False)])
    return pa.schema(
        [
            pa.field("id", pa.int32(), nullable=False),
            ("home", home),
            ("doses", items(pa.float64())),
            ("visits", items(visit)),
            ("marks", pa.map_(pa.string(), pa.int64())),
        ]
    )


def main() -> None:
    table = pa.Table.from_pylist([{**row, "marks": row["marks"] and list(row["marks"].items())} for row in rows(23)], schema=schema())
    pa.parquet.write_table(table, HERE / "nested.parquet")
    pa.parquet.write_table(table, HERE / "nestedindex.parquet", write_page_index=True, compression="zstd", row_group_size=9)
    table.to_pandas().to_parquet(HERE / "nestedpandas.parquet", schema=schema())
    for name, codec in (("nested", None), ("nestedzstd", "zstd")):
        with pa.ipc.new_file(HERE / f"{name}.arrow", table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as w:
            w.write_table(table, max_chunksize=10 if codec else None)
    large = table.cast(schema(pa.large_list))
    with pa.ipc.new_stream(HERE / "nestedlarge.arrows", large.schema) as w:
        w.write_table(large)
    (HERE / "nested.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(23)))


main()
