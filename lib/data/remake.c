/* remake.c: a photograph remade from fewer pixels, its fine detail softly or wrongly put
 * back: what autoencoders, upsamplers and diffusion decoders have in common.
 *
 *     low = x to a size of 0.25 .. 0.9 and back, by filters drawn for either way
 *     d   = x - low,  a = root of the local mean of d^2, by channel
 *     out = low + k d                       a quarter: the detail, weaker
 *           low + k d'                      a quarter: displaced by up to a pixel
 *           low + k a (c n_i + 1.7 (1 - c) n)   half: noise of its local strength
 *           + s m                           in half of all: fine noise
 *     out += f (out - blur out)               in half of all: sharpened (sharpen.c)
 *
 * n_i and m are of each channel, n is shared by all; c in [0,1), s in [0,2.5) levels, f
 * in [0,1.2). k is 0 in three of ten, else in [0,0.9): some detail is always lost. n,
 * n_i, m are normal. Local means are of exp(-|i| ln 2) along rows and columns, deviation
 * 2. A pure function of the pixels and of *r. */
#include "data/data.h"

#include <math.h>

enum { CHANNELS = 3 };

/* What is drawn for one picture. */
typedef struct plan {
    double factor;
    enum rj_filter down, up;
    bool invented;
    int shift; /* which of the 3 x 3 pixels around is taken; 4 is the one itself */
    float kept, own, noise, sharpened;
} plan;

static plan draw(rj_random *r)
{
    static const enum rj_filter ups[10] = {
        RJ_TRIANGLE, RJ_TRIANGLE, RJ_TRIANGLE, RJ_CUBIC,   RJ_CUBIC,
        RJ_CUBIC,    RJ_LANCZOS,  RJ_LANCZOS,  RJ_LANCZOS, RJ_BOX};
    plan p = {.factor = rj_random_uniform(r, 0.25, 0.9)};
    int kind;

    p.down = (enum rj_filter)rj_random_below(r, RJ_FILTERS);
    p.up = ups[rj_random_below(r, RJ_COUNT(ups))];
    kind = rj_random_below(r, 4);
    p.invented = kind >= 2;
    p.shift = rj_random_below(r, 9);
    p.shift = kind == 1 ? p.shift : 4;            // the middle: none
    p.kept = (float)rj_random_uniform(r, 0, 0.9); // what kept all would be the parent
    p.kept = rj_random_uniform(r, 0, 1) < 0.7 ? p.kept : 0;
    p.own = (float)rj_random_uniform(r, 0, 1);
    p.noise = (float)rj_random_uniform(r, 0, 2.5);
    p.noise = rj_random_uniform(r, 0, 1) < 0.5 ? p.noise : 0;
    p.sharpened = (float)rj_random_uniform(r, 0, 1.2);
    p.sharpened = rj_random_uniform(r, 0, 1) < 0.5 ? p.sharpened : 0;
    return p;
}

static rij_status lower(const rj_image *image, const plan *p, rj_image *low)
{
    const int w = RJ_MAX(1, (int)lround(image->w * p->factor));
    const int h = RJ_MAX(1, (int)lround(image->h * p->factor));
    rj_image small;
    rij_status status;

    RJ_TRY(rj_image_resample(image, w, h, p->down, &small));
    status = rj_image_resample(&small, image->w, image->h, p->up, low);
    rj_image_free(&small);
    return status;
}

/* y = (y + x) / 2: one step of a filter over rows of n numbers. */
static void halfway(int n, const float *restrict x, float *restrict y)
{
    for (int i = 0; i < n; i++)
        y[i] = 0.5f * (x[i] + y[i]);
}

/* Local means of h rows of n numbers, in place, by steps of `step` numbers in a row. */
static void local_means(int n, int h, int step, float *x)
{
    for (int y = 1; y < h; y++)
        halfway(n, x + (size_t)(y - 1) * (size_t)n, x + (size_t)y * (size_t)n);
    for (int y = h - 2; y >= 0; y--)
        halfway(n, x + (size_t)(y + 1) * (size_t)n, x + (size_t)y * (size_t)n);
    for (int y = 0; y < h; y++, x += n) {
        for (int i = step; i < n; i++)
            x[i] = 0.5f * (x[i] + x[i - step]);
        for (int i = n - step - 1; i >= 0; i--)
            x[i] = 0.5f * (x[i] + x[i + step]);
    }
}

/* detail[i] = its local strength times noise, partly shared by the channels. */
static void invent(const rj_image *image, const plan *p, rj_random *r, float *detail)
{
    const int n = image->w * CHANNELS;
    const size_t pixels = (size_t)image->w * (size_t)image->h;
    float normal[4 * 64];

    for (size_t i = 0; i < pixels * CHANNELS; i++)
        detail[i] *= detail[i];
    local_means(n, image->h, CHANNELS, detail);
    for (size_t i = 0; i < pixels; i++) {
        const float *v = normal + i % 64 * 4;
        if (i % 64 == 0)
            rj_random_normals(r, RJ_COUNT(normal), normal);
        for (int c = 0; c < CHANNELS; c++)
            detail[i * CHANNELS + (size_t)c] =
                sqrtf(detail[i * CHANNELS + (size_t)c]) *
                (p->own * v[c] + 1.7f * (1 - p->own) * v[3]);
    }
}

/* low += kept detail, displaced, + noise. */
static void put_back(const plan *p, const float *detail, rj_random *r, rj_image *low)
{
    const int w = low->w, h = low->h;
    float fine[CHANNELS * 64] = {0};

    for (int y = 0; y < h; y++) {
        const int from_y = RJ_MIN(RJ_MAX(y + p->shift / 3 - 1, 0), h - 1);
        uint8_t *to = low->rgb + (size_t)y * (size_t)w * CHANNELS;
        for (int x = 0; x < w; x++) {
            const int from_x = RJ_MIN(RJ_MAX(x + p->shift % 3 - 1, 0), w - 1);
            const float *d =
                detail + ((size_t)from_y * (size_t)w + (size_t)from_x) * CHANNELS;
            if (p->noise > 0 && x % 64 == 0)
                rj_random_normals(r, RJ_COUNT(fine), fine);
            for (int c = 0; c < CHANNELS; c++, to++)
                *to = rj_rounded(
                    (float)*to + p->kept * d[c] +
                    (p->noise > 0 ? p->noise * fine[x % 64 * CHANNELS + c] : 0));
        }
    }
}

rij_status rj_remake(const rj_image *image, rj_random *r, rj_image *out)
{
    const size_t n = (size_t)image->w * (size_t)image->h * CHANNELS;
    const plan p = draw(r);
    rij_status status = RIJ_OK;
    rj_image low;
    float *detail;

    RJ_TRY(lower(image, &p, &low));
    detail = rj_alloc(n, sizeof *detail);
    if (!detail) {
        rj_image_free(&low);
        return rj_fail(RIJ_E_MEMORY, "operator: no memory for %d x %d pixels", image->w,
                       image->h);
    }
    for (size_t i = 0; i < n; i++)
        detail[i] = (float)image->rgb[i] - (float)low.rgb[i];
    if (p.invented)
        invent(image, &p, r, detail);
    put_back(&p, detail, r, &low);
    rj_free(detail);
    if (p.sharpened > 0)
        status = rj_image_sharpen(&low, p.sharpened);
    if (status == RIJ_OK)
        *out = low;
    else
        rj_image_free(&low);
    return status;
}
