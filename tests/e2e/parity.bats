#!/usr/bin/env bats
# The shim has an answer for every function of its families that libc exports, and the table in the repository says so.
#
# What `run` sets is not seen to be set (SC2154).
# shellcheck disable=SC2154

setup() {
    load helper
    export -n UNIRUN_BUILD # it looks like a setting
    cd "$BATS_TEST_TMPDIR" || exit
    TABLE=$BATS_TEST_DIRNAME/../data/parity.json
}

# One line for each name: name, disposition, family, versions, reason.
flatten() {
    python3 -c '
import json, sys
for provider in json.load(open(sys.argv[1])):
    for s in provider["symbols"]:
        print(provider["provider"], s["name"], s["disposition"], s.get("managed"), s.get("family"),
              " ".join(s["versions"]), s.get("reason"))' "$1"
}

libc_of() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[0]["version"])' "$1"
}

# A stand-in for libc: make_libc NAME@VERSION... makes libc.so that exports those, each a function of its own.
make_libc() {
    local pair version number=0
    for version in $(printf '%s\n' "$@" | sed 's/.*@//' | sort -Vu); do
        echo "$version {};"
    done >libc.map
    for pair; do
        number=$((number + 1))
        echo "void f$number(void) { __asm__(\"nop\"); }"
        echo "__asm__(\".symver f$number, $pair\");"
    done >libc.c
    gcc -shared -fPIC -nostdlib -Wl,--version-script=libc.map libc.c -o libc.so
}

@test "every function of our families that libc exports has a row, and every row is right" {
    run --separate-stderr "$UNIRUN" parity
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" == *"; 0 problems" ]]
}

@test "the table in the repository is what this build says" {
    "$UNIRUN" parity --json >now.json
    [ "$(libc_of now.json)" = "$(libc_of "$TABLE")" ] ||
        skip "the table is of $(libc_of "$TABLE"), this is $(libc_of now.json)"
    flatten "$TABLE" >before
    flatten now.json >now
    # Differences are names; tools/update-parity writes the table anew.
    diff before now
}

@test "every name has a disposition, and every skipped one a reason" {
    "$UNIRUN" parity --json >now.json
    flatten now.json >now
    [ "$(wc -l <now)" -gt 100 ]
    run -1 grep -vE '^[^ ]+ [^ ]+ (shim|stub|skip) ' now
    run -1 grep -E '^[^ ]+ [^ ]+ skip .* None$' now
}

@test "a function that is new in libc is named" {
    make_libc pthread_brand_new@GLIBC_2.99 unrelated_new@GLIBC_2.99
    run --separate-stderr "$UNIRUN" parity --libc libc.so
    [ "$status" -eq 1 ]
    [[ "$output" == *"libc.so.6: pthread_brand_new: is exported, belongs to THREAD and has no row"* ]]
    [[ "$output" != *unrelated_new* ]]
    run --separate-stderr "$UNIRUN" parity --json --libc libc.so
    [ "$status" -eq 1 ]
    [[ "$output" == *pthread_brand_new* ]]
}

@test "a row without its function is named" {
    make_libc pthread_brand_new@GLIBC_2.99
    run --separate-stderr "$UNIRUN" parity --libc libc.so
    [[ "$output" == *"libc.so.6: fork: has a row, but is not exported"* ]]
}

@test "versions that a row does not know, or that libc does not have, are named" {
    make_libc pthread_join@GLIBC_2.99 fork@GLIBC_2.2.5
    run --separate-stderr "$UNIRUN" parity --libc libc.so
    [ "$status" -eq 1 ]
    [[ "$output" == *"pthread_join: GLIBC_2.99 is in 0 rows"* ]]
    [[ "$output" == *"pthread_join: its row lists GLIBC_2.34, which is not exported"* ]]
    [[ "$output" != *"libc.so.6: fork:"* ]]
}

@test "versions that differ in address under one row are named" {
    make_libc pthread_join@GLIBC_2.2.5 pthread_join@@GLIBC_2.34
    run --separate-stderr "$UNIRUN" parity --libc libc.so
    [[ "$output" == *"pthread_join: GLIBC_2.2.5 and GLIBC_2.34 differ in address"* ]]
}

@test "a wrong default version of a row for one version is named" {
    make_libc posix_spawn@@GLIBC_2.2.5 posix_spawn@GLIBC_2.15
    run --separate-stderr "$UNIRUN" parity --libc libc.so
    [[ "$output" == *"posix_spawn: GLIBC_2.2.5 is the default version, and its row says otherwise"* ]]
    [[ "$output" == *"posix_spawn: GLIBC_2.15 is not the default version, and its row says otherwise"* ]]
}

@test "a file that is no library is refused with one line" {
    for file in /etc/passwd ./none; do
        run --separate-stderr "$UNIRUN" parity --libc "$file"
        [ "$status" -eq 2 ]
        [[ "$stderr" == "unirun parity: $file is not an ELF file"* ]]
        [ "${#stderr_lines[@]}" -eq 1 ]
    done
    run --separate-stderr "$UNIRUN" parity extra
    [ "$status" -eq 2 ]
}

@test "a function whose name is no text is named as far as it is" {
    make_libc pthread_brandXnew@GLIBC_2.99
    LC_ALL=C sed -i 's/brandXnew/brand\xffnew/' libc.so
    run --separate-stderr "$UNIRUN" parity --json --libc libc.so
    [ "$status" -eq 1 ]
    [[ "$output" == *$'"pthread_brand\ufffdnew"'* ]]
    [[ "$output" == *"belongs to THREAD and has no row"* ]]
}
