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

/* If `entry` is "NAME=VALUE" with this name, its value; otherwise NULL. */
static const char *value_if(const char *entry, const char *name)
{
    for (; *name; entry++, name++)
        if (*entry != *name)
            return NULL;
    return *entry == '=' ? entry + 1 : NULL;
}

/* From the first entry on that can be a setting: a program's environment is long, and the settings are many. */
static char *const *skip_foreign(char *const *env)
{
    static const char prefix[] = "UNIRUN_";
    for (; env && *env; env++) {
        size_t same = 0;
        while (prefix[same] && (*env)[same] == prefix[same])
            same++;
        if (!prefix[same])
            break;
    }
    return env;
}

/* The value of `name`, or NULL where it is absent or empty. */
static const char *look_up(char *const *env, const char *name)
{
    for (; env && *env; env++) {
        const char *value = value_if(*env, name);
        if (value)
            return *value ? value : NULL;
    }
    return NULL;
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

const char *config_mode_name(enum mode mode)
{
    return mode_table[mode];
}

/* ---- reading ---- */

/* `count` goes on past `most`, so that the caller learns how many there were. */
struct reader {
    char *const *env;
    struct config_complaint *complaints;
    size_t most, count;
};

static void complain(struct reader *r, const char *name, const char *value, const char *accepted, const char *used)
{
    if (r->count < r->most)
        r->complaints[r->count] = (struct config_complaint){name, value, accepted, used};
    r->count++;
}

static unsigned read_word(struct reader *r, const char *name, const char *const *words, size_t count,
                          const char *accepted, const char *fallback, const char *refused)
{
    const char *value = look_up(r->env, name);
    unsigned word = 0;
    if (value && !parse_word(value, words, count, &word)) {
        complain(r, name, value, accepted, refused);
        value = refused;
    }
    parse_word(value ? value : fallback, words, count, &word);
    return word;
}

static bool read_flag(struct reader *r, const char *name, bool fallback)
{
    static const char *const words[] = {"0", "1", "false", "true", "no", "yes", "off", "on"};
    const char *value = look_up(r->env, name);
    unsigned word;
    if (!value)
        return fallback;
    if (parse_word(value, words, LENGTH(words), &word))
        return word % 2;
    complain(r, name, value, "0 or 1", fallback ? "1" : "0");
    return fallback;
}

static unsigned read_count(struct reader *r, const char *name, unsigned least, unsigned most, unsigned fallback,
                           const char *accepted, const char *fallback_text)
{
    const char *value = look_up(r->env, name);
    unsigned number;
    if (!value)
        return fallback;
    if (parse_count(value, least, most, &number))
        return number;
    complain(r, name, value, accepted, fallback_text);
    return fallback;
}

static const char *read_text(struct reader *r, const char *name, bool (*check)(const char *), const char *accepted,
                             const char *fallback)
{
    const char *value = look_up(r->env, name);
    if (!value || check(value))
        return value ? value : fallback;
    complain(r, name, value, accepted, *fallback ? fallback : "none");
    return fallback;
}

/* Two flags that ask for opposites: the first is kept. */
static void refuse_second(struct reader *r, bool first, bool *second, const char *second_name, const char *accepted)
{
    if (!first || !*second)
        return;
    complain(r, second_name, look_up(r->env, second_name), accepted, "0");
    *second = false;
}

size_t config_read(char *const *env, struct config *out, struct config_complaint *complaints, size_t most_complaints)
{
    struct reader r = {skip_foreign(env), complaints, most_complaints, 0};
#define WORD(field, name, words, fallback, refused, help)                                                              \
    out->field =                                                                                                       \
        (enum words)read_word(&r, name, words##_table, LENGTH(words##_table), ACCEPTED_##words, fallback, refused);
#define FLAG(field, name, fallback, help) out->field = read_flag(&r, name, fallback);
#define COUNT(field, name, least, most, fallback, help)                                                                \
    out->field = read_count(&r, name, least, most, fallback, "a number from " #least " to " #most, #fallback);
#define TEXT(field, name, check, fallback, help) out->field = read_text(&r, name, check, ACCEPTED_##check, fallback);
#include "policy/settings.def"
    refuse_second(&r, out->force_threads, &out->force_process, "UNIRUN_FORCE_PROCESS",
                  "compatible with UNIRUN_FORCE_THREADS=1");
    refuse_second(&r, out->cpu_bound, &out->io_bound, "UNIRUN_IO_BOUND", "compatible with UNIRUN_CPU_BOUND=1");
    return r.count;
}
