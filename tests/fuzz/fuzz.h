/* What the fuzzers share: input in a buffer of exactly its size, so that ASan sees every byte read past it. */
#ifndef UNIRUN_TESTS_FUZZ_H
#define UNIRUN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do                                                                                                                 \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    while (0)

static inline char *copy_of(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    if (copy && size)
        memcpy(copy, data, size);
    return copy;
}

#endif
