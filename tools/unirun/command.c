#include "tools/unirun/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/report/line.h"
#include "shim/report/output.h"

const char *command_title = "unirun";

void fail(int status, const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "%s: ", command_title);
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
