"""Parts of a scenario are skipped where the data lack their columns, unless an override names them."""

from __future__ import annotations

from typing import Any

import pytest

from recommender import config
from recommender.config import Scenario
from recommender.data.dataset import Dataset
from recommender.errors import ConfigError
from recommender.experiment import requirements
from recommender.models import with_person_days
from tests.helpers.small import dataset, table

PLACE = [{"lat": 1.0, "lon": 2.0}]
SEEKERS = table("user_id", ["u"], {"gender": "protected"}, gender=["f"], location=PLACE, seniority=["low"])
POSTINGS = table("item_id", ["a"], {}, location=PLACE, seniority=["high"], salary=[1.0], vacancies=[2])
FULL = dataset([("u", "a", 1.0)], POSTINGS, SEEKERS)
BARE = dataset(
    [("u", "a", 1.0)], table("item_id", ["a"], {}, seniority=["low"]), table("user_id", ["u"], {}, seniority=["low"])
)
PARTS = {
    "eligibility": {
        "reach": {"max_km": 10, "hard": False},
        "seniority": {"order": ["low", "high"], "hard": False},
        "holds_column": "vacancies",
    },
    "rerank": [
        {"name": "fit", "reranker": "fit"},
        {"name": "crowd", "reranker": "spread", "params": {"column": "vacancies"}},
        {"name": "off", "reranker": "demote", "params": {"column": "nowhere"}, "enabled": False},
    ],
    "audit": {"columns": ["gender"], "favourable": {"column": "salary"}},
    "exposure": {"vacancies_column": "vacancies", "creator_column": "salary"},
}  # fmt: skip
ALL = ["reach", "seniority", "holds_column", "fit", "crowd", "audit", "vacancies_column", "creator_column"]


def scenario(**changes: Any) -> Scenario:
    problem = {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""}
    ladder = [{"name": "popularity", "recommender": "popularity"}]
    return config.parse({"name": "x", "problem": problem, "ladder": ladder, **PARTS, **changes})


def test_where_the_data_have_every_column_nothing_steps_aside() -> None:
    wanted = scenario()
    assert requirements.supported(wanted, FULL) == (with_person_days(wanted), {})


def test_what_the_data_lack_steps_aside_with_a_reason_and_the_rest_stays() -> None:
    left, skipped = requirements.supported(scenario(optional=ALL), BARE)
    assert set(skipped) == {"reach", "holds_column", "crowd", "audit", "vacancies_column", "creator_column"}
    assert "users have no column 'location'" in skipped["reach"]
    assert left.eligibility.reach is None
    assert left.eligibility.seniority is not None
    assert [entry.name for entry in left.rerank] == ["fit", "off"], "fit goes on with seniority alone"
    assert left.audit is None
    assert left.exposure.vacancies_column is None
    assert requirements.supported(left, BARE) == (left, {}), "and is supported then"


def test_what_is_not_optional_is_an_error_that_names_everything() -> None:
    with pytest.raises(ConfigError) as error:
        requirements.supported(scenario(optional=["reach", "holds_column", "creator_column"]), BARE)
    messages = str(error.value).splitlines()
    assert [line.split(":")[0] for line in messages] == ["rerank.crowd", "exposure.vacancies_column", "audit.columns"]


def test_a_part_that_an_override_names_is_meant() -> None:
    shipped = config.load("jobs").optional
    assert "reach" in shipped
    assert "audit" in shipped
    changed = config.load("jobs", ["eligibility.reach.max_km=5", "rerank.fit.enabled=true"]).optional
    assert [p for p in shipped if p not in changed] == ["reach", "fit"]
    assert config.load("jobs", ["optional=[audit]"]).optional == ["audit"]


@pytest.mark.parametrize("name", ["fit", "reach", "audit", "creator_column"])
def test_a_re_ranker_takes_no_name_of_another_part(name: str) -> None:
    entries = [{"name": "fit", "reranker": "fit"}, {"name": name, "reranker": "mmr"}]
    with pytest.raises(ConfigError, match=f"the name '{name}'"):
        requirements.check(scenario(rerank=entries))


@pytest.mark.parametrize("name", config.scenarios())
def test_every_shipped_part_that_reads_columns_may_step_aside(name: str) -> None:
    shipped = config.load(name)
    requirements.check(shipped)
    _, skipped = requirements.supported(shipped, BARE)  # raises where one is not optional
    assert set(skipped) <= set(shipped.optional)


def test_nothing_steps_aside_from_the_embedded_data(embedded: Dataset, embedded_name: str) -> None:
    assert requirements.supported(config.load(embedded_name), embedded)[1] == {}


@pytest.fixture(params=config.scenarios())
def embedded_name(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def embedded(embedded_name: str) -> Dataset:
    """The scenario's own data, with every column and little else."""
    from recommender.sources.load import load

    shipped = config.load(embedded_name, ["data.options.simulated.n_interactions=3000"])
    return load("simulated", raw_dir=None, **config.loading(shipped))


def test_a_column_that_is_audited_may_not_be_a_feature_even_where_the_audit_is_optional() -> None:
    open_ = table("user_id", ["u"], {"gender": "category"}, gender=["f"], location=PLACE, seniority=["low"])
    with pytest.raises(ConfigError, match=r"users\.gender would be audited .*gender: protected"):
        requirements.supported(scenario(optional=ALL), dataset([("u", "a", 1.0)], POSTINGS, open_))
