"""Questions without SQL: what is written, and that nothing gets out of its quotes."""

from __future__ import annotations

import csv
import math
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import anchorhold as ah
from anchorhold._frame import Frame, name_sql, value_sql

HOSTILE = ['a"b', "select", 'x"; DROP TABLE patients; --', "it's", "ä ö\u202e", "OPTIONS(epsilon=9)", "$$", "/*", "\\"]


def frame(**more: Any) -> Frame:
    columns = (("age", "int"), ("sex", "int"), ("city", "string"), ("born", "date"), *((h, "int") for h in HOSTILE))
    bounds = {"assets": {"patients": {"row": True, "columns": {"age": {"low": "0", "high": "120"}}}}}
    return Frame(None, "heart", "patients", columns, bounds, **more)  # type: ignore[arg-type]


def test_what_is_written() -> None:
    f = frame()
    assert f.groupby("sex").age.mean().sql == (
        'SELECT "sex", AVG("age") AS "age_mean"\nFROM "patients"\nGROUP BY "sex"\nORDER BY "sex"'
    )
    old = f[(f.age >= 50) & ~f.city.isin(["Ulm", "O'Hara"]) | (f.born < date(1980, 2, 1))]
    assert old.size().sql == (
        'SELECT COUNT(*) AS "n"\nFROM "patients"\nWHERE ((("age" >= 50) AND (NOT ("city" IN (\'Ulm\', \'O\'\'Hara\'))))'
        " OR (\"born\" < DATE '1980-02-01'))"
    )
    named = f.groupby(f.age // 10, "sex").agg(n="size", mean=("age", "mean"), spread=(f.age * 2, "std"))
    assert named.sort_values("mean", ascending=False).head(3).sql == (
        'SELECT CAST(FLOOR("age" / 10) AS BIGINT) AS "age", "sex", COUNT(*) AS "n", AVG("age") AS "mean", '
        'STDDEV(("age" * 2)) AS "spread"\nFROM "patients"\nGROUP BY CAST(FLOOR("age" / 10) AS BIGINT), "sex"\n'
        'ORDER BY "mean" DESC\nLIMIT 3'
    )
    assert (f.age == None).sql == '("age" IS NULL)'  # noqa: E711 - as people write it
    assert (
        f.age.agg("mean", "std")
        .sql_at("epsilon=0.5")
        .startswith("SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon=0.5) AVG")
    )
    assert [n for n, _ in f.describe().aggregates] == ["age_count", "age_mean", "age_std"]
    assert "not asked yet" in repr(f.age.mean())
    assert "&quot;age&quot;" in f.age.mean()._repr_html_()
    assert "city string" in repr(f)
    assert "age" in dir(f)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_names(name: str) -> None:
    written = frame()[name].mean().sql
    assert written.split("\n")[0].startswith(f"SELECT AVG({name_sql(name)}) AS ")
    assert name_sql(name)[1:-1].replace('""', "") == name.replace('"', "")
    assert f"WHERE ({name_sql(name)} > 1)" in frame()[frame()[name] > 1].size().sql


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("'; DROP TABLE patients; --", "'''; DROP TABLE patients; --'"),
        ("\\'", "'\\'''"),
        (True, "TRUE"),
        (-3, "(-3)"),
        (1e-7, "0.0000001"),
        (-2.5, "(-2.5)"),
        (Decimal("1.10"), "1.10"),
        (datetime(2020, 1, 2, 3, 4), "TIMESTAMP '2020-01-02 03:04:00'"),  # noqa: DTZ001 - without a zone
    ],
)
def test_values_stay_values(value: object, written: str) -> None:
    assert value_sql(value) == written


def test_what_cannot_be_meant() -> None:
    f = frame()
    for wrong in (math.nan, math.inf, "a\0b", object(), datetime(2020, 1, 1, tzinfo=timezone.utc)):
        with pytest.raises(ah.Invalid):
            f.age == wrong  # noqa: B015 - it is refused when it is written
    with pytest.raises(AttributeError, match="there are age"):
        f.agee  # noqa: B018
    for attempt in (
        lambda: f["no"],
        lambda: bool(f.age > 1),
        lambda: 1 < f.age < 2,
        lambda: list(f),
        lambda: list(f.age),
        lambda: len(f),
        lambda: f.age.agg("max"),
        lambda: f.agg(),
        lambda: f.agg(n="count"),
        lambda: f.age.quantile(2),
        lambda: f.city.histogram(),
        lambda: f.age.histogram(0),
        lambda: f.age.histogram(10, 5, 5),
        lambda: f.groupby("sex").agg(sex=("age", "mean")).sql,
        lambda: f.age.mean().publish(epsilon=1, sigma=2),
        lambda: f.age.mean().publish(epsilon=-1),
        lambda: f.age.mean().publish(epsilon="1) FROM x"),
        lambda: f.age.mean().publish(delta=1e-6),
        lambda: f.age.mean().quote(within=1, level=1),
        lambda: f.age.mean().sort_values("other"),
        lambda: f.age.mean().head(0),
    ):
        with pytest.raises(ah.Invalid):
            attempt()  # type: ignore[no-untyped-call]


def test_asked_of_a_site(real: Any, tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    with table.open("w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["age", "sex", "city", 'a"b; --'])
        rows.writerows([30 + i % 40, i % 2, ["Ulm", "O'Hara"][i % 4 == 0], i % 3] for i in range(2000))
    real.run("dataset", "add", "framed", "--asset", f"patients={table}", "--population", "framed-people")
    owner = ah.connect(real.url, token=real.token)
    token = owner.users.add("frame@example.org", "researcher").token
    real.run("dataset", "privacy", "framed", "--unit", "row", "--bounds", "age=0..120", "--domain", "sex=0,1")
    real.run("ledger", "limits", "--population", "framed-people", "--epsilon", "100", "--delta", "1e-6")
    dp = ah.connect(real.url, token=token).datasets["framed"].dp

    question = dp[(dp.age >= 40) & (dp.city == "O'Hara") & (dp['a"b; --'].isin([0, 1, 2]))].groupby("sex").size()
    assert "nothing was charged" in repr(question.quote(epsilon=5))
    frame = question.publish(epsilon=5).to_pandas()
    assert list(frame.columns) == ["sex", "n"]
    assert abs(frame["n"].sum() - 375) < 30
    means = dp.groupby("sex").agg(n="size", age=("age", "mean")).publish(epsilon=5)
    assert abs(means.to_pandas()["age"].mean() - 49.5) < 3
    described = dp.describe().publish(epsilon=8).to_pandas()
    assert abs(described["age_count"][0] - 2000) < 30
    assert abs(described["age_std"][0] - 11.5) < 3
    steps = dp.age.histogram(4, 30, 70).publish(epsilon=8)
    assert list(steps.to_pandas()["age_from"]) == [30, 40, 50, 60]
    assert (steps.to_pandas()["n"] - 500).abs().max() < 40
    assert "<svg" in steps._repr_html_()
