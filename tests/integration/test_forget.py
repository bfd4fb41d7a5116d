"""Users who are to be forgotten: no written file names them, and lists of the others stay as they were."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from pipelines import forget, train
from recommender.config import Eligibility
from recommender.data.drift import FOLDER, save_reference
from recommender.data.gate import from_frames
from recommender.hashing import KEY, pseudonyms
from recommender.models import RECOMMENDERS
from recommender.names import USER_BUCKETS
from recommender.ranking.router import Router
from recommender.serving import persistence
from recommender.serving.bundle import Bundle, serve
from recommender.serving.log import read_log, write_log
from recommender.serving.log_writer import LogWriter
from recommender.studies.engine import cell
from recommender.studies.engine.measured import DONE
from recommender.tracking.runs import Tracker
from tests.helpers.folders import SMALL, run, shop
from tests.helpers.holders import holders
from tests.helpers.out_folder import write_out
from tests.helpers.service_log import log_of
from tests.helpers.shared import tracking_database
from tests.helpers.small import at

FITTED_PER_USER = ("bpr", "lightfm", "social")
WHO = [f"person-{n}-xq" for n in range(8)]
GONE, STAYS = ["person-2-xq", "person-5-xq"], ["person-0-xq", "person-7-xq"]


@pytest.fixture
def work(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the OUT of a train in artifacts/, which was tracked, and a file of whom to forget."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(tracking_database(tmp_path_factory), tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    pl.DataFrame({"user_id": [*GONE, "never heard of"]}).write_csv(tmp_path / "gone.csv")
    (tmp_path / "artifacts").mkdir()
    write_run(tmp_path / "artifacts" / "one")
    return tmp_path


def write_run(out: Path) -> None:
    write_out(out)
    for name in ("model", FOLDER):
        shutil.rmtree(out / name)
    table = pl.read_parquet(out / "per_query.parquet")
    table = table.with_columns(user_id=pl.Series([WHO[n % len(WHO)] for n in range(table.height)]))
    table.write_parquet(out / "per_query.parquet")
    rows = [(WHO[(n * 3) % 8], f"i{(n * n + n) % 9}", at(n)) for n in range(60)]
    taken = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    friends = [[WHO[(n + 1) % 8], WHO[2]] for n in range(8)]
    users = pl.DataFrame({"user_id": WHO, "city": ["north", "south"] * 4, "follows": friends})
    spec = {"features": {"users": {"city": "category", "follows": "ignore"}}, "repairs": {"duplicates": "keep_first"}}
    data = from_frames(taken, pl.DataFrame({"item_id": [f"i{n}" for n in range(12)]}), users, spec=spec)
    rungs = {name: RECOMMENDERS[name]() for name in (*FITTED_PER_USER, "popularity")}
    router = Router(dict.fromkeys(USER_BUCKETS, "lightfm"), rungs).fit(data)
    persistence.save(Bundle.of(router, data, Eligibility(repeats=True)), out / "model")
    save_reference(data, out / FOLDER)


def frames_in(folder: Path) -> dict[str, pl.DataFrame]:
    """Lists of those who stay, by each rung that does not look at others' rows."""
    bundle = persistence.load(folder)
    leaving = pl.DataFrame({"user_id": STAYS})
    lists = {}
    for name in ("bpr", "lightfm", "popularity"):
        bundle.router.routes = dict.fromkeys(USER_BUCKETS, name)
        lists[name] = serve(bundle, leaving, 5)
    return lists


def test_no_file_names_who_was_forgotten_and_the_lists_of_others_stay(work: Path) -> None:
    out = work / "artifacts" / "one"
    with Tracker("jobs", "shop") as tracker:
        tracker.log(out)
    key = bytes.fromhex((out / KEY).read_text())
    hidden = pseudonyms(pl.Series(GONE), key).to_list()
    before = holders(work, GONE)
    assert any(path.startswith("mlruns") for path in before)
    assert any("per_query" in path for path in holders(work, hidden))
    lists = frames_in(out / "model")
    done = run(forget.main, "--users", "gone.csv")
    assert done.code == 0, done.err
    assert holders(work, [*GONE, *hidden]) == {"gone.csv"}
    assert holders(work, STAYS) >= {path for path in before if "per_query" in path}
    for name, table in frames_in(out / "model").items():
        assert table.equals(lists[name], null_equal=True), name
    assert "2 of the 3 users were in" in done.err
    assert f"Train again: {out / 'model'}: " in done.err
    assert done.err.count("Train again") == 2  # the folder's and MLflow's
    assert not list(work.rglob(".*-[0-9]*"))
    again = run(forget.main, "--users", "gone.csv")
    assert again.code == 0
    assert "0 of the 3 users were in 0 places" in again.err
    assert again.err.count("Train again") == 2


def test_fitted_rows_of_a_user_go_with_the_user(work: Path) -> None:
    before = persistence.load(work / "artifacts/one/model").router.rungs
    assert run(forget.main, "--users", "gone.csv", "--within", "artifacts/one").code == 0
    after = persistence.load(work / "artifacts/one/model").router.rungs
    assert len(before["bpr"].user_factors_) - len(after["bpr"].user_factors_) == 2
    assert before["lightfm"].users_.vectors_.shape[0] - after["lightfm"].users_.vectors_.shape[0] == 2
    assert before["social"].taken_.shape[0] - after["social"].taken_.shape[0] == 2


def test_an_error_leaves_everything_as_it_was(work: Path) -> None:
    write_run(work / "artifacts" / "two")
    state = work / "artifacts/two/model/state.json"
    state.write_text(state.read_text().replace(f'"format": {persistence.FORMAT}', '"format": 3'))
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    done = run(forget.main, "--users", "gone.csv")
    assert done.code == 2
    assert "two/model" in done.err
    assert "delete it" in done.err
    assert {path: path.read_bytes() for path in work.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("content", "wanted"), [("user\nx\n", "no column user_id"), ("user_id\n", "no rows"), (None, "nobody.csv")]
)
def test_a_file_that_names_nobody_is_refused(work: Path, content: str | None, wanted: str) -> None:
    if content is not None:
        (work / "nobody.csv").write_text(content)
    done = run(forget.main, "--users", "nobody.csv")
    assert done.code == 2
    assert wanted in done.err


def test_a_cell_of_a_study_stays_whole_without_them(work: Path) -> None:
    folder = work / "studies/parts/0123"
    folder.mkdir(parents=True)
    pl.DataFrame({"user_id": WHO, "ndcg_at_10": [0.5] * 8}).write_parquet(folder / "values.parquet")
    (folder / DONE).write_text(json.dumps({"files": {"values.parquet": ""}, "rungs": ["popularity"], "sha256": ""}))
    cell.seal_again(folder)
    assert run(forget.main, "--users", "gone.csv").code == 0
    assert pl.read_parquet(folder / "values.parquet")["user_id"].to_list() == [w for w in WHO if w not in GONE]
    cell.put_aside_damaged(folder)
    assert folder.exists()


def test_a_model_whose_items_are_users_is_to_be_deleted(work: Path) -> None:
    links = pl.DataFrame({"user_id": WHO[:4], "item_id": WHO[1:5], "timestamp": [at(n) for n in range(4)]})
    data = from_frames(links, pl.DataFrame({"item_id": WHO}), spec={"relation": {"symmetric": True}})
    router = Router(dict.fromkeys(USER_BUCKETS, "popularity"), {"popularity": RECOMMENDERS["popularity"]()}).fit(data)
    persistence.save(Bundle.of(router, data, Eligibility()), work / "artifacts/members")
    done = run(forget.main, "--users", "gone.csv")
    assert done.code == 2
    assert "Delete this folder" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("ids", ["text", "integers"])
def test_after_a_train_only_the_files_that_the_privacy_page_lists_hold_ids(work: Path, ids: str) -> None:
    shutil.rmtree(work / "artifacts")
    source = shop()
    name = {f"u{n}": f"person-{n}-xq" if ids == "text" else 918_273_640_000 + n for n in range(60)}
    for table in ("interactions", "users"):
        source.change(table, user_id=pl.col("user_id").replace_strict(name))
    source.interactions = pl.concat([source.interactions, source.interactions.head(3)])
    source.spec["repairs"] = {"duplicates": "keep_first"}
    source.write(work / "shop")
    ladder = "ladder=[{name: popularity, recommender: popularity}, {name: bpr, recommender: bpr}]"
    done = run(train.main, "--scenario", "jobs", "--data", work / "shop", *SMALL, "--set", ladder)
    assert done.code == 0, done.err
    holding = {path for path in holders(work, map(str, name.values())) if not path.startswith(("shop/", "gone"))}
    listed = ("per_query.parquet", "/reference/reference.parquet", "/model/")
    assert holding
    assert not [path for path in holding if not any(part in path for part in listed)]
    assert not [path for path in holding if path.startswith("mlruns") and "/artifacts/artifacts/model/" not in path]
    pl.DataFrame({"user_id": list(name.values())[:7]}).write_csv(work / "gone.csv")
    done = run(forget.main, "--users", "gone.csv")
    assert done.code == 0, done.err
    left = holders(work, map(str, list(name.values())[:7]))
    assert {path for path in left if not path.startswith("shop/")} == {"gone.csv"}


def test_the_log_of_a_service_forgets_them_with_what_they_took_and_sent(work: Path) -> None:
    log = work / "service-log"
    served, feedback = log_of({"a": 0.3}, n=8)
    names = dict(zip(served["user_id"].unique(maintain_order=True), WHO, strict=True))
    served = served.with_columns(pl.col("user_id").replace_strict(names))
    elsewhere = pl.DataFrame({"user_id": WHO, "item_id": WHO, "event": "view", "timestamp": [at(n) for n in range(8)]})
    write_log(log, served=served, feedback=feedback, interactions=elsewhere)
    writer = LogWriter(log)
    writer.interactions(user_id=[writer.user(GONE[0])], item_id=["late"], event=["view"], timestamp=[10**15])
    (log / "rows").mkdir()
    sent = {"version": "1", "items": [], "users": [{"user_id": GONE[1]}, {"user_id": STAYS[0]}]}
    (log / "rows/1.json").write_text(json.dumps(sent))
    busy = run(forget.main, "--users", "gone.csv")
    assert busy.code == 2
    assert "Stop the server" in busy.err
    writer.close()
    before = read_log(log)
    done = run(forget.main, "--users", "gone.csv")
    assert done.code == 0, done.err
    assert "2 of the 3 users were in" in done.err
    after = read_log(log)
    hidden = set(pseudonyms(pl.Series(GONE), bytes.fromhex((log / KEY).read_text())))
    gone = before.served.filter(pl.col("user_id").is_in(hidden))
    assert after.served.height == before.served.height - gone.height
    assert not hidden & {*after.served["user_id"], *after.interactions["user_id"]}
    theirs = before.feedback["list_id"].is_in(gone["list_id"].unique().implode())
    assert theirs.any()
    assert after.feedback.height == before.feedback.height - theirs.sum()
    assert json.loads((log / "rows/1.json").read_text())["users"] == [{"user_id": STAYS[0]}]
