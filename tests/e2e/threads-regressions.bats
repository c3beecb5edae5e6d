#!/usr/bin/env bats
# Managed threads: what once went wrong in other people's programs.

setup() {
    load helper
}

nothing_wrong() {
    [[ $output != *WRONG* && $output != *": signal "* ]]
}

# Of the library that is preloaded behind the shim.
preload_after() {
    [ -e "$1" ] || skip "${1##*/} is not here"
    export PRELOAD_AFTER=$1
}

freeze_time() {
    preload_after /usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1
    export FAKETIME='2020-02-02 20:20:20' TZ=UTC
    same_everywhere "$PROGRAMS/regress_refused" time
    [ "$output" = 1580674820.000000000 ]
}

# Idle threads end soon, but not before the process has begun to exit.
idle_soon() {
    export UNIRUN_IDLE_MS=500
}

fifty_exits() {
    local i
    for ((i = 0; i < 50; i++)); do
        "$@"
    done
}

@test "a signal handler may ask about a thread while its own thread creates and joins" {
    same_everywhere "$PROGRAMS/regress_handlers"
    nothing_wrong
    [ "$(grep -c '^joined: 20000, handled: many, failed: 0$' <<<"$output")" -eq 2 ]
}

@test "a program whose threads are refused ten thousand times does not stand still" {
    same_everywhere timeout 50 "$PROGRAMS/regress_refused" creations
    [ "$output" = "threads: some, refused: 10000" ]
}

@test "where time stands still a joiner does not wait with a CPU" {
    freeze_time
    same_everywhere "$PROGRAMS/regress_refused" joins
    [ "$output" = "waiting took no CPU" ]
}

@test "where time stands still a fork that is refused returns" {
    [ "$(id -u)" -eq 0 ] || skip "needs root to become a user with a limit"
    freeze_time
    same_everywhere "$PROGRAMS/regress_refused" forks
    [ "$output" = "fork: EAGAIN" ]
}

@test "real-time threads do not keep their creator from its CPU" {
    chrt -f 10 true 2>/dev/null || skip "no real-time thread can be made"
    same_everywhere "$PROGRAMS/regress_realtime"
    [ "$output" = "ended: 60" ]
}

@test "atexit handlers after main's pthread_exit run in main, where signals are handled" {
    script_everywhere fifty_exits "$PROGRAMS/regress_exit"
    [ "$(sort <<<"$output" | uniq -c | xargs)" = "50 at exit: thread known, own data 6, blocked 0, handled 1" ]
    script_everywhere fifty_exits "$PROGRAMS/regress_exit" later
    [ "$(sort <<<"$output" | uniq -c | xargs)" = "50 at exit: thread known, own data 6, blocked 0, handled 1" ]
}

@test "threads without work do not end while the process exits" {
    idle_soon
    same_everywhere "$PROGRAMS/regress_idle"
    [ "$output" = "ended while the process exits: 0" ]
}

@test "threads without work do not end while the process exits, under libmemusage.so either" {
    # The figures that it prints are not compared: they count what we allocate too.
    preload_after /lib/x86_64-linux-gnu/libmemusage.so
    export NORMALIZE='/^ended/!d'
    idle_soon
    same_everywhere "$PROGRAMS/regress_idle"
    [ "$output" = "ended while the process exits: 0" ]
}

@test "the thread-local data of a library that is opened while threads are made are new in each" {
    same_everywhere "$PROGRAMS/regress_libraries" "$PROGRAMS/libregress_library.so"
    [ "$output" = "threads that saw used data: 0" ]
}

@test "a thread that was joined is EBUSY for pthread_tryjoin_np at once" {
    same_everywhere "$PROGRAMS/regress_tryjoin"
    [ "$output" = "EBUSY: 10000" ]
}

@test "atexit handlers of a fork child run in the thread that was left last" {
    script_everywhere fifty_exits "$PROGRAMS/regress_exit" child
    [ "$(sort <<<"$output" | uniq -c | xargs)" = "50 at exit: thread known, own data 6, blocked 0, handled 1" ]
}

# Of the last same_everywhere: managed mode said that calls of `caller` were downgraded for that reason.
downgraded() {
    grep -qE "pthread_create downgraded to stdlib behaviour: .*\(reason=$1 caller=$2\+0x[0-9a-f]+ count=1\)$" \
        "$BATS_TEST_TMPDIR/modes/managed/err.raw"
}

@test "threads of Go code, which changes them unseen, are not reused (reason go-thread)" {
    same_everywhere "$PROGRAMS/regress_go"
    [ "$output" = "threads that found another's change: 0" ]
    downgraded go-thread regress_go
    # Others, too, from when there is such code: they may call it.
    same_everywhere "$PROGRAMS/regress_go_host" "$PROGRAMS/libregress_go_library.so"
    [ "$output" = "the library's threads that found another's change: 0
threads that found another's change: 0" ]
    downgraded go-thread libregress_go_library.so
}

@test "a library that wraps pthread_create behind us sees every thread begin and end (reason wrapped)" {
    preload_after "$PROGRAMS/libwrapper.so"
    same_everywhere "$PROGRAMS/regress_go_host"
    [[ $output == *"wrapped: 20 begun, 20 ended" ]]
    downgraded wrapped regress_go_host
}

@test "who is granted ports has a thread of its own, and so has who inherits them" {
    preload_after "$PROGRAMS/libports.so"
    same_everywhere "$PROGRAMS/regress_ports"
    [ "$output" = "tasks with ports: 12, threads: 12
who inherits ports is new" ]
}

@test "threads end, and are joined, by functions found by a handle of libc's own" {
    same_everywhere "$PROGRAMS/regress_handle"
    nothing_wrong
    [ "$(grep -c '^joined: 6$' <<<"$output")" -eq 3 ]
}
