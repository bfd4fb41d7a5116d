"""MovieLens 100k, latest-small, 1M, 20M, 25M and 32M, in GroupLens's own layouts; 100k also as RecBole files.

F. M. Harper, J. A. Konstan: The MovieLens Datasets: History and Context, ACM TiiS 5(4), 2015.

Left out: free-text tags and genome scores (dated or derived from what users did: they would leak the
future into item features), links, and any availability: a film's release year is not when the
service began to offer it, and nothing else states that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from recommender.data.gate import Features, Spec, Tables
from recommender.data.notes import Repair
from recommender.sources.files import find, read_csv

RATING: dict[str, type[pl.DataType]] = {
    "user_id": pl.Int64,
    "item_id": pl.Int64,
    "rating": pl.Float32,
    "timestamp": pl.Int64,
}
FILM = {"movieId": pl.Int64, "title": pl.String, "genres": pl.String}
NO_GENRE = ["", "unknown", "(no genres listed)"]
GENRES_100K = (  # the 19 flags at the end of each row of u.item, in the order of u.genre
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror "
    "Musical Mystery Romance Sci-Fi Thriller War Western"
).split()
ATOMIC_COLUMNS = {
    "ml-100k.inter": ("user_id:token", "item_id:token", "rating:float", "timestamp:float"),
    "ml-100k.item": ("item_id:token", "movie_title:token_seq", "release_year:token", "class:token_seq"),
    "ml-100k.user": ("user_id:token", "age:token", "gender:token", "occupation:token", "zip_code:token"),
}
LAYOUTS = {
    "atomic": tuple(ATOMIC_COLUMNS),
    "u": ("u.data", "u.item", "u.user"),
    "dat": ("ratings.dat", "movies.dat", "users.dat"),
    "csv": ("ratings.csv", "movies.csv"),
}
LAYOUTS_OF = {"ml-100k": ("atomic", "u"), "ml-1m": ("dat",)}  # the others: csv
ROLES = Features(
    items={"title": "text", "year": "numeric", "genres": "multi"},
    users={"age": "numeric", "gender": "protected", "occupation": "category", "zip_region": "category"},
)


def load(name: str, raw_dir: Path | None, *, min_rating: float | None = None) -> Tables:
    """Ratings as interactions (event "rating", weight = stars), films, and users where the set describes them.

    name: the data set, such as "ml-100k". min_rating: ratings below it become the event "low_rating",
    kept as a signal and not as "took it"; by default every rating counts, whatever its value.
    Raises DataError where files are missing or unreadable.
    """
    layouts = {layout: LAYOUTS[layout] for layout in LAYOUTS_OF.get(name, ("csv",))}
    folder, layout = find(name, raw_dir, [name], layouts)
    ratings, items, users, repairs = READERS[layout](folder)
    low = pl.lit(False) if min_rating is None else pl.col("rating") < min_rating
    interactions = ratings.select(
        "user_id",
        "item_id",
        timestamp=pl.from_epoch("timestamp", "s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        event=pl.when(low).then(pl.lit("low_rating")).otherwise(pl.lit("rating")),
        weight="rating",
    )
    spec = Spec(features=ROLES if users is not None else Features(items=ROLES.items), positive=["rating"])
    users = users.sort("user_id") if users is not None else None
    return Tables(name, interactions, items.sort("item_id"), users, spec, repairs)


Parts = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame | None, list[Repair]]  # ratings, items, users, repairs


def _csv(folder: Path) -> Parts:
    columns = {"userId": pl.Int64, "movieId": pl.Int64, "rating": pl.Float32, "timestamp": pl.Int64}
    ratings = read_csv(folder / "ratings.csv", needs=list(columns), schema_overrides=columns)
    films = read_csv(folder / "movies.csv", needs=["movieId", "title", "genres"], schema_overrides=FILM)
    items = films.rename({"movieId": "item_id"}).select("item_id", *_title_year(), genres=_genres("genres", "|"))
    return ratings.rename({"userId": "user_id", "movieId": "item_id"}), items, None, []


def _dat(folder: Path) -> Parts:
    """ratings.dat, movies.dat, users.dat of 1M: fields split by "::", Latin-1, age and occupation as codes."""
    ratings = _headless(folder / "ratings.dat", "::", RATING)
    films = _headless(folder / "movies.dat", "::", {"item_id": pl.Int64, "title": pl.String, "genres": pl.String})
    items = films.select("item_id", *_title_year(), genres=_genres("genres", "|"))
    columns = {"user_id": pl.Int64, "gender": pl.String, "age": pl.Int64, "occupation": pl.String, "zip": pl.String}
    return ratings, items, _users(_headless(folder / "users.dat", "::", columns)), []


def _u(folder: Path) -> Parts:
    """u.data, u.item, u.user of 100k: the publisher's files, Latin-1."""
    ratings = _headless(folder / "u.data", "\t", RATING)
    described = {"item_id": pl.Int64, "title": pl.String, "released": pl.String, "video": pl.String, "url": pl.String}
    flags = dict.fromkeys(GENRES_100K, pl.Int64)
    films = _headless(folder / "u.item", "|", described | flags)
    genres = pl.concat_list(
        pl.when(pl.col(genre) == 1).then(pl.lit(genre)) for genre in GENRES_100K if genre not in NO_GENRE
    )
    items = films.select("item_id", *_title_year(), genres=genres.list.drop_nulls())
    columns = {"user_id": pl.Int64, "age": pl.Int64, "gender": pl.String, "occupation": pl.String, "zip": pl.String}
    return ratings, items, _users(_headless(folder / "u.user", "|", columns)), []


def _atomic(folder: Path) -> Parts:
    """RecBole's atomic files of 100k: tab, header with types, year split off, genres by spaces."""
    ratings, films, users = (_typed_header(folder / file, needs) for file, needs in ATOMIC_COLUMNS.items())
    year = pl.col("release_year").cast(pl.Int32, strict=False)
    junk = films.filter(year.is_null() & pl.col("release_year").is_not_null())
    items = films.select(
        pl.col("item_id").cast(pl.Int64, strict=False), title="movie_title", year=year, genres=_genres("class", " ")
    )
    repairs = []
    if junk.height:
        shown = tuple(f"{title}: {text!r}" for title, text in junk["movie_title", "release_year"].head(3).rows())
        reason = "the release year is not a number; the film is kept without one"
        repairs.append(Repair("items", "junk_year", "set_null", junk.height, reason, shown))
    # not strict: what is no number becomes null, which the gate reports with its place
    floats = ratings.select(pl.col(list(RATING)).cast(pl.Float64, strict=False))  # a time may be written as 8.8e8
    numbers = floats.select(pl.col(column).cast(kind) for column, kind in RATING.items())
    people = users.rename({"zip_code": "zip"}).with_columns(pl.col("user_id", "age").cast(pl.Int64, strict=False))
    return numbers, items, _users(people), repairs


def _headless(path: Path, separator: str, columns: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """A Latin-1 file without a header; quotes are ordinary characters in it."""
    return read_csv(path, latin1=True, separator=separator, has_header=False, quote_char=None, schema=columns)


def _typed_header(path: Path, needs: Sequence[str]) -> pl.DataFrame:
    """A tab file with a header such as ``item_id:token``; all values as text."""
    frame = read_csv(path, needs=needs, separator="\t", quote_char=None, infer_schema=False)
    return frame.rename(lambda column: column.split(":")[0])


def _title_year() -> tuple[pl.Expr, pl.Expr]:
    """ "Toy Story (1995)" -> "Toy Story", 1995; a "(V)" for straight-to-video may follow. No year: title as it is."""
    pattern = r"^(.*?)\s*\((\d{4})\)\s*(?:\(V\))?\s*$"
    title = pl.coalesce(pl.col("title").str.extract(pattern, 1), pl.col("title").str.strip_chars())
    return title.alias("title"), pl.col("title").str.extract(pattern, 2).cast(pl.Int32).alias("year")


def _genres(column: str, separator: str) -> pl.Expr:
    """List of genres, empty where none is stated."""
    genres = pl.col(column).fill_null("").str.split(separator)
    return genres.list.eval(pl.element().filter(~pl.element().is_in(NO_GENRE)))


def _users(people: pl.DataFrame) -> pl.DataFrame:
    """zip_region is the first character of the zip code: a US region of about ten states, a letter in Canada."""
    return people.select("user_id", "age", "gender", "occupation", zip_region=pl.col("zip").str.slice(0, 1))


READERS = {"csv": _csv, "dat": _dat, "u": _u, "atomic": _atomic}
