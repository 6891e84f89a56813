"""Datasets and their mocks: what a researcher may see of data that stays away.

A mock is fetched once, checked against the hash on the dataset's card and kept
in the user's cache folder. It is read exactly as the site will read the private
table, so that code that works on the mock meets the same types there.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import InvalidResult, NotFound, TooLarge, Unavailable
from ._http import Http, quote
from ._listing import Json, Listing, Record, need
from ._text import escaped, facts_html, table_html, table_text, visible

if TYPE_CHECKING:
    import numpy
    import pandas
    import pyarrow

    from ._inputs import Batches, Files


NEEDED = {
    "arrow": ("pyarrow",),
    "batches": ("pyarrow",),
    "polars": ("pyarrow", "polars"),
    "numpy": ("pyarrow", "numpy", "pandas"),
    "dataframe": ("pyarrow", "numpy", "pandas"),
    "tensors": ("numpy",),
    "files": (),
}


class Mock:
    """The public twin of an asset: invented or harmless rows with the private table's columns."""

    def __init__(self, http: Http, dataset: str, asset: str, version: Json) -> None:
        self._http = http
        self._dataset = dataset
        self._asset = asset
        self._version = version
        self._mock: Json = version["mock"]

    @property
    def format(self) -> str:
        """The file's format: csv, parquet, arrow, npy and so on."""
        return str(self._mock.get("format", ""))

    @property
    def rows(self) -> int:
        """Number of rows of the mock; the private table may have another."""
        return int(self._mock.get("rows", 0))

    def path(self) -> Path:
        """The mock as a file on this machine, or of an asset of files as a folder."""
        if self.format != "tar":
            return self._file()
        files = self.files()
        for file in files.values():
            file.path  # noqa: B018 (makes the copy)
        return self._folder()

    def _folder(self) -> Path:
        return cache_folder() / f"{self._file().stem}-files"

    def files(self) -> Files:
        """The mock's files by name; for an asset of files."""
        archive = self._file()
        found = []
        try:
            with tarfile.open(archive, "r:") as tar:
                for entry in tar:
                    if not entry.isreg() or not plain_path(entry.name):
                        raise tarfile.TarError("a name or kind of file that a mock cannot have")
                    found.append((entry.name, entry.offset_data, entry.size))
        except tarfile.TarError:
            raise InvalidResult("the mock is not an archive of plain files", "tell the site's owner") from None
        from ._inputs import Files

        handle = open(archive, "rb")  # noqa: SIM115 (open for as long as the files are used)
        files = Files([(n, handle.fileno(), at, size) for n, at, size in found], lambda: os.fspath(self._folder()))
        files.__dict__["_archive"] = handle
        return files

    def _file(self) -> Path:
        wanted = str(self._mock.get("sha256", "")).removeprefix("sha256:")
        if len(wanted) != 64 or not wanted.isalnum() or not re.fullmatch("[a-z0-9]{1,32}", self.format):
            raise InvalidResult("the mock's description is not one that this package knows", "update this package")
        path = cache_folder() / f"{wanted}.{self.format}"
        if not has_hash(path, wanted):
            data = self._http.file(f"/v1/datasets/{quote(self._dataset)}/assets/{quote(self._asset)}/mock")
            if hashlib.sha256(data).hexdigest() != wanted:
                raise InvalidResult(
                    "the mock is not the file that its card describes", "try again; tell the site's owner"
                )
            keep(path, data)
        return path

    def to_arrow(self) -> pyarrow.Table:
        """The mock as a pyarrow Table."""
        return self._read("arrow")

    def to_pandas(self) -> pandas.DataFrame:
        """The mock as a pandas DataFrame."""
        found: pandas.DataFrame = self._read("dataframe")
        return found

    def to_numpy(self) -> numpy.ndarray[Any, Any]:
        """The mock as a NumPy array."""
        found: numpy.ndarray[Any, Any] = self._read("numpy")
        return found

    def to_polars(self) -> Any:
        """The mock as a polars.DataFrame."""
        return self._read("polars")

    def batches(self) -> Batches:
        """The mock as an iterator of pyarrow.RecordBatch."""
        found: Batches = self._read("batches")
        return found

    def tensors(self) -> dict[str, numpy.ndarray[Any, Any]]:
        """The mock as NumPy arrays by name."""
        found: dict[str, numpy.ndarray[Any, Any]] = self._read("tensors")
        return found

    def _read(self, kind: str) -> Any:
        for module in NEEDED[kind]:
            need(module)
        from . import _inputs

        columns = [{"name": c.get("name"), "type": c.get("type")} for c in self._version.get("columns") or []]
        spec = {"type": kind, "format": self.format, "columns": columns, "missing": self._version.get("missing") or []}
        try:
            return _inputs.read_input(os.fspath(self._file()), spec)
        except _inputs.InputRefused as e:
            raise InvalidResult(visible(e, 2000), "read it yourself from .path()") from None

    def __repr__(self) -> str:
        return f"<Mock of {visible(self._dataset)}/{visible(self._asset)}, {self.rows} rows: .to_pandas(), .path()>"


class Asset:
    """One table of a dataset. Its private side stays at the site; its mock is here."""

    def __init__(self, http: Http, dataset: str, data: Json) -> None:
        self._http = http
        self._data = data
        self.dataset = dataset

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
        head = ("column", "type", "unit", "description", "facts")
        return Listing(list(self.version.get("columns") or []), head, column_row)

    @property
    def mock(self) -> Mock:
        """The public twin, to write code against."""
        if not isinstance(self.version.get("mock"), dict):
            raise NotFound(
                f"{visible(self.dataset)}/{visible(self.name)} has no mock that you may see", "ask the owner for one"
            )
        return Mock(self._http, self.dataset, self.name, self.version)

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
        column.get("type"),
        column.get("unit") or "",
        column.get("description") or "",
        ", ".join(facts),
    ]


class Dataset(Record):
    """A described group of tables about one population."""

    def __init__(self, http: Http, data: Json) -> None:
        super().__init__(data)
        self._http = http
        self.assets = {str(a.get("name")): Asset(http, self.name, a) for a in self._items("assets")}

    @property
    def name(self) -> str:
        """The name by which the site knows it."""
        return self._text("name")

    @property
    def title(self) -> str:
        """A title for people."""
        return self._text("title") or self.name

    @property
    def description(self) -> str:
        """What the owner says about it."""
        return self._text("description")

    @property
    def license(self) -> str:
        """Under which terms the mock is given."""
        return self._text("license")

    @property
    def tags(self) -> list[str]:
        """Words to find it by."""
        return self._words("tags")

    @property
    def duo(self) -> list[str]:
        """What it may be used for: codes of the GA4GH Data Use Ontology."""
        return self._words("duo")

    @property
    def contacts(self) -> Listing[Json]:
        """Who answers for it."""
        head = ("name", "email", "role")
        return Listing(self._items("contacts"), head, lambda c: [c.get("name"), c.get("email"), c.get("role")])

    @property
    def asking(self) -> Json:
        """How to ask: what is "automatic", what is "reviewed", the usual "wait", and the "contact" to ask first."""
        found = self._data.get("asking")
        return dict(found) if isinstance(found, dict) else {}

    @property
    def state(self) -> str:
        """Whether it takes requests: open, frozen or withdrawn."""
        return self._text("state") or "open"

    @property
    def reason(self) -> str:
        """Why it is not open, where the owner says so."""
        halt = self._data.get("halt")
        return str(halt.get("reason") or "") if isinstance(halt, dict) else ""

    def update(
        self,
        *,
        title: str | None = None,
        description: str | None = None,
        license: str | None = None,  # noqa: A002 - the word for it everywhere
        visibility: str | None = None,
        quorum: int | None = None,
        tags: Iterable[str] | None = None,
        duo: Iterable[str] | None = None,
        contacts: Iterable[Json] | None = None,
        asking: Json | None = None,
        parts: Json | None = None,
        columns: Json | None = None,
        samples: Json | None = None,
    ) -> Dataset:
        """Change the card; for owners. What is not given stays as it was.

        ``tags``, ``duo`` and ``contacts`` replace all that there are. ``parts`` says to
        whom columns, counts or mock are shown: ``{"mock": "hidden"}``, ``{"counts":
        "public"}`` or ``{"columns": ["ada@example.org"]}``. ``columns`` says what columns
        mean: ``{"age": "Age in years"}`` or ``{"age": {"description": ..., "unit": "a"}}``,
        and ``{"patients": {"age": ...}}`` where there are several tables. ``samples`` says
        how many rows an output of the kind samples may hold, and which columns the site
        takes out of it: ``{"rows": 20, "mask": ["name"]}``; no rows, no samples.
        """
        body: Json = {"title": title, "description": description, "license": license, "visibility": visibility}
        body |= {"quorum": quorum, "asking": asking, "samples": samples}
        for name, several in (("tags", tags), ("duo", duo), ("contacts", contacts)):
            body[name] = several if several is None else list(several)
        if parts is not None:
            body["parts"] = {part: audience(to) for part, to in parts.items()}
        if columns is not None:
            body["columns"] = self._column_edits(columns)
        given = {k: v for k, v in body.items() if v is not None}
        self.__init__(self._http, self._http.patch(f"/v1/datasets/{quote(self.name)}", given))  # type: ignore[misc]
        return self

    def freeze(self, reason: str, *, show_reason: bool = False) -> Dataset:
        """Take no new request and begin no new run; for owners. What runs already ends held."""
        return self._turn("freeze", reason, show_reason)

    def thaw(self, reason: str) -> Dataset:
        """Let a frozen dataset go on; for owners."""
        return self._turn("thaw", reason, False)

    def withdraw(self, reason: str, *, confirm: str, show_reason: bool = False) -> Json:
        """Take the dataset back for good; for owners. ``confirm`` is its name once more.

        Grants are revoked; mocks, copies, indexes, answers, logs and trials are deleted. The
        books stay. What is returned says what was done, and under "released" what cannot
        be recalled.
        """
        body = {"reason": reason, "confirm": confirm, "show_reason": show_reason}
        found: Json = self._http.post(f"/v1/datasets/{quote(self.name)}/withdrawal", body)
        return found

    def _turn(self, way: str, reason: str, show_reason: bool) -> Dataset:
        body = {"reason": reason, "show_reason": show_reason}
        data = self._http.post(f"/v1/datasets/{quote(self.name)}/{way}", body)
        self.__init__(self._http, data)  # type: ignore[misc]
        return self

    def _column_edits(self, columns: Json) -> list[Json]:
        tables = columns if len(self.assets) != 1 else {self.only.name: columns}
        edits = []
        for table, said in tables.items():
            for column, what in said.items():
                more = {"description": what} if isinstance(what, str) else dict(what)
                edits.append({"asset": table, "name": column, **more})
        return edits

    def _words(self, name: str) -> list[str]:
        value = self._data.get(name)
        return [str(v) for v in value] if isinstance(value, list) else []

    def __getitem__(self, asset: str) -> Asset:
        found = self.assets.get(asset)
        if found is None:
            have = ", ".join(map(visible, self.assets)) or "none"
            raise NotFound(f"{visible(self.name)} has no asset {visible(asset)!r}", f"its assets: {have}")
        return found

    def __iter__(self) -> Iterator[Asset]:
        return iter(self.assets.values())

    def __len__(self) -> int:
        return len(self.assets)

    @property
    def only(self) -> Asset:
        """The asset of a dataset that has one."""
        if len(self.assets) != 1:
            have = ", ".join(map(visible, self.assets)) or "none"
            raise NotFound(
                f"{visible(self.name)} has {len(self.assets)} assets ({have})",
                f'choose one: dataset["{visible(next(iter(self.assets), "name"))}"]',
            )
        return next(iter(self.assets.values()))

    @property
    def mock(self) -> Mock:
        """The mock of a dataset that has one asset."""
        return self.only.mock

    def card(self) -> Json:
        """The dataset's Croissant description (JSON-LD)."""
        found: Json = self._http.get(f"/v1/datasets/{quote(self.name)}/card")
        return found

    def _rows(self) -> list[list[object]]:
        rows = []
        for a in self:
            mock = a.version.get("mock") or {}
            columns = ", ".join(str(c.get("name")) for c in a.version.get("columns") or [])
            rows.append([a.name, a.version.get("number", ""), mock.get("rows", "no mock"), columns])
        return rows

    _HEAD = ("asset", "version", "mock rows", "columns")

    def __repr__(self) -> str:
        about = [visible(self.title) + f" ({visible(self.name)})", visible(self.description)]
        if self.state != "open":
            about.append(visible(f"{self.state}: {self.reason}" if self.reason else self.state))
        about += [f"{name}: {visible(text)}" for name, text in self.asking.items() if text]
        return "\n".join([*filter(None, about), table_text(self._HEAD, self._rows())])

    def _repr_html_(self) -> str:
        facts: list[tuple[str, object]] = [("name", self.name), ("description", self.description)]
        facts += [("license", self.license), ("tags", ", ".join(self.tags)), ("data use", ", ".join(self.duo))]
        facts += [("state", self.state), ("reason", self.reason), *self.asking.items()]
        return facts_html(self.title, facts) + table_html(self._HEAD, self._rows())


class Datasets:
    """The datasets that you may see: by name, or all of them."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def __getitem__(self, name: str) -> Dataset:
        try:
            return Dataset(self._http, self._http.get(f"/v1/datasets/{quote(name)}"))
        except NotFound as e:
            message = f"there is no dataset {visible(name)!r} that you may see"
            raise NotFound(message, "see site.datasets for their names", status=e.status) from None

    def search(
        self,
        words: str = "",
        *,
        column: str | Iterable[str] = (),
        tag: str | Iterable[str] = (),
        duo: str | Iterable[str] = (),
    ) -> Listing[Dataset]:
        """Datasets that have all of what is named.

        A word is the beginning of a word of the card or of its columns; a column, a tag
        and a term of the Data Use Ontology ("GRU", "DUO:0000042") are whole names.
        """
        query: Json = {"q": words, "column": several(column), "tag": several(tag), "duo": several(duo)}
        found = [Dataset(self._http, d) for d in self._http.pages("/v1/datasets", query)]
        return Listing(
            found, ("name", "title", "assets", "state"), lambda d: [d.name, d.title, ", ".join(d.assets), d.state]
        )

    def __iter__(self) -> Iterator[Dataset]:
        return iter(self.search())

    def __len__(self) -> int:
        return len(self.search())

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and bool(self[name].name)
        except NotFound:
            return False

    def __repr__(self) -> str:
        return repr(self.search())

    def _repr_html_(self) -> str:
        return self.search()._repr_html_()


def several(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def audience(to: str | Iterable[str] | Json) -> Json:
    """To whom a part of a card is shown: an audience, or the people named."""
    if isinstance(to, str):
        return {"to": to}
    return dict(to) if isinstance(to, dict) else {"to": "named", "people": list(to)}


def plain_path(name: str) -> bool:
    """Whether a name leads nowhere but into its own folder, on every system."""
    parts = name.split("/")
    return not any(p in ("", ".", "..") or set(p) & set('\\:*?"<>|') or not p.isprintable() for p in parts)


def cache_folder() -> Path:
    """Where mocks are kept: public twins, so that nothing private ever lies there."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    folder = (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "anchorhold" / "mocks"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as e:
        raise Unavailable(
            f"{folder} cannot be written: {e.strerror}", "set XDG_CACHE_HOME to a folder of yours"
        ) from None
    return folder


def has_hash(path: Path, wanted: str) -> bool:
    """Whether a file is there and whole."""
    try:
        with open(path, "rb") as f:
            whole = hashlib.sha256()
            while chunk := f.read(1 << 20):
                whole.update(chunk)
    except OSError:
        return False
    return whole.hexdigest() == wanted


def keep(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(data)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as e:
        raise TooLarge(f"the mock cannot be kept in {path.parent}: {e.strerror}", "make room there") from None
