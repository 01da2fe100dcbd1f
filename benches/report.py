#!/usr/bin/env python3
"""Makes the tables of docs/performance.md, between their markers, and its plots from bench.py's data."""

import json
import math
import pathlib
import re
import statistics
import sys
from html import escape

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
NAMES = {"ours": "pam_session_limit", "uncounted": "pam_session_limit, service not counted",
         "ours, limit off": "pam_session_limit, limit off",
         "ours, not counted": "pam_session_limit, service not counted"}
COLOURS = ["#0b6e4f", "#c1440e", "#8a6d3b", "#3b5b8a", "#7a3b8a", "#666666"]


def main():
    runs = [json.loads(pathlib.Path(path).read_text()) for path in sys.argv[1:]]
    if not runs:
        sys.exit("usage: report.py DATA.json...")
    page = DOCS / "performance.md"
    text = page.read_text()
    blocks = {"machine": machine(runs), "alone": each(runs, alone), "counts": each(runs, counts),
              "rows": each(runs, rows), "herd": each(runs, herd), "loop": each(runs, loop)}
    for name, block in blocks.items():
        marked = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        text = marked.sub(lambda found: found[1] + block + found[2], text)
    page.write_text(text)
    plot_alone(runs)
    plot_herd(runs[-1])
    plot_loop(runs[-1])


# Figures.

def at(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def total(row):
    return sum(row[:5])


def added(cycles):
    """Median and p99 of the paired differences to pam_permit, by service."""
    floor = [total(row) for row in cycles["pam_permit"]]
    floors = [statistics.median(column) for column in zip(*cycles["pam_permit"])]
    found = {}
    for name, lines in cycles.items():
        if name == "pam_permit":
            continue
        differences = [total(row) - under for row, under in zip(lines, floor)]
        processor = [row[5] - under[5] for row, under in zip(lines, cycles["pam_permit"])]
        medians = [statistics.median(column) for column in zip(*lines)]
        found[name] = {
            "median": statistics.median(differences), "p99": at(differences, 0.99),
            "cpu": statistics.median(processor), "faults": medians[6] - floors[6],
            "resident": medians[7] - floors[7],
            "phases": [m - f for m, f in zip(medians[:5], floors[:5])]}
    return found


# Tables.

def each(runs, table):
    return "".join(f"\n**{run['machine']['system']}**\n\n{table(run)}\n" for run in runs
                   if table(run)) or "\n"


def lines(head, body):
    rows = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows) + "\n"


def named(name):
    if found := re.match(r"pam_limits-(\d+)$", name):
        return f"pam_limits maxlogins, {int(found[1]):,} utmp entries"
    return NAMES.get(name, name)


def machine(runs):
    one = runs[0]["machine"]
    text = f"\n{one['cpu']}, {one['cores']} cores, Linux {one['kernel']}. "
    return text + "; ".join(
        f"{run['machine']['system']}: {', '.join(run['machine']['packages'])}" for run in runs) + (
        f". The module: {one['module_bytes']:,} bytes.\n\n")


def alone(run):
    if "alone" not in run:
        return ""
    body = [[named(name), *(f"{v:,.0f}" for v in [row["median"], row["p99"], row["cpu"],
                                                 *row["phases"], row["faults"], row["resident"]])]
            for name, row in added(run["alone"]).items()]
    return lines(["added to pam_permit", "median µs", "p99 µs", "processor µs", "start", "acct", "open",
                  "close", "end", "page faults", "kB resident"], body)


def counts(run):
    if "counts" not in run:
        return ""
    floor = run["counts"]["pam_permit"]
    less = lambda row, key: f"{row[key] - floor[key]:,}" if row[key] else "not measured"
    body = [[named(name), less(row, "instructions"), less(row, "calls")]
            for name, row in run["counts"].items() if name != "pam_permit"]
    return lines(["added to pam_permit", "instructions", "system calls"], body)


def rows(run):
    if "rows" not in run:
        return ""
    found = added(run["rows"])
    base = found["ours-others-0"]["median"]
    title = {}
    for name in found:
        if parts := re.match(r"ours-(others|own)-(\d+)$", name):
            whose = "of other users" if parts[1] == "others" else "of the same user"
            title[name] = f"{int(parts[2]):,} live rows {whose}"
    title["ours-others-0"] = "an empty store"
    body = [[title[name], f"{row['median']:,.0f}", f"{row['p99']:,.0f}", f"{row['median'] / base:.2f}"]
            for name, row in found.items()]
    return lines(["store", "median µs added", "p99 µs", "to the empty one"], body)


def herd(run):
    if "herd" not in run:
        return ""
    body = []
    for name, sizes in run["herd"].items():
        for size, whats in sizes.items():
            login, logout = whats["login"], whats["logout"]
            body.append([named(name), size, *(f"{at(login['ms'], q):,.1f}" for q in [0.5, 0.99, 1]),
                         f"{login['failed']} of {len(login['ms'])}", f"{at(logout['ms'], 0.99):,.1f}",
                         logout["failed"]])
    return lines(["stack", "at once", "login median ms", "p99", "max", "failed", "logout p99", "failed"],
                 body)


def loop(run):
    if "loop" not in run:
        return ""
    body = []
    for name, hows in run["loop"].items():
        cells = [named(name)]
        for how in ["stay", "fork"]:
            cells += [f"{statistics.median(one['per_second'] for one in hows[how]):,.0f}",
                      f"{max(one['slowest_ms'] for one in hows[how]):,.0f}",
                      sum(one["failed"] for one in hows[how])]
        body.append(cells)
    return lines(["stack", "logins/s, same process", "slowest ms", "failed",
                  "logins/s, process each", "slowest ms", "failed"], body)


# Plots.

def svg(name, width, height, title, parts):
    (DOCS / name).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="16" y="26" font-size="16">{escape(title)}</text>\n' + "\n".join(parts) + "\n</svg>\n")


def bars(name, title, values, unit):
    """Horizontal bars of (label, value)."""
    left, right, step = 380, 860, 26
    scale = (right - left - 70) / max(value for _, value in values)
    parts = []
    for n, (label, value) in enumerate(values):
        y = 50 + n * step
        colour = COLOURS[0] if "pam_session_limit" in label else "#9aa5b1"
        length = max(1.0, value * scale)
        parts += [f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>',
                  f'<rect x="{left}" y="{y}" width="{length:.1f}" height="18" fill="{colour}"/>',
                  f'<text x="{left + length + 6:.1f}" y="{y + 14}">{value:,.0f} {unit}</text>']
    svg(name, right, 60 + len(values) * step, title, parts)


def plot_alone(runs):
    values = []
    for run in runs:
        system = "13" if "13" in run["machine"]["system"] else run["machine"]["system"].split()[2]
        for service, row in added(run["alone"]).items():
            # Debian 13's counts through logind, not utmp.
            if row["median"] < 2000 and not (system == "13" and service.startswith("pam_limits")):
                values.append((f"{named(service)} [{system}]", row["median"]))
    values.sort(key=lambda pair: pair[1])
    bars("added.svg", "Added to one login, median, [Debian release]", values, "µs")


def plot_loop(run):
    values = [(named(name), statistics.median(one["per_second"] for one in hows["stay"]))
              for name, hows in run["loop"].items()]
    bars("loop.svg", "32 processes that log in and out without a pause", values, "logins/s")


def plot_herd(run):
    """p99 of a login over the number of logins at once; both axes logarithmic."""
    wanted = ["ours", "pam_limits-100", "pam_unix", "pam_lastlog2", "pam_wtmpdb", "pam_permit"]
    series = {name: [(int(size), at(whats["login"]["ms"], 0.99)) for size, whats in sizes.items()]
              for name, sizes in run["herd"].items() if name in wanted}
    points = [point for line in series.values() for point in line]
    low = 10 ** math.floor(math.log10(min(y for _, y in points)))
    high = 10 ** math.ceil(math.log10(max(y for _, y in points)))
    left, right, top, bottom = 80, 620, 50, 380
    x = lambda n: left + (right - left) * math.log(n / 32) / math.log(500 / 32)
    y = lambda ms: bottom - (bottom - top) * math.log(ms / low) / math.log(high / low)
    parts = []
    tick = low
    while tick <= high:
        parts += [f'<line x1="{left}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#ddd"/>',
                  f'<text x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g} ms</text>']
        tick *= 10
    for size in sorted({size for size, _ in points}):
        parts.append(f'<text x="{x(size):.1f}" y="{bottom + 22}" text-anchor="middle">{size}</text>')
    for n, (name, line) in enumerate(series.items()):
        path = " ".join(f"{x(size):.1f},{y(ms):.1f}" for size, ms in line)
        parts += [f'<polyline points="{path}" fill="none" stroke="{COLOURS[n]}" stroke-width="2.5"/>',
                  f'<rect x="{right + 20}" y="{top + n * 24}" width="14" height="14" fill="{COLOURS[n]}"/>',
                  f'<text x="{right + 40}" y="{top + n * 24 + 12}">{escape(named(name))}</text>']
    svg("herd.svg", 960, 420, "Logins released at once: p99 of one login", parts)


if __name__ == "__main__":
    main()
