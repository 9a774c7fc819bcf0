/* planes.c: from pictures to what networks compute with, and back.
 *
 * Pictures become planes (n,3,h+2B,w+2B) of numbers in -1..1 whose border of B pixels is
 * their reflection, so that a child is no worse at its border than in its middle. */
#include "forge/forge.h"

#include <string.h>

rij_status rj_planes_take(const rj_image *const *picture, int n, int border, float *x)
{
    for (int i = 0; i < n; i++) {
        const rj_image *p = picture[i];
        rj_image large;

        RJ_TRY(rj_image_crop(p, -border, -border, p->w + 2 * border, p->h + 2 * border,
                             &large));
        rj_image_planar(&large, x);
        x += (size_t)3 * (size_t)large.w * (size_t)large.h;
        rj_image_free(&large);
    }
    return RIJ_OK;
}

/* The middle of planes x (3,h+2B,w+2B) back to grey levels. */
static void put_back(const float *x, int border, rj_image *image)
{
    const size_t wide = (size_t)image->w + 2 * (size_t)border,
                 high = (size_t)image->h + 2 * (size_t)border;

    for (int c = 0; c < 3; c++)
        for (int i = 0; i < image->h; i++) {
            const float *row =
                x + ((size_t)c * high + (size_t)(i + border)) * wide + border;
            uint8_t *to = image->rgb + (size_t)i * (size_t)image->w * 3 + c;

            for (int j = 0; j < image->w; j++) {
                const double v = ((double)row[j] + 1) * 127.5;
                // Written so that a number that is none becomes 0.
                to[3 * j] = (uint8_t)((v > 0 ? RJ_MIN(v, 255) : 0) + 0.5);
            }
        }
}

rij_status rj_planes_put(const float *x, int n, int border, int w, int h, rj_image *out)
{
    const size_t each = (size_t)3 * (size_t)(w + 2 * border) * (size_t)(h + 2 * border);

    memset(out, 0, (size_t)n * sizeof *out);
    for (int i = 0; i < n; i++) {
        const rij_status status = rj_image_new(w, h, &out[i]);

        if (status != RIJ_OK) {
            for (int j = 0; j < i; j++)
                rj_image_free(&out[j]);
            return status;
        }
        put_back(x + (size_t)i * each, border, &out[i]);
    }
    return RIJ_OK;
}

static rij_status evaluate(rj_network run, void *model, rj_tape *tape,
                           const rj_shape *shape, const float *x, float *y)
{
    rj_tensor *in, *out;
    rj_real *host;
    size_t n;

    RJ_TRY(rj_tensor_from(tape, shape, x, &in));
    RJ_TRY(run(model, tape, in, &out));
    if (sizeof *host == sizeof *y)
        return rj_tensor_read(tape->dev, out, (rj_real *)(void *)y);
    n = rj_count(&out->shape);
    host = rj_arena_take_raw(&tape->arena, n, sizeof *host);
    RJ_REQUIRE(host, RIJ_E_MEMORY, "forge: no memory for %zu numbers", n);
    RJ_TRY(rj_tensor_read(tape->dev, out, host));
    for (size_t i = 0; i < n; i++)
        y[i] = (float)host[i];
    return RIJ_OK;
}

rij_status rj_network_eval(rj_network run, void *model, rj_tape *tape,
                           const rj_shape *shape, const float *x, float *y)
{
    const bool was_frozen = tape->frozen;
    rij_status status;

    tape->frozen = true;
    rj_tape_reset(tape);
    status = evaluate(run, model, tape, shape, x, y);
    rj_tape_reset(tape);
    tape->frozen = was_frozen;
    return status;
}

rij_status rj_network_apply(rj_network run, void *model, rj_tape *tape, int border,
                            const rj_image *const *picture, int n, rj_image *out)
{
    const int w = picture[0]->w, h = picture[0]->h;
    const rj_shape shape = rj_shape_picture(n, 3, h + 2 * border, w + 2 * border);
    float *x = rj_alloc(rj_count(&shape), sizeof *x);
    rij_status status = RIJ_OK;

    memset(out, 0, (size_t)n * sizeof *out);
    RJ_REQUIRE(x, RIJ_E_MEMORY, "forge: no memory for %d pictures", n);
    RJ_TRY_DONE(rj_planes_take(picture, n, border, x));
    RJ_TRY_DONE(rj_network_eval(run, model, tape, &shape, x, x));
    status = rj_planes_put(x, n, border, w, h, out);
done:
    rj_free(x);
    return status;
}
