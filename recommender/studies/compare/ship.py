"""What do we ship on day one, and today?"""

from __future__ import annotations

from recommender.effort import PLAIN, serving
from recommender.evaluate import ALL, WITH_HISTORY
from recommender.query import IN_SESSION, RETURNING, USER_BUCKETS
from recommender.rungs import ROUTER
from recommender.studies import worth
from recommender.studies.cell import Measured
from recommender.studies.compare.places import Scene
from recommender.studies.compare.plan import TRANSFER, VOLUME
from recommender.studies.compare.said import Said
from recommender.studies.compare.steps import ahead, collected, gain, segments, steps, value
from recommender.studies.compare.words import capital, change, curves_of, evidence, users
from recommender.studies.curves import Curves
from recommender.studies.finding import NOT_ENOUGH, interval, not_enough
from recommender.studies.paired import Contrast


def day_one(scene: Scene) -> list[Said]:
    made, lacking = curves_of(scene)
    told = [
        Said(
            "Before the first interaction nothing can be measured: lists follow what users state of themselves, else "
            "the editors' order, else the newest first "
            f"(make train SCENARIO={scene.scenario.name} DATA=<folder> SET='day_zero=true').",
            (),
        ),
        *lacking,
    ]
    if made:
        told.append(Said(_start(made, scene), evidence(scene, VOLUME)))
    if scene.decided is None:
        told.append(Said(f"{NOT_ENOUGH} for a decision: it could not be measured.", evidence(scene, TRANSFER)))
        return told
    who = [f"{rung} for {users(segments, scene)}" for rung, segments in scene.shipped().items()]
    among = ", ".join(r for r in scene.decided.rungs if r not in (PLAIN, ROUTER))
    today = f"With all of today's data, the validation periods choose, of {among}: {'; '.join(who)}."
    told += [Said(sentence, evidence(scene, TRANSFER)) for sentence in (today, *_beyond(scene), _goal(scene))]
    return [*told, *_beside(scene, scene.decided)]


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


def _beside(scene: Scene, decided: Measured) -> list[Said]:
    """What re-rankers change about what is shipped, and whether one rung for everyone does worse or better."""
    plain = PLAIN if PLAIN in decided.rungs else ROUTER
    alone = [r for r in decided.rungs if r not in (PLAIN, ROUTER)]
    best = max(alone, key=lambda r: (scene.tested(r) or (0.0,))[0])
    wanted = [Contrast("rerank", decided, decided, PLAIN, ROUTER)] if plain == PLAIN else []
    built = serving(decided.decision, scene.scenario.slots)
    wanted += [Contrast("best", decided, decided, plain, best)] if built != {best} else []
    found = scene.gains(wanted) if wanted else {}
    told = []
    if (row := found.get("rerank")) and worth.significant(row):
        names = ", ".join(r.name for r in scene.scenario.rerank if r.enabled)
        price = " It is the price of what they are there for: see the parts below." if row["difference"] < 0 else ""
        told.append(f"That is with its re-rankers ({names}), which change it by {change(row)}.{price}")
    if (row := found.get("best")) and not (worth.significant(row) and row["difference"] > 0):
        less = "gives less" if worth.significant(row) else "is not shown to give less"
        without = ", both without re-rankers" * (plain == PLAIN)
        told.append(
            f"{capital(best)} for everyone, the best single rung, {less}: {change(row)}{without}"
            f"{_instead(scene, {best}, built)}."
        )
    looked_back = (row["sentence"].replace(scene.metric, scene.label) for row in decided.hindsight)
    told += [f"Mind: {s[0].lower()}{s[1:]}" for s in looked_back]
    return [Said(sentence, evidence(scene, TRANSFER)) for sentence in told]


def _instead(scene: Scene, few: set[str], many: set[str]) -> str:
    """``, for 2 to 4 stated person-days instead of 13 to 26``; empty where not all are stated."""
    days = scene.scenario.person_days
    if not (few | many) <= set(days):
        return ""
    low, high = ([sum(days[r][end] for r in rungs) for rungs in (few, many)] for end in (0, 1))
    return f", for {low[0]:g} to {high[0]:g} stated person-days instead of {low[1]:g} to {high[1]:g}"


def _start(made: Curves, scene: Scene) -> str:
    first = steps(made, ALL)[0][0].rung
    told = (
        f"With the first interactions, ship {first}. With {made.size[0]:,.0f} interactions, the fewest measured "
        f"({collected(made, made.size[0])}), it gives {scene.label} {interval(*value(made, first, ALL, 0))}"
    )
    if first == made.rungs[0]:
        told += "."
        if (now := ahead(made, ALL, 0)) != first:
            more = interval(*gain(made, now, first, ALL, 0), sign=True)
            later = now in [s.rung for s in steps(made, ALL)[0]]
            mind = "not at every size above" if later else "with more data a rung of less effort is as good"
            told += f" There {now} gives {more} more, but {mind}."
        else:
            told += " No rung of more effort is shown to beat it there."
    else:
        told += f", {interval(*gain(made, first, made.rungs[0], ALL, 0), sign=True)} over {made.rungs[0]}."
    apart: dict[str, list[str]] = {}
    for bucket in segments(made)[1:]:
        apart.setdefault(steps(made, bucket)[0][0].rung, []).append(bucket)
    order = made.rungs.index
    better = [f"{r} to {users(b, scene)}" for r, b in apart.items() if order(r) > order(first)]
    lower = {r: b for r, b in apart.items() if order(r) < order(first)}
    told += f" Ship {'; '.join(better)}: there it wins." if better else ""
    for rung, buckets in lower.items():
        alone = "each group alone" if len(buckets) > 1 else "taken alone"
        told += f" Of {users(buckets, scene)}, {alone}, that is not shown: {rung} serves them."
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
