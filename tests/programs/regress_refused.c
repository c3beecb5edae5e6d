/* What the system refuses is refused soon, however often and whatever the clocks say. */
#include "posix_cases.h"

#include <sys/resource.h>

enum { FAILURES = 10000, MOST = 1000, ROOM = 200000000, USER = 64500 };

static void *stay(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void *nothing(void *arg)
{
    return arg;
}

/* A creation that fails is tried again behind the program's back for a while: not for so long each time that a program
 * which lives with it stands still. */
static void creations(void)
{
    pthread_t thread;
    int made = 0, refused = 0;
    EXPECT(setrlimit(RLIMIT_AS, &(struct rlimit){ROOM, ROOM}) == 0);
    while (made < MOST && pthread_create(&thread, NULL, stay, NULL) == 0)
        made++;
    for (int i = 0; i < FAILURES; i++)
        refused += pthread_create(&thread, NULL, stay, NULL) == EAGAIN;
    say("threads: %s, refused: %d", made > 0 ? "some" : "none", refused);
}

/* The kernel's own: nanosleep of the clock that stands still may take no time at all, or for ever. */
static void *sleep_two_seconds(void *arg)
{
    struct timespec time = {2, 0};
    while (syscall(SYS_nanosleep, &time, &time) != 0)
        ;
    return arg;
}

static long user_ms(void)
{
    struct rusage usage;
    syscall(SYS_getrusage, RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000;
}

/* Who counts spinning by a clock that stands still spins for ever. */
static void joins(void)
{
    for (int i = 0; i < 2000; i++)
        run_in_thread(nothing, NULL);
    long before = user_ms();
    run_in_thread(sleep_two_seconds, NULL);
    say("waiting took %s", user_ms() - before > 1000 ? "a CPU" : "no CPU");
}

/* Who tries again until a clock that stands still has moved on does so for ever. */
static void forks(void)
{
    run_in_thread(nothing, NULL);
    EXPECT(setresuid(USER, USER, USER) == 0);
    EXPECT(setrlimit(RLIMIT_NPROC, &(struct rlimit){1, 1}) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    say("fork: %s", child < 0 ? name_of(errno) : "done");
}

static void say_time(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    say("%ld.%09ld", (long)time.tv_sec, time.tv_nsec);
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {
        {"creations", creations, 1}, {"joins", joins, 1}, {"forks", forks, -1}, {"time", say_time, -1}, {NULL, NULL, 0},
    };
    return run_cases(argc, argv, cases);
}
