"""Draws the items of a simulated service. See ``world.Items`` for the arrays."""

from __future__ import annotations

import dataclasses

import numpy as np

from recommender.simulate.draw import NICHE_SHARE, NICHES, SCENES, TOPICS, profile, zipf
from recommender.simulate.knobs import Knobs
from recommender.simulate.technologies import NONE
from recommender.simulate.technologies import draw as draw_technologies
from recommender.simulate.vocabulary import CITIES, EDUCATION, SENIORITY
from recommender.simulate.world import Items

SHOWN_LIVES = 4  # a clip whose end is not stated is hardly shown any more after so many lives
LOOKED_AT = 8  # items among which a clone's original is the best
CLONE_QUALITY = -0.5  # clones are liked less than originals of the same look


def make_items(knobs: Knobs, fame: np.ndarray, rng: np.random.Generator) -> Items:
    """All items, before rings are drawn. fame: probability of each topic, (TOPICS,)."""
    n = knobs.n_items
    creator = rng.choice(knobs.n_creators, n, p=zipf(knobs.n_creators, 0.8))
    of_creator = rng.choice(TOPICS, knobs.n_creators, p=fame)[creator]
    main = np.where(rng.random(n) < knobs.creator_focus, of_creator, rng.choice(TOPICS, n, p=fame))
    city = rng.choice(len(CITIES), n, p=zipf(len(CITIES), 0.9))
    unwanted = rng.random(n) < knobs.mismatch
    # rare where demand is high, and the other way round: the ranks of topics and cities reversed
    main, city = np.where(unwanted, TOPICS - 1 - main, main), np.where(unwanted, len(CITIES) - 1 - city, city)
    topics = np.stack([main, rng.choice(TOPICS, n, p=fame)], axis=1)
    technology, niche = np.full(n, NONE), None
    if knobs.words == "technologies":
        technology, niche, topics = draw_technologies(n, rng)
    scenes = rng.choice(SCENES, (n, 2), p=zipf(SCENES, 0.5))
    explained = np.float32(knobs.rho * (1 - NICHE_SHARE)) * profile(topics, TOPICS, rng)
    unexplained = np.float32(1 - knobs.rho) * profile(scenes, SCENES, rng)
    back = rng.random(n) < knobs.back_catalogue
    published = np.where(back, -knobs.back_days * rng.random(n), knobs.span_days * rng.random(n))
    life = (
        knobs.life_days * np.exp(knobs.life_sigma * rng.standard_normal(n)) if knobs.life_days else np.full(n, np.inf)
    )
    if niche is None:
        niche = main * NICHES + rng.integers(NICHES, size=n)
    wrong = rng.random(n) < knobs.metadata_wrong
    label = np.where(wrong, rng.integers(TOPICS * NICHES, size=n), niche)
    quality = knobs.quality_sd * rng.standard_normal(n)
    level = rng.choice(len(SENIORITY), n, p=[0.35, 0.3, 0.25, 0.1])
    items = Items(
        profile=np.concatenate([explained, unexplained], axis=1),
        topics=topics,
        niche=niche,
        label=label,
        quality=quality,
        published=published,
        life=life,
        ends=published + life * (1 if knobs.ending == "stated" else SHOWN_LIVES),
        creator=creator,
        city=city,
        level=level,
        salary=rng.standard_normal(n),
        remote=rng.random(n) < knobs.remote_share,
        # senior posts ask for degrees more often; most ask for none or a bachelor's
        education=rng.binomial(len(EDUCATION) - 1, np.array([0.15, 0.3, 0.4, 0.5])[level]),
        vacancies=1 + np.minimum(rng.geometric(0.6, n) - 1, 20),
        ring=np.where(rng.random(n) < (knobs.spam_items if knobs.fake_accounts else 0), 0, -1),
        generation=np.zeros(n, np.int64),
        source=np.arange(n),
        violating=rng.random(n) < knobs.violating,
        moderated=np.full(n, np.inf),
        technology=technology,
        rise=knobs.rise_sd * rng.standard_normal(n) if knobs.rise_sd else np.zeros(n),
    )
    return _moderated(_with_clones(items, knobs, rng), knobs, rng)


def _with_clones(items: Items, knobs: Knobs, rng: np.random.Generator) -> Items:
    """Most spam looks like the best of a few earlier items, and is liked less."""
    spam = np.flatnonzero((items.ring >= 0) & (rng.random(len(items.ring)) < knobs.clones))
    looked_at = rng.integers(len(items.ring), size=(len(spam), LOOKED_AT))
    usable = (items.published[looked_at] < items.published[spam, None]) & (items.ring[looked_at] < 0)
    best = np.where(usable, items.quality[looked_at], -np.inf).argmax(1)
    clone, original = spam[usable.any(1)], looked_at[np.arange(len(spam)), best][usable.any(1)]
    quality = items.quality.copy()
    quality[items.ring >= 0] = 0  # without their ring hardly anyone would find them
    quality[clone] += CLONE_QUALITY
    source = items.source.copy()
    source[clone] = original
    copied = {name: getattr(items, name)[source] for name in ("profile", "topics", "niche", "label")}
    return dataclasses.replace(items, quality=quality, source=source, **copied)


def _moderated(items: Items, knobs: Knobs, rng: np.random.Generator) -> Items:
    """When moderators confirm what breaks the rules; all spam does, and some of it and of the rest is never found."""
    n = len(items.ring)
    violating = items.violating | (items.ring >= 0)
    confirmed = violating & (rng.random(n) < knobs.moderation_recall)
    delay = knobs.moderation_days * np.exp(knobs.moderation_sigma * rng.standard_normal(n))
    moderated = np.where(confirmed, np.maximum(items.published, 0) + delay, np.inf)
    moderated[moderated >= knobs.span_days] = np.inf  # later than the data: not known in it
    return dataclasses.replace(items, violating=violating, moderated=moderated)
