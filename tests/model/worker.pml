/* The protocol of shim/thread/worker.h between a creator, a worker, a joiner or detacher, and somebody who retires the
 * worker, as a model for spin(1): every interleaving of their atomic steps. Each `atomic` is one atomic operation of the
 * code, named after it.
 *
 *   spin -run -safety worker.pml
 *
 * Checked: nobody sleeps for ever (no invalid end state); each task runs once and is joined once; a worker is parked only
 * when its id was given up and it is fresh, and never twice; a record is freed once, and not while somebody uses it. */

#define TASK 1
#define DETACHED 2
#define RETIRED 4
#define ENDED 8
#define JOINING 16
#define WAITING 32
#define RELEASED 64
#define READY 128
#define GONE 256

#define TASKS 3 /* one after the other */

mtype = { WAIT, RUN, SLEEP, DIE };

int word = 0;
mtype call = WAIT;
bool woken = false;       /* the futex that a sleeping worker waits on */
byte done = 0;            /* the semaphore that a joiner waits on */
bool idle = false;        /* in the pool */
bool thread = false;      /* the worker's OS thread exists */
bool fresh = true;
bool libc_detached = false;
byte runs = 0, ends = 0, freed = 0;
byte retirers = 0;        /* that are at it */

/* pool_put() */
inline put()
{
    atomic {
        assert(!idle && fresh);
        word = 0;
        idle = true
    }
}

inline free_record()
{
    atomic {
        assert(freed == 0);
        freed++
    }
}

/* worker_call(); `was` is a local of the caller */
inline hand_over(what)
{
    atomic { was = call; call = what };
    if
    :: was == SLEEP -> woken = true
    :: else
    fi
}

proctype Worker()
{
    int old;
    mtype seen;
again:
    assert(fresh && word & TASK);
    fresh = false;
    runs++;
    /* finish(): ENDED, unless RETIRED came first */
    atomic {
        old = word;
        if
        :: old & RETIRED -> skip
        :: else -> word = word | ENDED
        fi
    };
    if
    :: old & RETIRED -> goto leave
    :: else
    fi;
    if
    :: old & WAITING -> done++
    :: else
    fi;
    /* refresh() */
    fresh = true;
    /* park() */
    if
    :: old & DETACHED -> ends++; put()
    :: else ->
        atomic { old = word; word = word | READY };
        if
        :: old & RELEASED -> put()
        :: else
        fi
    fi;
    /* wait_for_call(): spin, or sleep */
    if
    :: call != WAIT -> skip
    :: atomic { call == WAIT -> call = SLEEP }
    fi;
    do
    :: call == SLEEP ->
        if
        :: atomic { woken -> woken = false }
        :: atomic { /* its patience is over: pool_leave_unjoined() */
            word & ENDED && !(word & (RELEASED | DETACHED)) -> word = (word & ~ENDED) | RETIRED
           };
           goto leave
        fi
    :: else -> break
    od;
    atomic { seen = call; call = WAIT };
    if
    :: seen == RUN -> goto again
    :: seen == DIE -> free_record(); goto over
    fi;
leave:
    /* the last destructor: leave() */
    atomic { old = word; word = word | GONE };
    if
    :: old & DETACHED -> ends++; free_record()
    :: else
    fi;
over:
    thread = false
}

/* worker_retire(), from any thread, at any time */
proctype Retirer()
{
    int old;
    bool done_it = false;
    atomic {
        old = word;
        if
        :: old & TASK && !(old & ENDED) && !(old & RETIRED) -> word = word | RETIRED; done_it = true
        :: else
        fi
    };
    if
    :: done_it && old & WAITING -> done++
    :: else
    fi;
    if
    :: done_it && old & DETACHED -> assert(!libc_detached); libc_detached = true
    :: else
    fi;
    retirers--
}

/* managed_pthread_join() */
inline join()
{
    atomic {
        old = word;
        assert(old & TASK && !(old & DETACHED));
        if
        :: old & RETIRED -> skip
        :: else -> word = word | JOINING
        fi
    };
    if
    :: old & RETIRED -> goto real_join
    :: else
    fi;
    if
    :: word & (ENDED | RETIRED) -> skip /* spin_for_end() met it */
    :: true ->
        atomic { word = word | WAITING; old = word };
        do
        :: old & (ENDED | RETIRED) -> break
        :: else -> atomic { done > 0 -> done-- }; old = word
        od
    fi;
    /* end_join() */
    atomic {
        old = word;
        if
        :: old & ENDED -> word = word | RELEASED
        :: else
        fi
    };
    if
    :: old & ENDED ->
        ends++;
        if
        :: old & READY -> put()
        :: else
        fi;
        goto joined
    :: else -> word = word & ~(JOINING | WAITING) /* give_up_join() */
    fi;
real_join:
    !thread;
    ends++;
    free_record();
joined:
    skip
}

/* managed_pthread_detach() */
inline detach()
{
    atomic {
        old = word;
        assert(old & TASK && !(old & (DETACHED | RELEASED | JOINING)));
        if
        :: old & ENDED -> word = word | RELEASED
        :: else -> word = word | DETACHED
        fi
    };
    if
    :: old & RETIRED ->
        assert(!libc_detached);
        libc_detached = true;
        if
        :: old & GONE -> ends++; free_record()
        :: else
        fi
    :: old & ENDED ->
        ends++;
        if
        :: old & READY -> put()
        :: else
        fi
    :: else
    fi
}

init
{
    int old;
    mtype was;
    byte made = 0;
    do
    :: made < TASKS ->
        /* create(): a parked worker, or a new thread. The next task waits for the end of this one. */
        if
        :: atomic { idle -> idle = false };
            atomic { done = 0; word = TASK };
            hand_over(RUN)
        :: !thread && !idle ->
            atomic { freed = 0; libc_detached = false; call = WAIT; woken = false; fresh = true; done = 0; word = TASK };
            thread = true;
            run Worker()
        fi;
        made++;
        if
        :: retirers++; run Retirer()
        :: skip
        fi;
        if
        :: join()
        :: detach()
        fi;
        ends == made && (idle || !thread) && retirers == 0
    :: else -> break
    od;
    /* The idle worker's patience ends: pool_leave(), or it is gone already. */
    if
    :: atomic { idle -> idle = false };
        hand_over(DIE);
        !thread
    :: !thread && !idle
    fi;
    assert(runs == TASKS && ends == TASKS && freed == 1)
}
