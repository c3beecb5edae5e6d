/* A second preload: counts the calls that pass it, and passes them on. */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

static int creates, forks, spawns, kills, keys;

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    __atomic_add_fetch(&creates, 1, __ATOMIC_RELAXED);
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    return next(thread, attr, start, arg);
}

int pthread_kill(pthread_t thread, int signal)
{
    kills++;
    return ((int (*)(pthread_t, int))dlsym(RTLD_NEXT, "pthread_kill"))(thread, signal);
}

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    keys++;
    return ((int (*)(pthread_key_t *, void (*)(void *)))dlsym(RTLD_NEXT, "pthread_key_create"))(key, destructor);
}

pid_t fork(void)
{
    forks++;
    return ((pid_t(*)(void))dlsym(RTLD_NEXT, "fork"))();
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
                char *const argv[], char *const envp[])
{
    spawns++;
    int (*next)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[],
                char *const[]) = dlsym(RTLD_NEXT, "posix_spawn");
    return next(pid, path, actions, attr, argv, envp);
}

__attribute__((destructor)) static void tell(void)
{
    printf("interposed: %d creates, %d forks, %d spawns, %d kills, %d keys\n", creates, forks, spawns, kills, keys);
    fflush(stdout);
}
