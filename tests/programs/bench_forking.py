#!/usr/bin/env python3
"""Loads a server that forks; prints nanoseconds per request and the 99th percentile of a request's latency.

    bench_forking.py PRELOAD nginx|postgres SECONDS

nginx has two workers and is asked by wrk for a file; PostgreSQL forks a process for each transaction of pgbench, which is
a connection of its own. Only the server is under PRELOAD; the clients are not.
"""
import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from bench_server import free_port

NGINX = """daemon off; pid {folder}/pid; error_log /dev/null; worker_processes 2;
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""
UNITS = {"us": 1e3, "ms": 1e6, "s": 1e9}


def run(command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          **options).stdout


@contextlib.contextmanager
def running(command, preload, is_ready, **options):
    env = dict(os.environ, LD_PRELOAD=preload) if preload else None
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        end = time.monotonic() + 20
        while not is_ready():
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"bench_forking: {command[0]} does not start")
            time.sleep(0.01)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def nginx(preload, seconds, folder):
    port = free_port()
    os.chmod(folder, 0o755)
    with open(os.path.join(folder, "page"), "w", encoding="ascii") as out:
        out.write("hello\n" * 100)
    conf = os.path.join(folder, "conf")
    with open(conf, "w", encoding="ascii") as out:
        out.write(NGINX.format(folder=folder, port=port))

    def is_ready():
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    with running(["nginx", "-p", folder, "-c", conf, "-e", "/dev/null"], preload, is_ready):
        report = run(["wrk", "-t", "1", "-c", "16", "-d", seconds, "--latency", f"http://127.0.0.1:{port}/page"])
    rate = float(re.search(r"Requests/sec: +([\d.]+)", report)[1])
    latency, unit = re.search(r"99% +([\d.]+)(us|ms|s)", report).groups()
    return 1e9 / rate, float(latency) * UNITS[unit]


def postgres(preload, seconds, folder):
    binaries = max(glob.glob("/usr/lib/postgresql/*/bin"))
    as_user = {}
    if os.geteuid() == 0:  # which PostgreSQL refuses
        as_user = {"user": "nobody"}
        shutil.chown(folder, "nobody")
    data = os.path.join(folder, "data")
    run([f"{binaries}/initdb", "-D", data, "-U", "me", "-A", "trust", "-N"], cwd=folder, **as_user)
    to_server = ["-h", folder, "-U", "me"]

    def is_ready():
        ask = [f"{binaries}/pg_isready", "-q", "-h", folder]
        return subprocess.run(ask, check=False).returncode == 0

    with running([f"{binaries}/postgres", "-D", data, "-k", folder, "-c", "listen_addresses="], preload, is_ready,
                 cwd=folder, **as_user):
        run([f"{binaries}/pgbench", *to_server, "-i", "-q", "postgres"])
        log = os.path.join(folder, "log")
        report = run([f"{binaries}/pgbench", *to_server, "-n", "-S", "-C", "-c", "4", "-j", "2", "-T", seconds, "-l",
                      "--log-prefix", log, "postgres"])
    rate = float(re.search(r"tps = ([\d.]+)", report)[1])
    taken = []
    for name in glob.glob(log + ".*"):
        with open(name, encoding="ascii") as rows:
            taken += [int(row.split()[2]) for row in rows]
    return 1e9 / rate, sorted(taken)[len(taken) * 99 // 100] * 1e3


def main(preload, what, seconds):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        print(*{"nginx": nginx, "postgres": postgres}[what](preload, seconds, folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
