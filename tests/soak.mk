# The rows of tests/faults at their full counts, one after the other, on the module as it is shipped.
# Takes hours. ROW=f3 runs the rows whose tests begin so.

.PHONY: soak
soak: test-deps build
	SOAK=1 PAM_SESSION_LIMIT_MODULE=$(abspath $(MODULE)) \
		$(CARGO) test --locked --test faults -- --nocapture --test-threads=1 $(ROW)
	SCHEDULES=100000 $(CARGO) test --locked --package session-limit-agent --test simulation -- --nocapture
	SOAK=1 $(CARGO) test --locked --package session-limit-agent --test hosts -- --nocapture

# Every fuzz target for a while; needs cargo-fuzz and a nightly compiler. SQLite is linked into the module
# and into the target, which AddressSanitizer reports as an error unless it is told not to.

.PHONY: fuzz
FUZZ_SECONDS ?= 60
fuzz:
	cd fuzz && for target in $$(cargo +nightly fuzz list); do \
		mkdir -p corpus/$$target seeds/$$target; \
		ASAN_OPTIONS=detect_odr_violation=0 cargo +nightly fuzz run $$target corpus/$$target seeds/$$target \
			-- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

# Calls the API with what its own document permits and forbids; schemathesis comes from PyPI, into a venv of its own.
.PHONY: api-fuzz
API_FUZZ_SECONDS ?= 600
api-fuzz: test-deps build
	tests/api-fuzz/run $(API_FUZZ_SECONDS) $(abspath $(MODULE)) $(abspath $(TARGET_DIR)/release) \
		$(abspath $(TARGET_DIR)/api-fuzz-venv)
