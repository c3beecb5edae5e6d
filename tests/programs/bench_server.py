#!/usr/bin/python3
"""Loads tinyproxy, which makes a thread for each connection; prints nanoseconds per request and the 99th percentile.

    bench_server.py PRELOAD REQUESTS

Every request is a connection of its own, eight at a time, for a page that tinyproxy itself makes. Only the server is
under PRELOAD; the clients (ab) are not.
"""
import contextlib
import csv
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

CLIENTS = 8
PAGE = "http://tinyproxy.stats/"


def free_port():
    """One below those that the kernel gives out by itself, so that nobody else gets it before the server does."""
    while True:
        port = random.randrange(20000, 32768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until_it_listens(process, port):
    end = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port)).close()
        time.sleep(0.01)
    sys.exit("bench_server: tinyproxy does not listen")


@contextlib.contextmanager
def server(preload, folder):
    """The port of a server that runs meanwhile, under `preload` ("" for none)."""
    port = free_port()
    settings = os.path.join(folder, "settings")
    with open(settings, "w", encoding="ascii") as out:
        out.write(f"Listen 127.0.0.1\nPort {port}\nTimeout 60\nMaxClients 100\nLogLevel Critical\n")
    env = dict(os.environ, LD_PRELOAD=preload) if preload else None
    process = subprocess.Popen(["tinyproxy", "-d", "-c", settings], env=env, stdout=subprocess.DEVNULL)
    try:
        wait_until_it_listens(process, port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def load(port, requests, table):
    """Nanoseconds per request and of the slowest hundredth, of ab's report and of the table that it writes."""
    command = ["ab", "-q", "-l", "-n", str(requests), "-c", str(CLIENTS), "-X", f"127.0.0.1:{port}", "-e", table, PAGE]
    report = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True).stdout
    failed = int(re.search(r"Failed requests: +(\d+)", report)[1])
    if failed:
        sys.exit(f"bench_server: {failed} requests failed")
    with open(table, encoding="ascii") as rows:
        milliseconds = {percent: float(taken) for percent, taken in list(csv.reader(rows))[1:]}
    seconds = float(re.search(r"Time taken for tests: +([\d.]+)", report)[1])
    return seconds * 1e9 / requests, milliseconds["99"] * 1e6


def main(preload, requests):
    with tempfile.TemporaryDirectory() as folder, server(preload, folder) as port:
        table = os.path.join(folder, "table")
        load(port, CLIENTS * 10, table)
        print(*load(port, int(requests), table))


if __name__ == "__main__":
    main(*sys.argv[1:])
