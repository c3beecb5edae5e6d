/* The .env format: NAME=VALUE lines, one at a time, from a buffer. No allocation, no input or output. */
#ifndef UNIRUN_TOOLS_DOTENV_H
#define UNIRUN_TOOLS_DOTENV_H

#include <stddef.h>

/* Where the reader is. Start with {buffer, buffer + length, 1}. */
struct dotenv {
    char *at, *end;
    unsigned line;
};

/* One entry. The name and value are in the buffer, unescaped in place, and end at their length, not at a NUL.
 * `line` is where the entry starts; `problem` is set for DOTENV_BAD only. */
struct dotenv_entry {
    const char *name, *value;
    size_t name_length, value_length;
    unsigned line;
    const char *problem;
};

enum dotenv_result { DOTENV_END, DOTENV_ENTRY, DOTENV_BAD };

/* Reads the next entry, past blank lines and comments, and changes the buffer up to where it has read.
 *
 * Understood: `export ` before a name; blanks around `=`; 'text' with \' and \\ ; "text" with \n \t \r \" \\ \$ \` and
 * other characters after a backslash as themselves, both over several lines; a comment after a blank; CRLF; a byte
 * order mark. There is no expansion of $NAME. After DOTENV_BAD the reader is at the next line. */
enum dotenv_result dotenv_next(struct dotenv *reader, struct dotenv_entry *entry);

#endif
