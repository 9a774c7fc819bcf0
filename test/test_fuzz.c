/* Every file of every fuzz target's corpus, whole, cut short and with bytes changed: no
 * crash, no leak, memory bounded. What fuzzers found lies there too (found-*). */
#include "data_place.h"
#include "fuzz_trainer.h"

static const struct {
    const char *name;
    int (*run)(const uint8_t *bytes, size_t n);
    size_t longest;
} targets[] = {
#define RJ_FUZZ(name, longest) {#name, rj_fuzz_##name, longest},
#include "targets.def"
#undef RJ_FUZZ
};

enum { MOST_BYTES = 64 << 20, ROUNDS = 24 };

static void run(int t, const uint8_t *bytes, size_t n)
{
    uint8_t *exact = malloc(n ? n : 1); // so that a read behind it is seen

    memcpy(exact, bytes, n);
    ck_assert_int_eq(targets[t].run(exact, n), 0);
    free(exact);
}

/* As it is, then shorter and shorter, then changed here and there. */
static void replay(int t, const char *path)
{
    rj_random r = rj_random_start(11, RJ_STREAM_TEST, (uint64_t)t);
    const long live = rj_memory_live();
    unsigned char *bytes;
    size_t n;

    OK(rj_file_read(path, 1 << 20, &bytes, &n));
    HOLDS(n <= targets[t].longest, "%s: %zu bytes are too many", path, n);
    (void)rj_memory_peak();
    run(t, bytes, n);
    for (int i = 0; i < ROUNDS && n > 0; i++)
        run(t, bytes, n * (size_t)i / ROUNDS);
    for (int i = 0; i < ROUNDS && n > 0; i++) {
        const size_t at = (size_t)rj_random_below(&r, (int)n);
        const uint8_t was = bytes[at];

        bytes[at] = (uint8_t)rj_random_below(&r, 256);
        run(t, bytes, n);
        bytes[at] = was;
    }
    HOLDS(rj_memory_peak() < MOST_BYTES, "%s took more than %d bytes", path, MOST_BYTES);
    rj_free(bytes);
    HOLDS(rj_memory_live() == live, "%s leaves memory behind", path);
}

START_TEST(every_input_of_every_corpus_is_survived)
{
    for (int t = 0; t < RJ_COUNT(targets); t++) {
        char folder[64];
        rj_list files = {0};

        snprintf(folder, sizeof folder, "test/fuzz/corpus/%s", targets[t].name);
        OK(rj_folder_list(folder, &files));
        HOLDS(files.n > 0, "%s holds nothing", folder);
        for (int i = 0; i < files.n; i++)
            replay(t, files.path[i]);
        rj_list_free(&files);
    }
}
END_TEST

/* A target that looks at nothing would survive everything. */
START_TEST(corpora_hold_files_that_are_read)
{
    static const char *const good[] = {
        "png/rgb",       "png/deep",         "jpeg/420", "jpeg/grey",
#ifdef RJ_HAS_libwebp
        "webp/lossless", "webp/lossy-alpha",
#endif
#ifdef RJ_HAS_libavif
        "avif/444",      "avif/420-deep",
#endif
#ifdef RJ_HAS_libheif
        "heif/heic",
#endif
    };

    for (int i = 0; i < RJ_COUNT(good); i++) {
        char path[80];
        rj_image image;

        snprintf(path, sizeof path, "test/fuzz/corpus/%s", good[i]);
        OK(rj_image_read(path, &fuzz_limits, &image));
        rj_image_free(&image);
    }
}
END_TEST

START_TEST(a_training_goes_on_from_the_corpus_of_checkpoints)
{
    static const char *const good[] = {"stage1", "stage2"};

    for (int i = 0; i < RJ_COUNT(good); i++) {
        char path[80];
        unsigned char *bytes;
        size_t n;

        snprintf(path, sizeof path, "test/fuzz/corpus/checkpoint/%s", good[i]);
        OK(rj_file_read(path, 1 << 20, &bytes, &n));
        OK(fuzz_resume(bytes, n));
        rj_free(bytes);
    }
}
END_TEST

START_TEST(models_of_the_corpus_open)
{
    static const struct {
        const char *path;
        int exemplars;
    } good[] = {{"test/fuzz/corpus/model/smallest", 0},
                {"test/fuzz/corpus/model/exemplars", 2}};

    for (int i = 0; i < RJ_COUNT(good); i++) {
        unsigned char *bytes;
        uint8_t *whole;
        size_t n;
        rj_st_file f = {0};
        rij_model *m = NULL;

        OK(rj_file_read(good[i].path, 1 << 20, &bytes, &n));
        whole = fuzz_filled(bytes, n, &n);
        OK(rj_st_parse("corpus", whole, n, &f));
        f.sealed = true;
        OK(rj_model_from_file(&f, "ref", 1, &m));
        ck_assert_int_eq(rij_model_exemplars(m), good[i].exemplars);
        rij_model_free(m);
        rj_st_free(&f);
        rj_free(whole);
        rj_free(bytes);
    }
}
END_TEST

SUITE(fuzz, every_input_of_every_corpus_is_survived, corpora_hold_files_that_are_read,
      a_training_goes_on_from_the_corpus_of_checkpoints, models_of_the_corpus_open)
