"""What do we ship on day one, and today?"""

from __future__ import annotations

from collections.abc import Sequence

from recommender.compare.places import Scene
from recommender.compare.plan import TRANSFER, VOLUME
from recommender.compare.said import Said
from recommender.compare.steps import ahead, collected, gain, groups, value
from recommender.compare.words import capital, change, curves_of, evidence, users
from recommender.names import ALL, IN_SESSION, PLAIN, RETURNING, ROUTER, USER_BUCKETS, WITH_HISTORY
from recommender.studies import worth
from recommender.studies.engine.curves import Curves
from recommender.studies.engine.finding import NOT_ENOUGH, interval, not_enough
from recommender.studies.engine.paired import Contrast


def day_one(scene: Scene) -> list[Said]:
    made, lacking = curves_of(scene)
    first = [Said(_start(made, scene), evidence(scene, VOLUME))] if made else lacking
    before = Said(
        "Before the first interaction nothing can be measured: lists follow what users state of themselves, else the "
        "editors' order, else the newest first.",
        (),
    )
    if scene.decided is None:
        none = Said(f"{NOT_ENOUGH} for a decision: it could not be measured.", evidence(scene, TRANSFER))
        return [before, *first, none]
    who = [f"{rung} for {users(segments, scene)}" for rung, segments in scene.shipped().items()]
    among = ", ".join(r for r in scene.decided.rungs if r not in (PLAIN, ROUTER))
    today = f"With all of today's data, the validation periods choose, of {among}: {'; '.join(who)}."
    told = (today, *_beyond(scene), _goal(scene), *_reranked(scene), *_looked_back(scene))
    choice = [Said(sentence, evidence(scene, TRANSFER)) for sentence in told]
    return [Said(_in_short(scene), evidence(scene, TRANSFER)), before, *first, *choice]


def _in_short(scene: Scene) -> str:
    """What to build first."""
    if len(scene.serving) == 1:
        return f"In short: {scene.serving[0]} for everyone{_days(scene, scene.serving)}."
    mix, first = f"{scene.mix}{_days(scene, scene.serving)}", scene.enough
    without = ", both without re-rankers" * (scene.plain == PLAIN)
    if first is None:
        best = max(scene.alone, key=lambda r: scene.alone[r]["difference"])
        return (
            f"In short: what validation chose, {mix}. No single rung for everyone is as good; the best, {best}, gives "
            f"{change(scene.alone[best])}{without}."
        )
    row = scene.alone[first]
    told = change(row) if row["ci_low"] < row["ci_high"] else "the first ten places are the same"
    starts = scene.steps()[0][0].rung if scene.curves else first
    head = (
        f"build {first} first"
        if starts == first
        else f"start with {starts}{_days(scene, [starts])}, then build {first}"
    )
    return (
        f"In short: {head}{_days(scene, [first])}. With today's data its {scene.label} is as good for everyone, as far "
        f"as is shown, as of all that validation chose, {mix}: {told}{without}.{_without_slots(scene, first)}"
    )


def _without_slots(scene: Scene, rung: str) -> str:
    """What ``rung`` alone leaves out; empty where no other chooses new items."""
    slots = scene.decided.decision.get("slots", {}) if scene.decided else {}
    if not slots.get("n") or slots["rung"] == rung:
        return ""
    return f" Places for new items, which {slots['rung']} chooses, are apart: see the parts."


def _days(scene: Scene, rungs: Sequence[str]) -> str:
    """`` (2 to 4 stated person-days)``; empty where not all are stated."""
    days = scene.days(rungs)
    return f" ({days[0]:g} to {days[1]:g} stated person-days)" if days else ""


def _beyond(scene: Scene) -> list[str]:
    """Rungs whose lists are blended into those of a group's own rung, and places for new items."""
    found = scene.decided.decision.get("blends", {}) if scene.decided else {}
    apart = any(s.endswith(IN_SESSION) for segments in scene.shipped().values() for s in segments)
    told = []
    for group, row in found.items():
        buckets = USER_BUCKETS[:1] if group == USER_BUCKETS[0] else USER_BUCKETS[1:]
        kind = RETURNING if group.endswith(RETURNING) else IN_SESSION * (apart and group == WITH_HISTORY)
        gain = interval(row["gain"], row["ci_low"], row["ci_high"], sign=True)
        told.append(
            f"Into the lists of {users([b + kind for b in buckets], scene)} those of {row['rung']} are blended, by "
            f"rank: {gain} on the validation periods."
        )
    slots = scene.decided.decision.get("slots", {}) if scene.decided else {}
    if slots.get("n"):
        told.append(
            f"{slots['n']} of the first {slots['of']} places are kept for new items, chosen by {slots['rung']}."
        )
    return told


def _reranked(scene: Scene) -> list[str]:
    """What re-rankers change about what ships."""
    assert scene.decided is not None
    if scene.plain == ROUTER:
        return []
    row = scene.gains([Contrast("rerank", scene.decided, scene.decided, PLAIN, ROUTER)]).get("rerank")
    if row is None or not worth.significant(row):
        return []
    names = ", ".join(r.name for r in scene.scenario.rerank if r.enabled)
    price = " It is the price of what they are there for: see the parts below." if row["difference"] < 0 else ""
    return [f"That is with its re-rankers ({names}), which change it by {change(row)}.{price}"]


def _looked_back(scene: Scene) -> list[str]:
    """Rungs that beat what ships on the test period, which came after the choice."""
    assert scene.decided is not None
    told = (row["sentence"].replace(scene.metric, scene.label) for row in scene.decided.hindsight)
    return [s.replace("the router", "what ships") for s in told]


def _start(made: Curves, scene: Scene) -> str:
    path = scene.steps()[0]
    first, now = path[0].rung, ahead(made, ALL, 0)
    told = (
        f"With the fewest interactions measured, {made.size[0]:,.0f} ({collected(made, made.size[0])}), ship {first}: "
        f"it gives {scene.label} {interval(*value(made, first, ALL, 0))}"
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
        told += f". {capital(now)}{_days(scene, [now])} gives {more} more there, but {why}: see when to move."
    apart: dict[str, list[str]] = {}
    for group in groups(made)[1:]:
        apart.setdefault(scene.steps(group)[0][0].rung, []).append(group)
    order = made.rungs.index
    better = [f"{r} to {users(b, scene)}" for r, b in apart.items() if order(r) > order(first)]
    lower = {r: b for r, b in apart.items() if order(r) < order(first)}
    told += f" Ship {'; '.join(better)}: there it wins." if better else ""
    for rung, who in lower.items():
        told += f" Of {users(who, scene)}, taken alone, that is not shown: {rung} serves them."
    return told


def _goal(scene: Scene) -> str:
    target = scene.scenario.problem.target
    found = scene.tested()
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
    made = scene.curves
    mind = ""
    if made and made.interval((made.rungs[0], ALL))[0][0] >= target:
        mind = f" But {made.rungs[0]} with the least data reaches it too: such a goal guides nobody."
    return (
        f"On the test period that gives {scene.label} {interval(value, low, high)} for all users; "
        f"the goal is {target:g}: {verdict}.{mind}"
    )
