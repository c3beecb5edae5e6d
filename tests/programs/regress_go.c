/* What Go code does with cgo, without a Go tool chain: the mark of Go's linker, and threads that are changed by a
 * system call of the program's own and then end. No other thread may find the change.
 *
 *   regress_go [LIBRARY]     the threads are the program's; before that, the library's own (the same code)
 *
 * Built with GO for the mark. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifdef GO
__asm__(".pushsection .note.go.buildid,\"a\",@note\n"
        ".long 4, 8, 4\n"
        ".string \"Go\"\n"
        ".byte 0\n"
        ".ascii \"build id\"\n"
        ".popsection");
#endif

static long set_slack(unsigned long nanoseconds)
{
    long result;
    register long zero __asm__("r10") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_prctl), "D"(PR_SET_TIMERSLACK), "S"(nanoseconds), "d"(0), "r"(zero)
                     : "rcx", "r11", "memory");
    return result;
}

static void *change(void *found)
{
    *(int *)found = prctl(PR_GET_TIMERSLACK);
    return set_slack(123456) == 0 ? found : NULL;
}

/* How many of 20 threads, one after the other, found another's change; -1: threads cannot be changed. */
int changed(void);
int changed(void)
{
    int count = 0;
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        int found = 0;
        void *result = NULL;
        if (pthread_create(&thread, NULL, change, &found) != 0 || pthread_join(thread, &result) != 0 || !result)
            return -1;
        count += found == 123456;
    }
    return count;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        void *library = dlopen(argv[1], RTLD_NOW);
        int (*run)(void) = library ? (int (*)(void))dlsym(library, "changed") : NULL;
        if (!run)
            return 1;
        printf("the library's threads that found another's change: %d\n", run());
    }
    printf("threads that found another's change: %d\n", changed());
    return 0;
}
