/* Devices that are found at run time: why there is none is said in a sentence. */
#include "device/plugin.h"
#include "test.h"
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An empty folder that plugins are looked for in. */
static char *folder(void)
{
    const char *base = getenv("TMPDIR");
    static char dir[128];

    snprintf(dir, sizeof dir, "%.90s/rij_plugin_XXXXXX", base && *base ? base : P_tmpdir);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(setenv("RIJ_PLUGIN_DIR", dir, 1), 0);
    return dir;
}

/* Opening this device fails and says this. */
static void refused(const char *name, const char *words)
{
    rj_device *dev = NULL;
    rj_pool *pool;

    OK(rj_pool_new(1, &pool));
    FAILS(rj_device_open(name, pool, &dev), RIJ_E_DEVICE);
    ck_assert_msg(strstr(rij_last_error(), words), "%s: '%s', not '%s'", name,
                  rij_last_error(), words);
    ck_assert_ptr_null(dev);
    rj_pool_free(pool);
}

START_TEST(a_name_has_the_form_of_a_plugin_or_is_none)
{
    static const char *const good[] = {"abacus:0", "a-b:12", "x:99"};
    static const char *const bad[] = {
        "",       "cpu",
        "abacus", "abacus:",
        ":0",     "-a:0",
        "a b:0",  "../abacus:0",
        "a:100",  "a:x",
        "a:0x",   "a/b:0",
        "a_b:0",  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:0"};

    for (int i = 0; i < RJ_COUNT(good); i++)
        ck_assert_msg(rj_plugin_named(good[i]), "%s", good[i]);
    for (int i = 0; i < RJ_COUNT(bad); i++) {
        ck_assert_msg(!rj_plugin_named(bad[i]), "%s", bad[i]);
        if (strcmp(bad[i], "cpu") != 0)
            refused(bad[i], "there is no device");
    }
}
END_TEST

START_TEST(a_plugin_that_is_not_there_is_named_with_where_it_was_looked_for)
{
    char *dir = folder();

    refused("abacus:0", "librealjudge_abacus.so");
    refused("abacus:0", dir);
    refused("two-parts:3", "librealjudge_two_parts.so");
    unsetenv("RIJ_PLUGIN_DIR");
    refused("abacus:0", "librealjudge_abacus.so");
    rmdir(dir);
}
END_TEST

START_TEST(a_file_that_is_no_plugin_is_refused)
{
    char *dir = folder(), path[200], none[200];
    Dl_info math;
    FILE *file;

    snprintf(path, sizeof path, "%s/librealjudge_text.so", dir);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("not a shared object\n", file);
    fclose(file);
    refused("text:0", "plugin: ");

    // a shared object it is, but none of ours
    snprintf(none, sizeof none, "%s/librealjudge_math.so", dir);
    ck_assert_int_ne(dladdr(dlsym(RTLD_DEFAULT, "cos"), &math), 0);
    ck_assert_int_eq(symlink(math.dli_fname, none), 0);
    refused("math:0", "made for another version");
    unlink(path);
    unlink(none);
    rmdir(dir);
}
END_TEST

START_TEST(the_public_calls_say_it_too)
{
    rij_open_options open = RIJ_OPEN_OPTIONS_INIT;
    rij_train_options train = RIJ_TRAIN_OPTIONS_INIT;
    rij_model *model = NULL;
    char *dir = folder();

    train.device = "abacus:0";
    OK(rij_train_options_resolve(&train)); // it has the form of one
    FAILS(rij_train(dir, &train, &model), RIJ_E_DEVICE);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "librealjudge_abacus.so"));
    open.device = "abacus";
    FAILS(rij_model_open("/nonexistent", &open, &model), RIJ_E_FILE);
    ck_assert_ptr_null(model);
    rmdir(dir);
}
END_TEST

SUITE(plugin, a_name_has_the_form_of_a_plugin_or_is_none,
      a_plugin_that_is_not_there_is_named_with_where_it_was_looked_for,
      a_file_that_is_no_plugin_is_refused, the_public_calls_say_it_too)
