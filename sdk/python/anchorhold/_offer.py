"""What an owner offers from Python: files, folders, and what lies in memory.

A path is named to a site that is spoken to on its own machine, and copied in
everywhere else. What lies in memory is written in the format that keeps its types,
into a file without a name, and copied in: never as a pickle. No library is loaded
but the one that made the value, and pyarrow for tables. Tests offer each kind of
value to a site and read it back.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias

from ._errors import Invalid, Unavailable
from ._http import Http, quote
from ._listing import Json, need
from ._progress import Progress, Report
from ._text import visible
from ._upload import upload

if TYPE_CHECKING:
    import numpy
    import pandas

    class ArrowStream(Protocol):
        """A table that speaks Arrow: of pyarrow, Polars, DuckDB and others."""

        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

    class Preview(Protocol):
        """What ``datasets.inspect`` and ``Dataset.propose_mock`` show."""

        @property
        def proposals(self) -> Iterable[Json]: ...

    Array = numpy.ndarray[Any, Any]
    Confirm: TypeAlias = str | Iterable[str | Json] | Preview
    Source: TypeAlias = str | os.PathLike[str] | pandas.DataFrame | ArrowStream | Array | Mapping[str, Array]

GENERATE = "generate"
UNNAMED = "data"  # an asset that was looked at without a name
HOURS = 6 * 3600.0  # for how long a site may read a file


class Options:
    """How assets are read, and what their mocks are made of; the same for all of one call."""

    def __init__(
        self,
        *,
        missing: Iterable[str] | None = None,
        confirm: Confirm = (),
        mock_rows: int = 0,
        mock_seed: int = 0,
        accept_differences: str | Iterable[str] = (),
        override_common: str | Mapping[str, str] = "",
        copy: bool = False,
        progress: bool | Report | None = None,
    ) -> None:
        self.missing = None if missing is None else [missing] if isinstance(missing, str) else list(missing)
        self.confirm = codes_of(confirm)
        self.previewed = hasattr(confirm, "proposals")  # which may show more than is generated
        self.generate = {"seed": mock_seed, "rows": mock_rows}
        self.accept_differences = (
            [accept_differences] if isinstance(accept_differences, str) else list(accept_differences)
        )
        self.override_common = override_common
        self.copy = copy
        self.progress = progress

    def named(self) -> list[str]:
        """The assets of whose mocks something is accepted, or whose facts are confirmed."""
        codes = [asset_of(c) for c in (*self.accept_differences, *self.confirm)]
        return codes if isinstance(self.override_common, str) else [*codes, *self.override_common]

    def consent(self, asset: str) -> Json:
        """What the owner accepts of one asset's mock."""
        codes = [c for c in self.accept_differences if asset_of(c) == asset]
        why = self.override_common
        reason = why if isinstance(why, str) else why.get(asset, "")
        return {k: v for k, v in {"accept": codes, "override_common": reason}.items() if v}


def codes_of(confirm: Confirm) -> list[str]:
    """The codes of facts that an owner confirms: named one by one, or all that a preview shows."""
    if isinstance(confirm, bool):
        raise Invalid(
            "facts are confirmed without naming them",
            "look at them, and pass that: confirm=owner.datasets.inspect(...)",
        )
    if isinstance(confirm, str):
        return [confirm]
    shown: Any = getattr(confirm, "proposals", confirm)
    return [c if isinstance(c, str) else str(c["code"]) for c in shown]


def asset_of(code: str) -> str:
    """The asset of which a code such as type:patients.age speaks."""
    return code.partition(":")[2].partition(".")[0]


class Offer:
    """Turns what an owner gives into the body of a call, sending what has to be sent."""

    def __init__(self, http: Http, options: Options, progress: Progress) -> None:
        self._http = http
        self._options = options
        self._progress = progress

    def asset(self, name: str, value: Source | None, mock: Source | None, columns: Json | None) -> Json:
        """One asset; without a value it is the one that the site has already."""
        body: Json = {} if value is None else self.source(name, value, "")
        if self._options.missing is not None:
            body["missing"] = self._options.missing
        if columns:
            body["columns"] = [column(n, said) for n, said in columns.items()]
        codes = [c for c in self._options.confirm if asset_of(c) == name]
        if codes and not self._options.previewed and not (isinstance(mock, str) and mock == GENERATE):
            raise Invalid(
                f"{visible(codes[0])} is confirmed for no generated mock", f'say mocks={{"{name}": "generate"}}'
            )
        if isinstance(mock, str) and mock == GENERATE:
            body["mock"] = {"generate": self._options.generate, "confirm_facts": codes}
        elif mock is not None:
            body["mock"] = self.source(f"{name}-mock", mock, suffix_of(value)) | self._options.consent(name)
        elif consent := self._options.consent(name):
            body["mock"] = consent  # of the one that it has
        return body

    def source(self, name: str, value: Source, like: str) -> Json:
        """Where the site finds a value: a path of its own machine, or an upload."""
        if isinstance(value, (str, os.PathLike)):
            path = Path(value).expanduser().absolute()
            if not path.exists():
                raise Invalid(f"there is no file or folder {path}", "check the path")
            if self._http.local and not self._options.copy:
                return {"path": os.fspath(path)}
            with opened(path) as file:
                return {"upload": upload(self._http, file_name(path), file, self._progress)}
        suffix, write = writer(name, value, like)
        with room() as file:
            write(file)
            return {"upload": upload(self._http, name + suffix, file, self._progress)}


def add(http: Http, body: Json, assets: Mapping[str, Source], mocks: Json, columns: Json, options: Options) -> Json:
    """Register a dataset."""
    if len(assets) == 1:
        options.confirm = named(options.confirm, next(iter(assets)))
    for name in (*mocks, *columns, *options.named()):
        if name not in assets:
            raise Invalid(f"{visible(name)} is not among the assets", f"the assets: {', '.join(map(visible, assets))}")
    with Progress(options.progress) as progress:
        offer = Offer(http, options, progress)
        found = [{"name": n, **offer.asset(n, v, mocks.get(n), columns.get(n))} for n, v in assets.items()]
        progress.show("the site reads what it was given")
        answer: Json = http.post("/v1/datasets", {**body, "assets": found}, timeout=HOURS)
    return answer


def add_version(
    http: Http,
    dataset: str,
    asset: str,
    value: Source | None,
    mock: Source | None,
    columns: Json | None,
    options: Options,
) -> Json:
    """Register an asset's next version."""
    options.confirm = named(options.confirm, asset)
    with Progress(options.progress) as progress:
        body = Offer(http, options, progress).asset(asset, value, mock, columns)
        progress.show("the site reads what it was given")
        path = f"/v1/datasets/{quote(dataset)}/assets/{quote(asset)}/versions"
        answer: Json = http.post(path, body, timeout=HOURS)
    return answer


def inspect_data(http: Http, assets: Mapping[str, Source], columns: Json, options: Options) -> Json:
    """Look at data as a registration would."""
    with Progress(options.progress) as progress:
        offer = Offer(http, options, progress)
        found = [{"name": n, **offer.asset(n, v, None, columns.get(n))} for n, v in assets.items()]
        answer: Json = http.post("/v1/inspections", {"assets": found}, timeout=HOURS)
    return answer


def named(codes: list[str], asset: str) -> list[str]:
    """Codes of data that were looked at without a name, now that they have one."""
    return [c.replace(f":{UNNAMED}", f":{asset}", 1) if asset_of(c) == UNNAMED else c for c in codes]


def column(name: str, said: str | Json) -> Json:
    """What an owner states of a column: its meaning, or type, description, unit and facts."""
    if isinstance(said, str):
        return {"name": name, "description": said}
    facts = said.get("facts") or {}
    body: Json = {"name": name, **{k: v for k, v in said.items() if k != "facts"}}
    return body | {"facts": [{"name": f, "value": v, "provenance": "stated"} for f, v in facts.items()]}


def suffix_of(value: Source | None) -> str:
    """The extension of a file that is given by its path: its mock is written in the same format."""
    return Path(value).suffix.lower() if isinstance(value, (str, os.PathLike)) else ""


# ---- what lies in files -------------------------------------------------------


def room() -> IO[bytes]:
    """A file without a name."""
    try:
        return tempfile.TemporaryFile()
    except OSError as e:
        message = f"there is no room for what is to be sent: {e.strerror}"
        raise Unavailable(message, "make room in the folder for temporary files, or set TMPDIR") from None


def file_name(path: Path) -> str:
    return path.name + ".tar" if path.is_dir() else path.name


def opened(path: Path) -> IO[bytes]:
    """A file, or a folder as one archive."""
    if path.is_dir():
        return pack(path)
    try:
        return open(path, "rb")
    except OSError as e:
        raise Invalid(f"{path} cannot be read: {e.strerror}", "check its permissions") from None


def pack(folder: Path) -> IO[bytes]:
    """The files of a folder as an archive whose bytes depend on their names and contents alone.

    Names that begin with a dot are left out, as the site would.
    """
    archive = room()
    try:
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(files_of(folder)):
                entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
                with open(path, "rb") as file:
                    entry.size = os.fstat(file.fileno()).st_size
                    tar.addfile(entry, file)
    except OSError as e:
        archive.close()
        raise Unavailable(
            f"{folder} cannot be packed: {e.strerror or e}", "check its files, and the room there is"
        ) from None
    except BaseException:
        archive.close()
        raise
    return archive


def files_of(folder: Path) -> Iterable[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise Invalid(f"{folder} holds a link or a special file", "put regular files into it")
        if path.is_dir():
            yield from files_of(path)
        else:
            yield path


# ---- what lies in memory ------------------------------------------------------

Write = Callable[[IO[bytes]], None]

KINDS = (
    "a path, a pandas or Polars DataFrame, a pyarrow Table, a DuckDB relation, a NumPy array, "
    "or a dict of names and NumPy arrays"
)


def writer(name: str, value: object, like: str) -> tuple[str, Write]:
    """The extension of the format in which a value is written, and who writes it."""
    pandas, numpy = sys.modules.get("pandas"), sys.modules.get("numpy")
    if pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series)):
        return table_writer(frame_table(name, value.to_frame() if isinstance(value, pandas.Series) else value), like)
    if hasattr(value, "__arrow_c_stream__"):
        return table_writer(plain(need("pyarrow").table(value)), like)
    if numpy is not None and isinstance(value, numpy.ndarray):
        check_array(name, value)
        return ".npy", lambda file: numpy.save(file, rows_first(value), allow_pickle=False)
    if (
        numpy is not None
        and isinstance(value, Mapping)
        and value
        and all(isinstance(a, numpy.ndarray) for a in value.values())
    ):
        for key, array in value.items():
            check_array(f"{name}[{key!r}]", array)
        return ".npz", lambda file: write_arrays(file, value)
    hint = f"assets={{{name!r}: ...}} takes {KINDS}"
    if isinstance(value, Mapping):
        hint = "give each table a name of its own among the assets; a dict holds the NumPy arrays of one asset"
    elif type(value).__name__ == "LazyFrame":
        hint = "call .collect() first"
    raise Invalid(f"{visible(name)} is an object of type {type(value).__name__}, which cannot be offered", hint)


def frame_table(name: str, frame: Any) -> Any:
    """A pandas DataFrame as a pyarrow Table, where a named index is a column."""
    pyarrow = need("pyarrow")
    if any(frame.index.names):
        frame = frame.reset_index()
    elif frame.index.dtype.kind not in "iu":  # else it only counts, or did before rows were chosen
        raise Invalid(
            f"{visible(name)} has an index without a name",
            'name it to have it as a column: df.index.name = "..."; or leave it out: df.reset_index(drop=True)',
        )
    try:
        return pyarrow.Table.from_pandas(frame, preserve_index=False)
    except (pyarrow.ArrowException, ValueError, TypeError):
        pass  # what it says can hold a value
    if not frame.columns.is_unique:
        raise Invalid(f"{visible(name)} has several columns of one name", "rename them")
    for column in frame.columns:
        if not one_type(pyarrow, frame[column]):
            what = f"the column {visible(column)} of {visible(name)} holds values of several types"
            raise Invalid(what, f"give it one type, for example: df[{column!r}] = df[{column!r}].astype(str)")
    raise Invalid(
        f"{visible(name)} cannot be written as a table", "give its columns one type each, and names that are texts"
    )


def one_type(pyarrow: Any, values: Any) -> bool:
    try:
        pyarrow.array(values, from_pandas=True)
    except (pyarrow.ArrowException, ValueError, TypeError):
        return False
    return True


def plain(table: Any) -> Any:
    """A pyarrow Table without the views that not every version of it can write."""
    pyarrow = need("pyarrow")
    table = storable(table)
    types = {"string_view": pyarrow.large_string(), "binary_view": pyarrow.large_binary()}
    fields = [f.with_type(types.get(str(f.type), f.type)) for f in table.schema]
    wanted = pyarrow.schema(fields, metadata=table.schema.metadata)
    return table if wanted.equals(table.schema) else table.cast(wanted)


def table_writer(table: Any, like: str) -> tuple[str, Write]:
    if like == ".csv":
        csv = need("pyarrow.csv")
        return like, lambda file: csv.write_csv(table, file)
    if like in (".arrow", ".feather"):
        return like, lambda file: need("pyarrow.feather").write_feather(table, file)
    parquet = need("pyarrow.parquet")
    return ".parquet", lambda file: parquet.write_table(table, file)


def check_array(name: str, array: Any) -> None:
    if array.dtype.hasobject:
        raise Invalid(f"{visible(name)} holds Python objects", "convert it to numbers, or offer a table")


def rows_first(array: Any) -> Any:
    """An array as a site reads it, row by row: what a DataFrame's to_numpy() gives lies column by column."""
    return array if array.flags.c_contiguous else array.copy(order="C")


def write_arrays(file: IO[bytes], arrays: Mapping[str, Any]) -> None:
    """An .npz whose bytes depend on its arrays alone."""
    numpy = need("numpy")
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                numpy.lib.format.write_array(member, rows_first(array), allow_pickle=False)


def storable(table: Any) -> Any:
    """A table whose categories Parquet can store: those of Polars are views of texts."""
    pa = need("pyarrow")
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type) and field.type.value_type == pa.string_view():
            chunks = [
                pa.DictionaryArray.from_arrays(c.indices.cast(pa.int32()), c.dictionary.cast(pa.string()))
                for c in table.column(i).chunks
            ]
            kind = pa.dictionary(pa.int32(), pa.string())
            table = table.set_column(i, pa.field(field.name, kind, field.nullable), pa.chunked_array(chunks, type=kind))
    return table
