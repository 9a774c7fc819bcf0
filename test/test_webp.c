/* WebP: every pixel of a lossless one, damaged anywhere, huge, animated, turned; and what
 * a build without libwebp says. */
#include "data_place.h"

#ifdef RJ_HAS_libwebp
#    include <webp/encode.h>

typedef struct made {
    uint8_t *bytes; // of libwebp or malloc
    size_t n;
} made;

static made lossless(const rj_image *a)
{
    made m = {0};

    m.n = WebPEncodeLosslessRGB(a->rgb, a->w, a->h, 3 * a->w, &m.bytes);
    ck_assert_uint_gt(m.n, 0);
    return m;
}

static made lossy(const rj_image *a, float quality)
{
    made m = {0};

    m.n = WebPEncodeRGB(a->rgb, a->w, a->h, 3 * a->w, quality, &m.bytes);
    ck_assert_uint_gt(m.n, 0);
    return m;
}

static void put4(uint8_t *p, size_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* The picture of a simple file in an extended one (RFC 9649, 2.7), behind a chunk. */
static made extended(const made *simple, int w, int h, int flags, const char *name,
                     const void *content, size_t n)
{
    const size_t padded = n + (n & 1);
    made m = {calloc(1, 30 + 8 + padded + simple->n), 0};

    m.n = 30 + 8 + padded + simple->n - 12;
    memcpy(m.bytes, "RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0", 20);
    put4(m.bytes + 4, m.n - 8);
    m.bytes[20] = (uint8_t)flags;
    put4(m.bytes + 24, (size_t)w - 1); // three bytes each
    put4(m.bytes + 27, (size_t)h - 1);
    memcpy(m.bytes + 30, name, 4);
    put4(m.bytes + 34, n);
    memcpy(m.bytes + 38, content, n);
    memcpy(m.bytes + 38 + padded, simple->bytes + 12, simple->n - 12);
    return m;
}

START_TEST(lossless_webp_gives_the_stored_values)
{
    static const int sides[][2] = {{8, 8}, {53, 37}, {13, 101}};

    for (int s = 0; s < RJ_COUNT(sides); s++) {
        rj_image a = picture(sides[s][0], sides[s][1], 1), b;
        made m = lossless(&a);

        ck_assert_int_eq(rj_format_of(m.bytes, m.n), RJ_FORMAT_WEBP);
        OK(decode(m.bytes, m.n, &b));
        ck_assert(same_pixels(&a, &b));
        WebPFree(m.bytes);
        rj_image_free(&a);
        rj_image_free(&b);
    }
}
END_TEST

START_TEST(lossy_webp_comes_close_to_what_was_written)
{
    rj_image a = picture(53, 37, 2), b;
    double error = 0;
    made m;

    for (int i = 0; i < a.w * a.h * 3; i++) // grey, so that no sampling loses
        a.rgb[i] = a.rgb[i / 3 * 3];
    m = lossy(&a, 98);
    OK(decode(m.bytes, m.n, &b));
    ck_assert(a.w == b.w && a.h == b.h);
    for (int i = 0; i < a.w * a.h * 3; i++)
        error += abs(a.rgb[i] - b.rgb[i]);
    ck_assert_double_lt(error / (a.w * a.h * 3), 3);
    WebPFree(m.bytes);
    rj_image_free(&a);
    rj_image_free(&b);
}
END_TEST

/* Alpha says how a viewer would mix; what lies under it is what is judged. */
START_TEST(alpha_of_a_webp_is_dropped)
{
    rj_image a = picture(24, 16, 3), b;
    uint8_t rgba[24 * 16 * 4];
    made m = {0};

    for (int i = 0; i < 24 * 16; i++) {
        memcpy(rgba + 4 * i, a.rgb + 3 * i, 3);
        rgba[4 * i + 3] = (uint8_t)(1 + i % 255);
    }
    m.n = WebPEncodeLosslessRGBA(rgba, 24, 16, 4 * 24, &m.bytes);
    OK(decode(m.bytes, m.n, &b));
    ck_assert(same_pixels(&a, &b));
    WebPFree(m.bytes);
    rj_image_free(&a);
    rj_image_free(&b);
}
END_TEST

START_TEST(webp_cut_off_anywhere_is_refused)
{
    rj_image a = picture(53, 37, 4), b;
    made m[2] = {lossless(&a), lossy(&a, 80)};

    for (int k = 0; k < 2; k++) {
        const size_t odd = m[k].n % 2 == 0 && m[k].bytes[m[k].n - 1] == 0; // padding
        for (size_t cut = 0; cut < m[k].n - odd; cut++)
            FAILS(decode(m[k].bytes, cut, &b), RIJ_E_IMAGE);
        // The lengths corrected, as a liar would: the picture itself is too short then.
        for (size_t cut = 24; cut + 8 < m[k].n; cut += 7) {
            made lie = {malloc(cut), cut};

            memcpy(lie.bytes, m[k].bytes, cut);
            put4(lie.bytes + 4, cut - 8);
            put4(lie.bytes + 16, cut - 20);
            FAILS(decode(lie.bytes, lie.n, &b), RIJ_E_IMAGE);
            free(lie.bytes);
        }
        for (size_t at = 0; at < m[k].n; at++) { // it may pass, but not harm
            m[k].bytes[at] ^= 0x55;
            if (decode(m[k].bytes, m[k].n, &b) == RIJ_OK)
                rj_image_free(&b);
            m[k].bytes[at] ^= 0x55;
        }
        OK(decode(m[k].bytes, m[k].n, &b));
        rj_image_free(&b);
        WebPFree(m[k].bytes);
    }
    rj_image_free(&a);
    ck_assert_int_eq(rj_memory_live(), 0);
}
END_TEST

START_TEST(webp_of_absurd_size_is_refused_before_anything_is_allocated)
{
    // VP8L: 14 bits each for the sides less one; VP8X: 24 bits each.
    uint8_t simple[26] = "RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2f\xff\xff\xff\x0f";
    uint8_t wide[30] = "RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff";
    uint8_t small[26] = "RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2f\x06\xc0\x01";
    rj_image image;

    rj_memory_fail_at(0);
    FAILS(decode(simple, sizeof simple, &image), RIJ_E_IMAGE);
    ck_assert_str_eq(rij_last_error(),
                     "16384 x 16384 pixels: at most 100000000 are allowed");
    FAILS(decode(wide, sizeof wide, &image), RIJ_E_IMAGE);
    FAILS(decode(small, sizeof small, &image), RIJ_E_IMAGE);
    ck_assert_str_eq(rij_last_error(), "7 x 8 pixels: a side must have at least 8");
    ck_assert_int_eq(rj_memory_fail_at(0), 0);
}
END_TEST

START_TEST(an_animated_webp_is_refused_in_words)
{
    rj_image a = picture(24, 16, 5), b;
    made m = lossless(&a), moving = extended(&m, 24, 16, 2, "ANIM", "\0\0\0\0\0\0", 6);

    FAILS(decode(moving.bytes, moving.n, &b), RIJ_E_IMAGE);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "animated WebP: only still"));
    free(moving.bytes);
    WebPFree(m.bytes);
    rj_image_free(&a);
}
END_TEST

/* A profile that would swap colours, and Exif with and without the name of JPEG's. */
START_TEST(exif_of_a_webp_is_applied_and_a_profile_is_not)
{
    rj_image a = picture(24, 16, 6), b, wanted;
    made m = lossless(&a);

    for (int o = 1; o <= 8; o++)
        for (int named = 0; named < 2; named++) {
            char tiff[32] = "Exif\0\0II*\0\x8\0\0\0\x1\0\x12\x1\x3\0\x1\0\0\0\x6";
            made turned;

            tiff[6 + 18] = (char)o;
            turned =
                extended(&m, 24, 16, 8, "EXIF", named ? tiff : tiff + 6, named ? 32 : 26);
            OK(decode(turned.bytes, turned.n, &b));
            OK(rj_image_orient(&a, o, &wanted));
            ck_assert(same_pixels(&b, &wanted));
            rj_image_free(&b);
            rj_image_free(&wanted);
            free(turned.bytes);
        }
    made coloured = extended(&m, 24, 16, 32, "ICCP", "no profile at all", 17);
    OK(decode(coloured.bytes, coloured.n, &b));
    ck_assert(same_pixels(&a, &b));
    free(coloured.bytes);
    rj_image_free(&b);
    WebPFree(m.bytes);
    rj_image_free(&a);
}
END_TEST

START_TEST(facts_of_a_webp_tell_lossless_from_lossy)
{
    const place p = place_new();
    rj_image a = picture(24, 16, 7), b;
    made m[2] = {lossless(&a), lossy(&a, 80)};
    rj_facts f[2];

    for (int k = 0; k < 2; k++) {
        save_bytes(&p, k ? "1.png" : "0.png", m[k].bytes, m[k].n);
        OK(rj_facts_read(in(&p, k ? "1.png" : "0.png"), &rj_default_limits, &f[k], &b));
        rj_image_free(&b);
        ck_assert_int_eq(f[k].format, RJ_FORMAT_WEBP);
        ck_assert(f[k].w == 24 && f[k].h == 16 && f[k].bytes == (int64_t)m[k].n);
        ck_assert(f[k].quantisation == 0 && f[k].quality == 0);
        WebPFree(m[k].bytes);
    }
    ck_assert_uint_ne(f[0].metadata, f[1].metadata);
    rj_image_free(&a);
    place_free(&p);
}
END_TEST

START_TEST(each_allocation_for_a_webp_may_fail)
{
    rj_image a = picture(24, 16, 8), b;
    made m = lossless(&a);
    const long live = rj_memory_live();
    rij_status status = RIJ_E_MEMORY;
    long at = 1;

    for (; status != RIJ_OK; at++) {
        rj_memory_fail_at(at);
        status = decode(m.bytes, m.n, &b);
        rj_memory_fail_at(0);
        ck_assert_int_eq(rj_memory_live(), status == RIJ_OK ? live + 1 : live);
        ck_assert(status == RIJ_OK || status == RIJ_E_MEMORY);
    }
    ck_assert_int_gt(at, 2);
    rj_image_free(&a);
    rj_image_free(&b);
    WebPFree(m.bytes);
}
END_TEST

SUITE(webp, lossless_webp_gives_the_stored_values,
      lossy_webp_comes_close_to_what_was_written, alpha_of_a_webp_is_dropped,
      webp_cut_off_anywhere_is_refused,
      webp_of_absurd_size_is_refused_before_anything_is_allocated,
      an_animated_webp_is_refused_in_words,
      exif_of_a_webp_is_applied_and_a_profile_is_not,
      facts_of_a_webp_tell_lossless_from_lossy, each_allocation_for_a_webp_may_fail)

#else

START_TEST(a_build_without_libwebp_says_so)
{
    rj_image image;

    FAILS(rj_image_decode((const uint8_t *)"RIFF1234WEBPVP8 ", 16, &rj_default_limits,
                          &image),
          RIJ_E_IMAGE);
    ck_assert_str_eq(rij_last_error(),
                     "a WebP file: this build reads no WebP: libwebp was not there");
}
END_TEST

SUITE(webp, a_build_without_libwebp_says_so)

#endif
