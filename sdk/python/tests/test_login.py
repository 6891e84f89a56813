"""Where an address and a token come from, and that a token goes to its own address only."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fake_site import FakeSite

import anchorhold as ah
from anchorhold._login import login_file


def store(url: str, token: str = "researcher-token", mode: int = 0o600, **more: object) -> Path:
    path = login_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"url": url, "token": token, **more}))
    path.chmod(mode)
    return path


def test_nothing_to_connect_to() -> None:
    with pytest.raises(ah.Unauthenticated, match="no site") as refused:
        ah.connect()
    assert "anchorhold login" in refused.value.remedy


def test_arguments_environment_and_login(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    store(site.url)
    assert ah.connect().me.email == "ada@example.org"
    assert ah.connect(site.url).me.email == "ada@example.org"
    assert ah.connect(token="owner-token").me.email == "olga@example.org"
    monkeypatch.setenv("ANCHORHOLD_URL", site.url)
    monkeypatch.setenv("ANCHORHOLD_TOKEN", "owner-token")
    assert ah.connect().me.email == "olga@example.org"
    assert ah.connect(site.url + "/").me.email == "olga@example.org"
    assert ah.connect(site.url, "researcher-token").me.email == "ada@example.org"


def test_a_stored_token_is_for_its_address_only(site: FakeSite) -> None:
    store("https://other.example")
    with pytest.raises(ah.Unauthenticated, match="no token for"):
        ah.connect(site.url)
    assert not site.seen


def test_several_sites_are_stored_each_with_its_token(site: FakeSite) -> None:
    store(
        "https://other.example",
        "x",
        others=[{"url": "https://third.example", "token": "y"}, {"url": site.url, "token": "owner-token"}],
    )
    assert ah.connect(site.url).me.email == "olga@example.org"
    with pytest.raises(ah.Unauthenticated, match="no token for"):
        ah.connect("https://fourth.example")
    store("https://other.example", "x", others=[{"url": site.url}])
    with pytest.raises(ah.Invalid, match="does not hold a login"):
        ah.connect(site.url)


def test_a_token_beside_an_address_is_for_that_address_only(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANCHORHOLD_URL", "https://other.example")
    monkeypatch.setenv("ANCHORHOLD_TOKEN", "owner-token")
    with pytest.raises(ah.Unauthenticated, match="no token for"):
        ah.connect(site.url)
    assert not site.seen


def test_a_stored_token_that_others_can_read_is_refused(site: FakeSite) -> None:
    path = store(site.url, mode=0o644)
    with pytest.raises(ah.Invalid, match="read by others") as refused:
        ah.connect()
    assert f"chmod 600 {path}" in refused.value.remedy


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": "http://127.0.0.1:1"}', "\x00", '{"url": 5, "token": 6}'])
def test_a_broken_login_file_says_what_to_do(text: str) -> None:
    path = store("http://127.0.0.1:1")
    path.write_text(text)
    with pytest.raises(ah.Invalid) as refused:
        ah.connect()
    assert refused.value.remedy


def test_a_wrong_token_is_refused_by_the_site(site: FakeSite) -> None:
    with pytest.raises(ah.Unauthenticated, match="does not hold"):
        ah.connect(site.url, "wrong-token")


def test_a_known_key_is_insisted_on(site: FakeSite, tmp_path: Path) -> None:
    file = tmp_path / "site.vkey"
    file.write_text(site.signer.vkey + "\n")
    assert ah.connect(site.url, "researcher-token", key=file).key == site.signer.vkey
    assert ah.connect(site.url, "researcher-token", key=site.signer.vkey).key == site.signer.vkey
    other = type(site.signer)(site.signer.origin).vkey
    with pytest.raises(ah.Denied, match="another key"):
        ah.connect(site.url, "researcher-token", key=other)
    store(site.url, key=other)
    with pytest.raises(ah.Denied, match="another key"):
        ah.connect()
    with pytest.raises(ah.Invalid, match="holds no key"):
        ah.connect(site.url, "researcher-token", key=tmp_path / "nothing")


def test_a_site_without_a_usable_key_is_refused(site: FakeSite) -> None:
    site.signer.vkey = "hospital.example/heart+00000000+AAAA"
    with pytest.raises(ah.InvalidReceipt):
        ah.connect(site.url, "researcher-token")


def test_a_relative_folder_for_settings_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert os.path.isabs(login_file())
