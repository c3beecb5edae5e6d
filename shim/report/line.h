/* The text of a log line. Pure: bytes into a buffer of fixed size, no allocation, no libc call but memcpy.
 *
 * The wording is an interface: alert rules match `RuntimeWarning: *downgraded to stdlib behaviour*`. */
#ifndef UNIRUN_SHIM_REPORT_LINE_H
#define UNIRUN_SHIM_REPORT_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "policy/config.h"
#include "policy/reason.h"

/* Far below PIPE_BUF, so that a pipe takes a line whole. */
enum { LINE_MOST = 800 };

struct line {
    size_t length;
    char text[LINE_MOST];
};

/* Something that was forwarded to libc although managing it was asked for. */
struct downgrade {
    int pid;
    const char *call;
    enum reason reason;
    const char *object; /* the file name of the object that made the call */
    uintptr_t offset;   /* of the call in that object, in bytes */
    uint64_t count;     /* how often this call has been downgraded for this reason */
    const char *detail; /* of this very case, behind the reason's text; NULL or empty: nothing */
};

/* Each writes one whole line, newline included, over what `line` held. What does not fit is cut inside a value, never
 * inside the wording. Bytes of values that could end the line, pretend to be another field or are no UTF-8 are escaped:
 * a line is always exactly one line of valid UTF-8, and a JSON line an object. */
void line_downgrade(struct line *line, enum log_format format, const struct downgrade *downgrade);
void line_complaint(struct line *line, enum log_format format, int pid, const struct config_complaint *complaint);

/* A line of level `info` or `debug`: `text` is a constant, `detail` a value that continues it. */
void line_note(struct line *line, enum log_format format, int pid, const char *level, const char *text,
               const char *detail);

/* The line of level `info` at start-up. */
void line_mode(struct line *line, enum log_format format, int pid, enum mode mode, const char *version, unsigned cpus,
               const char *limit);

/* The line of level `info` when a runtime starts: `object` is the file name of the one that it is in. */
void line_runtime(struct line *line, enum log_format format, int pid, const char *object, unsigned cpus, unsigned of,
                  const char *limit);

/* How the process's threads were made. */
struct thread_counts {
    uint64_t recycled; /* tasks given to a parked thread */
    uint64_t made;     /* new threads */
    uint64_t retired;  /* of those: could not be reused after a task */
};

/* The line of level `info` at the end. */
void line_threads(struct line *line, enum log_format format, int pid, const struct thread_counts *counts);

#endif
