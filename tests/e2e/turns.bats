#!/usr/bin/env bats
# Programs whose teams want more CPUs than there are: their idle threads leave the CPUs soon (they give way), programs of
# very short regions run one after the other (they take turns), and what the user has said of waiting holds.
#
# Whether waits are short is told by the CPU time that idle threads use after a region (teams_waits): alone about a
# millisecond or several, giving way a hundred times less.
# shellcheck disable=SC2030,SC2031,SC2154  # each test has a shell of its own; run and members.bash set the rest

bats_require_minimum_version 1.8.0

# The renamed copies of the runtime that libraries bring (as in teams.bats), and LLVM's in an ordinary program.
setup_file() {
    load helper
    [ -x "$PROGRAMS/teams_waits" ] || return 0
    local name source=$BATS_TEST_DIRNAME/../programs
    cd "$BATS_FILE_TMPDIR" || return
    gcc -O2 -fPIC -fopenmp -c -o plugin.o "$source/teams_plugin.c"
    gcc -shared -o plugin_p.so plugin.o -fopenmp
    for name in q r; do
        sed "s/libgomp\.so\.1/libgom$name.so.1/g" "$(gcc -print-file-name=libgomp.so.1)" >"libgom$name.so.1"
        gcc -shared -o "plugin_$name.so" plugin.o "./libgom$name.so.1" -Wl,-rpath,"$BATS_FILE_TMPDIR"
    done
    ! command -v clang >/dev/null || clang -O2 -fopenmp -o hold_llvm "$source/teams_hold.c" || true
    use_two_cpus
    # What plain spins: a quarter of its regions less.
    timeout 3 "$PROGRAMS/teams_waits" 200 60 >plain || true
    PLAIN=$(sort -n plain | sed -n "$((($(wc -l <plain) + 3) / 4))p")
    export PLAIN
}

setup() {
    load helper
    load members
    [ -x "$PROGRAMS/teams_waits" ] || skip "built without OpenMP"
    [ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
    use_two_cpus
    set_domain turns
    subject=(env LD_PRELOAD="$preload" "$PROGRAMS/teams_waits" 200 60)
    spinning=(OMP_WAIT_POLICY=active)
}

teardown() {
    [ -z "${started:-}" ] || leave_domain
}

# This shell, and what it starts, has two CPUs, $first_cpu and $second_cpu, so that two teams of two want too many.
use_two_cpus() {
    read -r first_cpu second_cpu < <(/usr/bin/python3 -c 'import os; print(*sorted(os.sched_getaffinity(0))[:2])')
    taskset -cp "$first_cpu,$second_cpu" $BASHPID >/dev/null
    unset OMP_WAIT_POLICY GOMP_SPINCOUNT OMP_NUM_THREADS GOMP_CPU_AFFINITY OMP_PROC_BIND OMP_PLACES
}

# start NAME COMMAND...: its id is in $pid, its output in $BATS_TEST_TMPDIR/NAME.
start() {
    local name=$1
    shift
    "$@" >"$BATS_TEST_TMPDIR/$name" 2>"$BATS_TEST_TMPDIR/$name.err" 3>&- &
    pid=$!
    started+=("$pid")
}

# Ends a program that was started, without a word of bash.
finish() {
    kill -"${2:-TERM}" "$1"
    wait "$1" 2>/dev/null || true
}

# A program in one short region after the other, managed; its id is in $rival.
start_rival() {
    rm -f "$BATS_TEST_TMPDIR/rival.in"
    hold rival busy
    rival=$held
}

# kind_of LINES: long, short, or neither, by these numbers of microseconds: most are long, or all but one are short (a
# thread that spins is late at times, and does not spin then).
kind_of() {
    local sorted
    mapfile -t sorted < <(sort -n)
    echo "${sorted[*]}, plain $PLAIN" >&2
    if [ "${sorted[$1 / 2]}" -ge $((PLAIN / 5)) ]; then
        echo long
    elif [ "${sorted[$1 - 2]}" -le $((PLAIN / 10)) ]; then
        echo short
    else
        echo neither
    fi
}

# waits NAME [COPY]: what the next waits of the subject NAME are, in its COPY of a runtime.
waits() {
    local name=$BATS_TEST_TMPDIR/$1 copy=${2:-} from count=9
    from=$(($(wc -l <"$name") + 1))
    until [ "$(tail -n +$((from + 1)) "$name" | sed -n "s/^${copy:+$copy }\([-0-9]*\)$/\1/p" | wc -l)" -ge "$count" ]; do
        sleep 0.3 # the less there is to do here, the less is in the way
    done
    tail -n +$((from + 1)) "$name" | sed -n "s/^${copy:+$copy }\([-0-9]*\)$/\1/p" | head -n "$count" | kind_of "$count"
}

# become KIND NAME [COPY]: soon they are so. On a machine with much else to do that may take a while.
become() {
    local kind=$1 end=$((SECONDS + 30))
    shift
    while [ "$SECONDS" -lt "$end" ]; do
        [ "$(waits "$@")" != "$kind" ] || return 0
    done
    echo "waits of $* do not become $kind"
    return 1
}

# member PID FIELD...: what unirun ps says of it, one line.
member() {
    "$UNIRUN" ps --json | /usr/bin/python3 -c '
import json, sys
for m in json.load(sys.stdin):
    if m["pid"] == int(sys.argv[1]):
        print(*(m[field] for field in sys.argv[2:]))' "$@"
}

# shows PID FIELD VALUE: soon unirun ps does.
shows() {
    local end=$((SECONDS + 20))
    while [ "$SECONDS" -lt "$end" ]; do
        [ "$(member "$1" "$2")" != "$3" ] || return 0
        sleep 0.01
    done
    echo "$2 of $1 is $(member "$1" "$2"), and not $3"
    return 1
}

regions() {
    rows | sed -n "s/^$1 //p"
}

# goes_on PID: it runs regions, and has run some within five seconds.
goes_on() {
    local before tries
    before=$(regions "$1")
    for ((tries = 0; tries < 100; tries++)); do
        [ "$(regions "$1")" = "$before" ] || return 0
        sleep 0.05
    done
    return 1
}

# ---- giving way ----

@test "alone, waits are what they are without us" {
    start plain "$PROGRAMS/teams_waits" 200 60
    become long plain
    finish "$pid"
    start subject "${subject[@]}"
    become long subject
    [ ! -s "$BATS_TEST_TMPDIR/subject.err" ]
}

@test "plain, waits beside another team are as long as ever" {
    hold rival busy LD_PRELOAD=
    start plain "$PROGRAMS/teams_waits" 200 60
    become long plain
    release rival
    ended_well rival
}

@test "beside a team that wants its CPUs a program gives way, and no longer when that one has ended" {
    start subject "${subject[@]}"
    become long subject
    start_rival
    become short subject
    shows "$pid" turn "gives way"
    until "$UNIRUN" ps | grep "^ *$pid .* gives way "; do sleep 0.01; done
    release rival
    ended_well rival
    become long subject
    [ ! -s "$BATS_TEST_TMPDIR/subject.err" ]
}

@test "a program gives way no longer when the other one has been killed" {
    start_rival
    start subject "${subject[@]}"
    become short subject
    finish "$rival" KILL
    become long subject
}

@test "a program gives way no longer when the other one is stopped" {
    start_rival
    start subject "${subject[@]}"
    become short subject
    kill -STOP "$rival"
    become long subject
    kill -CONT "$rival"
    become short subject
}

@test "waits of which the user has said something are never changed" {
    local said
    start_rival
    for said in OMP_WAIT_POLICY=active OMP_WAIT_POLICY=ACTIVE GOMP_SPINCOUNT=300000 GOMP_SPINCOUNT=20000000; do
        start "$said" env "$said" "${subject[@]}"
        echo "$said"
        become long "$said"
        [ "$(waits "$said")" = long ]
        finish "$pid"
    done
    release rival
    ended_well rival
}

@test "short waits of which the user has said something stay short" {
    local said
    for said in OMP_WAIT_POLICY=passive OMP_WAIT_POLICY=Passive GOMP_SPINCOUNT=0 GOMP_SPINCOUNT=100; do
        start "$said" env "$said" "${subject[@]}"
        echo "$said"
        become short "$said"
        [ "$(waits "$said")" = short ]
        finish "$pid"
    done
    start_rival
    start subject env OMP_WAIT_POLICY=passive "${subject[@]}"
    become short subject
    finish "$rival" KILL
    [ "$(waits subject)" = short ]
}

@test "private, renamed copies of the runtime that come late give way, each of them" {
    local copy
    start subject "${subject[@]}" "$BATS_FILE_TMPDIR"/plugin_{q,r}.so
    for copy in 0 1; do become long subject "$copy"; done
    start_rival
    for copy in 0 1; do become short subject "$copy"; done
    release rival
    ended_well rival
    for copy in 0 1; do become long subject "$copy"; done
    [ ! -s "$BATS_TEST_TMPDIR/subject.err" ]
}

# have_child NAME: the program $pid, whose output NAME is, forks; its $child waits for a word.
have_child() {
    kill -USR1 "$pid"
    until grep -q child "$BATS_TEST_TMPDIR/$1"; do sleep 0.01; done
    child=$(sed -n 's/^child //p' "$BATS_TEST_TMPDIR/$1")
    started+=("$child")
}

@test "a child of a program that gives way does so only if it has to" {
    local child
    start plain "$PROGRAMS/teams_waits" 200 60
    become long plain
    have_child plain
    kill -USR1 "$child"
    become long plain
    finish "$child" KILL
    start_rival
    start subject "${subject[@]}"
    become short subject
    have_child subject
    finish "$rival" KILL
    kill -USR1 "$child"
    become long subject
    start_rival
    become short subject
}

@test "a team on other CPUs is not given way to" {
    start_rival
    # Two threads on one CPU are in each other's way, but after long pauses not for a tenth of the time.
    start subject env LD_PRELOAD="$preload" "$PROGRAMS/teams_waits" 200 300
    become short subject
    # libgomp has counted two CPUs, and does not throttle itself.
    taskset -acp "$first_cpu" "$pid" >/dev/null
    taskset -acp "$second_cpu" "$rival" >/dev/null
    become long subject
    taskset -acp "$first_cpu" "$rival" >/dev/null
    become short subject
}

@test "a nicer team is not given way to, but by one that is as nice" {
    start nicer nice -n 19 env LD_PRELOAD="$preload" "$public/teams_work" 1000000000 2
    local nicer=$pid
    start subject "${subject[@]}"
    become long subject
    shows "$nicer" demand 2
    start equal nice -n 19 "${subject[@]}"
    become short equal
}

@test "a nicer team gives way to one that is not" {
    start nicer nice -n 5 "${subject[@]}"
    become long nicer
    start_rival
    become short nicer
    start plain nice -n 5 "$PROGRAMS/teams_waits" 200 60
    become long plain
}

# Busy loops, of no member, on each of the two CPUs.
start_load() {
    local cpu
    load=()
    for cpu in "$first_cpu" "$second_cpu"; do
        start load taskset -c "$cpu" bash -c 'while :; do :; done'
        load+=("$pid")
    done
}

@test "a team gives way to load that nobody manages, and no longer when that has ended" {
    start subject env LD_PRELOAD="$preload" "$PROGRAMS/teams_waits" 5000 15
    local one=$pid
    become long subject
    start_load
    become short subject
    shows "$one" turn "gives way"
    start plain "$PROGRAMS/teams_waits" 5000 15
    become long plain
    finish "$pid"
    finish "${load[0]}"
    finish "${load[1]}"
    become long subject
    [ ! -s "$BATS_TEST_TMPDIR/subject.err" ]
}

# ---- nobody waits for a long region ----

# beside_computing VARIABLE=VALUE...: the work, beside a program that computes in one region.
beside_computing() {
    hold one computing "$@"
    UNIRUN_PATIENCE_MS=60000 managed env "$@" "${work[@]}"
    worked
    release one
    ended_well one
    [ ! -s "$BATS_TEST_TMPDIR/one.err" ]
}

@test "nobody waits for a long region" {
    beside_computing
    rm "$BATS_TEST_TMPDIR/one.in"
    beside_computing OMP_WAIT_POLICY=passive
}

@test "programs with long regions run beside each other" {
    local i
    for i in 1 2 3; do
        start "out$i" env LD_PRELOAD="$preload" UNIRUN_PATIENCE_MS=50 UNIRUN_QUANTUM_MS=10 timeout 50 \
            "$public/teams_work" 5 2 300000
    done
    for i in 0 1 2; do
        wait "${started[i]}"
    done
    expected=$("$public/teams_work" 5 2)
    for i in 1 2 3; do
        [ "$(cat "$BATS_TEST_TMPDIR/out$i")" = "$expected" ]
        [ ! -s "$BATS_TEST_TMPDIR/out$i.err" ]
    done
}

# ---- where the user has asked for spinning waits, programs take turns ----

@test "where waits are to spin, a long region is waited for with patience, and no longer" {
    hold one computing "${spinning[@]}"
    UNIRUN_PATIENCE_MS=50 managed env "${spinning[@]}" "${work[@]}"
    worked turn
    release one
    ended_well one
    [ ! -s "$BATS_TEST_TMPDIR/one.err" ]
}

@test "where waits are to spin for a number of rounds, too" {
    hold one computing GOMP_SPINCOUNT=300000000
    UNIRUN_PATIENCE_MS=50 managed env GOMP_SPINCOUNT=300000000 "${work[@]}"
    worked turn
    release one
    ended_well one
    [ ! -s "$BATS_TEST_TMPDIR/one.err" ]
}

@test "where waits are to spin, programs with long regions all end" {
    local i
    for i in 1 2 3; do
        start "out$i" env "${spinning[@]}" LD_PRELOAD="$preload" UNIRUN_PATIENCE_MS=50 UNIRUN_QUANTUM_MS=10 \
            timeout 50 "$public/teams_work" 5 2 300000
    done
    for i in 0 1 2; do
        wait "${started[i]}"
    done
    expected=$("$public/teams_work" 5 2)
    for i in 1 2 3; do
        [ "$(cat "$BATS_TEST_TMPDIR/out$i")" = "$expected" ]
    done
    grep -q "reason=turn" "$BATS_TEST_TMPDIR"/out?.err
}

@test "where waits are to spin, in a long line everybody waits until those before have had their turns" {
    local number
    for number in {1..16}; do
        start "out$number" env "${spinning[@]}" LD_PRELOAD="$preload" UNIRUN_PATIENCE_MS=400 timeout 60 \
            "$public/teams_work" 75 2 2000
    done
    wait "${started[@]}"
    expected=$("$public/teams_work" 75 2)
    for number in {1..16}; do
        [ "$(cat "$BATS_TEST_TMPDIR/out$number")" = "$expected" ]
    done
    [ -z "$(cat "$BATS_TEST_TMPDIR"/out*.err)" ]
}

@test "where waits are to spin, kill -9 of a member while it waits" {
    hold one computing "${spinning[@]}" UNIRUN_PATIENCE_MS=60000
    start second env "${spinning[@]}" LD_PRELOAD="$preload" UNIRUN_PATIENCE_MS=60000 "$public/teams_work" 300 2
    local second=$pid
    shows "$second" turn waits
    finish "$second" KILL
    release one
    ended_well one
    managed env "${spinning[@]}" "${work[@]}"
    worked
}

# does_not_stop WHERE [stopped]: one that stays there does not stop the work, be waits as they are or as the user has
# asked for. (With OMP_WAIT_POLICY=active a team that waits never is asleep.)
does_not_stop() {
    local said where=$1
    for said in "" GOMP_SPINCOUNT=300000; do
        rm -f "$BATS_TEST_TMPDIR/one.in"
        hold one "$where" UNIRUN_PATIENCE_MS=60000 ${said:+"$said"}
        [ -z "${2:-}" ] || kill -STOP "$held"
        UNIRUN_PATIENCE_MS=60000 managed env ${said:+"$said"} "${work[@]}"
        worked
        [ -z "${2:-}" ] || kill -CONT "$held"
        release one
        ended_well one
        [ ! -s "$BATS_TEST_TMPDIR/one.err" ]
    done
}

@test "a member that is stopped in a region does not stop the others" {
    does_not_stop inside stopped
}

@test "a member that is stopped while it works does not stop the others" {
    does_not_stop busy stopped
}

@test "a member that rests between its regions does not stop the others" {
    does_not_stop between
}

@test "a member whose team is blocked in a region lends its turn" {
    does_not_stop inside
}

# in_pid_namespace VARIABLE=VALUE...: two programs of a PID namespace without a /proc of its own; what the second says is
# in $public/err2.
in_pid_namespace() {
    needs_root
    rm -f "$public/in"
    # shellcheck disable=SC2016
    run timeout 50 unshare -p -f env "$@" bash -c '
        cd "$1" && mkfifo in
        UNIRUN_PATIENCE_MS=300 LD_PRELOAD=$2 ./teams_hold computing <in >out 2>err 3>&- &
        exec 9>in
        until grep -q there out; do sleep 0.01; done
        UNIRUN_PATIENCE_MS=300 LD_PRELOAD=$2 ./teams_work 300 2 >out2 2>err2
        echo >&9
        wait %1' bash "$public" "$preload"
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(cat "$public/out")" = "there
done 2" ]
    [ "$(cat "$public/out2")" = "$expected" ]
    cat "$public/err" "$public/err2"
    # Nobody took the other for dead.
    [ ! -s "$public/err" ]
}

@test "two programs of a PID namespace that has no /proc of its own, where waits are to spin" {
    in_pid_namespace "${spinning[@]}"
    grep -q "reason=turn" "$public/err2"
}

@test "two programs of a PID namespace that has no /proc of its own" {
    in_pid_namespace UNIRUN_LOG=downgrade
    [ ! -s "$public/err2" ]
}

# ---- turns of those whose regions are very short ----

# start_ring [VARIABLE=VALUE...]: two programs of tiny regions, their ids in $ring, that take turns; with the CPUs in
# $bound each is bound to them, the second one the other way round.
start_ring() {
    hold first busy UNIRUN_PATIENCE_MS=60000 ${bound:+GOMP_CPU_AFFINITY="$first_cpu $second_cpu"} "$@"
    ring=("$held")
    hold second busy UNIRUN_PATIENCE_MS=60000 ${bound:+GOMP_CPU_AFFINITY="$second_cpu $first_cpu"} "$@"
    ring+=("$held")
    take_turns
}

# They are seen to run, and to wait, and have waited.
take_turns() {
    local one before end
    for one in "${ring[@]}"; do
        before=$(member "$one" waited_ms)
        shows "$one" turn waits
        shows "$one" turn runs
        end=$((SECONDS + 20))
        until [ "$(member "$one" waited_ms)" -gt "$before" ]; do
            [ "$SECONDS" -lt "$end" ]
            sleep 0.01
        done
    done
}

ring_ends_well() {
    release first
    release second
    held=${ring[0]}
    ended_well first
    held=${ring[1]}
    ended_well second
    # A thread that is bound by its attributes is another affair.
    cat "$BATS_TEST_TMPDIR"/{first,second}.err
    ! grep -qv reason=attribute-affinity "$BATS_TEST_TMPDIR"/{first,second}.err || return 1
}

@test "two programs of very short regions take turns" {
    start_ring
    ring_ends_well
}

@test "two programs of very short regions that are bound to CPUs take turns" {
    local bound=yes
    start_ring
    ring_ends_well
}

@test "programs that take turns compute what they compute alone" {
    local i
    expected=$("$public/teams_work" 50000 2)
    for i in 1 2 3; do
        start "out$i" env LD_PRELOAD="$preload" timeout 50 "$public/teams_work" 50000 2
    done
    wait "${started[@]}"
    for i in 1 2 3; do
        [ "$(cat "$BATS_TEST_TMPDIR/out$i")" = "$expected" ]
        [ ! -s "$BATS_TEST_TMPDIR/out$i.err" ]
    done
}

@test "a service beside programs that take turns never waits" {
    start_ring
    start service env LD_PRELOAD="$preload" "$PROGRAMS/teams_waits" 200 5
    local service=$pid
    until [ "$(wc -l <"$BATS_TEST_TMPDIR/service")" -ge 100 ]; do sleep 0.05; done
    [ "$(member "$service" waited_ms)" -eq 0 ]
    take_turns
    [ "$(member "$service" waited_ms)" -eq 0 ]
    ring_ends_well
}

# leader: of the ring; the other is in $other.
find_leader() {
    until [ "$(member "${ring[0]}" leads)$(member "${ring[1]}" leads)" != FalseFalse ]; do sleep 0.01; done
    leader=${ring[0]} other=${ring[1]}
    [ "$(member "$leader" leads)" = True ] || leader=${ring[1]} other=${ring[0]}
}

@test "a program that is killed while it has its turn does not keep it" {
    start_ring UNIRUN_QUANTUM_MS=1000
    local leader other
    find_leader
    shows "$other" turn waits
    finish "$leader" KILL
    goes_on "$other"
}

@test "a program that is stopped while it has its turn does not keep it" {
    start_ring UNIRUN_QUANTUM_MS=1000
    local leader other
    find_leader
    shows "$other" turn waits
    kill -STOP "$leader"
    goes_on "$other"
    kill -CONT "$leader"
    take_turns
    ring_ends_well
}

@test "a program of LLVM's OpenMP does not wait for a turn, and is given way to" {
    [ -x "$BATS_FILE_TMPDIR/hold_llvm" ] || skip "no clang with OpenMP"
    mv "$public/teams_hold" "$public/hold"
    cp "$BATS_FILE_TMPDIR/hold_llvm" "$public/teams_hold"
    start_rival
    start subject "${subject[@]}"
    become short subject
    finish "$pid"
    mv "$public/hold" "$public/teams_hold"
    hold first busy
    hold second busy
    goes_on "$rival"
    shows "$rival" demand 2
    [ "$(member "$rival" waited_ms)" -eq 0 ]
    release rival
    held=$rival
    ended_well rival
    [ ! -s "$BATS_TEST_TMPDIR/rival.err" ]
}
