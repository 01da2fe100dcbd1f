#!/usr/bin/env python3
"""Fails when one login executes over 5 % more instructions than the figure kept in gate.json.

Counted by callgrind, less those of a cycle with pam_permit alone, so neither the pace of the machine
nor its load matters. What does matter is the compiler and the C library: the figure is kept for one
kind of machine, and elsewhere there is nothing to compare with. Then the gate prints that and passes.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

import bench

KEPT = pathlib.Path(__file__).with_name("gate.json")
TOLERANCE = 0.05
CYCLES = ["ours", "ours, limit off", "ours, not counted"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--module", required=True, type=pathlib.Path)
    arguments.add_argument("--driver", required=True, type=pathlib.Path)
    arguments.add_argument("--update", action="store_true", help="keep what is counted now")
    arguments.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    for tool in ["valgrind", "cc", "rustc"]:
        if shutil.which(tool) is None:
            skip(f"{tool} is not installed")
    if os.geteuid() != 0:
        skip("root is needed for a mount namespace")
    here = kind_of_machine()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {"machine": None}
    if not options.update and kept["machine"] != here:
        skip(f"the figures are kept for {kept['machine']}, this is {here}")
    bench.enter(options)

    counted = count(options)
    if options.update:
        KEPT.write_text(json.dumps({"machine": here, "instructions": counted}, indent=1) + "\n")
        return print(f"gate.py: kept {counted}")
    failed = False
    for cycle, now in counted.items():
        before = kept["instructions"][cycle]
        print(f"gate.py: {cycle}: {now:,} instructions, {now / before - 1:+.1%} of {before:,}")
        failed |= now > before * (1 + TOLERANCE)
    if failed:
        sys.exit(f"gate.py: a login got dearer by more than {TOLERANCE:.0%}. If it has to: make "
                 "bench-gate-update, and say why in the commit")


def scene(options):
    """The stacks of pam_permit and of one module, no others."""
    options.root, options.module, options.rounds = pathlib.Path("/"), [options.module], 0
    made = bench.Bench(options)
    made.peers = {}
    made.set_stacks()
    return made


def count(options):
    found = scene(options).counts()
    floor = found["pam_permit"]["instructions"]
    return {cycle: found[cycle]["instructions"] - floor for cycle in CYCLES}


def kind_of_machine():
    """What instructions depend on besides this repository."""
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    cc = subprocess.run(["cc", "-dumpfullversion"], capture_output=True, text=True).stdout.strip()
    libc = re.sub(r"\s+", " ", " ".join(platform.libc_ver()))
    return f"{platform.machine()}, {rustc}, cc {cc}, {libc}"


def skip(why):
    print(f"gate.py: SKIPPED, nothing was compared: {why}", file=sys.stderr)
    sys.exit(0)


if __name__ == "__main__":
    main()
