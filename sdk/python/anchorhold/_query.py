"""Questions in SQL that are answered at once, with noise and a ± that says how much."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._errors import Invalid
from ._http import Http, quote
from ._listing import Json, Listing, Record, need
from ._text import escaped

if TYPE_CHECKING:
    from typing import TypeGuard

    import pandas as pd
    import pyarrow as pa

PLAIN = ("key", "expression")  # columns without an interval


class Quote(Record):
    """What an answer would cost, and how exact it would be; nothing was charged."""

    @property
    def price(self) -> Json:
        """ε and δ of the answer by itself, and what limits would count, as exact decimals."""
        return price_of_record(self._data)

    @property
    def columns(self) -> Listing[Json]:
        """Name and kind of each column, with its ± where that depends on no data."""
        return Listing(self._items("items"), ("column", "what", "±"), exactness)

    def __repr__(self) -> str:
        return f"would cost {price_text(self.price)}; nothing was charged\n{self.columns!r}"

    def _repr_html_(self) -> str:
        said = escaped(f"would cost {price_text(self.price)}; nothing was charged")
        return f"{self.columns._repr_html_()}<p>{said}</p>"


class Answer(Record):
    """An answer with noise: a table, and an interval for each aggregate, at any level."""

    def __init__(self, data: Json, http: Http | None = None) -> None:
        super().__init__(data)
        self._http = http
        self._levels: dict[float, list[list[Json]]] = {}

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
    def noise(self) -> dict[str, Json]:
        """The noise of each column whose values are one released number each.

        Its "mechanism", and its "scale": that of Laplace noise, or the σ of Gaussian noise.
        """
        return {str(c["name"]): dict(c["noise"]) for c in self._items("columns") if isinstance(c.get("noise"), dict)}

    @property
    def exposure(self) -> Json:
        """What was charged: ε and δ of the answer by itself, and what limits count.

        Where ``again`` is true the population was not charged: the answer was there already.
        """
        return price_of_record(self._data)

    @property
    def again(self) -> bool:
        """Whether the answer was there already, so that the population was not charged."""
        return bool(self._data.get("again"))

    def to_pandas(self) -> pd.DataFrame:
        """The values as a DataFrame."""
        values = [[c.get("value") for c in row] for row in self._rows()]
        return need("pandas").DataFrame(values, columns=self.columns)  # type: ignore[no-any-return]

    def to_arrow(self) -> pa.Table:
        """The values as an Arrow table."""
        pa = need("pyarrow")
        values = [pa.array([row[i].get("value") for row in self._rows()]) for i in range(len(self.columns))]
        return pa.Table.from_arrays(values, names=self.columns)

    def interval(self, level: float | None = None) -> pd.DataFrame:
        """The ends of the intervals, at any level: columns NAME.low and NAME.high of each aggregate.

        Rows are those of ``to_pandas``. Another level costs nothing: the site computes it
        from what it told already, and nobody learns more.
        """
        rows = self._rows() if level is None else self._at(level)
        names, ends = [], []
        for i, column in enumerate(self._items("columns")):
            if column.get("kind") not in PLAIN:
                names += [f"{column.get('name')}.low", f"{column.get('name')}.high"]
                ends += [[row[i].get(end) for row in rows] for end in ("low", "high")]
        by_row = [list(row) for row in zip(*ends, strict=True)] if rows else []
        return need("pandas").DataFrame(by_row, columns=names)  # type: ignore[no-any-return]

    def _at(self, level: float) -> list[list[Json]]:
        checked(level)
        if level == self.level:
            return self._rows()
        if level not in self._levels:
            if self._http is None:
                raise Invalid("this answer came from no site", "ask for its own level: .interval()")
            found = self._http.get(f"/v1/queries/{quote(self.id)}", {"level": repr(float(level))})
            self._levels[level] = rows_of(found)
        return self._levels[level]

    def _rows(self) -> list[list[Json]]:
        return rows_of(self._data)

    def _table(self) -> Listing[list[Json]]:
        return Listing(self._rows(), tuple(self.columns), lambda row: [cell_text(c) for c in row])

    def _foot(self) -> str:
        charged = "was there already, not charged again" if self.again else price_text(self.exposure)
        return f"± holds with {100 * self.level:g}%; exposure: {charged}"

    def __repr__(self) -> str:
        return f"{self._table()!r}\n{self._foot()}"

    def _repr_html_(self) -> str:
        """A table with an error bar beside each aggregate, on one scale for each column."""
        rows = self._rows()
        if not rows:
            return f"<em>(none)</em><p>{escaped(self._foot())}</p>"
        bars = [self._bars(i, c) for i, c in enumerate(self._items("columns"))]
        head = "".join(f"<th>{escaped(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escaped(cell_text(c))}{bars[i](c)}</td>" for i, c in enumerate(row)) + "</tr>"
            for row in rows
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"<div>{table}<p>{escaped(self._foot())}</p></div>"

    def _bars(self, i: int, column: Json) -> Callable[[Json], str]:
        """What draws the error bars of a column."""
        cells = [row[i] for row in self._rows()]
        ends = [float(x) for c in cells for x in (c.get("value"), c.get("low"), c.get("high")) if is_number(x)]
        if column.get("kind") in PLAIN or not ends:
            return lambda _: ""
        low, high = min(0.0, *ends), max(0.0, *ends)
        return lambda cell: bar_svg(cell, low, high)


def rows_of(data: Json) -> list[list[Json]]:
    found = data.get("rows")
    return [[c if isinstance(c, dict) else {} for c in row] for row in found] if isinstance(found, list) else []


def price_of_record(data: Json) -> Json:
    found = data.get("price")
    return dict(found) if isinstance(found, dict) else {}


def ask(http: Http, dataset: str, sql: str, study: str | None, level: float) -> Answer:
    return Answer(http.post(f"/v1/datasets/{quote(dataset)}/queries", asked(sql, study, level)), http)


def price_of(http: Http, dataset: str, sql: str, study: str | None, level: float) -> Quote:
    return Quote(http.post(f"/v1/datasets/{quote(dataset)}/quotes", asked(sql, study, level)))


def asked(sql: str, study: str | None, level: float) -> Json:
    checked(level)
    return {"sql": sql, "level": level, **({"study": study} if study else {})}


def checked(level: float) -> None:
    if not 0 < level < 1:
        raise Invalid("the level of an interval is a probability", "use a number between 0 and 1, such as 0.95")


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


def is_number(x: object) -> TypeGuard[int | float]:
    return isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)


def cell_text(cell: Json) -> str:
    """A value with its ±, or the ends of its interval where it is not in the middle; no digit below the noise."""
    value, low, high = cell.get("value"), cell.get("low"), cell.get("high")
    if value is None:
        return ""
    if not is_number(value):
        return str(value)
    if not is_number(low) or not is_number(high):
        one_sided = f" at least {low:.6g}" if is_number(low) else f" at most {high:.6g}" if is_number(high) else ""
        return f"{value:.6g}{one_sided}"
    half = (high - low) / 2
    if half <= 0:
        return f"{value:.6g} ± 0"
    places = max(0, min(12, 1 - math.floor(math.log10(half))))
    if abs((low + high) / 2 - value) <= half / 20:
        return f"{value:.{places}f} ± {half:.{places}f}"
    return f"{value:.{places}f} [{low:.{places}f}, {high:.{places}f}]"


WIDTH, HEIGHT = 120, 12


def bar_svg(cell: Json, least: float, most: float) -> str:
    """An error bar from least to most: a line from the low end to the high, and a dot at the value."""
    value, low, high = cell.get("value"), cell.get("low"), cell.get("high")
    if not is_number(value) or most <= least:
        return ""

    def at(x: float) -> str:
        share = (min(max(x, least), most) - least) / (most - least)
        return f"{4 + share * (WIDTH - 8):.1f}"

    left, right = at(low if is_number(low) else least), at(high if is_number(high) else most)
    middle, zero = HEIGHT / 2, at(0.0)
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'style="display:block;overflow:visible"><title>{escaped(cell_text(cell))}</title>'
        f'<g stroke="currentColor" fill="none">'
        f'<path d="M{zero} 0V{HEIGHT}" stroke-opacity="0.25"/>'
        f'<path d="M{left} {middle}H{right}M{left} {middle - 3}v6M{right} {middle - 3}v6" stroke-width="1.2"/></g>'
        f'<circle cx="{at(value)}" cy="{middle}" r="2.5" fill="currentColor"/></svg>'
    )
