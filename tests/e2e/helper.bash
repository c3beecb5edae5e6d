# What every bats file loads: where the build is, and how to run a program in every mode and compare.
#
#   UNIRUN_BUILD   the build folder (absolute)
#   UNIRUN, SHIM   the launcher and the library in it
#   EMPTY          a library that does nothing, for "as with any preload" comparisons
#   PROGRAMS       the folder of the built tests/programs
#
# "Appears unused" (SC2034) is about what the files that load this one use.

bats_require_minimum_version 1.8.0

: "${UNIRUN_BUILD:?set it to the build folder, or run tests/run}"
# shellcheck disable=SC2034
UNIRUN=$UNIRUN_BUILD/tools/unirun
SHIM=$UNIRUN_BUILD/shim/libunirun_shim.so
PROGRAMS=$UNIRUN_BUILD/tests/programs
# shellcheck disable=SC2034
EMPTY=$PROGRAMS/libempty.so
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-120}
# Debian's own programs, and messages in one language, whatever the caller has.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8

# No setting of the caller's reaches a test.
for name in $(compgen -e UNIRUN_); do
    [ "$name" = UNIRUN_BUILD ] || unset "$name"
done
unset LD_PRELOAD name

# Sets $environment to the env(1) command that starts a program plain, or under the shim in passthrough or managed mode.
# What else stands in PRELOAD_BEFORE and PRELOAD_AFTER is preloaded around the shim (and alone in plain mode).
prepare_mode() {
    local mode=$1 preload
    case $mode in
    plain) preload="${PRELOAD_BEFORE:-} ${PRELOAD_AFTER:-}" ;;
    *) preload="${PRELOAD_BEFORE:-} $SHIM ${PRELOAD_AFTER:-}" ;;
    esac
    read -r preload <<<"$preload" # no space around
    environment=(env)
    [ -z "$preload" ] || environment+=(LD_PRELOAD="$preload")
    [ "$mode" = plain ] || environment+=(UNIRUN_COMPAT_MODE="$mode")
}

# in_mode MODE COMMAND...: runs COMMAND in that mode.
in_mode() {
    local environment
    prepare_mode "$1"
    shift
    "${environment[@]}" "$@"
}

# Without the lines that the shim may add to stderr in managed mode. Such a line may come while the program is in the
# middle of one of its own, so it need not begin where a line does.
without_our_lines() {
    perl -0777 -pe 's/unirun\[\d+\]: (?:RuntimeWarning|info|debug): [^\n]*\n//g'
}

# run_all_modes COMMAND...: runs COMMAND plain, in passthrough and in managed mode, each in a fresh empty folder. The exit
# status and stdout must be the same in all, stderr too: byte by byte in passthrough, but for our own lines in managed.
# Output that differs from run to run by itself (times, addresses, process ids) is made equal by NORMALIZE, a sed script.
# A file named `stdin` in $BATS_TEST_TMPDIR is the input of each. Leaves plain's results in $status, $output, $stderr.
run_all_modes() {
    local mode part got environment base=$BATS_TEST_TMPDIR/modes input=/dev/null
    [ ! -f "$BATS_TEST_TMPDIR/stdin" ] || input=$BATS_TEST_TMPDIR/stdin
    for mode in ${MODES:-plain passthrough managed}; do
        rm -rf "${base:?}/$mode"
        mkdir -p "$base/$mode/cwd"
        got=0
        prepare_mode "$mode"
        # exec: what bash says about a death by signal is not the program's stderr.
        (cd "$base/$mode/cwd" && exec "${environment[@]}" "$@" <"$input" >../out.raw 2>../err.raw 3>&- 4>&-) || got=$?
        echo "$got" >"$base/$mode/status"
        sed -E "${NORMALIZE:-}" "$base/$mode/out.raw" >"$base/$mode/out"
        if [ "$mode" = managed ]; then
            without_our_lines <"$base/$mode/err.raw" | sed -E "${NORMALIZE:-}" >"$base/$mode/err"
        else
            sed -E "${NORMALIZE:-}" "$base/$mode/err.raw" >"$base/$mode/err"
        fi
    done
    for mode in ${MODES:-plain passthrough managed}; do
        for part in status out err; do
            diff -u --label "plain/$part" --label "$mode/$part" "$base/plain/$part" "$base/$mode/$part" || return 1
        done
    done
    status=$(cat "$base/plain/status")
    output=$(cat "$base/plain/out")
    # shellcheck disable=SC2034
    stderr=$(cat "$base/plain/err")
}

# same_everywhere COMMAND...: run_all_modes for a command that must succeed and say something.
same_everywhere() {
    run_all_modes "$@"
    [ "$status" -eq 0 ] || {
        echo "exit status $status: $stderr"
        return 1
    }
    [ -n "$output" ] || {
        echo "no output to compare"
        return 1
    }
}

# script_everywhere FUNCTION [ARGUMENT...]: same_everywhere for a bash function, run by a bash that is in the mode too.
script_everywhere() {
    export -f "${1?}"
    same_everywhere /bin/bash -euo pipefail -c '"$@"' bash "$@"
}
