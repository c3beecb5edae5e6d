#!/usr/bin/env bats
# Programs with teams of GNU OpenMP: the same in every mode, whatever starts the team, and in children.
# shellcheck disable=SC2030,SC2031,SC2154  # each test has a shell of its own; run_all_modes sets status, output, stderr

bats_require_minimum_version 1.8.0

# Two copies of the runtime under names of their own, as Python wheels bring them, and libraries bound to one each.
setup_file() {
    load helper
    local name source=$BATS_TEST_DIRNAME/../programs/teams_plugin.c
    cd "$BATS_FILE_TMPDIR" || return
    gcc -O2 -fPIC -fopenmp -c -o plugin.o "$source"
    gcc -shared -o plugin_p.so plugin.o -fopenmp
    for name in q r; do
        sed "s/libgomp\.so\.1/libgom$name.so.1/g" "$(gcc -print-file-name=libgomp.so.1)" >"libgom$name.so.1"
        gcc -shared -o "plugin_$name.so" plugin.o "./libgom$name.so.1" -Wl,-rpath,"$BATS_FILE_TMPDIR"
    done
}

setup() {
    load helper
    [ -x "$PROGRAMS/teams_regions" ] || skip "built without OpenMP"
    export UNIRUN_DOMAIN=teams-$BATS_ROOT_PID-$BATS_TEST_NUMBER
    # Plain, teams that spin for each other's CPUs take seconds; what is computed is the same.
    export OMP_WAIT_POLICY=passive
    export -n UNIRUN_BUILD
}

teardown() {
    rm -f /dev/shm/unirun-*."$UNIRUN_DOMAIN"
}

# same_in_time COMMAND...: same_everywhere, with an end to each run.
same_in_time() {
    same_everywhere timeout 30 "$@"
}

# in_silence COMMAND...: as same_in_time, and managed mode has nothing to say.
in_silence() {
    same_in_time "$@"
    [ ! -s "$BATS_TEST_TMPDIR/modes/managed/err.raw" ]
}

@test "the subjects call every entry point for teams that the shim has" {
    diff <(nm -D --defined-only "$SHIM" | grep -o 'GOMP_parallel.*' | sort) \
        <(nm -D --undefined-only "$PROGRAMS"/teams_{regions,old} | grep -o 'GOMP_parallel[a-z_]*' | sort -u)
}

@test "every kind of region computes the same" {
    in_silence "$PROGRAMS/teams_regions"
    [[ $output == *"teams: "* && $output != *NOT* ]]
}

@test "with OMP_SCHEDULE, and for loops of other lengths" {
    local schedule
    for schedule in static dynamic,4 guided monotonic:dynamic nonmonotonic:guided,3 auto; do
        OMP_SCHEDULE=$schedule in_silence "$PROGRAMS/teams_regions" 300
        OMP_SCHEDULE=$schedule in_silence "$PROGRAMS/teams_old"
        [[ $output != *NOT* ]]
    done
}

@test "with cancellation" {
    OMP_CANCELLATION=true in_silence "$PROGRAMS/teams_regions"
    [[ $output == *"cancelled: 1, found"*"after it: 0"* ]]
}

@test "with the settings of the OpenMP environment" {
    local setting
    for setting in OMP_NUM_THREADS=1 OMP_NUM_THREADS=5,2 OMP_DYNAMIC=true OMP_THREAD_LIMIT=3 OMP_MAX_ACTIVE_LEVELS=0 \
        OMP_PROC_BIND=true OMP_PLACES=cores OMP_STACKSIZE=64k OMP_NESTED=true GOMP_SPINCOUNT=0 OMP_WAIT_POLICY=active; do
        echo "$setting"
        # What OMP_DYNAMIC gives depends on the load, and what a limit leaves for nested regions, on who comes first.
        NORMALIZE='/^many|^teams|^sections|^after it|^nested/d' same_in_time env "$setting" "$PROGRAMS/teams_regions" 200
    done
}

@test "the interface that compilers before gcc 4.9 use" {
    in_silence "$PROGRAMS/teams_old"
    [[ $output == *"parallel: 9 1"*"nested: 8 8"* && $output != *NOT* ]]
}

@test "regions of several threads at once, that return, exit or are cancelled" {
    in_silence "$PROGRAMS/teams_threads"
    in_silence "$PROGRAMS/teams_threads" "and main returns"
    UNIRUN_RECYCLE=0 in_silence "$PROGRAMS/teams_threads"
}

@test "regions in constructors, destructors and at every end" {
    in_silence "$PROGRAMS/teams_moments"
    [[ $output == *constructor:*main:*atexit:*destructor:* ]]
    local end
    for end in quick_exit _exit exit_inside exec exec_inside; do
        echo "$end"
        run_all_modes timeout 30 "$PROGRAMS/teams_moments" "$end"
        [[ $output == *"main: 3"* ]]
    done
}

@test "two programs at once compute what each computes alone" {
    local expected pids
    expected=$("$PROGRAMS/teams_work" 2000 2)
    for _ in 1 2 3; do
        pids=()
        in_mode managed timeout 60 "$PROGRAMS/teams_work" 2000 2 >"$BATS_TEST_TMPDIR/a" 2>&1 3>&- &
        pids+=($!)
        in_mode managed timeout 60 "$PROGRAMS/teams_work" 2000 3 >"$BATS_TEST_TMPDIR/b" 2>&1 3>&- &
        pids+=($!)
        in_mode managed timeout 60 "$PROGRAMS/teams_regions" >"$BATS_TEST_TMPDIR/c" 2>&1 3>&- &
        pids+=($!)
        wait "${pids[0]}"
        wait "${pids[1]}"
        wait "${pids[2]}"
        [ "$(without_our_lines <"$BATS_TEST_TMPDIR/a")" = "$expected" ]
        [ "$(without_our_lines <"$BATS_TEST_TMPDIR/b")" = "$expected" ]
        diff <(without_our_lines <"$BATS_TEST_TMPDIR/c") <("$PROGRAMS/teams_regions")
    done
}

# ---- which runtime ----

@test "a library opened late brings the runtime" {
    in_silence "$PROGRAMS/teams_host" use "$BATS_FILE_TMPDIR/plugin_p.so"
    [[ $output == "before: 0"*"library 0: 2 11"*"after: 0"* ]]
}

@test "private copies of the runtime are told apart" {
    in_silence "$PROGRAMS/teams_host" use "$BATS_FILE_TMPDIR"/plugin_{p,q,r}.so
    [[ $output == *"library 0: 2 11"*"library 1: 3 11"*"library 2: 4 11"* ]]
}

@test "private copies of the runtime beside the program's own" {
    LD_LIBRARY_PATH=$BATS_FILE_TMPDIR PRELOAD_AFTER=libgomp.so.1 \
        in_silence "$PROGRAMS/teams_host" use "$BATS_FILE_TMPDIR"/plugin_{q,r}.so
    [[ $output == "before: 1"*"after: 1"* ]]
}

@test "a runtime that was opened for all to see serves libraries that bring their own, too" {
    in_silence "$PROGRAMS/teams_host" global "$BATS_FILE_TMPDIR"/plugin_{q,r}.so
    [[ $output == *"after: 1"* ]]
}

@test "a library is closed, and another takes its place" {
    in_silence "$PROGRAMS/teams_host" replace "$BATS_FILE_TMPDIR"/plugin_{q,r,q,p,r}.so
}

@test "a program without a runtime does not see one, and runs its regions itself" {
    same_in_time "$PROGRAMS/teams_absent"
    [ "$output" = "ran 3 times, size 1
a runtime: 0 0" ]
}

@test "LLVM's OpenMP serves a program compiled by gcc" {
    local library
    library=$(readlink -f /usr/lib/x86_64-linux-gnu/libomp.so.5)
    [ -e "$library" ] || skip "no libomp"
    gcc -O2 -fopenmp -c -o "$BATS_TEST_TMPDIR/work.o" "$BATS_TEST_DIRNAME/../programs/teams_work.c"
    gcc -o "$BATS_TEST_TMPDIR/work" "$BATS_TEST_TMPDIR/work.o" "$library"
    gcc -O2 -fopenmp -c -o "$BATS_TEST_TMPDIR/fork.o" "$BATS_TEST_DIRNAME/../programs/teams_fork.c"
    gcc -o "$BATS_TEST_TMPDIR/fork" "$BATS_TEST_TMPDIR/fork.o" "$library" -pthread
    export LD_LIBRARY_PATH=${library%/*}
    in_silence "$BATS_TEST_TMPDIR/work" 500 2
    in_silence "$BATS_TEST_TMPDIR/fork" child
    in_silence "$BATS_TEST_TMPDIR/fork" choices
}

# ---- fork ----

# Lines of CASE in managed mode are those expected, in any order, and none else.
forked() {
    local name=$1
    run --separate-stderr in_mode managed timeout 30 "$PROGRAMS/teams_fork" "$name" 2
    [ "$status" -eq 0 ] || {
        echo "exit status $status: $output $stderr"
        return 1
    }
    [ -z "$stderr" ]
    diff <(sort) <(sort <<<"$output")
}

@test "after a region, a plain child hangs, and a managed one has a team of its own" {
    run timeout 3 "$PROGRAMS/teams_fork" child
    [ "$status" -eq 124 ]
    [ "$output" = "first: 2 of 2" ] || [ "$output" = "first: $(nproc) of $(nproc)" ]
    forked child <<'END'
first: 2 of 2
child: 2 of 2
child again: 2 of 2
parent: 2 of 2
END
}

@test "children of children" {
    forked grandchild <<'END'
first: 2 of 2
child: 2 of 2
grandchild: 2 of 2
child: 2 of 2
END
    forked grandchild_first <<'END'
first: 2 of 2
grandchild: 2 of 2
child: 2 of 2
END
}

@test "a thread that forks, and a thread of a child" {
    forked thread <<'END'
first: 2 of 2
thread: 2 of 2
child of a thread: 2 of 2
END
    forked thread_that_exits <<'END'
first: 2 of 2
thread: 2 of 2
child of a thread: 2 of 2
END
    forked thread_of_child <<'END'
first: 2 of 2
thread of a child: 2 of 2
child: 2 of 2
END
}

@test "fork inside a region" {
    forked inside <<'END'
first: 2 of 2
parent: 2 of 2
END
    forked inside_by_another <<'END'
first: 2 of 2
parent: 2 of 2
END
}

@test "fork beside another thread's regions" {
    forked beside < <(
        echo "first: 2 of 2"
        for _ in {1..20}; do echo "child: 2 of 2"; done
    )
}

@test "fork after nested regions" {
    forked nested <<'END'
first: 2 of 2
nested: 4
nested: 4
END
}

@test "thirty children, one after the other" {
    forked many < <(
        echo "first: 2 of 2"
        for _ in {1..30}; do printf '%s\n' "child: 2 of 2" "child again: 2 of 2" "parent: 2 of 2"; done
    )
}

@test "what the forking thread has set in the runtime, its child finds set" {
    local name
    for name in no_choices choices other_choices; do
        in_silence "$PROGRAMS/teams_fork" "$name"
        same_in_time env OMP_PLACES=threads OMP_PROC_BIND=close "$PROGRAMS/teams_fork" "$name"
        in_silence env OMP_MAX_ACTIVE_LEVELS=4 OMP_SCHEDULE=guided,9 OMP_NUM_THREADS=3 "$PROGRAMS/teams_fork" "$name"
    done
}

@test "fork after a region, under other allocators" {
    local library
    for library in libjemalloc.so.2 libmimalloc.so.2 libtcmalloc_minimal.so.4; do
        echo "$library"
        # Setting a number of threads after the first region makes the child allocate on behalf of the runtime.
        PRELOAD_AFTER=$library in_silence "$PROGRAMS/teams_fork" choices
        PRELOAD_BEFORE=$library in_silence "$PROGRAMS/teams_fork" choices
        PRELOAD_AFTER=$library forked child <<'END'
first: 2 of 2
child: 2 of 2
child again: 2 of 2
parent: 2 of 2
END
    done
}

@test "private copies of the runtime have teams again in a child" {
    run --separate-stderr in_mode managed timeout 30 "$PROGRAMS/teams_host" fork "$BATS_FILE_TMPDIR"/plugin_{p,q,r}.so
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [ "$(grep -c '^library 0: 2 11$' <<<"$output")" -eq 6 ]
    [ "$(grep -c '^library 1: 3 11$' <<<"$output")" -eq 6 ]
    [ "$(grep -c '^library 2: 4 11$' <<<"$output")" -eq 6 ]
    [[ $output == *"child: 0" ]]
}

numpy_program() {
    cat >"$BATS_TEST_TMPDIR/numpy_fork.py" <<'END'
import multiprocessing, sys
import numpy as np
a = np.arange(400 * 400, dtype=float).reshape(400, 400) % 7
expected = float((a @ a).sum())
def work(factor):
    return float((a * factor @ a).sum()) == factor * expected
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        print(pool.map(work, [1, 2, 4, 8] * 4), float((a @ a).sum()) == expected)
END
}

@test "NumPy on OpenBLAS with OpenMP in processes that multiprocessing forked: plain hangs, managed does not" {
    local openblas=/usr/lib/x86_64-linux-gnu/openblas-openmp
    [ -d "$openblas" ] || skip "no OpenBLAS with OpenMP"
    numpy_program
    export LD_LIBRARY_PATH=$openblas OMP_NUM_THREADS=2
    run -124 timeout -k 1 3 /usr/bin/python3 "$BATS_TEST_TMPDIR/numpy_fork.py"
    run --separate-stderr in_mode managed timeout 50 /usr/bin/python3 "$BATS_TEST_TMPDIR/numpy_fork.py"
    [ "$status" -eq 0 ]
    [[ $output == "[True, "*"] True" && $output != *False* ]]
    [ -z "$stderr" ]
}

# on_two COMMAND...: managed, on two CPUs.
on_two() {
    local cpus
    cpus=$(taskset -cp $$ | sed 's/.*: //; s/-/,/' | cut -d, -f1,2)
    taskset -c "$cpus" env LD_PRELOAD="$SHIM" UNIRUN_COMPAT_MODE=managed "$@"
}

@test "a team that may be smaller gets its share of the CPUs, and is told as many as ever" {
    [ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
    cd "$BATS_TEST_TMPDIR"
    # Alone, all of them; beside another such program, half; and a clause is a clause.
    export UNIRUN_TEAMS=malleable UNIRUN_PATIENCE_MS=50 UNIRUN_LOG=off
    run on_two timeout 30 "$PROGRAMS/teams_sizes" 100
    [ "$output" = "told 2, from 2 to 2, asked for 2: 2" ]
    on_two timeout 30 "$PROGRAMS/teams_sizes" 0 there 3>&- &
    while ! [ -e there ]; do sleep 0.01; done
    run on_two timeout 30 "$PROGRAMS/teams_sizes" 100
    [ "$output" = "told 2, from 1 to 1, asked for 2: 2" ]
    rm there
    wait $!
}

@test "a team is not smaller where nobody has allowed it" {
    [ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
    run on_two OMP_DYNAMIC=false timeout 30 "$PROGRAMS/teams_sizes" 100
    [ "$output" = "told 2, from 2 to 2, asked for 2: 2" ]
}

# waiter PATTERN OPTION...: a program that waits for its turn, while another one is inside a region, has signal actions of
# its own (SigCgt of /proc/PID/status) that match PATTERN; in the end it gets its team. Both are to spin.
waiter() {
    local pattern=$1 holder waiter pid caught=
    shift
    export OMP_WAIT_POLICY=active
    cd "$BATS_TEST_TMPDIR" || return
    rm -f ready held
    on_two env "$@" "$PROGRAMS/teams_park" ready held ${own:+own} >out 3>&- &
    waiter=$!
    while ! [ -s ready ]; do sleep 0.01; done
    pid=$(cat ready)
    on_two timeout 30 "$PROGRAMS/teams_sizes" 0 held 3>&- &
    holder=$!
    # The 57th signal is bit 56, SIGRTMAX-7.
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        caught=$(awk '$1 == "SigCgt:" { print substr($2, 1, 2) }' "/proc/$pid/status")
        [[ $caught =~ $pattern ]] && [[ $(cat "/proc/$pid/wchan") == *futex* ]] && break
        sleep 0.01
    done
    rm held
    wait "$holder"
    wait "$waiter"
    [[ $caught =~ $pattern ]]
}

@test "where waits are to spin, idle threads of a program that waits for its turn sleep in a signal handler, unless it uses the signal itself" {
    [ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
    export UNIRUN_PATIENCE_MS=20000 UNIRUN_QUANTUM_MS=1
    waiter '^01$'
    [ "$(cat out)" = "2 2, signals 0" ]
    waiter '^00$' UNIRUN_PARK=0
    [ "$(cat out)" = "2 2, signals 0" ]
    own=1 waiter '^01$'
    [ "$(cat out)" = "2 2, signals 0" ]
}

@test "a program whose waits are not to spin does not wait for its turn, and needs no signal" {
    [ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
    unset OMP_WAIT_POLICY
    export UNIRUN_PATIENCE_MS=20000
    cd "$BATS_TEST_TMPDIR"
    on_two timeout 30 "$PROGRAMS/teams_sizes" 0 held 3>&- &
    while ! [ -e held ]; do sleep 0.01; done
    # Its end is not waited for.
    run --separate-stderr on_two timeout 30 "$PROGRAMS/teams_park" ready held own
    [ "$output" = "2 2, signals 0" ]
    [ -z "$stderr" ]
    [ -e held ]
    rm held
    wait $!
}

@test "a region of one runtime inside a region of another never waits for a turn" {
    # Two such programs at once, which take turns: a member that waited would keep its own team's turn from ending.
    export OMP_WAIT_POLICY=active
    local number pids=()
    export UNIRUN_PATIENCE_MS=60000 UNIRUN_QUANTUM_MS=1
    for number in 1 2; do
        on_two timeout 20 "$PROGRAMS/teams_within" "$BATS_FILE_TMPDIR"/plugin_{q,r}.so 5000 \
            >"$BATS_TEST_TMPDIR/out$number" 2>&1 3>&- &
        pids+=($!)
    done
    wait "${pids[@]}"
    [ "$(cat "$BATS_TEST_TMPDIR"/out[12])" = "$(printf '20000\n20000')" ]
}
