/* Which programs run beside each other: named mixes, and random ones. */
#ifndef UNIRUN_SIM_MIXES_H
#define UNIRUN_SIM_MIXES_H

#include "tests/sim/program.h"

enum { MIX_PROGRAMS = SHARE_MEMBERS };

struct mix {
    char name[96];
    unsigned cpus, programs;
    ns time;
    struct kind kind[MIX_PROGRAMS];
};

/* What mixes are made of. */
struct kind kind_of(unsigned cpus, unsigned size, ns region, ns gap);
void mix_start(struct mix *mix, const char *name, unsigned cpus, ns time);
void mix_add(struct mix *mix, unsigned count, struct kind kind);

/* The mixes of the table, one after the other; false: there are no more. */
bool mix_named(struct mix *mix, unsigned number);

/* Random ones. */
enum family {
    FAMILY_ALIKE, /* copies of one program */
    FAMILY_DENSE, /* programs of up to 2 ms regions, one after the other, each on all CPUs */
    FAMILY_ANY,   /* lengths, sizes, masks, niceness, waits, arrivals, deaths, load that nobody manages */
};

void mix_random(struct mix *mix, enum family family, uint64_t seed);

/* The same programs, the other way round in the table. */
void mix_reverse(struct mix *mix);

#endif
