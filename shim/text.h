/* Text, for what runs in every process that starts: a function of libc would have to be found first, which takes longer
 * than what it does here. */
#ifndef UNIRUN_SHIM_TEXT_H
#define UNIRUN_SHIM_TEXT_H

#include <stdbool.h>
#include <stddef.h>

static inline bool text_is_same(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++)
        ;
    return *a == *b;
}

/* What of `text` stands behind `start`; NULL: it begins with something else. */
static inline const char *text_rest(const char *text, const char *start)
{
    for (; *start; text++, start++)
        if (*text != *start)
            return NULL;
    return text;
}

/* The last part of a path. */
static inline const char *text_base(const char *path)
{
    const char *base = path;
    for (; *path; path++)
        if (*path == '/')
            base = path + 1;
    return base;
}

#endif
