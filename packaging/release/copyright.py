#!/usr/bin/env python3
"""Prints the paragraphs of debian/copyright for the crates in vendor/, in the format DEP-5."""

import pathlib
import re

# Each crate may be used under one of its licences; where MIT is offered, the text is in debian/copyright.
OTHER_TEXTS = {
    "Apache-2.0": "On Debian systems, the text is in /usr/share/common-licenses/Apache-2.0.",
    "Apache-2.0 with LLVM exception": "The text is in vendor/LICENSES. On Debian systems, that of the Apache\n"
    "License without the exception is in /usr/share/common-licenses/Apache-2.0.",
    "LGPL-2.1+": "On Debian systems, the text is in /usr/share/common-licenses/LGPL-2.1.",
    "public-domain": "The authors disclaim copyright to this source code. In place of a legal notice,\n"
    "here is a blessing: May you do good and not evil. May you find forgiveness for\n"
    "yourself and forgive others. May you share freely, never taking more than you\n"
    "give.",
}
NAMES = {"LGPL-2.1-or-later": "LGPL-2.1+", "Apache-2.0 WITH LLVM-exception": "Apache-2.0 with LLVM exception"}


def shown(expression):
    for name, debian in NAMES.items():
        expression = expression.replace(name, debian)
    expression = expression.replace("/", " or ").replace(" OR ", " or ").replace(" AND ", " and ")
    return re.sub(r"\((.* or .*)\) and (.*)", r"\1, and \2", expression)


def paragraph(*lines):
    print()
    print("\n".join(lines))


def main():
    licences = set()
    for line in pathlib.Path("vendor/COPYRIGHT").read_text().splitlines():
        crate, licence, authors = line.split("\t")
        name = shown(licence)
        licences.update(re.split(r", and | or | and ", name))
        paragraph(f"Files: vendor/{crate.replace(' ', '-')}/*", f"Copyright: {authors}", f"License: {name}")
    for directory in sorted(pathlib.Path("vendor").glob("libsqlite3-sys-*/sqlite3")):
        licences.add("public-domain")
        paragraph(f"Files: {directory}/*", "Copyright: none, see below", "License: public-domain")
    for name in sorted(licences - {"MIT"}):
        text = OTHER_TEXTS.get(name, "The text is in vendor/LICENSES.")
        paragraph(f"License: {name}", *(f" {line}" for line in text.splitlines()))


main()
