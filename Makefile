# `make` builds the compiled parts of lib/ in place. docs/build.md says more.
#
# The Python in use: an active virtual or conda environment as it is, else .venv, which is made here; with TORCH=cpu,
# .venv gets a PyTorch without CUDA from PyTorch's own index.

ACTIVE := $(or $(VIRTUAL_ENV),$(CONDA_PREFIX))
ENV := $(or $(ACTIVE),.venv)
PYTHON := $(ENV)/bin/python
STAMPS := build/$(subst /,_,$(ENV))
TORCH_INDEX = https://download.pytorch.org/whl/$(TORCH)
# An environment that uv made has no pip.
PIP = $(if $(shell $(PYTHON) -c "import pip" 2>&1),uv pip,$(PYTHON) -m pip)
export PATH := $(abspath $(ENV)/bin):$(PATH)

.PHONY: ops demo docs docs-site bench gpu-check soak test test-fast lint format clean FORCE
.DELETE_ON_ERROR:

ifneq ($(and $(TORCH),$(ACTIVE)),)
$(error TORCH=$(TORCH) is for .venv, but $(ACTIVE) is active: pip install torch torchvision --index-url $(TORCH_INDEX))
endif

ops: $(STAMPS)/ops
	@echo "The compiled parts are up to date."

demo: ops
	$(PYTHON) tools/learn.py $(if $(FULL),--experiment full --out output/demo-full,--out output/demo)

# The generated pages and figures of docs/.
docs: ops
	$(PYTHON) docs/make_reference.py
	$(PYTHON) docs/make_figures.py
	$(PYTHON) tools/reproduce.py list --markdown > docs/model_zoo.md

# docs/ as a web site, in build/site.
docs-site: $(STAMPS)/requirements-docs
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet
	@echo "Open build/site/index.html."

bench: ops
	$(PYTHON) benchmarks/bench_deform_conv.py
	$(PYTHON) benchmarks/bench_nms.py
	$(PYTHON) benchmarks/bench_engine.py

# At most 20 minutes on one GPU; the outcome goes to benchmarks/results/. Exit status 2 without a GPU.
gpu-check: ops $(STAMPS)/requirements-dev
	$(PYTHON) benchmarks/gpu_check.py

# Hours: random kills and damaged inputs; results go to benchmarks/results/. KILLS=5 COUNT=1000 is quicker, `make -k`
# goes on after a fault, and `make soak-demo` is one of them.
KILLED := annotation demo labeling training
SOAKS := inputs serving memory $(KILLED)
soak: $(SOAKS:%=soak-%)
soak-%: ops
	$(PYTHON) benchmarks/soak_$*.py $(if $(SEED),--seed $(SEED)) \
	  $(if $(KILLS),$(if $(filter $*,$(KILLED)),--kills $(KILLS))) \
	  $(if $(COUNT),$(if $(filter $*,inputs),--count $(COUNT)))

# A process for each core, of one thread: most of the time goes into tools that the tests start.
test: ops $(STAMPS)/requirements-dev
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-fast: ops $(STAMPS)/requirements-dev
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow"

lint: $(STAMPS)/requirements-dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

format: $(STAMPS)/requirements-dev
	$(PYTHON) -m ruff check --fix-only .
	$(PYTHON) -m ruff format .

clean:
	rm -rf build lib/deform_conv/_C*.so lib/nms/_nms*.so lib/nms/_nms.c .pytest_cache .ruff_cache
	find . -path ./.venv -prune -o -name __pycache__ -prune -exec rm -rf {} +

MISSING = { echo "error: $(ENV) lacks something of requirements.txt: pip install -r requirements.txt" >&2; exit 2; }
UNREACHED = { echo "error: TORCH=$(TORCH): $(TORCH_INDEX) cannot be reached, or does not exist; without TORCH=$(TORCH), \
make installs PyPI's PyTorch" >&2; exit 2; }

ifeq ($(ACTIVE),)
.venv/pyvenv.cfg:
	python3 -m venv .venv

$(STAMPS)/requirements: requirements.txt .venv/pyvenv.cfg
	@mkdir -p $(@D)
ifneq ($(TORCH),)
	@$(PYTHON) -c 'from urllib.request import urlopen; urlopen("$(TORCH_INDEX)/", timeout=30)' 2>/dev/null || $(UNREACHED)
	$(PYTHON) -m pip install --quiet torch torchvision --index-url $(TORCH_INDEX)
endif
	$(PYTHON) -m pip install --quiet -r requirements.txt
	@touch $@
else
COMPARE = from importlib.metadata import version; from packaging.requirements import Requirement; \
	needs = [Requirement(line) for line in open("requirements.txt").read().split()]; \
	assert all(own.specifier.contains(version(own.name), prereleases=True) for own in needs)
$(STAMPS)/requirements: requirements.txt
	@mkdir -p $(@D)
	@$(PYTHON) -c '$(COMPARE)' 2>/dev/null || $(MISSING)
	@touch $@
endif

$(STAMPS)/requirements-dev: requirements-dev.txt requirements-export.txt requirements-hub.txt requirements-docs.txt
$(STAMPS)/requirements-%: requirements-%.txt $(STAMPS)/requirements
	$(PIP) install --quiet -r $<
	@touch $@

# What a build depends on besides its sources. The file changes only when one of them does; then all is built again.
TOOLCHAIN = import sys; from importlib.metadata import version; print(sys.executable, sys.version, version("torch"))
$(STAMPS)/toolchain: $(STAMPS)/requirements FORCE
	@$(PYTHON) -c '$(TOOLCHAIN)' > $@.new 2>/dev/null || $(MISSING)
	@echo "$$TORCH_CUDA_ARCH_LIST $$CUDA_HOME $$(command -v nvcc)" >> $@.new
	@if cmp -s $@.new $@; then rm $@.new; else rm -rf $(STAMPS)/objects; mv $@.new $@; fi

$(STAMPS)/ops: $(STAMPS)/toolchain setup.py lib/nms/_nms.pyx $(wildcard lib/deform_conv/csrc/*)
	$(PYTHON) setup.py --quiet build_ext --inplace --build-temp $(STAMPS)/objects
	@touch $@
