#!/usr/bin/env bats
# Programs that share a machine, and the table in which they meet: whatever happens to the others, or to the table, each
# ends with the same results.
# shellcheck disable=SC2030,SC2031,SC2154  # each test has a shell of its own; members.bash sets the rest

bats_require_minimum_version 1.8.0

setup() {
    load helper
    load members
    [ -x "$PROGRAMS/teams_work" ] || skip "built without OpenMP"
    set_domain domain
}

teardown() {
    leave_domain
}

# ---- what is shared cannot be had ----

@test "the file is there, belongs to the user alone, and nobody is left in it" {
    managed "${work[@]}"
    worked
    [ "$(stat -c '%U %a %F' "$file")" = "$(id -un) 600 regular file" ]
    [ -z "$(members)" ]
}

@test "no /dev/shm" {
    needs_root
    managed unshare -m --propagation private sh -c 'mount -t tmpfs none /dev && exec "$@"' sh "${work[@]}"
    worked domain
    [ ! -e "$file" ]
}

@test "a read-only /dev/shm" {
    needs_root
    managed unshare -m --propagation private sh -c 'mount -t tmpfs -o ro none /dev/shm && exec "$@"' sh "${work[@]}"
    worked domain
    [ ! -e "$file" ]
}

@test "a full /dev/shm" {
    needs_root
    # shellcheck disable=SC2016
    managed unshare -m --propagation private sh -c \
        'mount -t tmpfs -o size=64k none /dev/shm && "$@"; s=$?; ls -s /dev/shm/unirun-4.* >&2; exit $s' sh "${work[@]}"
    # The table was given no memory.
    [[ $stderr == *"
0 /dev/shm/unirun-4."* ]]
    stderr=${stderr%%"
0 /dev/shm/unirun-4."*}
    worked domain
}

@test "a /dev/shm without execution, and one that is a plain folder" {
    needs_root
    managed unshare -m --propagation private sh -c 'mount -t tmpfs -o noexec none /dev/shm && exec "$@"' sh "${work[@]}"
    worked
    mkdir "$public/folder"
    managed unshare -m --propagation private sh -c "mount --bind $public/folder /dev/shm"' && exec "$@"' sh "${work[@]}"
    [ "$output" = "$expected" ]
    [ "$status" -eq 0 ]
}

@test "a file that is another user's" {
    needs_root
    truncate -s 397312 "$file"
    chmod 600 "$file"
    chown 64321 "$file"
    managed "${work[@]}"
    worked domain
    [ "$(tr -d '\0' <"$file" | wc -c)" -eq 0 ]
}

@test "a file that others may read" {
    truncate -s 397312 "$file"
    local mode
    for mode in 0666 0640 0604; do
        chmod "$mode" "$file"
        managed "${work[@]}"
        worked domain
    done
    [ "$(tr -d '\0' <"$file" | wc -c)" -eq 0 ]
}

@test "something else in the file's place" {
    local other=$BATS_TEST_TMPDIR/other
    echo "precious" >"$other"
    chmod 600 "$other"
    ln -s "$other" "$file"
    managed "${work[@]}"
    worked domain
    [ "$(cat "$other")" = precious ]
    rm "$file"

    mkdir "$file"
    managed "${work[@]}"
    worked domain
    rmdir "$file"

    mkfifo -m 600 "$file"
    managed "${work[@]}"
    worked domain
    rm "$file"

    echo "precious" >"$file" # of the wrong size
    chmod 600 "$file"
    managed "${work[@]}"
    worked domain
    [ "$(cat "$file")" = precious ]
    rm "$file"

    truncate -s 397312 "$file"
    ln "$file" "$file.link" # with a second name
    chmod 600 "$file"
    managed "${work[@]}"
    worked domain
}

@test "a file of another layout" {
    truncate -s 397312 "$file"
    chmod 600 "$file"
    printf 'something else' | dd of="$file" conv=notrunc status=none
    managed "${work[@]}"
    worked domain
    [ "$(tr -d '\0' <"$file")" = "something else" ]
}

@test "a file that another program holds a lease on" {
    /usr/bin/python3 - "$file" >"$BATS_TEST_TMPDIR/lease" 3>&- <<'END' &
import fcntl, os, signal, sys, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
time.sleep(100)
END
    started+=($!)
    wait_for_line "$BATS_TEST_TMPDIR/lease" leased
    run --separate-stderr timeout 15 "${work[@]}"
    worked domain
}

@test "a limit on the size of files, with and without the file there" {
    # What the limit forbids must not be where the output goes.
    # shellcheck disable=SC2016
    limited=(bash -c '"$@" 2> >(cat >&2)' bash prlimit --fsize=0)
    managed "${limited[@]}" "${work[@]}"
    worked domain
    managed "${work[@]}"
    worked domain || worked
    rm -f "$file"
    managed "${work[@]}"
    worked
    managed "${limited[@]}" "${work[@]}"
    worked
}

@test "a program that has no descriptor left" {
    expected=2
    managed env LD_PRELOAD="$preload" "$PROGRAMS/teams_descriptors"
    # The line cannot be written to a copy of stderr then; what can be is the program's own.
    [ "$status" -eq 0 ]
    [ "$output" = 2 ]
    [ -z "$stderr" ] || [[ $stderr == *"(reason=domain caller=teams_descriptors+0x"* ]]
}

@test "no descriptor stays open" {
    hold plain inside LD_PRELOAD=
    local fds
    fds=$(ls "/proc/$held/fd")
    release plain
    ended_well plain
    hold managed inside
    [ "$(ls "/proc/$held/fd")" = "$fds" ]
    [[ $(members) == "$held" ]]
    grep -qF "$file" "/proc/$held/maps"
    release managed
    ended_well managed
}

@test "UNIRUN_DOMAIN=private: nothing is written, and nothing is said" {
    UNIRUN_DOMAIN=private managed "${work[@]}"
    worked
    [ -z "$(find /dev/shm -name 'unirun-*.private')" ]
}

@test "programs with teams of one, and passthrough, have no file" {
    managed env LD_PRELOAD="$preload" OMP_NUM_THREADS=1 "$public/teams_work" 300 1
    worked
    UNIRUN_COMPAT_MODE=passthrough managed "${work[@]}"
    worked
    [ ! -e "$file" ]
}

@test "two users have a file each" {
    needs_root
    managed "${work[@]}"
    worked
    managed setpriv --reuid=64321 --regid=64321 --clear-groups "${work[@]}"
    worked
    [ "$(stat -c %u "$file")" -eq 0 ]
    [ "$(stat -c %u "${file/unirun-4.0./unirun-4.64321.}")" -eq 64321 ]
}

@test "two PID namespaces have a file each" {
    needs_root
    managed unshare -p -f --mount-proc "${work[@]}"
    worked
    managed "${work[@]}"
    worked
    [ "$(find /dev/shm -name "unirun-4.*.$UNIRUN_DOMAIN" | wc -l)" -eq 2 ]
}

# ---- members that come, go and stay ----

@test "a member leaves when its program ends" {
    hold one between
    [ "$(members)" = "$held" ]
    release one
    ended_well one
    [ -z "$(members)" ]
    local end
    for end in return exit_inside quick_exit _exit; do
        managed env LD_PRELOAD="$preload" "$public/teams_moments" "$end"
        [[ $output == *"main: 3"* ]]
        [ -z "$stderr" ]
    done
    managed "${work[@]}"
    worked
}

@test "a member leaves when its program becomes another" {
    # shellcheck disable=SC2016
    env LD_PRELOAD="$preload" /bin/sh -c '"$1" 300 2; exec "$1" 300 2' sh "$public/teams_work" >"$BATS_TEST_TMPDIR/out"
    [ "$(cat "$BATS_TEST_TMPDIR/out")" = "$expected
$expected" ]
    [ -z "$(members)" ]
    local end
    for end in exec exec_inside; do
        run --separate-stderr timeout 20 env LD_PRELOAD="$preload" "$public/teams_moments" "$end"
        [ "$status" -eq 0 ]
        [[ $output == *"main: 3
constructor: 3
main: 3"* ]]
        [ -z "$stderr" ]
    done
    managed "${work[@]}"
    worked
}

# counted CASE: a program is in as many regions as it has not left yet: none.
counted() {
    managed env LD_PRELOAD="$preload" "$PROGRAMS/teams_count" "$file" "$1"
    echo "exit status $status, $output, $stderr"
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [ "$output" = "regions: 0" ]
}

@test "exec that fails beside a region leaves the table in order" {
    counted exec
}

@test "regions of several threads leave the table in order" {
    counted threads
}

@test "regions of the old interface leave the table in order" {
    counted old
    OMP_THREAD_LIMIT=1 counted old
    OMP_MAX_ACTIVE_LEVELS=2 counted old
    OMP_MAX_ACTIVE_LEVELS=0 counted old
}

@test "children that are forked join on their own" {
    hold parent between
    env LD_PRELOAD="$preload" "$public/teams_fork" thread >"$BATS_TEST_TMPDIR/out" 2>&1
    [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -eq 3 ]
    [ "$(members)" = "$held" ]
    release parent
    ended_well parent
}

@test "kill -9 of a member in a region" {
    hold one inside
    [ "$(members)" = "$held" ]
    kill -KILL "$held"
    managed "${work[@]}"
    worked
    [ -z "$(members)" ] || [ "$(members)" = "$held" ]
}

@test "kill -9 of a member between regions" {
    hold one between
    kill -KILL "$held"
    managed "${work[@]}"
    worked
}

# ---- chaos ----

# Two programs that work until they are told to end, and what must come of them.
start_busy() {
    hold first busy UNIRUN_QUANTUM_MS=5 UNIRUN_PATIENCE_MS=100
    busy=("$held")
    hold second busy UNIRUN_QUANTUM_MS=5 UNIRUN_PATIENCE_MS=100
    busy+=("$held")
}

busy_end_well() {
    release first
    release second
    held=${busy[0]}
    ended_well first
    held=${busy[1]}
    ended_well second
}

# chaos SEED: of what happens to whom; when is the machine's affair.
chaos() {
    local round pid
    RANDOM=$1
    start_busy
    for round in {1..100}; do
        env LD_PRELOAD="$preload" UNIRUN_QUANTUM_MS=5 UNIRUN_PATIENCE_MS=100 \
            "$public/teams_work" $((RANDOM % 100)) 2 200 >/dev/null 2>&1 3>&- &
        pid=$!
        started+=("$pid")
        sleep "0.0$((RANDOM % 3))$((RANDOM % 10))"
        case $((round % 3)) in
        0) kill -KILL "$pid" 2>/dev/null || true ;;
        1) kill -STOP "$pid" 2>/dev/null || true ;;
        2) wait "$pid" ;;
        esac
    done
    busy_end_well
    kill -KILL "${started[@]}" 2>/dev/null || true
    wait "${started[@]}" || true
    managed "${work[@]}"
    worked
    [ -z "$(members)" ]
}

@test "members join, leave, are killed and stopped while others work" {
    chaos 20240607
}

@test "members join, leave, are killed and stopped in another order while others work" {
    chaos 20240608
}

@test "a table that somebody fills with garbage while programs work" {
    start_busy
    /usr/bin/python3 - "$file" <<'END'
import mmap, os, random, sys, time
random.seed(20240607)
with open(sys.argv[1], "r+b") as file:
    table = mmap.mmap(file.fileno(), 0)
for _ in range(200):
    kind = random.randrange(3)
    at = random.choice([8, 64, 4096 + 384 * random.randrange(4), random.randrange(64, len(table) - 400)])
    length = random.choice([1, 4, 8, 64, 384])
    for i in range(length):
        table[at + i] = [random.randrange(256), 0, 255][kind]
    time.sleep(0.003)
END
    busy_end_well
    # What is left in the file may be anything.
    managed "${work[@]}"
    [ "$status" -eq 0 ]
    [ "$output" = "$expected" ]
}

@test "a table full of members that never were" {
    managed "${work[@]}"
    worked
    local kind
    for kind in random ones between inside; do
        /usr/bin/python3 - "$file" "$kind" <<'END'
import mmap, random, struct, sys
random.seed(20240607)
with open(sys.argv[1], "r+b") as file:
    table = mmap.mmap(file.fileno(), 0)
struct.pack_into("=I", table, 8, 1024) # rows
struct.pack_into("=Q", table, 64, 1)   # the second one leads
# All dead; of teams of two, on every CPU; in a region or not.
inside = {"inside": 1, "between": 0}
for row in range(1, 1024):
    at = 4096 + 384 * row
    if sys.argv[2] in inside:
        table[at:at + 384] = struct.pack("=Q56xII56x", 0x7fffffff, inside[sys.argv[2]], 1) + \
            b"\xff" * 128 + struct.pack("=I124x", 2)
    else:
        table[at:at + 384] = random.randbytes(384) if sys.argv[2] == "random" else b"\xff" * 384
END
        echo "$kind"
        run --separate-stderr timeout 20 "${work[@]}"
        echo "exit status $status, $output, $stderr"
        [ "$status" -eq 0 ]
        [ "$output" = "$expected" ]
    done
}

@test "the file is removed while programs work" {
    start_busy
    rm -f "$file"
    managed "${work[@]}"
    worked
    busy_end_well
}
