#include "tests/sim/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/protocol.h"
#include "tests/sim/random.h"

enum { SPIN_LONG = 5000000, SPIN_SHORT = 1000, SPIN_ALWAYS = 2000000000, NOTICE = 250, LEAST_GAP = 50 };

/* ---- what it is like ---- */

static ns draw(const struct length *length, uint64_t *dice)
{
    double mean = (double)length->mean, part = random_part(dice);
    if (length->spread == EXPONENTIAL)
        mean *= -log(part);
    if (length->spread == HEAVY)
        mean = fmin(mean / 3 * pow(part, -1 / 1.5), mean * 100) / 0.934; /* what the bound takes off the mean */
    return (ns)mean;
}

unsigned program_cpus(const struct kind *kind)
{
    unsigned cpus = 0;
    for (unsigned i = 0; i < MACHINE_WORDS; i++)
        cpus += (unsigned)__builtin_popcountll(kind->cpus[i]);
    return cpus;
}

double program_cycle_work(const struct kind *kind)
{
    double region = (double)kind->region.mean + COST_REGION;
    return kind->size * region + (kind->gap_sleeps ? 0 : (double)kind->gap.mean);
}

double program_cycle(const struct kind *kind)
{
    unsigned cpus = program_cpus(kind);
    double rounds = kind->size > cpus ? (double)kind->size / cpus : 1;
    return ((double)kind->region.mean + COST_REGION) * rounds + (double)kind->gap.mean;
}

/* ---- latencies ---- */

static void count_latency(struct program *program, ns time)
{
    double quarter = 4 * log2((double)(time > 1 ? time : 1));
    unsigned place = (unsigned)quarter;
    program->latency[place < LATENCIES ? place : LATENCIES - 1]++;
}

ns program_latency(const struct program *program, double part)
{
    uint64_t all = program->regions, below = 0;
    for (unsigned i = 0; i < LATENCIES; i++) {
        below += program->latency[i];
        if (below && (double)below >= part * (double)all)
            return (ns)exp2((i + 1) / 4.0);
    }
    return 0;
}

/* ---- waits ---- */

static ns spin_limit(const struct world *world, const struct program *program)
{
    if (program->kind.waits == TURN_WAITS_SPIN)
        return SPIN_ALWAYS;
    if (program->kind.waits == TURN_WAITS_BLOCK || program->size > program_cpus(&program->kind))
        return SPIN_SHORT; /* libgomp sees by itself that its own threads are too many */
    switch (world->strategy) {
    case STRATEGY_SHORT:
        return SPIN_SHORT;
    case STRATEGY_TURNS:
    case STRATEGY_POLICY:
        return program->spins && !program->is_last ? SPIN_LONG : SPIN_SHORT;
    default:
        return SPIN_LONG;
    }
}

static void wait_in(const struct world *world, struct mate *mate, enum phase phase)
{
    mate->phase = phase;
    machine_compute(&mate->thread, spin_limit(world, mate->thread.program));
}

/* ---- a region ---- */

static void begin_gap(struct world *world, struct program *program)
{
    struct mate *master = &program->mate[0];
    program->gap = draw(&program->kind.gap, &program->dice);
    if (program->gap < LEAST_GAP)
        program->gap = LEAST_GAP;
    ns passed = protocol_leave(world, program);
    if (program->kind.gap_sleeps) {
        master->phase = PHASE_SLEEP;
        machine_block(&master->thread);
        machine_set_timer(&world->machine, program->index, world->machine.now + program->gap);
    } else {
        master->phase = PHASE_GAP;
        machine_compute(&master->thread, program->gap + passed);
    }
}

static void end_region(struct world *world, struct program *program)
{
    program->ended = world->machine.now;
    program->regions++;
    if (program->ended - program->began > program->longest_region)
        program->longest_region = program->ended - program->began;
    program->work += program->size * (double)(program->region + COST_REGION);
    count_latency(program, program->ended - program->wished);
    begin_gap(world, program);
}

static void go_to_dock(struct world *world, struct mate *mate)
{
    if (!mate->pending) {
        wait_in(world, mate, PHASE_DOCK);
        return;
    }
    mate->phase = PHASE_WORK;
    machine_compute(&mate->thread, mate->pending);
    mate->pending = 0;
}

static void pass_barrier(struct world *world, struct mate *mate)
{
    struct program *program = mate->thread.program;
    if (mate == &program->mate[0])
        end_region(world, program);
    else
        go_to_dock(world, mate);
}

/* Wakes the next one that sleeps in the barrier though it is open, or passes it. */
static void release_next(struct world *world, struct mate *mate)
{
    struct program *program = mate->thread.program;
    for (; mate->next < program->size; mate->next++) {
        const struct mate *other = &program->mate[mate->next];
        if (other->phase == PHASE_BARRIER && other->released && other->thread.state == THREAD_BLOCKED) {
            mate->phase = PHASE_RELEASE;
            machine_compute(&mate->thread, machine_wake_cost(&world->machine, &other->thread));
            return;
        }
    }
    pass_barrier(world, mate);
}

static void open_barrier(struct world *world, struct mate *last)
{
    struct program *program = last->thread.program;
    program->arrived = 0;
    for (unsigned i = 0; i < program->size; i++) {
        struct mate *mate = &program->mate[i];
        if (mate == last || mate->phase != PHASE_BARRIER)
            continue;
        mate->released = true;
        if (mate->thread.state != THREAD_BLOCKED)
            machine_cut(&world->machine, &mate->thread, NOTICE);
    }
    last->next = 0;
    release_next(world, last);
}

static void come_to_barrier(struct world *world, struct mate *mate)
{
    struct program *program = mate->thread.program;
    if (mate == &program->mate[0])
        protocol_sample(world, program);
    mate->released = false;
    if (++program->arrived == program->size)
        open_barrier(world, mate);
    else
        wait_in(world, mate, PHASE_BARRIER);
}

/* Wakes the next one that sleeps in the dock, or computes its own part. */
static void fork_next(struct world *world, struct program *program)
{
    struct mate *master = &program->mate[0];
    for (; master->next < program->size; master->next++) {
        const struct mate *mate = &program->mate[master->next];
        if (mate->phase == PHASE_DOCK && mate->pending && mate->thread.state == THREAD_BLOCKED) {
            master->phase = PHASE_FORK;
            machine_compute(&master->thread, machine_wake_cost(&world->machine, &mate->thread));
            return;
        }
    }
    master->phase = PHASE_WORK;
    machine_compute(&master->thread, master->pending);
    master->pending = 0;
}

static ns part_of(struct program *program)
{
    double uneven = 1 + program->kind.imbalance * (2 * random_part(&program->uneven) - 1);
    ns part = (ns)((double)program->region * uneven);
    return part > 0 ? part : 1;
}

static void begin_region(struct world *world, struct program *program, ns cost)
{
    program->region = draw(&program->kind.region, &program->dice);
    if (world->strategy == STRATEGY_ONE)
        program->region *= program->kind.size;
    program->began = world->machine.now;
    for (unsigned i = 0; i < program->size; i++) {
        struct mate *mate = &program->mate[i];
        mate->pending = part_of(program);
        if (i && mate->phase == PHASE_DOCK && mate->thread.state != THREAD_BLOCKED)
            machine_cut(&world->machine, &mate->thread, NOTICE);
    }
    program->mate[0].pending += cost + COST_REGION - NOTICE / 2;
    program->mate[0].next = 1;
    fork_next(world, program);
}

static void try_to_enter(struct world *world, struct program *program)
{
    ns cost = 0;
    if (protocol_enter(world, program, &cost)) {
        program->is_waiting = false;
        begin_region(world, program, cost);
    } else {
        program->mate[0].phase = PHASE_TURN;
        machine_block(&program->mate[0].thread);
    }
}

static void end_gap(struct world *world, struct program *program)
{
    if (program->was_there && !program->kind.gap_sleeps)
        program->work += (double)program->gap;
    program->was_there = true;
    program->wished = world->machine.now;
    try_to_enter(world, program);
}

/* ---- steps ---- */

static void sleep_or(struct world *world, struct mate *mate, bool goes_on, void (*go)(struct world *, struct mate *))
{
    if (goes_on)
        go(world, mate);
    else
        machine_block(&mate->thread);
}

static void step(struct machine *machine, struct thread *thread)
{
    struct world *world = (struct world *)machine;
    struct mate *mate = (struct mate *)thread;
    struct program *program = thread->program;
    struct mate *other = mate->next < program->size ? &program->mate[mate->next] : NULL;
    if (program->kind.is_load) {
        machine_compute(thread, 1000 * MS);
        return;
    }
    switch (mate->phase) {
    case PHASE_GAP:
    case PHASE_SLEEP:
        end_gap(world, program);
        break;
    case PHASE_TURN:
        try_to_enter(world, program);
        break;
    case PHASE_FORK:
        machine_wake(machine, &other->thread, thread, NOTICE);
        mate->next++;
        fork_next(world, program);
        break;
    case PHASE_WORK:
        come_to_barrier(world, mate);
        break;
    case PHASE_BARRIER:
        sleep_or(world, mate, mate->released, pass_barrier);
        break;
    case PHASE_RELEASE:
        machine_wake(machine, &other->thread, thread, NOTICE);
        mate->next++;
        release_next(world, mate);
        break;
    case PHASE_DOCK:
        sleep_or(world, mate, mate->pending != 0, go_to_dock);
        break;
    }
}

/* ---- coming and going ---- */

static void arrive(struct world *world, struct program *program)
{
    program->is_alive = true;
    machine_wake(&world->machine, &program->mate[0].thread, NULL, 1);
}

static void die(struct world *world, struct program *program)
{
    program->is_alive = false;
    for (unsigned i = 0; i < program->size; i++)
        machine_stop(&world->machine, &program->mate[i].thread);
    machine_set_timer(&world->machine, program->index, INT64_MAX);
}

static bool sleeps_or_waits(const struct mate *mate)
{
    return mate->thread.state == THREAD_BLOCKED && (mate->phase == PHASE_SLEEP || mate->phase == PHASE_TURN);
}

static void ring(struct machine *machine, unsigned timer)
{
    struct world *world = (struct world *)machine;
    struct program *program = &world->program[timer % world->programs];
    if (timer >= world->programs)
        die(world, program);
    else if (!program->is_alive)
        arrive(world, program);
    else if (sleeps_or_waits(&program->mate[0]))
        machine_wake(machine, &program->mate[0].thread, NULL, 1);
}

static unsigned nth_cpu(const uint64_t *cpus, unsigned n)
{
    for (unsigned i = 0; i < MACHINE_CPUS; i++)
        if (cpus[i / 64] >> i % 64 & 1 && n-- == 0)
            return i;
    return 0;
}

static void make(struct world *world, struct program *program, const struct kind *kind, uint64_t seed)
{
    program->kind = *kind;
    program->size = world->strategy == STRATEGY_ONE || kind->is_load ? 1 : kind->size;
    program->spins = true;
    program->dice = random_seed(seed, 2 * kind->stream);
    program->uneven = random_seed(seed, 2 * kind->stream + 1);
    program->mate = calloc(program->size, sizeof *program->mate);
    if (!program->mate)
        abort();
    unsigned cpus = program_cpus(kind), first = (unsigned)(random_part(&program->uneven) * cpus);
    for (unsigned i = 0; i < program->size; i++) {
        struct mate *mate = &program->mate[i];
        mate->phase = i ? PHASE_DOCK : PHASE_GAP;
        mate->thread.program = program;
        mate->thread.cpus = program->kind.cpus;
        mate->thread.weight = machine_weight(kind->niceness);
        mate->thread.cpu = nth_cpu(kind->cpus, (first + i) % cpus);
    }
    machine_set_timer(&world->machine, program->index, kind->arrives);
    if (kind->dies)
        machine_set_timer(&world->machine, world->programs + program->index, kind->dies);
}

void world_run(struct world *world, const struct kind *kinds, unsigned programs, unsigned cpus, enum strategy strategy,
               uint64_t seed, ns time)
{
    *world = (struct world){.strategy = strategy, .programs = programs, .quantum = 20 * MS};
    machine_start(&world->machine, cpus, 2 * programs);
    world->machine.step = step;
    world->machine.ring = ring;
    world->program = calloc(programs, sizeof *world->program);
    if (!world->program)
        abort();
    world->domain = protocol_start();
    for (unsigned i = 0; i < programs; i++) {
        world->program[i].index = i;
        make(world, &world->program[i], &kinds[i], seed);
    }
    machine_run(&world->machine, time);
}

void world_end(struct world *world)
{
    for (unsigned i = 0; i < world->programs; i++)
        free(world->program[i].mate);
    free(world->program);
    protocol_end(world->domain);
    machine_end(&world->machine);
}
