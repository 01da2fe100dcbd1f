# Benchmarks. Included by the Makefile; never part of the tests: they measure and cannot fail.
# Only bench-gate can fail; it counts instructions, not time.

BENCH_DIR = $(TARGET_DIR)/bench
BENCH_DRIVER = $(TARGET_DIR)/release/examples/bench_logins
# A Debian 13 root: pam_lastlog2 and pam_wtmpdb are packages of it.
BENCH_ROOT ?= /var/cache/pam_session_limit-bench/trixie
BENCH_ROUNDS ?= 400
# What is measured: the module as Debian 13's own compiler builds it.
BENCH_MODULE ?= $(BENCH_DIR)/pam_session_limit.so
BENCH_PACKAGES = libpam-modules,libpam-lastlog2,libpam-wtmpdb,valgrind,strace,libc6-dbg

.PHONY: bench bench-deps bench-gate bench-gate-update bench-root bench-driver

bench-deps: deps
	@packaging/need packaging/apt-bench-deps.txt

# The module that the driver loads is built as it is shipped.
bench-driver: bench-deps build
	$(CARGO) build --locked --release --example bench_logins

# This machine's own modules, then those of the Debian 13 root; needs root.
bench: bench-driver bench-root bench-module
	benches/bench.py --module $(BENCH_MODULE) --driver $(BENCH_DRIVER) --rounds $(BENCH_ROUNDS) \
		--only counts,alone,rows --out $(BENCH_DIR)/here.json
	benches/bench.py --module $(BENCH_MODULE) --driver $(BENCH_DRIVER) --rounds $(BENCH_ROUNDS) \
		--root $(BENCH_ROOT) --only counts,alone,loop,herd --out $(BENCH_DIR)/debian13.json
	benches/report.py $(BENCH_DIR)/here.json $(BENCH_DIR)/debian13.json

# The REST API, beside cockpit-ws of a Debian 12 root.
BENCH_COCKPIT ?= /var/cache/pam_session_limit-bench/cockpit
.PHONY: bench-service
bench: bench-service
bench-service: bench-deps build $(BENCH_COCKPIT)/usr/lib/cockpit/cockpit-ws
	benches/service.py --module $(MODULE) --programs $(TARGET_DIR)/release --cockpit $(BENCH_COCKPIT)

# Some of its packages cannot be configured outside a running system; what is measured needs none of that.
$(BENCH_COCKPIT)/usr/lib/cockpit/cockpit-ws:
	mkdir -p $(dir $(BENCH_COCKPIT))
	debootstrap --variant=minbase --include=cockpit-ws,cockpit-bridge bookworm $(BENCH_COCKPIT) || test -x $@

.PHONY: bench-module
bench-module: lint-deps
ifeq ($(BENCH_MODULE),$(BENCH_DIR)/pam_session_limit.so)
	tests/builds/module $(abspath $(BENCH_MODULE))
endif

bench-root: bench-deps $(BENCH_ROOT)/usr/bin/valgrind

$(BENCH_ROOT)/usr/bin/valgrind:
	mkdir -p $(dir $(BENCH_ROOT))
	debootstrap --variant=minbase --include=$(BENCH_PACKAGES) trixie $(BENCH_ROOT)
	# systemd-tmpfiles makes it on a running machine.
	mkdir -p $(BENCH_ROOT)/var/lib/lastlog

# Instructions of one cycle, against the figure in benches/gate.json.
bench-gate: bench-driver
	benches/gate.py --module $(MODULE) --driver $(BENCH_DRIVER)

bench-gate-update: bench-driver
	benches/gate.py --module $(MODULE) --driver $(BENCH_DRIVER) --update
