#!/usr/bin/env bats
# The same calls in good and bad moments: what they give is what they give without the shim.

setup() {
    load helper
}

@test "from main, fork children, raw clone children, a signal handler and late libraries" {
    same_everywhere "$PROGRAMS/moments" "$PROGRAMS/liblate.so"
}

@test "from a constructor that runs before ours, and a destructor" {
    same_everywhere "$PROGRAMS/early_main"
    # It did run before ours, or this test shows nothing.
    run env LD_PRELOAD="$SHIM" UNIRUN_COMPAT_MODE=passthrough LD_DEBUG=files "$PROGRAMS/early_main"
    process=$(awk '{ print $1; exit }' <<<"$output") # and not its children, which load the shim too
    order=$(grep "^ *$process" <<<"$output" | grep -oE 'calling init: .*/(libearly_linked|libunirun_shim).so' | sed 's/.*lib//')
    [ "$order" = $'early_linked.so\nunirun_shim.so' ]
}

@test "from a constructor that runs before libc's, when there is no environment" {
    same_everywhere "$PROGRAMS/first_main"
    [[ $output == *"environ is there 0"* ]]
}

@test "with the program's malloc making a thread on its first call, in both preload orders" {
    # Children say it too, whenever they come to it, so it is looked for apart.
    export NORMALIZE='/malloc made a thread/d'
    for place in PRELOAD_BEFORE PRELOAD_AFTER; do
        declare "$place=$PROGRAMS/libthreadmalloc.so"
        same_everywhere "$PROGRAMS/moments"
        unset "$place"
        for mode in plain passthrough managed; do
            grep -q 'malloc made a thread' "$BATS_TEST_TMPDIR/modes/$mode/out.raw"
        done
    done
}

@test "another preload behind us or before us sees every call that it saw without us" {
    for place in PRELOAD_BEFORE PRELOAD_AFTER; do
        declare "$place=$PROGRAMS/libinterpose.so"
        MODES="plain passthrough" same_everywhere "$PROGRAMS/moments" "$PROGRAMS/liblate.so"
        [[ $output == *"interposed: "[1-9]* ]]
        # Behind us it sees one thread for many, and a key of ours; everything else as before.
        NORMALIZE='s/[0-9]+ (creates|keys)/some \1/g' same_everywhere "$PROGRAMS/moments" "$PROGRAMS/liblate.so"
        unset "$place"
    done
}

@test "jemalloc, tcmalloc and mimalloc preloaded, in both orders" {
    for allocator in libjemalloc.so.2 libtcmalloc_minimal.so.4 libmimalloc.so.2; do
        path=$(ldconfig -p | awk -v l="$allocator" '$1 == l { print $NF; exit }')
        [ -n "$path" ] || {
            echo "$allocator is not installed"
            return 1
        }
        PRELOAD_BEFORE=$path same_everywhere "$PROGRAMS/moments" "$PROGRAMS/liblate.so"
        PRELOAD_AFTER=$path same_everywhere "$PROGRAMS/moments" "$PROGRAMS/liblate.so"
        PRELOAD_AFTER=$path same_everywhere /usr/bin/python3 -c 'import threading
t = [threading.Thread(target=print, args=("x",)) for _ in range(20)]
[(i.start(), i.join()) for i in t]'
    done
}

@test "with an audit library" {
    export LD_AUDIT=$PROGRAMS/libaudit.so
    same_everywhere "$PROGRAMS/moments"
}

@test "a program bound to the oldest symbol versions keeps their behaviour" {
    printf 'exit 21\n' >"$BATS_TEST_TMPDIR/script"
    chmod +x "$BATS_TEST_TMPDIR/script"
    same_everywhere "$PROGRAMS/oldversions" "$BATS_TEST_TMPDIR/script"
    [[ $output == *"script without #!: Success, status 21"* ]]
    [[ $output == *"kill of an ended thread: No such process"* ]]
}

@test "a program bound to the newest symbol versions keeps theirs" {
    printf 'exit 21\n' >"$BATS_TEST_TMPDIR/script"
    chmod +x "$BATS_TEST_TMPDIR/script"
    same_everywhere "$PROGRAMS/newversions" "$BATS_TEST_TMPDIR/script"
    [[ $output == *"script without #!: Exec format error"* ]]
    [[ $output == *"kill of an ended thread: Success"* ]]
}

@test "an environment block that the program replaced, emptied or cleared" {
    same_everywhere /usr/bin/env -i "$PROGRAMS/moments"
    same_everywhere /usr/bin/python3 -c '
import os, subprocess, threading
os.environ.clear()
t = threading.Thread(target=lambda: print(subprocess.run(["/bin/echo", "child"], capture_output=True).stdout))
t.start(); t.join()'
}

@test "a kernel that cannot wipe memory for fork children: threads are libc's, and that is said (reason libc)" {
    PRELOAD_AFTER=$PROGRAMS/libnowipe.so same_everywhere "$PROGRAMS/moments" "$PROGRAMS/liblate.so"
    grep -q 'pthread_create downgraded to stdlib behaviour: .*(reason=libc caller=moments+' \
        "$BATS_TEST_TMPDIR/modes/managed/err.raw"
}

@test "opened by dlopen, or linked behind libc, the library finds libc all the same" {
    for mode in passthrough managed; do
        UNIRUN_COMPAT_MODE=$mode run --separate-stderr /usr/bin/python3 -c '
import ctypes, sys, threading
shim = ctypes.CDLL(sys.argv[1])
pid = shim.fork()
if pid == 0:
    shim._exit(3)
import os
print(os.WEXITSTATUS(os.waitpid(pid, 0)[1]), shim.sysconf(30) > 0)' "$SHIM"
        [ "$status" -eq 0 ]
        [ "$output" = "3 True" ]
    done
}

@test "no patience and no pool: threads still come and go" {
    for setting in UNIRUN_IDLE_MS=0 UNIRUN_POOL_MAX=0 UNIRUN_RECYCLE=0; do
        run env "$setting" LD_PRELOAD="$SHIM" "$PROGRAMS/bench_threads" 8 800
        [ "$status" -eq 0 ]
    done
    # A worker without patience, whose task nobody joins, does not burn its CPU.
    run env UNIRUN_IDLE_MS=0 LD_PRELOAD="$SHIM" /usr/bin/python3 -c '
import ctypes, time
libc = ctypes.CDLL(None)
thread = ctypes.c_ulong()
libc.pthread_create(ctypes.byref(thread), None, ctypes.cast(libc.getpid, ctypes.c_void_p), None)
time.sleep(0.5)
before = time.process_time()
time.sleep(1)
print("busy" if time.process_time() - before > 0.1 else "quiet")'
    [ "$output" = quiet ]
}
