#!/usr/bin/env bats
# The Promela model of the worker protocol (tests/model).

setup() {
    load helper
    cd "$BATS_TEST_TMPDIR" || return
    cp "$BATS_TEST_DIRNAME/../model/worker.pml" .
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
