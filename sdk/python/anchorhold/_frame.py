"""Questions without SQL: a frame that is never computed here, only written down as SQL.

``heart.dp`` looks like a DataFrame of the private table. What is done with it writes
SQL, which is shown; nothing is asked before ``.publish(…)``. Names and values are
quoted here and nowhere else: whatever a column is called and whatever is compared,
it stays one name or one value of the statement.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NoReturn

from ._errors import Invalid
from ._http import Http
from ._listing import Json
from ._query import Answer, Quote, ask, checked, price_of
from ._text import pre_html, visible

NOT_ASKED = "not asked yet: .quote(epsilon=0.1) says what it costs, .publish(epsilon=0.1) asks"
MOST_STEPS = 100
NUMBERS = ("int", "float", "decimal")
FUNCTIONS = {
    "count": "COUNT({})", "sum": "SUM({})", "mean": "AVG({})", "avg": "AVG({})", "std": "STDDEV({})",
    "var": "VARIANCE({})", "median": "MEDIAN({})",
}  # fmt: skip


def name_sql(name: str) -> str:
    """A name, quoted: a quotation mark in it is doubled."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise Invalid("a column has a name of at least one character, without NUL", "name a column of the table")
    return '"' + name.replace('"', '""') + '"'


def value_sql(value: Any) -> str:
    """A value, as SQL writes it."""
    value = value.item() if hasattr(value, "item") and not isinstance(value, (str, bytes)) else value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return f"({value})" if value < 0 else str(value)
    if isinstance(value, (float, Decimal)):
        if not math.isfinite(value):
            raise Invalid(f"{value} is no value to compare with", "use .isna() for what is missing")
        text = format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
        return f"({text})" if text.startswith("-") else text
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise Invalid("a time with a zone is compared with none", "give it without one: .replace(tzinfo=None)")
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, str):
        if "\0" in value:
            raise Invalid("a text with NUL is no value to compare with", "leave it out")
        return "'" + value.replace("'", "''") + "'"
    raise Invalid(
        f"a {type(value).__name__} is no value to compare with", "use a number, a text, a truth value or a date"
    )


def sql_of(x: Any) -> str:
    return x.sql if isinstance(x, Expression) else value_sql(x)


@dataclass(frozen=True, eq=False, repr=False)
class Expression:
    """A column, or what is computed of columns; of a truth value: a condition to filter by."""

    sql: str
    label: str  # what a result is called after
    frame: Frame

    def _new(self, sql: str) -> Expression:
        return Expression(sql, self.label, self.frame)

    def _with(self, op: str, other: Any, turned: bool = False) -> Expression:
        left, right = (sql_of(other), self.sql) if turned else (self.sql, sql_of(other))
        return self._new(f"({left} {op} {right})")

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return self.isna() if other is None else self._with("=", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return self.notna() if other is None else self._with("<>", other)

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: Any) -> Expression:
        return self._with("<", other)

    def __le__(self, other: Any) -> Expression:
        return self._with("<=", other)

    def __gt__(self, other: Any) -> Expression:
        return self._with(">", other)

    def __ge__(self, other: Any) -> Expression:
        return self._with(">=", other)

    def __add__(self, other: Any) -> Expression:
        return self._with("+", other)

    def __radd__(self, other: Any) -> Expression:
        return self._with("+", other, turned=True)

    def __sub__(self, other: Any) -> Expression:
        return self._with("-", other)

    def __rsub__(self, other: Any) -> Expression:
        return self._with("-", other, turned=True)

    def __mul__(self, other: Any) -> Expression:
        return self._with("*", other)

    def __rmul__(self, other: Any) -> Expression:
        return self._with("*", other, turned=True)

    def __truediv__(self, other: Any) -> Expression:
        return self._with("/", other)

    def __floordiv__(self, other: Any) -> Expression:
        return self._new(f"CAST(FLOOR({self.sql} / {sql_of(other)}) AS BIGINT)")

    def __and__(self, other: Any) -> Expression:
        return self._with("AND", other)

    def __or__(self, other: Any) -> Expression:
        return self._with("OR", other)

    def __invert__(self) -> Expression:
        return self._new(f"(NOT {self.sql})")

    def __bool__(self) -> NoReturn:
        raise Invalid(
            "a condition on a private table is neither true nor false here", "join conditions with & and |, each in ( )"
        )

    def __iter__(self) -> NoReturn:
        raise Invalid("the rows of a private table cannot be gone through", "aggregate them: .mean(), .count()")

    def isin(self, values: Iterable[Any]) -> Expression:
        """Whether it is one of some values."""
        found = [value_sql(v) for v in values]
        return self._new(f"({self.sql} IN ({', '.join(found)}))" if found else "FALSE")

    def between(self, low: Any, high: Any) -> Expression:
        """Whether it lies between two values, both of them included."""
        return self._new(f"({self.sql} BETWEEN {sql_of(low)} AND {sql_of(high)})")

    def isna(self) -> Expression:
        """Whether it is missing."""
        return self._new(f"({self.sql} IS NULL)")

    def notna(self) -> Expression:
        """Whether it is there."""
        return self._new(f"({self.sql} IS NOT NULL)")

    def floor(self) -> Expression:
        """The whole number below it."""
        return self._new(f"CAST(FLOOR({self.sql}) AS BIGINT)")

    def year(self) -> Expression:
        """The year of a date."""
        return self._new(f"YEAR({self.sql})")

    def bin(self, width: float, start: float = 0) -> Expression:
        """The number of the step of a width in which it lies, from a start: a key to group by."""
        if not width > 0:
            raise Invalid("the width of a step is above 0", "give a larger one")
        at = self.sql if start == 0 else f"({self.sql} - {value_sql(start)})"
        return Expression(f"CAST(FLOOR({at} / {value_sql(width)}) AS BIGINT)", f"{self.label}_bin", self.frame)

    def count(self) -> Question:
        """How many rows have a value."""
        return self.agg("count")

    def sum(self) -> Question:
        """The sum of values, each clamped to the bounds that the owner stated."""
        return self.agg("sum")

    def mean(self) -> Question:
        """The average."""
        return self.agg("mean")

    def std(self) -> Question:
        """The standard deviation of a sample."""
        return self.agg("std")

    def var(self) -> Question:
        """The variance of a sample."""
        return self.agg("var")

    def median(self) -> Question:
        """The median."""
        return self.agg("median")

    def quantile(self, p: float) -> Question:
        """The quantile of a share between 0 and 1."""
        if not 0 < p < 1:
            raise Invalid("a quantile is of a share between 0 and 1", "use .quantile(0.5), or a count for the rest")
        name = f"{self.label}_q{format(Decimal(repr(float(p))) * 100, 'f').rstrip('0').rstrip('.')}"
        return self.frame._ask([(name, f"QUANTILE_CONT({self.sql}, {value_sql(float(p))})")])

    def agg(self, *functions: str | Sequence[str]) -> Question:
        """Several aggregates: ``.agg("mean", "std")``."""
        names = [n for f in functions for n in ([f] if isinstance(f, str) else f)]
        return self.frame._ask([(f"{self.label}_{n}", function_sql(n, self.sql)) for n in names])

    def describe(self) -> Question:
        """How many values there are, their average and their standard deviation."""
        return self.agg("count", "mean", "std")

    def histogram(self, bins: int = 10, low: float | None = None, high: float | None = None) -> Question:
        """How many rows lie in each of several steps of equal width.

        From ``low`` to ``high``: the bounds that the owner stated, where they are left out. What lies
        outside counts in the first and the last step. Its answer names each step by where
        it begins.
        """
        stated = self.frame._bounds(self.label)
        low, high = stated[0] if low is None else low, stated[1] if high is None else high
        if low is None or high is None:
            raise Invalid(f"the owner has stated no bounds of {visible(self.label)}", "give low= and high=")
        if not (isinstance(bins, int) and 2 <= bins <= MOST_STEPS) or not math.isfinite(high - low) or not low < high:
            said = f"a histogram has between 2 and {MOST_STEPS} steps, from a number to a larger one"
            raise Invalid(said, "change bins, low or high")
        edges = tuple(low + i * (high - low) / bins for i in range(bins))
        below = " ".join(f"WHEN {self.sql} < {value_sql(edge)} THEN {i}" for i, edge in enumerate(edges[1:]))
        step = f"CASE {below} ELSE {bins - 1} END"
        q = self.frame.where(self.notna())._ask([("n", "COUNT(*)")])
        return replace(q, keys=(*q.keys, (unused(f"{self.label}_from", q), step)), edges=edges)

    def __repr__(self) -> str:
        return f"{visible(self.sql)} of a table that stays where it is; nothing is asked before .publish()"


def function_sql(name: str, argument: str) -> str:
    try:
        return FUNCTIONS[name].replace("{}", argument)
    except KeyError:
        raise Invalid(
            f"{visible(name, 40)} is no aggregate that is answered at once", f"use one of {', '.join(FUNCTIONS)}"
        ) from None


def unused(name: str, q: Question) -> str:
    taken = {n for n, _ in (*q.keys, *q.aggregates)}
    while name in taken:
        name += "_"
    return name


@dataclass(frozen=True, eq=False, repr=False)
class Frame:
    """A private table, to ask about without SQL: ``heart.dp[heart.dp.age >= 50].groupby("sex").chol.mean()``."""

    http: Http = field(repr=False)
    dataset: str
    table: str
    columns: tuple[tuple[str, str], ...]  # name and type
    privacy: Json
    conditions: tuple[str, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()

    def __getattr__(self, name: str) -> Expression:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in dict(self.columns):
            raise AttributeError(f"no column {name!r}; there are {', '.join(n for n, _ in self.columns)}")
        return self._column(name)

    def _column(self, name: str) -> Expression:
        return Expression(name_sql(name), name, self)

    def __getitem__(self, key: str | Expression) -> Any:
        """A column by its name, or the rows for which a condition holds."""
        if isinstance(key, Expression):
            return self.where(key)
        if self.columns and key not in dict(self.columns):
            raise Invalid(
                f"there is no column {visible(key, 60)}",
                f"use one of {', '.join(visible(n, 60) for n, _ in self.columns)}",
            )
        return self._column(key)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(n for n, _ in self.columns if n.isidentifier())})

    def __iter__(self) -> Iterator[NoReturn]:
        raise Invalid("the rows of a private table cannot be gone through", "aggregate them: .groupby(…).age.mean()")

    def __len__(self) -> int:
        raise Invalid("how many rows there are is a question, too", "ask it: .size().publish(epsilon=0.1)")

    def __bool__(self) -> bool:
        return True

    def where(self, *conditions: Expression) -> Frame:
        """The rows for which all conditions hold."""
        return replace(self, conditions=(*self.conditions, *(c.sql for c in conditions)))

    def groupby(self, *keys: str | Expression | Sequence[str | Expression]) -> Frame:
        """One result for each value of one or more columns."""
        flat = [k for key in keys for k in ([key] if isinstance(key, (str, Expression)) else key)]
        named = [self[k] if isinstance(k, str) else k for k in flat]
        return replace(self, keys=(*self.keys, *((k.label, k.sql) for k in named)))

    def size(self) -> Question:
        """How many rows there are."""
        return self._ask([("n", "COUNT(*)")])

    def units(self) -> Question:
        """How many privacy units there are: people, where a unit is a person."""
        of = self._stated()
        if of.get("row"):
            return self._ask([("units", "COUNT(*)")])
        columns = of.get("unit") or []
        if len(columns) != 1:
            raise Invalid("the owner has not stated a column that names a unit in this table", "count rows: .size()")
        return self._ask([("units", f"COUNT(DISTINCT {name_sql(str(columns[0]))})")])

    def agg(self, **named: str | tuple[str | Expression, str]) -> Question:
        """Several aggregates, by the names of results: ``agg(n="size", age=("age", "mean"))``."""
        found = []
        for name, what in named.items():
            if isinstance(what, str):
                if what != "size":
                    raise Invalid(
                        f"{visible(name, 60)} says of no column what it is",
                        f'write {name}=("age", "mean"), or {name}="size"',
                    )
                found.append((name, "COUNT(*)"))
            else:
                column, function = what
                sql = column.sql if isinstance(column, Expression) else self[column].sql
                found.append((name, function_sql(function, sql)))
        return self._ask(found)

    def describe(self) -> Question:
        """Number, average and standard deviation of each column of numbers whose bounds are stated."""
        bounded = [
            n for n, t in self.columns if t in NUMBERS and self._bounds(n) != (None, None) and n not in dict(self.keys)
        ]
        if not bounded:
            raise Invalid(
                "the owner has stated bounds of no column of numbers", "ask the owner, or count rows: .size()"
            )
        return self._ask([a for n in bounded for a in self[n].describe().aggregates])

    def _ask(self, aggregates: list[tuple[str, str]]) -> Question:
        if not aggregates:
            raise Invalid("nothing is asked", 'name an aggregate: .agg(n="size")')
        return Question(self, self.keys, tuple(aggregates))

    def _stated(self) -> Json:
        found = (self.privacy.get("assets") or {}).get(self.table)
        return found if isinstance(found, dict) else {}

    def _bounds(self, column: str) -> tuple[float | None, float | None]:
        said = (self._stated().get("columns") or {}).get(column) or {}
        try:
            return float(said["low"]), float(said["high"])
        except (KeyError, TypeError, ValueError):
            return None, None

    def __repr__(self) -> str:
        of = ", ".join(f"{visible(n, 60)} {t}" for n, t in self.columns)
        by = f"; by {', '.join(visible(n, 60) for n, _ in self.keys)}" if self.keys else ""
        where = f"; where {visible(' AND '.join(self.conditions))}" if self.conditions else ""
        return f"{visible(self.dataset)}/{visible(self.table)}, to ask about without seeing it: {of}{where}{by}"


@dataclass(frozen=True, eq=False, repr=False)
class Question:
    """A question that was not asked yet: ``.sql`` shows it, ``.quote()`` its price, ``.publish()`` asks it."""

    frame: Frame
    keys: tuple[tuple[str, str], ...]
    aggregates: tuple[tuple[str, str], ...]
    order: str = ""
    most: int | None = None
    edges: tuple[float, ...] = ()

    @property
    def sql(self) -> str:
        """The question as SQL, at the price that the owner set for questions without one."""
        return self.sql_at("")

    def sql_at(self, options: str) -> str:
        """The question as SQL, with options of GoogleSQL's clause such as "epsilon=0.5"."""
        items = [
            f"{sql} AS {name_sql(name)}" if sql != name_sql(name) else sql
            for name, sql in (*self.keys, *self.aggregates)
        ]
        if len({n for n, _ in (*self.keys, *self.aggregates)}) != len(items):
            raise Invalid("two results have one name", "name them: .agg(a=(…), b=(…))")
        clause = f"WITH DIFFERENTIAL_PRIVACY OPTIONS({options}) " if options else ""
        lines = [f"SELECT {clause}{', '.join(items)}", f"FROM {name_sql(self.frame.table)}"]
        if self.frame.conditions:
            lines.append("WHERE " + " AND ".join(self.frame.conditions))
        if self.keys:
            keys = ", ".join(sql for _, sql in self.keys)
            lines += [f"GROUP BY {keys}", f"ORDER BY {self.order or keys}"]
        if self.most is not None:
            lines.append(f"LIMIT {self.most}")
        return "\n".join(lines)

    def sort_values(self, by: str, ascending: bool = True) -> Question:
        """Order the answer by one of its columns."""
        if by not in {n for n, _ in (*self.keys, *self.aggregates)}:
            raise Invalid(f"the answer has no column {visible(by, 60)}", "name one of its own columns")
        return replace(self, order=name_sql(by) + ("" if ascending else " DESC"))

    def head(self, n: int = 5) -> Question:
        """The first rows of the answer."""
        if not isinstance(n, int) or n < 1:
            raise Invalid("the first rows are at least one", "give a whole number above 0")
        return replace(self, most=n)

    def quote(
        self, *, epsilon: float | str | None = None, sigma: float | None = None, within: float | None = None,
        delta: float | str | None = None, level: float = 0.95, study: str | None = None,
    ) -> Quote:  # fmt: skip
        """Say what an answer would cost and how exact it would be; nothing is charged."""
        sql = self._priced(epsilon, sigma, within, delta, level, study)
        return price_of(self.frame.http, self.frame.dataset, sql, study, level)

    def publish(
        self, *, epsilon: float | str | None = None, sigma: float | None = None, within: float | None = None,
        delta: float | str | None = None, level: float = 0.95, study: str | None = None,
    ) -> Answer:  # fmt: skip
        """Ask, and have the answer at once; it is charged.

        Name one of: ``epsilon``, what the answer may cost; ``sigma``, how large the noise of its
        counts and sums shall be at most; ``within``, the half-width of their intervals, which hold with
        the probability ``level``. With none of them it costs what the owner set for questions
        without a price.
        """
        sql = self._priced(epsilon, sigma, within, delta, level, study)
        found = ask(self.frame.http, self.frame.dataset, sql, study, level)
        return Steps(found._data, self.frame.http, len(self.frame.keys), self.edges) if self.edges else found

    def _priced(
        self,
        epsilon: float | str | None,
        sigma: float | None,
        within: float | None,
        delta: float | str | None,
        level: float,
        study: str | None,
    ) -> str:
        checked(level)
        given = [x for x in (epsilon, sigma, within) if x is not None]
        if len(given) > 1 or (not given and delta is not None):
            raise Invalid(
                "the price of an answer is said in one way",
                "give one of epsilon=, sigma= and within=; delta= beside it",
            )
        options = [f"delta={positive(delta, 'delta')}"] if delta is not None else []
        if epsilon is not None:
            options.insert(0, f"epsilon={positive(epsilon, 'epsilon')}")
        elif within is not None:
            options.insert(0, f"within={positive(within, 'within')}, confidence={positive(level, 'level')}")
        elif sigma is not None:
            return self._at_sigma(float(positive(sigma, "sigma")), options, level, study)
        return self.sql_at(", ".join(options))

    def _at_sigma(self, sigma: float, options: list[str], level: float, study: str | None) -> str:
        """The half-width of an interval is a multiple of σ: which one, a quote tells."""

        def sql(half: float) -> str:
            return self.sql_at(
                ", ".join([f"within={positive(half, 'sigma')}, confidence={positive(level, 'level')}", *options])
            )

        half = 2 * sigma
        found = price_of(self.frame.http, self.frame.dataset, sql(half), study, level)
        noises = [deviation(c["noise"]) for c in found._items("items") if isinstance(c.get("noise"), dict)]
        if not noises:
            raise Invalid(
                "no column of this answer is a number with noise of one size", "name epsilon= or within= instead"
            )
        return sql(half * sigma / max(noises))

    def __repr__(self) -> str:
        return f"{visible_sql(self.sql)}\n-- {NOT_ASKED}"

    def _repr_html_(self) -> str:
        return f"{pre_html(self.sql)}<p>{NOT_ASKED}</p>"


def visible_sql(sql: str) -> str:
    return "\n".join(visible(line, 10_000) for line in sql.split("\n"))


class Steps(Answer):
    """The answer of a histogram: its steps are told by where they begin."""

    def __init__(self, data: Json, http: Http, key: int, edges: tuple[float, ...]) -> None:
        super().__init__(data, http)
        self._key, self._edges = key, edges

    def _rows(self) -> list[list[Json]]:
        rows = super()._rows()
        for row in rows:
            at = row[self._key].get("value")
            if isinstance(at, (int, float)) and 0 <= int(at) < len(self._edges):
                row[self._key] = {"value": self._edges[int(at)]}
        return rows


def positive(x: float | str, what: str) -> str:
    """A number above 0 as a decimal."""
    try:
        number = Decimal(x) if isinstance(x, str) else Decimal(repr(float(x)))
    except (ArithmeticError, TypeError, ValueError):
        number = Decimal(0)
    if not (number.is_finite() and number > 0):
        raise Invalid(f"{what} is a number above 0", f"give one, such as {what}=0.5")
    return format(number, "f")


def deviation(noise: Json) -> float:
    """The standard deviation of a noise."""
    scale = float(noise.get("scale") or 0)
    return scale * math.sqrt(2) if "laplace" in str(noise.get("mechanism")) else scale
