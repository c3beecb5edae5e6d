#include "tools/unirun/dotenv.h"

#include <stdbool.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_name_start(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_name(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

/* At the end of the text or of a line. A CR counts only before a LF or the end: alone it is part of a value. */
static bool at_line_end(const struct dotenv *r)
{
    if (r->at == r->end || *r->at == '\n')
        return true;
    return *r->at == '\r' && (r->at + 1 == r->end || r->at[1] == '\n');
}

static void skip_blanks(struct dotenv *r)
{
    while (r->at < r->end && is_blank(*r->at))
        r->at++;
}

static void skip_to_line_end(struct dotenv *r)
{
    while (!at_line_end(r))
        r->at++;
}

static void skip_line(struct dotenv *r)
{
    while (r->at < r->end && *r->at != '\n')
        r->at++;
    if (r->at < r->end) {
        r->at++;
        r->line++;
    }
}

/* To the first line with an entry. Returns false where there is none. */
static bool find_entry(struct dotenv *r)
{
    if (r->line == 1 && r->end - r->at >= 3 && !memcmp(r->at, "\xEF\xBB\xBF", 3))
        r->at += 3;
    for (;;) {
        skip_blanks(r);
        if (r->at == r->end)
            return false;
        if (*r->at != '#' && !at_line_end(r))
            return true;
        skip_line(r);
    }
}

static void skip_export(struct dotenv *r)
{
    static const char word[] = "export";
    size_t length = sizeof word - 1;
    if ((size_t)(r->end - r->at) <= length || memcmp(r->at, word, length) || !is_blank(r->at[length]))
        return;
    r->at += length;
    skip_blanks(r);
}

static const char *read_name(struct dotenv *r, struct dotenv_entry *entry)
{
    char *start = r->at;
    if (start == r->end || !is_name_start(*start))
        return "a name starts with a letter or _";
    while (r->at < r->end && is_name(*r->at))
        r->at++;
    entry->name = start;
    entry->name_length = (size_t)(r->at - start);
    skip_blanks(r);
    if (r->at == r->end || *r->at != '=')
        return "no = after the name";
    r->at++;
    return NULL;
}

static char unescaped(char c)
{
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
}

/* In single quotes only the quote and the backslash can be escaped; other backslashes are themselves. */
static bool is_escape(const struct dotenv *r, char quote)
{
    if (*r->at != '\\' || r->end - r->at < 2)
        return false;
    return quote == '"' || r->at[1] == '\'' || r->at[1] == '\\';
}

static const char *read_quoted(struct dotenv *r, struct dotenv_entry *entry)
{
    char quote = *r->at++, *out = r->at;
    entry->value = out;
    for (; r->at < r->end && *r->at != quote; r->at++) {
        char c = *r->at;
        if (is_escape(r, quote)) {
            r->at++;
            c = quote == '"' ? unescaped(*r->at) : *r->at;
        }
        r->line += *r->at == '\n';
        *out++ = c;
    }
    if (r->at == r->end)
        return "the quote is not closed";
    entry->value_length = (size_t)(out - entry->value);
    r->at++;
    skip_blanks(r);
    return at_line_end(r) || *r->at == '#' ? NULL : "text after the closing quote";
}

/* A comment starts at a # after a blank; "a#b" is a value. */
static void read_plain(struct dotenv *r, struct dotenv_entry *entry)
{
    char *start = r->at, *end = r->at;
    for (; !at_line_end(r); r->at++) {
        if (*r->at == '#' && is_blank(r->at[-1]))
            break;
        if (!is_blank(*r->at))
            end = r->at + 1;
    }
    entry->value = start;
    entry->value_length = (size_t)(end - start);
}

static const char *read_entry(struct dotenv *r, struct dotenv_entry *entry)
{
    skip_export(r);
    const char *problem = read_name(r, entry);
    if (problem)
        return problem;
    skip_blanks(r);
    if (r->at < r->end && (*r->at == '"' || *r->at == '\''))
        problem = read_quoted(r, entry);
    else
        read_plain(r, entry);
    if (!problem && memchr(entry->value, 0, entry->value_length))
        return "a NUL byte in the value";
    return problem;
}

enum dotenv_result dotenv_next(struct dotenv *reader, struct dotenv_entry *entry)
{
    if (!find_entry(reader))
        return DOTENV_END;
    *entry = (struct dotenv_entry){.line = reader->line};
    entry->problem = read_entry(reader, entry);
    skip_to_line_end(reader);
    skip_line(reader);
    return entry->problem ? DOTENV_BAD : DOTENV_ENTRY;
}
