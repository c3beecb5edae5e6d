/* A library with thread-local data that programs reach without a call of the loader, and whose opening takes a while
 * between being listed and being complete: as long as an address of its own takes to be found. */
#include <sys/syscall.h>
#include <time.h>

static _Thread_local int number __attribute__((tls_model("initial-exec"))) = 41;
static _Thread_local int zeros[8] __attribute__((tls_model("initial-exec")));

/* 41 in a thread that never called it. */
int touch(void);
int touch(void)
{
    zeros[3] += 100;
    return number++ + zeros[3] - 100;
}

static int something(void)
{
    return 1;
}

/* Runs while the library is relocated: nothing outside it may be called, nor its own code be instrumented. */
__attribute__((used, no_sanitize("address", "undefined", "thread"))) static int (*resolve(void))(void)
{
    const struct timespec time = {0, 30000000};
    long ignored;
    __asm__ volatile("syscall" : "=a"(ignored) : "a"(SYS_nanosleep), "D"(&time), "S"(0) : "rcx", "r11", "memory");
    return something;
}

int slow(void) __attribute__((ifunc("resolve")));
int (*found)(void) = slow;
