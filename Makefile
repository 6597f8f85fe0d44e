# Everything a newcomer needs. `make` alone lists it.

VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help run test check compare fmt messages bench lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/requirements.lock ## install and run everything; PORT=, MQTT_PORT= and VAR_DIR= move it
	@exec $(BIN)/python manage.py run $(ARGS)

test: $(VENV)/requirements-dev.lock ## install what tests need and run them; ARGS="-k name" chooses
	@$(BIN)/python -m tests.tools.install
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal $(ARGS)

check: $(VENV)/requirements-dev.lock ## lint, format, types, templates, migrations, settings, locks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djangofmt --check templates
	$(BIN)/djangofmt check templates
	$(BIN)/mypy
	$(BIN)/python -m tests.tools.locks
	@# Without a running database makemigrations warns that it compared with the files alone.
	$(BIN)/python -W "ignore:Got an error checking" manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

fmt: $(VENV)/requirements-dev.lock ## format code and templates
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djangofmt templates

compare: $(VENV)/requirements-dev.lock ## show templates before (REF=HEAD) and after, side by side
	@$(BIN)/python -m tests.tools.install
	@$(BIN)/python -m tests.tools.compare $(or $(REF),HEAD) $(ARGS)

messages: $(VENV)/requirements-dev.lock ## collect texts and compile catalogues (needs GNU gettext), list what to translate
	@command -v xgettext >/dev/null && command -v msgfmt >/dev/null || { \
		echo "GNU gettext is missing. Install it: apt install gettext, dnf install gettext or brew install gettext." >&2; exit 2; }
	@DJANGO_SETTINGS_MODULE=console.settings $(BIN)/python -m tests.tools.messages

bench: $(VENV)/requirements-dev.lock ## measure everything; ARGS=--list names what, ARGS=name runs one
	@$(BIN)/python -m tests.tools.install
	@$(BIN)/python -m tests.benchmarks $(ARGS)

lock: | $(BIN)/python ## resolve both lock files anew
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(BIN)/python -m venv "$$folder" && "$$folder/bin/pip" install --quiet uv && \
	compile() { "$$folder/bin/uv" pip compile --quiet --universal --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --python-version 3.11 --upgrade pyproject.toml "$$@"; } && \
	compile --output-file requirements.lock && \
	compile --group dev --constraints requirements.lock --output-file requirements-dev.lock

clean: ## remove what was installed and made: .venv, the caches, and var with all its data
	rm -rf $(VENV) var .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The copy of a lock file in the environment says what is installed there.
$(VENV)/%.lock: %.lock | $(BIN)/python
	@cmp -s $< $@ || { echo "Installing $< …" && $(BIN)/python -m pip install --quiet \
		--require-hashes --no-deps --requirement $<; }
	@cp $< $@

$(BIN)/python:
	@for each in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
		if "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			rm -rf $(VENV) && "$$each" -m venv $(VENV) && exit 0; \
			rm -rf $(VENV); \
			echo "$$each cannot make a virtual environment (see above)." >&2; exit 2; \
		fi; \
	done; \
	echo "Python 3.11 or newer is needed. PYTHON=/path/to/python3 names one." >&2; exit 2
