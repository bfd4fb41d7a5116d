# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # One rung in five lines
#
# Three frames in, a list for each user out. The data are the courses of `examples/courses`; put your own files there.
# Frames may be pandas, polars, Arrow tables or DuckDB relations.

# %%
import tempfile
from pathlib import Path

import pandas as pd

import recommender

courses = next(p / "examples/courses" for p in [Path.cwd(), *Path.cwd().parents] if (p / "examples/courses").is_dir())
interactions, items, users = (pd.read_csv(courses / f"{name}.csv") for name in ("interactions", "items", "users"))

# %%
columns, match = {"item_id": "CourseId"}, [{"user": "wants", "item": "title"}]
repairs = {"duplicates": "keep_first", "unknown_items": "drop"}
data = recommender.dataset(interactions, items, users, columns=columns, match=match, repairs=repairs)
model = recommender.fit(data, "content")
lists = model.recommend([interactions["user_id"][0], "somebody new"], k=3)
lists

# %% [markdown]
# `source` names the rung that put the item there. Somebody of whom nothing is known gets the fallback: no score, but
# never an empty list. `columns` says what the frames call `item_id`, `match` which two columns speak one language, and
# `repairs` what may be done about faults: leave it out, and the error names them all. Each feature column has a role,
# which was guessed here; state it by `features` where a guess is wrong.

# %%
{"items": dict(data.items.roles), "users": dict(data.users.roles)}

# %% [markdown]
# A new user who says something of themselves is no stranger to `content`, and a new item can be shown at once.

# %%
somebody = users.head(1).assign(user_id="somebody new")
model.recommend(["somebody new"], k=3, new_users=somebody)

# %% [markdown]
# Keep it, and ask it again elsewhere: `coldstart recommend --model my-model ...` takes the same folder.

# %%
folder = Path(tempfile.mkdtemp()) / "my-model"
model.save(folder)
recommender.load_model(folder).recommend(["somebody new"], k=3)
