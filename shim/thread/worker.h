/* Workers: OS threads that run one task (a start routine) after another.
 *
 * The program holds a worker's real pthread_t as the id of its task. The id stays taken until the task was joined, or
 * ended detached; then the worker is made fresh, parked, and claimed by the next pthread_create.
 *
 * worker->word is a set of bits. A task is one pass through them:
 *
 *   bit        set by                              means
 *   TASK       the creator, before the hand-over   the id is taken; 0 in a fork child, whose copy is wiped
 *   DETACHED   the creator, or pthread_detach      nobody will join
 *   RETIRED    anybody, while not ENDED            the thread ends for real: libc's functions apply to the id from here
 *   ENDED      the worker, while not RETIRED       the task is over, its result is there, the worker will be reused
 *   JOINING    a joiner                            it alone may join; cleared if it gives up (time-out, cancellation)
 *   WAITING    that joiner                         it sleeps on `done`, and must be posted to
 *   RELEASED   joiner or detacher, after ENDED     nobody needs the id any more
 *   READY      the worker, after ENDED             everything is fresh
 *   GONE       the worker's last destructor        a RETIRED worker has left our code for good
 *
 * The bits above them count the tasks that had the record: what is read between a load of the word and a
 * compare-and-swap that succeeds is of one task. It is never 0 again, and survives the record's being free.
 *
 * ENDED and RETIRED exclude each other, decided by one compare-and-swap. So do: who sets the second of RELEASED and
 * READY parks the worker; who sets the second of DETACHED and RETIRED detaches the real thread; who sets the second of
 * DETACHED and GONE frees the record (a joinable one is freed by its joiner).
 *
 * The record's other fields belong to the creator until the hand-over, to the worker until ENDED. */
#ifndef UNIRUN_SHIM_THREAD_WORKER_H
#define UNIRUN_SHIM_THREAD_WORKER_H

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/thread/fresh.h"

enum {
    TASK = 1,
    DETACHED = 2,
    RETIRED = 4,
    ENDED = 8,
    JOINING = 16,
    WAITING = 32,
    RELEASED = 64,
    READY = 128,
    GONE = 256,
    ONE_TASK = 512,
};

/* worker->call, on which a parked worker waits. From WAIT or SLEEP to the others by whoever owns the parked worker; the
 * worker itself goes between WAIT and SLEEP, and back to WAIT when it has seen a call. */
enum call { CALL_WAIT, CALL_RUN, CALL_SLEEP, CALL_DIE, CALL_LEAVE };

/* worker->birth, for a new thread: creator and worker both want the id stored where the program asked for it, once, and
 * before the program's code runs there. */
enum {
    BIRTH_TAKEN = 1,   /* by who stores it */
    BIRTH_STORED = 2,  /* and has */
    BIRTH_WAITING = 4, /* the other one sleeps until then */
    BIRTH_SEEN = 8,    /* the creator has come back */
    BIRTH_OVER = 16,   /* the thread is gone: who sets the second of this and SEEN frees the record */
};

/* Stacks of one size and guard are interchangeable. */
struct stack_class {
    size_t size, guard;
};

/* What a new thread gets from its creator. */
struct inheritance {
    sigset_t mask;
    struct fpu_control fpu;
    bool has_name;
    char name[16];
};

struct worker {
    uint32_t word; /* first: all others are zeroed in a record that is used again */
    uint32_t call;
    pthread_t id;

    /* the task */
    void *(*run)(void *);
    void *arg;
    void *result;
    bool is_c11;    /* `run` returns an int */
    bool is_pooled; /* it is the loop of a runtime's pool thread */
    struct inheritance inherited;
    pthread_t joining; /* whom the task waits for in pthread_join; 0: nobody */
    pthread_t joiner;  /* who waits for the task; 0: nobody */
    sem_t done;

    /* the thread */
    struct stack_class stack;
    uint32_t lineage; /* see lineage.h */
    uint32_t birth;
    pthread_t *birth_id; /* where the creator wants the id */
    int tid;
    bool dying;   /* cannot be made fresh: ends as soon as nobody needs the id */
    bool is_idle; /* in the list of idle workers; written under the pool's lock */
    bool spins;   /* the last call came so soon that spinning for it would have paid */
    bool has_name;
    char name[16];               /* the thread's name as we set it last, if has_name */
    int cpu;                     /* where it last was seen to run */
    int caller_cpu;              /* and who last called or joined it */
    int64_t called_at, ended_at; /* nanoseconds, os_now() */
    int farewells;               /* rounds of destructors at the thread's end */
    struct traces traces;

    struct worker *next, *previous; /* in the idle list, or in the list of free records */
};

/* Of each thread: its worker (NULL if it has none), and what it inherited. 16 bytes of static TLS: the only ones that
 * the shim has. At a constant distance from pthread_self(), so that it can be found from any thread's id. */
struct slot {
    struct worker *worker;
    uint32_t lineage;
    /* The thread is in a region that owes turn_leave(): the stay that it was entered in; 0: it is not. If the region
     * ends by a call of its own: the runtime's level is then below `level`, which is 0 for other regions. */
    uint16_t owed, level;
};
extern __thread struct slot slot __attribute__((visibility("hidden")));

/* The slot of a thread that exists (has not been joined, nor ended detached). */
struct slot *slot_of(pthread_t thread);

/* The worker of such a thread; NULL: the thread, or by now its id, is libc's alone. */
struct worker *worker_of(pthread_t thread);

/* Stores the new thread's id where its creator wants it, in whichever of the two comes first. */
void worker_store_id(struct worker *worker, pthread_t id);

/* What libc's pthread_create runs for a new worker. */
void *worker_main(void *worker);

/* Makes the task's thread end for real; the id becomes libc's. False if it is too late: the task has ended. `why` is
 * for the log. Context: any thread, a signal handler. */
bool worker_retire(struct worker *worker, const char *why);

/* The same, without detaching the real thread where that is due: for a caller that needs the id once more, and then
 * detaches *detach, if it is not 0. */
bool worker_retire_keeping(struct worker *worker, const char *why, pthread_t *detach);

/* Hands a parked worker that the caller owns what it shall do. */
void worker_call(struct worker *worker, enum call call);

/* The calling thread's task will not return to worker_main normally (pthread_exit), or has changed its thread so that
 * it cannot be reused. */
void worker_retire_self(const char *why);

/* Whether the thread's task has ended and was not joined: for libc's functions, a thread whose number is gone. */
bool worker_has_ended(pthread_t thread);

/* The same for the kernel's number of one, also of a parked one. */
bool worker_tid_has_ended(int tid);

/* Finds out where slots are, and who the main thread is. Once, at start-up, before anything else here; also where no
 * thread can be managed: joins and the like come here all the same. */
void worker_place(void);

/* Takes the one thread-specific key that we need, if that has not been done. False: there is none left. */
bool worker_take_key(void);

/* Before the first thread; several may do it at once. False: threads cannot be managed. */
bool worker_start(void);

#endif
