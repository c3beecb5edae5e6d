/* An environment block from lines of input: any bytes give a struct within its bounds, and complaints that name real
 * settings and quote real values. */
#include "policy/config.h"
#include "tests/fuzz/fuzz.h"

enum { ENTRIES = 64 };

static void check(char *const *env)
{
    struct config config;
    struct config_complaint complaints[CONFIG_SETTINGS];
    size_t count = config_read(env, &config, complaints, CONFIG_SETTINGS);
    REQUIRE(count <= CONFIG_SETTINGS);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(config_is_setting(complaints[i].name, strlen(complaints[i].name)));
        REQUIRE(strlen(complaints[i].accepted) && strlen(complaints[i].used) && strlen(complaints[i].value));
    }
#define WORD(field, name, words, fallback, refused, help) REQUIRE((unsigned)config.field < 8);
#define FLAG(field, name, fallback, help) REQUIRE(config.field == 0 || config.field == 1);
#define COUNT(field, name, least, most, fallback, help) REQUIRE(config.field >= (least) && config.field <= (most));
#define TEXT(field, name, check, fallback, help) REQUIRE(strlen(config.field) < 4096);
#include "policy/settings.def"
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *env[ENTRIES + 1], *whole = copy_of(data, size);
    size_t count = 0;
    for (size_t at = 0; whole && at < size && count < ENTRIES;) {
        const char *end = memchr(whole + at, '\n', size - at);
        size_t length = end ? (size_t)(end - whole) - at : size - at;
        env[count] = strndup(whole + at, length);
        count += env[count] != NULL;
        at += length + 1;
    }
    env[count] = NULL;
    check(env);
    while (count)
        free(env[--count]);
    free(whole);
    return 0;
}
