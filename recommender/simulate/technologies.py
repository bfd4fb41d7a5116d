"""Which occupations use which technologies: an extract of O*NET's Technology Skills (``onet/LICENSE.txt``, CC BY 4.0).

Fields stand for the simulator's topics and occupations for its niches, two niches each: specialisms that no column
tells apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from recommender.simulate.draw import NICHES, TOPICS

TABLE = Path(__file__).parent / "onet" / "technology_skills.tsv"
NONE = -1  # an item that is no technology


@dataclass(frozen=True)
class Technologies:
    """The table by technology (t of them) and by niche; texts are arrays of str."""

    name: np.ndarray  # (t,)
    category: np.ndarray  # (t,)
    uses: np.ndarray  # bool (t, TOPICS * NICHES): people of that niche use it
    occupation: np.ndarray  # (TOPICS * NICHES,): title of each niche
    field: np.ndarray  # (TOPICS,)


@cache
def technologies() -> Technologies:
    """The extract, read once."""
    rows = pl.read_csv(TABLE, separator="\t", quote_char=None)
    names, occupations = (rows[column].unique(maintain_order=True) for column in ("technology", "occupation"))
    name, occupation = (
        rows[column].replace_strict(known, range(len(known))).to_numpy()
        for column, known in (("technology", names), ("occupation", occupations))
    )
    by_name = rows.unique("technology", keep="first", maintain_order=True)
    of_niche = np.arange(TOPICS * NICHES) * len(occupations) // (TOPICS * NICHES)
    used = np.zeros((len(names), len(occupations)), bool)
    used[name, occupation] = True
    return Technologies(
        name=names.to_numpy(),
        category=by_name["category"].to_numpy(),
        uses=used[:, of_niche],
        occupation=occupations.to_numpy()[of_niche],
        field=rows["field"].unique(maintain_order=True).to_numpy(),
    )


def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``n`` items: their technology (n,), main niche (n,) and topics (n, 2), int64; those of people who use it.

    Every technology comes once before any comes twice.
    """
    table = technologies()
    rounds = -(-n // len(table.name))
    technology = np.concatenate([rng.permutation(len(table.name)) for _ in range(rounds)])[:n]
    niche = (rng.random((2, n, table.uses.shape[1])) * table.uses[technology]).argmax(axis=2)
    return technology, niche[0], niche.T // NICHES
