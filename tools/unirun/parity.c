/* unirun parity: what a provider exports, held against the rows of symbols.def.
 *
 * A name of our families must have a row; a row must tell the truth about its versions, because a trampoline that
 * forwards to the wrong one changes what a program does. A new C library then fails here with a name. */
#include <dlfcn.h>
#include <jansson.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/unirun/arguments.h"
#include "tools/unirun/command.h"
#include "tools/unirun/elf_file.h"
#include "tools/unirun/json_text.h"
#include "tools/unirun/rows.h"

/* ---- what a provider exports ---- */

struct export
{
    char *name, *version;
    bool is_default;
    GElf_Addr address;
};

/* Sorted by name, then version, so that all of a name are neighbours. */
struct exports {
    struct export *at;
    size_t count;
    char *newest; /* the highest version that the provider defines: which release it is */
};

/* Data of ours is no function, and private names are libc's affair. */
static void add_export(const struct elf_symbol *symbol, void *data)
{
    struct exports *exports = data;
    if (!symbol->defined || !symbol->function || strstr(symbol->version, "_PRIVATE"))
        return;
    exports->at = needed(realloc(exports->at, (exports->count + 1) * sizeof *exports->at));
    exports->at[exports->count++] = (struct export){needed(strdup(symbol->name)), needed(strdup(symbol->version)),
                                                    symbol->is_default, symbol->address};
}

/* "GLIBC_2.36" is a release; "GLIBC_PRIVATE" and "GLIBC_ABI_DT_RELR" are not. */
static void note_newest(const char *version, void *data)
{
    char **newest = data;
    const char *number = strchr(version, '_');
    if (!number || number[1] < '0' || number[1] > '9' || (*newest && strverscmp(version, *newest) <= 0))
        return;
    free(*newest);
    *newest = needed(strdup(version));
}

static int compare_exports(const void *a, const void *b)
{
    const struct export *one = a, *other = b;
    int order = strcmp(one->name, other->name);
    return order ? order : strverscmp(one->version, other->version);
}

static struct exports read_exports(const char *path)
{
    struct elf_file file;
    struct exports exports = {NULL, 0, NULL};
    if (!elf_file_open(&file, path))
        fail(EXIT_USAGE, "%s is not an ELF file that can be read", path);
    elf_file_symbols(&file, add_export, &exports);
    elf_file_versions(&file, note_newest, &exports.newest);
    elf_file_close(&file);
    if (!exports.count)
        fail(EXIT_USAGE, "%s exports no functions; name the C library itself", path);
    qsort(exports.at, exports.count, sizeof *exports.at, compare_exports);
    return exports;
}

static void free_exports(struct exports *exports)
{
    for (size_t i = 0; i < exports->count; i++) {
        free(exports->at[i].name);
        free(exports->at[i].version);
    }
    free(exports->at);
    free(exports->newest);
}

/* How many entries from `i` on have its name. */
static size_t group_length(const struct exports *exports, size_t i)
{
    size_t end = i + 1;
    while (end < exports->count && !strcmp(exports->at[end].name, exports->at[i].name))
        end++;
    return end - i;
}

static const struct export *find_group(const struct exports *exports, const char *name, size_t *length)
{
    for (size_t i = 0; i < exports->count; i += *length) {
        *length = group_length(exports, i);
        if (!strcmp(exports->at[i].name, name))
            return &exports->at[i];
    }
    return NULL;
}

/* ---- the check ---- */

struct check {
    enum provider provider;
    const struct exports *exports;
    json_t *problems; /* of objects {name, problem} */
};

static void __attribute__((format(printf, 3, 4)))
problem(struct check *check, const char *name, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    needed(length < 0 ? NULL : text);
    json_array_append_new(check->problems,
                          needed(json_pack("{s:o, s:o}", "name", json_text(name), "problem", json_text(text))));
    free(text);
}

/* A row's version without the @ or @@ of SHIM_AT. */
static const char *bare(const char *version)
{
    return version + strspn(version, "@");
}

static bool is_listed(const struct row *row, const char *version)
{
    for (const char *const *listed = row->versions; *listed; listed++)
        if (!strcmp(bare(*listed), version))
            return true;
    return false;
}

static const struct export *find_version(const struct export *group, size_t length, const char *version)
{
    for (size_t i = 0; i < length; i++)
        if (!strcmp(group[i].version, version))
            return &group[i];
    return NULL;
}

static void check_default_mark(struct check *check, const struct row *row, const char *listed,
                               const struct export *export)
{
    bool marked = !strncmp(listed, "@@", 2);
    if (row->disposition == DISPOSITION_SHIM_AT && marked != export->is_default)
        problem(check, row->name, "%s is %sthe default version, and its row says otherwise", bare(listed),
                export->is_default ? "" : "not ");
}

/* All versions of one row must exist, and be one function. */
static void check_row(struct check *check, const struct row *row)
{
    size_t length;
    const struct export *group = find_group(check->exports, row->name, &length), *first = NULL;
    if (!group) {
        problem(check, row->name, "has a row, but is not exported");
        return;
    }
    for (const char *const *listed = row->versions; *listed; listed++) {
        const struct export *export = find_version(group, length, bare(*listed));
        if (!export) {
            problem(check, row->name, "its row lists %s, which is not exported", bare(*listed));
            continue;
        }
        check_default_mark(check, row, *listed, export);
        if (first && first->address != export->address)
            problem(check, row->name, "%s and %s differ in address: one SHIM_AT row for each", first->version,
                    export->version);
        first = first ? first : export;
    }
}

/* Each exported version is in exactly one of the name's rows; versions of one address are in one row. */
static void check_versions(struct check *check, const struct export *group, size_t length)
{
    const struct row *of[64] = {NULL};
    for (size_t v = 0; v < length && v < sizeof of / sizeof *of; v++) {
        unsigned count = 0;
        for (size_t i = 0; row_at(i); i++) {
            const struct row *row = row_at(i);
            if (row->provider != check->provider || strcmp(row->name, group->name) || !is_listed(row, group[v].version))
                continue;
            of[v] = row;
            count++;
        }
        if (count != 1)
            problem(check, group->name, "%s is in %u rows", group[v].version, count);
        for (size_t earlier = 0; earlier < v; earlier++)
            if (group[earlier].address == group[v].address && of[earlier] && of[v] && of[earlier] != of[v])
                problem(check, group->name, "%s and %s are one function: one row for both", group[earlier].version,
                        group[v].version);
    }
}

static unsigned count_rows(enum provider provider, const char *name, bool shim_at)
{
    unsigned count = 0;
    for (size_t i = 0; row_at(i); i++)
        if (row_at(i)->provider == provider && !strcmp(row_at(i)->name, name) &&
            (row_at(i)->disposition == DISPOSITION_SHIM_AT) == shim_at)
            count++;
    return count;
}

static void check_export(struct check *check, const struct export *group, size_t length)
{
    const char *family = family_of(check->provider, group->name);
    const struct row *row = row_find(check->provider, group->name);
    if (!row && family)
        problem(check, group->name, "is exported, belongs to %s and has no row", family);
    if (!row)
        return;
    unsigned others = count_rows(check->provider, group->name, false);
    if (others > 1 || (others && count_rows(check->provider, group->name, true)))
        problem(check, group->name, "has several rows, but only SHIM_AT may");
    else if (row->disposition != DISPOSITION_SKIP)
        check_versions(check, group, length);
}

static void check_provider(struct check *check)
{
    for (size_t i = 0, length; i < check->exports->count; i += length) {
        length = group_length(check->exports, i);
        check_export(check, &check->exports->at[i], length);
    }
    for (size_t i = 0; row_at(i); i++)
        if (row_at(i)->provider == check->provider && row_at(i)->disposition != DISPOSITION_SKIP)
            check_row(check, row_at(i));
}

/* ---- the table ---- */

static json_t *describe_versions(const struct export *group, size_t length)
{
    json_t *versions = json_array();
    for (size_t i = 0; i < length; i++) {
        char *text = format_text("%s%s", group[i].is_default ? "@@" : "@", group[i].version);
        json_array_append_new(versions, json_text(text));
        free(text);
    }
    return versions;
}

static json_t *describe_name(const struct check *check, const struct export *group, size_t length)
{
    const struct row *row = row_find(check->provider, group->name);
    const char *family = row && row->family ? row->family : family_of(check->provider, group->name);
    if (!row && !family)
        return NULL;
    json_t *name = needed(json_pack("{s:o, s:o, s:s*, s:s}", "name", json_text(group->name), "versions",
                                    describe_versions(group, length), "family", family, "disposition",
                                    row ? disposition_name(row->disposition) : "none"));
    if (row && row->disposition == DISPOSITION_SKIP)
        json_object_set_new(name, "reason", json_string(row->reason));
    else if (row)
        json_object_set_new(name, "managed", json_boolean(row->managed));
    return name;
}

static json_t *describe_provider(const struct check *check)
{
    json_t *names = json_array();
    for (size_t i = 0, length; i < check->exports->count; i += length) {
        length = group_length(check->exports, i);
        json_t *name = describe_name(check, &check->exports->at[i], length);
        if (name)
            json_array_append_new(names, name);
    }
    return needed(json_pack("{s:s, s:o, s:o, s:O}", "provider", provider_soname(check->provider), "version",
                            json_text(check->exports->newest ? check->exports->newest : ""), "symbols", names,
                            "problems", check->problems));
}

static size_t count_disposition(const json_t *provider, const char *disposition)
{
    size_t i, count = 0;
    json_t *symbol;
    json_array_foreach(json_object_get(provider, "symbols"), i, symbol) count +=
        !strcmp(json_string_value(json_object_get(symbol, "disposition")), disposition);
    return count;
}

static void print_provider(const json_t *provider)
{
    const char *soname = json_string_value(json_object_get(provider, "provider"));
    const json_t *problems = json_object_get(provider, "problems");
    size_t i;
    json_t *found;
    json_array_foreach(problems, i, found)
        printf("%s: %s: %s\n", soname, json_string_value(json_object_get(found, "name")),
               json_string_value(json_object_get(found, "problem")));
    printf("%s (%s): %zu names: %zu shim, %zu stub, %zu skip; %zu problems\n", soname,
           json_string_value(json_object_get(provider, "version")),
           json_array_size(json_object_get(provider, "symbols")), count_disposition(provider, "shim"),
           count_disposition(provider, "stub"), count_disposition(provider, "skip"), json_array_size(problems));
}

/* ---- the command ---- */

enum { KEY_LIBC = KEY_FIRST };

static const struct argp_option options[] = {
    ARGUMENTS_JSON,
    {"libc", KEY_LIBC, "FILE", 0, "the C library to check; default: the one in use", 0},
    ARGUMENTS_HELP,
    {0},
};

static const struct argp argp = {
    .options = options,
    .args_doc = "",
    .doc = "Checks that the shim has an answer for every function of its families that the C library exports.\v"
           "Exit status: 0, or 1 with the names.",
};

/* The file that a program with this need would load here. Allocated; NULL where it is not installed. */
static char *provider_path(enum provider provider)
{
    struct link_map *map;
    void *handle = dlopen(provider_soname(provider), RTLD_LAZY | RTLD_LOCAL);
    if (!handle)
        return NULL;
    char *path = dlinfo(handle, RTLD_DI_LINKMAP, &map) ? NULL : needed(strdup(map->l_name));
    dlclose(handle);
    return path;
}

static json_t *check_file(enum provider provider, const char *path)
{
    struct exports exports = read_exports(path);
    struct check check = {provider, &exports, json_array()};
    check_provider(&check);
    json_t *result = describe_provider(&check);
    json_decref(check.problems);
    free_exports(&exports);
    return result;
}

/* Providers that are not installed have nothing to check. */
static json_t *check_all(const char *libc)
{
    json_t *results = json_array();
    for (int provider = 0; provider < PROVIDERS; provider++) {
        char *path = libc && provider == PROVIDER_LIBC ? needed(strdup(libc)) : provider_path(provider);
        if (path)
            json_array_append_new(results, check_file(provider, path));
        free(path);
    }
    return results;
}

int command_parity(int argc, char **argv)
{
    char **rest = arguments_parse(&argp, argc, argv);
    if (*rest)
        arguments_refuse(*rest, "is one argument too many");
    bool json = arguments_value(KEY_JSON);
    json_t *results = check_all(arguments_value(KEY_LIBC)), *provider;
    size_t i, problems = 0;
    json_array_foreach(results, i, provider)
    {
        problems += json_array_size(json_object_get(provider, "problems"));
        if (!json)
            print_provider(provider);
    }
    if (json) {
        json_dumpf(results, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
        putchar('\n');
    }
    json_decref(results);
    return fflush(stdout) || problems ? EXIT_PROBLEM : EXIT_FINE;
}
