"""What is linked into a program, as cargo knows it. For sbom.py and auditable.py, run at the top of the tree."""

import functools
import json
import os
import re
import subprocess


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@functools.cache
def rustc():
    return output("rustc", "-vV")


def target():
    return os.environ.get("CARGO_BUILD_TARGET") or re.search(r"host: (.*)", rustc()).group(1)


def tree(crate):
    """What is compiled into the program of `crate`, as (depth, name, version); build tools and macros are left out.

    The first line is the crate itself, and each other stands below the one that needs it.
    """
    lines = output(
        "cargo", "tree", "--locked", "--offline", "--package", crate, "--edges=normal,no-proc-macro",
        "--prefix=depth", "--target", target(), "--format={p}",
    )  # fmt: skip
    entries = (re.match(r"(\d+)(\S+) v(\S+)", line).groups() for line in lines.splitlines() if line)
    return [(int(depth), name, version) for depth, name, version in entries]


@functools.cache
def packages():
    """The packages that cargo knows, by name and version."""
    metadata = json.loads(output("cargo", "metadata", "--locked", "--offline", "--format-version=1"))
    return {(package["name"], package["version"]): package for package in metadata["packages"]}
