#!/usr/bin/env python3
"""Prints the bill of materials of one package, in the format CycloneDX 1.5.

    packaging/release/sbom.py PACKAGE CRATE ...

Run where the package was built: it lists what is linked into the programs of the crates, with the toolchain
that did it. The same source and toolchain give the same bytes.
"""

import hashlib
import json
import pathlib
import re
import sys

import linked


def checksums():
    lock = pathlib.Path("Cargo.lock").read_text()
    entries = re.findall(r'name = "(.*)"\nversion = "(.*)"\n(?:source = .*\n)?(?:checksum = "(.*)")?', lock)
    return {(name, version): checksum for name, version, checksum in entries}


def sqlite():
    """The C library that libsqlite3-sys bundles."""
    header = next(pathlib.Path("vendor").glob("libsqlite3-sys-*/sqlite3/sqlite3.h")).read_text(errors="replace")
    version = re.search(r'#define SQLITE_VERSION\s+"(.*)"', header).group(1)
    return {
        "type": "library",
        "bom-ref": f"pkg:generic/sqlite@{version}",
        "name": "sqlite",
        "version": version,
        "purl": f"pkg:generic/sqlite@{version}",
        "cpe": f"cpe:2.3:a:sqlite:sqlite:{version}:*:*:*:*:*:*:*",
        "description": "bundled, linked statically",
    }


def main():
    package, *crates = sys.argv[1:]
    known = linked.packages()
    sums = checksums()
    components = []
    for key in sorted({entry[1:] for crate in crates for entry in linked.tree(crate)}):
        name, version = key
        purl = f"pkg:cargo/{name}@{version}"
        component = {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
            "licenses": [{"expression": known[key]["license"].replace("/", " OR ")}],
        }
        if sums.get(key):
            component["hashes"] = [{"alg": "SHA-256", "content": sums[key]}]
        components.append(component)
    if any(component["name"] == "libsqlite3-sys" for component in components):
        components.append(sqlite())
    # The standard library is linked in, too.
    release = re.search(r"release: (.*)", linked.rustc()).group(1)
    standard = f"pkg:generic/rust-std@{release}"
    components.append(
        {"type": "library", "bom-ref": standard, "name": "rust-std", "version": release, "purl": standard}
    )

    own = next(entry for (name, _), entry in known.items() if name == "pam_session_limit")
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": package, "name": package, "version": own["version"]},
            "properties": [
                {"name": "build:rustc", "value": linked.rustc().splitlines()[0]},
                {"name": "build:target", "value": linked.target()},
            ],
        },
        "components": components,
    }
    # The serial number is made from the content, so it is the same for the same content.
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    # In the form of a UUID, version 8: its bits are ours to choose.
    document["serialNumber"] = (
        f"urn:uuid:{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
    )
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    print()


main()
