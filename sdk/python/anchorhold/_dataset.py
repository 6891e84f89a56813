"""Datasets: what a researcher may see of data that stays away, and how owners offer them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ._asset import Asset, Inspection, proposals
from ._errors import Invalid, NotFound
from ._frame import Frame
from ._http import Http, quote
from ._listing import Json, Listing, Record
from ._mock import Mock
from ._offer import HOURS, UNNAMED, Options, add, add_version, codes_of, inspect_data
from ._progress import Report
from ._query import Answer, Quote, ask, price_of
from ._run import PRIORITIES
from ._text import facts_html, table_html, table_text, visible

if TYPE_CHECKING:
    from ._offer import Confirm, Source


class Dataset(Record):
    """A described group of tables about one population."""

    def __init__(self, http: Http, data: Json) -> None:
        super().__init__(data)
        self._http = http
        stated = data.get("privacy")
        stated = stated if isinstance(stated, dict) else {}
        self.assets = {str(a.get("name")): Asset(http, self.name, a, stated) for a in self._items("assets")}

    def sql(self, sql: str, *, study: str | None = None, level: float = 0.95) -> Answer:
        """Ask an aggregate question in SQL and have the answer at once.

        It has noise that hides every single person, and a ± that says how much; what
        it costs is charged to the owner's limits of exposure. The price stands in the
        question, or is the owner's: ``SELECT WITH DIFFERENTIAL_PRIVACY
        OPTIONS(epsilon=0.5) sex, COUNT(*) AS n FROM patients GROUP BY sex``. At the limit
        it is refused, with what still fits.
        """
        return ask(self._http, self.name, sql, study, level)

    def quote(self, sql: str, *, study: str | None = None, level: float = 0.95) -> Quote:
        """Say what a question would cost and how exact it would be; nothing is charged."""
        return price_of(self._http, self.name, sql, study, level)

    @property
    def dp(self) -> Frame:
        """Its table, to ask about without SQL: ``heart.dp.groupby("sex").age.mean().publish(epsilon=0.5)``.

        What is done with it writes the SQL that ``.sql`` shows; ``.quote(epsilon=0.5)`` says what
        an answer would cost, and nothing is asked before ``.publish(…)``. Of several tables,
        name one: ``visits["stays"].dp``.
        """
        return self.only.dp

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
        priority: str | None = None,
    ) -> Dataset:
        """Change the card; for owners. What is not given stays as it was.

        ``tags``, ``duo`` and ``contacts`` replace all that there are. ``parts`` says to
        whom columns, counts or mock are shown: ``{"mock": "hidden"}``, ``{"counts":
        "public"}`` or ``{"columns": ["ada@example.org"]}``. ``columns`` says what columns
        mean: ``{"age": "Age in years"}`` or ``{"age": {"description": ..., "unit": "a"}}``,
        and ``{"patients": {"age": ...}}`` where there are several tables. ``samples`` says
        how many rows an output of the kind samples may hold, and which columns the site
        takes out of it: ``{"rows": 20, "mask": ["name"]}``; no rows, no samples.
        ``priority`` is low, normal or high: when runs over it are claimed, among others
        of the same priority.
        """
        if priority is not None and priority not in PRIORITIES:
            raise Invalid(f"{visible(priority, 50)} is no priority", "say low, normal or high")
        body: Json = {"title": title, "description": description, "license": license, "visibility": visibility}
        body |= {"quorum": quorum, "asking": asking, "samples": samples}
        body["priority"] = None if priority is None else PRIORITIES[priority]
        for name, several in (("tags", tags), ("duo", duo), ("contacts", contacts)):
            body[name] = several if several is None else list(several)
        if parts is not None:
            body["parts"] = {part: audience(to) for part, to in parts.items()}
        if columns is not None:
            body["columns"] = self._column_edits(columns)
        given = {k: v for k, v in body.items() if v is not None}
        self.__init__(self._http, self._http.patch(f"/v1/datasets/{quote(self.name)}", given))  # type: ignore[misc]
        return self

    def new_version(
        self,
        data: Source | None = None,
        *,
        asset: str | None = None,
        mock: Source | None = None,
        missing: str | Iterable[str] | None = None,
        columns: Json | None = None,
        confirm: Confirm = (),
        mock_rows: int = 0,
        mock_seed: int = 0,
        accept_differences: str | Iterable[str] = (),
        override_common: str | Mapping[str, str] = "",
        copy: bool = False,
        progress: bool | Report | None = None,
    ) -> Dataset:
        """Register changed data, or another mock, as an asset's next version; for owners.

        Values are those of ``datasets.add``. What is not given stays as it was: the data
        (read anew where they lie), the texts that mean no value, the stated columns, and
        the mock with what was accepted of it. ``asset`` names the asset where the dataset
        has several.
        """
        options = Options(
            missing=missing, confirm=confirm, mock_rows=mock_rows, mock_seed=mock_seed,
            accept_differences=accept_differences, override_common=override_common, copy=copy, progress=progress,
        )  # fmt: skip
        name = self.only.name if asset is None else self[asset].name
        found = add_version(self._http, self.name, name, data, mock, columns, options)
        self.__init__(self._http, found)  # type: ignore[misc]
        return self

    def propose_mock(self, *assets: str) -> Listing[Json]:
        """What generated mocks would reveal of the private side, fact by fact; for owners.

        Each has a "code", by which it is confirmed, and "says" what everybody who may see
        the mock would learn. Without names: of all assets that have no mock of your own.
        """
        body: Json = {"assets": list(assets)}
        found = self._http.post(f"/v1/datasets/{quote(self.name)}/proposals", body, timeout=HOURS)
        return proposals(found)

    def make_mock(
        self,
        *assets: str,
        confirm: Confirm = (),
        facts: Mapping[str, Json] | None = None,
        faults: Mapping[str, Json] | None = None,
        seed: int | None = None,
        rows: int | None = None,
    ) -> Dataset:
        """Make the mocks of the current versions anew; for owners.

        They are made from what is stated, what was confirmed before, and what ``confirm``
        names of ``propose_mock``, or all that it gave (``confirm=heart.propose_mock()``);
        that is entered in the ledger. ``facts`` states facts of columns,
        ``{"patients.age": {"min": 18}}``, and ``faults`` which share of their values is
        wrong, ``{"visits.seen": {"format": 0.02}}``: also range, duplicates and blanks;
        ``None`` takes one back. ``seed`` and ``rows`` stay as they were. Requests that were
        made against the former mocks stay valid.
        """
        body: Json = {"assets": list(assets), "confirm": codes_of(confirm)}
        body["state"] = [
            {"asset": asset, "column": name, "name": prefix + fact, "value": value}
            for prefix, said in (("", facts or {}), ("fault-", faults or {}))
            for column, values in said.items()
            for asset, _, name in [self._column_of(column)]
            for fact, value in values.items()
        ]
        body |= {k: v for k, v in {"seed": seed, "rows": rows}.items() if v is not None}
        data = self._http.post(f"/v1/datasets/{quote(self.name)}/mocks", body, timeout=HOURS)
        self.__init__(self._http, data)  # type: ignore[misc]
        return self

    def _column_of(self, column: str) -> tuple[str, str, str]:
        asset, dot, name = column.partition(".")
        return (asset, dot, name) if asset in self.assets else (self.only.name, ".", column)

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

    def _terms(self) -> list[tuple[str, object]]:
        """What holds for who asks: terms of use, samples, how to ask."""
        rule = self._data.get("samples") or {}
        masked = ", ".join(str(c) for c in rule.get("mask") or [])
        samples = f"at most {rule['rows']} rows" + (f", without {masked}" if masked else "") if rule.get("rows") else ""
        terms = [("license", self.license), ("tags", ", ".join(self.tags)), ("data use", ", ".join(self.duo))]
        return [*terms, ("samples", samples), *self.asking.items()]

    def __repr__(self) -> str:
        about = [visible(self.title) + f" ({visible(self.name)})", visible(self.description)]
        if self.state != "open":
            about.append(visible(f"{self.state}: {self.reason}" if self.reason else self.state))
        about += [f"{name}: {visible(str(text))}" for name, text in self._terms() if text]
        about.append(table_text(self._HEAD, self._rows()))
        if len(self.assets) == 1 and self.only.columns:
            about.append(repr(self.only.columns))
        return "\n".join(filter(None, about))

    def _repr_html_(self) -> str:
        facts: list[tuple[str, object]] = [("name", self.name), ("description", self.description)]
        facts += [("state", self.state), ("reason", self.reason), *self._terms()]
        table = self.only.columns._repr_html_() if len(self.assets) == 1 and self.only.columns else ""
        return facts_html(self.title, facts) + table_html(self._HEAD, self._rows()) + table


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

    def add(
        self,
        name: str,
        assets: Mapping[str, Source],
        mocks: Mapping[str, Source] | str | None = None,
        *,
        title: str = "",
        description: str = "",
        license: str = "",  # noqa: A002 - the word for it everywhere
        population: str = "",
        visibility: str = "users",
        quorum: int = 1,
        review: str = "",
        request_days: int = 0,
        tags: Iterable[str] = (),
        duo: Iterable[str] = (),
        contacts: Iterable[Json] = (),
        asking: Json | None = None,
        parts: Json | None = None,
        columns: Json | None = None,
        missing: str | Iterable[str] | None = None,
        confirm: Confirm = (),
        mock_rows: int = 0,
        mock_seed: int = 0,
        accept_differences: str | Iterable[str] = (),
        override_common: str | Mapping[str, str] = "",
        copy: bool = False,
        progress: bool | Report | None = None,
    ) -> Dataset:
        """Offer data as a dataset; for owners.

        ``assets`` and ``mocks`` name values: paths of files or folders, pandas
        DataFrames, Polars frames, pyarrow Tables, NumPy arrays, or a dict of names and
        arrays. The mock ``"generate"`` is made from the card. Connected with ``dir=``,
        files are registered where they lie (with ``copy=True`` they are copied); from
        elsewhere everything is sent to the site, which keeps a copy. What was
        interrupted goes on when the same is offered again.

        ``confirm`` lets facts that are measured in the private data appear on the card and
        in generated mocks: ``confirm=["rows:patients"]`` some of them by their codes, and
        ``confirm=owner.datasets.inspect(assets={...})`` all that it shows. A mock
        that is given is compared with the data: ``accept_differences`` are the codes of
        those that it may have (``"type:patients.age"``), and ``override_common`` says why
        it may share rows or identifiers with the data, of all or by asset; both are logged.
        ``columns`` states what columns are: ``{"age": "Age in years"}`` or ``{"age":
        {"type": "int", "description": ..., "unit": "a", "facts": {"min": 18}}}``, and
        ``{"patients": {"age": ...}}`` where there are several assets. ``missing`` are
        further texts that mean "no value". ``visibility`` is "users" or "named",
        ``review`` may be "every-line", ``request_days`` is how long a request waits for
        a decision; tags, duo, contacts, asking and parts are as in ``Dataset.update``.
        """
        if not isinstance(assets, Mapping) or not assets:
            raise Invalid("no asset is given", f'write: datasets.add({name!r}, assets={{"patients": "patients.csv"}})')
        made = dict.fromkeys(assets, mocks) if isinstance(mocks, str) else dict(mocks or {})
        said = dict(columns or {})
        options = Options(
            missing=missing, confirm=confirm, mock_rows=mock_rows, mock_seed=mock_seed,
            accept_differences=accept_differences, override_common=override_common, copy=copy, progress=progress,
        )  # fmt: skip
        body: Json = {"name": name, "title": title, "description": description, "license": license}
        body |= {"population": population, "visibility": visibility, "quorum": quorum, "review": review}
        body |= {"request_days": request_days, "tags": several(tags), "duo": several(duo), "contacts": list(contacts)}
        body |= {"parts": {part: audience(to) for part, to in (parts or {}).items()}, "asking": asking}
        body = {k: v for k, v in body.items() if v}
        said = said if len(assets) != 1 else {next(iter(assets)): said}
        return Dataset(self._http, add(self._http, body, assets, made, said, options))

    def inspect(
        self,
        data: Source | None = None,
        *,
        assets: Mapping[str, Source] | None = None,
        columns: Json | None = None,
        missing: str | Iterable[str] = (),
        copy: bool = False,
        progress: bool | Report | None = None,
    ) -> Inspection:
        """What registering data would find, and which facts a generated mock could reveal; for owners.

        Nothing is registered. What had to be sent for it is not sent again by ``add``, whose
        ``confirm`` takes what you got here. Look at several assets together,
        ``inspect(assets={"patients": ..., "visits": ...})``, for what one tells of another.
        """
        if (data is None) == (not assets):
            raise Invalid(
                "no data are given, or twice", 'write: datasets.inspect(df), or inspect(assets={"patients": df})'
            )
        given = dict(assets) if data is None else {UNNAMED: data}  # type: ignore[arg-type]
        options = Options(missing=missing, copy=copy, progress=progress)
        said = dict(columns or {})
        said = said if len(given) != 1 else {next(iter(given)): said}
        return Inspection(inspect_data(self._http, given, said, options))

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
