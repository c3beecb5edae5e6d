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

/* One character of a value: as it is, or escaped as C and JSON both read it. */
static void put_escaped(struct line *line, unsigned char c, bool json)
{
    if (c < 0x20 || c == 0x7f) {
        char escape[] = {'\\', 'u', '0', '0', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]};
        put(line, escape, sizeof escape);
        return;
    }
    if (json && (c == '"' || c == '\\'))
        put(line, "\\", 1);
    put(line, (const char *)&c, 1);
}

/* A value from outside, cut with "..." after `most` bytes. Bytes above 0x7f pass: paths are what they are. */
static void put_value(struct line *line, const char *value, size_t most, bool json)
{
    size_t end = line->length + most;
    if (end > LINE_MOST - CLOSING)
        end = LINE_MOST - CLOSING;
    for (; *value; value++) {
        if (line->length + 6 > end) {
            put_text(line, "...");
            return;
        }
        put_escaped(line, (unsigned char)*value, json);
    }
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
    put_value(line, d->object, 255, json);
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
    put_value(line, detail, 500, json);
    put_text(line, json ? "\"}\n" : "\n");
}
