/* augment.c: what happens to pictures on their way through the world. Each is a pure
 * function of the pixels and of the random stream it is given; none looks at a label, so
 * both classes get the same law. */
#include "data/data.h"

#include <math.h>

enum { CHANNELS = 3, SOME = 1024, LANES = 16 };

rij_status rj_degrade_jpeg(const rj_image *image, int quality, rj_image *out)
{
    rij_status status;
    uint8_t *bytes;
    size_t n;

    RJ_TRY(rj_jpeg_encode(image, quality, &bytes, &n));
    status =
        rj_jpeg_decode(bytes, n, &(rj_limits){n, 1, image->w + image->h, INT64_MAX}, out);
    rj_free(bytes);
    return status;
}

static void add_noise(int n, float scale, const float *restrict noise,
                      const uint8_t *restrict x, uint8_t *restrict y)
{
    const int whole = n / LANES * LANES;

    for (int i = 0; i < whole; i += LANES)
        for (int j = i; j < i + LANES; j++)
            y[j] = rj_rounded((float)x[j] + scale * noise[j]);
    for (int i = whole; i < n; i++)
        y[i] = rj_rounded((float)x[i] + scale * noise[i]);
}

/* Takes one number of the stream for two values, so pictures of one size that are given
 * the same stream get the same noise. */
rij_status rj_degrade_noise(const rj_image *image, double deviation, rj_random *r,
                            rj_image *out)
{
    const size_t n = (size_t)image->w * (size_t)image->h * CHANNELS;
    const float scale = (float)deviation;
    float noise[SOME];
    rj_image made;

    RJ_REQUIRE(deviation >= 0 && deviation <= 255, RIJ_E_ARGUMENT,
               "noise of %g levels, not 0..255", deviation);
    RJ_TRY(rj_image_new(image->w, image->h, &made));
    for (size_t i = 0; i < n; i += SOME) {
        const size_t some = RJ_MIN(n - i, SOME);

        rj_random_normals(r, some, noise);
        add_noise((int)some, scale, noise, image->rgb + i, made.rgb + i);
    }
    *out = made;
    return RIJ_OK;
}

static rij_status degrade_one(const rj_image *image, const rj_law *law,
                              enum rj_degradation kind, double u, rj_random *r,
                              rj_image *out)
{
    switch (kind) {
    case RJ_DEGRADE_JPEG:
        return rj_degrade_jpeg(
            image, law->jpeg_min + (int)(u * (law->jpeg_max - law->jpeg_min + 1)), out);
    case RJ_DEGRADE_BLUR:
        return rj_degrade_blur(image, 0.2 + u * RJ_MAX(0, law->blur_max - 0.2), out);
    case RJ_DEGRADE_NOISE:
        return rj_degrade_noise(image, u * law->noise_max, r, out);
    default:
        return rj_degrade_resize(image, law->resize_min + u * (1 - law->resize_min), out);
    }
}

/* As pictures travel: made smaller, softened, noised, compressed last; each by chance.
 * The same eight numbers are drawn whatever comes of them, those of the noise behind. */
static rij_status degrade_chain(const rj_image *image, const rj_law *law, rj_random *r,
                                rj_image *out)
{
    static const struct {
        enum rj_degradation kind;
        double chance;
    } link[] = {{RJ_DEGRADE_RESIZE, 0.35},
                {RJ_DEGRADE_BLUR, 0.35},
                {RJ_DEGRADE_NOISE, 0.2},
                {RJ_DEGRADE_JPEG, 0.5}};
    rj_image now = {0};
    double u[RJ_COUNT(link)][2];

    for (int i = 0; i < RJ_COUNT(link); i++) {
        u[i][0] = rj_random_uniform(r, 0, 1);
        u[i][1] = rj_random_uniform(r, 0, 1);
    }
    for (int i = 0; i < RJ_COUNT(link); i++) {
        rj_image next = {0};
        rij_status status;

        if (u[i][0] >= link[i].chance)
            continue;
        status =
            degrade_one(now.rgb ? &now : image, law, link[i].kind, u[i][1], r, &next);
        rj_image_free(&now);
        RJ_TRY(status);
        now = next;
    }
    *out = now;
    return RIJ_OK;
}

/* The same three numbers are drawn first whatever comes of them. */
rij_status rj_degrade_or_not(const rj_image *image, const rj_law *law, rj_random *r,
                             rj_image *out)
{
    const bool degraded = rj_random_uniform(r, 0, 1) < law->share;
    const int kind = rj_random_below(r, RJ_DEGRADATIONS);
    const double u = rj_random_uniform(r, 0, 1);

    *out = (rj_image){0};
    if (!degraded)
        return RIJ_OK;
    return law->chain ? degrade_chain(image, law, r, out)
                      : degrade_one(image, law, (enum rj_degradation)kind, u, r, out);
}

rij_status rj_degrade(const rj_image *image, const rj_law *law, rj_random *r,
                      rj_image *out)
{
    rj_image made;

    RJ_TRY(rj_degrade_or_not(image, law, r, &made));
    if (!made.rgb)
        return rj_image_copy(image, out);
    *out = made;
    return RIJ_OK;
}
