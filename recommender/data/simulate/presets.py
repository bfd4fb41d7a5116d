"""Presets: what differs from the defaults (a curated catalog) for each kind of service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender.data.simulate.knobs import Knobs, Signal, make_knobs
from recommender.errors import ConfigError, nearest

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "catalog": {},
    "ugc": dict(
        n_items=5_000,
        span_days=30,
        block_hours=2,
        activity_sigma=1.1,
        per_session=5,
        stay_days=12,
        back_catalogue=0.15,
        back_days=10,
        life_days=4,
        life_sigma=0.8,
        ending="silent",
        fade=1.5,
        n_creators=800,
        creator_focus=0.7,
        rho=0.4,
        taste_weight=7.0,
        drift_days=10,
        quality_sd=2.6,
        follows=6,
        social_pull=0.5,
        trend_sd=0.4,
        popular=0.25,
        fresh=0.15,
        personal=0.25,
        browse=0.22,
        social=0.08,
        random=0.05,
        popularity_power=1.1,
        popularity_half_life_days=1.0,
        fresh_days=1.0,
        metadata_missing=0.4,
        metadata_wrong=0.25,
        words="clips",
        item_columns=("caption", "tags", "creator", "duration", "embedding", "available_from", "moderated_at"),
        user_columns=("country", "age_band", "device", "follows", "signed_up_at"),
        fake_accounts=0.03,
        spam_items=0.03,
        violating=0.01,
        adapt=0.3,
        event="view",
        rated=False,
        signals=(
            Signal("like", 0.08, 1.0, 0.4),
            Signal("share", 0.01, 0.8, 0.8),
            Signal("follow", 0.006, 1.0, 0.6),
            Signal("hate", 0.005, -1.2, 0.2),
        ),
    ),
    "jobs": dict(
        n_interactions=50_000,
        n_items=8_000,
        span_days=180,
        block_hours=24,
        activity_sigma=0.9,
        per_session=3,
        stay_days=10,
        stay_sigma=1.2,
        back_catalogue=0.15,
        back_days=30,
        life_days=30,
        life_sigma=0.25,
        fade=0.5,
        n_creators=900,
        rho=0.65,
        mismatch=0.5,
        taste_weight=5.0,
        personas=1,
        drift_sd=0.05,
        quality_sd=1.4,
        demographic_pull=0.0,
        geography=True,
        per_100_km=0.25,
        remote_share=0.1,
        willing_share=0.25,
        per_level=0.7,
        per_degree=0.4,
        per_salary_sd=0.3,
        popular=0.1,
        fresh=0.1,
        personal=0.15,
        browse=0.6,
        local=0.4,
        random=0.05,
        popularity_power=0.9,
        popularity_half_life_days=7,
        fresh_days=5,
        resume_coverage=0.45,
        words="occupations",
        item_columns=(
            *("job_title", "company", "city", "state", "location", "remote", "salary", "seniority", "education"),
            *("skills", "vacancies", "available_from", "expires_at"),
        ),
        user_columns=(
            *("past_positions", "city", "state", "user_location", "willing_to_move", "skills", "seniority"),
            *("education", "gender", "age_group"),
        ),
        match=(("past_positions", "title"), ("city", "city"), ("state", "state"), ("skills", "skills")),
        event="view",
        rated=False,
        signals=(Signal("apply", 0.1, 1.0, 12),),
        replies=0.4,
    ),
}


def resolve(preset: str, knobs: Mapping[str, Any]) -> Knobs:
    """The preset with some knobs turned. Raises ConfigError naming the nearest valid preset or knob."""
    if preset not in PRESETS:
        raise ConfigError(f"Unknown preset '{preset}' of the simulator{nearest(preset, PRESETS)}")
    return make_knobs({**PRESETS[preset], **knobs})
