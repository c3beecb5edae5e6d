#!/usr/bin/env bats
# fork and spawn in managed mode when the system refuses.
# shellcheck disable=SC2030,SC2031  # each test has a shell of its own

setup() {
    load helper
    # Where another user can read it.
    public=$(mktemp -d /tmp/unirun-public.XXXXXX)
    chmod 755 "$public"
    cp "$SHIM" "$public/"
    preload=$public/libunirun_shim.so
}

teardown() {
    rm -rf "${public:?}"
}

# Runs COMMAND as a user of its own who may have LIMIT processes.
limited() {
    [ "$(id -u)" -eq 0 ] || skip "needs root to become a user without processes"
    local limit=$1
    shift
    run --separate-stderr timeout 60 setpriv --reuid=64321 --regid=64321 --clear-groups prlimit --nproc="$limit" "$@"
}

@test "a process limit: plain fails at once, managed waits, fails with the same error and says so" {
    cat >"$public/spawn.py" <<'EOF'
import os, subprocess, sys, time
def attempt(make):
    start = time.monotonic()
    try:
        make()
    except OSError as error:
        return error.errno, time.monotonic() - start > 0.15
print(attempt(os.fork), attempt(os.fork))
EOF
    limited 1 /usr/bin/python3 "$public/spawn.py"
    [ "$output" = "(11, False) (11, False)" ]
    limited 1 env LD_PRELOAD="$preload" UNIRUN_SPAWN_RETRY_MS=200 /usr/bin/python3 "$public/spawn.py"
    # The second failure comes at once: the first has shown that waiting does not help.
    [ "$output" = "(11, True) (11, False)" ]
    [[ $stderr == *"fork downgraded to stdlib behaviour: "*": RLIMIT_NPROC is 1; refused 9 times (reason=process-limit caller="*" count=1)"* ]]
    [[ $stderr == *"(reason=process-limit caller="*" count=2)" ]]
}

# refused_at MOMENT...: what is said of forks in those moments, by a program that may have no child.
refused_at() {
    cp "$PROGRAMS/refused" "$public/"
    limited 1 "$public/refused" "$@"
    local plain=$output
    limited 1 env LD_PRELOAD="$preload" UNIRUN_SPAWN_RETRY_MS=30 "$public/refused" "$@"
    [ "$output" = "$plain" ]
    said=$(sed -E 's/.*\(EAGAIN or ENOMEM\)(: )?(.*) \(reason=process-limit .* count=/\2|/' <<<"$stderr")
}

@test "a refused fork is tried again wherever it is made, but for signal handlers" {
    local moment said
    for moment in main deep coroutine; do
        refused_at "$moment"
        [ "$said" = "RLIMIT_NPROC is 1; refused 6 times|1)" ]
    done
    for moment in handler nodefer altstack; do
        refused_at "$moment"
        [ "$said" = "|1)" ]
    done
    # What is in vain once is not tried again, and the same situation gives the same lines.
    for _ in 1 2 3; do
        refused_at handler deep main handler main
        [ "$said" = "$(printf '%s\n' "|1)" "|5)")" ]
    done
}

@test "a cgroup's limit on processes is named" {
    local cgroup=/sys/fs/cgroup/pids/unirun-$BATS_ROOT_PID
    [ "$(id -u)" -eq 0 ] || skip "needs root to make a cgroup"
    [ -d /sys/fs/cgroup/pids ] || cgroup=/sys/fs/cgroup/unirun-$BATS_ROOT_PID
    mkdir "$cgroup"
    echo 1 >"$cgroup/pids.max"
    # shellcheck disable=SC2016  # for the inner shell
    LD_PRELOAD='' run --separate-stderr /bin/bash -c 'echo $$ >"$1/cgroup.procs" && exec env LD_PRELOAD="$2" UNIRUN_SPAWN_RETRY_MS=30 "$3" main' \
        bash "$cgroup" "$SHIM" "$PROGRAMS/refused"
    rmdir "$cgroup"
    [ "$output" = "main: Resource temporarily unavailable" ]
    [[ $stderr == *": pids.max of $cgroup is 1; refused 6 times (reason=process-limit "* ]]
}

@test "a process that ends meanwhile makes room" {
    cat >"$public/room.py" <<'EOF'
import ctypes, os, signal
# One child may live beside this process. It ends when the pipe closes; a signal handler closes it while fork is refused,
# a handler in C, because Python's own would run only after the call.
libc = ctypes.CDLL(None)
r, w = os.pipe()
first = os.fork()
if first == 0:
    os.close(w)
    os.read(r, 1)
    os._exit(0)
os.close(r)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda _: libc.close(w))
libc.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.1)
second = libc.fork()
if second == 0:
    os._exit(0)
print("forked" if second > 0 else "refused")
EOF
    limited 2 /usr/bin/python3 "$public/room.py"
    [ "$output" = refused ]
    limited 2 env LD_PRELOAD="$preload" UNIRUN_SPAWN_RETRY_MS=10000 /usr/bin/python3 "$public/room.py"
    [ "$output" = forked ]
    [ -z "$stderr" ]
}
