# pam_session_limit. `make demo` demonstrates the module, `make test` runs the tests; each installs what it
# needs on a fresh Debian machine. `make help` lists the rest.

CARGO ?= cargo
TARGET_DIR ?= $(or $(CARGO_TARGET_DIR),target)
MODULE = $(TARGET_DIR)/release/pam_session_limit.so

.PHONY: all build compile demo test host-table pictures lint advisories doc deps test-deps lint-deps clean help
all: build

help:
	@echo 'make build      the module, as it is shipped: $(MODULE), shell, session-limitd and session-limit-agent'
	@echo 'make demo       demonstrates the module in a temporary directory without changing your system'
	@echo 'make test       all tests, against the module as it is shipped'
	@echo 'make lint doc   formatting, clippy and rustdoc, warnings denied; dependencies; other architectures'
	@echo 'make fresh      make demo and make test on minimal Debian 12 and 13 systems'
	@echo 'make bench      what a login costs, beside other modules; make bench-gate counts instructions'
	@echo 'make install    DESTDIR= PREFIX=/usr'
	@echo 'make deb        Debian packages for this release; make debs: for Debian 12 and 13, in clean roots'
	@echo 'make dist       the source archive; RELEASE.md says what else belongs to a release'

# What a build needs; asked for only where it is missing.
deps:
	@packaging/need packaging/apt-build-deps.txt

test-deps: deps
	@packaging/need packaging/apt-test-deps.txt

lint-deps: deps
	@packaging/need packaging/apt-lint-deps.txt

build: deps
	@$(MAKE) --no-print-directory compile

# Without a look at what is installed: packages name what they need themselves.
compile:
	$(CARGO) build --locked --release --package shell --package session-limit-session --package session-limitd --package session-limit-agent --package pam_session_limit
	cp $(TARGET_DIR)/release/libpam_session_limit.so $(MODULE)

# The module is the one that is shipped; those who drive it are debug builds, as in the tests.
demo: build
	$(CARGO) build --locked --package testkit --example pam_actor --example demo
	$(TARGET_DIR)/debug/examples/demo $(abspath $(MODULE))
	testkit/service-demo $(abspath $(MODULE)) $(abspath $(TARGET_DIR)/release)

# The tests load the module that is shipped, not a debug build of it.
test: test-deps build
	PAM_SESSION_LIMIT_MODULE=$(abspath $(MODULE)) $(CARGO) test --locked --no-fail-fast --workspace

# Writes the figures of a whole run into docs/host-tests.md; no scenario may be skipped.
host-table: test-deps build
	HOST_TESTS_REQUIRED=1 HOST_TESTS_TABLE=docs/host-tests.md $(CARGO) test --locked --release --test host

# Pictures of each page of the console, for the documentation.
pictures: test-deps build
	CONSOLE_PICTURES=$(abspath docs/screenshots) PAM_SESSION_LIMIT_MODULE=$(abspath $(MODULE)) \
		$(CARGO) test --locked --package session-limitd --test console pictures

lint: deps lint-deps
	$(CARGO) fmt --all --check
	packaging/check-dependencies
	packaging/check-advisories
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	tests/builds/targets

# Security advisories; a release needs an answer. ADVISORY_DB= names a local clone of the database.
advisories:
	packaging/check-advisories --required

doc: deps
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --document-private-items

clean:
	$(CARGO) clean

include packaging/install.mk
include packaging/packages.mk
include tests/soak.mk
include benches/bench.mk
include tests/builds/builds.mk
