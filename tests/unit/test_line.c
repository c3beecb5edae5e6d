/* shim/report/line: the wording that alert rules match, one line whatever comes in. */
#include "shim/report/line.h"
#include "tests/unit/unit.h"

static struct line line;

static const char *text(void)
{
    static char copy[LINE_MOST + 1];
    memcpy(copy, line.text, line.length);
    copy[line.length] = '\0';
    return copy;
}

static void a_downgrade_reads_as_documented(void **state)
{
    (void)state;
    struct downgrade d = {42, "pthread_create", REASON_MEMORY, "libfoo.so.1", 0x1f0, 7, NULL};
    line_downgrade(&line, LOG_FORMAT_TEXT, &d);
    assert_string_equal(
        text(), "unirun[42]: RuntimeWarning: pthread_create downgraded to stdlib behaviour: there is no memory for "
                "the record of another managed thread (reason=memory "
                "caller=libfoo.so.1+0x1f0 count=7)\n");
    line_downgrade(&line, LOG_FORMAT_JSON, &d);
    assert_string_equal(text(),
                        "{\"pid\":42,\"level\":\"RuntimeWarning\",\"message\":\"pthread_create downgraded to "
                        "stdlib behaviour: there is no memory for the record of another managed thread\",\"call\":"
                        "\"pthread_create\",\"reason\":\"memory\",\"caller\":\"libfoo.so.1+0x1f0\","
                        "\"count\":7}\n");
}

static void what_is_special_about_a_downgrade_follows_its_reason(void **state)
{
    (void)state;
    struct downgrade d = {42, "fork", REASON_PROCESS_LIMIT, "app", 0x10, 1, "RLIMIT_NPROC is \"20\"; refused 9 times"};
    line_downgrade(&line, LOG_FORMAT_TEXT, &d);
    assert_non_null(
        strstr(text(), " (EAGAIN or ENOMEM): RLIMIT_NPROC is \"20\"; refused 9 times (reason=process-limit "));
    line_downgrade(&line, LOG_FORMAT_JSON, &d);
    assert_non_null(
        strstr(text(), " (EAGAIN or ENOMEM): RLIMIT_NPROC is \\\"20\\\"; refused 9 times\",\"call\":\"fork\""));
    d.detail = "";
    line_downgrade(&line, LOG_FORMAT_TEXT, &d);
    assert_non_null(strstr(text(), " (EAGAIN or ENOMEM) (reason=process-limit "));
}

static void a_complaint_reads_as_documented(void **state)
{
    (void)state;
    struct config_complaint c = {"UNIRUN_X", "v", "one of a, b", "a"};
    line_complaint(&line, LOG_FORMAT_TEXT, 1, &c);
    assert_string_equal(text(), "unirun[1]: RuntimeWarning: UNIRUN_X='v' is not one of a, b; using a\n");
}

static void the_line_about_threads_reads_as_documented(void **state)
{
    (void)state;
    struct thread_counts counts = {96, 4, 1};
    line_threads(&line, LOG_FORMAT_TEXT, 42, &counts);
    assert_string_equal(text(), "unirun[42]: info: threads: recycled 96, new 4, of which not reusable 1\n");
    line_threads(&line, LOG_FORMAT_JSON, 42, &counts);
    assert_string_equal(text(), "{\"pid\":42,\"level\":\"info\",\"message\":\"threads\",\"recycled\":96,\"made\":4,"
                                "\"retired\":1}\n");
}

static void the_line_about_a_runtime_reads_as_documented(void **state)
{
    (void)state;
    line_runtime(&line, LOG_FORMAT_TEXT, 42, "libgomp.so.1", 1, 2, "cgroup v1 quota");
    assert_string_equal(text(), "unirun[42]: info: libgomp.so.1 starts with 1 of 2 CPUs (cgroup v1 quota)\n");
    line_runtime(&line, LOG_FORMAT_JSON, 42, "libgomp\"1", 7, 64, "cgroup v2 quota");
    assert_string_equal(text(), "{\"pid\":42,\"level\":\"info\",\"message\":\"libgomp\\\"1 starts with 7 of 64 CPUs "
                                "(cgroup v2 quota)\"}\n");
}

/* Exactly one newline, at the end, and the wording after the value whole. */
static void assert_one_line(const char *ending)
{
    assert_true(line.length <= LINE_MOST);
    assert_int_equal(line.text[line.length - 1], '\n');
    assert_ptr_equal(memchr(line.text, '\n', line.length), line.text + line.length - 1);
    assert_int_equal(memcmp(line.text + line.length - strlen(ending), ending, strlen(ending)), 0);
}

static void any_value_gives_exactly_one_line(void **state)
{
    (void)state;
    static char value[5000];
    for (int c = 1; c < 256; c++) {
        memset(value, c, sizeof value - 1);
        struct config_complaint complaint = {"UNIRUN_X", value, "one of a, b", "a"};
        line_complaint(&line, LOG_FORMAT_TEXT, 2147483647, &complaint);
        assert_one_line("' is not one of a, b; using a\n");
        line_complaint(&line, LOG_FORMAT_JSON, 2147483647, &complaint);
        assert_one_line("\"setting\":\"UNIRUN_X\"}\n");
        struct downgrade d = {2147483647, "pthread_create", REASON_PREEMPTED, value, UINTPTR_MAX, UINT64_MAX, value};
        line_downgrade(&line, LOG_FORMAT_TEXT, &d);
        assert_one_line("+0xffffffffffffffff count=18446744073709551615)\n");
        line_downgrade(&line, LOG_FORMAT_JSON, &d);
        assert_one_line("\"count\":18446744073709551615}\n");
        line_note(&line, LOG_FORMAT_JSON, 1, "info", "text ", value);
        assert_one_line("\"}\n");
    }
}

static void control_characters_and_quotes_are_escaped(void **state)
{
    (void)state;
    line_note(&line, LOG_FORMAT_JSON, 1, "info", "", "a\"b\\c\nd\x1b");
    assert_string_equal(text(), "{\"pid\":1,\"level\":\"info\",\"message\":\"a\\\"b\\\\c\\u000ad\\u001b\"}\n");
    line_note(&line, LOG_FORMAT_TEXT, 1, "info", "", "a\"b\nc");
    assert_string_equal(text(), "unirun[1]: info: a\"b\\u000ac\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_downgrade_reads_as_documented),
        cmocka_unit_test(what_is_special_about_a_downgrade_follows_its_reason),
        cmocka_unit_test(a_complaint_reads_as_documented),
        cmocka_unit_test(the_line_about_threads_reads_as_documented),
        cmocka_unit_test(the_line_about_a_runtime_reads_as_documented),
        cmocka_unit_test(any_value_gives_exactly_one_line),
        cmocka_unit_test(control_characters_and_quotes_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
