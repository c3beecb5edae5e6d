#!/usr/bin/env bats
# fork and spawn in managed mode when the system refuses.

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
    [[ $stderr == *"fork downgraded to stdlib behaviour: "*"(reason=process-limit caller="*" count=1)" ]]
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
