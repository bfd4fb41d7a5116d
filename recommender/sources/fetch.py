"""Fetching a public data set from its publisher: checked, resumed after a cut, complete or not there at all.

The SHA-256 of the MovieLens archives are those that many independent projects pin, beside GroupLens's
own MD5; of KuaiRand-Pure only the MD5 that its authors state on Zenodo is known.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests

from recommender.errors import ConfigError, UserError, nearest

CONNECT_S, READ_S = 5, 30  # seconds
CHUNK = 1 << 14  # bytes; what a cut can cost
ATTEMPTS = 2  # in a row that bring not one byte
GROUPLENS = "https://files.grouplens.org/datasets/movielens"
RESEARCH_ONLY = "research use, no commercial use without permission, acknowledge in publications (README inside)"

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all (None: not told)


@dataclass(frozen=True)
class Archive:
    """Where a data set is, what it is known by, and how to get it by hand."""

    page: str
    folder: str  # top folder inside the archive; the loaders look for it under the raw data folder
    files: str
    terms: str
    url: str | None = None  # None: it cannot be fetched from here
    known_hash: str | None = None  # pooch's form, "sha256:..." or "md5:..."; always set where url is
    reason: str = "its publisher gives it only to those who log in"  # where url is None

    def by_hand(self, to: Path) -> str:
        source = self.url or self.page
        return (
            f"By hand: get {source}, unpack it so that {self.files} lie in {to / self.folder}. Terms: {self.terms}. "
            f"More: {self.page}"
        )


def _movielens(name: str, files: str, sha256: str, terms: str = RESEARCH_ONLY) -> Archive:
    page = f"https://grouplens.org/datasets/movielens/{name.removeprefix('ml-').removesuffix('-small')}/"
    return Archive(page, name, files, terms, f"{GROUPLENS}/{name}.zip", f"sha256:{sha256}")


CSV = "ratings.csv and movies.csv"
ARCHIVES = {
    "ml-100k": _movielens(
        "ml-100k",
        "u.data, u.item and u.user",
        "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        RESEARCH_ONLY + ", not to be redistributed",
    ),
    "ml-latest-small": _movielens(
        "ml-latest-small", CSV, "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436"
    ),
    "ml-1m": _movielens(
        "ml-1m",
        "ratings.dat, movies.dat and users.dat",
        "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    ),
    "ml-20m": _movielens("ml-20m", CSV, "96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3"),
    "ml-25m": _movielens("ml-25m", CSV, "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa"),
    "ml-32m": _movielens("ml-32m", CSV, "e4a68655d7386b8f95f2f2424b2ff975dfdd15ffd59e0d864a14dca43e99d6ee"),
    "kuairand-pure": Archive(
        "https://zenodo.org/records/10439422",
        "KuaiRand-Pure",
        "data/log_standard_*_pure.csv, data/user_features_pure.csv and data/video_features_basic_pure.csv",
        "CC BY-SA 4.0",
        "https://zenodo.org/records/10439422/files/KuaiRand-Pure.tar.gz",
        "md5:0820331067a3784d9691136f772b35a7",
    ),
    "job-views": Archive(
        "https://www.kaggle.com/datasets/kandij/job-recommendation-datasets",
        "job-views",
        "Job_Views.csv, Experience.csv and Positions_Of_Interest.csv",
        "none are stated there; ask before you use it for more than study",
    ),
    **{
        name: Archive(
            f"https://snap.stanford.edu/data/{page}.html",
            name,
            file,
            "SNAP states no licence and asks to cite the paper that the page names",
            reason="no checksum of it is published",
        )
        for name, page, file in (
            ("collegemsg", "CollegeMsg", "CollegeMsg.txt.gz"),
            ("bitcoinotc", "soc-sign-bitcoin-otc", "soc-sign-bitcoinotc.csv.gz"),
            ("ego-facebook", "ego-Facebook", "facebook_combined.txt.gz"),
        )
    },
    "enron-staff": Archive(
        "https://github.com/patperry/interaction-proc",
        "enron_staff",
        "employees.tsv, messages.tsv and recipients.tsv of data/enron",
        "none are stated there; the messages are public by FERC",
        reason="no checksum of it is published",
    ),
    "quantum-se": Archive(
        "https://archive.org/details/stackexchange",
        "quantum-se",
        "Posts.xml and Users.xml of quantumcomputing.stackexchange.com",
        "CC BY-SA",
        reason="its archives are in the format 7z, which is not unpacked here",
    ),
    "so-survey2019": Archive(
        "https://survey.stackoverflow.co",
        "so-survey2019",
        "m5_survey_data_technologies_normalised.csv",
        "ODbL 1.0",
        reason="the normalised table comes from an IBM course on data analysis, not from the survey's publisher",
    ),
}


def fetch(source: str, to: Path, progress: Progress | None = None) -> Path:
    """The data set's folder under ``to``, downloaded where it is not there yet.

    The archive is checked by its hash before it is unpacked, and removed after. A download that was
    cut goes on where it stopped, now or at the next call. The folder appears only when complete.
    Raises ConfigError for an unknown name; UserError, with the steps by hand, where the publisher
    cannot be reached, gives something else than expected, or the disk refuses.
    """
    if source not in ARCHIVES:
        raise ConfigError(f"No publisher known of '{source}'{nearest(source, ARCHIVES)}")
    archive = ARCHIVES[source]
    target = to / archive.folder
    if target.is_dir():
        return target
    if archive.url is None:
        raise UserError(f"{source}: {archive.reason}. {archive.by_hand(to)}")
    name = archive.url.rsplit("/", 1)[1]
    part = to / f"{name}.part"

    def download(url: str, output_file: str, _pooch: object) -> None:
        _download(url, part, progress or (lambda done, total: None))
        os.replace(part, output_file)  # where pooch checks the hash, and removes it if it is wrong

    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(archive.url, archive.known_hash, fname=name, path=to, downloader=download)
        _unpack(to / name, archive.folder, to)
    except requests.RequestException as error:
        raise UserError(
            f"{source}: could not download {archive.url} ({_reason(error)}). {archive.by_hand(to)}"
        ) from None
    except ValueError:  # pooch's word for a wrong hash
        raise UserError(
            f"{source}: {archive.url} is not the file known as {archive.known_hash}: refused and removed. Try again; "
            f"if it stays so, its publisher has changed it. {archive.by_hand(to)}"
        ) from None
    except (OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise UserError(f"{source}: could not be stored in {to} ({error}). {archive.by_hand(to)}") from None
    return target


def _download(url: str, part: Path, progress: Progress) -> None:
    """Fills ``part``, from where it stopped, until the server has no more to send."""
    fruitless = 0
    while True:
        before = _size(part)
        try:
            return _stream(url, part, progress)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
            fruitless = 0 if _size(part) > before else fruitless + 1
            if fruitless >= ATTEMPTS:
                raise


def _stream(url: str, part: Path, progress: Progress) -> None:
    done = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_S, READ_S)) as response:
        if done and response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # all of it is here already, or it is no part of this file: the hash will tell
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        done = done if resumed else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
    if total is not None and done < total:
        raise requests.ConnectionError(f"cut after {done:,} of {total:,} bytes")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _unpack(file: Path, folder: str, to: Path) -> None:
    """Moves the archive's ``folder`` to ``to`` in one step, then removes the archive."""
    with tempfile.TemporaryDirectory(dir=to, prefix=".unpack-") as scratch:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as packed:
                packed.extractall(scratch)
        else:
            with tarfile.open(file) as packed_tar:
                packed_tar.extractall(scratch, filter="data")
        os.replace(Path(scratch) / folder, to / folder)
    file.unlink()


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not valid"
    return (
        "no answer within seconds: no network?" if isinstance(error, requests.Timeout) else "no connection: no network?"
    )
