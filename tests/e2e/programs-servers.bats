#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # scripts in single quotes; $stderr comes from the helper
# Servers as Debian ships them: start, serve, reload, stop. Each runs in the test's folder, on unix sockets.

setup() {
    load helper
    export HOME=$BATS_TEST_TMPDIR TMPDIR=$BATS_TEST_TMPDIR PIDS=$BATS_TEST_TMPDIR/pids
}

# Whatever a failed test left running: each server's process group is its own, and its leader is in $PIDS.
teardown() {
    [ ! -f "$PIDS" ] || while read -r pid; do
        kill -KILL -- "-$pid" 2>/dev/null || true
    done <"$PIDS"
}

# start LOG COMMAND...: runs a server in the background, in a process group that teardown knows.
start() {
    local log=$1
    shift
    set -m
    "$@" >"$log" 2>&1 </dev/null 3>&- &
    server=$!
    set +m
    echo "$server" >>"$PIDS"
}

# until_true COMMAND...: waits until COMMAND succeeds; gives up when the server has ended.
until_true() {
    until "$@" >/dev/null 2>&1; do
        kill -0 "$server" || return 1
        sleep 0.02
    done
}
export -f start until_true

redis() {
    start log redis-server --port 0 --unixsocket s --dir . --save '' --appendonly no --io-threads 2 \
        --io-threads-do-reads yes
    until_true redis-cli -s s ping
    redis-cli -s s set greeting hello
    redis-cli -s s get greeting
    seq 1 2000 | sed 's/.*/rpush list &/' | redis-cli -s s --pipe | grep -o 'errors: .*'
    redis-cli -s s llen list
    redis-cli -s s eval 'local s = 0; for _, x in ipairs(redis.call("lrange", "list", 0, -1)) do s = s + x end; return s' 0
    # A forked child writes the snapshot, and the server's own threads delete.
    redis-cli -s s bgsave
    until_true eval "redis-cli -s s info persistence | grep -q rdb_bgsave_in_progress:0"
    redis-cli -s s info persistence | grep -o 'rdb_last_bgsave_status:[a-z]*'
    redis-cli -s s unlink list
    redis-cli -s s config set appendonly yes
    until_true eval "redis-cli -s s info persistence | grep -q aof_rewrite_in_progress:0"
    redis-cli -s s shutdown save || true
    wait "$server"
    redis-check-rdb dump.rdb | grep -o 'RDB looks OK'
}

@test "redis: commands, scripts, snapshots by a forked child, shutdown" {
    script_everywhere redis
    [[ $output == *hello*2001000*"status:ok"*"RDB looks OK"* ]]
}

nginx_config() {
    cat <<END
daemon off;
pid $PWD/pid;
error_log stderr warn;
worker_processes 2;
thread_pool readers threads=3;
events { }
http {
    access_log off;
    client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path c;
    server {
        listen unix:$PWD/s;
        root $PWD/www;
        aio threads=readers;
        location /$1 { return 200 "$1\n"; }
    }
}
END
}

web() {
    get() {
        curl -sS --fail --unix-socket s "http://localhost/$1"
    }
    export -f get
    mkdir www
    seq 1 100000 >www/numbers
    chmod -R a+rX . 2>/dev/null
    nginx_config before >conf
    start log nginx -p "$PWD" -c "$PWD/conf" -e stderr
    until_true get before
    get numbers | cksum
    get before
    # The workers start a little later than the socket is there.
    until_true eval 'test "$(pgrep -c -P "$server")" = 2'
    seq 1 40 | xargs -P 4 -I{} curl -sS --unix-socket s http://localhost/numbers -o 'got{}'
    cat got* | cksum
    # A reload replaces the workers; an upgrade would replace the program.
    nginx_config after >conf
    kill -HUP "$server"
    until_true get after
    get after
    kill -QUIT "$server"
    wait "$server"
    echo "status $?"
    grep -E '\[(emerg|alert|crit)\]' log || true
}
export -f nginx_config

# Its workers become an unprivileged user when it starts as root, who must be able to enter the test's folder.
@test "nginx: worker processes and threads, a reload, many clients at once, a graceful end" {
    [ "$EUID" -ne 0 ] || chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
    script_everywhere web
    [[ $output == *before*after*"status 0"* ]]
}

# free_port: a TCP port of this machine that nobody listens on.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
export -f free_port

under_load() {
    local port
    port=$(free_port)
    mkdir www
    seq 1 1000 >www/numbers
    chmod -R a+rX . 2>/dev/null
    nginx_config ready | sed "s|listen unix:.*;|listen 127.0.0.1:$port;|; s/worker_processes 2/worker_processes 4/" >conf
    start log nginx -p "$PWD" -c "$PWD/conf" -e stderr
    until_true curl -sS --fail "http://127.0.0.1:$port/ready"
    # How many requests there were is left out; errors are said.
    wrk -t 2 -c 32 -d 1 "http://127.0.0.1:$port/numbers" >said
    grep -cE '^ +[1-9][0-9]+ requests in' said
    grep -E 'Socket errors|Non-2xx' said || true
    kill -HUP "$server"
    wrk -t 2 -c 32 -d 1 "http://127.0.0.1:$port/ready" >said
    grep -cE '^ +[1-9][0-9]+ requests in' said
    grep -E 'Non-2xx' said || true # connections that a worker keeps open are closed by its end
    kill -QUIT "$server"
    wait "$server"
    echo "status $?"
    grep -E '\[(emerg|alert|crit)\]' log || true
}

@test "nginx: four workers under load, and replaced under load" {
    [ "$EUID" -ne 0 ] || chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
    script_everywhere under_load
    [[ $output == *"status 0"* ]]
}

database() {
    local bin
    bin=$(echo /usr/lib/postgresql/*/bin)
    bin=${bin##* }
    "$bin/initdb" -D data -A trust -U me --no-sync >initdb.log
    start log "$bin/postgres" -D data -k "$PWD" -c listen_addresses= -c fsync=off -c min_parallel_table_scan_size=0 \
        -c parallel_setup_cost=0 -c parallel_tuple_cost=0 -c max_parallel_workers_per_gather=2
    until_true "$bin/pg_isready" -h "$PWD" -U me
    ask() {
        "$bin/psql" -h "$PWD" -U me -d postgres -X -A -t -q -c "$1"
    }
    ask 'create table t as select g as n, g % 7 as k from generate_series(1, 50000) g; analyze t'
    ask 'explain (costs off) select sum(n) from t' | grep -o 'Workers Planned: 2'
    ask 'select k, sum(n), count(*) from t group by k order by k'
    ask 'create index on t (n)'
    ask 'vacuum (parallel 2) t'
    ask 'select count(*) from t where n < 1000'
    for i in 1 2 3 4; do
        ask "update t set k = k + 1 where n % 4 = $i - 1" &
        pids+=($!)
    done
    wait "${pids[@]}"
    ask 'select sum(k) from t'
    # A process for each client, forked by the server while it serves the others.
    "$bin/pgbench" -h "$PWD" -U me -i -s 1 -q postgres 2>/dev/null
    "$bin/pgbench" -h "$PWD" -U me -n -c 8 -j 4 -t 50 postgres 2>/dev/null | grep -E '^number of (transactions|failed)'
    "$bin/pgbench" -h "$PWD" -U me -n -c 4 -j 2 -t 25 -C -S postgres 2>/dev/null | grep -E '^number of (transactions|failed)'
    ask 'select count(*) from pgbench_history'
    ask 'select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history)'
    ask "copy (select 1) to program 'cat >&2; exit 3'" 2>said || grep -o 'program .* failed' said
    kill -INT "$server"
    wait "$server"
    echo "status $?"
}

@test "postgresql: initdb, parallel workers, concurrent clients, programs, pgbench, shutdown" {
    if [ "$EUID" -ne 0 ]; then
        script_everywhere database
        return
    fi
    # It refuses to run as root.
    chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
    as_postgres() {
        chown postgres: .
        touch "$PIDS" && chown postgres: "$PIDS"
        setpriv --reuid postgres --regid postgres --init-groups /bin/bash -euo pipefail -c database
    }
    chmod a+rwx "$BATS_TEST_TMPDIR"
    mkdir -p "$BATS_TEST_TMPDIR/modes" && chmod a+x "$BATS_TEST_TMPDIR/modes"
    export -f database
    script_everywhere as_postgres
    [[ $output == *"Workers Planned: 2"*"status 0"* ]]
}
