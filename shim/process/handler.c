/* The kernel puts a frame on the stack for each handler, with the address of the code that returns from it: the
 * sa_restorer that libc gave with the handler (sigreturn(2)). So a thread is in a handler where its stack, from here
 * up, has such a frame. What an earlier handler left in a part of the stack that nobody has written since looks the
 * same: then the answer is yes, too. */
#include "shim/process/handler.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "shim/os.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/worker.h"

/* ---- the kernel's structures ---- */

/* arch/x86/include/uapi/asm/signal.h, `struct sigaction` */
struct kernel_action {
    uintptr_t handler;
    unsigned long flags;
    uintptr_t restorer;
    uint64_t mask;
};

/* arch/x86/include/asm/sigframe.h, the beginning of `struct rt_sigframe` */
struct frame {
    uintptr_t restorer;
    unsigned long flags;
    uintptr_t link;
    uintptr_t stack[3];
    uintptr_t registers[16]; /* r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp */
};
enum { KNOWN_FLAGS = 7, RSP = 15 };

/* ---- where handlers return to: one address for those that libc has installed, others where the program does so ----
 */

enum { RESTORERS = 4 };
struct restorers {
    uintptr_t address[RESTORERS];
    unsigned count;
};

static bool is_restorer(const struct restorers *restorers, uintptr_t address)
{
    for (unsigned i = 0; i < restorers->count; i++)
        if (restorers->address[i] == address)
            return true;
    return false;
}

/* False: there are too many. */
static bool find_restorers(struct restorers *restorers)
{
    restorers->count = 0;
    for (long signal = 1; signal < NSIG; signal++) {
        struct kernel_action action = {0};
        os_call(SYS_rt_sigaction, signal, NULL, &action, sizeof action.mask);
        if (!action.restorer || is_restorer(restorers, action.restorer))
            continue;
        if (restorers->count == RESTORERS)
            return false;
        restorers->address[restorers->count++] = action.restorer;
    }
    return true;
}

/* ---- the stack ---- */

static bool is_frame(const struct restorers *restorers, const struct frame *frame, uintptr_t at)
{
    return is_restorer(restorers, frame->restorer) && !frame->link && !(frame->flags & ~(unsigned long)KNOWN_FLAGS) &&
           frame->registers[RSP] > at;
}

static bool has_frame(const struct restorers *restorers, uintptr_t from, uintptr_t to)
{
    for (; from + sizeof(struct frame) <= to; from += sizeof(uintptr_t))
        if (is_frame(restorers, (const struct frame *)from, from))
            return true;
    return false;
}

/* The same where it is not known how far the stack goes: up to where no memory is. */
static bool may_have_frame(const struct restorers *restorers, uintptr_t from)
{
    enum { MOST = 64 * 1024 * 1024, STEP = 512 };
    char copy[STEP + sizeof(struct frame)];
    for (uintptr_t end = from + MOST, at = from; at < end; at += STEP) {
        if (!os_read_memory((const void *)at, copy, sizeof copy))
            return at == from;
        for (size_t i = 0; i < STEP; i += sizeof(uintptr_t))
            if (is_frame(restorers, (const struct frame *)(copy + i), at + i))
                return true;
    }
    return false;
}

/* The end of the stack that `here` is in; 0: it is not known. */
static uintptr_t stack_end(uintptr_t here)
{
    enum { LEAST_GAP = 128 * 1024 * 1024 }; /* below the main stack nothing else is mapped that near */
    uintptr_t program_name = getauxval(AT_EXECFN), self = (uintptr_t)pthread_self();
    if (program_name > here && program_name - here < LEAST_GAP)
        return program_name;
    const struct worker *worker = slot.worker;
    if (worker && self > here && self - here < worker->stack.size)
        return self;
    return 0;
}

static bool is_on_signal_stack(void)
{
    stack_t stack;
    return real.sigaltstack(NULL, &stack) == 0 && stack.ss_flags & SS_ONSTACK;
}

bool handler_is_running(void)
{
    struct restorers restorers;
    int saved = errno;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), end = stack_end(here);
    bool is_running = is_on_signal_stack() || !find_restorers(&restorers);
    if (!is_running && restorers.count)
        is_running = end ? has_frame(&restorers, here, end) : may_have_frame(&restorers, here);
    errno = saved;
    return is_running;
}
