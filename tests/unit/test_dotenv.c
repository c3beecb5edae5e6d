/* The .env reader: what a file says, and which line is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/unirun/dotenv.h"

/* Reads `text` and writes each entry as "NAME=VALUE;" and each refused line as "!LINE;". The buffer is exactly as long
 * as the text, so that a sanitizer sees every step past it. */
static const char *read_bytes(const char *text, size_t length)
{
    static char all[4096];
    char *buffer = malloc(length ? length : 1), *out = all;
    struct dotenv_entry entry;
    assert_non_null(buffer);
    memcpy(buffer, text, length);
    struct dotenv reader = {buffer, buffer + length, 1};
    for (enum dotenv_result result; (result = dotenv_next(&reader, &entry)) != DOTENV_END;) {
        if (result == DOTENV_BAD)
            out += sprintf(out, "!%u;", entry.line);
        else
            out += sprintf(out, "%.*s=%.*s;", (int)entry.name_length, entry.name, (int)entry.value_length, entry.value);
    }
    *out = 0;
    free(buffer);
    return all;
}

struct example {
    const char *text, *read;
};

static void check(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_string_equal(read_bytes(examples[i].text, strlen(examples[i].text)), examples[i].read);
}

#define CHECK(...)                                                                                                     \
    static const struct example examples[] = {__VA_ARGS__};                                                            \
    (void)state;                                                                                                       \
    check(examples, sizeof examples / sizeof *examples)

static void plain_lines_are_names_and_values(void **state)
{
    CHECK({"A=1\nB=2\n", "A=1;B=2;"}, {"A=1", "A=1;"}, {"A=", "A=;"}, {"A=\n", "A=;"}, {"", ""},
          {"_a.b-c9=x=y", "_a.b-c9=x=y;"}, {"A=a b  c", "A=a b  c;"});
}

static void blank_lines_and_comments_are_skipped(void **state)
{
    CHECK({"\n\n# x=1\n  # y\n \t\nA=1\n\n", "A=1;"}, {"#", ""}, {"   ", ""});
}

static void blanks_around_names_and_values_are_dropped(void **state)
{
    CHECK({"  A = 1  \n", "A=1;"}, {"\tA\t=\t1\t", "A=1;"}, {"A=   \n", "A=;"});
}

static void export_is_a_prefix_but_also_a_name(void **state)
{
    CHECK({"export A=1", "A=1;"}, {"export\tA=1", "A=1;"}, {"export=1", "export=1;"}, {"exportA=1", "exportA=1;"},
          {"export A\n", "!1;"}, {"export", "!1;"}, {"export ", "!1;"});
}

static void a_comment_follows_a_blank(void **state)
{
    CHECK({"A=1 # one", "A=1;"}, {"A=a#b", "A=a#b;"}, {"A=#b", "A=#b;"}, {"A= # none", "A=;"}, {"A=\"x\"#c", "A=x;"},
          {"A='x' # c", "A=x;"}, {"A='x # y'", "A=x # y;"});
}

static void single_quotes_keep_everything_but_quote_and_backslash(void **state)
{
    CHECK({"A='a  b '", "A=a  b ;"}, {"A='it\\'s'", "A=it's;"}, {"A='a\\\\b'", "A=a\\b;"}, {"A='a\\nb'", "A=a\\nb;"},
          {"A='$HOME'", "A=$HOME;"}, {"A=''", "A=;"});
}

static void double_quotes_have_escapes(void **state)
{
    CHECK({"A=\"a\\tb\\nc\\rd\"", "A=a\tb\nc\rd;"}, {"A=\"\\\"\\\\\\$\\`\"", "A=\"\\$`;"}, {"A=\"it's\"", "A=it's;"},
          {"A=\"\"", "A=;"});
}

static void quoted_values_may_span_lines_and_lines_are_still_counted(void **state)
{
    CHECK({"A=\"a\nb\"\nB=1\n?\n", "A=a\nb;B=1;!4;"}, {"A='a\n\nb'\n?", "A=a\n\nb;!4;"},
          {"A=\"a\\\nb\"\n?", "A=a\nb;!3;"});
}

static void lines_may_end_with_crlf(void **state)
{
    CHECK({"A=1\r\nB=\"2\"\r\n\r\n#c\r\nC='3' # x\r\nD=\r\n", "A=1;B=2;C=3;D=;"}, {"A=1\r", "A=1;"});
}

static void a_byte_order_mark_is_skipped(void **state)
{
    CHECK({"\xEF\xBB\xBF"
           "A=1\n",
           "A=1;"});
}

static void bad_lines_are_named_and_the_rest_is_read(void **state)
{
    CHECK({"A\nB=1", "!1;B=1;"}, {"=1\nB=1", "!1;B=1;"}, {"1A=1\nB=1", "!1;B=1;"}, {"A B=1\nB=1", "!1;B=1;"},
          {"A=\"x\" y\nB=1", "!1;B=1;"}, {"B=1\nA='x\nC=2", "B=1;!2;"}, {"A=\"x\\", "!1;"}, {"A=\"", "!1;"});
}

static void a_nul_byte_is_refused(void **state)
{
    (void)state;
    assert_string_equal(read_bytes("A=a\0b\nB=1", 9), "!1;B=1;");
    assert_string_equal(read_bytes("A\0=a\nB=1", 8), "!1;B=1;");
}

/* Every text over a small alphabet: nothing is read past the end, and every text ends. */
static void every_short_text_is_read_to_its_end(void **state)
{
    static const char letters[] = "A='\"\\# \r\n";
    const size_t kinds = sizeof letters - 1;
    (void)state;
    for (size_t length = 0; length <= 5; length++) {
        size_t count = 1;
        for (size_t i = 0; i < length; i++)
            count *= kinds;
        for (size_t n = 0; n < count; n++) {
            char text[8];
            for (size_t i = 0, rest = n; i < length; i++, rest /= kinds)
                text[i] = letters[rest % kinds];
            assert_non_null(read_bytes(text, length));
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lines_are_names_and_values),
        cmocka_unit_test(blank_lines_and_comments_are_skipped),
        cmocka_unit_test(blanks_around_names_and_values_are_dropped),
        cmocka_unit_test(export_is_a_prefix_but_also_a_name),
        cmocka_unit_test(a_comment_follows_a_blank),
        cmocka_unit_test(single_quotes_keep_everything_but_quote_and_backslash),
        cmocka_unit_test(double_quotes_have_escapes),
        cmocka_unit_test(quoted_values_may_span_lines_and_lines_are_still_counted),
        cmocka_unit_test(lines_may_end_with_crlf),
        cmocka_unit_test(a_byte_order_mark_is_skipped),
        cmocka_unit_test(bad_lines_are_named_and_the_rest_is_read),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(every_short_text_is_read_to_its_end),
    };
    return cmocka_run_group_tests_name("dotenv", tests, NULL, NULL);
}
