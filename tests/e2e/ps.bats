#!/usr/bin/env bats
# unirun ps: who is in the domain, and what it does there.
# shellcheck disable=SC2030,SC2031,SC2154  # each test has a shell of its own; run sets stderr

setup() {
    load helper
    export UNIRUN_DOMAIN=ps-$BATS_ROOT_PID-$BATS_TEST_NUMBER LD_PRELOAD=
    cd "$BATS_TEST_TMPDIR" || return
    mkfifo go
}

teardown() {
    [ -z "${member:-}" ] || kill -9 "$member" 2>/dev/null || true
    rm -f /dev/shm/unirun-*."$UNIRUN_DOMAIN"
}

# A program with three threads, of which one ends before the others, and which is asked once for one on its own stack.
start_member() {
    cat >member.py <<'END'
import os, threading
threading.stack_size(65536)
first = threading.Thread(target=int)
first.start()
first.join()
gate = threading.Event()
others = [threading.Thread(target=gate.wait) for _ in range(3)]
for thread in others:
    thread.start()
open("ready", "w").close()
open("go").read()
gate.set()
END
    env LD_PRELOAD="$SHIM" /usr/bin/python3 member.py 3>&- &
    member=$!
    while ! [ -e ready ]; do sleep 0.01; done
}

# member FIELD: of the one member there is, by --json.
member() {
    "$UNIRUN" ps --json | /usr/bin/python3 -c 'import json, sys; [m] = json.load(sys.stdin); print(m[sys.argv[1]])' "$1"
}

@test "a program with threads is listed as long as it runs" {
    start_member
    [ "$(member pid)" -eq "$member" ]
    [ "$(member program)" = python3 ]
    [ "$(member mode)" = managed ]
    [ "$(member running)" -eq 3 ]
    [ "$(member demand)" -eq 0 ]
    [ "$(member turn)" = - ]
    [ "$("$UNIRUN" ps --domain "$UNIRUN_DOMAIN" | awk 'NR == 2 { print $1, $2, $3 }')" = "$member python3 managed" ]
    echo >go
    wait "$member"
    run --separate-stderr "$UNIRUN" ps
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 1 ]
    [ "$("$UNIRUN" ps --json)" = "[]" ]
}

@test "a program that writes over its environment is in its domain all the same" {
    cat >member.py <<'END'
import ctypes, threading
environ = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
i = 0
while environ[i]:
    ctypes.memset(environ[i], ord("x"), len(ctypes.string_at(environ[i])))
    i += 1
thread = threading.Thread(target=lambda: (open("ready", "w").close(), open("go").read()))
thread.start()
END
    env LD_PRELOAD="$SHIM" /usr/bin/python3 member.py 3>&- &
    member=$!
    while ! [ -e ready ]; do sleep 0.01; done
    [ "$(member pid)" -eq "$member" ]
    echo >go
    wait "$member"
}

@test "what a program calls itself does not reach the terminal" {
    UNIRUN_CPU_BOUND=1 LD_PRELOAD=$SHIM /usr/bin/python3 -c '
import ctypes, os
ctypes.CDLL(None).prctl(15, "\x1b[31ma\n\x9bb\xe9".encode(), 0, 0, 0)
if os.fork() == 0:
    open("ready", "w").close()
    open("go").read()' 3>&-
    while ! [ -e ready ]; do sleep 0.01; done
    [ "$("$UNIRUN" ps | awk 'NR > 1 { print $2 }')" = "?[31ma???bé" ]
    "$UNIRUN" ps --json | /usr/bin/python3 -c 'import json, sys; assert [m["program"] for m in json.load(sys.stdin)] == ["\x1b[31ma\n\x9bb\xe9"]'
    echo >go
}

@test "the table of another user is none" {
    [ "$(id -u)" -eq 0 ] || skip "needs root to make a file of another user"
    start_member
    chown 65534 "/dev/shm/unirun-4.0.$(stat -Lc %i /proc/self/ns/pid).$UNIRUN_DOMAIN"
    run --separate-stderr "$UNIRUN" ps
    [ "$status" -ne 0 ]
    [[ $stderr == *"is another user's"* ]]
    echo >go
}

@test "a program that was killed is not listed" {
    start_member
    kill -9 "$member"
    wait "$member" || true
    [ "$("$UNIRUN" ps --json)" = "[]" ]
}

@test "teams, turns and downgrades are shown" {
    [ -x "$PROGRAMS/teams_hold" ] || skip "built without OpenMP"
    env LD_PRELOAD="$SHIM" OMP_NUM_THREADS=2 "$PROGRAMS/teams_sizes" 0 held 3>&- >/dev/null &
    member=$!
    local tries
    for ((tries = 0; tries < 500; tries++)); do
        [ "$(member turn 2>/dev/null)" != runs ] || break
        sleep 0.01
    done
    [ "$(member turn)" = runs ]
    [ "$(member demand)" -eq 2 ]
    rm held
    wait "$member"
    member=
    env LD_PRELOAD="$SHIM" UNIRUN_LOG=off true
}

@test "a domain that nobody has been in is empty" {
    run --separate-stderr "$UNIRUN" ps
    [ "$status" -eq 0 ]
    [ "$output" = "$(head -n 1 <<<"$output")" ]
    [[ $output == *PID*PROGRAM*DEMAND*TURN* ]]
    [ ! -e "/dev/shm/unirun-4.$(id -u).$(stat -Lc %i /proc/self/ns/pid).$UNIRUN_DOMAIN" ]
}

@test "what is no table is refused in one line" {
    echo garbage >"/dev/shm/unirun-4.$(id -u).$(stat -Lc %i /proc/self/ns/pid).$UNIRUN_DOMAIN"
    run --separate-stderr "$UNIRUN" ps
    [ "$status" -eq 1 ]
    [ -z "$output" ]
    [[ $stderr == "unirun ps: /dev/shm/unirun-4."*" is no table of this version"* && $stderr != *$'\n'* ]]
    run --separate-stderr "$UNIRUN" ps --domain ../../etc/passwd
    [ "$status" -eq 2 ]
    run --separate-stderr "$UNIRUN" ps --domain private
    [ "$status" -eq 2 ]
    run --separate-stderr "$UNIRUN" ps everything
    [ "$status" -eq 2 ]
}
