#!/usr/bin/env python3
"""Measures the cost of this module per login, beside other modules, in one run.

Everything happens in a mount namespace of its own, on tmpfs: neither the machine nor the root
directory named by --root is changed. Needs root. Writes one JSON file; report.py makes tables and
plots of it.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

USERS = 500
LIMIT = 100_000
OTHERS = [0, 1_000, 10_000, 100_000]
OWN = [10, 100, 1_000]
UTMP = [0, 100, 1_000]
HERDS = [32, 100, 200, 500]
LOOP_PROCESSES = 32

BASE = """auth required pam_permit.so
account required pam_permit.so
{}session required pam_permit.so
"""
OURS = """account {control} /mnt/module.so config=/mnt/config.toml state={state}
session {control} /mnt/module.so config=/mnt/config.toml state={state}
"""
# Not as shipped: a module whose every hook fails must not be measured as a fast one.
CONTROL = "required"
LIMITS = "session required pam_limits.so conf=/mnt/limits.conf\n"
PEERS = {
    "pam_limits": ("pam_limits.so", LIMITS),
    "pam_faillock": ("pam_faillock.so", "account required pam_faillock.so dir=/run/faillock\n"),
    "pam_unix": ("pam_unix.so", "session required pam_unix.so\n"),
    "pam_lastlog2": ("pam_lastlog2.so", "session required pam_lastlog2.so silent\n"),
    "pam_wtmpdb": ("pam_wtmpdb.so", "session required pam_wtmpdb.so\n"),
}

# The shape of the shipped file: two profiles, one user attached, the policy spelled out.
CONFIG = f"""# Profiles, who has which, and how the limit is kept.

[[useraccountprofile]]
uuid = "useraccountprofile-6753548e-7ac5-4601-939b-ad4394405db4"
name = "Default-User-Account-Profile"
max_password_history_count = 0
max_login_failure_count = 20
account_lock_timeout = 30              # minutes
max_concurrent_sessions = {LIMIT}       # 0 = the check is off
credentials_timeout_threshold = 0      # days

[[useraccountprofile]]
uuid = "useraccountprofile-0a0f7a0e-52b8-4a3f-8a35-6d5b8f5f3d2c"
name = "No-Lockout-User-Account-Profile"
max_concurrent_sessions = 0

[[user]]
username = "root"
user_profile = "No-Lockout-User-Account-Profile"

[[user]]
username = "unlimited"
user_profile = "No-Lockout-User-Account-Profile"

[policy]
counted_services = ["sshd", "sshd-*", "login", "remote", "cockpit", "shell", "shell-*", "ours*", "other*"]
on_limit = "reject"
on_clear = "terminate"
admin_groups = ["sudo", "wheel"]
"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--root", type=pathlib.Path, default=pathlib.Path("/"))
    arguments.add_argument("--module", action="append", required=True, type=pathlib.Path,
                           help="the module; a second one is measured beside it, as other")
    arguments.add_argument("--driver", required=True, type=pathlib.Path)
    arguments.add_argument("--out", required=True, type=pathlib.Path)
    arguments.add_argument("--rounds", type=int, default=400)
    arguments.add_argument("--only", default="counts,alone,rows,herd,loop")
    arguments.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench.py: needs root, for a mount namespace and the modules' files")
    enter(options)
    Bench(options).run()


def enter(options):
    """Goes on in a mount namespace of its own; `--inside` tells the second start from the first."""
    if not options.inside:
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                              *sys.argv, "--inside"])


class Bench:
    def __init__(self, options):
        self.options = options
        self.root = options.root.resolve()
        self.stage()
        self.peers = {name: lines for name, (file, lines) in PEERS.items() if self.has(file)}
        missing = [name for name in PEERS if name not in self.peers]
        if missing:
            print(f"bench.py: {', '.join(missing)} not in {self.root}: left out", file=sys.stderr)
        self.data = {"machine": self.machine()}

    # The scene.

    def stage(self):
        """Puts tmpfs over all that modules write to, and in /mnt what they read."""
        for directory in ["mnt", "run", "dev", "var/log", "var/lib/lastlog", "var/lib/wtmpdb"]:
            if (self.root / directory).is_dir():
                self.mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", directory)
        if self.root != pathlib.Path("/"):
            self.mount("-t", "proc", "proc", "proc")
        for name, major, minor in [("null", 1, 3), ("zero", 1, 5), ("random", 1, 8), ("urandom", 1, 9)]:
            os.mknod(self.root / "dev" / name, 0o020666, os.makedev(major, minor))
        scratch = self.root / "mnt"
        shutil.copy(self.options.driver, scratch / "driver")
        # Where it was built, on a disk, as the others are on theirs: tmpfs would map it page by page.
        for name, module in zip(["module.so", "other.so"], self.options.module):
            (scratch / name).touch()
            self.mount("--bind", str(module.resolve()), f"mnt/{name}")
        self.drop_from_cache([*scratch.glob("*.so"), *self.root.glob("usr/lib/*/*.so*"),
                              *self.root.glob("usr/lib/*/security/*.so")])
        (scratch / "config.toml").write_text(CONFIG)
        (scratch / "limits.conf").write_text(f"* hard maxlogins {LIMIT}\n")
        names = [("root", 0), ("unlimited", 3999), *((f"u{n:03}", 4000 + n) for n in range(USERS))]
        (scratch / "passwd").write_text("".join(f"{u}:x:{i}:100::/:/bin/sh\n" for u, i in names))
        (scratch / "group").write_text("users:x:100:\n")
        (scratch / "shadow").write_text("".join(f"{u}:*:19000:0:99999:7:::\n" for u, _ in names))
        (scratch / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\n")
        for name in ["passwd", "group", "shadow", "nsswitch.conf"]:
            if not (self.root / "etc" / name).exists():
                continue
            self.mount("--bind", str(scratch / name), f"etc/{name}")
        (scratch / "pam.d").mkdir()
        self.stack("other")
        self.read_log()

    @staticmethod
    def drop_from_cache(files):
        """Drops files from the page cache, as a reboot does: how they are cached depends on who read them first."""
        for file in files:
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def mount(self, *words):
        *options, where = words
        subprocess.run(["mount", *options, str(self.root / where)], check=True)

    def read_log(self):
        """A reader on /dev/log, as every host has one."""
        log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        log.bind(str(self.root / "dev/log"))
        os.chmod(self.root / "dev/log", 0o666)

        def drain():
            while log.recv(4096):
                pass

        threading.Thread(target=drain, daemon=True).start()

    def has(self, file):
        return any(self.root.glob(f"usr/lib/*/security/{file}")) or any(
            self.root.glob(f"lib/*/security/{file}"))

    def stack(self, name, lines=""):
        """Writes the stack of a service; `other`, which libpam reads besides, has no lines of ours."""
        (self.root / "mnt/pam.d" / name).write_text(BASE.format(lines))
        return name

    def ours(self, name, state="/run/ours/live-sessions.db"):
        """The module's stack; the last logins are beside the store then, not in /var/lib on a disk."""
        lines = OURS.format(control=CONTROL, state=state)
        if name.startswith("other"):
            lines = lines.replace("/mnt/module.so", "/mnt/other.so")
        return self.stack(name, lines)

    def utmp(self, service, count):
        """An accounting file of `count` living logins of other people."""
        record = struct.Struct("<hxxi32s4s32s256shhiii4i20x")
        entries = b"".join(
            record.pack(7, os.getpid(), b"pts/%d" % n, b"%d" % n, b"other%d" % n,
                        b"192.0.2.7", 0, 0, n, 1_700_000_000, 0, 0, 0, 0, 0)
            for n in range(count))
        (self.root / "mnt/pam.d" / f"{service}.utmp").write_bytes(entries)

    def driver(self, *words, before=()):
        command = ["chroot", str(self.root), *before, "/mnt/driver", *map(str, words)]
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return [line.split() for line in result.stdout.splitlines()]

    # The measurements.

    def run(self):
        self.set_stacks()
        for part in self.options.only.split(","):
            print(f"bench.py: {part} in {self.root}", file=sys.stderr)
            self.data[part] = getattr(self, part)()
            self.options.out.parent.mkdir(parents=True, exist_ok=True)
            self.options.out.write_text(json.dumps(self.data) + "\n")

    def set_stacks(self):
        """Writes the stacks to compare, and lets each make its files: the first logins are not counted."""
        self.services = [self.stack("pam_permit"), self.ours("ours")]
        if len(self.options.module) > 1:
            self.services.append(self.ours("other-module", "/run/other/live-sessions.db"))
        for name, lines in self.peers.items():
            if name == "pam_limits":
                for count in UTMP:
                    service = self.stack(f"pam_limits-{count}", lines)
                    self.utmp(service, count)
                    self.services.append(service)
            else:
                self.services.append(self.stack(name, lines))
        for name in self.services * 2:
            self.driver("cycle", "/mnt/pam.d", "u000", name)

    def counts(self):
        """Instructions and system calls of one cycle, less those of pam_permit."""
        cycles = [(name, name, "u000") for name in self.services]
        cycles.append(("ours, limit off", "ours", "unlimited"))
        self.ours("uncounted")
        cycles.append(("ours, not counted", "uncounted", "u000"))
        found = {}
        for label, service, user in cycles:
            utmp = self.root / "mnt/pam.d" / f"{service}.utmp"
            if utmp.exists():
                shutil.copy(utmp, self.root / "run/utmp")
            words = ["cycle", "/mnt/pam.d", user, service]
            found[label] = {"instructions": self.instructions(words), "calls": self.calls(words)}
        return found

    def instructions(self, words):
        if not (self.root / "usr/bin/valgrind").exists():
            return None
        return int(re.search(r"^(?:summary|totals): (\d+)", self.profile(words), re.M).group(1))

    def profile(self, words, *options):
        self.driver(*words, before=["valgrind", "--tool=callgrind", "--quiet", *options,
                                    "--callgrind-out-file=/mnt/callgrind.out"])
        return (self.root / "mnt/callgrind.out").read_text()

    def calls(self, words):
        if not (self.root / "usr/bin/strace").exists():
            return None
        self.driver(*words, before=["strace", "-f", "-qq", "-o", "/mnt/strace.out"])
        return len((self.root / "mnt/strace.out").read_text().splitlines())

    def alone(self):
        """Uncontended cycles of fresh processes."""
        self.ours("uncounted")
        found = self.cycles("u000", [*self.services, "uncounted"])
        found["ours, limit off"] = self.cycles("unlimited", ["pam_permit", "ours"])["ours"]
        return found

    def rows(self):
        """The same with none and with many live rows in the store."""
        services = ["pam_permit"]
        for kind, counts in [("others", OTHERS), ("own", OWN)]:
            for count in counts:
                state = f"/run/{kind}-{count}/live-sessions.db"
                others, own = (count, 0) if kind == "others" else (0, count)
                self.driver("fill", state, others, own, 4000, os.getpid())
                services.append(self.ours(f"ours-{kind}-{count}", state))
        return self.cycles("u000", services)

    def cycles(self, user, services):
        found = {name: [] for name in services}
        rows = self.driver("alone", "/mnt/pam.d", user, self.options.rounds, *services)
        for _, service, *numbers, acct, opened, closed in rows:
            if (acct, opened, closed) != ("0", "0", "0"):
                sys.exit(f"bench.py: {service} failed: {acct} {opened} {closed}")
            found[service].append([float(number) for number in numbers])
        return found

    def herd(self):
        """Logins of different users released at once: milliseconds, and failures."""
        found = {}
        for count in HERDS:
            for name in self.services:
                rounds = [self.driver("herd", "/mnt/pam.d", name, count) for _ in range(3)]
                rows = [row for lines in rounds for row in lines]
                found.setdefault(name, {})[count] = {
                    what: {"ms": [float(row[1]) / 1000 for row in rows if row[0] == what],
                           "failed": sum(row[2] != "0" for row in rows if row[0] == what)}
                    for what in ["login", "logout"]}
        return found

    def loop(self):
        """Processes that log in and out without a pause."""
        found = {}
        for _ in range(3):
            for name in self.services:
                for how, cycles in [("stay", 60), ("fork", 30)]:
                    (_, seconds), *rest = self.driver(
                        "loop", "/mnt/pam.d", name, LOOP_PROCESSES, cycles, how)
                    found.setdefault(name, {}).setdefault(how, []).append({
                        "per_second": LOOP_PROCESSES * cycles / float(seconds),
                        "slowest_ms": max(float(row[0]) for row in rest) / 1000,
                        "failed": sum(int(row[1]) for row in rest)})
        return found

    def machine(self):
        release = (self.root / "etc/os-release").read_text()
        cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
        query = ["chroot", str(self.root), "dpkg-query", "-W", "-f", "${Package} ${Version}\n",
                 "libpam-modules", "libpam-lastlog2", "libpam-wtmpdb", "libsqlite3-0", "libc6"]
        packages = subprocess.run(query, capture_output=True, text=True).stdout
        return {
            "system": re.search(r'PRETTY_NAME="(.*)"', release).group(1),
            "kernel": platform.release(),
            "cpu": cpu.group(1) if cpu else platform.machine(),
            "cores": os.cpu_count(),
            "packages": packages.split("\n")[:-1],
            "module_bytes": self.options.module[0].stat().st_size,
        }


if __name__ == "__main__":
    main()
