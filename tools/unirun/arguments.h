/* The arguments of a subcommand: options, then whatever it works on. Options are remembered as they are given, and the
 * command asks for what it wants to know. */
#ifndef UNIRUN_TOOLS_ARGUMENTS_H
#define UNIRUN_TOOLS_ARGUMENTS_H

#include <argp.h>
#include <stddef.h>

enum { KEY_HELP = 0x100, KEY_JSON, KEY_FIRST };

#define ARGUMENTS_HELP                                                                                                 \
    {                                                                                                                  \
        "help", KEY_HELP, NULL, 0, "show this text", -1                                                                \
    }
#define ARGUMENTS_JSON                                                                                                 \
    {                                                                                                                  \
        "json", KEY_JSON, NULL, 0, "write JSON", 0                                                                     \
    }

/* Parses the options up to `--` or the first argument that is no option. Bad input and --help end the process. Returns
 * what follows the options, up to argv's NULL. `argp` has no parser of its own. */
char **arguments_parse(const struct argp *argp, int argc, char **argv);

/* The options of all calls of arguments_parse(), in order; NULL past the last. */
struct argument {
    int key;
    const char *value; /* "" where the option takes none */
};
const struct argument *arguments_at(size_t i);

/* The value that was given last for `key`; NULL where there is none. */
const char *arguments_value(int key);

/* Ends the process: "unirun NAME: WHAT WHY; see unirun NAME --help" */
_Noreturn void arguments_refuse(const char *what, const char *why);

#endif
