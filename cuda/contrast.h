/* contrast.h: what the contrastive loss and its gradient share on the GPU;
 * lib/op/contrast.c has the formula.
 *
 * Products z_a.z_c and f_a.f_c are made tile by tile and used at once; no matrix of M x M
 * is stored. A block owns ROWS rows a and runs over tiles of COLUMNS rows c; each of its
 * 128 threads has 8 x 8 of the products, in four groups of 4 x 4:
 *
 *     rows     4 ty .. 4 ty + 3, and the same + 32     ty 0 .. 7
 *     columns  4 tx .. 4 tx + 3, and the same + 64     tx 0 .. 15
 *
 * Both factors come in slices of DEPTH numbers of every row, from transposed copies whose
 * ends are filled up with zeros: so every access has 16 bytes, whatever M and D are, and
 * slices are copied to shared memory while others are multiplied. Per slice and thread 64
 * loads of 16 bytes feed 1024 multiply-adds: bound by arithmetic. In float in every
 * precision, for targets and probabilities nearly cancel in the gradient. */
#ifndef RJ_CUDA_CONTRAST_H
#define RJ_CUDA_CONTRAST_H

#include "cells.h"

enum {
    ROWS = 64,
    COLUMNS = 128,
    DEPTH = 16,
    STAGES = 2, /* slices in shared memory */
    THREADS = 128,
    KEPT = 8,     /* numbers of a row that the gradient needs */
    FILL = 512,   /* blocks that keep a GPU busy to the end */
    OTHER = 2,    /* codes of a row: its label 0, 1 or OTHER, */
    LABEL = 3,    /* in these bits; */
    TRACE = 4,    /* a trace; */
    OUTSIDE = 8,  /* not one of the m rows */
    TURN_ROWS = 8 /* of threads that turn a tile of 32 x 32 */
};

/* exp is taken as power of 2, so scales have log2(e) in them. */
struct contrast_form {
    int m, columns;   /* rows, and rounded up to COLUMNS */
    int z_depth;      /* rows of z_turned: D rounded up to DEPTH */
    int f_depth;      /* of f_turned; 0: uniform targets */
    float scale;      /* of z_a.z_c */
    float real_scale; /* of f_a.f_c, by the label; 0 where targets are uniform */
    float fake_scale;
    float alpha, beta;
    const float *label, *pair, *role, *weight;
    const float *z_turned, *f_turned; /* [depth][columns] */
};

static inline contrast_form contrast_form_of(const rj_contrast *d)
{
    const double log2_e = 1.44269504088896340736;
    const bool soft = d->df && (d->alpha >= 0 || d->beta >= 0);
    const float f_scale = soft ? (float)(log2_e / d->tau_s) : 0;
    contrast_form form = {};

    form.m = d->m;
    form.columns = (d->m + COLUMNS - 1) / COLUMNS * COLUMNS;
    form.z_depth = (d->d + DEPTH - 1) / DEPTH * DEPTH;
    form.f_depth = soft ? (d->df + DEPTH - 1) / DEPTH * DEPTH : 0;
    form.scale = (float)(log2_e / d->tau);
    form.real_scale = d->alpha < 0 ? 0 : f_scale;
    form.fake_scale = d->beta < 0 ? 0 : f_scale;
    form.alpha = (float)d->alpha;
    form.beta = (float)d->beta;
    form.label = d->label;
    form.pair = d->pair;
    form.role = d->role;
    form.weight = d->weight;
    return form;
}

/* Tiles of columns that one block runs over, so that `blocks` for all columns become
 * about FILL; by the shape alone, so that sums have the same order on every GPU. */
static inline int contrast_tiles_each(const contrast_form *form, int blocks)
{
    const int tiles = form->columns / COLUMNS;
    const int splits = (FILL + blocks - 1) / blocks;

    return splits < tiles ? (tiles + splits - 1) / splits : 1;
}

/* x (m,d) as turned [depth][columns], and, unless NULL, as plain [columns][width]; zeros
 * outside. A block turns 32 x 32 numbers. */
static __global__ void __launch_bounds__(32 * TURN_ROWS)
    contrast_turn(const float *x, int m, int d, int columns, int depth, float *turned,
                  int width, float *plain)
{
    RJ_SHARED(float, tile, [32][33]);
    const int i0 = (int)blockIdx.x * 32, j0 = (int)blockIdx.y * 32;
    const int lane = (int)threadIdx.x;

    for (int r = (int)threadIdx.y; r < 32; r += TURN_ROWS) {
        const int i = i0 + r, j = j0 + lane;
        const float v = i < m && j < d ? x[(size_t)i * d + j] : 0;
        tile[r][lane] = v;
        if (plain && j < width)
            plain[(size_t)i * width + j] = v;
    }
    __syncthreads();
    for (int r = (int)threadIdx.y; r < 32; r += TURN_ROWS)
        if (j0 + r < depth)
            turned[(size_t)(j0 + r) * columns + i0 + lane] = tile[lane][r];
}

/* Label, role and whether it is there at all of row i. */
RJ_DEVICE int contrast_code(const contrast_form &d, int i)
{
    if (i >= d.m)
        return OUTSIDE | OTHER;
    const float label = d.label[i];

    return (label == 0   ? 0
            : label == 1 ? 1
                         : (int)OTHER) |
           (d.role[i] == (float)RJ_ROLE_TRACE ? (int)TRACE : 0);
}

/* Is c, of this code, in A(a)? */
RJ_DEVICE bool contrast_competes(int a_code, int c_code, int a, int c)
{
    return !((a_code | OUTSIDE) & c_code & (TRACE | OUTSIDE)) && a != c;
}

RJ_DEVICE bool contrast_same_label(int a_code, int c_code)
{
    return !((a_code ^ c_code) & LABEL);
}

/* What f_a.f_c is multiplied by. */
RJ_DEVICE float contrast_f_scale(const contrast_form &d, int a_code)
{
    return a_code & 1 ? d.fake_scale : d.real_scale;
}

/* ---- products of tiles ------------------------------------------------------------ */

struct contrast_slices {
    float a[STAGES][DEPTH][ROWS], c[STAGES][DEPTH][COLUMNS];
};

/* Where a thread's products lie: lanes 0 .. 15 read 2 x 16 bytes of a and 8 x 16 of c,
 * neighbours the same c and next but one the same a, which one access serves. */
RJ_DEVICE int contrast_ty()
{
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;

    return (lane & 1) | (lane >> 4) << 1 | (warp & 1) << 2;
}

RJ_DEVICE int contrast_tx()
{
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;

    return (lane >> 1 & 7) | (warp >> 1) << 3;
}

/* Rows and columns of the tile by their number among a thread's 8. */
RJ_DEVICE int contrast_row(int ty, int i)
{
    return (i >> 2) * (ROWS / 2) + 4 * ty + (i & 3);
}

RJ_DEVICE int contrast_column(int tx, int j)
{
    return (j >> 2) * (COLUMNS / 2) + 4 * tx + (j & 3);
}

/* Copies of one slice, without waiting: of a from [DEPTH] rows `stride` apart, or not at
 * all, and of c. */
RJ_DEVICE void contrast_fetch(contrast_slices *s, int stage, const float *a,
                              const float *c, int stride)
{
    const int t = (int)threadIdx.x;

#pragma unroll
    for (int k = 0; a && k < DEPTH; k += THREADS / 16)
        rj_copy16(&s->a[stage][k + t / 16][t % 16 * 4],
                  a + (k + t / 16) * stride + t % 16 * 4, 16);
#pragma unroll
    for (int k = 0; k < DEPTH; k += THREADS / 32)
        rj_copy16(&s->c[stage][k + t / 32][t % 32 * 4],
                  c + (k + t / 32) * stride + t % 32 * 4, 16);
}

/* Which slice is fetched next: of f, then of z, then, in the gradient, rows c of z as
 * they are; tile after tile. */
struct contrast_walk {
    const float *plain; /* [columns][width], the block's COLUMNS of width; NULL: none */
    int width;
    int a0;            /* the block's first row */
    int tile, last;    /* tiles of columns */
    int slice, slices; /* of a tile */
    int stage;
};

RJ_DEVICE void contrast_next(const contrast_form &d, contrast_slices *s, contrast_walk *w)
{
    const int soft = d.f_depth / DEPTH, turned = soft + d.z_depth / DEPTH;

    if (w->tile < w->last && w->slice < turned) {
        const float *x = w->slice < soft
                             ? d.f_turned + w->slice * DEPTH * d.columns
                             : d.z_turned + (w->slice - soft) * DEPTH * d.columns;
        contrast_fetch(s, w->stage, x + w->a0, x + w->tile * COLUMNS, d.columns);
    } else if (w->tile < w->last) {
        const int c = w->tile * COLUMNS + (w->slice - turned) * DEPTH;
        contrast_fetch(s, w->stage, NULL, w->plain + c * w->width, w->width);
    }
    rj_copy_group();
    w->slice++;
    if (w->slice == w->slices)
        w->slice = 0, w->tile++;
    w->stage = w->stage + 1 < STAGES ? w->stage + 1 : 0;
}

/* Wait for the next slice to multiply, and fetch another over the one that all threads
 * are done with; its stage. */
RJ_DEVICE int contrast_take(const contrast_form &d, contrast_slices *s, contrast_walk *w)
{
    rj_copy_wait<STAGES - 2>();
    __syncthreads();
    contrast_next(d, s, w);
    return w->stage;
}

RJ_DEVICE void contrast_clear(float acc[8][8])
{
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 8; j++)
            acc[i][j] = 0;
}

/* acc += a c^T of one slice; a and c are this thread's columns of it, rows of a `stride`
 * apart, and `gap` more after every 8. */
RJ_DEVICE void contrast_multiply(float acc[8][8], const float *a, int stride, int gap,
                                 const float *c)
{
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
        const float *const row = a + k * stride + k / 8 * gap;
        const float4 a0 = rj_load4(row);
        const float4 a1 = rj_load4(row + ROWS / 2);
        const float4 c0 = rj_load4(c + k * COLUMNS);
        const float4 c1 = rj_load4(c + k * COLUMNS + COLUMNS / 2);
        const float u[8] = {a0.x, a0.y, a0.z, a0.w, a1.x, a1.y, a1.z, a1.w};
        const float v[8] = {c0.x, c0.y, c0.z, c0.w, c1.x, c1.y, c1.z, c1.w};
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int j = 0; j < 8; j++)
                acc[i][j] = fmaf(u[i], v[j], acc[i][j]);
    }
}

/* acc = the products of `depth` numbers of the tile's rows and columns. */
RJ_DEVICE void contrast_products(const contrast_form &d, contrast_slices *s,
                                 contrast_walk *w, int depth, float acc[8][8])
{
    const int ty = contrast_ty(), tx = contrast_tx();

    contrast_clear(acc);
#pragma unroll 1
    for (int k = 0; k < depth; k += DEPTH) {
        const int stage = contrast_take(d, s, w);
        contrast_multiply(acc, &s->a[stage][0][4 * ty], ROWS, 0, &s->c[stage][0][4 * tx]);
    }
}

/* z, and f if there is one, into what `form` points to; `plain` (columns, width) may be
 * NULL. */
static inline rij_status contrast_turn_all(rj_device *dev, const rj_contrast *d,
                                           const contrast_form *form, const float *z,
                                           int width, float *plain)
{
    const dim3 block(32, TURN_ROWS);
    const unsigned tiles = (unsigned)form->columns / 32;
    const int wide = width > form->z_depth ? width : form->z_depth;

    RJ_TRY(RJ_LAUNCH_ROWS(dev, contrast_turn, dim3(tiles, rj_blocks((size_t)wide, 32)),
                          block, 0, z, d->m, d->d, form->columns, form->z_depth,
                          const_cast<float *>(form->z_turned), width, plain));
    if (!form->f_depth)
        return RIJ_OK;
    return RJ_LAUNCH_ROWS(
        dev, contrast_turn, dim3(tiles, rj_blocks((size_t)form->f_depth, 32)), block, 0,
        d->f, d->m, d->df, form->columns, form->f_depth,
        const_cast<float *>(form->f_turned), 0, static_cast<float *>(NULL));
}

#endif
