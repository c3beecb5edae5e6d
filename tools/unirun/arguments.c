#include "tools/unirun/arguments.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/unirun/command.h"

/* A process has one command line. */
static struct argument *given;
static size_t count;

static void remember(int key, const char *value)
{
    given = needed(realloc(given, (count + 1) * sizeof *given));
    given[count++] = (struct argument){key, value ? value : ""};
}

const struct argument *arguments_at(size_t i)
{
    return i < count ? &given[i] : NULL;
}

const char *arguments_value(int key)
{
    const char *value = NULL;
    for (size_t i = 0; i < count; i++)
        if (given[i].key == key)
            value = given[i].value;
    return value;
}

void arguments_refuse(const char *what, const char *why)
{
    fail(EXIT_USAGE, "%s %s; see %s --help", what, why, command_title);
}

static _Noreturn void show_help(struct argp_state *state)
{
    argp_help(state->root_argp, stdout, ARGP_HELP_LONG | ARGP_HELP_PRE_DOC | ARGP_HELP_POST_DOC | ARGP_HELP_USAGE,
              (char *)command_title);
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
static _Noreturn void refuse_option(struct argp_state *state)
{
    const char *last = state->next > 0 ? state->argv[state->next - 1] : "";
    const char *argument = last[0] == '-' || !state->argv[state->next] ? last : state->argv[state->next];
    arguments_refuse(argument, wants_value(state->root_argp, argument) ? "needs a value" : "is not an option");
}

/* Keys below are short options and argp's for a plain argument; from ARGP_KEY_END on they are its other events. */
static error_t parse(int key, char *value, struct argp_state *state)
{
    if (key == KEY_HELP)
        show_help(state);
    if (key == ARGP_KEY_ERROR)
        refuse_option(state);
    if (key < KEY_JSON || key >= ARGP_KEY_END)
        return ARGP_ERR_UNKNOWN;
    remember(key, value);
    return 0;
}

char **arguments_parse(const struct argp *argp, int argc, char **argv)
{
    struct argp ours = *argp;
    int next = argc;
    ours.parser = parse;
    /* argp's own messages take two lines and its exit status is not ours. Left-over arguments are no error to it: with
     * a place for their index it stops at the first. */
    argp_parse(&ours, argc, argv, ARGP_NO_ERRS | ARGP_NO_HELP | ARGP_IN_ORDER, &next, NULL);
    return argv + next;
}
