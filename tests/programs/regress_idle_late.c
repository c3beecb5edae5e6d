/* Finalised after all that is preloaded: what is called in other threads from then on may be a library that is over. So
 * threads that have nothing to do must not choose this moment to end. */
#include "posix_cases.h"

#include <dirent.h>

enum { WHILE_MS = 1000 };

static bool watched;

void watch_exit(void);
void watch_exit(void)
{
    watched = true;
}

static int count_threads(void)
{
    int count = -2; /* . and .. */
    DIR *directory = opendir("/proc/self/task");
    while (directory && readdir(directory))
        count++;
    closedir(directory);
    return count;
}

__attribute__((destructor)) static void be_slow(void)
{
    if (!watched)
        return;
    int before = count_threads();
    pause_ms(WHILE_MS);
    say("ended while the process exits: %d", before - count_threads());
}
