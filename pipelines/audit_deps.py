"""Known advisories for the packages of the lock files, by OSV (osv.dev), which is sent their names and versions.

python -m pipelines.audit_deps [LOCK]...

Exit code 0: none is known. 4: some are, listed with the lock files that pin the package. 3: OSV cannot be reached, so
nothing was checked. OSV_URL names another server of the same API.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

Package = tuple[str, str]  # name, version
URL = "https://api.osv.dev"
AT_ONCE = 1000  # packages that OSV takes in one request
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("audit_deps", description=str(__doc__).splitlines()[0])
    parser.add_argument("locks", nargs="*", type=Path, help="default: requirements*.lock in this folder")
    locks = parser.parse_args(argv).locks or sorted(Path().glob("requirements*.lock"))
    where: dict[Package, list[str]] = {}
    for lock in locks:
        if not lock.is_file():
            print(f"Error: {lock}: no such file.", file=sys.stderr)
            return 2
        for package in pins(lock.read_text()):
            where.setdefault(package, []).append(lock.name)
    if not where:
        print("Error: no lock file here pins a package. Name one (requirements.lock).", file=sys.stderr)
        return 2
    url = os.environ.get("OSV_URL", URL)
    try:
        known = advisories(sorted(where), url)
    except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
        print(f"Not checked: the advisory service {url} cannot be reached or understood ({error}).", file=sys.stderr)
        return 3
    for (name, version), ids in known.items():
        print(f"{name} {version}: {', '.join(ids)} ({', '.join(where[name, version])})")
    print(f"{len(known):,} of {len(where):,} packages have known advisories (https://osv.dev/vulnerability/<id>).")
    return 4 if known else 0


def pins(lock: str) -> list[Package]:
    """Every ``name==version`` at the beginning of a line of a lock file."""
    return _PIN.findall(lock)


def advisories(packages: Sequence[Package], url: str) -> Mapping[Package, list[str]]:
    """Ids of the advisories of each package that has some. Raises OSError, ValueError, LookupError or TypeError where
    the service cannot be reached or answers otherwise."""
    known: dict[Package, list[str]] = {}
    for start in range(0, len(packages), AT_ONCE):
        part = packages[start : start + AT_ONCE]
        queries = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in part]
        body = json.dumps({"queries": queries}).encode()
        request = urllib.request.Request(f"{url}/v1/querybatch", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            results = json.load(answer)["results"]
        for package, result in zip(part, results, strict=True):
            if advisories := [entry["id"] for entry in result.get("vulns", [])]:
                known[package] = advisories
    return known


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
