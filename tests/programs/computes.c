/* Computes: computes MS [until FILE | wait FILE | with N FOLDER | children N MORE... | handler]. Spends MS milliseconds
 * of the CPU; then goes on until FILE is there, or sleeps until it is, or goes on until N of its like have come to the
 * folder, or has N children, by fork alone, that do MORE, or one, of a signal handler that has a small stack of its
 * own.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
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

static void make_child(int signal)
{
    (void)signal;
    if (fork() == 0)
        _exit(0);
}

/* With what SIGSTKSZ once was, and no memory below it. */
static void make_child_on_small_stack(void)
{
    enum { PAGE = 4096, SIZE = 8192 };
    char *memory = mmap(NULL, PAGE + SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = memory + PAGE, .ss_size = SIZE};
    struct sigaction action = {.sa_handler = make_child, .sa_flags = SA_ONSTACK};
    if (memory == MAP_FAILED || mprotect(memory, PAGE, PROT_NONE) || sigaltstack(&stack, NULL) ||
        sigaction(SIGUSR1, &action, NULL) || raise(SIGUSR1))
        _exit(9);
}

static int run(int argc, char **argv)
{
    int status, failed = 0;
    while (spent_ms() < atol(argv[0]))
        compute();
    if (argc > 2 && !strcmp(argv[1], "until"))
        while (access(argv[2], F_OK) != 0)
            compute();
    if (argc > 2 && !strcmp(argv[1], "wait"))
        while (access(argv[2], F_OK) != 0)
            usleep(1000);
    if (argc > 3 && !strcmp(argv[1], "with")) {
        come_to(argv[3]);
        while (count_in(argv[3]) < atoi(argv[2]))
            compute();
    }
    for (int i = 0; argc > 3 && !strcmp(argv[1], "children") && i < atoi(argv[2]); i++)
        if (fork() == 0)
            return run(argc - 3, argv + 3);
    if (argc > 1 && !strcmp(argv[1], "handler"))
        make_child_on_small_stack();
    while (wait(&status) > 0)
        failed |= status;
    return failed != 0;
}

int main(int argc, char **argv)
{
    return argc > 1 ? run(argc - 1, argv + 1) : 2;
}
