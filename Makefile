# Everything is made from what lies here and a package index; nothing is installed outside .venv and Penstock's cache.

PYTHON ?= python3
ARGS ?=
KFP ?= 2.15.2
BIN := .venv/bin
FAMILIES := tfdv tf-gpu feast deploy serve
SDK := .venv/.made
SITE := build/docs
# draws the diagrams of the site's pages in the reader's browser
MERMAID := mermaid-11.12.2
MERMAID_SHA256 := c4ab1840638b1735135090c667382e89cc353b46b56761514a3d0a8a80963832

.DEFAULT_GOAL := help
.PHONY: help sdk setup envs kubernetes prometheus run test test-slow test-alerts test-kfp e2e chaos parity identity loop scale-out lint check compile bench images audit docs infra-test infra-scan clean

help: ## Say what there is
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/make \1|\2/p' Makefile | column -t -s '|'

$(SDK): requirements/uv.txt requirements/dev.txt setup.cfg setup.py pyproject.toml
	@echo "making the SDK's virtualenv in .venv"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13) and "error: Penstock needs Python 3.10 to 3.13; say which with `make PYTHON=python3.12`")'
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

sdk: $(SDK)

envs: $(SDK)
	@$(BIN)/penstock envs make $(FAMILIES)

setup: envs ## Make the SDK's virtualenv and the families' (what `run` and `test` begin with)

data/flights: $(SDK)
	@echo "making the flights of 2013 in $@"
	@$(BIN)/uv run --quiet --no-project --python $(BIN)/python --with-requirements pipelines/flight_delay/requirements.txt pipelines/flight_delay/make_data.py $@
	@touch $@

run: setup data/flights ## Run the flights pipeline from raw rows to a served model (ARGS=--fresh does everything again)
	@$(BIN)/penstock run compiled/flight_delay_training.yaml --params pipelines/flight_delay/local.yaml $(ARGS)

kubernetes: $(SDK) ## Build the Kubernetes API that tests run on, once (needs Go; KUBEBUILDER_ASSETS: a folder of etcd and kube-apiserver instead)
	@$(BIN)/python -m tests.apiserver

prometheus: $(SDK) ## Fetch the Prometheus that tests of alerts run, once, unless it is on PATH (needs apt-get)
	@$(BIN)/python -m tests.prometheus

test: setup kubernetes prometheus data/flights ## Run the tests (ARGS: --suite NAME, --coverage, and what goes to pytest)
	@$(BIN)/python -m tests.run $(ARGS)

test-slow: setup kubernetes prometheus data/flights ## Run the tests that `make test` leaves out: whole pipelines again and again (ARGS as for test)
	@$(BIN)/python -m tests.run -m slow $(ARGS)

test-alerts: $(SDK) ## Check and test what infra/monitoring has for Prometheus, Alertmanager and Grafana
	@$(BIN)/python -m tests.prometheus $(BIN)/python -m pytest -p no:cacheprovider -q tests/infra/monitoring $(ARGS)

test-kfp: setup ## Run the SDK's tests with another version of kfp (KFP=2.15.2, the oldest supported, or KFP=2.17.3, the newest)
	@$(BIN)/python -m tests.kfp_version $(KFP) $(ARGS)

e2e: setup data/flights ## Run the end-to-end tests on the cluster of KUBECONFIG (docs/testing-on-a-cluster.md says what they need)
	@$(BIN)/python -m tests.e2e $(ARGS)

chaos: setup kubernetes ## Kill pushes and fail their calls, at every call, on every kind of destination (ARGS=--help lists the options)
	@$(BIN)/python -m tests.families deploy -m tests.chaos $(ARGS)

parity: setup data/flights ## Run the flights pipeline in virtualenvs and in containers, compare every artifact
	@$(BIN)/python -m tests.parity $(ARGS)

identity: setup ## Run a small pipeline here, through Kubeflow's API and through Vertex AI's, compare the outputs
	@$(BIN)/python -m tests.identity $(ARGS)

loop: setup data/flights ## Monitor a model of the flights, train it again, and replace it if the new one is better; draw it (minutes)
	@$(BIN)/python -m tests.loop $(ARGS)

scale-out: setup data/flights ## Run the components on a Flink cluster of two machines, compare with one process (needs Java and Maven; ARGS="--runner spark")
	@$(BIN)/python -m tests.scale_out $(ARGS)

lint: $(SDK) ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@MYPYPATH="$$($(BIN)/python -c 'from penstock.local.task_code import code_path; print(code_path())')" $(BIN)/mypy

images: $(SDK) ## Build and test the images, where there is a container engine (ARGS="--family deploy")
	@sh images/make.sh $(ARGS)

# PYSEC-2023-238, unsafe types in Parquet files, is in the pyarrow that TFDV 1.16 needs; pyarrow-hotfix, which Beam imports first, refuses them.
audit: $(SDK) ## Look for known vulnerabilities in the locks, and for mistakes in the workflows
	@code=0; for lock in images/*/requirements*.txt requirements/*.txt; do \
		echo "$$lock"; $(BIN)/uv tool run --quiet --with-requirements requirements/release.txt pip-audit --strict --progress-spinner off --disable-pip --require-hashes \
			--ignore-vuln PYSEC-2023-238 -r $$lock || code=1; \
	done; exit $$code
	@$(BIN)/uv tool run --quiet --with-requirements requirements/release.txt check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/uv tool run --quiet --with-requirements requirements/release.txt check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/uv tool run --quiet --with-requirements requirements/release.txt zizmor --quiet --offline .github

$(SITE)/env/.made: requirements/docs.txt $(SDK)
	@echo "making the site's virtualenv in $(SITE)/env"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SITE)/env
	@$(BIN)/uv pip install --quiet --python $(SITE)/env/bin/python --require-hashes -r requirements/docs.txt
	@touch $@

$(SITE)/mermaid.min.js: Makefile
	@mkdir -p $(SITE)
	@npm pack --silent --pack-destination $(SITE) $(subst mermaid-,mermaid@,$(MERMAID)) > /dev/null
	@echo "$(MERMAID_SHA256)  $(SITE)/$(MERMAID).tgz" | sha256sum --check --quiet
	@tar -xzf $(SITE)/$(MERMAID).tgz -O package/dist/mermaid.min.js > $@

docs: $(SITE)/env/.made $(SITE)/mermaid.min.js ## Build the site of the documentation in build/site; a broken link is an error (needs npm)
	@NO_MKDOCS_2_WARNING=1 PENSTOCK_CODE="$$($(BIN)/python -c 'from penstock.local.task_code import code_path; print(code_path())')" $(SITE)/env/bin/mkdocs build $(ARGS)

# These tests need no environment but the SDK's.
check: lint ## Check what takes few minutes: style, types, what is generated, the compiled files, the Python API
	@$(BIN)/penstock compile --check
	@$(BIN)/python -m pytest -p no:cacheprovider -q --numprocesses=auto \
		tests/penstock/spec tests/penstock/lint tests/penstock/compile tests/penstock/test_api.py tests/penstock/test_rooms.py \
		tests/penstock/test_dependencies.py tests/components/test_contract.py tests/pipelines/test_compiled.py

compile: $(SDK) ## Write everything that is generated
	@$(BIN)/penstock compile

bench: setup data/flights ## Measure against TFX, print the figures
	@$(BIN)/python -m benchmarks $(ARGS)

infra-test: ## Test the Terraform modules and environments (TERRAFORM_MIRROR: a directory of providers, else the registry)
	@infra/terraform/test.sh $(ARGS)

infra-scan: $(SDK) ## Look for what is unsafe in the Terraform modules and environments
	@$(BIN)/uv tool run --quiet checkov@3.3.30 --config-file infra/terraform/.checkov.yaml --directory infra/terraform

clean: ## Remove what was made here (the families' environments stay: `penstock envs remove`)
	rm -rf .venv build dist data local_outputs
