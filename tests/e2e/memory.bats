#!/usr/bin/env bats
# Programs wait at their start for memory that they are known, or that their running siblings seem, to need.
#
# The memory is that of a cgroup of 560 MiB. $1 and so on are of the inner bash (SC2016).
# shellcheck disable=SC2016,SC2030,SC2031

setup() {
    load helper
    export UNIRUN_DOMAIN=memory-$BATS_ROOT_PID-$BATS_TEST_NUMBER UNIRUN_ADMIT_MS=60000
    cd "$BATS_TEST_TMPDIR" || return
    # A program of the test's own, of which nothing is known.
    cp "$PROGRAMS/needs" needs
    begun_all=()
    make_group 560
}

teardown() {
    touch stop
    local pid
    for pid in "${begun_all[@]}"; do
        kill -CONT "$pid" 2>/dev/null || true
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    [ -z "${group:-}" ] || until rmdir "$group" 2>/dev/null; do
        xargs -r kill -9 <"$group/cgroup.procs" 2>/dev/null || true
        sleep 0.1
    done
    rm -f /dev/shm/unirun-*."$UNIRUN_DOMAIN"
}

# make_group MIB: a new cgroup, $group, of so much memory.
make_group() {
    [ "$(id -u)" -eq 0 ] || skip "needs root to make a cgroup"
    local limit=memory.limit_in_bytes
    group=/sys/fs/cgroup/memory/unirun-memory-$$-$BATS_TEST_NUMBER
    if [ ! -d /sys/fs/cgroup/memory ]; then
        group=/sys/fs/cgroup/unirun-memory-$$-$BATS_TEST_NUMBER limit=memory.max
        echo +memory 2>/dev/null >/sys/fs/cgroup/cgroup.subtree_control || true
    fi
    mkdir "$group" 2>/dev/null || {
        group=
        skip "no cgroup can be made here"
    }
    echo $(($1 << 20)) 2>/dev/null >"$group/$limit" || skip "no cgroup can limit memory here"
    echo 0 2>/dev/null >"$group/memory.swap.max" || true
}

# within COMMAND...: in the cgroup; to be run in the background, or in a subshell.
within() {
    echo "$BASHPID" >"$group/cgroup.procs"
    exec "$@"
}

managed() {
    (within env LD_PRELOAD="$SHIM" "$@")
}

# begin COMMAND...: starts it in the background, as $begun.
begin() {
    within env LD_PRELOAD="$SHIM" "$@" 3>&- 4>&- &
    begun=$!
    begun_all+=("$begun")
}

wait_all() {
    local pid
    for pid in "${begun_all[@]}"; do
        wait "$pid" || true
    done
    begun_all=()
}

# memory PID: what it has, as unirun ps says it.
memory() {
    "$UNIRUN" ps --json |
        /usr/bin/python3 -c 'import json, sys; print(*[m["memory"] for m in json.load(sys.stdin) if m["pid"] == int(sys.argv[1])])' "$1"
}

# has PID MIB: "yes" if it has as much memory.
has() {
    awk -v least="$2" '/^RssAnon/ && $2 >= least * 1024 { print "yes" }' "/proc/$1/status"
}

# until_is WANTED COMMAND...: waits until the command says that.
until_is() {
    local wanted=$1 end=$((SECONDS + 20))
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

# hold MIB: a program that goes on to compute has them.
hold() {
    cp needs holder
    begin ./holder "$1" 1 until stop
    holder=$begun
    until_is yes has "$holder" "$1"
}

count_made() {
    find . -name 'made*' | wc -l
}

@test "a build makes everything where plain some of it is killed: nothing known, and known" {
    printf 'all: %s\nmade%%:\n\t./needs 180 400 && touch $@\n' "$(echo made{1..8})" >Makefile
    run within make -k -s -j8
    [ "$status" -ne 0 ]
    [ "$(count_made)" -lt 8 ]
    for _ in 1 2; do
        rm -f made*
        managed make -k -s -j8
        [ "$(count_made)" -eq 8 ]
    done
    [ "$("$UNIRUN" ps --json)" = "[]" ]
}

@test "as many as fit run at once, the next one waits, says for what, and comes in when one ends" {
    export UNIRUN_LOG=info
    managed ./needs 200 1 2>/dev/null
    begin ./needs 200 1 until stop
    local first=$begun
    until_is yes has "$begun" 200
    begin ./needs 200 1 until stop2
    until_is yes has "$begun" 200
    begin ./needs 200 1 2>said
    until_is "in line" memory "$begun"
    begin ./needs 200 1 until stop2
    until_is "in line" memory "$begun"
    [ "$(memory "$first")" = counted ]
    touch stop
    until_is yes has "$begun" 200
    touch stop2
    wait_all
    grep -E "^unirun\[[0-9]+\]: info: it has waited, at its start, for [0-9.]+ s for 2[01][0-9] MB of memory, when [0-9]+ MB were available$" said
}

@test "of a program that nobody knows two run at once, and the others when these do not grow any more" {
    begin bash -c './needs 150 20000 & a=$!; ./needs 150 20000 & b=$!; wait $a $b'
    until_is 2 pgrep -c -P "$begun" needs
    local growing
    growing=$(pgrep -P "$begun" needs)
    begin ./needs 20 1 until stop
    until_is "in line" memory "$begun"
    until_is old age "$begun"
    [ "$(memory "$begun")" = "in line" ]
    # shellcheck disable=SC2086  # two
    kill -9 $growing
    until_is yes has "$begun" 20
    begin ./needs 20 1 until stop
    until_is yes has "$begun" 20
    begin ./needs 20 1 until stop
    until_is yes has "$begun" 20
    touch stop
    wait_all
}

@test "programs that nobody knows are not held back by what others have" {
    hold 500
    seq 100 >numbers
    managed bash -c 'cat numbers | cat | cat | sort -n | sort -rn | tail -1' >last
    [ "$(cat last)" -eq 1 ]
    managed timeout 20 bash -c 'for i in {1..20}; do /bin/true & done; wait'
    managed timeout 20 ./needs 1 1
    [ "$(has "$holder" 500)" = yes ]
    touch stop
    wait_all
}

@test "siblings that sleep, and ranks that wait for each other, all come in" {
    local i
    for i in {1..8}; do
        begin ./needs 5 1 wait stop
    done
    for i in "${begun_all[@]}"; do
        until_is yes has "$i" 5
    done
    touch stop
    wait_all
    mkdir hall
    cp needs rank
    for i in {1..6}; do
        begin ./rank 20 50 with 6 hall
    done
    wait_all
    [ "$(find hall -type f | wc -l)" -eq 6 ]
}

@test "who is known starts all the same if nobody makes progress, or does not within the bound" {
    managed ./needs 300 1
    cp needs sleeper
    begin ./sleeper 1 1 wait stop # its first run: nobody knows that
    begin ./needs 300 1 wait stop
    until_is yes has "$begun" 300
    # It sleeps: perhaps for this one.
    managed ./needs 5 1
    touch stop
    wait_all
    rm stop
    begin ./needs 290 1 until stop
    until_is yes has "$begun" 290
    UNIRUN_ADMIT_MS=10 managed ./needs 5 1
    UNIRUN_ADMIT_MS=0 managed ./needs 5 1
    UNIRUN_DOMAIN=private managed ./needs 5 1
    UNIRUN_IO_BOUND=1 managed ./needs 5 1
    # A clock runs for these.
    managed timeout 20 ./needs 5 1
    managed perl -e 'alarm 20; exec @ARGV' ./needs 5 1
    touch stop
    wait_all
}

@test "who runs and is killed or stopped is not waited for, nor who waits and is" {
    managed ./needs 300 1
    begin ./needs 290 1 until stop
    local first=$begun
    until_is yes has "$first" 290
    begin ./needs 50 1 until stop
    local killed=$begun
    until_is "in line" memory "$killed"
    begin ./needs 50 1 until stop
    local stopped=$begun
    until_is "in line" memory "$stopped"
    begin ./needs 50 1 until stop
    until_is "in line" memory "$begun"
    kill -9 "$killed"
    kill -STOP "$stopped"
    kill -9 "$first"
    until_is yes has "$begun" 50
    kill -CONT "$stopped"
    until_is yes has "$stopped" 50
    touch stop
    wait_all
    rm stop
    begin ./needs 290 1 until stop
    until_is yes has "$begun" 290
    first=$begun
    begin ./needs 50 1 until stop
    until_is "in line" memory "$begun"
    kill -STOP "$first"
    until_is yes has "$begun" 50
    kill -CONT "$first"
    touch stop
    wait_all
}

@test "what a program needed before it became another one is not the other one's" {
    cat >wrapped.py <<'END'
import os, sys
memory = bytearray(300 << 20)
os.execv("./needs", ["needs", "1", "50"])
END
    managed /usr/bin/python3 wrapped.py
    managed /usr/bin/python3 wrapped.py
    hold 400
    managed ./needs 1 1
    # And who has become another one is no run of what it was any more.
    local i
    for i in 1 2 3; do
        begin bash -c 'exec ./needs "$@"' bash 1 1 until stop
        until_is yes has "$begun" 1
    done
    managed bash -c 'exec ./needs "$@"' bash 1 1
    touch stop
    wait_all
}
