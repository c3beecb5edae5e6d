/* policy/config: what each setting accepts, and what is said of what it does not. */
#include "policy/config.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static struct config config;
static struct config_complaint complaints[CONFIG_SETTINGS];

static size_t read_block(char *const *env)
{
    memset(&config, 0xee, sizeof config);
    memset(complaints, 0xee, sizeof complaints);
    return config_read(env, &config, complaints, CONFIG_SETTINGS);
}

#define READ(...) read_block((char *const[]){__VA_ARGS__, NULL})

static void an_empty_environment_gives_the_defaults(void **state)
{
    (void)state;
    assert_int_equal(read_block(NULL), 0);
    assert_int_equal(READ("PATH=/bin", "UNIRUN_COMPAT_MODEX=passthrough", "XUNIRUN_COMPAT_MODE=passthrough"), 0);
    assert_int_equal(config.mode, MODE_MANAGED);
    assert_int_equal(config.thread_mode, THREAD_MODE_AUTO);
    assert_int_equal(config.max_workers, 0);
    assert_false(config.force_threads || config.force_process || config.cpu_bound || config.io_bound);
    assert_string_equal(config.domain, "default");
    assert_int_equal(config.teams, TEAMS_FIXED);
    assert_int_equal(config.counts, COUNTS_AUTO);
    assert_int_equal(config.log, LOG_DOWNGRADE);
    assert_int_equal(config.log_format, LOG_FORMAT_TEXT);
    assert_true(config.recycle && config.park);
    assert_int_equal(config.idle_ms, 1000);
}

static void every_default_is_a_value_that_its_setting_accepts(void **state)
{
    (void)state;
    for (size_t row = 0; row < CONFIG_SETTINGS; row++) {
        const struct config_setting *setting = config_setting(row);
        assert_memory_equal(setting->name, "UNIRUN_", 7); /* reading begins at the first entry that begins so */
        char entry[256];
        struct config fallback;
        config_read(NULL, &fallback, NULL, 0);
        strcat(strcat(strcpy(entry, setting->name), "="), setting->fallback);
        assert_int_equal(READ(entry), 0);
        assert_int_equal(config.mode, fallback.mode);
        assert_int_equal(config.counts, fallback.counts);
        assert_int_equal(config.recycle, fallback.recycle);
        assert_int_equal(config.quantum_ms, fallback.quantum_ms);
        assert_string_equal(config.domain, fallback.domain);
    }
    assert_null(config_setting(CONFIG_SETTINGS));
}

static void every_word_of_every_word_setting_is_read(void **state)
{
    (void)state;
#define CHECK(field, name, text, value)                                                                                \
    assert_int_equal(READ(name "=" text), 0);                                                                          \
    assert_int_equal(config.field, value);
    CHECK(mode, "UNIRUN_COMPAT_MODE", "passthrough", MODE_PASSTHROUGH)
    CHECK(mode, "UNIRUN_COMPAT_MODE", "Managed", MODE_MANAGED)
    CHECK(thread_mode, "UNIRUN_THREAD_MODE", "gil", THREAD_MODE_GIL)
    CHECK(thread_mode, "UNIRUN_THREAD_MODE", "NOGIL", THREAD_MODE_NOGIL)
    CHECK(teams, "UNIRUN_TEAMS", "malleable", TEAMS_MALLEABLE)
    CHECK(counts, "UNIRUN_COUNTS", "quota", COUNTS_QUOTA)
    CHECK(counts, "UNIRUN_COUNTS", "host", COUNTS_HOST)
    CHECK(log, "UNIRUN_LOG", "off", LOG_OFF)
    CHECK(log, "UNIRUN_LOG", "debug", LOG_DEBUG)
    CHECK(log_format, "UNIRUN_LOG_FORMAT", "json", LOG_FORMAT_JSON)
    CHECK(recycle, "UNIRUN_RECYCLE", "no", false)
    CHECK(park, "UNIRUN_PARK", "0", false)
    CHECK(cpu_bound, "UNIRUN_CPU_BOUND", "True", true)
    CHECK(pool_max, "UNIRUN_POOL_MAX", "0", 0)
    CHECK(max_workers, "UNIRUN_MAX_WORKERS", "00064", 64)
#undef CHECK
}

static void a_refused_value_is_reported_and_replaced(void **state)
{
    (void)state;
    assert_int_equal(READ("UNIRUN_QUANTUM_MS=soon"), 1);
    assert_string_equal(complaints[0].name, "UNIRUN_QUANTUM_MS");
    assert_string_equal(complaints[0].value, "soon");
    assert_string_equal(complaints[0].accepted, "a number from 1 to 10000");
    assert_string_equal(complaints[0].used, "100");
    assert_int_equal(config.quantum_ms, 100);
}

static void a_refused_mode_means_passthrough(void **state)
{
    (void)state;
    assert_int_equal(READ("UNIRUN_COMPAT_MODE=manged"), 1);
    assert_string_equal(complaints[0].used, "passthrough");
    assert_int_equal(config.mode, MODE_PASSTHROUGH);
}

static void numbers_have_bounds_and_only_digits(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "UNIRUN_QUANTUM_MS=0",   "UNIRUN_QUANTUM_MS=10001", "UNIRUN_QUANTUM_MS=99999999999999999999999",
        "UNIRUN_QUANTUM_MS=-1",  "UNIRUN_QUANTUM_MS=+1",    "UNIRUN_QUANTUM_MS= 1",
        "UNIRUN_QUANTUM_MS=1ms", "UNIRUN_QUANTUM_MS=0x10",  "UNIRUN_QUANTUM_MS=1.5",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(READ((char *)bad[i]), 1);
    assert_int_equal(READ("UNIRUN_QUANTUM_MS=10000"), 0);
    assert_int_equal(config.quantum_ms, 10000);
}

static void a_domain_is_a_plain_file_name(void **state)
{
    (void)state;
    static const char *const bad[] = {"../x", "a/b", ".hidden", "with space", "\xc3\xa4"};
    char entry[128] = "UNIRUN_DOMAIN=";
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        strcpy(entry + 14, bad[i]);
        assert_int_equal(READ(entry), 1);
        assert_string_equal(config.domain, "default");
    }
    memset(entry + 14, 'a', 65);
    entry[14 + 65] = '\0';
    assert_int_equal(READ(entry), 1);
    entry[14 + 64] = '\0';
    assert_int_equal(READ(entry), 0);
    assert_int_equal(READ("UNIRUN_DOMAIN=team-1.a_B"), 0);
    assert_string_equal(config.domain, "team-1.a_B");
}

static void an_empty_value_is_an_absent_one(void **state)
{
    (void)state;
    assert_int_equal(READ("UNIRUN_COMPAT_MODE=", "UNIRUN_QUANTUM_MS=", "UNIRUN_RECYCLE="), 0);
    assert_int_equal(config.mode, MODE_MANAGED);
    assert_int_equal(config.quantum_ms, 100);
    assert_true(config.recycle);
}

static void of_two_entries_the_first_counts(void **state)
{
    (void)state;
    assert_int_equal(READ("UNIRUN_COMPAT_MODE=passthrough", "UNIRUN_COMPAT_MODE=managed"), 0);
    assert_int_equal(config.mode, MODE_PASSTHROUGH);
}

static void opposite_flags_refuse_the_second(void **state)
{
    (void)state;
    assert_int_equal(
        READ("UNIRUN_FORCE_PROCESS=1", "UNIRUN_FORCE_THREADS=1", "UNIRUN_IO_BOUND=yes", "UNIRUN_CPU_BOUND=1"), 2);
    assert_true(config.force_threads && !config.force_process && config.cpu_bound && !config.io_bound);
    assert_string_equal(complaints[0].name, "UNIRUN_FORCE_PROCESS");
    assert_string_equal(complaints[1].name, "UNIRUN_IO_BOUND");
    assert_string_equal(complaints[1].value, "yes");
}

static void complaints_are_counted_past_the_room_for_them(void **state)
{
    (void)state;
    struct config_complaint one[2] = {{0}, {.name = "untouched"}};
    char *const env[] = {"UNIRUN_PARK=2", "UNIRUN_LOG=loud", "UNIRUN_TEAMS=1", NULL};
    assert_int_equal(config_read(env, &config, one, 1), 3);
    assert_non_null(one[0].name);
    assert_string_equal(one[1].name, "untouched");
}

static void setting_names_are_known(void **state)
{
    (void)state;
    assert_true(config_is_setting("UNIRUN_LOG", 10));
    assert_true(config_is_setting("UNIRUN_LOG_FORMAT=json", 17));
    assert_false(config_is_setting("UNIRUN_LO", 9));
    assert_false(config_is_setting("UNIRUN_LOGS", 11));
    assert_false(config_is_setting("", 0));
}

static void entries_are_told_by_their_setting(void **state)
{
    (void)state;
    for (size_t row = 0; row < CONFIG_SETTINGS; row++) {
        char entry[64];
        snprintf(entry, sizeof entry, "%s=1", config_setting(row)->name);
        assert_int_equal(config_row(entry), row);
    }
    const char *const others[] = {"UNIRUN_LO=1",  "UNIRUN_LOGS=1",    "UNIRUN_LOG", "UNIRUN_=1", "UNIRUN", "",
                                  "unirun_log=1", "PATH=UNIRUN_LOG=1"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(config_row(others[i]), CONFIG_SETTINGS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_environment_gives_the_defaults),
        cmocka_unit_test(every_default_is_a_value_that_its_setting_accepts),
        cmocka_unit_test(every_word_of_every_word_setting_is_read),
        cmocka_unit_test(a_refused_value_is_reported_and_replaced),
        cmocka_unit_test(a_refused_mode_means_passthrough),
        cmocka_unit_test(numbers_have_bounds_and_only_digits),
        cmocka_unit_test(a_domain_is_a_plain_file_name),
        cmocka_unit_test(an_empty_value_is_an_absent_one),
        cmocka_unit_test(of_two_entries_the_first_counts),
        cmocka_unit_test(opposite_flags_refuse_the_second),
        cmocka_unit_test(complaints_are_counted_past_the_room_for_them),
        cmocka_unit_test(setting_names_are_known),
        cmocka_unit_test(entries_are_told_by_their_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
