# Source archive and packages. Included by the top Makefile; the work is done by scripts in packaging/release.

DIST ?= dist
ARCHIVE = $(DIST)/pam_session_limit-$(shell packaging/release/version).tar.xz

.PHONY: dist deb debs rpm test-rpm test-packages lint-packages reproducible

# Reaches for the crates over the network; all that follows works from the archive.
dist:
	packaging/release/dist $(DIST)

deb: dist
	packaging/need packaging/apt-deb-deps.txt
	packaging/release/deb $(ARCHIVE) $(DIST)/deb

debs: dist
	packaging/need packaging/apt-deb-deps.txt
	packaging/release/debs $(ARCHIVE) $(DIST)

# Builds twice, in two directories, and compares every byte.
reproducible: dist
	packaging/need packaging/apt-deb-deps.txt
	packaging/release/reproducible $(ARCHIVE) $(DIST)/reproducible

# The packages in fresh Debian 12 and 13 roots: install, enable, limit, upgrade, remove, purge. PREVIOUS= names a
# directory with the packages of the last release, for RELEASES= one suite. PARTS= names some of the tests.
RELEASES ?= bookworm trixie
test-packages: debs
	packaging/test/packages $(DIST) $(RELEASES)

# lintian on what 'make debs' left, source and binary.
lint-packages:
	packaging/release/lint-packages $(DIST)

# For Fedora and RHEL; see the head of the spec.in for what this proves on Debian. RPM_OPTIONS=--nocheck leaves the unit
# tests out.
rpm: dist
	packaging/need packaging/apt-rpm-deps.txt
	rpmbuild -ta --nodeps $(RPM_OPTIONS) --define '_topdir $(abspath $(DIST))/rpm' $(ARCHIVE)
	rpmlint --config packaging/rpm/rpmlint.toml $(DIST)/rpm/RPMS/*/*.rpm $(DIST)/rpm/SRPMS/*.rpm

# Their scriptlets, in a Debian root; as root.
test-rpm:
	packaging/test/rpm $(DIST)/rpm/RPMS
