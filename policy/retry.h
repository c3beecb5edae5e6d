/* How a refused process is asked for again: with growing pauses, for a bounded time. Pure. */
#ifndef UNIRUN_POLICY_RETRY_H
#define UNIRUN_POLICY_RETRY_H

/* How long to wait after the `refused`-th refusal in a row (from 1 on), in milliseconds: twice as long as before,
 * `total_ms` in all. 0: do not ask again. */
unsigned retry_pause_ms(unsigned refused, unsigned total_ms);

#endif
