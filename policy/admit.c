#include "policy/admit.h"

#include <limits.h>

/* A run that waits weighs as much as two that compute: who does either now and then is not held back. */
enum { SURE = 2, MOST_SCORE = 7, LEAST_SCORE = -2, TYPICAL_SHIFT = 8, MOST_TYPICAL = (1 << 24) - 1 };

/* Each run that was waited for is worth WAITED_FOR others: after so many, but the last few, the program is held back
 * again. */
enum { MOST_USE = 0, LEAST_USE = -1024, WAITED_FOR = 32, HELD_AGAIN = -8, USE_SHIFT = 32 };

enum { PEAK_SHIFT = 48, MOST_PEAK = (1 << 16) - 1 };

/* ---- the word ---- */

static int score_of(admit_facts facts)
{
    return (int8_t)(facts & 0xff);
}

static uint64_t typical_ms(admit_facts facts)
{
    return facts >> TYPICAL_SHIFT & MOST_TYPICAL;
}

static int use_of(admit_facts facts)
{
    return (int16_t)(facts >> USE_SHIFT & 0xffff);
}

static unsigned peak_of(admit_facts facts)
{
    return (unsigned)(facts >> PEAK_SHIFT);
}

static admit_facts pack(int score, uint64_t typical, int use, unsigned peak)
{
    if (typical > MOST_TYPICAL)
        typical = MOST_TYPICAL;
    return (uint8_t)score | typical << TYPICAL_SHIFT | (uint64_t)(uint16_t)use << USE_SHIFT |
           (uint64_t)peak << PEAK_SHIFT;
}

/* ---- runs ---- */

/* Four fifths. A wait for the disk now and then is nothing. */
bool admit_computes(const struct admit_run *run)
{
    return run->cpu >= ADMIT_LEAST_CPU_MS && run->busy >= run->wall - run->wall / 5;
}

/* A short run, `PROGRAM --version` perhaps, says nothing. Nor does one that had to wait in line: others may have done
 * its work meanwhile. */
static bool waits(const struct admit_run *run)
{
    return run->wait == ADMIT_AT_ONCE && run->wall >= 5 * ADMIT_LEAST_CPU_MS && run->busy < run->wall / 2;
}

static int learn_use(int use, enum admit_verdict wait)
{
    if (wait == ADMIT_WAITED_FOR)
        return use > LEAST_USE + WAITED_FOR ? use - WAITED_FOR : LEAST_USE;
    return use < MOST_USE ? use + 1 : MOST_USE;
}

/* Too much costs a wait, too little a process: it is forgotten slowly. */
static unsigned learn_peak(unsigned peak, unsigned now)
{
    if (now > MOST_PEAK)
        now = MOST_PEAK;
    if (!now)
        return peak;
    return now >= peak ? now : peak - (peak - now + 7) / 8;
}

admit_facts admit_learn(admit_facts facts, const struct admit_run *run)
{
    int score = score_of(facts);
    uint64_t typical = typical_ms(facts);
    if (admit_computes(run)) {
        score = score < MOST_SCORE ? score + 1 : MOST_SCORE;
        typical = typical ? (3 * typical + run->cpu) / 4 : run->cpu;
    } else if (waits(run)) {
        score = score > LEAST_SCORE + 2 ? score - 2 : LEAST_SCORE;
    }
    return pack(score, typical, learn_use(use_of(facts), run->wait), learn_peak(peak_of(facts), run->peak));
}

bool admit_is_cpu_bound(admit_facts facts, const struct admit_hints *hints)
{
    if (hints->io_bound || use_of(facts) < HELD_AGAIN)
        return false;
    return score_of(facts) >= SURE || (hints->cpu_bound && score_of(facts) >= 0);
}

/* ---- memory ---- */

enum {
    LITTLE = 8, /* it does not matter who needs no more */
    LEAST_GUESS = 16,
    MOST_GUESS = 1024,
    PART = 32,            /* nor, beside the rest, such a part of it */
    FLAT_MS = 200,        /* who computes for so long without growing has what it needs, it seems; */
    ASLEEP_MS = 30,       /* or sleeps for so long */
    KNOWN_FLAT_MS = 1000, /* known ones are believed to grow for longer */
    QUIET_MS = 150,
    STILL = 60,
    IN_ALL = 600, /* times the patience */
};

unsigned admit_need(admit_facts facts)
{
    unsigned peak = peak_of(facts);
    return peak ? peak + peak / 16 + 1 : 0;
}

bool admit_looks_at_memory(unsigned need, bool has_siblings)
{
    return need > ADMIT_MUCH || (has_siblings && (!need || need > LITTLE));
}

static unsigned most_of(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

static unsigned least_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Whatever was read: no sum of these goes round. */
static void add(unsigned *sum, unsigned number)
{
    *sum = number > UINT_MAX - *sum ? UINT_MAX : *sum + number;
}

static bool has_settled(const struct admit_runner *runner)
{
    return runner->is_watched && (runner->flat_cpu_ms >= FLAT_MS || runner->asleep_ms >= ASLEEP_MS);
}

/* What one of whom that is known will still take. The longer it computes and has no more than it has, the less: this
 * time it may be another work. Who sleeps has not got to it yet. */
static unsigned growth_of_known(const struct admit_runner *runner)
{
    if (runner->has >= runner->need)
        return has_settled(runner) ? 0 : runner->has / 4;
    unsigned seconds = runner->flat_cpu_ms / KNOWN_FLAT_MS;
    return seconds < 8 ? (runner->need - runner->has) >> seconds : 0;
}

void admit_gather(struct admit_memory *memory, const struct admit_runner *runner)
{
    bool is_vague = runner->is_alike && !runner->need && !has_settled(runner);
    memory->runners++;
    memory->alike += runner->is_alike;
    memory->vague += is_vague;
    if (is_vague)
        add(&memory->had, runner->has);
    else
        add(&memory->growth, runner->need ? growth_of_known(runner) : runner->has / 4);
    if (!runner->is_alike)
        return;
    memory->most = most_of(memory->most, runner->has);
    if (runner->is_watched && runner->asleep_ms >= ASLEEP_MS) {
        memory->is_told = true;
        memory->told = most_of(memory->told, runner->has);
    }
}

/* Half of what there is for all of its siblings together: two of them run. */
static unsigned guess_of_unknown(const struct admit_memory *memory)
{
    unsigned room = memory->available > memory->growth ? memory->available - memory->growth : 0;
    add(&room, memory->had);
    return most_of(least_of(room / 2, MOST_GUESS), LEAST_GUESS);
}

/* A sibling that has got as far as to wait for something says how much it is about, unless another has more. */
static unsigned guess_as_told(const struct admit_memory *memory)
{
    unsigned most = least_of(most_of(memory->told, memory->most), UINT_MAX / 2);
    return most_of(2 * most, LITTLE);
}

unsigned admit_guess(const struct admit_memory *memory)
{
    if (memory->need)
        return memory->need;
    unsigned guess = guess_of_unknown(memory);
    return memory->is_told ? least_of(guess_as_told(memory), guess) : guess;
}

/* What those who run will still take. */
static unsigned growth_of_all(const struct admit_memory *memory, unsigned guess)
{
    unsigned growth = memory->growth;
    uint64_t vague = (uint64_t)memory->vague * guess;
    vague = vague > memory->had ? vague - memory->had : 0;
    add(&growth, most_of(vague > UINT_MAX ? UINT_MAX : (unsigned)vague, memory->had / 4));
    return growth;
}

/* It would not be that one that makes the difference. */
static bool is_little(const struct admit_memory *memory)
{
    unsigned need = memory->need ? memory->need : memory->is_told ? guess_as_told(memory) : UINT_MAX;
    return need <= LITTLE || need <= memory->available / PART;
}

static bool fits(const struct admit_memory *memory)
{
    const unsigned need = admit_guess(memory);
    unsigned taken = growth_of_all(memory, guess_of_unknown(memory));
    if (is_little(memory))
        return true;
    if (memory->ahead)
        add(&taken, memory->reserved);
    add(&taken, need);
    return taken <= memory->available;
}

enum admit_verdict admit_memory_now(const struct admit_memory *memory, unsigned patience_ms)
{
    bool is_known = memory->need != 0;
    if ((!is_known && !memory->alike) || fits(memory))
        return ADMIT_AT_ONCE;
    if (memory->waited_ms >= (uint64_t)IN_ALL * patience_ms)
        return ADMIT_ANYWAY;
    if (memory->ahead)
        return ADMIT_WAITS;
    if (!memory->runners || memory->quiet_ms >= QUIET_MS || memory->still_ms >= (uint64_t)STILL * patience_ms)
        return ADMIT_ANYWAY;
    return ADMIT_WAITS;
}

/* ---- the line ---- */

unsigned admit_seats(unsigned cpus, unsigned most)
{
    unsigned seats = cpus + 1;
    return most && most < seats ? most : seats;
}

uint64_t admit_longest_ms(admit_facts facts, unsigned patience_ms)
{
    uint64_t typical = typical_ms(facts), longest = 10 * (uint64_t)patience_ms;
    return typical && longest > 32 * typical ? 32 * typical : longest;
}

bool admit_waits_for(unsigned sat_ms, admit_facts facts, unsigned patience_ms)
{
    return sat_ms < admit_longest_ms(facts, patience_ms);
}

bool admit_may_wait_for(const struct admit_sitter *sitter)
{
    return sitter->is_alike && sitter->verdict != ADMIT_SEATED;
}

bool admit_is_stuck(const struct admit_sitter *sitter, admit_facts facts)
{
    bool is_overdue = typical_ms(facts) && sitter->cpu_ms > 2 * typical_ms(facts);
    return admit_may_wait_for(sitter) && (is_overdue || sitter->verdict == ADMIT_WAITED_FOR);
}

enum admit_verdict admit_now(const struct admit_place *place, admit_facts facts, unsigned patience_ms)
{
    if (place->waited_ms >= admit_longest_ms(facts, patience_ms))
        return ADMIT_ANYWAY;
    if (place->ahead)
        return ADMIT_WAITS;
    if (place->taken < place->seats)
        return ADMIT_SEATED;
    bool is_bounded = place->seats < place->cpus; /* by the user, for reasons of their own */
    if (!is_bounded && place->stuck == place->taken)
        return ADMIT_WAITED_FOR;
    if (!is_bounded && typical_ms(facts) > (uint64_t)patience_ms * place->cpus)
        return ADMIT_ANYWAY;
    if (place->first_ms < patience_ms)
        return ADMIT_WAITS;
    return !is_bounded && place->alike == place->taken ? ADMIT_WAITED_FOR : ADMIT_ANYWAY;
}
