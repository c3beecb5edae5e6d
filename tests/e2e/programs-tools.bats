#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # programs in other languages in single quotes; $stderr comes from the helper
# Command-line tools as Debian ships them: shells, compressors, version control, compilers, debuggers.

setup() {
    load helper
    export HOME=$BATS_TEST_TMPDIR TMPDIR=$BATS_TEST_TMPDIR
}

# ---- shells ----

shell_features() {
    echo one | tee >(cat >copy) | wc -c
    while [ ! -s copy ]; do sleep 0.01; done
    cat copy
    (trap 'echo leaving' EXIT; (exit 3) || echo "subshell $?")
    trap 'echo got usr1' USR1
    kill -USR1 $$
    bash -c 'kill -TERM $$' || echo "term $?"
    bash -c 'kill -KILL $$' || echo "kill $?"
    bash -c 'ulimit -c 0; kill -SEGV $$' || echo "segv $?"
    /no/such/program 2>/dev/null || echo "missing $?"
    /etc/passwd 2>/dev/null || echo "not executable $?"
    coproc CO { while read -r line; do echo "back $line"; done; }
    echo ping >&"${CO[1]}"
    read -r answer <&"${CO[0]}"
    echo "$answer"
    eval "exec ${CO[1]}>&-"
    wait "$CO_PID"
    set -m
    sleep 1000 &
    job=$!
    kill -STOP %+
    until [[ $(jobs -l) == *Stopped* ]]; do sleep 0.01; done
    kill -CONT %+
    until [[ $(jobs -l) == *Running* ]]; do sleep 0.01; done
    kill %+
    wait "$job" || echo "job $?"
    set +m
    (exit 7) & (exit 0) &
    wait -n || true
    wait
    seq 100000 | head -n 1
    seq 1000000 | { head -n 1; } ; echo "pipe ${PIPESTATUS[*]}"
    ulimit -S -n 64
    for i in {1..100}; do (echo "$i"); done | sort -n | cksum
    cat <(echo process) <(echo substitution) <<<ignored
    exec 5<>fifo_like && echo written >&5
    cat fifo_like
    exec bash -c 'echo "replaced with $# arguments"' x a b
}

@test "bash: pipelines, subshells, traps, jobs, coprocesses, statuses of signals" {
    export -f shell_features
    # When it says that a job stopped is bash's own affair.
    NORMALIZE='s/line [0-9]+: +[0-9]+ /line: /; /^(\[1\]\+  Stopped.*)?$/d' same_everywhere /bin/bash -c shell_features
    [[ $output == *"term 143"*"kill 137"*"segv 139"*"missing 127"*"not executable 126"*"replaced with 2"* ]]
}

@test "dash: pipelines, traps and background jobs" {
    same_everywhere /bin/dash -c '
        echo a | sed s/a/b/ | tr b c
        trap "echo end" EXIT
        sleep 1000 & kill -9 $!; wait $!; echo "status $?"
        (exit 5); echo "$?"; x=$(echo sub; exit 6); echo "$x $?"
        sh -c "kill -HUP \$\$"; echo "$?"'
}

@test "xargs and GNU parallel run commands side by side" {
    seq 1 200 >"$BATS_TEST_TMPDIR/stdin"
    same_everywhere /bin/sh -c 'xargs -P 8 -n 5 sh -c "echo \$((\$1 + \$5))" x | sort -n'
    same_everywhere /usr/bin/parallel --will-cite -k -j 4 'echo {} | rev'
    run_all_modes /bin/sh -c 'xargs -P 4 -I{} sh -c "exit 3"'
    [ "$status" -eq 123 ]
}

# ---- files ----

compress() {
    seq 1 300000 >in
    xz -k -T2 --block-size=200KiB in
    xz -dc -T2 in.xz | cmp - in
    xz -l in.xz | tail -n 1
    zstd -q -T2 -B100K in -o in.zst
    zstd -q -dc in.zst | cmp - in
    cksum in.xz in.zst
    mkdir d
    split -n 20 in d/
    tar -cf - d | gzip -n | tee t.gz | gzip -dc | tar -tf - | wc -l
    tar --sort=name -cf u.gz --use-compress-program='gzip -n' d
    tar -xf u.gz -O | cmp - in
    echo same
    sort --parallel=2 -S 1M -rn in | cksum
}

@test "xz and zstd with threads, tar with gzip, sort" {
    script_everywhere compress
    [[ $output == *same* ]]
}

@test "sqlite: queries, worker threads, several writers" {
    sql() {
        sqlite3 db 'create table t(n); pragma journal_mode=wal; pragma threads=2;
            with recursive c(n) as (select 1 union all select n+1 from c where n < 20000) insert into t select n from c;
            create index i on t(n desc); select sum(n) from t;'
        for i in 1 2 3; do sqlite3 -cmd '.timeout 60000' db "insert into t values($i)" >/dev/null & done
        wait
        sqlite3 db 'select count(*), sum(n) from t; pragma integrity_check'
        sqlite3 db 'select nonsense' 2>&1 || echo "status $?"
    }
    script_everywhere sql
}

version_control() {
    export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_DATE='2020-01-01T00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00Z'
    export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
    git init -q -b main repo
    cd repo || return
    git config pack.threads 2
    printf '#!/bin/sh\necho hook ran\n' >.git/hooks/pre-commit && chmod +x .git/hooks/pre-commit
    for i in $(seq 1 20); do
        seq "$i" "$((i * 100))" >"f$i" && git add . && git commit -q -m "commit $i" 2>/dev/null
    done
    git log --oneline | cat
    git gc -q && git fsck 2>/dev/null
    git clone -q . ../clone && git clone -q --no-local --depth 5 "file://$PWD" ../shallow
    git -C ../shallow log --format=%s | wc -l
    git -C ../clone rebase -q --exec 'test -f f1' HEAD~3 2>/dev/null && git -C ../clone rev-parse HEAD
    git grep --threads 2 -c 77 | sort
    git bisect start HEAD HEAD~19 >/dev/null 2>&1
    git bisect run sh -c '! test -f f9' 2>/dev/null | grep 'first bad commit'
}

@test "git: commit with a hook, log, gc, clone over a pipe, rebase, grep with threads, bisect run" {
    # What the other side of the pipe says on its stderr, git passes on with this before it: our lines too.
    NORMALIZE='/^remote: *$/d' script_everywhere version_control
    [[ $output == *"first bad commit"* ]]
}

@test "curl resolves names in threads and fetches side by side" {
    fetch() {
        for i in 1 2 3 4; do echo "content $i" >"f$i"; done
        curl -sS "file://$PWD/f[1-4]" --parallel -o 'out#1' 2>/dev/null # a meter, with times
        cat out*
        curl -sS http://name.invalid/ || echo "status $?"
        curl -sS --unix-socket no http://localhost/ || echo "status $?"
    }
    script_everywhere fetch
}

@test "ssh and ssh-keygen" {
    keys() {
        ssh-keygen -q -t ed25519 -N '' -f key -C comment
        ssh-keygen -y -f key | cmp - key.pub && ssh-keygen -l -f key.pub | cut -d' ' -f1,3-
        echo message | ssh-keygen -q -Y sign -f key -n test >message.sig
        echo message | ssh-keygen -Y check-novalidate -n test -s message.sig -f key.pub | cut -d' ' -f1-4
        eval "$(ssh-agent -s)" >/dev/null
        ssh-add -q key && ssh-add -l | cut -d' ' -f1,3-
        ssh-agent -k >/dev/null
    }
    script_everywhere keys
    run_all_modes /usr/bin/ssh -V
    [ "$status" -eq 0 ]
    [[ $stderr == OpenSSH* ]]
}

# ---- compilers ----

build() {
    for i in 1 2 3 4 5 6 7 8; do echo "int f$i(void) { return $i; }" >"f$i.c"; done
    {
        echo '#include <stdio.h>'
        for i in 1 2 3 4 5 6 7 8; do echo "int f$i(void);"; done
        echo 'int main(void) { return printf("%d", f1() + f2() + f3() + f4() + f5() + f6() + f7() + f8()) != 2; }'
    } >main.c
    printf '%s\n' 'all: prog' 'OBJECTS := $(patsubst %.c,%.o,$(sort $(wildcard *.c)))' 'prog: $(OBJECTS)' \
        '	@gcc -flto=2 -pipe -o $@ $^' '%.o: %.c' '	@gcc -flto -pipe -O1 -c $< -o $@' \
        'fails:' '	@sh -c "exit 4"' >Makefile
    make -j4
    ./prog && echo
    make -j2 --output-sync fails 2>/dev/null || echo "status $?"
    make -q && echo 'up to date'
}

@test "make -j4 with gcc and link-time optimisation builds a project that runs" {
    script_everywhere build
    [[ $output == 36$'\n'"status 2"$'\n'"up to date" ]]
}

configure() {
    check() {
        echo "$2" >conftest.c
        gcc -o conftest conftest.c "${@:3}" 2>conftest.err && ./conftest && echo "$1: yes" || echo "$1: no $?"
    }
    check 'the compiler works' 'int main(void) { return 0; }'
    check 'a function that is there' 'char pthread_create(); int main(void) { return !&pthread_create; }' -fno-builtin
    check 'a function that is not' 'char no_such_function(); int main(void) { return no_such_function(); }'
    check 'a program that fails' 'int main(void) { return 9; }'
    check 'threads' '#include <pthread.h>
        static void *f(void *x) { return x; }
        int main(void) { pthread_t t; return pthread_create(&t, 0, f, 0) || pthread_join(t, 0); }' -pthread
    echo 'int long x = "a";' >conftest.c
    LC_ALL=C gcc -w -fsyntax-only conftest.c >conftest.out 2>/dev/null || echo "broken: $?"
    # What configure scripts look for to tell how a system is.
    (exec 9<&- && echo 'descriptors close') && (unset CDPATH; cd . && pwd -P | wc -l)
    expr "$(getconf _NPROCESSORS_ONLN)" '>=' 1
    test "$(getconf GNU_LIBPTHREAD_VERSION | cut -d' ' -f1)" = NPTL && echo NPTL
}

@test "a configure-like script comes to the same conclusions" {
    script_everywhere configure
    [[ $output == *"there: yes"*"not: no 1"*"fails: no 9"*"threads: yes"*NPTL ]]
}

@test "a configure-like script that takes any word on the compiler's stderr for a warning" {
    silent() {
        echo 'int main(void) { return 0; }' >conftest.c
        gcc -g -o conftest conftest.c 2>conftest.err
        test ! -s conftest.err && echo 'accepts -g without a warning'
    }
    script_everywhere silent
}

@test "C++: std::thread, std::async, thread_local, exceptions across threads" {
    cat >"$BATS_TEST_TMPDIR/x.cc" <<'END'
#include <condition_variable>
#include <future>
#include <iostream>
#include <numeric>
#include <thread>
#include <vector>

static std::atomic<int> destroyed;
struct Local {
    int n = 0;
    ~Local() { destroyed += n; }
};
static thread_local Local local;

int main()
{
    std::cout << std::unitbuf; // it ends in abort()
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++)
        threads.emplace_back([i] { local.n += i; });
    for (auto &t : threads)
        t.join();
    std::cout << "destroyed " << destroyed << "\n";
    std::vector<std::future<int>> futures;
    for (int i = 0; i < 16; i++)
        futures.push_back(std::async(std::launch::async, [i] { return i * i; }));
    int sum = 0;
    for (auto &f : futures)
        sum += f.get();
    auto thrower = std::async(std::launch::async, [] { throw std::runtime_error("thrown there, caught here"); });
    try {
        thrower.get();
    } catch (const std::exception &e) {
        std::cout << sum << " " << e.what() << "\n";
    }
    std::mutex m;
    std::condition_variable cv;
    bool ready = false;
    std::thread waiter([&] { std::unique_lock l(m); cv.wait(l, [&] { return ready; }); });
    { std::lock_guard l(m); ready = true; }
    cv.notify_one();
    waiter.join();
    std::once_flag once;
    std::promise<int> p;
    std::thread([&] { std::call_once(once, [&] { p.set_value_at_thread_exit(7); }); }).detach();
    std::cout << p.get_future().get() << "\n";
    std::thread([] { throw 1; }).join();
}
END
    /usr/bin/g++ -std=c++17 -pthread -o "$BATS_TEST_TMPDIR/x" "$BATS_TEST_TMPDIR/x.cc"
    run_all_modes /bin/sh -c 'ulimit -c 0; exec "$0"' "$BATS_TEST_TMPDIR/x"
    [ "$status" -eq 134 ]
    [[ $output == $'destroyed 28\n1240 thrown there, caught here\n7' ]]
    [[ $stderr == *"terminate called after throwing"* ]]
}

@test "Rust: scoped threads, channels, panics in threads, child processes" {
    cat >"$BATS_TEST_TMPDIR/x.rs" <<'END'
use std::{process::{Command, Stdio}, sync::mpsc, thread};
fn main() {
    let (tx, rx) = mpsc::channel();
    for i in 0..8u64 {
        let tx = tx.clone();
        thread::spawn(move || tx.send(i * i).unwrap());
    }
    drop(tx);
    println!("{}", rx.iter().sum::<u64>());
    let mut parts = [0u64; 4];
    thread::scope(|s| for (i, p) in parts.iter_mut().enumerate() { s.spawn(move || *p = i as u64); });
    println!("{:?}", parts);
    let t = thread::Builder::new().name("panics".into()).stack_size(65536).spawn(|| panic!("in a thread")).unwrap();
    println!("{}", t.join().is_err());
    println!("{:?}", Command::new("/bin/sh").args(["-c", "exit 5"]).status().unwrap().code());
    println!("{:?}", Command::new("/bin/echo").arg("out").stdout(Stdio::piped()).output().unwrap().stdout);
    println!("{}", thread::available_parallelism().unwrap());
}
END
    /usr/bin/rustc -O -o "$BATS_TEST_TMPDIR/x" "$BATS_TEST_TMPDIR/x.rs"
    same_everywhere "$BATS_TEST_TMPDIR/x"
    [[ $stderr == *"thread 'panics' panicked"* ]]
}

@test "OpenMP: regions, nesting, tasks, reductions, with the default and a given team size" {
    cat >"$BATS_TEST_TMPDIR/x.c" <<'END'
#include <omp.h>
#include <stdio.h>
static int fib(int n)
{
    int a, b;
    if (n < 2)
        return n;
#pragma omp task shared(a)
    a = fib(n - 1);
#pragma omp task shared(b)
    b = fib(n - 2);
#pragma omp taskwait
    return a + b;
}
int main(void)
{
    long sum = 0;
    int f = 0, team = 0, inner = 0;
    printf("max %d procs %d\n", omp_get_max_threads(), omp_get_num_procs());
    for (int k = 0; k < 100; k++)
#pragma omp parallel for reduction(+ : sum)
        for (int i = 0; i < 1000; i++)
            sum += i;
#pragma omp parallel num_threads(5)
    {
#pragma omp single
        team = omp_get_num_threads();
#pragma omp single
        f = fib(15);
    }
    omp_set_max_active_levels(2);
#pragma omp parallel num_threads(2) reduction(+ : inner)
#pragma omp parallel num_threads(3) reduction(+ : inner)
    inner += 1;
    printf("sum %ld team %d fib %d inner %d\n", sum, team, f, inner);
}
END
    /usr/bin/gcc -fopenmp -O2 -o "$BATS_TEST_TMPDIR/x" "$BATS_TEST_TMPDIR/x.c"
    same_everywhere "$BATS_TEST_TMPDIR/x"
    [[ $output == *"sum 49950000 team 5 fib 610 inner 6" ]]
    OMP_NUM_THREADS=3 OMP_DISPLAY_AFFINITY=false same_everywhere "$BATS_TEST_TMPDIR/x"
    [[ $output == "max 3 "* ]]
}

# ---- debuggers and tracers ----

@test "gdb stops in a thread, lists the threads, walks its stack and lets the program end" {
    NORMALIZE='s/0x[0-9a-f]+/ADDRESS/g; s/\(LWP [0-9]+\)/(LWP)/g; s/(process|Inferior 1 .process) [0-9]+/\1 N/g
        s/^\[(Switching to )?Thread .*/[thread]/; s/Thread [0-9]+ /Thread T /; s/"threads_sum"/NAME/' \
        run_all_modes /usr/bin/gdb -nx -q -batch -ex 'set debuginfod enabled off' -ex 'set print thread-events off' \
        -ex 'break all_are_here' -ex run -ex 'python print(len(gdb.selected_inferior().threads()), "threads")' \
        -ex 'bt 2' -ex 'up' -ex 'print *part <= 3' -ex continue "$PROGRAMS/threads_sum"
    [ "$status" -eq 0 ]
    [[ $output == *"4 threads"*"#0  all_are_here"*"#1 "*" in add "*"= 1"*"sum 6000"*"exited normally"* ]]
}

@test "gdb attaches to a running program and detaches" {
    attach() {
        sleep 1000 &
        gdb -nx -q -batch -p $! -ex detach >gdb.out 2>&1
        grep -c 'Inferior 1 .* detached' gdb.out
        kill $!
        wait $! || echo "status $?"
    }
    script_everywhere attach
}

@test "strace -f follows threads and processes" {
    # The call may be said to be unfinished, where another thread's end comes between.
    trace() {
        strace -f -qq -o trace "$PROGRAMS/threads_sum"
        test "$(grep -cE 'clone3?\(.*CLONE_THREAD' trace)" -ge 3 && grep -o 'exit_group(0' trace
        strace -f -qq -e trace=execve -e signal=none -o children sh -c '/bin/echo child | cat; exit 3' || echo "status $?"
        grep -c 'execve("/' children
    }
    export PROGRAMS
    script_everywhere trace
}

@test "valgrind finds nothing in a clean program, and the same error in a broken one" {
    same_everywhere /usr/bin/valgrind -q --error-exitcode=9 --leak-check=full "$PROGRAMS/threads_sum"
    [ -z "$stderr" ]
    same_everywhere /usr/bin/valgrind -q --tool=helgrind --error-exitcode=9 "$PROGRAMS/threads_sum"
    [ -z "$stderr" ]
    NORMALIZE='/worker_main \(in/d; s/^==[0-9]+==/==PID==/; s/0x[0-9a-fA-F]+/ADDRESS/g' \
        run_all_modes /usr/bin/valgrind -q --error-exitcode=9 "$PROGRAMS/heap_overflow" overflow
    [ "$status" -eq 9 ]
    [[ $stderr == *"Invalid write of size 1"*"fill (heap_overflow.c"* ]]
}

# ---- sanitizers ----

# gcc's runtimes cannot map their shadow where addresses are random in many bits; where that cannot be switched off,
# neither can it be in the way.
fixed_addresses() {
    if setarch --addr-no-randomize true 2>/dev/null; then
        exec setarch --addr-no-randomize "$@"
    fi
    exec "$@"
}

@test "ThreadSanitizer comes to the same verdict with and without a race" {
    export -f fixed_addresses
    run_all_modes /bin/bash -c 'fixed_addresses "$@"' x "$PROGRAMS/race_tsan"
    [ "$status" -eq 0 ]
    [ "$output" = "shared 2" ]
    [ -z "$stderr" ]
    NORMALIZE='s/0x[0-9a-f]+/ADDRESS/g; s/pid=[0-9]+/pid=N/g; s/tid=[0-9]+/tid=N/g; s/\(BuildId.*//' \
        run_all_modes /bin/bash -c 'fixed_addresses "$@"' x "$PROGRAMS/race_tsan" race
    [ "$status" -eq 66 ]
    [[ $stderr == *"WARNING: ThreadSanitizer: data race"*race.c* ]]
}

@test "AddressSanitizer programs run under the launcher, which leaves them alone" {
    for argument in clean overflow; do
        expected=0
        "$PROGRAMS/heap_overflow_asan" "$argument" >"$BATS_TEST_TMPDIR/plain" 2>&1 || expected=$?
        run --separate-stderr "$UNIRUN" run -- "$PROGRAMS/heap_overflow_asan" "$argument"
        [ "$status" -eq "$expected" ]
        [ "$argument" = clean ] || [[ $stderr == *"AddressSanitizer: heap-buffer-overflow"* ]]
        [ "$argument" = overflow ] || [ "$output" = filled ]
        [[ $stderr != *"does not come first"* ]]
    done
}
