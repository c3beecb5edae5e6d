/* The settings of a process: an environment block in, a struct and a list of complaints out.
 *
 * Pure: no system call, allocation, clock or global. Text in the results points into the environment block that was
 * read, or at constants. The rows are in settings.def. */
#ifndef UNIRUN_POLICY_CONFIG_H
#define UNIRUN_POLICY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

/* The words of each WORD setting: F for the first of a list, X for each further one. */
#define MODE_WORDS(F, X) F(MODE_MANAGED, "managed") X(MODE_PASSTHROUGH, "passthrough")
#define THREAD_MODE_WORDS(F, X) F(THREAD_MODE_AUTO, "auto") X(THREAD_MODE_GIL, "gil") X(THREAD_MODE_NOGIL, "nogil")
#define TEAMS_WORDS(F, X) F(TEAMS_FIXED, "fixed") X(TEAMS_MALLEABLE, "malleable")
#define COUNTS_WORDS(F, X) F(COUNTS_AUTO, "auto") X(COUNTS_QUOTA, "quota") X(COUNTS_HOST, "host")
#define LOG_WORDS(F, X) F(LOG_OFF, "off") X(LOG_DOWNGRADE, "downgrade") X(LOG_INFO, "info") X(LOG_DEBUG, "debug")
#define LOG_FORMAT_WORDS(F, X) F(LOG_FORMAT_TEXT, "text") X(LOG_FORMAT_JSON, "json")

#define WORD_ENUM(name, text) name,
enum mode { MODE_WORDS(WORD_ENUM, WORD_ENUM) };
enum thread_mode { THREAD_MODE_WORDS(WORD_ENUM, WORD_ENUM) };
enum teams { TEAMS_WORDS(WORD_ENUM, WORD_ENUM) };
enum counts { COUNTS_WORDS(WORD_ENUM, WORD_ENUM) };
enum log { LOG_WORDS(WORD_ENUM, WORD_ENUM) };
enum log_format { LOG_FORMAT_WORDS(WORD_ENUM, WORD_ENUM) };
#undef WORD_ENUM

struct config {
#define WORD(field, name, words, fallback, refused, help) enum words field;
#define FLAG(field, name, fallback, help) bool field;
#define COUNT(field, name, least, most, fallback, help) unsigned field;
#define TEXT(field, name, check, fallback, help) const char *field;
#include "policy/settings.def"
};

/* How many rows settings.def has. */
enum {
    CONFIG_SETTINGS = 0
#define WORD(...) +1
#define FLAG(...) +1
#define COUNT(...) +1
#define TEXT(...) +1
#include "policy/settings.def"
};

/* A setting whose value was refused: `value` is what the environment said, `accepted` what would have been right
 * (continues the sentence "is not ..."), `used` what applies instead. */
struct config_complaint {
    const char *name;
    const char *value;
    const char *accepted;
    const char *used;
};

/* What a setting is, for documents and for the doctor. */
struct config_setting {
    const char *name;
    const char *accepted;
    const char *fallback;
    const char *help;
};

/* Reads the settings from `env`, a NULL-terminated block of "NAME=VALUE" strings as in environ(7), into `*out`.
 *
 * A setting that is absent or empty has its default. A refused value has its default too, except a refused
 * UNIRUN_COMPAT_MODE, which means passthrough. Where a name occurs twice the first counts, as in getenv(3). Words and
 * flags are compared without regard to case. Returns the number of complaints, and writes the first `most` of them to
 * `complaints`; CONFIG_SETTINGS of them always suffice. A NULL `env` is an empty one. */
size_t config_read(char *const *env, struct config *out, struct config_complaint *complaints, size_t most);

/* The row-th setting of settings.def, or NULL past the last. */
const struct config_setting *config_setting(size_t row);

/* The row of the setting that `entry`, "NAME=VALUE", is of; CONFIG_SETTINGS: it is of none. */
size_t config_row(const char *entry);

/* Whether the `length` bytes at `name` are the name of a setting. */
bool config_is_setting(const char *name, size_t length);

/* The word for a mode, as users write it. */
const char *config_mode_name(enum mode mode);

#endif
