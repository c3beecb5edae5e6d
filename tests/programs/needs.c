/* Needs memory: needs MIB MS [until FILE | wait FILE | with N FOLDER]. Takes MIB of memory over MS milliseconds of the
 * CPU, as a compiler does; then goes on computing until FILE is there, or sleeps until it is, or computes until N of
 * its like have come to the folder. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned sink;

static long spent_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void compute(void)
{
    for (unsigned i = 0; i < 100000; i++)
        sink += i;
}

static void take(size_t mib, long ms)
{
    enum { MIB = 1 << 20 };
    const long begun = spent_ms();
    char *memory = mmap(NULL, mib * MIB + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        _exit(9);
    for (size_t i = 0; i < mib; i++) {
        memset(memory + i * MIB, 1, MIB);
        while ((spent_ms() - begun) * (long)mib < ms * (long)i)
            compute();
    }
    while (spent_ms() - begun < ms)
        compute();
}

static void come_to(const char *folder)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%d", folder, (int)getpid());
    FILE *file = fopen(path, "w");
    if (!file || fclose(file))
        _exit(8);
}

static int count_in(const char *folder)
{
    int count = 0;
    DIR *open_folder = opendir(folder);
    for (struct dirent *entry; open_folder && (entry = readdir(open_folder));)
        count += entry->d_name[0] != '.';
    if (open_folder)
        closedir(open_folder);
    return count;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    take((size_t)atol(argv[1]), atol(argv[2]));
    if (argc > 4 && !strcmp(argv[3], "until"))
        while (access(argv[4], F_OK) != 0)
            compute();
    if (argc > 4 && !strcmp(argv[3], "wait"))
        while (access(argv[4], F_OK) != 0)
            usleep(1000);
    if (argc > 5 && !strcmp(argv[3], "with")) {
        come_to(argv[5]);
        while (count_in(argv[5]) < atoi(argv[4]))
            compute();
    }
    return 0;
}
