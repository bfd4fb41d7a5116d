"""The shell of every HTML page: Jinja2 templates, their filters, and one file with style and charts inside."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from html import unescape
from importlib.metadata import version
from math import floor, log10
from pathlib import Path
from typing import Any

import vl_convert
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from recommender.evaluation.metric_table import METRICS, heading, metric_label
from recommender.evaluation.rounding import percent
from recommender.experiment.run_tables import USERS, interval, number
from recommender.files import write_text
from recommender.models import RECOMMENDERS
from recommender.models.colours import colour
from recommender.names import ORACLE, PLAIN, ROUTER
from recommender.studies.engine.finding import slug

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
    """Explanations for a page's glossary; of: ``train``, ``comparison`` or ``rungs``."""
    return dict(yaml.safe_load((TEMPLATES / "words.yaml").read_text(encoding="utf-8"))[of])


def what_it_does(rung: str, recommender: str = "") -> str:
    """One sentence on a rung: what the page calls it where it is made of others, else its module's first sentence."""
    if rung in words("rungs"):
        return words("rungs")[rung]
    known = RECOMMENDERS.get(recommender or rung)
    text = (sys.modules[known.__module__].__doc__ or "") if known else ""
    return " ".join(text.split("\n\n")[0].split())


def render(template: str, specs: Mapping[str, Mapping[str, Any]], **context: Any) -> str:
    """The whole file. specs: Vega-Lite by the id of the element that they are drawn into."""
    return _environment().get_template(template).render(specs=specs, library=library, **context)


def picture(spec: Mapping[str, Any], title: str, width: int = 760) -> str:
    """A chart by itself, as SVG on white."""
    return str(vl_convert.vegalite_to_svg({**spec, "title": title, "width": width, "background": "white"}))


def macros(template: str) -> Any:
    """The macros of a template, as functions that return HTML."""
    return _environment().get_template(template).module


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "num": number, "ci": _ci, "signed": _signed, "percent": percent, "metric": metric_label, "heading": heading,
        "rung": _rung, "colour": colour, "id": slug, "capital": capital, "embed": _embed, "range": interval,
        "labels": labels,
        "money": money, "harm": harm_label, "per100": _per_100, "users": lambda bucket: USERS.get(bucket, bucket),
    }  # fmt: skip
    environment.tests["losing"] = lambda option: option.gain is not None and option.gain[2] < 0
    environment.globals |= {"ROUTER": ROUTER, "PLAIN": PLAIN, "ORACLE": ORACLE, "explain": what_it_does}
    environment.globals["short"] = lambda name: words("short").get(name, "")
    environment.globals["read"] = lambda name: Markup((TEMPLATES / name).read_text(encoding="utf-8"))
    return environment


def labels(text: str) -> str:
    """A sentence with metrics by the names that readers know: ``ndcg_at_10`` -> ``NDCG@10``."""
    return re.sub(rf"\b({'|'.join(map(re.escape, METRICS))})\b", lambda name: metric_label(name[0]), text)


def capital(text: str) -> str:
    """The text with a capital letter first."""
    return text[:1].upper() + text[1:]


def harm_label(metric: str) -> str:
    """``Out of reach`` of ``out_of_reach_at_10``."""
    return capital(metric_label(metric).partition("@")[0])


def _rung(name: str) -> Markup:
    """The name of a rung with its colour, explained to who points at it."""
    shown = {ROUTER: "what ships", PLAIN: "before re-ranking"}.get(name, name)
    parts = Markup("_<wbr>").join(shown.split("_"))  # a long name may be cut there
    return Markup('<abbr class="rung" style="--c:{}" title="{}">{}</abbr>').format(
        colour(name), what_it_does(name), parts
    )


def _ci(row: Mapping[str, Any], places: int = 3, sign: bool = False) -> str:
    """``0.181 [0.171, 0.190]`` of a row of facts."""
    shown = _signed if sign else number
    if row["value"] is None:
        return "–"
    span = "" if row["low"] is None else f" [{shown(row['low'], places)}, {shown(row['high'], places)}]"
    return shown(row["value"], places) + span


def _signed(value: float | None, places: int = 3) -> str:
    if value is None:
        return "–"
    text = f"{value:+.{places}f}"
    return text if float(text) else text[1:]


def _per_100(value: float | None) -> str:
    """Users of 100; below one with its first digit."""
    return "–" if value is None else f"{100 * value:.0f}" if value == 0 or value >= 0.01 else f"{100 * value:.1g}"


def money(row: Mapping[str, Any], currency: str) -> str:
    """``1,200 EUR [400, 3,100]``, each end to two digits: nobody states value to more."""

    def short(value: float) -> str:
        digits = 1 - floor(log10(abs(value))) if value else 0
        return f"{round(value, digits):,.{max(digits, 0)}f}" if abs(value) < 10 else f"{round(value, digits):,.0f}"

    span = "" if row["low"] is None or row["low"] == row["high"] else f" [{short(row['low'])}, {short(row['high'])}]"
    return f"{short(row['value'])} {currency}{span}"


def _embed(tree: Any) -> Markup:
    """JSON for a <script> element: no name in it can close the element."""
    return Markup(json.dumps(tree, allow_nan=False).replace("<", "\\u003c"))


def plain_text(html: str) -> str:
    """The words of a piece of HTML, for tests and Markdown."""
    inline = re.sub(r"</?(abbr|b|a|span|small|wbr)\b[^>]*>", "", html)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", inline)).strip())
