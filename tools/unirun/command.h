/* What the subcommands share: exit statuses, and the ways to say something. */
#ifndef UNIRUN_TOOLS_COMMAND_H
#define UNIRUN_TOOLS_COMMAND_H

#include <stdbool.h>

#include "policy/config.h"
#include "policy/reason.h"

/* 125 to 127 are those of env(1), so that `unirun run` can stand where it stood. */
enum {
    EXIT_FINE = 0,
    EXIT_PROBLEM = 1,
    EXIT_USAGE = 2,
    EXIT_OURS = 125,
    EXIT_NOT_EXECUTABLE = 126,
    EXIT_NOT_FOUND = 127,
};

/* argv[0] is the subcommand's name. Each returns the exit status. */
int command_run(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_parity(int argc, char **argv);
int command_ps(int argc, char **argv);
int command_list(int argc, char **argv);

/* What it is called in messages: "unirun", and "unirun NAME" from when a subcommand is known. */
extern const char *command_title;

/* Ends the process with one line on stderr: "TITLE: ..." */
_Noreturn void fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory that is there: ends the process where there is none. */
void *needed(void *memory);
char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- log lines, as the library writes them: a stderr that is broken or full costs the line, not the start ---- */

/* The program at `path` will not be managed. */
void say_downgrade(enum log_format format, const char *path, enum reason reason);
void say_warning(enum log_format format, const char *text);

#endif
