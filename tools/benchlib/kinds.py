"""How a case is run: the kinds of cases, and the variants of each."""
import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections import namedtuple

# One line of the table. With `as_is` the figures of every variant are shown, instead of their ratio to the first one's;
# `over` is the number of the row to whose first figure they are compared, where that is not their own.
Row = namedtuple("Row", "title unit as_is over", defaults=("ns", False, None))

# Which programs of several run: one after the other, only the first, or all at once.
IN_TURN, FIRST, AT_ONCE = "in turn", "first", "at once"

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}


class Variant:
    """How a case is run: with what preload and settings, and which of its programs; with `one_thread`, one each."""

    def __init__(self, preload="", settings=None, which=IN_TURN, one_thread=False):
        self.preload, self.which, self.one_thread = preload, which, one_thread
        self.settings = (settings or {}) | (ONE_THREAD if one_thread else {})

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("UNIRUN_") and k != "LD_PRELOAD"}
        return env | self.settings


class Case:
    """One thing to measure. `command` is a function of the preload path that gives argv; `inside` says that the program
    itself prints its figures, one for each of `rows`, otherwise the whole process is timed. `needs` are programs and
    files that may be missing. `prepare` is called before the first run. A row that is only a title is of
    nanoseconds."""

    kind, with_worst = "alone", False

    def __init__(self, name, rows, command, inside=False, preload_by_argument=False, needs=(), prepare=None):
        self.name, self.command, self.needs, self.prepare = name, command, needs, prepare
        self.rows = [Row(row) if isinstance(row, str) else row for row in rows]
        self.inside, self.preload_by_argument = inside, preload_by_argument

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


class Ran:
    """A program that has run: how long it took, and the figures that it printed: what bench_seen.h says, or none. Of one
    that was killed there are none."""

    def __init__(self, taken, printed):
        self.taken = taken
        self.regions, self.longest, self.median, self.percentile = (printed + [None] * 4)[:4]


class Several:
    """Programs that share the machine. What takes longer than LONGEST counts as that long. `single` are the commands for
    programs that are told on their command line to have one thread."""

    LONGEST = 20
    with_worst = True

    def __init__(self, name, title, commands, single=None, settings=None, needs=(), prepare=None):
        self.name, self.commands, self.single, self.needs = name, commands, single or commands, needs
        self.settings, self.prepare, self.rows = settings or {}, prepare, self.rows_of(title)

    def missing(self):
        return missing(self.needs)

    def rows_of(self, title):
        """The lines of the table."""
        raise NotImplementedError

    def figures(self, taken, ran):
        """One for each row, of the time that all took and of each program; None where there is none."""
        raise NotImplementedError

    def run(self, variant):
        env = variant.environment() | self.settings
        if variant.preload:
            env["LD_PRELOAD"] = variant.preload
        commands = self.single if variant.one_thread else self.commands
        start = time.perf_counter_ns()
        if variant.which == IN_TURN:
            ran = [self.at_once([command], env)[0] for command in commands]
        else:
            ran = self.at_once(commands[:1] if variant.which == FIRST else commands, env)
        return self.figures(float(time.perf_counter_ns() - start), ran)

    def at_once(self, commands, env):
        with tempfile.TemporaryDirectory() as folder:
            running, start = {}, time.perf_counter_ns()
            for number, command in enumerate(commands):
                place = os.path.join(folder, str(number))
                os.mkdir(place)
                with open(os.path.join(place, "printed"), "wb") as out:
                    running[number] = subprocess.Popen(command, env=env, cwd=place, stdout=out,
                                                       stderr=subprocess.DEVNULL)
            ended = self.wait(running)
            return [Ran(float(ended[number] - start), figures_in(os.path.join(folder, str(number), "printed")))
                    for number in range(len(commands))]

    def wait(self, running):
        """When each of them ended. Not with Popen.wait(), which with a time limit looks only every 50 ms."""
        by_pid, ended, killed = {process.pid: number for number, process in running.items()}, {}, set()

        def kill_all(*_):
            for pid in set(by_pid) - killed:
                killed.add(pid)
                with contextlib.suppress(ProcessLookupError):  # the alarm came between its end and our noting it
                    os.kill(pid, signal.SIGKILL)

        signal.signal(signal.SIGALRM, kill_all)
        signal.alarm(self.LONGEST)
        try:
            while by_pid:
                pid, status = os.wait()
                number = by_pid.pop(pid)
                ended[number] = time.perf_counter_ns()
                running[number].returncode = status = os.waitstatus_to_exitcode(status)
                if status and pid not in killed:
                    raise subprocess.CalledProcessError(status, running[number].args)
                if self.is_over(ended):
                    kill_all()
        finally:
            signal.alarm(0)
            kill_all()
        return ended

    def is_over(self, _ended):
        """Whether those that still run are only in the way."""
        return False


class Together(Several):
    """Programs with a fixed amount of work."""

    kind = "together"

    def rows_of(self, title):
        return [Row(title), Row("the slowest program, over their mean", "times", True),
                Row("the longest region", "ns", True)]

    def figures(self, taken, ran):
        each = [program.taken for program in ran]
        return [taken, max(each) / statistics.mean(each), longest(ran)]


class HalfWay(Several):
    """A program, and another one that starts when the first has done half of its work."""

    kind = "half-way"

    def rows_of(self, title):
        return [Row(title)]

    def figures(self, taken, ran):
        return [taken]


class Counted(Several):
    """Equal programs that run for a fixed time. One that was killed had no regions."""

    kind = "beside"

    def rows_of(self, title):
        return [Row(f"{title}: regions", "count", True), Row("the program with the fewest, over their mean", "times", True),
                Row("the longest region", "ns", True)]

    def figures(self, taken, ran):
        each = [program.regions or 0 for program in ran]
        return [sum(each), min(each) / max(1, statistics.mean(each)), longest(ran)]


class Beside(Several):
    """A program with a fixed amount of work, and others beside it that run only as long as it does."""

    kind = "beside"

    def rows_of(self, title):
        return [Row(title), Row("the longest region", "ns", True)]

    def figures(self, taken, ran):
        return [ran[0].taken, ran[0].longest]

    def is_over(self, ended):
        return 0 in ended


class Service(Several):
    """A program of short regions, and one of long regions, for the same time."""

    kind = "beside"

    def rows_of(self, title):
        return [Row(f"{title}: median of the service"), Row("its 99th percentile, over the median alone", over=0),
                Row("its longest, over the median alone", over=0), Row("a region of the batch, on average", "ns", True)]

    def figures(self, taken, ran):
        service, *batch = ran
        average = batch[0].taken / batch[0].regions if batch and batch[0].regions else None
        latencies = service.median, service.percentile, service.longest
        return [latency or self.LONGEST * 1e9 for latency in latencies] + [average]


def longest(ran):
    return max((program.longest for program in ran if program.longest is not None), default=None)


def figures_in(file):
    with open(file, "rb") as printed:
        try:
            return [float(word) for word in printed.read().split()]
        except ValueError:
            return []


def missing(needs):
    return [program for program in needs if not os.path.exists(program) and not shutil.which(program)]


def shell(line):
    return lambda _: ["/bin/sh", "-c", line]


def variants(build):
    """By the kind of case; the first is what the others are compared to."""
    shim = os.path.join(build, "shim", "libunirun_shim.so")
    empty = os.path.join(build, "tests", "programs", "libempty.so")
    managed = {"UNIRUN_COMPAT_MODE": "managed", "UNIRUN_LOG": "off", "UNIRUN_DOMAIN": "bench"}
    at_once = {
        "at once, plain": Variant(which=AT_ONCE),
        "at once, managed": Variant(shim, managed, which=AT_ONCE),
        "at once, one thread each": Variant(which=AT_ONCE, one_thread=True),
    }
    return {
        "alone": {
            "plain": Variant(),
            "empty": Variant(empty),
            "passthrough": Variant(shim, {"UNIRUN_COMPAT_MODE": "passthrough"}),
            "managed": Variant(shim, managed),
        },
        "together": {
            "one after the other": Variant(),
            **at_once,
            "one after the other, managed": Variant(shim, managed),
        },
        "beside": {
            "alone": Variant(which=FIRST),
            **at_once,
        },
        "half-way": {
            "sleeping waits": Variant(settings={"OMP_WAIT_POLICY": "passive"}),
            "half of the CPUs each": Variant(settings={"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2))}),
            "plain": Variant(),
            "managed": Variant(shim, managed),
            "managed, malleable": Variant(shim, managed | {"UNIRUN_TEAMS": "malleable"}),
        },
    }
