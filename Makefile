# `make` lists every target. Two are all a fresh machine needs: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Made anew when the pinned requirements change.
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
CODE := manage.py gunicorn.conf.py wavelength accounts usage apikeys chats tests bench drill

# Settings as in production with a throwaway secret, for checks that start Django and reach nothing.
PRODUCTION = env DEBUG=false SITE_URL=https://account.example.com EMAIL_URL=smtp://localhost ALLOWED_HOSTS= \
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))') \
	API_KEY_ENCRYPTION_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_hex(32))') \
	DATABASE_URL=postgresql://wl_app@localhost/none DATABASE_OPERATOR_URL=postgresql://wl_operator@localhost/none \
	DATABASE_OWNER_URL=postgresql://wl_owner@localhost/none

.DEFAULT_GOAL := help
.PHONY: help run test check format lint types layers migrations deploy-check audit fix bench drill screenshots messages reset lock clean

help:  ## List every target
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(RUN_READY)  ## Serve portal, API and worker on http://localhost:8000 (PORT=…), with a PostgreSQL of its own
	@exec $(BIN)/python -m wavelength.firstrun

test: $(DEV_READY)  ## The whole suite, on a real PostgreSQL
	$(BIN)/pytest --numprocesses $(or $(TEST_PROCESSES),2) --dist loadfile --no-loadscope-reorder

check: format lint types layers migrations deploy-check audit test  ## The gate: everything that must hold before a change lands

format: $(DEV_READY)  ## Formatting of code and templates, checked
	$(BIN)/ruff format --check $(CODE)
	git ls-files 'templates/*.html' | xargs -r $(BIN)/djade --target-version 5.2 --check

lint: $(DEV_READY)  ## Linting
	$(BIN)/ruff check $(CODE)

types: $(DEV_READY)  ## Type checking
	$(PRODUCTION) $(BIN)/mypy

layers: $(DEV_READY)  ## Which app may import which
	$(BIN)/lint-imports

migrations: $(DEV_READY)  ## Models and migrations agree
	$(PRODUCTION) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

deploy-check: $(DEV_READY)  ## Django's deployment checks, with production's settings
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

audit: $(DEV_READY)  ## Known vulnerabilities in what we depend on
	$(BIN)/pip-audit --requirement requirements.txt --disable-pip --progress-spinner off

fix: $(DEV_READY)  ## Format, and mend what the linter can
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)
	git ls-files 'templates/*.html' | xargs -r $(BIN)/djade --target-version 5.2

bench: $(DEV_READY)  ## Measure against the references beside it; fails when a target is missed
	$(BIN)/python -m bench

drill: $(DEV_READY)  ## Break things under load and count what was lost (DRILLS=…, DRILL_MINUTES=30)
	$(BIN)/python -m drill $(DRILLS)

screenshots: $(DEV_READY)  ## Draw docs/screenshots anew from the demo account
	$(BIN)/python -m tests.browser.screenshots

messages: $(DEV_READY)  ## Bring the translations' catalogs (locale/) up to date with code and templates
	$(BIN)/python -m tests.catalogs

reset: $(RUN_READY)  ## Throw the development database away; the next `make run` starts afresh
	$(BIN)/python -m wavelength.firstrun reset_development

lock: $(DEV_READY)  ## Pin the requirements anew from the .in files
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade requirements-extras.in -o requirements-extras.txt

clean:  ## Remove what make installed and cached (the data stays)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Wavelength needs Python 3.11 or later; say which with PYTHON=…"; exit 1; }
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(RUN_READY): requirements.txt | $(VENV)/bin/python
	@echo "Installing what Wavelength needs …"
	@$(PIP) -r requirements.txt
	@touch $@

$(DEV_READY): requirements-dev.txt $(RUN_READY)
	@echo "Installing what developing it needs …"
	@$(PIP) -r requirements-dev.txt
	@touch $@
