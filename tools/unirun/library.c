#include "tools/unirun/library.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/unirun/command.h"
#include "tools/unirun/elf_file.h"

/* Relative to the directory of this command: the installed layout, then the build tree. */
static const char *const places[] = {UNIRUN_LIBDIR_FROM_BINDIR "/" LIBRARY_NAME, "../shim/" LIBRARY_NAME};

static char *own_directory(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0)
        fail(EXIT_OURS, "/proc/self/exe cannot be read: mount /proc, or name the library with --shim");
    path[length] = 0;
    return needed(strdup(dirname(path)));
}

char *library_find(char **looked)
{
    char *directory = own_directory(), *found = NULL;
    *looked = needed(strdup(""));
    for (size_t i = 0; i < sizeof places / sizeof *places && !found; i++) {
        char *place = format_text("%s/%s", directory, places[i]);
        char *list = format_text("%s%s%s", *looked, i ? ", " : "", place);
        free(*looked);
        *looked = list;
        found = realpath(place, NULL);
        free(place);
    }
    free(directory);
    return found;
}

char *library_absolute(const char *given)
{
    char directory[PATH_MAX];
    /* Links are not followed: whoever names a link wants what it points to tomorrow as well. */
    if (given[0] == '/' || !getcwd(directory, sizeof directory))
        return needed(strdup(given));
    return format_text("%s/%s", directory, given);
}

static void find_version(const struct elf_symbol *symbol, void *data)
{
    if (symbol->defined && symbol->function && !strcmp(symbol->name, "unirun_version"))
        *(bool *)data = true;
}

/* The loader would only complain of a file that is no library, and start the program without it. */
static const char *content_problem(const char *path)
{
    struct elf_file file;
    bool found = false;
    if (!elf_file_open(&file, path))
        return "it is not an ELF file; name " LIBRARY_NAME " with --shim";
    bool loadable = elf_file_is_native(&file) && file.header.e_type == ET_DYN;
    if (loadable)
        elf_file_symbols(&file, find_version, &found);
    elf_file_close(&file);
    if (!loadable)
        return "it is not a shared library for this machine; name " LIBRARY_NAME " with --shim";
    return found ? NULL : "it is not the shim, which exports unirun_version; name " LIBRARY_NAME " with --shim";
}

const char *library_problem(const char *path)
{
    struct stat file;
    if (strpbrk(path, ": "))
        return "LD_PRELOAD ends a path at a blank or colon; put the library elsewhere";
    if (strchr(path, '$'))
        return "in LD_PRELOAD the loader replaces names after a dollar sign ($); put the library elsewhere";
    if (stat(path, &file))
        return "there is no such file; name the library with --shim";
    if (!S_ISREG(file.st_mode) || access(path, R_OK))
        return "it is not a file that can be read; name the library with --shim";
    return content_problem(path);
}

/* Another copy of the library counts as ours: two of them in one process would both manage it. */
static bool is_ours(const char *entry, size_t length)
{
    const char *name = entry + length;
    while (name > entry && name[-1] != '/')
        name--;
    return (size_t)(entry + length - name) == strlen(LIBRARY_NAME) && !memcmp(name, LIBRARY_NAME, strlen(LIBRARY_NAME));
}

char *library_preload(const char *path, const char *preload)
{
    const char *rest = preload ? preload : "";
    char *value = needed(malloc((path ? strlen(path) : 0) + strlen(rest) + 2)), *end = value;
    if (path)
        end = stpcpy(end, path);
    for (size_t length; *(rest += strspn(rest, ": ")); rest += length) {
        length = strcspn(rest, ": ");
        if (is_ours(rest, length) || (path && strlen(path) == length && !memcmp(path, rest, length)))
            continue;
        if (end > value)
            *end++ = ':';
        end = mempcpy(end, rest, length);
    }
    *end = 0;
    return value;
}
