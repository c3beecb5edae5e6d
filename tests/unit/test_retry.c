/* policy/retry: pauses that double, and end. */
#include "policy/retry.h"
#include "tests/unit/unit.h"

static void pauses_double_and_add_up(void **state)
{
    (void)state;
    for (unsigned total = 1; total < 3000; total += 7) {
        unsigned waited = 0, refused = 1, pause, before = 0;
        while ((pause = retry_pause_ms(refused, total))) {
            waited += pause;
            assert_true(pause == 1u << (refused - 1) || waited == total);
            assert_true(pause <= 2 * before + 1);
            before = pause;
            refused++;
        }
        assert_int_equal(waited, total);
        assert_int_equal(retry_pause_ms(refused + 1, total), 0);
    }
}

static void no_time_is_no_pause(void **state)
{
    (void)state;
    assert_int_equal(retry_pause_ms(1, 0), 0);
    assert_int_equal(retry_pause_ms(7, 0), 0);
}

static void a_second_takes_ten_pauses_and_the_longest_time_ends(void **state)
{
    (void)state;
    assert_int_equal(retry_pause_ms(10, 1000), 489);
    assert_int_equal(retry_pause_ms(11, 1000), 0);
    assert_int_equal(retry_pause_ms(4000000000u, 60000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_and_add_up),
        cmocka_unit_test(no_time_is_no_pause),
        cmocka_unit_test(a_second_takes_ten_pauses_and_the_longest_time_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
