"""What is in a dataset: assets with a private side that stays away, and what inspecting data finds."""

from __future__ import annotations

from ._errors import Invalid, NotFound
from ._frame import Frame
from ._http import Http
from ._listing import Json, Listing, Record
from ._mock import Mock
from ._text import escaped, visible


class Asset:
    """One table of a dataset. Its private side stays at the site; its mock is here."""

    HEAD = ("column", "type", "unit", "description", "facts")

    def __init__(self, http: Http, dataset: str, data: Json, privacy: Json | None = None) -> None:
        self._http = http
        self._data = data
        self.dataset = dataset
        self._privacy = privacy or {}

    @property
    def name(self) -> str:
        """The asset's name within its dataset."""
        return str(self._data.get("name", ""))

    @property
    def kind(self) -> str:
        """What it is to code: table, array, tensors or files."""
        return str(self._data.get("kind") or "table")

    @property
    def version(self) -> Json:
        """The current version, as the site describes it."""
        found = self._data.get("version")
        return dict(found) if isinstance(found, dict) else {}

    @property
    def columns(self) -> Listing[Json]:
        """The columns of the card: name, type, unit, description and facts."""
        return Listing(list(self.version.get("columns") or []), self.HEAD, column_row)

    @property
    def mock(self) -> Mock:
        """The public twin, to write code against."""
        if not isinstance(self.version.get("mock"), dict):
            raise NotFound(
                f"{visible(self.dataset)}/{visible(self.name)} has no mock that you may see", "ask the owner for one"
            )
        return Mock(self._http, self.dataset, self.name, self.version)

    @property
    def dp(self) -> Frame:
        """The private table, to ask about without SQL; see ``Dataset.dp``."""
        if self.kind != "table":
            raise Invalid(f"{visible(self._title())} is no table", "submit code for it: site.submit(…)")
        of = tuple((str(c.get("name")), str(c.get("type"))) for c in self.columns)
        return Frame(self._http, self.dataset, self.name, of, self._privacy)

    def _title(self) -> str:
        return f"{self.dataset}/{self.name}"

    def __repr__(self) -> str:
        columns = self.columns
        return f"{visible(self._title())}, version {visible(self.version.get('number', ''))}\n{columns!r}"

    def _repr_html_(self) -> str:
        return f"<strong>{escaped(self._title())}</strong>{self.columns._repr_html_()}"


def column_row(column: Json) -> list[object]:
    facts = [f"{f.get('name')} {f.get('value')} ({f.get('provenance')})" for f in column.get("facts") or []]
    return [
        column.get("name"),
        _type_text(column) + (", required" if column.get("required") else ""),
        column.get("unit") or "",
        column.get("description") or "",
        ", ".join(facts),
    ]


def _type_text(column: Json) -> str:
    kind = str(column.get("type") or "")
    fields = column.get("fields") or []
    if not fields:
        return kind
    parts = [_type_text(f) if kind != "struct" else f"{f.get('name')} {_type_text(f)}" for f in fields]
    return f"{kind}<{', '.join(parts)}>"


def proposals(found: Json) -> Listing[Json]:
    """Facts that a mock would reveal, as a site lists them."""
    return Listing(
        list(found.get("proposals") or []),
        ("code", "state", "what everybody who may see the mock learns"),
        lambda p: [p.get("code"), "confirmed" if p.get("confirmed") else "proposed", p.get("says")],
    )


class Inspection(Record):
    """What a site finds in data before they are registered, for their owner's eyes."""

    @property
    def rows(self) -> int:
        """Number of rows, items or files."""
        return int(self._data.get("rows") or 0)

    @property
    def columns(self) -> Listing[Json]:
        """The columns, with the facts that a generated mock would reveal if they are confirmed."""
        return Listing(self._items("columns"), Asset.HEAD, column_row)

    @property
    def proposals(self) -> Listing[Json]:
        """What generated mocks would reveal, fact by fact, with a code each: ``add(confirm=...)`` takes it."""
        return proposals(self._data)

    @property
    def facts(self) -> Listing[Json]:
        """Facts of the whole, such as its number of rows."""
        head = ("fact", "value", "provenance")
        return Listing(self._items("facts"), head, lambda f: [f.get("name"), f.get("value"), f.get("provenance")])

    def __repr__(self) -> str:
        return f"{self.rows} rows; a mock would reveal what you confirm:\n{self.columns!r}"

    def _repr_html_(self) -> str:
        return f"<p>{self.rows} rows; a mock would reveal what you confirm:</p>{self.columns._repr_html_()}"
