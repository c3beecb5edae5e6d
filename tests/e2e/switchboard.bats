#!/usr/bin/env bats
# The built library: what it exports, what it needs, and what a call through it costs.

setup() {
    load helper
}

# The names of our rows as the lister knows them, routed ones only, in nm's spelling.
routed_names() {
    "$UNIRUN" list symbols --json | python3 -c '
import json, sys
for row in json.load(sys.stdin):
    if row["route"] in ("managed", "forwarded"):
        print(row["name"])' | sort -u
}

exported() {
    nm -D --defined-only "$SHIM" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u
}

@test "it exports exactly the routed rows, the functions of unirun.h and that of an OpenMP tool" {
    diff <(exported) <({ routed_names && printf 'ompt_start_tool\nunirun_mode\nunirun_version\n'; } | sort)
}

@test "it needs libc alone" {
    run readelf -d "$SHIM"
    [ "$(grep NEEDED <<<"$output")" = "$(grep 'libc.so.6' <<<"$output")" ]
    [[ $output == *NODELETE* && $output == *BIND_NOW* ]]
    [[ $output != *INITFIRST* ]]
}

@test "it needs no symbol newer than glibc 2.34" {
    newest=$(nm -D --undefined-only "$SHIM" | grep -o 'GLIBC_[0-9.]*' | sort -V | tail -1)
    [ "$(printf '%s\n' "$newest" GLIBC_2.34 | sort -V | tail -1)" = GLIBC_2.34 ]
}

@test "the loader binds next to nothing for it" {
    # Each name costs every process that starts: libc's functions are in shim/libc.def.
    run nm -D --undefined-only "$SHIM"
    bound=$(awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' <<<"$output" | sort | paste -sd ' ')
    [ "$bound" = "__environ dladdr1 environ getauxval" ]
}

@test "looking a function up calls none that is looked up" {
    run nm -u "$UNIRUN_BUILD"/shim/libunirun_shim.so.p/switchboard_lookup.c.o
    [ "$status" -eq 0 ]
    needed=$(awk '{ print $2 }' <<<"$output" | grep -v '^_GLOBAL_OFFSET_TABLE_$' | sort | paste -sd ' ')
    [ "$needed" = "_DYNAMIC dladdr1 getauxval" ]
}

@test "it uses at most 16 bytes of thread-local storage, and no executable stack" {
    run readelf -lW "$SHIM"
    size=$(awk '$1 == "TLS" { print $6 }' <<<"$output")
    [ $((size)) -le 16 ]
    [[ $output == *GNU_STACK*RW* && $output != *GNU_STACK*RWE* ]]
}

@test "every exported call is one indirect jump" {
    objdump -d --no-show-raw-insn "$SHIM" >"$BATS_TEST_TMPDIR/code"
    count=0
    for name in $(nm -D --defined-only "$SHIM" | awk '$2 == "T" { sub(/@@/, "@", $3); print $3 }' | grep -vE '^(unirun_|ompt_start_tool$)'); do
        # Of a name at two versions with one address, objdump shows one.
        address=$(nm -D --defined-only "$SHIM" | sed 's/@@/@/' | awk -v n="$name" '$3 == n { print $1 }')
        # Compared as text: as numbers, 0e930 and 0e370 are the same.
        code=$(awk -v a="$address" '$1 "" == a "" && /^[0-9a-f]+ </ { on = 1; next } /^$/ { on = 0 } on' \
            "$BATS_TEST_TMPDIR/code" | sed 's/^[^\t]*\t//' | grep -v endbr64 | head -1)
        [[ $code =~ ^jmp\ +\*0x[0-9a-f]+\(%rip\) ]] || {
            echo "$name: $code"
            return 1
        }
        count=$((count + 1))
    done
    [ "$count" -gt 50 ]
}

@test "policy calls nothing but memcpy and memset" {
    run nm -u "$UNIRUN_BUILD/policy/libpolicy.a"
    [ "$status" -eq 0 ]
    undefined=$(awk '$1 == "U" { print $2 }' <<<"$output" | sort -u)
    own=$(nm --defined-only "$UNIRUN_BUILD/policy/libpolicy.a" | awk 'NF == 3 { print $3 }' | sort -u)
    outside=$(comm -23 <(echo "$undefined") <(echo "$own") | grep -vE '^(memcpy|memset|_GLOBAL_OFFSET_TABLE_)?$' || true)
    [ -z "$outside" ] || {
        echo "$outside"
        return 1
    }
}

@test "policy has no variables" {
    run nm "$UNIRUN_BUILD/policy/libpolicy.a"
    [ "$status" -eq 0 ]
    run -1 grep -E ' [bBcCD] ' <<<"$output"
}

# Names of the system calls that COMMAND makes in MODE once it has said "started" on stdout.
calls_after_start() {
    local mode=$1
    shift
    local trace=$BATS_TEST_TMPDIR/trace.$mode
    rm -f "$trace".*
    if [ "$mode" = plain ]; then
        strace -ff -o "$trace" "$@" >/dev/null
    else
        strace -ff -o "$trace" -E LD_PRELOAD="$SHIM" -E UNIRUN_COMPAT_MODE="$mode" "$@" >/dev/null
    fi
    # The first process's trace from the marker on, and those of its threads and children up to their exec: what comes
    # then is the start of another program. Waits depend on who is first, and how
    # an arena's mapping is trimmed on its address, so those do not count.
    for file in "$trace".*; do
        if grep -q 'write(1, "started' "$file"; then
            sed '1,/write(1, "started/d' "$file"
        else
            cat "$file"
        fi | sed '/^execve(.* = 0$/,$d'
    done | grep -oE '^[a-z0-9_]+\(' | grep -vE '^(futex|restart_syscall|exit_group|rseq|madvise|munmap)\(' | sort | uniq -c
}

@test "passthrough adds no system call after start-up" {
    calls_after_start plain "$PROGRAMS/syscalls" >"$BATS_TEST_TMPDIR/plain"
    calls_after_start passthrough "$PROGRAMS/syscalls" >"$BATS_TEST_TMPDIR/passthrough"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/plain")" -gt 3 ]
    diff "$BATS_TEST_TMPDIR/plain" "$BATS_TEST_TMPDIR/passthrough"
}

# Names of the system calls of /bin/true with PRELOAD and SETTINGS, without those that map files: an object has as many
# segments as it has.
calls_of_true() {
    strace -o "$BATS_TEST_TMPDIR/trace" -E LD_PRELOAD="$1" "${@:2}" /bin/true
    grep -oE '^[a-z0-9_]+\(' "$BATS_TEST_TMPDIR/trace" | grep -vE '^(mmap|mprotect)\(' | sort
}

@test "a program that does nothing pays seventeen system calls for us: one for the log, the others for admission" {
    export UNIRUN_DOMAIN=switchboard-$BATS_ROOT_PID
    calls_of_true "$PROGRAMS/libempty.so" >"$BATS_TEST_TMPDIR/empty"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/empty")" -gt 10 ]
    calls_of_true "$SHIM" -E UNIRUN_COMPAT_MODE=passthrough >"$BATS_TEST_TMPDIR/passthrough"
    diff "$BATS_TEST_TMPDIR/empty" "$BATS_TEST_TMPDIR/passthrough"
    calls_of_true "$SHIM" -E UNIRUN_COMPAT_MODE=managed -E UNIRUN_LOG=off -E UNIRUN_ADMIT_MS=0 \
        >"$BATS_TEST_TMPDIR/off"
    diff "$BATS_TEST_TMPDIR/empty" "$BATS_TEST_TMPDIR/off"
    calls_of_true "$SHIM" -E UNIRUN_COMPAT_MODE=managed >"$BATS_TEST_TMPDIR/managed" # makes the file
    calls_of_true "$SHIM" -E UNIRUN_COMPAT_MODE=managed >"$BATS_TEST_TMPDIR/managed"
    rm -f /dev/shm/unirun-*."$UNIRUN_DOMAIN"
    [ "$(diff "$BATS_TEST_TMPDIR/empty" "$BATS_TEST_TMPDIR/managed" | grep '^[<>]')" = "$(printf '> %s(\n' clock_gettime clock_gettime clock_gettime \
        clock_gettime close fstat geteuid getpid getpid kill openat pread64 pread64 pread64 prlimit64 pwrite64 statx)" ]
}

@test "no descriptor is held and no thread is made" {
    same_everywhere /usr/bin/python3 -c '
import os
print(sorted(os.listdir("/proc/self/fd")))
print([l for l in open("/proc/self/status") if l.startswith("Threads")])'
}

@test "dlsym finds the shim, and the shim finds libc" {
    run in_mode passthrough "$PROGRAMS/lookup"
    [ "$status" -eq 0 ]
    [[ $output == *"pthread_create in libunirun_shim.so"* ]]
    [[ $output == *"behind it libc.so.6"* ]]
}
