/* policy/count: how many CPUs a program or a runtime is told of. */
#include "policy/count.h"
#include "tests/unit/unit.h"

static void the_lesser_of_cpus_and_quota(void **state)
{
    (void)state;
    assert_int_equal(count_limit(2, 0), 2);
    assert_int_equal(count_limit(2, 1), 1);
    assert_int_equal(count_limit(2, 2), 2);
    assert_int_equal(count_limit(2, 64), 2);
}

static void nothing_in_the_environment_leaves_it_open(void **state)
{
    (void)state;
    char *const env[] = {"PATH=/bin", "OMP_NUM_THREADS", "OMP_NUM_THREADSX=3", "XOMP_NUM_THREADS=3", NULL};
    for (enum runtime runtime = RUNTIME_NONE; runtime <= RUNTIME_GO; runtime++) {
        assert_true(count_is_left_open(runtime, NULL));
        assert_true(count_is_left_open(runtime, env));
    }
}

static void a_runtimes_own_variable_closes_it(void **state)
{
    (void)state;
    const struct {
        char *entry;
        bool libgomp, libomp, openblas;
    } table[] = {
        {"OMP_NUM_THREADS=2", false, false, false},     {"OMP_NUM_THREADS=", false, false, false},
        {"OMP_PROC_BIND=true", false, false, true},     {"OMP_PLACES=cores", false, false, true},
        {"GOMP_CPU_AFFINITY=0", false, false, true},    {"OMP_DISPLAY_AFFINITY=true", false, true, true},
        {"KMP_AFFINITY=compact", true, false, true},    {"KMP_ALL_THREADS=4", true, false, true},
        {"OMP_TOOL_LIBRARIES=t.so", true, false, true}, {"OPENBLAS_NUM_THREADS=2", true, true, false},
        {"GOTO_NUM_THREADS=2", true, true, false},      {"OPENBLAS_MAIN_FREE=1", true, true, true},
        {"UV_THREADPOOL_SIZE=2", true, true, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *const env[] = {"A=b", table[i].entry, NULL};
        assert_int_equal(count_is_left_open(RUNTIME_LIBGOMP, env), table[i].libgomp);
        assert_int_equal(count_is_left_open(RUNTIME_LIBOMP, env), table[i].libomp);
        assert_int_equal(count_is_left_open(RUNTIME_OPENBLAS, env), table[i].openblas);
    }
}

static void a_mask_is_cut_to_its_first_cpus(void **state)
{
    (void)state;
    const struct {
        unsigned char mask[3];
        unsigned cpus, keep;
        unsigned char cut[3];
    } table[] = {
        {{0x03}, 2, 1, {0x01}},
        {{0x03}, 2, 2, {0x03}},
        {{0x03}, 2, 9, {0x03}},
        {{0x80, 0x81}, 3, 2, {0x80, 0x01}},
        {{0, 0xf0, 0xff}, 12, 5, {0, 0xf0, 0x01}},
        {{0, 0, 0x80}, 1, 1, {0, 0, 0x80}},
        {{0xff, 0xff, 0xff}, 24, 0, {0}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        unsigned char mask[3];
        memcpy(mask, table[i].mask, sizeof mask);
        assert_int_equal(count_cpus(mask, sizeof mask), table[i].cpus);
        count_cut(mask, sizeof mask, table[i].keep);
        assert_memory_equal(mask, table[i].cut, sizeof mask);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lesser_of_cpus_and_quota),
        cmocka_unit_test(nothing_in_the_environment_leaves_it_open),
        cmocka_unit_test(a_runtimes_own_variable_closes_it),
        cmocka_unit_test(a_mask_is_cut_to_its_first_cpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
