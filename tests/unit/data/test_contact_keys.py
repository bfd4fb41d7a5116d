"""Addresses become keyed hashes; equal ones meet, and none is left."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from pipelines import contacts_hash
from recommender.data.contact_keys import contact_keys
from recommender.errors import ConfigError, DataError

SECRET = "a secret of the test"


def test_one_address_written_in_several_ways_has_one_key() -> None:
    mail = contact_keys(pl.Series(["Ann@Example.org", " ann@example.org "]), SECRET)
    phone = contact_keys(pl.Series(["+49 (30) 1234-567", "0049301234567"]), SECRET)
    assert mail.n_unique() == phone.n_unique() == 1
    assert mail.str.contains("^[0-9a-f]{32}$").all()
    assert contact_keys(pl.Series(["", None]), SECRET).to_list() == [None, None]


def test_another_secret_gives_other_keys() -> None:
    one, other = (contact_keys(pl.Series(["ann@example.org"]), s)[0] for s in (SECRET, SECRET + "!"))
    assert one != other
    with pytest.raises(ValueError, match="at least 16"):
        contact_keys(pl.Series(["a@b.c"]), "short")


def test_the_program_writes_keys_and_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book, to = tmp_path / "book.csv", tmp_path / "contacts.csv"
    book.write_text("user_id,email\n1,ann@example.org\n2,bob@example.org\n3,\n")
    monkeypatch.setenv(contacts_hash.SECRET, SECRET)
    contacts_hash.main(["--file", str(book), "--to", str(to)])
    assert "@" not in to.read_text()
    assert pl.read_csv(to, infer_schema=False)["contact_key"].to_list() == [
        *contact_keys(pl.Series(["ann@example.org", "bob@example.org"]), SECRET), None
    ]  # fmt: skip


def test_what_would_leave_an_address_behind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book, to = tmp_path / "book.csv", str(tmp_path / "contacts.csv")
    book.write_text("user_id,email,note\n1,ann@example.org,was ann@old.org\n")
    monkeypatch.setenv(contacts_hash.SECRET, SECRET)
    with pytest.raises(DataError, match="note: 1 values look like addresses"):
        contacts_hash.main(["--file", str(book), "--to", to])
    with pytest.raises(DataError, match="no column 'phone'"):
        contacts_hash.main(["--file", str(book), "--column", "phone", "--to", to])
    monkeypatch.delenv(contacts_hash.SECRET)
    with pytest.raises(ConfigError, match="openssl rand"):
        contacts_hash.main(["--file", str(book), "--to", to])
    assert not Path(to).exists()
