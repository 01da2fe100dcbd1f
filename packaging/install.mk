# Where every file goes. Included by the top Makefile.
#
#   make install   [DESTDIR=…] [PREFIX=/usr] [PAMDIR=…] [SBINDIR=…]
#   make uninstall [DESTDIR=…] [PREFIX=/usr] [PAMDIR=…] [SBINDIR=…]
#
# `install` copies what has been built and compiles nothing: run 'make build' first, as an ordinary user if
# you like. Files below /etc, which an administrator may have edited, are never overwritten or removed.

PREFIX     ?= /usr
SYSCONFDIR ?= /etc
# Debian keeps PAM modules in its multiarch directory. On other systems, and if no tool names that
# directory: beside the modules of libpam.
TRIPLET    ?= $(shell dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || $(CC) -print-multiarch 2>/dev/null)
BESIDE_PAM  = $(patsubst %/pam_permit.so,%,$(firstword $(wildcard /usr/lib/*/security/pam_permit.so /usr/lib64/security/pam_permit.so /usr/lib/security/pam_permit.so)))
PAMDIR     ?= $(if $(TRIPLET),$(PREFIX)/lib/$(TRIPLET)/security,$(or $(BESIDE_PAM),$(PREFIX)/lib/security))
SBINDIR    ?= $(PREFIX)/sbin
TARGET_DIR ?= $(or $(CARGO_TARGET_DIR),target)

BUILT_MODULE := $(TARGET_DIR)/release/pam_session_limit.so
BUILT_SHELL  := $(TARGET_DIR)/release/shell
BUILT_SESSION := $(TARGET_DIR)/release/session-limit-session
BUILT_SERVICE := $(TARGET_DIR)/release/session-limitd
BUILT_AGENT  := $(TARGET_DIR)/release/session-limit-agent
# Named one by one: to uninstall, this file alone is enough.
SYSTEMD_UNITS := $(addprefix packaging/systemd/,session-limitd.service session-limit-session.socket session-limit-session@.service session-limit-shell.socket session-limit-shell.service session-limit-agent.service)
# What pam-auth-update can put into the stacks.
PAM_PROFILES := session-limit session-limit-account session-limit-account-failures
EXAMPLES     := $(PREFIX)/share/doc/pam_session_limit/examples
MAN_PAGES    := man/pam_session_limit.8 man/session-limit.5 man/session-limitd.8 man/session-limit-agent.8 man/shell.1
# Debian's zsh has a separate directory for completions of packages.
ZSHDIR       ?= $(PREFIX)/share/zsh/$(if $(and $(filter /usr,$(PREFIX)),$(wildcard /etc/debian_version)),vendor-completions,site-functions)
# The stacks of `shell` and of the service are live files; the others are samples to read and copy from.
LIVE_STACKS   = $(wildcard pam.d/shell pam.d/shell-clear-sessions pam.d/session-limitd pam.d/session-limitd-clear-sessions)
SAMPLE_STACKS = $(filter-out $(LIVE_STACKS),$(wildcard pam.d/*))

.PHONY: install uninstall

install:
	@test -f $(BUILT_MODULE) || { echo "$(BUILT_MODULE) is missing: run 'make build' first" >&2; exit 1; }
	install -D -m 0644 $(BUILT_MODULE) $(DESTDIR)$(PAMDIR)/pam_session_limit.so
	install -D -m 0644 packaging/tmpfiles.d/session-limit.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/session-limit.conf
	install -d -m 0755 $(DESTDIR)$(PREFIX)/share/pam-configs
	install -m 0644 $(addprefix packaging/pam-configs/,$(PAM_PROFILES)) $(DESTDIR)$(PREFIX)/share/pam-configs/
	install -d -m 0755 $(DESTDIR)$(SYSCONFDIR)/session-limit $(DESTDIR)$(SYSCONFDIR)/pam.d $(DESTDIR)$(EXAMPLES)/pam.d
	test -e $(DESTDIR)$(SYSCONFDIR)/session-limit/config.toml || \
		install -m 0644 packaging/config.toml $(DESTDIR)$(SYSCONFDIR)/session-limit/config.toml
	install -m 0644 packaging/config.toml $(DESTDIR)$(EXAMPLES)/config.toml
	for stack in $(LIVE_STACKS); do \
		test -e $(DESTDIR)$(SYSCONFDIR)/$$stack || install -m 0644 $$stack $(DESTDIR)$(SYSCONFDIR)/$$stack || exit 1; \
	done
	for stack in $(SAMPLE_STACKS); do \
		install -m 0644 $$stack $(DESTDIR)$(EXAMPLES)/pam.d/ || exit 1; \
	done
	install -m 0644 packaging/sshd-clear-sessions.service packaging/sshd_config.clear-sessions $(DESTDIR)$(EXAMPLES)/
	install -m 0644 packaging/rescue/sshd_config.rescue packaging/rescue/sudoers.rescue $(DESTDIR)$(EXAMPLES)/
	install -D -m 0755 packaging/rescue/session-limit-rescue $(DESTDIR)$(PREFIX)/libexec/session-limit/rescue
	if test -f $(BUILT_SHELL); then install -D -m 0755 $(BUILT_SHELL) $(DESTDIR)$(PREFIX)/bin/shell; fi
	if test -f $(BUILT_SESSION); then \
		install -D -m 0755 $(BUILT_SESSION) $(DESTDIR)$(PREFIX)/libexec/session-limit/session-limit-session; \
	fi
	if test -f $(BUILT_SERVICE); then install -D -m 0755 $(BUILT_SERVICE) $(DESTDIR)$(SBINDIR)/session-limitd; fi
	if test -f $(BUILT_AGENT); then install -D -m 0755 $(BUILT_AGENT) $(DESTDIR)$(SBINDIR)/session-limit-agent; fi
	install -m 0644 packaging/fleet/etcd.default $(DESTDIR)$(EXAMPLES)/
	install -D -m 0644 packaging/sysusers.d/session-limit.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/session-limit.conf
	install -d -m 0755 $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in $(SYSTEMD_UNITS); do \
		sed 's|=/usr/\(libexec\|sbin\)/|=$(PREFIX)/\1/|' $$unit > $(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} && \
		chmod 0644 $(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit 1; \
	done
	for page in $(MAN_PAGES); do \
		install -D -m 0644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	done
	install -D -m 0644 packaging/completions/shell.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/shell
	install -D -m 0644 packaging/completions/_shell $(DESTDIR)$(ZSHDIR)/_shell
	install -D -m 0644 packaging/completions/shell.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/shell.fish
	install -D -m 0644 packaging/completions/session-limitd.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/session-limitd
	install -D -m 0644 packaging/completions/_session-limitd $(DESTDIR)$(ZSHDIR)/_session-limitd
	install -D -m 0644 packaging/completions/session-limitd.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/session-limitd.fish

# The lines are removed from the stacks before the module they name. In a staged tree (DESTDIR) the
# stacks are left alone.
uninstall:
	if test -z "$(DESTDIR)" && command -v pam-auth-update >/dev/null; then \
		pam-auth-update --package --remove $(PAM_PROFILES); \
	fi
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/pam-configs/,$(PAM_PROFILES))
	rm -f $(DESTDIR)$(PAMDIR)/pam_session_limit.so
	rm -f $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/session-limit.conf
	rm -rf $(DESTDIR)$(PREFIX)/libexec/session-limit
	for unit in $(SYSTEMD_UNITS); do rm -f $(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}; done
	rm -f $(DESTDIR)$(PREFIX)/lib/sysusers.d/session-limit.conf $(DESTDIR)$(SBINDIR)/session-limitd
	rm -f $(DESTDIR)$(SBINDIR)/session-limit-agent
	rm -f $(DESTDIR)$(PREFIX)/bin/shell $(DESTDIR)$(PREFIX)/share/bash-completion/completions/shell
	rm -f $(DESTDIR)$(ZSHDIR)/_shell $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/shell.fish
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/session-limitd $(DESTDIR)$(ZSHDIR)/_session-limitd
	rm -f $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/session-limitd.fish
	for page in $(MAN_PAGES); do rm -f $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/pam_session_limit
	@echo "kept: $(DESTDIR)$(SYSCONFDIR)/session-limit and $(DESTDIR)$(SYSCONFDIR)/pam.d/{shell,session-limitd}*"
