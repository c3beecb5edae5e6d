#include "policy/admit.h"

/* A run that waits weighs as much as two that compute: who does either now and then is not held back. */
enum { SURE = 2, MOST_SCORE = 7, LEAST_SCORE = -2, TYPICAL_SHIFT = 8, MOST_TYPICAL = (1 << 24) - 1 };

/* Each run that was waited for is worth WAITED_FOR others: after so many, but the last few, the program is held back
 * again. */
enum { MOST_USE = 0, LEAST_USE = -1024, WAITED_FOR = 32, HELD_AGAIN = -8, USE_SHIFT = 32 };

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

static admit_facts pack(int score, uint64_t typical, int use)
{
    if (typical > MOST_TYPICAL)
        typical = MOST_TYPICAL;
    return (uint8_t)score | typical << TYPICAL_SHIFT | (uint64_t)(uint16_t)use << USE_SHIFT;
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
    return pack(score, typical, learn_use(use_of(facts), run->wait));
}

bool admit_is_cpu_bound(admit_facts facts, const struct admit_hints *hints)
{
    if (hints->io_bound || use_of(facts) < HELD_AGAIN)
        return false;
    return score_of(facts) >= SURE || (hints->cpu_bound && score_of(facts) >= 0);
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
