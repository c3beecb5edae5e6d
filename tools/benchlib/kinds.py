"""How a case is run: the kinds of cases, and the variants of each."""
import os
import shutil
import subprocess
import tempfile
import time


class Variant:
    """How a case is run: with what preload and settings; and, of several commands, all at once?"""

    def __init__(self, preload="", settings=None, at_once=False):
        self.preload, self.settings, self.at_once = preload, settings or {}, at_once

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("UNIRUN_") and k != "LD_PRELOAD"}
        return env | self.settings


class Case:
    """One thing to measure. `command` is a function of the preload path that gives argv; `inside` says that the program
    itself prints its figures, one for each of `titles`, otherwise the whole process is timed; where their units differ,
    `unit` is a list. `needs` are programs and files that may be missing. `prepare` is called before the first run. With `as_is` the figures of every variant are
    shown, instead of their ratio to the first one's."""

    with_worst = False

    def __init__(self, name, titles, command, inside=False, preload_by_argument=False, unit="ns", needs=(), prepare=None,
                 as_is=False):
        self.name, self.titles, self.command, self.unit, self.as_is = name, titles, command, unit, as_is
        self.inside, self.preload_by_argument, self.needs, self.prepare = inside, preload_by_argument, needs, prepare

    def missing(self):
        return missing(self.needs)

    def run(self, variant):
        """The figures of one run."""
        env = variant.environment()
        if variant.preload and not self.preload_by_argument:
            env["LD_PRELOAD"] = variant.preload
        start = time.perf_counter_ns()
        done = subprocess.run(self.command(variant.preload), env=env, stdout=subprocess.PIPE, check=True)
        return [float(f) for f in done.stdout.split()] if self.inside else [float(time.perf_counter_ns() - start)]


class Together:
    """Programs that share the machine. What takes longer than LONGEST counts as that long."""

    LONGEST = 30
    unit, as_is, with_worst = "ns", False, True

    def __init__(self, name, title, commands, settings=None, needs=(), prepare=None):
        self.name, self.titles, self.commands, self.needs = name, [title], commands, needs
        self.settings, self.prepare = settings or {}, prepare

    def missing(self):
        return missing(self.needs)

    def run(self, variant):
        env = variant.environment() | self.settings
        if variant.preload:
            env["LD_PRELOAD"] = variant.preload
        start = time.perf_counter_ns()
        with tempfile.TemporaryDirectory() as folder:
            running = []
            for number, command in enumerate(self.commands):
                place = os.path.join(folder, str(number))
                os.mkdir(place)
                running.append(subprocess.Popen(command, env=env, cwd=place, stdout=subprocess.DEVNULL,
                                                stderr=subprocess.DEVNULL))
                if not variant.at_once:
                    self.finish(running)
            self.finish(running)
        return [float(time.perf_counter_ns() - start)]

    def finish(self, running):
        end = time.monotonic() + self.LONGEST
        while running:
            process = running.pop()
            try:
                status = process.wait(max(0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait() and 0
            if status:
                raise subprocess.CalledProcessError(status, process.args)


class HalfWay(Together):
    """A program, and another one that starts when the first has done half of its work."""


def missing(needs):
    return [program for program in needs if not os.path.exists(program) and not shutil.which(program)]


def shell(line):
    return lambda _: ["/bin/sh", "-c", line]


def variants(build):
    """Of cases that run alone, of those that run together, and of those that are joined half-way; the first is what the
    others are compared to."""
    shim = os.path.join(build, "shim", "libunirun_shim.so")
    empty = os.path.join(build, "tests", "programs", "libempty.so")
    managed = {"UNIRUN_COMPAT_MODE": "managed", "UNIRUN_LOG": "off", "UNIRUN_DOMAIN": "bench"}
    return {
        "plain": Variant(),
        "empty": Variant(empty),
        "passthrough": Variant(shim, {"UNIRUN_COMPAT_MODE": "passthrough"}),
        "managed": Variant(shim, managed),
    }, {
        "one after the other": Variant(),
        "at once, plain": Variant(at_once=True),
        "at once, managed": Variant(shim, managed, at_once=True),
        "one after the other, managed": Variant(shim, managed),
    }, {
        "sleeping waits": Variant(settings={"OMP_WAIT_POLICY": "passive"}),
        "half of the CPUs each": Variant(settings={"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2))}),
        "plain": Variant(),
        "managed": Variant(shim, managed),
        "managed, malleable": Variant(shim, managed | {"UNIRUN_TEAMS": "malleable"}),
    }
