"""A real site changes the key of its TLS door: who saw it announced goes on, others are refused and told why."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Real, serving
from fake_site import FakeSite
from test_login import store
from test_tls import certificate, fragment

import anchorhold as ah
from anchorhold._login import login_file


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Real]:
    with serving(tmp_path / "site", "--tls-self-signed") as found:
        yield found


def stored() -> str:
    return str(json.loads(login_file().read_bytes())["url"])


def test_a_key_is_changed_as_planned(door: Real) -> None:
    store(door.url, door.token)
    site = ah.connect()
    assert stored() == door.url

    both = door.run("tls", "rotate")["connect"]
    assert both.startswith(door.url + ",")
    assert not site.runs.all()  # any answer tells it
    assert stored() == both
    login_file().unlink()
    with pytest.warns(UserWarning, match="from now on") as told:
        ah.connect(door.url, door.token).users.all()
    assert [both in str(w.message) for w in told] == [True]
    store(both, door.token)

    now = door.run("tls", "switch")["connect"]
    assert now != door.url
    assert ah.connect().me.email == "olga@example.org"
    assert stored() == now
    with pytest.warns(UserWarning, match="from now on"):
        assert ah.connect(both, door.token).me.email == "olga@example.org"
    with pytest.raises(ah.Denied, match="another key") as refused:
        ah.connect(door.url, door.token)
    assert "connection string of today" in refused.value.remedy


def test_a_key_is_learnt_for_one_of_several_sites(door: Real) -> None:
    path = store("https://first.example", "first", others=[{"url": door.url, "token": door.token, "note": "kept"}])
    both = door.run("tls", "rotate")["connect"]
    ah.connect(door.url)
    assert json.loads(path.read_bytes()) == {
        "url": "https://first.example",
        "token": "first",
        "others": [{"url": both, "token": door.token, "note": "kept"}],
    }


def test_who_missed_the_announcement_is_told_what_to_do(door: Real) -> None:
    store(door.url, door.token)
    door.run("tls", "rotate")
    door.run("tls", "switch")
    with pytest.raises(ah.Denied, match="another key") as refused:
        ah.connect()
    assert "ask the site's owner" in refused.value.remedy
    assert stored() == door.url


@pytest.mark.parametrize("steps", [[], ["rotate"], ["rotate", "switch"]])
def test_nobody_stands_between(
    door: Real, steps: list[str], site: FakeSite, tmp_path: Path, pauses: list[float]
) -> None:
    """Whoever stands between has a key of their own, and what they say of keys is not heard."""
    store(door.url, door.token)
    ah.connect()
    for step in steps:
        door.run("tls", step)
        ah.connect()
    pins = stored().partition("#")[2]
    own, key = certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    plain = site.server.socket
    site.server.socket = context.wrap_socket(plain, server_side=True)
    site.pins = fragment(own).lstrip("#")
    address = site.url.replace("http://", "https://") + "#" + pins
    store(address, door.token)
    with pytest.raises(ah.Denied, match="another key"):
        ah.connect()
    assert stored() == address
    assert not site.seen  # the token was never sent
    plain.close()


def test_a_word_that_cannot_be_read_changes_nothing(site: FakeSite, tmp_path: Path) -> None:
    own, key = certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    plain = site.server.socket
    site.server.socket = context.wrap_socket(plain, server_side=True)
    address = site.url.replace("http://", "https://") + fragment(own)
    store(address)
    for site.pins in ("", "nonsense", "sha256=torn"):
        ah.connect()
        assert stored() == address
    site.pins = fragment(own)[1:] + "," + "A" * 43
    ah.connect()
    assert stored() == address + "," + "A" * 43
    plain.close()
