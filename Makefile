# The door to everything; the logic stands where each line points.

STACK ?= local
ROLE  ?=

export PATH := $(CURDIR)/bin:$(PATH)
export PULUMI_BACKEND_URL ?= file://$(CURDIR)/.state/pulumi
# The passphrase of stacks on one machine is public: their state folder is private to
# whoever runs them, and everything it opens listens on loopback.
export PULUMI_CONFIG_PASSPHRASE ?= local
export PULUMI_SKIP_UPDATE_CHECK = true
export PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION = true

.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: ## install what a bare Debian machine lacks
	@tools/setup

build: ## set up, and build the tools and the operator's command
	@tools/build

up: build ## bring up STACK (default local) and wait until it is healthy
	@tools/up $(STACK)

status: ## every machine of STACK: role, address, health, memory
	@burbn status -stack $(STACK)

logs: ## the logs of the machines of ROLE, as they come
	@burbn logs -stack $(STACK) -role "$(ROLE)" -f

down: ## stop STACK; DATA=delete removes what it stored, too
	@tools/down $(STACK) $(DATA)

test: ## every test, on real components
	@tools/build && tools/setup test && tools/test

lint: build ## vet, staticcheck, errorlint, gofmt
	@tools/lint

env: ## for plain pulumi commands: eval "$(make env)"
	@echo 'export PATH="$(PATH)" PULUMI_BACKEND_URL="$(PULUMI_BACKEND_URL)" PULUMI_CONFIG_PASSPHRASE="$(PULUMI_CONFIG_PASSPHRASE)" PULUMI_SKIP_UPDATE_CHECK=true PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true'

.PHONY: help setup build up status logs down test lint env
