#!/usr/bin/python3
"""Runs a command in a cgroup of its own, with a CPU quota; prints how many nanoseconds it took.

    bench_quota.py PRELOAD PERCENT COMMAND...

PERCENT of one CPU. Needs root, and the cpu controller at its usual place (version 1 or 2).
"""
import os
import subprocess
import sys
import time

V1, V2 = "/sys/fs/cgroup/cpu", "/sys/fs/cgroup"


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="ascii") as out:
        out.write(text)


def make_group(percent):
    """The folder of a new cgroup with the quota."""
    has_v1 = os.path.exists(os.path.join(V1, "cpu.cfs_quota_us"))
    folder = os.path.join(V1 if has_v1 else V2, f"unirun-bench-{os.getpid()}")
    os.mkdir(folder)
    if has_v1:
        write(folder, "cpu.cfs_quota_us", f"{percent}000")
    else:
        write(folder, "cpu.max", f"{percent}000 100000")
    return folder


def main(preload, percent, *command):
    env = dict(os.environ, LD_PRELOAD=preload) if preload else None
    folder = make_group(percent)
    try:
        start = time.perf_counter_ns()
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL,
                       preexec_fn=lambda: write(folder, "cgroup.procs", str(os.getpid())))
        print(time.perf_counter_ns() - start)
    finally:
        os.rmdir(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
