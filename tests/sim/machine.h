/* A machine in simulated time: CPUs, the kernel's scheduler, and threads that compute, spin or block.
 *
 * A thread is given pieces of CPU time. When it has had one, the machine asks what comes next (`step`); a wait that
 * spins is a long piece that is cut short (machine_cut). The scheduler is weighted and fair, roughly as Linux's EEVDF:
 *
 *   - each CPU runs the thread with the least virtual runtime, for a slice; within it nobody else gets the CPU
 *   - a thread that wakes up goes to its last CPU, or to an idle one in its mask; it is behind by a slice at most
 *   - a CPU that becomes idle takes a thread from the longest queue; every few milliseconds queues are evened out
 *
 * Costs are below; what they were measured as is in docs/scheduling.md. Not modelled: caches, memory, hyper-threads,
 * sockets, frequencies, interrupts. */
#ifndef UNIRUN_SIM_MACHINE_H
#define UNIRUN_SIM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

typedef int64_t ns;

#define US ((ns)1000)
#define MS ((ns)1000000)

enum { MACHINE_CPUS = 512, MACHINE_WORDS = MACHINE_CPUS / 64 };

enum {
    COST_WAKE = 1000,          /* of who wakes a thread */
    COST_WAKE_IDLE = 3000,     /* the same, if its CPU is idle: an interrupt is sent */
    COST_SWITCH = 750,         /* from one thread to another */
    COST_ARRIVAL = 5000,       /* from a wake-up until the thread runs on a CPU that has just become idle, */
    COST_ARRIVAL_IDLE = 13000, /* or has been for a while */
    IDLE_FOR_A_WHILE = 200000,
};

enum thread_state { THREAD_BLOCKED, THREAD_QUEUED, THREAD_RUNNING };

struct program;

struct thread {
    struct program *program;
    const uint64_t *cpus; /* its mask */
    enum thread_state state;
    unsigned cpu; /* where it is, or was last */
    double weight, vruntime;
    ns left; /* of its piece */
    ns queued_at;
    ns computed, delayed; /* CPU time that it had, and waited for */
    struct thread *before, *after;
};

struct cpu {
    struct thread *current, *last;
    struct thread *queue; /* a ring */
    unsigned queued;
    double least; /* virtual runtime: where newcomers are placed */
    ns since;     /* `current` has been charged up to here; idle since then */
    ns slice_end;
    bool is_stepping;
};

/* When each CPU, and each timer, wants to be looked at next: a heap. */
struct agenda {
    unsigned count;
    unsigned *heap, *place;
    ns *when;
};

struct machine {
    unsigned cpus;
    unsigned queued; /* threads that wait for a CPU, on all of them */
    ns now;
    struct cpu cpu[MACHINE_CPUS];
    uint64_t idle[MACHINE_WORDS];
    struct agenda agenda;
    unsigned evened;
    uint64_t switches, events;
    void (*step)(struct machine *, struct thread *); /* its piece is over: gives it another one, or blocks it */
    void (*ring)(struct machine *, unsigned timer);
};

void machine_start(struct machine *machine, unsigned cpus, unsigned timers);
void machine_end(struct machine *machine);
void machine_run(struct machine *machine, ns until);

/* A timer rings once; `when` INT64_MAX: never. */
void machine_set_timer(struct machine *machine, unsigned timer, ns when);

/* For a thread in its step. */
void machine_compute(struct thread *thread, ns piece);
void machine_block(struct thread *thread);

/* A thread that is blocked gets `piece`; one that is not has its piece replaced. `waker` may be NULL. */
void machine_wake(struct machine *machine, struct thread *thread, const struct thread *waker, ns piece);
void machine_cut(struct machine *machine, struct thread *thread, ns piece);

/* What waking it now costs its waker. */
ns machine_wake_cost(const struct machine *machine, const struct thread *thread);

/* Brings a thread's figures up to now. */
void machine_charge(struct machine *machine, struct thread *thread);

/* Takes it off its CPU for good. */
void machine_stop(struct machine *machine, struct thread *thread);

double machine_weight(int niceness);

#endif
