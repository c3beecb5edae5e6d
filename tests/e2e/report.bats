#!/usr/bin/env bats
# The downgrade log under abuse: the program does not notice, no foreign file gets a byte, no count is lost.
#
# downgrades STDERR COUNT END makes COUNT calls that managed mode reports (reason attribute-stack), after doing STDERR to
# its descriptor 2, and ends by END. It exits with 7 and checks errno after each call.
#
# What `run` sets is not seen to be set (SC2154,SC2030,SC2031).
# shellcheck disable=SC2154,SC2030,SC2031

setup() {
    load helper
    cd "$BATS_TEST_TMPDIR" || exit
}

downgrades() {
    env LD_PRELOAD="$SHIM" "$PROGRAMS/downgrades" "$@"
}

# The same where no thread can be managed (reason libc): then the call is allowed in a signal handler.
downgrades_in_handler() {
    env LD_PRELOAD="$SHIM $PROGRAMS/libnowipe.so" "$PROGRAMS/downgrades" "$@"
}

# The counts in the lines for pthread_create on stdin, in order.
counts() {
    grep -oE 'pthread_create downgraded .* count=[0-9]+' | grep -oE '[0-9]+$' | tr '\n' ' '
}

# A program like that of the test is managed here, and a stderr that is in order gets its lines: so where there are none,
# they were kept back.
lines_come() {
    run --separate-stderr downgrades nothing 100 exit
    [ "$status" -eq 7 ]
    [ "$(counts <<<"$stderr")" = "1 10 100 " ]
}

@test "a flood is said at 1, 10, 100, 1000, and in total at exit" {
    run --separate-stderr downgrades nothing 1234 exit
    [ "$status" -eq 7 ]
    [ "$output" = "SIGPIPE pending 0, SIGXFSZ pending 0, SIGTTOU pending 0" ]
    [ "$(counts <<<"$stderr")" = "1 10 100 1000 1234 " ]
}

@test "totals come however the process ends" {
    for way in exit quick_exit _exit _Exit execv execlp; do
        run --separate-stderr downgrades nothing 25 "$way"
        [ "$status" -eq 7 ]
        [ "$(counts <<<"$stderr")" = "1 10 25 " ] || {
            echo "$way: $stderr"
            return 1
        }
    done
}

@test "totals are not said twice" {
    run --separate-stderr downgrades nothing 10 exit
    [ "$(counts <<<"$stderr")" = "1 10 " ]
}

@test "processes forked before and after the first downgrade each count for themselves" {
    run --separate-stderr env LD_PRELOAD="$SHIM" /usr/bin/python3 -c '
import ctypes, os
libc = ctypes.CDLL(None)
stack = ctypes.create_string_buffer(1 << 20)
def downgrade():
    attr, thread = ctypes.create_string_buffer(64), ctypes.c_ulong()
    libc.pthread_attr_init(attr)
    libc.pthread_attr_setstack(attr, stack, ctypes.c_size_t(len(stack)))
    libc.pthread_create(ctypes.byref(thread), attr, ctypes.cast(libc.getpid, ctypes.c_void_p), None)
    libc.pthread_join(thread, None)
def child(run):
    pid = os.fork()
    if pid == 0:
        run()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
def parent():
    downgrade()
    downgrade()
    child(downgrade)
child(parent)
downgrade()'
    [ "$status" -eq 0 ]
    # Child: its first; grandchild: its first; child: two in all when it ends; parent: its first.
    [ "$(counts <<<"$stderr")" = "1 1 2 1 " ]
}

@test "a fork child starts at zero, and a vfork child does not tell its parent's counts" {
    run --separate-stderr downgrades nothing 25 fork
    [ "$status" -eq 7 ]
    # Parent: 1, 10, and 25 at the end. Each child, however it was forked: its own first. The program that vfork's child becomes says nothing.
    [ "$(counts <<<"$stderr")" = "1 10 1 1 1 25 " ]
}

@test "level debug says every call" {
    UNIRUN_LOG=debug run --separate-stderr downgrades nothing 25 exit
    [ "$(counts <<<"$stderr" | wc -w)" -eq 25 ]
}

@test "level off says nothing" {
    UNIRUN_LOG=off run --separate-stderr downgrades nothing 25 exit
    [ "$status" -eq 7 ]
    [ -z "$stderr" ]
}

@test "JSON lines are JSON" {
    UNIRUN_LOG_FORMAT=json run --separate-stderr downgrades nothing 25 exit
    python3 -c '
import json, sys
lines = [json.loads(line) for line in sys.stdin]
assert [l["count"] for l in lines if l["call"] == "pthread_create"] == [1, 10, 25], lines
assert all(l["reason"] == "attribute-stack" and "downgraded to stdlib behaviour" in l["message"] for l in lines)
assert all(l["caller"].startswith("downgrades+0x") and l["pid"] > 1 for l in lines)' <<<"$stderr"
}

@test "stderr closed before the start, its number taken by a data file" {
    lines_come
    got=0
    (exec 2>&- && downgrades file 100 exit >out) || got=$?
    [ "$got" -eq 7 ]
    [ -f data ]
    [ ! -s data ]
}

@test "stderr closed, or reopened as a data file or a socket" {
    lines_come
    for how in closed file socket; do
        rm -f data
        got=0
        downgrades "$how" 100 exit 2>log >out || got=$?
        [ "$got" -eq 7 ]
        [ "$(cat out)" = "SIGPIPE pending 0, SIGXFSZ pending 0, SIGTTOU pending 0" ]
        [ ! -s data ]
        [ ! -s log ]
    done
}

@test "stderr a file that was deleted and made anew under the same name, perhaps with the same inode" {
    lines_come
    got=0
    downgrades unlinked 100 exit 2>log >out || got=$?
    [ "$got" -eq 7 ]
    [ -f log ]
    [ ! -s log ]
}

@test "after closefrom(3) lines still come" {
    run --separate-stderr downgrades closefrom 1 exit
    [ "$(counts <<<"$stderr")" = "1 " ]
}

@test "stderr a full pipe: nobody waits, and the total is said once there is room" {
    mkfifo pipe
    exec 9<>pipe
    # The program fills the pipe, makes its calls, empties the pipe and exits.
    got=0
    downgrades full 500 exit >out 2>pipe || got=$?
    [ "$got" -eq 7 ]
    [ "$(cat out)" = "SIGPIPE pending 0, SIGXFSZ pending 0, SIGTTOU pending 0" ]
    [ "$(dd iflag=nonblock bs=65536 count=1 status=none <&9 | counts)" = "500 " ]
    exec 9>&-
}

@test "stderr a pipe that nobody reads: no SIGPIPE" {
    lines_come
    mkfifo pipe
    exec 9<>pipe
    exec 8>pipe
    exec 9>&-
    got=0
    downgrades nothing 100 exit >out 2>&8 || got=$?
    exec 8>&-
    [ "$got" -eq 7 ]
    [ "$(cat out)" = "SIGPIPE pending 0, SIGXFSZ pending 0, SIGTTOU pending 0" ]
}

@test "a SIGPIPE that the program itself has pending stays pending" {
    run --separate-stderr downgrades own-sigpipe 5 exit
    [ "$output" = "SIGPIPE pending 1, SIGXFSZ pending 0, SIGTTOU pending 0" ]
}

@test "stderr a file and RLIMIT_FSIZE 0: no SIGXFSZ" {
    lines_come
    downgrades nothing-to-write 100 exit 2>log | cat >out
    [ "${PIPESTATUS[0]}" -eq 7 ]
    [ "$(cat out)" = "SIGPIPE pending 0, SIGXFSZ pending 0, SIGTTOU pending 0" ]
    [ ! -s log ]
}

@test "stderr on a full disk" {
    [ "$(id -u)" -eq 0 ] || skip "needs root to mount a small file system"
    lines_come
    mkdir small
    mount -t tmpfs -o size=4k none small || skip "may not mount here"
    dd if=/dev/zero of=small/zero bs=4096 count=1 2>/dev/null
    got=0
    downgrades nothing 100 exit 2>small/log >out || got=$?
    size=$(stat -c %s small/log)
    umount small
    [ "$got" -eq 7 ]
    [ "$size" -eq 0 ]
}

@test "stderr a terminal whose background writers are stopped: not stopped" {
    run python3 - "$PROGRAMS/downgrades" "$SHIM" <<'EOF'
import os, pty, sys, termios, time
program, shim = sys.argv[1:]
pid, master = pty.fork()
if pid == 0:
    # The session's leader stays in the foreground; its child gets a process group of its own, in the background.
    attributes = termios.tcgetattr(2)
    attributes[3] |= termios.TOSTOP
    termios.tcsetattr(2, termios.TCSANOW, attributes)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        null = os.open("/dev/null", os.O_WRONLY)
        os.dup2(null, 1)
        os.environ["LD_PRELOAD"] = shim
        os.execv(program, [program, "nothing", "100", "exit"])
    _, status = os.waitpid(child, os.WUNTRACED)
    os._exit(42 if os.WIFSTOPPED(status) else os.WEXITSTATUS(status))
seen = b""
while True:
    try:
        block = os.read(master, 4096)
    except OSError:
        break
    if not block:
        break
    seen += block
_, status = os.waitpid(pid, 0)
print(os.WEXITSTATUS(status), seen.count(b"pthread_create downgraded"))
EOF
    [ "$output" = "7 3" ]
}

@test "from a signal handler at 1 kHz, amid thread creation" {
    run --separate-stderr downgrades_in_handler timer 10 exit
    [ "$status" -eq 7 ]
    [[ $output != *errno* ]]
    # Every line is whole.
    run -1 grep -vE '^unirun\[[0-9]+\]: RuntimeWarning: [a-z_]+ downgraded to stdlib behaviour: .* \(reason=[a-z-]+ caller=[^ ]+\+0x[0-9a-f]+ count=[0-9]+\)$' <<<"$stderr"
}

@test "a pending cancellation is not acted on by the log" {
    run --separate-stderr downgrades nothing 0 cancel
    [ "$status" -eq 7 ]
    [ "$output" = $'SIGPIPE pending 0, SIGXFSZ pending 0, SIGTTOU pending 0\nnot cancelled by the log' ]
    [ "$(counts <<<"$stderr")" = "1 10 " ]
}

@test "passthrough writes nothing, whatever happens" {
    UNIRUN_COMPAT_MODE=passthrough run --separate-stderr downgrades nothing 1000 exit
    [ "$status" -eq 7 ]
    [ -z "$stderr" ]
}

@test "stderr a terminal that is nearly full, and read by nobody: nobody waits" {
    lines_come
    run python3 - "$PROGRAMS/downgrades" "$SHIM" <<'EOF'
import os, pty, subprocess, sys, time

program, shim = sys.argv[1:]

def fill(slave, most):
    """Writes up to `most` bytes to a terminal without waiting; how many it took."""
    fd = os.open(os.ttyname(slave), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    taken, refused = 0, 0
    while taken < most and refused < 20:
        try:
            taken += os.write(fd, b"x" * min(most - taken, 64))
            refused = 0
        except BlockingIOError:  # the kernel may still be passing on what it has
            refused += 1
            time.sleep(0.001)
    os.close(fd)
    return taken

def run(room):
    master, slave = pty.openpty()
    if room is not None:
        fill(slave, capacity - room)
    try:
        done = subprocess.run([program, "nothing", "100", "exit"], stdin=subprocess.DEVNULL, stderr=slave,
                              stdout=subprocess.DEVNULL, timeout=20, env={**os.environ, "LD_PRELOAD": shim})
        return done.returncode, master, slave
    except subprocess.TimeoutExpired:
        return "waits", master, slave

def close(master, slave):
    os.close(slave)
    os.close(master)

master, slave = pty.openpty()
capacity = fill(slave, 1 << 20)
close(master, slave)
for room in [None, *range(0, 141), 200, 400, 1000]:
    status, master, slave = run(room)
    if status != 7:
        print("room for", room, "bytes:", status)
        sys.exit(1)
    if room is None:
        seen = os.read(master, 4096)
        print(seen.count(b"pthread_create downgraded"), "lines in an empty terminal")
    close(master, slave)
EOF
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$output" = "3 lines in an empty terminal" ]
}

# What `downgrades` ends with, plain if the first argument is plain, otherwise with that setting.
status_with() {
    local setting=$1
    shift
    if [ "$setting" = plain ]; then
        run env LD_PRELOAD="$PROGRAMS/libnowipe.so" "$PROGRAMS/downgrades" "$@"
    else
        run env "$setting" LD_PRELOAD="$SHIM $PROGRAMS/libnowipe.so" "$PROGRAMS/downgrades" "$@"
    fi
    echo "$setting, $*: status $status"
}

@test "a handler on a small alternate stack has room for what it had room for" {
    local way size tried setting
    # Where the stack is ample, the handler's calls are said: they were made.
    run --separate-stderr downgrades_in_handler stack=65536 10 exit
    [ "$status" -eq 7 ]
    [ "$(counts <<<"$stderr")" = "1 10 " ]
    export UNIRUN_COUNTS=quota
    for way in stack fork-stack count-stack; do
        tried=0
        for ((size = 2048; size <= 6144; size += 128)); do
            status_with plain "$way=$size" 10 exit
            [ "$status" -eq 7 ] || continue # the processor's registers and libc alone take more
            tried=$((tried + 1))
            for setting in UNIRUN_COMPAT_MODE=passthrough UNIRUN_COMPAT_MODE=managed UNIRUN_LOG=debug; do
                status_with "$setting" "$way=$size" 10 exit
                [ "$status" -eq 7 ]
            done
        done
        [ "$tried" -ge 4 ]
    done
}

@test "threads that end the process at the same moment do not say a total twice" {
    local way totals=0 turn
    for way in threads-exit threads-_exit; do
        for ((turn = 0; turn < 100; turn++)); do
            run --separate-stderr downgrades nothing 25 "$way"
            [ "$status" -eq 7 ]
            [[ "$(counts <<<"$stderr")" == "1 10 "?("25 ") ]] || {
                echo "$way: $stderr"
                return 1
            }
            [[ "$stderr" != *count=25* ]] || totals=$((totals + 1))
        done
    done
    [ "$totals" -ge 1 ]
}

@test "JSON lines are JSON in valid UTF-8, whatever the program is called" {
    local name
    for name in $'\xff\xfe' $'\x9b' $'q"\\\n' $'gr\xc3\xbc\xc3\x9f'; do
        cp "$PROGRAMS/downgrades" "$name"
        UNIRUN_LOG_FORMAT=json LD_PRELOAD="$SHIM" "./$name" nothing 25 exit 2>log || true
        python3 -c '
import json
lines = [json.loads(line) for line in open("log", "rb").read().decode("utf-8", "strict").splitlines()]
assert [l["count"] for l in lines] == [1, 10, 25], lines
assert len({l["caller"] for l in lines}) == 1 and "+0x" in lines[0]["caller"], lines'
    done
}

# seccomp HOW FILTER END in every mode, for the filters and ends that are named.
seccomp_everywhere() {
    local how=$1 filter=$2 end
    export UNIRUN_IDLE_MS=100 UNIRUN_COUNTS=quota
    shift 2
    for end; do
        run_all_modes "$PROGRAMS/seccomp" "$how" "$filter" "$end" || {
            echo "seccomp $how $filter $end"
            return 1
        }
        [ "$status" -eq 7 ]
        # It was managed, and the log had something to say.
        [ "$(counts <"$BATS_TEST_TMPDIR/modes/managed/err.raw")" = "1 10 " ]
    done
}

@test "a program that leaves itself no system calls but write and exit ends as without the shim" {
    for how in prctl syscall; do
        seccomp_everywhere "$how" strict exit _exit linger
    done
}

@test "a program that forbids itself what only a log would need goes on as without the shim" {
    for how in prctl syscall; do
        seccomp_everywhere "$how" log exit _exit linger fork children thread sysconf tie
    done
}

@test "a program that is known to compute and forbids itself what time slices need makes processes as without the shim" {
    export UNIRUN_CPU_BOUND=1 UNIRUN_DOMAIN=report-$BATS_ROOT_PID
    seccomp_everywhere prctl log fork children
    rm -f /dev/shm/unirun-*."$UNIRUN_DOMAIN"
}

@test "a program that forbids system calls to all its threads goes on as without the shim" {
    seccomp_everywhere everywhere strict exit _exit
    seccomp_everywhere everywhere log exit _exit fork children thread sysconf tie
}

@test "a parked thread of ours does not end a program that forbade system calls to all its threads" {
    seccomp_everywhere everywhere strict linger
    seccomp_everywhere everywhere log linger
}
