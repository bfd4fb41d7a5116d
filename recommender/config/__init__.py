"""One scenario per YAML file, checked by pydantic; unknown keys are refused, the nearest name offered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from recommender.config.files import Overrides, names_in, overridden, read_named, shipped
from recommender.config.operating import Monitor as Monitor
from recommender.config.operating import OnlineTest as OnlineTest
from recommender.config.operating import Promote as Promote
from recommender.config.problem import Planning as Planning
from recommender.config.problem import ProblemStatement as ProblemStatement
from recommender.config.split import LEAST_DAYS as LEAST_DAYS
from recommender.config.split import SHORT_HORIZONS as SHORT_HORIZONS
from recommender.config.split import Split as Split
from recommender.config.strict import Count, Seed
from recommender.config.strict import Strict as Strict
from recommender.errors import ConfigError, nearest

CONFIGS = shipped("configs")


class Data(Strict):
    """Where the scenario's data come from, and what of them counts as taken."""

    source: str = "simulated"  # used where DATA is not given
    options: dict[str, dict[str, Any]] = {}  # source name -> its keyword arguments
    repairs: dict[str, str] = {}  # rule -> action, on top of dataset.yaml's
    positive_events: list[str] | None = None  # event kinds that count as "took it"; None: the data set's own
    event_weights: dict[str, float] = {}  # what an event of a kind is worth to models; below 0: a dislike
    differences: list[dict[str, dict[str, Any]]] = []  # what is changed about the data: data/operators, in turn
    train_differences: list[dict[str, dict[str, Any]]] = []  # the same of what models learn from; the test stays
    updated: bool = False  # models that have an update then learn the rows that these left out by it, others do not


class Reach(Strict):
    """Who can reach which item: places as lat/lon columns, great-circle distance."""

    user: str = "location"
    item: str = "location"
    max_km: float = Field(gt=0)
    remote: str | None = None  # boolean item column; true = within everyone's reach
    willing: str | None = None  # boolean user column; true = everything is within reach
    hard: bool = True  # False: measured only, and read by the re-ranker ``fit``


class Seniority(Strict):
    """How many levels may lie between a user and an item."""

    user: str = "seniority"
    item: str = "seniority"
    order: list[str] = Field(min_length=2)  # the levels of both columns, lowest first
    max_gap: int = Field(1, ge=0, lt=2**31)
    hard: bool = True  # False: measured only, and read by the re-ranker ``fit``


class Eligibility(Strict):
    """Hard rules: what may be shown to whom at all."""

    repeats: bool = False  # may an item be recommended again to who took it
    expired: bool = False  # may an item be shown after it expired: only to measure what it brings that none is
    blocked_column: str | None = None  # boolean item column; true = never shown
    moderated_column: str | None = None  # timestamp item column; from that time on never shown
    holds_column: str | None = None  # numeric item column; negative = held back by the editors, never shown
    blocks_column: str | None = None  # list column of members: whom each blocks; set where a table `blocks` is there
    editorial_column: str | None = None  # numeric item column; lists without any evidence follow it, lowest first
    reach: Reach | None = None
    seniority: Seniority | None = None


class Rung(Strict):
    """One step of the ladder: a recommender with its parameters."""

    name: str
    recommender: str  # a key of recommender.models.RECOMMENDERS
    params: dict[str, Any] = {}
    control: bool = False  # measured, never served
    candidates: list[dict[str, Any]] = []  # tried on top of params, on validation only; first = simplest


class Slots(Strict):
    """Places at the end of the list kept for items without interactions."""

    rung: str = "content"
    instead: list[str] = []  # auto: rungs of which one chooses the new items where it finds more of them than ``rung``
    n: Annotated[int, Field(ge=0, le=1000)] | Literal["auto"] = 0  # auto: as many as validation shows to be worth it
    of: int = Field(20, ge=1, le=1000)
    min_gain: float = Field(0.01, ge=0, le=1)  # auto: the least recall_at_20 on new items worth a slot
    max_loss: float = Field(0.1, ge=0, le=1)  # auto: the share of recall_at_20 that new items may cost
    explore: Literal["ucb", "thompson"] | None = None  # choose among relevant ones by what their take rate could be
    below: Count = 1  # explore: items with fewer interactions may take a slot
    pool: int = Field(20, ge=1, le=100_000)  # explore: relevant items to choose from
    floor: float = Field(0.1, ge=0, le=1)  # explore: share of the slots that go by lot, so that every item has a chance


class Rerank(Strict):
    """One step that re-orders the router's lists."""

    name: str
    reranker: str  # a key of recommender.rerankers.RERANKERS
    params: dict[str, Any] = {}
    enabled: bool = True


class Favourable(Strict):
    """The items that are good to be shown, whoever one is: the highest values of a numeric item column."""

    column: str
    top_share: float = Field(0.33, gt=0, lt=1)  # of the items known at the origin that state a value


class Audit(Strict):
    """Are groups of users shown favourable items alike? ``columns``: protected user columns."""

    columns: list[str] = Field(min_length=1)
    favourable: Favourable
    at_least: int = Field(1, ge=1, le=10)  # favourable items in the first ten that make a user "selected"
    min_share: float = Field(0.02, ge=0, lt=1)  # smaller groups have no impact ratio (NYC Local Law 144: 2%)


class Exposure(Strict):
    """Columns that only metrics of exposure read."""

    creator_column: str | None = None  # category item column: whose items are they
    small_creator: Count = 10  # creators with fewer interactions in training are small
    vacancies_column: str | None = None  # numeric item column: how many can take the item in the end
    back_catalogue_days: float | None = Field(None, gt=0)  # published longer ago, an item is of the back catalogue
    calibration_column: str | None = None  # category or multi item column: do lists have the shares of the history


class Spam(Strict):
    """A detector of items that moderators will confirm to break the rules, learned from those that they did."""

    label_column: str | None = None  # timestamp item column: when it was confirmed; unset: no detector
    creator_column: str | None = None  # category item column: whose uploads they are
    signed_up_column: str | None = None  # timestamp user column: since when there is the account
    threshold: float = Field(0.5, gt=0, lt=1)  # suspicion from which an item is called flagged in the tables


class DecisionRule(Strict):
    """When a rung replaces a simpler one, and by which metric."""

    metric: str = "ndcg_at_10"
    alpha: float = Field(0.05, gt=0, lt=1)
    min_gain: float = Field(0.0, ge=0)
    away_days: float = Field(1.0, gt=0)  # who was last seen so long ago is returning, not in a visit
    thin: Count = 100  # buckets with fewer pooled queries inherit from all users with history
    periods: int = Field(4, ge=0, le=100)  # of each horizon, that intervals count beside users; 0: users only
    blend: bool = False  # may a group's lists take in those of a second rung, by reciprocal rank, where that pays


class Scoring(Strict):
    """How long lists are, and how much is scored at once."""

    k: int = Field(50, ge=20, le=10_000)
    # Above so many candidates, each query is scored on those that a generator chooses; its recall is in data.json
    full_up_to: int = Field(100_000, ge=1)
    memory_mb: int = Field(256, ge=16, lt=2**20)  # bound of one batch of scores, whatever the number of users
    workers: int = Field(
        2, ge=1, le=256
    )  # batches scored at once; above 1, two processes fit rungs too; results do not depend on it
    threads: int = Field(1, ge=1, le=256)  # of the libraries' fit; LightFM and BPR repeat exactly only with 1


class EngineOptions(Strict):
    """Where a train runs on an engine (ENGINE=): how its work is cut. Without one, nothing reads this."""

    partitions: int = Field(16, ge=1, le=100_000)  # tasks at once, at most; no result depends on it
    sample_users: Count | None = None  # models are fitted, and decided on, so many users; None: all
    test_all: bool = True  # with a sample: at the test origin, lists of all users are measured, too
    history_cap: Count = 1000  # with a sample: pairs of items are those of each user's latest so many, n cost n^2


class Tune(Strict):
    """A budget per rung to search its parameters with. Without trials or minutes, a short search as ``search`` says."""

    search: float = Field(1.0, ge=0, le=100)  # times the usual number of settings; 0: only those that the ladder names
    trials: int = Field(0, ge=0, le=100_000)  # the ladder's candidates first, and all of them anyway; deterministic
    minutes: float | None = Field(None, gt=0)


class Scenario(Strict):
    """A whole scenario: source, split, eligibility, ladder, problem statement, goals."""

    name: str = Field(pattern=r"^\w[\w.-]*$")  # becomes part of the names of folders and models
    problem: ProblemStatement
    data: Data = Data()
    split: Split = Split()
    eligibility: Eligibility = Eligibility()
    ladder: list[Rung] = Field(min_length=1)
    slots: Slots = Slots()
    spam: Spam = Spam()
    rerank: list[Rerank] = []  # applied in this order to the router's lists of scoring.k items
    audit: Audit | None = None
    exposure: Exposure = Exposure()
    # Parts that are skipped, with a note, where the data lack their columns: keys of eligibility or exposure, names of
    # re-rankers, "audit". A part that an override names is taken off this list, so that its lack is an error.
    optional: list[str] = []
    decision: DecisionRule = DecisionRule()
    scoring: Scoring = Scoring()
    promote: Promote = Promote()
    monitor: Monitor = Monitor()
    online: OnlineTest = OnlineTest()
    tune: Tune = Tune()
    engine: EngineOptions = EngineOptions()
    bootstrap: int = Field(1000, ge=100, le=100_000)
    seed: Seed = 0
    slices: list[str] = []  # user or item columns that the metrics are also split by
    day_zero: bool = False
    controls: bool = False  # also measure, at the test origin, each rung without what it uses (controls.py)
    person_days: dict[str, tuple[float, float]] = {}  # stated effort of rungs and assets, shown as stated
    plan: Planning = Planning()
    _n_lines: int = PrivateAttr(0)

    @property
    def n_lines(self) -> int:
        """Lines of its file that say something; 0 for a scenario that was read from no file."""
        return self._n_lines


def scenarios() -> list[str]:
    """Names of the scenarios that come with the project, sorted."""
    return names_in(CONFIGS)


def load(name: str | Path, overrides: Overrides = ()) -> Scenario:
    """A scenario of ``configs/`` by its name, or any by the path of its YAML file.

    overrides: ``split.test=0.7`` (the value as YAML), or a mapping of such keys to values.
    Raises ConfigError naming the file, the key and the nearest valid one.
    """
    tree, path = read_named(name, CONFIGS, "scenario")
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected keys such as 'name:' and 'ladder:', found {type(tree).__name__}.")
    try:
        scenario = parse(tree, overrides)
    except ConfigError as error:
        raise error if path.parent == CONFIGS else ConfigError(f"{path}: {error}") from None
    scenario._n_lines = sum(line.strip()[:1] not in ("", "#") for line in path.read_text().splitlines())
    return scenario


def parse(tree: Mapping[str, Any], overrides: Overrides = ()) -> Scenario:
    """The scenario of plain values, as ``load`` reads them from a file. Raises ConfigError, all problems in one."""
    tree = overridden(tree, overrides)
    try:
        return Scenario.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(e) for e in error.errors())) from None


def loading(scenario: Scenario) -> dict[str, Any]:
    """The scenario's keyword arguments of ``data.load.load``."""
    return {
        "options": scenario.data.options,
        # A random split reads no times, so none need be there.
        "repairs": ({"missing_times": "history"} if scenario.split.kind == "random" else {}) | scenario.data.repairs,
        "positive": scenario.data.positive_events,
        "event_weights": scenario.data.event_weights,
        "require_interactions": not scenario.day_zero,
    }


def _explain(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"Unknown configuration key '{where}'{nearest(str(error['loc'][-1]), _siblings(error['loc']))}"
    if error["type"] == "missing":
        return f"Configuration key '{where}' is missing"
    given = "" if isinstance(error["input"], dict) else f" (got {error['input']!r})"
    return f"Configuration key '{where}': {error['msg']}{given}"


def _siblings(location: tuple[Any, ...]) -> list[str]:
    """Valid keys beside the last one of ``location``."""
    model: Any = Scenario
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        inner = getattr(annotation, "__args__", (annotation,))
        model = next((a for a in inner if isinstance(a, type) and issubclass(a, BaseModel)), model)
    return list(model.model_fields)
