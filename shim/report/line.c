#include "shim/report/line.h"

#include <stdbool.h>
#include <string.h>

/* ---- building blocks ---- */

/* Room for the newline and for what closes a line after its last value is always kept. */
enum { CLOSING = 64 };

static void put(struct line *line, const char *text, size_t length)
{
    size_t room = LINE_MOST - line->length;
    if (length > room)
        length = room;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void put_text(struct line *line, const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    put(line, text, length);
}

static void put_number(struct line *line, uint64_t number, unsigned base)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = "0123456789abcdef"[number % base];
    while (number /= base);
    put(line, digits + at, sizeof digits - at);
}

/* The length of the UTF-8 sequence that `text` begins with; 0: it begins with none (RFC 3629). */
static size_t sequence(const unsigned char *text)
{
    unsigned char c = text[0];
    size_t length = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if (length == 3 && ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] > 0x9f)))
        return 0; /* overlong, or a surrogate */
    if (length == 4 && ((c == 0xf0 && text[1] < 0x90) || (c == 0xf4 && text[1] > 0x8f)))
        return 0;
    return length;
}

/* How values are written. In text, a value stands between blanks or quotes, so those are escaped too. */
enum style { TEXT, JSON };

static bool is_plain(const unsigned char *text, size_t length, enum style style)
{
    unsigned char c = text[0];
    if (length != 1)
        return length > 1 && !(c == 0xc2 && text[1] < 0xa0); /* control characters of ISO 6429 */
    if (c < 0x20 || c == 0x7f || c == '\\')
        return false;
    return style == JSON ? c != '"' : c != '\'';
}

static void put_escaped(struct line *line, unsigned char c)
{
    if (c == '"' || c == '\\' || c == '\'') {
        char escape[] = {'\\', (char)c};
        put(line, escape, sizeof escape);
    } else {
        char escape[] = {'\\', 'u', '0', '0', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]};
        put(line, escape, sizeof escape);
    }
}

/* A value from outside, cut with "..." after `most` bytes, between characters. */
static void put_value(struct line *line, const char *value, size_t most, bool json)
{
    size_t end = line->length + most;
    if (end > LINE_MOST - CLOSING)
        end = LINE_MOST - CLOSING;
    const unsigned char *text = (const unsigned char *)value;
    while (*text) {
        size_t length = sequence(text);
        if (line->length + 6 > end) {
            put_text(line, "...");
            return;
        }
        if (is_plain(text, length, json ? JSON : TEXT)) {
            put(line, (const char *)text, length);
            text += length;
        } else {
            put_escaped(line, *text++);
        }
    }
}

/* A file name among the fields of a text line: blanks and parentheses would end it. */
static void put_name(struct line *line, const char *name, size_t most, bool json)
{
    char one[2] = "";
    for (size_t end = line->length + most; !json && *name && line->length < end; name++) {
        if (*name == ' ' || *name == '(' || *name == ')' || *name == '=') {
            put_escaped(line, (unsigned char)*name);
            continue;
        }
        size_t length = sequence((const unsigned char *)name);
        if (length > 1 && is_plain((const unsigned char *)name, length, TEXT)) {
            put(line, name, length);
            name += length - 1;
        } else {
            one[0] = *name;
            put_value(line, one, 8, false);
        }
    }
    if (json)
        put_value(line, name, most, true);
}

static void begin(struct line *line, enum log_format format, int pid, const char *level)
{
    line->length = 0;
    if (format == LOG_FORMAT_JSON) {
        put_text(line, "{\"pid\":");
        put_number(line, (uint64_t)pid, 10);
        put_text(line, ",\"level\":\"");
        put_text(line, level);
        put_text(line, "\",\"message\":\"");
    } else {
        put_text(line, "unirun[");
        put_number(line, (uint64_t)pid, 10);
        put_text(line, "]: ");
        put_text(line, level);
        put_text(line, ": ");
    }
}

/* ---- lines ---- */

static void put_caller(struct line *line, const struct downgrade *d, bool json)
{
    put_name(line, d->object, 120, json);
    put_text(line, "+0x");
    put_number(line, d->offset, 16);
}

void line_downgrade(struct line *line, enum log_format format, const struct downgrade *d)
{
    const struct reason_text *reason = reason_text(d->reason);
    bool json = format == LOG_FORMAT_JSON;
    begin(line, format, d->pid, "RuntimeWarning");
    put_text(line, d->call);
    put_text(line, " downgraded to stdlib behaviour: ");
    put_value(line, reason->why, 300, json);
    if (d->detail && *d->detail) {
        put_text(line, ": ");
        put_value(line, d->detail, 160, json);
    }
    put_text(line, json ? "\",\"call\":\"" : " (reason=");
    if (json) {
        put_text(line, d->call);
        put_text(line, "\",\"reason\":\"");
    }
    put_text(line, reason->code);
    put_text(line, json ? "\",\"caller\":\"" : " caller=");
    put_caller(line, d, json);
    put_text(line, json ? "\",\"count\":" : " count=");
    put_number(line, d->count, 10);
    put_text(line, json ? "}\n" : ")\n");
}

void line_complaint(struct line *line, enum log_format format, int pid, const struct config_complaint *c)
{
    bool json = format == LOG_FORMAT_JSON;
    begin(line, format, pid, "RuntimeWarning");
    put_text(line, c->name);
    put_text(line, "='");
    put_value(line, c->value, 200, json);
    put_text(line, "' is not ");
    put_value(line, c->accepted, 200, json);
    put_text(line, "; using ");
    put_text(line, c->used);
    if (json) {
        put_text(line, "\",\"setting\":\"");
        put_text(line, c->name);
        put_text(line, "\"}\n");
    } else {
        put_text(line, "\n");
    }
}

void line_note(struct line *line, enum log_format format, int pid, const char *level, const char *text,
               const char *detail)
{
    bool json = format == LOG_FORMAT_JSON;
    begin(line, format, pid, level);
    put_text(line, text);
    put_value(line, detail, 300, json);
    put_text(line, json ? "\"}\n" : "\n");
}

void line_mode(struct line *line, enum log_format format, int pid, enum mode mode, const char *version, unsigned cpus,
               const char *limit)
{
    begin(line, format, pid, "info");
    put_text(line, config_mode_name(mode));
    put_text(line, " mode, version ");
    put_text(line, version);
    put_text(line, ", capacity ");
    put_number(line, cpus, 10);
    put_text(line, cpus == 1 ? " CPU (" : " CPUs (");
    put_text(line, limit);
    put_text(line, format == LOG_FORMAT_JSON ? ")\"}\n" : ")\n");
}

void line_runtime(struct line *line, enum log_format format, int pid, const char *object, unsigned cpus, unsigned of,
                  const char *limit)
{
    begin(line, format, pid, "info");
    put_value(line, object, 120, format == LOG_FORMAT_JSON);
    put_text(line, " starts with ");
    put_number(line, cpus, 10);
    put_text(line, " of ");
    put_number(line, of, 10);
    put_text(line, " CPUs (");
    put_text(line, limit);
    put_text(line, format == LOG_FORMAT_JSON ? ")\"}\n" : ")\n");
}

static void put_count(struct line *line, enum log_format format, const char *name, const char *text, uint64_t count)
{
    put_text(line, format == LOG_FORMAT_JSON ? name : text);
    put_number(line, count, 10);
}

void line_threads(struct line *line, enum log_format format, int pid, const struct thread_counts *counts)
{
    begin(line, format, pid, "info");
    put_count(line, format, "threads\",\"recycled\":", "threads: recycled ", counts->recycled);
    put_count(line, format, ",\"made\":", ", new ", counts->made);
    put_count(line, format, ",\"retired\":", ", of which not reusable ", counts->retired);
    put_text(line, format == LOG_FORMAT_JSON ? "}\n" : "\n");
}
