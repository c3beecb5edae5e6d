/* A library that is opened and closed while threads are made: its thread-local data are new in each thread, wherever in
 * the making of which thread the opening came. */
#include "posix_cases.h"

#include <dlfcn.h>
#include <semaphore.h>

enum { ROUNDS = 25, WAITING = 48, CHURNERS = 2 };

static int (*touch)(void);
static sem_t go;
static atomic_int over, wrong;

static void *nothing(void *arg)
{
    return arg;
}

/* Ends threads while the library is on its way. */
static void *churn(void *arg)
{
    while (!over)
        run_in_thread(nothing, NULL);
    return arg;
}

static void *touch_once(void *arg)
{
    int seen = touch();
    if (seen != 41 && wrong++ < 3)
        say("WRONG: %s thread sees %d", (const char *)arg, seen);
    return NULL;
}

static void *wait_and_touch(void *arg)
{
    while (sem_wait(&go))
        ;
    return touch_once(arg);
}

static void join_all(pthread_t *threads)
{
    for (int i = 0; i < WAITING; i++)
        join(threads[i]);
}

/* Some of the threads that are made first have not begun when the library comes: they are older than it, and so are
 * those in which they run. What used them is not to be seen by what comes next. */
static void round_of(const char *library)
{
    pthread_t threads[WAITING];
    for (int i = 0; i < WAITING; i++)
        threads[i] = start(wait_and_touch, (void *)"an older");
    void *handle = dlopen(library, RTLD_NOW);
    if (!handle) {
        say("%s", dlerror());
        _exit(1);
    }
    touch = (int (*)(void))dlsym(handle, "touch");
    for (int i = 0; i < WAITING; i++)
        sem_post(&go);
    join_all(threads);
    for (int again = 0; again < 3; again++) {
        for (int i = 0; i < WAITING; i++)
            threads[i] = start(touch_once, (void *)"a younger");
        join_all(threads);
    }
    dlclose(handle);
}

int main(int argc, char **argv)
{
    pthread_t churners[CHURNERS];
    if (argc != 2)
        return 2;
    sem_init(&go, 0, 0);
    for (int i = 0; i < CHURNERS; i++)
        churners[i] = start(churn, NULL);
    for (int i = 0; i < ROUNDS; i++)
        round_of(argv[1]);
    over = 1;
    for (int i = 0; i < CHURNERS; i++)
        join(churners[i]);
    say("threads that saw used data: %d", wrong);
    return 0;
}
