#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # programs in other languages in single quotes; $stderr comes from the helper
# Interpreters and virtual machines as Debian ships them: threads, processes and signals give what they give without us.

setup_file() {
    mkdir -p "$BATS_FILE_TMPDIR/java"
    cat >"$BATS_FILE_TMPDIR/java/Work.java" <<'END'
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;

public class Work {
    static long sum;

    static void threads() throws Exception {
        Thread[] all = new Thread[8];
        for (int i = 0; i < all.length; i++) {
            int mine = i;
            all[i] = new Thread(() -> {
                for (int k = 0; k < 1000; k++)
                    synchronized (Work.class) {
                        sum += mine;
                    }
            });
            all[i].start();
        }
        for (Thread t : all)
            t.join();
        System.out.println("threads " + sum);
    }

    static void pools() throws Exception {
        System.out.println("parallel stream " + LongStream.range(0, 100000).parallel().map(x -> x * x).sum());
        ForkJoinPool pool = new ForkJoinPool(4);
        System.out.println("fork join " + pool.submit(() -> IntStream.range(0, 1000).parallel().sum()).get());
        pool.shutdown();
        ExecutorService executor = Executors.newCachedThreadPool();
        List<Future<Integer>> futures = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            int mine = i;
            futures.add(executor.submit(() -> mine * mine));
        }
        int total = 0;
        for (Future<Integer> f : futures)
            total += f.get();
        executor.shutdown();
        System.out.println("executor " + total + " " + executor.awaitTermination(60, TimeUnit.SECONDS));
    }

    static void processes() throws Exception {
        Process p = new ProcessBuilder("/bin/sh", "-c", "read x; echo got $x; exit 7").start();
        p.getOutputStream().write("line\n".getBytes());
        p.getOutputStream().close();
        System.out.print(new String(p.getInputStream().readAllBytes()));
        System.out.println("exit " + p.waitFor());
        p = new ProcessBuilder("/bin/sleep", "1000").start();
        p.destroyForcibly();
        System.out.println("killed " + p.waitFor());
    }

    public static void main(String[] args) throws Exception {
        System.out.println("cpus " + Runtime.getRuntime().availableProcessors());
        threads();
        pools();
        processes();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        Thread thrower = new Thread(() -> { throw new IllegalStateException("in a thread"); }, "thrower");
        thrower.start();
        thrower.join();
        new Thread(() -> { while (true) Thread.onSpinWait(); }) {{ setDaemon(true); }}.start();
        System.exit(3);
    }
}
END
    /usr/bin/javac -J-XX:-UsePerfData -d "$BATS_FILE_TMPDIR/java" "$BATS_FILE_TMPDIR/java/Work.java"
}

setup() {
    load helper
    export HOME=$BATS_TEST_TMPDIR TMPDIR=$BATS_TEST_TMPDIR PYTHONDONTWRITEBYTECODE=1
    python=/usr/bin/python3
}

@test "Python threads, locks, queues and thread-locals" {
    same_everywhere "$python" -c '
import queue, threading
q, lock, total, local, barrier = queue.Queue(), threading.Lock(), 0, threading.local(), threading.Barrier(6)

def consume(me):
    global total
    local.mine = me
    barrier.wait()
    while (item := q.get()) is not None:
        with lock:
            total += item
    assert local.mine == me

threads = [threading.Thread(target=consume, args=(i,)) for i in range(6)]
for t in threads: t.start()
for i in range(3000): q.put(i)
for t in threads: q.put(None)
for t in threads: t.join()
print(total, hasattr(local, "mine"), threading.active_count(), [t.name for t in threads])
for _ in range(200):                       # one after another
    t = threading.Thread(target=lambda: None); t.start(); t.join()
done = threading.Event()
timer = threading.Timer(0.01, done.set); timer.start()
print(done.wait(60), threading.stack_size(65536), threading.stack_size())
t = threading.Thread(target=lambda: print("on a small stack")); t.start(); t.join()
'
}

@test "Python exceptions in threads reach stderr, and daemon threads do not keep the process" {
    same_everywhere "$python" -c '
import atexit, sys, threading
atexit.register(print, "at exit")
t = threading.Thread(target=lambda: 1 / 0, name="divider"); t.start(); t.join()
t = threading.Thread(target=sys.exit); t.start(); t.join()
threading.Thread(target=threading.Event().wait, daemon=True).start()
print("end of main")
'
    [[ $stderr == *"Exception in thread divider"*ZeroDivisionError* ]]
}

@test "Python concurrent.futures: threads and processes" {
    cat >"$BATS_TEST_TMPDIR/pools.py" <<'END'
import concurrent.futures as cf, os

def work(x):
    if x == 13:
        raise ValueError("unlucky")
    return x * x

def die(_):
    os._exit(1)

if __name__ == "__main__":
    for pool in cf.ThreadPoolExecutor, cf.ProcessPoolExecutor:
        with pool(4) as executor:
            futures = [executor.submit(work, x) for x in range(40)]
            results = [repr(f.exception()) if f.exception() else f.result() for f in futures]
            print(pool.__name__, results, sum(executor.map(work, range(12))))
            print(len(list(cf.as_completed(futures))))
    with cf.ProcessPoolExecutor(1) as executor:
        try:
            executor.submit(die, 0).result()
        except cf.process.BrokenProcessPool:
            print("broken pool")
END
    same_everywhere "$python" "$BATS_TEST_TMPDIR/pools.py"
}

@test "Python multiprocessing: fork, spawn and forkserver, with pools, queues and shared memory" {
    cat >"$BATS_TEST_TMPDIR/mp.py" <<'END'
import multiprocessing as mp, sys, time
from multiprocessing import shared_memory

def square(x):
    return x * x

def produce(queue, value, lock):
    for i in range(100):
        with lock:
            value.value += 1
    queue.put(sum(range(10)))
    sys.exit(4)

if __name__ == "__main__":
    for method in "fork", "spawn", "forkserver":
        ctx = mp.get_context(method)
        with ctx.Pool(2) as pool:
            print(method, pool.map(square, range(10)))
        queue, value, lock = ctx.Queue(), ctx.Value("i", 0), ctx.Lock()
        children = [ctx.Process(target=produce, args=(queue, value, lock)) for _ in range(3)]
        for c in children: c.start()
        print([queue.get() for _ in children])
        for c in children: c.join()
        print([c.exitcode for c in children], value.value)
        child = ctx.Process(target=time.sleep, args=(1000,))
        child.start(); child.terminate(); child.join()
        print("terminated", child.exitcode)
    block = shared_memory.SharedMemory(create=True, size=16)
    block.buf[0] = 42
    again = shared_memory.SharedMemory(block.name)
    print(again.buf[0])
    again.close(); block.close(); block.unlink()
END
    same_everywhere "$python" "$BATS_TEST_TMPDIR/mp.py"
}

@test "Python subprocess, os.fork, posix_spawn, exec, popen and system" {
    same_everywhere "$python" -c '
import os, signal, subprocess, sys
out = lambda *a, **k: subprocess.run(*a, stdout=subprocess.PIPE, text=True, **k)
print(out(["/bin/cat"], input="through a pipe\n"))
print(out("echo $0 $((6*7)); exit 9", shell=True))
print(out(["/bin/sh", "-c", "kill -9 $$"]))
print(out(["/bin/sh", "-c", "pwd"], cwd="/").stdout, out(["/usr/bin/env", "-i", "/bin/echo", "bare"]).stdout)
print(out(["/bin/echo", "preexec"], preexec_fn=lambda: os.umask(0o22), start_new_session=True))
print(out(["/bin/echo", "open fds"], close_fds=False), out(["/bin/true"], env={}))
try: subprocess.run(["/no/such/program"])
except FileNotFoundError as e: print(e)
try: subprocess.run(["/bin/sleep", "1000"], timeout=0.05)
except subprocess.TimeoutExpired: print("timed out")
a = subprocess.Popen(["/usr/bin/seq", "1000"], stdout=subprocess.PIPE)
b = subprocess.Popen(["/usr/bin/wc", "-l"], stdin=a.stdout, stdout=subprocess.PIPE, text=True)
a.stdout.close(); print(b.communicate()[0], a.wait(), b.wait())
sys.stdout.flush()
if (pid := os.fork()) == 0:
    os.write(1, b"child\n"); os._exit(5)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
if (pid := os.fork()) == 0:
    os.execve("/bin/sh", ["sh", "-c", "echo $X; exit 6"], dict(os.environ, X="exec"))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
pid = os.posix_spawn("/bin/echo", ["echo", "spawned"], os.environ, setsigmask=[signal.SIGUSR1])
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(os.popen("echo popen").read(), os.waitstatus_to_exitcode(os.system("exit 8")), flush=True)
os.execlp("echo", "echo", "last words")
'
}

@test "Python threads that fork, and children that make threads" {
    same_everywhere "$python" -c '
import os, subprocess, threading
results = [None] * 4
def work(i):
    if (pid := os.fork()) == 0:
        t = threading.Thread(target=lambda: results.__setitem__(i, i)); t.start(); t.join()
        os._exit(10 + results[i])
    results[i] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), subprocess.run(["/bin/sh", "-c", f"exit {i}"]).returncode
threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(results)
'
}

@test "Python asyncio: tasks, threads and subprocesses" {
    same_everywhere "$python" -c '
import asyncio
async def child(i):
    p = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"echo {i}; exit {i}", stdout=asyncio.subprocess.PIPE)
    return (await p.communicate())[0], p.returncode
async def main():
    print(await asyncio.gather(*(child(i) for i in range(5))))
    print(await asyncio.gather(*(asyncio.to_thread(pow, i, 3) for i in range(20))))
    r = await asyncio.get_running_loop().getaddrinfo("localhost", 80, type=1)
    print(len(r) > 0)
asyncio.run(main())
'
}

@test "Python signals: handlers, timers, sigwait, wakeups of a blocked main thread" {
    same_everywhere "$python" -c '
import os, signal, threading, time
got = []
signal.signal(signal.SIGUSR1, lambda n, f: got.append(signal.Signals(n).name))
signal.signal(signal.SIGALRM, lambda n, f: got.append("alarm"))
os.kill(os.getpid(), signal.SIGUSR1)
signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()
print(got)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
waiter = threading.Thread(target=lambda: got.append(signal.sigwait([signal.SIGUSR2]).name)); waiter.start()
signal.pthread_kill(waiter.ident, signal.SIGUSR2); waiter.join()
masks = []
t = threading.Thread(target=lambda: masks.extend(signal.pthread_sigmask(signal.SIG_BLOCK, []))); t.start(); t.join()
print(got, masks)
child = os.fork()
if child == 0:
    signal.signal(signal.SIGTERM, lambda n, f: os._exit(42))
    os.kill(os.getppid(), signal.SIGUSR1)
    while True: signal.pause()
while len(got) < 4: time.sleep(0.001)
os.kill(child, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
'
}

@test "Python deaths: SIGINT, abort, segmentation fault, exit status" {
    run_all_modes "$python" -c 'import signal
signal.signal(signal.SIGINT, signal.default_int_handler) # it may be ignored from outside
print("a", flush=True); signal.raise_signal(signal.SIGINT)'
    [ "$status" -eq 130 ]
    [[ $stderr == *KeyboardInterrupt* ]]
    run_all_modes "$python" -c 'import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.abort()'
    [ "$status" -eq 134 ]
    NORMALIZE='s/0x[0-9a-f]+/ADDRESS/g' run_all_modes "$python" -X faulthandler -c 'import ctypes, resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); ctypes.string_at(0)'
    [ "$status" -eq 139 ]
    [[ $stderr == *"Fatal Python error: Segmentation fault"* ]]
    run_all_modes "$python" -c 'import threading, os; threading.Thread(target=os._exit, args=(17,)).start(); threading.Event().wait()'
    [ "$status" -eq 17 ]
}

@test "Python sees the same CPUs, priorities and limits" {
    same_everywhere "$python" -c '
import os, resource, threading
print(os.cpu_count(), sorted(os.sched_getaffinity(0)), os.sysconf("SC_NPROCESSORS_CONF"), os.getpriority(0, 0))
print(os.sched_getscheduler(0), resource.getrlimit(resource.RLIMIT_STACK), resource.getrlimit(resource.RLIMIT_NOFILE))
print(sorted(map(int, os.listdir("/proc/self/fd"))), len(os.listdir("/proc/self/task")))
t = threading.Thread(target=os.nice, args=(3,)); t.start(); t.join()
print(os.getpriority(0, 0))
'
}

@test "Java threads, pools, child processes, shutdown hooks and uncaught exceptions" {
    run_all_modes /usr/bin/java -XX:-UsePerfData -cp "$BATS_FILE_TMPDIR/java" Work
    [ "$status" -eq 3 ]
    [[ $output == *"executor 2470 true"*"exit 7"*"killed 137"*hook* ]]
    [[ $stderr == *'Exception in thread "thrower"'* ]]
}

@test "Java with each garbage collector" {
    for collector in Serial Parallel G1; do
        run_all_modes /usr/bin/java -XX:-UsePerfData -Xmx64m -XX:+Use${collector}GC -cp "$BATS_FILE_TMPDIR/java" Work
        [ "$status" -eq 3 ]
    done
}

@test "Java says its version" {
    run_all_modes /usr/bin/java -XX:-UsePerfData -version
    [ "$status" -eq 0 ]
    [[ $stderr == *Runtime* ]]
}

@test "Node worker threads, its thread pool and child processes" {
    same_everywhere /usr/bin/node -e '
const { Worker } = require("worker_threads");
const { execFile, execFileSync, fork, spawn, spawnSync } = require("child_process");
const crypto = require("crypto"), fs = require("fs"), util = require("util");
const work = n => new Promise((resolve, reject) => {
  const w = new Worker("const {parentPort, workerData} = require(`worker_threads`); let s = 0;" +
    "for (let i = 0; i < workerData * 1000; i++) s += i; parentPort.postMessage(s)", { eval: true, workerData: n });
  w.once("message", resolve); w.once("error", reject);
});
(async () => {
  console.log(await Promise.all([1, 2, 3, 4, 5].map(work)));
  const hash = util.promisify(crypto.pbkdf2);
  console.log((await Promise.all([..."abcdefgh"].map(c => hash(c, "salt", 100, 8, "sha256")))).map(b => b.toString("hex")));
  await Promise.all([...Array(20).keys()].map(i => fs.promises.writeFile(`f${i}`, `${i}`)));
  console.log((await fs.promises.readdir(".")).length);
  console.log(execFileSync("/bin/echo", ["sync"]).toString(), spawnSync("/bin/sh", ["-c", "exit 3"]).status);
  const killed = spawn("/bin/sleep", ["1000"]); killed.kill("SIGKILL");
  console.log(await new Promise(r => killed.on("exit", (code, signal) => r([code, signal]))));
  await new Promise(r => execFile("/no/such/program", e => r(console.log(e.code))));
  fs.writeFileSync("child.js", "process.on(`message`, m => { process.send(m * 2); process.disconnect() })");
  const child = fork("./child.js"); child.send(21);
  console.log(await new Promise(r => child.on("message", r)), await new Promise(r => child.on("exit", r)));
  process.exitCode = 0;
})();
'
}

@test "Node cluster: workers share one listening socket" {
    cat >"$BATS_TEST_TMPDIR/cluster.js" <<'END'
const cluster = require("cluster"), http = require("http");
if (cluster.isPrimary) {
  cluster.fork(); cluster.fork();
  let listening = 0, exits = 0;
  cluster.on("listening", () => { if (++listening === 2) ask(0); });
  cluster.on("exit", (w, code) => { console.log("worker exit", code); if (++exits === 2) console.log("end"); });
  const ask = n => n === 10 ? Object.values(cluster.workers).forEach(w => w.send("bye")) :
    http.get({ socketPath: "./s", agent: false }, r => { r.on("data", d => console.log(n, String(d))); r.on("end", () => ask(n + 1)); });
} else {
  http.createServer((q, r) => r.end("served")).listen("./s");
  process.on("message", () => process.exit(0));
}
END
    same_everywhere /usr/bin/node "$BATS_TEST_TMPDIR/cluster.js"
    [[ $output == *"9 served"*end ]]
}

@test "Ruby threads, fork, spawn, pipes and signals" {
    same_everywhere /usr/bin/ruby -e '
require "open3"
$stdout.sync = true
q = Queue.new; total = 0; lock = Mutex.new
ts = 5.times.map { |i| Thread.new { Thread.current[:me] = i; while (x = q.pop) do lock.synchronize { total += x } end; Thread.current[:me] } }
1000.times { |i| q << i }; 5.times { q << nil }
p ts.map(&:value), total
begin Thread.new { Thread.current.report_on_exception = false; raise "in a thread" }.join
rescue => e then p e.message end
p Process.wait2(fork { puts "child"; exit! 5 })[1].exitstatus
p Process.wait2(fork { Thread.new { exit! 6 }.join })[1].exitstatus
p Process.wait2(Process.spawn({"X" => "y"}, "echo spawned $X; exit 7"))[1].exitstatus
p Process.wait2(Process.spawn("/bin/sleep", "1000").tap { |pid| Process.kill(:KILL, pid) })[1].termsig
p `echo back; exit 2`, $?.exitstatus, system("exit 3"), IO.popen("tr a-z A-Z", "r+") { |io| io << "up"; io.close_write; io.read }
p Open3.capture2("wc -c", stdin_data: "12345")[0].to_i
trap(:USR1) { puts "signal" }; Process.kill(:USR1, $$)
p Ractor.new { 6 * 7 }.take
at_exit { puts "at exit" }
Thread.new { sleep }
exec "echo", "exec" if fork.nil?
Process.wait
'
}

@test "Perl fork, pipes, signals, threads and exec" {
    same_everywhere /usr/bin/perl -e '
use strict; use warnings; use threads; use threads::shared; use Thread::Queue; use POSIX ":sys_wait_h"; $| = 1;
my $total :shared = 0; my $q = Thread::Queue->new;
my @t = map { my $i = $_; threads->create(sub { while (defined(my $x = $q->dequeue)) { lock $total; $total += $x } $i }) } 1 .. 4;
$q->enqueue(1 .. 500); $q->end;
print join(",", map { $_->join } @t), " $total\n";
my $pid = fork // die; if (!$pid) { print "child\n"; exit 5 } waitpid $pid, 0; print $? >> 8, "\n";
$pid = fork // die; if (!$pid) { POSIX::pause() while 1 } kill KILL => $pid; waitpid $pid, 0; print WTERMSIG($?), "\n";
open my $in, "-|", "seq", "5" or die; print <$in>; close $in;
open my $out, "|-", "sort", "-r" or die; print $out "a\nb\n"; close $out;
print `echo back`, system("exit 3") >> 8, "\n";
$SIG{ALRM} = sub { print "alarm\n" }; alarm 1; select undef, undef, undef, 60;
$SIG{CHLD} = sub { 1 while waitpid(-1, WNOHANG) > 0 };
exec "echo", "exec";
'
}
