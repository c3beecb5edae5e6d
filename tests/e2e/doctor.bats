#!/usr/bin/env bats
# unirun doctor: what it says of this machine and of a program, and that it runs nothing of the latter.
#
# What `run` sets is not seen to be set (SC2154).
# shellcheck disable=SC2154

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
    printf '#include <unistd.h>\n__attribute__((constructor)) static void talk(void) { write(2, "hi\\n", 3); }' >talk.c
    gcc -w -shared -fPIC talk.c -o talk.so
    doctor --shim talk.so
    problem talk.so "hi"
    printf '__attribute__((constructor)) static void crash(void) { __builtin_trap(); }' >crash.c
    gcc -shared -fPIC crash.c -o crash.so
    doctor --shim crash.so
    problem crash.so "wait status"
    says "library    $PWD/crash.so, does not work"
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

@test "a cgroup quota limits the capacity, and the cgroup is named" {
    needs_root
    [ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
    local group=/sys/fs/cgroup/cpu/unirun-test-$$
    if mkdir "$group" 2>/dev/null && echo 150000 >"$group/cpu.cfs_quota_us"; then
        # shellcheck disable=SC2016
        run --separate-stderr sh -c 'echo $$ >"$1/cgroup.procs" && exec "$2" doctor' sh "$group" "$UNIRUN"
        rmdir "$group"
        says "capacity   1 CPU, limited by cgroup v1; affinity mask: *, quota: 1 in $group"
        return
    fi
    group=/sys/fs/cgroup/unirun-test-$$
    if mkdir "$group" 2>/dev/null && echo 150000 100000 >"$group/cpu.max"; then
        # shellcheck disable=SC2016
        run --separate-stderr sh -c 'echo $$ >"$1/cgroup.procs" && exec "$2" doctor' sh "$group" "$UNIRUN"
        rmdir "$group"
        says "capacity   1 CPU, limited by cgroup v2; affinity mask: *, quota: 1 in $group"
        return
    fi
    rmdir "$group" 2>/dev/null || true
    skip "no cgroup with a CPU quota can be made"
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

@test "a program that is not there is a problem" {
    doctor no-such-program
    problem no-such-program "No such file"
}
