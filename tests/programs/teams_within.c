/* Regions of one runtime inside those of another: teams_within OUTER INNER ROUNDS. Each library brings a runtime of its
 * own; every member of the outer team starts an inner one. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void *find(const char *library, const char *name)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void *function = handle ? dlsym(handle, name) : NULL;
    if (!function)
        exit(2);
    return function;
}

int main(int argc, char **argv)
{
    int (*each)(int (*)(void)), (*size)(void), sum = 0;
    if (argc < 4)
        return 2;
    setenv("OMP_NUM_THREADS", "2", 1);
    *(void **)&each = find(argv[1], "plugin_each");
    *(void **)&size = find(argv[2], "plugin_size");
    for (int round = atoi(argv[3]); round > 0; round--)
        sum += each(size);
    printf("%d\n", sum);
    return 0;
}
