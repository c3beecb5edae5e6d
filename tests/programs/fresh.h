/* A new thread finds X fresh: each file has rows of one kind, and fresh.c runs them. A row sets X in a task, and looks
 * in a later one. */
#ifndef FRESH_H
#define FRESH_H

#include <stdbool.h>

enum { WHOLE, SHORT, LATE };

struct row {
    const char *name;
    void (*make)(void); /* in main, before the first set */
    void (*set)(void);
    void (*look)(void);
    int kind;   /* SHORT: few tasks; LATE: the first look is after the first set */
    bool alone; /* only when asked for by name: it has consequences for the whole process */
};

/* Each ends with a row without a name. */
extern const struct row data_rows[], libc_rows[], inherited_rows[], kernel_rows[], time_rows[], unseen_key_rows[];

/* Where the looks write. */
void find(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tasks are started with these alone, for fresh.c counts them. found_in_task() gives what the look wrote. */
void in_task(void (*run)(void));
const char *found_in_task(void (*look)(void));

extern int heavy; /* the thousandth time need not be as heavy */

/* What is inherited comes from the creator: looks in three tasks, and changes more and more before such looks. */
void look_and_say(const char *when);
void change_one_by_one(void);

#endif
