#!/usr/bin/env python3
"""Puts the crates of Cargo.lock into vendor/ of the current directory and points cargo at them.

Crates that no Linux build uses (Windows, WebAssembly, ...) are reduced to their manifest and an empty
library: cargo wants to see every crate of Cargo.lock, but the archive carries no code, and no
prebuilt library, that is never compiled. The others stay as published, under cargo's checksums.

vendor/COPYRIGHT lists each crate with its licence, vendor/LICENSES has the licence texts.
"""

import json
import pathlib
import shutil
import subprocess

ARCHITECTURES = ["x86_64", "i686", "aarch64", "armv7", "powerpc64le", "riscv64gc", "s390x"]
VENDOR = pathlib.Path("vendor")
PREBUILT = (".o", ".obj", ".a", ".lib", ".dll", ".so")
NOTICES = ("license", "licence", "copying", "copyright", "unlicense", "notice")


def triple(architecture):
    return architecture + "-unknown-linux-gnu" + ("eabihf" if architecture == "armv7" else "")


def packages(*arguments):
    command = ["cargo", "metadata", "--locked", "--format-version=1", *arguments]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {
        (package["name"], package["version"]): package
        for package in metadata["packages"]
        if package["source"]
    }


def is_notice(path):
    return path.is_file() and path.name.lower().startswith(NOTICES)


def reduce(directory):
    """Leaves the manifest, the licence and an empty library."""
    manifest = (directory / "Cargo.toml").read_text()
    for entry in directory.iterdir():
        if entry.name in ("Cargo.toml", ".cargo-checksum.json") or is_notice(entry):
            continue
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    library = directory / "src" / "lib.rs"
    for line in manifest.partition("[lib]")[2].splitlines():
        if line.startswith("path = "):
            library = directory / line.split('"')[1]
            break
    library.parent.mkdir(parents=True, exist_ok=True)
    library.write_text("// Left out of this archive: no Linux build uses this crate.\n")
    checksum = directory / ".cargo-checksum.json"
    sums = json.loads(checksum.read_text())
    checksum.write_text(json.dumps({"files": {}, "package": sums["package"]}))


def drop_objects(directory):
    """Removes what is compiled already: ring has assembled code for Windows beside its sources."""
    checksum = directory / ".cargo-checksum.json"
    sums = json.loads(checksum.read_text())
    for name in [name for name in sums["files"] if name.endswith(PREBUILT)]:
        (directory / name).unlink()
        del sums["files"][name]
    checksum.write_text(json.dumps(sums))


def main():
    command = ["cargo", "vendor", "--locked", "--versioned-dirs", "--quiet", str(VENDOR)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    used = {}
    for architecture in ARCHITECTURES:
        used.update(packages("--filter-platform", triple(architecture)))
    with open(VENDOR / "COPYRIGHT", "w") as index, open(VENDOR / "LICENSES", "w") as texts:
        for (name, version), package in sorted(packages().items()):
            authors = ", ".join(package["authors"]) or f"the authors of {name}"
            print(f"{name} {version}\t{package['license']}\t{authors}", file=index)
            if (name, version) not in used:
                reduce(VENDOR / f"{name}-{version}")
            drop_objects(VENDOR / f"{name}-{version}")
            for path in sorted((VENDOR / f"{name}-{version}").iterdir()):
                if is_notice(path):
                    print(f"===== {name} {version}: {path.name}\n", file=texts)
                    print(path.read_text(errors="replace").strip() + "\n", file=texts)

    with open(".cargo/config.toml", "a") as config:
        config.write(
            '\n[source.crates-io]\nreplace-with = "vendored-sources"\n\n'
            '[source.vendored-sources]\ndirectory = "vendor"\n'
        )


main()
