/* Random numbers that are the same everywhere: xorshift64. */
#ifndef UNIRUN_SIM_RANDOM_H
#define UNIRUN_SIM_RANDOM_H

#include <stdint.h>

static inline uint64_t random_seed(uint64_t seed, uint64_t stream)
{
    uint64_t mixed = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (stream + 1) * UINT64_C(0xbf58476d1ce4e5b9);
    return mixed ? mixed : 1;
}

static inline uint64_t random_next(uint64_t *dice)
{
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    return *dice;
}

/* Above 0, up to 1. */
static inline double random_part(uint64_t *dice)
{
    return (double)((random_next(dice) >> 11) + 1) / (double)(UINT64_C(1) << 53);
}

static inline unsigned random_below(uint64_t *dice, unsigned limit)
{
    return (unsigned)((random_next(dice) >> 20) % limit);
}

#endif
