"""Where an address and a token come from: the call, the environment, or what `anchorhold login` stored.

A token that stands beside an address, in the environment or in the stored login,
is sent to that address only. A stored token must be readable by its owner alone.
Tests cover each source and each mixture.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from ._errors import Invalid, Unauthenticated
from ._http import check_url, same_site


class Login(NamedTuple):
    """An address, the token for it, and where they were stored the site's key and the certificate to trust."""

    url: str
    token: str | None
    key: str | None
    ca: str | None = None

    def __repr__(self) -> str:
        return f"Login({self.url})"


def login_file() -> Path:
    """The file that `anchorhold login` writes."""
    base = os.environ.get("XDG_CONFIG_HOME") or ""
    folder = Path(base) if os.path.isabs(base) else Path.home() / ".config"
    return folder / "anchorhold" / "login.json"


def find(url: str | None, token: str | None) -> Login:
    """The login to use; explicit arguments first, then the environment, then the stored login."""
    given = os.environ.get("ANCHORHOLD_URL") or None
    secret = os.environ.get("ANCHORHOLD_TOKEN") or None
    address = url or given
    if address is None:
        logins = read_logins()
        if not logins:
            raise Unauthenticated(
                "no site to connect to", "call connect(URL, token=...), or run `anchorhold login URL --token T` once"
            )
        return logins[0]._replace(token=token or secret or logins[0].token)
    found, stored_url = at(address, needed=not (token or secret))
    if token is None and secret and (given is None or same_site(found.url, given)):
        token = secret
        found = found._replace(url=same_site(found.url, given) or found.url)
    elif token is None and secret and given is not None and stored_url and same_site(given, stored_url):
        token = secret  # the stored login has learnt more keys since
    return found._replace(token=token or found.token, key=None)


def at(url: str, *, needed: bool) -> tuple[Login, str | None]:
    """An address with what is stored for it, and the address that was stored. What pins its key there holds here."""
    try:
        logins = read_logins()
    except Invalid:
        if needed:
            raise
        logins = []
    for stored in logins:
        known = same_site(url, stored.url)
        if known is not None:
            return stored._replace(url=known), stored.url
    return Login(check_url(url), None, None), None


def learned(before: str, now: str) -> None:
    """Keep which keys of a site count from now on, where login stored the site; who named it by other means is told."""
    try:
        if any(stored.url == before for stored in read_logins()):
            replace_url(before, now)
            return
    except (Invalid, OSError):
        pass
    warnings.warn(f"the site changes the key that its address names; use this address from now on: {now}", stacklevel=2)


def replace_url(before: str, now: str) -> None:
    """Store another address in the place of one that is stored, in one step."""
    path = login_file()
    value: Any = json.loads(path.read_bytes())
    for one in entries(value):
        if check_url(str(one["url"])) == before:
            one["url"] = now
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix="login-")  # mode 0600
    try:
        with open(handle, "w", encoding="utf-8") as f:
            json.dump(value, f)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def entries(value: Any) -> list[Any]:
    """The sites in the file: the one in use, in the form of the time when there was one only, and the others."""
    return [value, *(value.get("others") or [])]


def read_logins() -> list[Login]:
    """The sites that are stored, the one in use first; empty where none is."""
    path = login_file()
    try:
        with open(path, "rb") as f:
            mode = os.fstat(f.fileno()).st_mode
            data = f.read(4 << 20)
    except OSError:
        return []
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise Invalid(f"{path} can be read by others", f"run: chmod 600 {path}")
    try:
        return [as_login(one) for one in entries(json.loads(data))]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Invalid(
            f"{path} does not hold a login", "remove it, and run `anchorhold login URL --token T` again"
        ) from None


def as_login(value: Any) -> Login:
    """One site of the file."""
    key, ca = value.get("key"), value.get("ca")
    return Login(check_url(str(value["url"])), str(value["token"]), str(key) if key else None, str(ca) if ca else None)
