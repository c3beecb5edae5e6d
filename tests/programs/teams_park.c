/* Has a team, then waits for its turn: teams_park READY HELD [own]. Writes its number to READY, waits until HELD
 * exists, and starts a region, for which it has to wait as long as another program holds the turn. With `own` it uses
 * the signal by which idle threads are put to sleep itself, and says how often it came. */
#include <fcntl.h>
#include <omp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_int came;

static void count(int signal)
{
    (void)signal;
    came++;
}

static int team(void)
{
    int size = 0;
#pragma omp parallel num_threads(2)
#pragma omp atomic
    size++;
    return size;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    if (argc > 3 && strcmp(argv[3], "own") == 0)
        signal(SIGRTMAX - 7, count);
    int before = team();
    int ready = open(argv[1], O_WRONLY | O_CREAT, 0600);
    dprintf(ready, "%d\n", (int)getpid());
    close(ready);
    while (access(argv[2], F_OK) != 0)
        usleep(1000);
    printf("%d %d, signals %d\n", before, team(), came);
    return 0;
}
