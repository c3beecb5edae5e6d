#!/usr/bin/env bats
# unirun doctor: what it says of this machine and of a program, and that it runs nothing of the latter.
#
# What `run` sets is not seen to be set (SC2154,SC2030,SC2031).
# shellcheck disable=SC2154,SC2030,SC2031

setup() {
    load helper
    export -n UNIRUN_BUILD # it looks like a setting
    cd "$BATS_TEST_TMPDIR" || exit
}

doctor() {
    run --separate-stderr "$UNIRUN" doctor "$@"
}

# The value at a path of keys in the JSON report, which is read from stdin.
value() {
    python3 -c '
import json, sys
v = json.load(sys.stdin)
for key in sys.argv[1:]:
    v = v[int(key) if key.isdigit() else key]
print(v if isinstance(v, str) else json.dumps(v, sort_keys=True))' "$@"
}

# The report has a problem with these words.
problem() {
    [ "$status" -eq 1 ]
    local line words
    for line in "${lines[@]}"; do
        [[ "$line" == "problem    "* ]] || continue
        for words; do
            [[ "$line" == *"$words"* ]] || continue 2
        done
        return 0
    done
    echo "no problem with: $*; but: $output"
    return 1
}

says() {
    [[ $'\n'"$output"$'\n' == *$'\n'$1$'\n'* ]] || {
        echo "not said: $1; but: $output"
        return 1
    }
}

# make_shim NAME STATEMENT: NAME.so, which passes for the library until it is loaded, and then does STATEMENT.
make_shim() {
    cat >"$1.c" <<END
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
const char *unirun_version(void) { return "0"; }
static int managed(void) { return !strcmp(getenv("UNIRUN_COMPAT_MODE"), "managed"); }
__attribute__((constructor)) static void start(void) { (void)managed; $2 }
END
    gcc -w -shared -fPIC "$1.c" -o "$1.so"
}

needs_root() {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
}

# ---- the machine ----

@test "a machine where all is well is exit status 0 and no problem" {
    doctor
    echo "$output"
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    says "library    $SHIM, works"
    says "mode       managed"
    says "capacity   *"
    says "glibc      *"
    says "/dev/shm   usable"
    [[ "$output" != *problem* ]]
}

@test "the JSON report says the same" {
    doctor --json
    [ "$status" -eq 0 ]
    [ "$(value library path <<<"$output")" = "$SHIM" ]
    [ "$(value library works <<<"$output")" = true ]
    [ "$(value mode <<<"$output")" = managed ]
    [ "$(value problems <<<"$output")" = '[]' ]
    [ "$(value capacity cpus <<<"$output")" -ge 1 ]
}

@test "a library that is not there, is none, talks or crashes is a problem" {
    doctor --shim ./none.so
    problem none.so
    echo text >text.so
    doctor --shim text.so
    problem text.so
    doctor --shim "$EMPTY"
    problem "$EMPTY" unirun_version
    make_shim talk 'write(2, "hi\n", 3);'
    doctor --shim talk.so
    problem talk.so "in passthrough mode" "says: hi"
    make_shim crash '__builtin_trap();'
    doctor --shim crash.so
    problem crash.so "in passthrough mode" "wait status"
    says "library    $PWD/crash.so, does not work"
}

@test "a library that works in passthrough only is a problem" {
    make_shim talk 'if (managed()) write(2, "unirun[1]: info: mine\nhi\n", 25);'
    doctor --shim talk.so
    problem talk.so "in managed mode" "says: hi"
    make_shim crash 'if (managed()) __builtin_trap();'
    doctor --shim crash.so
    problem crash.so "in managed mode" "wait status"
    make_shim fail 'if (managed()) _exit(3);'
    doctor --shim fail.so
    problem fail.so "in managed mode" "wait status 0x300"
    make_shim log 'if (managed()) write(2, "unirun[12]: RuntimeWarning: mine\n", 33);'
    doctor --shim log.so
    [ "$status" -eq 0 ]
    says "library    $PWD/log.so, works"
    make_shim log 'write(2, "unirun[12]: RuntimeWarning: mine\n", 33);'
    doctor --shim log.so
    problem log.so "in passthrough mode" "says: unirun[12]: RuntimeWarning: mine"
}

@test "settings that differ from their default are shown" {
    UNIRUN_COMPAT_MODE=passthrough UNIRUN_LOG=info UNIRUN_TEAMS=fixed doctor
    [ "$status" -eq 0 ]
    says "mode       passthrough"
    says "setting    UNIRUN_LOG=info"
    [[ "$output" != *UNIRUN_TEAMS* ]]
}

@test "bad values and misspelt names are problems" {
    UNIRUN_COMPAT_MODE=fast UNIRUN_TEEMS=fixed doctor
    problem "UNIRUN_COMPAT_MODE='fast' is not one of managed, passthrough; using passthrough"
    problem "UNIRUN_TEEMS is not a setting; did you mean UNIRUN_TEAMS?"
    says "mode       passthrough"
}

@test "the affinity mask limits the capacity" {
    local cpu
    cpu=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
    run --separate-stderr taskset -c "$cpu" "$UNIRUN" doctor
    says "capacity   1 CPU, limited by affinity; affinity mask: 1*"
}

# with_quota COMMAND...: runs COMMAND in a new cgroup of one and a half CPUs, from which $limit follows, and checks that
# the report on its stdout names a directory of that cgroup. Which one depends on what is mounted where.
with_quota() {
    local group=/sys/fs/cgroup/cpu/unirun-test-$$ said named same=no limit="cgroup v1"
    if ! { mkdir "$group" && echo 150000 >"$group/cpu.cfs_quota_us"; } 2>/dev/null; then
        rmdir "$group" 2>/dev/null || true
        group=/sys/fs/cgroup/unirun-test-$$
        limit="cgroup v2"
        if ! { mkdir "$group" && echo 150000 100000 >"$group/cpu.max"; } 2>/dev/null; then
            rmdir "$group" 2>/dev/null || true
            skip "no cgroup with a CPU quota can be made"
        fi
    fi
    # shellcheck disable=SC2016
    run --separate-stderr sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$group" "$@"
    said=$(grep '^capacity ' <<<"$output" || true)
    named=${said##* in }
    [ ! "$named" -ef "$group" ] || same=yes
    rmdir "$group"
    echo "$said; expected: $group"
    [[ "$said" == "capacity   1 CPU, limited by $limit; affinity mask: "*", quota: 1 in "* ]]
    [ "$same" = yes ]
}

@test "a cgroup quota limits the capacity, and the cgroup is named" {
    needs_root
    [ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
    with_quota "$UNIRUN" doctor
}

@test "a second mount of the cgroups does not change what is named" {
    needs_root
    [ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
    unshare -m true 2>/dev/null || skip "no mount namespace can be made"
    mkdir copy
    # shellcheck disable=SC2016
    with_quota unshare -m sh -c 'mount --rbind /sys/fs/cgroup copy && exec "$1" doctor' sh "$UNIRUN"
    [[ "$output" == *", quota: 1 in /sys/fs/cgroup/"* ]]
}

@test "a /dev/shm that is full, read-only or missing is a problem" {
    unshare -m true 2>/dev/null || skip "no mount namespace can be made"
    for options in size=4k ro; do
        # shellcheck disable=SC2016
        run --separate-stderr unshare -m sh -c 'mount -t tmpfs -o "$1" none /dev/shm && exec "$2" doctor' sh \
            "$options" "$UNIRUN"
        problem "/dev/shm cannot be used"
    done
    # shellcheck disable=SC2016
    run --separate-stderr unshare -m sh -c 'mount -t tmpfs none /dev && exec "$1" doctor' sh "$UNIRUN"
    problem "/dev/shm cannot be used"
}

@test "a PID namespace of its own is said" {
    unshare -pf true 2>/dev/null || skip "no PID namespace can be made"
    run --separate-stderr unshare -pf --mount-proc "$UNIRUN" doctor
    says "pid ns     its own"
}

@test "bad arguments are one line and exit status 2" {
    doctor --fast
    [ "$status" -eq 2 ]
    [ "$stderr" = "unirun doctor: --fast is not an option; see unirun doctor --help" ]
}

# ---- a program ----

@test "a program is found, and its routed symbols are told apart" {
    cat >program.c <<'END'
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *task(void *arg) { return arg; }
int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, task, NULL);
    pthread_join(thread, NULL);
    return fork() < 0 || system("true");
}
END
    gcc program.c -o program
    doctor --json -- ./program
    [ "$status" -eq 0 ]
    [ "$(value program path <<<"$output")" = ./program ]
    [ "$(value program managed <<<"$output")" = true ]
    # Whether managed mode does something with a call depends on the version; a row it has in any.
    symbols=$(value program symbols <<<"$output")
    for name in pthread_create pthread_join fork system; do
        [[ "$symbols" == *"\"$name\": [\"program\"]"* ]]
    done
    [ "$(value program symbols left system <<<"$output")" = '["program"]' ]
    [ "$(value program symbols managed fork <<<"$output")" = '["program"]' ]
}

@test "runtimes are found among the libraries of libraries" {
    printf 'int twice(int n) {\n#pragma omp parallel\n{ n++; }\nreturn n; }' >inner.c
    gcc -fopenmp -shared -fPIC inner.c -o libinner.so
    printf 'int twice(int n);\nint main(void) { return twice(0) < 0; }' >outer.c
    gcc outer.c -o outer -L. -linner -Wl,-rpath,"$PWD"
    doctor ./outer
    [ "$status" -eq 0 ]
    says "runtime    GNU OpenMP (*libgomp.so*)"
}

@test "libraries beside a program are found through a link to it" {
    mkdir real
    printf 'int f(void) { return 0; }' >beside.c
    gcc -shared -fPIC beside.c -o real/libbeside.so
    printf 'int f(void);\nint main(void) { return f(); }' >user.c
    # shellcheck disable=SC2016
    gcc user.c -o real/user -Lreal -lbeside -Wl,-rpath,'$ORIGIN'
    ln -s real/user user
    doctor ./user
    [ "$status" -eq 0 ]
}

@test "a library that is missing is a problem" {
    printf 'int f(void) { return 0; }' >lost.c
    gcc -shared -fPIC lost.c -o liblost.so
    printf 'int f(void);\nint main(void) { return f(); }' >needy.c
    gcc needy.c -o needy -L. -llost
    doctor ./needy
    problem needy liblost.so
}

@test "the chain of a script and the verdict on its end are said, with what to do" {
    printf 'int main(void) { return 0; }' >still.c
    gcc -static still.c -o still
    printf '#!/usr/bin/env -S %s\n' "$PWD/still" >script
    chmod +x script
    doctor ./script
    says "program    ./script -> /usr/bin/env -> $PWD/still"
    says "verdict    not managed: static"
    problem "$PWD/still cannot be managed" "(reason=static)" "link it dynamically"
}

@test "nothing of the program is run" {
    cat >active.c <<'END'
#include <stdio.h>
__attribute__((constructor)) static void run(void) { fclose(fopen("ran", "w")); }
int main(void) { return 0; }
END
    gcc active.c -o active
    doctor ./active
    [ "$status" -eq 0 ]
    [ ! -e ran ]
    needs_root
    # A privileged program would take no notice of the variable that makes the loader list and stop.
    chown 65534 active
    chmod 4755 active
    doctor ./active
    problem "(reason=setuid)"
    [ ! -e ran ]
}

@test "a program whose name is odd or no text is examined like any other" {
    local name
    printf 'int main(void) { return 0; }' >still.c
    gcc -static still.c -o still
    gcc still.c -o moving
    for name in $'h\nq"\xff' $'\x9b31m' $'\e[31m' $'cut\xe2\x82' $'next\xc2\x85line'; do
        cp still "$name"
        doctor "./$name"
        [ "$status" -eq 1 ]
        [ "$(grep -c ^problem <<<"$output")" -eq 1 ]
        problem "cannot be managed" "(reason=static)"
        [[ "$output" != *$'\e'* && "$output" != *$'\xc2\x85'* && "$output" != *$'\n''q"'* ]]
        doctor --json "./$name"
        [ "$status" -eq 1 ]
        python3 -c '
import json, os, sys
report = json.loads(sys.stdin.buffer.read().decode("utf-8", "strict"))
path = os.fsencode(sys.argv[1]).decode("utf-8", "replace").replace("\ufffd", "")
assert [c.replace("\ufffd", "") for c in report["program"]["chain"]] == [path], report
assert report["program"]["path"].replace("\ufffd", "") == path
assert len(report["problems"]) == 1 and path in report["problems"][0].replace("\ufffd", "")' "./$name" <<<"$output"
        mv moving "$name"
        doctor "./$name"
        [ "$status" -eq 0 ]
        mv "$name" moving
    done
    doctor $'./none\xff'
    problem "No such file"
}

@test "a library in a folder whose name is no text is examined" {
    mkdir $'d\xff'
    printf '#include <unistd.h>\nint f(void) { return fork(); }' >odd.c
    gcc -shared -fPIC odd.c -o $'d\xff/libgomp-odd.so'
    printf 'int f(void);\nint main(void) { return f(); }' >user.c
    gcc user.c -o searched -L$'d\xff' -lgomp-odd -Wl,-rpath,"$PWD"$'/d\xff'
    gcc user.c -o named $'d\xff/libgomp-odd.so'
    for program in ./searched ./named; do
        doctor --json $program
        [ "$status" -eq 0 ]
        [ "$(value program symbols managed fork <<<"$output")" = '["libgomp-odd.so"]' ]
        [ "$(value program runtimes 0 name <<<"$output")" = "GNU OpenMP" ]
        doctor $program
        says "runtime    GNU OpenMP (*libgomp-odd.so)"
    done
}

@test "a setting whose value is no text is a problem" {
    UNIRUN_QUANTUM_MS=$'\xff\n' doctor
    [ "$(grep -c ^problem <<<"$output")" -eq 1 ]
    problem "UNIRUN_QUANTUM_MS=" "is not a number"
    UNIRUN_TRACE=$'t\xff' doctor --json
    [ "$status" -eq 0 ]
    [ "$(value settings UNIRUN_TRACE <<<"$output")" = $'t\ufffd' ]
}

@test "a program that is not there is a problem" {
    doctor no-such-program
    problem no-such-program "No such file"
}
