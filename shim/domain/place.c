#include "shim/domain/place.h"

#include <unistd.h>

#include "shim/atomic.h"
#include "shim/domain/member.h"
#include "shim/hot.h"
#include "shim/startup.h"
#include "shim/text.h"

union place place __attribute__((aligned(OS_PAGE)));

/* A region that was entered in one stay is not left in another. Written under the lock. */
HOT static uint32_t stays;

/* Before the lock is taken for the first time: a child that is forked meanwhile must find it free. Not at start-up:
 * most programs have nothing to share. */
static bool prepare(void)
{
    HOT static bool is_wiped; /* relaxed: who misses it does it once more */
    if (!load_relaxed(&is_wiped) && os_wipe_in_children(&place, sizeof place) == 0)
        store_relaxed(&is_wiped, true);
    return load_relaxed(&is_wiped);
}

static void take_row(void)
{
    place.owner = member_self();
    member_sweep(place.table); /* nobody else may come by who has to */
    struct table_row *row = member_take_row(place.table, place.owner);
    if (!row)
        return;
    place.stay = stays % UINT16_MAX + 1;
    store_relaxed(&stays, place.stay); /* who reads 0 once more does not find the row yet */
    place.index = (uint32_t)(row - place.table->row);
    store_release(&place.row, row); /* with the rest of `place` */
}

struct table_row *place_join(void)
{
    struct table_row *row = load_acquire(&place.row);
    if (row || load_relaxed(&place.alone))
        return row;
    if (!prepare()) {
        place_abandon();
        return NULL;
    }
    lock(&place.joining);
    if (!place.row && !place.alone) {
        if (!place.table)
            place.table = table_map(settings.domain);
        if (place.table)
            take_row();
        if (!place.row)
            place_abandon();
    }
    row = place.row;
    unlock(&place.joining);
    return row;
}

bool place_is_ours(const struct table_row *row)
{
    return table_is_sound(place.table) && load_relaxed(&row->owner) == place.owner;
}

bool place_is_missed(void)
{
    return load_relaxed(&place.missed) && __atomic_exchange_n(&place.missed, false, __ATOMIC_RELAXED);
}

/* Relaxed, here and below: numbers to be looked at. A handler that has interrupted the leaving of the domain may write
 * into a row that is another's by then, which is no more than wrong. */
void place_show_threads(unsigned running, unsigned parked)
{
    struct table_row *row = load_relaxed(&stays) ? load_acquire(&place.row) : NULL;
    if (!row)
        return;
    store_relaxed(&row->running, running);
    store_relaxed(&row->parked, parked);
}

void place_show_downgrade(void)
{
    struct table_row *row = place_row();
    if (row && !load_relaxed(&place.alone))
        add_relaxed(&row->downgrades, 1);
}

void place_abandon(void)
{
    if (!load_relaxed(&place.alone))
        store_relaxed(&place.missed, true);
    store_relaxed(&place.alone, true); /* whoever misses it, or the next store, finds no row that is ours */
    store_release(&place.row, NULL);
}

struct table_row *place_row(void)
{
    if (!load_relaxed(&stays))
        return NULL; /* `place` is as at start, and its page not touched */
    struct table_row *row = load_acquire(&place.row);
    return row && (uint32_t)place.owner == (uint32_t)os_pid() ? row : NULL;
}

bool place_leave(void)
{
    struct table_row *row = place_row();
    if (!row)
        return false;
    store_release(&place.row, NULL);
    if (!place_is_ours(row))
        return false;
    bool wanted = load_relaxed(&row->want.share.demand);
    member_clear(row, place.owner);
    return wanted;
}

bool place_is_private(void)
{
    return text_is_same(settings.domain, "private");
}

void place_start(void)
{
    if (place_is_private())
        place.alone = true;
}
