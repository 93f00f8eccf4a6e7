PYTHON ?= python3
RUN := .venv/bin/python -m

.DEFAULT_GOAL := help
.PHONY: help demo lint check test test-all test-clients test-oldest test-next bench \
	bench-stacks bench-tables docs dist clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: .venv/ready ## draw what initializers do to a network
	.venv/bin/python examples/plot_initializers.py

lint: .venv/ready ## lint, format, types
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy

# One process for each core, so each leaves the cores to the others.
ONE_THREAD = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
PARALLEL = -n auto --dist loadgroup
PYTEST = $(ONE_THREAD) $(RUN) pytest $(PARALLEL)

check: lint ## lint, types, and every test that is not slow, in under two minutes
	$(PYTEST) -m "not slow and not longest"

test: lint ## the gate: lint, types, doctests, and all tests but the longest
	$(PYTEST) -m "not longest"

test-all: lint ## the gate, the longest tests, and test-clients
	$(PYTEST)
	$(MAKE) test-clients

# In one process, since importing the libraries takes most of the time.
test-clients: .venv-clients/ready ## uses of SHAP, optuna, mlflow and others
	$(ONE_THREAD) .venv-clients/bin/python -m pytest tests/integration/clients

test-oldest: .venv-oldest/ready ## tests on the oldest versions (Python 3.11 or 3.12)
	$(ONE_THREAD) .venv-oldest/bin/python -m pytest $(PARALLEL) -m "not longest"

test-next: .venv-next/ready ## tests on release candidates of the dependencies
	$(ONE_THREAD) .venv-next/bin/python -m pytest $(PARALLEL) -m "not longest"
	$(ONE_THREAD) .venv-next/bin/python -m pytest tests/integration/test_sklearn_with_networks.py

# Each prints its tables, and saves its results where aims.py reads them.
define run_benchmarks
	for name in $(1); do \
		.venv-bench/bin/python benchmarks/$$name.py --json build/bench/$$name.json || exit; \
	done
endef

bench: .venv-bench/ready ## speed and accuracy beside MLPClassifier, PyTorch and skorch
	$(call run_benchmarks,speed steps start rows text accuracy serving aims)

bench-stacks: .venv-bench/ready ## searches, ensembles, and curves over sizes, also beside MLPClassifier
	$(call run_benchmarks,stacking ensembles sweep)

bench-tables: .venv-bench-tables/ready ## accuracy on real tables beside boosting and others
	.venv-bench-tables/bin/python benchmarks/tables.py

docs: .venv-docs/ready ## the documentation, offline, into build/docs
	.venv-docs/bin/python -m sphinx -W --keep-going -b html -d build/doctrees docs build/docs
	.venv-docs/bin/python docs/check_site.py build/docs

dist: .venv-dist/ready ## wheel and sdist, checked, and run where they are installed
	rm -rf dist
	.venv-dist/bin/python -m build
	.venv-dist/bin/python -m twine check --strict dist/*
	$(PYTHON) tests/releases/check_dist.py dist

clean: ## remove environments, caches, builds and figures
	rm -rf .venv .venv-clients .venv-oldest .venv-next .venv-bench* .venv-docs .venv-dist
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	rm -rf build dist docs/api/generated docs/gallery docs/_static/figures \
		examples/*.png
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/ready: EXTRA = test
.venv-clients/ready: EXTRA = test-clients
.venv-oldest/ready: EXTRA = test
.venv-next/ready: EXTRA = test
.venv-bench/ready: EXTRA = bench
.venv-bench-tables/ready: EXTRA = bench-tables
.venv-docs/ready: EXTRA = docs
.venv-dist/ready: EXTRA = dist

# "numpy>=2.0" becomes 'numpy==2.0.*'; a wheel or nothing, since compiling takes an hour.
# scikit-learn before 1.9 reads frames of polars by a protocol that 1.40 deprecates.
.venv-oldest/ready: PINS = --only-binary numpy,scipy,scikit-learn 'polars<1.40' \
	$(shell $(PYTHON) -c "import tomllib; print(*(repr(d.replace('>=', '==') + '.*') \
	for d in tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']))")

# "numpy>=2.0" becomes 'numpy>=2.0rc0', which lets pip choose a release candidate.
.venv-next/ready: PINS = --only-binary numpy,scipy,scikit-learn \
	$(shell $(PYTHON) -c "import tomllib; print(*(repr(d + 'rc0') \
	for d in tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']))")

# Built from nothing and stamped last, so an interrupted installation is started over.
.venv/ready .venv-clients/ready .venv-oldest/ready .venv-next/ready .venv-bench/ready \
.venv-bench-tables/ready .venv-docs/ready .venv-dist/ready: pyproject.toml
	@$(PYTHON) -c "import sys; v = sys.version_info; v >= (3, 11) or sys.exit( \
	'Python 3.11 or newer is needed, $(PYTHON) is %d.%d. Try: make PYTHON=python3.12' % v[:2])"
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --editable '.[$(EXTRA)]' $(PINS)
	@touch $@
