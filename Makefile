# Programs are `coldstart <verb>`, here `python -m pipelines <verb>`; a target passes its variables on, after the set-up.
# Variables reach the programs through the environment ("$$SET"), so that no quoting is lost on the way.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
export OPENBLAS_NUM_THREADS ?= 1
export MLFLOW_DISABLE_TELEMETRY ?= true

# A variable given to make is text: make would expand $(shell ...) in it, and turn $(x) into nothing.
GIVEN := $(foreach name,$(filter-out -% MAKE%,$(.VARIABLES)),$(if $(filter command,$(origin $(name))),$(name)))
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
export $(GIVEN)
export goals := $(MAKECMDGOALS)

PY := .venv/bin/python
READY := .venv/.ready
READY_DEV := .venv/.ready-dev
READY_TEXT := .venv/.ready-text
READY_SQL := .venv/.ready-sql
READY_DATABASE := .venv/.ready-database
READY_SERVE := .venv/.ready-serve
READY_SPARK := .venv/.ready-spark
SPARK_SERVER := .venv-spark-server
FAST := not slow and not real_data and not browser and not spark
# Two processes, a file at a time to each: fixtures of a file are made once, and no test needs what another wrote.
TWO := -n 2 --dist loadfile --no-loadscope-reorder
# Slow tests differ in length by a hundred: whichever process is idle takes the next.
SLOW_TWO := -n 2 --dist worksteal

##
## Train, decide, use
##   make train SCENARIO=jobs   train and compare the whole ladder, decide which rung serves whom
##       SCENARIO=catalog       required: the name of a file in configs/, or the path of your own
##       DATA=ml-100k           a source's name or a dataset folder; default: simulated
##       OUT=artifacts/mine     must not exist yet; default: artifacts/<scenario>-<data>-<time>/
##       SET='a.b=1 c.d=[2]'    configuration keys and their values as YAML
##       SET='tune.trials=20'   search every rung's parameters first; stopped, it goes on where it was
##       ENGINE=local-spark     lists are made on Spark: in the process, or at sc://host:port (docs/scale)
##       SHARED=/mnt/shared     a folder that the engine's workers see too; DATA=delta:s3://team/shop is then read there
##       QUIET=1                print nothing but errors
##       JSON=1                 one JSON object instead of the table
.PHONY: train
train: need-SCENARIO $(READY)
	@$(PY) -m pipelines train --scenario "$$SCENARIO" $${DATA:+--data "$$DATA"} $${OUT:+--out "$$OUT"} \
		$${ENGINE:+--engine "$$ENGINE"} $${SHARED:+--shared "$$SHARED"} \
		$${SET:+--set "$$SET"} $${QUIET:+--quiet} $${JSON:+--json}

##   make study STUDY=parts     change one thing over a grid, measure each, say what it did
##       STUDY=data_value       required: the name of a file in experiments/, or the path of your own
##       SCENARIO=jobs,ugc      one or several; default: the study's own, else all
##       DATA=ml-100k           in place of the scenarios' own data; with commas: one for each of them
##       QUICK=1                smaller: a first look
##       WORKERS=1              cells measured at once; default: as many as cores and memory allow
##       SET='a.b=1'            configuration keys of every cell; QUIET=1 JSON=1 as of train
.PHONY: study
study: need-STUDY $(READY)
	@$(PY) -m pipelines study --study "$$STUDY" $${SCENARIO:+--scenario "$$SCENARIO"} $${DATA:+--data "$$DATA"} \
		$${SET:+--set "$$SET"} $${QUICK:+--quick} $${WORKERS:+--workers "$$WORKERS"} $${QUIET:+--quiet} $${JSON:+--json}

##   make compare               scenarios side by side: who wins for whom, what more data bring, what to build next
##       SCENARIO=jobs,ugc      default: all, each on its own data
##       DATA=jobs:my-jobs      more data, each with its scenario; several with commas
##       OUT= SET= QUIET= JSON= as of train; default of OUT: artifacts/compare-<time>/
##       QUICK=1                less data, fewer sizes, one seed: a first look; WORKERS= as of study
.PHONY: compare
compare: $(READY)
	@$(PY) -m pipelines compare $${SCENARIO:+--scenario "$$SCENARIO"} $${DATA:+--data "$$DATA"} $${OUT:+--out "$$OUT"} \
		$${SET:+--set "$$SET"} $${QUICK:+--quick} $${WORKERS:+--workers "$$WORKERS"} $${QUIET:+--quiet} $${JSON:+--json}

##   make done                  keep what an option took, beside what was stated: later estimates are corrected by it
##       OPTION=ranker          required: its name in estimates/*.csv, in person_days, or of a recommender
##       DAYS=14                required: the person-days that it took
##       SCENARIO=jobs          what it was built for; default: all
.PHONY: done
done: need-OPTION need-DAYS $(READY)
	@$(PY) -m pipelines done --option "$$OPTION" --days "$$DAYS" $${SCENARIO:+--scenario "$$SCENARIO"}

##   make sql                   ask your own questions of all results, in SQL (DuckDB)
##       QUERY='select ...'     one question; without it, DuckDB's own shell where that is installed
##       LOG=service-log        the log of a service: tables served, feedback, interactions
.PHONY: sql
sql: $(READY_SQL)
	@$(PY) -m pipelines sql $${QUERY:+--query "$$QUERY"} $${LOG:+--log "$$LOG"}

##   make recommend             lists for users, known or not
##       MODEL=artifacts/latest required: OUT of a train, or models:/<name>@champion
##       QUERIES=users.csv      required: user_id, optionally as_of
##       TO=lists.csv           required: the file to write; CSV or Parquet by its name
##       K=10                   items per user
##       CANDIDATES=            file of item_id: show nothing else
##       ITEMS= USERS= INTERACTIONS=    files of rows that the model has not seen
##       ENGINE= SHARED=        as of train
.PHONY: recommend
recommend: need-MODEL need-QUERIES need-TO $(READY)
	@$(PY) -m pipelines recommend --model "$$MODEL" --queries "$$QUERIES" --k "$${K:-10}" --to "$$TO" \
		$${CANDIDATES:+--candidates "$$CANDIDATES"} $${ITEMS:+--items "$$ITEMS"} \
		$${USERS:+--users "$$USERS"} $${INTERACTIONS:+--interactions "$$INTERACTIONS"} \
		$${ENGINE:+--engine "$$ENGINE"} $${SHARED:+--shared "$$SHARED"}

##   make promote               serve a candidate where it is no worse than the champion on the newest queries
##       MODEL=artifacts/latest required: OUT of a train, or models:/<name>@candidate
##       DATA=                  newer data than those of its train
##       REASON= FORCE=         words for the audit row; FORCE='reason' promotes although the gate does not hold
.PHONY: promote
promote: need-MODEL $(READY)
	@$(PY) -m pipelines promote --model "$$MODEL" $${DATA:+--data "$$DATA"} $${REASON:+--reason "$$REASON"} \
		$${FORCE:+--force "$$FORCE"} $${JSON:+--json}

##   make monitor               watch a model in use; exit code of the program: 4 on an alarm
##       MODEL=artifacts/latest required: OUT of a train, or models:/<name>@champion
##       INTERACTIONS= ITEMS= USERS=    files of rows that came since; DATA= where the train's data have grown
##       SERVED=log FEEDBACK=log        log of the service; without it nothing is known of lists
##       UNTIL=2026-01-31       the last whole day; QUICK=1 fits nothing; OUT= QUIET= JSON= as of train
.PHONY: monitor
monitor: need-MODEL $(READY)
	@$(PY) -m pipelines monitor --model "$$MODEL" $${DATA:+--data "$$DATA"} $${INTERACTIONS:+--interactions "$$INTERACTIONS"} \
		$${ITEMS:+--items "$$ITEMS"} $${USERS:+--users "$$USERS"} $${SERVED:+--served "$$SERVED"} \
		$${FEEDBACK:+--feedback "$$FEEDBACK"} $${UNTIL:+--until "$$UNTIL"} $${OUT:+--out "$$OUT"} \
		$${QUICK:+--quick} $${QUIET:+--quiet} $${JSON:+--json}

##   make experiment            plan a test of a change with users, or read it out: effect, guardrails, verdict
##       SCENARIO=jobs          required: its online: says metric, least effect and guardrails
##       SERVED=log FEEDBACK=log        log of the service: without a test in it, a plan; with one, its read-out
##       BEFORE=interactions.parquet    rows from before the test, which sharpen it (CUPED)
##       CONTROL=champion TREATED=candidate     names of the variants; PLANNED=20000 users by the plan
##       MODEL=models:/<name>@champion  its gate's offline gain goes beside a finished test into experiments/online.csv
##       CANDIDATE=artifacts/mine       a model that was not shown: what it would have got, by the log's propensities
##       USERS=5000 RATE=0.08 LISTS=3   without a log: users a week, share of lists with a take, lists per user
##       OUT= SET= QUIET= JSON=         as of train
.PHONY: experiment
experiment: need-SCENARIO $(READY)
	@$(PY) -m pipelines experiment --scenario "$$SCENARIO" $${SERVED:+--served "$$SERVED"} \
		$${FEEDBACK:+--feedback "$$FEEDBACK"} $${BEFORE:+--before "$$BEFORE"} $${CONTROL:+--control "$$CONTROL"} \
		$${TREATED:+--treated "$$TREATED"} $${CANDIDATE:+--candidate "$$CANDIDATE"} \
		$${MODEL:+--model "$$MODEL"} $${PLANNED:+--planned "$$PLANNED"} $${USERS:+--users "$$USERS"} \
		$${RATE:+--rate "$$RATE"} $${LISTS:+--lists "$$LISTS"} $${OUT:+--out "$$OUT"} $${SET:+--set "$$SET"} \
		$${QUIET:+--quiet} $${JSON:+--json}

##   make retrain               train again on the data of now; registers a candidate
##       MODEL=artifacts/latest required: OUT of a train, or models:/<name>@champion
##       DATA=                  where the data lie now; DECIDE=1 decides again; PROMOTE=1 then promotes; OUT= QUIET=
.PHONY: retrain
retrain: need-MODEL $(READY)
	@$(PY) -m pipelines retrain --model "$$MODEL" $${DATA:+--data "$$DATA"} $${DECIDE:+--decide} \
		$${PROMOTE:+--promote} $${OUT:+--out "$$OUT"} $${QUIET:+--quiet}

##   make demo-operate          the whole loop on a simulated job board: ship, watch, notice, mend, train again, promote
##       QUICK=1                a small board: minutes; OUT=
.PHONY: demo-operate
demo-operate: $(READY)
	@$(PY) -m pipelines demo-operate $${QUICK:+--quick} $${OUT:+--out "$$OUT"}

##   make rollback              the version that was champion before is served again
##       MODEL=coldstart-jobs-simulated    required: the name of a registered model; REASON=
.PHONY: rollback
rollback: need-MODEL $(READY)
	@$(PY) -m pipelines rollback --model "$$MODEL" $${REASON:+--reason "$$REASON"}

##   make serve                 lists over HTTP, a log of what was shown, and events that the next lists know
##       MODEL=artifacts/latest required: OUT of a train, or models:/<name>@champion; followed where it moves
##       LOG=service-log        the folder of the log
##       PORT=8000 HOST=127.0.0.1   other hosts need keys: RECOMMENDER_API_KEYS
##       PLAIN_IDS=1            log user ids as they are, not as pseudonyms
##       CANDIDATE=models:/<name>@candidate    test another model beside it; make experiment reads the log out
##       SPLIT=ab SHARE=0.5     each user by one of the two, so many by the candidate; SPLIT=interleaved: both in each list
.PHONY: serve
serve: need-MODEL $(READY_SERVE)
	@$(PY) -m pipelines serve --model "$$MODEL" $${LOG:+--log "$$LOG"} $${HOST:+--host "$$HOST"} \
		$${PORT:+--port "$$PORT"} $${PLAIN_IDS:+--plain-ids} $${CANDIDATE:+--candidate "$$CANDIDATE"} \
		$${SPLIT:+--split "$$SPLIT"} $${SHARE:+--share "$$SHARE"}

##   make explain               why an item is in a user's list, or why not
##       MODEL= USER= ITEM=     required; K=10: the length of the list, AS_OF=: another time than the latest
##       JSON=1                 one JSON object
.PHONY: explain
explain: need-MODEL need-USER need-ITEM $(READY)
	@$(PY) -m pipelines explain --model "$$MODEL" --user="$$USER" --item="$$ITEM" $${K:+--k "$$K"} \
		$${AS_OF:+--as-of "$$AS_OF"} $${JSON:+--json}

##   make related               the items most related to one
##       MODEL= ITEM=           required; K=10
##       INTERACTIONS=new.csv   rows that the model has not seen: how often the next item of a visit is in the list
.PHONY: related
related: need-MODEL need-ITEM $(READY)
	@$(PY) -m pipelines related --model "$$MODEL" --item="$$ITEM" $${K:+--k "$$K"} \
		$${INTERACTIONS:+--interactions "$$INTERACTIONS"}

##   make forget                remove users from kept results, models and MLflow; says which models to train again
##       USERS=gone.csv         required: a file of user_id
##       WITHIN=artifacts/mine  the folder to search beside MLflow's artifacts; default: artifacts, studies, service-log
.PHONY: forget
forget: need-USERS $(READY)
	@$(PY) -m pipelines forget --users "$$USERS" $${WITHIN:+--within "$$WITHIN"}

##   make ui                    open MLflow and print the link to effort against accuracy
##       PORT=5000
.PHONY: ui
ui: $(READY)
	@$(PY) -m pipelines ui $${PORT:+--port "$$PORT"}

##
## Data (raw sets are looked for in RECOMMENDER_RAW_DIR, else in ../shared/data, else in ./data)
##   make data SOURCE=ml-100k   fetch a public data set from its publisher
##       TO=data                folder to write to; default: RECOMMENDER_RAW_DIR, else ./data
.PHONY: data
data: need-SOURCE $(READY)
	@$(PY) -m pipelines data --source "$$SOURCE" $${TO:+--to "$$TO"}

##   make data-check            what is in a data set, and every problem it has
##       DATA=path/to/folder    required: a dataset folder or a source's name
##       SCENARIO=jobs          with the repairs and options of this scenario
##       AGAINST=artifacts/mine compare with the data of this train
##       JSON=1                 one JSON document instead of tables
.PHONY: data-check
data-check: need-DATA $(READY)
	@$(PY) -m pipelines data-check --data "$$DATA" $${SCENARIO:+--scenario "$$SCENARIO"} \
		$${AGAINST:+--against "$$AGAINST"} $${JSON:+--json}

##   make simulate              write a simulated dataset folder
##       SCENARIO=jobs          required
##       TO=my-jobs             required: the folder to write
##       LIKE=ml-100k           a twin: knobs set from the measures of a source or dataset folder
##       SET='knob=1 other=2'   knobs of the simulator (docs/simulator.md)
##       NO_TRUTH=1             without the folder truth/, for large sets
##       SERVE=artifacts/mine   TO gets what comes after the data of this model, whose lists the users answer: its log,
##                              and the new rows; the same SCENARIO, SET and seed as for its data
##       BESIDE=artifacts/other SERVE's log begins where this second model has learned all, and half of the users get its
##                              lists: for make experiment
##       UNTIL=0.7              only this share of the time; since/ in the folder holds the rest
.PHONY: simulate
simulate: need-SCENARIO need-TO $(READY)
	@$(PY) -m pipelines simulate --scenario "$$SCENARIO" --to "$$TO" $${LIKE:+--like "$$LIKE"} \
		$${NO_TRUTH:+--no-truth} $${UNTIL:+--until "$$UNTIL"} $${SERVE:+--serve "$$SERVE"} \
		$${BESIDE:+--beside "$$BESIDE"} \
		$${SET:+--set "$$SET"}

##   make contacts-hash         addresses as keyed hashes, so that imported contacts can enter a data set
##       FILE=book.csv          required: a table with addresses; once the address books, once the members' own
##       COLUMN=email           its column of e-mail addresses or phone numbers
##       TO=contacts.csv        required: the file to write; the key is RECOMMENDER_CONTACTS_KEY
.PHONY: contacts-hash
contacts-hash: need-FILE need-TO $(READY)
	@$(PY) -m pipelines contacts-hash --file "$$FILE" $${COLUMN:+--column "$$COLUMN"} --to "$$TO"

##
## Set-up (every target does its own; a second call starts at once)
##   make setup                 .venv with the packages of requirements.lock
##       PYTHON=python3.12      default: the first of 3.13, 3.12, 3.11 that runs
.PHONY: setup
setup: $(READY)
	@echo ".venv is ready: $$($(PY) --version)"

$(READY): requirements.lock
	@.ci/setup requirements.lock $@

$(READY_DEV): requirements-dev.lock requirements.lock
	@.ci/setup requirements-dev.lock $@

##   make setup-text            adds the extra `text`: sentence vectors for titles (params: {text: embedding})
.PHONY: setup-text
setup-text: $(READY_TEXT)
	@echo "The extra 'text' is installed in .venv"

$(READY_TEXT): requirements-text.lock requirements.lock
	@.ci/setup requirements-text.lock $@

##   make setup-sql             adds the extra `sql`: DuckDB, for make sql
.PHONY: setup-sql
setup-sql: $(READY_SQL)
	@echo "The extra 'sql' is installed in .venv"

$(READY_SQL): requirements-sql.lock requirements.lock
	@.ci/setup requirements-sql.lock $@

##   make setup-serve           adds the extra `serve`: figures for Prometheus and a fast HTTP parser, for make serve
.PHONY: setup-serve
setup-serve: $(READY_SERVE)
	@echo "The extra 'serve' is installed in .venv"

$(READY_SERVE): requirements-serve.lock requirements.lock
	@.ci/setup requirements-serve.lock $@

##   make setup-database        adds the extra `database`: interactions from PostgreSQL, MySQL or SQLite
.PHONY: setup-database
setup-database: $(READY_DATABASE)
	@echo "The extra 'database' is installed in .venv"

$(READY_DATABASE): requirements-database.lock requirements.lock
	@.ci/setup requirements-database.lock $@

##   make setup-spark           adds the extra `spark`: Spark Connect and Sail, for ENGINE=; no Java
.PHONY: setup-spark
setup-spark: $(READY_SPARK)
	@echo "The extra 'spark' is installed in .venv"

$(READY_SPARK): requirements-spark.lock requirements.lock
	@.ci/setup requirements-spark.lock $@

##   make setup-spark-server    Apache Spark's own server in .venv-spark-server (470 MB, needs Java 17), for make test-spark
.PHONY: setup-spark-server
setup-spark-server: $(SPARK_SERVER)/.ready
	@echo "Apache Spark is installed in $(SPARK_SERVER)"

$(SPARK_SERVER)/.ready: requirements-spark-server.lock | $(READY)
	@$(PY) -m venv $(SPARK_SERVER) && $(SPARK_SERVER)/bin/python -m pip install --quiet --require-hashes -r $< && touch $@

##   make lock                  write the lock files anew from pyproject.toml
##       UPGRADE=1              take the newest versions allowed
COMPILE := uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url
.PHONY: lock
lock: $(READY)
	@PATH="$$PATH:.venv/bin"; $(COMPILE) $${UPGRADE:+--upgrade} -o requirements.lock && \
	$(COMPILE) $${UPGRADE:+--upgrade} --extra dev -c requirements.lock -o requirements-dev.lock && \
	$(COMPILE) $${UPGRADE:+--upgrade} --extra text -c requirements.lock -o requirements-text.lock && \
	$(COMPILE) $${UPGRADE:+--upgrade} --extra sql -c requirements.lock -o requirements-sql.lock && \
	$(COMPILE) $${UPGRADE:+--upgrade} --extra database -c requirements.lock -o requirements-database.lock && \
	$(COMPILE) $${UPGRADE:+--upgrade} --extra serve -c requirements.lock -o requirements-serve.lock && \
	$(COMPILE) $${UPGRADE:+--upgrade} --extra spark -c requirements.lock -o requirements-spark.lock && \
	echo 'pyspark>=4.2,<4.3' | $(subst pyproject.toml,-,$(COMPILE)) $${UPGRADE:+--upgrade} -o requirements-spark-server.lock

##
## Develop
##   make test                  the fast suite, in two processes; named files in one
##   make test-real             the slow tests, and those on real data (where there is any; else skipped)
##   make test-browser          the MLflow pages in Chromium (skipped without it)
##   make test-spark            trains and lists on Spark engines, against those without (skipped without the extra `spark`)
##       TESTS=tests/unit       for each of the four: only these files
.PHONY: test test-real test-browser test-spark
test: $(READY_DEV)
	@$(PY) -m pytest $${TESTS:-$(TWO)} -m "$(FAST)"

test-real: $(READY_DEV)
	@$(PY) -m pytest $${TESTS:-$(SLOW_TWO)} -m "(slow or real_data) and not browser and not spark"

test-browser: $(READY_DEV)
	@$(PY) -m pytest $${TESTS:-$(TWO)} -m browser

test-spark: $(READY_DEV)
	@$(PY) -m pytest $${TESTS:-tests/spark $(TWO)} -m spark

##   make bench                 time the main stages; compare with the last run in .benchmarks/
.PHONY: bench
bench: $(READY_DEV)
	@$(PY) -m pytest tests/benchmarks/bench_stages.py --benchmark-autosave --benchmark-compare \
		--benchmark-time-unit=ms --benchmark-columns=min,median,max,rounds

##   make bench-peers           stages beside RecTools, implicit, irspack and LensKit, each in its own environment; needs
##                              uv, 8 GB of memory and of disk, and 12 minutes
.PHONY: bench-peers
bench-peers: $(READY_DEV)
	@$(PY) -m experiments.bench_peers

##   make experiment-strong     users whom nobody trained on, as EASE is published (.391, .521, .420 on MovieLens-20M)
##       DATA=ml-20m            required: a source, or the path of a dataset folder
.PHONY: experiment-strong
experiment-strong: need-DATA $(READY_DEV)
	@$(PY) -m experiments.strong_generalisation "$$DATA"

##   make experiment-cold-items    items that nobody took yet, asked as in the paper of LightFM
##       DATA=ml-1m             required: a source with ratings, or the path of a dataset folder
.PHONY: experiment-cold-items
experiment-cold-items: need-DATA $(READY_DEV)
	@$(PY) -m experiments.cold_items "$$DATA"

##   make experiment-judged     a plain train on DATA/public, and lists for its queries, for a judge who has the answers
##       SCENARIO=catalog       required
##       DATA=judged/ml-100k    required: experiments/judged.py says what it holds
##       NAME=                  of a train without a part, with SET=
##       SET='key=value ...'    overrides
.PHONY: experiment-judged
experiment-judged: need-SCENARIO need-DATA $(READY_DEV)
	@$(PY) -m experiments.judged "$$SCENARIO" "$$DATA" $${NAME:+"$$NAME" "$$SET"}

##   make experiment-peers      lists of other libraries for that judge, each in its own environment; needs uv
##       DATA='judged/ml-100k ...'    required: folders as experiments/judged.py says
##       PEERS='lenskit ...'    irspack, kindling, lenskit, rectools, skrecsys; default all
.PHONY: experiment-peers
experiment-peers: need-DATA $(READY_DEV)
	@$(PY) -m experiments.judged_peers $$PEERS $$DATA

##   make bench-growth          how the cost of each stage grows from 1M to 20M interactions; takes 4 GB and minutes
.PHONY: bench-growth
bench-growth: $(READY_DEV)
	@$(PY) -m experiments.bench_growth

##   make bench-people          what a network of up to 1M members and 20M links costs; takes 12 GB and half an hour
.PHONY: bench-people
bench-people: $(READY_DEV)
	@$(PY) -m experiments.people_scale --write

##   make lint                  ruff, mypy --strict on recommender/, and that imports between its rooms go one way
##   make format                let ruff rewrite
.PHONY: lint format
lint: $(READY_DEV)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-logo --no-cache

format: $(READY_DEV)
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

##   make audit-deps            known advisories for the packages of the lock files, by osv.dev
##                              exit code of the program: 0 none, 4 some, 3 the service cannot be reached
.PHONY: audit-deps
audit-deps: $(READY)
	@$(PY) -m pipelines.audit_deps

##   make docs                  the documentation as a site: site/index.html; links are checked
.PHONY: docs
docs: $(READY_DEV)
	@NO_MKDOCS_2_WARNING=true $(PY) -m mkdocs build --strict --quiet
	@echo "Open site/index.html, or with search: $(PY) -m http.server --directory site"

##   make pictures              pictures for the documentation (needs Chromium); TO=docs/pictures
##       OUT=artifacts/latest   of a finished train
##       COMPARE=artifacts/compare-1    of a comparison of two scenarios or more, the latest
.PHONY: pictures
pictures: $(READY_DEV)
	@$(PY) -m pipelines.pictures $${OUT:+--out "$$OUT"} $${COMPARE:+--compare "$$COMPARE"} $${TO:+--to "$$TO"}

##   make clean                 remove .venv, site/ and caches; results stay: artifacts/, studies/, tuning/, mlruns/,
##                              mlflow.db, data/
.PHONY: clean
clean:
	@rm -rf site .venv .venv-unfinished $(SPARK_SERVER) .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

##
##   make help                  this text
##       Values of variables reach the programs as they are, $ ; ` and quotes too, in single quotes on the command line.
##       TESTS is split at blanks. Names of targets, and files that you include, are make's own: it expands those.
.PHONY: help
help:
	@sed -n 's/^## \{0,1\}//p' Makefile

# Asked for before the set-up, so that a forgotten variable costs no minutes.
need-SCENARIO:
	@[ -n "$$SCENARIO" ] || { echo "Error: SCENARIO is missing: make $$goals SCENARIO=<name>. Valid:" \
		$(sort $(basename $(notdir $(wildcard configs/*.yaml)))) >&2; exit 2; }

need-%:
	@[ -n "$$$*" ] || { echo "Error: $* is missing: make $$goals $*=... ('make help' explains it)" >&2; exit 2; }
