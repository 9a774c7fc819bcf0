/* png.c: PNG through libpng's simplified interface, which reports errors as values.
 *
 * Judging needs the numbers that are in the file, but libpng means to show a picture:
 * it would apply gAMA, iCCP and sRGB chunks and composite what is transparent. So only
 * the critical chunks (PNG specification, 4.7.1: IHDR, PLTE, IDAT, IEND) are handed to
 * it; their check sums go with them. Without a gamma the decoder has nothing to apply:
 * 8-bit values come out as stored, fewer bits are spread over 0..255, and 16 bits become
 * round(v / 257). An alpha channel is read and dropped. Walking the chunks also tells a
 * file that was cut off, and what is unpacked is the picture alone. */
#include "data/data.h"

#include <png.h>
#include <string.h>

enum { SIGNATURE = 8, FRAME = 12, IHDR = 13 }; /* a chunk's length, name and check sum */

/* The first chunk must be IHDR: sides within the limits, before anything is allocated. */
static rij_status check_header(const uint8_t *bytes, size_t n, const rj_limits *limits)
{
    const uint8_t *chunk = bytes + SIGNATURE;

    RJ_REQUIRE(n >= SIGNATURE + FRAME + IHDR, RIJ_E_IMAGE,
               "damaged PNG: it ends within its header");
    RJ_REQUIRE(rj_big_endian(chunk) == IHDR && memcmp(chunk + 4, "IHDR", 4) == 0,
               RIJ_E_IMAGE, "damaged PNG: it does not begin with its header");
    return rj_limits_check(limits, rj_big_endian(chunk + 8), rj_big_endian(chunk + 12));
}

/* The critical chunks of a file, one after another in new memory (*kept, *kept_n). */
static rij_status keep_critical(const uint8_t *bytes, size_t n, uint8_t **kept,
                                size_t *kept_n)
{
    uint8_t *const to = rj_alloc(n, 1);
    size_t at = SIGNATURE, put = SIGNATURE;

    RJ_REQUIRE(to, RIJ_E_MEMORY, "PNG: no memory for %zu bytes", n);
    memcpy(to, bytes, SIGNATURE);
    for (bool ended = false; !ended;) {
        const size_t left = n - at;

        if (left < FRAME || left - FRAME < rj_big_endian(bytes + at)) {
            rj_free(to);
            return rj_fail(RIJ_E_IMAGE, "damaged PNG: it is cut off");
        }
        ended = memcmp(bytes + at + 4, "IEND", 4) == 0;
        if (!(bytes[at + 4] & 0x20)) { // a capital: no reader may skip it
            memcpy(to + put, bytes + at, rj_big_endian(bytes + at) + (size_t)FRAME);
            put += rj_big_endian(bytes + at) + (size_t)FRAME;
        }
        at += rj_big_endian(bytes + at) + (size_t)FRAME;
    }
    *kept = to;
    *kept_n = put;
    return RIJ_OK;
}

static void drop_alpha(const uint8_t *rgba, size_t pixels, uint8_t *rgb)
{
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++)
            rgb[3 * i + c] = rgba[4 * i + c];
}

/* Pixels of an opened file; *out is made already. Releases `png` in any case. */
static rij_status read_pixels(png_image *png, rj_image *out)
{
    const bool alpha = (png->format & PNG_FORMAT_FLAG_ALPHA) != 0;
    const size_t pixels = (size_t)out->w * (size_t)out->h;
    uint8_t *const rgba = alpha ? rj_alloc(pixels, 4) : NULL;
    int done;

    if (alpha && !rgba) {
        png_image_free(png);
        return rj_fail(RIJ_E_MEMORY, "PNG: no memory for %d x %d pixels", out->w, out->h);
    }
    png->format = alpha ? PNG_FORMAT_RGBA : PNG_FORMAT_RGB;
    png->flags |= PNG_IMAGE_FLAG_16BIT_sRGB; // else 16 bits would count as linear light
    done = png_image_finish_read(png, NULL, alpha ? rgba : out->rgb, 0, NULL);
    if (done && alpha)
        drop_alpha(rgba, pixels, out->rgb);
    rj_free(rgba);
    RJ_REQUIRE(done, RIJ_E_IMAGE, "damaged PNG: %s", png->message);
    return RIJ_OK;
}

static rij_status decode_critical(const uint8_t *bytes, size_t n, rj_image *out)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    rij_status status;
    rj_image made;

    RJ_REQUIRE(png_image_begin_read_from_memory(&png, bytes, n), RIJ_E_IMAGE,
               "damaged PNG: %s", png.message);
    status = rj_image_new((int)png.width, (int)png.height, &made);
    if (status != RIJ_OK) {
        png_image_free(&png);
        return status;
    }
    status = read_pixels(&png, &made);
    if (status != RIJ_OK)
        rj_image_free(&made);
    else
        *out = made;
    return status;
}

rij_status rj_png_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                         rj_image *out)
{
    uint8_t *kept = NULL;
    size_t kept_n = 0;
    rij_status status;

    RJ_TRY(check_header(bytes, n, limits));
    RJ_TRY(keep_critical(bytes, n, &kept, &kept_n));
    status = decode_critical(kept, kept_n, out);
    rj_free(kept);
    return status;
}

rij_status rj_png_encode(const rj_image *image, uint8_t **bytes, size_t *n)
{
    png_image png = {
        .version = PNG_IMAGE_VERSION,
        .width = (png_uint_32)image->w,
        .height = (png_uint_32)image->h,
        .format = PNG_FORMAT_RGB,
    };
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
    uint8_t *const memory = rj_alloc(size, 1);

    RJ_REQUIRE(memory, RIJ_E_MEMORY, "PNG: no memory for %d x %d pixels", image->w,
               image->h);
    if (!png_image_write_to_memory(&png, memory, &size, 0, image->rgb, 0, NULL)) {
        rj_free(memory);
        return rj_fail(RIJ_E_MEMORY, "PNG: cannot encode: %s", png.message);
    }
    *bytes = memory;
    *n = size;
    return RIJ_OK;
}
