"""Questions in SQL, asked of a real site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import anchorhold as ah

COUNT = (
    "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon={}) "
    "sex, COUNT(*) AS n, AVG(age) AS age FROM patients GROUP BY sex ORDER BY sex"
)


def test_asked_and_answered(real: Any, tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("age,sex\n" + "".join(f"{30 + i % 40},{i % 2}\n" for i in range(400)))
    real.run("dataset", "add", "asked", "--asset", f"patients={table}", "--population", "asked-people")
    token = real.run("user", "add", "sql@example.org", "--role", "researcher")["token"]
    site = ah.connect(real.url, token=token)
    asked = site.datasets["asked"]
    with pytest.raises(ah.Conflict, match="review only"):
        asked.sql(COUNT.format(0.5))
    real.run("dataset", "privacy", "asked", "--unit", "row", "--bounds", "age=0..120", "--domain", "sex=0,1")
    real.run("ledger", "limits", "--population", "asked-people", "--epsilon", "4", "--delta", "1e-6")

    quote = asked.quote(COUNT.format(2))
    assert quote.price["epsilon"] == "2"
    assert "± " in repr(quote)
    assert "nothing was charged" in repr(quote)
    answer = asked.sql(COUNT.format(2))
    frame = answer.to_pandas()
    assert list(frame.columns) == ["sex", "n", "age"]
    assert list(frame["sex"]) == [0, 1]
    assert (frame["n"] - 200).abs().max() < 100
    ends = answer.interval()
    assert list(ends.columns) == ["n.low", "n.high", "age.low", "age.high"]
    assert (ends["n.low"] <= frame["n"]).all()
    assert (frame["n"] <= ends["n.high"]).all()
    assert answer.to_arrow().column("n").to_pylist() == list(frame["n"])
    assert answer.exposure["epsilon"] == "2"
    assert not answer.again
    assert "± holds with 95%; exposure: ε = 2" in repr(answer)
    assert "<table" in answer._repr_html_()

    again = site.sql(COUNT.format(2), dataset="asked")
    assert again.again
    assert again.to_pandas().equals(frame)
    assert "not charged again" in repr(again)
    with pytest.raises(ah.Conflict, match="limit of exposure") as refused:
        asked.sql(COUNT.format(3.9))
    assert "still fits" in str(refused.value)
    standing = {row["scope"]: row for row in site.exposure("asked-people")}
    assert standing["population"]["plain_epsilon"] == "2"
    assert standing["population"]["left"]["rho"] != "0"
    with pytest.raises(ah.Invalid):
        asked.sql(COUNT.format(1), level=2)
