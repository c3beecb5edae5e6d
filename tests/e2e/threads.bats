#!/usr/bin/env bats
# Managed threads: what a program can see of its threads is what it sees without us, and used threads look new.

# Here, and not in the test: bats has started its countdown by then.
[ -z "${UNIRUN_NIGHTLY:-}" ] || export BATS_TEST_TIMEOUT=1800

setup() {
    nightly=${UNIRUN_NIGHTLY:-}
    load helper
}

# Of the last same_everywhere: the tasks and kernel threads that the program noted in managed mode, for what its name is.
noted() {
    awk -v name="$1" '{ line = $0; sub(/ [0-9]+ [0-9]+$/, "", line) } line == name { print $(NF - 1), $NF }' \
        "$BATS_TEST_TMPDIR/modes/${2:-managed}/cwd/recycled"
}

# recycled NAME PERCENT: plain had a thread for each task, managed at most PERCENT of that. (Threads are told apart by the
# kernel's numbers, and those of ended ones come again where other programs make many.)
recycled() {
    local tasks threads
    read -r tasks threads < <(noted "$1" plain)
    [ "$((threads * 100))" -gt "$((tasks * 90))" ] || {
        echo "$1, plain: $tasks tasks on $threads threads"
        return 1
    }
    read -r tasks threads < <(noted "$1")
    [ "$((threads * 100))" -le "$((tasks * $2))" ] || {
        echo "$1, managed: $tasks tasks on $threads threads"
        return 1
    }
}

nothing_wrong() {
    [[ $output != *WRONG* && $output != *": signal 14"* ]]
}

@test "joining and detaching: every form, every error" {
    same_everywhere "$PROGRAMS/posix_join"
    nothing_wrong
    recycled values 40
    recycled identity 10
    recycled nested 25
    recycled c11 25
}

@test "threads that join each other, and a second joiner, are told so" {
    # Not compared: libc promises these errors, and 2.36 waits for ever instead.
    cd "$BATS_TEST_TMPDIR"
    run --separate-stderr in_mode managed timeout 100 "$PROGRAMS/posix_join" mutual
    [ "$status" -eq 0 ]
    [ "$(grep -c 'EDEADLK$' <<<"$output")" -eq 9 ]
    run --separate-stderr in_mode managed timeout 100 "$PROGRAMS/posix_join" second_joiner
    [ "$status" -eq 0 ]
    [ "$(grep -c '^second joiner: EINVAL$' <<<"$output")" -eq 3 ]
}

@test "pthread_exit, cleanup handlers and cancellation" {
    same_everywhere "$PROGRAMS/posix_cancel"
    nothing_wrong
    recycled self 30
}

@test "C++ destructors on pthread_exit, cancellation and exceptions; std::thread and std::async" {
    same_everywhere "$PROGRAMS/posix_unwind"
}

@test "thread-specific keys, once, fork handlers" {
    same_everywhere "$PROGRAMS/posix_keys"
    nothing_wrong
    recycled deleted 10
    recycled c11 10
}

@test "signals to, from and in threads" {
    same_everywhere "$PROGRAMS/posix_signals"
    nothing_wrong
    recycled kills_ended 50
    recycled process_wide 20
}

@test "attributes, and what can be asked about a thread" {
    same_everywhere "$PROGRAMS/posix_attributes"
    nothing_wrong
    recycled stacks 50
}

@test "forks in threads, and every way to end a process" {
    same_everywhere "$PROGRAMS/posix_process"
    nothing_wrong
    recycled forks 50
}

@test "threads made in callbacks, constructors, destructors, handlers, and by libraries that are closed" {
    same_everywhere "$PROGRAMS/posix_moments"
    nothing_wrong
    recycled walks 50
    recycled "in a child" 20
    recycled "in a grandchild" 20
    recycled destructors 40
    # A library that comes or goes ends the workers that there are, and how many that is depends on the moment.
    recycled late_library 80
}

@test "a new thread finds everything fresh: the 1st, 2nd and 1000th task of a worker" {
    same_everywhere "$PROGRAMS/fresh"
    nothing_wrong
    # What is made fresh, and does not cost the thread.
    for row in "program's thread-local data" "start-up library's thread-local data" "late library's thread-local data" \
        "late library's initial-exec data" "late library's gnu2 data" keys errno dlerror h_errno locale cancellation \
        "signal mask" "alternate stack" rounding "floating-point controls" "floating-point exceptions" name \
        "name by prctl"; do
        recycled "$row" 5
    done
    recycled "CPU clocks" 50
    recycled usage 50
}

@test "what changes more than a thread: seccomp, libraries in a name space; system time for who asks first" {
    for row in seccomp "seccomp, raw" "data of a library in a namespace" "system time, asked for the first time"; do
        same_everywhere "$PROGRAMS/fresh" "$row"
    done
}

@test "libraries in a name space of their own end the reuse of threads, which is said at level info, once" {
    export UNIRUN_LOG=info
    same_everywhere "$PROGRAMS/fresh" "data of a library in a namespace"
    [ "$(grep -c 'info: threads are not reused: ' "$BATS_TEST_TMPDIR/modes/managed/err.raw")" -eq 1 ]
    LD_AUDIT=$PROGRAMS/libaudit.so same_everywhere "$PROGRAMS/posix_keys" c11
    [ "$(grep -c 'info: threads are not reused: ' "$BATS_TEST_TMPDIR/modes/managed/err.raw")" -eq 1 ]
    same_everywhere "$PROGRAMS/posix_keys" c11
    [ "$(grep -c 'info: threads are not reused: ' "$BATS_TEST_TMPDIR/modes/managed/err.raw")" -eq 0 ]
}

@test "thread_local objects are made and destroyed for each task, and their library is kept as long" {
    same_everywhere "$PROGRAMS/fresh_objects"
    [[ $output != *"not fresh"* ]]
    [ "$(wc -l <<<"$output")" -eq 6 ]
    recycled objects 5
}

@test "Rust's threads" {
    cp "$BATS_TEST_DIRNAME/../programs/fresh_rust.rs" "$BATS_TEST_TMPDIR/fresh_rust.rs"
    rustc -O -o "$BATS_TEST_TMPDIR/fresh_rust" "$BATS_TEST_TMPDIR/fresh_rust.rs"
    same_everywhere "$BATS_TEST_TMPDIR/fresh_rust"
}

@test "all of that with jemalloc, tcmalloc and mimalloc preloaded, in both orders" {
    for allocator in libjemalloc.so.2 libtcmalloc_minimal.so.4 libmimalloc.so.2; do
        path=$(ldconfig -p | awk -v l="$allocator" '$1 == l { print $NF; exit }')
        [ -n "$path" ]
        for place in PRELOAD_BEFORE PRELOAD_AFTER; do
            declare "$place=$path"
            for program in fresh_objects posix_keys posix_moments; do
                MODES="plain managed" same_everywhere "$PROGRAMS/$program"
                nothing_wrong
            done
            unset "$place"
        done
    done
}

@test "a new thread finds everything fresh with jemalloc, tcmalloc and mimalloc preloaded, in both orders" {
    for allocator in libjemalloc.so.2 libtcmalloc_minimal.so.4 libmimalloc.so.2; do
        path=$(ldconfig -p | awk -v l="$allocator" '$1 == l { print $NF; exit }')
        [ -n "$path" ]
        for place in PRELOAD_BEFORE PRELOAD_AFTER; do
            declare "$place=$path"
            MODES="plain managed" same_everywhere "$PROGRAMS/fresh"
            nothing_wrong
            unset "$place"
        done
    done
}

@test "48 threads blocked in every kind of call are released by one more" {
    same_everywhere "$PROGRAMS/threads_blocked"
    nothing_wrong
    [ "$(grep -c ': 48 released$' <<<"$output")" -eq 57 ]
    recycled all_kinds 30
}

@test "threads that do everything at random, under a thousand signals a second" {
    same_everywhere "$PROGRAMS/stress_threads" 8
    nothing_wrong
    [ "$output" = "threads left: 1
descriptors left: 0
destructors: one for each value
cleanup handlers: one for each
memory: does not grow" ]
    cat "$BATS_TEST_TMPDIR"/modes/*/cwd/stressed
}

@test "a million tasks of 16 threads, every night" {
    [ -n "$nightly" ] || return 0
    same_everywhere "$PROGRAMS/stress_threads" 8 16 1000000
    nothing_wrong
    read -r _ _ _ tasks _ <"$BATS_TEST_TMPDIR/modes/managed/cwd/stressed"
    [ "$tasks" -ge 1000000 ]
}

@test "children that make threads, of a process that opens and closes libraries meanwhile" {
    same_everywhere "$PROGRAMS/posix_moments" fork_beside_dlopen
}

@test "stress-ng --pthread --verify" {
    MODES="plain managed" NORMALIZE='s/\[[0-9]+\]//; s/[0-9.]+ ?s(ecs)?//g' run_all_modes \
        stress-ng --pthread 4 --verify -t 5
    [ "$status" -eq 0 ]
}

@test "after 10,000 short threads memory is as large as without us" {
    program='import threading, time
def short(): pass
for i in range(100):
    threads = [threading.Thread(target=short) for _ in range(100)]
    for t in threads: t.start()
    for t in threads: t.join()
time.sleep(2.5)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))'
    for mode in plain managed; do
        for _ in 1 2 3; do
            in_mode "$mode" /usr/bin/python3 -c "$program"
        done | sort -n | sed -n 2p >"$BATS_TEST_TMPDIR/$mode.rss"
    done
    plain=$(cat "$BATS_TEST_TMPDIR/plain.rss") managed=$(cat "$BATS_TEST_TMPDIR/managed.rss")
    echo "plain $plain kB, managed $managed kB"
    [ $((managed * 10)) -le $((plain * 11)) ]
}

@test "Java: 500 threads overflow their stacks, 20,000 threads come and go" {
    cat >"$BATS_TEST_TMPDIR/Threads.java" <<'JAVA'
import java.util.concurrent.atomic.AtomicInteger;

public class Threads {
    static int depth(int n) {
        return depth(n + 1) + 1;
    }

    public static void main(String[] args) throws Exception {
        AtomicInteger caught = new AtomicInteger(), ran = new AtomicInteger();
        for (int i = 0; i < 50; i++) {
            Thread[] threads = new Thread[10];
            for (int j = 0; j < 10; j++) {
                threads[j] = new Thread(null, () -> {
                    try {
                        depth(0);
                    } catch (StackOverflowError e) {
                        caught.incrementAndGet();
                    }
                }, "overflow", 512 << 10);
                threads[j].start();
            }
            for (Thread t : threads)
                t.join();
        }
        for (int i = 0; i < 2000; i++) {
            Thread[] threads = new Thread[10];
            for (int j = 0; j < 10; j++)
                (threads[j] = new Thread(ran::incrementAndGet)).start();
            for (Thread t : threads)
                t.join();
        }
        System.out.println(caught + " caught, " + ran + " ran");
    }
}
JAVA
    javac -d "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/Threads.java"
    same_everywhere java -Xint -cp "$BATS_TEST_TMPDIR" Threads
    [ "$output" = "500 caught, 20000 ran" ]
}

@test "gdb shows a managed process's threads, their frames and thread-local data" {
    in_mode managed "$PROGRAMS/threads_blocked" gdb_target >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
    for _ in $(seq 200); do
        ! grep -q blocked "$BATS_TEST_TMPDIR/out" || break
        sleep 0.05
    done
    pid=$(sed -n 's/^blocked //p' "$BATS_TEST_TMPDIR/out")
    run gdb -q -batch -p "$pid" -ex 'info threads' -ex 'thread apply all backtrace' -ex 'thread 2' -ex 'print errno'
    kill "$pid"
    echo "$output"
    [ "$(grep -c 'in block (' <<<"$output")" -eq 3 ]
    [[ $output != *"Cannot find"* && $output != *"corrupt stack"* ]]
}
