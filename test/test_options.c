/* test_options.c: defaults, ranges and messages of rij_train_options. */
#include "judge/judge.h"
#include "test.h"
#include <jansson.h>
#include <math.h>
#include <string.h>

static rij_train_options resolved(void)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;

    OK(rij_train_options_resolve(&o));
    return o;
}

START_TEST(zeros_become_the_documented_defaults)
{
    const rij_train_options o = resolved();

    ck_assert_str_eq(o.device, "cpu");
    ck_assert_str_eq(o.precision, "fp32");
    ck_assert(o.threads == 0 && o.seed == 0 && o.split == NULL);
    ck_assert(o.sharp == 5);
    ck_assert(o.validation == 0.1 && o.min_images == 16 && o.shuffle_labels == 0);
    ck_assert(o.cache_bytes == (int64_t)1 << 30);
    ck_assert(o.crop == 144 && o.degraded == 0.5 && o.jpeg_min == 60 && o.jpeg_max == 98);
    ck_assert(o.blur_max == 1.1 && o.noise_max == 6 && o.resize_min == 0.5);
    ck_assert(o.forged == 0.9 && o.operated == 0.5 && o.blended == 0);
    ck_assert_str_eq(o.encoder, "statistics");
    ck_assert_str_eq(o.front, "raw");
    ck_assert(o.embedding == 128 && o.batch1 == 32 && o.steps1 == 200 && o.rate1 == 0.05);
    ck_assert(o.l_het == -1 && o.l_dec == -1 && o.broken == 0.5 && o.traces == 1);
    ck_assert(o.batch2 == 64 && o.steps2 == 4000 && o.rate2 == 2e-3);
    ck_assert_str_eq(o.optimiser, "adamw");
    ck_assert(o.weight_decay == 0.5 && o.warmup == 0.05 && o.patience == 6);
    ck_assert(o.average == 0.99);
    ck_assert_str_eq(o.contrast, "soft");
    ck_assert(o.lambda == 0.1 && o.tau == 0.1 && o.tau_s == 0.2);
    ck_assert(o.alpha == 0.5 && o.beta == 0.5 && o.rho == 0.2);
    ck_assert_str_eq(o.decide, "classifier");
    ck_assert(o.progress == NULL && o.user == NULL);
    ck_assert(o.exemplars == 0);
    ck_assert(o.checkpoint == NULL && o.checkpoint_seconds == 300 && o.resume == 0);
}
END_TEST

START_TEST(some_defaults_depend_on_the_encoder)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;

    o.encoder = "small";
    OK(rij_train_options_resolve(&o));
    ck_assert_str_eq(o.front, "octaves");
    ck_assert(o.weight_decay == 1e-2 && o.rate2 == 1e-3 && o.steps2 == 2000);
}
END_TEST

START_TEST(one_class_decides_jointly_unless_told_otherwise)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;

    o.one_class = 1;
    o.steps1 = o.traces = -1; // a distance needs no traces
    OK(rij_train_options_resolve(&o));
    ck_assert_str_eq(o.decide, "joint");
    o.decide = "classifier";
    OK(rij_train_options_resolve(&o));
    ck_assert_str_eq(o.decide, "classifier");
    o.decide = "proximity";
    FAILS(rij_train_options_resolve(&o), RIJ_E_ARGUMENT);
    o.decide = NULL;
    o.shuffle_labels = 1;
    FAILS(rij_train_options_resolve(&o), RIJ_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "one_class"));
}
END_TEST

START_TEST(resolving_twice_changes_nothing)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT, again;
    char *text, *text_again;

    o.degraded = -0.5;
    o.optimiser = "sgd";
    OK(rij_train_options_resolve(&o));
    again = o;
    OK(rij_train_options_resolve(&again));
    ck_assert(again.degraded == -1 && again.weight_decay == 1e-4 && again.rho == o.rho);
    ck_assert(again.threads == o.threads && again.seed == o.seed);
    OK(rj_options_text(&o, &text));
    OK(rj_options_text(&again, &text_again));
    ck_assert_str_eq(text, text_again);
    rj_free(text);
    rj_free(text_again);
}
END_TEST

START_TEST(the_default_decay_follows_the_optimiser)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;

    o.optimiser = "sgd";
    OK(rij_train_options_resolve(&o));
    ck_assert(o.weight_decay == 1e-4 && o.rate2 == 1e-3);
    o.weight_decay = 0.3;
    o.rate2 = 0.1;
    OK(rij_train_options_resolve(&o));
    ck_assert(o.weight_decay == 0.3 && o.rate2 == 0.1);
}
END_TEST

START_TEST(negative_numbers_switch_terms_off)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;

    o.cache_bytes = -7;
    o.steps1 = o.traces = o.patience = -3;
    o.degraded = o.forged = o.operated = o.blended = o.l_het = o.l_dec = o.broken = -0.25;
    o.weight_decay = o.warmup = o.lambda = o.alpha = o.beta = o.rho = -1e9;
    OK(rij_train_options_resolve(&o));
    ck_assert(o.cache_bytes == -1 && o.steps1 == -1 && o.traces == -1);
    ck_assert(o.patience == -1 && o.degraded == -1 && o.forged == -1 && o.operated == -1);
    ck_assert(o.blended == -1);
    ck_assert(o.l_het == -1 && o.l_dec == -1 && o.broken == -1);
    ck_assert(o.weight_decay == -1 && o.warmup == -1 && o.lambda == -1);
    ck_assert(o.alpha == -1 && o.beta == -1 && o.rho == -1);
}
END_TEST

/* One wrong value: refused, the message names the field, the options are as they were. */
#define REFUSED(field, value)                                                            \
    do {                                                                                 \
        rij_train_options o_ = RIJ_TRAIN_OPTIONS_INIT, as_;                              \
        o_.field = (value);                                                              \
        as_ = o_;                                                                        \
        FAILS(rij_train_options_resolve(&o_), RIJ_E_ARGUMENT);                           \
        ck_assert_msg(strstr(rij_last_error(), #field), "%s", rij_last_error());         \
        ck_assert_mem_eq(&o_.field, &as_.field, sizeof o_.field);                        \
        ck_assert(o_.device == NULL && o_.decide == as_.decide && o_.rho == as_.rho);    \
    } while (0)
/* The range's ends are allowed, what lies beyond is not. */
#define RANGE(field, low, high, step)                                                    \
    do {                                                                                 \
        rij_train_options low_ = RIJ_TRAIN_OPTIONS_INIT, high_ = RIJ_TRAIN_OPTIONS_INIT; \
        low_.field = (low);                                                              \
        high_.field = (high);                                                            \
        OK(rij_train_options_resolve(&low_));                                            \
        OK(rij_train_options_resolve(&high_));                                           \
        ck_assert(low_.field == (low) && high_.field == (high));                         \
        REFUSED(field, (high) + (step));                                                 \
        if ((low) - (step) > 0)                                                          \
            REFUSED(field, (low) - (step));                                              \
    } while (0)

START_TEST(numbers_out_of_range_are_refused_by_name)
{
    RANGE(threads, 1, 256, 1);
    REFUSED(threads, -1);
    RANGE(validation, 0.02, 0.5, 0.01);
    REFUSED(validation, -0.1);
    REFUSED(min_images, -1);
    RANGE(shuffle_labels, 1, 1, 1);
    RANGE(one_class, 1, 1, 1);
    RANGE(sharp, 1, 16, 1);
    REFUSED(sharp, -1);
    RANGE(crop, 32, 512, 16);
    RANGE(degraded, 0.01, 1.0, 0.01);
    RANGE(jpeg_min, 1, 98, 3);
    RANGE(jpeg_max, 60, 100, 1);
    RANGE(blur_max, 0.2, 8.0, 0.1);
    RANGE(noise_max, 0.1, 64.0, 1);
    RANGE(resize_min, 0.1, 1.0, 0.01);
    RANGE(forged, 0.01, 1.0, 0.01);
    RANGE(operated, 0.01, 1.0, 0.01);
    RANGE(blended, 0.01, 1.0, 0.01);
    RANGE(embedding, 8, 1024, 1);
    RANGE(batch1, 4, 3276, 2); // 5 rows an image with half as many broken views
    RANGE(batch2, 4, 4096, 2);
    REFUSED(steps2, -1);
    REFUSED(rate1, -0.1);
    REFUSED(rate2, -0.1);
    RANGE(traces, 1, 256, 1);
    RANGE(broken, 0.01, 1.0, 0.01);
    RANGE(warmup, 0.01, 1.0, 0.01);
    RANGE(tau, 0.02, 1.0, 0.001 * 100000);
    RANGE(tau_s, 0.02, 1.0, 0.001 * 100000);
    REFUSED(tau, 0.0199);
    REFUSED(tau_s, -1);
    RANGE(alpha, 0.01, 1.0, 0.01);
    RANGE(beta, 0.01, 1.0, 0.01);
    RANGE(rho, 0.01, 1.0, 0.01);
    RANGE(exemplars, 1, 1024, 1);
    REFUSED(exemplars, -1);
    RANGE(checkpoint_seconds, 0.001, 1e6, 0.0005);
    REFUSED(resume, 2);
    REFUSED(resume, 1); // without a checkpoint
}
END_TEST

START_TEST(what_is_not_a_number_is_refused)
{
    REFUSED(degraded, NAN);
    REFUSED(rate1, NAN);
    REFUSED(tau, NAN);
    REFUSED(lambda, NAN);
    REFUSED(lambda, INFINITY);
    REFUSED(noise_max, INFINITY);
}
END_TEST

START_TEST(fields_that_do_not_fit_together_are_refused)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;

    REFUSED(crop, 100);
    REFUSED(batch1, 33);
    REFUSED(batch2, 7);
    REFUSED(jpeg_min, 99); // above the default jpeg_max
    o.jpeg_min = 99;
    o.jpeg_max = 99;
    OK(rij_train_options_resolve(&o));
    o.batch1 = 4096;
    FAILS(rij_train_options_resolve(&o), RIJ_E_ARGUMENT);
    o.broken = -1; // then all rows fit
    OK(rij_train_options_resolve(&o));
    o.decide = "fused";
    OK(rij_train_options_resolve(&o));
    o.traces = -1;
    FAILS(rij_train_options_resolve(&o), RIJ_E_ARGUMENT);
    o.traces = 1;
    o.steps1 = -1;
    FAILS(rij_train_options_resolve(&o), RIJ_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "steps1"));
}
END_TEST

START_TEST(unknown_names_are_answered_with_the_known_ones)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;
    char kind[8] = "npr";

    REFUSED(precision, "fp16");
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "fp32, bf16"));
    REFUSED(encoder, "vit");
    ck_assert_ptr_nonnull(
        strstr(rij_last_error(), "statistics, small, patch, resnet18, resnet50"));
    REFUSED(front, "sobel");
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "octaves, haar, raw, median, npr"));
    REFUSED(optimiser, "adam");
    REFUSED(contrast, "");
    REFUSED(decide, "Classifier");
    o.front = kind;
    FAILS(rij_train_options_resolve(&o), RIJ_E_ARGUMENT); // the encoder takes raw
    o.encoder = "small";
    OK(rij_train_options_resolve(&o));
    kind[0] = 'x';
    ck_assert_str_eq(o.front, "npr"); // static text now
    o.device = "abacus";
    FAILS(rij_train_options_resolve(&o), RIJ_E_DEVICE);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "abacus"));
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "cpu, ref"));
}
END_TEST

START_TEST(options_of_another_size_are_refused)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;

    FAILS(rij_train_options_resolve(NULL), RIJ_E_ARGUMENT);
    o.size = 0;
    FAILS(rij_train_options_resolve(&o), RIJ_E_ARGUMENT);
    o.size = sizeof o + 8;
    FAILS(rij_train_options_resolve(&o), RIJ_E_ARGUMENT);
}
END_TEST

START_TEST(options_become_json)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT, other;
    char *text = NULL, *again = NULL;
    json_t *json;

    o.seed = UINT64_MAX;
    o.degraded = -1;
    OK(rij_train_options_resolve(&o));
    OK(rj_options_text(&o, &text));
    ck_assert_ptr_null(strchr(text, '\n'));
    json = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(json);
    ck_assert_str_eq(json_string_value(json_object_get(json, "seed")),
                     "18446744073709551615");
    ck_assert_str_eq(json_string_value(json_object_get(json, "encoder")), "statistics");
    ck_assert_str_eq(json_string_value(json_object_get(json, "precision")), "fp32");
    ck_assert_int_eq(json_integer_value(json_object_get(json, "crop")), 144);
    ck_assert(json_real_value(json_object_get(json, "tau")) == 0.1);
    ck_assert(json_real_value(json_object_get(json, "degraded")) == -1);
    ck_assert_ptr_null(json_object_get(json, "threads"));
    ck_assert_uint_eq(json_object_size(json), 46);
    json_decref(json);
    other = o;
    other.threads = 3;
    other.checkpoint = "state";
    other.checkpoint_seconds = 5;
    other.resume = 1;
    OK(rj_options_text(&other, &again));
    ck_assert_str_eq(text, again);
    rj_free(again);
    again = NULL;
    rj_memory_fail_at(1);
    FAILS(rj_options_text(&o, &again), RIJ_E_MEMORY);
    rj_memory_fail_at(0);
    ck_assert_ptr_null(again);
    rj_free(text);
}
END_TEST

START_TEST(options_are_told_apart_by_the_first_that_differs)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;
    char differs[RJ_WHY], *text;

    OK(rij_train_options_resolve(&o));
    OK(rj_options_text(&o, &text));
    OK(rj_options_differ(text, &o, differs));
    ck_assert_str_eq(differs, "");
    o.threads = 3;
    o.resume = 1;
    OK(rj_options_differ(text, &o, differs));
    ck_assert_str_eq(differs, "");
    o.tau = 0.3;
    OK(rj_options_differ(text, &o, differs));
    ck_assert_str_eq(differs, "tau was 0.1, now 0.3");
    o.tau = 0.1;
    o.allow = "leaks"; // a key that is in one of them alone
    OK(rj_options_differ(text, &o, differs));
    ck_assert_str_eq(differs, "allow was nothing, now \"leaks\"");
    OK(rj_options_differ("{", &o, differs));
    ck_assert_ptr_nonnull(strstr(differs, "no text of this version"));
    rj_free(text);
}
END_TEST

SUITE(options, options_are_told_apart_by_the_first_that_differs,
      zeros_become_the_documented_defaults, some_defaults_depend_on_the_encoder,
      one_class_decides_jointly_unless_told_otherwise, resolving_twice_changes_nothing,
      the_default_decay_follows_the_optimiser, negative_numbers_switch_terms_off,
      numbers_out_of_range_are_refused_by_name, what_is_not_a_number_is_refused,
      fields_that_do_not_fit_together_are_refused,
      unknown_names_are_answered_with_the_known_ones, options_of_another_size_are_refused,
      options_become_json)
