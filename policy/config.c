#include "policy/config.h"

#include <stdint.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* ---- text, without libc: policy objects link against memcpy and memset at most ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_word(const char *a, const char *b)
{
    for (; *a && lower(*a) == lower(*b); a++, b++)
        ;
    return lower(*a) == lower(*b);
}

/* If `text` begins with `start`, what stands behind it; otherwise NULL. */
static const char *rest_of(const char *text, const char *start)
{
    for (; *start; text++, start++)
        if (*text != *start)
            return NULL;
    return text;
}

/* ---- what a value may be ---- */

static bool parse_word(const char *value, const char *const *words, size_t count, unsigned *out)
{
    for (size_t i = 0; i < count; i++) {
        if (same_word(value, words[i])) {
            *out = (unsigned)i;
            return true;
        }
    }
    return false;
}

static bool parse_count(const char *value, unsigned least, unsigned most, unsigned *out)
{
    uint64_t number = 0;
    for (const char *c = value; *c; c++) {
        if (*c < '0' || *c > '9')
            return false;
        number = number * 10 + (uint64_t)(*c - '0');
        if (number > most)
            return false;
    }
    *out = (unsigned)number;
    return number >= least;
}

/* A domain name becomes part of a file name: no slash, no leading dot, short. */
static bool is_domain(const char *value)
{
    size_t length = 0;
    for (; value[length]; length++) {
        char c = lower(value[length]);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!plain && !(c == '.' && length))
            return false;
    }
    return length <= 64;
}

static bool is_path(const char *value)
{
    size_t length = 0;
    while (value[length])
        length++;
    return length < 4096;
}

/* ---- the words, and what documents and complaints say of each row ---- */

#define TABLE_WORD(name, text) text,
static const char *const mode_table[] = {MODE_WORDS(TABLE_WORD, TABLE_WORD)};
static const char *const thread_mode_table[] = {THREAD_MODE_WORDS(TABLE_WORD, TABLE_WORD)};
static const char *const teams_table[] = {TEAMS_WORDS(TABLE_WORD, TABLE_WORD)};
static const char *const counts_table[] = {COUNTS_WORDS(TABLE_WORD, TABLE_WORD)};
static const char *const log_table[] = {LOG_WORDS(TABLE_WORD, TABLE_WORD)};
static const char *const log_format_table[] = {LOG_FORMAT_WORDS(TABLE_WORD, TABLE_WORD)};

#define FIRST_WORD(name, text) text
#define NEXT_WORD(name, text) ", " text
#define ACCEPTED_mode "one of " MODE_WORDS(FIRST_WORD, NEXT_WORD)
#define ACCEPTED_thread_mode "one of " THREAD_MODE_WORDS(FIRST_WORD, NEXT_WORD)
#define ACCEPTED_teams "one of " TEAMS_WORDS(FIRST_WORD, NEXT_WORD)
#define ACCEPTED_counts "one of " COUNTS_WORDS(FIRST_WORD, NEXT_WORD)
#define ACCEPTED_log "one of " LOG_WORDS(FIRST_WORD, NEXT_WORD)
#define ACCEPTED_log_format "one of " LOG_FORMAT_WORDS(FIRST_WORD, NEXT_WORD)
#define ACCEPTED_is_domain "a name of 1 to 64 characters from A-Z a-z 0-9 _ - . without a leading dot"
#define ACCEPTED_is_path "a path shorter than 4096 bytes"

static const struct config_setting settings[] = {
#define WORD(field, name, words, fallback, refused, help) {name, ACCEPTED_##words, fallback, help},
#define FLAG(field, name, fallback, help) {name, "0 or 1", #fallback, help},
#define COUNT(field, name, least, most, fallback, help) {name, "a number from " #least " to " #most, #fallback, help},
#define TEXT(field, name, check, fallback, help) {name, ACCEPTED_##check, fallback, help},
#include "policy/settings.def"
};

const struct config_setting *config_setting(size_t row)
{
    return row < CONFIG_SETTINGS ? &settings[row] : NULL;
}

bool config_is_setting(const char *name, size_t length)
{
    for (size_t row = 0; row < CONFIG_SETTINGS; row++) {
        const char *known = settings[row].name;
        size_t i = 0;
        while (i < length && known[i] && known[i] == name[i])
            i++;
        if (i == length && !known[i])
            return true;
    }
    return false;
}

/* If the entry is of a setting, its value. */
static const char *value_of(const char *entry, size_t *row)
{
    static const char prefix[] = "UNIRUN_"; /* of all of them: a program's environment is long, and they are many */
    const char *own = rest_of(entry, prefix);
    for (size_t i = 0; own && i < CONFIG_SETTINGS; i++) {
        const char *rest = rest_of(own, settings[i].name + sizeof prefix - 1);
        if (rest && *rest == '=') {
            *row = i;
            return rest + 1;
        }
    }
    return NULL;
}

size_t config_row(const char *entry)
{
    size_t row;
    return value_of(entry, &row) ? row : CONFIG_SETTINGS;
}

const char *config_mode_name(enum mode mode)
{
    return mode_table[mode];
}

/* ---- reading ---- */

enum {
#define WORD(field, ...) ROW_##field,
#define FLAG(field, ...) ROW_##field,
#define COUNT(field, ...) ROW_##field,
#define TEXT(field, ...) ROW_##field,
#include "policy/settings.def"
};
_Static_assert(CONFIG_SETTINGS <= 32, "a bit for each");

/* `count` goes on past `most`, so that the caller learns how many there were. */
struct reader {
    uint32_t found;                     /* a bit for each row that the environment has */
    const char *value[CONFIG_SETTINGS]; /* what it says there; undefined where it has none */
    struct config_complaint *complaints;
    size_t most, count;
};

/* Where a name occurs twice, its first value. */
static void find_values(struct reader *r, char *const *env)
{
    size_t row;
    for (; env && *env; env++) {
        const char *value = value_of(*env, &row);
        if (!value || r->found >> row & 1)
            continue;
        r->found |= UINT32_C(1) << row;
        r->value[row] = value;
    }
}

/* The value of a row, or NULL where it is absent or empty. */
static const char *given(const struct reader *r, size_t row)
{
    return r->found >> row & 1 && *r->value[row] ? r->value[row] : NULL;
}

static void complain(struct reader *r, size_t row, const char *accepted, const char *used)
{
    if (r->count < r->most)
        r->complaints[r->count] = (struct config_complaint){settings[row].name, r->value[row], accepted, used};
    r->count++;
}

static unsigned read_word(struct reader *r, size_t row, const char *const *words, size_t count, const char *refused)
{
    const char *value = given(r, row);
    unsigned word = 0;
    if (value && !parse_word(value, words, count, &word)) {
        complain(r, row, settings[row].accepted, refused);
        value = refused;
    }
    parse_word(value ? value : settings[row].fallback, words, count, &word);
    return word;
}

static bool read_flag(struct reader *r, size_t row, bool fallback)
{
    static const char *const words[] = {"0", "1", "false", "true", "no", "yes", "off", "on"};
    const char *value = given(r, row);
    unsigned word;
    if (!value)
        return fallback;
    if (parse_word(value, words, LENGTH(words), &word))
        return word % 2;
    complain(r, row, settings[row].accepted, settings[row].fallback);
    return fallback;
}

static unsigned read_count(struct reader *r, size_t row, unsigned least, unsigned most, unsigned fallback)
{
    const char *value = given(r, row);
    unsigned number;
    if (!value)
        return fallback;
    if (parse_count(value, least, most, &number))
        return number;
    complain(r, row, settings[row].accepted, settings[row].fallback);
    return fallback;
}

static const char *read_text(struct reader *r, size_t row, bool (*check)(const char *))
{
    const char *value = given(r, row), *fallback = settings[row].fallback;
    if (!value || check(value))
        return value ? value : fallback;
    complain(r, row, settings[row].accepted, *fallback ? fallback : "none");
    return fallback;
}

/* Two flags that ask for opposites: the first is kept. */
static void refuse_second(struct reader *r, bool first, bool *second, size_t second_row, const char *accepted)
{
    if (!first || !*second)
        return;
    complain(r, second_row, accepted, "0");
    *second = false;
}

size_t config_read(char *const *env, struct config *out, struct config_complaint *complaints, size_t most_complaints)
{
    struct reader r;
    r.found = 0;
    r.complaints = complaints;
    r.most = most_complaints;
    r.count = 0;
    find_values(&r, env);
#define WORD(field, name, words, fallback, refused, help)                                                              \
    out->field = (enum words)read_word(&r, ROW_##field, words##_table, LENGTH(words##_table), refused);
#define FLAG(field, name, fallback, help) out->field = read_flag(&r, ROW_##field, fallback);
#define COUNT(field, name, least, most, fallback, help) out->field = read_count(&r, ROW_##field, least, most, fallback);
#define TEXT(field, name, check, fallback, help) out->field = read_text(&r, ROW_##field, check);
#include "policy/settings.def"
    refuse_second(&r, out->force_threads, &out->force_process, ROW_force_process,
                  "compatible with UNIRUN_FORCE_THREADS=1");
    refuse_second(&r, out->cpu_bound, &out->io_bound, ROW_io_bound, "compatible with UNIRUN_CPU_BOUND=1");
    return r.count;
}
