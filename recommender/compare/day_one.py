"""What do we ship on day one, and today?"""

from __future__ import annotations

from recommender.compare.moves import ahead, collected
from recommender.compare.page_model import Sentence
from recommender.compare.plan import TRANSFER, VOLUME
from recommender.compare.site import Site
from recommender.compare.wording import capital, change, cited, person_days, users
from recommender.names import ALL, IN_SESSION, PLAIN, RETURNING, ROUTER, USER_BUCKETS, WITH_HISTORY
from recommender.studies.engine.contrast import Contrast, significant
from recommender.studies.engine.curves import Curves
from recommender.studies.engine.finding import NOT_ENOUGH, interval, not_enough


def day_one(site: Site) -> list[Sentence]:
    """What to build first, what to ship with the fewest interactions, and what validation chooses with today's data."""
    fewest = _fewest(site.curves, site) if site.curves else f"{NOT_ENOUGH}: {site.curves_or_error}"
    before = Sentence(
        "Before the first interaction nothing can be measured: lists follow what users state of themselves, else the "
        "editors' order, else the newest first."
    )
    first = [before, *cited([fewest], site, VOLUME)]
    if site.decided is None:
        return first + cited([f"{NOT_ENOUGH} for a decision: it could not be measured."], site, TRANSFER)
    served = [f"{rung} for {users(segments, site)}" for rung, segments in site.shipped().items()]
    choice = (
        f"With all of today's data, the validation periods choose, of {', '.join(site.single_rungs)}: "
        f"{'; '.join(served)}."
    )
    looked_back = [
        row["sentence"].replace(site.metric, site.label).replace("the router", "what ships")
        for row in site.decided.hindsight
    ]
    today = [choice, *_blends_and_slots(site), _goal(site), *_reranked(site), *looked_back]
    return cited([_in_short(site)], site, TRANSFER) + first + cited(today, site, TRANSFER)


def _in_short(site: Site) -> str:
    """What to build first."""
    if len(site.shipped_rungs) == 1:
        return f"In short: {site.shipped_rungs[0]} for everyone{person_days(site, site.shipped_rungs)}."
    chosen, first = site.shipped_text + person_days(site, site.shipped_rungs), site.build_first
    unranked = ", both without re-rankers" * (site.unranked == PLAIN)
    if first is None:
        best = max(site.against_shipped, key=lambda r: site.against_shipped[r]["difference"])
        return (
            f"In short: build what validation chose, {chosen}. No single rung for everyone is as good; the best, "
            f"{best}, gives {change(site.against_shipped[best])}{unranked}."
        )
    row = site.against_shipped[first]
    same = "the first ten places are the same"
    level = f"{first} alone changes {site.label} by {change(row)}" if row["ci_low"] < row["ci_high"] else same
    start = site.moves()[0][0].rung if site.curves else first
    head = f"start with {start}{person_days(site, [start])}, then build {first}"
    head = f"build {first} first" if start == first else head
    slots = site.decision.slots
    apart = ""
    if slots.n and slots.rung != first:
        apart = f" Places for new items, which {slots.rung} chooses, are a separate choice: see the parts."
    return (
        f"In short: {head}{person_days(site, [first])}. The full set-up that validation chose, {chosen}, is not shown "
        f"to be better for everyone with today's data: {level}{unranked}.{apart}"
    )


def _blends_and_slots(site: Site) -> list[str]:
    """Rungs whose lists are merged into those of a group's own rung, and places for new items."""
    apart = any(s.endswith(IN_SESSION) for segments in site.shipped().values() for s in segments)
    sentences = []
    for group, blend in site.decision.blends.items():
        buckets = USER_BUCKETS[:1] if group == USER_BUCKETS[0] else USER_BUCKETS[1:]
        kind = RETURNING if group.endswith(RETURNING) else IN_SESSION * (apart and group == WITH_HISTORY)
        gain = interval(blend.gain, blend.ci_low, blend.ci_high, sign=True)
        sentences.append(
            f"For {users([b + kind for b in buckets], site)} the lists of {blend.rung} are merged in (reciprocal rank "
            f"fusion): {site.label} {gain} on the validation periods."
        )
    slots = site.decision.slots
    if slots.n:
        sentences.append(f"We reserve {slots.n} of the top {slots.of} for new items, chosen by {slots.rung}.")
    return sentences


def _reranked(site: Site) -> list[str]:
    """What re-rankers change about what ships."""
    if site.decided is None or site.unranked == ROUTER:
        return []
    row = site.gains([Contrast("rerank", site.decided, site.decided, PLAIN, ROUTER)]).get("rerank")
    if row is None or not significant(row):
        return []
    names = ", ".join(r.name for r in site.scenario.rerank if r.enabled)
    price = " That is the price of their aims: see the parts below." if row["difference"] < 0 else ""
    return [f"This includes the re-rankers ({names}), which change it by {change(row)}.{price}"]


def _fewest(curve: Curves, site: Site) -> str:
    """What to ship with the fewest interactions measured."""
    path = site.moves()[0]
    first, now, order = path[0].rung, ahead(curve, ALL, 0), curve.rungs.index
    text = (
        f"With the fewest interactions measured, {curve.size[0]:,.0f} ({collected(curve, curve.size[0])}), ship "
        f"{first}: it gives {site.label} {interval(*curve.value(first, size=0))}"
    )
    if first != curve.rungs[0]:
        over = max(curve.rungs[: order(first)], key=lambda r: curve.mean[r, ALL][0])
        gain = interval(*curve.gain(first, over, size=0), sign=True)
        text += f", {gain} over {over}, the best simpler rung there."
    elif now == first:
        text += ". No rung of more effort is shown to beat it there."
    else:
        gain = interval(*curve.gain(now, first, size=0), sign=True)
        cheaper = [m.rung for m in path[1:] if order(m.rung) < order(now)]
        reason = f"{cheaper[0]}, of less effort, overtakes both" if cheaper else "not at every size above"
        text += f". {capital(now)}{person_days(site, [now])} gives {gain} more there, but {reason}: see when to move."
    apart: dict[str, list[str]] = {}
    for group in curve.groups()[1:]:
        apart.setdefault(site.moves(group)[0][0].rung, []).append(group)
    better = [f"{r} to {users(groups, site)}" for r, groups in apart.items() if order(r) > order(first)]
    text += f" Ship {'; '.join(better)}: it wins there." if better else ""
    for rung, groups in ((r, groups) for r, groups in apart.items() if order(r) < order(first)):
        text += f" For {users(groups, site)} alone this is not shown; {rung} serves them."
    return text


def _goal(site: Site) -> str:
    target, value = site.scenario.problem.target, site.value()
    if value is None:
        return f"{NOT_ENOUGH}: no list of the test period was measured."
    verdict = f"{not_enough} that the goal is reached or missed"
    verdict = "the goal is reached" if value[1] >= target else "the goal is missed" if value[2] < target else verdict
    simplest = site.curves.rungs[0] if site.curves else ""
    mind = ""
    if site.curves and site.curves.value(simplest, size=0)[1] >= target:
        mind = f" But {simplest} with the least data reaches it too: this goal does not tell rungs apart."
    return (
        f"On the test period that gives {site.label} {interval(*value)} for all users; the goal is {target:g}: "
        f"{verdict}.{mind}"
    )
