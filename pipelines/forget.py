"""Forget users: remove them from kept results, saved models, logs of services and MLflow's artifacts.

coldstart forget --users FILE [--within FOLDER]...
"""

from __future__ import annotations

from pathlib import Path

from pipelines import arguments
from pipelines.cli import console, run, show_log
from recommender.data.read.table import read_table
from recommender.errors import DataError, TrackingError, UserError
from recommender.experiment.out_folder import ARTIFACTS, disk_faults
from recommender.tracking.forget import artifact_folders, forget_users
from recommender.tracking.store import tracking_uri

KEPT = (ARTIFACTS, Path("studies"), Path(arguments.LOG))  # where trains, studies and servers leave what they make


def main(argv: list[str]) -> None:
    args = arguments.parse("forget", argv)
    show_log(quiet=False)
    ids = read_table(Path(args.users))
    if "user_id" not in ids.columns:
        raise DataError(f"{args.users}: no column user_id (found {', '.join(ids.columns)}). Name it user_id.")
    users = ids["user_id"].drop_nulls().unique()
    if not len(users):
        raise DataError(f"{args.users}: there are no rows. Give a user_id for each user to forget.")
    if missing := [folder for folder in args.within if not Path(folder).is_dir()]:
        raise UserError(f"{missing[0]}: no such folder. Name folders that hold results of trains or studies.")
    local, elsewhere = artifact_folders(tracking_uri())
    roots = [Path(folder) for folder in args.within] or [folder for folder in KEPT if folder.is_dir()]
    with disk_faults(ARTIFACTS):
        done = forget_users(users, [*roots, *local])
    for path in done.changed:
        console.print(f"Removed from {path}", markup=False, soft_wrap=True)
    for path, n in done.stale.items():
        learned = f"its counts and factors still come from {n:,} user{'s' * (n != 1)} who are removed"
        console.print(f"Train again: {path}: {learned}.", markup=False, soft_wrap=True)
    searched = ", ".join(str(folder) for folder in [*roots, *local])
    n_known = len(done.removed_ids & set(users.cast(str)))
    held = f"{n_known:,} of the {len(users):,} users were in {len(done.changed):,} places"
    console.print(f"{held}, and are in none now (searched: {searched}).", markup=False, soft_wrap=True)
    if elsewhere:
        raise TrackingError(
            f"Artifacts of {tracking_uri()} lie at {', '.join(elsewhere)}, which cannot be changed from here: delete "
            "the runs and model versions there, or run this where they are files."
        )


if __name__ == "__main__":
    run(main)
