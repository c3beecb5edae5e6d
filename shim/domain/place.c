#include "shim/domain/place.h"

#include <string.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/domain/member.h"
#include "shim/hot.h"
#include "shim/startup.h"

union place self __attribute__((aligned(OS_PAGE)));

/* A region that was entered in one stay is not left in another. Under the lock. */
HOT static uint32_t stays;

/* Under the lock. Not at start-up: most programs have nothing to share. */
static bool map_table(void)
{
    bool is_wiped = self.table || os_wipe_in_children(&self, sizeof self) == 0;
    if (!self.table && is_wiped)
        self.table = table_map(settings.domain);
    return self.table;
}

static void take_row(void)
{
    self.owner = member_self();
    member_sweep(self.table); /* nobody else may come by who has to */
    struct table_row *row = member_take_row(self.table, self.owner);
    if (!row)
        return;
    self.stay = stays = stays % UINT16_MAX + 1;
    self.index = (uint32_t)(row - self.table->row);
    store_release(&self.row, row); /* with the rest of `self` */
}

struct table_row *place_join(void)
{
    struct table_row *row = load_acquire(&self.row);
    if (row || load_relaxed(&self.alone))
        return row;
    lock(&self.joining);
    if (!self.row && !self.alone) {
        if (map_table())
            take_row();
        if (!self.row)
            place_abandon();
    }
    row = self.row;
    unlock(&self.joining);
    return row;
}

struct table *place_table(void)
{
    if (load_relaxed(&self.alone))
        return NULL;
    lock(&self.joining);
    if (!map_table())
        place_abandon();
    struct table *table = self.table;
    unlock(&self.joining);
    return table;
}

bool place_is_ours(const struct table_row *row)
{
    return table_is_sound(self.table) && load_relaxed(&row->owner) == self.owner;
}

bool place_is_missed(void)
{
    return load_relaxed(&self.missed) && __atomic_exchange_n(&self.missed, false, __ATOMIC_RELAXED);
}

/* Relaxed, here and below: numbers to be looked at. A handler that has interrupted the leaving of the domain may write
 * into a row that is another's by then, which is no more than wrong. */
void place_show_threads(unsigned running, unsigned parked)
{
    struct table_row *row = load_relaxed(&stays) ? load_acquire(&self.row) : NULL;
    if (!row)
        return;
    store_relaxed(&row->running, running);
    store_relaxed(&row->parked, parked);
}

void place_show_downgrade(void)
{
    struct table_row *row = place_row();
    if (row && !load_relaxed(&self.alone))
        add_relaxed(&row->downgrades, 1);
}

void place_abandon(void)
{
    if (!load_relaxed(&self.alone))
        store_relaxed(&self.missed, true);
    store_relaxed(&self.alone, true); /* whoever misses it, or the next store, finds no row that is ours */
    store_release(&self.row, NULL);
}

struct table_row *place_row(void)
{
    if (!load_relaxed(&stays))
        return NULL; /* `self` is as at start, and its page not touched */
    struct table_row *row = load_acquire(&self.row);
    return row && (uint32_t)self.owner == (uint32_t)getpid() ? row : NULL;
}

bool place_leave(void)
{
    struct table_row *row = place_row();
    if (!row)
        return false;
    store_release(&self.row, NULL);
    bool is_ours = place_is_ours(row);
    if (is_ours)
        member_clear(row, self.owner);
    return is_ours;
}

void place_start(void)
{
    if (strcmp(settings.domain, "private") == 0)
        self.alone = true;
}
