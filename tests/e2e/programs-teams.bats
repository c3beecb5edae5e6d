#!/usr/bin/env bats
# Unmodified programs with teams that run at once: each computes, to the last bit, what it computes alone without the shim.

bats_require_minimum_version 1.8.0

setup() {
    load helper
    export UNIRUN_DOMAIN=programs-$BATS_ROOT_PID-$BATS_TEST_NUMBER
    OPENBLAS=/usr/lib/x86_64-linux-gnu/openblas
    mkdir "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
}

teardown() {
    rm -f /dev/shm/unirun-*."$UNIRUN_DOMAIN"
}

# alone COMMAND...: what it says in a folder of its own, plain.
alone() {
    (cd "$BATS_TEST_TMPDIR/a" && in_mode plain "$@" 2>/dev/null)
}

# together FIRST SECOND [ROUNDS]: the commands in these arrays, each in a folder of its own, managed, twenty times. They say
# what they say alone, and no more. (Patience for a busy machine.)
together() {
    local -n first=$1 second=$2
    local round one other pids
    one=$(alone "${first[@]}")
    other=$(alone "${second[@]}")
    [ "$one" ] && [ "$other" ]
    export UNIRUN_PATIENCE_MS=60000
    for ((round = 1; round <= ${3:-20}; round++)); do
        pids=()
        (cd "$BATS_TEST_TMPDIR/a" && in_mode managed timeout 60 "${first[@]}" >../a.out 2>../a.err 3>&-) &
        pids+=($!)
        (cd "$BATS_TEST_TMPDIR/b" && in_mode managed timeout 60 "${second[@]}" >../b.out 2>../b.err 3>&-) &
        pids+=($!)
        wait "${pids[0]}"
        wait "${pids[1]}"
        [ "$(cat "$BATS_TEST_TMPDIR/a.out")" = "$one" ]
        [ "$(cat "$BATS_TEST_TMPDIR/b.out")" = "$other" ]
        [ "$(cat "$BATS_TEST_TMPDIR"/[ab].err | grep -c 'unirun\[')" -eq 0 ]
    done
}

# A sum in the order of the team's threads, which shows its size in the last bits.
harmonic() {
    cat >"$BATS_TEST_TMPDIR/harmonic.c" <<'END'
#include <stdio.h>
int main(void)
{
    double sum = 0;
    for (int round = 1; round <= 500; round++) {
        double part = 0;
#pragma omp parallel for reduction(+ : part) THREADS
        for (int i = 1; i <= 20000; i++)
            part += 1.0 / i / round;
        sum += part * round;
    }
    printf("%a\n", sum);
    return 0;
}
END
    "$1" -O2 -fopenmp -DTHREADS="$2" -o "$BATS_TEST_TMPDIR/$1" "$BATS_TEST_TMPDIR/harmonic.c"
}

@test "two programs of GNU OpenMP, of LLVM OpenMP, and one of each" {
    export OMP_NUM_THREADS=2 # one more would have no fixed order of sums
    harmonic gcc ''
    harmonic clang ''
    # shellcheck disable=SC2034
    local gnu=("$BATS_TEST_TMPDIR/gcc") llvm=("$BATS_TEST_TMPDIR/clang")
    together gnu gnu
    together llvm llvm
    together gnu llvm
}

@test "two programs of GNU OpenMP that say how many threads they want" {
    harmonic gcc 'num_threads(2)'
    # shellcheck disable=SC2034
    local gnu=("$BATS_TEST_TMPDIR/gcc")
    together gnu gnu
}

@test "NumPy on both kinds of OpenBLAS" {
    local threads program='
import hashlib, numpy
a = numpy.random.RandomState(1).rand(128, 128)
b = a
for _ in range(300):
    b = a @ b
    b /= b.max()
print(hashlib.sha256(b.tobytes()).hexdigest())'
    # shellcheck disable=SC2034
    local numpy=(/usr/bin/python3 -c "$program")
    for threads in openmp pthread; do
        [ -d "$OPENBLAS-$threads" ]
        LD_LIBRARY_PATH=$OPENBLAS-$threads together numpy numpy
    done
}

@test "scikit-learn HistGradientBoosting" {
    # shellcheck disable=SC2034
    local sklearn=(/usr/bin/python3 -c '
import hashlib, numpy
from sklearn.ensemble import HistGradientBoostingClassifier
x = numpy.random.RandomState(1).rand(1000, 10)
for state in range(10):
    model = HistGradientBoostingClassifier(max_iter=20, random_state=state).fit(x, x.sum(axis=1) > 5)
    print(hashlib.sha256(model.predict_proba(x).tobytes()).hexdigest())')
    together sklearn sklearn 2
}

# gromacs PIN: two simulations of a box of water at once.
gromacs() {
    cd "$BATS_TEST_TMPDIR" || return
    cat >topol.top <<'END'
#include "amber99sb.ff/forcefield.itp"
#include "amber99sb.ff/tip3p.itp"
[ system ]
water
[ molecules ]
END
    printf '%s\n' 'dt = 0.002' 'nsteps = 20' 'coulombtype = PME' 'rcoulomb = 0.9' 'rvdw = 0.9' 'gen-vel = yes' \
        'gen-seed = 1' 'nstxout = 20' >grompp.mdp
    gmx -quiet solvate -cs spc216 -box 2.5 2.5 2.5 -o conf.gro -p topol.top
    gmx -quiet grompp -maxwarn 5
    # shellcheck disable=SC2016,SC2034
    local simulation=(sh -c 'gmx -quiet mdrun -nobackup -s ../topol.tpr -deffnm out -ntmpi 1 -ntomp 2 -reprod -pin $1
        sha256sum out.trr out.edr out.gro' sh "$1")
    together simulation simulation
    [ -s a/out.trr ]
}

@test "GROMACS with its threads pinned" {
    gromacs on
}

@test "GROMACS with its threads left to the kernel" {
    gromacs off
}
