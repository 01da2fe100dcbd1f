#!/usr/bin/env python3
"""Measures the REST API: a login, calls on one session, memory; beside cockpit-ws where --cockpit names a root
directory that has it. On scratch hosts (testkit/service-host; cockpit in a mount namespace over a tmpfs), so that
neither the machine nor the root directory is changed. Needs root and wrk. Prints tables.
"""

import argparse
import base64
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection, HTTPSConnection

HERE = pathlib.Path(__file__).resolve().parent
PASSWORD = "correct horse"
HASH = "$6$rounds=1000$salt$Op5Pr8IefYjtJFNiLT8d.Xb85v8VtEyyKosvqEUXP9/.f4IC5kMbKoUZwss1ymncWvUZB6QVTmIH88IN1Uc5C."
PROFILE = "/api/useraccountprofile/useraccountprofile-6753548e-7ac5-4601-939b-ad4394405db4"
LOGINS = 40
CONNECTIONS = [1, 100, 1000]
COCKPIT = "/usr/lib/cockpit/cockpit-ws"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def status_number(pid, name):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1])


def pss_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])


def children(pid):
    return [int(one) for one in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(port, process):
    for _ in range(300):
        if process.poll() is not None:
            sys.exit(f"the server has ended: {process.args}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("the server does not answer")


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Service:
    """session-limitd on a scratch host."""

    def __init__(self, module, programs, seconds):
        self.seconds = seconds
        self.port = free_port()
        self.scratch = tempfile.mkdtemp()
        words = [HERE.parent / "testkit/service-host", self.scratch, str(self.port), module, programs]
        self.process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        wait_for(self.port, self.process)
        self.trust = ssl.create_default_context(cafile=f"{self.scratch}/lib/session-limitd/self-signed.pem")
        self.trust.check_hostname = False

    def connect(self):
        return HTTPSConnection("127.0.0.1", self.port, context=self.trust)

    def log_in(self):
        """Returns the cookies of a new session, and the milliseconds of the login and of its first call."""
        began = time.perf_counter()
        connection = self.connect()
        body = json.dumps({"username": "alice", "password": PASSWORD})
        connection.request("POST", "/login", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        cookies = [line.split(";")[0] for line in answer.headers.get_all("Set-Cookie")]
        login = time.perf_counter()
        connection.request("GET", PROFILE, headers={"Cookie": "; ".join(cookies)})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        call = time.perf_counter()
        connection.close()
        return "; ".join(cookies), 1000 * (login - began), 1000 * (call - login)

    def front(self):
        """Returns the pid of the front, the child that does not run as root."""
        return next(pid for pid in children(self.process.pid) if status_number(pid, "Uid") != 0)

    def load(self, cookies, connections):
        """Returns calls per second, and median and 99th percentile in milliseconds."""
        words = ["wrk", "-t1", f"-c{connections}", f"-d{self.seconds}s", "--timeout", "20s", "--latency",
                 "-H", f"Cookie: {cookies}", f"https://127.0.0.1:{self.port}{PROFILE}"]
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert "Non-2xx" not in text and "Socket errors" not in text, text
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
        return rate, milliseconds(text, "50%"), milliseconds(text, "99%")

    def with_open_connections(self, count):
        """Returns the resident memory of the front with so many open TLS connections."""
        opened = []
        for _ in range(count):
            connection = self.connect()
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            answer.read()
            opened.append(connection)
        memory = status_number(self.front(), "VmRSS")
        for connection in opened:
            connection.close()
        return memory

    def measure(self):
        idle = status_number(self.front(), "VmRSS")
        logins = [self.log_in() for _ in range(LOGINS)]
        cookies = logins[-1][0]
        sessions = [pid for pid in children(self.process.pid) if pid != self.front()]
        memory = [pss_kb(pid) for pid in sessions]
        rows = [("login, TLS handshake included, ms", *spread(one[1] for one in logins)),
                ("first call after it, ms", *spread(one[2] for one in logins))]
        rows.append(("resident memory of the front, idle, MB", f"{idle / 1024:.1f}", ""))
        fresh = self.with_open_connections(1000)
        for connections in CONNECTIONS:
            rate, half, most = self.load(cookies, connections)
            what = f"GET of a profile, {connections:,} connection{'s' if connections > 1 else ''}"
            rows.append((f"{what}, calls/s", f"{rate:,.0f}", ""))
            rows.append((f"{what}, ms", f"{half:.1f}", f"{most:.1f}"))
        loaded = self.with_open_connections(1000)
        rows.append(("the front with 1,000 open TLS connections, MB", f"{fresh / 1024:.1f}", ""))
        rows.append(("the same after the loads above, MB", f"{loaded / 1024:.1f}", ""))
        rows.append((f"a session process of {len(sessions)}, PSS, MB", f"{sum(memory) / len(memory) / 1024:.2f}", ""))
        return rows

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.scratch)


def milliseconds(text, name):
    number, unit = re.search(rf"^\s+{name}\s+([\d.]+)(us|ms|s)", text, re.M).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def spread(values):
    values = list(values)
    return f"{quantile(values, 0.5):.1f}", f"{quantile(values, 0.99):.1f}"


class Cockpit:
    """cockpit-ws without TLS, from a root directory, with a tmpfs above it."""

    ENTER = r"""
        mount -t tmpfs bench "$1" && mkdir "$1/upper" "$1/work" "$1/root" &&
        mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" bench "$1/root" &&
        mount -t proc proc "$1/root/proc" && mount --rbind /dev "$1/root/dev" && mount -t tmpfs run "$1/root/run" &&
        mkdir -p "$1/root/run/cockpit" && cd "$1/root" &&
        printf 'auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_unix.so\n' \
            > etc/pam.d/cockpit &&
        echo 'bench:x:3001:100::/tmp:/bin/bash' >> etc/passwd && echo "bench:$4:19000:0:99999:7:::" >> etc/shadow &&
        rm -f etc/cockpit/disallowed-users && exec chroot . /usr/lib/cockpit/cockpit-ws --no-tls "--port=$3"
    """

    def __init__(self, root):
        self.port = free_port()
        self.scratch = tempfile.mkdtemp()
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", self.ENTER, "sh",
                 self.scratch, root, str(self.port), HASH]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        wait_for(self.port, self.process)

    def log_in(self):
        began = time.perf_counter()
        connection = HTTPConnection("127.0.0.1", self.port)
        basic = base64.b64encode(f"bench:{PASSWORD}".encode()).decode()
        connection.request("GET", "/cockpit/login", headers={"Authorization": f"Basic {basic}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"cockpit: {answer.status} {answer.reason} {body[:200]!r}")
        cookie = answer.headers["Set-Cookie"].split(";")[0]
        login = time.perf_counter()
        connection.request("GET", "/cockpit/@localhost/manifests.json", headers={"Cookie": cookie})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"cockpit: manifests.json: {answer.status} {answer.reason}")
        call = time.perf_counter()
        return connection, 1000 * (login - began), 1000 * (call - login)

    def measure(self):
        idle = status_number(self.process.pid, "VmRSS")
        logins = [self.log_in() for _ in range(10)]
        descendants = children(self.process.pid)
        memory = 0
        for pid in descendants:
            memory += pss_kb(pid)
            descendants.extend(children(pid))
        return [("login, ms", *spread(one[1] for one in logins)),
                ("first call after it (manifests.json), ms", *spread(one[2] for one in logins)),
                ("resident memory of cockpit-ws, idle, MB", f"{idle / 1024:.1f}", ""),
                (f"processes of a session, PSS, MB (of {len(logins)})", f"{memory / len(logins) / 1024:.2f}", "")]

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)


def table(rows, name):
    lines = [f"| {name} | median | 99 % |", "| --- | ---: | ---: |"]
    return "\n".join(lines + [f"| {what} | {half} | {most} |" for what, half, most in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", required=True)
    parser.add_argument("--programs", required=True, help="directory of session-limitd and session-limit-session")
    parser.add_argument("--seconds", type=int, default=8, help="of each load")
    parser.add_argument("--cockpit", help="root directory with cockpit-ws and cockpit-bridge")
    arguments = parser.parse_args()
    tables = []
    service = Service(os.path.abspath(arguments.module), os.path.abspath(arguments.programs), arguments.seconds)
    try:
        tables.append(table(service.measure(), "session-limitd"))
    finally:
        service.stop()
    if arguments.cockpit and os.path.exists(arguments.cockpit + COCKPIT):
        cockpit = Cockpit(arguments.cockpit)
        try:
            tables.append(table(cockpit.measure(), "cockpit-ws"))
        finally:
            cockpit.stop()
    print("\n\n".join(tables))


if __name__ == "__main__":
    main()
