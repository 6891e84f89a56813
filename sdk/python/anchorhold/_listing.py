"""Records of the API and lists of them, which show themselves as text.

A record keeps the JSON that the site sent, so that a member that a newer site
adds is there and one that an older site lacks is merely absent.
"""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ._errors import Invalid, Unavailable
from ._http import Http, quote
from ._text import facts_html, facts_text, table_html, table_text

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")
Json = dict[str, Any]


class Record:
    """One thing of the site, as its JSON says it."""

    def __init__(self, data: Json) -> None:
        self._data = data

    @property
    def raw(self) -> Json:
        """A copy of the JSON that the site sent."""
        return copy.deepcopy(self._data)

    @property
    def id(self) -> str:
        """Its opaque id."""
        return str(self._data.get("id", ""))

    def _text(self, name: str) -> str:
        value = self._data.get(name)
        return "" if value is None else str(value)

    def _items(self, name: str) -> list[Json]:
        value = self._data.get(name)
        return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []

    def _time(self, name: str) -> datetime | None:
        return parse_time(self._data.get(name))

    def _title(self) -> str:
        return f"{type(self).__name__} {self.id}"

    def _facts(self) -> list[tuple[str, object]]:
        return [(k, v) for k, v in self._data.items() if isinstance(v, (str, int, float, bool))]

    def __repr__(self) -> str:
        return facts_text(self._title(), self._facts())

    def _repr_html_(self) -> str:
        return facts_html(self._title(), self._facts())


class Listing(Sequence[T], Generic[T]):
    """A list that shows itself as a table."""

    def __init__(self, items: list[T], head: Sequence[str], row: Callable[[T], Sequence[object]]) -> None:
        self._list = items
        self._head = head
        self._row = row

    def __len__(self) -> int:
        return len(self._list)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Listing[T]: ...

    def __getitem__(self, index: int | slice) -> T | Listing[T]:
        if isinstance(index, slice):
            return Listing(self._list[index], self._head, self._row)
        return self._list[index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._list)

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a DataFrame."""
        pd = need("pandas")
        rows = [list(self._row(i)) for i in self._list]
        return pd.DataFrame(rows, columns=list(self._head))  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return table_text(self._head, map(self._row, self._list)) if self._list else "(none)"

    def _repr_html_(self) -> str:
        return table_html(self._head, map(self._row, self._list)) if self._list else "<em>(none)</em>"


class Collection(ABC, Generic[T]):
    """Things of one kind at a site: one by its id, or all of them as a list that shows itself."""

    _path: str

    def __init__(self, http: Http) -> None:
        self._http = http

    @abstractmethod
    def _one(self, data: Json) -> T: ...

    @abstractmethod
    def all(self) -> Listing[T]:
        """All that you may see, newest first."""

    def __getitem__(self, id: str) -> T:  # noqa: A002
        return self._one(self._http.get(f"{self._path}/{quote(id)}"))

    def __iter__(self) -> Iterator[T]:
        return iter(self.all())

    def __repr__(self) -> str:
        return repr(self.all())

    def _repr_html_(self) -> str:
        return self.all()._repr_html_()


def need(module: str) -> Any:
    """An optional library, or how to get it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        raise Unavailable(
            f"{module} is not installed", f"run: pip install {' '.join(dict.fromkeys([module, 'pandas']))}"
        ) from None


def parse_time(value: object) -> datetime | None:
    """A time of the API (RFC 3339); None where there is none, or none that can be read."""
    if not isinstance(value, str):
        return None
    text = re.sub(r"\.(\d{1,6})\d*", lambda m: "." + m[1].ljust(6, "0"), value.replace("Z", "+00:00"))
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def expiry(value: str | timedelta | datetime) -> str:
    """A time to come as RFC 3339: from "30d", "12h", a timedelta or a datetime."""
    now = datetime.now(timezone.utc)
    match = re.fullmatch(r"(\d{1,6})([smhdw])", value.strip()) if isinstance(value, str) else None
    if match:
        value = timedelta(**{UNITS[match[2]]: int(match[1])})
    try:
        when = now + value if isinstance(value, timedelta) else parse_time(value) if isinstance(value, str) else value
    except OverflowError:
        when = None
    if when is None:
        raise Invalid("expires is not a time", 'write it like "30d", "12h" or "2030-01-31T12:00:00Z"')
    if when.tzinfo is None:
        when = when.astimezone()
    when = when.astimezone(timezone.utc)
    if when <= now:
        raise Invalid("expires is in the past", "give a time to come")
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def short_time(value: object) -> str:
    """A time as people read it in a table."""
    when = parse_time(value)
    return when.astimezone().strftime("%Y-%m-%d %H:%M") if when else ""
