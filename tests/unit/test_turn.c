/* How programs with teams share CPUs, for made-up tables: each rule by an example, and what holds for every table. */
#include <stdlib.h>

#include "policy/turn.h"
#include "tests/unit/unit.h"

enum { MEMBERS = SHARE_MEMBERS, US = 1000, MS = 1000000 };

/* Rows are larger than what they want, as in the domain's table. */
static struct row {
    uint64_t other;
    struct turn_want want;
    char more[24];
} rows[MEMBERS];

static struct share_set members, waiting, ring, runs;

/* ---- tables ---- */

static const struct turn_table table = {&rows[0].want, sizeof *rows, &members, &waiting};

static void clear(void)
{
    memset(rows, 0, sizeof rows);
    members = waiting = (struct share_set){{0}};
}

/* A team of `threads` on `cpus` CPUs from `first` on. */
static void put_on(unsigned member, unsigned threads, unsigned first, unsigned cpus, uint32_t region, uint32_t gap)
{
    rows[member].want = (struct turn_want){.share.demand = threads, .region_ns = region, .gap_ns = gap};
    for (unsigned cpu = first; cpu < first + cpus; cpu++)
        rows[member].want.share.cpus[cpu / 64] |= UINT64_C(1) << cpu % 64;
    share_add(&members, member);
}

/* A team of two on two CPUs. */
static void put(unsigned member, uint32_t region, uint32_t gap)
{
    put_on(member, 2, 0, 2, region, gap);
}

static struct turn_verdict decide(unsigned leader, unsigned me)
{
    return turn_decide(&table, leader, me, &ring, &runs);
}

static enum turn_way way_of(unsigned me)
{
    return decide(0, me).way;
}

static bool takes_turns(enum turn_way way)
{
    return way == TURN_RUN || way == TURN_WAIT;
}

static void remove_from(struct share_set *set, unsigned member)
{
    set->word[member / 64] &= ~(UINT64_C(1) << member % 64);
}

/* ---- who spins ---- */

static void who_is_alone_spins(void **state)
{
    (void)state;
    clear();
    put(0, 10 * US, 0);
    assert_int_equal(way_of(0), TURN_SPIN);
    assert_false(decide(0, 0).contended);
    assert_int_equal(decide(0, 0).leader, SHARE_MEMBERS);
}

static void teams_that_fit_beside_each_other_spin(void **state)
{
    (void)state;
    clear();
    put_on(0, 2, 0, 4, 10 * US, 0);
    put_on(1, 2, 0, 4, 10 * US, 0);
    assert_int_equal(way_of(0), TURN_SPIN);
    assert_int_equal(way_of(1), TURN_SPIN);
}

static void who_has_a_choice_of_cpus_makes_room(void **state)
{
    (void)state;
    clear();
    put_on(0, 2, 0, 4, MS, 0); /* would take the CPUs 0 and 1 if it came first */
    put_on(1, 2, 0, 2, MS, 0);
    assert_int_equal(way_of(0), TURN_SPIN);
    assert_int_equal(way_of(1), TURN_SPIN);
}

static void who_wants_nothing_is_in_nobodys_way(void **state)
{
    (void)state;
    clear();
    put(0, MS, 0);
    put(1, MS, 0);
    rows[1].want.share.demand = 0;
    assert_int_equal(way_of(0), TURN_SPIN);
    rows[1].want.share.demand = 2;
    remove_from(&members, 1);
    assert_int_equal(way_of(0), TURN_SPIN);
}

static void others_on_other_cpus_do_not_disturb(void **state)
{
    (void)state;
    clear();
    put_on(0, 2, 0, 2, MS, 0);
    put_on(1, 2, 2, 2, MS, 0);
    put_on(2, 2, 2, 2, MS, 0);
    assert_int_equal(way_of(0), TURN_SPIN);
    assert_int_equal(way_of(1), TURN_GIVE_WAY);
    assert_int_equal(way_of(2), TURN_GIVE_WAY);
}

/* ---- who gives way ---- */

static void long_regions_give_way(void **state)
{
    (void)state;
    clear();
    put(0, MS, 0);
    put(1, MS, MS);
    assert_int_equal(way_of(0), TURN_GIVE_WAY);
    assert_int_equal(way_of(1), TURN_GIVE_WAY);
    assert_true(decide(0, 0).contended);
}

static void short_regions_with_long_gaps_give_way(void **state)
{
    (void)state;
    clear();
    put(0, 10 * US, 500 * US);
    put(1, 10 * US, 500 * US);
    assert_int_equal(way_of(0), TURN_GIVE_WAY);
    assert_int_equal(way_of(1), TURN_GIVE_WAY);
}

static void who_is_not_known_yet_gives_way(void **state)
{
    (void)state;
    clear();
    put(0, 0, 0);
    put(1, 5 * US, 0);
    assert_int_equal(way_of(0), TURN_GIVE_WAY);
    assert_int_equal(way_of(1), TURN_GIVE_WAY);
}

static void load_that_nobody_manages_is_given_way_to(void **state)
{
    (void)state;
    clear();
    put(0, 20 * US, 0);
    assert_int_equal(turn_decide(&table, 0, 0, NULL, NULL).way, TURN_SPIN);
    rows[0].want.is_crowded = true;
    assert_int_equal(turn_decide(&table, 0, 0, NULL, NULL).way, TURN_GIVE_WAY);
    put(0, 1, 0); /* a wake-up in each empty region costs more than half of the CPU */
    rows[0].want.is_crowded = true;
    assert_int_equal(turn_decide(&table, 0, 0, NULL, NULL).way, TURN_SPIN);
}

static void in_a_crowd_nobody_takes_turns(void **state)
{
    (void)state;
    clear();
    put(0, 9 * US, 0);
    put(1, 9 * US, 0);
    assert_int_equal(way_of(0), TURN_RUN);
    assert_int_equal(way_of(1), TURN_WAIT);
    rows[0].want.is_crowded = true;
    assert_int_equal(way_of(0), TURN_GIVE_WAY);
    assert_int_equal(way_of(1), TURN_GIVE_WAY);
}

static void who_leaves_the_cpu_by_itself_takes_no_turns(void **state)
{
    (void)state;
    clear();
    put(0, 9 * US, 0);
    put(1, 9 * US, 0);
    rows[0].want.waits = TURN_WAITS_BLOCK;
    assert_int_equal(way_of(0), TURN_GIVE_WAY);
    assert_int_equal(way_of(1), TURN_GIVE_WAY);
}

static void a_service_is_not_made_to_wait(void **state)
{
    (void)state;
    clear();
    put(0, 7 * US, 0);
    put(1, 200 * US, 300 * US);
    assert_int_equal(way_of(1), TURN_GIVE_WAY);
    assert_int_equal(way_of(0), TURN_GIVE_WAY);
    put(0, 1, 0); /* it gains much more than the service would lose, and still */
    assert_int_equal(way_of(1), TURN_GIVE_WAY);
    assert_int_equal(share_next(&ring, 0), SHARE_MEMBERS); /* nobody whose region it would have to wait for */
    assert_int_equal(way_of(0), TURN_RUN);
}

/* ---- who takes turns ---- */

static void short_regions_back_to_back_take_turns(void **state)
{
    (void)state;
    clear();
    put(0, 9 * US, 0);
    put(1, 9 * US, 0);
    assert_int_equal(way_of(0), TURN_RUN);
    assert_int_equal(way_of(1), TURN_WAIT);
    assert_int_equal(decide(1, 0).way, TURN_WAIT);
    assert_int_equal(decide(1, 1).way, TURN_RUN);
    assert_int_equal(decide(1, 0).leader, 1);
}

static void where_gaps_waste_more_than_wakes_cost_there_are_no_turns(void **state)
{
    (void)state;
    clear();
    put(0, 20 * US, 15 * US);
    put(1, 20 * US, 15 * US);
    assert_int_equal(way_of(0), TURN_GIVE_WAY);
    put(0, 20 * US, 0);
    put(1, 20 * US, 0);
    assert_int_equal(way_of(0), TURN_RUN);
}

static void the_larger_the_team_the_more_a_wake_up_costs(void **state)
{
    (void)state;
    clear();
    for (unsigned i = 0; i < 2; i++)
        put(i, 100 * US, 0);
    assert_int_equal(way_of(0), TURN_GIVE_WAY);
    for (unsigned i = 0; i < 2; i++)
        put_on(i, 64, 0, 64, 100 * US, 0);
    assert_int_equal(way_of(0), TURN_RUN);
}

static void gangs_that_leave_many_cpus_free_take_no_turns(void **state)
{
    (void)state;
    clear();
    for (unsigned i = 0; i < 2; i++)
        put_on(i, 5, 0, 9, 10 * US, 0); /* four of nine would be free */
    assert_int_equal(way_of(0), TURN_GIVE_WAY);
    for (unsigned i = 0; i < 2; i++)
        put_on(i, 9, 0, 9, 10 * US, 0);
    assert_int_equal(way_of(0), TURN_RUN);
}

static void a_batch_takes_turns_with_one_who_needs_them(void **state)
{
    (void)state;
    clear();
    put(0, 5 * US, 0);
    put(1, MS, 0);
    assert_int_equal(way_of(0), TURN_RUN);
    assert_int_equal(way_of(1), TURN_WAIT);
    put_on(2, 2, 2, 2, MS, 0); /* another one that is on other CPUs does not */
    put_on(3, 2, 2, 2, MS, 0);
    assert_int_equal(way_of(2), TURN_GIVE_WAY);
}

static void nobody_waits_for_the_end_of_a_long_region(void **state)
{
    (void)state;
    clear();
    put(0, 5 * US, 0);
    put(1, 50 * MS, 0);
    assert_int_equal(way_of(0), TURN_GIVE_WAY);
    assert_int_equal(way_of(1), TURN_GIVE_WAY);
}

static void tiny_regions_spin_beside_one_who_takes_no_turns(void **state)
{
    (void)state;
    clear();
    put(0, 1, 0);
    put(1, MS, 5 * MS);
    assert_int_equal(way_of(0), TURN_RUN);
    assert_int_equal(way_of(1), TURN_GIVE_WAY);
    put_on(0, 8, 0, 8, 1, 0); /* of eight threads one or the other would always have no CPU */
    put_on(1, 8, 0, 8, MS, 5 * MS);
    assert_int_equal(way_of(0), TURN_GIVE_WAY);
}

static void who_spins_anyway_takes_turns(void **state)
{
    (void)state;
    clear();
    put(0, MS, MS);
    put(1, MS, 0);
    rows[0].want.waits = TURN_WAITS_SPIN;
    assert_int_equal(way_of(0), TURN_RUN);
    assert_int_equal(way_of(1), TURN_WAIT);
}

static void who_blocks_by_itself_needs_no_turns(void **state)
{
    (void)state;
    clear();
    put(0, 5 * US, 0);
    put(1, 5 * US, 0);
    rows[0].want.waits = rows[1].want.waits = TURN_WAITS_BLOCK;
    assert_int_equal(way_of(0), TURN_GIVE_WAY);
    assert_int_equal(way_of(1), TURN_GIVE_WAY);
}

static void who_fits_beside_the_leader_runs(void **state)
{
    (void)state;
    clear();
    put_on(0, 3, 0, 4, 5 * US, 0);
    put_on(1, 4, 0, 4, 5 * US, 0);
    put_on(2, 1, 0, 4, 5 * US, 0);
    share_add(&waiting, 1);
    assert_int_equal(way_of(0), TURN_RUN);
    assert_int_equal(way_of(1), TURN_WAIT);
    assert_int_equal(way_of(2), TURN_RUN);
    assert_int_equal(decide(0, 0).next, 1);
    assert_int_equal(decide(1, 2).way, TURN_WAIT);
}

/* ---- niceness ---- */

static void nobody_gives_way_to_who_is_nicer(void **state)
{
    (void)state;
    clear();
    put(0, 9 * US, 0);
    put(1, 9 * US, 0);
    rows[1].want.niceness = 5;
    assert_int_equal(way_of(0), TURN_SPIN);
    assert_int_equal(way_of(1), TURN_GIVE_WAY);
}

static void the_nicer_take_turns_among_themselves(void **state)
{
    (void)state;
    clear();
    put_on(0, 2, 0, 2, 9 * US, 0);
    put_on(1, 2, 2, 2, 9 * US, 0);
    put_on(2, 2, 2, 2, 9 * US, 0);
    rows[1].want.niceness = rows[2].want.niceness = 5;
    assert_int_equal(decide(1, 1).way, TURN_RUN);
    assert_int_equal(decide(1, 2).way, TURN_WAIT);
    assert_int_equal(decide(1, 0).way, TURN_SPIN);
    assert_false(share_has(&ring, 0));
}

/* ---- who is next ---- */

static void who_has_had_the_least_is_next(void **state)
{
    (void)state;
    clear();
    for (unsigned i = 0; i < 4; i++) {
        put(i, 9 * US, 0);
        rows[i].want.service_us = 1000 - 100 * i;
        share_add(&waiting, i);
    }
    assert_int_equal(decide(0, 0).next, 3);
    remove_from(&waiting, 3); /* it does not wait just now */
    assert_int_equal(decide(0, 0).next, 2);
    rows[1].want.service_us = rows[2].want.service_us;
    assert_int_equal(decide(2, 0).next, 1);
    rows[3].want.service_us = rows[2].want.service_us;
    share_add(&waiting, 3);
    assert_int_equal(decide(2, 0).next, 3); /* of equals the first after the leader */
}

static void where_nobody_waits_nobody_is_next(void **state)
{
    (void)state;
    clear();
    put(0, 9 * US, 0);
    put(1, 9 * US, 0);
    assert_int_equal(decide(0, 0).next, SHARE_MEMBERS);
}

static void a_leader_that_is_gone_is_followed_by_the_one_after_it(void **state)
{
    (void)state;
    clear();
    for (unsigned i = 0; i < 3; i++)
        put(i, 9 * US, 0);
    remove_from(&members, 1);
    assert_int_equal(decide(1, 0).leader, 2);
    assert_int_equal(decide(1, 2).way, TURN_RUN);
    assert_int_equal(decide(SHARE_MEMBERS, 0).leader, 0);
    assert_int_equal(decide(UINT32_MAX, 0).leader, 0);
}

static void who_is_no_member_spins(void **state)
{
    (void)state;
    clear();
    put(0, 9 * US, 0);
    put(1, 9 * US, 0);
    assert_int_equal(decide(0, SHARE_MEMBERS).way, TURN_SPIN);
    assert_int_equal(decide(0, UINT32_MAX).way, TURN_SPIN);
}

/* ---- joining ---- */

static uint64_t join_with(uint64_t own, uint64_t a, uint64_t b)
{
    clear();
    for (unsigned i = 0; i < 3; i++)
        put(i, 9 * US, 0);
    rows[0].want.service_us = own;
    rows[1].want.service_us = a;
    rows[2].want.service_us = b;
    decide(0, 0);
    return turn_join(&table, &ring, 0);
}

static void who_joins_does_not_make_up_for_its_absence(void **state)
{
    (void)state;
    assert_int_equal(join_with(10, 5000, 7000), 5000);
    assert_int_equal(join_with(6000, 5000, 7000), 6000);
    assert_int_equal(join_with(0, UINT64_MAX - 1, UINT64_MAX), UINT64_MAX - 1);
}

static void who_has_run_beside_others_does_not_wait_for_long(void **state)
{
    (void)state;
    assert_int_equal(join_with(50000000, 5000, 7000), 105000);
    assert_int_equal(join_with(UINT64_MAX, UINT64_MAX - 1, UINT64_MAX), UINT64_MAX);
}

static void who_joins_alone_keeps_what_it_had(void **state)
{
    (void)state;
    clear();
    put(0, 9 * US, 0);
    rows[0].want.service_us = 1234;
    const struct share_set nobody = {{0}}, itself = {{1}};
    assert_int_equal(turn_join(&table, &nobody, 0), 1234);
    assert_int_equal(turn_join(&table, &itself, 0), 1234);
}

/* ---- measured ---- */

static void a_tenth_of_the_time_is_a_crowd_and_a_twentieth_is_none(void **state)
{
    (void)state;
    struct turn_crowd crowd = {0, 0};
    turn_notice_delay(&crowd, 0, 20 * MS, false, 1000 * MS);
    assert_false(turn_is_crowded(&crowd, 1000 * MS));
    turn_notice_delay(&crowd, 2 * MS, 20 * MS, false, 1020 * MS);
    assert_false(turn_is_crowded(&crowd, 1020 * MS));
    turn_notice_delay(&crowd, 2 * MS + 1, 20 * MS, false, 1040 * MS);
    assert_true(turn_is_crowded(&crowd, 1040 * MS));
    turn_notice_delay(&crowd, 1000 * US + 1, 20 * MS, false, 1060 * MS);
    assert_true(turn_is_crowded(&crowd, 1060 * MS));
    turn_notice_delay(&crowd, 1000 * US, 20 * MS, false, 1080 * MS);
    assert_false(turn_is_crowded(&crowd, 1080 * MS)); /* at once */
}

/* How long a crowd that is noticed at `now`, in a turn, is believed in. */
static int64_t hold_from(struct turn_crowd *crowd, int64_t now)
{
    turn_notice_delay(crowd, 10 * MS, 20 * MS, true, now);
    assert_true(turn_is_crowded(crowd, now));
    return crowd->until - now;
}

static void a_crowd_in_a_turn_is_believed_in_for_longer_each_time(void **state)
{
    (void)state;
    struct turn_crowd crowd = {0, 0};
    int64_t now = 1000 * MS, first = hold_from(&crowd, now), hold = first, most = 0;
    turn_notice_delay(&crowd, 0, 20 * MS, true, now + 1); /* members give way to each other meanwhile */
    assert_true(turn_is_crowded(&crowd, now + first - 1));
    assert_false(turn_is_crowded(&crowd, now + first));
    for (int i = 0; i < 10; i++) {
        now += hold + 1;
        hold = hold_from(&crowd, now);
        assert_true(hold > most || hold == most);
        most = hold;
    }
    assert_true(most > 4 * first && most < 100 * first);
    assert_int_equal(hold_from(&crowd, now + 10 * most), first);
}

static uint32_t usual_of(struct turn_samples *samples, uint64_t length, unsigned times)
{
    uint32_t usual = 0;
    while (times--)
        usual = turn_usual(samples, length);
    return usual;
}

static void the_first_sample_is_usual(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        static const uint64_t lengths[] = {700, 0, UINT64_MAX};
        static const uint32_t usual[] = {700, 1, UINT32_MAX};
        struct turn_samples samples = {{0}, 0};
        assert_int_equal(turn_usual(&samples, lengths[i]), usual[i]);
    }
}

static void what_is_usual_follows_and_outliers_do_not_count(void **state)
{
    (void)state;
    struct turn_samples samples = {{0}, 0};
    assert_int_equal(usual_of(&samples, 1000, TURN_SAMPLES), 1000);
    assert_int_equal(usual_of(&samples, UINT64_MAX, TURN_SAMPLES / 2), 1000);
    assert_int_equal(usual_of(&samples, 50000, TURN_SAMPLES), 50000);
    assert_int_equal(usual_of(&samples, 0, TURN_SAMPLES / 2), 50000);
    assert_int_equal(usual_of(&samples, 0, 1), 1);
}

static void short_waits_are_no_part_of_a_region(void **state)
{
    (void)state;
    assert_int_equal(turn_region_length(50000, false), 50000);
    assert_in_range(turn_region_length(50000, true), 40000, 49000);
    assert_int_equal(turn_region_length(3000, true), 1);
}

/* ---- whatever the table ---- */

/* xorshift64: the same tables everywhere. */
static uint64_t seed, first_seed;

static uint64_t next_number(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static unsigned below(unsigned limit)
{
    return (unsigned)(next_number() >> 20) % limit;
}

#define REQUIRE(condition)                                                                                             \
    do                                                                                                                 \
        if (!(condition))                                                                                              \
            fail_msg("%s: not so in the table of seed 0x%016llx", #condition, (unsigned long long)first_seed);         \
    while (0)

enum { TABLES = 600 };

static unsigned count;

static void put_random(unsigned member, unsigned machine)
{
    static const uint32_t length[] = {0, 1, 2 * US, 9 * US, 30 * US, 100 * US, MS, 10 * MS, 100 * MS};
    unsigned cpus = below(3) ? machine : 1 + below(machine), first = below(2) ? 0 : below(machine - cpus + 1);
    put_on(member, 1 + below(cpus), first, cpus, length[below(9)], below(2) ? 0 : length[below(9)]);
    rows[member].want.waits = (uint8_t)(below(6) ? 0 : below(3));
    rows[member].want.niceness = (int8_t)(below(5) ? 0 : below(3));
    rows[member].want.service_us = below(4) ? below(1000) * 100 : 0;
    rows[member].want.share.demand *= below(8) != 0;
    if (below(2))
        share_add(&waiting, member);
}

static void fill_random(void)
{
    unsigned machine = 2 + below(below(3) ? 7 : 100);
    clear();
    count = 1 + below(below(4) ? 8 : 60);
    for (unsigned i = 0; i < count; i++)
        put_random(i, machine);
}

static void fill_with_garbage(void)
{
    clear();
    count = below(8) ? 1 + below(60) : MEMBERS;
    for (unsigned char *byte = (unsigned char *)rows, *end = byte + count * sizeof *rows; byte < end; byte++)
        *byte = (unsigned char)(next_number() >> 30);
    for (unsigned i = 0; i < SHARE_MEMBERS / 64; i++) {
        members.word[i] = next_number();
        waiting.word[i] = next_number();
    }
}

static void for_many(void (*fill)(void), void (*check)(void))
{
    for (unsigned i = 0; i < TABLES; i++) {
        seed = first_seed = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
        fill();
        check();
    }
}

static bool is_within(const struct share_set *inner, const struct share_set *outer)
{
    for (unsigned i = 0; i < SHARE_MEMBERS / 64; i++)
        if (inner->word[i] & ~outer->word[i])
            return false;
    return true;
}

/* What a verdict says must be consistent with itself. */
static void check_verdict(unsigned leader, unsigned me)
{
    struct turn_verdict verdict = decide(leader, me);
    bool is_in_ring = share_has(&ring, me);
    REQUIRE(verdict.way <= TURN_WAIT);
    REQUIRE(is_within(&ring, &members) && is_within(&runs, &ring));
    REQUIRE(!takes_turns(verdict.way) || verdict.contended);
    REQUIRE(takes_turns(verdict.way) == is_in_ring);
    REQUIRE(is_in_ring || share_next(&ring, 0) == SHARE_MEMBERS);
    REQUIRE((verdict.way == TURN_RUN) == share_has(&runs, me));
    REQUIRE((verdict.leader < SHARE_MEMBERS) == is_in_ring);
    REQUIRE(!is_in_ring || (share_has(&ring, verdict.leader) && share_has(&runs, verdict.leader)));
    if (verdict.next < SHARE_MEMBERS)
        REQUIRE(share_has(&ring, verdict.next) && share_has(&waiting, verdict.next) && !share_has(&runs, verdict.next));
}

static void check_verdicts(void)
{
    for (unsigned i = 0; i < count; i += 1 + count / 16)
        if (share_has(&members, i))
            check_verdict(below(count + 2), i);
}

static void of_a_ring_at_least_the_leader_runs(void **state)
{
    (void)state;
    for_many(fill_random, check_verdicts);
}

static void garbage_has_an_answer(void **state)
{
    (void)state;
    for_many(fill_with_garbage, check_verdicts);
}

static void check_that_all_agree(void)
{
    unsigned leader = below(count);
    for (unsigned me = 0; me < count; me++) {
        if (!takes_turns(decide(leader, me).way))
            continue;
        struct share_set ring_of_me = ring, runs_of_me = runs;
        unsigned other = share_next(&ring, me + 1);
        if (other >= SHARE_MEMBERS || !takes_turns(decide(leader, other).way))
            continue;
        REQUIRE(memcmp(&ring, &ring_of_me, sizeof ring) == 0 && memcmp(&runs, &runs_of_me, sizeof runs) == 0);
    }
}

static void all_in_a_ring_compute_the_same(void **state)
{
    (void)state;
    for_many(fill_random, check_that_all_agree);
}

static unsigned total_demand(void)
{
    unsigned total = 0;
    for (unsigned i = 0; i < count; i++)
        total += rows[i].want.share.demand;
    return total;
}

static void fill_with_room(void)
{
    clear();
    count = 1 + below(8);
    for (unsigned i = 0; i < count; i++) {
        put_random(i, 64);
        memset(rows[i].want.share.cpus, 0xff, 8);
        rows[i].want.share.demand = 1 + below(64 / count);
    }
}

static void check_that_all_spin(void)
{
    REQUIRE(total_demand() <= 64);
    for (unsigned i = 0; i < count; i++)
        REQUIRE(way_of(i) == TURN_SPIN);
}

static void where_everybody_fits_nobody_waits(void **state)
{
    (void)state;
    for_many(fill_with_room, check_that_all_spin);
}

/* Takes the nicer ones away: for the others nothing changes. */
static void check_that_the_nicer_do_not_count(void)
{
    unsigned me = below(count), leader = below(count);
    struct turn_verdict before = decide(leader, me);
    for (unsigned i = 0; i < count; i++)
        if (rows[i].want.niceness > rows[me].want.niceness)
            remove_from(&members, i);
    struct turn_verdict after = decide(leader, me);
    REQUIRE(before.way == after.way && before.leader == after.leader && before.next == after.next);
}

static void nobody_waits_because_of_who_is_nicer(void **state)
{
    (void)state;
    for_many(fill_random, check_that_the_nicer_do_not_count);
}

/* Another member, on CPUs of which none is in the mask of anybody. */
static void check_that_strangers_do_not_disturb(void)
{
    unsigned me = below(count);
    enum turn_way before = way_of(me);
    put_on(count, 4, 800, 4, 5 * US, 0);
    put_on(count + 1, 4, 800, 4, MS, 0);
    enum turn_way after = way_of(me);
    REQUIRE(before == after);
}

static void disjoint_masks_do_not_disturb_each_other(void **state)
{
    (void)state;
    for_many(fill_random, check_that_strangers_do_not_disturb);
}

static void fill_whole_machines(void)
{
    unsigned machine = 2 + below(7);
    clear();
    count = 2 + below(8);
    for (unsigned i = 0; i < count; i++) {
        put_random(i, machine);
        put_on(i, machine, 0, machine, rows[i].want.region_ns, rows[i].want.gap_ns);
    }
}

/* Where every team is confined to the same CPUs the order cannot matter, but for who leads. */
static void check_the_order(void)
{
    unsigned me = below(count), turned = (me + 1) % count;
    bool before = takes_turns(way_of(me));
    struct row last = rows[count - 1];
    memmove(&rows[1], &rows[0], (count - 1) * sizeof *rows);
    rows[0] = last;
    REQUIRE(takes_turns(way_of(turned)) == before);
}

static void the_order_of_the_table_does_not_matter(void **state)
{
    (void)state;
    for_many(fill_whole_machines, check_the_order);
}

static void fill_ring(void)
{
    unsigned machine = 2 + below(15);
    clear();
    count = 2 + below(12);
    for (unsigned i = 0; i < count; i++) {
        put_on(i, 1 + below(machine), 0, machine, 1 + below(10 * US), 0);
        rows[i].want.waits = TURN_WAITS_SPIN; /* whatever the others are like */
        rows[i].want.service_us = below(100) * 1000;
    }
}

/* One turn: who may run does, and has had the turn's length; the others wait. */
static unsigned take_turn(unsigned leader, unsigned *since)
{
    struct turn_verdict verdict = decide(leader, leader);
    waiting = (struct share_set){{0}};
    for (unsigned i = 0; i < count; i++) {
        since[i] = share_has(&runs, i) ? 0 : since[i] + 1;
        if (share_has(&runs, i))
            rows[i].want.service_us += 20000;
        else
            share_add(&waiting, i);
    }
    verdict = decide(leader, leader);
    return verdict.next < SHARE_MEMBERS ? verdict.next : leader;
}

/* Each of the others may first catch up with the 100 ms that members are apart: five turns, and one more. */
static void check_that_everybody_has_its_turn(void)
{
    unsigned since[MEMBERS] = {0}, leader = below(count);
    if (decide(leader, leader).way == TURN_SPIN)
        return;
    for (unsigned turn = 0; turn < 20 * count; turn++) {
        leader = take_turn(leader, since);
        for (unsigned i = 0; i < count; i++)
            REQUIRE(since[i] <= 6 * (count - 1));
    }
}

static void everybody_has_its_turn(void **state)
{
    (void)state;
    for_many(fill_ring, check_that_everybody_has_its_turn);
}

static void fill_alike(void)
{
    clear();
    count = 2 + below(12);
    for (unsigned i = 0; i < count; i++)
        put(i, 9 * US, 0);
}

/* Equal members are never apart by more than a turn. */
static void check_that_equals_are_equal(void)
{
    unsigned since[MEMBERS] = {0}, leader = below(count);
    for (unsigned turn = 0; turn < 10 * count; turn++) {
        leader = take_turn(leader, since);
        uint64_t least = UINT64_MAX, most = 0;
        for (unsigned i = 0; i < count; i++) {
            uint64_t service = rows[i].want.service_us;
            least = service < least ? service : least;
            most = service > most ? service : most;
        }
        REQUIRE(most - least <= 20000);
    }
}

static void equal_members_have_equal_turns(void **state)
{
    (void)state;
    for_many(fill_alike, check_that_equals_are_equal);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Two in ten samples are a hundred times as long: a thread waited for its CPU. */
static void what_is_usual_is_near_the_median(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        enum { SAMPLES = 4000 };
        static uint32_t seen[SAMPLES];
        uint32_t length = 1000 + below(100000);
        struct turn_samples samples = {{0}, 0};
        seed = first_seed = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
        for (unsigned j = 0; j < SAMPLES; j++) {
            uint32_t sample = length * 9 / 10 + below(length / 5);
            seen[j] = turn_usual(&samples, below(10) < 2 ? sample * 100 : sample);
        }
        qsort(seen, SAMPLES, sizeof *seen, compare);
        REQUIRE(seen[SAMPLES / 2] > length / 2 && seen[SAMPLES / 2] < length * 2);
        REQUIRE(seen[SAMPLES * 9 / 10] < length * 5);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_alone_spins),
        cmocka_unit_test(teams_that_fit_beside_each_other_spin),
        cmocka_unit_test(who_has_a_choice_of_cpus_makes_room),
        cmocka_unit_test(who_wants_nothing_is_in_nobodys_way),
        cmocka_unit_test(others_on_other_cpus_do_not_disturb),
        cmocka_unit_test(long_regions_give_way),
        cmocka_unit_test(short_regions_with_long_gaps_give_way),
        cmocka_unit_test(who_is_not_known_yet_gives_way),
        cmocka_unit_test(load_that_nobody_manages_is_given_way_to),
        cmocka_unit_test(a_service_is_not_made_to_wait),
        cmocka_unit_test(short_regions_back_to_back_take_turns),
        cmocka_unit_test(where_gaps_waste_more_than_wakes_cost_there_are_no_turns),
        cmocka_unit_test(the_larger_the_team_the_more_a_wake_up_costs),
        cmocka_unit_test(gangs_that_leave_many_cpus_free_take_no_turns),
        cmocka_unit_test(a_batch_takes_turns_with_one_who_needs_them),
        cmocka_unit_test(nobody_waits_for_the_end_of_a_long_region),
        cmocka_unit_test(tiny_regions_spin_beside_one_who_takes_no_turns),
        cmocka_unit_test(who_spins_anyway_takes_turns),
        cmocka_unit_test(who_blocks_by_itself_needs_no_turns),
        cmocka_unit_test(who_fits_beside_the_leader_runs),
        cmocka_unit_test(nobody_gives_way_to_who_is_nicer),
        cmocka_unit_test(the_nicer_take_turns_among_themselves),
        cmocka_unit_test(who_has_had_the_least_is_next),
        cmocka_unit_test(where_nobody_waits_nobody_is_next),
        cmocka_unit_test(a_leader_that_is_gone_is_followed_by_the_one_after_it),
        cmocka_unit_test(who_is_no_member_spins),
        cmocka_unit_test(who_joins_does_not_make_up_for_its_absence),
        cmocka_unit_test(who_has_run_beside_others_does_not_wait_for_long),
        cmocka_unit_test(who_joins_alone_keeps_what_it_had),
        cmocka_unit_test(a_tenth_of_the_time_is_a_crowd_and_a_twentieth_is_none),
        cmocka_unit_test(the_first_sample_is_usual),
        cmocka_unit_test(what_is_usual_follows_and_outliers_do_not_count),
        cmocka_unit_test(a_crowd_in_a_turn_is_believed_in_for_longer_each_time),
        cmocka_unit_test(short_waits_are_no_part_of_a_region),
        cmocka_unit_test(in_a_crowd_nobody_takes_turns),
        cmocka_unit_test(who_leaves_the_cpu_by_itself_takes_no_turns),
        cmocka_unit_test(of_a_ring_at_least_the_leader_runs),
        cmocka_unit_test(garbage_has_an_answer),
        cmocka_unit_test(all_in_a_ring_compute_the_same),
        cmocka_unit_test(where_everybody_fits_nobody_waits),
        cmocka_unit_test(nobody_waits_because_of_who_is_nicer),
        cmocka_unit_test(disjoint_masks_do_not_disturb_each_other),
        cmocka_unit_test(the_order_of_the_table_does_not_matter),
        cmocka_unit_test(everybody_has_its_turn),
        cmocka_unit_test(equal_members_have_equal_turns),
        cmocka_unit_test(what_is_usual_is_near_the_median),
    };
    return cmocka_run_group_tests_name("turn", tests, NULL, NULL);
}
