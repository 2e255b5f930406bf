# Two commands do everything on a fresh machine with Go and make:
#   make demo   and   make test
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

BUF_VERSION      := v1.75.0
GOLANGCI_VERSION := v2.15.0
GRPCURL_VERSION  := v1.9.4

# Third-party contract files come out of Go modules: checked by Go's checksum
# database, copied to .cache/proto, never committed and never generated from.
MODCACHE = $(shell go env GOMODCACHE)
GW1 := github.com/grpc-ecosystem/grpc-gateway@v1.16.0
GW2 := github.com/grpc-ecosystem/grpc-gateway/v2@v2.33.0

MODULES = $(shell go list -m -f '{{.Dir}}' | sed 's|^$(CURDIR)/||')
VERSION = $(shell git describe --always --dirty 2>/dev/null || echo dev)

.PHONY: help demo run build programs deploycheck test check generate drift lint-contract breaking vet unit \
	lint race standalone fuzz prove bench tidy clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## start the suite in a temporary folder, export one person, erase one, verify, show the trace
	@bin/lethe demo

run: build ## build and run the suite in ./data
	bin/lethe up --data data

PROGRAMS := contacts tickets forums ratings privacy gateway

build: ## build bin/lethe
	@mkdir -p bin
	@cd services/lethe && CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$(VERSION)" -o ../../bin/lethe ./cmd/lethe

programs: build ## build bin/lethe and the six programs of the separate form
	@for p in $(PROGRAMS); do (cd services/$$p && CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$(VERSION)" -o ../../bin/$${p}d ./cmd/$${p}d) || exit 1; done

test: drift lint-contract breaking vet unit ## generated code, contract, vet and all tests

unit: programs ## all tests of all modules, seconds per module
	@for m in $(MODULES); do \
	  start=$$SECONDS; \
	  (cd $$m && LETHE_TEST_BIN=$(CURDIR)/bin go test -timeout 10m ./...) || exit 1; \
	  echo "== $$m: $$((SECONDS - start)) s"; \
	done

vet: ## go vet over all modules
	@go vet work

# --- contract ---------------------------------------------------------------

.cache/proto/.stamp: Makefile
	@cd gen && GOWORK=off go mod download $(GW1) $(GW2)
	@rm -rf .cache/proto && mkdir -p .cache/proto/protoc-gen-openapiv2/options
	@cp -r $(MODCACHE)/$(GW1)/third_party/googleapis/google .cache/proto/
	@cp $(MODCACHE)/$(GW2)/protoc-gen-openapiv2/options/*.proto .cache/proto/protoc-gen-openapiv2/options/
	@chmod -R u+w .cache/proto && touch $@

# Each tool lives in a dependency graph of its own, so none lifts ours.
.bin/buf-$(BUF_VERSION):
	@echo "installing buf $(BUF_VERSION) into .bin (once)"
	@mkdir -p .bin && GOBIN=$(CURDIR)/.bin go install github.com/bufbuild/buf/cmd/buf@$(BUF_VERSION) && mv .bin/buf $@
.bin/golangci-lint-$(GOLANGCI_VERSION):
	@echo "installing golangci-lint $(GOLANGCI_VERSION) into .bin (once)"
	@mkdir -p .bin && GOBIN=$(CURDIR)/.bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION) && mv .bin/golangci-lint $@
.bin/grpcurl-$(GRPCURL_VERSION):
	@echo "installing grpcurl $(GRPCURL_VERSION) into .bin (once)"
	@mkdir -p .bin && GOBIN=$(CURDIR)/.bin go install github.com/fullstorydev/grpcurl/cmd/grpcurl@$(GRPCURL_VERSION) && mv .bin/grpcurl $@

BUF := .bin/buf-$(BUF_VERSION)

# The description of the REST interface is made of the generated code and the contract's comments.
define generate
$(BUF) generate && $(BUF) build proto -o .cache/image.binpb && go run ./services/gateway/internal/openapi/generate .cache/image.binpb gen/openapi
endef

generate: $(BUF) .cache/proto/.stamp ## regenerate gen/ from proto/
	@$(generate)

drift: $(BUF) .cache/proto/.stamp ## fail when gen/ is not what proto/ generates
	@rm -rf .cache/gen && mkdir -p .cache && cp -r gen .cache/gen
	@$(generate)
	@diff -r -q gen .cache/gen || { echo "gen/ did not fit proto/: it has been regenerated, look at it and commit it"; exit 1; }

lint-contract: $(BUF) .cache/proto/.stamp ## buf lint and format
	@$(BUF) lint
	@$(BUF) format -d --exit-code proto >/dev/null || { echo "run: $(BUF) format -w proto"; exit 1; }

# The commit before is what clients may run; a clone without it has nothing to compare with.
AGAINST ?= HEAD~1
breaking: $(BUF) .cache/proto/.stamp ## contract compatible with the commit before (AGAINST=REV)
	@if git rev-parse -q --verify $(AGAINST):proto >/dev/null 2>&1; then \
	  rm -rf .cache/against && mkdir -p .cache/against && git archive $(AGAINST) proto buf.yaml | tar -x -C .cache/against; \
	  mkdir -p .cache/against/.cache && cp -r .cache/proto .cache/against/.cache/; \
	  $(BUF) breaking --against .cache/against; \
	else echo "no $(AGAINST) with a contract: nothing to compare with"; fi

# --- more checks, as .ci/run does them --------------------------------------

lint: .bin/golangci-lint-$(GOLANGCI_VERSION) ## golangci-lint over all modules
	@for m in $(filter-out gen,$(MODULES)); do (cd $$m && $(CURDIR)/.bin/golangci-lint-$(GOLANGCI_VERSION) run ./...) || exit 1; done

race: ## all tests with the race detector
	@for m in $(MODULES); do (cd $$m && go test -race -timeout 25m ./...) || exit 1; done

standalone: ## every module builds with the workspace off
	@for m in $(MODULES); do (cd $$m && GOWORK=off go build ./... && GOWORK=off go mod verify >/dev/null) || exit 1; done

tidy: ## go mod tidy in every module
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy) || exit 1; done

deploycheck: programs ## compose, container and collector files fit the programs' own --help
	@cd deploy/check && GOWORK=off go test ./... && GOWORK=off go run . -bin ../../bin

FUZZTIME ?= 30s
fuzz: ## run every fuzz test for FUZZTIME
	@for m in $(MODULES); do (cd $$m && go list ./... | while read -r p; do \
	  go test -list '^Fuzz' $$p | grep '^Fuzz' | while read -r f; do \
	    echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p; done; done) || exit 1; done

KILLS ?= 50
OUTAGE ?= 10s
SCHEDULES ?= 20000
prove: programs ## the long proofs: KILLS rounds of kill -9, each program away for OUTAGE, SCHEDULES of the saga engine
	@cd services/lethe && LETHE_PROVE_KILLS=$(KILLS) LETHE_PROVE_OUTAGE=$(OUTAGE) LETHE_TEST_BIN=$(CURDIR)/bin go test -count=1 -timeout 60m -v -run 'TestKilledErasure|TestAnyProcessMayDie' ./e2e
	@cd services/privacy && LETHE_PROVE_SCHEDULES=$(SCHEDULES) go test -count=1 -timeout 60m -run 'TestSchedules' ./internal/saga/...

bench: ## ratios against a bare floor, measured in the same run
	@cd services/lethe && go run ./bench

clean: ## remove what make has built
	rm -rf bin .bin .cache
