# Everything a person does in this checkout, by name. `make` alone prints the list.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: $(shell sed -n 's/^\([a-z-]*\):[^\#]*\#\#.*/\1/p' Makefile)

# Debian 12 names. What is already installed is never touched; nothing is asked of apt where nothing is missing.
PACKAGES := libbpf-dev libelf-dev zlib1g-dev libnuma-dev libsqlite3-dev pkg-config make gcc libc6-dev
SWIFT_MAJOR := 6
SWIFT_MINOR := 3
# One build mode for demo and tests, so that nothing is compiled twice.
BIN := .build/debug
SWIFT_SOURCES := Sources Tests Plugins Package.swift
SWIFT_TEST := Tests/run.sh

help: ## print this list
	@echo 'hcs: make targets'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 22

deps: ## check the Swift toolchain, install the Debian packages that are missing
	@if ! command -v swift >/dev/null; then \
	    echo 'deps: no swift in PATH. Install a Swift $(SWIFT_MAJOR).$(SWIFT_MINOR) toolchain (https://www.swift.org/install/linux/) and try again.' >&2; exit 1; \
	fi; \
	version=$$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1); \
	read -r major minor <<<"$${version:-0 0}"; \
	if (( major < $(SWIFT_MAJOR) || (major == $(SWIFT_MAJOR) && minor < $(SWIFT_MINOR)) )); then \
	    echo "deps: swift $$major.$$minor is too old: $(SWIFT_MAJOR).$(SWIFT_MINOR) or newer is needed (https://www.swift.org/install/linux/)." >&2; exit 1; \
	fi
	@if ! command -v dpkg-query >/dev/null; then \
	    echo 'deps: this is no Debian: make sure that the equivalents of these packages are there: $(PACKAGES)'; exit 0; \
	fi; \
	missing=(); \
	for package in $(PACKAGES); do \
	    [[ $$(dpkg-query -W -f '$${db:Status-Status}' "$$package" 2>/dev/null) == installed ]] || missing+=("$$package"); \
	done; \
	(( $${#missing[@]} == 0 )) && exit 0; \
	echo "deps: installing $${missing[*]}"; \
	if (( EUID == 0 )); then asroot=(); \
	elif command -v sudo >/dev/null; then asroot=(sudo); if [[ ! -t 0 ]]; then asroot=(sudo -n); fi; \
	else echo "deps: neither root nor sudo: ask an administrator to run: apt-get install $${missing[*]}" >&2; exit 1; fi; \
	environment=(env DEBIAN_FRONTEND=noninteractive apt-get); \
	"$${asroot[@]}" "$${environment[@]}" update -qq </dev/null \
	    || echo 'deps: apt-get update failed; trying with the lists that are there' >&2; \
	"$${asroot[@]}" "$${environment[@]}" install -y -qq --no-install-recommends "$${missing[@]}" </dev/null >/dev/null \
	    || { echo "deps: apt-get could not install: $${missing[*]}" >&2; exit 1; }

build: deps ## build every program (debug)
	@swift build

test: deps ## build and run all tests
	@swift build --build-tests
	@$(SWIFT_TEST)

test-interceptor: deps ## the preload library alone: native tests, simulated drivers, small storms
	@$(MAKE) -C Tests/InterceptorTests/native OUT=$(CURDIR)/.build/native-tests test
	@$(MAKE) -C CSources/simulation/tests OUT=$(CURDIR)/.build/simulation-tests test
	@$(MAKE) -C Tests/InterceptorTests/stress OUT=$(CURDIR)/.build/stress small

test-bpf: deps ## every eBPF program on this kernel, with real causes (root; says what it skips and why)
	@HCS_LIGHT=1 swift build --build-tests --scratch-path .build-light
	@HCS_LIGHT=1 $(SWIFT_TEST) --scratch-path .build-light --filter KernelTests

test-interceptor-homes: deps ## the preload library in an old Debian, under sanitizers, with real clients (fetches 600 MB)
	@Tests/InterceptorTests/homes/run.sh '$(CURDIR)/.build/homes'

test-qemu: deps ## PCIe, machine-check and firmware faults injected into virtual machines (fetches 180 MB)
	@Tests/QEMU/run.sh '$(CURDIR)/.build/qemu'
	@swift build --build-tests
	@HCS_QEMU_EVENTS='$(CURDIR)/.build/qemu' $(SWIFT_TEST) --filter QEMUEventTests

test-gpu: deps ## the preload library on a real NVIDIA GPU: driver, nvidia-smi, PyTorch
	@Tests/InterceptorTests/gpu/run.sh '$(CURDIR)/.build/gpu'

stress-interceptor: deps ## the storms at full size: races, kills, new processes
	@$(MAKE) -C Tests/InterceptorTests/stress OUT=$(CURDIR)/.build/stress test

model-check: ## the segment's protocol, exhaustively, in spin
	@Tests/InterceptorTests/model/check.sh '$(CURDIR)/.build/model'

test-devices: deps ## the device backends: their tests, and real clients on the simulated libraries
	@swift build --build-tests
	@$(SWIFT_TEST) --filter HCSDeviceTests
	@Tests/DeviceClients/run.sh '$(CURDIR)/.build/device-clients'

test-metrics: build ## /metrics, alert rules and dashboards with a real Prometheus (fetches 20 MB)
	@Tests/MetricsClients/run.sh '$(CURDIR)/.build/metrics-clients'

test-placement: deps ## the placement core and the trace replay
	@swift build --build-tests
	@$(SWIFT_TEST) --filter 'HCSPlacementTests|QueueSimulationTests'

simulate-queue: deps ## many days of random events on the queue (SEEDS=5, STEPS=1440 minutes each, SEED= one alone)
	@swift build --build-tests
	@HCS_SIMULATION_SEEDS='$(or $(SEEDS),5)' HCS_SIMULATION_STEPS='$(or $(STEPS),1440)' \
	    HCS_SIMULATION_PROGRESS=1 $(if $(SEED),HCS_SIMULATION_SEED='$(SEED)') $(SWIFT_TEST) --filter QueueSimulationTests

test-health: deps ## the health score: catalogue, policy, state, every named scenario with its score curve
	@HCS_LIGHT=1 swift build --build-tests --scratch-path .build-light
	@HCS_LIGHT=1 $(SWIFT_TEST) --scratch-path .build-light --filter HCSHealthTests

eval-titan: deps ## which half-life ranks Titan's GPUs best (DATA=data directory of github.com/olcf/TitanGPULife)
	@[[ -n '$(DATA)' ]] || { echo 'eval-titan: DATA=DIR is needed: clone https://github.com/olcf/TitanGPULife' >&2; exit 64; }
	@HCS_LIGHT=1 swift build -c release --product hcs-eval-titan --scratch-path .build-light
	@.build-light/release/hcs-eval-titan '$(DATA)'

check: lint tidy ## format, exported symbols of the preload library, import table

lint: deps
	@echo 'check: swift format'
	@swift format lint --strict --parallel --recursive $(SWIFT_SOURCES)
	@if command -v clang-format >/dev/null; then \
	    echo 'check: clang-format'; \
	    find CSources bpf -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror; \
	else echo 'check: clang-format is not installed: C formatting is not checked'; fi
	@echo 'check: exported and needed symbols of the preload library'
	@$(MAKE) -C CSources/hcs_interceptor check

tidy: deps
	@echo 'check: import table, tracked files'
	@swift build --build-tests
	@$(SWIFT_TEST) --filter TidyTests

fmt: ## format the Swift and C sources in place
	@swift format --in-place --parallel --recursive $(SWIFT_SOURCES)
	@if command -v clang-format >/dev/null; then \
	    find CSources bpf -name '*.[ch]' -print0 | xargs -0 clang-format -i; \
	else echo 'fmt: clang-format is not installed: C sources are left as they are'; fi

demo: build ## the whole path on simulated devices, under a minute
	@$(BIN)/hcs-demo

bench: bench-interceptor bench-agent bench-health bench-placement ## run the benchmarks

bench-interceptor: deps ## what the preload library costs, in one table (PEER=another preload library)
	@$(MAKE) -C Benchmarks/interceptor OUT=$(CURDIR)/.build/bench-interceptor PEER='$(PEER)' bench

bench-agent: deps ## what agent and workers cost, in one table (SECONDS=300, EXPORTER=node exporter)
	@for program in hcs-agent hcs-vendor-worker; do swift build -c release --product $$program; done
	@$(MAKE) -s -C CSources OUT='$(CURDIR)/.build/bench-agent/native' all
	@$(MAKE) -C Benchmarks/agent OUT='$(CURDIR)/.build/bench-agent' PROGRAMS='$(CURDIR)/.build/release' \
	    LIBRARIES='$(CURDIR)/.build/bench-agent/native/simulated' bench

bench-health: deps ## from a kernel-log line to the scheduler, and a storm of lines (root; INJECTIONS=1000, SECONDS=60)
	@for program in hcs-agent hcs-scheduler hcs-vendor-worker; do swift build -c release --product $$program; done
	@$(MAKE) -s -C CSources OUT='$(CURDIR)/.build/bench-health/native' all
	@$(MAKE) -C Benchmarks/health OUT='$(CURDIR)/.build/bench-health' PROGRAMS='$(CURDIR)/.build/release' \
	    LIBRARIES='$(CURDIR)/.build/bench-health/native/simulated' bench

bench-placement: deps ## decisions per second of the placement core (NODES=, PODS=: CSV files of a trace; VARIANTS=1: quality on its variants)
	@HCS_LIGHT=1 swift build -c release --product bench-placement --scratch-path .build/bench-placement
	@.build/bench-placement/release/bench-placement $(if $(VARIANTS),--variants) $(if $(NODES),'$(NODES)' '$(PODS)')

clean: ## remove what was built; fetched packages stay
	@swift package clean
