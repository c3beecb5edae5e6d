#!/usr/bin/env bats
# UNIRUN_COMPAT_MODE, and the processes that go to passthrough by themselves.

setup() {
    load helper
}

# What a test has put outside of its own folder.
teardown() {
    [ -z "${installed:-}" ] || rm -f "$installed"
    [ -z "${where:-}" ] || rm -rf "$where"
}

# under SETTING... -- COMMAND...: runs COMMAND with the shim and the settings.
under() {
    local settings=()
    while [ "$1" != -- ]; do
        settings+=("$1")
        shift
    done
    shift
    run --separate-stderr env LD_PRELOAD="$SHIM" "${settings[@]}" "$@"
}

mode_of() {
    under "$@" -- "$PROGRAMS/mode"
    [ "$status" -eq 0 ]
}

@test "unset and empty mean managed" {
    mode_of A=1
    [ "$output" = managed ]
    mode_of UNIRUN_COMPAT_MODE=
    [ "$output" = managed ]
}

@test "managed and passthrough mean what they say, and passthrough is silent" {
    mode_of UNIRUN_COMPAT_MODE=managed
    [ "$output" = managed ]
    mode_of UNIRUN_COMPAT_MODE=passthrough UNIRUN_LOG=debug UNIRUN_QUANTUM_MS=nonsense
    [ "$output" = passthrough ]
    [ -z "$stderr" ]
}

@test "a bad mode means passthrough, with one line" {
    mode_of UNIRUN_COMPAT_MODE=manged
    [ "$output" = passthrough ]
    [ "$(sed -E 's/\[[0-9]+\]/[PID]/' <<<"$stderr")" = \
        "unirun[PID]: RuntimeWarning: UNIRUN_COMPAT_MODE='manged' is not one of managed, passthrough; using passthrough" ]
}

@test "every other bad value has one line and its default" {
    mode_of UNIRUN_QUANTUM_MS=soon UNIRUN_DOMAIN=a/b
    [ "$output" = managed ]
    [ "$(wc -l <<<"$stderr")" -eq 2 ]
    [[ $stderr == *"UNIRUN_QUANTUM_MS='soon' is not a number from 1 to 10000; using 100"* ]]
    [[ $stderr == *"UNIRUN_DOMAIN='a/b' is not a name of 1 to 64 characters"*"; using default"* ]]
}

@test "a program with a sanitizer runtime is passthrough (reason sanitizer)" {
    printf '#include <stdio.h>\nint main(void) { puts("ran"); return 0; }\n' >"$BATS_TEST_TMPDIR/t.c"
    gcc -fsanitize=thread "$BATS_TEST_TMPDIR/t.c" -o "$BATS_TEST_TMPDIR/t"
    under UNIRUN_COMPAT_MODE=managed -- "$BATS_TEST_TMPDIR/t"
    [ "$status" -eq 0 ]
    [ "$output" = ran ]
    [[ $stderr == *"process downgraded to stdlib behaviour: "*"(reason=sanitizer caller=libtsan.so."*" count=1)" ]]
    [ "$(wc -l <<<"$stderr")" -eq 1 ]
}

@test "a program under rr or DMTCP is passthrough (reason recorder)" {
    under RUNNING_UNDER_RR=1 -- "$PROGRAMS/mode"
    [ "$output" = passthrough ]
    [[ $stderr == *"(reason=recorder caller=mode+0x"*" count=1)" ]]
}

@test "a program that defines pthread_create itself is passthrough (reason preempted)" {
    under A=1 -- "$PROGRAMS/owncreate"
    [ "$status" -eq 0 ]
    [ "$output" = "own pthread_create" ]
    [[ $stderr == *"(reason=preempted caller=owncreate+0x"*" count=1)" ]]
}

@test "a program that only takes pthread_create's address is managed" {
    under UNIRUN_LOG=info -- "$PROGRAMS/address"
    [ "$status" -eq 0 ]
    [[ $stderr =~ ^unirun\[[0-9]+\]:\ info:\ managed\ mode, ]]
    [[ $stderr == *": info: threads: recycled "* ]]
}

@test "UNIRUN_LOG=info says at exit how threads were made, debug why one was not reused" {
    # A thread, joined, then another that ends by pthread_exit, and one more.
    printf '%s\n' '#include <pthread.h>' 'static void *run(void *leave) { if (leave) pthread_exit(leave); return leave; }' \
        'int main(void) { for (long i = 0; i < 3; i++) { pthread_t id; pthread_create(&id, 0, run, (void *)(i & 1));' \
        'pthread_join(id, 0); } return 0; }' >"$BATS_TEST_TMPDIR/three.c"
    cc -o "$BATS_TEST_TMPDIR/three" "$BATS_TEST_TMPDIR/three.c" -pthread
    # The joiner may be back before the worker has parked, and libgcc_s, loaded meanwhile, costs the third its worker.
    under UNIRUN_LOG=info -- "$BATS_TEST_TMPDIR/three"
    [[ $stderr =~ info:\ threads:\ recycled\ [01],\ new\ [23],\ of\ which\ not\ reusable\ [12]$ ]]
    under UNIRUN_LOG=debug -- "$BATS_TEST_TMPDIR/three"
    [[ $stderr == *"debug: a thread will not be reused: it ends by itself"* ]]
}

@test "UNIRUN_LOG=info says the mode, off says nothing" {
    mode_of UNIRUN_LOG=info
    [[ $stderr =~ ^unirun\[[0-9]+\]:\ info:\ managed\ mode,\ version\ [0-9.]+,\ capacity\ [0-9]+\ CPUs?\ \([a-z0-9\ ]+\)$ ]]
    mode_of UNIRUN_LOG=off UNIRUN_COMPAT_MODE=bad
    [ "$output" = passthrough ]
    [ -z "$stderr" ]
}

@test "a privileged program is passthrough, silent, and reads no setting" {
    [ "$(id -u)" -eq 0 ] || skip "needs root to make a set-user-ID program"
    # In secure mode the loader takes a preload only from a system folder, by bare name, and if it is set-user-ID itself.
    folder=$(dirname "$(ldconfig -p | awk '$1 == "libc.so.6" { print $NF; exit }')")
    name=libunirun_shim_setuid_test.so
    where=$(mktemp -d /tmp/unirun-setuid.XXXXXX)
    installed=$folder/$name
    cp "$SHIM" "$installed"
    chmod u+s "$installed"
    cp "$PROGRAMS/mode" "$where/mode"
    chmod 755 "$where"
    chmod 4755 "$where/mode"
    run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups \
        env LD_PRELOAD="$name" UNIRUN_COMPAT_MODE=bad UNIRUN_LOG=debug "$where/mode"
    got=$output said=$stderr
    # Without privilege the same preload is the ordinary shim: so it was loaded above.
    chmod 755 "$where/mode"
    run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups \
        env LD_PRELOAD="$name" UNIRUN_COMPAT_MODE=managed "$where/mode"
    ordinary=$output
    [ "$ordinary" = managed ]
    [ "$got" = passthrough ]
    [ -z "$said" ]
}

# linked CONSTRUCTOR MAIN: ./program, which does MAIN and is linked with a library whose constructor, which runs before
# that of a preload, does CONSTRUCTOR.
linked() {
    cat >linked.c <<END
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int linked_answer(void) { return 0; }
__attribute__((constructor)) static void start(void) { $1 }
END
    cat >program.c <<END
#include <pthread.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <unistd.h>
int linked_answer(void);
const char *unirun_mode(void) __attribute__((weak));
static void *task(void *arg) { return arg; }
static inline void one_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, task, NULL) == 0)
        pthread_join(thread, NULL);
}
int main(void) { $2 return linked_answer(); }
END
    gcc -shared -fPIC linked.c -o liblinked.so
    gcc -w program.c -o program -L. -llinked -Wl,-rpath,"$PWD"
}

@test "what dlerror() has to say survives our start, however early the call that starts us" {
    cd "$BATS_TEST_TMPDIR" || exit
    local call
    export UNIRUN_COUNTS=quota
    for call in 'sysconf(_SC_NPROCESSORS_ONLN);' 'if (!fork()) _exit(0);' ''; do
        linked "dlopen(\"nope.so\", RTLD_NOW); $call
            const char *text = dlerror(); puts(text ? text : \"lost\"); fflush(stdout);" 'one_thread(); get_nprocs();'
        run_all_modes "$PWD/program"
        [ "$status" -eq 0 ]
        [ "$output" = "nope.so: cannot open shared object file: No such file or directory" ]
        # And the other way: nothing failed, so there is nothing to say.
        linked "$call const char *text = dlerror(); puts(text ? text : \"nothing\"); fflush(stdout);" 'one_thread();'
        run_all_modes "$PWD/program"
        [ "$output" = nothing ]
    done
    # Across our constructor, too.
    linked 'dlopen("nope.so", RTLD_NOW);' 'extern char *dlerror(void); char *text = dlerror(); puts(text ? text : "lost");'
    run_all_modes "$PWD/program"
    [ "$output" = "nope.so: cannot open shared object file: No such file or directory" ]
}

@test "a library that clears the environment before we have read it does not undo passthrough" {
    cd "$BATS_TEST_TMPDIR" || exit
    local how call
    for how in 'clearenv();' 'extern char **environ; environ = NULL;'; do
        for call in '' 'sysconf(_SC_NPROCESSORS_ONLN);'; do
            linked "$call $how $call" 'one_thread(); get_nprocs(); puts(unirun_mode ? unirun_mode() : "plain");'
            under UNIRUN_COMPAT_MODE=passthrough UNIRUN_COUNTS=quota UNIRUN_LOG=debug -- ./program
            echo "$how $call: $output, $stderr"
            [ "$status" -eq 0 ]
            [ "$output" = passthrough ]
            [ -z "$stderr" ]
        done
    done
    # The same program does speak, where passthrough was not asked for.
    under UNIRUN_COMPAT_MODE=managed UNIRUN_COUNTS=quota UNIRUN_LOG=debug -- ./program
    [ "$output" = managed ]
    [ -n "$stderr" ]
}

@test "attributes that no parked thread has are said (reasons attribute-stack, -scheduling, -affinity)" {
    cd "$BATS_TEST_TMPDIR"
    under UNIRUN_COMPAT_MODE=managed -- "$PROGRAMS/posix_attributes"
    [ "$status" -eq 0 ]
    for reason in attribute-stack attribute-scheduling attribute-affinity; do
        [[ $stderr == *"pthread_create downgraded to stdlib behaviour: "*"(reason=$reason caller=posix_attributes+"* ]]
    done
}

@test "a thread made by a thread that libc made inside itself is said (reason creator)" {
    # A thread of aio's or of a timer's: here one that a raw pthread_create of libc's makes, past the shim.
    under UNIRUN_COMPAT_MODE=managed -- /usr/bin/python3 -c '
import ctypes
libc = ctypes.CDLL("libc.so.6")
own = ctypes.CDLL(None)
start = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def make(_):
    inner = ctypes.c_ulong()
    own.pthread_create(ctypes.byref(inner), None, ctypes.cast(libc.getpid, ctypes.c_void_p), None)
    own.pthread_join(inner, None)
thread, routine = ctypes.c_ulong(), start(make)
libc.pthread_create(ctypes.byref(thread), None, routine, None)
libc.pthread_join(thread, None)
print("joined")'
    [ "$output" = joined ]
    [[ $stderr == *"(reason=creator caller="* ]]
}
