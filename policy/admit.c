#include "policy/admit.h"

/* A run that waits weighs as much as two that compute: who does either now and then is not held back. */
enum { SURE = 2, MOST_SCORE = 7, LEAST_SCORE = -2, TYPICAL_SHIFT = 8, MOST_TYPICAL = (1 << 24) - 1 };

/* ---- the word ---- */

static int score_of(admit_facts facts)
{
    return (int8_t)(facts & 0xff);
}

static uint64_t typical_ms(admit_facts facts)
{
    return facts >> TYPICAL_SHIFT & MOST_TYPICAL;
}

static admit_facts pack(int score, uint64_t typical)
{
    if (typical > MOST_TYPICAL)
        typical = MOST_TYPICAL;
    return (uint8_t)score | typical << TYPICAL_SHIFT;
}

/* ---- runs ---- */

/* Four fifths. A wait for the disk now and then is nothing. */
bool admit_computes(const struct admit_run *run)
{
    return run->cpu >= ADMIT_LEAST_CPU_MS && run->busy >= run->wall - run->wall / 5;
}

/* A short run, `PROGRAM --version` perhaps, says nothing. */
static bool waits(const struct admit_run *run)
{
    return run->wall >= 5 * ADMIT_LEAST_CPU_MS && run->busy < run->wall / 2;
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
    return pack(score, typical);
}

bool admit_is_cpu_bound(admit_facts facts, const struct admit_hints *hints)
{
    if (hints->io_bound)
        return false;
    return score_of(facts) >= SURE || (hints->cpu_bound && score_of(facts) >= 0);
}

/* ---- the line ---- */

unsigned admit_seats(unsigned cpus, unsigned most)
{
    unsigned seats = cpus + 1;
    return most && most < seats ? most : seats;
}

/* How long anybody waits of whom that is known. */
static uint64_t longest_ms(admit_facts facts, unsigned patience_ms)
{
    uint64_t typical = typical_ms(facts), longest = 10 * (uint64_t)patience_ms;
    return typical && longest > 32 * typical ? 32 * typical : longest;
}

bool admit_waits_for(unsigned sat_ms, admit_facts facts, unsigned patience_ms)
{
    return sat_ms < longest_ms(facts, patience_ms);
}

bool admit_now(const struct admit_place *place, admit_facts facts, unsigned patience_ms)
{
    if (place->waited_ms >= longest_ms(facts, patience_ms))
        return true;
    return !place->ahead && (place->taken < place->seats || place->first_ms >= patience_ms);
}
