#!/usr/bin/env bats
# CPython's own suites of everything that makes threads or processes, under managed mode. With UNIRUN_NIGHTLY=1 in the
# environment all of them, which takes a quarter of an hour.

# Here, and not in the test: bats has started its countdown by then.
[ -z "${UNIRUN_NIGHTLY:-}" ] || export BATS_TEST_TIMEOUT=1800

setup() {
    nightly=${UNIRUN_NIGHTLY:-}
    load helper
}

# suite NAME OPTION...: passes, and has run something.
suite() {
    (cd "$BATS_TEST_TMPDIR" && UNIRUN_LOG=off in_mode managed timeout 900 /usr/bin/python3 -m test -v "$@" \
        >log 2>&1 </dev/null 3>&-) || {
        grep -E '^(FAIL|ERROR):|^Traceback' -A 15 "$BATS_TEST_TMPDIR/log" || tail -n 40 "$BATS_TEST_TMPDIR/log"
        return 1
    }
    grep -qE '^Ran [1-9][0-9]* tests?' "$BATS_TEST_TMPDIR/log"
}

@test "test_thread" {
    suite test_thread
}

@test "test_threading, but for the kernel's numbers of threads that have ended" {
    # test_various_ops expects that ten threads, one after the other, have ten native ids: the one thing that is not
    # fresh (unirun(1), LIMITS).
    suite test_threading -i 'test_various_ops*'
}

@test "test_threading_local" {
    suite test_threading_local
}

@test "test_threadsignals" {
    suite test_threadsignals
}

@test "test_queue" {
    suite test_queue
}

@test "test_fork1" {
    suite test_fork1
}

@test "test_posix, test_os, test_popen, test_pty" {
    suite test_posix
    suite test_os
    suite test_popen
    suite test_pty
}

@test "test_socketserver" {
    suite test_socketserver -u network
}

@test "test_concurrent_futures: thread pools" {
    suite test_concurrent_futures -m 'ThreadPool*'
}

@test "test_multiprocessing_main_handling" {
    suite test_multiprocessing_main_handling
}

@test "the long ones, every night" {
    [ -n "$nightly" ] || return 0
    for name in test_concurrent_futures test_asyncio test_subprocess test_multiprocessing_fork \
        test_multiprocessing_spawn test_multiprocessing_forkserver test_faulthandler test_logging test_signal \
        test_wait3 test_wait4; do
        suite "$name"
    done
}
