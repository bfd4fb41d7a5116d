"""What to do about what was watched: nothing, train again, decide again, or look at the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recommender.operate.aging import Aging
from recommender.operate.shadow import Shadow
from recommender.operate.stream import FEWER, Watched

NOTHING, RETRAIN, DECIDE, DATA = "nothing", "train again", "decide again", "look at the data"
FEEDS = ("interactions", "lists")
SPAM = "newcomers_top_item"
_COLUMNS = ("items.", "users.")


@dataclass(frozen=True)
class Advice:
    """action: one of the four; reason: a sentence; where: columns or feeds to look at."""

    action: str
    reason: str
    where: tuple[str, ...] = ()


def advise(watched: Sequence[Watched], aging: Aging, shadow: Shadow | None) -> Advice:
    """A fault of the data comes first: nothing that is learned from it would help."""
    alarms = [w.stream.name for w in watched if w.alarm is not None]
    feeds = tuple(name for name in alarms if name in FEEDS)
    columns = tuple(name for name in alarms if name.startswith(_COLUMNS))
    if feeds:
        return Advice(DATA, f"Fewer rows of {' and '.join(feeds)} arrive than before. Is a feed broken?", feeds)
    if columns:
        return Advice(DATA, f"New rows have another mix of {', '.join(columns)} than before. Did its source or unit "
                            "change?", columns)  # fmt: skip
    if SPAM in alarms and "top_item" not in alarms:
        return Advice(
            DATA, "Users on their first day crowd on one item, those known before do not. Is it spam?", (SPAM,)
        )
    if shadow is not None and shadow.changes:
        return Advice(DECIDE, "The newest period would choose other rungs.")
    again = aging.again
    if again is not None and again.low > 0:
        gain = f"{again.share:+.1%} [{again.low:+.1%}, {again.high:+.1%}]"
        return Advice(RETRAIN, f"Fitted again, the same decision gains {gain} for {again.cpu_s:.2g} CPU seconds.")
    if alarms:
        return Advice(RETRAIN, f"Something changed that the model has not seen: {', '.join(alarms)}.")
    return Advice(NOTHING, "Nothing that is watched has changed by more than luck does.")


def sentence(one: Watched, date: str, began: str) -> str:
    """An alarm in words. date, began: days as text."""
    way = "fell" if one.stream.worse == FEWER else "rose" if one.since > one.before else "moved"
    label = one.stream.label[:1].upper() + one.stream.label[1:]
    return f"{label} {way} from {one.before:.3g} to {one.since:.3g} since about {began} (alarm on {date})."
