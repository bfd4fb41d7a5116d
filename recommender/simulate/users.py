"""Draws the users of a simulated service. See ``world.Users`` for the arrays."""

from __future__ import annotations

import numpy as np

from recommender.simulate.draw import NICHES, SCENES, TOPICS, profile, zipf
from recommender.simulate.knobs import Knobs
from recommender.simulate.vocabulary import AGE_BANDS, CITIES, COUNTRIES, EDUCATION, GENDERS, SENIORITY
from recommender.simulate.world import Users

NEW_ACCOUNTS = 0.6  # share of users who sign up just before their first visit in the data
OLD_ACCOUNT_DAYS = 120  # mean age of the other accounts


def make_users(knobs: Knobs, fame: np.ndarray, rng: np.random.Generator) -> Users:
    """All users, before rings are drawn. fame: probability of each topic, (TOPICS,)."""
    n, personas = knobs.n_users, knobs.personas
    country = rng.choice(len(COUNTRIES), n, p=zipf(len(COUNTRIES), 1.0))
    age = rng.choice(len(AGE_BANDS), n, p=[0.25, 0.3, 0.2, 0.15, 0.1])
    favourite = rng.choice(TOPICS, (len(COUNTRIES), len(AGE_BANDS)))[country, age]
    pulled = rng.random((n, personas)) < knobs.demographic_pull
    main = np.where(pulled, favourite[:, None], rng.choice(TOPICS, (n, personas), p=fame))
    topics = np.stack([main, rng.choice(TOPICS, (n, personas), p=fame)], axis=2)
    scenes = rng.choice(SCENES, (n, personas, 2), p=zipf(SCENES, 0.5))
    taste = [profile(topics, TOPICS, rng), profile(scenes, SCENES, rng)]
    arrived = (knobs.span_days - 1) * rng.random(n)
    stay = knobs.stay_days * np.exp(knobs.stay_sigma * rng.standard_normal(n))
    niche = main * NICHES + rng.integers(NICHES, size=(n, personas))
    rate = np.exp(knobs.activity_sigma * rng.standard_normal(n))
    level = rng.choice(len(SENIORITY), n, p=[0.35, 0.3, 0.25, 0.1])
    degree = rng.binomial(len(EDUCATION) - 1, np.array([0.25, 0.35, 0.45, 0.5])[level])
    account_age = np.where(rng.random(n) < NEW_ACCOUNTS, 0.01 * rng.random(n), rng.exponential(OLD_ACCOUNT_DAYS, n))
    established = rng.random(n) < knobs.established
    arrived, stay = np.where(established, 0.0, arrived), np.where(established, knobs.span_days, stay)
    return Users(
        taste=np.concatenate(taste, axis=2),
        topics=topics,
        scene=scenes[:, 0, 0],
        niche=niche,
        arrived=arrived,
        signed_up=arrived - account_age,
        stay=np.minimum(stay, knobs.span_days - arrived),
        established=established,
        # visits fall at stay * u**2 (u uniform), so this share of them comes before the end of the data
        rate=rate * np.sqrt(np.minimum(1, (knobs.span_days - arrived) / stay)),
        country=country,
        age=age,
        gender=rng.choice(len(GENDERS), n, p=[0.49, 0.49, 0.02]),
        city=rng.choice(len(CITIES), n, p=zipf(len(CITIES), 0.9)),
        level=level,
        education=degree,
        has_resume=rng.random(n) < knobs.resume_coverage,
        willing=rng.random(n) < knobs.willing_share,
        ring=np.where(rng.random(n) < knobs.fake_accounts, 0, -1),
    )
