/* jpeg.c: JPEG through TurboJPEG, with the accurate transform and smooth chroma, as most
 * programs decode. A warning counts as damage: what follows it in the picture is made up
 * by the decoder, and would be judged as if a camera or a generator had made it. */
#include "data/data.h"

#include <turbojpeg.h>

static rij_status check_header(tjhandle tj, const uint8_t *bytes, size_t n,
                               const rj_limits *limits, int *w, int *h)
{
    int sampling = -1, colours = -1;

    RJ_REQUIRE(
        tjDecompressHeader3(tj, bytes, (unsigned long)n, w, h, &sampling, &colours) == 0,
        RIJ_E_IMAGE, "damaged JPEG: %s", tjGetErrorStr2(tj));
    // A file of tables alone is no error to TurboJPEG, which then sets nothing.
    RJ_REQUIRE(colours != -1 && *w > 0 && *h > 0, RIJ_E_IMAGE,
               "damaged JPEG: it holds no picture");
    RJ_REQUIRE(colours != TJCS_CMYK && colours != TJCS_YCCK, RIJ_E_IMAGE,
               "a JPEG of CMYK colours: only RGB and grey are read");
    return rj_limits_check(limits, *w, *h);
}

rij_status rj_jpeg_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                          rj_image *out)
{
    // Few bytes can ask for very many scans of a large picture: 500 are allowed.
    const int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;
    const tjhandle tj = tjInitDecompress();
    rj_image made = {0};
    rij_status status;
    int w = 0, h = 0;

    RJ_REQUIRE(tj, RIJ_E_MEMORY, "JPEG: no memory for a decoder");
    RJ_TRY_DONE(check_header(tj, bytes, n, limits, &w, &h));
    RJ_TRY_DONE(rj_image_new(w, h, &made));
    if (tjDecompress2(tj, bytes, (unsigned long)n, made.rgb, w, 0, h, TJPF_RGB, flags)) {
        status = rj_fail(RIJ_E_IMAGE, "damaged JPEG: %s", tjGetErrorStr2(tj));
        goto done;
    }
    *out = made;
    made = (rj_image){0};
done:
    rj_image_free(&made);
    tjDestroy(tj);
    return status;
}

rij_status rj_jpeg_encode(const rj_image *image, int quality, uint8_t **bytes, size_t *n)
{
    const int flags = TJFLAG_ACCURATEDCT | TJFLAG_NOREALLOC;
    unsigned long size = tjBufSize(image->w, image->h, TJSAMP_420);
    uint8_t *memory = NULL;
    rij_status status = RIJ_OK;
    tjhandle tj;

    RJ_REQUIRE(quality >= 1 && quality <= 100, RIJ_E_ARGUMENT,
               "JPEG quality %d is none of 1..100", quality);
    tj = tjInitCompress();
    memory = rj_alloc(size, 1);
    if (!tj || !memory || size == (unsigned long)-1)
        status = rj_fail(RIJ_E_MEMORY, "JPEG: no memory for %d x %d pixels", image->w,
                         image->h);
    else if (tjCompress2(tj, image->rgb, image->w, 0, image->h, TJPF_RGB, &memory, &size,
                         TJSAMP_420, quality, flags))
        status = rj_fail(RIJ_E_ARGUMENT, "JPEG: %d x %d pixels: %s", image->w, image->h,
                         tjGetErrorStr2(tj));
    if (tj)
        tjDestroy(tj);
    if (status != RIJ_OK) {
        rj_free(memory);
        return status;
    }
    *bytes = memory;
    *n = size;
    return RIJ_OK;
}
