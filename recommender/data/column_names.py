"""What the name of a column says: a protected group, a total that was counted later, a row number, a time."""

from __future__ import annotations

import json
import re
import unicodedata

from recommender.errors import tidy

# Beginnings of words, in English, German, French, Spanish, Portuguese, Italian and Dutch. Any table.
_GROUPS = """gender geschlecht geslacht genero sexe sexo sesso sexual ethni race racial religi konfession glaube
disab handicap behinder discapac deficien disabil lgbt transgender caste hautfarbe""".split()
# Of people only: an item's age or nationality says nothing of a person.
_PEOPLE = """nationali nacionali nazionali staatsang citizen
ciudadan cittadin marital familienstand matrimonial civil pregnan schwanger
enceinte embaraz gravid maternity birth geburt naissance nacimiento nascimento nascita geboorte dob veteran
herkunft ancestry political politisch pronoun""".split()
_WORDS = {"sex", "race"}
_PEOPLE_WORDS = {"age", "ages", "agegroup", "agerange", "alter", "edad", "idade", "eta", "leeftijd", "faith", "hiv"}
_PAIRS = ({"age", "group"}, {"mother", "tongue"}, {"skin", "color"}, {"skin", "colour"}, {"country", "origin"})
_LONG = 6  # beginnings of at least this many letters are looked for anywhere: "dateofbirth" has "birth" too

_TOTAL_LAST = """count counts total totals ratings rating views likes dislikes clicks plays downloads sales sold
followers subscribers favorites favourites favs votes reviews shares comments applies applications applicants members
popularity score purchases orders watchers visits visitors hits listens listeners streams impressions bookmarks saves
upvotes downvotes completions enrollments enrolments reads readers retweets reposts""".split()
_TOTAL_FIRST = ["num", "n", "nb", "number", "count", "total", "avg", "average", "mean"]
# ... but not where they count parts of the item itself, which were there from the start
_PARTS = """page word room bedroom bathroom seat chapter episode season track player piece ingredient step door
employee character char minute second hour day month year floor serving calorie line image photo language size length
duration price cost weight height width salary age capacity vacanc opening position bed author actor part volume item
lesson lecture question section""".split()
_TIMES = """date datum fecha time datetime timestamp created submitted updated modified published at ts added posted
listed released expires""".split()
_START = ("publish", "release", "creat", "start", "list", "post", "add", "launch", "online")
_ROW_NUMBERS = {"index", "idx", "row", "rownum", "rownumber", "rowid", "row_id", "level_0", "_c0", "row_number"}


def words(name: str) -> list[str]:
    """A tidied name in lower-case words: "User_Gender " and "userGender" -> user, gender. Accents go."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", plain)]


def in_yaml(name: str) -> str:
    """The name as dataset.yaml must hold it: quoted where YAML would read, or a reader see, another one."""
    plain = name.isidentifier() and name.lower() not in ("null", "true", "false")
    return name if plain else json.dumps(name, ensure_ascii=not name.isprintable())


def is_protected(name: str, table: str) -> bool:
    """Whether the name denotes a group that must not decide. table: "users" knows more of them than "items"."""
    parts, joined = words(name), tidy(name)
    people = table == "users"
    stems = [*_GROUPS, *(_PEOPLE if people else ())]
    if any(word.startswith(stem) for word in parts for stem in stems):
        return True
    if any(stem in joined for stem in stems if len(stem) >= _LONG or stem == "birth"):
        return True
    exact = _WORDS | (_PEOPLE_WORDS if people else set())
    return bool(exact & set(parts)) or joined in exact or any(pair <= set(parts) for pair in _PAIRS)


def is_total(name: str) -> bool:
    """Whether a number of that name most likely counts or averages what users did: it grows after the fact."""
    parts = words(name)
    if not parts or any(word.startswith(part) for word in parts for part in _PARTS):
        return False
    return parts[-1] in _TOTAL_LAST or (parts[0] in _TOTAL_FIRST and len(parts) > 1) or parts[0] == "popularity"


def is_row_number(name: str) -> bool:
    """Whether a column of that name most likely numbers the rows: pandas writes such, or one without a name."""
    return (
        not name.strip() or bool(re.fullmatch(r"Unnamed: \d+(\.\d+|_level_\d+)?", name)) or name.lower() in _ROW_NUMBERS
    )


def is_time(name: str) -> bool:
    """Whether a word of the name denotes a time."""
    return bool(set(words(name)) & set(_TIMES))


def is_start(name: str) -> bool:
    """Whether a time of that name may be when an item went on offer."""
    return any(word.startswith(_START) for word in words(name))
