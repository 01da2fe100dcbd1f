# Builds on other machines. Included by the Makefile.

.PHONY: fresh targets foreign
# `make demo` and `make test` on minimal Debian systems; needs root. RELEASES="trixie" tries one of them.
RELEASES ?= bookworm trixie
fresh: test-deps
	tests/builds/fresh $(RELEASES)

# Other architectures and the oldest compiler; part of `make lint`.
targets:
	tests/builds/targets

# The tests of core and of the module on i386, or on ARCHITECTURES="arm64"; needs root.
ARCHITECTURES ?= i386
foreign:
	tests/builds/foreign $(ARCHITECTURES)
