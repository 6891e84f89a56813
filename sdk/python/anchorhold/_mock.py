"""Mocks: the public twins of assets, on this machine.

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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import InvalidResult, TooLarge, Unavailable
from ._http import Http, quote
from ._listing import Json, Listing, need
from ._text import visible

if TYPE_CHECKING:
    import numpy
    import pandas
    import pyarrow

    from ._inputs import Batches, Files


def _column(column: Json) -> Json:
    """Name and type of a column, as a job has them."""
    own = {"name": column.get("name"), "type": column.get("type")}
    fields = [_column(f) for f in column.get("fields") or []]
    return {**own, "fields": fields} if fields else own


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

    @property
    def differences(self) -> Listing[Json]:
        """In what it is not like the private table, as the owner accepted: code and text."""
        found = list(self._mock.get("differences") or [])
        return Listing(found, ("code", "text"), lambda d: [d.get("code"), d.get("text")])

    @property
    def common(self) -> Json | None:
        """What it shares with the private side, and why it was published; for owners and reviewers."""
        found = self._mock.get("common")
        return dict(found) if isinstance(found, dict) else None

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

        columns = [_column(c) for c in self._version.get("columns") or []]
        spec = {"type": kind, "format": self.format, "columns": columns, "missing": self._version.get("missing") or []}
        try:
            return _inputs.read_input(os.fspath(self._file()), spec)
        except _inputs.InputRefused as e:
            raise InvalidResult(visible(e, 2000), "read it yourself from .path()") from None

    def __repr__(self) -> str:
        return f"<Mock of {visible(self._dataset)}/{visible(self._asset)}, {self.rows} rows: .to_pandas(), .path()>"


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
