# Programs that are members of a domain, for the bats files about them: what they do, and what becomes of them. Loaded
# after helper.bash.
# shellcheck disable=SC2034,SC2154  # run sets status, output, stderr; the files that load this use the rest

# Sets UNIRUN_DOMAIN, for programs of the file NAME, and where its table is.
set_domain() {
    export UNIRUN_DOMAIN=$1-$BATS_ROOT_PID-$BATS_TEST_NUMBER
    file=/dev/shm/unirun-4.$(id -u).$(stat -Lc %i /proc/self/ns/pid).$UNIRUN_DOMAIN
    # Where another user can read it.
    public=$(mktemp -d /tmp/unirun-public.XXXXXX)
    chmod 755 "$public"
    cp "$SHIM" "$PROGRAMS"/teams_{work,hold,moments,fork} "$public/"
    preload=$public/libunirun_shim.so
    expected=$("$PROGRAMS/teams_work" 300 2)
    started=()
    # Does the work of which $expected comes.
    work=(env LD_PRELOAD="$preload" "$public/teams_work" 300 2)
}

leave_domain() {
    local pid
    for pid in "${started[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf "${public:?}"
    rm -f /dev/shm/unirun-*."$UNIRUN_DOMAIN"*
}

needs_root() {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
}

# managed COMMAND...: in managed mode, with an end. Works under setpriv, unshare and prlimit, too.
managed() {
    run --separate-stderr timeout 50 "$@"
}

# The work was done, and stderr is empty, or a single downgrade of that REASON.
worked() {
    local reason=${1:-}
    [ "$status $output" = "0 $expected" ] || {
        echo "exit status $status, output '$output' instead of '$expected', $stderr"
        return 1
    }
    if [ -z "$reason" ]; then
        [ -z "$stderr" ]
    else
        echo "stderr: $stderr"
        [[ $stderr == "unirun["*"]: RuntimeWarning: GOMP_parallel downgraded to stdlib behaviour: "*"(reason=$reason caller=teams_work+0x"*" count=1)" ]]
        [ "$(wc -l <<<"$stderr")" -eq 1 ]
    fi
}

# rows: of the table, each a line: the process id, and how many regions it has been in (modulo 2^32).
rows() {
    /usr/bin/python3 - "$file" <<'PYTHON'
import struct, sys
table = open(sys.argv[1], "rb").read()
for row in range(struct.unpack_from("=I", table, 8)[0]):
    at = 4096 + 384 * row
    owner, = struct.unpack_from("=Q", table, at)
    if owner:
        print(owner & 0xffffffff, struct.unpack_from("=Q", table, at + 64)[0] >> 32)
PYTHON
}

# members: process ids in the table.
members() {
    rows | cut -d ' ' -f 1
}

# hold NAME WHERE [VARIABLE=VALUE...]: starts teams_hold, waits until it is there. Its id is in $held, its output in
# $BATS_TEST_TMPDIR/NAME, and `release NAME` lets it go on.
hold() {
    local name=$1 where=$2 fd
    shift 2
    mkfifo "$BATS_TEST_TMPDIR/$name.in"
    env LD_PRELOAD="$preload" "$@" "$public/teams_hold" "$where" <"$BATS_TEST_TMPDIR/$name.in" \
        >"$BATS_TEST_TMPDIR/$name" 2>"$BATS_TEST_TMPDIR/$name.err" 3>&- &
    held=$!
    started+=("$held")
    exec {fd}>"$BATS_TEST_TMPDIR/$name.in"
    printf -v "release_$name" %s "$fd"
    wait_for_line "$BATS_TEST_TMPDIR/$name" there
}

release() {
    local fd=release_$1
    fd=${!fd}
    echo >&"$fd" # others may have the other end open, too
    exec {fd}>&-
}

# Until FILE has the LINE; the test's own time limit ends it.
wait_for_line() {
    until grep -qx "$2" "$1" 2>/dev/null; do
        sleep 0.01
    done
}

# What `hold NAME` started ends as it should.
ended_well() {
    wait "$held"
    [ "$(cat "$BATS_TEST_TMPDIR/$1")" = "there
done 2" ]
}
