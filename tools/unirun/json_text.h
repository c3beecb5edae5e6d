/* Text from outside as JSON: names of files and values of variables are bytes, and JSON is UTF-8. */
#ifndef UNIRUN_TOOLS_JSON_TEXT_H
#define UNIRUN_TOOLS_JSON_TEXT_H

#include <jansson.h>

/* `text` with U+FFFD for each byte that is not part of valid UTF-8. New reference, never NULL: where json_string()
 * would give NULL, whatever it was to be put into would silently go without it. */
json_t *json_text(const char *text);

#endif
