#!/usr/bin/env bats
# The Promela models of the protocols of workers and of turns (tests/model).
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own: `run` is meant to set its status there

setup() {
    load helper
    cd "$BATS_TEST_TMPDIR" || return
    cp "$BATS_TEST_DIRNAME"/../model/{worker,turn}.pml .
}

check() {
    run spin -run -safety -m200000 worker.pml
    [ "$status" -eq 0 ]
}

@test "no interleaving of creator, worker, joiner, detacher and retirer goes wrong" {
    check
    [[ $output == *"errors: 0"* ]]
    # Every step of every part was taken in some interleaving.
    [ "$(grep -c '(0 of [0-9]* states)' <<<"$output")" -eq 3 ]
}

@test "the model finds what it is there to find" {
    # Without the joiner's wake-up; with a detach that forgets that the task has ended; with a hand-over that wakes nobody;
    # with a retirement that comes after the end.
    local mutation
    for mutation in \
        '0,/:: old & WAITING -> done++/s//:: old \& WAITING -> skip/' \
        's/:: old & ENDED -> word = word | RELEASED$/:: old \& ENDED -> word = word | DETACHED/' \
        's/:: was == SLEEP -> woken = true/:: was == SLEEP -> skip/' \
        's/ && !(old & ENDED) && / \&\& /'; do
        cp "$BATS_TEST_DIRNAME/../model/worker.pml" .
        sed -i "$mutation" worker.pml
        ! cmp -s worker.pml "$BATS_TEST_DIRNAME/../model/worker.pml"
        check
        [[ $output != *"errors: 0"* ]] || {
            echo "not found: $mutation"
            return 1
        }
    done
}

# turn OPTION...: with these -D; what TIMED is for is progress.
turn() {
    local what=(-safety -noclaim)
    [[ " $* " != *" -DTIMED "* ]] || what=(-a -f -ltl enters)
    run timeout 300 spin "$@" -run "${what[@]}" -collapse -m2000000 turn.pml
    [ "$status" -eq 0 ]
    [[ $output != *"max search depth too small"* ]]
}

turn_holds() {
    turn "$@"
    [[ $output == *"errors: 0"* ]] || {
        echo "$* $output"
        return 1
    }
}

@test "members of a domain take turns: what the table promises holds, whoever dies, is stopped, or loses patience" {
    turn_holds -DIMPATIENT -DDYING -DSTOPPING
    turn_holds -DAWAKE
}

@test "three members take turns, with gangs that fit beside each other and with gangs that do not" {
    turn_holds -DMEMBERS=3
    turn_holds -DMEMBERS=3 -DSMALL
    turn_holds -DMEMBERS=3 -DTIMED -DREGIONS=2 -DWHO=1
}

@test "every member of a domain gets its turn" {
    turn_holds -DTIMED
    turn_holds -DTIMED -DWHO=1
    turn_holds -DTIMED -DAWAKE
    turn_holds -DTIMED -DIMPATIENT -DENDLESS
}

@test "every member of a domain gets its turn when another one dies" {
    turn_holds -DTIMED -DDYING
}

@test "every member of a domain gets its turn when another one is stopped" {
    turn_holds -DTIMED -DSTOPPING
}

@test "the model of turns finds what it is there to find" {
    # Entering without looking at the turn again; leaving without a wake, with one that a leader on its way to sleep misses,
    # or from an attempt; the dead stay; those who ran anyway go on; clearing a row that is another's by now; a demand that
    # is lost while its member waits; one who dies or is stopped while it waits.
    local mutation options
    while IFS='|' read -r options mutation; do
        sed "$mutation" "$BATS_TEST_DIRNAME/../model/turn.pml" >turn.pml
        ! cmp -s turn.pml "$BATS_TEST_DIRNAME/../model/turn.pml"
        # shellcheck disable=SC2086
        turn $options
        [[ $output == *"errors: 1"* ]] || {
            echo "not found: $mutation"
            return 1
        }
    done <<'END'
-DWHO=0|s/entered = turn;/entered = true;/
-DAWAKE|s/; touch_turn() .* it may be.*//; s/ -> lead = 0 }; wake()/ -> lead = 0 }/
-DAWAKE|s/; touch_turn() .* it may be.*/; wake()/
-DTIMED -DAWAKE|/^inline step_in/,/^}/s/:: else -> leave()/:: else -> atomic { activity[me]--; moved(me) }/
-DTIMED -DDYING|s/:: whose != process.member. .. killed.member. -> .*/:: false/
-DIMPATIENT|s/granted.me. = false; .* not beyond.*/granted[me] = true;/
-DDYING|/^inline member_clear/,/^}/s/demand.member. = 0;/& activity[member] = 0;/
-DTIMED|/^inline wait_for_turn/,/^}/s/announce();/skip;/
-DTIMED -DDYING|s/same = .*SEEN(me, member);/same = SEEN(me, member) \&\& !waiting[member];/
END
}
