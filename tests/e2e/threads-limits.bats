#!/usr/bin/env bats
# Managed threads at the edges: what the kernel ties to one thread, and what it refuses.

setup() {
    load helper
}

teardown() {
    [ -z "${group:-}" ] || rmdir "$group"
    [ -z "${public:-}" ] || rm -rf "$public"
}

# Of the last same_everywhere: the sum of the tasks and of the kernel threads that the program noted in a mode.
noted() {
    awk '{ tasks += $(NF - 1); threads += $NF } END { print tasks, threads }' "$BATS_TEST_TMPDIR/modes/$1/cwd/recycled"
}

# The library and the program where any user can read them.
publish() {
    public=$(mktemp -d /tmp/unirun-public.XXXXXX)
    chmod 755 "$public"
    cp "$SHIM" "$PROGRAMS/taint_limits" "$public/"
    SHIM=$public/libunirun_shim.so
}

nothing_wrong() {
    [[ $output != *WRONG* ]]
}

# as_user CASE: the case everywhere, as a user of its own: RLIMIT_NPROC counts all of a user's processes.
as_user() {
    [ "$(id -u)" -eq 0 ] || skip "needs root to become a user without processes"
    [ -n "${public:-}" ] || publish
    local id=$((64400 + BATS_TEST_NUMBER))
    same_everywhere timeout 60 setpriv --reuid="$id" --regid="$id" --clear-groups "$public/taint_limits" "$1"
}

make_group() {
    local parent
    while read -r parent; do
        group=$parent/unirun-limits-$BATS_TEST_NUMBER-$$
        if mkdir "$group" 2>/dev/null; then
            [ ! -w "$group/pids.max" ] || return 0
            rmdir "$group"
        fi
    done < <(findmnt -rnt cgroup -O pids -o TARGET; findmnt -rnt cgroup2 -o TARGET)
    group=
    skip "no cgroup with a limit on processes can be made"
}

# in_group CASE: the case everywhere, in a control group.
in_group() {
    [ -n "${group:-}" ] || make_group
    cat >"$BATS_TEST_TMPDIR/enter" <<'SH'
echo max >"$1/pids.max"
echo $$ >"$1/cgroup.procs"
export UNIRUN_TEST_LIMIT="$1/pids.max"
exec "$2" "$3"
SH
    # Of the group is only what the last line runs.
    same_everywhere timeout 60 /bin/sh "$BATS_TEST_TMPDIR/enter" "$group" "$PROGRAMS/taint_limits" "$1"
}

# What is parked is there for as long as it takes to be in the way.
lasting() {
    export UNIRUN_IDLE_MS=60000
}

# limited CASE...: both ways.
limited() {
    local case
    lasting
    for case; do
        as_user "$case"
        nothing_wrong
    done
}

limited_group() {
    local case
    lasting
    for case; do
        in_group "$case"
        nothing_wrong
    done
}

@test "what a task does to its thread does not meet the next task, and what a creator is its tasks are" {
    same_everywhere "$PROGRAMS/taint"
    [ "$(grep -c '^-- ' <<<"$output")" -ge 150 ]
    read -r tasks threads < <(noted plain)
    [ "$tasks" -ge 1500 ]
    [ "$threads" -eq "$tasks" ]
    read -r tasks threads < <(noted managed)
    echo "managed: $tasks tasks on $threads threads"
    [ "$((threads * 2))" -le "$tasks" ]
}

@test "what the kernel grants to processes of one thread only" {
    same_everywhere "$PROGRAMS/taint_alone"
    [[ $output == *"unshare: 0"* ]]
    nothing_wrong
    [[ $output != *signal* ]]
}

@test "unshare -Ur" {
    unshare -Ur true 2>/dev/null || skip "no user namespace can be made"
    same_everywhere unshare -Ur id -u
    [ "$output" = 0 ]
}

@test "a limit on a user's processes: as many threads, the same error, parked threads are used and make room" {
    limited refused refused_c11 lowered detached
}

@test "a limit on a user's processes: ended threads that were not joined make room" {
    limited unjoined
}

@test "a limit on a user's processes: parked threads make room for a process" {
    limited fork posix_spawn
}

@test "a cgroup's limit: as many threads, the same error, parked threads are used and make room" {
    limited_group refused refused_c11 lowered detached
}

@test "a cgroup's limit: ended threads that were not joined make room" {
    limited_group unjoined
}

@test "a cgroup's limit: parked threads make room for a process" {
    limited_group fork posix_spawn
}

@test "a limit on memory: as many threads, the same error" {
    same_everywhere "$PROGRAMS/taint_limits" stacks
    [[ $output == "threads of one MiB: "[1-9]*", EAGAIN"* ]]
}

@test "a limit on memory: the stacks of parked threads are no more than libc would keep" {
    lasting
    same_everywhere "$PROGRAMS/taint_limits" room
    [ "$output" = "100 MiB after 40 threads: there" ]
    same_everywhere "$PROGRAMS/taint_limits" room_for_data
    [ "$output" = "100 MiB of data after 40 threads: there" ]
}

@test "no memory for a managed thread's record: the thread is a plain one, and that is said" {
    same_everywhere "$PROGRAMS/taint_limits" records
    [ "$output" = "threads without memory: 200 of 200" ]
    grep -E 'pthread_create downgraded to stdlib behaviour: .*\(reason=memory caller=taint_limits\+0x[0-9a-f]+ count=1\)$' \
        "$BATS_TEST_TMPDIR/modes/managed/err.raw"
}

@test "a program that has created every key that it can before its first thread has it managed" {
    run env LD_PRELOAD="$SHIM" /usr/bin/python3 -c '
import ctypes, threading
libc, key = ctypes.CDLL(None), ctypes.c_uint()
while libc.pthread_key_create(ctypes.byref(key), None) == 0:
    pass
for _ in range(2):
    thread = threading.Thread(target=print, args=("ran",))
    thread.start()
    thread.join()'
    [ "$status" -eq 0 ]
    [ "$output" = $'ran\nran' ] # and no downgrade
}
