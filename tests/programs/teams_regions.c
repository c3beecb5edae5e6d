/* A line for each way in which a program compiled by gcc starts a team. What is printed depends on the team's size and
 * on what was computed, never on who did it. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 1000 };

static int done[N];
static long kept;
#pragma omp threadprivate(kept)

static void clear(void)
{
    for (int i = 0; i < N; i++)
        done[i] = 0;
}

static void say(const char *what)
{
    long sum = 0;
    int all = 1;
    for (int i = 0; i < N; i++) {
        all &= done[i] == 1;
        sum += done[i] * i;
    }
    printf("%s: %s %ld\n", what, all ? "each once" : "NOT each once", sum);
    clear();
}

#define LOOP(clauses)                                                                                                  \
    do {                                                                                                               \
        _Pragma(#clauses) for (int i = 0; i < N; i++) done[i]++;                                                       \
        say(#clauses);                                                                                                 \
    } while (0)

/* With constant bounds, gcc makes one call of the team and its loop. */
static void loops(void)
{
    LOOP(omp parallel for);
    LOOP(omp parallel for schedule(static, 7));
    LOOP(omp parallel for schedule(dynamic, 3));
    LOOP(omp parallel for schedule(monotonic : dynamic, 3));
    LOOP(omp parallel for schedule(guided));
    LOOP(omp parallel for schedule(monotonic : guided, 2));
    LOOP(omp parallel for schedule(auto));
    LOOP(omp parallel for schedule(runtime));
    LOOP(omp parallel for schedule(monotonic : runtime));
    LOOP(omp parallel for schedule(nonmonotonic : runtime));
    LOOP(omp parallel for num_threads(3) schedule(dynamic));
    LOOP(omp parallel for simd);
}

static void loops_of_any_length(int n)
{
    long long sum = 0, ordered = 0;
#pragma omp parallel for schedule(dynamic) reduction(+ : sum)
    for (int i = 0; i < n; i++)
        sum += (long long)i * i;
#pragma omp parallel for ordered schedule(dynamic)
    for (int i = 0; i < n; i++) {
#pragma omp ordered
        ordered = (ordered * 31 + i) % 1000003;
    }
#pragma omp parallel for collapse(2) schedule(guided) reduction(^ : sum)
    for (int i = 0; i < 30; i++)
        for (int j = 0; j < n / 100; j++)
            sum ^= i * j;
    printf("loops of any length: %lld %lld\n", sum, ordered);
}

static void teams(void)
{
    int size = 0, one = 0, none = 0, most = 0, all = 0;
#pragma omp parallel
    {
#pragma omp single
        size = omp_get_num_threads();
#pragma omp atomic
        all++;
    }
#pragma omp parallel num_threads(1)
    one = omp_get_num_threads();
#pragma omp parallel if (0)
    none = omp_get_num_threads();
#pragma omp parallel num_threads(4)
#pragma omp single
    most = omp_get_num_threads();
    printf("teams: %d %d %d %d, %d ran\n", size, one, none, most, all);
}

static void sections(void)
{
    int a = 0, b = 0, c = 0, size = 0;
#pragma omp parallel sections
    {
#pragma omp section
        a = 1;
#pragma omp section
        b = 2;
#pragma omp section
        c = 3;
    }
#pragma omp parallel sections num_threads(8)
    {
#pragma omp section
        size = omp_get_num_threads();
#pragma omp section
        c++;
    }
    printf("sections: %d %d %d of %d\n", a, b, c, size);
}

static long fibonacci(int n)
{
    long a, b;
    if (n < 2)
        return n;
#pragma omp task shared(a) if (n > 10)
    a = fibonacci(n - 1);
#pragma omp task shared(b) if (n > 10)
    b = fibonacci(n - 2);
#pragma omp taskwait
    return a + b;
}

static void tasks(void)
{
    long result = 0, sum = 0;
#pragma omp parallel
#pragma omp single
    result = fibonacci(18);
#pragma omp parallel reduction(task, + : sum)
#pragma omp single
    for (int i = 0; i < 50; i++) {
#pragma omp task in_reduction(+ : sum)
        sum += i;
    }
#pragma omp parallel master taskloop grainsize(10)
    for (int i = 0; i < N; i++)
        done[i]++;
    printf("tasks: %ld %ld\n", result, sum);
    say("taskloop");
}

static void nested(void)
{
    int inside = 0, level = 0;
    omp_set_max_active_levels(2);
#pragma omp parallel num_threads(2) reduction(+ : inside) reduction(max : level)
#pragma omp parallel num_threads(2) reduction(+ : inside) reduction(max : level)
    {
        inside += omp_get_num_threads();
        level = omp_get_active_level();
    }
    omp_set_max_active_levels(1);
    printf("nested: %d %d\n", inside, level);
}

static void on_the_host(void)
{
    int leagues = 0, threads = 0;
#pragma omp teams num_teams(2) thread_limit(2) reduction(+ : leagues, threads)
    {
        leagues += omp_get_num_teams();
#pragma omp parallel num_threads(2) reduction(+ : threads)
        threads++;
    }
#pragma omp target map(tofrom : done)
#pragma omp teams distribute parallel for
    for (int i = 0; i < N; i++)
        done[i]++;
    printf("teams on the host: %d %d\n", leagues, threads);
    say("target");
}

static void cancelled(void)
{
    int found = -1, after = 0;
#pragma omp parallel
#pragma omp for
    for (int i = 0; i < N; i++) {
        if (i == 321) {
#pragma omp atomic write
            found = i;
#pragma omp cancel for
        }
#pragma omp cancellation point for
    }
#pragma omp parallel num_threads(2)
    {
#pragma omp cancel parallel
#pragma omp atomic
        after++;
    }
    printf("cancelled: %d, %s\n", omp_get_cancellation(), found == 321 ? "found" : "not found");
    printf("after it: %d\n", after);
}

static void copies(void)
{
    long sum = 0;
    kept = 17;
#pragma omp parallel num_threads(2) copyin(kept)
    kept += omp_get_thread_num();
#pragma omp parallel num_threads(2) reduction(+ : sum)
    sum += kept;
    printf("threadprivate: %ld\n", sum);
}

/* A team that is made anew: sizes that change, thousands of times. */
static void many(void)
{
    long sum = 0;
    for (int round = 0; round < 2000; round++) {
#pragma omp parallel num_threads(1 + round % 3) reduction(+ : sum)
        sum += omp_get_num_threads();
    }
    printf("many: %ld\n", sum);
}

int main(int argc, char **argv)
{
    loops();
    loops_of_any_length(argc > 1 ? atoi(argv[1]) : 2000);
    teams();
    sections();
    tasks();
    nested();
    on_the_host();
    cancelled();
    copies();
    many();
    return 0;
}
