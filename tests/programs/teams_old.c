/* What compilers before gcc 4.9 emit, and the one call that none emits any more: a team is started and ended in two
 * calls, and the program itself does the first thread's part in between. */
#include <omp.h>
#include <stdbool.h>
#include <stdio.h>

extern void GOMP_parallel_start(void (*)(void *), void *, unsigned);
extern void GOMP_parallel_loop_static_start(void (*)(void *), void *, unsigned, long, long, long, long);
extern void GOMP_parallel_loop_dynamic_start(void (*)(void *), void *, unsigned, long, long, long, long);
extern void GOMP_parallel_loop_guided_start(void (*)(void *), void *, unsigned, long, long, long, long);
extern void GOMP_parallel_loop_runtime_start(void (*)(void *), void *, unsigned, long, long, long);
extern void GOMP_parallel_sections_start(void (*)(void *), void *, unsigned, unsigned);
extern void GOMP_parallel_end(void);
extern void GOMP_parallel_loop_static(void (*)(void *), void *, unsigned, long, long, long, long, unsigned);
extern bool GOMP_loop_static_next(long *, long *);
extern bool GOMP_loop_dynamic_next(long *, long *);
extern bool GOMP_loop_guided_next(long *, long *);
extern bool GOMP_loop_runtime_next(long *, long *);
extern void GOMP_loop_end_nowait(void);
extern unsigned GOMP_sections_next(void);
extern void GOMP_sections_end_nowait(void);

enum { N = 1000 };

static int done[N];

static void say(const char *what)
{
    int all = 1;
    for (int i = 0; i < N; i++) {
        all &= done[i] == 1;
        done[i] = 0;
    }
    printf("%s: %s\n", what, all ? "each once" : "NOT each once");
}

#define LOOP(kind)                                                                                                     \
    static void loop_##kind(void *data)                                                                                \
    {                                                                                                                  \
        long start, end;                                                                                               \
        (void)data;                                                                                                    \
        while (GOMP_loop_##kind##_next(&start, &end))                                                                  \
            for (long i = start; i < end; i++)                                                                         \
                done[i]++;                                                                                             \
        GOMP_loop_end_nowait();                                                                                        \
    }
LOOP(static)
LOOP(dynamic)
LOOP(guided)
LOOP(runtime)

static void sections(void *data)
{
    (void)data;
    for (unsigned section; (section = GOMP_sections_next());)
        done[section - 1]++;
    GOMP_sections_end_nowait();
}

static void count(void *data)
{
    __atomic_add_fetch((int *)data, omp_get_num_threads(), __ATOMIC_RELAXED);
}

static void nest(void *data)
{
    GOMP_parallel_start(count, data, 2);
    count(data);
    GOMP_parallel_end();
}

static void nest_new(void *data)
{
#pragma omp parallel num_threads(2)
    count(data);
}

static int around(void (*inside)(void *), unsigned threads)
{
    int sum = 0;
    GOMP_parallel_start(inside, &sum, threads);
    inside(&sum);
    GOMP_parallel_end();
    return sum;
}

int main(void)
{
    printf("parallel: %d %d\n", around(count, 3), around(count, 1));
    omp_set_max_active_levels(2);
    printf("nested: %d %d\n", around(nest, 2), around(nest_new, 2));
    omp_set_max_active_levels(1);
    printf("nested, one level: %d %d\n", around(nest, 2), around(nest_new, 2));
    for (int round = 0; round < 50; round++) {
        GOMP_parallel_loop_static_start(loop_static, NULL, 0, 0, N, 1, 0);
        loop_static(NULL);
        GOMP_parallel_end();
        say("static");
        GOMP_parallel_loop_dynamic_start(loop_dynamic, NULL, 0, 0, N, 1, 5);
        loop_dynamic(NULL);
        GOMP_parallel_end();
        say("dynamic");
        GOMP_parallel_loop_guided_start(loop_guided, NULL, 2, 0, N, 1, 1);
        loop_guided(NULL);
        GOMP_parallel_end();
        say("guided");
        GOMP_parallel_loop_runtime_start(loop_runtime, NULL, 2, 0, N, 1);
        loop_runtime(NULL);
        GOMP_parallel_end();
        say("runtime");
        GOMP_parallel_sections_start(sections, NULL, 0, N);
        sections(NULL);
        GOMP_parallel_end();
        say("sections");
        GOMP_parallel_loop_static(loop_static, NULL, 2, 0, N, 1, 10, 0);
        say("static in one call");
    }
    return 0;
}
