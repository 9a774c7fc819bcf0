/* contrast: the contrastive form; lib/op/contrast.c has the formula, contrast.h how
 * products are made.
 *
 * One pass over the tiles gives each row a its statistics: the largest score and the sum
 * of exponents over A(a), and over the images and the traces of its label apart the same
 * of f_a.f_c, with the mean score under those targets as it builds up. When a larger
 * score is met, sums are scaled; so one pass is enough. Each thread has its own
 * statistics of its 8 rows, in shared memory, and those of a row are put together at the
 * end: over lanes, warps, then, in contrast_finish, over blocks, in order.
 *
 * Then, with shares of the parts of q_a that sum to 1,
 *
 *     loss_a = w_a (log sum_j exp(s_aj - top) - sum_c q_ac (s_ac - top))
 *
 * Kept per row are KEPT numbers: top and w_a / sum; the other view's row and share; top
 * and w_a share / sum for images and for traces. So p_ac and q_ac are one exp2 each of a
 * product made anew. */
#include "contrast.h"

#define LEAST -1e20f /* less than any product of rows, and finite when scaled */

/* Of a row, over the columns seen: the largest z_a.z_c, and the sum of 2^lag with lag =
 * (z_a.z_c - top) scale. Of a part of the targets: the largest scaled f_a.f_c, the sum of
 * 2^(f_a.f_c - top), and that sum with each term times its lag. */
struct contrast_part {
    float top, sum, lag;
};
struct contrast_stat {
    float top, sum;
    contrast_part images, traces;
};

enum { STATS = 8, COUNT_THREADS = 1024, FINISH_THREADS = 256, HEAD = 128 };

/* ---- anchors and their shares ------------------------------------------------------ */

struct contrast_head {
    float images[2], traces[2]; /* rows of label 0 and 1 */
    float scale;                /* of the weights of anchors */
};

struct contrast_share {
    float pair, images, traces;
};

/* How the targets of row a are mixed; false if it is no anchor or has no positive. */
RJ_DEVICE bool contrast_shares(const contrast_form &d, const contrast_head &head, int a,
                               contrast_share *s)
{
    const int code = contrast_code(d, a), label = code & LABEL;

    s->pair = s->images = s->traces = 0;
    if (label == OTHER || !(d.weight[a] > 0))
        return false;
    const bool trace = code & TRACE;
    const float images =
        (label ? head.images[1] : head.images[0]) - (trace ? 0.0f : 1.0f);
    const float traces = trace ? 0 : label ? head.traces[1] : head.traces[0];
    const float mix = label ? d.beta : d.alpha;
    const int pair = (int)d.pair[a];

    if (images + traces <= 0)
        return false;
    if (mix < 0) {
        s->traces = images > 0 ? __fdividef(traces, images + traces) : 1;
        s->images = 1 - s->traces;
    } else if (label == 1 && !trace && pair >= 0 && pair < d.m && pair != a &&
               contrast_code(d, pair) == 1) {
        s->pair = 1 - mix;
        s->images = mix;
    } else if (label == 1 && !trace) {
        s->images = images > 0 && mix > 0 ? 1.0f : 0.0f;
    } else if (images > 0 && traces > 0) {
        s->images = 1 - mix;
        s->traces = mix;
    } else {
        s->images = images > 0 ? 1.0f : 0.0f;
        s->traces = traces > 0 ? 1.0f : 0.0f;
    }
    return s->pair + s->images + s->traces > 0;
}

/* One block: rows by label and role, and the scale of the weights. Counts are whole
 * numbers up to M, so sums of floats are exact. */
static __global__ void __launch_bounds__(COUNT_THREADS)
    contrast_count(contrast_form d, contrast_head *out)
{
    RJ_SHARED(float, warps, [32]);
    contrast_head head = {};
    float all = 0, kept = 0;
    contrast_share s;

    for (int i = (int)threadIdx.x; i < d.m; i += COUNT_THREADS) {
        const int code = contrast_code(d, i), label = code & LABEL;
        const bool trace = code & TRACE;
#pragma unroll
        for (int k = 0; k < 2; k++) {
            head.images[k] += label == k && !trace ? 1.0f : 0.0f;
            head.traces[k] += label == k && trace ? 1.0f : 0.0f;
        }
    }
#pragma unroll
    for (int k = 0; k < 2; k++) {
        head.images[k] = rj_block_sum(head.images[k], warps);
        head.traces[k] = rj_block_sum(head.traces[k], warps);
    }
    for (int i = (int)threadIdx.x; i < d.m; i += COUNT_THREADS) {
        const float w = (contrast_code(d, i) & LABEL) == OTHER ? 0 : d.weight[i];
        all += w;
        kept += contrast_shares(d, head, i, &s) ? w : 0;
    }
    all = rj_block_sum(all, warps);
    kept = rj_block_sum(kept, warps);
    head.scale = kept == all ? 1 : kept > 0 ? __fdividef(all, kept) : 0;
    if (threadIdx.x == 0)
        *out = head;
}

/* ---- statistics -------------------------------------------------------------------- */

RJ_DEVICE contrast_stat contrast_nothing()
{
    const contrast_stat none = {LEAST, 0, {LEAST, 0, 0}, {LEAST, 0, 0}};

    return none;
}

/* The part with another top of its own, and the lag counted from scores lower by `fall`
 * than before. */
RJ_DEVICE void contrast_lift(contrast_part *p, float top, float fall)
{
    const float by = rj_exp2(p->top - top);

    p->lag = (p->lag + p->sum * fall) * by;
    p->sum *= by;
    p->top = top;
}

RJ_DEVICE void contrast_join(contrast_part *p, float fall, contrast_part q, float q_fall)
{
    const float top = fmaxf(p->top, q.top);

    contrast_lift(p, top, fall);
    contrast_lift(&q, top, q_fall);
    p->sum += q.sum;
    p->lag += q.lag;
}

/* Statistics of two sets of columns together. */
RJ_DEVICE contrast_stat contrast_merge(const contrast_form &d, contrast_stat s,
                                       const contrast_stat &u)
{
    const float top = fmaxf(s.top, u.top);
    const float fall = (s.top - top) * d.scale, u_fall = (u.top - top) * d.scale;

    contrast_join(&s.images, fall, u.images, u_fall);
    contrast_join(&s.traces, fall, u.traces, u_fall);
    s.sum = s.sum * rj_exp2(fall) + u.sum * rj_exp2(u_fall);
    s.top = top;
    return s;
}

RJ_DEVICE contrast_stat contrast_of(const float v[STATS])
{
    const contrast_stat s = {v[0], v[1], {v[2], v[3], v[4]}, {v[5], v[6], v[7]}};

    return s;
}

RJ_DEVICE void contrast_numbers(const contrast_stat &s, float v[STATS])
{
    v[0] = s.top, v[1] = s.sum;
    v[2] = s.images.top, v[3] = s.images.sum, v[4] = s.images.lag;
    v[5] = s.traces.top, v[6] = s.traces.sum, v[7] = s.traces.lag;
}

struct contrast_scores {
    contrast_slices slices;
    float stat[8][STATS / 4][THREADS][4]; /* of a thread's 8 rows, its own */
    float joined[2][STATS][ROWS];         /* of the warps of 64 columns each */
    int code[2][COLUMNS];                 /* of even and of odd tiles */
    int row_code[ROWS], row_pair[ROWS];
};

RJ_DEVICE contrast_stat contrast_load(const contrast_scores *s, int i)
{
    const float4 a = rj_load4(s->stat[i][0][threadIdx.x]);
    const float4 b = rj_load4(s->stat[i][1][threadIdx.x]);
    const float v[STATS] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};

    return contrast_of(v);
}

RJ_DEVICE void contrast_store(contrast_scores *s, int i, const contrast_stat &stat)
{
    float v[STATS];

    contrast_numbers(stat, v);
    rj_store4(s->stat[i][0][threadIdx.x], make_float4(v[0], v[1], v[2], v[3]));
    rj_store4(s->stat[i][1][threadIdx.x], make_float4(v[4], v[5], v[6], v[7]));
}

/* A row's statistics with 8 more columns: raw scores s[j] = z_a.z_c and, if SOFT,
 * k[j] = f_a.f_c. */
template <bool SOFT>
RJ_DEVICE void contrast_see(const contrast_form &d, int a, int a_code, int c0,
                            const int *c_code, const float *s, const float *k,
                            contrast_stat *stat)
{
    const float f_scale = SOFT ? contrast_f_scale(d, a_code) : 0;
    float top = stat->top, images = stat->images.top, traces = stat->traces.top;
    const int tx = contrast_tx();

#pragma unroll
    for (int j = 0; j < 8; j++) {
        const bool in =
            contrast_competes(a_code, c_code[j], a, c0 + contrast_column(tx, j));
        const bool positive = in && contrast_same_label(a_code, c_code[j]);
        const float target = SOFT ? k[j] * f_scale : 0;
        top = in ? fmaxf(top, s[j]) : top;
        images = positive && !(c_code[j] & TRACE) ? fmaxf(images, target) : images;
        traces = positive && (c_code[j] & TRACE) ? fmaxf(traces, target) : traces;
    }
    const float fall = (stat->top - top) * d.scale;
    contrast_lift(&stat->images, images, fall);
    contrast_lift(&stat->traces, traces, fall);
    stat->sum *= rj_exp2(fall);
    stat->top = top;
#pragma unroll
    for (int j = 0; j < 8; j++) {
        const bool in =
            contrast_competes(a_code, c_code[j], a, c0 + contrast_column(tx, j));
        const bool positive = in && contrast_same_label(a_code, c_code[j]);
        const bool trace = c_code[j] & TRACE;
        const float lag = (s[j] - top) * d.scale;
        const float e = rj_exp2(lag);
        const float t =
            SOFT ? rj_exp2(fmaf(k[j], f_scale, trace ? -traces : -images)) : 1;
        stat->sum += in ? e : 0;
        stat->images.sum += positive && !trace ? t : 0;
        stat->images.lag += positive && !trace ? t * lag : 0;
        stat->traces.sum += positive && trace ? t : 0;
        stat->traces.lag += positive && trace ? t * lag : 0;
    }
}

/* Each row's statistics with the tile whose products are s and k; the score of its pair
 * is noted when met. */
template <bool SOFT>
RJ_DEVICE void contrast_see_tile(const contrast_form &d, contrast_scores *shared, int a0,
                                 int tile, const float s[8][8], const float k[8][8],
                                 float *paired)
{
    const int ty = contrast_ty(), tx = contrast_tx(), c0 = tile * COLUMNS;
    int c_code[8];

#pragma unroll
    for (int j = 0; j < 8; j++)
        c_code[j] = shared->code[tile & 1][contrast_column(tx, j)];
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const int row = contrast_row(ty, i), a = a0 + row;
        const int a_code = shared->row_code[row], pair = shared->row_pair[row];
        contrast_stat stat = contrast_load(shared, i);
#pragma unroll
        for (int j = 0; j < 8; j++)
            if (c0 + contrast_column(tx, j) == pair)
                paired[a] = s[i][j];
        contrast_see<SOFT>(d, a, a_code, c0, c_code, s[i], k[i], &stat);
        contrast_store(shared, i, stat);
    }
}

/* A row's statistics over the 8 lanes that share it, and over the two warps. */
RJ_DEVICE void contrast_join_rows(const contrast_form &d, contrast_scores *shared)
{
    const int ty = contrast_ty(), tx = contrast_tx();

#pragma unroll 1
    for (int i = 0; i < 8; i++) {
        contrast_stat stat = contrast_load(shared, i);
#pragma unroll
        for (int lanes = 8; lanes > 1; lanes >>= 1) {
            float u[STATS];
            contrast_numbers(stat, u);
#pragma unroll
            for (int q = 0; q < STATS; q++)
                u[q] = __shfl_xor_sync(RJ_ALL_LANES, u[q], lanes);
            stat = contrast_merge(d, stat, contrast_of(u));
        }
        float v[STATS];
        contrast_numbers(stat, v);
#pragma unroll
        for (int q = 0; q < STATS; q++)
            if (tx % 8 == 0)
                shared->joined[tx / 8][q][contrast_row(ty, i)] = v[q];
    }
}

/* Statistics of a block's rows over its tiles of columns, into part
 * [gridDim.y][STATS][columns]. Shared memory: 24 KiB of slices, 32 of statistics. */
template <bool SOFT>
static __global__ void __launch_bounds__(THREADS, 2)
    contrast_tiles(contrast_form d, int tiles_each, float *part, float *paired)
{
    RJ_DYN_SMEM(contrast_scores, shared);
    const int a0 = (int)blockIdx.x * ROWS, t = (int)threadIdx.x;
    const int first = (int)blockIdx.y * tiles_each;
    const int last = min(first + tiles_each, d.columns / COLUMNS);
    contrast_walk walk = {NULL, 0, a0, first, last, 0, (d.f_depth + d.z_depth) / DEPTH,
                          0};
    float s[8][8], k[8][8];

    for (int i = 0; i < STAGES - 1; i++)
        contrast_next(d, &shared->slices, &walk);
    if (t < ROWS) {
        shared->row_code[t] = contrast_code(d, a0 + t);
        shared->row_pair[t] = a0 + t < d.m ? (int)d.pair[a0 + t] : -1;
    }
    for (int i = 0; i < 8; i++)
        contrast_store(shared, i, contrast_nothing());
#pragma unroll 1
    for (int tile = first; tile < last; tile++) {
        shared->code[tile & 1][t] = contrast_code(d, tile * COLUMNS + t);
        if (SOFT)
            contrast_products(d, &shared->slices, &walk, d.f_depth, k);
        contrast_products(d, &shared->slices, &walk, d.z_depth, s);
        contrast_see_tile<SOFT>(d, shared, a0, tile, s, k, paired);
    }
    contrast_join_rows(d, shared);
    __syncthreads();
    if (t < ROWS) {
        float v[STATS], u[STATS];
#pragma unroll
        for (int q = 0; q < STATS; q++) {
            v[q] = shared->joined[0][q][t];
            u[q] = shared->joined[1][q][t];
        }
        contrast_numbers(contrast_merge(d, contrast_of(v), contrast_of(u)), v);
#pragma unroll
        for (int q = 0; q < STATS; q++)
            part[((size_t)blockIdx.y * STATS + q) * d.columns + a0 + t] = v[q];
    }
}

/* ---- the loss ---------------------------------------------------------------------- */

/* Mean lag of a part times its share; 0 of an empty one. */
RJ_DEVICE float contrast_lag(const contrast_part &p, float share)
{
    return share > 0 ? share * __fdividef(p.lag, p.sum) : 0;
}

RJ_DEVICE float contrast_per(float share, const contrast_part &p)
{
    return share > 0 ? __fdividef(share, p.sum) : 0;
}

/* What the gradient needs of row a, and the row's part of the loss. */
RJ_DEVICE float contrast_finish_row(const contrast_form &d, const contrast_head &head,
                                    int a, int splits, const float *part,
                                    const float *paired, float *kept)
{
    contrast_share share = {};
    const bool anchor = a < d.m && contrast_shares(d, head, a, &share);
    const float w = anchor ? d.weight[a] * head.scale : 0;
    contrast_stat s = contrast_nothing();

    if (!anchor) { // exp2 of what such a row stands beside is 0
        rj_store4(kept, make_float4(INFINITY, 0, -1, 0));
        rj_store4(kept + 4, make_float4(INFINITY, 0, INFINITY, 0));
        return 0;
    }
    for (int split = 0; split < splits; split++) {
        float v[STATS];
#pragma unroll
        for (int q = 0; q < STATS; q++)
            v[q] = part[((size_t)split * STATS + q) * d.columns + a];
        s = contrast_merge(d, s, contrast_of(v));
    }
    float lag =
        contrast_lag(s.images, share.images) + contrast_lag(s.traces, share.traces);
    if (share.pair > 0)
        lag += share.pair * ((paired[a] - s.top) * d.scale);
    rj_store4(kept, make_float4(s.top, __fdividef(w, s.sum),
                                share.pair > 0 ? d.pair[a] : -1, w * share.pair));
    rj_store4(kept + 4, make_float4(share.images > 0 ? s.images.top : INFINITY,
                                    w * contrast_per(share.images, s.images),
                                    share.traces > 0 ? s.traces.top : INFINITY,
                                    w * contrast_per(share.traces, s.traces)));
    return w * 0.693147180559945f * (log2f(s.sum) - lag);
}

/* A thread per row; sum of the losses of a block's rows. */
static __global__ void __launch_bounds__(FINISH_THREADS)
    contrast_finish(contrast_form d, const contrast_head *head, int splits,
                    const float *part, const float *paired, float *kept, float *sum)
{
    RJ_SHARED(float, warps, [32]);
    const int a = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    float loss = 0;

    if (a < d.columns)
        loss = contrast_finish_row(d, *head, a, splits, part, paired,
                                   kept + (size_t)a * KEPT);
    loss = rj_block_sum(loss, warps);
    if (threadIdx.x == 0)
        sum[blockIdx.x] = loss;
}

static __global__ void contrast_total(int n, const float *sums, float *loss)
{
    const int lane = (int)threadIdx.x;
    float sum = 0;

    for (int i = lane; i < n; i += 32)
        sum += sums[i];
    sum = rj_warp_sum(sum);
    if (lane == 0)
        loss[0] = sum;
}

extern "C" rij_status rj_cuda_contrast_keep(rj_device *dev, const rj_contrast *d,
                                            size_t *n)
{
    (void)dev;
    *n = (size_t)contrast_form_of(d).columns * KEPT;
    return RIJ_OK;
}

template <bool SOFT>
static rij_status launch_tiles(rj_device *dev, const contrast_form &form, int each,
                               dim3 grid, float *part, float *paired)
{
    const size_t bytes = sizeof(contrast_scores);

    RJ_TRY(rj_called("contrast",
                     cudaFuncSetAttribute(contrast_tiles<SOFT>,
                                          cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          (int)bytes)));
    return RJ_LAUNCH_ROWS(dev, contrast_tiles<SOFT>, grid, THREADS, bytes, form, each,
                          part, paired);
}

extern "C" rij_status rj_cuda_contrast(rj_device *dev, const rj_contrast *d,
                                       const rj_real *z, rj_real *loss, rj_real *g)
{
    contrast_form form = contrast_form_of(d);
    const int blocks = (d->m + ROWS - 1) / ROWS,
              each = contrast_tiles_each(&form, blocks);
    const int splits = (form.columns / COLUMNS + each - 1) / each;
    const unsigned sums = rj_blocks((size_t)form.columns, FINISH_THREADS);
    const size_t columns = (size_t)form.columns;
    const size_t rows = (size_t)(form.z_depth + form.f_depth + splits * STATS + 1);
    void *memory;

    RJ_TRY(rj_workspace(dev, (HEAD + rows * columns + sums) * sizeof(float), &memory));
    contrast_head *head = static_cast<contrast_head *>(memory);
    float *const turned = static_cast<float *>(memory) + HEAD;
    float *const part = turned + (size_t)(form.z_depth + form.f_depth) * columns;
    float *const paired = part + (size_t)splits * STATS * columns;
    float *const sum = paired + columns;
    form.z_turned = turned;
    form.f_turned = turned + (size_t)form.z_depth * columns;
    RJ_TRY(RJ_LAUNCH_ROWS(dev, contrast_count, 1, COUNT_THREADS, 0, form, head));
    RJ_TRY(contrast_turn_all(dev, d, &form, z, 0, NULL));
    const dim3 grid((unsigned)blocks, (unsigned)splits);
    RJ_TRY(form.f_depth ? launch_tiles<true>(dev, form, each, grid, part, paired)
                        : launch_tiles<false>(dev, form, each, grid, part, paired));
    RJ_TRY(RJ_LAUNCH_ROWS(dev, contrast_finish, sums, FINISH_THREADS, 0, form, head,
                          splits, part, paired, g, sums > 1 ? sum : loss));
    if (sums == 1)
        return RIJ_OK;
    return RJ_LAUNCH_ROWS(dev, contrast_total, 1, 32, 0, (int)sums, sum, loss);
}
