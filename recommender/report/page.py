"""The shell of the HTML report: one file with style, charts and their library inside; nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert
import yaml

from recommender.experiment.run_tables import number
from recommender.files import write_text

TEMPLATES = Path(__file__).parent / "templates"


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script. Making it takes a second, so it is cached beside the byte code."""
    cached = Path(__file__).parent / "__pycache__" / f"vega-{version('vl-convert-python')}.js"
    if cached.exists():
        return cached.read_text()
    script = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")).replace("</script", "<\\/script")
    with suppress(OSError):  # where the installation cannot be written, each process makes its own
        cached.parent.mkdir(exist_ok=True)
        write_text(cached, script)
    return script


@cache
def words(of: str) -> dict[str, str]:
    """Explanations for a page's glossary; of: ``train`` or ``comparison``."""
    return dict(yaml.safe_load(_template("words.yaml"))[of])


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def page(title: str, body: str, specs: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole file. specs: Vega-Lite by the id of the element that they are drawn into."""
    drawing = ""
    if specs:
        data = json.dumps(specs, allow_nan=False).replace("<", "\\u003c")  # a name may hold "</script>"
        drawing = (
            f'<script type="application/json" id="specs">{data}</script>\n'
            f"<script>{library()}</script>\n<script>{_template('page.js')}</script>\n"
        )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_template('page.css')}</style>\n</head>\n"
        f"<body>\n{body}\n{drawing}</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A headed section; empty where all its parts are."""
    content = "\n".join(p for p in parts if p)
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>" if content else ""


def paragraph(text: str, css: str = "") -> str:
    return f'<p class="{css}">{escape(text)}</p>' if css else f"<p>{escape(text)}</p>"


def bullets(items: Iterable[str]) -> str:
    """A list of sentences, ready HTML; empty where there are none."""
    rows = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{rows}</ul>" if rows else ""


def warned(warnings: Iterable[str]) -> str:
    return "".join(paragraph(f"⚠ {warning}", "warning") for warning in warnings)


def details(summary: str, content: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>\n{content}\n</details>" if content else ""


def definitions(entries: Mapping[str, str]) -> str:
    """A list of words and what they mean."""
    return "<dl>" + "".join(f"<dt>{escape(w)}</dt><dd>{escape(t)}</dd>" for w, t in entries.items()) + "</dl>"


def cell(value: str, note: str = "", css: str = "", head: str = "") -> str:
    """One <td>: the value, small lines under it, a class, and the heading it shows on a phone."""
    attributes = (f' class="{css}"' if css else "") + (f' data-head="{escape(head)}"' if head else "")
    small = "".join(f"<small>{escape(line)}</small>" for line in note.splitlines())
    return f"<td{attributes}>{escape(value)}{small}</td>"


def plain(value: float | None, places: int = 3) -> str:
    """A cell of a number and nothing else."""
    return cell(number(value, places))


def table(caption: str, heads: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], css: str = "") -> str:
    """rows: (name of the row, its ready <td>s); empty where there are none."""
    body = "\n".join(f'<tr><th scope="row">{escape(name)}</th>{"".join(tds)}</tr>' for name, tds in rows)
    if not body:
        return ""
    top = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    return (
        f'{paragraph(caption, "dim")}<div class="wide"><table class="{css}" aria-label="{escape(caption)}">\n'
        f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def chart(name: str, alt_text: str, caption: str, data_table: str) -> str:
    """The place of a chart, what it shows in words, and its numbers."""
    return (
        f'<figure><div class="chart" id="{name}" role="img" aria-label="{escape(alt_text)}">'
        f"<p>{escape(alt_text)}</p></div>\n<figcaption>{escape(caption)}</figcaption>\n"
        f"{details('The numbers of this chart', data_table)}</figure>"
    )
