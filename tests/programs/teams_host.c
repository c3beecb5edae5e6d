/* Opens libraries that bring a runtime each, and calls them in turn.
 *
 *   teams_host use LIBRARY...       all stay open
 *   teams_host replace LIBRARY...   each is closed before the next is opened: it may be put at the same place
 *   teams_host fork LIBRARY...      as `use`, then once more in a child
 *   teams_host global LIBRARY...    as `use`, after the system's runtime was opened for all to see */
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct plugin {
    void *handle;
    void (*set)(int);
    int (*size)(void);
    int (*alone)(void);
};

static struct plugin open_plugin(const char *path)
{
    struct plugin plugin = {.handle = dlopen(path, RTLD_LAZY | RTLD_LOCAL)};
    if (!plugin.handle) {
        printf("%s\n", dlerror());
        exit(1);
    }
    plugin.set = (void (*)(int))dlsym(plugin.handle, "plugin_set");
    plugin.size = (int (*)(void))dlsym(plugin.handle, "plugin_size");
    plugin.alone = (int (*)(void))dlsym(plugin.handle, "plugin_alone");
    return plugin;
}

static void call_all(const struct plugin *plugins, int count)
{
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < count; i++)
            printf("library %d: %d %d\n", i, plugins[i].size(), plugins[i].alone());
    fflush(stdout);
}

static void replace(char **paths, int count)
{
    for (int i = 0; i < count; i++) {
        struct plugin plugin = open_plugin(paths[i]);
        plugin.set(2 + i);
        printf("library %d: %d\n", i, plugin.alone());
        dlclose(plugin.handle);
    }
}

int main(int argc, char **argv)
{
    struct plugin plugins[8];
    int count = argc - 2;
    if (count < 1 || count > 8)
        return 2;
    printf("before: %d\n", dlsym(RTLD_DEFAULT, "omp_get_num_threads") != NULL);
    if (strcmp(argv[1], "replace") == 0) {
        replace(argv + 2, count);
        return 0;
    }
    if (strcmp(argv[1], "global") == 0 && !dlopen("libgomp.so.1", RTLD_LAZY | RTLD_GLOBAL))
        return 1;
    for (int i = 0; i < count; i++)
        plugins[i] = open_plugin(argv[2 + i]);
    for (int i = 0; i < count; i++)
        plugins[i].set(2 + i);
    call_all(plugins, count);
    printf("after: %d\n", dlsym(RTLD_DEFAULT, "omp_get_num_threads") != NULL);
    fflush(stdout);
    if (strcmp(argv[1], "fork") == 0) {
        if (fork() == 0) {
            call_all(plugins, count);
            _exit(0);
        }
        int status;
        wait(&status);
        printf("child: %d\n", status);
    }
    return 0;
}
