# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # The ladder on my frames
#
# Which recommender should serve whom? Train a ladder from simple to elaborate, let past periods decide, look at the
# latest period once, and read the decision with its evidence. Here the frames are a small simulated job board; replace
# them by yours.

# %%
import polars as pl

import recommender

small = {"data.options": {"simulated": {"preset": "jobs", "n_users": 400, "n_items": 300, "n_interactions": 5000}}}
board = recommender.load_data("simulated", scenario=recommender.scenario("jobs", small))
interactions, jobs, people = board.interactions, board.items.frame, board.users.frame

# %% [markdown]
# ## From frames to a checked data set
#
# State the roles of columns, or let them be guessed. Everything that is wrong is reported at once, with counts and
# examples; nothing is dropped that `repairs` does not name.

# %%
data = recommender.dataset(
    interactions,
    jobs,
    people,
    features={"items": dict(board.items.roles), "users": dict(board.users.roles)},
    match=[{"user": m.user, "item": m.item} for m in board.match],
    repairs={"duplicates": "keep_all"},
    name="job-board",
)

# %% [markdown]
# ## Several rungs, side by side
#
# Each learns from what lies before the test period and is asked what came after. `value` is NDCG@10, with a 95%
# interval over users.

# %%
measured = recommender.evaluate(data, ["popularity", "content", "als"], scenario="jobs", overrides={"bootstrap": 200})
headline = pl.col("metric") == "ndcg_at_10", pl.col("item_bucket") == "all", pl.col("slice") == "all"
measured.filter(*headline, pl.col("user_bucket") == "all").select("rung", "value", "ci_low", "ci_high", "n_queries")

# %% [markdown]
# ## The whole ladder, and what it decides
#
# Earlier periods choose parameters and who gets which rung; then the test period is looked at, once.

# %%
ladder = [
    {"name": "popularity", "recommender": "popularity"},
    {"name": "content", "recommender": "content"},
    {"name": "als", "recommender": "als", "params": {"factors": 16}},
]
run = recommender.train(data, "jobs", overrides={"ladder": ladder, "bootstrap": 200})
run.decision.select("user_bucket", "rung", "over", "gain", "ci_low", "ci_high", "test_value")

# %%
print("\n".join(run.sentences))

# %% [markdown]
# ## Accuracy and effort

# %%
run.charts["effort"]

# %%
run.charts["history"]

# %%
run.effort.group_by("rung", "stage").agg(pl.sum("cpu_s").round(2)).sort("cpu_s", descending=True).head()

# %% [markdown]
# ## Ask the model that it ships

# %%
run.model.recommend(people.head(2).select("user_id"), k=3)
