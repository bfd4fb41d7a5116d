"""The charts of a comparison, read from its facts: climb, curves with forecasts, what is worth, heatmap, plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import altair as alt
import polars as pl

from recommender.compare.build_next import Option
from recommender.experiment.facts import GAIN, LOSS
from recommender.experiment.run_tables import GROUPS
from recommender.experiment.value import POINT
from recommender.models.colours import colour as colour_of
from recommender.models.colours import in_turn
from recommender.names import ROUTER
from recommender.studies.charts import GREY, RUNG, effort_scatter, finish, lines, place_names, standing_out
from recommender.studies.engine.finding import Chart, slug
from recommender.studies.transfer import Ratio

SHOWN = {GAIN: "#0072B2", LOSS: "#D55E00", "not shown to differ": GREY}
LABELS = alt.Axis(labelLimit=185, labelOverlap=False)


def climb(site: str, facts: pl.DataFrame, per_week: float | None) -> Chart | None:
    """Who serves each group of users from how many interactions on, as a timeline; bands are 95% intervals."""
    sizes = facts.filter(topic="curve")["n"]
    serves = facts.filter(topic="serves")
    if serves.is_empty():
        return None
    first, last = float(sizes.min()), float(sizes.max())  # type: ignore[arg-type]
    span = math.log(last / first)
    rows: list[dict[str, Any]] = []
    for bucket in serves["bucket"].unique(maintain_order=True):
        path = serves.filter(bucket=bucket).to_dicts()
        starts = [max(r["value"] or first, first) for r in path]
        for r, begin, end in zip(path, starts, [*starts[1:], last], strict=True):
            if end <= begin:  # overtaken at the smallest size already
                continue
            low, high = (min(max(r[e], first), last) if r[e] is not None else None for e in ("low", "high"))
            wide = math.log(max(end, begin) / begin) / span > 0.2
            rows.append({
                "users": GROUPS[bucket], "rung": r["what"], "from": begin, "to": end, "low": low,
                "high": high, "lists": r["n"], "name": r["what"] if wide else "",
            })  # fmt: skip
    rungs = list(dict.fromkeys(r["rung"] for r in rows))
    weeks = f", format(datum.value / {per_week}, ',.0f') + ' wk'" if per_week else ""
    axis = alt.Axis(labelExpr=f"[format(datum.value, '.2s'){weeks}]", values=_ticks(first, last), labelOverlap=True)
    title = "interactions" + ", weeks" * bool(per_week) + " (log scale)"
    x = alt.X("from:Q", title=title, axis=axis).scale(type="log", domain=[first, last], nice=False)
    y = alt.Y("users:N", title=None, sort=None, axis=LABELS).scale(paddingInner=0.45)
    named = {r["name"] for r in rows} >= set(rungs)  # on the bars; else a legend says what their colours mean
    colour = alt.Color("rung:N", title=None, sort=rungs, legend=None if named else alt.Legend(orient="top", columns=3))
    colour = colour.scale(domain=rungs, range=[colour_of(r) for r in rungs])
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=y)
    tips = [alt.Tooltip(c) for c in ("users:N", "rung:N")]
    tips += [alt.Tooltip(f"{c}:Q", format=",.0f") for c in ("from", "low", "high", "lists")]
    layers = [
        base.mark_bar(stroke=GREY, strokeWidth=1).encode(
            x=x, x2="to:Q", color=colour, opacity=standing_out(), tooltip=tips
        ),
        base.transform_filter("isValid(datum.low)")
        .mark_rule(color=GREY, strokeWidth=7, opacity=0.75)
        .encode(x=alt.X("low:Q", title=title), x2="high:Q", tooltip=tips),
        base.mark_text(align="left", dx=2, dy=20, fontSize=12).encode(x=x, text="name:N"),
    ]
    who = "; ".join(
        f"{group}: " + ", then ".join(r["rung"] for r in rows if r["users"] == group)
        for group in dict.fromkeys(r["users"] for r in rows)
    )
    text = f"Timeline of the rung that serves each group of users. {who}."
    height = 46 * len({r["users"] for r in rows}) + 20
    spec = finish(alt.layer(*layers).add_params(RUNG), text, height)
    caption = (
        f"{site}: who leads for each group of users, from how many interactions to learn from. Test period; leads "
        "that earlier periods do not share are left out. Grey bands: 95% interval of the point where the lead changes."
    )
    return Chart(
        f"climb-{slug(site)}", caption, spec, text, pl.DataFrame(rows).drop("name"), f"{site}: {_climbed(rows)}"
    )


def _climbed(rows: Sequence[dict[str, Any]]) -> str:
    """Who takes over from whom and when; else who leads throughout, the most groups first."""
    first = {r["users"]: r for r in reversed(rows)}
    later = [r for r in rows if r is not first[r["users"]]]
    if later:
        return (
            "; ".join(f"{r['rung']} takes over for {r['users']} at {r['from']:,.0f} interactions" for r in later[:2])
            + "."
        )
    leads: dict[str, list[str]] = {}
    for users, r in first.items():
        leads.setdefault(r["rung"], []).append(users)
    groups = [(rung, "everyone" if len(leads) == 1 else ", ".join(users)) for rung, users in leads.items()]
    return "no lead changes; " + "; ".join(f"{rung} leads for {users}" for rung, users in groups[:2]) + "."


def _ticks(first: float, last: float) -> list[float]:
    return [round(first * (last / first) ** (i / 2)) for i in range(3)]


def curves(site: str, facts: pl.DataFrame, label: str, target: float, shown: int = 5) -> Chart | None:
    """Learning curves of all users and, dashed, the forecast for twice the data; the most accurate rungs."""
    points = facts.filter(topic="curve").select("what", "n", "value", "low", "high").rename({"what": "rung"})
    if points.is_empty():
        return None
    best = points.filter(n=points["n"].max()).sort("value", descending=True)["rung"].head(shown)
    drawn = points.filter(pl.col("rung").is_in(best.implode())).rename({"n": "interactions"})
    twice = facts.filter(topic="twice").select("n", "value", "low", "high", rung="what")
    ahead = twice.filter(pl.col("rung").is_in(best.implode())).rename({"n": "interactions"})
    values = ", ".join(f"{r['rung']} {r['value']:.3f}" for r in drawn.filter(
        interactions=drawn["interactions"].max()).iter_rows(named=True))  # fmt: skip
    text = f"Line chart of {label} by interactions to learn from, {site}. With all of today's: {values}."
    title = (
        f"{site}: {label} of all users by interactions to learn from. Thin bars: 95%. "
        f"Dashed: forecast for twice the data; wide bars at its end: 95%. Dotted: the goal, {target:g}."
    )
    chart = lines(
        f"curves-{site}", title, text, drawn, x="interactions", label=label, log=True, ahead=ahead, target=target
    )
    rows = {r["what"]: r for r in facts.filter(topic="twice").iter_rows(named=True)}
    if not (r := rows.get(best[0])):
        return chart
    surely = {GAIN: "a sure gain", LOSS: "a sure loss"}.get(r["verdict"], "no sure change")
    return replace(chart, finding=f"{site}: twice the data, {r['value'] - r['target']:+.3f} for {best[0]}, {surely}.")


def bars(site: str, facts: pl.DataFrame, topic: str, label: str) -> Chart | None:
    """What each data asset (topic asset) or part is worth, largest first, with 95% intervals."""
    gains = facts.filter(topic=topic).drop_nulls("value").sort("value", descending=True)
    if gains.filter((pl.col("low") != 0) | (pl.col("high") != 0)).is_empty():  # nothing to draw
        return None
    verdict = pl.when(pl.col("verdict").is_in([GAIN, LOSS])).then("verdict").otherwise(pl.lit("not shown to differ"))
    rows = gains.select("what", "value", "low", "high", "n", shown=verdict)
    base = alt.Chart(alt.InlineData(values=rows.to_dicts()))
    y = alt.Y("what:N", title=None, sort=None, axis=LABELS)
    x = alt.X("value:Q", title=f"{label}, with it less without").scale(zero=True)
    colour = alt.Color("shown:N", title=None).scale(domain=list(SHOWN), range=list(SHOWN.values()))
    colour = colour.legend(orient="top", columns=2)
    tips = [alt.Tooltip("what:N"), *(alt.Tooltip(f"{c}:Q", format="+.4f") for c in ("value", "low", "high"))]
    tips.append(alt.Tooltip("n:Q", title="lists", format=","))
    layers = [
        base.mark_bar(opacity=0.55).encode(x=x, y=y, color=colour, tooltip=tips),
        base.mark_rule(strokeWidth=1.5, color=GREY).encode(x=alt.X("low:Q", title=x["title"]), x2="high:Q", y=y),
    ]
    top = rows.row(0, named=True)
    alt_text = f"Bar chart of what {rows.height} are worth, {site}. Largest: {top['what']}, {top['value']:+.3f}."
    spec = finish(alt.layer(*layers), alt_text, 26 * rows.height + 20)
    kind = "kind of data" if topic == "asset" else "part"
    pays = top["shown"] == GAIN
    headline = f"worth most, {top['what']}, {top['value']:+.3f}." if pays else f"no {kind} is shown to pay."
    caption = f"{site}: accuracy with each {kind}, less that without it. Lines: 95% intervals."
    return Chart(f"{topic}-{slug(site)}", caption, spec, alt_text, rows, f"{site}: {headline}")


def transfer(ratios: dict[tuple[str, str, str], Ratio | None]) -> Chart | None:
    """Percent of a site's own recipe that another site's gives there, all users."""
    rows: list[dict[str, Any]] = []
    for (to, home, bucket), r in ratios.items():
        if bucket == "all" and r is not None:
            known = not r.lacking
            cell = (
                {"percent": r.percent, "low": r.low, "high": r.high}
                if known
                else dict.fromkeys(("percent", "low", "high"))
            )
            name = f"{r.percent:.0f}" if known else "–"
            lacks = ", ".join(r.lacking)
            rows.append({"used in": to, "recipe of": home, **cell, "n": r.n, "text": name, "lacks": lacks})
    sites = list(dict.fromkeys(str(r["used in"]) for r in rows))
    if len(sites) < 2:
        return None
    # The cells stand where the sites do, in both layers: a cell without a number is no reason to reorder them.
    across = alt.Axis(labelAngle=0, labelLimit=110, labelOverlap=False)
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("recipe of:N", sort=sites, axis=across).scale(domain=sites),
        y=alt.Y("used in:N", sort=sites, axis=LABELS).scale(domain=sites),
    )
    colour = alt.Color("percent:Q", title="percent").scale(scheme="cividis", domain=[0, 100], clamp=True)
    tips = [
        alt.Tooltip("used in:N"),
        alt.Tooltip("recipe of:N"),
        alt.Tooltip("text:N", title="percent"),
        alt.Tooltip("lacks:N"),
    ]
    tips += [alt.Tooltip(f"{c}:Q", format=".0f") for c in ("low", "high")] + [
        alt.Tooltip("n:Q", title="users", format=",")
    ]
    ink = alt.condition("datum.percent > 55", alt.value("#111111"), alt.value("#FFFFFE"))
    layers = [
        base.transform_filter("!isValid(datum.percent)").mark_rect(fill=GREY, stroke=GREY).encode(tooltip=tips),
        base.transform_filter("isValid(datum.percent)").mark_rect(stroke=GREY).encode(color=colour, tooltip=tips),
        base.mark_text(fontSize=14, fontWeight="bold").encode(text="text:N", color=ink),
    ]
    cells = "; ".join(
        f"{r['recipe of']} in {r['used in']}: {'lacks ' + r['lacks'] if r['lacks'] else r['text']}"
        for r in rows
        if r["used in"] != r["recipe of"]
    )
    text = f"Heatmap of percent of the own recipe's accuracy. {cells}."
    spec = finish(alt.layer(*layers), text, 62 * len(sites))
    title = (
        "Percent of what a scenario's own recipe gives that another's gives there, all users. 100: as good. "
        "Grey, –: the data lack what the recipe needs."
    )
    others = sorted((r for r in rows if r["used in"] != r["recipe of"] and r["percent"] is not None),
                    key=lambda r: float(r["percent"]))  # fmt: skip
    ends = [f"{r['percent']:.0f}% ({r['recipe of']} in {r['used in']})" for r in (*others[:1], *others[-1:])]
    headline = f"Another scenario's recipe gives from {' to '.join(ends)} of one's own." if len(others) > 1 else ""
    return Chart("transfer", title, spec, text, pl.DataFrame(rows), headline)


def effort(site: str, ladder: pl.DataFrame, facts: pl.DataFrame) -> Chart | None:
    """Accuracy against CPU seconds, all of today's data; what ships, from the facts, as a diamond. ladder: of
    ``tables.ladder``."""
    names = {"rung": "what", "user_bucket": "bucket", "n_queries": "n", "ci_low": "low", "ci_high": "high"}
    seconds = facts.filter(topic="cost", metric="cpu_s").select(what="what", cpu_s="value").drop_nulls()
    ships = facts.filter(topic="accuracy", what=ROUTER).join(seconds, on="what").drop_nulls("value")
    ships = ships.select("metric", "value", "cpu_s", site=pl.lit(site), **names).filter(
        pl.col("metric").is_in(ladder["metric"].implode()), pl.col("user_bucket").is_in(ladder["user_bucket"].implode())
    )
    alone = ladder.filter(pl.col("rung") != ROUTER).join(
        seconds.rename({"what": "rung"}), on="rung", how="left", maintain_order="left", suffix="_stated"
    )
    alone = alone.with_columns(cpu_s=pl.coalesce("cpu_s_stated", "cpu_s"))  # a page has one figure for a rung
    points = pl.concat([alone.select(ladder.columns), ships.select(ladder.columns)]).select(
        "rung", "metric", "value", "cpu_s", group="user_bucket", low="ci_low", high="ci_high", n="n_queries",
        ships=pl.col("rung") == ROUTER,
    )  # fmt: skip
    if points.filter(group="all").is_empty():
        return None
    spec = effort_scatter(points, "accuracy")
    title = f"{site}: up is better, left is cheaper. Diamond: what ships. Dashed: nothing cheaper is as accurate."
    return Chart(
        f"effort-{slug(site)}",
        title,
        spec,
        spec["description"],
        (table := points.filter(group="all", metric=points["metric"][0]).drop("metric")),
        f"{site}: {_dearer(table.drop_nulls('value'))}",
    )


def _dearer(points: pl.DataFrame) -> str:
    """What ships against the first rung, in accuracy and CPU seconds."""
    rows = [*points.filter("ships").to_dicts(), points.row(0, named=True)]
    named = [("what ships" if r["ships"] else r["rung"], r) for r in rows]
    return "; ".join(f"{name}, {r['value']:.3f} for {r['cpu_s']:.2g} CPU seconds" for name, r in named) + "."


def plan(order: Sequence[tuple[int, Option]], label: str) -> Chart | None:
    """Impact against stated person-days, each option by its name; those that are shown to lose are left out."""
    drawn = [(n, o) for n, o in order if o.days and o.high > 0]
    if not drawn:
        return None
    ends = [e / POINT for _, o in drawn for e in (o.low, o.high, 0.0)]
    low, top = min(ends), max(ends)
    middle = [math.log10(sum(o.days or (1, 1)) / 2) for _, o in drawn]
    span = max(max(middle) - min(middle), 1e-9)
    x = [(m - min(middle)) / span for m in middle]
    y = [(top - o.impact) / max(top - low, 1e-9) for _, o in drawn]
    placed = place_names([o.what for _, o in drawn], x, y)
    rows = [
        {"what": o.what, "site": o.site, "shown": "shown to gain" if o.sure else "not shown", "impact": o.impact,
         "low": o.low / POINT, "high": o.high / POINT, "days": 10**m, "days_low": (o.days or (1, 1))[0],
         "days_high": (o.days or (1, 1))[1], "cpu_s": o.cpu_s, **where}
        for (_, o), m, where in zip(drawn, middle, placed, strict=True)
    ]  # fmt: skip
    xs = alt.X("days:Q", title="person-days, stated (log scale)").scale(type="log", nice=False, padding=60)
    ys = alt.Y("impact:Q", title=f"gain, hundredths of {label}").scale(zero=True, nice=False)
    shape = alt.Shape("shown:N", title=None).legend(orient="top")
    hues = in_turn(o.site for _, o in drawn)  # one for each site, however many
    colour = alt.Color("site:N", title=None, sort=None).scale(domain=list(hues), range=list(hues.values()))
    colour = colour.legend(orient="top", columns=1)
    bare = alt.Chart(alt.InlineData(values=rows))
    base = bare.encode(color=colour)
    tips = [alt.Tooltip(c) for c in ("what:N", "site:N", "shown:N")]
    tips += [alt.Tooltip(f"{c}:Q", format=".2f") for c in ("impact", "low", "high", "days_low", "days_high", "cpu_s")]
    names: dict[str, Any] = {n: alt.ExprRef(f"datum.{n}") for n in ("dx", "dy", "align")}
    layers = [
        base.mark_rule().encode(x=alt.X("days_low:Q", title=xs["title"]), x2="days_high:Q", y=ys),
        base.mark_rule().encode(x=xs, y=alt.Y("low:Q", title=ys["title"]), y2="high:Q"),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=xs, y=ys, shape=shape, tooltip=tips),
        bare.mark_text(fontSize=12, **names).encode(x=xs, y=ys, text="what:N"),
    ]
    text = "Scatter chart of impact against stated person-days; upper left is best: "
    text += ", ".join(f"{o.what} at {o.site}" for _, o in drawn[:5]) + "."
    table = pl.DataFrame(rows).drop("dx", "dy", "align")
    title = (
        "Gain against work: recommenders and parts that do not ship. Upper left pays most for least work. "
        "Upright bars: 95% interval of the gain; level bars: days as stated."
    )
    sure = ", ".join(f"{o.what} at {o.site}" for _, o in drawn if o.sure)
    headline = f"Shown to gain: {sure}." if sure else "None of these is shown to gain in all periods."
    return Chart("impact-ease", title, finish(alt.layer(*layers), text), text, table, headline)
