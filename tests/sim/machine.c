#include "tests/sim/machine.h"

#include <math.h>
#include <stdlib.h>

enum { SLICE = 3000000, EVENING_OUT = 4000000 };

double machine_weight(int niceness)
{
    return niceness >= 20 ? 3 : 1024 * pow(1.25, -niceness);
}

/* ---- the agenda ---- */

static void put(struct agenda *agenda, unsigned place, unsigned id)
{
    agenda->heap[place] = id;
    agenda->place[id] = place;
}

static bool is_earlier(const struct agenda *agenda, unsigned a, unsigned b)
{
    ns x = agenda->when[a], y = agenda->when[b];
    return x < y || (x == y && a < b);
}

static void rise(struct agenda *agenda, unsigned place)
{
    unsigned id = agenda->heap[place];
    for (; place && is_earlier(agenda, id, agenda->heap[(place - 1) / 2]); place = (place - 1) / 2)
        put(agenda, place, agenda->heap[(place - 1) / 2]);
    put(agenda, place, id);
}

static void sink(struct agenda *agenda, unsigned place)
{
    unsigned id = agenda->heap[place], child;
    while ((child = 2 * place + 1) < agenda->count) {
        if (child + 1 < agenda->count && is_earlier(agenda, agenda->heap[child + 1], agenda->heap[child]))
            child++;
        if (!is_earlier(agenda, agenda->heap[child], id))
            break;
        put(agenda, place, agenda->heap[child]);
        place = child;
    }
    put(agenda, place, id);
}

static void schedule(struct agenda *agenda, unsigned id, ns when)
{
    ns was = agenda->when[id];
    agenda->when[id] = when;
    if (when < was)
        rise(agenda, agenda->place[id]);
    else if (when > was)
        sink(agenda, agenda->place[id]);
}

void machine_set_timer(struct machine *machine, unsigned timer, ns when)
{
    schedule(&machine->agenda, machine->cpus + 1 + timer, when);
}

/* ---- queues ---- */

static void enqueue(struct machine *machine, struct cpu *cpu, struct thread *thread)
{
    thread->state = THREAD_QUEUED;
    thread->cpu = (unsigned)(cpu - machine->cpu);
    thread->queued_at = machine->now;
    if (!cpu->queue) {
        cpu->queue = thread->before = thread->after = thread;
    } else {
        thread->after = cpu->queue;
        thread->before = cpu->queue->before;
        thread->before->after = thread->after->before = thread;
    }
    cpu->queued++;
    machine->queued++;
}

static void dequeue(struct machine *machine, struct cpu *cpu, struct thread *thread)
{
    cpu->queued--;
    machine->queued--;
    thread->before->after = thread->after;
    thread->after->before = thread->before;
    if (cpu->queue == thread)
        cpu->queue = cpu->queued ? thread->after : NULL;
    thread->delayed += machine->now - thread->queued_at;
}

static bool may_run_on(const struct thread *thread, unsigned cpu)
{
    return thread->cpus[cpu / 64] >> cpu % 64 & 1;
}

/* The one in the queue that is furthest behind; with `on` below MACHINE_CPUS: of those that may run there. */
static struct thread *furthest_behind(const struct cpu *cpu, unsigned on)
{
    struct thread *found = NULL, *thread = cpu->queue;
    for (unsigned i = 0; i < cpu->queued; i++, thread = thread->after)
        if ((on >= MACHINE_CPUS || may_run_on(thread, on)) && (!found || thread->vruntime < found->vruntime))
            found = thread;
    return found;
}

/* ---- CPUs ---- */

static void charge(struct machine *machine, struct cpu *cpu)
{
    struct thread *thread = cpu->current;
    ns time = machine->now - cpu->since;
    if (!thread || time <= 0)
        return;
    thread->left -= time;
    thread->computed += time;
    thread->vruntime += (double)time * 1024 / thread->weight;
    cpu->since = machine->now;
}

/* When the machine has to look at the CPU again. */
static void plan(struct machine *machine, struct cpu *cpu)
{
    ns when = INT64_MAX;
    if (cpu->current) {
        when = cpu->since + (cpu->current->left > 0 ? cpu->current->left : 0);
        if (cpu->queued && cpu->slice_end < when)
            when = cpu->slice_end > machine->now ? cpu->slice_end : machine->now;
    }
    schedule(&machine->agenda, (unsigned)(cpu - machine->cpu), when);
}

static void run_thread(struct machine *machine, struct cpu *cpu, struct thread *thread, ns delay)
{
    unsigned index = (unsigned)(cpu - machine->cpu);
    cpu->current = thread;
    cpu->since = machine->now + delay;
    cpu->slice_end = cpu->since + SLICE;
    machine->idle[index / 64] &= ~(UINT64_C(1) << index % 64);
    thread->state = THREAD_RUNNING;
    thread->cpu = index;
    if (cpu->last != thread) {
        thread->left += COST_SWITCH;
        machine->switches++;
    }
    cpu->last = thread;
    if (thread->vruntime > cpu->least)
        cpu->least = thread->vruntime;
}

/* Moves a thread that is not on a CPU: it stays as far behind, or ahead, as it was. */
static void move(struct machine *machine, struct thread *thread, unsigned to)
{
    thread->vruntime += machine->cpu[to].least - machine->cpu[thread->cpu].least;
    thread->cpu = to;
}

static struct cpu *longest_queue(struct machine *machine, unsigned on)
{
    struct cpu *longest = NULL;
    for (unsigned i = 0; i < machine->cpus && machine->queued; i++) {
        struct cpu *cpu = &machine->cpu[i];
        if (cpu->queued && (!longest || cpu->queued > longest->queued) && furthest_behind(cpu, on))
            longest = cpu;
    }
    return longest;
}

static struct thread *take_from_others(struct machine *machine, unsigned to)
{
    struct cpu *from = longest_queue(machine, to);
    struct thread *thread = from ? furthest_behind(from, to) : NULL;
    if (thread) {
        dequeue(machine, from, thread);
        move(machine, thread, to);
        if (!from->is_stepping)
            plan(machine, from);
    }
    return thread;
}

static void go_idle(struct machine *machine, struct cpu *cpu)
{
    unsigned index = (unsigned)(cpu - machine->cpu);
    machine->idle[index / 64] |= UINT64_C(1) << index % 64;
    cpu->since = machine->now;
}

/* The CPU is free: for whom? */
static void run_next(struct machine *machine, struct cpu *cpu)
{
    unsigned index = (unsigned)(cpu - machine->cpu);
    struct thread *next = furthest_behind(cpu, MACHINE_CPUS);
    if (next)
        dequeue(machine, cpu, next);
    else
        next = take_from_others(machine, index);
    if (next)
        run_thread(machine, cpu, next, 0);
    else
        go_idle(machine, cpu);
}

/* The slice is over. Who is furthest behind runs, and that may be the same. */
static void yield(struct machine *machine, struct cpu *cpu)
{
    struct thread *next = furthest_behind(cpu, MACHINE_CPUS);
    cpu->slice_end = machine->now + SLICE;
    if (!next || next->vruntime >= cpu->current->vruntime)
        return;
    enqueue(machine, cpu, cpu->current);
    dequeue(machine, cpu, next);
    run_thread(machine, cpu, next, 0);
}

static void visit(struct machine *machine, struct cpu *cpu)
{
    charge(machine, cpu);
    cpu->is_stepping = true;
    while (cpu->current && cpu->current->left <= 0) {
        machine->step(machine, cpu->current);
        if (cpu->current && cpu->current->state == THREAD_BLOCKED)
            cpu->current = NULL;
        if (!cpu->current)
            run_next(machine, cpu);
    }
    cpu->is_stepping = false;
    if (cpu->current && cpu->queued && machine->now >= cpu->slice_end)
        yield(machine, cpu);
    plan(machine, cpu);
}

/* ---- threads ---- */

void machine_compute(struct thread *thread, ns piece)
{
    thread->left = piece;
}

void machine_block(struct thread *thread)
{
    thread->state = THREAD_BLOCKED;
}

/* Its last CPU if that is idle, or another one that is; otherwise the last one. */
static unsigned find_cpu(const struct machine *machine, const struct thread *thread)
{
    unsigned last = thread->cpu;
    if (machine->idle[last / 64] >> last % 64 & 1 && may_run_on(thread, last))
        return last;
    for (unsigned i = 0, word = last / 64; i < MACHINE_WORDS; i++, word = (word + 1) % MACHINE_WORDS) {
        uint64_t open = machine->idle[word] & thread->cpus[word];
        if (open)
            return word * 64 + (unsigned)__builtin_ctzll(open);
    }
    return last;
}

ns machine_wake_cost(const struct machine *machine, const struct thread *thread)
{
    unsigned cpu = find_cpu(machine, thread);
    return machine->idle[cpu / 64] >> cpu % 64 & 1 ? COST_WAKE_IDLE : COST_WAKE;
}

/* Who has slept is not owed for all of it. */
static void place_waking(struct machine *machine, struct thread *thread, unsigned to)
{
    double floor = machine->cpu[to].least - (double)SLICE * 1024 / thread->weight;
    if (to != thread->cpu)
        move(machine, thread, to);
    if (thread->vruntime < floor)
        thread->vruntime = floor;
}

void machine_wake(struct machine *machine, struct thread *thread, const struct thread *waker, ns piece)
{
    unsigned to = find_cpu(machine, thread);
    struct cpu *cpu = &machine->cpu[to];
    thread->left = piece;
    place_waking(machine, thread, to);
    if (cpu->current || cpu->is_stepping) {
        enqueue(machine, cpu, thread);
        if (cpu->is_stepping)
            return;
        charge(machine, cpu);
        if (machine->now >= cpu->slice_end)
            yield(machine, cpu);
    } else {
        bool is_cold = machine->now - cpu->since > IDLE_FOR_A_WHILE;
        ns arrival = is_cold ? COST_ARRIVAL_IDLE : COST_ARRIVAL;
        run_thread(machine, cpu, thread, waker ? arrival - COST_WAKE_IDLE : arrival);
    }
    plan(machine, cpu);
}

void machine_charge(struct machine *machine, struct thread *thread)
{
    struct cpu *cpu = &machine->cpu[thread->cpu];
    if (thread->state == THREAD_RUNNING)
        charge(machine, cpu);
}

void machine_cut(struct machine *machine, struct thread *thread, ns piece)
{
    machine_charge(machine, thread);
    thread->left = piece;
    if (thread->state == THREAD_RUNNING && !machine->cpu[thread->cpu].is_stepping)
        plan(machine, &machine->cpu[thread->cpu]);
}

void machine_stop(struct machine *machine, struct thread *thread)
{
    struct cpu *cpu = &machine->cpu[thread->cpu];
    if (thread->state == THREAD_QUEUED)
        dequeue(machine, cpu, thread);
    if (thread->state == THREAD_RUNNING) {
        charge(machine, cpu);
        cpu->current = NULL;
    }
    thread->state = THREAD_BLOCKED;
    if (!cpu->current && !cpu->is_stepping)
        run_next(machine, cpu);
    if (!cpu->is_stepping)
        plan(machine, cpu);
}

/* ---- the machine ---- */

static unsigned load_of(const struct cpu *cpu)
{
    return cpu->queued + (cpu->current != NULL);
}

/* Evens out queues. A difference of one thread moves on now and then, so that three threads share two CPUs. */
static void even_out(struct machine *machine)
{
    unsigned least = machine->evened++ % 4 ? 2 : 1;
    bool has_taken[MACHINE_CPUS] = {false};
    for (unsigned i = 0; i < machine->cpus && machine->queued; i++) {
        struct cpu *from = &machine->cpu[i];
        for (unsigned step = 1; step < machine->cpus && from->queued && !has_taken[i]; step++) {
            unsigned to = (i + step) % machine->cpus;
            struct thread *thread;
            if (load_of(&machine->cpu[to]) + least > load_of(from) || !(thread = furthest_behind(from, to)))
                continue;
            has_taken[to] = true;
            dequeue(machine, from, thread);
            move(machine, thread, to);
            if (machine->cpu[to].current)
                enqueue(machine, &machine->cpu[to], thread);
            else
                run_thread(machine, &machine->cpu[to], thread, 0);
            plan(machine, &machine->cpu[to]);
            plan(machine, from);
        }
    }
}

void machine_start(struct machine *machine, unsigned cpus, unsigned timers)
{
    struct agenda *agenda = &machine->agenda;
    *machine = (struct machine){.cpus = cpus};
    agenda->count = cpus + 1 + timers;
    agenda->heap = calloc(agenda->count, sizeof *agenda->heap);
    agenda->place = calloc(agenda->count, sizeof *agenda->place);
    agenda->when = calloc(agenda->count, sizeof *agenda->when);
    if (!agenda->heap || !agenda->place || !agenda->when)
        abort();
    for (unsigned i = 0; i < agenda->count; i++) {
        put(agenda, i, i);
        agenda->when[i] = INT64_MAX;
    }
    for (unsigned i = 0; i < cpus; i++)
        machine->idle[i / 64] |= UINT64_C(1) << i % 64;
    schedule(agenda, cpus, EVENING_OUT);
}

void machine_end(struct machine *machine)
{
    free(machine->agenda.heap);
    free(machine->agenda.place);
    free(machine->agenda.when);
}

void machine_run(struct machine *machine, ns until)
{
    struct agenda *agenda = &machine->agenda;
    while (agenda->when[agenda->heap[0]] <= until) {
        unsigned id = agenda->heap[0];
        machine->now = agenda->when[id];
        machine->events++;
        if (id < machine->cpus) {
            visit(machine, &machine->cpu[id]);
        } else if (id == machine->cpus) {
            even_out(machine);
            schedule(agenda, id, machine->now + EVENING_OUT);
        } else {
            schedule(agenda, id, INT64_MAX);
            machine->ring(machine, id - machine->cpus - 1);
        }
    }
    machine->now = until;
}
