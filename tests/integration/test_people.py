"""People you may know, as a user meets it: a train on members, and no address of a third party in what it writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

from pipelines import contacts_hash, recommend, simulate, train
from recommender.data.contact_keys import contact_keys
from recommender.data.folder import write_folder
from recommender.simulate import load
from recommender.simulate.network_truth import NetworkTruth
from recommender.sources.load import load as load_data
from tests.helpers.folders import run

SECRET = "a secret of the test"
FEW = (
    "--set",
    "ladder=[{name: popularity, recommender: popularity}, {name: contacts, recommender: contacts}, "
    "{name: neighbours, recommender: neighbours}] bootstrap=100 split.validation=[0.6] slices=[]",
)


@pytest.fixture
def members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, pl.Series]:
    """A dataset folder whose address books came through ``contacts-hash``, and the addresses."""
    tables = load(preset="people", n_users=150, n_interactions=1500, n_companies=8, n_schools=4)
    assert tables.users is not None
    assert tables.contacts is not None
    address = {key: f"member{n}@example.org" for n, key in enumerate(tables.users["contact_key"])}
    address |= {key: f"outsider{n}@example.net" for n, key in enumerate(tables.contacts["contact_key"].unique().sort())}
    address |= {key: f"member{n}@example.org" for n, key in enumerate(tables.users["contact_key"])}
    email = pl.col("contact_key").replace_strict(address).alias("email")
    plain = {"users": tables.users.with_columns(email), "contacts": tables.contacts.with_columns(email)}
    monkeypatch.setenv(contacts_hash.SECRET, SECRET)
    for name, table in plain.items():
        table.drop("contact_key").write_parquet(tmp_path / f"plain-{name}.parquet")
        hashed = tmp_path / f"{name}.parquet"
        assert run(contacts_hash.main, "--file", tmp_path / f"plain-{name}.parquet", "--to", hashed).code == 0
    tables.users, tables.contacts = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("users", "contacts"))
    tables.items = tables.items.drop("contact_key")
    write_folder(tables, tmp_path / "members")
    return tmp_path / "members", pl.concat([plain["users"]["email"], plain["contacts"]["email"]]).unique()


def test_no_address_is_written_or_tracked_and_no_key_outside_of_the_model(
    members: tuple[Path, pl.Series], workplace: Path, store: str
) -> None:
    folder, addresses = members
    done = run(train.main, "--scenario", "people", "--data", folder, "--out", "out", *FEW)
    assert done.code == 0, done.err
    keys = [key.encode() for key in contact_keys(addresses, SECRET)]
    written = [f for f in (workplace / "out").rglob("*") if f.is_file()]
    assert any("model" in f.parts for f in written)
    tracked = [f for f in Path(store.removeprefix("sqlite:///")).parent.rglob("*") if f.is_file()]
    assert any(f.suffix == ".html" for f in tracked)  # the report of some run: the store is where it is looked for
    for file in [*written, *tracked]:
        content = _content(file)
        assert not re.search(rb"(member|outsider)\d+@example", content), file
        if not {"model", "models"} & set(file.parts):
            assert not any(key in content for key in keys), file
    queries = workplace / "queries.csv"
    queries.write_text("user_id\nm000\nm001\nnobody\n")
    shown = run(recommend.main, "--model", "out", "--queries", queries, "--to", "lists.csv")
    assert shown.code == 0, shown.err
    lists = pl.read_csv("lists.csv")
    assert (lists["user_id"] != lists["item_id"]).all()
    assert lists.group_by("user_id").len()["len"].to_list() == [10, 10, 10]


def _content(file: Path) -> bytes:
    if file.suffix == ".parquet":  # compressed: its values as text
        return "\n".join(map(str, pl.read_parquet(file).rows())).encode()
    return file.read_bytes()


@pytest.mark.slow
def test_above_the_stated_size_candidates_are_generated_and_their_recall_is_reported(
    members: tuple[Path, pl.Series], untracked: Path
) -> None:
    done = run(
        train.main, "--scenario", "people", "--data", members[0], "--out", "out", *FEW, "--set", "scoring.full_up_to=50"
    )
    assert done.code == 0, done.err
    data = json.loads((untracked / "out" / "data.json").read_text())
    recalls = [origin["generated_recall"] for origin in data["origins"]]
    assert all(0.5 < recall <= 1 for recall in recalls)
    assert any(f"{recalls[-1]:.1%} of what users took" in warning for warning in data["warnings"])


def test_a_simulated_network_is_a_folder_with_its_books_blocks_and_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(
        simulate.main, "--scenario", "people", "--to", "made", "--set", "n_users=200 n_interactions=800 blocks=0.3"
    )
    assert done.code == 0, done.err
    data = load_data("made", raw_dir=None)
    assert data.relation is not None
    assert {"contacts", "contacts_since", "blocks"} <= set(data.items.frame.columns)
    assert data.truth is not None
    truth = data.truth()
    assert isinstance(truth, NetworkTruth)
    assert len(truth.links.time) * 2 == len(data.interactions)
