/* unirun run: sets the environment up and becomes the program. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/unirun/arguments.h"
#include "tools/unirun/command.h"
#include "tools/unirun/facts.h"
#include "tools/unirun/library.h"
#include "tools/unirun/settings.h"

/* ---- options ---- */

enum { KEY_ENV_FILE = KEY_FIRST, KEY_SHIM, KEY_SET, KEY_SETTING };

/* Options that are a setting under a shorter name: the key of row i is KEY_SETTING + i. */
static const char *const setting_names[] = {
    "UNIRUN_COMPAT_MODE", "UNIRUN_THREAD_MODE", "UNIRUN_MAX_WORKERS", "UNIRUN_DOMAIN", "UNIRUN_TEAMS",
    "UNIRUN_COUNTS",      "UNIRUN_LOG",         "UNIRUN_LOG_FORMAT",  "UNIRUN_TRACE",
};

static const struct argp_option options[] = {
    {"mode", KEY_SETTING + 0, "MODE", 0, "managed or passthrough", 0},
    {"thread-mode", KEY_SETTING + 1, "MODE", 0, "auto, gil or nogil", 0},
    {"max-workers", KEY_SETTING + 2, "N", 0, "the most threads or processes at a time; 0: no limit", 0},
    {"domain", KEY_SETTING + 3, "NAME", 0, "the programs to share the CPUs with; private: none", 0},
    {"teams", KEY_SETTING + 4, "SIZE", 0, "fixed or malleable", 0},
    {"counts", KEY_SETTING + 5, "KIND", 0, "auto, quota or host", 0},
    {"log", KEY_SETTING + 6, "LEVEL", 0, "off, downgrade, info or debug", 0},
    {"log-format", KEY_SETTING + 7, "FORMAT", 0, "text or json", 0},
    {"trace", KEY_SETTING + 8, "FILE", 0, "a file for the decision trace", 0},
    {"set", KEY_SET, "NAME=VALUE", 0, "any other setting (unirun list settings)", 0},
    {"env-file", KEY_ENV_FILE, "FILE", 0, "variables that the environment does not have; may be repeated", 0},
    {"shim", KEY_SHIM, "FILE", 0, "the library to use", 0},
    ARGUMENTS_HELP,
    {0},
};

static const struct argp argp = {
    .options = options,
    .args_doc = "[--] CMD [ARG...]",
    .doc = "Runs CMD with the shim in its LD_PRELOAD.\v"
           "Options go before the environment, and the environment before env files. The exit status is CMD's; 125: "
           "unirun itself failed, 126: CMD cannot be executed, 127: there is no CMD.",
};

static const char *option_name(int key)
{
    const struct argp_option *option = options;
    while (option->key != key)
        option++;
    return option->name;
}

static void apply_option(const struct argument *given)
{
    char *option = format_text("--%s", option_name(given->key));
    if (given->key == KEY_SET)
        settings_set_pair(option, given->value);
    else if (given->key >= KEY_SETTING)
        settings_set(option, setting_names[given->key - KEY_SETTING], given->value);
    free(option);
}

/* Options are applied after the files, whatever their order: they go first. */
static void apply(void)
{
    for (size_t i = 0; arguments_at(i); i++)
        if (arguments_at(i)->key == KEY_ENV_FILE)
            settings_read_file(arguments_at(i)->value);
    for (size_t i = 0; arguments_at(i); i++)
        apply_option(arguments_at(i));
}

/* ---- the library ---- */

static char *named_library(const char *given)
{
    char *path = library_absolute(given);
    const char *problem = library_problem(path);
    if (problem)
        fail(EXIT_USAGE, "--shim: %s: %s", path, problem);
    return path;
}

static char *own_library(void)
{
    char *looked, *path = library_find(&looked);
    if (!path)
        fail(EXIT_OURS, LIBRARY_NAME " is not at %s; install it or name it with --shim", looked);
    const char *problem = library_problem(path);
    if (problem)
        fail(EXIT_OURS, "%s: %s", path, problem);
    free(looked);
    return path;
}

static void set_preload(const char *path)
{
    char *value = library_preload(path, getenv("LD_PRELOAD"));
    if (*value ? setenv("LD_PRELOAD", value, 1) : unsetenv("LD_PRELOAD"))
        fail(EXIT_OURS, "LD_PRELOAD cannot be set: %s", strerror(errno));
    free(value);
}

/* ---- the program ---- */

static void warn(const char *sentence, void *data)
{
    say_warning(((const struct config *)data)->log_format, sentence);
}

/* Passthrough that was asked for says nothing, but neither may it break a program. Whether the preload can stay. */
static bool judge(const char *path, const struct config *config)
{
    bool silent = config->mode == MODE_PASSTHROUGH || config->log == LOG_OFF;
    struct program program;
    size_t at;
    program_follow(path, &program);
    struct program_verdict verdict = facts_judge(&program, &at);
    if (verdict.reason != REASON_NONE && !silent)
        say_downgrade(config->log_format, program.path[at], verdict.reason);
    program_free(&program);
    return verdict.keep_preload;
}

static _Noreturn void fail_to_start(const char *name)
{
    fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "%s: %s", name, strerror(errno));
}

int command_run(int argc, char **argv)
{
    struct config config;
    char **command = arguments_parse(&argp, argc, argv);
    if (!*command)
        arguments_refuse("a command", "is missing");
    const char *shim = arguments_value(KEY_SHIM);
    apply();
    config_read(environ, &config, NULL, 0);
    char *library = shim ? named_library(shim) : own_library();

    if (config.mode != MODE_PASSTHROUGH && config.log != LOG_OFF)
        settings_unknown(warn, &config);
    char *path = program_find(*command);
    if (!path)
        fail_to_start(*command);
    set_preload(judge(path, &config) ? library : NULL);
    execvp(*command, command);
    fail_to_start(*command);
}
