/* The protocol of shim/domain/turn.c, between members of a domain whose gangs take turns on 2 CPUs, as a model for
 * spin(1): every interleaving of their accesses to the table. An `atomic` or `d_step` is one access of the code, with what
 * only concerns the member itself, or the checks.
 *
 *   spin -DDYING -DSTOPPING -DIMPATIENT -run -safety -noclaim -collapse -m2000000 turn.pml
 *   spin -DTIMED -DDYING -run -a -f -ltl enters -collapse -m2000000 turn.pml
 *
 * Each of 2 members, with gangs of 2, runs as many regions as it likes, is idle between them, and in the end, or quits.
 * What else may happen:
 *
 *   DYING        the last member is killed, at any point; a new process takes the row when that is free
 *   STOPPING     the last member is stopped, at any point, and continued; if TIMED, perhaps not. (The same is a member
 *                whose team waits for something in a region.)
 *   IMPATIENT    patience may end at any time; if TIMED, only WHO's may, and does
 *   ENDLESS      the last member stays in a region for ever
 *   AWAKE        no timeout ends the sleep of one whose turn it is while others are inside: they wake it
 *   MEMBERS=3    3 members, who run REGIONS regions in all; looking round is one step
 *   SMALL        the gangs of all but the first have 1 thread: they fit beside each other, but not beside the first
 *
 * The table promises (an assertion): the gangs inside fit on the CPUs, not counting
 *   - a gang whose patience was over, for that one region, and
 *   - a gang whose demand is 0: somebody has taken it since the member looked at it last, to run anyway beside it, or
 *     because it was stopped, or between regions a moment ago.
 * A row's owner leaves only what it has entered (an assertion). Nobody sleeps for ever (no invalid end state). Whoever
 * wants to run does, without its patience unless there is an ENDLESS region (`enters`, of the member WHO).
 *
 * Time: a quantum, GRACE and LOOK are over whenever that is for the worst. Progress needs TIMED: a leader that waits gets
 * in before its quantum ends, unless it is stopped or dead; GRACE and LOOK are over when a member is seen unchanged for
 * the second time; idle members lapse LAPSES times.
 *
 * The turn's number of changes never comes again here. So of a turn that somebody remembers only one thing matters:
 * whether it still is the same. `loaded` and `granted` say that; `seen` does for a watched member's activity. */

#ifndef MEMBERS
#define MEMBERS 2
#endif
#define CPUS 2
#ifdef SMALL
#define SIZE(member) ((member) > 0 -> 1 : 2)
#else
#define SIZE(member) 2
#endif
#define LAST (MEMBERS - 1)

#if MEMBERS > 2
#define AT_ONCE atomic
#define SPEND regions--
#define QUITS false
#else
#define AT_ONCE
#define SPEND skip
#define QUITS !CLOCK
#endif
#ifndef REGIONS
#define REGIONS 3
#endif

#ifndef WHO
#define WHO 0
#endif
#ifdef TIMED
#define CLOCK true
#else
#define CLOCK false
#endif
#define LAPSES 1
#ifdef IMPATIENT
#define PATIENCE 2 /* looks, if TIMED */
#define MAY_RUN_ANYWAY (!CLOCK || MUST_RUN_ANYWAY)
#define MUST_RUN_ANYWAY (CLOCK && me == WHO && looks == PATIENCE)
#else
#define PATIENCE 0
#define MAY_RUN_ANYWAY false
#define MUST_RUN_ANYWAY false
#endif
#ifdef ENDLESS
#define STAYS_INSIDE (me == LAST)
#else
#define STAYS_INSIDE false
#endif

/* ---- the table ---- */

byte leader = 0;
bool over = !CLOCK; /* the leader's quantum */
byte owner[MEMBERS];
byte demand[MEMBERS];
byte activity[MEMBERS];
bool waiting[MEMBERS];

/* ---- what members remember ---- */

bool loaded[MEMBERS];
bool granted[MEMBERS];
bool seen[MEMBERS * MEMBERS];
#define SEEN(by, member) seen[(by) * MEMBERS + (member)]
bool asleep[MEMBERS];

/* ---- what only the checks know ---- */

bool wants[MEMBERS];
bool inside[MEMBERS];
bool anyway[MEMBERS];
byte process[MEMBERS]; /* whose row it is; a new one's is the next number */
bool killed[MEMBERS];
bool stopped[MEMBERS];
bool begun = false; /* the leader has run */
byte lapses = LAPSES;
byte regions = REGIONS;

#define GANG(member) (inside[member] && !anyway[member] && demand[member] -> SIZE(member) : 0)
#if MEMBERS == 2
#define USED (GANG(0) + GANG(1))
#else
#define USED (GANG(0) + GANG(1) + GANG(2))
#endif
#define IN_TIME (!begun && wants[leader] && !inside[leader] && !killed[leader] && !stopped[leader])

ltl enters { [] (wants[WHO] -> <> !wants[WHO]) }

#ifdef AWAKE
inline wake()
{
    d_step {
        asleep[0] = false;
        asleep[1] = false;
#if MEMBERS > 2
        asleep[2] = false
#endif
    }
}
#else
#define wake() skip
#endif

/* The turn word has a new value. */
inline changed()
{
    loaded[0] = false;
    loaded[1] = false;
    granted[0] = false;
    granted[1] = false;
#if MEMBERS > 2
    loaded[2] = false;
    granted[2] = false
#endif
}

inline moved(member)
{
    SEEN(0, member) = false;
    SEEN(1, member) = false;
#if MEMBERS > 2
    SEEN(2, member) = false
#endif
}

inline touch_turn()
{
    d_step { changed() };
    wake()
}

inline change_turn(next)
{
    d_step {
        if
        :: loaded[me] -> leader = next; over = !CLOCK; begun = false; changed()
        :: else
        fi
    };
    wake()
}

/* What is left from a look round, and from a wait, is no state of ours. */
inline forget_round()
{
    runs[0] = false;
    runs[1] = false;
    demands[0] = 0;
    demands[1] = 0;
#if MEMBERS > 2
    runs[2] = false;
    demands[2] = 0;
#endif
    next = 0;
    contended = false;
    blocked = false;
    step = 0;
    index = 0;
    left = 0;
    within = false;
    same = false;
    busy = false;
    whose = 0
}

inline forget()
{
    forget_round();
    loaded[me] = false;
    SEEN(me, 0) = false;
    SEEN(me, 1) = false;
#if MEMBERS > 2
    SEEN(me, 2) = false;
#endif
    lead = 0;
    late = false;
    leads = false;
    entered = false;
    looks = 0
}

inline announce()
{
    if
    :: demand[me] >= SIZE(me)
    :: else -> demand[me] = SIZE(me); touch_turn()
    fi
}

/* ---- the others ---- */

inline lapse(member)
{
    demand[member] = 0;
    touch_turn()
}

/* The row's activity stays: its next owner sets it to 0. */
inline member_clear(member, whose)
{
    if
    :: owner[member] == whose ->
        demand[member] = 0;
        atomic {
            if
            :: owner[member] == whose -> owner[member] = 0
            :: else
            fi
        }
    :: else
    fi
}

inline watch_member(member)
{
    atomic {
        same = !CLOCK || SEEN(me, member);
        busy = activity[member] > 0;
        SEEN(me, member) = CLOCK
    };
    if
    :: same && !busy && !waiting[member] && lapses > 0 -> /* GRACE */
#ifdef TIMED
        lapses--;
#endif
        lapse(member)
    :: same -> /* LOOK */
        whose = owner[member];
        if
        :: whose != process[member] || killed[member] -> member_clear(member, whose); lapse(member)
        :: whose == process[member] && stopped[member] -> lapse(member)
        :: else
        fi;
        whose = 0
    :: !same || !CLOCK
    fi;
    same = false;
    busy = false
}

/* What the table says to us under the turn that we have loaded. */
inline look_round()
{
    do
    :: atomic { step < MEMBERS -> index = (lead + step) % MEMBERS; demands[index] = demand[index]; step++ }
    :: else -> break
    od;
    left = CPUS;
    /* share_decide() */
    d_step {
        contended = false;
        next = lead;
        step = 0;
        do
        :: step < MEMBERS ->
            index = (lead + step) % MEMBERS;
            runs[index] = demands[index] && demands[index] <= left;
            if
            :: runs[index] -> left = left - demands[index]
            :: demands[index] && !runs[index] && !contended -> contended = true; next = index
            :: else
            fi;
            demands[index] = 0;
            step++
        :: else -> break
        od;
        left = 0;
        step = 0;
        blocked = false
    };
    do
    :: atomic {
            step < MEMBERS && contended ->
            index = (lead + step) % MEMBERS;
            step++;
            within = index != me && demand[index]
        };
        if
        :: within ->
            within = activity[index] > 0;
            /* is_inside() */
            atomic {
                within = within && demand[index];
                blocked = blocked || within && !runs[index];
                within = within || runs[index]
            };
            if
            :: within -> watch_member(index)
            :: else
            fi
        :: else
        fi
    :: atomic { else -> index = 0; step = 0; within = false; break }
    od
}

/* ---- in and out ---- */

inline leave()
{
    atomic {
        assert(activity[me] > 0);
        activity[me]--;
        moved(me);
        inside[me] = false;
        anyway[me] = false
    };
    if
    :: granted[me]
    :: atomic { !granted[me] -> lead = leader };
        if
        :: atomic { lead != me && waiting[lead] -> lead = 0 }; touch_turn() /* it may be on its way to sleep */
        :: atomic { !(lead != me && waiting[lead]) -> lead = 0 }; wake()
        fi
    fi
}

inline step_in(turn)
{
    atomic { activity[me]++; moved(me) };
    atomic {
        entered = turn;
        if
        :: entered -> inside[me] = true; wants[me] = false; begun = begun || leader == me; assert(USED <= CPUS)
        :: else
        fi
    };
    if
    :: entered -> granted[me] = turn
    :: else -> leave()
    fi
}

inline run_anyway()
{
    do
    :: step < MEMBERS ->
        if
        :: step != me && activity[step] > 0 ->
            if
            :: demand[step] -> demand[step] = 0
            :: else
            fi
        :: else
        fi;
        step++
    :: else -> break
    od;
    step = 0;
    touch_turn();
    atomic { activity[me]++; moved(me) };
    atomic {
        granted[me] = false; /* not beyond this region */
        inside[me] = true;
        anyway[me] = true;
        wants[me] = false;
        begun = begun || leader == me
    }
}

#ifdef AWAKE
inline sleep_for_turn()
{
    d_step {
        if
        :: leads && loaded[me] -> asleep[me] = true /* FUTEX_WAIT */
        :: else
        fi
    };
    !asleep[me]
}
#else
#define sleep_for_turn() skip
#endif

inline wait_for_turn()
{
    do
    ::  assert(owner[me] == process[me]);
        announce();
        AT_ONCE {
            atomic { loaded[me] = true; lead = leader; late = over };
            look_round()
        };
        if
        :: atomic { runs[me] && !blocked -> late = false; forget_round() };
            step_in(loaded[me]);
            if
            :: entered -> break
            :: else
            fi
        :: atomic { !(runs[me] && !blocked) && !waiting[me] -> waiting[me] = true; late = false; forget_round() }
            /* This is seen before it looks again, and sleeps. */
        :: atomic {
                !(runs[me] && !blocked) && waiting[me] ->
                late = late && !runs[me];
                leads = runs[me];
                lead = next;
                looks = (looks < PATIENCE -> looks + 1 : looks);
                forget_round()
            };
            if
            :: MAY_RUN_ANYWAY -> run_anyway(); break
            :: !MUST_RUN_ANYWAY && late -> change_turn(lead)
            :: !MUST_RUN_ANYWAY && (!late || !CLOCK) -> sleep_for_turn()
            fi
        fi
    od
}

/* ---- who takes part ---- */

active [MEMBERS] proctype Member() provided (!stopped[_pid])
{
    bool runs[MEMBERS], late, contended, blocked, within, same, busy, leads, entered;
    byte demands[MEMBERS], me, lead, next, step, index, left, whose, looks;

    d_step { me = _pid; process[me] = 1; owner[me] = 1 };
begin:
    {
        do
        :: atomic { regions > 0 -> SPEND; wants[me] = true; entered = demand[me] >= SIZE(me) };
            /* turn_enter() */
            if
            :: entered -> step_in(granted[me])
            :: else
            fi;
            if
            :: entered -> entered = false
            :: else ->
                announce();
                wait_for_turn();
                atomic { waiting[me] = false; forget() }
            fi;
            if
            :: leave()
            :: STAYS_INSIDE -> goto idle
            fi
        :: MEMBERS == 2 || regions == 0 -> goto idle
        :: QUITS -> break
        od;
        /* turn_quit() */
        member_clear(me, process[me]);
        touch_turn();
        goto gone;
idle:
end_idle:
        false
    } unless { killed[me] };
    /* Somebody else has the row now, if it was cleared. */
end_dead:
    atomic { owner[me] == 0 -> forget(); process[me]++; owner[me] = process[me]; killed[me] = false };
    demand[me] = 0;
    activity[me] = 0;
    waiting[me] = false;
    goto begin;
gone:
    skip
}

#ifdef TIMED
/* The clock. */
active proctype Clock()
{
end:
    do
    :: atomic { !over && !IN_TIME -> over = true }
    od
}
#endif

inline kill(member)
{
    killed[member] = true;
    stopped[member] = false;
    wants[member] = false;
    inside[member] = false;
    anyway[member] = false;
    granted[member] = false;
    asleep[member] = false
}

#if defined DYING || defined STOPPING
active proctype User()
{
#ifdef DYING
    if
    :: d_step { true -> kill(LAST) }
    :: true
    fi;
#endif
#ifdef STOPPING
    if
    :: d_step { !killed[LAST] -> stopped[LAST] = true };
        if
        :: true -> stopped[LAST] = false
        :: CLOCK && WHO != LAST
        fi
    :: true
    fi;
#endif
    skip
}
#endif
