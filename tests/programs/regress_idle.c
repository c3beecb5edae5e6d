/* Leaves used threads behind and exits. The library beside it (regress_idle_late.c) says what becomes of them. */
#include "posix_cases.h"

enum { THREADS = 64 };

void watch_exit(void);

static void *use(void *arg)
{
    pause_ms(1);
    return arg;
}

int main(void)
{
    pthread_t threads[THREADS];
    watch_exit();
    for (int i = 0; i < THREADS; i++)
        threads[i] = start(use, NULL);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    return 0;
}
