#!/usr/bin/env bats
# Programs that are known to compute wait at their start for a CPU; nobody else does.
# shellcheck disable=SC2030,SC2031  # each test has a shell of its own

setup() {
    load helper
    export UNIRUN_DOMAIN=admission-$BATS_ROOT_PID-$BATS_TEST_NUMBER UNIRUN_ADMIT_MS=60000
    cd "$BATS_TEST_TMPDIR" || return
    # A program of the test's own, of which nothing is known.
    cp "$PROGRAMS/computes" computes
    seats=$(($(nproc) + 1))
    begun_all=()
}

teardown() {
    touch stop
    local pid
    for pid in "${begun_all[@]}"; do
        kill -CONT "$pid" 2>/dev/null || true
        kill -9 "$pid" 2>/dev/null || true
    done
    rm -f /dev/shm/unirun-*."$UNIRUN_DOMAIN"
}

managed() {
    LD_PRELOAD=$SHIM "$@"
}

# Two runs of two thirds of a second: for these, nobody waits for more than twenty seconds, which is longer than
# until_is looks.
learn() {
    managed "$@"
    managed "$@"
}

# begin COMMAND...: starts it in the background, as $begun.
begin() {
    LD_PRELOAD=$SHIM "$@" 3>&- &
    begun=$!
    begun_all+=("$begun")
}

# Waits for all that were begun: they end somehow. (bats has a child of its own.)
wait_all() {
    local pid
    for pid in "${begun_all[@]}"; do
        wait "$pid" || true
    done
    begun_all=()
}

# seat PID: what it has, as unirun ps says it.
seat() {
    "$UNIRUN" ps --json |
        /usr/bin/python3 -c 'import json, sys; print(*[m["seat"] for m in json.load(sys.stdin) if m["pid"] == int(sys.argv[1])])' "$1"
}

# count WHAT: how many members have it.
count() {
    "$UNIRUN" ps --json | grep -c "\"seat\": \"$1\"" || true
}

# until_is WANTED COMMAND...: waits until the command says that.
until_is() {
    local wanted=$1 end=$((SECONDS + 10))
    shift
    while ((SECONDS < end)); do
        [ "$("$@")" != "$wanted" ] || return 0
        sleep 0.01
    done
    echo "$* is '$("$@")', not '$wanted'"
    return 1
}

# age PID: old, if it is a second old.
age() {
    [ "$(ps -o etimes= -p "$1")" -lt 1 ] || echo old
}

# asleep PID: waiting, if the program of that name has slept a hundred times.
asleep() {
    awk '/^Name/ { name = $2 } /^voluntary/ && name == "waiter" && $2 > 100 { print "waiting" }' "/proc/$1/status"
}

# fill COMMAND...: as many of them as there are seats, until each has one; $sitting are their ids.
fill() {
    sitting=()
    local i
    for ((i = 0; i < seats; i++)); do
        begin "$@"
        sitting+=("$begun")
    done
    until_is "$seats" count "has one"
}

@test "the first to compute sit, the next waits, and sits when one of them ends" {
    learn ./computes 660
    fill ./computes 1 until stop
    begin ./computes 1 until stop2
    until_is "in line" seat "$begun"
    touch stop
    until_is "has one" seat "$begun"
    touch stop2
    wait_all
    [ "$("$UNIRUN" ps --json)" = "[]" ]
}

@test "who ends wakes the first in line" {
    learn ./computes 660
    local i ends
    for ((i = 1; i < seats; i++)); do
        begin ./computes 1 until stop
    done
    strace -o trace -e trace=futex -E LD_PRELOAD="$SHIM" ./computes 1 until stop2 3>&- &
    ends=$!
    until_is "$seats" count "has one"
    begin ./computes 1 until stop
    until_is "in line" seat "$begun"
    run -1 grep FUTEX_WAKE_BITSET trace
    touch stop2
    wait "$ends"
    grep FUTEX_WAKE_BITSET trace
    touch stop
    wait_all
}

@test "other CPUs, and other sessions, are no line to wait in" {
    learn ./computes 660
    (($(nproc) > 1)) || skip "needs two CPUs"
    fill ./computes 1 until stop
    begin taskset -c 0 ./computes 1 until stop
    until_is "has one" seat "$begun"
    setsid env LD_PRELOAD="$SHIM" ./computes 1 3>&-
    begin ./computes 1 until stop
    until_is "in line" seat "$begun"
    touch stop
    wait_all
}

@test "a seat whose holder is killed, is stopped or sleeps is free" {
    learn ./computes 660
    fill ./computes 1 until stop
    begin ./computes 1 until stop
    until_is "in line" seat "$begun"
    kill -9 "${sitting[0]}"
    until_is "has one" seat "$begun"
    begin ./computes 1 until stop
    until_is "in line" seat "$begun"
    kill -STOP "${sitting[1]}"
    until_is "has one" seat "$begun"
    kill -CONT "${sitting[1]}"
    touch stop
    wait_all
    rm stop
    fill ./computes 1 wait stop
    # All of them sleep.
    begin ./computes 1
    wait "$begun"
    touch stop
    wait_all
}

@test "who waits in line and is killed or stopped holds nobody up" {
    learn ./computes 660
    fill ./computes 1 until stop
    begin ./computes 1 until stop
    local first=$begun
    until_is "in line" seat "$first"
    begin ./computes 1 until stop
    local second=$begun
    until_is "in line" seat "$second"
    begin ./computes 1 until stop
    local third=$begun
    until_is "in line" seat "$third"
    kill -9 "$first"
    kill -STOP "$second"
    kill -9 "${sitting[0]}"
    until_is "has one" seat "$third"
    kill -CONT "$second"
    touch stop
    wait_all
    [ "$("$UNIRUN" ps --json)" = "[]" ]
}

@test "nobody waits for a seat whose holder computes for long" {
    learn ./computes 660
    cp computes small
    learn ./small 30
    learn ./small 30
    fill ./computes 1 until stop
    until_is old age "$begun"
    # For longer than 32 of its runs take: each would wait for a second.
    LD_PRELOAD=$SHIM timeout 10 bash -c 'for i in {1..24}; do ./small 1; done'
    begin ./small 1 until stop
    until_is $((seats + 1)) count "has one"
    begin ./computes 1 until stop
    until_is "in line" seat "$begun"
    touch stop
    wait_all
}

@test "a line that stands still lets the first in it start after the patience" {
    learn ./computes 660
    export UNIRUN_ADMIT_MS=50
    fill ./computes 1 until stop
    begin ./computes 1 until stop
    until_is $((seats + 1)) count "has one"
    touch stop
    wait_all
}

@test "nobody is held back of whom nothing is known, or who mostly waits" {
    learn ./computes 660
    cp computes other
    cp computes waiter
    touch there
    managed ./waiter 20 until there
    managed ./waiter 20 until there
    # Two runs have shown that it computes, one that it waits: for ten times as long as it computes.
    begin ./waiter 20 wait later
    until_is old age "$begun"
    touch later
    wait "$begun"
    fill ./computes 1 until stop
    managed ./other 50
    managed ./waiter 1
    managed /bin/true
    [ "$(count "in line")" -eq 0 ]
    touch stop
    wait_all
}

@test "what a program cannot be told by says nothing of others" {
    # By a descriptor that is closed then: the file has no name.
    local unnamed=(/usr/bin/python3 -c 'import os, sys
fd = os.open(sys.argv[2], os.O_RDONLY)
os.execve(fd, sys.argv[2:], {**os.environ, "LD_PRELOAD": sys.argv[1]})' "$SHIM")
    local i
    for i in 1 2 3 4; do
        "${unnamed[@]}" ./computes 330
    done
    cp computes other
    learn ./computes 660
    fill ./computes 1 until stop
    "${unnamed[@]}" ./other 1
    begin /usr/bin/env -u LD_PRELOAD "${unnamed[@]}" ./other 1 until stop
    local first=$begun
    until_is old age "$first"
    [ -z "$(seat "$first")" ]
    touch stop
    wait_all
}

@test "what a program did before it became another one is not the other one's" {
    cp computes waiter
    touch there
    local i wrapped=(bash -c 'for ((i = 0; i < 300000; i++)); do :; done; exec ./waiter 1 wait later')
    for i in 1 2 3; do
        begin "${wrapped[@]}"
        until_is waiting asleep "$begun"
        touch later
        wait "$begun"
        rm later
    done
    learn ./computes 660
    fill ./computes 1 until stop
    begin ./waiter 1 until stop
    begin ./computes 1 until stop
    until_is "in line" seat "$begun"
    [ "$(count "in line")" -eq 1 ]
    touch stop
    wait_all
}

@test "children that are forked wait before fork returns in them, if the user says that they compute" {
    export UNIRUN_CPU_BOUND=1
    learn ./computes 1 children 3 330
    learn ./computes 1 children 3 330
    fill ./computes 1 children 1 1 until stop
    begin ./computes 1 children 1 1 until stop
    until_is 1 count "in line"
    [ "$(seat "$begun")" != "in line" ]
    # Nobody says so: it has come and gone before that one.
    UNIRUN_CPU_BOUND=0 managed ./computes 1 children 1 1
    [ "$(count "in line")" -eq 1 ]
    touch stop
    wait_all
}

@test "a child of a handler that has a small stack does not wait" {
    ./computes 1 handler
    managed ./computes 1 handler
    export UNIRUN_CPU_BOUND=1
    managed ./computes 1 handler
    # There is something to be looked up before the fork, and after it.
    managed ./computes 1100 handler
    fill ./computes 1 until stop
    begin ./computes 1 handler
    touch stop
    wait "$begun"
    wait_all
}

@test "hints, and what switches admission off" {
    export UNIRUN_CPU_BOUND=1
    fill ./computes 1 until stop
    begin ./computes 1 until stop
    until_is "in line" seat "$begun"
    UNIRUN_CPU_BOUND=0 managed ./computes 1
    UNIRUN_ADMIT_MS=0 managed ./computes 1
    UNIRUN_DOMAIN=private managed ./computes 1
    UNIRUN_COMPAT_MODE=passthrough managed ./computes 1
    UNIRUN_CPU_BOUND=0 UNIRUN_IO_BOUND=1 managed ./computes 1
    [ "$(seat "$begun")" = "in line" ]
    touch stop
    wait_all
    rm stop
    export UNIRUN_MAX_WORKERS=1
    begin ./computes 1 until stop
    until_is "has one" seat "$begun"
    begin ./computes 1 until stop
    until_is "in line" seat "$begun"
    touch stop
    wait_all
}

@test "who is nice gives way, and does not wait for who is nicer" {
    learn ./computes 660
    local i nice=(nice -n 19)
    for ((i = 0; i < seats + 2; i++)); do
        begin "${nice[@]}" ./computes 1 until stop
    done
    until_is "$seats" count "has one"
    until_is 2 count "in line"
    # The line of these is not its line, and their CPUs are its own.
    begin ./computes 1 until stop
    until_is "has one" seat "$begun"
    # Nor is it where they yield even more.
    begin chrt --idle 0 ./computes 1 until stop
    until_is "in line" seat "$begun"
    touch stop
    wait_all
}

# use_of: of the one program that is known, whether its runs were waited for by others of it, held back (admit.h).
use_of() {
    /usr/bin/python3 -c 'import struct, sys
buckets = struct.iter_unpack("<16Q128x", open(sys.argv[1], "rb").read().ljust(1 << 16, b"\0"))
[facts] = [bucket[i + 1] for bucket in buckets for i in range(0, 16, 2) if bucket[i]]
print((facts >> 32 & 0xff ^ 0x80) - 0x80)' "/dev/shm/unirun-programs-3.$(id -u).$UNIRUN_DOMAIN"
}

@test "runs that wait, computing, for each other are let in, and that is remembered" {
    learn ./computes 200
    [ "$(use_of)" -eq 0 ]
    mkdir hall
    for ((i = 0; i < seats + 3; i++)); do
        begin ./computes 200 with $((seats + 3)) hall
    done
    wait_all
    [ "$(find hall -type f | wc -l)" -eq $((seats + 3)) ]
    [ "$(use_of)" -lt -8 ]
}

@test "the file of what is known may be anything" {
    learn ./computes 660
    local file
    file=/dev/shm/unirun-programs-3.$(id -u).$UNIRUN_DOMAIN
    [ "$(stat -c %a "$file")" = 600 ]
    head -c 65536 /dev/urandom >"$file"
    managed ./computes 20
    head -c 100000 /dev/zero >"$file"
    managed ./computes 20
    rm "$file"
    ln -s /etc/passwd "$file"
    managed ./computes 20
    rm "$file"
    mkdir "$file"
    managed ./computes 20
    rmdir "$file"
}

@test "what a build makes is the same, and no child of it stays" {
    local name
    for name in {1..24}; do
        printf 'int f%s(int x) { int s = 0; for (int i = 0; i < x; i++) s += i * x; return s; }\n' "$name" >"f$name.c"
    done
    printf 'all: %s\n%%.o: %%.c\n\tgcc -O2 -c -o $@ $<\n' "$(echo f{1..24}.o)" >Makefile
    make -s -j8
    md5sum -- *.o >plain
    for _ in 1 2 3; do
        rm -- *.o
        UNIRUN_LOG=off managed make -s -j8
        md5sum -c --quiet plain
    done
    [ "$("$UNIRUN" ps --json)" = "[]" ]
}
