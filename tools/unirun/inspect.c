#include "tools/unirun/inspect.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/unirun/child.h"
#include "tools/unirun/command.h"
#include "tools/unirun/elf_file.h"
#include "tools/unirun/json_text.h"
#include "tools/unirun/rows.h"

/* Runtimes that make threads of their own, by the names of their libraries. */
static const struct {
    const char *pattern, *name;
} runtimes[] = {
    {"libgomp*.so*", "GNU OpenMP"},
    {"libomp*.so*", "LLVM OpenMP"},
    {"libiomp5*.so*", "Intel OpenMP"},
    {"libopenblas*.so*", "OpenBLAS"},
    {"libblis*.so*", "BLIS"},
    {"libmkl_*.so*", "Intel MKL"},
    {"libtbb.so*", "oneTBB"},
    {"libuv.so*", "libuv"},
    {"libglib-2.0.so*", "GLib"},
    {"libjvm.so", "Java"},
    {"libjli.so", "Java"},
    {"libpython*.so*", "CPython"},
    {"libruby*.so*", "Ruby"},
    {"libnode.so*", "Node.js"},
    {"libQt*Core.so*", "Qt"},
    {"libmpi.so*", "MPI"},
};

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- libraries ---- */

/* Their paths as they are: what is in the report may have been made valid UTF-8. */
struct libraries {
    char **path;
    size_t count;
};

static void add_library(struct libraries *libraries, const char *path)
{
    libraries->path = needed(realloc(libraries->path, (libraries->count + 1) * sizeof *libraries->path));
    libraries->path[libraries->count++] = needed(strdup(path));
}

static void free_libraries(struct libraries *libraries)
{
    for (size_t i = 0; i < libraries->count; i++)
        free(libraries->path[i]);
    free(libraries->path);
}

/* A line of the loader: "NAME => PATH (ADDRESS)", "NAME => not found", or "NAME (ADDRESS)", where the NAME of the
 * kernel's own object has no slash. */
static void take_line(char *line, struct libraries *libraries, json_t *missing)
{
    line += strspn(line, " \t");
    char *arrow = strstr(line, " => ");
    char *path = arrow ? arrow + 4 : line;
    char *address = strstr(path, " (0x");
    if (address)
        *address = 0;
    if (arrow && !strcmp(path, "not found")) {
        *arrow = 0;
        json_array_append_new(missing, json_text(line));
    } else if (address && strchr(path, '/')) {
        add_library(libraries, path);
    }
}

/* The loader is started as a program, with the file as its argument: started by itself, a set-user-ID program would
 * take no notice of the variable and run. */
static void find_libraries(const char *path, const char *loader, struct libraries *libraries, json_t *missing)
{
    /* $ORIGIN is where the file is, not where a link to it is. */
    char *real = realpath(path, NULL);
    const char *const argv[] = {loader, real ? real : path, NULL};
    char *library_path = getenv("LD_LIBRARY_PATH");
    char *passed = format_text("LD_LIBRARY_PATH=%s", library_path ? library_path : "");
    const char *const env[] = {"LD_TRACE_LOADED_OBJECTS=1", passed, NULL};
    struct child child = child_run(argv, env, 1, 30);
    char *rest = child.output;
    for (char *line; (line = strsep(&rest, "\n"));)
        take_line(line, libraries, missing);
    free(child.output);
    free(passed);
    free(real);
}

static const char *runtime_of(const char *path)
{
    for (size_t r = 0; r < sizeof runtimes / sizeof *runtimes; r++)
        if (!fnmatch(runtimes[r].pattern, file_name(path), 0))
            return runtimes[r].name;
    return NULL;
}

static void describe_libraries(const struct libraries *libraries, json_t *result)
{
    for (size_t i = 0; i < libraries->count; i++) {
        const char *runtime = runtime_of(libraries->path[i]);
        json_array_append_new(json_object_get(result, "libraries"), json_text(libraries->path[i]));
        if (runtime)
            json_array_append_new(
                json_object_get(result, "runtimes"),
                needed(json_pack("{s:s, s:o}", "name", runtime, "library", json_text(libraries->path[i]))));
    }
}

/* ---- symbols ---- */

struct taking {
    json_t *result;
    const char *file;
};

static void take_symbol(const struct elf_symbol *symbol, void *data)
{
    const struct taking *taking = data;
    const struct row *row = NULL;
    for (int provider = 0; provider < PROVIDERS && !row && !symbol->defined; provider++)
        row = row_find((enum provider)provider, symbol->name);
    if (!row)
        return;
    const char *group = row->disposition == DISPOSITION_SKIP ? "left" : row->managed ? "managed" : "forwarded";
    json_t *symbols = json_object_get(json_object_get(taking->result, "symbols"), group),
           *files = json_object_get(symbols, symbol->name);
    if (!files)
        json_object_set_new(symbols, symbol->name, files = json_array());
    json_array_append_new(files, json_text(taking->file));
}

/* A provider's own calls stay inside of it, and the loader's come before everything. */
static bool is_provider(const char *name)
{
    bool found = !strncmp(name, "ld-linux", 8);
    for (int provider = 0; provider < PROVIDERS; provider++)
        found |= !strcmp(name, provider_soname((enum provider)provider));
    return found;
}

static void take_symbols(const char *path, json_t *result)
{
    struct elf_file file;
    if (is_provider(file_name(path)) || !elf_file_open(&file, path))
        return;
    elf_file_symbols(&file, take_symbol, &(struct taking){result, file_name(path)});
    elf_file_close(&file);
}

json_t *inspect_program(const char *path)
{
    json_t *result = needed(json_pack("{s:[], s:[], s:[], s:{s:{}, s:{}, s:{}}}", "libraries", "runtimes", "missing",
                                      "symbols", "managed", "forwarded", "left"));
    struct libraries libraries = {NULL, 0};
    struct elf_file file;
    if (!elf_file_open(&file, path))
        return result;
    const char *loader = elf_file_interpreter(&file);
    if (loader)
        find_libraries(path, loader, &libraries, json_object_get(result, "missing"));
    elf_file_close(&file);
    describe_libraries(&libraries, result);
    take_symbols(path, result);
    for (size_t i = 0; i < libraries.count; i++)
        take_symbols(libraries.path[i], result);
    free_libraries(&libraries);
    return result;
}
