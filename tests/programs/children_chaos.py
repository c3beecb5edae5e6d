"""kill -9 of parents and children at random points: children_chaos.py SEED ROUNDS PROGRAMS.

Each round starts a tree of processes kills some of them, and waits until nothing is left of it:
what a dead parent leaves behind ends by itself, and comes to us to be waited for."""
import ctypes
import os
import random
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
LONGEST_S = 300

seed, rounds, programs = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
chance = random.Random(seed)

work = f"{programs}/teams_work 30 2 50"
TREES = [
    ["sh", "-c", f"{work} & {work} & {work} & wait"],
    ["sh", "-c", f"for i in 1 2 3; do ({work}; {work}) & done; wait"],
    ["sh", "-c", "seq 1 30 | xargs -P 8 -n 1 sh -c 'exit 0'"],
    ["sh", "-c", f"{work} | cat & {programs}/teams_fork grandchild; {programs}/teams_fork thread; wait"],
    ["bash", "-c", "for i in {1..30}; do (exit 3) & x=$(exec true); done; wait"],
    [f"{programs}/children", "worker"],
    [f"{programs}/children", "key_destructor"],
    [f"{programs}/children_state", "others", "nested"],
    [f"{programs}/posix_process", "forks", "ends"],
]


def offspring(pid):
    """The children of a process, theirs, and so on."""
    found = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found + [child for parent in found for child in offspring(parent)]


def start(command):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for fd in 0, 1, 2:
            os.dup2(null, fd)
        os.execvp(command[0], command)
    return pid


killed = 0


def kill_some(leader):
    global killed
    for _ in range(chance.randint(1, 3)):
        time.sleep(chance.random() * 0.02)
        alive = offspring(os.getpid())
        if not alive:
            break
        # The parent of all as often as any other.
        victim = leader if leader in alive and chance.random() < 0.3 else chance.choice(alive)
        try:
            os.kill(victim, signal.SIGKILL)
            killed += 1
        except ProcessLookupError:
            pass


def drain(command):
    """Waits for all that were ours or have become so."""
    end = time.monotonic() + LONGEST_S
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                if time.monotonic() > end:
                    break
                time.sleep(0.001)
        except ChildProcessError:
            return
    for pid in offspring(os.getpid()):
        with open(f"/proc/{pid}/cmdline") as line, open(f"/proc/{pid}/status") as status:
            print(f"{pid} is left of {command}: {line.read()!r}\n{status.read()}")
        os.kill(pid, signal.SIGKILL)
    sys.exit(1)


ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
print(f"seed {seed}", flush=True)
for _ in range(rounds):
    tree = chance.choice(TREES)
    leader = start(tree)
    kill_some(leader)
    drain(tree)
print(f"{killed} killed in {rounds} rounds, nothing is left")
