#include "tests/unit/test_workers.h"

static __thread long scratch = 7;

long *program_scratch(void)
{
    return &scratch;
}

int main(void)
{
    return run_worker_tests();
}
