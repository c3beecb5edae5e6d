#!/usr/bin/python3
"""Measures how two programs with teams share the machine.

    bench_turns.py PRELOAD share REGIONS    of the regions that two of them run in 2 s, the first one's, in percent
    bench_turns.py PRELOAD ends WORK HOLD   nanoseconds that a short program takes while another one that is inside a
                                            region is killed, and while it is stopped

REGIONS, WORK and HOLD are the paths of bench_regions, teams_work and teams_hold.
"""
import os
import signal
import subprocess
import sys
import time


def share(env, regions):
    end = str(time.clock_gettime(time.CLOCK_MONOTONIC) + 2)
    running = [subprocess.Popen([regions, "until", end], env=env, stdout=subprocess.PIPE) for _ in range(2)]
    first, second = (int(process.communicate()[0]) for process in running)
    return [100 * first / (first + second)]


def delay(env, work, hold, number):
    """How long `work` takes from the signal on."""
    with subprocess.Popen([hold, "inside"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        start = time.perf_counter_ns()
        holder.send_signal(number)
        subprocess.run([work, "100", "2"], env=env, stdout=subprocess.DEVNULL, check=True)
        taken = time.perf_counter_ns() - start
        holder.kill()
    return taken


def main(preload, what, *programs):
    env = dict(os.environ, LD_PRELOAD=preload) if preload else dict(os.environ)
    env["UNIRUN_PATIENCE_MS"] = "60000"
    if what == "share":
        print(*share(env, *programs))
    else:
        print(delay(env, *programs, signal.SIGKILL), delay(env, *programs, signal.SIGSTOP))


if __name__ == "__main__":
    main(*sys.argv[1:])
