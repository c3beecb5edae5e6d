/* Bound to the oldest version of each name that has several, as a binary from 2005 is; and, without OLD, to the newest.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef OLD
__asm__(".symver pthread_create, pthread_create@GLIBC_2.2.5");
__asm__(".symver pthread_join, pthread_join@GLIBC_2.2.5");
__asm__(".symver pthread_kill, pthread_kill@GLIBC_2.2.5");
__asm__(".symver posix_spawn, posix_spawn@GLIBC_2.2.5");
__asm__(".symver posix_spawnp, posix_spawnp@GLIBC_2.2.5");
__asm__(".symver old_sched_setaffinity, sched_setaffinity@GLIBC_2.3.3");
__asm__(".symver old_pthread_setaffinity_np, pthread_setaffinity_np@GLIBC_2.3.3");
__asm__(".symver old_sched_getaffinity, sched_getaffinity@GLIBC_2.3.3");
__asm__(".symver old_pthread_getaffinity_np, pthread_getaffinity_np@GLIBC_2.3.3");
int old_sched_setaffinity(pid_t pid, const cpu_set_t *set);
int old_pthread_setaffinity_np(pthread_t thread, const cpu_set_t *set);
int old_sched_getaffinity(pid_t pid, cpu_set_t *set);
int old_pthread_getaffinity_np(pthread_t thread, cpu_set_t *set);
#define SET_PROCESS(set) old_sched_setaffinity(0, set)
#define GET_PROCESS(set) old_sched_getaffinity(0, set)
#define GET_THREAD(set) old_pthread_getaffinity_np(pthread_self(), set)
#define SET_THREAD(set) old_pthread_setaffinity_np(pthread_self(), set)
#else
#define SET_PROCESS(set) sched_setaffinity(0, sizeof *(set), set)
#define GET_PROCESS(set) sched_getaffinity(0, sizeof *(set), set)
#define GET_THREAD(set) pthread_getaffinity_np(pthread_self(), sizeof *(set), set)
#define SET_THREAD(set) pthread_setaffinity_np(pthread_self(), sizeof *(set), set)
#endif

extern char **environ;

static pid_t ended_tid;

static void *nothing(void *arg)
{
    __atomic_store_n(&ended_tid, gettid(), __ATOMIC_RELEASE);
    return arg;
}

/* pthread_kill's versions differ on a thread that has ended but was not joined. */
static void *kill_after_end_of(void *ended)
{
    while (!__atomic_load_n(&ended_tid, __ATOMIC_ACQUIRE) || tgkill(getpid(), ended_tid, 0) == 0)
        sched_yield();
    return (void *)(long)pthread_kill(*(pthread_t *)ended, 0);
}

static void spawn_script(const char *path, int search)
{
    pid_t pid;
    int status = 0;
    char *const argv[] = {(char *)path, NULL};
    int error = search ? posix_spawnp(&pid, path, NULL, NULL, argv, environ)
                       : posix_spawn(&pid, path, NULL, NULL, argv, environ);
    if (!error)
        waitpid(pid, &status, 0);
    printf("script without #!: %s, status %d\n", strerror(error), WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
    pthread_t ended, waiter;
    void *result;
    pthread_create(&ended, NULL, nothing, NULL);
    pthread_create(&waiter, NULL, kill_after_end_of, &ended);
    pthread_join(waiter, &result);
    printf("kill of an ended thread: %s\n", strerror((int)(long)result));
    pthread_join(ended, NULL);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    printf("set process affinity: %d\n", SET_PROCESS(&set));
    printf("set thread affinity: %d\n", SET_THREAD(&set));
    printf("get process affinity: %d", GET_PROCESS(&set));
    printf(", %d CPUs\n", CPU_COUNT(&set));
    printf("get thread affinity: %d", GET_THREAD(&set));
    printf(", %d CPUs\n", CPU_COUNT(&set));
    if (argc > 1) {
        spawn_script(argv[1], 0);
        spawn_script(argv[1], 1);
    }
    return 0;
}
