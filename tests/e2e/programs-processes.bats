#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # scripts in single quotes; $stderr comes from the helper
# Programs that live by making processes, many and side by side.

setup() {
    load helper
    export HOME=$BATS_TEST_TMPDIR TMPDIR=$BATS_TEST_TMPDIR
}

project() {
    mkdir src
    for i in {1..200}; do
        echo "int f$i(int x) { int s = $i; for (int i = 0; i < x; i++) s = s * 31 + i; return s; }" >"src/f$i.c"
    done
    {
        for i in {1..200}; do echo "int f$i(int);"; done
        echo '#include <stdio.h>'
        echo 'int main(void) { unsigned s = 0;'
        for i in {1..200}; do echo "s = s * 17 + f$i($i);"; done
        echo 'return printf("%u", s) < 0; }'
    } >src/main.c
    cat >Makefile <<'END'
objects := $(patsubst src/%.c,%.o,$(wildcard src/*.c))
program: $(objects)
	@gcc -o $@ $^
%.o: src/%.c
	@gcc -O0 -c -o $@ $<
END
    make -j32 --no-print-directory
    ./program
    find . -name '*.o' | wc -l
    cksum <program
    make -j32 --no-print-directory
}

@test "make -j32 of 200 files" {
    # Passthrough does nothing, and the compiler takes its time.
    MODES='plain managed' script_everywhere project
    [[ $output == *"201"*"up to date"* ]]
}

a_thousand() {
    local sum=0 i text
    for i in {1..500}; do
        text=$(printf %d "$i")
        (exit $((i % 7))) || sum=$((sum + $?))
        sum=$((sum + text))
    done
    echo "$sum"
    for i in {1..200}; do
        /bin/true | cat
    done
    for i in {1..200}; do
        (exit $((i % 3))) &
        pids+=($!)
    done
    sum=0
    for i in "${pids[@]}"; do
        wait "$i" || sum=$((sum + $?))
    done
    echo "$sum"
    seq 1 1000 | xargs -n 1 true && echo "xargs $?"
    seq 1 600 | xargs -P 32 -n 2 sh -c 'echo $(($1 + $2))' x | sort -n | cksum
    seq 1 60 | parallel --will-cite -k -j 16 'echo {}; exit 0' | cksum
}

@test "bash, xargs and GNU parallel make thousands of processes" {
    script_everywhere a_thousand
    [[ $output == *"xargs 0"* ]]
}

history() {
    export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_DATE='2020-01-01T00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00Z'
    export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
    export FILTER_BRANCH_SQUELCH_WARNING=1
    git init -q -b main repo
    cd repo || return
    for i in {1..20}; do
        echo "$i" >"file$i"
        git add . && git commit -q -m "commit $i"
    done
    # A dozen processes for each commit.
    git filter-branch -f --env-filter 'GIT_AUTHOR_NAME=b' --msg-filter 'sed s/commit/change/' >/dev/null 2>&1
    git log --format='%H %an %s' | cksum
    git rev-list --objects --all | cut -d ' ' -f 1 | xargs -n 1 git cat-file -t | sort | uniq -c
    git submodule foreach true
    git -c alias.many='!for i in 1 2 3 4 5 6 7 8 9 10; do git rev-parse HEAD; done' many | uniq -c
}

@test "git makes thousands of processes" {
    script_everywhere history
    [[ $output == *commit* ]]
}
