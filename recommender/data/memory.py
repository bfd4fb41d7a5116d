"""How much memory a reading or a train needs and how much is free: said before the work, not by the system's end."""

from __future__ import annotations

import resource
from pathlib import Path

import psutil

from recommender.data.dataset import Dataset
from recommender.errors import UserError

# Sets of 12,000 to 100,000 interactions: peaks of .9 to 1.2 GB, most of it libraries. Four rungs on 8M and 48M: 1.7 and
# 6.5 GB (experiments/bench_large.py), 120 bytes a row; half as much again is for more rungs.
BASE_MB, PER_INTERACTION_MB = 800, 0.00018
# Of reading and checking interactions, at the peak, beside 330 MB of libraries. Measured on 8M and 10M rows: 73 bytes a
# row of three numbers, 117 with ids of 14 characters, 112 to 178 from CSV of 21 to 41 bytes a row.
PER_ROW_B, PER_NUMBER_B, PER_TEXT_B, PER_TEXT_FILE_B = 45, 12, 34, 6
RESERVED_MB = 2500  # addresses that libraries and their threads reserve and do not fill
_CGROUP = Path("/sys/fs/cgroup")


def needed_mb(data: Dataset) -> int:
    """A rough estimate for a train of the data: megabytes at the peak."""
    features = sum(table.frame.estimated_size("mb") for table in (data.items, data.users))
    return int(BASE_MB + PER_INTERACTION_MB * data.interactions.height + 2 * features)


def free_mb() -> int:
    """Megabytes that this process can still take: of the machine, of its container, of its address space."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    resident_mb = psutil.Process().memory_info().rss >> 20
    free = [(memory.available + swap.free >> 20) + resident_mb]
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        free.append((limit >> 20) - RESERVED_MB)
    try:
        most, used = ((_CGROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        reclaimable = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        if most != "max":
            free.append((int(most) - int(used) + int(reclaimable["file"]) >> 20) + resident_mb)
    except (OSError, KeyError, ValueError):  # no container, or one of another kind
        pass
    return int(min(free))


def check(data: Dataset) -> None:
    """Raises UserError where a train of the data needs more memory than there is."""
    needed, free = needed_mb(data), free_mb()
    if needed > free:
        raise UserError(
            f"{data.name}: a train of {data.interactions.height:,} interactions takes about {needed:,} MB of memory, "
            f"and {free:,} MB can be had here. Free memory, raise the limit of the container or shell (ulimit -v), or "
            "take a part of the data."
        )


def reading_mb(path: Path) -> int:
    """A rough estimate for reading and checking a file of interactions: MB at the peak; 0 where it is unknown."""
    import pyarrow as pa  # one served list reads none
    import pyarrow.parquet as pq

    try:
        if path.suffix.lower() == ".parquet" and path.is_file():
            described = pq.ParquetFile(path)
            texts = sum(pa.types.is_large_string(c.type) or pa.types.is_string(c.type) for c in described.schema_arrow)
            numbers = len(described.schema_arrow) - texts
            row = PER_ROW_B + PER_NUMBER_B * numbers + PER_TEXT_B * texts
            return int(row * described.metadata.num_rows / 1e6)
        plain = path.suffix.lower() in (".csv", ".tsv", ".txt")
        return int(PER_TEXT_FILE_B * path.stat().st_size / 1e6) if plain else 0
    except (OSError, pa.ArrowException):  # the reader says what is wrong with it
        return 0


def check_reading(path: Path) -> None:
    """Raises UserError where reading and checking a file of interactions needs more memory than there is."""
    needed, free = reading_mb(path), free_mb()
    if needed > free:
        raise UserError(
            f"{path}: to read and check it takes about {needed:,} MB of memory, and {free:,} MB can be had here. Free "
            "memory, raise the limit of the container or shell (ulimit -v), write the ids as integers and the file as "
            "Parquet with only the columns that are used, or take a part of its rows."
        )
