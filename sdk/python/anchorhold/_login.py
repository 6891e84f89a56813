"""Where an address and a token come from: the call, the environment, or what `anchorhold login` stored.

A token that stands beside an address, in the environment or in the stored login,
is sent to that address only. A stored token must be readable by its owner alone.
Tests cover each source and each mixture.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

from ._errors import Invalid, Unauthenticated
from ._http import check_url


class Login(NamedTuple):
    """An address, the token for it, and the site's key where it was stored."""

    url: str
    token: str | None
    key: str | None

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
    if url is None and given:
        return Login(check_url(given), token or secret or stored_token(given), None)
    if url is not None and token is None:
        if secret and (given is None or check_url(given) == check_url(url)):
            return Login(check_url(url), secret, None)
        return Login(check_url(url), stored_token(url), None)
    if url is not None:
        return Login(check_url(url), token, None)
    stored = read_login()
    if stored is None:
        raise Unauthenticated(
            "no site to connect to", "call connect(URL, token=...), or run `anchorhold login URL --token T` once"
        )
    return Login(stored.url, token or secret or stored.token, stored.key)


def stored_token(url: str) -> str | None:
    """The stored token, if it belongs to this address."""
    stored = read_login()
    return stored.token if stored is not None and stored.url == check_url(url) else None


def read_login() -> Login | None:
    """What is stored, or None where nothing is."""
    path = login_file()
    try:
        with open(path, "rb") as f:
            mode = os.fstat(f.fileno()).st_mode
            data = f.read(64 << 10)
    except OSError:
        return None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise Invalid(f"{path} can be read by others", f"run: chmod 600 {path}")
    try:
        value: Any = json.loads(data)
        url, token, key = value["url"], value["token"], value.get("key")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Invalid(f"{path} does not hold a login", "run `anchorhold login URL --token T` again") from None
    return Login(check_url(str(url)), str(token), str(key) if key else None)
