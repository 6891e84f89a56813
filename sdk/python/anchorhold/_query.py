"""Questions in SQL that are answered at once, with noise and a ± that says how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._errors import Invalid
from ._http import Http, quote
from ._listing import Json, Listing, Record

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Quote(Record):
    """What an answer would cost, and how exact it would be; nothing was charged."""

    @property
    def price(self) -> Json:
        """ε and δ of the answer by itself, and what limits would count, as exact decimals."""
        found = self._data.get("price")
        return dict(found) if isinstance(found, dict) else {}

    @property
    def columns(self) -> Listing[Json]:
        """Name and kind of each column, with its ± where that depends on no data."""
        return Listing(self._items("items"), ("column", "what", "±"), exactness)

    def __repr__(self) -> str:
        return f"would cost {price_text(self.price)}; nothing was charged\n{self.columns!r}"


class Answer(Record):
    """An answer with noise: a table, and an interval for each aggregate."""

    @property
    def id(self) -> str:
        """The id of the question, as the ledger names it."""
        return self._text("id")

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [str(c.get("name", "")) for c in self._items("columns")]

    @property
    def level(self) -> float:
        """The probability with which a value lies in its interval."""
        return float(self._data.get("level") or 0)

    @property
    def mechanism(self) -> str:
        """Which noise was added."""
        return self._text("mechanism")

    @property
    def exposure(self) -> Json:
        """What was charged: ε and δ of the answer by itself, and what limits count.

        Nothing of it where ``again`` is true: the answer was there already.
        """
        found = self._data.get("price")
        return dict(found) if isinstance(found, dict) else {}

    @property
    def again(self) -> bool:
        """Whether the answer was there already, so that the population was not charged."""
        return bool(self._data.get("again"))

    def to_pandas(self) -> pd.DataFrame:
        """The values as a DataFrame."""
        import pandas as pd

        table: pd.DataFrame = pd.DataFrame(
            [[c.get("value") for c in row] for row in self._rows()], columns=self.columns
        )
        return table

    def to_arrow(self) -> pa.Table:
        """The values as an Arrow table."""
        import pyarrow as pa

        values = [[row[i].get("value") for row in self._rows()] for i in range(len(self.columns))]
        return pa.table(dict(zip(self.columns, values, strict=True)))

    def interval(self) -> pd.DataFrame:
        """The ends of the intervals: columns NAME.low and NAME.high of each aggregate."""
        import pandas as pd

        out: dict[str, list[Any]] = {}
        for i, column in enumerate(self._items("columns")):
            if column.get("kind") not in ("key", "expression"):
                for end in ("low", "high"):
                    out[f"{column.get('name')}.{end}"] = [row[i].get(end) for row in self._rows()]
        table: pd.DataFrame = pd.DataFrame(out)
        return table

    def _rows(self) -> list[list[Json]]:
        found = self._data.get("rows")
        return [list(row) for row in found] if isinstance(found, list) else []

    def _table(self) -> Listing[list[Json]]:
        return Listing(self._rows(), tuple(self.columns), lambda row: [cell_text(c) for c in row])

    def __repr__(self) -> str:
        charged = "was there already, not charged again" if self.again else price_text(self.exposure)
        return f"{self._table()!r}\n± holds with {100 * self.level:g}%; exposure: {charged}"

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()


def ask(http: Http, dataset: str, sql: str, study: str | None, level: float) -> Answer:
    return Answer(http.post(f"/v1/datasets/{quote(dataset)}/queries", asked(sql, study, level)))


def price_of(http: Http, dataset: str, sql: str, study: str | None, level: float) -> Quote:
    return Quote(http.post(f"/v1/datasets/{quote(dataset)}/quotes", asked(sql, study, level)))


def asked(sql: str, study: str | None, level: float) -> Json:
    if not 0 < level < 1:
        raise Invalid("the level of an interval is a probability", "use level=0.95")
    return {"sql": sql, "level": level, **({"study": study} if study else {})}


def price_text(price: Json) -> str:
    text = f"ε = {price.get('epsilon')}"
    delta = price.get("delta")
    return f"{text}, δ = {delta}" if delta and delta != "0" else text


def exactness(column: Json) -> list[object]:
    sizes = column.get("plus_minus_by_group_size") or {}
    found = [f"± {w:.6g} in a group of {n}" for n, w in sorted(sizes.items(), key=lambda x: len(x[0]))]
    if (width := column.get("plus_minus")) is not None:
        found.append(f"± {width:.6g}")
    return [column.get("name"), column.get("kind"), ", ".join(found)]


def cell_text(cell: Json) -> str:
    value, low, high = cell.get("value"), cell.get("low"), cell.get("high")
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if low is None or high is None:
        return f"{value:.6g}"
    return f"{value:.6g} ± {(high - low) / 2:.6g}"


STANDING = ("population", "for", "limit ε", "spent ε", "plain sum", "left")


def standing_row(account: Json) -> list[object]:
    limit, left = account.get("limit") or {}, account.get("left") or {}
    rest = left.get("pure") if limit.get("delta") in (None, "0") else f"ρ {left.get('rho')}"
    who = " ".join(str(account.get(k)) for k in ("scope", "name") if account.get(k))
    return [
        account.get("population"),
        who,
        limit.get("epsilon", ""),
        account.get("epsilon"),
        account.get("plain_epsilon"),
        rest if limit else "",
    ]
