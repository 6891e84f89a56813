"""Cards are Croissant 1.1, as mlcroissant understands it.

The cards are the golden files of the program's own tests: one with everything,
one of which every part is hidden, one whose columns are shown and mock is not.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import mlcroissant as mlc
import pytest
from conftest import REPOSITORY

# Not of our making: mlcroissant uses what its own dependencies have deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

CARDS = REPOSITORY / "catalog" / "testdata"


def card(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CARDS / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("name", ["croissant", "croissant-hidden", "croissant-no-mock"])
def test_cards_are_valid(name: str) -> None:
    found = mlc.Dataset(card(name)).metadata
    assert found.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    assert not found.ctx.issues.errors
    assert not found.ctx.issues.warnings
    assert found.name == "heart-cleveland"
    assert found.keywords == ["angiography", "cardiology"]


MEDIA = (REPOSITORY / "catalog" / "testdata" / "media.txt").read_text().split()


@pytest.mark.parametrize("media", MEDIA)
def test_cards_are_valid_whatever_the_format_of_the_mock(media: str) -> None:
    described = card("croissant")
    described["distribution"][0]["encodingFormat"] = media
    found = mlc.Dataset(described).metadata
    assert not found.ctx.issues.errors
    assert not found.ctx.issues.warnings


def test_a_card_with_a_fault_is_refused() -> None:
    """The validator is no formality: it notices what a card must not lack."""
    broken = card("croissant")
    del broken["distribution"][0]["sha256"]
    with pytest.raises(mlc.ValidationError, match="sha256"):
        mlc.Dataset(broken)
    broken = card("croissant")
    broken["recordSet"][0]["field"][0]["source"]["fileObject"]["@id"] = "another"
    with pytest.raises(mlc.ValidationError):
        mlc.Dataset(broken)


def test_of_a_private_table_no_card_has_a_hash_or_size() -> None:
    (file,) = card("croissant-no-mock")["distribution"]
    assert file["@id"] == "patients-private"
    assert not {"sha256", "md5", "contentSize"} & file.keys()
    assert card("croissant-no-mock")["isLiveDataset"] is True
    hidden = card("croissant-hidden")
    assert hidden["distribution"] == []
    assert hidden["recordSet"][0]["field"] == []


def test_the_mock_is_read_through_its_card(tmp_path: Path) -> None:
    """Who has the card and the mock, and nothing of ours, reads the rows with their types."""
    rows = "age,sex,ST depression,smokes,ward,admitted,measured <at>\n40,1,1.5,True,a,2020-01-02,2020-01-02T03:04:05\n"
    mock = tmp_path / "patients.csv"
    mock.write_text(rows)
    described = card("croissant")
    described["distribution"][0]["sha256"] = hashlib.sha256(rows.encode()).hexdigest()
    described["recordSet"][0]["field"] = described["recordSet"][0]["field"][:5]
    read = mlc.Dataset(described, mapping={"patients-mock": str(mock)}).records("patients")
    (row,) = list(read)
    values = {name.rsplit("/", 1)[-1]: value for name, value in row.items()}
    assert (values["age"], values["ward"], values["smokes"]) == (40, b"a", True)
    described["distribution"][0]["sha256"] = "0" * 64
    with pytest.raises(Exception, match="Download"):
        list(mlc.Dataset(described, mapping={"patients-mock": str(mock)}).records("patients"))
