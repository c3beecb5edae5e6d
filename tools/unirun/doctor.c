/* unirun doctor: whether the shim works here, what it would do, and what it would see of a program.
 *
 * Everything is first put into one JSON object; the text is printed from that, so both say the same. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/domain/capacity.h"
#include "tools/unirun/arguments.h"
#include "tools/unirun/child.h"
#include "tools/unirun/command.h"
#include "tools/unirun/facts.h"
#include "tools/unirun/inspect.h"
#include "tools/unirun/json_text.h"
#include "tools/unirun/library.h"
#include "tools/unirun/settings.h"

/* ---- the report: sections, and the problems found on the way ---- */

static void add_problem(json_t *report, char *sentence)
{
    json_array_append_new(json_object_get(report, "problems"), json_text(sentence));
    free(sentence);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- the library ---- */

/* Whether a line is one that the library may write: "unirun[PID]: ...". */
static bool is_log_line(const char *line)
{
    const char *pid = line + strlen("unirun[");
    return !strncmp(line, "unirun[", strlen("unirun[")) && isdigit((unsigned char)*pid) &&
           !strncmp(pid + strspn(pid, "0123456789"), "]: ", 3);
}

/* The first line that is there for no good reason, cut off from what follows it; NULL where there is none. */
static const char *foreign_line(char *output, enum mode mode)
{
    for (char *line; (line = strsep(&output, "\n"));)
        if (*line && !(mode == MODE_MANAGED && is_log_line(line)))
            return line;
    return NULL;
}

/* NULL where /bin/true runs under the library as it does without; otherwise what happened. Allocated. */
static char *try_mode(const char *path, enum mode mode)
{
    const char *name = config_mode_name(mode);
    char *preload = format_text("LD_PRELOAD=%s", path), *setting = format_text("UNIRUN_COMPAT_MODE=%s", name);
    const char *const env[] = {preload, setting, NULL};
    const char *const argv[] = {"/bin/true", NULL};
    struct child child = child_run(argv, env, 2, 10);
    const char *line = foreign_line(child.output, mode);
    char *problem = NULL;
    if (line)
        problem = format_text("%s: under it, in %s mode, /bin/true says: %s", path, name, line);
    else if (child.status == -1 || !WIFEXITED(child.status) || WEXITSTATUS(child.status))
        problem = format_text("%s: under it, in %s mode, /bin/true ends with wait status 0x%x", path, name,
                              (unsigned)child.status);
    free(child.output);
    free(setting);
    free(preload);
    return problem;
}

static char *try_library(const char *path)
{
    char *problem = try_mode(path, MODE_PASSTHROUGH);
    return problem ? problem : try_mode(path, MODE_MANAGED);
}

static void examine_library(json_t *report, const char *given)
{
    char *looked = NULL;
    char *path = given ? library_absolute(given) : library_find(&looked);
    const char *unusable = path ? library_problem(path) : NULL;
    char *problem = !path      ? format_text(LIBRARY_NAME " is not at %s; install it or name it with --shim", looked)
                    : unusable ? format_text("%s: %s", path, unusable)
                               : try_library(path);
    json_object_set_new(
        report, "library",
        needed(json_pack("{s:o*, s:b}", "path", path ? json_text(path) : NULL, "works", problem == NULL)));
    if (problem)
        add_problem(report, problem);
    free(path);
    free(looked);
}

/* ---- settings ---- */

static void note_unknown(const char *sentence, void *data)
{
    add_problem(data, needed(strdup(sentence)));
}

static bool is_refused(const char *name, const struct config_complaint *complaints, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(complaints[i].name, name))
            return true;
    return false;
}

static json_t *changed_settings(const struct config_complaint *complaints, size_t count)
{
    json_t *changed = json_object();
    for (size_t row = 0; row < CONFIG_SETTINGS; row++) {
        const struct config_setting *setting = config_setting(row);
        const char *value = getenv(setting->name);
        if (value && *value && strcasecmp(value, setting->fallback) && !is_refused(setting->name, complaints, count))
            json_object_set_new(changed, setting->name, json_text(value));
    }
    return changed;
}

static void examine_settings(json_t *report)
{
    struct config config;
    struct config_complaint complaints[CONFIG_SETTINGS];
    size_t count = config_read(environ, &config, complaints, CONFIG_SETTINGS);
    for (size_t i = 0; i < count; i++)
        add_problem(report, format_text("%s='%s' is not %s; using %s", complaints[i].name, complaints[i].value,
                                        complaints[i].accepted, complaints[i].used));
    settings_unknown(note_unknown, report);
    json_object_set_new(report, "mode", json_string(config_mode_name(config.mode)));
    json_object_set_new(report, "settings", changed_settings(complaints, count));
}

/* ---- the machine ---- */

static void examine_capacity(json_t *report)
{
    static const char *const limits[] = {"affinity", "cgroup v1", "cgroup v2"};
    struct capacity capacity;
    capacity_read("", &capacity);
    json_t *object = needed(json_pack("{s:i, s:i, s:s}", "cpus", (int)capacity.cpus, "affinity", (int)capacity.affinity,
                                      "limit", limits[capacity.limit]));
    if (capacity.quota) {
        json_object_set_new(object, "quota", json_integer(capacity.quota));
        json_object_set_new(object, "cgroup", json_text(capacity.cgroup));
    }
    json_object_set_new(report, "capacity", object);
}

static void examine_glibc(json_t *report)
{
    const char *version = gnu_get_libc_version();
    json_object_set_new(report, "glibc", json_string(version));
    if (strverscmp(version, "2.34") < 0)
        add_problem(report, format_text("glibc %s is too old: the shim needs 2.34", version));
}

/* The number that Linux gives the PID namespace it starts with. */
#define INITIAL_PID_NAMESPACE "pid:[4026531836]"

static void examine_namespace(json_t *report)
{
    char name[64];
    ssize_t length = readlink("/proc/self/ns/pid", name, sizeof name - 1);
    name[length > 0 ? length : 0] = 0;
    json_object_set_new(report, "pid_namespace",
                        json_string(!*name                                ? "unknown"
                                    : strcmp(name, INITIAL_PID_NAMESPACE) ? "its own"
                                                                          : "the machine's"));
}

/* As the domain file will be made: reserved, so that a full file system says so now and not with SIGBUS later. */
static const char *try_shared_memory(void)
{
    const off_t size = 1 << 20;
    const char *failed = NULL;
    int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return strerror(errno);
    int error = posix_fallocate(fd, 0, size);
    void *map = error ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (error)
        failed = strerror(error);
    else if (map == MAP_FAILED)
        failed = strerror(errno);
    else
        munmap(map, (size_t)size);
    close(fd);
    return failed;
}

static void examine_shared_memory(json_t *report)
{
    const char *failed = try_shared_memory();
    json_object_set_new(report, "shared_memory", json_string(failed ? failed : "usable"));
    if (failed)
        add_problem(report,
                    format_text("/dev/shm cannot be used (%s): programs will not share the CPUs with each other; "
                                "mount a tmpfs of at least 1 MiB there",
                                failed));
}

/* ---- a program ---- */

static json_t *chain_of(const struct program *program)
{
    json_t *chain = json_array();
    for (size_t i = 0; i < program->count; i++)
        json_array_append_new(chain, json_text(program->path[i]));
    return chain;
}

/* Only our own loader may be asked: another one's list would be of another kind of program. */
static bool is_loadable(const char *path)
{
    struct program_facts facts;
    return facts_read(path, &facts) && !facts.foreign && facts.dynamic && !facts.musl;
}

static void judge(json_t *report, json_t *object, const struct program *program)
{
    size_t at;
    enum reason reason = facts_judge(program, &at).reason;
    json_object_set_new(object, "managed", json_boolean(reason == REASON_NONE));
    if (reason == REASON_NONE)
        return;
    const struct reason_text *text = reason_text(reason);
    json_object_set_new(object, "reason", json_string(text->code));
    json_object_set_new(object, "why", json_string(text->why));
    json_object_set_new(object, "remedy", json_string(text->remedy));
    add_problem(report, format_text("%s cannot be managed: %s (reason=%s); %s", program->path[at], text->why,
                                    text->code, text->remedy));
}

static void note_missing(json_t *report, const char *path, const json_t *object)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(object, "missing"), i, name)
        add_problem(report, format_text("%s needs %s, which is not found", path, json_string_value(name)));
}

static void examine_program(json_t *report, const char *name)
{
    char *path = program_find(name);
    struct program program;
    if (!path) {
        add_problem(report, format_text("%s: %s", name, strerror(errno)));
        return;
    }
    program_follow(path, &program);
    const char *last = program.path[program.count - 1];
    json_t *object = is_loadable(last) ? inspect_program(last) : json_object();
    json_object_set_new(object, "path", json_text(path));
    json_object_set_new(object, "chain", chain_of(&program));
    judge(report, object, &program);
    note_missing(report, last, object);
    json_object_set_new(report, "program", object);
    program_free(&program);
    free(path);
}

/* ---- the text ---- */

/* Control characters of a name are written as JSON writes them, so that a line stays one. */
static void put(const char *text)
{
    for (; *text; text++) {
        bool c1 = *text == '\xc2' && (text[1] & 0xe0) == 0x80;
        if (c1)
            printf("\\u%04x", (unsigned char)*++text);
        else if (iscntrl((unsigned char)*text))
            printf("\\u%04x", (unsigned char)*text);
        else
            putchar(*text);
    }
}

static void put_line(const char *heading, const char *text)
{
    printf("%-10s ", heading);
    put(text);
    putchar('\n');
}

static void print_settings(const json_t *settings)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)settings, name, value)
    {
        printf("setting    %s=", name);
        put(json_string_value(value));
        putchar('\n');
    }
}

static void print_capacity(const json_t *capacity)
{
    const char *cgroup = text_of(capacity, "cgroup");
    long long cpus = json_integer_value(json_object_get(capacity, "cpus"));
    printf("capacity   %lld CPU%s, limited by %s; affinity mask: %lld", cpus, cpus == 1 ? "" : "s",
           text_of(capacity, "limit"), (long long)json_integer_value(json_object_get(capacity, "affinity")));
    if (*cgroup) {
        printf(", quota: %lld in ", (long long)json_integer_value(json_object_get(capacity, "quota")));
        put(cgroup);
    }
    putchar('\n');
}

static void print_symbols(const json_t *program, const char *group, const char *meaning)
{
    const char *name;
    json_t *files, *symbols = json_object_get(json_object_get(program, "symbols"), group);
    if (!json_object_size(symbols))
        return;
    printf("%-10s", meaning);
    json_object_foreach(symbols, name, files) printf(" %s", name);
    putchar('\n');
}

static void print_chain(const json_t *chain)
{
    size_t i;
    json_t *path;
    printf("program    ");
    json_array_foreach(chain, i, path)
    {
        printf("%s", i ? " -> " : "");
        put(json_string_value(path));
    }
    putchar('\n');
}

static void print_program(const json_t *program)
{
    size_t i;
    json_t *item;
    print_chain(json_object_get(program, "chain"));
    printf("verdict    %s%s\n",
           json_is_true(json_object_get(program, "managed")) ? "managed" : "not managed: ", text_of(program, "reason"));
    json_array_foreach(json_object_get(program, "runtimes"), i, item)
    {
        printf("runtime    %s (", text_of(item, "name"));
        put(text_of(item, "library"));
        printf(")\n");
    }
    print_symbols(program, "managed", "managed");
    print_symbols(program, "forwarded", "forwarded");
    /* Mostly locks and attributes, by the dozen. */
    printf("left alone %zu more names of the same families (--json lists them)\n",
           json_object_size(json_object_get(json_object_get(program, "symbols"), "left")));
}

static void print_library(const json_t *library)
{
    const char *path = text_of(library, "path");
    printf("library    ");
    put(*path ? path : "none");
    printf(", %s\n", json_is_true(json_object_get(library, "works")) ? "works" : "does not work");
}

static void print_report(const json_t *report)
{
    size_t i;
    json_t *problem, *program = json_object_get(report, "program");
    print_library(json_object_get(report, "library"));
    put_line("mode", text_of(report, "mode"));
    print_settings(json_object_get(report, "settings"));
    print_capacity(json_object_get(report, "capacity"));
    put_line("glibc", text_of(report, "glibc"));
    put_line("pid ns", text_of(report, "pid_namespace"));
    put_line("/dev/shm", text_of(report, "shared_memory"));
    if (program)
        print_program(program);
    json_array_foreach(json_object_get(report, "problems"), i, problem) put_line("problem", json_string_value(problem));
}

/* ---- the command ---- */

enum { KEY_SHIM = KEY_FIRST };

static const struct argp_option options[] = {
    ARGUMENTS_JSON,
    {"shim", KEY_SHIM, "FILE", 0, "the library to examine", 0},
    ARGUMENTS_HELP,
    {0},
};

static const struct argp argp = {
    .options = options,
    .args_doc = "[--] [CMD]",
    .doc =
        "Says whether the shim works here, with which settings, and what it would see of CMD. Nothing of CMD is run.\v"
        "Exit status: 0, or 1 with the problems found.",
};

int command_doctor(int argc, char **argv)
{
    char **rest = arguments_parse(&argp, argc, argv);
    json_t *report = needed(json_pack("{s:[]}", "problems"));
    examine_library(report, arguments_value(KEY_SHIM));
    examine_settings(report);
    examine_capacity(report);
    examine_glibc(report);
    examine_namespace(report);
    examine_shared_memory(report);
    if (*rest)
        examine_program(report, *rest);
    if (arguments_value(KEY_JSON)) {
        json_dumpf(report, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
        putchar('\n');
    } else {
        print_report(report);
    }
    bool fine = !json_array_size(json_object_get(report, "problems"));
    json_decref(report);
    return !fflush(stdout) && fine ? EXIT_FINE : EXIT_PROBLEM;
}
