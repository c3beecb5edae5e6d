"""The cases of programs that share the machine."""
import os

from benchlib.inputs import COUNTING, GRADIENT_BOOSTING, NUMPY, NUMPY_PATH, OPENBLAS
from benchlib.kinds import HalfWay, Together


def together_cases(build, gromacs):
    regions = os.path.join(build, "tests", "programs", "bench_regions")
    llvm = os.path.join(build, "tests", "programs", "bench_regions_llvm")
    unmanaged = ["env", "-u", "LD_PRELOAD"]
    counting = ["/usr/bin/python3", "-c", COUNTING]
    sklearn = ["/usr/bin/python3", "-c", GRADIENT_BOOSTING]
    return [
        Together("regions", "2 programs of tiny GNU OpenMP regions", [[regions, "100000"]] * 2),
        Together("regions-n", "the same, num_threads(2)", [[regions, "100000", "2"]] * 2),
        Together("regions-4", "4 programs of tiny GNU OpenMP regions", [[regions, "100000"]] * 4),
        Together("regions-llvm", "2 programs of tiny LLVM OpenMP regions", [[llvm, "100000"]] * 2, needs=[llvm]),
        Together("regions-mixed", "one of each", [[regions, "100000"], [llvm, "100000"]], needs=[llvm]),
    ] + [
        Together(f"numpy-{threads}", f"2 times NumPy on OpenBLAS with {name}, products of 128 x 128", [NUMPY] * 2,
                 settings={"LD_LIBRARY_PATH": f"{OPENBLAS}-{threads}"}, needs=[NUMPY_PATH, f"{OPENBLAS}-{threads}"])
        for threads, name in (("openmp", "OpenMP"), ("pthread", "threads of its own"))
    ] + [
        Together(f"gromacs-pin-{pin}", f"2 times GROMACS, 510 molecules of water, pinned: {pin}", [gromacs.run(pin)] * 2,
                 needs=["gmx"], prepare=gromacs.prepare) for pin in ("on", "off")
    ] + [
        Together("sklearn", "2 times scikit-learn HistGradientBoosting", [sklearn] * 2,
                 needs=["/usr/lib/python3/dist-packages/sklearn"]),
        Together("neighbour", "tiny GNU OpenMP regions beside a program of a single thread",
                 [[regions, "200000"], counting]),
        Together("stranger", "the same, which is not managed", [[regions, "200000"], unmanaged + counting]),
    ]


def half_way_cases(build):
    regions = os.path.join(build, "tests", "programs", "bench_regions")
    both = f"{regions} 10000 0 50000 | {{ read half; {regions} 10000 0 50000; cat; }}"
    return [HalfWay("half-way", "GNU OpenMP regions of 70 µs, half-way joined by the same", [["/bin/sh", "-c", both]])]
