/* An ordinary thread makes real-time ones on its own CPU. As long as one of those is awake its creator does not run, so
 * it must not wait for the creator by spinning: it would wait until the kernel throttles it, half a second or a second.
 */
#include "posix_cases.h"

#include <sched.h>

enum { THREADS = 60 };

static atomic_int ended;

static void *end(void *arg)
{
    ended++;
    return arg;
}

static void use_one_cpu(void)
{
    cpu_set_t cpus, one;
    CPU_ZERO(&one);
    EXPECT(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
        if (CPU_ISSET(cpu, &cpus))
            CPU_SET(cpu, &one);
    EXPECT(sched_setaffinity(0, sizeof one, &one) == 0);
}

static void make_realtime(pthread_attr_t *attr, int state)
{
    const struct sched_param parameters = {10};
    pthread_attr_init(attr);
    pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(attr, SCHED_FIFO);
    pthread_attr_setschedparam(attr, &parameters);
    pthread_attr_setdetachstate(attr, state);
}

int main(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    alarm(10);
    use_one_cpu();
    make_realtime(&attr, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < THREADS; i++) {
        EXPECT(pthread_create(&thread, &attr, end, NULL) == 0);
        while (ended <= i)
            sched_yield();
    }
    say("ended: %d", ended);
    return 0;
}
