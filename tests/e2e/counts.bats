#!/usr/bin/env bats
# UNIRUN_COUNTS: what programs and runtimes are told of the CPUs where a cgroup quota allows fewer than their mask.
#
# The quotas are real ones, of a machine that has at least two CPUs.
#
# What `run` sets is not seen to be set (SC2154,SC2030,SC2031). $1 and so on are of the inner sh (SC2016).
# shellcheck disable=SC2154,SC2030,SC2031,SC2016

setup_file() {
    local source=$BATS_TEST_DIRNAME/../programs
    gcc -O2 -D_GNU_SOURCE -fopenmp "$source/counts.c" -o "$BATS_FILE_TMPDIR/libgomp"
    clang -O2 -D_GNU_SOURCE -fopenmp "$source/counts.c" -o "$BATS_FILE_TMPDIR/libomp"
    gcc -O2 -shared -fPIC "$source/omp_tool.c" -o "$BATS_FILE_TMPDIR/tool.so"
}

setup() {
    load helper
    cd "$BATS_TEST_TMPDIR" || exit
    ALL=$(nproc)
    OPENBLAS=/usr/lib/x86_64-linux-gnu/openblas
    unset LD_LIBRARY_PATH "${!OMP_@}" "${!GOMP_@}" "${!KMP_@}" "${!OPENBLAS_@}"
    export UNIRUN_LOG=info
}

teardown() {
    [ -z "${group:-}" ] || rmdir "$group"
}

# make_quota PERCENT: a new cgroup, $group, of so much of a CPU. $limit is how the shim calls it.
make_quota() {
    [ "$(id -u)" -eq 0 ] || skip "needs root to make a cgroup"
    [ "$ALL" -ge 2 ] || skip "needs two CPUs"
    group=/sys/fs/cgroup/cpu/unirun-counts-$$-$BATS_TEST_NUMBER
    limit="cgroup v1 quota"
    if ! { mkdir "$group" && echo "$1"000 >"$group/cpu.cfs_quota_us"; } 2>/dev/null; then
        rmdir "$group" 2>/dev/null || true
        group=/sys/fs/cgroup/unirun-counts-$$-$BATS_TEST_NUMBER
        limit="cgroup v2 quota"
        if ! { mkdir "$group" && echo "$1"000 100000 >"$group/cpu.max"; } 2>/dev/null; then
            rmdir "$group" 2>/dev/null || true
            group=
            skip "no cgroup with a CPU quota can be made"
        fi
    fi
}

change_quota() {
    if [ -e "$group/cpu.max" ]; then
        echo "$1"000 100000 >"$group/cpu.max"
    else
        echo "$1"000 >"$group/cpu.cfs_quota_us"
    fi
}

# inside COMMAND...: runs it in $group.
inside() {
    sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$group" "$@"
}

# tells WANTED COMMAND...: in $group, managed, COMMAND says just that. $stderr is our own lines.
tells() {
    local wanted=$1
    shift
    run --separate-stderr inside env LD_PRELOAD="$SHIM" "$@"
    echo "$* said: $output; $stderr"
    [ "$status" -eq 0 ]
    [ "$output" = "$wanted" ]
}

is_said() {
    grep -qE "^unirun\[[0-9]+\]: info: $1 starts with $2 of $ALL CPUs \($limit\)$" <<<"$stderr"
}

nothing_is_said() {
    [[ "$stderr" != *"starts with"* ]]
}

# What tests/programs/counts.c says where its default team is so many, and the rest is true.
true_but() {
    echo "max $1 team $1 procs $ALL other $1 cpus $ALL $ALL online $ALL $ALL configured $(getconf _NPROCESSORS_CONF)"
}

@test "a quota of one CPU, one and a half or half a one starts libgomp and libomp with one thread" {
    make_quota 100
    for percent in 100 150 50; do
        change_quota "$percent"
        tells "$(true_but 1)" "$BATS_FILE_TMPDIR/libgomp"
        is_said libgomp.so.1 1
        tells "$(true_but 1)" "$BATS_FILE_TMPDIR/libomp"
        is_said libomp.so.5 1
    done
}

@test "a quota of as many CPUs as the mask, or more, changes nothing" {
    make_quota "${ALL}00"
    for percent in "${ALL}00" "${ALL}50"; do
        change_quota "$percent"
        for runtime in libgomp libomp; do
            tells "$(true_but "$ALL")" "$BATS_FILE_TMPDIR/$runtime"
            nothing_is_said
        done
    done
}

@test "no quota, and passthrough with one, are as without the shim" {
    for runtime in libgomp libomp; do
        same_everywhere "$BATS_FILE_TMPDIR/$runtime"
        same_everywhere "$BATS_FILE_TMPDIR/$runtime" set
    done
    make_quota 100
    for runtime in libgomp libomp; do
        export MODES="plain passthrough"
        same_everywhere sh -c 'echo $$ >"$1/cgroup.procs" && exec "$2"' sh "$group" "$BATS_FILE_TMPDIR/$runtime"
        [ "$output" = "$(true_but "$ALL")" ]
    done
}

@test "what the user says in the environment goes before the quota" {
    make_quota 100
    for runtime in libgomp libomp; do
        for setting in OMP_NUM_THREADS="$ALL" OMP_PLACES=threads GOMP_CPU_AFFINITY=0-1023 OMP_PROC_BIND=spread; do
            run --separate-stderr inside env "$setting" LD_PRELOAD="$SHIM" "$BATS_FILE_TMPDIR/$runtime"
            echo "$runtime $setting: $output; $stderr"
            [[ "$output" == "max $ALL team $ALL "* ]]
            nothing_is_said
        done
    done
}

@test "what the program chooses goes before the quota" {
    make_quota 100
    for runtime in libgomp libomp; do
        run --separate-stderr inside env LD_PRELOAD="$SHIM" "$BATS_FILE_TMPDIR/$runtime" set
        [[ "$output" == "max 2 team 2 procs $ALL "* ]]
    done
    # By its own environment, before it opens the runtime.
    for library in libgomp.so.1 libomp.so.5; do
        tells 2 /usr/bin/python3 -c "
import ctypes, os
os.environ['OMP_NUM_THREADS'] = '2'
print(ctypes.CDLL('$library').omp_get_max_threads())"
        nothing_is_said
    done
}

@test "a runtime that is opened late, under another name, or in a fork child starts with the quota" {
    make_quota 100
    cp "$(readlink -f /lib/x86_64-linux-gnu/libgomp.so.1)" libgomp-a1b2c3.so.1.0.0
    for library in libgomp.so.1 libomp.so.5 ./libgomp-a1b2c3.so.1.0.0; do
        tells "1 $ALL $ALL" /usr/bin/python3 -c "
import ctypes, os
library = ctypes.CDLL('$library')
print(library.omp_get_max_threads(), library.omp_get_num_procs(), len(os.sched_getaffinity(0)))"
        is_said "${library##*/}" 1
        for used in 0 1; do # by the parent
            tells 1 /usr/bin/python3 -c "
import ctypes, os
if $used:
    ctypes.CDLL('$library').omp_get_max_threads()
pid = os.fork()
if pid == 0:
    print(ctypes.CDLL('$library').omp_get_max_threads(), flush=True)
    os._exit(0)
os.waitpid(pid, 0)"
        done
    done
}

@test "a program for libgomp that runs on libomp starts with the quota" {
    make_quota 100
    cp "$(readlink -f /lib/x86_64-linux-gnu/libomp.so.5)" libgomp.so.1
    LD_LIBRARY_PATH=$PWD tells "$(true_but 1)" "$BATS_FILE_TMPDIR/libgomp"
    is_said libgomp.so.1 1
}

@test "each copy of a runtime in a process starts with the quota" {
    make_quota 100
    cp "$(readlink -f /lib/x86_64-linux-gnu/libgomp.so.1)" libgomp-a1b2c3.so.1.0.0
    tells "1 1 1" /usr/bin/python3 -c "
import ctypes
libraries = [ctypes.CDLL(name) for name in ('libgomp.so.1', './libgomp-a1b2c3.so.1.0.0', 'libomp.so.5')]
print(*[library.omp_get_max_threads() for library in libraries])"
}

# The threads of the process once NumPy has multiplied matrices, and the CPUs that it is told of.
multiply='
import ctypes, numpy, os
def threads():
    (numpy.ones((600, 600)) @ numpy.ones((600, 600))).sum()
    return len(os.listdir("/proc/self/task"))
print(threads(), len(os.sched_getaffinity(0)), os.cpu_count(), end=" ")
ctypes.CDLL("libopenblas.so.0").openblas_set_num_threads(2)
print(threads())'

@test "NumPy on OpenBLAS starts with the quota, and with what is asked for" {
    make_quota 100
    for threading in pthread openmp; do
        export LD_LIBRARY_PATH=$OPENBLAS-$threading
        tells "1 $ALL $ALL 2" /usr/bin/python3 -c "$multiply"
        if [ "$threading" = pthread ]; then is_said libopenblas.so.0 1; else is_said libgomp.so.1 1; fi
        OMP_NUM_THREADS=2 tells "2 $ALL $ALL 2" /usr/bin/python3 -c "$multiply"
        nothing_is_said
    done
    LD_LIBRARY_PATH=$OPENBLAS-pthread OPENBLAS_NUM_THREADS=2 tells "2 $ALL $ALL 2" /usr/bin/python3 -c "$multiply"
    nothing_is_said
}

@test "UNIRUN_COUNTS=host changes nothing" {
    make_quota 100
    export UNIRUN_COUNTS=host
    for runtime in libgomp libomp; do
        tells "$(true_but "$ALL")" "$BATS_FILE_TMPDIR/$runtime"
        nothing_is_said
    done
}

@test "UNIRUN_COUNTS=quota tells everybody, but in no mask and not of configured CPUs" {
    make_quota 100
    export UNIRUN_COUNTS=quota
    for runtime in libgomp libomp; do
        tells "max 1 team 1 procs $ALL other 1 cpus $ALL $ALL online 1 1 configured $(getconf _NPROCESSORS_CONF)" \
            "$BATS_FILE_TMPDIR/$runtime"
    done
    tells "1 $ALL" /usr/bin/python3 -c 'import os; print(os.cpu_count(), len(os.sched_getaffinity(0)))'
    change_quota "${ALL}00"
    tells "$ALL $ALL" /usr/bin/python3 -c 'import os; print(os.cpu_count(), len(os.sched_getaffinity(0)))'
    [[ "$stderr" != *downgraded* ]]
}

@test "UNIRUN_COUNTS=quota follows a quota that changes" {
    make_quota 100
    export UNIRUN_COUNTS=quota
    cat >follow.py <<'END'
import os, sys, time
before = os.cpu_count()
print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + 30
while os.cpu_count() == before and time.monotonic() < end:
    time.sleep(0.05)
print(before, os.cpu_count(), flush=True)
END
    mkfifo go said
    exec 5<>go 6<>said
    inside env LD_PRELOAD="$SHIM" /usr/bin/python3 follow.py <go >said 2>err 3>&- &
    read -r -t 30 line <&6
    [ "$line" = ready ]
    change_quota "${ALL}00"
    echo >&5
    read -r -t 60 line <&6
    wait $!
    exec 5>&- 6>&-
    echo "$line"
    [ "$line" = "1 $ALL" ]
}

@test "an OpenMP tool of the user's is started as ever, and goes before the quota" {
    for PRELOAD_AFTER in "$BATS_FILE_TMPDIR/tool.so" ''; do
        # After the shim, before it, and by its own variable.
        for PRELOAD_BEFORE in "$BATS_FILE_TMPDIR/tool.so" ''; do
            [ "$PRELOAD_BEFORE$PRELOAD_AFTER" ] || export OMP_TOOL_LIBRARIES=$BATS_FILE_TMPDIR/tool.so
            same_everywhere "$BATS_FILE_TMPDIR/libomp"
            [[ "$output" == tool$'\n'max* ]]
        done
    done
    make_quota 100
    tells $'tool\n'"$(true_but "$ALL")" "$BATS_FILE_TMPDIR/libomp"
    unset OMP_TOOL_LIBRARIES
    run --separate-stderr inside env LD_PRELOAD="$SHIM $BATS_FILE_TMPDIR/tool.so" "$BATS_FILE_TMPDIR/libomp"
    [ "$output" = $'tool\n'"$(true_but "$ALL")" ]
}

@test "an affinity mask below the quota rules, as without the shim" {
    make_quota "${ALL}00"
    for runtime in libgomp libomp; do
        run --separate-stderr inside env LD_PRELOAD="$SHIM" taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')" \
            "$BATS_FILE_TMPDIR/$runtime"
        [[ "$output" == "max 1 team 1 procs 1 other 1 cpus 1 1 online $ALL "* ]]
        nothing_is_said
    done
}
