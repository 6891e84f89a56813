"""GeoJSON is the same rows to code as to the site, which compares what code returns with them."""

from __future__ import annotations

import json
import math

import pyarrow as pa
import pytest
from conftest import REPOSITORY

from anchorhold import _inputs

FOLDER = REPOSITORY / "catalog" / "codec" / "geojson" / "testdata"
TYPES = {"geometry": "string", "id": "int", "ward": "string", "beds": "int", "rate": "float", "opened": "date"}


def spec(kind: str) -> dict[str, object]:
    columns = [{"name": n, "type": t} for n, t in TYPES.items()]
    return {"type": kind, "format": "geojson", "columns": columns, "missing": []}


def test_features_are_the_rows_that_the_site_knows() -> None:
    table = _inputs.read_input(str(FOLDER / "sites.geojson"), spec("arrow"))
    rows = [[None if v is None else str(v) if n == "opened" else v for n, v in r.items()] for r in table.to_pylist()]
    assert rows == json.loads((FOLDER / "sites.rows.json").read_text(encoding="utf-8"))
    (batch,) = _inputs.read_input(str(FOLDER / "sites.geojson"), spec("batches"))
    assert pa.Table.from_batches([batch]).equals(table)
    assert list(_inputs.read_input(str(FOLDER / "sites.geojson"), spec("dataframe")).columns) == list(TYPES)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-2.5, "-2.5"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
        (1.5e-7, "1.5e-7"), (1e-7, "1e-7"), (1.25e-6, "0.00000125"), (123456789012345680.0, "123456789012345680"),
        (5e-324, "5e-324"), (math.pi, "3.141592653589793"),
    ],
)  # fmt: skip
def test_numbers_as_ecmascript_writes_them(number: float, text: str) -> None:
    assert _inputs._canonical_number(number) == text
