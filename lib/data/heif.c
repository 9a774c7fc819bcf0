/* heif.c: HEIF (HEIC, as telephones write it) through libheif: the file's primary
 * picture, whatever else it holds, turned and cut as the file says. Alpha is dropped,
 * colour profiles are passed over. A warning counts as damage, as with JPEG. A build
 * without libheif refuses in words. */
#include "data/data.h"

#include <string.h>

#ifdef RJ_HAS_libheif
#    include <libheif/heif.h>
#    include <math.h>

static rij_status failed(struct heif_error error)
{
    return error.code == heif_error_Memory_allocation_error &&
                   error.subcode != heif_suberror_Security_limit_exceeded
               ? rj_fail(RIJ_E_MEMORY, "HEIF: no memory: %s", error.message)
               : rj_fail(RIJ_E_IMAGE, "damaged HEIF: %s", error.message);
}

static rij_status copy_pixels(const struct heif_image *image, const rj_limits *limits,
                              rj_image *out)
{
    const int w = heif_image_get_width(image, heif_channel_interleaved);
    const int h = heif_image_get_height(image, heif_channel_interleaved);
    int pitch = 0;
    const uint8_t *from =
        heif_image_get_plane_readonly(image, heif_channel_interleaved, &pitch);

    RJ_REQUIRE(from && pitch >= 3 * w, RIJ_E_IMAGE, "damaged HEIF: it has no pixels");
    RJ_TRY(rj_limits_check(limits, w, h));
    RJ_TRY(rj_image_new(w, h, out));
    for (int y = 0; y < h; y++)
        memcpy(out->rgb + (size_t)y * (size_t)w * 3, from + (size_t)y * (size_t)pitch,
               (size_t)w * 3);
    return RIJ_OK;
}

static rij_status decode_handle(const struct heif_image_handle *handle,
                                const rj_limits *limits, rj_image *out)
{
    struct heif_decoding_options *options;
    struct heif_image *image = NULL;
    struct heif_error error;
    rij_status status;

    RJ_TRY(rj_limits_check(limits, heif_image_handle_get_width(handle),
                           heif_image_handle_get_height(handle)));
    options = heif_decoding_options_alloc();
    RJ_REQUIRE(options, RIJ_E_MEMORY, "HEIF: no memory for a decoder");
    options->convert_hdr_to_8bit = 1;
    options->strict_decoding = 1;
    error = heif_decode_image(handle, &image, heif_colorspace_RGB,
                              heif_chroma_interleaved_RGB, options);
    heif_decoding_options_free(options);
    if (error.code != heif_error_Ok)
        status = failed(error);
    else if (heif_image_get_decoding_warnings(image, 0, &error, 1) > 0)
        status = failed(error);
    else
        status = copy_pixels(image, limits, out);
    heif_image_release(image);
    return status;
}

rij_status rj_heif_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                          rj_image *out)
{
    struct heif_context *const context = heif_context_alloc();
    struct heif_image_handle *handle = NULL;
    struct heif_error error;
    rij_status status;

    RJ_REQUIRE(context, RIJ_E_MEMORY, "HEIF: no memory for a decoder");
    heif_context_set_max_decoding_threads(context, 0);
    // of one side of a square
    heif_context_set_maximum_image_size_limit(context, (int)sqrt((double)limits->pixels));
    error = heif_context_read_from_memory_without_copy(context, bytes, n, NULL);
    if (error.code == heif_error_Ok)
        error = heif_context_get_primary_image_handle(context, &handle);
    status =
        error.code == heif_error_Ok ? decode_handle(handle, limits, out) : failed(error);
    heif_image_handle_release(handle);
    heif_context_free(context);
    return status;
}

#else

rij_status rj_heif_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                          rj_image *out)
{
    (void)bytes, (void)n, (void)limits, (void)out;
    return rj_fail(RIJ_E_IMAGE,
                   "a HEIF file: this build reads no HEIF: libheif was not there");
}

#endif
