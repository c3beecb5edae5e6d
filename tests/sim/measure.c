#include "tests/sim/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the ideal ---- */

/* A moment between arrivals and deaths. */
struct moment {
    const struct mix *mix;
    bool there[MIX_PROGRAMS], full[MIX_PROGRAMS];
    double weight[MIX_PROGRAMS], use[MIX_PROGRAMS], rate[MIX_PROGRAMS];
};

static void look_at(struct moment *moment, const struct mix *mix, ns begin)
{
    moment->mix = mix;
    for (unsigned i = 0; i < mix->programs; i++) {
        const struct kind *kind = &mix->kind[i];
        moment->there[i] = kind->arrives <= begin && (!kind->dies || kind->dies > begin);
        moment->full[i] = !moment->there[i];
        moment->use[i] = kind->is_load ? 1 : program_cycle_work(kind) / program_cycle(kind);
        moment->weight[i] = machine_weight(kind->niceness) * (kind->is_load ? 1 : moment->use[i]);
        moment->rate[i] = 0;
    }
}

static double rate_at(const struct moment *moment, unsigned i, double level)
{
    return moment->full[i] ? moment->rate[i] : fmin(moment->use[i], moment->weight[i] * level);
}

static bool is_within(const uint64_t *inner, const uint64_t *outer)
{
    for (unsigned i = 0; i < MACHINE_WORDS; i++)
        if (inner[i] & ~outer[i])
            return false;
    return true;
}

/* Whether those that are confined to the CPUs of `set` want more than there are. */
static bool is_over(const struct moment *moment, const struct kind *set, double level)
{
    double sum = 0;
    for (unsigned i = 0; i < moment->mix->programs; i++)
        if (moment->there[i] && is_within(moment->mix->kind[i].cpus, set->cpus))
            sum += rate_at(moment, i, level);
    return sum > program_cpus(set) * (1 + 1e-9);
}

static bool is_same(const struct kind *a, const struct kind *b)
{
    return memcmp(a->cpus, b->cpus, sizeof a->cpus) == 0;
}

/* Masks are whole machines and halves: it suffices to look at each mask, and at all CPUs. */
static unsigned sets_of(const struct mix *mix, struct kind *set)
{
    unsigned sets = 1;
    set[0] = kind_of(mix->cpus, 1, 0, 0);
    for (unsigned i = 0; i < mix->programs && sets < 4; i++) {
        bool known = false;
        for (unsigned j = 0; j < sets; j++)
            known |= is_same(&mix->kind[i], &set[j]);
        if (!known)
            set[sets++] = mix->kind[i];
    }
    return sets;
}

/* Progressive filling: everybody's rate rises, by weight, until it has all it can use or its CPUs are used up. */
static void fill(struct moment *moment)
{
    struct kind set[4];
    unsigned sets = sets_of(moment->mix, set);
    bool filled[4] = {false};
    for (unsigned round = 0; round < sets; round++) {
        double low = 0, high = 1e6;
        unsigned first = sets;
        for (unsigned step = 0; step < 80; step++) {
            double level = (low + high) / 2;
            unsigned over = sets;
            for (unsigned i = 0; i < sets && over == sets; i++)
                if (!filled[i] && is_over(moment, &set[i], level))
                    over = i;
            *(over < sets ? &high : &low) = level;
            first = over < sets ? over : first;
        }
        for (unsigned i = 0; i < moment->mix->programs; i++)
            if (!moment->full[i] && (first == sets || is_within(moment->mix->kind[i].cpus, set[first].cpus))) {
                moment->rate[i] = rate_at(moment, i, low);
                moment->full[i] = true;
            }
        if (first == sets)
            break;
        filled[first] = true;
    }
}

static ns next_change(const struct mix *mix, ns after)
{
    ns next = mix->time;
    for (unsigned i = 0; i < mix->programs; i++) {
        const struct kind *kind = &mix->kind[i];
        if (kind->arrives > after && kind->arrives < next)
            next = kind->arrives;
        if (kind->dies > after && kind->dies < next)
            next = kind->dies;
    }
    return next;
}

void measure_ideal(const struct mix *mix, double *ideal)
{
    struct moment *moment = calloc(1, sizeof *moment);
    if (!moment)
        abort();
    memset(ideal, 0, mix->programs * sizeof *ideal);
    for (ns begin = 0, end; begin < mix->time; begin = end) {
        end = next_change(mix, begin);
        look_at(moment, mix, begin);
        fill(moment);
        for (unsigned i = 0; i < mix->programs; i++)
            ideal[i] += moment->rate[i] * (double)(end - begin);
    }
    free(moment);
}

/* ---- what was measured ---- */

static void sum_up(struct result *result, const struct mix *mix)
{
    double sum = 0, squares = 0, logs = 0;
    unsigned count = 0;
    result->least = INFINITY;
    for (unsigned i = 0; i < mix->programs; i++) {
        double progress = result->progress[i];
        if (mix->kind[i].is_load)
            continue;
        sum += progress;
        squares += progress * progress;
        logs += log(fmin(fmax(progress, 1e-4), 2));
        result->least = fmin(result->least, progress);
        count++;
    }
    result->work = count ? exp(logs / count) : 1;
    result->fairness = squares > 0 ? sum * sum / (count * squares) : 1;
}

static void look_for_worst(struct result *result, const struct world *world)
{
    double worst = -1;
    for (unsigned i = 0; i < world->programs; i++) {
        const struct program *program = &world->program[i];
        ns p99 = program_latency(program, 0.99);
        double stretch = (double)p99 / (double)(program->kind.region.mean + COST_REGION);
        result->longest_turns += world->quantum + program->longest_region;
        if (program->longest_wait > result->longest_wait)
            result->longest_wait = program->longest_wait;
        if (program->kind.is_load || !program->regions || stretch <= worst)
            continue;
        worst = stretch;
        result->p99 = p99;
        result->p50 = program_latency(program, 0.5);
    }
}

void measure(struct result *result, const struct mix *mix, enum strategy strategy, uint64_t seed)
{
    static struct world world;
    static double ideal[MIX_PROGRAMS];
    *result = (struct result){.work = 0};
    measure_ideal(mix, ideal);
    world_run(&world, mix->kind, mix->programs, mix->cpus, strategy, seed, mix->time);
    for (unsigned i = 0; i < mix->programs; i++) {
        result->progress[i] = world.program[i].work / ideal[i];
        result->regions[i] = world.program[i].regions;
    }
    sum_up(result, mix);
    look_for_worst(result, &world);
    result->switches = (double)world.machine.switches / mix->cpus / ((double)mix->time / 1e9);
    result->events = world.machine.events;
    world_end(&world);
}
