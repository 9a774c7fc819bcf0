/* image.c: 8-bit RGB pictures in memory: made, copied, cut, turned, and told as numbers.
 * Every function makes a new picture and leaves its input alone. */
#include "data/data.h"

#include <string.h>

enum { CHANNELS = 3 };

const rj_limits rj_default_limits = {
    .bytes = (size_t)256 << 20,
    .side_min = 8,
    .side_max = 16384,
    .pixels = 100000000,
};

rj_limits rj_limits_in(rj_cage *cage)
{
    rj_limits limits = rj_default_limits;

    limits.cage = cage;
    return limits;
}

rij_status rj_limits_check(const rj_limits *limits, int64_t w, int64_t h)
{
    RJ_REQUIRE(w <= limits->side_max && h <= limits->side_max, RIJ_E_IMAGE,
               "%jd x %jd pixels: a side may have at most %d", (intmax_t)w, (intmax_t)h,
               limits->side_max);
    RJ_REQUIRE(w >= limits->side_min && h >= limits->side_min && w >= 1 && h >= 1,
               RIJ_E_IMAGE, "%jd x %jd pixels: a side must have at least %d", (intmax_t)w,
               (intmax_t)h, RJ_MAX(1, limits->side_min));
    RJ_REQUIRE(w * h <= limits->pixels, RIJ_E_IMAGE,
               "%jd x %jd pixels: at most %jd are allowed", (intmax_t)w, (intmax_t)h,
               (intmax_t)limits->pixels);
    return RIJ_OK;
}

rij_status rj_image_new(int w, int h, rj_image *out)
{
    uint8_t *rgb;

    RJ_REQUIRE(w >= 1 && h >= 1, RIJ_E_ARGUMENT, "an image of %d x %d pixels", w, h);
    rgb = rj_alloc((size_t)w * (size_t)h, CHANNELS);
    RJ_REQUIRE(rgb, RIJ_E_MEMORY, "no memory for an image of %d x %d pixels", w, h);
    *out = (rj_image){w, h, rgb};
    return RIJ_OK;
}

void rj_image_free(rj_image *image)
{
    rj_free(image->rgb);
    *image = (rj_image){0};
}

rij_status rj_image_copy(const rj_image *image, rj_image *out)
{
    rj_image made;

    RJ_TRY(rj_image_new(image->w, image->h, &made));
    memcpy(made.rgb, image->rgb, (size_t)image->w * (size_t)image->h * CHANNELS);
    *out = made;
    return RIJ_OK;
}

static uint8_t *pixel_of(const rj_image *image, int x, int y)
{
    return image->rgb + ((size_t)y * (size_t)image->w + (size_t)x) * CHANNELS;
}

/* Where a mirror at the first and the last of n pixels shows pixel i: .. 2 1 0 1 2 .. */
static int mirrored(int64_t i, int n)
{
    const int64_t period = RJ_MAX(1, 2 * ((int64_t)n - 1));

    i %= period;
    i = i < 0 ? i + period : i;
    return (int)(i < n ? i : period - i);
}

rij_status rj_image_crop(const rj_image *image, int x, int y, int w, int h, rj_image *out)
{
    const int64_t right = (int64_t)x + w;
    const bool inside = x >= 0 && right <= image->w;
    rj_image made;

    RJ_TRY(rj_image_new(w, h, &made));
    for (int i = 0; i < h; i++) {
        const int from = mirrored((int64_t)y + i, image->h);

        if (inside) {
            memcpy(pixel_of(&made, 0, i), pixel_of(image, x, from), (size_t)w * CHANNELS);
            continue;
        }
        for (int j = 0; j < w; j++)
            memcpy(pixel_of(&made, j, i),
                   pixel_of(image, mirrored((int64_t)x + j, image->w), from), CHANNELS);
    }
    *out = made;
    return RIJ_OK;
}

/* The eight orientations of Exif 2.3 (tag 274) are what three switches make: swap the
 * axes, then run either axis backwards. Output (x,y) shows
 *
 *     orientation  1      2       3         4       5      6       7         8
 *     input        (x,y)  (-x,y)  (-x,-y)   (x,-y)  (y,x)  (y,-x)  (-y,-x)   (-y,x)
 *
 * where -i counts from the far end. */
rij_status rj_image_orient(const rj_image *image, int orientation, rj_image *out)
{
    const bool swap = orientation >= 5;
    const bool back_x = orientation == 2 || orientation == 3 || orientation >= 7;
    const bool back_y =
        orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    rj_image made;

    RJ_REQUIRE(orientation >= 1 && orientation <= 8, RIJ_E_ARGUMENT,
               "orientation %d is none of 1..8", orientation);
    RJ_TRY(rj_image_new(swap ? image->h : image->w, swap ? image->w : image->h, &made));
    for (int y = 0; y < made.h; y++)
        for (int x = 0; x < made.w; x++) {
            const int u = swap ? y : x, v = swap ? x : y;

            memcpy(pixel_of(&made, x, y),
                   pixel_of(image, back_x ? image->w - 1 - u : u,
                            back_y ? image->h - 1 - v : v),
                   CHANNELS);
        }
    *out = made;
    return RIJ_OK;
}

/* One channel of a row. */
static void planar_row(const uint8_t *rgb, int w, bool flip, const float number[256],
                       float *to)
{
    if (flip)
        for (int i = 0; i < w; i++)
            to[i] = number[rgb[CHANNELS * (w - 1 - i)]];
    else
        for (int i = 0; i < w; i++)
            to[i] = number[rgb[CHANNELS * i]];
}

void rj_image_planar_of(const rj_image *image, int x, int y, int w, int h, bool flip,
                        float *planar)
{
    float number[256];

    for (int v = 0; v < 256; v++)
        number[v] = ((float)v - 127.5f) / 127.5f;
    for (int c = 0; c < CHANNELS; c++)
        for (int i = 0; i < h; i++, planar += w)
            planar_row(pixel_of(image, x, y + i) + c, w, flip, number, planar);
}

void rj_image_planar(const rj_image *image, float *planar)
{
    rj_image_planar_of(image, 0, 0, image->w, image->h, false, planar);
}
