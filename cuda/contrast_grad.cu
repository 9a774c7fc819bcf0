/* contrast_grad: the gradient of the contrastive form; lib/op/contrast.c has the formula.
 *
 *     dz_a += dl / tau sum_c H_ac z_c,     H = G + G^T,     G_ac = w_a (p_ac - q_ac)
 *
 * A block makes for its rows a, tile after tile of columns c, the products f_a.f_c and
 * z_a.z_c (contrast.h), from them and what forward kept of both rows H of the tile, which
 * goes to shared memory, and multiplies that by z_c; its 64 x 128 sums stay in registers.
 * Nothing of size M x M is stored, and every z_a.z_c serves both G_ac and G_ca. Wide D is
 * done in pieces of 128 by other blocks; tiles are shared among blocks where the rows
 * alone do not fill a GPU, and contrast_add adds their sums in order. */
#include "contrast.h"

enum {
    ADD_ROWS = 8,
    H_ROW = ROWS + 4, /* of a column, and */
    H_GAP = 8         /* after every 8, so that stores spread over the banks */
};

struct contrast_tile {
    contrast_slices slices;
    float h[COLUMNS * H_ROW + COLUMNS / 8 * H_GAP]; /* H: [c][a] */
    float row[2][4 * (ROWS + ROWS / 8)];            /* halves of what was kept, */
    float column[2][4 * (COLUMNS + COLUMNS / 8)];   /* at contrast_kept_at() */
    int row_code[ROWS], column_code[COLUMNS];
};

/* What forward kept of a row. */
struct contrast_kept {
    float top, per_sum; /* p = per_sum 2^((z_a.z_c - top) scale) */
    int pair;
    float pair_share;
    float images_top, images_per, traces_top, traces_per; /* q, the same */
};

/* Every 8 rows of 16 bytes are followed by 16 bytes, so that every fourth row, as threads
 * read them, lies in other banks. */
RJ_DEVICE int contrast_kept_at(int i)
{
    return 4 * (i + i / 8);
}

RJ_DEVICE contrast_kept contrast_kept_of(const float *first, const float *second, int i)
{
    const float4 p = rj_load4(first + contrast_kept_at(i));
    const float4 q = rj_load4(second + contrast_kept_at(i));
    const contrast_kept kept = {p.x, p.y, (int)p.z, p.w, q.x, q.y, q.z, q.w};

    return kept;
}

RJ_DEVICE int contrast_h_at(int c, int a)
{
    return c * H_ROW + c / 8 * H_GAP + a;
}

/* w_a q_ac + w_c q_ca but for the pairs; target: f_a.f_c times its scale. */
template <bool SOFT>
RJ_DEVICE float contrast_targets(const contrast_kept &a, bool a_trace,
                                 const contrast_kept &c, bool c_trace, float target)
{
    const float a_per = c_trace ? a.traces_per : a.images_per;
    const float c_per = a_trace ? c.traces_per : c.images_per;

    if (!SOFT)
        return a_per + c_per;
    const float a_top = c_trace ? a.traces_top : a.images_top;
    const float c_top = a_trace ? c.traces_top : c.images_top;
    return a_per * rj_exp2(target - a_top) + c_per * rj_exp2(target - c_top);
}

/* -(w_a q_ac + w_c q_ca) of the tile into h; k: f_a.f_c. */
template <bool SOFT>
RJ_DEVICE void contrast_targets_tile(const contrast_form &d, contrast_tile *shared,
                                     int a0, int c0, const float k[8][8])
{
    const int ty = contrast_ty(), tx = contrast_tx();

#pragma unroll
    for (int half = 0; half < 8; half += 4) {
        contrast_kept kept[4];
        int code[4];
        const int row = contrast_row(ty, half);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            kept[i] = contrast_kept_of(shared->row[0], shared->row[1], row + i);
            code[i] = shared->row_code[row + i];
        }
#pragma unroll
        for (int j = 0; j < 8; j++) {
            const int column = contrast_column(tx, j), c = c0 + column;
            const contrast_kept other =
                contrast_kept_of(shared->column[0], shared->column[1], column);
            const int c_code = shared->column_code[column];
            float q[4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int a = a0 + row + i;
                const float target =
                    SOFT ? k[half + i][j] * contrast_f_scale(d, code[i]) : 0;
                const float v = contrast_targets<SOFT>(kept[i], code[i] & TRACE, other,
                                                       c_code & TRACE, target);
                q[i] = contrast_competes(code[i], c_code, a, c) &&
                               contrast_same_label(code[i], c_code)
                           ? v
                           : 0;
                q[i] += kept[i].pair == c ? kept[i].pair_share : 0;
                q[i] += other.pair == a ? other.pair_share : 0;
            }
            rj_store4(&shared->h[contrast_h_at(column, row)],
                      make_float4(-q[0], -q[1], -q[2], -q[3]));
        }
    }
}

/* w_a p_ac + w_c p_ca of the tile added to h; s: z_a.z_c. */
RJ_DEVICE void contrast_chances_tile(const contrast_form &d, contrast_tile *shared,
                                     int a0, int c0, const float s[8][8])
{
    const int ty = contrast_ty(), tx = contrast_tx();

#pragma unroll
    for (int half = 0; half < 8; half += 4) {
        const int row = contrast_row(ty, half);
        float top[4], per[4];
        int code[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            top[i] = shared->row[0][contrast_kept_at(row + i)];
            per[i] = shared->row[0][contrast_kept_at(row + i) + 1];
            code[i] = shared->row_code[row + i];
        }
#pragma unroll
        for (int j = 0; j < 8; j++) {
            const int column = contrast_column(tx, j);
            const float c_top = shared->column[0][contrast_kept_at(column)];
            const float c_per = shared->column[0][contrast_kept_at(column) + 1];
            const int c_code = shared->column_code[column];
            float *const at = &shared->h[contrast_h_at(column, row)];
            const float4 was = rj_load4(at);
            float h[4] = {was.x, was.y, was.z, was.w};
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const float score = s[half + i][j];
                const float p = per[i] * rj_exp2((score - top[i]) * d.scale) +
                                c_per * rj_exp2((score - c_top) * d.scale);
                h[i] +=
                    contrast_competes(code[i], c_code, a0 + row + i, c0 + column) ? p : 0;
            }
            rj_store4(at, make_float4(h[0], h[1], h[2], h[3]));
        }
    }
}

/* What forward kept of `n` rows from i0 on. */
RJ_DEVICE void contrast_keep_rows(const contrast_form &d, const float *kept, int i0,
                                  int n, float *first, float *second, int *code)
{
    const int t = (int)threadIdx.x;

    if (t < n) {
        const float *const from = kept + (size_t)(i0 + t) * KEPT;
        rj_store4(first + contrast_kept_at(t), rj_load4(from));
        rj_store4(second + contrast_kept_at(t), rj_load4(from + 4));
        code[t] = contrast_code(d, i0 + t);
    }
}

/* Sums of a block's rows over its tiles, into part [gridDim.z][columns][width]. Shared
 * memory: 24 KiB of slices, 35 of H, 8 of what was kept. */
template <bool SOFT>
static __global__ void __launch_bounds__(THREADS, 2)
    contrast_pull(contrast_form d, const float *kept, const float *plain, int width,
                  int tiles_each, float *part)
{
    RJ_DYN_SMEM(contrast_tile, shared);
    const int ty = contrast_ty(), tx = contrast_tx();
    const int a0 = (int)blockIdx.x * ROWS, piece = (int)blockIdx.y * COLUMNS;
    const int first = (int)blockIdx.z * tiles_each;
    const int last = min(first + tiles_each, d.columns / COLUMNS);
    contrast_walk walk = {plain + piece,
                          width,
                          a0,
                          first,
                          last,
                          0,
                          (d.f_depth + d.z_depth + COLUMNS) / DEPTH,
                          0};
    float out[8][8], acc[8][8];

    for (int i = 0; i < STAGES - 1; i++)
        contrast_next(d, &shared->slices, &walk);
    contrast_keep_rows(d, kept, a0, ROWS, shared->row[0], shared->row[1],
                       shared->row_code);
    contrast_clear(out);
#pragma unroll 1
    for (int tile = first; tile < last; tile++) {
        const int c0 = tile * COLUMNS;
        contrast_keep_rows(d, kept, c0, COLUMNS, shared->column[0], shared->column[1],
                           shared->column_code);
        if (SOFT) {
            contrast_products(d, &shared->slices, &walk, d.f_depth, acc);
            contrast_targets_tile<true>(d, shared, a0, c0, acc);
        }
        contrast_products(d, &shared->slices, &walk, d.z_depth, acc);
        if (!SOFT)
            contrast_targets_tile<false>(d, shared, a0, c0, acc);
        contrast_chances_tile(d, shared, a0, c0, acc);
#pragma unroll 1
        for (int k = 0; k < COLUMNS; k += DEPTH) {
            const int stage = contrast_take(d, &shared->slices, &walk);
            contrast_multiply(out, &shared->h[contrast_h_at(k, 4 * ty)], H_ROW, H_GAP,
                              &shared->slices.c[stage][0][4 * tx]);
        }
    }
    float *to = part + ((size_t)blockIdx.z * d.columns + a0) * width + piece + 4 * tx;
#pragma unroll
    for (int i = 0; i < 8; i++) {
        float *const row = to + (size_t)contrast_row(ty, i) * width;
        rj_store4(row, make_float4(out[i][0], out[i][1], out[i][2], out[i][3]));
        rj_store4(row + COLUMNS / 2,
                  make_float4(out[i][4], out[i][5], out[i][6], out[i][7]));
    }
}

/* dz (m,n) += dl / tau sum of part [splits][columns][width]; a warp per row. */
static __global__ void __launch_bounds__(32 * ADD_ROWS)
    contrast_add(int m, int n, float per_tau, int splits, int columns, int width,
                 const float *part, const float *dl, float *dz)
{
    const int a = (int)(blockIdx.x * ADD_ROWS + threadIdx.y);
    const float scale = dl[0] * per_tau;

    if (a >= m)
        return;
    for (int j = (int)threadIdx.x; j < n; j += 32) {
        float sum = 0;
        for (int split = 0; split < splits; split++)
            sum += part[((size_t)split * columns + a) * width + j];
        dz[(size_t)a * n + j] += scale * sum;
    }
}

template <bool SOFT>
static rij_status launch_pull(rj_device *dev, const contrast_form &form, dim3 grid,
                              const float *kept, const float *plain, int width, int each,
                              float *part)
{
    const size_t bytes = sizeof(contrast_tile);

    RJ_TRY(rj_called("contrast_grad",
                     cudaFuncSetAttribute(contrast_pull<SOFT>,
                                          cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          (int)bytes)));
    return RJ_LAUNCH_ROWS(dev, contrast_pull<SOFT>, grid, THREADS, bytes, form, kept,
                          plain, width, each, part);
}

extern "C" rij_status rj_cuda_contrast_grad(rj_device *dev, const rj_contrast *d,
                                            const rj_real *z, const rj_real *g,
                                            const rj_real *dl, rj_real *dz)
{
    contrast_form form = contrast_form_of(d);
    const int rows = (d->m + ROWS - 1) / ROWS, pieces = (d->d + COLUMNS - 1) / COLUMNS;
    const int width = pieces * COLUMNS, each = contrast_tiles_each(&form, rows * pieces);
    const int splits = (form.columns / COLUMNS + each - 1) / each;
    const size_t columns = (size_t)form.columns;
    const size_t depth = (size_t)(form.z_depth + form.f_depth);
    void *memory;

    RJ_TRY(rj_workspace(
        dev, columns * (depth + (size_t)width * (size_t)(splits + 1)) * sizeof(float),
        &memory));
    float *const turned = static_cast<float *>(memory);
    float *const plain = turned + columns * depth, *const part = plain + columns * width;
    form.z_turned = turned;
    form.f_turned = turned + columns * (size_t)form.z_depth;
    RJ_TRY(contrast_turn_all(dev, d, &form, z, width, plain));
    const dim3 grid((unsigned)rows, (unsigned)pieces, (unsigned)splits);
    RJ_TRY(form.f_depth
               ? launch_pull<true>(dev, form, grid, g, plain, width, each, part)
               : launch_pull<false>(dev, form, grid, g, plain, width, each, part));
    return RJ_LAUNCH_ROWS(dev, contrast_add, rj_blocks((size_t)d->m, ADD_ROWS),
                          dim3(32, ADD_ROWS), 0, d->m, d->d, (float)(1 / d->tau), splits,
                          form.columns, width, part, dl, dz);
}
