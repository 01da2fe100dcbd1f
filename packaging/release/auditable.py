#!/usr/bin/env python3
"""Writes into programs which crates they are made of, so that `cargo audit bin PROGRAM` can tell years later
whether one of them has a known fault. The format is that of cargo-auditable, which Debian 12 does not have: a
section .dep-v0 with JSON, compressed by zlib. dh_strip and strip(1) leave it alone.

    packaging/release/auditable.py CRATE=PROGRAM ...

OBJCOPY= names the objcopy for these programs.
"""

import json
import os
import subprocess
import sys
import tempfile
import zlib

import linked


def bill(crate):
    entries = linked.tree(crate)
    needs = {}
    above = []
    for depth, name, version in entries:
        del above[depth:]
        needs.setdefault((name, version), set())
        if above:
            needs[above[-1]].add((name, version))
        above.append((name, version))
    order = sorted(needs)
    packages = []
    for key in order:
        name, version = key
        source = "crates.io" if linked.packages()[key]["source"] else "local"
        package = {"name": name, "version": version, "source": source}
        if needs[key]:
            package["dependencies"] = sorted(order.index(other) for other in needs[key])
        if key == entries[0][1:]:
            package["root"] = True
        packages.append(package)
    return json.dumps({"packages": packages}, separators=(",", ":")).encode()


def main():
    for argument in sys.argv[1:]:
        crate, program = argument.split("=", 1)
        with tempfile.NamedTemporaryFile() as section:
            section.write(zlib.compress(bill(crate), 9))
            section.flush()
            objcopy = os.environ.get("OBJCOPY", "objcopy")
            # Once only: a program that was not linked again has the section already.
            subprocess.run([objcopy, "--remove-section=.dep-v0", program], check=True)
            subprocess.run(
                [
                    objcopy,
                    f"--add-section=.dep-v0={section.name}",
                    "--set-section-flags=.dep-v0=noload,readonly",
                    program,
                ],
                check=True,
            )


main()
