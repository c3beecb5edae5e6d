/* unirun: the command beside the library. Each subcommand is a file. */
#include <stdio.h>
#include <string.h>

#include "shim/report/output.h"
#include "tools/unirun/arguments.h"
#include "tools/unirun/command.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"run", command_run, "run a program under the shim"},
    {"doctor", command_doctor, "say whether the shim works here, and what it would see of a program"},
    {"parity", command_parity, "check the shim's symbols against the C library's"},
    {"ps", command_ps, "list the programs that share the CPUs"},
    {"list", command_list, "list the reasons, settings or symbols"},
};

static int show_help(void)
{
    printf("Usage: unirun COMMAND [ARG...]\n"
           "Programs that share a machine stop fighting for its CPUs.\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("  unirun %-8s %s\n", commands[i].name, commands[i].help);
    printf("\n`unirun COMMAND --help` describes a command; see also unirun(1) and unirun_shim(7).\n");
    return fflush(stdout) ? EXIT_PROBLEM : EXIT_FINE;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    output_remember();
    if (!strcmp(name, "--help") || !strcmp(name, "help"))
        return show_help();
    if (!strcmp(name, "--version")) {
        printf("unirun %s\n", UNIRUN_VERSION);
        return fflush(stdout) ? EXIT_PROBLEM : EXIT_FINE;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(name, commands[i].name)) {
            command_title = format_text("unirun %s", name);
            return commands[i].run(argc - 1, argv + 1);
        }
    if (!*name)
        arguments_refuse("a command", "is missing");
    fail(EXIT_USAGE, "'%s' is not a command; see unirun --help", name);
}
