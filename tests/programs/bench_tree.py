#!/usr/bin/env python3
"""Runs a tree of processes and prints its figures: bench_tree.py PRELOAD build FILES JOBS | pool WORKERS TASKS.

  build   `make -j JOBS` of a project of FILES C files: nanoseconds, and the most bytes of memory of their own that all
          processes had together
  pool    a Python process pool: nanoseconds, and how often its processes were switched

The memory is looked at every 20 milliseconds, here, in another process than what is measured."""
import os
import resource
import subprocess
import sys
import tempfile
import time

FUNCTION = """double f{file}_{number}(double *a, int n, const char *s)
{{
    double sum = {number};
    for (int x = 0; x < n; x++)
        for (int y = 0; y < n; y++)
            sum += a[x] * a[y] + sin(a[x] + {number}) * strlen(s);
    printf("%f %s\\n", sum, s);
    return sum;
}}
"""
POOL = """
import sys
from concurrent.futures import ProcessPoolExecutor
def work(n):
    return sum(i * n for i in range(15000000))
if __name__ == "__main__":
    with ProcessPoolExecutor(int(sys.argv[1])) as pool:
        print(sum(pool.map(work, range(int(sys.argv[2])))))
"""


def write_project(folder, files):
    for file in range(files):
        with open(os.path.join(folder, f"f{file}.c"), "w", encoding="ascii") as out:
            out.write("#include <math.h>\n#include <stdio.h>\n#include <string.h>\n")
            out.writelines(FUNCTION.format(file=file, number=number) for number in range(20))
    with open(os.path.join(folder, "Makefile"), "w", encoding="ascii") as out:
        out.write("all: " + " ".join(f"f{file}.o" for file in range(files)) + "\n%.o: %.c\n\tgcc -O2 -c -o $@ $<\n")


def tree_of(root):
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def own_memory(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon:"))
        except OSError:
            pass
    return total


def build(environment, files, jobs):
    with tempfile.TemporaryDirectory() as folder:
        write_project(folder, files)
        start, peak = time.perf_counter_ns(), 0
        with subprocess.Popen(["make", "-s", f"-j{jobs}"], cwd=folder, env=environment) as make:
            while make.poll() is None:
                peak = max(peak, own_memory(tree_of(make.pid)))
                time.sleep(0.02)
        taken = time.perf_counter_ns() - start
    if make.returncode:
        sys.exit(make.returncode)
    print(taken, peak)


def pool(environment, workers, tasks):
    # Only the managed run hears it.
    environment["UNIRUN_CPU_BOUND"] = "1"
    start = time.perf_counter_ns()
    subprocess.run(["/usr/bin/python3", "-c", POOL, str(workers), str(tasks)], env=environment, check=True,
                   stdout=subprocess.DEVNULL)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(time.perf_counter_ns() - start, used.ru_nvcsw + used.ru_nivcsw)


def main(preload, what, *numbers):
    environment = dict(os.environ)
    if preload:
        environment["LD_PRELOAD"] = preload
    {"build": build, "pool": pool}[what](environment, *map(int, numbers))


if __name__ == "__main__":
    main(*sys.argv[1:])
