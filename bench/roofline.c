/* roofline.c: what bounds a launch. Two sources are joined: the machine code, which says
 * what a round of the hottest loop costs, and the log of a simulated launch, which says
 * how much memory, shared memory and tensor work the launch has. Estimates, and all lower
 * bounds: a kernel that waits for memory is slower than this says. */
#include "cubinfo.h"
#include <math.h>
#include <string.h>

/* Every constant about a card. Data sheets: A100 SXM4 40 GB, H100 SXM5 80 GB; rates are
 * dense. H100's clock is the one at which its data sheet's tensor rate comes out: 132 SMs
 * of 2 * 2048 bf16 operations a cycle give 989e12 at 1.83 GHz (its 67e12 of fp32 is of
 * 1.98 GHz, which cards do not hold under tensor load). Assumed, not from a data sheet:
 * mma_share, what mma.sync reaches of H100's tensor rate, the rest being for wgmma alone;
 * l2, what microbenchmarks are known to reach, about two thirds of the width of the
 * crossbar. Shapes of an SM: CUDA C++ Programming Guide, table of compute capabilities.
 */
static const card cards[] = {
    {
        .arch = 80,
        .name = "A100-SXM4-40GB",
        .suffix = "_a100",
        .sms = 108,
        .clock = 1.41e9,
        .fp32 = 19.5e12,
        .tf32 = 156e12,
        .bf16 = 312e12,
        .mma_share = 1,
        .l2 = 4.5e12,
        .l2_bytes = 40e6,
        .dram = 1555e9,
        .warps = 64,
        .blocks = 32,
        .registers = 65536,
        .shared = 164 * 1024,
        .reserved = 1024,
    },
    {
        .arch = 90,
        .name = "H100-SXM5-80GB",
        .suffix = "_h100",
        .sms = 132,
        .clock = 1.83e9,
        .fp32 = 67e12,
        .tf32 = 495e12,
        .bf16 = 989e12,
        .mma_share = 0.62,
        .l2 = 5.5e12,
        .l2_bytes = 50e6,
        .dram = 3350e9,
        .warps = 64,
        .blocks = 32,
        .registers = 65536,
        .shared = 228 * 1024,
        .reserved = 1024,
    },
};

/* The same on both cards. */
enum {
    LANES = 32,
    PARTITIONS = 4,             // of an SM, each issuing one instruction a cycle
    SECTOR = 32,                // bytes
    L2_WIDTH = 64,              // bytes an SM takes from L2 in a cycle
    REGISTER_UNIT = 256,        // registers are given to a warp in such portions
    SHARED_UNIT = 128,          // bytes of shared memory likewise to a block
    TF32_MMA = 16 * 8 * 8 * 2,  // operations of the log's mma: m16n8k8
    BF16_MMA = 16 * 8 * 16 * 2, // and m16n8k16
};

const char *const bound_names[BOUNDS] = {"tensor", "fp32",  "shared", "l2",
                                         "dram",   "issue", "latency"};

const card *card_of(int arch)
{
    for (size_t i = 0; i < sizeof cards / sizeof *cards; i++)
        if (cards[i].arch == arch)
            return &cards[i];
    return NULL;
}

static int warps_of(int threads)
{
    return (threads + LANES - 1) / LANES;
}

occupancy card_occupancy(const card *c, const kernel *k, int threads, double shared)
{
    const int warps = warps_of(threads);
    const int a_warp =
        (k->registers * LANES + REGISTER_UNIT - 1) / REGISTER_UNIT * REGISTER_UNIT;
    // warps go to partitions, which share no registers
    const int fit = a_warp ? c->registers / PARTITIONS / a_warp * PARTITIONS : c->warps;
    const double a_block = ceil(shared / SHARED_UNIT) * SHARED_UNIT + c->reserved;
    const struct {
        const char *name;
        int blocks;
    } limits[] = {{"warps", c->warps / warps},
                  {"registers", fit / warps},
                  {"shared", (int)(c->shared / a_block)},
                  {"blocks", c->blocks}};
    occupancy o = {limits[0].blocks, 0, limits[0].name};

    for (size_t i = 1; i < sizeof limits / sizeof *limits; i++)
        if (limits[i].blocks < o.blocks) {
            o.blocks = limits[i].blocks;
            o.limit = limits[i].name;
        }
    o.share = 100.0 * o.blocks * warps / c->warps;
    return o;
}

/* What of the data sheet's tensor rate the kernel's instructions can reach. */
static double reachable(const card *c, const kernel *k)
{
    double wgmma;

    sass_count(&k->all, "HGMMA", &wgmma);
    return wgmma > 0 ? 1 : c->mma_share;
}

/* Of a partition in a cycle. */
static double mma_rate(const card *c, const kernel *k)
{
    return c->bf16 / 2 / c->clock / c->sms / PARTITIONS * reachable(c, k);
}

loop_cycles card_loop(const card *c, const kernel *k)
{
    const double fp32_lanes =
        round(c->fp32 / 2 / c->clock / c->sms / PARTITIONS / 16) * 16;
    loop_cycles l = {.issue = k->loop.insts,
                     .fp32 = k->loop.fp32 * LANES / fp32_lanes,
                     .tensor = k->loop.mma / mma_rate(c, k),
                     .shared = k->loop.wavefronts * PARTITIONS};
    const struct {
        const char *name;
        double cycles;
    } pipes[] = {
        {"issue", l.issue}, {"fp32", l.fp32}, {"tensor", l.tensor}, {"shared", l.shared}};

    l.bound = "-";
    for (size_t i = 0; i < sizeof pipes / sizeof *pipes; i++)
        if (pipes[i].cycles > l.most) {
            l.most = pipes[i].cycles;
            l.bound = pipes[i].name;
        }
    if (l.most > 0)
        l.share = 100 * (l.tensor > 0 ? l.tensor : l.fp32) / l.most;
    return l;
}

/* Rounds of the hottest loop, of all warps: what the log counted over what a round does.
 * Lanes that a mask turns off make it too few. */
static double rounds(const row *r, double warps, const char **by)
{
    const sass_mix *loop = &r->k->loop;
    const double mmas = r->l->mma_tf32 + r->l->mma_bf16;

    if (loop->mmas > 0 && mmas > 0)
        return *by = "mma", mmas / loop->mmas;
    if (loop->sectors > 0)
        return *by = "global", r->l->read_sectors / loop->sectors;
    if (loop->wavefronts > 0)
        return *by = "shared", r->l->shared_wavefronts / loop->wavefronts;
    return *by = "once", loop->insts ? warps : 0;
}

/* Seconds, each as if nothing else took time, of a card whose SMs are all busy. */
static void bounds(const row *r, double warps, roof *f)
{
    const card *c = r->c;
    const launch *l = r->l;
    const sass_mix *all = &r->k->all, *loop = &r->k->loop;
    const double mma =
        l->mma_tf32 * TF32_MMA / c->tf32 + l->mma_bf16 * BF16_MMA / c->bf16;
    const double insts =
        warps * (all->insts - all->nops - loop->insts) + f->trips * loop->insts;
    const double fp32 = warps * (all->fp32 - loop->fp32) + f->trips * loop->fp32;
    const double sectors = l->read_sectors + l->write_sectors;
    const double distinct = l->unique_read_sectors + l->unique_write_sectors;

    f->t[BOUND_TENSOR] = mma / reachable(c, r->k);
    f->t[BOUND_FP32] = mma > 0 ? 0 : fp32 * LANES * 2 / c->fp32;
    f->t[BOUND_SHARED] = l->shared_wavefronts / (c->sms * c->clock);
    f->t[BOUND_L2] = sectors * SECTOR / c->l2;
    f->t[BOUND_DRAM] = distinct * SECTOR / c->dram;
    f->t[BOUND_ISSUE] = insts / (PARTITIONS * c->sms * c->clock);
}

/* The busiest SM has ceil(grid / SMs) blocks, whatever the occupancy: work of SMs takes
 * that much longer than spread evenly. Fewer than four warps leave partitions idle. An SM
 * that holds B blocks at once has ceil(blocks / B) generations of them, and in each every
 * warp's rounds take at least the cycles the compiler has it stall. */
static void quantise(const row *r, roof *f)
{
    const card *c = r->c;
    const double busiest = ceil(r->l->grid_blocks / c->sms);
    const double resident = fmin(busiest, r->occ.blocks) * warps_of(r->threads);
    const double idle = fmax(1, PARTITIONS / resident);
    const double generations = ceil(busiest / r->occ.blocks);
    const double warps = r->l->grid_blocks * warps_of(r->threads);
    const double taken = (r->l->read_sectors + r->l->write_sectors) * SECTOR;

    f->waves = r->l->grid_blocks / (c->sms * r->occ.blocks);
    f->quantisation = busiest * c->sms / r->l->grid_blocks;
    f->t[BOUND_TENSOR] *= f->quantisation * idle;
    f->t[BOUND_FP32] *= f->quantisation * idle;
    f->t[BOUND_ISSUE] *= f->quantisation * idle;
    f->t[BOUND_SHARED] *= f->quantisation;
    f->t[BOUND_LATENCY] = generations * f->trips / warps * r->k->loop.stall / c->clock;
    f->t[BOUND_L2] =
        fmax(f->t[BOUND_L2], taken * f->quantisation / (L2_WIDTH * c->sms * c->clock));
}

/* The ideal is arithmetic or memory alone, all SMs busy: tensor cores where the launch
 * uses them, else fp32; or each distinct sector once from DRAM. */
roof card_roof(const row *r)
{
    const double warps = r->l->grid_blocks * warps_of(r->threads);
    roof f = {.trips_by = "-"};
    double ideal, sheet;

    f.trips = rounds(r, warps, &f.trips_by);
    bounds(r, warps, &f);
    ideal = fmax(fmax(f.t[BOUND_TENSOR], f.t[BOUND_FP32]), f.t[BOUND_DRAM]);
    sheet = fmax(fmax(f.t[BOUND_TENSOR] * reachable(r->c, r->k), f.t[BOUND_FP32]),
                 f.t[BOUND_DRAM]);
    quantise(r, &f);
    for (int b = 0; b < BOUNDS; b++)
        if (f.t[b] > f.time) {
            f.time = f.t[b];
            f.bound = (enum bound)b;
        }
    f.roof = f.time > 0 ? ideal / f.time : 0;
    f.peak = f.time > 0 ? sheet / f.time : 0;
    return f;
}
