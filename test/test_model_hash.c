/* test_model_hash.c: what tells a model from every other. */
#include "api_place.h"

static rij_model *by_seed(const place *p, uint64_t seed)
{
    rij_train_options o = brief();
    rij_model *m = NULL;

    o.seed = seed;
    OK(rij_train(p->data, &o, &m));
    return m;
}

/* The digits stand at bytes 33 to 64 of a file (docs/model_file.md). */
static void read_digits(const char *path, char digits[33])
{
    FILE *file = fopen(path, "rb");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 33, SEEK_SET), 0);
    ck_assert_uint_eq(fread(digits, 1, 32, file), 32);
    digits[32] = 0;
    fclose(file);
}

START_TEST(a_model_has_the_hash_of_its_file)
{
    const place p = place_new(10, 4);
    rij_model *m = by_seed(&p, 5), *back = NULL;
    rij_model_hashes made, read;
    char digits[33];

    OK(rij_model_save(m, p.model));
    OK(rij_model_open(p.model, NULL, &back));
    OK(rij_model_hash(m, &made));
    OK(rij_model_hash(back, &read));
    read_digits(p.model, digits);
    ck_assert_str_eq(made.model, digits);
    ck_assert_str_eq(read.model, digits);
    ck_assert_str_eq(read.calibration, made.calibration);
    ck_assert_uint_eq(strlen(made.calibration), 16);
    rij_model_free(m);
    rij_model_free(back);
    place_free(&p);
}
END_TEST

START_TEST(other_models_and_other_calibrations_have_other_hashes)
{
    const place p = place_new(10, 4), others = place_new(9, 3);
    rij_model *m = by_seed(&p, 5), *other = by_seed(&p, 6);
    rij_model_hashes a, b, c;

    OK(rij_model_hash(m, &a));
    OK(rij_model_hash(other, &b));
    ck_assert_str_ne(a.model, b.model);
    OK(rij_calibrate(m, others.data, NULL));
    OK(rij_model_hash(m, &c));
    ck_assert_str_ne(a.model, c.model);
    ck_assert_str_ne(a.calibration, c.calibration);
    rij_model_free(m);
    rij_model_free(other);
    place_free(&p);
    place_free(&others);
}
END_TEST

START_TEST(hashes_need_a_model_and_a_place)
{
    const place p = place_new(10, 4);
    rij_model *m = by_seed(&p, 5);
    rij_model_hashes h = {"untouched", "too"};

    FAILS(rij_model_hash(NULL, &h), RIJ_E_ARGUMENT);
    FAILS(rij_model_hash(m, NULL), RIJ_E_ARGUMENT);
    ck_assert_str_eq(h.model, "untouched");
    rij_model_free(m);
    place_free(&p);
}
END_TEST

SUITE(model_hash, a_model_has_the_hash_of_its_file,
      other_models_and_other_calibrations_have_other_hashes,
      hashes_need_a_model_and_a_place)
