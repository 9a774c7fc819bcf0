/* Decoding in a process of its own: the same pixels, and whatever happens to the decoder,
 * the caller lives and is told. */
#include "data_place.h"
#include "forge/forge.h"
#include "judge/judge.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

/* ---- pictures --------------------------------------------------------------------- */

START_TEST(a_picture_is_the_same_from_a_cage)
{
    static const char *const files[] = {
        "png/rgb",       "png/deep",         "jpeg/420", "jpeg/grey",
#ifdef RJ_HAS_libwebp
        "webp/lossless", "webp/lossy-alpha",
#endif
#ifdef RJ_HAS_libavif
        "avif/444",
#endif
#ifdef RJ_HAS_libheif
        "heif/heic",
#endif
    };
    rj_cage *cage = NULL;
    rj_limits limits;

    OK(rj_isolate_new(&cage));
    limits = rj_limits_in(cage);
    for (int i = 0; i < RJ_COUNT(files); i++) {
        char path[80];
        rj_image a, b;

        snprintf(path, sizeof path, "test/fuzz/corpus/%s", files[i]);
        OK(rj_image_read(path, &rj_default_limits, &a));
        OK(rj_image_read(path, &limits, &b));
        ck_assert_msg(same_pixels(&a, &b), "%s", path);
        rj_image_free(&a);
        rj_image_free(&b);
    }
    rj_cage_free(cage);
    ck_assert_int_eq(rj_memory_live(), 0);
}
END_TEST

START_TEST(refusals_are_worded_alike_in_a_cage)
{
    static const char *const files[] = {"png/wide",          "png/no-picture",
                                        "png/endless-text",  "jpeg/cmyk",
                                        "jpeg/tables-alone", "manifest/plain"};
    rj_cage *cage = NULL;
    rj_limits limits;

    OK(rj_isolate_new(&cage));
    limits = rj_limits_in(cage);
    for (int i = 0; i < RJ_COUNT(files); i++) {
        char path[80], said[256];
        rj_image a;

        snprintf(path, sizeof path, "test/fuzz/corpus/%s", files[i]);
        FAILS(rj_image_read(path, &rj_default_limits, &a), RIJ_E_IMAGE);
        snprintf(said, sizeof said, "%s", rij_last_error());
        FAILS(rj_image_read(path, &limits, &a), RIJ_E_IMAGE);
        ck_assert_str_eq(rij_last_error(), said);
    }
    limits.bytes = 10;
    FAILS(rj_image_read("test/fuzz/corpus/png/rgb", &limits, &(rj_image){0}), RIJ_E_FILE);
    rj_cage_free(cage);
}
END_TEST

typedef struct crew {
    rj_limits limits;
    rj_image wanted;
    int wrong;
} crew;

static void *decode_often(void *user)
{
    crew *c = user;

    for (int i = 0; i < 8; i++) {
        rj_image b = {0};

        if (rj_image_read("test/fuzz/corpus/jpeg/420", &c->limits, &b) != RIJ_OK ||
            !same_pixels(&c->wanted, &b))
            __atomic_add_fetch(&c->wrong, 1, __ATOMIC_SEQ_CST);
        rj_image_free(&b);
    }
    return NULL;
}

START_TEST(many_threads_share_a_cage)
{
    rj_cage *cage = NULL;
    pthread_t thread[6];
    crew c = {0};

    OK(rj_isolate_new(&cage));
    c.limits = rj_limits_in(cage);
    OK(rj_image_read("test/fuzz/corpus/jpeg/420", &rj_default_limits, &c.wanted));
    for (int i = 0; i < RJ_COUNT(thread); i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, decode_often, &c), 0);
    for (int i = 0; i < RJ_COUNT(thread); i++)
        pthread_join(thread[i], NULL);
    ck_assert_int_eq(c.wrong, 0);
    rj_image_free(&c.wanted);
    rj_cage_free(cage);
}
END_TEST

/* ---- what a worker may do --------------------------------------------------------- */

/* Work by the first letter of its input: what a decoder that was taken over would try. */
static rij_status misbehave(const uint8_t *in, size_t n, uint8_t *out, size_t room,
                            size_t *used, int number[2])
{
    volatile uintptr_t nowhere = 16;
    volatile uint8_t *grown;

    (void)n;
    memcpy(out, "work", 4);
    *used = 4;
    number[0] = 1;
    number[1] = getppid();
    switch (in[0]) {
    case 'c': // a wild pointer
        *(volatile int *)nowhere = 1;
        break;
    case 'a':
        abort();
    case 'h': // for ever
        for (volatile int i = 0;; i++)
            ;
    case 's': // for ever, without working
        for (;;)
            nanosleep(&(struct timespec){1, 0}, NULL);
    case 'm': // more memory than there is
        grown = malloc((size_t)1 << 40);
        return grown ? RIJ_OK : rj_fail(RIJ_E_MEMORY, "no memory for a bomb");
    case 'b': // a little more, again and again
        for (size_t all = 0; all < (size_t)1 << 40; all += 1 << 20) {
            grown = malloc(1 << 20);
            if (!grown)
                return rj_fail(RIJ_E_MEMORY, "no memory after %zu", all >> 20);
            grown[0] = 1;
        }
        break;
    case 'o': // the files of the user
        return open("/etc/passwd", 0) < 0 ? rj_fail(RIJ_E_IMAGE, "no file") : RIJ_OK;
    case 'w': // another file
        return write(1, "x", 1) < 0 ? rj_fail(RIJ_E_IMAGE, "no write") : RIJ_OK;
    case 'n': // the net
        return socket(AF_INET, SOCK_STREAM, 0) < 0 ? RIJ_E_IMAGE : RIJ_OK;
    case 'x': // a program
        execl("/bin/true", "true", (char *)NULL);
        return RIJ_E_IMAGE;
    case 'f': // a process
        return fork() < 0 ? rj_fail(RIJ_E_IMAGE, "no process") : RIJ_OK;
    case 'p': // memory to run code from
        return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0) == MAP_FAILED
                   ? rj_fail(RIJ_E_IMAGE, "no code")
                   : RIJ_OK;
    case 'l': // more than there is room for
        *used = room + 1;
        break;
    case 'e': // an end without a word
        _exit(0);
    case 'q': // words that are no text
        return rj_fail(RIJ_E_IMAGE, "\x1b[31m\n\xff");
    default:
        break;
    }
    return RIJ_OK;
}

static const rj_cage_limits tight = {
    .memory = (size_t)256 << 20, .out = 4096, .cpu_s = 1, .wall_s = 100};

/* What becomes of such work, and how it is said. */
static rij_status outcome(rj_cage *cage, char what)
{
    rj_caged_result r = {0};
    const rij_status status = rj_cage_run(cage, (const uint8_t *)&what, 1, &r);

    if (status == RIJ_OK)
        ck_assert(r.n == 4 && memcmp(r.bytes, "work", 4) == 0 && r.number[0] == 1);
    rj_free(r.bytes);
    return status;
}

START_TEST(a_worker_that_dies_costs_one_answer)
{
    static const struct {
        char what;
        const char *words;
    } cases[] = {
#ifndef RJ_SANITIZED // they end the worker themselves
        {'c', "the decoder died of signal 11"},
        {'a', "the decoder died of signal 6"},
#endif
        {'h', "the decoder was stopped after 1 seconds of work"},
        {'l', "the decoder answers nonsense"},
        {'e', "the decoder ended without a word"},
        {'q', "?[31m ?"},
    };
    rj_cage *cage = NULL;

    OK(rj_cage_new(misbehave, &tight, &cage));
    for (int i = 0; i < RJ_COUNT(cases); i++) {
        OK(outcome(cage, '.'));
        FAILS(outcome(cage, cases[i].what), RIJ_E_IMAGE);
        ck_assert_msg(strstr(rij_last_error(), cases[i].words), "%c: %s", cases[i].what,
                      rij_last_error());
    }
    OK(outcome(cage, '.'));
    rj_cage_free(cage);
}
END_TEST

/* Limits of the caller's that are stricter stay, and are no reason to fail. */
START_TEST(a_caller_under_limits_has_cages)
{
    rj_cage *cage = NULL;
    rj_limits limits;
    rj_image image;

    ck_assert_int_eq(setrlimit(RLIMIT_CPU, &(struct rlimit){900, 900}), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, 1 << 20}), 0);
#ifndef RJ_SANITIZED
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &(struct rlimit){1 << 28, 1 << 28}), 0);
#endif
    OK(rj_cage_new(misbehave, &tight, &cage));
    OK(outcome(cage, '.'));
    rj_cage_free(cage);
    OK(rj_isolate_new(&cage)); // whose output may be larger than that
    limits = rj_limits_in(cage);
    FAILS(rj_image_read("test/fuzz/corpus/png/rgb", &limits, &image), RIJ_E_DEVICE);
    rj_cage_free(cage);
}
END_TEST

START_TEST(a_worker_that_only_waits_is_stopped)
{
    const rj_cage_limits brief = {
        .memory = (size_t)256 << 20, .out = 4096, .cpu_s = 100, .wall_s = 1};
    rj_cage *cage = NULL;

    OK(rj_cage_new(misbehave, &brief, &cage));
    FAILS(outcome(cage, 's'), RIJ_E_IMAGE);
    ck_assert_str_eq(rij_last_error(), "the decoder was stopped after 1 seconds");
    rj_cage_free(cage);
}
END_TEST

START_TEST(memory_of_a_worker_is_limited)
{
    rj_cage *cage = NULL;

#ifdef RJ_SANITIZED
    return;
#endif
    OK(rj_cage_new(misbehave, &tight, &cage));
    FAILS(outcome(cage, 'm'), RIJ_E_MEMORY);
    FAILS(outcome(cage, 'b'), RIJ_E_MEMORY);
    OK(outcome(cage, '.'));
    rj_cage_free(cage);
}
END_TEST

#if defined(RJ_HAS_libseccomp) && !defined(RJ_SANITIZED)
START_TEST(a_worker_reaches_nothing)
{
    static const struct {
        char what;
        const char *words;
    } cases[] = {
        {'o', "no file"},
        {'w', "no write"},
        {'n', "what no decoder does"},
        {'x', "what no decoder does"},
        {'f', "no process"},
        {'p', "no code"},
    };
    rj_cage *cage = NULL;

    OK(rj_cage_new(misbehave, &tight, &cage));
    for (int i = 0; i < RJ_COUNT(cases); i++) {
        FAILS(outcome(cage, cases[i].what), RIJ_E_IMAGE);
        ck_assert_msg(strstr(rij_last_error(), cases[i].words), "%c: %s", cases[i].what,
                      rij_last_error());
    }
    rj_cage_free(cage);
}
END_TEST
#else
/* Without the filter descriptors and files are still out of reach. */
START_TEST(a_worker_reaches_nothing)
{
    rj_cage *cage = NULL;

    OK(rj_cage_new(misbehave, &tight, &cage));
    FAILS(outcome(cage, 'o'), RIJ_E_IMAGE);
    rj_cage_free(cage);
}
END_TEST
#endif

/* ---- who waits -------------------------------------------------------------------- */

START_TEST(the_process_that_waits_is_started_again)
{
    rj_caged_result r = {0};
    rj_cage *cage = NULL;
    pid_t pid;

    OK(rj_cage_new(misbehave, &tight, &cage));
    OK(rj_cage_run(cage, (const uint8_t *)".", 1, &r));
    rj_free(r.bytes);
    pid = r.number[1];
    ck_assert_int_gt(pid, 1);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    OK(outcome(cage, '.'));
    OK(rj_cage_run(cage, (const uint8_t *)".", 1, &r));
    rj_free(r.bytes);
    ck_assert_int_ne(r.number[1], pid);
    rj_cage_free(cage);
}
END_TEST

/* It is nobody's child, so the caller's wait() sees none, and it goes with its cage. */
START_TEST(nothing_is_left_behind)
{
    rj_cage *cage = NULL;
    int how;

    OK(rj_cage_new(misbehave, &tight, &cage));
    OK(outcome(cage, '.'));
    ck_assert_int_eq(waitpid(-1, &how, WNOHANG), -1);
    rj_cage_free(cage);
    ck_assert_int_eq(rj_memory_live(), 0);
}
END_TEST

/* ---- the verbs -------------------------------------------------------------------- */

/* The smallest judge there is, as random numbers made it. */
static void save_model(const char *path)
{
    const rj_net_config config = {
        .encoder = "statistics", .front = "raw", .embedding = 8};
    rij_model *m = NULL;

    OK(rj_model_new(&config, "cpu", 1, 32, &m));
    OK(rj_model_seal(m));
    OK(rij_model_save(m, path));
    rij_model_free(m);
}

START_TEST(a_model_judges_alike_from_a_cage)
{
    const place p = place_new();
    rij_open_options o = RIJ_OPEN_OPTIONS_INIT;
    rij_model *near = NULL, *caged = NULL;
    rij_verdict a, b;

    save_model(in(&p, "m"));
    save_picture(&p, "a.png", 70, 50, 1);
    save_bytes(&p, "b.png", "\x89PNG\r\n\x1a\n", 8);
    o.isolate = 2;
    FAILS(rij_model_open(in(&p, "m"), &o, &caged), RIJ_E_ARGUMENT);
    o.isolate = 1;
    OK(rij_model_open(in(&p, "m"), NULL, &near));
    OK(rij_model_open(in(&p, "m"), &o, &caged));
    ck_assert_ptr_nonnull(caged->cage);
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    OK(rij_predict_file(near, in(&p, "a.png"), &a));
    OK(rij_predict_file(caged, in(&p, "a.png"), &b));
    ck_assert(a.margin == b.margin && a.crops == b.crops && a.softness == b.softness);
    FAILS(rij_predict_file(caged, in(&p, "b.png"), &b), RIJ_E_IMAGE);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "damaged PNG"));
    rij_model_free(near);
    rij_model_free(caged);
    place_free(&p);
}
END_TEST

START_TEST(folders_are_read_in_a_cage)
{
    const place p = place_new();
    rij_audit_options o = RIJ_AUDIT_OPTIONS_INIT;
    rij_audit_report *report = NULL;
    rj_parents parents = {0};
    rj_cage *cage = NULL;
    rj_cache *cache = NULL;
    rj_pool *pool = NULL;
    rj_dataset d = {0};

    save_picture(&p, "set/real/a.png", 64, 64, 1);
    save_picture(&p, "set/real/b.png", 64, 64, 2);
    save_picture(&p, "set/fake/gan/c.png", 64, 64, 3);
    save_text(&p, "set/fake/gan/d.png", "no picture");
    o.isolate = 1;
    o.threads = 2;
    OK(rij_audit(in(&p, "set"), &o, &report));
    rij_audit_report_free(report);
    OK(rj_isolate_new(&cage));
    OK(rj_pool_new(2, &pool));
    OK(rj_dataset_open(in(&p, "set"), NULL, &d));
    d.cage = cage;
    OK(rj_cache_new(&d, 1 << 20, &cache));
    OK(rj_dataset_check(&d, cache, pool, NULL, NULL, NULL));
    ck_assert_int_eq(rj_dataset_count(&d, 0, false), 2);
    ck_assert_int_eq(rj_dataset_count(&d, 1, false), 1);
    OK(rj_parents_cut(in(&p, "set/real"), cage, 32, 4, 1, NULL, NULL, &parents));
    ck_assert_int_gt(parents.n, 0);
    rj_parents_free(&parents);
    rj_cache_free(cache);
    rj_dataset_free(&d);
    rj_pool_free(pool);
    rj_cage_free(cage);
    place_free(&p);
}
END_TEST

SUITE(isolate, a_picture_is_the_same_from_a_cage, refusals_are_worded_alike_in_a_cage,
      many_threads_share_a_cage, a_worker_that_dies_costs_one_answer,
      a_caller_under_limits_has_cages, a_worker_that_only_waits_is_stopped,
      memory_of_a_worker_is_limited, a_worker_reaches_nothing,
      the_process_that_waits_is_started_again, nothing_is_left_behind,
      a_model_judges_alike_from_a_cage, folders_are_read_in_a_cage)
