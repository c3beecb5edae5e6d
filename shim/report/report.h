/* The downgrade log: what could not be managed is counted, and said on stderr.
 *
 * A kind is a call and a reason. The first of a kind is said at once, then the 10th, the 100th and so on; what remains
 * is summed up when the process ends or becomes another program; after that, at each doubling. A line that stderr did
 * not take is said with a later one. Each count is claimed before it is said, so no two threads say the same.
 *
 * Context of every function, unless it says otherwise: any thread, a signal handler, a fork or vfork child; no lock is
 * taken, errno is kept, nothing is a cancellation point. */
#ifndef UNIRUN_SHIM_REPORT_REPORT_H
#define UNIRUN_SHIM_REPORT_REPORT_H

#include "policy/config.h"
#include "policy/reason.h"
#include "shim/domain/capacity.h"
#include "shim/switchboard/switchboard.h"

/* Remembers stderr and what to say. Context: start-up, before anything else here. */
void report_start(enum log level, enum log_format format);

/* Counts a downgraded call made by the code at `caller` (a return address), and says it if it is due. */
void report_downgrade(enum symbol call, enum reason reason, const void *caller);

/* The same, with what is special about this very case: it follows the reason's text, if this case is said at all. */
void report_downgrade_for(enum symbol call, enum reason reason, const void *caller, const char *detail);

/* Says that the whole process is not managed; `culprit` is an address in the object that is the reason, or NULL for the
 * program itself. */
void report_process(enum reason reason, const void *culprit);

/* Says that a setting's value was refused. */
void report_complaint(const struct config_complaint *complaint);

/* Says the mode and the capacity, at level info. */
void report_mode(enum mode mode, const struct capacity *capacity);

/* Says that the runtime in the object at `path` ("" for the program itself) starts with `cpus` of `of` CPUs because of
 * `limit`, at level info. */
void report_runtime(const char *path, unsigned cpus, unsigned of, enum capacity_limit limit);

/* Says a decision on `call`, at level debug: `what` is done with it. */
void report_decision(enum symbol call, const char *what);

/* Says what became of something, at level debug: `what`, continued by `why`. */
void report_note(const char *what, const char *why);

struct thread_counts; /* line.h */

/* Says how the process's threads were made, at level info. Context: the end of the process. */
void report_threads(const struct thread_counts *counts);

/* The process has restricted its system calls: from now on the log makes none, and what it still owes is lost. */
void report_stop(void);

/* Says every count that has not been said yet. Nothing in a vfork child: the counts are its parent's.
 * Context: before exec; also at exit, by itself. */
void report_totals(void);

#endif
