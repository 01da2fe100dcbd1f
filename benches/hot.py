#!/usr/bin/env python3
"""Writes packaging/hot-functions.txt: the functions of the module that one login calls.

build.rs has them linked side by side, so that a login touches fewer pages of the module. The names of
C functions are those of SQLite. Rust's are those of one compiler and one profile; a name that another
one does not have does no harm. Hence `-C strip=none` behind the profile's own, which is part of them.
"""

import argparse
import pathlib
import sys

import bench
import gate

OUT = pathlib.Path(__file__).parent.parent / "packaging/hot-functions.txt"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--module", required=True, type=pathlib.Path, help="not stripped")
    arguments.add_argument("--driver", required=True, type=pathlib.Path)
    arguments.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    bench.enter(options)
    scene = gate.scene(options)
    names = []
    # A login with the check off goes partly another way.
    for user in ["u000", "unlimited"]:
        names += functions(scene.profile(["cycle", "/mnt/pam.d", user, "ours"],
                                         "--demangle=no", "--compress-strings=no"))
    hot = sorted(set(names))
    if not hot:
        sys.exit("hot.py: the module has no names: build it with -C strip=none")
    OUT.write_text("".join(f"{name}\n" for name in hot))
    print(f"hot.py: {len(hot)} functions")


def functions(profile):
    """The names of the module's functions in a callgrind profile."""
    object_ = None
    for line in profile.splitlines():
        if line.startswith("ob="):
            object_ = line[3:]
        elif line.startswith("fn=") and object_ == "/mnt/module.so":
            name = line[3:].split("'")[0]
            if not name.startswith(("0x", "???")):
                yield name


if __name__ == "__main__":
    main()
