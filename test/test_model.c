/* test_model.c: a model in memory, in a file, in words, and in many threads. */
#include "model/model.h"
#include "test.h"
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { D = 16 };
static const rj_net_config config = {"small", "haar", D};
static char folder[64], path[96];

static void folder_new(void)
{
    snprintf(folder, sizeof folder, "%.40s/rj_model_XXXXXX",
             getenv("TMPDIR") && strlen(getenv("TMPDIR")) <= 40 ? getenv("TMPDIR")
                                                                : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/judge.safetensors", folder);
}

static void folder_remove(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* A model with random parameters, two traces, and something of everything else. */
static rij_model *model_new(void)
{
    float rows[2 * D] = {0.6f, 0.8f};
    rij_model *m = NULL;
    rj_net *net = NULL;

    rows[D + 3] = -1;
    OK(rj_model_new(&config, "cpu", 1, 96, &m));
    OK(rj_net_new(m->dev, &config, 3, true, &net));
    OK(rj_params_copy(rj_net_params(m->net), rj_net_params(net)));
    rj_net_free(net);
    OK(rj_model_set_traces(m, 2, D, rows));
    m->decision = (rj_decision){RJ_DECIDE_FUSED,    0.5, -0.9, 1.0 / 3, 1.25, -0.1,
                                {2.0 / 3, -1.0 / 7}};
    m->selftest_margin = 0.1234567890123456;
    OK(rj_st_set(&m->about, "train.options", "{\"seed\":1}"));
    OK(rj_st_set(&m->about, "data.images", "72"));
    OK(rj_st_set(&m->about, "figure.auc", "0.97"));
    OK(rj_st_set(&m->about, "other", "kept, not shown"));
    return m;
}

START_TEST(saved_models_come_back_bit_for_bit)
{
    rij_model *m = model_new(), *back = NULL;
    rj_st_file f = {0};
    unsigned char *one = NULL, *two = NULL;
    size_t n = 0, k = 0;

    folder_new();
    OK(rij_model_save(m, path));
    OK(rj_file_read(path, 1 << 26, &one, &n));
    OK(rj_st_read(path, &f));
    OK(rj_model_from_file(&f, "ref", 1, &back));
    rj_st_free(&f);
    for (int i = 0; i < rj_net_params(m->net)->n && sizeof(rj_real) == 4; i++) {
        const rj_tensor *a = &rj_net_params(m->net)->p[i].t;
        const rj_tensor *b = &rj_net_params(back->net)->p[i].t;

        ck_assert_mem_eq(a->x, b->x, rj_count(&a->shape) * sizeof(rj_real));
    }
    ck_assert_int_eq(back->crop, 96);
    ck_assert_int_eq(back->traces, 2);
    ck_assert(back->trace->x[D + 3] == -1);
    ck_assert_int_eq(back->decision.by, RJ_DECIDE_FUSED);
    ck_assert(back->decision.kappa == 0.5 && back->decision.prox_mean == -0.9 &&
              back->decision.prox_deviation == 1.0 / 3 && back->decision.a == 1.25 &&
              back->decision.b == -0.1);
    ck_assert(back->decision.alarm[RJ_ALARM1] == 2.0 / 3 &&
              back->decision.alarm[RJ_ALARM5] == -1.0 / 7);
    ck_assert(back->selftest_margin == m->selftest_margin);
    ck_assert_mem_eq(back->selftest, m->selftest, sizeof m->selftest);
    ck_assert_str_eq(rj_st_get(&back->about, "train.options"), "{\"seed\":1}");
    ck_assert_int_eq(back->about.entries, 4);
    OK(rij_model_save(back, path));
    OK(rj_file_read(path, 1 << 26, &two, &k));
    ck_assert_uint_eq(n, k);
    ck_assert_mem_eq(one, two, n);
    rj_free(one);
    rj_free(two);
    rij_model_free(m);
    rij_model_free(back);
    folder_remove();
}
END_TEST

/* Each byte of the length and header with two of its bits (5 is the case of a letter);
 * then bytes of the data. */
START_TEST(every_flipped_byte_of_the_header_is_refused)
{
    rij_model *m = model_new(), *back = NULL;
    unsigned char *bytes = NULL;
    size_t n = 0, header;

    folder_new();
    OK(rij_model_save(m, path));
    OK(rj_file_read(path, 1 << 26, &bytes, &n));
    header = 8 + bytes[0] + 256 * (size_t)bytes[1];
    for (size_t i = 0; i < n; i += i < header ? 1 : 99991)
        for (int bit = 0; bit < 8; bit += 5) {
            rj_st_file f = {0};
            rij_status status;

            bytes[i] ^= (unsigned char)(1 << bit);
            status = rj_st_parse("flip", bytes, n, &f);
            if (status == RIJ_OK)
                status = rj_model_from_file(&f, "ref", 1, &back);
            ck_assert_msg(status == RIJ_E_MODEL, "byte %zu, bit %d", i, bit);
            bytes[i] ^= (unsigned char)(1 << bit);
            rj_st_free(&f);
        }
    ck_assert_ptr_null(back);
    rj_free(bytes);
    rij_model_free(m);
    folder_remove();
}
END_TEST

/* A file that was changed in one place is refused, and nothing stays behind. */
static void refused(const rj_st_file *f)
{
    rij_model *m = NULL;
    const long live = rj_memory_live();

    FAILS(rj_model_from_file(f, "ref", 1, &m), RIJ_E_MODEL);
    ck_assert_ptr_null(m);
    ck_assert_int_eq(rj_memory_live(), live);
}

static void refused_with(rj_st_file *f, const char *key, const char *value)
{
    char *old = rj_strdup(rj_st_get(f, key));

    OK(rj_st_set(f, key, value));
    refused(f);
    OK(rj_st_set(f, key, old));
    rj_free(old);
}

static void refused_with_number(rj_st_file *f, const char *tensor, size_t i, float x)
{
    rj_st_tensor *t = &f->tensor[rj_st_tensor_find(f, tensor) - f->tensor];
    const float old = t->x[i];

    t->x[i] = x;
    refused(f);
    t->x[i] = old;
}

START_TEST(files_that_are_no_model_are_refused)
{
    static const char *const entries[][2] = {
        {"format", "other"},
        {"format_version", "2"},
        {"input.scale", "v/255"},
        {"input.colour", "BGR"},
        {"input.resize", "always"},
        {"input.cover", "centre"},
        {"input.crop", "97"},
        {"input.crop", "1024"},
        {"input.crop", "96.5"},
        {"input.crop", ""},
        {"net.encoder", "large"},
        {"net.encoder", "resnet18"}, // whose tensors are not there
        {"net.front", "raw"},
        {"net.front", "sobel"},
        {"net.embedding", "17"},
        {"net.embedding", "1e9"},
        {"decision.by", "dice"},
        {"decision.kappa", "nan"},
        {"decision.a", "\"1\""},
        {"decision.b", "1 2"},
        {"decision.alarm1", "none"},
        {"decision.alarm5", "1e13"},
        {"decision.prox_deviation", "0"},
        {"selftest.margin", "true"},
    };
    const float one = 1;
    rij_model *m = model_new();
    rj_st_file f = {0};
    const char *kept;

    OK(rj_model_to_file(m, &f));
    for (int i = 0; i < RJ_COUNT(entries); i++)
        refused_with(&f, entries[i][0], entries[i][1]);
    refused_with_number(&f, "traces", 0, 0.5f);
    refused_with_number(&f, "encoder.bn1.running_var", 2, -1e-6f);
    refused_with_number(&f, "selftest.image", 100, 256);
    refused_with_number(&f, "selftest.image", 100, 0.5f);
    f.sealed = false;
    refused(&f);
    f.sealed = true;
    f.tensors--; // the self-test image
    refused(&f);
    f.tensors++;
    kept = f.tensor[5].name;
    f.tensor[5].name[0] ^= 1;
    refused(&f);
    f.tensor[5].name[0] ^= 1;
    ck_assert_ptr_nonnull(rj_st_tensor_find(&f, kept));
    OK(rj_st_add(&f, "more", rj_shape_plain(0, 1, 1, 1, 1), &one));
    refused(&f);
    rj_free(f.tensor[--f.tensors].x);
    rij_model_free(m);
    OK(rj_model_from_file(&f, "ref", 1, &m));
    rij_model_free(m);
    FAILS(rj_model_from_file(&f, "abacus", 1, &m), RIJ_E_DEVICE);
    rj_st_free(&f);
}
END_TEST

START_TEST(proximity_needs_traces)
{
    rij_model *m = model_new(), *back = NULL;
    rj_st_file f = {0};

    OK(rj_model_set_traces(m, 0, D, NULL));
    ck_assert_ptr_null(m->trace);
    OK(rj_model_to_file(m, &f));
    refused(&f);
    rj_st_free(&f);
    m->decision.by = RJ_DECIDE_CLASSIFIER;
    OK(rj_model_to_file(m, &f));
    OK(rj_model_from_file(&f, "cpu", 1, &back));
    ck_assert_int_eq(back->traces, 0);
    rj_st_free(&f);
    rij_model_free(m);
    rij_model_free(back);
}
END_TEST

START_TEST(traces_that_do_not_fit_leave_the_old_ones)
{
    rij_model *m = model_new();
    float rows[D] = {1};
    const rj_tensor *before = m->trace;

    FAILS(rj_model_set_traces(m, 1, D - 1, rows), RIJ_E_ARGUMENT);
    FAILS(rj_model_set_traces(m, 257, D, rows), RIJ_E_ARGUMENT);
    FAILS(rj_model_set_traces(m, -1, D, rows), RIJ_E_ARGUMENT);
    rows[1] = 0.1f;
    FAILS(rj_model_set_traces(m, 1, D, rows), RIJ_E_ARGUMENT);
    rows[1] = NAN;
    FAILS(rj_model_set_traces(m, 1, D, rows), RIJ_E_ARGUMENT);
    rows[1] = 0;
    rj_memory_fail_at(1);
    FAILS(rj_model_set_traces(m, 1, D, rows), RIJ_E_MEMORY);
    rj_memory_fail_at(0);
    ck_assert(m->trace == before && m->traces == 2 && m->trace->x[D + 3] == -1);
    OK(rj_model_set_traces(m, 1, D, rows));
    ck_assert(m->traces == 1 && m->trace->x[0] == 1);
    rij_model_free(m);
}
END_TEST

START_TEST(models_that_cannot_be_are_refused)
{
    const rj_net_config bad = {"small", "haar", 4};
    rij_model *m = NULL;
    const long live = rj_memory_live();

    FAILS(rj_model_new(&bad, "cpu", 1, 96, &m), RIJ_E_ARGUMENT);
    FAILS(rj_model_new(&config, "cpu", 1, 95, &m), RIJ_E_ARGUMENT);
    FAILS(rj_model_new(&config, "cpu", 1, 528, &m), RIJ_E_ARGUMENT);
    FAILS(rj_model_new(&config, "cpu", 257, 96, &m), RIJ_E_ARGUMENT);
    FAILS(rj_model_new(&config, "a device of a long name", 1, 96, &m), RIJ_E_DEVICE);
    ck_assert_ptr_null(m);
    ck_assert_int_eq(rj_memory_live(), live);
    rij_model_free(NULL);
}
END_TEST

/* The disk is full after 64 KiB: a limit on files that this process writes. */
START_TEST(a_failed_save_leaves_the_old_model)
{
    rij_model *m = model_new(), *back = NULL;
    const struct rlimit full = {1 << 16, RLIM_INFINITY};
    struct rlimit before;
    rj_st_file f = {0};
    char nowhere[160];

    folder_new();
    OK(rij_model_save(m, path));
    snprintf(nowhere, sizeof nowhere, "%s/none/judge.safetensors", folder);
    FAILS(rij_model_save(m, nowhere), RIJ_E_FILE);
    FAILS(rij_model_save(m, folder), RIJ_E_FILE);
    FAILS(rij_model_save(NULL, path), RIJ_E_ARGUMENT);
    FAILS(rij_model_save(m, NULL), RIJ_E_ARGUMENT);
    m->crop = 64;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    setrlimit(RLIMIT_FSIZE, &full);
    FAILS(rij_model_save(m, path), RIJ_E_FILE);
    setrlimit(RLIMIT_FSIZE, &before);
    OK(rj_st_read(path, &f));
    OK(rj_model_from_file(&f, "cpu", 1, &back));
    ck_assert_int_eq(back->crop, 96);
    rj_st_free(&f);
    rij_model_free(m);
    rij_model_free(back);
    folder_remove(); // which fails if half a file lies there
}
END_TEST

START_TEST(opening_and_saving_survive_every_failing_allocation)
{
    rij_model *m = model_new(), *back = NULL;
    rj_st_file f = {0}, g = {0};
    long failed[2] = {0, 0};

    OK(rj_model_to_file(m, &f));
    for (int what = 0; what < 2; what++)
        for (long n = 1;; n++) {
            const long live = rj_memory_live();
            rij_status status;

            rj_memory_fail_at(n);
            status =
                what ? rj_model_to_file(m, &g) : rj_model_from_file(&f, "cpu", 1, &back);
            rj_memory_fail_at(0);
            if (status == RIJ_OK)
                break;
            failed[what]++;
            ck_assert_msg(status == RIJ_E_MEMORY, "allocation %ld: %s", n,
                          rij_last_error());
            ck_assert_int_eq(rj_memory_live(), live);
            ck_assert(back == NULL || what);
            ck_assert_ptr_null(g.tensor);
        }
    ck_assert(failed[0] > 20 && failed[1] > 20);
    rj_st_free(&f);
    rj_st_free(&g);
    rij_model_free(m);
    rij_model_free(back);
}
END_TEST

START_TEST(descriptions_are_cut_as_snprintf_cuts)
{
    rij_model *m = model_new();
    char whole[2000], part[20] = "untouched";
    const size_t n = rij_model_describe(m, whole, sizeof whole);

    ck_assert_uint_eq(n, strlen(whole));
    ck_assert_ptr_nonnull(strstr(whole, "small encoder behind haar"));
    ck_assert_ptr_nonnull(strstr(whole, "traces      2\n"));
    ck_assert_ptr_nonnull(strstr(whole, "fused"));
    ck_assert_ptr_nonnull(strstr(whole, "figure.auc  0.97\n"));
    ck_assert_ptr_nonnull(strstr(whole, "data.images 72\n"));
    ck_assert_ptr_null(strstr(whole, "not shown"));
    ck_assert_uint_eq(rij_model_describe(m, part, 0), n);
    ck_assert_str_eq(part, "untouched");
    ck_assert_uint_eq(rij_model_describe(m, NULL, 0), n);
    ck_assert_uint_eq(rij_model_describe(m, part, 12), n);
    ck_assert_uint_eq(strlen(part), 11);
    ck_assert_mem_eq(part, whole, 11);
    ck_assert_uint_eq(rij_model_describe(NULL, part, sizeof part), 0);
    ck_assert_str_eq(part, "");
    rij_model_free(m);
}
END_TEST

/* A thread: a context, the self-test image through the network, thrice. */
typedef struct judge {
    const rij_model *m;
    double logit;
    rij_status status;
} judge;

static rij_status judge_once(judge *j)
{
    const rj_shape shape = rj_shape_picture(1, 3, 64, 64);
    float planar[3 * 64 * 64];
    rj_context *c = NULL;
    rj_tensor *x, *h, *logit;
    rj_real value = 0;
    rij_status status;

    RJ_TRY(rj_context_take(j->m, &c));
    for (int i = 0; i < 64 * 64 * 3; i++)
        planar[i % 3 * 64 * 64 + i / 3] = ((float)j->m->selftest[i] - 127.5f) / 127.5f;
    RJ_TRY_DONE(rj_tensor_from(&c->tape, &shape, planar, &x));
    RJ_TRY_DONE(rj_net_encode(j->m->net, &c->tape, x, false, &h));
    RJ_TRY_DONE(rj_net_logit(j->m->net, &c->tape, h, &logit));
    RJ_TRY_DONE(rj_tensor_read(c->dev, logit, &value));
    j->logit = (double)value;
done:
    rj_context_give(j->m, c);
    return status;
}

static void *judge_thread(void *user)
{
    judge *j = user;

    j->status = RIJ_OK;
    for (int i = 0; i < 3 && j->status == RIJ_OK; i++)
        j->status = judge_once(j);
    return NULL;
}

START_TEST(many_threads_share_a_model)
{
    enum { N = 4 };
    rij_model *m = model_new();
    judge alone = {m}, j[N];
    pthread_t thread[N];
    rj_context *a = NULL, *b = NULL, *again = NULL;

    OK(judge_once(&alone));
    for (int i = 0; i < N; i++) {
        j[i] = (judge){m};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, judge_thread, &j[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_int_eq(j[i].status, RIJ_OK);
        ck_assert(isfinite(j[i].logit) && j[i].logit == alone.logit);
    }
    OK(rj_context_take(m, &a));
    OK(rj_context_take(m, &b));
    ck_assert(a != b && a->dev != b->dev);
    rj_context_give(m, a);
    OK(rj_context_take(m, &again));
    ck_assert_ptr_eq(a, again);
    rj_context_give(m, again);
    rj_context_give(m, b);
    rj_context_give(m, NULL);
    rij_model_free(m);
}
END_TEST

START_TEST(the_self_test_image_is_the_same_everywhere)
{
    uint8_t rgb[RJ_SELFTEST_SIDE * RJ_SELFTEST_SIDE * 3];
    int low = 255, high = 0;

    rj_model_selftest_pixels(rgb);
    for (int i = 0; i < RJ_COUNT(rgb); i++) {
        low = RJ_MIN(low, rgb[i]);
        high = RJ_MAX(high, rgb[i]);
    }
    ck_assert(low < 64 && high > 192);
    ck_assert_uint_eq(rj_hash(rgb, sizeof rgb, 0), 12369024348336204281u);
}
END_TEST

SUITE(model, saved_models_come_back_bit_for_bit,
      every_flipped_byte_of_the_header_is_refused, files_that_are_no_model_are_refused,
      proximity_needs_traces, traces_that_do_not_fit_leave_the_old_ones,
      models_that_cannot_be_are_refused, a_failed_save_leaves_the_old_model,
      opening_and_saving_survive_every_failing_allocation,
      descriptions_are_cut_as_snprintf_cuts, many_threads_share_a_model,
      the_self_test_image_is_the_same_everywhere)
