"""The shell of the HTML report: one file with style, charts and their library inside; nothing is fetched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert

# Contrast 4.5:1 or more for text and 3:1 for chart colours, in both schemes; categorical colours differ in
# lightness too, so that they hold for colour-blind readers and in print.
_STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#d8dee4;--card:#f6f8fa;
--good:#e3f1ff;--accent:#0a58ca;--warn:#fff4d6;--warnline:#b58900}
@media (prefers-color-scheme:dark){:root{--bg:#14171c;--fg:#e6e9ee;--dim:#a3adb9;--line:#343b45;--card:#1d222a;
--good:#16324f;--accent:#79b8ff;--warn:#362d12;--warnline:#d7a928}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1.2rem;background:var(--bg);color:var(--fg);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0}h2{font-size:1.2rem;margin:2.2rem 0 .5rem}
p{margin:.4rem 0}.dim,small,figcaption{color:var(--dim)}small{font-size:.78rem}
.decision{border:2px solid var(--accent);border-radius:10px;padding:.8rem 1rem;margin:1rem 0;background:var(--card)}
.decision h2{margin:0 0 .3rem;color:var(--accent);font-size:1rem;text-transform:uppercase;letter-spacing:.04em}
.ship{font-size:1.3rem;line-height:1.4;margin:.2rem 0 .6rem}
.warning{border-left:4px solid var(--warnline);background:var(--warn);padding:.4rem .8rem;margin:.5rem 0}
.wide{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;white-space:nowrap}
p.dim+.wide{margin-bottom:1.2rem}
td small{display:block}
th:first-child,td.text,.stack th{text-align:left}td.text{white-space:normal;min-width:6rem}
.left td{text-align:left}.stack{width:100%}.stack:not(.left) th:last-child{text-align:right}
.stack tbody th{white-space:normal}
tbody th{font-weight:600;position:sticky;left:0;background:var(--bg)}
.decision tbody th{background:var(--card)}
td.best{background:var(--good);font-weight:700}td.best small{font-weight:400}
figure{margin:.5rem 0}.chart{width:100%;min-height:340px}
details{margin:.6rem 0}summary{cursor:pointer;color:var(--accent)}
pre{overflow-x:auto;background:var(--card);padding:.8rem;border-radius:6px;font-size:.85rem}
dt{font-weight:600}dd{margin:0 0 .5rem 1rem}
@media (max-width:40rem){body{padding:.8rem;font-size:15px}.ship{font-size:1.15rem}
.stack thead{display:none}.stack,.stack tbody,.stack tr,.stack th,.stack td{display:block;text-align:left;
position:static;border:0;padding:.05rem 0;white-space:normal}
.stack tr{border-bottom:1px solid var(--line);padding:.4rem 0}
.stack td::before{content:attr(data-head) ": ";color:var(--dim)}}
"""

_DRAW = """
const specs = JSON.parse(document.getElementById('specs').textContent);
const dark = matchMedia('(prefers-color-scheme: dark)');
const look = (ink, dim, line, category) => ({
  background: 'transparent', font: 'system-ui, sans-serif', range: {category}, view: {stroke: null},
  axis: {labelColor: dim, titleColor: ink, gridColor: line, domainColor: dim, tickColor: dim,
         labelFontSize: 12, labelOverlap: 'greedy', labelSeparation: 8, titleFontSize: 13, titleFontWeight: 'normal'},
  legend: {labelColor: ink, titleColor: ink, labelFontSize: 12}, text: {color: ink}});
const light_look = look('#1b1f24', '#57606a', '#e4e8ec',
  ['#0a58ca', '#b45309', '#047857', '#9d174d', '#6d28d9', '#0e7490']);
const dark_look = look('#e6e9ee', '#a3adb9', '#2c323b',
  ['#79b8ff', '#f5b041', '#4fd1a5', '#f78fb3', '#c4a7ff', '#67d6e8']);
function draw() {
  const config = dark.matches ? dark_look : light_look;
  for (const [id, spec] of Object.entries(specs))
    vegaEmbed('#' + id, spec, {mode: 'vega-lite', renderer: 'svg', actions: false, config});
}
dark.addEventListener('change', draw);
draw();
"""


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script. Making it takes a second, so it is kept beside the byte code."""
    kept = Path(__file__).parent / "__pycache__" / f"vega-{version('vl-convert-python')}.js"
    if kept.exists():
        return kept.read_text()
    made = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")).replace("</script", "<\\/script")
    with suppress(OSError):  # where the installation cannot be written, each process makes its own
        kept.parent.mkdir(exist_ok=True)
        part = kept.with_suffix(f".{os.getpid()}")
        part.write_text(made)
        part.replace(kept)
    return made


def page(title: str, body: str, specs: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole file. specs: Vega-Lite by the id of the element that they are drawn into."""
    drawing = ""
    if specs:
        data = json.dumps(specs, allow_nan=False).replace("<", "\\u003c")  # a name may hold "</script>"
        drawing = (
            f'<script type="application/json" id="specs">{data}</script>\n'
            f"<script>{library()}</script>\n<script>{_DRAW}</script>\n"
        )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n{drawing}</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A headed section; empty where all its parts are."""
    content = "\n".join(p for p in parts if p)
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>" if content else ""


def paragraph(text: str, css: str = "") -> str:
    return f'<p class="{css}">{escape(text)}</p>' if css else f"<p>{escape(text)}</p>"


def details(summary: str, content: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>\n{content}\n</details>" if content else ""


def cell(value: str, note: str = "", css: str = "", head: str = "") -> str:
    """One <td>: the value, small lines under it, a class, and the heading it shows on a phone."""
    attributes = (f' class="{css}"' if css else "") + (f' data-head="{escape(head)}"' if head else "")
    small = "".join(f"<small>{escape(line)}</small>" for line in note.splitlines())
    return f"<td{attributes}>{escape(value)}{small}</td>"


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
