"""The cases of programs that run alone."""
import os

from benchlib.inputs import NUMPY, NUMPY_PATH, OPENBLAS, PYTHON_POOL, PYTHON_THREADS
from benchlib.kinds import Case, Row, shell

SCRIPTS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "tests", "programs")


def cases(build, gromacs):
    programs = os.path.join(build, "tests", "programs")
    threads = os.path.join(programs, "bench_threads")
    memory = os.path.join(programs, "bench_memory")
    tasks = os.path.join(programs, "bench_async")
    run = os.path.join(programs, "bench_exec")
    regions = os.path.join(programs, "bench_regions")
    work, hold = os.path.join(programs, "teams_work"), os.path.join(programs, "teams_hold")
    server, forking, turns, quota, tree = (os.path.join(SCRIPTS, f"bench_{name}.py")
                                           for name in ("server", "forking", "turns", "quota", "tree"))
    one_cpu = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    return [
        Case("create-1", ["pthread_create + pthread_join, one at a time"], lambda _: [threads, "1", "5000"],
             inside=True),
        Case("create-64", ["pthread_create + pthread_join, batches of 64"], lambda _: [threads, "64", "6400"],
             inside=True),
        Case("create-1-cpu", ["pthread_create + pthread_join, one at a time on one CPU"],
             lambda _: one_cpu + [threads, "1", "5000"], inside=True, needs=["taskset"]),
        Case("async", ["C++ std::async of an empty task, one at a time"], lambda _: [tasks, "5000"], inside=True,
             needs=[tasks]),
        Case("true", ["start and end of /bin/true"], lambda preload: [run, preload, "spawn", "300", "/bin/true"],
             inside=True, preload_by_argument=True),
        Case("spawn", ["the same, started by a program of the same kind with posix_spawn"],
             lambda _: [run, "", "spawn", "300", "/bin/true"], inside=True),
        Case("fork", ["with fork and execve"], lambda _: [run, "", "fork", "300", "/bin/true"], inside=True),
        Case("vfork", ["with vfork and execve"], lambda _: [run, "", "vfork", "300", "/bin/true"], inside=True),
        Case("python-threads", ["python3, 3,000 threads one at a time"],
             lambda _: ["/usr/bin/python3", "-c", PYTHON_THREADS]),
        Case("server", ["tinyproxy, a thread per connection: time per request", "tinyproxy: 99th percentile"],
             lambda preload: [server, preload, "5000"], inside=True, preload_by_argument=True,
             needs=["tinyproxy", "ab"]),
        Case("nginx", ["nginx with two workers: time per request", "nginx: 99th percentile"],
             lambda preload: [forking, preload, "nginx", "2"], inside=True, preload_by_argument=True,
             needs=["nginx", "wrk"]),
        Case("postgres", ["PostgreSQL, a process per transaction: time per transaction", "PostgreSQL: 99th percentile"],
             lambda preload: [forking, preload, "postgres", "2"], inside=True, preload_by_argument=True,
             needs=["/usr/lib/postgresql"]),
        # The first round, which does not count, is what the others know the programs from.
        Case("build", ["make -j32 of 60 C files", Row("the same: memory of all its processes at once, at most", "bytes")],
             lambda preload: [tree, preload, "build", "60", "32"], inside=True, preload_by_argument=True,
             needs=["make", "gcc"]),
        Case("pool", ["python3, a pool of 32 processes that compute half a second each, UNIRUN_CPU_BOUND=1",
                      Row("the same: how often they were switched", "times")],
             lambda preload: [tree, preload, "pool", "32", "32"], inside=True, preload_by_argument=True),
        Case("memory", [Row("resident memory after 10,000 threads, 64 alive at a time", "bytes"),
                        Row("the same, 1.5 s later", "bytes")],
             lambda _: [memory, "64", "10000"], inside=True),
        Case("xz", ["xz -T2, 20 MB"], shell("seq 2700000 | xz -0 -T2 >/dev/null"), needs=["xz"]),
        Case("sort", ["sort --parallel=2, 20 MB"], shell("seq 2700000 | sort --parallel=2 >/dev/null")),
        Case("python-pool", ["python3, 4 threads that compress 40 MB"],
             lambda _: ["/usr/bin/python3", "-c", PYTHON_POOL]),
        # A team of one: what the runtime does with two threads varies by more than what is to be seen.
        Case("region", ["a GNU OpenMP region, as it is entered and left"],
             lambda _: ["env", "OMP_THREAD_LIMIT=1", regions, "1000000", "2"], inside=True),
        Case("gromacs-alone", ["GROMACS, 510 molecules of water"], gromacs.run_alone, needs=["gmx"],
             prepare=gromacs.prepare),
        Case("numpy-alone", ["NumPy on OpenBLAS-OpenMP, products of 128 x 128"],
             lambda _: ["env", f"LD_LIBRARY_PATH={OPENBLAS}-openmp"] + NUMPY, needs=[NUMPY_PATH, f"{OPENBLAS}-openmp"]),
        Case("share", [Row("of the regions of two equal programs in 2 s, the first one's", "percent", True)],
             lambda preload: [turns, preload, "share", regions], inside=True, preload_by_argument=True),
        Case("ends-inside", [Row("a short program, while one that has its turn is killed", "ns", True),
                             Row("the same, stopped", "ns", True)],
             lambda preload: [turns, preload, "ends", work, hold], inside=True, preload_by_argument=True, needs=[work]),
    ] + [
        Case(f"quota-{percent}", [f"NumPy in a cgroup with a quota of {percent / 100} CPUs"],
             lambda preload, percent=percent: [quota, preload, str(percent)] + NUMPY, inside=True,
             preload_by_argument=True, needs=[NUMPY_PATH]) for percent in (100, 50) if os.geteuid() == 0
    ]
