/* Which programs wait at their start until there is memory for them, or a CPU, and for how long.
 *
 * For memory: those whose usual peak does not fit into what is available beside what the running ones will still take;
 * of what an unknown one takes its running siblings tell, and without any it starts. It waits for as long as somebody
 * who runs makes progress.
 *
 * For a CPU: only those that earlier runs have shown to compute: an unknown one is never held back, nor one that mostly
 * waits. Who waits is served first come first served; as soon as one holds back for too long, it starts all the same.
 *
 * Pure: facts in, a verdict out. */
#ifndef UNIRUN_POLICY_ADMIT_H
#define UNIRUN_POLICY_ADMIT_H

#include <stdbool.h>
#include <stdint.h>

/* ---- what is remembered of a program ---- */

/* Its last runs in one word; 0: nothing is known. Any value can be read.
 *
 *   bits 0-7    score, signed: how much more runs have computed than waited
 *   bits 8-31   what a run takes of the CPU, in milliseconds: a moving average of the last few that computed
 *   bits 32-47  use, signed: negative if runs, held back, were waited for by others of the program
 *   bits 48-63  the most memory of its own that a run has at a time, in MiB: the most of the last few; 0: not known */
typedef uint64_t admit_facts;

/* What a program did at its start, or may do now. */
enum admit_verdict {
    ADMIT_WAITS,     /* not yet */
    ADMIT_AT_ONCE,   /* it had no need to wait */
    ADMIT_ANYWAY,    /* it has waited for as long as it would, or there is nothing to be gained by it */
    ADMIT_SEATED,    /* a seat was free */
    ADMIT_WAITED_FOR /* by the runs that have the seats, it seems: they do not end without it */
};

/* One run, in milliseconds. */
struct admit_run {
    uint64_t cpu;  /* spent computing */
    uint64_t busy; /* the same, and waiting for a CPU */
    uint64_t wall;
    enum admit_verdict wait; /* how its wait in line ended */
    unsigned peak;           /* of its memory, in MiB; 0: that was not looked at */
};

enum { ADMIT_LEAST_CPU_MS = 10 };

/* Whether the run says that the program computes: then it is worth remembering. */
bool admit_computes(const struct admit_run *run);

/* What is known after one more run. */
admit_facts admit_learn(admit_facts facts, const struct admit_run *run);

/* What the user says of the program (UNIRUN_CPU_BOUND, UNIRUN_IO_BOUND). */
struct admit_hints {
    bool cpu_bound, io_bound;
};

/* Whether a program of which that is known is to wait for a CPU. A hint decides where nothing speaks against it. Not if
 * its runs were waited for lately. */
bool admit_is_cpu_bound(admit_facts facts, const struct admit_hints *hints);

/* ---- memory ---- */

/* All of it in MiB, and a process's own alone: what it shares with others, as a file's pages, is theirs as well. */

/* What a run of the program needs, with a little to spare; 0: that is not known. */
unsigned admit_need(admit_facts facts);

/* Whether a run that needs that much is to look at memory at all, given that another one of its program is running, or
 * not. An unknown one is, then. */
bool admit_looks_at_memory(unsigned need, bool has_siblings);

/* From this much on a run's memory is worth remembering by itself. */
enum { ADMIT_MUCH = 32 };

/* One who runs, as far as it was watched. */
struct admit_runner {
    bool is_alike;        /* a run of the program that asks */
    bool is_watched;      /* what follows is known; otherwise it is taken for one that has just begun */
    unsigned need;        /* what a run of its program needs; 0: that is not known */
    unsigned has;         /* now */
    unsigned flat_cpu_ms; /* what it has computed since it last grew */
    unsigned asleep_ms;   /* for how long it has neither grown nor computed, nor wanted to */
};

/* What is to be known of memory, and of those who run, gathered one by one. Starts with zeroes. */
struct admit_memory {
    unsigned available; /* in the machine, and in every cgroup around */
    unsigned need;      /* of the one that asks; 0: that is not known */
    unsigned ahead;     /* who wait before this one, */
    unsigned reserved;  /* and what they are known to need in all */
    unsigned quiet_ms;  /* since one of those who run made progress: grew, computed, or ended */
    unsigned still_ms;  /* since one of them ended, or the line moved */
    unsigned waited_ms;

    /* By admit_gather() alone. */
    unsigned runners, alike;
    unsigned growth;     /* what those will still take of whom something is known */
    unsigned vague, had; /* how many siblings grow nobody knows how far, and what they have */
    unsigned told;       /* what a sibling has at most that is asleep: it has shown what it needs, it seems */
    unsigned most;       /* what a sibling has at most */
    bool is_told;
};

void admit_gather(struct admit_memory *memory, const struct admit_runner *runner);

/* What the one that asks is taken to need. */
unsigned admit_guess(const struct admit_memory *memory);

/* Whether it starts now. ADMIT_AT_ONCE: it fits. */
enum admit_verdict admit_memory_now(const struct admit_memory *memory, unsigned patience_ms);

/* ---- the line ---- */

/* How many may compute at a time: one for each of the `cpus`, and one more for the moments in which another waits; no
 * more than `most`, if that is not 0. */
unsigned admit_seats(unsigned cpus, unsigned most);

struct admit_place {
    unsigned cpus;
    unsigned seats, taken; /* there are, and are used */
    unsigned alike, stuck; /* of those that are used, if they all are: admit_may_wait_for(), admit_is_stuck() */
    unsigned ahead;        /* who wait before this one */
    unsigned waited_ms;    /* since it came */
    unsigned first_ms;     /* since it, or one before it, last could have started: since the line last moved */
};

/* How long anybody waits of whom that is known, in milliseconds. */
uint64_t admit_longest_ms(admit_facts facts, unsigned patience_ms);

/* Whether the one in that place starts now. `patience_ms` is how long a line may stand still. In all nobody waits for
 * more than ten times as long, nor for longer than 32 runs of its own take: what it would be slowed down by as many
 * others on two CPUs, twice over. The first in line does not wait, either, if its runs take so long that the line would
 * not move for their ends: there is little to be gained; unless the user has set fewer seats than there are CPUs. */
enum admit_verdict admit_now(const struct admit_place *place, admit_facts facts, unsigned patience_ms);

/* One who has a seat. */
struct admit_sitter {
    bool is_alike; /* a run of the program that asks */
    enum admit_verdict verdict;
    uint64_t cpu_ms;
};

/* Whether it may be that it does not end without more of its like: it sat down when nobody had got up yet. And whether
 * it looks like that: it has computed for twice as long as a run does. If all who sit do, they wait for each other,
 * computing: the ranks of a parallel program, at a barrier. The runs of a build end, and the next one has the seat of
 * one that did. */
bool admit_may_wait_for(const struct admit_sitter *sitter);
bool admit_is_stuck(const struct admit_sitter *sitter, admit_facts facts);

/* Whether a seat that was taken so long ago is one to wait for. Who has computed for longer than anybody of whom
 * `facts` are known would wait, will go on to do so: a simulation must not make each of a build's small programs wait
 * for the patience. */
bool admit_waits_for(unsigned sat_ms, admit_facts facts, unsigned patience_ms);

#endif
