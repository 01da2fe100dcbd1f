# Builds, installs and tests the module.
.PHONY: all
all:
	cargo build --release

include packaging/install.mk
