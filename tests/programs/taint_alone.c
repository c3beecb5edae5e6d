/* What the kernel grants to a process of one thread only, asked for by main after threads have come and gone. A thread
 * that was joined is still in the kernel for a moment: what is refused is asked for again, but not for long. */
#include "posix_cases.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/pidfd.h>

static void *quick(void *arg)
{
    return arg;
}

static void use_threads(void)
{
    pthread_t threads[4];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++)
            threads[i] = start(quick, NULL);
        for (int i = 0; i < 4; i++)
            join(threads[i]);
    }
}

/* ---- a process in name spaces of its own ---- */

static pid_t other;

static void make_other(int flags)
{
    int ends[2];
    char ok = 0;
    EXPECT(pipe(ends) == 0);
    other = fork();
    if (other == 0) {
        ok = unshare(flags) == 0;
        EXPECT(write(ends[1], &ok, 1) == 1);
        for (;;)
            pause();
    }
    EXPECT(read(ends[0], &ok, 1) == 1);
    close(ends[0]);
    close(ends[1]);
    say("the other one's: %s", ok ? "made" : "refused");
}

static int open_other(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/%s", other, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void end_other(void)
{
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

/* ---- asking ---- */

static int argument, flags;

static long by_setns(void)
{
    return setns(argument, flags);
}

static long by_raw_setns(void)
{
    return syscall(SYS_setns, argument, flags);
}

static long by_unshare(void)
{
    return unshare(flags);
}

static long by_raw_unshare(void)
{
    return syscall(SYS_unshare, flags);
}

enum { SESSION = -3, GET_ID = 0, JOIN_SESSION = 1, TO_PARENT = 18 }; /* keyutils.h */

static long by_keyctl(void)
{
    return syscall(SYS_keyctl, TO_PARENT);
}

static void ask(const char *what, long (*call)(void))
{
    long result = call();
    for (int i = 0; result && (errno == EINVAL || errno == EPERM) && i < 200; i++) {
        pause_ms(1);
        result = call();
    }
    say("%s: %s", what, result ? name_of(errno) : "0");
}

static void enter(int space, const char *name, long (*call)(void))
{
    make_other(space);
    argument = open_other(name);
    flags = space;
    use_threads();
    ask(name, call);
    use_threads();
    end_other();
}

static void enter_mounts(void)
{
    enter(CLONE_NEWNS, "mnt", by_setns);
}

static void enter_mounts_raw(void)
{
    enter(CLONE_NEWNS, "mnt", by_raw_setns);
}

static void enter_user(void)
{
    enter(CLONE_NEWUSER, "user", by_setns);
}

static void enter_user_raw(void)
{
    enter(CLONE_NEWUSER, "user", by_raw_setns);
}

static void enter_all(void)
{
    make_other(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS);
    argument = pidfd_open(other, 0);
    flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS;
    use_threads();
    ask("all of them", by_setns);
    use_threads();
    end_other();
}

static void leave(int what, long (*call)(void))
{
    flags = what;
    use_threads();
    ask("unshare", call);
    use_threads();
}

static void leave_user(void)
{
    leave(CLONE_NEWUSER, by_unshare);
}

static void leave_user_raw(void)
{
    leave(CLONE_NEWUSER | CLONE_NEWNS, by_raw_unshare);
}

static void leave_memory(void)
{
    leave(CLONE_VM, by_unshare);
}

static void leave_handlers(void)
{
    leave(CLONE_SIGHAND, by_raw_unshare);
}

/* No thread can be made any more. */
static void leave_pids(void)
{
    pthread_t thread;
    use_threads();
    flags = CLONE_NEWPID;
    ask("unshare", by_unshare);
    say("pthread_create: %s", name_of(pthread_create(&thread, NULL, quick, NULL)));
}

/* A child gives its parent a session keyring. */
static void take_session(void)
{
    use_threads();
    pid_t child = fork();
    if (child == 0) {
        say("join: %d", syscall(SYS_keyctl, JOIN_SESSION, NULL) > 0);
        ask("the parent's session", by_keyctl);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {
        {"enter_mounts", enter_mounts, 1},     {"enter_mounts_raw", enter_mounts_raw, 1},
        {"enter_user", enter_user, 1},         {"enter_user_raw", enter_user_raw, 1},
        {"enter_all", enter_all, 1},           {"leave_user", leave_user, 1},
        {"leave_user_raw", leave_user_raw, 1}, {"leave_memory", leave_memory, 1},
        {"leave_handlers", leave_handlers, 1}, {"leave_pids", leave_pids, 1},
        {"take_session", take_session, -1},    {NULL, NULL, 0},
    };
    return run_cases(argc, argv, cases);
}
