"""Roles: what misleads is left out with a reason, protected groups are found, lists and money are read."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from recommender.data.column_names import is_protected, is_total
from recommender.data.digest import digest
from recommender.data.forms import to_form
from recommender.data.gate import from_frames
from recommender.data.list_text import parse_list
from recommender.data.roles import guess_roles
from recommender.data.times import within_calendar
from recommender.errors import DataError
from tests.helpers.messy import notes, read, refusal

PROTECTED = """user_gender Gender_ birth_year dob nationality ethnic_group date_of_birth DateOfBirth religion disability
marital_status MaritalStatus pregnancy applicant_sex userSex race_code age Age_Group ageGroup sexual_orientation
geschlecht Geburtsdatum Familienstand staatsangehoerigkeit Konfession sexe date_naissance situation_matrimoniale
género fecha_nacimiento estado_civil nacionalidad edad religione sesso nazionalita_di_nascita citizenship is_veteran
is_pregnant caste mother_tongue disabled handicap""".split()
PLAIN = (
    "genre average title city passage message storage package essex_shop trace brace image region page usage".split()
)
TOTALS = """ratings_count average_rating views view_count num_ratings n_likes popularity popularity_score applies
members score total_sales avg_rating work_ratings_count numReviews likes""".split()
PARTS = "page_count num_pages n_seats total_price n_rooms avg_price num_episodes price year".split()


def test_protected_names_are_found_by_their_parts() -> None:
    assert [name for name in PROTECTED if not is_protected(name, "users")] == []
    assert [name for name in PLAIN if is_protected(name, "users")] == []
    assert not is_protected("nationality", "items")
    assert is_protected("author_gender", "items")


def test_totals_are_found_and_parts_of_an_item_are_not() -> None:
    assert [name for name in TOTALS if not is_total(name)] == []
    assert [name for name in PARTS if is_total(name)] == []


def test_protected_columns_of_a_file_serve_audits_only(tmp_path: Path) -> None:
    data = read(tmp_path, {"users.csv": "user_id,Gender ,birth_year,city\nu1,F,1980,Nice\nu2,M,1990,Lyon\n"})
    assert dict(data.users.roles) == {"Gender ": "protected", "birth_year": "protected", "city": "category"}
    assert "users.birth_year: guessed protected" in notes(data)
    assert "'features: {users: {birth_year: category}}'" in notes(data)


N = 30
MISLEADING = {
    "release_date": [f"19{n + 50}-01-02" for n in range(N)],
    "listed": [f"{n + 1}/2/2020" for n in range(N)],
    "created": [1_600_000_000 + n for n in range(N)],
    "updated_at": [1_600_000_000_000 + n * 7 for n in range(N)],
    "ratings_count": [n % 7 for n in range(N)],
    "Unnamed: 0": [n % 5 for n in range(N)],
    "position_in_file": list(range(N)),
    "sku": [f"x{n}" for n in range(N - 1)] + ["x0"],
    "shop_id": list(range(100, 100 + N)),
}


@pytest.mark.parametrize("name", MISLEADING)
def test_features_that_mislead_are_ignored_with_the_reason_and_can_be_stated(name: str) -> None:
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(N)], name: MISLEADING[name]})
    data = from_frames(None, items, require_interactions=False)
    assert data.items.roles[name] == "ignore"
    assert f"items.{name}: guessed ignore" in notes(data)
    stated = from_frames(None, items, spec={"features": {"items": {name: "category"}}}, require_interactions=False)
    assert stated.items.roles[name] == "category"
    assert notes(stated) == ""


def test_a_start_date_is_proposed_as_availability(tmp_path: Path) -> None:
    data = read(tmp_path, {"items.csv": "item_id,release_date\na,1990-01-01\nb,1991-02-02\nc,1992-03-03\n"})
    assert "columns: {available_from: release_date}" in notes(data)


def test_numbers_that_follow_the_uses_are_noted_by_evidence() -> None:
    uses = [n + 1 for n in range(40)]
    rows = [(f"u{u}", f"i{n}") for n, count in enumerate(uses) for u in range(count)]
    table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row").with_columns(timestamp=pl.lit("2024-01-01"))
    items = pl.DataFrame(
        {"item_id": [f"i{n}" for n in range(40)], "heat": [c * 3 + 1 for c in uses], "size": [5, 9] * 20}
    )
    notes_then = notes(from_frames(table, items))
    assert "items.heat: its rank follows how often items are used (correlation 1.00)" in notes_then
    assert "items.size" not in notes_then


LISTS = {
    "as Python prints": "\"['quick', 'baking']\"",
    "with mixed quotes": '"[""quick"", \'baking\']"',
    "as JSON": '"[""quick"", ""baking""]"',
    "as NumPy prints": "\"['quick' 'baking']\"",
    "objects": '"[{""id"": 1, ""name"": ""quick""}, {""id"": 2, ""name"": ""baking""}]"',
    "Python objects": "\"[{'id': 1, 'name': 'quick'}, {'id': 2, 'name': 'baking'}]\"",
    "without quotes": '"[quick, baking]"',
    "bars": "quick|baking",
    "semicolons": "quick;baking",
    "commas": '"quick, baking"',
    "slashes": "quick/baking",
}


@pytest.mark.parametrize("form", LISTS)
def test_lists_are_read_in_every_common_form(tmp_path: Path, form: str) -> None:
    one, empty = ("[baking]" if LISTS[form].startswith('"[') else "baking"), "[]" if "[" in LISTS[form] else ""
    one = one if "quotes" in form or "[" not in one else "\"['baking']\""
    data = read(tmp_path, {"items.csv": f"item_id,tags\na,{LISTS[form]}\nb,{one}\nc,{empty}\n"})
    assert data.items.roles["tags"] == "multi"
    assert data.items.frame["tags"].to_list() == [["quick", "baking"], ["baking"], [] if empty else None]


def test_lists_that_are_none_are_ignored_where_guessed_and_refused_where_stated(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"items.csv": 'item_id,tags\na,"[{""x"": [1]}]"\nb,"[[1], [2]]"\nc,"[]"\n'}
    data = read(tmp_path, files)
    assert data.items.roles["tags"] == "ignore"
    assert "no lists of words" in notes(data)
    message = refusal(tmp_path, {**files, "dataset.yaml": "features: {items: {tags: multi}}"})
    assert "items.tags: wrong_type, 2 rows" in message
    assert "in line 2" in message
    assert "'features: {items: {tags: ignore}}'" in message


def test_stated_lists_of_which_some_are_no_list_make_no_tag_of_the_whole_text(tmp_path: Path) -> None:
    items = "item_id,tags\na,\"['quick', 'baking']\"\nb,slow|cold\nc,warm\n"
    data = read(tmp_path, {"items.csv": items, "dataset.yaml": "features: {items: {tags: multi}}"})
    assert data.items.frame["tags"].to_list() == [["quick", "baking"], ["slow", "cold"], ["warm"]]


def test_sentences_with_commas_stay_text() -> None:
    words = [f"A long, winding story of {n} friends, and what came of it" for n in range(9)]
    assert guess_roles(pl.DataFrame({"plot": words}), {})["plot"].role == "text"


def test_deep_and_long_lists_are_no_lists() -> None:
    assert parse_list("[" * 5000 + "]" * 5000) is None
    assert parse_list("[" + "1," * 60_000 + "1]") is None
    assert parse_list("[__import__('os').system('true')]") is None


def test_money_and_thousands_are_numbers(tmp_path: Path) -> None:
    items = 'item_id,price,seen\na,$3.99,"1,200"\nb,$12.50,"12,000"\nc,€7,"3"\n'
    data = read(tmp_path, {"items.csv": items})
    assert data.items.frame["price"].to_list() == [3.99, 12.5, 7.0]
    assert data.items.frame["seen"].to_list() == [1200.0, 12000.0, 3.0]
    assert "money, percent or marks between thousands" in notes(data)


def test_decimal_commas_are_numbers_and_no_lists(tmp_path: Path) -> None:
    items = "item_id;price;size;codes\na;1.234,50 €;3,5;1,2\nb;12,00 €;40;1\nc;7 €;3,5;1,2,30\n"
    data = read(tmp_path, {"items.csv": items})
    assert data.items.frame["price"].to_list() == [1234.5, 12.0, 7.0]
    assert data.items.frame["size"].to_list() == [3.5, 40.0, 3.5]
    assert data.items.frame["codes"].to_list() == [["1", "2"], ["1"], ["1", "2", "30"]]
    assert "items.size: guessed numeric: commas are read as decimal points" in notes(data)
    assert to_form(pl.Series(["1,234", "12,50"]), "numeric") is None  # of thousands or of one: cannot be told


@pytest.mark.parametrize("missing", ["-", "?", "n/a", "unknown"])
def test_numbers_beside_a_word_for_missing_ones_say_how_to_read_them(tmp_path: Path, missing: str) -> None:
    files: dict[str, str | bytes] = {"items.csv": f"item_id,pages\na,10\nb,{missing}\nc,5\n"}
    data = read(tmp_path, files)
    assert data.items.roles["pages"] == "category"
    (way,) = re.findall(r"needs '(read: .*)' too", notes(data))
    assert read(tmp_path, {**files, "dataset.yaml": way}).items.frame["pages"].to_list() == [10, None, 5]


def test_money_with_words_among_it_says_how_to_read_it(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"items.csv": "item_id,price\na,$3.99\nb,$12.50\nc,Free\n"}
    data = read(tmp_path, files)
    assert data.items.roles["price"] == "category"
    assert "67% of it look like numbers" in notes(data)
    message = refusal(tmp_path, {**files, "dataset.yaml": "features: {items: {price: numeric}}"})
    assert "items.price: wrong_type, 1 row (e.g. 'Free' in line 4)" in message
    way = 'features: {items: {price: numeric}}\nread: {null_values: ["Free"]}'
    assert read(tmp_path, {**files, "dataset.yaml": way}).items.frame["price"].to_list() == [3.99, 12.5, None]


def test_two_columns_are_a_location_by_name_or_as_stated(tmp_path: Path) -> None:
    data = read(tmp_path, {"items.csv": "item_id,Latitude,lng\na,45.7,4.8\nb,,\nc,-33.9,151.2\n"})
    place = [{"lat": 45.7, "lon": 4.8}, None, {"lat": -33.9, "lon": 151.2}]
    assert data.items.frame["location"].to_list() == place
    assert "made of the columns Latitude and lng" in notes(data)
    spec = "locations: {items: {spot: [y, x]}}"
    data = read(
        tmp_path / "stated", {"items.csv": "item_id,y,x\na,45.7,4.8\nb,,\nc,-33.9,151.2\n", "dataset.yaml": spec}
    )
    assert data.items.frame["spot"].to_list() == place
    message = refusal(tmp_path / "wrong", {"items.csv": "item_id,lat,lon\na,45.7,4.8\nb,95,1\nc,north,2\n"})
    assert "items.lat: wrong_type, 2 rows (e.g. '95' in line 3, 'north' in line 4)" in message


def exotic() -> dict[str, pl.Series]:
    return {
        "bytes": pl.Series([b"\xff\x00", b"b", b"c"]),
        "duration": pl.Series([timedelta(1), timedelta(2), None]),
        "huge duration": pl.Series([2**62, 1, 2], dtype=pl.Duration("us")),
        "nested list": pl.Series([[[1]], [[2]], None]),
        "object": pl.Series([{"a": [1]}, {"a": [2]}, None]),
        "array": pl.Series([[1, 2], [3, 4], [5, 6]], dtype=pl.Array(pl.Int64, 2)),
        "places in text": pl.Series([{"lat": "45,76", "lon": "4.8"}, {"lat": "n/a", "lon": ""}, None]),
    }


@pytest.mark.parametrize("role", ["category", "multi", "text", "numeric", "embedding", "location"])
@pytest.mark.parametrize("kind", exotic())
def test_columns_of_any_type_are_taken_or_refused_by_name(kind: str, role: str) -> None:
    items = pl.DataFrame({"item_id": ["a", "b", "c"], "x": exotic()[kind]})
    formed = to_form(within_calendar(items["x"]), role)
    spec = {"features": {"items": {"x": role}}}
    if formed is None:
        with pytest.raises(DataError, match=r"items.x: wrong_type.{,700}$"):
            from_frames(None, items, spec=spec, require_interactions=False)
    else:
        assert from_frames(None, items, spec=spec, require_interactions=False).items.frame["x"].equals(formed)


GUESSED = {
    **{kind: values for kind, values in exotic().items() if kind != "places in text"},
    "objects": pl.Series([[{"name": "red"}], [{"name": "blue"}], []]),
    "objects in text": pl.Series(["[{'name': 'red'}]", "[{'name': 'blue'}]", "[]"]),
    "empty lists": pl.Series([[], [], []], dtype=pl.List(pl.String)),
    "durations in lists": pl.Series([[timedelta(1)], [timedelta(2)], []]),
    "money and words": pl.Series(["$3.99", "$12", "free"]),
    "semicolons": pl.Series(["a;b", "a", "c;a"]),
    "dates": pl.Series(["2020-01-01", "2020-01-02", "2020-01-03"]),
    "nothing": pl.Series([None, None, None]),
}


@pytest.mark.parametrize("name", ["x", "user_gender", "ratings_count", "null", " x", "it's, \ufeffx"])
@pytest.mark.parametrize("kind", GUESSED)
def test_what_a_note_on_a_guess_offers_is_another_role_and_is_accepted(kind: str, name: str) -> None:
    items = pl.DataFrame({"item_id": ["a", "b", "c"], name: GUESSED[kind]})
    try:
        data = from_frames(None, items, require_interactions=False)
    except DataError:
        assert name == "user_gender"  # objects cannot be audited, and the message says what to state
        return
    role = data.items.roles[name]
    for offer in re.findall(r"To say otherwise: '(.*)'", notes(data)):
        spec = yaml.safe_load(offer)
        if "money" in kind and name != "user_gender":
            items = items.with_columns(pl.col(name).replace("free", None))
        assert from_frames(None, items, spec=spec, require_interactions=False).items.roles[name] != role
    unreadable = kind in ("bytes", "duration", "object", "nested list", "durations in lists")
    assert ("To say otherwise" in notes(data)) == ("guessed" in notes(data) and not unreadable)


def test_a_category_cannot_match_a_number() -> None:
    users, items = pl.DataFrame({"user_id": ["u"], "city": ["Nice"]}), pl.DataFrame({"item_id": ["a"], "zone": [1.5]})
    with pytest.raises(DataError, match=r"users.city: match_types. A number can only match a number"):
        from_frames(None, items, users, spec={"match": [{"user": "city", "item": "zone"}]}, require_interactions=False)


@pytest.mark.parametrize("kind", exotic())
def test_columns_of_any_type_count_in_the_fingerprint_of_the_data(kind: str) -> None:
    spec = {"features": {"items": {"x": "ignore"}}}
    items = pl.DataFrame({"item_id": ["a", "b", "c"], "x": exotic()[kind]})
    one = from_frames(None, items, spec=spec, require_interactions=False)
    other = from_frames(None, items.with_columns(x=items["x"].reverse()), spec=spec, require_interactions=False)
    assert digest(one) == digest(one)
    assert digest(one) != digest(other)
