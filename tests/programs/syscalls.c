/* Says that it has started, then makes threads, children and other calls, one after the other. */
#include "calls.h"

int main(void)
{
    say("started", "", 0);
    for (int i = 0; i < 5; i++)
        call_threads("main");
    call_processes("main");
    call_counts("main");
    return 0;
}
