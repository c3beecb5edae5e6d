#include "tools/unirun/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/report/line.h"
#include "shim/report/output.h"

static const char *command_name = "";

void fail(int status, const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "unirun%s%s: ", *command_name ? " " : "", command_name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(status);
}

void *needed(void *memory)
{
    if (!memory)
        fail(EXIT_OURS, "out of memory");
    return memory;
}

char *format_text(const char *format, ...)
{
    va_list args;
    char *text;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    return needed(length < 0 ? NULL : text);
}

/* ---- arguments ---- */

static _Noreturn void show_help(struct argp_state *state)
{
    char *name = format_text("unirun %s", command_name);
    argp_help(state->root_argp, stdout, ARGP_HELP_LONG | ARGP_HELP_PRE_DOC | ARGP_HELP_POST_DOC | ARGP_HELP_USAGE,
              name);
    free(name);
    exit(fflush(stdout) ? EXIT_PROBLEM : EXIT_FINE);
}

static bool wants_value(const struct argp *argp, const char *argument)
{
    for (const struct argp_option *option = argp->options; option->name || option->key; option++)
        if (option->arg && option->name && !strncmp(argument, "--", 2) && !strcmp(argument + 2, option->name))
            return true;
    return false;
}

/* getopt has gone past the argument that it refused, unless it stands in the middle of a cluster of short options. */
static _Noreturn void refuse_argument(struct argp_state *state)
{
    const char *last = state->next > 0 ? state->argv[state->next - 1] : "";
    const char *argument = last[0] == '-' || !state->argv[state->next] ? last : state->argv[state->next];
    if (wants_value(state->root_argp, argument))
        fail(EXIT_USAGE, "%s needs a value; see unirun %s --help", argument, command_name);
    fail(EXIT_USAGE, "%s is not an option; see unirun %s --help", argument, command_name);
}

error_t arguments_default(int key, struct argp_state *state)
{
    switch (key) {
    case KEY_HELP:
        show_help(state);
    case ARGP_KEY_ERROR:
        refuse_argument(state);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

char **arguments_parse(const struct argp *argp, const char *name, int argc, char **argv, void *input)
{
    int next = argc;
    command_name = name;
    /* argp's own messages take two lines and its exit status is not ours. Left-over arguments are no error to it: with
     * a place for their index it stops at the first. */
    argp_parse(argp, argc, argv, ARGP_NO_ERRS | ARGP_NO_HELP | ARGP_IN_ORDER, &next, input);
    return argv + next;
}

/* ---- log lines ---- */

void say_downgrade(enum log_format format, const char *path, enum reason reason)
{
    const char *slash = strrchr(path, '/');
    struct line line;
    line_downgrade(
        &line, format,
        &(struct downgrade){
            .pid = getpid(), .call = "exec", .reason = reason, .object = slash ? slash + 1 : path, .count = 1});
    output_write(line.text, line.length);
}

void say_warning(enum log_format format, const char *text)
{
    struct line line;
    line_note(&line, format, getpid(), "RuntimeWarning", "", text);
    output_write(line.text, line.length);
}
