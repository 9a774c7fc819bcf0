/* residual: fixed front-ends that keep what a picture's own neighbourhood does not say.
 *
 *     median   y = x - median of the 3x3 around it                     (N,C,H,W) -> same
 *     npr      y = x - the top-left pixel of its 2x2 cell              (N,C,H,W) -> same
 *     laplace  y = x - mean of the 3x3 around it                       (N,C,H,W) -> same
 *     haar     of each 2x2 cell a b / c d (H and W even)    (N,C,H,W) -> (N,3C,H/2,W/2)
 *              lh = (a + b - c - d) / 2, channels 0..C-1
 *              hl = (a - b + c - d) / 2, channels C..2C-1
 *              hh = (a - b - c + d) / 2, channels 2C..3C-1
 *     octaves  medians at two octaves (H and W even)     (N,C,H,W) -> (N,5C,H/2,W/2)
 *              of the corners a b / c d of each 2x2 cell what `median` makes of x there,
 *              channels 0..C-1, C..2C-1, 2C..3C-1, 3C..4C-1
 *              u - median of the 3x3 of u around it, channels 4C..5C-1,
 *              of the half sums u = (a + b + c + d) / 2, a plane of H/2 x W/2
 *
 * x, y pictures; x may also be plain, images as the host has them, of at most 5
 * channels, 3 for octaves: then it has no gradient. Borders are reflected without
 * repeating the edge. All but the median are linear, so the gradient goes back by the
 * same weights; the median's goes to the first pixel (or u) in reading order that equals
 * it. Saved for backward: nothing.
 *
 * Sources: FerretNet 2025 (median), Tan et al. 2024 (NPR), Haar 1910. */
#include "op/op.h"

static int reflect(int i, int n)
{
    if (n == 1)
        return 0;
    if (i < 0)
        i = -i;
    return i < n ? i : 2 * n - 2 - i;
}

/* Places of the 3x3 window around (y,x), reading order. */
static void window(const rj_residual *d, int y, int x, int place[9])
{
    for (int i = 0; i < 9; i++)
        place[i] = reflect(y + i / 3 - 1, d->h) * d->w + reflect(x + i % 3 - 1, d->w);
}

/* Place of the median: the first number with fewer than 5 below it and at least 5 not
 * above it. */
static int median_place(const rj_real *x, const int place[9])
{
    for (int i = 0; i < 9; i++) {
        int below = 0, not_above = 0;
        for (int j = 0; j < 9; j++) {
            below += x[place[j]] < x[place[i]];
            not_above += x[place[j]] <= x[place[i]];
        }
        if (below < 5 && not_above >= 5)
            return place[i];
    }
    return place[4]; // only where a number is NaN
}

static rj_real mean_of_window(const rj_real *x, const int place[9])
{
    double sum = 0;

    for (int i = 0; i < 9; i++)
        sum += (double)x[place[i]];
    return (rj_real)(sum / 9);
}

static void plane(const rj_residual *d, const rj_real *x, rj_real *y)
{
    int place[9];

    for (int h = 0; h < d->h; h++)
        for (int w = 0; w < d->w; w++) {
            const int at = h * d->w + w;
            window(d, h, w, place);
            if (d->kind == RJ_FRONT_MEDIAN)
                y[at] = x[at] - x[median_place(x, place)];
            else if (d->kind == RJ_FRONT_NPR)
                y[at] = x[at] - x[(h - h % 2) * d->w + w - w % 2];
            else
                y[at] = x[at] - mean_of_window(x, place);
        }
}

static void plane_grad(const rj_residual *d, const rj_real *x, const rj_real *dy,
                       rj_real *dx)
{
    int place[9];

    for (int h = 0; h < d->h; h++)
        for (int w = 0; w < d->w; w++) {
            const rj_real g = dy[h * d->w + w];
            dx[h * d->w + w] += g;
            window(d, h, w, place);
            if (d->kind == RJ_FRONT_MEDIAN)
                dx[median_place(x, place)] -= g;
            else if (d->kind == RJ_FRONT_NPR)
                dx[(h - h % 2) * d->w + w - w % 2] -= g;
            else
                for (int i = 0; i < 9; i++)
                    dx[place[i]] -= g / 9;
        }
}

static const int haar_sign[3][4] = {{1, 1, -1, -1}, {1, -1, 1, -1}, {1, -1, -1, 1}};

/* The place of corner i of cell (p,q) in x, and of its band b in y. */
static size_t cell_x(const rj_residual *d, int n, int c, int p, int q, int i)
{
    return (((size_t)n * (size_t)d->c + (size_t)c) * (size_t)d->h +
            (size_t)(2 * p + i / 2)) *
               (size_t)d->w +
           (size_t)(2 * q + i % 2);
}

static size_t cell_y(const rj_residual *d, int n, int c, int p, int q, int b)
{
    return (((size_t)n * (size_t)d->k + (size_t)(b * d->c + c)) * (size_t)d->p +
            (size_t)p) *
               (size_t)d->q +
           (size_t)q;
}

/* Forward (dx NULL) or backward, over all cells, bands and corners. */
static void haar(const rj_residual *d, const rj_real *x, rj_real *y, const rj_real *dy,
                 rj_real *dx)
{
    for (int n = 0; n < d->n; n++)
        for (int c = 0; c < d->c; c++)
            for (int b = 0; b < 3; b++)
                for (int p = 0; p < d->p; p++)
                    for (int q = 0; q < d->q; q++) {
                        const size_t out = cell_y(d, n, c, p, q, b);
                        rj_real sum = 0;
                        for (int i = 0; i < 4; i++) {
                            const size_t in = cell_x(d, n, c, p, q, i);
                            const rj_real sign = (rj_real)haar_sign[b][i] / 2;
                            if (dx)
                                dx[in] += sign * dy[out];
                            else // one of x and dx is there; readers of code miss that
                                // cppcheck-suppress nullPointer
                                // NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
                                sum += sign * x[in];
                        }
                        if (!dx)
                            y[out] = sum;
                    }
}

/* The first four bands of octaves, of one channel: forward (dx NULL) or backward. x and
 * dx are its plane. */
static void corners(const rj_residual *d, int n, int c, const rj_real *x, rj_real *y,
                    const rj_real *dy, rj_real *dx)
{
    int place[9];

    for (int h = 0; h < d->h; h++)
        for (int w = 0; w < d->w; w++) {
            const size_t out = cell_y(d, n, c, h / 2, w / 2, h % 2 * 2 + w % 2);
            const int at = h * d->w + w;
            window(d, h, w, place);
            if (!dx) {
                // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): x comes with y
                y[out] = x[at] - x[median_place(x, place)];
                continue;
            }
            dx[at] += dy[out];
            dx[median_place(x, place)] -= dy[out];
        }
}

/* Where cell i of a plane begins, cells counted in reading order. */
static int cell_begin(const rj_residual *d, int i)
{
    return i / d->q * 2 * d->w + i % d->q * 2;
}

static rj_real half_sum(const rj_residual *d, const rj_real *x)
{
    return ((x[0] + x[1]) + (x[d->w] + x[d->w + 1])) / 2;
}

static void half_sum_grad(const rj_residual *d, rj_real g, rj_real *dx)
{
    for (int i = 0; i < 4; i++)
        dx[i / 2 * d->w + i % 2] += g / 2;
}

/* The last band of octaves, likewise. */
static void sums(const rj_residual *d, int n, int c, const rj_real *x, rj_real *y,
                 const rj_real *dy, rj_real *dx)
{
    static const int each[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    const rj_residual cells = {.h = d->p, .w = d->q};

    for (int p = 0; p < d->p; p++)
        for (int q = 0; q < d->q; q++) {
            const size_t out = cell_y(d, n, c, p, q, 4);
            rj_real near[9];
            int place[9], median;
            window(&cells, p, q, place);
            for (int i = 0; i < 9; i++)
                near[i] = half_sum(d, x + cell_begin(d, place[i]));
            median = median_place(near, each);
            if (!dx) {
                y[out] = near[4] - near[median];
                continue;
            }
            half_sum_grad(d, dy[out], dx + cell_begin(d, place[4]));
            half_sum_grad(d, -dy[out], dx + cell_begin(d, place[median]));
        }
}

static void octaves(const rj_residual *d, const rj_real *x, rj_real *y, const rj_real *dy,
                    rj_real *dx)
{
    for (int n = 0; n < d->n; n++)
        for (int c = 0; c < d->c; c++) {
            const size_t plane = cell_x(d, n, c, 0, 0, 0);
            rj_real *into = dx ? dx + plane : NULL;
            corners(d, n, c, x + plane, y, dy, into);
            sums(d, n, c, x + plane, y, dy, into);
        }
}

rij_status rj_ref_residual(rj_device *dev, const rj_residual *d, const rj_real *x,
                           rj_real *y)
{
    const size_t n = (size_t)d->h * (size_t)d->w;

    (void)dev;
    if (d->kind == RJ_FRONT_HAAR)
        haar(d, x, y, NULL, NULL);
    else if (d->kind == RJ_FRONT_OCTAVES)
        octaves(d, x, y, NULL, NULL);
    else
        for (size_t i = 0; i < (size_t)d->n * (size_t)d->c; i++)
            plane(d, x + i * n, y + i * n);
    return RIJ_OK;
}

rij_status rj_ref_residual_grad(rj_device *dev, const rj_residual *d, const rj_real *x,
                                const rj_real *dy, rj_real *dx)
{
    const size_t n = (size_t)d->h * (size_t)d->w;

    (void)dev;
    if (d->kind == RJ_FRONT_HAAR)
        haar(d, NULL, NULL, dy, dx);
    else if (d->kind == RJ_FRONT_OCTAVES)
        octaves(d, x, NULL, dy, dx);
    else
        for (size_t i = 0; i < (size_t)d->n * (size_t)d->c; i++)
            plane_grad(d, x + i * n, dy + i * n, dx + i * n);
    return RIJ_OK;
}

/* Channels of the output for one of the input, and whether they are of cells of 2x2. */
static int bands_of(enum rj_front kind)
{
    return kind == RJ_FRONT_HAAR ? 3 : kind == RJ_FRONT_OCTAVES ? 5 : 1;
}

static rj_residual dims(const rj_call *call)
{
    const rj_residual_par *par = call->par;
    const int *x = call->in[0]->shape.dim;
    const int bands = bands_of(par->kind), cell = bands > 1 ? 2 : 1;

    return (rj_residual){x[0],        x[1],         x[2],
                         x[3],        bands * x[1], x[2] / cell,
                         x[3] / cell, par->kind,    !call->in[0]->shape.picture};
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_residual_par *par = call->par;
    const rj_shape *x = &call->in[0]->shape;
    const int most = par->kind == RJ_FRONT_OCTAVES ? 3 : 5;
    char text[64];
    rj_residual d;

    RJ_REQUIRE(x->rank == 4 && par->kind > RJ_FRONT_RAW && par->kind <= RJ_FRONT_OCTAVES,
               RIJ_E_ARGUMENT, "residual: kind %d of x %s", (int)par->kind,
               rj_shape_text(x, text));
    RJ_REQUIRE(x->picture || (x->dim[1] <= most && !call->in[0]->learns), RIJ_E_ARGUMENT,
               "residual: x %s is no picture, has more than %d channels or wants a "
               "gradient",
               rj_shape_text(x, text), most);
    RJ_REQUIRE(bands_of(par->kind) == 1 || (x->dim[2] % 2 == 0 && x->dim[3] % 2 == 0),
               RIJ_E_SHAPE, "residual: cells of 2x2 need even sides, not %s",
               rj_shape_text(x, text));
    d = dims(call);
    *out = rj_shape_picture(d.n, d.k, d.p, d.q);
    *saved = 0;
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_residual d = dims(call);

    return call->dev->k->residual(call->dev, &d, call->in[0]->x, call->out->x);
}

static rij_status backward(const rj_call *call)
{
    const rj_residual d = dims(call);

    if (!call->in[0]->g)
        return RIJ_OK;
    return call->dev->k->residual_grad(call->dev, &d, call->in[0]->x, call->out->g,
                                       call->in[0]->g);
}

const rj_op rj_op_residual = {.name = "residual",
                              .inputs = 1,
                              .par_bytes = sizeof(rj_residual_par),
                              .shape = shape,
                              .forward = forward,
                              .backward = backward};
