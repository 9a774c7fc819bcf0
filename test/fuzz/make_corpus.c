/* make_corpus.c: writes the first inputs of every fuzz target, test/fuzz/corpus/NAME/..:
 * small files of every kind we read, made here. `make fuzz-corpus` runs it; what fuzzers
 * found (found-*) stays. */
#include "fuzz_trainer.h"
#include <avif/avif.h>
#include <libheif/heif.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <webp/encode.h>

static const char *root;

static void must(rij_status status)
{
    if (status == RIJ_OK)
        return;
    fprintf(stderr, "%s\n", rij_last_error());
    exit(1);
}

static void save(const char *name, const void *bytes, size_t n)
{
    char path[600];

    snprintf(path, sizeof path, "%s/%s", root, name);
    *strrchr(path, '/') = 0;
    must(rj_folder_make(path));
    snprintf(path, sizeof path, "%s/%s", root, name);
    must(rj_file_write(path, bytes, n));
}

/* Ramps with a corner of noise. */
static void fill(uint8_t *to, int w, int h, int channels)
{
    rj_random r = rj_random_start(5, RJ_STREAM_TEST, 0);

    for (int i = 0; i < w * h * channels; i++) {
        const int x = i / channels % w, y = i / channels / w;

        to[i] = (uint8_t)(x * 7 + y * 3 + i % channels * 40 +
                          (x < 4 && y < 4 ? rj_random_below(&r, 60) : 0));
    }
}

/* ---- PNG, JPEG -------------------------------------------------------------------- */

static void one_png(const char *name, png_uint_32 format)
{
    static uint8_t samples[16 * 16 * 8], colours[256 * 4], bytes[8192];
    png_image png = {.version = PNG_IMAGE_VERSION};
    png_alloc_size_t n = sizeof bytes;

    png.width = png.height = 16;
    png.format = format;
    png.colormap_entries = 64;
    fill(samples, 16, 16, 8);
    for (int i = 0; i < (int)sizeof samples && (format & PNG_FORMAT_FLAG_COLORMAP); i++)
        samples[i] &= 63;
    fill(colours, 64, 1, 4);
    if (png_image_write_to_memory(&png, bytes, &n, 0, samples, 0, colours))
        save(name, bytes, n);
}

/* A header that claims such sides, with room for 20 bytes of a chunk behind it. */
static void png_head(const char *name, const char *sides, const char *chunk, size_t n)
{
    uint8_t head[33 + 64] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\0\x8\x2";

    memcpy(head + 16, sides, 8);
    memcpy(head + 33, chunk, n);
    save(name, head, 33 + n);
}

static void pngs(void)
{
    one_png("png/grey", PNG_FORMAT_GRAY);
    one_png("png/grey-alpha", PNG_FORMAT_GA);
    one_png("png/rgb", PNG_FORMAT_RGB);
    one_png("png/rgba", PNG_FORMAT_RGBA);
    one_png("png/deep", PNG_FORMAT_LINEAR_RGB);
    one_png("png/palette", PNG_FORMAT_RGB_COLORMAP);
    one_png("png/palette-alpha", PNG_FORMAT_RGBA_COLORMAP);
    png_head("png/wide", "\x7f\xff\xff\xff\0\0\0\1", "", 0);
    png_head("png/endless-text", "\0\0\0\x10\0\0\0\x10", "\x7f\xff\xff\xffzTXta\0\0", 11);
    png_head("png/no-picture", "\0\0\0\x10\0\0\0\x10", "\0\0\0\0IEND\xae\x42\x60\x82",
             12);
}

static void one_jpeg(const char *name, int format, int sampling, int flags)
{
    static uint8_t samples[24 * 24 * 4];
    const tjhandle tj = tjInitCompress();
    unsigned char *bytes = NULL;
    unsigned long n = 0;

    fill(samples, 24, 24, 4);
    if (!tjCompress2(tj, samples, 24, 0, 24, format, &bytes, &n, sampling, 40, flags))
        save(name, bytes, n);
    tjFree(bytes);
    tjDestroy(tj);
}

static void jpegs(void)
{
    one_jpeg("jpeg/444", TJPF_RGB, TJSAMP_444, 0);
    one_jpeg("jpeg/420", TJPF_RGB, TJSAMP_420, 0);
    one_jpeg("jpeg/grey", TJPF_GRAY, TJSAMP_GRAY, 0);
    one_jpeg("jpeg/cmyk", TJPF_CMYK, TJSAMP_444, 0);
    one_jpeg("jpeg/progressive", TJPF_RGB, TJSAMP_420, TJFLAG_PROGRESSIVE);
    one_jpeg("facts/jpeg", TJPF_RGB, TJSAMP_422, 0);
    save("jpeg/tables-alone", "\xff\xd8\xff\xd9", 4);
}

/* ---- WebP, AVIF, HEIF ------------------------------------------------------------- */

static void webps(void)
{
    static uint8_t samples[16 * 16 * 4];
    uint8_t *bytes;
    size_t n;

    fill(samples, 16, 16, 4);
    n = WebPEncodeLosslessRGBA(samples, 16, 16, 64, &bytes);
    save("webp/lossless", bytes, n);
    save("facts/webp", bytes, n);
    WebPFree(bytes);
    n = WebPEncodeRGB(samples, 16, 16, 64, 50, &bytes);
    save("webp/lossy", bytes, n);
    WebPFree(bytes);
    n = WebPEncodeRGBA(samples, 16, 16, 64, 50, &bytes);
    save("webp/lossy-alpha", bytes, n);
    WebPFree(bytes);
    save("webp/moving",
         "RIFF\x2a\0\0\0WEBPVP8X\x0a\0\0\0\2\0\0\0\x0f\0\0\x0f\0\0ANIM\6\0\0\0\0\0\0\0\0"
         "\0",
         44);
    save("webp/wide", "RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff",
         30);
    save("exif/webp",
         "RIFF\x1e\0\0\0WEBPEXIF\x12\0\0\0II*\0\x8\0\0\0\1\0\x12\1\3\0\1\0\0\0", 38);
}

static void one_avif(const char *name, avifPixelFormat format, uint32_t depth,
                     int pictures)
{
    avifImage *image = avifImageCreate(16, 16, depth, format);
    avifEncoder *encoder = avifEncoderCreate();
    avifRWData out = AVIF_DATA_EMPTY;
    avifRGBImage rgb;

    avifRGBImageSetDefaults(&rgb, image);
    rgb.depth = 8;
    avifRGBImageAllocatePixels(&rgb);
    fill(rgb.pixels, 16, 16, 4);
    avifImageRGBToYUV(image, &rgb);
    encoder->speed = 10;
    encoder->maxThreads = 1;
    for (int i = 0; i < pictures; i++)
        avifEncoderAddImage(encoder, image, 1,
                            pictures > 1 ? AVIF_ADD_IMAGE_FLAG_NONE
                                         : AVIF_ADD_IMAGE_FLAG_SINGLE);
    if (avifEncoderFinish(encoder, &out) == AVIF_RESULT_OK)
        save(name, out.data, out.size);
    avifRWDataFree(&out);
    avifRGBImageFreePixels(&rgb);
    avifEncoderDestroy(encoder);
    avifImageDestroy(image);
}

static struct heif_error append(struct heif_context *context, const void *bytes, size_t n,
                                void *user)
{
    (void)context;
    save(user, bytes, n);
    return (struct heif_error){heif_error_Ok, heif_suberror_Unspecified, "ok"};
}

static void one_heif(char *name)
{
    struct heif_context *context = heif_context_alloc();
    struct heif_encoder *encoder = NULL;
    struct heif_image *image = NULL;
    struct heif_writer writer = {1, append};
    int pitch;
    uint8_t *to;

    heif_image_create(64, 64, heif_colorspace_RGB, heif_chroma_interleaved_RGB, &image);
    heif_image_add_plane(image, heif_channel_interleaved, 64, 64, 8);
    to = heif_image_get_plane(image, heif_channel_interleaved, &pitch);
    for (int y = 0; y < 64; y++)
        fill(to + y * pitch, 64, 1, 3);
    heif_context_get_encoder_for_format(context, heif_compression_HEVC, &encoder);
    heif_encoder_set_lossy_quality(encoder, 30);
    heif_context_encode_image(context, image, encoder, NULL, NULL);
    heif_context_write(context, &writer, name);
    heif_encoder_release(encoder);
    heif_image_release(image);
    heif_context_free(context);
}

static void isos(void)
{
    char heic[] = "heif/heic", facts[] = "facts/heic";

    one_avif("avif/444", AVIF_PIXEL_FORMAT_YUV444, 8, 1);
    one_avif("avif/420-deep", AVIF_PIXEL_FORMAT_YUV420, 10, 1);
    one_avif("avif/sequence", AVIF_PIXEL_FORMAT_YUV420, 8, 2);
    one_heif(heic);
    one_heif(facts);
}

/* ---- Exif, tables, tensors, models ------------------------------------------------ */

static void texts(void)
{
    static const char *const tables[][2] = {
        {"manifest/plain", "path\tlabel\na.png\treal\nb.png\tfake\n"},
        {"manifest/whole", "path\tlabel\tgenerator\tsplit\tgroup\tparent\tsource\n"
                           "./a.png\treal\t\ttrain\tg\t\tcamera\r\n"
                           "b.png\tfake\tgan\ttrain\tg\ta.png\t\n"
                           "c.png\tfake\tddpm\ttest\th\t\t\n\n"},
        {"manifest/mark", "\xef\xbb\xbfpath\tlabel\n../../etc/passwd\treal\n"},
        {"manifest/twice", "path\tpath\tlabel\n"},
        {"manifest/circle", "path\tlabel\tparent\na\tfake\tb\nb\tfake\ta\n"},
    };

    for (int i = 0; i < RJ_COUNT(tables); i++)
        save(tables[i][0], tables[i][1], strlen(tables[i][1]));
    save("manifest/zero", "path\tlabel\na\0b\treal\n", 21);
    save("exif/little", "II*\0\x8\0\0\0\x1\0\x12\x1\x3\0\x1\0\0\0\x6\0\0\0\0\0\0\0", 26);
    save("exif/big", "MM\0*\0\0\0\x8\0\x1\x1\x12\0\x3\0\0\0\x1\0\x6\0\0\0\0\0\0", 26);
    save("exif/far", "II*\0\xff\xff\xff\xff", 8);
    save("exif/jpeg",
         "\xff\xd8\xff\xe1\0\x22"
         "Exif\0\0II*\0\x8\0\0\0\x1\0\x12\x1\x3\0\x1\0\0\0\x6\0\0\0\0\0\0\0\xff\xd9",
         40);
}

static void tensors(const char *name, const char *header, size_t data)
{
    const size_t n = (strlen(header) + 7) / 8 * 8;
    uint8_t *bytes = calloc(1, 8 + n + data);

    memset(bytes + 8, ' ', n);
    memcpy(bytes + 8, header, strlen(header));
    bytes[0] = (uint8_t)n;
    bytes[1] = (uint8_t)(n >> 8);
    save(name, bytes, 8 + n + data);
    free(bytes);
}

/* The file without its seal and, but for 64 bytes, its numbers: the target puts some in.
 */
static void behead(const char *path)
{
    unsigned char *bytes = NULL;
    size_t n = 0, header;

    must(rj_file_read(path, 1 << 22, &bytes, &n));
    header = 8 + (size_t)bytes[0] + 256 * (size_t)bytes[1];
    memcpy(memmem(bytes, header, "\"hash\"", 6), "\"hush\"", 6);
    must(rj_file_write(path, bytes, header + 64));
    rj_free(bytes);
}

/* Two rows, first in the file, so that their 64 bytes stay. */
static void add_exemplars(rij_model *model, rj_st_file *f)
{
    rj_exemplars *e = &model->exemplars;
    rj_st_tensor rows;

    must(rj_exemplars_new(2, 8, e));
    e->z[0] = e->z[9] = 1;
    e->id[0] = rj_exemplar_id("a/b.png");
    e->id[1] = rj_exemplar_id("\xc3\xa9 \"\\.jpg");
    must(rj_exemplars_to_file(e, 8, f));
    rows = f->tensor[f->tensors - 1];
    f->tensor[f->tensors - 1] = f->tensor[0];
    f->tensor[0] = rows;
}

/* The smallest judge there is. */
static void one_model(const char *name, bool exemplars)
{
    const rj_net_config config = {
        .encoder = "statistics", .front = "raw", .embedding = 8};
    rij_model *model = NULL;
    rj_st_file f = {0};
    char path[600];

    must(rj_model_new(&config, "cpu", 1, 32, &model));
    must(rj_model_seal(model));
    must(rj_model_to_file(model, &f));
    if (exemplars)
        add_exemplars(model, &f);
    snprintf(path, sizeof path, "%s/model", root);
    must(rj_folder_make(path));
    snprintf(path, sizeof path, "%s/model/%s", root, name);
    must(rj_st_write(path, &f));
    rj_st_free(&f);
    rij_model_free(model);
    behead(path);
}

static void models(void)
{
    one_model("smallest", false);
    one_model("exemplars", true);
}

/* What a training without images leaves behind a step of either stage. */
static void checkpoints(void)
{
    for (int stage = 1; stage <= 2; stage++) {
        char path[600];
        rj_trainer t = fuzz_trainer(path);
        const rj_optimiser o = {.adamw = stage == 2};

        snprintf(path, sizeof path, "%s/checkpoint", root);
        must(rj_folder_make(path));
        snprintf(path, sizeof path, "%s/checkpoint/stage%d", root, stage);
        must(rij_checkpoint_remove(path));
        must(rj_trainer_open(&t));
        t.at = (rj_standing){.stage = stage, .best = stage == 2 ? 0.5 : 0};
        if (stage == 2) {
            must(rj_train_freeze(&t));
            must(rj_train_best(&t));
            t.traces = t.o.traces;
            t.trace = rj_alloc((size_t)t.traces * 8, sizeof *t.trace);
            memset(t.trace, 0, (size_t)t.traces * 8 * sizeof *t.trace);
        }
        must(rj_optimiser_begin(&o, rj_net_params(t.net)));
        must(rj_trainer_stands(&t, 1));
        rj_trainer_free(&t);
        behead(path);
    }
}

static void options(void)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;
    char *text = NULL;

    must(rij_train_options_resolve(&o));
    must(rj_options_text(&o, &text));
    save("options/same", text, strlen(text));
    rj_free(text);
    o.steps2++;
    o.allow = "mean colour";
    must(rj_options_text(&o, &text));
    save("options/other", text, strlen(text));
    rj_free(text);
    save("options/number", "{\"seed\":1e400}", 14);
    save("options/nothing", "{}", 2);
    save("options/array", "[[[[{\"seed\":[]}]]]]", 19);
}

int main(int argc, char **argv)
{
    root = argc == 2 ? argv[1] : "test/fuzz/corpus";
    pngs();
    jpegs();
    webps();
    isos();
    texts();
    tensors("safetensors/two",
            "{\"__metadata__\":{\"a\":\"b\"},"
            "\"x\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
            "\"y\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[8,12]}}",
            12);
    tensors("safetensors/overlap",
            "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
            "\"y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
            12);
    tensors("safetensors/huge",
            "{\"x\":{\"dtype\":\"F32\",\"shape\":[65536,65536,65536,65536],"
            "\"data_offsets\":[0,18446744073709551615]}}",
            4);
    models();
    checkpoints();
    options();
    return 0;
}
