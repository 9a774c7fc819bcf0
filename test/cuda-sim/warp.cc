/* What the lanes of a warp do together: votes, shuffles, __syncwarp, and the meeting on
 * which these and the matrix operations rest.
 *
 * Lanes of one mask meet. Each finds the payload of its meeting, and there are two that
 * take turns: a lane may come to the next meeting while others still read the results of
 * this one, but it cannot come to the one after, for which all must have arrived.
 * Shuffles and matrix operations do not order memory, __syncwarp does, as CUDA has it. */
#include "simulator.h"

namespace cudasim
{
constexpr unsigned max_warps = max_threads / 32;
constexpr unsigned max_masks = 32; // that one warp may use at the same time
static Meeting meetings[max_warps][max_masks];
static Payload payloads[max_warps][max_masks][2];

void clear_meetings(unsigned threads)
{
    memset(meetings, 0, (threads + 31) / 32 * sizeof meetings[0]);
}

/* The meeting of this mask, or one that is free. */
static Meeting *find_meeting(const Thread *me, uint32_t mask, const char *where)
{
    Meeting *row = meetings[me->warp], *unused = nullptr;

    for (unsigned i = 0; i < max_masks; i++) {
        if (row[i].mask == mask)
            return &row[i];
        if (!unused && !row[i].arrived && !row[i].unread)
            unused = &row[i];
    }
    if (!((mask >> me->lane) & 1))
        fail("warp", "%s: thread %u (lane %u) is not in its own mask %08x", where,
             me->linear, me->lane, mask);
    if (!unused)
        fail("warp", "%s: more than %u different masks wait in warp %u", where, max_masks,
             me->warp);
    const unsigned left = block.threads - me->warp * 32;
    const uint32_t exist = left >= 32 ? 0xffffffffu : (1u << left) - 1u;
    unused->mask = mask;
    unused->need = mask & exist;
    return unused;
}

Visit arrive(const char *where, Operation operation, uint32_t mask)
{
    Thread *me = self();
    Meeting *m = meetings[me->warp];

    statistics.warp_operations++;
    if (m->mask != mask)
        m = find_meeting(me, mask, where);
    if (!m->arrived) {
        m->operation = operation;
        m->where = where;
    } else if (m->operation != operation ||
               (m->where != where && strcmp(m->where, where) != 0)) {
        fail("divergence", "warp %u: lane %u executes %s while other lanes wait at %s",
             me->warp, me->lane, where, m->where);
    }
    if (!((mask >> me->lane) & 1))
        fail("warp", "%s: thread %u (lane %u) is not in its own mask %08x", where,
             me->linear, me->lane, mask);
    return {me, m, &payloads[me->warp][m - meetings[me->warp]][m->turn & 1]};
}

bool last_of(const Visit &visit)
{
    Meeting *m = visit.meeting;

    m->arrived |= 1u << visit.thread->lane;
    return m->arrived == m->need;
}

void close_meeting(const Visit &visit)
{
    Thread *me = visit.thread, *warp = &machine.thread[me->warp * 32];
    Meeting *m = visit.meeting;

    m->arrived = 0;
    m->turn++;
    m->unread = m->need & ~(1u << me->lane);
    for (uint32_t left = m->need & ~(1u << me->lane); left; left &= left - 1)
        push_ready(&warp[__builtin_ctz(left)]);
    if (settings.order == CUDASIM_RANDOM && (random_number() & 1)) {
        push_ready(me);
        suspend(me);
    }
}

void wait_for_last(const Visit &visit)
{
    visit.thread->where = visit.meeting->where;
    visit.thread->state = at_warp;
    suspend(visit.thread);
    visit.meeting->unread &= ~(1u << visit.thread->lane);
}

static void meet(const Visit &visit)
{
    if (last_of(visit))
        close_meeting(visit);
    else
        wait_for_last(visit);
}

uint64_t shuffle(const char *where, Operation operation, uint32_t mask, uint64_t value,
                 int argument, int width)
{
    const Visit visit = arrive(where, operation, mask);
    const int lane = (int)visit.thread->lane, base = lane & ~(width - 1);
    const uint32_t need = visit.meeting->need;
    int source = lane;

    visit.payload->word[lane] = value;
    meet(visit);
    switch (operation) {
    case shuffle_index:
        source = base + (argument & (width - 1));
        break;
    case shuffle_up:
        if (lane - argument >= base)
            source = lane - argument;
        break;
    case shuffle_down:
        if (lane + argument < base + width)
            source = lane + argument;
        break;
    default:
        if ((lane ^ argument) < base + width)
            source = lane ^ argument;
        break;
    }
    if (!((need >> (source & 31)) & 1) || source < 0 || source > 31)
        fail("shuffle", "%s: lane %d reads lane %d, which is not in mask %08x", where,
             lane, source, mask);
    return visit.payload->word[source];
}

uint32_t ballot(const char *where, uint32_t mask, int predicate)
{
    const Visit visit = arrive(where, vote, mask);

    if (!visit.meeting->arrived)
        visit.payload->votes = 0;
    visit.payload->votes |= (uint32_t)(predicate != 0) << visit.thread->lane;
    meet(visit);
    return visit.payload->votes;
}

void syncwarp(const char *where, uint32_t mask)
{
    const Visit visit = arrive(where, warp_barrier, mask);

    if (last_of(visit)) {
        order_warp(visit.thread->warp, visit.meeting->need);
        close_meeting(visit);
    } else {
        wait_for_last(visit);
    }
}
} // namespace cudasim
