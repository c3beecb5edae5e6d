#include "policy/retry.h"

unsigned retry_pause_ms(unsigned refused, unsigned total_ms)
{
    unsigned pause = 1, waited = 0;
    for (unsigned i = 1; i < refused && waited < total_ms; i++) {
        waited += pause;
        pause *= 2;
    }
    if (waited >= total_ms)
        return 0;
    return pause < total_ms - waited ? pause : total_ms - waited;
}
