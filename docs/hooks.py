"""Tables of the documentation that are made when the site is built, so that none can grow old in git.

A line ``[[table: rooms]]`` in a page becomes the table of that name in ``TABLES``, made from the code. A line
``[[data: parts, scenario=jobs]]`` becomes ``docs/data/parts.csv``, here only its rows of jobs; the page names the
command that wrote the file. A name that is not there stops the build. The first use of each term of the glossary in a
page's prose becomes a link to it.
"""

from __future__ import annotations

import ast
import csv
import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data"
PRESETS = ("catalog", "ugc", "jobs", "skills")
GLOSSARY = Path(__file__).parent / "glossary.md"
# Terms that are everyday words too: how they read where the term is meant; "" where that cannot be told.
WORDINGS = {
    "k and rank": "",
    "run": "",
    "part": "",
    "control": "",
    "score": "",
    "role": "roles?",
    "source": "its source",
    "train": "(?:a|the|each|every) train",
    "study": "(?:a|the|each|every) study|studies",
    "cell": "(?:a|each|every) cell|cells",
    "period": "horizon",
    "validation and test": "validation|test (?:origin|period)",
    "comparison": "(?:a|the) comparison",
    "history": "history|histories",
    "query": "query|queries",
    "oracle and regret": "oracle|regret",
    "preset and knob": "knobs?|presets?",
    "spam, suspicion, trust": "suspicion",
    "thin group": "thin groups?",
    "holm-adjusted p": "Holm",
}
NO_PROSE = re.compile(
    r"```.*?```|<!--.*?-->|`[^`\n]*`|!?\[[^\]]*\]\([^)]*\)|^(?:#|:::|\[\[| {4})[^\n]*$", re.DOTALL | re.MULTILINE
)
LINE = re.compile(r"^\[\[(table|data): ([\w-]+)((?:, \w+=[\w-]+)*)\]\]$", re.MULTILINE)


def on_page_markdown(markdown: str, page: Any = None, **_: Any) -> str:
    """What MkDocs calls for each page: its text with terms linked and every such line replaced."""
    if page is not None and page.file.src_uri != GLOSSARY.name:
        markdown = linked(markdown.replace("[[table: readme]]", readme()))
    return LINE.sub(_replaced, markdown)


def linked(markdown: str) -> str:
    """The first use of each term in the prose as a link to the glossary; a term that the page links itself stays."""
    for anchor, pattern in terms().items():
        if f"glossary.md#{anchor})" not in markdown:
            taken = [other.span() for other in NO_PROSE.finditer(markdown)]
            uses = (use for use in pattern.finditer(markdown) if not any(a <= use.start() < b for a, b in taken))
            if first := next(uses, None):
                link = f"[{first[0]}](glossary.md#{anchor})"
                markdown = markdown[: first.start()] + link + markdown[first.end() :]
    return markdown


def terms() -> dict[str, re.Pattern[str]]:
    """Anchor of each term of the glossary -> how it reads in a text; longer terms first."""
    names = re.findall(r"^### (.+)$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    wordings = {
        name: WORDINGS.get(name.lower(), f"{re.escape(name)}s?") for name in sorted(names, key=len, reverse=True)
    }
    return {
        re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-"): re.compile(rf"\b(?:{words})\b(?!-)", re.IGNORECASE)
        for name, words in wordings.items()
        if words
    }


def _replaced(line: re.Match[str]) -> str:
    kind, name, where = line.groups()
    if kind == "table":
        if name not in TABLES:
            raise KeyError(f"No table {name!r}. Valid: {', '.join(TABLES)}")
        return TABLES[name]()
    return from_csv(DATA / f"{name}.csv", dict(pair.split("=") for pair in where.split(", ")[1:]))


def from_csv(path: Path, where: Mapping[str, str]) -> str:
    """The rows of a CSV file whose columns have the values of ``where``, without those columns: a table; of one column,
    a list."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = [row for row in rows if all(row[column] == value for column, value in where.items())]
    if not wanted:
        raise ValueError(f"{path.name} has no row where {where}")
    head = [column for column in rows[0] if column not in where]
    if len(head) == 1:
        return "".join(f"- {row[head[0]]}\n" for row in wanted)
    return table([head, *([row[column] for column in head] for row in wanted)])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first row is the head."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [escaped[0], ["---"] * len(rows[0]), *escaped[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def rooms() -> str:
    """A row per room of the library: what its ``__init__.py`` says, and how large it is."""
    rows = [["room", "what it does", "files", "lines"]]
    for package in _packages():
        files = sorted(package.rglob("*.py"))
        lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
        link = f"[`{package.name}/`](#{package.name})"
        rows.append([link, purpose(package / "__init__.py"), str(len(files)), f"{lines:,}"])
    return table(rows)


def files() -> str:
    """A section per room: a row per file, with the first sentence of its docstring."""
    parts = []
    for package in _packages():
        rows = [["file", "what it does"]]
        for file in sorted(package.rglob("*.py")):
            if file.name != "__init__.py" or file.parent != package:
                rows.append([f"`{file.relative_to(package)}`", purpose(file)])
        parts.append(f"### {package.name}\n\n{purpose(package / '__init__.py')}\n\n{table(rows)}")
    return "\n".join(parts)


def _packages() -> list[Path]:
    return sorted(file.parent for file in (ROOT / "recommender").glob("*/__init__.py"))


def purpose(file: Path) -> str:
    """The first sentence of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    first = " ".join(docstring.split("\n\n")[0].split())
    return re.split(r"(?<=[.?!]) (?=[A-Z`])", first)[0].replace("``", "`")


def metrics() -> str:
    """Every metric with its definition, from the table that computes them."""
    from recommender.evaluation.metric_table import glossary_markdown

    return glossary_markdown()


def peers() -> str:
    """A row per size, stage and other library: CPU seconds of both, from the last `make bench-peers`."""
    measured = json.loads((DATA / "peers.json").read_text(encoding="utf-8"))
    rows = [["size", "stage", "ours, CPU s", "peer", "its CPU s", "its time / ours", "result"]]
    for row in measured["stages"]:
        ratio = f"{row['peer_s'] / row['ours_s']:.2f}" if row["equal"] else ""
        result = "equal" if row["equal"] else "not alike"
        seconds = [f"{row['ours_s']:.2f}", row["peer"], f"{row['peer_s']:.2f}"]
        rows.append([row["size"], row["stage"], *seconds, ratio, result])
    beside = {(row["size"], row["stage"]) for row in measured["stages"]}
    alone = [row for row in measured["ours"] if (row["size"], row["stage"]) not in beside]
    return table([*rows, *([row["size"], row["stage"], f"{row['ours_s']:.2f}", "", "", "", ""] for row in alone)])


def growth() -> str:
    """A row per stage: CPU seconds and peak memory by size, from the last `make bench-growth`, and before it."""
    names = ("growth", "growth_before")
    measured, earlier = (json.loads((DATA / f"{name}.json").read_text(encoding="utf-8")) for name in names)
    before = {row["stage"]: (f"{row['cpu_s']:.2f}", f"{row['peak_mb']:,.0f}") for row in earlier["rows"]}
    at = {(row["stage"], row["rows"]): row for row in measured["rows"]}
    rows = [["stage", "1M", "20M", "20M before", "peak MB at 20M", "before", "exponent"]]
    for stage, power in measured["exponents"].items():
        small, big, (old_s, old_mb) = at[stage, 10**6], at[stage, 2 * 10**7], before.get(stage, ("", ""))
        seconds = [f"{small['cpu_s']:.2f}", f"{big['cpu_s']:.2f}", old_s]
        rows.append([stage, *seconds, f"{big['peak_mb']:,.0f}", old_mb, f"{power:.2f}"])
    return table(rows)


def knobs() -> str:
    """A row per knob of the simulator: its meaning, its real-world anchor, and its value in every preset."""
    from recommender.simulate import Knobs, resolve  # imports NumPy and polars: only where the page asks for it

    resolved = [resolve(preset, {}) for preset in PRESETS]
    rows = [["knob", "meaning", "real-world anchor", *PRESETS]]
    for field in dataclasses.fields(Knobs):
        values = [_shown(getattr(knobs, field.name)) for knobs in resolved]
        rows.append([f"`{field.name}`", field.metadata["meaning"], field.metadata["anchor"], *values])
    return table(rows)


def network_knobs() -> str:
    """A row per knob of simulated networks."""
    from recommender.simulate.network import NetworkKnobs

    rows = [["knob", "meaning", "real-world anchor", "people"]]
    for field in dataclasses.fields(NetworkKnobs):
        rows.append([f"`{field.name}`", field.metadata["meaning"], field.metadata["anchor"], _shown(field.default)])
    return table(rows)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_one(v) for v in value) or "-"
    return _one(value)


def _one(value: object) -> str:
    if dataclasses.is_dataclass(value):
        return f"{value.event} {value.share:g}"  # type: ignore[attr-defined]
    if isinstance(value, tuple):
        return "=".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)


def commands() -> str:
    """What ``make help`` prints."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    help_lines = [line[2:].removeprefix(" ") for line in lines if line.startswith("##")]
    return "```text\n" + "\n".join(help_lines).strip("\n") + "\n```\n"


def readme() -> str:
    """The README as the site's first page: links to docs/ go to its pages, other files are named only."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/([^)]*)\)", r"](\1)", text)
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    outside = re.compile(r"(?<!!)\[([^\]]*)\]\((?!\w+://)([^)#]*)([^)]*)\)")
    return outside.sub(lambda link: link[0] if link[2] in pages else f"`{link[2]}`", text)


TABLES: Mapping[str, Callable[[], str]] = {
    "readme": readme,
    "rooms": rooms,
    "files": files,
    "metrics": metrics,
    "knobs": knobs,
    "network_knobs": network_knobs,
    "commands": commands,
    "peers": peers,
    "growth": growth,
}
