#include "tests/sim/protocol.h"

#include <stdlib.h>

enum {
    TICK = 2000000,        /* a member looks at the table this often */
    POLL = 1500000,        /* the first in line looks */
    NAP = 50000000,        /* the others do, in case they were forgotten */
    LAPSE = 20000000,      /* a member without a region for so long wants nothing */
    GRACE = 1000000,       /* a leader between regions for so long gives its turn away */
    LONG_REGION = 4000000, /* a region that lasts for so long is not short */
    WINDOW = 20000000,     /* in which waits for CPUs are counted */
    COST_LOOK = 500,       /* of a look at the table, */
    COST_ROW = 50,         /* and of each member in it */
};

struct domain {
    struct turn_want row[SHARE_MEMBERS];
    struct share_set members, waiting;
    unsigned count;
    uint64_t epoch;
    unsigned leader;
    ns since;
    bool is_ending;
};

struct domain *protocol_start(void)
{
    struct domain *domain = calloc(1, sizeof *domain);
    if (!domain)
        abort();
    return domain;
}

void protocol_end(struct domain *domain)
{
    free(domain);
}

static struct program *program_of(const struct world *world, unsigned index)
{
    return index < world->programs ? &world->program[index] : NULL;
}

static void remove_from(struct share_set *set, unsigned member)
{
    set->word[member / 64] &= ~(UINT64_C(1) << member % 64);
}

/* ---- the table ---- */

static void join(struct world *world, struct program *program)
{
    struct domain *domain = world->domain;
    struct turn_want *row = &domain->row[program->index];
    for (unsigned i = 0; i < MACHINE_WORDS; i++)
        row->share.cpus[i] = program->kind.cpus[i];
    row->share.demand = program->size;
    row->niceness = (int8_t)program->kind.niceness;
    row->waits = world->strategy == STRATEGY_TURNS ? TURN_WAITS_SPIN : (uint8_t)program->kind.waits;
    if (row->waits == TURN_WAITS_TOLD && program->size > program_cpus(&program->kind))
        row->waits = TURN_WAITS_BLOCK; /* the runtime does that by itself */
    share_add(&domain->members, program->index);
    domain->count++;
    domain->epoch++;
    program->is_member = true;
    program->is_in_ring = false;
    program->samples = true;
}

static void charge(struct world *world, struct program *program)
{
    ns now = world->machine.now;
    if (program->is_running)
        world->domain->row[program->index].service_us += (uint64_t)((now - program->charged) / US);
    program->charged = now;
}

static void forget(struct world *world, struct program *program)
{
    struct domain *domain = world->domain;
    charge(world, program);
    remove_from(&domain->members, program->index);
    remove_from(&domain->waiting, program->index);
    domain->count--;
    domain->epoch++;
    program->is_member = program->is_in_ring = program->is_running = program->is_waiting = false;
}

/* Those that are gone, or run no regions for the time being, want nothing. */
static void forget_idle(struct world *world, const struct program *me)
{
    struct domain *domain = world->domain;
    for (unsigned i = share_next(&domain->members, 0); i < SHARE_MEMBERS; i = share_next(&domain->members, i + 1)) {
        struct program *program = &world->program[i];
        bool is_idle = !program->is_in_region && !program->is_waiting && world->machine.now - program->ended > LAPSE;
        if (program != me && (!program->is_alive || is_idle))
            forget(world, program);
    }
}

static void set_leader(struct world *world, unsigned leader)
{
    struct domain *domain = world->domain;
    domain->leader = leader;
    domain->since = world->machine.now;
    domain->is_ending = false;
    domain->epoch++;
}

/* ---- facts ---- */

static void measure_delay(struct world *world, struct program *program)
{
    ns delayed = 0, now = world->machine.now;
    if (now - program->window < WINDOW)
        return;
    for (unsigned i = 0; i < program->size; i++)
        delayed += program->mate[i].thread.delayed;
    /* Beside others that are in the way, too, delays say nothing; but they do within one turn. */
    bool is_in_turn = program->is_running && program->turns == program->turns_then;
    if (!program->is_contended || is_in_turn)
        turn_notice_delay(&program->crowd, (uint64_t)(delayed - program->delayed), (uint64_t)(now - program->window),
                          is_in_turn, now);
    program->turns_then = program->turns;
    world->domain->row[program->index].is_crowded = turn_is_crowded(&program->crowd, now);
    program->delayed = delayed;
    program->window = now;
}

void protocol_sample(struct world *world, struct program *program)
{
    if (!program->samples)
        return;
    struct turn_want *row = &world->domain->row[program->index];
    program->samples = false;
    row->region_ns = turn_usual(&program->regions_seen, (uint64_t)(world->machine.now - program->began));
    if (program->ended)
        row->gap_ns = turn_usual(&program->gaps_seen, (uint64_t)(program->wished - program->ended));
}

/* ---- looking ---- */

static struct turn_verdict decide(struct world *world, struct program *program, struct share_set *ring,
                                  struct share_set *runs)
{
    const struct domain *domain = world->domain;
    const struct turn_table table = {domain->row, sizeof *domain->row, &domain->members, &domain->waiting};
    return turn_decide(&table, domain->leader, program->index, ring, runs);
}

static struct turn_verdict decide_and_join(struct world *world, struct program *program, struct share_set *ring,
                                           struct share_set *runs)
{
    struct domain *domain = world->domain;
    struct turn_verdict verdict = decide(world, program, ring, runs);
    bool takes_turns = verdict.way == TURN_RUN || verdict.way == TURN_WAIT;
    bool begins_to_wait = verdict.way == TURN_WAIT && !program->is_waiting;
    if (takes_turns && (!program->is_in_ring || begins_to_wait)) {
        const struct turn_table table = {domain->row, sizeof *domain->row, &domain->members, &domain->waiting};
        domain->row[program->index].service_us = turn_join(&table, ring, program->index);
        program->charged = world->machine.now;
    }
    program->is_in_ring = takes_turns;
    program->is_contended = verdict.contended;
    return verdict;
}

static ns wake_waiter(struct world *world, unsigned index)
{
    struct program *program = program_of(world, index);
    if (!program || !program->is_alive || !program->is_waiting)
        return 0;
    struct thread *thread = &program->mate[0].thread;
    if (thread->state != THREAD_BLOCKED)
        return 0;
    machine_wake(&world->machine, thread, NULL, COST_LOOK);
    return COST_WAKE;
}

/* Those who may run beside a new leader have to be told, and who is first in line now. */
static ns wake_others(struct world *world, const struct turn_verdict *verdict, const struct share_set *runs)
{
    ns cost = 0;
    const struct share_set *waiting = &world->domain->waiting;
    for (unsigned i = share_next(runs, 0); i < SHARE_MEMBERS; i = share_next(runs, i + 1))
        if (share_has(waiting, i))
            cost += wake_waiter(world, i);
    return cost + wake_waiter(world, verdict->next);
}

/* Who waits, and is the first in line, watches the leader. Returns whether something has changed. */
static bool watch_leader(struct world *world, struct program *program, const struct turn_verdict *verdict)
{
    struct domain *domain = world->domain;
    struct program *leader = program_of(world, verdict->leader);
    ns now = world->machine.now;
    if (!leader->is_in_region && !leader->is_waiting && now - leader->ended >= GRACE) {
        set_leader(world, program->index);
        return true;
    }
    struct turn_want *row = &domain->row[verdict->leader];
    if (leader->is_in_region && now - leader->began >= LONG_REGION && row->region_ns < LONG_REGION) {
        row->region_ns = LONG_REGION;
        domain->epoch++;
        return true;
    }
    if (now - domain->since >= world->quantum)
        domain->is_ending = true;
    return false;
}

/* Threads that spin whatever they are told are parked while it is not their turn, by a signal. */
static void park(struct world *world, struct program *program)
{
    for (unsigned i = 1; i < program->size && program->kind.waits == TURN_WAITS_SPIN; i++) {
        struct mate *mate = &program->mate[i];
        if (mate->phase == PHASE_DOCK && mate->thread.state != THREAD_BLOCKED)
            machine_stop(&world->machine, &mate->thread);
    }
}

static void wait_on(struct world *world, struct program *program, bool is_first)
{
    if (!program->is_waiting)
        world->domain->epoch += is_first;
    program->is_waiting = true;
    program->is_running = false;
    park(world, program);
    share_add(&world->domain->waiting, program->index);
    machine_set_timer(&world->machine, program->index, world->machine.now + (is_first ? POLL : NAP));
}

static ns run_on(struct world *world, struct program *program, const struct turn_verdict *verdict,
                 const struct share_set *runs)
{
    ns cost = 0, waited = world->machine.now - program->wished;
    bool is_turn = verdict->way == TURN_RUN;
    program->spins = verdict->way != TURN_GIVE_WAY;
    program->turns += is_turn && !program->is_running;
    program->is_running = is_turn;
    if (program->is_waiting) {
        remove_from(&world->domain->waiting, program->index);
        machine_set_timer(&world->machine, program->index, INT64_MAX);
        program->is_waiting = false;
        if (waited > program->longest_wait)
            program->longest_wait = waited;
        cost = wake_others(world, verdict, runs);
    }
    program->epoch = world->domain->epoch;
    return cost;
}

static bool look(struct world *world, struct program *program, ns *cost)
{
    struct domain *domain = world->domain;
    struct share_set ring, runs;
    program->looked = world->machine.now;
    program->samples = true;
    charge(world, program);
    measure_delay(world, program);
    forget_idle(world, program);
    *cost += COST_LOOK + COST_ROW * domain->count;
    struct turn_verdict verdict = decide_and_join(world, program, &ring, &runs);
    if (verdict.way == TURN_WAIT) {
        share_add(&domain->waiting, program->index);
        verdict = decide(world, program, &ring, &runs);
    }
    if (verdict.way == TURN_WAIT && verdict.next == program->index && watch_leader(world, program, &verdict))
        verdict = decide(world, program, &ring, &runs);
    program->is_in_ring = verdict.way == TURN_RUN || verdict.way == TURN_WAIT;
    if (verdict.way == TURN_WAIT) {
        wait_on(world, program, verdict.next == program->index);
        return false;
    }
    *cost += run_on(world, program, &verdict, &runs);
    return true;
}

/* ---- around a region ---- */

static bool is_managed(const struct world *world)
{
    return world->strategy == STRATEGY_TURNS || world->strategy == STRATEGY_POLICY;
}

bool protocol_enter(struct world *world, struct program *program, ns *cost)
{
    const struct domain *domain = world->domain;
    if (is_managed(world)) {
        if (!program->is_member)
            join(world, program);
        if ((program->epoch != domain->epoch || world->machine.now - program->looked >= TICK) &&
            !look(world, program, cost))
            return false;
    }
    program->is_in_region = true;
    program->is_last = program->is_running && domain->is_ending;
    return true;
}

static ns hand_over(struct world *world, struct program *program)
{
    struct share_set ring, runs;
    charge(world, program);
    struct turn_verdict verdict = decide(world, program, &ring, &runs);
    if (verdict.leader != program->index || verdict.next >= SHARE_MEMBERS)
        return 0;
    set_leader(world, verdict.next);
    return wake_waiter(world, verdict.next);
}

ns protocol_leave(struct world *world, struct program *program)
{
    program->is_in_region = false;
    return program->is_last ? hand_over(world, program) : 0;
}
