#!/usr/bin/env bats
# The downgrade log under abuse: the program does not notice, no foreign file gets a byte, no count is lost.
#
# downgrades STDERR COUNT END makes COUNT calls that managed mode reports while UNIRUN_COUNTS=quota is not supported, after
# doing STDERR to its descriptor 2, and ends by END. It exits with 7 and checks errno after each call.

setup() {
    load helper
    cd "$BATS_TEST_TMPDIR"
    export UNIRUN_COUNTS=quota
}

downgrades() {
    env LD_PRELOAD="$SHIM" "$PROGRAMS/downgrades" "$@"
}

# The counts in the lines for sysconf on stdin, in order.
counts() {
    grep -oE 'sysconf downgraded .* count=[0-9]+' | grep -oE '[0-9]+$' | tr '\n' ' '
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

@test "a fork child starts at zero, and a vfork child does not tell its parent's counts" {
    run --separate-stderr downgrades nothing 25 fork
    [ "$status" -eq 7 ]
    # Parent: 1, 10, and 25 at the end. Fork child: its own first. The program that vfork's child becomes says nothing.
    [ "$(counts <<<"$stderr")" = "1 10 1 25 " ]
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
assert [l["count"] for l in lines if l["call"] == "sysconf"] == [1, 10, 25], lines
assert all(l["reason"] == "unsupported" and "downgraded to stdlib behaviour" in l["message"] for l in lines)
assert all(l["caller"].startswith("downgrades+0x") and l["pid"] > 1 for l in lines)' <<<"$stderr"
}

@test "stderr closed before the start, its number taken by a data file" {
    run downgrades file 100 exit 2>&-
    [ "$status" -eq 7 ]
    [ -f data ]
    [ ! -s data ]
}

@test "stderr closed, or reopened as a data file or a socket" {
    for how in closed file socket; do
        rm -f data
        downgrades "$how" 100 exit 2>log >out || [ $? -eq 7 ]
        [ "$(cat out)" = "SIGPIPE pending 0, SIGXFSZ pending 0, SIGTTOU pending 0" ]
        [ ! -s data ]
        [ ! -s log ]
    done
}

@test "stderr a file that was deleted and made anew under the same name, perhaps with the same inode" {
    downgrades unlinked 100 exit 2>log >out || [ $? -eq 7 ]
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
    downgrades full 500 exit >out 2>pipe || [ $? -eq 7 ]
    [ "$(cat out)" = "SIGPIPE pending 0, SIGXFSZ pending 0, SIGTTOU pending 0" ]
    [ "$(dd iflag=nonblock bs=65536 count=1 status=none <&9 | counts)" = "500 " ]
    exec 9>&-
}

@test "stderr a pipe that nobody reads: no SIGPIPE" {
    mkfifo pipe
    exec 9<>pipe
    exec 8>pipe
    exec 9>&-
    downgrades nothing 100 exit >out 2>&8 || [ $? -eq 7 ]
    exec 8>&-
    [ "$(cat out)" = "SIGPIPE pending 0, SIGXFSZ pending 0, SIGTTOU pending 0" ]
}

@test "a SIGPIPE that the program itself has pending stays pending" {
    run --separate-stderr downgrades own-sigpipe 5 exit
    [ "$output" = "SIGPIPE pending 1, SIGXFSZ pending 0, SIGTTOU pending 0" ]
}

@test "stderr a file and RLIMIT_FSIZE 0: no SIGXFSZ" {
    downgrades nothing-to-write 100 exit 2>log | cat >out
    [ "${PIPESTATUS[0]}" -eq 7 ]
    [ "$(cat out)" = "SIGPIPE pending 0, SIGXFSZ pending 0, SIGTTOU pending 0" ]
    [ ! -s log ]
}

@test "stderr on a full disk" {
    [ "$(id -u)" -eq 0 ] || skip "needs root to mount a small file system"
    mkdir small
    mount -t tmpfs -o size=4k none small || skip "may not mount here"
    dd if=/dev/zero of=small/zero bs=4096 count=1 2>/dev/null
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
print(os.WEXITSTATUS(status), seen.count(b"sysconf downgraded"))
EOF
    [ "$output" = "7 3" ]
}

@test "from a signal handler at 1 kHz, amid thread creation" {
    run --separate-stderr downgrades timer 10 exit
    [ "$status" -eq 7 ]
    [[ $output != *errno* ]]
    # Every line is whole.
    ! grep -vE '^unirun\[[0-9]+\]: RuntimeWarning: [a-z_]+ downgraded to stdlib behaviour: [^()]* \(reason=[a-z-]+ caller=[^ ]+\+0x[0-9a-f]+ count=[0-9]+\)$' <<<"$stderr"
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
