#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # programs in other languages in single quotes; $stderr comes from the helper
# Children: made in every way, from every place, they are what they are without us, and find nothing of their parent's.

# Thousands of processes each: not what a busy machine decides. Here, and not in the tests: bats has started its countdown
# by then.
export BATS_TEST_TIMEOUT=900

setup() {
    load helper
    export UNIRUN_DOMAIN=children-$BATS_ROOT_PID-$BATS_TEST_NUMBER
    cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
    rm -f /dev/shm/unirun-*."$UNIRUN_DOMAIN"
}

nothing_wrong() {
    [[ $output != *WRONG* && $output != *": signal 14"* ]]
}

# places NAME...: the same children come of all of them in every mode; and none of them waits where no one would.
places() {
    local place
    for place in "$@"; do
        same_everywhere "$PROGRAMS/children" "$place"
        nothing_wrong
    done
}

# recycled NAME PERCENT: of the last same_everywhere, managed had at most that many kernel threads for its tasks.
recycled() {
    local tasks threads
    read -r tasks threads < <(awk -v name="$1" '$1 == name { print $2, $3 }' "$BATS_TEST_TMPDIR/modes/managed/cwd/recycled")
    [ "$((threads * 100))" -le "$((tasks * $2))" ] || {
        echo "$1, managed: $tasks tasks on $threads threads"
        return 1
    }
}

@test "children of main, before and after it has had threads" {
    places main_alone main
}

@test "children of a used thread" {
    places worker
}

@test "children of a signal handler, in main and in a thread" {
    places handler workers_handler
}

@test "children of destructors: of keys, of thread_local objects, of a library, and of exit handlers" {
    places key_destructor objects_destructor library_destructor exit_handler quick_exit_handler
}

@test "children of a crowd of 64 threads, eight of which make others" {
    places crowd
}

@test "children inside the handlers of another fork, registered before ours and after" {
    places prepare parent child prepare_early parent_early child_early
}

@test "a child's state is its own, and a child in its parent's memory does not change its parent's" {
    same_everywhere "$PROGRAMS/children_state"
    nothing_wrong
    # What a vfork child changes in itself is no reason not to use its parent's threads again.
    recycled sharers 20
}

@test "a child is signalled when the thread that made it ends, and not when a parked one does" {
    # Long enough that no parked thread ends by itself.
    UNIRUN_IDLE_MS=100000 same_everywhere "$PROGRAMS/children_state" mortals
    nothing_wrong
    recycled mortals 50
}

namespaces() {
    unshare -Ur id -u
    unshare -Urpf --mount-proc sh -c 'echo "$$"; ps -e | wc -l; sh -c "exit 3"; echo "$?"'
    unshare -Urmn sh -c 'mount -t tmpfs none /mnt && echo inside >/mnt/file && cat /mnt/file; ls -A /sys/class/net | wc -l'
    unshare -Ur --kill-child=KILL -f sh -c 'exit 4' || echo "status $?"
    mkfifo ready go
    unshare -Urm sh -c 'mount -t tmpfs none /mnt; echo kept >/mnt/kept; echo >ready; read -r _ <go' &
    read -r _ <ready
    nsenter -t "$!" -U -m --preserve-credentials cat /mnt/kept
    # shellcheck disable=SC2016
    python3 -c '
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for kind, flag in ("user", 0x10000000), ("mnt", 0x20000):
    fd = os.open(f"/proc/{sys.argv[1]}/ns/{kind}", os.O_RDONLY)
    print(kind, libc.setns(fd, flag), os.strerror(ctypes.get_errno()))
print(open("/mnt/kept").read())' "$!"
    echo >go
    wait
}

@test "namespaces of its own: unshare, nsenter and setns in programs of one thread" {
    unshare -Urm true 2>/dev/null || skip "no user namespace can be made"
    script_everywhere namespaces
    [[ $output == *inside*"status 4"*kept*"user 0"*"mnt 0"*kept* ]]
}

# rows: the processes that have a row in the domain.
rows() {
    /usr/bin/python3 - /dev/shm/unirun-4.*."$UNIRUN_DOMAIN" <<'END'
import struct, sys
table = open(sys.argv[1], "rb").read()
for row in range(struct.unpack_from("=I", table, 8)[0]):
    owner = struct.unpack_from("=Q", table, 4096 + 384 * row)[0]
    if owner:
        print(owner & 0xffffffff)
END
}

@test "kill -9 of parents and children at random points: no child waits for ever, no zombie and no row is left" {
    [ -x "$PROGRAMS/teams_work" ] || skip "built without OpenMP"
    # It says the seed.
    in_mode managed /usr/bin/python3 "$BATS_TEST_DIRNAME/../programs/children_chaos.py" \
        "${SEED:-$RANDOM}" 500 "$PROGRAMS"
    # Who comes next finds the rows of the killed, and clears them.
    in_mode managed "$PROGRAMS/teams_work" 1 2
    run rows
    [ -z "$output" ]
}
