/* avif.c: AVIF through libavif, still pictures alone. Ten and twelve bits become eight,
 * alpha is dropped, a clean aperture is cut out and the picture turned as the file says
 * (ISO/IEC 23008-12, 6.5.10 and 6.5.12), colour profiles are passed over. Colours are
 * converted by libavif's own loops, not by libyuv, whose last bits depend on the machine.
 * libavif takes dav1d if it can, which alone of its decoders knows a limit of size; it
 * writes a line on stderr where AV1 is broken, and libavif has no call that stops it.
 * A build without libavif refuses in words. */
#include "data/data.h"

#ifdef RJ_HAS_libavif
#    include <avif/avif.h>

#    if AVIF_VERSION_MAJOR >= 1 // the same numbers, under the name of the standard
#        define MIRROR axis
#    else
#        define MIRROR mode
#    endif

/* What Exif would call the turning by `angle` quarters against the clock, then mirroring
 * of left and right (1), of top and bottom (0) or none (-1). */
static int orientation_of(const avifImage *image)
{
    static const int turned[3][4] = {{1, 8, 3, 6}, {4, 5, 2, 7}, {2, 7, 4, 5}};
    const int angle =
        image->transformFlags & AVIF_TRANSFORM_IROT ? image->irot.angle & 3 : 0;
    const int mirror =
        image->transformFlags & AVIF_TRANSFORM_IMIR ? 1 + (image->imir.MIRROR & 1) : 0;

    return turned[mirror][angle];
}

/* What of the picture is to be seen. */
static rij_status aperture(const avifImage *image, avifCropRect *seen)
{
    avifDiagnostics why;

    *seen = (avifCropRect){0, 0, image->width, image->height};
    if (!(image->transformFlags & AVIF_TRANSFORM_CLAP))
        return RIJ_OK;
    RJ_REQUIRE(avifCropRectConvertCleanApertureBox(seen, &image->clap, image->width,
                                                   image->height, image->yuvFormat, &why),
               RIJ_E_IMAGE, "damaged AVIF: its aperture makes no sense");
    return RIJ_OK;
}

static rij_status failed(avifResult code)
{
    return code == AVIF_RESULT_OUT_OF_MEMORY
               ? rj_fail(RIJ_E_MEMORY, "AVIF: no memory for its picture")
               : rj_fail(RIJ_E_IMAGE, "damaged AVIF: %s", avifResultToString(code));
}

static rij_status to_rgb(const avifImage *image, rj_image *out)
{
    avifImage opaque = *image; // else it would be mixed with black
    avifRGBImage rgb;
    avifResult code;

    opaque.alphaPlane = NULL;
    opaque.alphaRowBytes = 0;
    avifRGBImageSetDefaults(&rgb, &opaque);
    rgb.format = AVIF_RGB_FORMAT_RGB;
    rgb.depth = 8;
    rgb.avoidLibYUV = AVIF_TRUE;
    rgb.pixels = out->rgb;
    rgb.rowBytes = (uint32_t)out->w * 3;
    code = avifImageYUVToRGB(&opaque, &rgb);
    return code == AVIF_RESULT_OK ? RIJ_OK : failed(code);
}

static rij_status decode_first(avifDecoder *decoder, const rj_limits *limits,
                               rj_image *out, int *orientation)
{
    const avifImage *image;
    rj_image whole = {0};
    rij_status status;
    avifCropRect seen;
    avifResult code = avifDecoderParse(decoder);

    if (code != AVIF_RESULT_OK)
        return failed(code);
    RJ_REQUIRE(decoder->imageCount == 1, RIJ_E_IMAGE,
               "an AVIF of %d pictures: only still ones are read", decoder->imageCount);
    RJ_TRY(rj_limits_check(limits, decoder->image->width, decoder->image->height));
    code = avifDecoderNextImage(decoder);
    if (code != AVIF_RESULT_OK)
        return failed(code);
    image = decoder->image; // its sides may have changed
    RJ_TRY(rj_limits_check(limits, image->width, image->height));
    RJ_TRY(aperture(image, &seen));
    RJ_TRY(rj_limits_check(limits, seen.width, seen.height));
    RJ_TRY(rj_image_new((int)image->width, (int)image->height, &whole));
    RJ_TRY_DONE(to_rgb(image, &whole));
    *orientation = orientation_of(image);
    if (seen.width == image->width && seen.height == image->height) {
        *out = whole;
        return RIJ_OK;
    }
    status = rj_image_crop(&whole, (int)seen.x, (int)seen.y, (int)seen.width,
                           (int)seen.height, out);
done:
    rj_image_free(&whole);
    return status;
}

rij_status rj_avif_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                          rj_image *out, int *orientation)
{
    avifDecoder *const decoder = avifDecoderCreate();
    rij_status status;
    avifResult code;

    RJ_REQUIRE(decoder, RIJ_E_MEMORY, "AVIF: no memory for a decoder");
    decoder->maxThreads = 1;
    decoder->ignoreExif = decoder->ignoreXMP = AVIF_TRUE;
    decoder->imageSizeLimit =
        (uint32_t)RJ_MIN(limits->pixels, AVIF_DEFAULT_IMAGE_SIZE_LIMIT);
    code = avifDecoderSetIOMemory(decoder, bytes, n);
    status = code == AVIF_RESULT_OK ? decode_first(decoder, limits, out, orientation)
                                    : failed(code);
    avifDecoderDestroy(decoder);
    return status;
}

#else

rij_status rj_avif_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                          rj_image *out, int *orientation)
{
    (void)bytes, (void)n, (void)limits, (void)out, (void)orientation;
    return rj_fail(RIJ_E_IMAGE,
                   "an AVIF file: this build reads no AVIF: libavif was not there");
}

#endif
