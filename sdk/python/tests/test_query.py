"""Questions in SQL, asked of a real site."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

import anchorhold as ah
from anchorhold._query import Answer

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
    assert list(answer.interval(0.95)["n.low"]) == list(ends["n.low"])
    for level, wider in ((0.5, False), (0.999, True)):
        other = answer.interval(level)
        assert ((other["n.high"] - other["n.low"] > ends["n.high"] - ends["n.low"]) == wider).all()
        assert ((other["n.low"] + other["n.high"]) / 2 - frame["n"]).abs().max() < 1
    with pytest.raises(ah.Invalid):
        answer.interval(1)
    assert answer.noise["n"]["scale"] > 0
    assert "age" not in answer.noise  # made of several released numbers
    assert answer.to_arrow().column("n").to_pylist() == list(frame["n"])
    assert answer.exposure["epsilon"] == "2"
    assert not answer.again
    assert "± holds with 95%; exposure: ε = 2" in repr(answer)
    assert answer._repr_html_().count("<svg") == 4  # two rows, two aggregates
    assert " ± " in answer._repr_html_()

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
    # Another level is no other question: nothing more is charged, and nobody else sees it.
    assert answer.interval(0.8).equals(again.interval(0.8))
    assert {r["scope"]: r for r in site.exposure("asked-people")}["researcher"]["plain_epsilon"] == "2"
    other = ah.connect(real.url, token=real.run("user", "add", "sql2@example.org", "--role", "researcher")["token"])
    with pytest.raises(ah.NotFound):
        Answer(answer.raw, other._http).interval(0.8)


def test_an_error_bar_is_drawn_to_scale() -> None:
    cells = [{"value": 10.0, "low": 5.0, "high": 15.0}, {"value": 20.0, "low": 20.0, "high": 20.0}]
    rows = [[{"value": "<b>"}, cells[0]], [{"value": None}, cells[1]]]
    columns = [{"name": "<i>", "kind": "key"}, {"name": "n", "kind": "count"}]
    html = Answer({"columns": columns, "rows": rows, "level": 0.9, "price": {"epsilon": "1"}})._repr_html_()
    assert "<b>" not in html
    assert "<i>" not in html
    assert html.count("<svg") == 2
    bars = [[float(x) for x in re.findall(r"(?:M|H|cx=\")([0-9.]+)", svg)] for svg in html.split("<svg")[1:]]
    zero, low, high, *_, value = bars[0]
    assert zero < low < value < high
    assert value == pytest.approx((low + high) / 2, abs=0.2)
    assert value - zero == pytest.approx((bars[1][-1] - zero) / 2, abs=0.2)  # 10 of 20
    one = Answer({"columns": columns, "rows": [[{"value": 1}, {"value": 1.0, "low": None, "high": None}]]})
    assert "<svg" in one._repr_html_()
    assert "(none)" in Answer({"columns": columns, "rows": []})._repr_html_()
    with pytest.raises(ah.Invalid):
        one.interval(0.5)


def test_the_ledger_from_python(real: Any, tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("age,sex\n" + "".join(f"{30 + i % 40},{i % 2}\n" for i in range(100)))
    real.run("dataset", "add", "booked", "--asset", f"patients={table}", "--population", "booked-people")
    real.run("dataset", "privacy", "booked", "--unit", "row", "--bounds", "age=0..120", "--domain", "sex=0,1")
    owner = ah.connect(real.url, token=real.token)
    stands = owner.ledger.limits("booked-people", 2)
    assert [(s["scope"], s["limit"]["epsilon"]) for s in stands] == [("population", "2")]
    owner.ledger.limits("booked-people", "1.5", researcher="each")
    with pytest.raises(ah.Invalid, match="say why"):
        owner.ledger.limits("booked-people", 3)
    owner.ledger.limits("booked-people", 3, reason="the ethics board allows more")
    site = ah.connect(real.url, token=real.run("user", "add", "book@example.org", "--role", "researcher")["token"])
    asked = [site.sql(COUNT.format(e), dataset="booked") for e in (0.5, 0.75)]
    shown = owner.ledger.show("booked-people")
    assert [e["subject"] for e in shown.proved] == [a.id for a in reversed(asked)]
    assert not shown.declared
    assert not shown.unbounded
    assert "Unbounded: released or confirmed by a person" in repr(shown)
    spent = {(s["scope"], bool(s.get("name"))): s["plain_epsilon"] for s in shown.limits}
    assert spent["population", False] == spent["researcher", True] == "1.25"
    fits = {(s["scope"], bool(s.get("name"))): s["fits"] for s in shown.limits if "fits" in s}
    assert fits["population", False] == 17  # of ε = 0.1, in 3 - 1.25
    assert fits["researcher", True] == 2
    tried = owner.ledger.try_("booked-people", 1)
    assert (tried.answered, tried.refused, tried.first_refused) == (1, 1, asked[1].id)
    assert tried.spent["epsilon"] == "0.5"
    lines = owner.ledger.export(tmp_path / "ledger.json", "booked-people").read_text().splitlines()
    assert [json.loads(line)["subject"] for line in lines] == [a.id for a in asked]
    with owner.ledger.export(tmp_path / "ledger.csv", "booked-people").open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert [row["subject"] for row in rows] == [a.id for a in asked]
    assert sum(float(row["pure"]) for row in rows) == 1.25  # as anybody can check by addition
    assert "AVG(age)" in shown.proved[0]["asked"]
    assert "can at best tell for 96 of 100 people" in shown.odds[0]  # e^3/(1+e^3)
    assert "can at best tell for 73 of 100 people" in shown.odds_now[0]  # by the sum of ρ
    assert shown.odds[0] in repr(shown)
    plan = owner.ledger.plan([{"mechanism": "laplace", "scale": 10, "count": 5}], 1e-6)
    assert plan.epsilon == pytest.approx(0.5, abs=1e-3)
    assert set(plan.bounds) == {"pure", "zcdp", "rdp", "pld"}
    assert "pure" in repr(plan)
    with pytest.raises(ah.Invalid):
        owner.ledger.plan([{"mechanism": "magic"}], 1e-6)
    with pytest.raises(ah.Conflict):
        owner.ledger.export(tmp_path / "ledger.csv")
    with pytest.raises(ah.Denied):
        site.ledger.limits("booked-people", 9, reason="more")
    for wrong in (
        lambda: owner.ledger.limits("", 1),
        lambda: owner.ledger.limits("booked-people", 1, researcher="each", exploration=True),
        lambda: owner.ledger.limits("booked-people", 1, remove=True),
    ):
        with pytest.raises(ah.Invalid):
            wrong()
    owner.ledger.limits("booked-people", researcher="each", remove=True, reason="they share one")
    assert all(not s.get("limit") for s in owner.ledger.limits("booked-people") if s["scope"] == "researcher")
