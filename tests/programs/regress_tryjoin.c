/* A thread that was joined is EBUSY for pthread_tryjoin_np, as in glibc: also in the moment in which it is not yet what
 * a new one is made of. */
#include "posix_cases.h"

enum { THREADS = 10000 };

static void *nothing(void *arg)
{
    return arg;
}

int main(void)
{
    int busy = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread = start(nothing, NULL);
        join(thread);
        busy += pthread_tryjoin_np(thread, NULL) == EBUSY;
    }
    say("EBUSY: %d", busy);
    return 0;
}
