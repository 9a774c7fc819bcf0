/* Pictures in memory and in files: every kind of PNG and JPEG, damaged, huge and lying.
 */
#include "data_place.h"
#include <png.h>
#include <turbojpeg.h>

static const struct {
    int w, h;
} sizes[] = {{8, 8}, {53, 37}, {13, 101}};

/* A PNG of one of libpng's formats; its samples are these bytes (or 16-bit numbers). */
static uint8_t *make_png(png_uint_32 format, int w, int h, const void *samples, size_t *n)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    png_alloc_size_t size;
    uint8_t colours[256][4];
    uint8_t *bytes;

    png.width = (png_uint_32)w;
    png.height = (png_uint_32)h;
    png.format = format;
    png.colormap_entries = 256;
    for (int i = 0; i < 256; i++)
        for (int c = 0; c < 4; c++)
            colours[i][c] = (uint8_t)(i * (2 * c + 3) + c);
    size = PNG_IMAGE_PNG_SIZE_MAX(png) + 4096;
    bytes = malloc(size);
    ck_assert_msg(png_image_write_to_memory(&png, bytes, &size, 0, samples, 0, colours),
                  "%s", png.message);
    *n = size;
    return bytes;
}

START_TEST(png_of_8_bits_gives_the_stored_values)
{
    static const struct {
        png_uint_32 format;
        int channels;
    } kinds[] = {{PNG_FORMAT_GRAY, 1},
                 {PNG_FORMAT_GA, 2},
                 {PNG_FORMAT_RGB, 3},
                 {PNG_FORMAT_RGBA, 4},
                 {PNG_FORMAT_RGBA_COLORMAP, 0}};

    for (int s = 0; s < RJ_COUNT(sizes); s++)
        for (int k = 0; k < RJ_COUNT(kinds); k++) {
            const int w = sizes[s].w, h = sizes[s].h, each = RJ_MAX(1, kinds[k].channels);
            rj_random r = rj_random_start(1, RJ_STREAM_TEST, (uint64_t)(10 * s + k));
            uint8_t *samples = malloc((size_t)(w * h * each)), *bytes;
            rj_image image;
            size_t n;

            for (int i = 0; i < w * h * each; i++)
                samples[i] = (uint8_t)rj_random_below(&r, 256);
            bytes = make_png(kinds[k].format, w, h, samples, &n);
            OK(decode(bytes, n, &image));
            ck_assert_int_eq(image.w, w);
            ck_assert_int_eq(image.h, h);
            for (int i = 0; i < w * h; i++)
                for (int c = 0; c < 3; c++) {
                    const int v = samples[i * each + (each >= 3 ? c : 0)];
                    const int wanted = kinds[k].channels ? v : v * (2 * c + 3) + c;
                    ck_assert_int_eq(image.rgb[3 * i + c], (uint8_t)wanted);
                }
            rj_image_free(&image);
            free(samples);
            free(bytes);
        }
}
END_TEST

/* libpng writes these with a gamma of 1, which must not matter. */
START_TEST(png_of_16_bits_is_rounded)
{
    enum { W = 64, H = 32 };
    uint16_t samples[W * H * 3];
    rj_random r = rj_random_start(2, RJ_STREAM_TEST, 0);

    for (int i = 0; i < W * H * 3; i++)
        samples[i] = (uint16_t)rj_random_below(&r, 65536);
    for (int channels = 1; channels <= 3; channels += 2) {
        rj_image image;
        size_t n;
        uint8_t *bytes =
            make_png(channels == 1 ? PNG_FORMAT_LINEAR_Y : PNG_FORMAT_LINEAR_RGB, W, H,
                     samples, &n);

        OK(decode(bytes, n, &image));
        for (int i = 0; i < W * H; i++)
            for (int c = 0; c < 3; c++)
                ck_assert_int_eq(
                    image.rgb[3 * i + c],
                    (int)lround(samples[channels * i + (channels > 1 ? c : 0)] / 257.0));
        rj_image_free(&image);
        free(bytes);
    }
}
END_TEST

START_TEST(written_png_is_read_back_whatever_its_name)
{
    const place p = place_new();
    rj_image a = picture(41, 23, 1), b;

    OK(rj_image_write_png(in(&p, "picture.jpg"), &a));
    OK(rj_image_read(in(&p, "picture.jpg"), &rj_default_limits, &b));
    ck_assert(same_pixels(&a, &b));
    FAILS(rj_image_write_png("/nowhere/at/all.png", &a), RIJ_E_FILE);
    rj_image_free(&a);
    rj_image_free(&b);
    place_free(&p);
}
END_TEST

/* A JPEG in any colours TurboJPEG has; freed with free(). */
static uint8_t *make_jpeg(const rj_image *image, int format, int sampling, size_t *n)
{
    const tjhandle tj = tjInitCompress();
    unsigned long size = tjBufSize(image->w, image->h, sampling);
    uint8_t *bytes = malloc(size), *samples = image->rgb;
    rj_image wide = {0};

    if (format == TJPF_CMYK) { // four numbers a pixel
        OK(rj_image_new(image->w * 2, image->h, &wide));
        memset(wide.rgb, 90, (size_t)wide.w * (size_t)wide.h * 3);
        samples = wide.rgb;
    }
    ck_assert_msg(tjCompress2(tj, samples, image->w, 0, image->h, format, &bytes, &size,
                              sampling, 98, TJFLAG_NOREALLOC) == 0,
                  "%s", tjGetErrorStr2(tj));
    tjDestroy(tj);
    rj_image_free(&wide);
    *n = size;
    return bytes;
}

START_TEST(jpeg_comes_close_to_what_was_written)
{
    static const int samplings[] = {TJSAMP_444, TJSAMP_420, TJSAMP_GRAY};

    for (int s = 0; s < RJ_COUNT(sizes); s++)
        for (int k = 0; k < RJ_COUNT(samplings); k++) {
            rj_image a = picture(sizes[s].w, sizes[s].h, 3), b;
            double error = 0;
            uint8_t *bytes;
            size_t n;

            for (int i = 0; i < a.w * a.h * 3; i++) // grey, so that no sampling loses
                a.rgb[i] = a.rgb[i / 3 * 3];
            bytes = make_jpeg(&a, TJPF_RGB, samplings[k], &n);
            OK(decode(bytes, n, &b));
            ck_assert(a.w == b.w && a.h == b.h);
            for (int i = 0; i < a.w * a.h * 3; i++)
                error += abs(a.rgb[i] - b.rgb[i]);
            ck_assert_double_lt(error / (a.w * a.h * 3), 2);
            free(bytes);
            rj_image_free(&a);
            rj_image_free(&b);
        }
}
END_TEST

START_TEST(cmyk_jpeg_is_refused_in_words)
{
    rj_image a = picture(16, 16, 4), b;
    size_t n;
    uint8_t *bytes = make_jpeg(&a, TJPF_CMYK, TJSAMP_444, &n);

    FAILS(decode(bytes, n, &b), RIJ_E_IMAGE);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "CMYK"));
    free(bytes);
    rj_image_free(&a);
}
END_TEST

/* Cut off anywhere, a file is refused; with a byte changed it may pass, but not harm. */
START_TEST(damaged_files_are_refused)
{
    rj_image a = picture(53, 37, 5), b;
    size_t n[2];
    uint8_t *bytes[2];

    OK(rj_png_encode(&a, &bytes[0], &n[0]));
    OK(rj_jpeg_encode(&a, 90, &bytes[1], &n[1]));
    for (int k = 0; k < 2; k++) {
        for (size_t cut = 0; cut < n[k]; cut += 37)
            FAILS(decode(bytes[k], cut, &b), RIJ_E_IMAGE);
        FAILS(decode(bytes[k], n[k] - 1, &b), RIJ_E_IMAGE);
        for (size_t at = 0; at < n[k]; at += at < 700 ? 1 : 13) {
            bytes[k][at] ^= 0x55;
            if (decode(bytes[k], n[k], &b) == RIJ_OK)
                rj_image_free(&b);
            bytes[k][at] ^= 0x55;
        }
        OK(decode(bytes[k], n[k], &b));
        rj_image_free(&b);
        rj_free(bytes[k]);
    }
    rj_image_free(&a);
    ck_assert_int_eq(rj_memory_live(), 0);
}
END_TEST

/* A PNG that is nothing but a header. */
static size_t huge_png(uint32_t w, uint32_t h, uint8_t bytes[33])
{
    static const uint8_t head[33] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\0\x8\x2";

    memcpy(bytes, head, 33);
    for (int i = 0; i < 4; i++) {
        bytes[16 + i] = (uint8_t)(w >> (24 - 8 * i));
        bytes[20 + i] = (uint8_t)(h >> (24 - 8 * i));
    }
    return 33;
}

START_TEST(absurd_sizes_are_refused_before_anything_is_allocated)
{
    static const struct {
        uint32_t w, h;
        const char *words;
    } cases[] = {
        {1, 2147483647, "1 x 2147483647 pixels: a side may have at most 16384"},
        {16385, 16, "16385 x 16 pixels: a side may have at most 16384"},
        {16, 0xffffffff, "16 x 4294967295 pixels: a side may have at most 16384"},
        {1, 1, "1 x 1 pixels: a side must have at least 8"},
        {0, 0, "0 x 0 pixels: a side must have at least 8"},
        {100, 7, "100 x 7 pixels: a side must have at least 8"},
        {16384, 16384, "16384 x 16384 pixels: at most 100000000 are allowed"},
    };
    const place p = place_new();
    uint8_t header[33];
    char wanted[400];
    rj_image image;

    for (int i = 0; i < RJ_COUNT(cases); i++) {
        huge_png(cases[i].w, cases[i].h, header);
        rj_memory_fail_at(0);
        FAILS(rj_image_decode(header, sizeof header, &rj_default_limits, &image),
              RIJ_E_IMAGE);
        ck_assert_str_eq(rij_last_error(), cases[i].words);
        ck_assert_int_eq(rj_memory_fail_at(0), 0);
    }
    save_bytes(&p, "photo.png", header, sizeof header);
    FAILS(rj_image_read(in(&p, "photo.png"), &rj_default_limits, &image), RIJ_E_IMAGE);
    snprintf(wanted, sizeof wanted, "%s: %s", in(&p, "photo.png"),
             cases[RJ_COUNT(cases) - 1].words);
    ck_assert_str_eq(rij_last_error(), wanted);
    place_free(&p);
}
END_TEST

START_TEST(jpeg_of_absurd_size_is_refused)
{
    rj_image a = picture(16, 16, 6), b;
    uint8_t *bytes;
    size_t n, at = 0;

    OK(rj_jpeg_encode(&a, 90, &bytes, &n));
    while (bytes[at] != 0xff || bytes[at + 1] != 0xc0) // the frame header
        at++;
    memset(bytes + at + 5, 0x7f, 4); // 32639 x 32639
    FAILS(decode(bytes, n, &b), RIJ_E_IMAGE);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "at most"));
    rj_free(bytes);
    rj_image_free(&a);
}
END_TEST

START_TEST(other_files_are_named)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *words;
    } cases[] = {
        {"", 0, "empty"},
        {"GIF89a..", 8, "GIF"},
        {"\0\0\0\x10"
         "ftypmp42\0\0\0\0",
         16, "MP4"},
        {"hello", 5, "no PNG, JPEG, WebP, AVIF or HEIF"},
        {"\x89PNG\r\n\x1a\n", 8, "damaged PNG"},
        {"\xff\xd8\xff\xe0", 4, "damaged JPEG"},
    };
    rj_image image;

    for (int i = 0; i < RJ_COUNT(cases); i++) {
        FAILS(decode((const uint8_t *)cases[i].bytes, cases[i].n, &image), RIJ_E_IMAGE);
        ck_assert_msg(strstr(rij_last_error(), cases[i].words), "%s", rij_last_error());
    }
    FAILS(rj_image_read("/nowhere/at/all.png", &rj_default_limits, &image), RIJ_E_FILE);
}
END_TEST

/* ---- orientation ------------------------------------------------------------------ */

/* 3 x 2 pixels numbered 0 1 2 / 3 4 5, upright from each orientation. */
START_TEST(orientation_is_undone)
{
    static const char upright[9][7] = {"",       "012345", "210543", "543210", "345012",
                                       "031425", "304152", "524130", "251403"};

    for (int o = 1; o <= 8; o++) {
        rj_image a, b;

        OK(rj_image_new(3, 2, &a));
        for (int i = 0; i < 18; i++)
            a.rgb[i] = (uint8_t)(i / 3);
        OK(rj_image_orient(&a, o, &b));
        ck_assert_int_eq(b.w, o >= 5 ? 2 : 3);
        ck_assert_int_eq(b.h, o >= 5 ? 3 : 2);
        for (int i = 0; i < 18; i++)
            ck_assert_int_eq(b.rgb[i], upright[o][i / 3] - '0');
        rj_image_free(&b);
        rj_image_free(&a);
    }
}
END_TEST

/* Put an Exif segment with this TIFF behind the start of a JPEG. */
static uint8_t *with_exif(const uint8_t *jpeg, size_t n, const uint8_t *tiff, size_t m,
                          size_t length, size_t *out_n)
{
    uint8_t *out = malloc(n + m + 10);

    memcpy(out, jpeg, 2);
    memcpy(out + 2, "\xff\xe1\0\0Exif\0\0", 10);
    out[4] = (uint8_t)(length >> 8);
    out[5] = (uint8_t)length;
    memcpy(out + 12, tiff, m);
    memcpy(out + 12 + m, jpeg + 2, n - 2);
    *out_n = n + m + 10;
    return out;
}

static const uint8_t tiff_little[26] = "II*\0\x8\0\0\0\x1\0\x12\x1\x3\0\x1\0\0\0\x6";
static const uint8_t tiff_big[26] = "MM\0*\0\0\0\x8\0\x1\x1\x12\0\x3\0\0\0\x1\0\x6";

START_TEST(exif_orientation_of_a_jpeg_is_applied)
{
    rj_image a = picture(24, 16, 8), as_stored;
    uint8_t *jpeg;
    size_t n;

    OK(rj_jpeg_encode(&a, 90, &jpeg, &n));
    OK(decode(jpeg, n, &as_stored));
    for (int o = 0; o <= 9; o++)
        for (int big = 0; big < 2; big++) {
            uint8_t tiff[26];
            rj_image b, wanted;
            uint8_t *file;
            size_t m;

            memcpy(tiff, big ? tiff_big : tiff_little, 26);
            tiff[big ? 19 : 18] = (uint8_t)o;
            file = with_exif(jpeg, n, tiff, 26, 34, &m);
            OK(decode(file, m, &b));
            OK(rj_image_orient(&as_stored, o >= 1 && o <= 8 ? o : 1, &wanted));
            ck_assert(same_pixels(&b, &wanted));
            rj_image_free(&b);
            rj_image_free(&wanted);
            free(file);
        }
    rj_image_free(&a);
    rj_image_free(&as_stored);
    rj_free(jpeg);
}
END_TEST

/* Each lie gives 1 or the truth, and never a read out of bounds (see SAN=address). */
START_TEST(lying_exif_is_harmless)
{
    static const uint8_t jpeg[8] = {0xff, 0xd8, 0xff, 0xda, 0, 2, 0xff, 0xd9};
    rj_random r = rj_random_start(3, RJ_STREAM_TEST, 0);
    size_t n;
    uint8_t *file = with_exif(jpeg, sizeof jpeg, tiff_little, 26, 34, &n), *cut;

    ck_assert_int_eq(rj_exif_orientation(file, n), 6);
    for (size_t m = 0; m < n; m++) {
        cut = malloc(m ? m : 1);
        memcpy(cut, file, m);
        ck_assert_int_eq(rj_exif_orientation(cut, m), m < 12 + 26 ? 1 : 6);
        free(cut);
    }
    free(file);
    file = with_exif(jpeg, sizeof jpeg, tiff_little, 26, 0xffff, &n);
    ck_assert_int_eq(rj_exif_orientation(file, n), 1);
    free(file);
    for (int i = 0; i < 20000; i++) {
        int o;

        file = with_exif(jpeg, sizeof jpeg, i % 2 ? tiff_big : tiff_little, 26, 34, &n);
        for (int k = rj_random_below(&r, 4); k >= 0; k--)
            file[rj_random_below(&r, (int)n)] = (uint8_t)rj_random_below(&r, 256);
        o = rj_exif_orientation(file, n);
        ck_assert(o >= 1 && o <= 8);
        free(file);
    }
}
END_TEST

/* ---- in memory -------------------------------------------------------------------- */

START_TEST(crop_reflects_what_lies_outside)
{
    static const char wanted[] = "21012343210123"; // columns -2 .. 11 of 0 1 2 3 4
    rj_image a, b;

    OK(rj_image_new(5, 1, &a));
    for (int i = 0; i < 15; i++)
        a.rgb[i] = (uint8_t)(i / 3);
    OK(rj_image_crop(&a, -2, -3, 14, 9, &b));
    for (int i = 0; i < 14 * 9; i++)
        ck_assert_int_eq(b.rgb[3 * i + 1], wanted[i % 14] - '0');
    rj_image_free(&b);
    OK(rj_image_crop(&a, 1, 0, 3, 1, &b));
    for (int i = 0; i < 9; i++)
        ck_assert_int_eq(b.rgb[i], 1 + i / 3);
    FAILS(rj_image_crop(&a, 0, 0, 0, 1, &b), RIJ_E_ARGUMENT);
    rj_image_free(&b);
    rj_image_free(&a);
}
END_TEST

START_TEST(planar_numbers_lie_between_minus_one_and_one)
{
    rj_image a = picture(7, 5, 9);
    float x[105], part[36];

    a.rgb[0] = 0;
    a.rgb[1] = 255;
    rj_image_planar(&a, x);
    ck_assert(x[0] == -1 && x[35] == 1);
    for (int i = 0; i < 105; i++)
        ck_assert_double_le(fabs(x[i] - (a.rgb[i % 35 * 3 + i / 35] / 127.5 - 1)), 1e-6);
    for (int flip = 0; flip < 2; flip++) { // a window of 4 x 3 at (2,1)
        rj_image_planar_of(&a, 2, 1, 4, 3, flip == 1, part);
        for (int i = 0; i < 36; i++) {
            const int column = flip ? 3 - i % 4 : i % 4, row = i / 4 % 3;
            ck_assert(part[i] == x[i / 12 * 35 + (1 + row) * 7 + 2 + column]);
        }
    }
    rj_image_free(&a);
}
END_TEST

START_TEST(each_allocation_may_fail)
{
    const place p = place_new();
    rj_image a = picture(24, 16, 10), b = {0};
    uint8_t *jpeg, *file;
    size_t n, m;
    long live;

    OK(rj_jpeg_encode(&a, 90, &jpeg, &n));
    file = with_exif(jpeg, n, tiff_big, 26, 34, &m);
    save_bytes(&p, "0", file, m);
    OK(rj_image_write_png(in(&p, "1"), &a));
    live = rj_memory_live();
    for (int k = 0; k < 2; k++) {
        const char *path = in(&p, k ? "1" : "0");
        rij_status status = RIJ_E_MEMORY;

        for (long at = 1; status != RIJ_OK; at++) {
            rj_memory_fail_at(at);
            status = rj_image_read(path, &rj_default_limits, &b);
            rj_memory_fail_at(0);
            ck_assert_int_eq(rj_memory_live(), status == RIJ_OK ? live + 1 : live);
            ck_assert(status == RIJ_OK ? at > 2 : status == RIJ_E_MEMORY);
        }
        rj_image_free(&b);
    }
    free(file);
    rj_free(jpeg);
    rj_image_free(&a);
    place_free(&p);
}
END_TEST

SUITE(image, png_of_8_bits_gives_the_stored_values, png_of_16_bits_is_rounded,
      written_png_is_read_back_whatever_its_name, jpeg_comes_close_to_what_was_written,
      cmyk_jpeg_is_refused_in_words, damaged_files_are_refused,
      absurd_sizes_are_refused_before_anything_is_allocated,
      jpeg_of_absurd_size_is_refused, other_files_are_named, orientation_is_undone,
      exif_orientation_of_a_jpeg_is_applied, lying_exif_is_harmless,
      crop_reflects_what_lies_outside, planar_numbers_lie_between_minus_one_and_one,
      each_allocation_may_fail)
