"""One parser for every time column: what is read, what is refused with a way out, and what is noted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.data.gate import from_frames
from recommender.data.times import check_format, parse_times
from recommender.errors import ConfigError, DataError
from recommender.serving.bundle import as_queries
from recommender.serving.known import Known
from tests.helpers.messy import notes, read, refusal

DAYS = st.dates(datetime(1990, 1, 2).date(), datetime(2099, 12, 31).date())


def interactions(*times: object) -> str:
    return "user_id,item_id,timestamp\n" + "".join(f"u{n},a,{time}\n" for n, time in enumerate(times))


@given(st.lists(DAYS, min_size=1, max_size=5))
def test_eight_digits_are_a_day_as_number_and_as_text(days: list[Any]) -> None:
    midnights = [datetime(d.year, d.month, d.day, tzinfo=UTC) for d in days]
    for raw in ([int(f"{d:%Y%m%d}") for d in days], [f"{d:%Y%m%d}" for d in days], [f"{d:%Y-%m-%d}" for d in days]):
        times = parse_times(pl.Series(raw))
        assert times is not None
        assert times.values.to_list() == midnights
        assert not times.faulty.any()


@given(st.datetimes(datetime(1990, 1, 2), datetime(2068, 1, 1)))
def test_a_stated_format_reads_what_it_writes(time: datetime) -> None:
    time = time.replace(second=0, microsecond=0, tzinfo=UTC)
    for form in ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d-%m-%y %H:%M", "%d.%m.%Y %H:%M"):
        times = parse_times(pl.Series([time.strftime(form)]), form)
        assert times is not None
        assert times.values.to_list() == [time]


def test_stated_units_count_from_where_they_say() -> None:
    for form, number in (("days", 19723), ("excel", 45292), ("s", 1704067200), ("ms", 1704067200000), ("%Y", 2024)):
        times = parse_times(pl.Series([number]), form)
        assert times is not None
        assert times.values.to_list() == [datetime(2024, 1, 1, tzinfo=UTC)]


def test_days_of_a_file_are_read_and_noted(tmp_path: Path) -> None:
    data = read(tmp_path, {"interactions.csv": interactions(20240101, 20240103)})
    assert data.interactions["timestamp"].to_list() == [datetime(2024, 1, d, tzinfo=UTC) for d in (1, 3)]
    assert "eight digits are read as days" in notes(data)


REFUSED = [
    ((1, 2, 3), ["implausible_times, 3 rows", "1 in line 2", "'times: {timestamp: days}'", "excel"]),
    ((45292, 45293), ["implausible_times, 2 rows", "45292 in line 2", "excel"]),
    ((2024, 2023), ["implausible_times", "2024 in line 2", "'times: {timestamp: \"%Y\"}'"]),
    (("12/1/2010 8:26", "13/1/2010 9:00"), ["unparsable_times, 2 rows", "'12/1/2010 8:26' in line 2", "%d/%m/%Y"]),
    (("31-12-20", "01-12-20"), ["unparsable_times, 2 rows", "'31-12-20' in line 2", "times: {timestamp:"]),
    (("1.70419E+12", "1.70420E+12"), ["unparsable_times, 2 rows", "last digits are lost"]),
    ((20241301, 20240101, 20240102), ["unparsable_times, 1 row", "20241301 in line 2"]),
    (("2024-01-01", "soon"), ["unparsable_times, 1 row", "'soon' in line 3"]),
]


@pytest.mark.parametrize(("times", "messages"), REFUSED)
def test_ambiguous_and_implausible_times_are_refused_with_the_raw_value_and_a_way_out(
    tmp_path: Path, times: tuple[object, ...], messages: list[str]
) -> None:
    message = refusal(tmp_path, {"interactions.csv": interactions(*times)})
    for text in messages:
        assert text in message


def test_the_way_out_works(tmp_path: Path) -> None:
    rows = interactions("12/1/2010 8:26", "13/1/2010 9:00")
    spec = 'times: {timestamp: "%d/%m/%Y %H:%M"}'
    data = read(tmp_path, {"interactions.csv": rows, "dataset.yaml": spec})
    assert data.interactions["timestamp"][0] == datetime(2010, 1, 12, 8, 26, tzinfo=UTC)
    assert data.reading.times == {"timestamp": "%d/%m/%Y %H:%M"}


def test_years_of_items_are_refused_and_read_where_stated(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"items.csv": "item_id,available_from\na,1995\nb,2001\nc,2030\n"}
    message = refusal(tmp_path, files)
    assert "items.available_from: implausible_times, 3 rows (e.g. 1995 in line 2" in message
    data = read(tmp_path, {**files, "dataset.yaml": 'times: {available_from: "%Y"}'})
    assert data.items.frame["available_from"][0] == datetime(1995, 1, 1, tzinfo=UTC)


def test_availability_after_every_use_is_noted(tmp_path: Path) -> None:
    data = read(tmp_path, {"items.csv": "item_id,available_from\na,2025-01-01\nb,2025-01-01\nc,2025-01-01\n"})
    assert "3 of 3 used items become available only after their last use" in notes(data)


def test_a_wrong_format_is_a_configuration_error() -> None:
    assert check_format("%d/%m/%Y") is None
    with pytest.raises(ConfigError, match="expected a pattern such as"):
        from_frames(None, pl.DataFrame({"item_id": ["a"]}), spec={"times": {"timestamp": "dd/mm/yyyy"}})
    with pytest.raises(ConfigError, match="unknown time column 'time'"):
        from_frames(None, pl.DataFrame({"item_id": ["a"]}), spec={"times": {"time": "%Y"}})


def test_as_of_is_read_like_every_other_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = read(tmp_path)
    for as_of in (20240103, "20240103", "2024-01-03", datetime(2024, 1, 3), 1704240000, 1704240000000):
        queries = as_queries(pl.DataFrame({"user_id": ["u1"], "as_of": [as_of]}), Known.of(data))
        assert queries.as_of.tolist() == [1704240000000000]
        assert queries.history.lengths.tolist() == [2]
    for wrong in (2018, 17000, "12/1/2010", "soon"):
        with pytest.raises(DataError, match=rf"queries.as_of: 1 values .* \(e.g. {wrong!r}\)"):
            as_queries(pl.DataFrame({"user_id": ["u1"], "as_of": [wrong]}), Known.of(data))
    with caplog.at_level("WARNING"):
        as_queries(pl.DataFrame({"user_id": ["u1"], "as_of": ["2020-01-01"]}), Known.of(data))
    assert "before all data (from 2024-01-01" in caplog.text


def test_data_without_times_pass_with_the_way_to_train_on_them(tmp_path: Path) -> None:
    data = read(tmp_path, {"interactions.csv": "user_id,item_id\nu1,a\nu1,a\nu2,b\n"})
    assert not data.has_times
    assert data.interactions.height == 3
    notes_then = notes(data)
    assert "train with SET='split.kind=random'" in notes_then
    assert "user u1 item a" in notes_then
