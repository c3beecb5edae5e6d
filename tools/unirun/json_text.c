#include "tools/unirun/json_text.h"

#include <stdlib.h>
#include <string.h>

#include "tools/unirun/command.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* The length of the character that `text` begins with; 0: it begins with none. Jansson is asked, so that both are of
 * one opinion. */
static size_t character(const char *text, size_t length)
{
    for (size_t size = 1; size <= 4 && size <= length; size++) {
        json_t *one = json_stringn(text, size);
        json_decref(one);
        if (one)
            return size;
    }
    return 0;
}

static char *valid(const char *text)
{
    size_t length = strlen(text);
    char *copy = needed(malloc(length * strlen(REPLACEMENT) + 1)), *end = copy;
    while (length) {
        size_t size = character(text, length);
        end = size ? mempcpy(end, text, size) : stpcpy(end, REPLACEMENT);
        text += size ? size : 1;
        length -= size ? size : 1;
    }
    *end = 0;
    return copy;
}

json_t *json_text(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    char *copy = valid(text);
    string = needed(json_string(copy));
    free(copy);
    return string;
}
