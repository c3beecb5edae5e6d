#!/usr/bin/env bats
# The programs that a managed one starts: which of them the shim goes with, and what is said of the others.
# shellcheck disable=SC2030,SC2031  # each test has a shell of its own

setup() {
    load helper
    export UNIRUN_DOMAIN=private
}

# The calls that replace a program, or start another one; those that take an environment first.
with_environment="execve execvpe execle fexecve execveat"
without="execv execvp execl execlp"
spawns="posix_spawn posix_spawnp"

# departs HOW FILE [ENTRY...]: $output without the lines of ours, $said the lines, by process and call.
departs() {
    run "-${expected:-0}" --separate-stderr env LD_PRELOAD="$SHIM" UNIRUN_LOG="${level:-downgrade}" "$PROGRAMS/departures" "$@"
    said=$(sed -E 's/^unirun\[[0-9]+\]: RuntimeWarning: (.*) downgraded to stdlib behaviour: (.*): ([^ ]*) \(reason=(.*) caller=departures\+0x[0-9a-f]+ count=(.*)\)$/\1|\3|\4|\5/; s,/proc/self/fd/[0-9]+,/usr/bin/true,' <<<"$stderr")
}

@test "a program that is started without the preload is named, by whatever call it is started" {
    local call said
    for call in $with_environment $without; do
        departs "$call" /usr/bin/true A=1
        [ "$said" = "$call|/usr/bin/true|environment|1" ]
    done
    for call in $spawns; do
        departs "$call" /usr/bin/true A=1
        [ "$said" = "$(printf '%s\n' "$call|/usr/bin/true|environment|"{1,3})" ]
    done
}

@test "children that start it say so once for the process that has forked them, which sums up" {
    local call said
    for call in fork-execve fork-execvp vfork-execve vfork-execl; do
        departs "$call" /usr/bin/true A=1
        [ "$said" = "$(printf '%s\n' "${call#*-}|/usr/bin/true|environment|"{1,3})" ]
        # It is the parent's downgrade, whoever writes the line.
        [ "$(grep -o 'unirun\[[0-9]*\]' <<<"$stderr" | sort -u | wc -l)" -eq 1 ]
    done
    # What a child cannot say, its parent does.
    departs quiet-execve /usr/bin/true A=1
    [ "$said" = "$(printf '%s\n' "execve|/usr/bin/true|environment|"{1,3})" ]
}

@test "what is found in PATH is looked at, too" {
    local said
    departs execvp true
    [ "$said" = "execvp|true|environment|1" ]
    departs posix_spawnp true
    [ "$said" = "$(printf '%s\n' "posix_spawnp|true|environment|"{1,3})" ]
}

@test "where there is no such program, or it has the preload, nothing is said" {
    local call said
    for call in $with_environment $without $spawns fork-execve; do
        departs "$call" /nowhere/at/all A=1
        [ "$call" = fork-execve ] || [ -z "$output" ]
        [ -z "$said" ]
        departs "$call" /usr/bin/true LD_PRELOAD="$SHIM" UNIRUN_DOMAIN=private UNIRUN_LOG=downgrade
        [ -z "$said" ]
        departs "$call" /usr/bin/true LD_PRELOAD="$EMPTY $SHIM" UNIRUN_DOMAIN=private UNIRUN_LOG=info UNIRUN_COMPAT_MODE=passthrough
        [ -z "$said" ]
        level=off departs "$call" /usr/bin/true
        [ -z "$said" ]
    done
}

@test "a program that is started without the settings is named" {
    local said
    departs execve /usr/bin/true LD_PRELOAD="$SHIM" UNIRUN_LOG=downgrade
    [ "$said" = "execve|/usr/bin/true|settings|1" ]
    departs execve /usr/bin/true LD_PRELOAD="$EMPTY" UNIRUN_LOG=downgrade UNIRUN_DOMAIN=private
    [ "$said" = "execve|/usr/bin/true|environment|1" ]
}

@test "programs that the loader keeps the preload from are named" {
    local said carried=(LD_PRELOAD="$SHIM" UNIRUN_LOG=downgrade UNIRUN_DOMAIN=private)
    cd "$BATS_TEST_TMPDIR"
    printf 'int main(void) { return 0; }\n' >program.c
    gcc -static -o static program.c
    musl-gcc -o musl program.c
    printf '#!%s/static\n' "$PWD" >script
    printf '#! %s/script\n' "$PWD" >script2
    chmod +x script script2
    departs execve ./static "${carried[@]}"
    [ "$said" = "execve|./static|static|1" ]
    departs execve ./script2 "${carried[@]}"
    [ "$said" = "execve|./script2|static|1" ]
    # Its loader cannot load the preload, and says so.
    expected=127 departs execve ./musl "${carried[@]}"
    [ "$(head -n 1 <<<"$said")" = "execve|./musl|musl|1" ]
    # Another machine's: only the beginning of the file says so. It is not executed.
    head -c 4096 static | perl -0777 -pe 'substr($_, 18, 1) = "\xb7"' >foreign
    chmod +x foreign
    departs execve ./foreign "${carried[@]}"
    [ "$said" = "$(printf '%s\n' "execve|./foreign|architecture|"{1,2,3})" ]
    departs posix_spawn /lib64/ld-linux-x86-64.so.2 "${carried[@]}"
    [[ $stderr != *downgraded* ]]
}

@test "programs that change their user when they start are named, unless they may not" {
    [ "$(id -u)" -eq 0 ] || skip "needs root to make a set-user-ID program"
    local said carried=(LD_PRELOAD="$SHIM" UNIRUN_LOG=downgrade UNIRUN_DOMAIN=private)
    cd "$BATS_TEST_TMPDIR"
    cp /usr/bin/true other
    chown 64321 other
    chmod u+s,a+rx other
    departs execve ./other "${carried[@]}"
    [ "$said" = "execve|./other|setuid|1" ]
    run --separate-stderr env LD_PRELOAD="$SHIM" setpriv --no-new-privs env UNIRUN_LOG=downgrade \
        "$PROGRAMS/departures" execve ./other "${carried[@]}"
    [ -z "$stderr" ]
}

# programs of ours that say their environment, sorted, without what only they have.
told() {
    run --separate-stderr env LD_PRELOAD="$SHIM" UNIRUN_LOG=off UNIRUN_PROPAGATE=1 "$PROGRAMS/departures" "$@"
    [ "$status" -eq 0 ]
    told=$(sort -u <<<"$output" | grep -v '^PATH=')
}

@test "UNIRUN_PROPAGATE=1 puts the preload and the settings back, by whatever call" {
    local call told all
    all=$(printf '%s\n' A=1 "LD_PRELOAD=$SHIM" UNIRUN_DOMAIN=private UNIRUN_LOG=off UNIRUN_PROPAGATE=1)
    # Those with a list pass arguments: a program that does not mind.
    printf '#!/bin/sh\nexec /usr/bin/env\n' >"$BATS_TEST_TMPDIR/all"
    chmod +x "$BATS_TEST_TMPDIR/all"
    for call in $with_environment $without $spawns fork-execve vfork-execl; do
        told "$call" "$BATS_TEST_TMPDIR/all" A=1
        [ "$(grep -v '^PWD=' <<<"$told")" = "$all" ]
    done
}

@test "UNIRUN_PROPAGATE=1 keeps what the environment has" {
    local told
    told execve /usr/bin/env LD_PRELOAD="$EMPTY" UNIRUN_LOG=debug
    [ "$told" = "$(printf '%s\n' "LD_PRELOAD=$SHIM:$EMPTY" UNIRUN_DOMAIN=private UNIRUN_LOG=debug UNIRUN_PROPAGATE=1)" ]
    told execve /usr/bin/env LD_PRELOAD="$EMPTY $SHIM"
    [ "$(head -n 1 <<<"$told")" = "LD_PRELOAD=$EMPTY $SHIM" ]
}

@test "UNIRUN_PROPAGATE=1 leaves an environment alone that does not fit on a thread's stack" {
    cat >"$BATS_TEST_TMPDIR/large.py" <<'END'
import os, threading
threading.stack_size(128 * 1024)
large = {f"A{i}": "" for i in range(40000)}
threading.Thread(target=os.execve, args=("/usr/bin/true", ["true"], large)).start()
END
    UNIRUN_LOG=off UNIRUN_PROPAGATE=1 LD_PRELOAD=$SHIM /usr/bin/python3 "$BATS_TEST_TMPDIR/large.py"
}

@test "commands that clear the environment work as without the shim" {
    # shellcheck disable=SC2016
    same_everywhere bash -c 'for i in 1 2 3; do env -i A=$i /usr/bin/env; done; (unset LD_PRELOAD; true); exec -c /usr/bin/env'
}
