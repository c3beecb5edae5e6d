/* What else the kernel keeps for a thread. */
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/stat.h>

#include "fresh.h"
#include "posix_cases.h"

static void set_privileges(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
}

static void look_privileges(void)
{
    find("no_new_privs %d, keepcaps %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
}

static struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
static const struct sock_fprog filter = {1, allow};

static void set_seccomp(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static void set_seccomp_raw(void)
{
    syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

static void look_seccomp(void)
{
    find("%d", prctl(PR_GET_SECCOMP));
}

static void set_death_signal(void)
{
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
}

static void look_death_signal(void)
{
    int signal = -1;
    prctl(PR_GET_PDEATHSIG, &signal);
    find("%d", signal);
}

static void set_memory_policy(void)
{
    unsigned long nodes = 1;
    syscall(SYS_set_mempolicy, 1, &nodes, 8 * sizeof nodes);
}

static void look_memory_policy(void)
{
    int mode = -1;
    syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0);
    find("%d", mode);
}

static void set_personality(void)
{
    personality(ADDR_NO_RANDOMIZE);
}

static void look_personality(void)
{
    find("%x", personality(0xffffffff));
}

static void set_files(void)
{
    unshare(CLONE_FS);
    chdir("/");
    umask(0);
}

static void look_files(void)
{
    char path[PATH_MAX];
    mode_t mask = umask(022);
    umask(mask);
    find("%d %o", strcmp(getcwd(path, sizeof path), "/") == 0, mask);
}

static void set_user(void)
{
    setfsuid(1234);
    setfsgid(1234);
}

static void set_user_raw(void)
{
    syscall(SYS_setfsuid, 1234);
    syscall(SYS_setresgid, 1234, -1, -1);
}

static void look_user(void)
{
    FILE *file = fopen("/proc/thread-self/status", "r");
    char line[128];
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "Uid:", 4) == 0 || strncmp(line, "Gid:", 4) == 0)
            find("%.*s ", (int)strcspn(line, "\n"), line);
    if (file)
        fclose(file);
}

static void set_base(void)
{
    syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, 0x12345000UL);
}

static void look_base(void)
{
    unsigned long base = 0;
    syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &base);
    find("%lx", base);
}

static void set_keyring(void)
{
    syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -1 /* the thread's */, 1 /* make one */);
}

static void look_keyring(void)
{
    find("%d", syscall(SYS_keyctl, 0, -1, 0) > 0);
}

/* ---- locks ---- */

static pthread_mutex_t robust;

static void make_robust(void)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attr);
}

static void make_robust_pi(void)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&robust, &attr);
}

static void set_robust(void)
{
    if (pthread_mutex_lock(&robust) == EOWNERDEAD)
        pthread_mutex_consistent(&robust);
}

static void look_robust(void)
{
    int error = pthread_mutex_lock(&robust);
    find("%s", name_of(error));
    if (error == EOWNERDEAD)
        pthread_mutex_consistent(&robust);
    pthread_mutex_unlock(&robust);
}

const struct row kernel_rows[] = {
    {"privileges", NULL, set_privileges, look_privileges, WHOLE, false},
    {"seccomp", NULL, set_seccomp, look_seccomp, SHORT, true},
    {"seccomp, raw", NULL, set_seccomp_raw, look_seccomp, SHORT, true},
    {"parent-death signal", NULL, set_death_signal, look_death_signal, WHOLE, false},
    {"memory policy", NULL, set_memory_policy, look_memory_policy, WHOLE, false},
    {"personality", NULL, set_personality, look_personality, WHOLE, false},
    {"working directory and umask", NULL, set_files, look_files, WHOLE, false},
    {"file-system user", NULL, set_user, look_user, WHOLE, false},
    {"user, raw", NULL, set_user_raw, look_user, WHOLE, false},
    {"segment base", NULL, set_base, look_base, WHOLE, false},
    {"thread keyring", NULL, set_keyring, look_keyring, SHORT, false},
    {"robust mutex", make_robust, set_robust, look_robust, WHOLE, false},
    {"robust mutex with priority inheritance", make_robust_pi, set_robust, look_robust, WHOLE, false},
    {0},
};
