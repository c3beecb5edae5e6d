"""The cases of programs that share the machine."""
import os
import subprocess

from benchlib.inputs import COUNTING, COUNTING_ON, GRADIENT_BOOSTING, NUMPY, NUMPY_PATH, OPENBLAS
from benchlib.kinds import Beside, Counted, HalfWay, Service, Together

UNMANAGED = ["env", "-u", "LD_PRELOAD"]

# What bench_mix does, by name; each takes about a second alone, or three where it runs for a time.
MIXES = {
    "gaps": ("regions of 1 ms, serial parts of 1 ms", "-w 1000 -s 1000 -n 600"),
    "gaps-short": ("regions of 0.2 ms, serial parts of 0.2 ms", "-w 200 -s 200 -n 3000"),
    "dense": ("regions of 70 µs, back to back", "-w 70 -n 10000"),
    "sparse": ("a region of 1 ms every 5 ms, for 3 s", "-w 1000 -p 4000 -d 3"),
    "sparse-short": ("a region of 0.2 ms every 0.5 ms, for 3 s", "-w 200 -p 300 -d 3"),
}
BURSTS = "-b 300 -w 5 -t 2 -p 4000 -n 100"
SERVICE, BATCH = "-w 300 -p 4700 -l -d 3", "-w 400000 -d 3"

RUNTIMES = {"gnu": ("GNU OpenMP", "bench_mix"), "llvm": ("LLVM OpenMP", "bench_mix_llvm")}


class Mixes:
    """The programs that bench_mix can be."""

    def __init__(self, build):
        self.folder = os.path.join(build, "tests", "programs")

    def command(self, arguments, runtime="gnu"):
        return [os.path.join(self.folder, RUNTIMES[runtime][1])] + arguments.split()

    def needs(self, *runtimes):
        return [os.path.join(self.folder, RUNTIMES[runtime][1]) for runtime in runtimes or ("gnu",)]

    def calibrate(self):
        """Says, once and while nothing else runs, how much work a microsecond is."""
        if "STEPS_PER_MICROSECOND" not in os.environ:
            speed = subprocess.run(self.command("-c"), stdout=subprocess.PIPE, check=True, text=True).stdout
            os.environ["STEPS_PER_MICROSECOND"] = speed.strip()

    def case(self, kind, name, title, commands, runtimes=("gnu",), **others):
        return kind(name, title, commands, needs=self.needs("gnu", *runtimes) + others.pop("needs", []),
                    prepare=self.calibrate, **others)

    def at_once(self, number, what, runtime="gnu"):
        """So many of the same."""
        title, arguments = MIXES[what]
        name = f"{what}-{number}" if runtime == "gnu" else f"{what}-{runtime}-{number}"
        return self.case(Counted if "-d" in arguments else Together, name,
                         f"{number} programs, {RUNTIMES[runtime][0]}: {title}",
                         [self.command(arguments, runtime)] * number, [runtime])


def empty_regions(mixes):
    gnu, llvm = mixes.command("-n 100000"), mixes.command("-n 100000", "llvm")
    counting = ["/usr/bin/python3", "-c", COUNTING]
    longer = mixes.command("-n 200000")
    return [
        mixes.case(Together, "regions", "2 programs of tiny GNU OpenMP regions", [gnu] * 2),
        mixes.case(Together, "regions-n", "the same, num_threads(2)", [gnu + ["-t", "2"]] * 2),
    ] + [
        mixes.case(Together, f"regions-{number}", f"{number} programs of tiny GNU OpenMP regions", [gnu] * number)
        for number in (4, 32, 64)
    ] + [
        mixes.case(Together, "regions-llvm", "2 programs of tiny LLVM OpenMP regions", [llvm] * 2, ["llvm"]),
        mixes.case(Together, "regions-llvm-4", "4 programs of tiny LLVM OpenMP regions", [llvm] * 4, ["llvm"]),
        mixes.case(Together, "regions-mixed", "one of each", [gnu, llvm], ["llvm"]),
        mixes.case(Together, "neighbour", "tiny GNU OpenMP regions beside a program of a single thread",
                   [longer, counting]),
        mixes.case(Together, "stranger", "the same, which is not managed", [longer, UNMANAGED + counting]),
    ]


def regions_and_gaps(mixes):
    return [
        mixes.at_once(number, what, runtime)
        for runtime in RUNTIMES for what in ("gaps", "gaps-short", "dense") for number in (2, 4)
    ] + [
        mixes.at_once(4, "sparse"), mixes.at_once(4, "sparse-short"),
        mixes.at_once(2, "sparse", "llvm"), mixes.at_once(4, "sparse", "llvm"),
    ]


def pinned(mixes):
    """Teams whose threads have places of their own."""
    bursts, cpus = mixes.command(BURSTS), sorted(os.sched_getaffinity(0))
    places = [f"GOMP_CPU_AFFINITY={first} {second}" for first, second in ((cpus[0], cpus[-1]), (cpus[-1], cpus[0]))]
    return [
        mixes.case(Together, "pinned-apart", "2 programs of bursts of regions, pinned, their masters on different CPUs",
                   [["env", place] + bursts for place in places]),
        mixes.case(Together, "pinned-close", "the same, OMP_PROC_BIND=close: both masters on one CPU", [bursts] * 2,
                   settings={"OMP_PROC_BIND": "close"}),
    ]


def beside(mixes):
    services = [
        mixes.case(Service, name, f"regions of 0.3 ms every 5 ms beside regions of 400 ms{which}",
                   [mixes.command(SERVICE, runtime), nice + mixes.command(BATCH, runtime)], [runtime])
        for name, which, runtime, nice in (("service", "", "gnu", []),
                                           ("service-nice", " at nice 19", "gnu", ["nice", "-n", "19"]),
                                           ("service-llvm", ", LLVM OpenMP", "llvm", []))
    ]
    return services + [
        mixes.case(Beside, "busy-loop", "regions of 70 µs, back to back, beside a busy loop that is not managed",
                   [mixes.command(MIXES["dense"][1]), UNMANAGED + ["/usr/bin/python3", "-c", COUNTING_ON]]),
    ]


def computations(mixes):
    """What is more than regions of a given length."""
    solver, tasks = (os.path.join(mixes.folder, f"bench_{name}") for name in ("cg", "tasks"))
    openmp = f"{OPENBLAS}-openmp"
    return [
        Together(f"cg-{number}", f"{number} programs, conjugate gradients in GNU OpenMP regions of some 10 µs",
                 [[solver]] * number, needs=[solver]) for number in (2, 4)
    ] + [
        Together("tasks", "2 programs of GNU OpenMP tasks", [[tasks, "tasks", "50"]] * 2, needs=[tasks]),
        Together("cancel", "2 programs that cancel their GNU OpenMP loops", [[tasks, "cancel", "1500"]] * 2,
                 settings={"OMP_CANCELLATION": "true"}, needs=[tasks]),
        mixes.case(Together, "kinds", "tiny regions, NumPy, conjugate gradients and gaps of 1 ms, one of each",
                   [mixes.command("-n 100000"), NUMPY, [solver], mixes.command(MIXES["gaps"][1])],
                   settings={"LD_LIBRARY_PATH": openmp}, needs=[solver, NUMPY_PATH, openmp]),
    ]


def applications(gromacs, iqtree):
    sklearn = ["/usr/bin/python3", "-c", GRADIENT_BOOSTING]
    return [
        Together(f"numpy-{threads}", f"2 times NumPy on OpenBLAS with {name}, products of 128 x 128", [NUMPY] * 2,
                 settings={"LD_LIBRARY_PATH": f"{OPENBLAS}-{threads}"}, needs=[NUMPY_PATH, f"{OPENBLAS}-{threads}"])
        for threads, name in (("openmp", "OpenMP"), ("pthread", "threads of its own"))
    ] + [
        Together(f"gromacs-pin-{pin}", f"2 times GROMACS, 510 molecules of water, pinned: {pin}",
                 [gromacs.run(pin)] * 2, single=[gromacs.run(pin, 1)] * 2, needs=["gmx"], prepare=gromacs.prepare)
        for pin in ("on", "off")
    ] + [
        Together("sklearn", "2 times scikit-learn HistGradientBoosting", [sklearn] * 2,
                 needs=["/usr/lib/python3/dist-packages/sklearn"]),
        Together("iqtree", "2 times IQ-TREE, a tree of 16 sequences", [iqtree.run(2)] * 2, single=[iqtree.run(1)] * 2,
                 needs=["iqtree2"], prepare=iqtree.prepare),
    ]


def together_cases(build, gromacs, iqtree):
    mixes = Mixes(build)
    return (empty_regions(mixes) + regions_and_gaps(mixes) + pinned(mixes) + beside(mixes) + computations(mixes)
            + applications(gromacs, iqtree))


def half_way_cases(build):
    regions = os.path.join(build, "tests", "programs", "bench_regions")
    both = f"{regions} 10000 0 50000 | {{ read half; {regions} 10000 0 50000; cat; }}"
    return [HalfWay("half-way", "GNU OpenMP regions of 70 µs, half-way joined by the same", [["/bin/sh", "-c", both]])]
