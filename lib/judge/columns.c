/* columns.c: the ways in which an evaluation sends both classes through the world.
 *
 * What is drawn depends on the seed and on the sample's place in the data alone, never on
 * its label, its size (the place of a crop excepted) or the other columns, so a column
 * repeats bit for bit. Every column starts from the beginning of the sample's stream:
 * chain3 is the beginning of chain5. */
#include "judge/judge.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    double low, high; /* of the number behind the name; none where both are 0 */
} kinds[RJ_COLUMN_KINDS] = {
    [RJ_COLUMN_NATIVE] = {"native", 0, 0},  [RJ_COLUMN_ALIGNED] = {"aligned", 0, 0},
    [RJ_COLUMN_CROP] = {"crop", 0, 0},      [RJ_COLUMN_CHAIN] = {"chain", 3, 5},
    [RJ_COLUMN_JPEG] = {"jpeg", 1, 100},    [RJ_COLUMN_BLUR] = {"blur", 0.1, 8},
    [RJ_COLUMN_NOISE] = {"noise", 0.1, 64}, [RJ_COLUMN_RESIZE] = {"resize", 0.1, 2},
};

/* A plain decimal number such as 75 or 0.5, to the end of the text; not as strtod() does
 * it, whose comma depends on the program's locale. */
static bool decimal(const char *text, double *out)
{
    double value = 0, unit = 1;
    bool point = false;
    int digits = 0;

    for (; *text; text++) {
        if (*text == '.' && !point) {
            point = true;
        } else if (*text >= '0' && *text <= '9' && digits < 9) {
            value = 10 * value + (*text - '0');
            unit *= point ? 10 : 1;
            digits++;
        } else {
            return false;
        }
    }
    *out = value / unit;
    return digits > 0;
}

static bool legal(enum rj_column_kind kind, double value)
{
    if (value < kinds[kind].low || value > kinds[kind].high)
        return false;
    if (kind == RJ_COLUMN_CHAIN)
        return value == 3 || value == 5;
    return kind != RJ_COLUMN_JPEG || value == floor(value);
}

rij_status rj_column_named(const char *name, rj_column *column)
{
    rj_column c = {RJ_COLUMN_NATIVE, 0};
    const char *number = NULL;

    for (int kind = 0; kind < RJ_COLUMN_KINDS && !number; kind++) {
        const size_t n = strlen(kinds[kind].name);

        if (strncmp(name, kinds[kind].name, n) == 0) {
            c.kind = (enum rj_column_kind)kind;
            number = name + n;
        }
    }
    RJ_REQUIRE(number && (kinds[c.kind].high > 0 ? decimal(number, &c.value) : !*number),
               RIJ_E_ARGUMENT,
               "column %.60s is none of native, aligned, jpegQ, blurS, noiseS, resizeF, "
               "crop, chain3, chain5",
               name);
    RJ_REQUIRE(c.kind != RJ_COLUMN_CHAIN || legal(c.kind, c.value), RIJ_E_ARGUMENT,
               "column %.60s: a chain is of 3 or of 5", name);
    RJ_REQUIRE(legal(c.kind, c.value), RIJ_E_ARGUMENT,
               "column %.60s: %s takes %g to %g%s", name, kinds[c.kind].name,
               kinds[c.kind].low, kinds[c.kind].high,
               c.kind == RJ_COLUMN_JPEG ? ", whole numbers" : "");
    *column = c;
    return RIJ_OK;
}

/* Down by the factor and back up, or up and back down. */
static rij_status resize(const rj_image *image, double factor, rj_image *out)
{
    rj_image other = {0};
    rij_status status;

    if (factor <= 1)
        return rj_degrade_resize(image, factor, out);
    RJ_TRY(rj_image_resize(image, (int)lround(image->w * factor),
                           (int)lround(image->h * factor), &other));
    status = rj_image_resize(&other, image->w, image->h, out);
    rj_image_free(&other);
    return status;
}

/* Where a part starts that leaves `spare` pixels: off the grid of JPEG blocks. */
static int draw_start(int spare, rj_random *r)
{
    const int at = 1 + rj_random_below(r, RJ_MAX(spare, 1));

    return spare < 1 ? 0 : at - (at % 8 == 0);
}

/* 0.7 of each side. */
static rij_status crop(const rj_image *image, rj_random *r, rj_image *out)
{
    const int w = RJ_MAX(1, (int)lround(0.7 * image->w));
    const int h = RJ_MAX(1, (int)lround(0.7 * image->h));
    const int x = draw_start(image->w - w, r), y = draw_start(image->h - h, r);

    return rj_image_crop(image, x, y, w, h, out);
}

/* One quality history for all: a first JPEG of quality 60, 65, .. 95, whatever the file
 * was before, then one of quality 96. */
static rij_status align(const rj_image *image, rj_random *r, rj_image *out)
{
    rj_image once = {0};
    rij_status status;

    RJ_TRY(rj_degrade_jpeg(image, 60 + 5 * rj_random_below(r, 8), &once));
    status = rj_degrade_jpeg(&once, 96, out);
    rj_image_free(&once);
    return status;
}

/* One link of a chain; crops at most once, since each takes half the pixels. */
static rij_status one_link(const rj_image *image, bool *cropped, rj_random *r,
                           rj_image *out)
{
    const int kind = rj_random_below(r, *cropped ? 4 : 5);
    const double u = rj_random_uniform(r, 0, 1);

    switch (kind) {
    case 0:
        return rj_degrade_jpeg(image, 50 + (int)(46 * u), out);
    case 1:
        return rj_degrade_blur(image, 0.3 + 1.2 * u, out);
    case 2:
        return rj_degrade_noise(image, 1 + 5 * u, r, out);
    case 3:
        return resize(image, 0.6 + 0.8 * u, out);
    default:
        *cropped = true;
        return crop(image, r, out);
    }
}

static rij_status chain(const rj_image *image, int links, rj_random *r, rj_image *out)
{
    rj_image now = {0};
    bool cropped = false;

    for (int i = 0; i < links; i++) {
        rj_image next = {0};
        const rij_status status = one_link(i ? &now : image, &cropped, r, &next);

        rj_image_free(&now);
        RJ_TRY(status);
        now = next;
    }
    *out = now;
    return RIJ_OK;
}

rij_status rj_column_apply(const rj_column *c, const rj_image *image, uint64_t seed,
                           int sample, rj_image *out)
{
    rj_random r = rj_random_start(seed, RJ_STREAM_EVALUATE, (uint64_t)sample);

    switch (c->kind) {
    case RJ_COLUMN_ALIGNED:
        return align(image, &r, out);
    case RJ_COLUMN_CROP:
        return crop(image, &r, out);
    case RJ_COLUMN_CHAIN:
        return chain(image, (int)c->value, &r, out);
    case RJ_COLUMN_JPEG:
        return rj_degrade_jpeg(image, (int)c->value, out);
    case RJ_COLUMN_BLUR:
        return rj_degrade_blur(image, c->value, out);
    case RJ_COLUMN_NOISE:
        return rj_degrade_noise(image, c->value, &r, out);
    case RJ_COLUMN_RESIZE:
        return resize(image, c->value, out);
    default:
        return rj_image_copy(image, out);
    }
}
