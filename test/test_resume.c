/* test_resume.c: a training that is stopped and resumed ends in the same file, to the
 * last byte; what does not fit together is refused in words. */
#include "resume_place.h"
#include <signal.h>

/* Stops at a message of a phase, and remembers notes. */
typedef struct listener {
    const char *phase; /* NULL: both stages */
    int until;         /* messages of it until it stops; 0: never */
    int messages;
    char notes[600];
} listener;

static int listen(const rij_progress *p, void *user)
{
    listener *l = user;
    const size_t used = strlen(l->notes);
    const bool counts =
        l->phase ? strcmp(p->phase, l->phase) == 0 : strncmp(p->phase, "stage", 5) == 0;

    if (p->note)
        snprintf(l->notes + used, sizeof l->notes - used, "%s\n", p->note);
    return counts && ++l->messages == l->until;
}

static rij_status train(const world *w, rij_train_options o, listener *l)
{
    o.progress = listen;
    o.user = l;
    return train_and_save(w->p.data, &o, w->p.model);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Stopped behind every few steps, each time resumed on another number of threads. */
static void stop_in_stages(const world *w, int every)
{
    rij_train_options o = resumed(w, 1);
    rij_status status = RIJ_E_CANCELLED;
    int resumptions = 0;

    o.checkpoint_seconds = -1; // only where it is stopped
    for (int i = 0; status == RIJ_E_CANCELLED; i++) {
        listener l = {.until = every};

        o.threads = 1 + i % 4;
        status = train(w, o, &l);
        ck_assert_msg(status == RIJ_OK || strstr(rij_last_error(), w->checkpoint), "%s",
                      rij_last_error());
        resumptions += strstr(l.notes, "resumed behind step") != NULL;
    }
    OK(status);
    ck_assert_int_ge(resumptions, 2);
    same_as_wanted(w);
}

/* Stopped in what comes behind the stages. */
static void stop_behind(const world *w, const char *phase)
{
    listener l = {.phase = phase, .until = 1};

    FAILS(train(w, resumed(w, 2), &l), RIJ_E_CANCELLED);
    finish(w, 3);
}

static void check_stops(const rij_train_options *options, int every)
{
    world w = world_new(options);

    stop_in_stages(&w, every);
    stop_behind(&w, "examine");
    stop_behind(&w, "calibrate");
    if (options->decide)
        stop_behind(&w, "distance");
    if (options->exemplars)
        stop_behind(&w, "exemplars");
    if (options->traces > 0) { // behind stage 1, so from the start
        OK(rij_checkpoint_remove(w.checkpoint));
        stop_behind(&w, "traces");
    }
    OK(rij_checkpoint_remove(w.checkpoint));
    ck_assert(!is_there(w.checkpoint) && !is_there(w.older));
    world_free(&w);
}

START_TEST(stopped_at_any_step_and_resumed_it_ends_in_the_same_file)
{
    rij_train_options o = both_stages("statistics", 5, 7);

    check_stops(&o, 2);
    o.optimiser = "sgd"; // whose memory stage 2 has from stage 1
    o.average = -1;      // so the best by validation
    o.decide = "joint";
    o.exemplars = 2;
    check_stops(&o, 3);
}
END_TEST

START_TEST(other_encoders_and_precisions_resume_too)
{
    rij_train_options o = both_stages("small", 4, 4);

    o.precision = trust() ? "fp32" : "bf16";
    check_stops(&o, 2);
    o.precision = "bf16";
    o.steps1 = -1; // no stage 1, no F_0, no traces
    o.steps2 = 6;
    o.traces = -1;
    o.encoder = "resnet18"; // which takes a minute
    if (trust())
        check_stops(&o, 1);
    o.encoder = "statistics";
    o.precision = "fp32";
    o.one_class = 1;
    check_stops(&o, 1);
}
END_TEST

/* Two generations of a training that was stopped in stage 2. */
static world two_generations(void)
{
    const rij_train_options o = both_stages("statistics", 3, 6);
    world w = world_new(&o);
    listener l = {.phase = "stage 2", .until = 4};

    FAILS(train(&w, resumed(&w, 2), &l), RIJ_E_CANCELLED);
    ck_assert(is_there(w.checkpoint) && is_there(w.older));
    return w;
}

/* A byte of a file becomes another, or the file is cut there. */
static void damage(const char *path, size_t at, bool cut)
{
    unsigned char *bytes;
    size_t n;
    FILE *f = NULL;

    OK(rj_file_read(path, 64 << 20, &bytes, &n));
    ck_assert_uint_lt(at, n);
    bytes[at] ^= 1;
    f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    n = cut ? at : n;
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
    rj_free(bytes);
}

START_TEST(a_damaged_newest_generation_is_no_loss)
{
    static const size_t places[] = {0, 40, 5000, 70000};

    for (int i = 0; i < RJ_COUNT(places); i++) {
        world w = two_generations();
        listener l = {.phase = "stage 2", .until = 1};

        damage(w.checkpoint, places[i], i % 2);
        FAILS(train(&w, resumed(&w, 1), &l), RIJ_E_CANCELLED);
        ck_assert_msg(strstr(l.notes, "the older checkpoint is taken"), "%s", l.notes);
        finish(&w, 1);
        world_free(&w);
    }
}
END_TEST

/* As after a death between two renames. */
START_TEST(a_missing_newest_generation_is_no_loss)
{
    world w = two_generations();
    listener l = {.until = 0};

    ck_assert_int_eq(remove(w.checkpoint), 0);
    OK(train(&w, resumed(&w, 1), &l));
    ck_assert_msg(strstr(l.notes, "the older checkpoint is taken"), "%s", l.notes);
    same_as_wanted(&w);
    world_free(&w);
}
END_TEST

/* The older generation stands until a whole one is there again. */
START_TEST(a_damaged_generation_never_takes_the_place_of_a_whole_one)
{
    world w = two_generations();
    unsigned char *before, *behind;
    rij_train_options o = resumed(&w, 1);
    listener l = {.phase = "examine", .until = 1};
    size_t n, m;

    o.checkpoint_seconds = -1; // one only, at the end
    damage(w.checkpoint, 5000, false);
    OK(rj_file_read(w.older, 64 << 20, &before, &n));
    FAILS(train(&w, o, &l), RIJ_E_CANCELLED);
    OK(rj_file_read(w.older, 64 << 20, &behind, &m));
    ck_assert(n == m && memcmp(before, behind, n) == 0);
    rj_free(before);
    rj_free(behind);
    finish(&w, 1);
    world_free(&w);
}
END_TEST

START_TEST(without_a_whole_generation_nothing_is_trained)
{
    world w = two_generations();
    listener l = {.until = 0};

    damage(w.checkpoint, 5000, false);
    damage(w.older, 5000, true);
    FAILS(train(&w, resumed(&w, 1), &l), RIJ_E_MODEL);
    ck_assert(strstr(rij_last_error(), "no generation is whole"));
    ck_assert_int_eq(remove(w.older), 0);
    FAILS(train(&w, resumed(&w, 1), &l), RIJ_E_MODEL);
    ck_assert(strstr(rij_last_error(), "no older one"));
    OK(rij_checkpoint_remove(w.checkpoint));
    OK(train(&w, resumed(&w, 1), &l));
    ck_assert_msg(strstr(l.notes, "starts anew"), "%s", l.notes);
    same_as_wanted(&w);
    world_free(&w);
}
END_TEST

/* A call that is refused leaves both generations as they are. */
static void refused(const world *w, rij_train_options o, rij_status wanted,
                    const char *words)
{
    unsigned char *before[2], *behind;
    const char *const path[] = {w->checkpoint, w->older};
    size_t n[2], m;
    listener l = {.until = 0};

    for (int i = 0; i < 2; i++)
        OK(rj_file_read(path[i], 64 << 20, &before[i], &n[i]));
    FAILS(train(w, o, &l), wanted);
    ck_assert_msg(strstr(rij_last_error(), words), "%s", rij_last_error());
    for (int i = 0; i < 2; i++) {
        OK(rj_file_read(path[i], 64 << 20, &behind, &m));
        ck_assert(n[i] == m && memcmp(before[i], behind, m) == 0);
        rj_free(before[i]);
        rj_free(behind);
    }
}

START_TEST(other_options_and_data_are_refused_in_words)
{
    world w = two_generations();
    rij_train_options o = resumed(&w, 1);
    char moved[200];

    o.steps2 = 7;
    refused(&w, o, RIJ_E_ARGUMENT, "steps2 was 6, now 7");
    o = resumed(&w, 1);
    o.allow = "mean colour";
    refused(&w, o, RIJ_E_ARGUMENT, "allow was");
    o = resumed(&w, 1);
    o.resume = 0;
    refused(&w, o, RIJ_E_FILE, "resume it, or remove it");
    o = resumed(&w, 1);
    o.cache_bytes = -1; // no bit of the model
    snprintf(moved, sizeof moved, "%s/away.png", w.p.root);
    ck_assert_int_eq(rename(under(&w.p, "data/real/03.png"), moved), 0);
    refused(&w, o, RIJ_E_DATA, "15 now");
    write_picture(under(&w.p, "data/real/03.png"), 51, 40, 77, 0);
    refused(&w, o, RIJ_E_DATA, "16 usable images then, 16 now, or others");
    ck_assert_int_eq(rename(moved, under(&w.p, "data/real/03.png")), 0);
    OK(train_and_save(w.p.data, &o, w.p.model));
    same_as_wanted(&w);
    world_free(&w);
}
END_TEST

/* The plain kernels are everywhere, others not; where there are no others this is not
 * run. */
START_TEST(a_checkpoint_of_other_instructions_is_refused_in_words)
{
    char isa[32], words[80];
    world w;

    snprintf(isa, sizeof isa, "%s", rj_isa_name(rj_cpu_isa()));
    if (strcmp(isa, "plain") == 0)
        return;
    w = two_generations();
    snprintf(words, sizeof words, "of instruction set %s, now plain", isa);
    ck_assert_int_eq(setenv("RIJ_ISA", "plain", 1), 0);
    refused(&w, resumed(&w, 1), RIJ_E_ARGUMENT, words);
    ck_assert_int_eq(setenv("RIJ_ISA", isa, 1), 0);
    finish(&w, 1);
    world_free(&w);
}
END_TEST

/* ---- two at once --------------------------------------------------------------------
 */

/* Says so when it comes to a phase, and goes no further until it is killed. */
typedef struct waiter {
    const char *phase;
    int step, out;
} waiter;

static int wait_there(const rij_progress *p, void *user)
{
    const waiter *w = user;

    if (strcmp(p->phase, w->phase) != 0 || p->step < w->step)
        return 0;
    if (write(w->out, "", 1) == 1)
        pause();
    return 1;
}

/* A training in a process of its own, which has come to this step and waits there. */
static pid_t begin_and_wait(const world *w, const char *phase, int step)
{
    rij_train_options o = resumed(w, 1);
    waiter there = {.phase = phase, .step = step};
    int pair[2];
    char byte;
    pid_t child;

    ck_assert_int_eq(pipe(pair), 0);
    there.out = pair[1];
    o.progress = wait_there;
    o.user = &there;
    child = begin(w, &o, NULL, NULL);
    close(pair[1]);
    ck_assert_int_eq(read(pair[0], &byte, 1), 1);
    close(pair[0]);
    return child;
}

/* Neither start touches what the other one may be writing right now. */
static void kept_off(const world *w, int resume)
{
    rij_train_options o = resumed(w, 1);
    char new[210];
    unsigned char *bytes;
    size_t n;

    snprintf(new, sizeof new, "%s.new", w->checkpoint);
    write_text(new, "half of a checkpoint");
    o.resume = resume;
    FAILS(train_and_save(w->p.data, &o, w->p.model), RIJ_E_FILE);
    ck_assert_msg(strstr(rij_last_error(), "another training"), "%s", rij_last_error());
    FAILS(rij_checkpoint_remove(w->checkpoint), RIJ_E_FILE);
    ck_assert_msg(strstr(rij_last_error(), "another training"), "%s", rij_last_error());
    OK(rj_file_read(new, 100, &bytes, &n));
    ck_assert_str_eq((char *)bytes, "half of a checkpoint");
    rj_free(bytes);
}

START_TEST(a_second_training_is_kept_off_until_the_first_ends_or_is_killed)
{
    static const waiter places[] = {
        {"audit", 0, 0}, {"stage 1", 2, 0}, {"stage 2", 3, 0}};
    const rij_train_options options = both_stages("statistics", 3, 6);
    world w = world_new(&options);
    char lock[210];

    snprintf(lock, sizeof lock, "%s.lock", w.checkpoint);
    for (int i = 0; i < RJ_COUNT(places); i++) {
        const pid_t first = begin_and_wait(&w, places[i].phase, places[i].step);

        kept_off(&w, 0);
        kept_off(&w, 1);
        ck_assert_int_eq(kill(first, SIGKILL), 0);
        ck_assert_int_eq(end_of(first), -SIGKILL);
        ck_assert(is_there(lock));
        if (i == 1) { // its lock went with it, its file goes with the checkpoint
            OK(rij_checkpoint_remove(w.checkpoint));
            ck_assert(!is_there(lock) && !is_there(w.checkpoint));
        }
        finish(&w, 2);
        ck_assert(!is_there(lock));
        OK(rij_checkpoint_remove(w.checkpoint));
    }
    world_free(&w);
}
END_TEST

/* A process that the first one forked has the lock's file open for longer than it. */
START_TEST(a_lock_ends_with_its_training_not_with_its_children)
{
    const place p = place_new(8, 4);
    rj_lock *lock = NULL, *second = NULL;
    char path[256];
    pid_t child;

    snprintf(path, sizeof path, "%s/lock", p.root);
    OK(rj_lock_new(path, "nobody", &lock));
    FAILS(rj_lock_new(path, "the first", &second), RIJ_E_FILE); // in one process too
    ck_assert(strstr(rij_last_error(), "the first holds the lock"));
    child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    rj_lock_free(lock);
    ck_assert(!is_there(path));
    OK(rj_lock_new(path, "the child", &lock));
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(end_of(child), -SIGKILL);
    write_text(path, "somebody's");
    rj_lock_free(lock);
    ck_assert(is_there(path)); // it holds something
    place_free(&p);
}
END_TEST

/* One that is refused leaves what another program calls NAME.new. */
START_TEST(a_start_that_is_refused_touches_nothing)
{
    world w = two_generations();
    rij_train_options o = resumed(&w, 1);
    char new[210], lock[210];

    snprintf(new, sizeof new, "%s.new", w.checkpoint);
    snprintf(lock, sizeof lock, "%s.lock", w.checkpoint);
    write_text(new, "somebody's");
    o.resume = 0;
    refused(&w, o, RIJ_E_FILE, "resume it, or remove it");
    ck_assert(is_there(new) && !is_there(lock));
    world_free(&w);
}
END_TEST

START_TEST(a_checkpoint_needs_a_name_and_a_place)
{
    const place p = place_new(8, 4);
    rij_train_options o = both_stages("statistics", 2, 2);
    rij_model *m = NULL;

    o.resume = 1;
    FAILS(rij_train(p.data, &o, &m), RIJ_E_ARGUMENT);
    o.checkpoint = under(&p, "no/such/folder");
    FAILS(rij_train(p.data, &o, &m), RIJ_E_FILE);
    o.checkpoint = p.root;
    FAILS(rij_train(p.data, &o, &m), RIJ_E_FILE);
    ck_assert_ptr_null(m);
    FAILS(rij_checkpoint_remove(NULL), RIJ_E_ARGUMENT);
    FAILS(rij_checkpoint_remove(p.root), RIJ_E_FILE);
    OK(rij_checkpoint_remove(under(&p, "nothing")));
    place_free(&p);
}
END_TEST

/* A model is no checkpoint. */
START_TEST(another_file_is_not_taken_for_a_checkpoint)
{
    const place p = place_new(8, 4);
    rij_train_options o = both_stages("statistics", 2, 2);
    rij_model *m = NULL;

    OK(train_and_save(p.data, &o, p.model));
    o.checkpoint = p.model;
    o.resume = 1;
    FAILS(rij_train(p.data, &o, &m), RIJ_E_MODEL);
    ck_assert(strstr(rij_last_error(), "no checkpoint, but 'realjudge'"));
    place_free(&p);
}
END_TEST

SUITE(resume, stopped_at_any_step_and_resumed_it_ends_in_the_same_file,
      other_encoders_and_precisions_resume_too, a_damaged_newest_generation_is_no_loss,
      a_missing_newest_generation_is_no_loss,
      a_damaged_generation_never_takes_the_place_of_a_whole_one,
      without_a_whole_generation_nothing_is_trained,
      other_options_and_data_are_refused_in_words,
      a_checkpoint_of_other_instructions_is_refused_in_words,
      a_second_training_is_kept_off_until_the_first_ends_or_is_killed,
      a_lock_ends_with_its_training_not_with_its_children,
      a_start_that_is_refused_touches_nothing, a_checkpoint_needs_a_name_and_a_place,
      another_file_is_not_taken_for_a_checkpoint)
