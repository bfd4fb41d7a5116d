"""What do we ship on day one, and today?"""

from __future__ import annotations

from collections.abc import Sequence

from recommender.compare.moves import ahead, collected, gain, groups, value
from recommender.compare.page_model import Sentence
from recommender.compare.plan import TRANSFER, VOLUME
from recommender.compare.site import Site
from recommender.compare.wording import capital, change, curves_of, evidence, users
from recommender.names import ALL, IN_SESSION, PLAIN, RETURNING, ROUTER, USER_BUCKETS, WITH_HISTORY
from recommender.studies.engine.contrast import Contrast, significant
from recommender.studies.engine.curves import Curves
from recommender.studies.engine.finding import NOT_ENOUGH, interval, not_enough


def day_one(site: Site) -> list[Sentence]:
    made, lacking = curves_of(site)
    first = [Sentence(_start(made, site), evidence(site, VOLUME))] if made else lacking
    before = Sentence(
        "Before the first interaction nothing can be measured: lists follow what users state of themselves, else the "
        "editors' order, else the newest first.",
        (),
    )
    if site.decided is None:
        none = Sentence(f"{NOT_ENOUGH} for a decision: it could not be measured.", evidence(site, TRANSFER))
        return [before, *first, none]
    who = [f"{rung} for {users(segments, site)}" for rung, segments in site.shipped().items()]
    among = ", ".join(r for r in site.decided.rungs if r not in (PLAIN, ROUTER))
    today = f"With all of today's data, the validation periods choose, of {among}: {'; '.join(who)}."
    told = (today, *_beyond(site), _goal(site), *_reranked(site), *_looked_back(site))
    choice = [Sentence(sentence, evidence(site, TRANSFER)) for sentence in told]
    return [Sentence(_in_short(site), evidence(site, TRANSFER)), before, *first, *choice]


def _in_short(site: Site) -> str:
    """What to build first."""
    if len(site.serving) == 1:
        return f"In short: {site.serving[0]} for everyone{_days(site, site.serving)}."
    mix, first = f"{site.mix}{_days(site, site.serving)}", site.enough
    without = ", both without re-rankers" * (site.plain == PLAIN)
    if first is None:
        best = max(site.alone, key=lambda r: site.alone[r]["difference"])
        return (
            f"In short: what validation chose, {mix}. No single rung for everyone is as good; the best, {best}, gives "
            f"{change(site.alone[best])}{without}."
        )
    row = site.alone[first]
    told = change(row) if row["ci_low"] < row["ci_high"] else "the first ten places are the same"
    starts = site.moves()[0][0].rung if site.curves else first
    head = (
        f"build {first} first" if starts == first else f"start with {starts}{_days(site, [starts])}, then build {first}"
    )
    return (
        f"In short: {head}{_days(site, [first])}. With today's data its {site.label} is as good for everyone, as far "
        f"as is shown, as of all that validation chose, {mix}: {told}{without}.{_without_slots(site, first)}"
    )


def _without_slots(site: Site, rung: str) -> str:
    """What ``rung`` alone leaves out; empty where no other chooses new items."""
    slots = site.decided.decision.get("slots", {}) if site.decided else {}
    if not slots.get("n") or slots["rung"] == rung:
        return ""
    return f" Places for new items, which {slots['rung']} chooses, are apart: see the parts."


def _days(site: Site, rungs: Sequence[str]) -> str:
    """`` (2 to 4 stated person-days)``; empty where not all are stated."""
    days = site.days(rungs)
    return f" ({days[0]:g} to {days[1]:g} stated person-days)" if days else ""


def _beyond(site: Site) -> list[str]:
    """Rungs whose lists are blended into those of a group's own rung, and places for new items."""
    found = site.decided.decision.get("blends", {}) if site.decided else {}
    apart = any(s.endswith(IN_SESSION) for segments in site.shipped().values() for s in segments)
    told = []
    for group, row in found.items():
        buckets = USER_BUCKETS[:1] if group == USER_BUCKETS[0] else USER_BUCKETS[1:]
        kind = RETURNING if group.endswith(RETURNING) else IN_SESSION * (apart and group == WITH_HISTORY)
        gain = interval(row["gain"], row["ci_low"], row["ci_high"], sign=True)
        told.append(
            f"Into the lists of {users([b + kind for b in buckets], site)} those of {row['rung']} are blended, by "
            f"rank: {gain} on the validation periods."
        )
    slots = site.decided.decision.get("slots", {}) if site.decided else {}
    if slots.get("n"):
        told.append(
            f"{slots['n']} of the first {slots['of']} places are kept for new items, chosen by {slots['rung']}."
        )
    return told


def _reranked(site: Site) -> list[str]:
    """What re-rankers change about what ships."""
    assert site.decided is not None
    if site.plain == ROUTER:
        return []
    row = site.gains([Contrast("rerank", site.decided, site.decided, PLAIN, ROUTER)]).get("rerank")
    if row is None or not significant(row):
        return []
    names = ", ".join(r.name for r in site.scenario.rerank if r.enabled)
    price = " It is the price of what they are there for: see the parts below." if row["difference"] < 0 else ""
    return [f"That is with its re-rankers ({names}), which change it by {change(row)}.{price}"]


def _looked_back(site: Site) -> list[str]:
    """Rungs that beat what ships on the test period, which came after the choice."""
    assert site.decided is not None
    told = (row["sentence"].replace(site.metric, site.label) for row in site.decided.hindsight)
    return [s.replace("the router", "what ships") for s in told]


def _start(made: Curves, site: Site) -> str:
    path = site.moves()[0]
    first, now = path[0].rung, ahead(made, ALL, 0)
    told = (
        f"With the fewest interactions measured, {made.size[0]:,.0f} ({collected(made, made.size[0])}), ship {first}: "
        f"it gives {site.label} {interval(*value(made, first, ALL, 0))}"
    )
    if first != made.rungs[0]:
        simpler = made.rungs[: made.rungs.index(first)]
        over = max(simpler, key=lambda r: made.mean[r, ALL][0])
        told += f", {interval(*gain(made, first, over, ALL, 0), sign=True)} over {over}, the best simpler rung there."
    elif now == first:
        told += ". No rung of more effort is shown to beat it there."
    else:
        more = interval(*gain(made, now, first, ALL, 0), sign=True)
        cheaper = [s.rung for s in path[1:] if s.rung in made.rungs[: made.rungs.index(now)]]
        why = f"{cheaper[0]}, of less effort, overtakes both" if cheaper else "not at every size above"
        told += f". {capital(now)}{_days(site, [now])} gives {more} more there, but {why}: see when to move."
    apart: dict[str, list[str]] = {}
    for group in groups(made)[1:]:
        apart.setdefault(site.moves(group)[0][0].rung, []).append(group)
    order = made.rungs.index
    better = [f"{r} to {users(b, site)}" for r, b in apart.items() if order(r) > order(first)]
    lower = {r: b for r, b in apart.items() if order(r) < order(first)}
    told += f" Ship {'; '.join(better)}: there it wins." if better else ""
    for rung, who in lower.items():
        told += f" Of {users(who, site)}, taken alone, that is not shown: {rung} serves them."
    return told


def _goal(site: Site) -> str:
    target = site.scenario.problem.target
    found = site.tested()
    if found is None:
        return f"{NOT_ENOUGH}: no list of the test period was measured."
    value, low, high = found
    verdict = (
        "the goal is reached"
        if low >= target
        else "the goal is missed"
        if high < target
        else (f"{not_enough} that the goal is reached or missed")
    )
    made = site.curves
    mind = ""
    if made and made.interval((made.rungs[0], ALL))[0][0] >= target:
        mind = f" But {made.rungs[0]} with the least data reaches it too: such a goal guides nobody."
    return (
        f"On the test period that gives {site.label} {interval(value, low, high)} for all users; "
        f"the goal is {target:g}: {verdict}.{mind}"
    )
