"""Addresses of third parties as keyed hashes, before they come near a data set.

An address book holds people who never agreed to be in it. What enters is a keyed BLAKE2b of the tidied address: equal
addresses meet, and nobody without the key can try addresses out.
"""

from __future__ import annotations

import hashlib

import polars as pl

from recommender.errors import DataError
from recommender.hashing import pseudonyms

LEAST_SECRET = 16  # characters
_PHONE = r"^\+?[\d\s().\-/]{7,}$"


def contact_keys(addresses: pl.Series, secret: str) -> pl.Series:
    """32 hex digits for each e-mail address or phone number; null for an empty one.

    Tidied first: blanks and case of e-mail addresses, and what separates the digits of a number, do not count.
    secret: at least 16 characters, the same for members and address books, and from one import to the next.
    """
    if len(secret) < LEAST_SECRET:
        raise ValueError(f"the secret has {len(secret)} characters, at least {LEAST_SECRET} are needed")
    text = addresses.cast(pl.String).str.strip_chars().str.to_lowercase()
    number = text.str.contains(_PHONE).fill_null(False)
    digits = text.str.replace_all(r"[\s().\-/]", "").str.replace("^00", "+")
    tidy = pl.select(pl.when(number).then(digits).otherwise(text)).to_series()
    key = hashlib.sha256(secret.encode()).digest()
    return pseudonyms(tidy.set(tidy == "", None), key).alias("contact_key")


def is_plain(values: pl.Series) -> pl.Series:
    """Boolean, without nulls: text that is an e-mail address or a phone number."""
    return values.str.contains(f"@|{_PHONE}").fill_null(False)


def hashed(table: pl.DataFrame, column: str, secret: str) -> pl.DataFrame:
    """``table`` with ``contact_key`` in place of the addresses in ``column``.

    Raises DataError where there is no such column, or another one holds addresses too.
    """
    if column not in table.columns:
        there = ", ".join(table.columns)
        raise DataError(f"There is no column '{column}' of addresses (found {there}). Name it by COLUMN=.")
    out = table.drop(column).with_columns(contact_keys(table[column], secret))
    for other in (c for c in table.columns if c != column and table[c].dtype == pl.String):
        if n := int(table[other].str.contains("@").fill_null(False).sum()):
            raise DataError(f"{other}: {n:,} values look like addresses and would stay. Remove this column first.")
    return out
