/* Linked with -z initfirst: its constructor runs before libc's own, when there is no environment yet. */
#include "calls.h"

__attribute__((constructor)) static void construct(void)
{
    say("initfirst", "environ is there", environ != NULL);
    call_counts("initfirst");
    pthread_key_t key;
    say("initfirst", "key_create", pthread_key_create(&key, NULL));
    say("initfirst", "key_delete", pthread_key_delete(key));
    int status = -1;
    pid_t pid = vfork();
    if (pid == 0)
        _exit(14);
    waitpid(pid, &status, 0);
    say("initfirst", "vfork child", WEXITSTATUS(status));
}

int early_answer(void);
int early_answer(void)
{
    return 42;
}
