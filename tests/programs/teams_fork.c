/* fork in a program that has had a team: teams_fork CASE. Without help, GNU OpenMP's child waits for threads that are
 * its parent's. */
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void region(const char *who)
{
    char line[64];
    int size = 0, sum = 0;
#pragma omp parallel reduction(+ : sum)
    {
#pragma omp single
        size = omp_get_num_threads();
        sum += 1;
    }
    int length = snprintf(line, sizeof line, "%s: %d of %d\n", who, sum, size);
    if (write(1, line, (size_t)length) != length)
        abort();
}

static void wait_for(pid_t child)
{
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        printf("the child ended with %d\n", status);
}

static void child_only(void)
{
    pid_t child = fork();
    if (child == 0) {
        region("child");
        region("child again");
        exit(0);
    }
    wait_for(child);
    region("parent");
}

static void grandchild(void)
{
    pid_t child = fork();
    if (child == 0) {
        region("child");
        pid_t grandchild = fork();
        if (grandchild == 0) {
            region("grandchild");
            exit(0);
        }
        wait_for(grandchild);
        region("child");
        exit(0);
    }
    wait_for(child);
}

/* The child's first region is its child's. */
static void grandchild_first(void)
{
    pid_t child = fork();
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            region("grandchild");
            exit(0);
        }
        wait_for(grandchild);
        region("child");
        exit(0);
    }
    wait_for(child);
}

static void say_choices(const char *who)
{
    omp_sched_t kind;
    int chunk;
    omp_get_schedule(&kind, &chunk);
    printf(
        "%s: %d threads, dynamic %d, schedule %d %d, levels %d, device %d, in parallel %d, place %d of %d, limit %d\n",
        who, omp_get_max_threads(), omp_get_dynamic(), (int)kind, chunk, omp_get_max_active_levels(),
        omp_get_default_device(), omp_in_parallel(), omp_get_place_num(), omp_get_num_places(), omp_get_thread_limit());
    fflush(stdout);
}

static void say_choices_in_child(void)
{
    say_choices("parent");
    pid_t child = fork();
    if (child == 0) {
        say_choices("child");
        exit(0);
    }
    wait_for(child);
}

/* What the thread has set itself is still set in the child. */
static void choices(void)
{
    omp_set_num_threads(3);
    omp_set_dynamic(1);
    omp_set_schedule(omp_sched_guided, 5);
    say_choices_in_child();
}

static void other_choices(void)
{
    omp_set_max_active_levels(3);
    omp_set_default_device(1);
    say_choices_in_child();
}

static void no_choices(void)
{
    say_choices_in_child();
}

static void *in_thread(void *arg)
{
    region("thread");
    pid_t child = fork();
    if (child == 0) {
        region("child of a thread");
        if (arg)
            pthread_exit(NULL);
        exit(0);
    }
    wait_for(child);
    return NULL;
}

static void thread(void)
{
    pthread_t other;
    pthread_create(&other, NULL, in_thread, NULL);
    pthread_join(other, NULL);
}

static void thread_that_exits(void)
{
    pthread_t other;
    pthread_create(&other, NULL, in_thread, (void *)"exits");
    pthread_join(other, NULL);
}

/* A thread of the child whose creator had a team in the parent. */
static void *only_region(void *arg)
{
    region(arg);
    return NULL;
}

static void thread_of_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        pthread_t other;
        pthread_create(&other, NULL, only_region, (void *)"thread of a child");
        pthread_join(other, NULL);
        region("child");
        exit(0);
    }
    wait_for(child);
}

static void inside(void)
{
    pid_t child = 0;
#pragma omp parallel num_threads(2)
#pragma omp master
    {
        child = fork();
        if (child == 0)
            _exit(0);
    }
    wait_for(child);
    region("parent");
}

/* By a thread of the team that is not its first. */
static void inside_by_another(void)
{
    pid_t child = 0;
#pragma omp parallel num_threads(2)
    if (omp_get_thread_num() == 1) {
        child = fork();
        if (child == 0)
            _exit(0);
    }
    wait_for(child);
    region("parent");
}

/* In the middle of another thread's regions. */
static volatile int stop;

static void *busy(void *arg)
{
    (void)arg;
    while (!stop) {
#pragma omp parallel num_threads(2)
        ;
    }
    return NULL;
}

static void beside(void)
{
    pthread_t other;
    pthread_create(&other, NULL, busy, NULL);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            region("child");
            exit(0);
        }
        wait_for(child);
    }
    stop = 1;
    pthread_join(other, NULL);
}

static void many(void)
{
    for (int i = 0; i < 30; i++)
        child_only();
}

static void nested(void)
{
    omp_set_max_active_levels(2);
    for (int i = 0; i < 2; i++) {
        int sum = 0;
#pragma omp parallel num_threads(2) reduction(+ : sum)
#pragma omp parallel num_threads(2) reduction(+ : sum)
        sum++;
        printf("nested: %d\n", sum);
        fflush(stdout);
        if (i == 0) {
            pid_t child = fork();
            if (child == 0)
                continue;
            wait_for(child);
            return;
        }
    }
    exit(0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        {"child", child_only},
        {"grandchild", grandchild},
        {"grandchild_first", grandchild_first},
        {"choices", choices},
        {"other_choices", other_choices},
        {"no_choices", no_choices},
        {"thread", thread},
        {"thread_that_exits", thread_that_exits},
        {"thread_of_child", thread_of_child},
        {"inside", inside},
        {"inside_by_another", inside_by_another},
        {"beside", beside},
        {"many", many},
        {"nested", nested},
    };
    const char *name = argc > 1 ? argv[1] : "child";
    if (argc > 2)
        omp_set_num_threads(atoi(argv[2])); /* before the first region */
    region("first");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, name) == 0) {
            cases[i].run();
            return 0;
        }
    return 2;
}
