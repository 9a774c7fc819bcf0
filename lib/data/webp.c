/* webp.c: WebP through libwebp, still pictures alone, as most programs decode them: with
 * smooth chroma. Alpha is dropped, colour profiles are passed over.
 *
 * The container (RFC 9649) is "RIFF", the length of what follows, "WEBP", then chunks of
 * four letters, a length (little-endian), the content, and a byte of padding behind an
 * odd one. Walking them tells a file that was cut off, and where the Exif lies. A build
 * without libwebp refuses in words. */
#include "data/data.h"

#include <string.h>

#ifdef RJ_HAS_libwebp
#    include <webp/decode.h>

enum { HEAD = 12, CHUNK = 8 };

static size_t number_at(const uint8_t *p)
{
    return (size_t)p[3] << 24 | (size_t)p[2] << 16 | (size_t)p[1] << 8 | p[0];
}

bool rj_webp_chunk(const uint8_t *webp, size_t n, size_t *at, rj_chunk *chunk)
{
    if (n < HEAD || *at > n || n - *at < CHUNK ||
        number_at(webp + *at + 4) > n - *at - CHUNK)
        return false;
    *chunk = (rj_chunk){(const char *)webp + *at, webp + *at + CHUNK,
                        number_at(webp + *at + 4)};
    *at += CHUNK + chunk->n + (chunk->n & 1);
    return true;
}

/* Whether all that the file announces is there; its orientation, 1 if it tells none. */
static rij_status walk(const uint8_t *bytes, size_t n, int *orientation)
{
    size_t at = HEAD, end;
    rj_chunk c;

    RJ_REQUIRE(n >= HEAD + CHUNK, RIJ_E_IMAGE, "damaged WebP: it ends within its header");
    end = number_at(bytes + 4) + CHUNK;
    RJ_REQUIRE(end <= n, RIJ_E_IMAGE, "damaged WebP: it is cut off");
    *orientation = 1;
    while (at < end && rj_webp_chunk(bytes, end, &at, &c))
        if (memcmp(c.name, "EXIF", 4) == 0) // some writers begin it as in a JPEG
            *orientation = c.n >= 6 && memcmp(c.bytes, "Exif\0\0", 6) == 0
                               ? rj_tiff_orientation(c.bytes + 6, c.n - 6)
                               : rj_tiff_orientation(c.bytes, c.n);
    RJ_REQUIRE(at >= end, RIJ_E_IMAGE, "damaged WebP: a chunk of it is cut off");
    return RIJ_OK;
}

static const char *words_of(VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_INVALID_PARAM:
        return "its header makes no sense";
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return "its picture is cut off";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return "it uses what libwebp does not know";
    default:
        return "its picture is broken";
    }
}

rij_status rj_webp_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                          rj_image *out, int *orientation)
{
    WebPDecoderConfig config;
    VP8StatusCode code;
    rj_image made;
    int turned = 1;

    RJ_TRY(walk(bytes, n, &turned));
    RJ_REQUIRE(WebPInitDecoderConfig(&config), RIJ_E_IMAGE,
               "WebP: libwebp is another version than this build's");
    code = WebPGetFeatures(bytes, n, &config.input);
    RJ_REQUIRE(code == VP8_STATUS_OK, RIJ_E_IMAGE, "damaged WebP: %s", words_of(code));
    RJ_REQUIRE(!config.input.has_animation, RIJ_E_IMAGE,
               "an animated WebP: only still pictures are read");
    RJ_TRY(rj_limits_check(limits, config.input.width, config.input.height));
    RJ_TRY(rj_image_new(config.input.width, config.input.height, &made));
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = made.rgb;
    config.output.u.RGBA.stride = 3 * made.w;
    config.output.u.RGBA.size = (size_t)made.w * (size_t)made.h * 3;
    code = WebPDecode(bytes, n, &config);
    WebPFreeDecBuffer(&config.output);
    if (code != VP8_STATUS_OK) {
        rj_image_free(&made);
        return code == VP8_STATUS_OUT_OF_MEMORY
                   ? rj_fail(RIJ_E_MEMORY, "WebP: no memory for its picture")
                   : rj_fail(RIJ_E_IMAGE, "damaged WebP: %s", words_of(code));
    }
    *out = made;
    *orientation = turned;
    return RIJ_OK;
}

#else

bool rj_webp_chunk(const uint8_t *webp, size_t n, size_t *at, rj_chunk *chunk)
{
    (void)webp, (void)n, (void)at, (void)chunk;
    return false;
}

rij_status rj_webp_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                          rj_image *out, int *orientation)
{
    (void)bytes, (void)n, (void)limits, (void)out, (void)orientation;
    return rj_fail(RIJ_E_IMAGE,
                   "a WebP file: this build reads no WebP: libwebp was not there");
}

#endif
