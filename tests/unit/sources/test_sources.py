"""Loaders, on small files in each publisher's layout."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from recommender.data.gate import Tables, build
from recommender.errors import ConfigError, DataError
from recommender.sources import SOURCES


def write(folder: Path, files: dict[str, str], encoding: str = "utf-8") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding=encoding)


def item(tables: Tables, item_id: int) -> dict[str, object]:
    return tables.items.row(by_predicate=pl.col("item_id") == item_id, named=True)


def user(tables: Tables, user_id: int) -> dict[str, object]:
    assert tables.users is not None
    return tables.users.row(by_predicate=pl.col("user_id") == user_id, named=True)


FLAGS = ["0"] * 19
ANIMATION = "|".join([*FLAGS[:3], "1", *FLAGS[4:]])
NO_GENRE = "|".join(["1", *FLAGS[1:]])
ATOMIC = {
    "ml-100k.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "2\t5\t4\t881250949\n1\t3\t1\t881250950\n",
    "ml-100k.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "5\tThe \"Story\t1995\tAnimation Children's\n3\tLand Before Time\tV\tunknown\n",
    "ml-100k.user": "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    "2\t53\tF\tother\t94043\n1\t24\tM\ttechnician\tT8H1N\n",
}
U = {
    "u.data": "2\t5\t4\t881250949\n1\t3\t1\t881250950\n",
    "u.item": f'5|The "Story (1995)|01-Jan-1995||http://x|{ANIMATION}\n3|Misérables (1995) (V)|||http://y|{NO_GENRE}\n',
    "u.user": "2|53|F|other|94043\n1|24|M|technician|T8H1N\n",
}
DAT = {
    "ratings.dat": "2::5::4::978300760\n1::3::1::978300761\n",
    "movies.dat": "5::Misérables, Les (1995)::Drama|Musical\n3::Nameless::Comedy\n",
    "users.dat": "2::F::56::16::70072\n1::M::1::10::48067\n",
}
CSV = {
    "ratings.csv": "userId,movieId,rating,timestamp\n2,5,4.5,964982703\n1,3,0.5,964981247\n",
    "movies.csv": 'movieId,title,genres\n5,"Misérables, ""Les"" (1995)",Drama|Musical\n'
    "3,Death Note (2006–2007),(no genres listed)\n",
}


def test_atomic_files_of_100k(tmp_path: Path) -> None:
    write(tmp_path / "catalog" / "ml-100k", ATOMIC)
    tables = SOURCES["ml-100k"](tmp_path)
    assert tables.interactions.row(0, named=True) == {
        "user_id": 2,
        "item_id": 5,
        "timestamp": datetime(1997, 12, 4, 15, 55, 49, tzinfo=UTC),
        "event": "rating",
        "weight": 4.0,
    }
    assert item(tables, 5) == {"item_id": 5, "title": 'The "Story', "year": 1995, "genres": ["Animation", "Children's"]}
    assert user(tables, 1) == {"user_id": 1, "age": 24, "gender": "M", "occupation": "technician", "zip_region": "T"}


def test_junk_release_year_is_set_null_and_recorded(tmp_path: Path) -> None:
    write(tmp_path / "ml-100k", ATOMIC)
    tables = SOURCES["ml-100k"](tmp_path)
    assert item(tables, 3) == {"item_id": 3, "title": "Land Before Time", "year": None, "genres": []}
    (repair,) = tables.repairs
    assert (repair.rule, repair.action, repair.count) == ("junk_year", "set_null", 1)
    assert repair.examples == ("Land Before Time: 'V'",)


def test_publishers_files_of_100k(tmp_path: Path) -> None:
    write(tmp_path / "ml-100k", U, "latin-1")
    tables = SOURCES["ml-100k"](tmp_path)
    assert item(tables, 5) == {"item_id": 5, "title": 'The "Story', "year": 1995, "genres": ["Animation"]}
    assert item(tables, 3) == {"item_id": 3, "title": "Misérables", "year": 1995, "genres": []}
    assert user(tables, 2) == {"user_id": 2, "age": 53, "gender": "F", "occupation": "other", "zip_region": "9"}


def test_both_layouts_of_100k_give_the_same_interactions(tmp_path: Path) -> None:
    write(tmp_path / "a" / "ml-100k", ATOMIC)
    write(tmp_path / "u" / "ml-100k", U, "latin-1")
    one, other = (SOURCES["ml-100k"](tmp_path / layout) for layout in "au")
    assert one.interactions.equals(other.interactions)
    assert one.users is not None
    assert other.users is not None
    assert one.users.equals(other.users)


def test_double_colon_files_of_1m(tmp_path: Path) -> None:
    write(tmp_path / "ml-1m", DAT, "latin-1")
    tables = SOURCES["ml-1m"](tmp_path)
    assert item(tables, 5) == {"item_id": 5, "title": "Misérables, Les", "year": 1995, "genres": ["Drama", "Musical"]}
    assert item(tables, 3)["year"] is None
    assert user(tables, 2) == {"user_id": 2, "age": 56, "gender": "F", "occupation": "16", "zip_region": "7"}


@pytest.mark.parametrize("name", ["ml-latest-small", "ml-20m", "ml-25m", "ml-32m"])
def test_csv_files_of_the_later_sets(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, CSV)
    tables = SOURCES[name](tmp_path)
    assert tables.name == name
    assert tables.interactions["weight"].to_list() == [4.5, 0.5]
    assert item(tables, 5) == {"item_id": 5, "title": 'Misérables, "Les"', "year": 1995, "genres": ["Drama", "Musical"]}
    assert item(tables, 3) == {"item_id": 3, "title": "Death Note (2006–2007)", "year": None, "genres": []}
    assert tables.users is None


def test_gender_is_protected_and_release_year_is_no_availability(tmp_path: Path) -> None:
    write(tmp_path / "ml-100k", ATOMIC)
    data = build(SOURCES["ml-100k"](tmp_path))
    assert data.users.columns("protected") == ["gender"]
    assert not data.states_availability


def test_min_rating_moves_low_ratings_to_the_signals(tmp_path: Path) -> None:
    write(tmp_path / "ml-latest-small", CSV)
    data = build(SOURCES["ml-latest-small"](tmp_path, min_rating=4))
    assert data.interactions["item_id"].to_list() == [5]
    assert data.signals["event"].to_list() == ["low_rating"]


LOG_COLUMNS = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab"
)
EARLY = "1,7,20220410,900,1649552400000,1,1,0,0,0,0,1,30000,20000,0,0,0,0,1"
USERS = (
    "user_id,user_active_degree,is_live_streamer,follow_user_num,follow_user_num_range,register_days_range,onehot_feat4\n"
    '2,UNKNOWN,-124,5,"(0,10]",730+,\n1,full_active,1,9,"(0,10]",730+,3.0\n'
)
VIDEOS = (
    "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,server_height,"
    "music_id,music_type,tag\n"
    '8,11,AD,2022-04-11,Web,0.0,,720.0,1280.0,91,,"3,12"\n7,10,NORMAL,2022-04-09,Web,0.0,20000.0,1280.0,720.0,90,9.0,\n'
)
LATER = [
    "1,8,20220422,900,1650589200000,1,0,0,0,0,0,1,90000,1000,0,0,0,0,1",  # 90 times its length
    "2,8,20220422,900,1650589200001,0,0,0,0,0,1,0,500,0,0,0,0,0,1",  # no length
    "2,7,20220422,900,1650589200002,1,0,0,0,0,0,0,5000,20000,0,0,0,0,1",
    "2,7,20220422,900,1650589200002,1,0,0,0,0,0,0,5000,20000,0,0,0,0,1",  # again
    "2,7,20220422,900,1650589200003,0,0,0,0,0,0,0,5,20000,0,0,0,0,1",  # shown, nothing done
]


def write_kuairand(folder: Path, later: list[str] = LATER) -> None:
    logs = {
        "log_standard_4_08_to_4_21_pure.csv": "\n".join([LOG_COLUMNS, EARLY]),
        "log_standard_4_22_to_5_08_pure.csv": "\n".join([LOG_COLUMNS, *later]),
    }
    write(folder, logs | {"user_features_pure.csv": USERS, "video_features_basic_pure.csv": VIDEOS})


def write_one_log(folder: Path) -> None:
    write_kuairand(folder)
    later = folder / "log_standard_4_22_to_5_08_pure.csv"
    pl.read_csv(later).drop("is_rand").write_parquet(folder / "log_standard_0425_0508.parquet")
    later.unlink()
    lists = {"watch_seq": [[7, 8, 7]], "like_seq": [[8]], "long_watch_seq": [[8, 7]]}
    pl.DataFrame({"user_id": [1]} | lists).write_parquet(folder / "user_history_0408_0424_last50.parquet")


def test_kuairand_gives_one_row_per_exposure_and_signal(tmp_path: Path) -> None:
    write_kuairand(tmp_path / "KuaiRand-Pure" / "data")
    events = SOURCES["kuairand-pure"](tmp_path).interactions.select("user_id", "item_id", "event").rows()
    clicks = [(1, 7, "click"), (1, 8, "click"), (2, 7, "click")]
    others = [(1, 7, "like"), (1, 7, "long_view"), (1, 8, "long_view"), (2, 8, "hate")]
    assert sorted(events) == sorted(clicks + others)


def test_kuairand_takes_clicks_as_positive(tmp_path: Path) -> None:
    write_kuairand(tmp_path / "KuaiRand-Pure" / "data")
    data = build(SOURCES["kuairand-pure"](tmp_path))
    assert set(data.interactions["event"]) == {"click"}
    assert data.signals.height == 4
    assert data.interactions["timestamp"][0] == datetime(2022, 4, 10, 1, tzinfo=UTC)
    assert data.states_availability


def test_kuairand_repairs_are_named_and_counted(tmp_path: Path) -> None:
    write_kuairand(tmp_path / "kuairand-pure")
    tables = SOURCES["kuairand-pure"](tmp_path)
    assert {r.rule: (r.action, r.count) for r in tables.repairs} == {
        "duplicate_exposures": ("keep_first", 1),
        "zero_duration": ("set_null", 1),
        "impossible_watch_time": ("set_null", 1),
        "unknown_values": ("set_null", 2),
    }
    assert all(repair.reason and repair.examples for repair in tables.repairs)


def test_long_view_weighs_how_often_the_video_was_watched_through(tmp_path: Path) -> None:
    write_kuairand(tmp_path / "kuairand-pure")
    rows = SOURCES["kuairand-pure"](tmp_path).interactions
    weights = dict(rows.filter(pl.col("event") == "long_view").select("item_id", "weight").rows())
    assert weights == {7: 1.5, 8: 1.0}  # video 8: an impossible time counts as not known
    assert set(rows.filter(pl.col("event") != "long_view")["weight"]) == {1.0}


def test_kuairand_features_hold_nothing_that_sums_up_the_period(tmp_path: Path) -> None:
    write_kuairand(tmp_path / "kuairand-pure")
    tables = SOURCES["kuairand-pure"](tmp_path)
    assert "visible_status" not in tables.items.columns
    assert item(tables, 8)["tags"] == ["3", "12"]
    assert item(tables, 7)["tags"] == []
    assert (item(tables, 7)["duration_s"], item(tables, 7)["portrait"], item(tables, 7)["music_type"]) == (
        20,
        "false",
        "9",
    )
    assert user(tables, 2) == {
        "user_id": 2,
        "user_active_degree": None,
        "is_live_streamer": None,
        "follow_user_num_range": "(0,10]",
        "register_days_range": "730+",
        "onehot_feat4": None,
    }


def test_kuairand_history_comes_without_times_in_its_order(tmp_path: Path) -> None:
    write_one_log(tmp_path / "ugc" / "kuairand-pure")
    data = build(SOURCES["kuairand-pure"](tmp_path, history=True))
    past = data.interactions.filter(pl.col("timestamp").is_null())
    assert past.select("user_id", "item_id").rows() == [(1, 8), (1, 7)]
    assert data.interactions["timestamp"].is_null().to_list()[:2] == [True, True]
    assert build(SOURCES["kuairand-pure"](tmp_path)).interactions["timestamp"].null_count() == 0


def test_kuairand_history_is_refused_where_the_logs_have_times(tmp_path: Path) -> None:
    write_kuairand(tmp_path / "kuairand-pure")
    with pytest.raises(ConfigError, match=r"history=true needs user_history.*leave the option out"):
        SOURCES["kuairand-pure"](tmp_path, history=True)


VIEWS = (
    '"Applicant.ID","Job.ID","Title","Position","Company","City","State.Name","State.Code","Industry","View.Start"\n'
    '1,70,"t","Late title","Acme","Newark","New Jersey","NJ",NA,"2015-01-03 00:00:00 UTC"\n'
    '1,70,"t","First title","Acme","Newark","New Jersey","NJ",NA,"2015-01-02 00:00:00 UTC"\n'
    '2,60,"t","Cook, ""hot""","Bar",NA,"Ohio","OH","Food","2015-01-01 00:00:00 UTC"\n'
    '2,60,"t","Cook","Bar",NA,"Ohio","OH","Food","2015-01-01 00:00:00 UTC"\n'
)
EXPERIENCE = (
    '"Applicant.ID","Position.Name","City","State.Code","Created.At"\n'
    '1," Waiter ","Custer","WA","2015-01-02 00:00:00 UTC"\n'
    '1,"Barista","None","WA","2014-01-02 00:00:00 UTC"\n'
    '1,"Manager","Reno","NV","2015-01-02 00:00:01 UTC"\n'
    '9,"Nobody","Reno","NV","2014-01-02 00:00:00 UTC"\n'
)
INTEREST = '"Applicant.ID","Position.Of.Interest","Created.At"\n2,"Cook","2014-01-02 00:00:00 UTC"\n'
JOBS = {"Job_Views.csv": VIEWS, "Experience.csv": EXPERIENCE, "Positions_Of_Interest.csv": INTEREST}


def test_job_is_described_by_its_first_view(tmp_path: Path) -> None:
    write(tmp_path / "jobs" / "job-views", JOBS)
    tables = SOURCES["job-views"](tmp_path)
    described = {"title": "First title", "company": "Acme", "city": "Newark", "state": "NJ", "industry": None}
    assert item(tables, 70) == {"item_id": 70} | described
    assert item(tables, 60)["title"] == 'Cook, "hot"'


def test_applicant_is_described_by_what_was_entered_before_the_first_view(tmp_path: Path) -> None:
    write(tmp_path / "job-views", JOBS)
    tables = SOURCES["job-views"](tmp_path)
    columns = {"past_positions": ["Barista", "Waiter"], "past_cities": ["Custer"], "past_states": ["WA"]}
    assert user(tables, 1) == {"user_id": 1, "wanted_positions": None} | columns
    assert user(tables, 2)["wanted_positions"] == ["Cook"]
    (repair,) = tables.repairs
    assert (repair.rule, repair.count) == ("entered_after_first_view", 1)


def test_repeated_views_are_kept_but_not_exact_duplicates(tmp_path: Path) -> None:
    write(tmp_path / "job-views", JOBS)
    data = build(SOURCES["job-views"](tmp_path))
    assert data.interactions.select("user_id", "item_id").rows() == [(2, 60), (1, 70), (1, 70)]
    assert "duplicates" in {repair.rule for repair in data.repairs}
    assert len(data.match) == 4


def test_unparsable_time_is_counted_and_shown(tmp_path: Path) -> None:
    write(tmp_path / "job-views", JOBS | {"Job_Views.csv": VIEWS.replace("2015-01-03 00:00:00 UTC", "yesterday")})
    with pytest.raises(DataError, match=r"Job_Views.csv: column View.Start: 1 value not like .*yesterday"):
        SOURCES["job-views"](tmp_path)


def test_order_of_items_does_not_tell_when_they_were_used(tmp_path: Path) -> None:
    write(tmp_path / "ml-100k", ATOMIC)
    write_kuairand(tmp_path / "kuairand-pure")
    write(tmp_path / "job-views", JOBS)
    for name in ("ml-100k", "kuairand-pure", "job-views"):
        tables = SOURCES[name](tmp_path)
        assert tables.items["item_id"].is_sorted(), name
        assert tables.users is not None
        assert tables.users["user_id"].is_sorted(), name


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"simulated"}))
def test_missing_data_says_where_it_looked_and_how_to_get_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"found no folder with .*Looked in {tmp_path}.*make data SOURCE={name}"):
        SOURCES[name](tmp_path)
    with pytest.raises(DataError, match=r"no folder of raw data is set.*make data"):
        SOURCES[name](None)


def test_folder_that_lacks_a_file_is_not_taken(tmp_path: Path) -> None:
    write(tmp_path / "ml-100k", {k: v for k, v in U.items() if k != "u.user"})
    with pytest.raises(DataError, match=r"u.data \+ u.item \+ u.user"):
        SOURCES["ml-100k"](tmp_path)


BROKEN = [
    ("ml-latest-small", CSV, "ratings.csv", "a;b\n1;2\n", "no column userId, movieId, rating, timestamp; it has a;b"),
    ("ml-latest-small", CSV, "ratings.csv", "userId,movieId,rating,timestamp\n1,x,2,3\n", "cannot be read"),
    ("ml-latest-small", CSV, "movies.csv", "", "cannot be read"),
    ("ml-100k", ATOMIC, "ml-100k.user", "user_id:token\n1\n", "no column age:token"),
    ("ml-1m", DAT, "ratings.dat", "1::2::x::4\n", "cannot be read"),
    ("job-views", JOBS, "Experience.csv", '"Applicant.ID"\n1\n', "no column Created.At, Position.Name"),
]


@pytest.mark.parametrize(("name", "files", "broken", "text", "says"), BROKEN)
def test_broken_file_is_named(
    tmp_path: Path, name: str, files: dict[str, str], broken: str, text: str, says: str
) -> None:
    write(tmp_path / name, files | {broken: text})
    with pytest.raises(DataError, match=f"{broken}: {says}.*Fetch the original again"):
        SOURCES[name](tmp_path)


def test_truncated_parquet_is_named(tmp_path: Path) -> None:
    write_one_log(tmp_path / "kuairand-pure")
    log = tmp_path / "kuairand-pure" / "log_standard_0425_0508.parquet"
    log.write_bytes(log.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"log_standard_0425_0508.parquet: cannot be read"):
        SOURCES["kuairand-pure"](tmp_path)
