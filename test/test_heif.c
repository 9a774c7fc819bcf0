/* HEIF: close to what was written, damaged anywhere, huge, its primary picture; and what
 * a build without libheif says. */
#include "data_place.h"

#ifdef RJ_HAS_libheif
#    include <libheif/heif.h>

typedef struct made {
    uint8_t *bytes;
    size_t n;
} made;

static struct heif_error append(struct heif_context *context, const void *bytes, size_t n,
                                void *user)
{
    made *m = user;

    (void)context;
    m->bytes = realloc(m->bytes, m->n + n);
    memcpy(m->bytes + m->n, bytes, n);
    m->n += n;
    return (struct heif_error){heif_error_Ok, heif_suberror_Unspecified, "ok"};
}

static void encode(struct heif_context *context, struct heif_encoder *encoder,
                   const rj_image *a, bool primary)
{
    struct heif_image_handle *handle = NULL;
    struct heif_image *image = NULL;
    uint8_t *to;
    int pitch;

    ck_assert_int_eq(heif_image_create(a->w, a->h, heif_colorspace_RGB,
                                       heif_chroma_interleaved_RGB, &image)
                         .code,
                     heif_error_Ok);
    ck_assert_int_eq(
        heif_image_add_plane(image, heif_channel_interleaved, a->w, a->h, 8).code,
        heif_error_Ok);
    to = heif_image_get_plane(image, heif_channel_interleaved, &pitch);
    for (int y = 0; y < a->h; y++)
        memcpy(to + y * pitch, a->rgb + 3 * a->w * y, (size_t)a->w * 3);
    ck_assert_int_eq(
        heif_context_encode_image(context, image, encoder, NULL, &handle).code,
        heif_error_Ok);
    if (primary)
        heif_context_set_primary_image(context, handle);
    heif_image_handle_release(handle);
    heif_image_release(image);
}

/* A HEIC of these pictures, the last one the primary. */
static made written(int n, const rj_image *a)
{
    struct heif_context *context = heif_context_alloc();
    struct heif_writer writer = {1, append};
    struct heif_encoder *encoder = NULL;
    made m = {0};

    ck_assert_msg(
        heif_context_get_encoder_for_format(context, heif_compression_HEVC, &encoder)
                .code == heif_error_Ok,
        "this libheif writes no HEVC, which the tests need");
    heif_encoder_set_lossy_quality(encoder, 95);
    heif_encoder_set_parameter_string(encoder, "chroma", "444");
    for (int i = 0; i < n; i++)
        encode(context, encoder, &a[i], i == n - 1);
    ck_assert_int_eq(heif_context_write(context, &writer, &m).code, heif_error_Ok);
    heif_encoder_release(encoder);
    heif_context_free(context);
    return m;
}

static double distance(const rj_image *a, const rj_image *b)
{
    double sum = 0;

    ck_assert(a->w == b->w && a->h == b->h);
    for (int i = 0; i < a->w * a->h * 3; i++)
        sum += abs(a->rgb[i] - b->rgb[i]);
    return sum / (a->w * a->h * 3);
}

START_TEST(heif_comes_close_to_what_was_written)
{
    static const int sides[][2] = {{64, 64}, {53, 37}, {70, 101}};

    for (int s = 0; s < RJ_COUNT(sides); s++) {
        rj_image a = picture(sides[s][0], sides[s][1], 1), b;
        made m = written(1, &a);

        ck_assert_int_eq(rj_format_of(m.bytes, m.n), RJ_FORMAT_HEIF);
        OK(decode(m.bytes, m.n, &b));
        ck_assert_double_lt(distance(&a, &b), 4);
        free(m.bytes);
        rj_image_free(&a);
        rj_image_free(&b);
    }
}
END_TEST

START_TEST(the_primary_picture_of_a_heif_is_read)
{
    rj_image a[2] = {picture(64, 64, 2), picture(80, 72, 3)}, b;
    made m = written(2, a);

    OK(decode(m.bytes, m.n, &b));
    ck_assert_double_lt(distance(&a[1], &b), 4);
    free(m.bytes);
    rj_image_free(&a[0]);
    rj_image_free(&a[1]);
    rj_image_free(&b);
}
END_TEST

START_TEST(heif_cut_off_anywhere_is_refused)
{
    rj_image a = picture(64, 64, 4), b;
    made m = written(1, &a);

    for (size_t cut = 0; cut < m.n; cut += cut < 400 ? 1 : 7)
        FAILS(decode(m.bytes, cut, &b), RIJ_E_IMAGE);
    FAILS(decode(m.bytes, m.n - 1, &b), RIJ_E_IMAGE);
    for (size_t at = 0; at < m.n; at += at < 400 ? 1 : 37) { // it may not harm
        rij_status status;

        m.bytes[at] ^= 0x55;
        status = decode(m.bytes, m.n, &b);
        ck_assert(status == RIJ_OK || status == RIJ_E_IMAGE || status == RIJ_E_MEMORY);
        if (status == RIJ_OK)
            rj_image_free(&b);
        m.bytes[at] ^= 0x55;
    }
    OK(decode(m.bytes, m.n, &b));
    rj_image_free(&b);
    free(m.bytes);
    rj_image_free(&a);
    ck_assert_int_eq(rj_memory_live(), 0);
}
END_TEST

START_TEST(heif_of_absurd_size_is_refused_before_anything_is_allocated)
{
    static const uint8_t sides[][8] = {{0, 0, 0x40, 1, 0, 0, 0, 16},
                                       {0x7f, 255, 255, 255, 0x7f, 255, 255, 255},
                                       {0, 0, 0, 7, 0, 0, 0, 8}};
    rj_image a = picture(64, 64, 5), b;
    made m = written(1, &a);
    const uint8_t *box = memmem(m.bytes, m.n, "ispe", 4);

    ck_assert_ptr_nonnull(box);
    for (int i = 0; i < RJ_COUNT(sides); i++) {
        memcpy(m.bytes + (box - m.bytes) + 8, sides[i], 8);
        rj_memory_fail_at(0);
        FAILS(decode(m.bytes, m.n, &b), RIJ_E_IMAGE);
        ck_assert_int_eq(rj_memory_fail_at(0), 0);
    }
    free(m.bytes);
    rj_image_free(&a);
}
END_TEST

SUITE(heif, heif_comes_close_to_what_was_written, the_primary_picture_of_a_heif_is_read,
      heif_cut_off_anywhere_is_refused,
      heif_of_absurd_size_is_refused_before_anything_is_allocated)

#else

START_TEST(a_build_without_libheif_says_so)
{
    rj_image image;

    FAILS(rj_image_decode((const uint8_t *)"\0\0\0\x10"
                                           "ftypheic\0\0\0\0",
                          16, &rj_default_limits, &image),
          RIJ_E_IMAGE);
    ck_assert_str_eq(rij_last_error(),
                     "a HEIF file: this build reads no HEIF: libheif was not there");
}
END_TEST

SUITE(heif, a_build_without_libheif_says_so)

#endif
