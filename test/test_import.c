/* test_import.c: weights without a seal become a model file. */
#include "api_place.h"
#include "judge/judge.h"

/* Bytes of a file, one piece of them replaced by as many others. */
static void write_changed(const char *from, const char *to, const char *old,
                          const char *instead)
{
    unsigned char *bytes = NULL;
    size_t n;
    void *at;

    OK(rj_file_read(from, (size_t)1 << 30, &bytes, &n));
    at = memmem(bytes, n, old, strlen(old));
    ck_assert_ptr_nonnull(at);
    ck_assert_uint_eq(strlen(old), strlen(instead));
    memcpy(at, instead, strlen(old));
    OK(rj_file_write(to, bytes, n));
    rj_free(bytes);
}

/* The place's model as another program would write it: no key is called hash. */
static void write_weights(const place *p, const char *name)
{
    rij_model *m = trained(p);

    ck_assert_int_gt(m->calibration.n[0], 0);
    OK(rij_model_save(m, p->model));
    rij_model_free(m);
    write_changed(p->model, name, "\"hash\":", "\"h4sh\":");
}

static rij_model *opened(const char *path)
{
    rij_model *m = NULL;

    OK(rij_model_open(path, NULL, &m));
    return m;
}

START_TEST(weights_without_a_seal_become_a_model)
{
    const place p = place_new(8, 4);
    const char *weights = under(&p, "weights"), *made = under(&p, "made");
    char text[4096];
    rij_model *m = NULL, *before, *after;
    rij_verdict a, b;

    write_weights(&p, weights);
    FAILS(rij_model_open(weights, NULL, &m), RIJ_E_MODEL);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "no hash"));
    OK(rij_model_import(weights, made));
    before = opened(p.model);
    after = opened(made);
    OK(rij_predict_file(before, under(&p, "data/real/00.png"), &a));
    OK(rij_predict_file(after, under(&p, "data/real/00.png"), &b));
    ck_assert(a.margin == b.margin && a.classifier == b.classifier);
    ck_assert(a.p_real >= 0);
    ck_assert(!(b.p_real >= 0)); // no calibration
    ck_assert_ptr_nonnull(strstr(rj_st_get(&before->about, "card.data"), "photographs"));
    rij_model_describe(after, text, sizeof text);
    ck_assert_ptr_null(strstr(text, "card."));
    ck_assert_ptr_null(strstr(text, "figure."));
    ck_assert_ptr_null(strstr(text, "alarms"));
    ck_assert_ptr_nonnull(strstr(text, "data.hash"));
    rij_model_free(before);
    rij_model_free(after);
    place_free(&p);
}
END_TEST

/* The bias of the classifier is the number that moves every margin alike. */
START_TEST(changed_weights_get_a_self_test_of_their_own)
{
    const place p = place_new(8, 4);
    const char *weights = under(&p, "weights"), *made = under(&p, "made");
    rj_st_file f = {0};
    rij_model *before, *after;

    write_weights(&p, weights);
    OK(rj_st_read(weights, &f));
    ((rj_st_tensor *)(uintptr_t)rj_st_tensor_find(&f, "classifier.bias"))->x[0] += 2;
    OK(rj_st_write(under(&p, "moved"), &f));
    FAILS(rij_model_open(under(&p, "moved"), NULL, &after), RIJ_E_MODEL); // its self-test
    OK(rij_model_import(under(&p, "moved"), made)); // a seal does no harm
    before = opened(p.model);
    after = opened(made);
    ck_assert_double_eq_tol(after->selftest_margin - before->selftest_margin,
                            2 * before->decision.a, 1e-5);
    rj_st_free(&f);
    rij_model_free(before);
    rij_model_free(after);
    place_free(&p);
}
END_TEST

START_TEST(errors_are_as_documented)
{
    const place p = place_new(8, 4);
    char weights[256], bad[256];
    rij_model *m;

    snprintf(weights, sizeof weights, "%s/weights", p.root);
    snprintf(bad, sizeof bad, "%s/bad", p.root);
    write_weights(&p, weights);
    FAILS(rij_model_import(NULL, bad), RIJ_E_ARGUMENT);
    FAILS(rij_model_import(weights, NULL), RIJ_E_ARGUMENT);
    FAILS(rij_model_import(under(&p, "none"), bad), RIJ_E_FILE);
    FAILS(rij_model_import(weights, under(&p, "no/folder")), RIJ_E_FILE);
    write_changed(weights, bad, "classifier.bias", "classifier.blas");
    FAILS(rij_model_import(bad, p.model), RIJ_E_MODEL);
    write_changed(weights, bad, "decision.kappa", "decision.cappa");
    FAILS(rij_model_import(bad, p.model), RIJ_E_MODEL);
    write_changed(weights, bad, "\"realjudge\"", "\"realjudgf\"");
    FAILS(rij_model_import(bad, p.model), RIJ_E_MODEL);
    write_text(bad, "no tensors");
    FAILS(rij_model_import(bad, p.model), RIJ_E_MODEL);
    m = opened(p.model); // as before
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(memory_that_runs_out_leaves_the_file_before)
{
    const place p = place_new(8, 4);
    char weights[256], made[256];
    rij_status status = RIJ_E_MEMORY;
    long n = 0;

    snprintf(weights, sizeof weights, "%s/weights", p.root);
    snprintf(made, sizeof made, "%s/made", p.root);
    write_weights(&p, weights);
    while (status != RIJ_OK) {
        const long live = rj_memory_live();

        rj_memory_fail_at(++n);
        status = rij_model_import(weights, made);
        rj_memory_fail_at(0);
        HOLDS(status == RIJ_OK || status == RIJ_E_MEMORY, "at %ld: %s", n,
              rij_last_error());
        HOLDS(rj_memory_live() == live, "at %ld: something is left", n);
        HOLDS((access(made, F_OK) == 0) == (status == RIJ_OK), "at %ld", n);
    }
    ck_assert_int_gt(n, 50);
    place_free(&p);
}
END_TEST

SUITE(import, weights_without_a_seal_become_a_model,
      changed_weights_get_a_self_test_of_their_own, errors_are_as_documented,
      memory_that_runs_out_leaves_the_file_before)
