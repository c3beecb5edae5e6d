#!/usr/bin/env bats
# unirun run: what it finds out about a program, what it says of it, and what the program then gets.
#
# What `run` sets is not seen to be set (SC2154,SC2030,SC2031).
# shellcheck disable=SC2154,SC2030,SC2031

# Programs of each kind, made once. Another user must reach them, so they are not in bats's private folder.
setup_file() {
    load helper
    KINDS=$(mktemp -d)
    export KINDS
    chmod 755 "$KINDS"
    cd "$KINDS" || exit
    cat >plain.c <<'END'
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    const char *preload = getenv("LD_PRELOAD");
    puts(preload ? preload : "none");
    return 5;
}
END
    gcc plain.c -o plain
    gcc -static plain.c -o static
    gcc -static-pie plain.c -o static-pie
    if command -v musl-gcc >/dev/null; then
        musl-gcc plain.c -o musl
    fi
    gcc -fsanitize=address plain.c -o asan
    gcc -fsanitize=thread plain.c -o tsan
    # As clang links a sanitizer: inside of the program, which gives its entry points to its libraries.
    { cat plain.c && echo 'void __tsan_init(void) {}'; } | gcc -rdynamic -x c - -o inside
    # What the Go linker leaves in every program, without a Go tool chain.
    printf 'Go' >note
    objcopy --add-section .note.go.buildid=note plain go
    # 32-bit x86: a file header is all that the launcher may need.
    printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0\1\0\0\0%032d' 0 | tr 0 '\0' >foreign
    chmod 755 foreign
    # The launcher and its library in the layout of a build tree.
    mkdir tools shim
    cp "$UNIRUN" tools/
    cp "$SHIM" shim/
}

teardown_file() {
    rm -rf "${KINDS:?}"
}

setup() {
    load helper
    export -n UNIRUN_BUILD # it looks like a setting
    cd "$BATS_TEST_TMPDIR" || exit
}

# `expect=-127 launch ...` where that is the status to come: bats warns of one that it is not told of.
launch() {
    run ${expect:+"$expect"} --separate-stderr "$UNIRUN" run "$@"
}

# The last launch ended with STATUS, and stderr was one line with these words.
refused() {
    local expected=$1
    shift
    [ "$status" -eq "$expected" ]
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ "$stderr" == "unirun run: "* ]]
    for words; do
        [[ "$stderr" == *"$words"* ]]
    done
}

# stderr was exactly the downgrade line for REASON of PROGRAM.
downgraded() {
    local line='^unirun\[[0-9]+\]: RuntimeWarning: exec downgraded to stdlib behaviour: .+ '
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ "$stderr" =~ $line ]]
    [[ "$stderr" == *" (reason=$1 caller=$2+0x0 count=1)" ]]
}

as_nobody() {
    run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

needs_root() {
    [ "$(id -u)" -eq 0 ] || skip "needs root, to make a privileged program"
}

needs_suid_mount() {
    [[ ",$(findmnt -nT "$KINDS" -o OPTIONS)," != *,nosuid,* ]] || skip "$KINDS is mounted nosuid"
}

# ---- the program gets what it would get ----

@test "a program starts with the library in LD_PRELOAD, its own exit status, and not a word" {
    launch "$KINDS/plain"
    [ "$status" -eq 5 ]
    [ "$output" = "$SHIM" ]
    [ -z "$stderr" ]
}

@test "a command is found through PATH, and its arguments are its own" {
    launch -- printf '%s,' --mode x '' 'a b'
    [ "$status" -eq 0 ]
    [ "$output" = "--mode,x,,a b," ]
    launch printf '%s' --mode
    [ "$output" = --mode ]
}

@test "the program's name stays as it was given" {
    ln -s "$(command -v bash)" shell
    # shellcheck disable=SC2016
    PATH=$PWD:$PATH launch shell -c 'echo "$0 $BASH"; exit'
    [[ "$output" == "shell "* ]]
}

@test "signals end the program as they do without the launcher" {
    # shellcheck disable=SC2016
    launch bash -c 'kill -TERM $$'
    [ "$status" -eq 143 ]
    # shellcheck disable=SC2016
    launch bash -c 'kill -KILL $$'
    [ "$status" -eq 137 ]
}

@test "an ignored signal stays ignored, and the process id is the launcher's" {
    # shellcheck disable=SC2016
    run --separate-stderr bash -c 'trap "" TERM; "$@" & child=$!; wait; echo $child' bash \
        "$UNIRUN" run bash -c 'kill -TERM $$; echo $$'
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "${lines[1]}" ]
}

@test "descriptors and standard input reach the program" {
    launch cat <<<hello
    [ "$output" = hello ]
    launch ls /proc/self/fd 3>&- 4>&-
    local ours=$output
    run --separate-stderr ls /proc/self/fd 3>&- 4>&-
    [ "$ours" = "$output" ]
}

@test "text without #! is run by the shell, as env does" {
    echo 'exit 9' >text
    chmod +x text
    launch ./text
    [ "$status" -eq 9 ]
}

@test "a command that is not there gives 127, one that cannot be executed 126" {
    expect=-127 launch no-such-command
    refused 127 no-such-command
    expect=-127 launch ./no-such-file
    refused 127 ./no-such-file
    launch /etc/passwd
    refused 126 /etc/passwd
    launch /
    refused 126
    expect=-127 launch ''
    refused 127
}

# ---- LD_PRELOAD ----

@test "other preloads stay, behind the library, in order" {
    LD_PRELOAD="$EMPTY /nonexistent.so" launch --log off env
    [[ "$output" == *"LD_PRELOAD=$SHIM:$EMPTY:/nonexistent.so"* ]]
}

@test "the library is not there twice, whichever copy was there before" {
    LD_PRELOAD="$EMPTY:$SHIM" launch "$KINDS/plain"
    [ "$output" = "$SHIM:$EMPTY" ]
    LD_PRELOAD="$KINDS/shim/libunirun_shim.so" launch "$KINDS/plain"
    [ "$output" = "$SHIM" ]
}

@test "--shim names another library, relative to here" {
    cp "$SHIM" mine.so
    launch --shim mine.so "$KINDS/plain"
    [ "$output" = "$PWD/mine.so" ]
}

@test "--shim refuses what the loader would not load, or what is not the shim" {
    echo text >text.so
    launch --shim text.so touch started
    refused 2 text.so ELF
    launch --shim "$KINDS/foreign" touch started
    refused 2 foreign 'this machine'
    launch --shim "$KINDS/static" touch started
    refused 2 static 'shared library'
    launch --shim "$EMPTY" touch started
    refused 2 "$EMPTY" unirun_version
    # A library that only asks for the function does not have it.
    printf 'const char *unirun_version(void); const char *f(void) { return unirun_version(); }' >asks.c
    gcc -shared -fPIC asks.c -o asks.so
    launch --shim asks.so touch started
    refused 2 asks.so unirun_version
    head -c 4000 "$SHIM" >half.so
    launch --shim half.so touch started
    refused 2 half.so
    launch --shim . touch started
    refused 2 file
    [ ! -e started ]
}

@test "a library path with a blank, a colon or a dollar sign is refused" {
    mkdir 'a b' a:b
    cp "$SHIM" 'a b/x.so'
    cp "$SHIM" a:b/x.so
    launch --shim 'a b/x.so' true
    refused 2 'a b/x.so' blank
    launch --shim a:b/x.so true
    refused 2 a:b/x.so colon
    # The loader would make another folder of each.
    # shellcheck disable=SC2016
    for name in '$LIB' '${ORIGIN}' 'a$PLATFORM'; do
        mkdir "$name"
        cp "$SHIM" "$name/x.so"
        launch --shim "$name/x.so" true
        refused 2 "$name/x.so" dollar
    done
}

@test "the launcher in a folder with a blank says so instead of starting without its library" {
    mkdir -p 'a b'
    cp -r "$KINDS/tools" "$KINDS/shim" 'a b'
    run --separate-stderr 'a b/tools/unirun' run true
    refused 125 'a b/shim/libunirun_shim.so' blank
}

@test "a missing library is refused, and the places are named" {
    launch --shim ./none.so true
    refused 2 none.so
    mkdir tools
    cp "$UNIRUN" tools/
    run --separate-stderr tools/unirun run true
    refused 125 "$PWD/tools/../shim/libunirun_shim.so"
}

# ---- options ----

@test "options set the variables" {
    launch --mode passthrough --thread-mode gil --max-workers 3 --domain d --teams malleable --counts host --log info \
        --log-format json --trace t --set UNIRUN_IDLE_MS=5 env
    [ "$status" -eq 0 ]
    for pair in COMPAT_MODE=passthrough THREAD_MODE=gil MAX_WORKERS=3 DOMAIN=d TEAMS=malleable COUNTS=host LOG=info \
        LOG_FORMAT=json TRACE=t IDLE_MS=5; do
        [[ $'\n'"$output"$'\n' == *$'\n'"UNIRUN_$pair"$'\n'* ]]
    done
}

@test "a bad option value is one line that says what is accepted, and nothing starts" {
    launch --mode fast touch started
    refused 2 --mode "'fast'" managed passthrough
    launch --max-workers=-1 touch started
    refused 2 --max-workers "'-1'" 65536
    launch --set UNIRUN_IDLE_MS=soon touch started
    refused 2 --set "'soon'"
    launch --set UNIRUN_IDLE=5 touch started
    refused 2 UNIRUN_IDLE_MS
    launch --set nothing touch started
    refused 2 nothing NAME=VALUE
    [ ! -e started ]
}

@test "unknown options, missing values and a missing command are one line each" {
    launch --fast true
    refused 2 --fast --help
    launch -x true
    refused 2 -x --help
    launch --mode
    refused 2 --mode value
    launch
    refused 2 command
    launch --
    refused 2 command
}

@test "help and version go to stdout" {
    for arguments in --help 'run --help' 'doctor --help' 'parity --help' 'list --help' --version; do
        # shellcheck disable=SC2086
        run --separate-stderr "$UNIRUN" $arguments
        [ "$status" -eq 0 ]
        [ -n "$output" ]
        [ -z "$stderr" ]
    done
}

@test "an unknown command is refused" {
    run --separate-stderr "$UNIRUN" start
    [ "$status" -eq 2 ]
    [ "$stderr" = "unirun: 'start' is not a command; see unirun --help" ]
    run --separate-stderr "$UNIRUN"
    [ "$status" -eq 2 ]
    [ "${#stderr_lines[@]}" -eq 1 ]
}

# ---- env files ----

value_of() {
    local pair
    for pair in "${lines[@]}"; do
        [ "${pair%%=*}" != "$1" ] || echo "${pair#*=}"
    done
}

@test "options go before the environment, and the environment before env files" {
    printf 'UNIRUN_DOMAIN=file\nUNIRUN_IDLE_MS=1\nUNIRUN_QUANTUM_MS=1\n' >one.env
    export UNIRUN_DOMAIN=environment UNIRUN_IDLE_MS=2
    launch --domain option --env-file one.env env
    [ "$status" -eq 0 ]
    [ "$(value_of UNIRUN_DOMAIN)" = option ]
    [ "$(value_of UNIRUN_IDLE_MS)" = 2 ]
    [ "$(value_of UNIRUN_QUANTUM_MS)" = 1 ]
}

@test "a variable that the environment has empty stays empty" {
    echo OTHER=file >one.env
    OTHER='' launch --env-file one.env env
    [ "$(value_of OTHER)" = '' ]
}

@test "of several env files the first counts, within one file the last line" {
    printf 'A=1\nA=2\n' >one.env
    printf 'A=3\nB=4\n' >two.env
    launch --env-file one.env --env-file two.env env
    [ "$(value_of A)" = 2 ]
    [ "$(value_of B)" = 4 ]
}

@test "an env file may have quotes, comments, export and CRLF" {
    printf '# settings\r\nexport UNIRUN_LOG="off" # quiet\r\nOTHER='"'a b'"'\r\n' >one.env
    launch --env-file one.env env
    [ "$(value_of UNIRUN_LOG)" = off ]
    [ "$(value_of OTHER)" = 'a b' ]
}

@test "a bad line of an env file is named, and nothing starts" {
    printf 'A=1\n\nnonsense\n' >one.env
    launch --env-file one.env touch started
    refused 2 'one.env:3: ' 'expected NAME=VALUE'
    launch --env-file none.env touch started
    refused 2 none.env
    [ ! -e started ]
}

# ---- names that are no settings ----

@test "a misspelt setting is one line with the right name" {
    UNIRUN_COMPAT_MOD=passthrough launch true
    [ "$status" -eq 0 ]
    local line="]: RuntimeWarning: UNIRUN_COMPAT_MOD is not a setting; did you mean UNIRUN_COMPAT_MODE?"
    [[ "$stderr" =~ ^"unirun["[0-9]+"$line"$ ]]
    echo UNIRUN_COMPAT_MOD=passthrough >one.env
    launch --env-file one.env true
    [[ "$stderr" == *"did you mean UNIRUN_COMPAT_MODE?" ]]
}

@test "a name that is like no setting is reported without a guess" {
    UNIRUN_SOMETHING_ELSE=1 launch true
    [[ "$stderr" == *"UNIRUN_SOMETHING_ELSE is not a setting"* ]]
    [[ "$stderr" != *"did you mean"* ]]
}

@test "misspelt settings are not reported where silence was asked for" {
    UNIRUN_COMPAT_MOD=1 launch --log off true
    [ -z "$stderr" ]
    UNIRUN_COMPAT_MOD=1 launch --mode passthrough true
    [ -z "$stderr" ]
}

# ---- programs that cannot be managed ----

@test "a static program is a downgrade, and keeps the preload for what it starts" {
    launch "$KINDS/static"
    [ "$status" -eq 5 ]
    downgraded static static
    [ "$output" = "$SHIM" ]
    launch "$KINDS/static-pie"
    downgraded static static-pie
}

@test "the loader run as a program is not a static program" {
    launch /lib64/ld-linux-x86-64.so.2 "$KINDS/plain"
    [ "$status" -eq 5 ]
    [ -z "$stderr" ]
}

@test "a Go program is a downgrade" {
    launch "$KINDS/go"
    [ "$status" -eq 5 ]
    downgraded go go
}

@test "a musl program is a downgrade, and does not get the preload" {
    [ -x "$KINDS/musl" ] || skip "needs musl-gcc"
    launch "$KINDS/musl"
    [ "$status" -eq 5 ]
    downgraded musl musl
    [ "$output" = none ]
    # Neither does it keep one that was there.
    LD_PRELOAD="$SHIM:$EMPTY" launch "$KINDS/musl"
    [ "$output" = "$EMPTY" ]
}

@test "a program with a sanitizer is a downgrade, and starts because it does not get the preload" {
    for kind in asan tsan inside; do
        launch "$KINDS/$kind"
        [ "$status" -eq 5 ]
        downgraded sanitizer $kind
        [ "$output" = none ]
    done
}

@test "a program for another architecture is a downgrade, and ends as without the launcher" {
    local plain=0
    env "$KINDS/foreign" 2>/dev/null || plain=$?
    expect=-$plain launch "$KINDS/foreign"
    [[ "${stderr_lines[0]}" == *"(reason=architecture caller=foreign+0x0 count=1)" ]]
}

@test "a set-user-ID program is a downgrade for another user" {
    needs_root
    needs_suid_mount
    install -m 4755 "$KINDS/plain" "$KINDS/suid"
    as_nobody "$KINDS/tools/unirun" run "$KINDS/suid"
    [ "$status" -eq 5 ]
    downgraded setuid suid
    install -m 2755 -g 12 "$KINDS/plain" "$KINDS/sgid"
    as_nobody "$KINDS/tools/unirun" run "$KINDS/sgid"
    downgraded setuid sgid
}

@test "a set-user-ID bit that changes nothing, or is not honoured, is no downgrade" {
    needs_root
    install -m 4755 "$KINDS/plain" "$KINDS/suid"
    launch "$KINDS/suid"
    [ -z "$stderr" ]
    as_nobody --no-new-privs "$KINDS/tools/unirun" run "$KINDS/suid"
    [ "$status" -eq 5 ]
    [ -z "$stderr" ]
    [ "$output" = "$KINDS/shim/libunirun_shim.so" ]
    install -m 2744 -g 12 "$KINDS/plain" "$KINDS/locked"
    launch "$KINDS/locked"
    [ -z "$stderr" ]
}

@test "a program with file capabilities is a downgrade for a user who lacks them" {
    needs_root
    needs_suid_mount
    install -m 755 "$KINDS/plain" "$KINDS/caps"
    setcap cap_net_raw+ep "$KINDS/caps" || skip "no file capabilities on this file system"
    as_nobody "$KINDS/tools/unirun" run "$KINDS/caps"
    [ "$status" -eq 5 ]
    downgraded file-capabilities caps
}

@test "file capabilities that give nothing are no downgrade" {
    needs_root
    install -m 755 "$KINDS/plain" "$KINDS/caps"
    setcap cap_net_raw+ep "$KINDS/caps" || skip "no file capabilities on this file system"
    launch "$KINDS/caps"
    [ -z "$stderr" ]
    as_nobody --no-new-privs "$KINDS/tools/unirun" run "$KINDS/caps"
    [ -z "$stderr" ]
}

# ---- scripts ----

script() {
    printf '%s\n' "$2" >"$1"
    chmod +x "$1"
}

@test "a script is judged by its interpreter" {
    script direct "#!$KINDS/static"
    launch ./direct
    [ "$status" -eq 5 ]
    downgraded static static
    script blank "#! 	$KINDS/static with arguments"
    launch ./blank
    downgraded static static
    script shell '#!/bin/sh
exit 3'
    launch ./shell
    [ "$status" -eq 3 ]
    [ -z "$stderr" ]
}

@test "a script of a script is followed" {
    script one "#!$KINDS/static"
    script two "#!$PWD/one"
    script three "#!$PWD/two"
    launch ./three
    downgraded static static
}

@test "env finds the interpreter, with its options and assignments" {
    PATH=$KINDS:$PATH
    for line in 'env static' 'env -S static --flag' 'env -S A=1 static x' 'env -Sstatic x' 'env -S -u HOME static' \
        'env -vS static'; do
        script found "#!/usr/bin/$line"
        launch ./found
        [[ "${stderr_lines[0]}" == *"(reason=static caller=static+0x0 count=1)" ]]
    done
}

@test "a script that runs itself ends as without the launcher" {
    script loop "#!$PWD/loop"
    run --separate-stderr env ./loop
    local plain=$status
    launch ./loop
    [ "$status" -eq "$plain" ]
}

# ---- how it is said ----

@test "passthrough that was asked for says nothing, but still spares a program the preload" {
    launch --mode passthrough "$KINDS/static"
    [ "$status" -eq 5 ]
    [ -z "$stderr" ]
    launch --mode passthrough "$KINDS/asan"
    [ "$status" -eq 5 ]
    [ -z "$stderr" ]
    [ "$output" = none ]
}

@test "UNIRUN_LOG=off says nothing" {
    UNIRUN_LOG=off launch "$KINDS/static"
    [ "$status" -eq 5 ]
    [ -z "$stderr" ]
}

@test "UNIRUN_LOG_FORMAT=json says it as an object on one line" {
    UNIRUN_LOG_FORMAT=json UNIRUN_COMPAT_MOD=1 launch "$KINDS/static"
    [ "${#stderr_lines[@]}" -eq 2 ]
    for line in "${stderr_lines[@]}"; do
        python3 -c 'import json, sys; json.loads(sys.argv[1])' "$line"
    done
    [ "$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["reason"])' "${stderr_lines[1]}")" = static ]
}

# The line that `unirun run` writes of a static program of this name, alone in a folder.
line_of() {
    local name=$1 got=0
    shift
    mkdir -p odd
    cp "$KINDS/static" "odd/$name"
    "$UNIRUN" run "$@" "odd/$name" 2>line >/dev/null || got=$?
    [ "$got" -eq 5 ]
}

# What a program may be called: to end the line, to look like a field of it, or to be no text.
odd_names() {
    names=(plain 'a b' 'p(q)r' 'x (reason=none caller=y+0x0 count=1)' $'new\nline' $'tab\tescape\e[31m' 'quote"s'"'"
        "back\\slash" $'\xff\xfe' $'\x9b31m' $'cut\xe2\x82' $'gr\xc3\xbc\xc3\x9f' $'next\xc2\x85line' '+0x7 count=9)')
}

@test "whatever a program is called, its line stays one line that can be parsed" {
    local names name line='^unirun\[[0-9]+\]: RuntimeWarning: exec downgraded to stdlib behaviour: [^()]* '
    odd_names
    for name in "${names[@]}"; do
        line_of "$name"
        [ "$(wc -l <line)" -eq 1 ]
        iconv -f UTF-8 -t UTF-8 line >/dev/null
        [[ "$(cat line)" =~ $line"(reason=static caller="[^[:cntrl:]\ =()]+"+0x0 count=1)"$ ]] || {
            cat -v line
            return 1
        }
    done
    [[ "$(cat line)" == *"caller=+0x7"*"count"*"+0x0 count=1)" ]]
}

@test "whatever a program is called, its JSON line is one object in valid UTF-8" {
    local names name
    odd_names
    for name in "${names[@]}"; do
        line_of "$name" --log-format json
        [ "$(wc -l <line)" -eq 1 ]
        python3 -c '
import json, sys
line = json.loads(open("line", "rb").read().decode("utf-8", "strict"))
assert line["reason"] == "static" and line["count"] == 1, line
assert line["caller"].endswith("+0x0"), line
name = sys.argv[1]
if name.isprintable() and not any(0xd800 <= ord(c) < 0xe000 for c in name):
    assert line["caller"] == name + "+0x0", line' "$name"
    done
}

# ---- where it is said ----

@test "a stderr that is a broken or a full pipe costs the warnings, and not the program" {
    local got
    export UNIRUN_COMPAT_MOD=1
    launch "$KINDS/static"
    [ "${#stderr_lines[@]}" -eq 2 ]
    mkfifo pipe
    exec 9<>pipe
    python3 -c '
import os
pipe = os.open("pipe", os.O_WRONLY | os.O_NONBLOCK)
for size in 65536, 1:
    try:
        while True:
            os.write(pipe, bytes(size))
    except BlockingIOError:
        pass'
    got=0
    timeout 20 "$UNIRUN" run "$KINDS/static" >out 2>pipe || got=$?
    [ "$got" -eq 5 ]
    exec 8>pipe 9>&-
    got=0
    env --default-signal=PIPE "$UNIRUN" run "$KINDS/static" >out 2>&8 || got=$?
    [ "$got" -eq 5 ]
    exec 8>&-
    [ "$(cat out)" = "$SHIM" ]
}

@test "a warning does not go into a file of the program's, nor to a stderr that is closed" {
    local got=0
    export UNIRUN_COMPAT_MOD=1
    (exec 2>&- && exec "$UNIRUN" run "$KINDS/static" >out) || got=$?
    [ "$got" -eq 5 ]
    [ "$(cat out)" = "$SHIM" ]
}
