#include "tools/unirun/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/unirun/command.h"
#include "tools/unirun/dotenv.h"

#define PREFIX "UNIRUN_"

/* ---- names that are nearly right ---- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many letters must be changed, put in, left out or swapped with their neighbour to make `a` of `b`. */
static unsigned distance(const char *a, size_t length, const char *b)
{
    enum { MOST = 40 };
    unsigned row[3][MOST + 1];
    size_t other = strlen(b);
    if (length > MOST || other > MOST)
        return MOST;
    for (size_t j = 0; j <= other; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= length; i++) {
        unsigned *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= other; j++) {
            now[j] = least(before[j - 1] + (a[i - 1] != b[j - 1]), least(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], earlier[j - 2] + 1);
        }
    }
    return row[length % 3][other];
}

/* A setting that `name` may be meant to be, or NULL. */
static const char *nearest_setting(const char *name, size_t length)
{
    const char *nearest = NULL;
    unsigned best = 4;
    for (size_t row = 0; row < CONFIG_SETTINGS; row++) {
        unsigned away = distance(name, length, config_setting(row)->name);
        if (away < best) {
            best = away;
            nearest = config_setting(row)->name;
        }
    }
    return nearest;
}

static char *unknown_sentence(const char *name, size_t length)
{
    const char *nearest = nearest_setting(name, length);
    if (nearest)
        return format_text("%.*s is not a setting; did you mean %s?", (int)length, name, nearest);
    return format_text("%.*s is not a setting; unirun list settings names them", (int)length, name);
}

unsigned settings_unknown(void (*each)(const char *sentence, void *data), void *data)
{
    unsigned count = 0;
    for (char **entry = environ; entry && *entry; entry++) {
        size_t length = strcspn(*entry, "=");
        if (strncmp(*entry, PREFIX, strlen(PREFIX)) || config_is_setting(*entry, length))
            continue;
        char *sentence = unknown_sentence(*entry, length);
        each(sentence, data);
        free(sentence);
        count++;
    }
    return count;
}

/* ---- options ---- */

static void set(const char *name, const char *value)
{
    if (setenv(name, value, 1))
        fail(EXIT_OURS, "%s cannot be set: %s", name, strerror(errno));
}

void settings_set(const char *option, const char *name, const char *value)
{
    char *pair = format_text("%s=%s", name, value);
    char *const alone[] = {pair, NULL};
    struct config config;
    struct config_complaint complaint;
    if (config_read(alone, &config, &complaint, 1))
        fail(EXIT_USAGE, "%s: '%s' is not %s", option, value, complaint.accepted);
    free(pair);
    set(name, value);
}

void settings_set_pair(const char *option, const char *pair)
{
    size_t length = strcspn(pair, "=");
    if (!pair[length] || !length)
        fail(EXIT_USAGE, "%s: '%s' is not NAME=VALUE", option, pair);
    if (!config_is_setting(pair, length))
        fail(EXIT_USAGE, "%s: %s", option, unknown_sentence(pair, length));
    char *name = needed(strndup(pair, length));
    settings_set(option, name, pair + length + 1);
    free(name);
}

/* ---- env files ---- */

/* The whole file, allocated. Anything that can be read will do: a pipe of the shell's <(...) as well. */
static char *read_file(const char *path, size_t *length)
{
    size_t room = 4096;
    char *text = needed(malloc(room));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;
    *length = 0;
    while (fd >= 0 && (got = read(fd, text + *length, room - *length)) > 0) {
        *length += (size_t)got;
        if (*length == room)
            text = needed(realloc(text, room *= 2));
    }
    if (got < 0)
        fail(EXIT_USAGE, "--env-file: %s: %s", path, strerror(errno));
    close(fd);
    return text;
}

/* Names that the current file has set itself: within one file the last line counts. */
struct names {
    char **name;
    size_t count;
};

static bool is_in(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (!strcmp(names->name[i], name))
            return true;
    return false;
}

static void remember(struct names *names, const char *name)
{
    names->name = needed(realloc(names->name, (names->count + 1) * sizeof *names->name));
    names->name[names->count++] = needed(strdup(name));
}

/* Where the environment has the name already, from the caller or an earlier file, that stays. */
static void apply_entry(const struct dotenv_entry *entry, struct names *names)
{
    char *name = needed(strndup(entry->name, entry->name_length));
    char *value = needed(strndup(entry->value, entry->value_length));
    bool again = is_in(names, name), taken = getenv(name) && !again;
    if (!taken)
        set(name, value);
    if (!taken && !again)
        remember(names, name);
    free(name);
    free(value);
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->name[i]);
    free(names->name);
}

/* Reading changes the text, so the check reads a copy. */
static void check_text(const char *path, const char *text, size_t length)
{
    char *copy = needed(malloc(length + 1));
    struct dotenv reader = {copy, copy + length, 1};
    struct dotenv_entry entry;
    memcpy(copy, text, length);
    for (enum dotenv_result result; (result = dotenv_next(&reader, &entry)) != DOTENV_END;)
        if (result == DOTENV_BAD)
            fail(EXIT_USAGE, "%s:%u: %s, expected NAME=VALUE", path, entry.line, entry.problem);
    free(copy);
}

void settings_read_file(const char *path)
{
    size_t length;
    char *text = read_file(path, &length);
    struct names names = {NULL, 0};
    check_text(path, text, length);
    struct dotenv reader = {text, text + length, 1};
    for (struct dotenv_entry entry; dotenv_next(&reader, &entry) == DOTENV_ENTRY;)
        apply_entry(&entry, &names);
    free_names(&names);
    free(text);
}
