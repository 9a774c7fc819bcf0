/* AVIF: every pixel of a lossless one, damaged anywhere, huge, a sequence, turned and
 * cut; and what a build without libavif says. */
#include "data_place.h"

#ifdef RJ_HAS_libavif
#    include <avif/avif.h>

/* Of these pixels, without loss; with alpha if asked. */
static avifImage *stored(const rj_image *a, bool alpha)
{
    avifImage *image =
        avifImageCreate((uint32_t)a->w, (uint32_t)a->h, 8, AVIF_PIXEL_FORMAT_YUV444);
    uint8_t *rgba = malloc((size_t)(a->w * a->h) * 4);
    avifRGBImage rgb;

    image->matrixCoefficients = AVIF_MATRIX_COEFFICIENTS_IDENTITY;
    image->yuvRange = AVIF_RANGE_FULL;
    for (int i = 0; i < a->w * a->h; i++) {
        memcpy(rgba + 4 * i, a->rgb + 3 * i, 3);
        rgba[4 * i + 3] = (uint8_t)(1 + i % 254);
    }
    avifRGBImageSetDefaults(&rgb, image);
    rgb.ignoreAlpha = !alpha;
    rgb.pixels = rgba;
    rgb.rowBytes = (uint32_t)a->w * 4;
    ck_assert_int_eq(avifImageRGBToYUV(image, &rgb), AVIF_RESULT_OK);
    free(rgba);
    return image;
}

/* A file of one picture, or of several that follow each other. Destroys the image. */
static avifRWData written(avifImage *image, int pictures)
{
    avifEncoder *encoder = avifEncoderCreate();
    avifRWData out = AVIF_DATA_EMPTY;

    encoder->speed = 10;
    encoder->minQuantizer = encoder->maxQuantizer = AVIF_QUANTIZER_LOSSLESS;
    encoder->minQuantizerAlpha = encoder->maxQuantizerAlpha = AVIF_QUANTIZER_LOSSLESS;
    for (int i = 0; i < pictures; i++)
        ck_assert_int_eq(avifEncoderAddImage(encoder, image, 1,
                                             pictures > 1 ? AVIF_ADD_IMAGE_FLAG_NONE
                                                          : AVIF_ADD_IMAGE_FLAG_SINGLE),
                         AVIF_RESULT_OK);
    ck_assert_int_eq(avifEncoderFinish(encoder, &out), AVIF_RESULT_OK);
    avifEncoderDestroy(encoder);
    avifImageDestroy(image);
    return out;
}

START_TEST(lossless_avif_gives_the_stored_values)
{
    static const int sides[][2] = {{8, 8}, {53, 37}, {13, 101}};

    for (int s = 0; s < 2 * RJ_COUNT(sides); s++) { // alpha is dropped, not mixed with
        rj_image a = picture(sides[s / 2][0], sides[s / 2][1], 1), b;
        avifRWData f = written(stored(&a, s % 2), 1);

        ck_assert_int_eq(rj_format_of(f.data, f.size), RJ_FORMAT_AVIF);
        OK(decode(f.data, f.size, &b));
        ck_assert(same_pixels(&a, &b));
        avifRWDataFree(&f);
        rj_image_free(&a);
        rj_image_free(&b);
    }
}
END_TEST

/* Grey of ten bits: 8-bit values four times as large come back. */
START_TEST(avif_of_10_bits_is_rounded)
{
    avifImage *image = avifImageCreate(64, 16, 10, AVIF_PIXEL_FORMAT_YUV400);
    avifRWData f;
    rj_image b;

    image->yuvRange = AVIF_RANGE_FULL;
    avifImageAllocatePlanes(image, AVIF_PLANES_YUV);
    for (int y = 0; y < 16; y++)
        for (int x = 0; x < 64; x++)
            ((uint16_t *)(void *)(image->yuvPlanes[0] +
                                  (size_t)y * image->yuvRowBytes[0]))[x] =
                (uint16_t)(y * 64 + x);
    f = written(image, 1);
    OK(decode(f.data, f.size, &b));
    for (int i = 0; i < 1024 * 3; i++)
        ck_assert_int_le(abs(b.rgb[i] - (int)lround(i / 3 * 255 / 1023.0)), 1);
    avifRWDataFree(&f);
    rj_image_free(&b);
}
END_TEST

START_TEST(avif_cut_off_anywhere_is_refused)
{
    rj_image a = picture(53, 37, 2), b;
    avifRWData f = written(stored(&a, false), 1);

    for (size_t cut = 0; cut < f.size; cut++)
        FAILS(decode(f.data, cut, &b), RIJ_E_IMAGE);
    for (size_t at = 0; at < f.size; at += at < 400 ? 1 : 17) { // it may not harm
        rij_status status;

        f.data[at] ^= 0x55;
        status = decode(f.data, f.size, &b);
        ck_assert(status == RIJ_OK || status == RIJ_E_IMAGE || status == RIJ_E_MEMORY);
        if (status == RIJ_OK)
            rj_image_free(&b);
        f.data[at] ^= 0x55;
    }
    OK(decode(f.data, f.size, &b));
    rj_image_free(&b);
    avifRWDataFree(&f);
    rj_image_free(&a);
    ck_assert_int_eq(rj_memory_live(), 0);
}
END_TEST

/* The sides stand in the box ispe. */
START_TEST(avif_of_absurd_size_is_refused_before_anything_is_allocated)
{
    static const struct {
        uint8_t sides[8];
        const char *words;
    } cases[] = {
        {{0, 0, 0x40, 1, 0, 0, 0, 16},
         "16385 x 16 pixels: a side may have at most 16384"},
        {{0x7f, 255, 255, 255, 0, 0, 0, 1}, "AVIF"},
        {{0, 0, 0, 7, 0, 0, 0, 8}, "7 x 8 pixels: a side must have at least 8"},
    };
    rj_image a = picture(16, 16, 3), b;
    avifRWData f = written(stored(&a, false), 1);
    const uint8_t *box = memmem(f.data, f.size, "ispe", 4);

    ck_assert_ptr_nonnull(box);
    for (int i = 0; i < RJ_COUNT(cases); i++) {
        memcpy(f.data + (box - f.data) + 8, cases[i].sides, 8);
        rj_memory_fail_at(0);
        FAILS(decode(f.data, f.size, &b), RIJ_E_IMAGE);
        ck_assert_msg(strstr(rij_last_error(), cases[i].words), "%s", rij_last_error());
        ck_assert_int_eq(rj_memory_fail_at(0), 0);
    }
    avifRWDataFree(&f);
    rj_image_free(&a);
}
END_TEST

START_TEST(an_avif_sequence_is_refused_in_words)
{
    rj_image a = picture(24, 16, 4), b;
    avifRWData f = written(stored(&a, false), 3);

    FAILS(decode(f.data, f.size, &b), RIJ_E_IMAGE);
    ck_assert_str_eq(rij_last_error(), "an AVIF of 3 pictures: only still ones are read");
    avifRWDataFree(&f);
    rj_image_free(&a);
}
END_TEST

/* libavif itself makes turning and mirroring of an orientation. */
START_TEST(avif_is_turned_and_cut_as_it_says_and_a_profile_is_passed_over)
{
    rj_image a = picture(24, 16, 5), b, wanted;
    uint8_t tiff[26] = "II*\0\x8\0\0\0\x1\0\x12\x1\x3\0\x1\0\0\0\x6";
    avifImage *image;
    avifRWData f;

    for (int o = 1; o <= 8; o++) {
        image = stored(&a, false);
        tiff[18] = (uint8_t)o;
        avifImageSetMetadataExif(image, tiff, sizeof tiff);
        avifImageSetProfileICC(image, (const uint8_t *)"no profile at all", 17);
        f = written(image, 1);
        OK(decode(f.data, f.size, &b));
        OK(rj_image_orient(&a, o, &wanted));
        ck_assert_msg(same_pixels(&b, &wanted), "orientation %d", o);
        rj_image_free(&b);
        rj_image_free(&wanted);
        avifRWDataFree(&f);
    }
    image = stored(&a, false);
    image->transformFlags = AVIF_TRANSFORM_CLAP; // 12 x 8 in the middle
    image->clap = (avifCleanApertureBox){12, 1, 8, 1, 0, 1, 0, 1};
    f = written(image, 1);
    OK(decode(f.data, f.size, &b));
    OK(rj_image_crop(&a, 6, 4, 12, 8, &wanted));
    ck_assert(same_pixels(&b, &wanted));
    rj_image_free(&b);
    rj_image_free(&wanted);
    avifRWDataFree(&f);
    rj_image_free(&a);
}
END_TEST

START_TEST(facts_of_an_avif_know_its_format)
{
    const place p = place_new();
    rj_image a = picture(24, 16, 6), b;
    avifRWData f = written(stored(&a, false), 1);
    rj_facts facts;

    save_bytes(&p, "0.jpg", f.data, f.size);
    OK(rj_facts_read(in(&p, "0.jpg"), &rj_default_limits, &facts, &b));
    ck_assert_int_eq(facts.format, RJ_FORMAT_AVIF);
    ck_assert(facts.w == 24 && facts.h == 16 && facts.metadata != 0);
    avifRWDataFree(&f);
    rj_image_free(&a);
    rj_image_free(&b);
    place_free(&p);
}
END_TEST

SUITE(avif, lossless_avif_gives_the_stored_values, avif_of_10_bits_is_rounded,
      avif_cut_off_anywhere_is_refused,
      avif_of_absurd_size_is_refused_before_anything_is_allocated,
      an_avif_sequence_is_refused_in_words,
      avif_is_turned_and_cut_as_it_says_and_a_profile_is_passed_over,
      facts_of_an_avif_know_its_format)

#else

START_TEST(a_build_without_libavif_says_so)
{
    rj_image image;

    FAILS(rj_image_decode((const uint8_t *)"\0\0\0\x10"
                                           "ftypavif\0\0\0\0",
                          16, &rj_default_limits, &image),
          RIJ_E_IMAGE);
    ck_assert_str_eq(rij_last_error(),
                     "an AVIF file: this build reads no AVIF: libavif was not there");
}
END_TEST

SUITE(avif, a_build_without_libavif_says_so)

#endif
