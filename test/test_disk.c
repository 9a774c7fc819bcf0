/* test_disk.c: disks that are full or read-only, files that may not grow, folders that
 * nobody may write to, images that vanish: an error in words, and the last checkpoint
 * stands. Where the system lets nobody mount a disk of his own, that is said. */
#include "resume_place.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

enum { NOT_PERMITTED = 77 };

static world small_world(void)
{
    const rij_train_options o = both_stages("statistics", 4, 6);

    return world_new(&o);
}

static bool put_line(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY);
    const bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return done;
}

/* A disk of this process's own, below the world's folder; the checkpoint lies on it. */
static bool mounted(world *w, const char *size)
{
    const unsigned uid = getuid(), gid = getgid();
    char map[64];

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    put_line("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    put_line("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", gid);
    put_line("/proc/self/gid_map", map);
    ck_assert_int_eq(mkdir(under(&w->p, "disk"), 0777), 0);
    if (mount("tmpfs", under(&w->p, "disk"), "tmpfs", 0, size) != 0)
        return false;
    snprintf(w->checkpoint, sizeof w->checkpoint, "%s/disk/state", w->p.root);
    snprintf(w->older, sizeof w->older, "%s/disk/state.1", w->p.root);
    return true;
}

static void remount(const world *w, unsigned long flags, const char *size)
{
    ck_assert_int_eq(mount(NULL, under(&w->p, "disk"), NULL, MS_REMOUNT | flags, size),
                     0);
}

/* Trains until the disk is full. */
static void fill(const world *w, const char *words)
{
    const rij_train_options o = resumed(w, 2);

    FAILS(train_and_save(w->p.data, &o, w->p.model), RIJ_E_FILE);
    ck_assert_msg(strstr(rij_last_error(), words), "%s", rij_last_error());
    ck_assert_int_eq(access(w->checkpoint, F_OK), 0);
}

/* In a process of its own: two generations of stage 1 and one more fit, none of stage 2
 * beside those. */
static int on_a_full_disk(world *w)
{
    if (!mounted(w, "size=1800k"))
        return NOT_PERMITTED;
    fill(w, "No space left on device");
    remount(w, 0, "size=32m");
    finish(w, 1);
    return 0;
}

static int on_a_disk_that_becomes_read_only(world *w)
{
    const rij_train_options o = resumed(w, 2);

    if (!mounted(w, "size=1800k"))
        return NOT_PERMITTED;
    fill(w, "No space left on device");
    remount(w, MS_RDONLY, "size=32m");
    FAILS(train_and_save(w->p.data, &o, w->p.model), RIJ_E_FILE);
    ck_assert_msg(strstr(rij_last_error(), "Read-only file system"), "%s",
                  rij_last_error());
    remount(w, 0, "size=32m");
    finish(w, 1);
    return 0;
}

/* Files of this process may not grow beyond what a checkpoint of stage 1 takes. */
static int with_short_files(world *w)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 700000;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    fill(w, "File too large");
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    finish(w, 1);
    return 0;
}

/* As root, who may write anywhere, as nobody. */
static int in_a_folder_of_others(world *w)
{
    const rij_train_options o = resumed(w, 2);

    ck_assert_int_eq(chmod(w->p.root, 0555), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    FAILS(train_and_save(w->p.data, &o, w->p.model), RIJ_E_FILE);
    ck_assert_msg(strstr(rij_last_error(), "Permission denied"), "%s", rij_last_error());
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(w->p.root, 0755), 0);
    finish(w, 1);
    return 0;
}

static void in_a_process(int (*act)(world *), const char *what)
{
    world w = small_world();
    const pid_t child = fork();
    int end;

    if (child == 0)
        _exit(act(&w));
    end = end_of(child);
    if (end == NOT_PERMITTED)
        printf("disk: not run, this user may not mount: %s\n", what);
    else
        ck_assert_int_eq(end, 0);
    world_free(&w);
}

START_TEST(a_full_disk_is_an_error_and_the_last_checkpoint_stands)
{
    in_a_process(on_a_full_disk, "a full disk");
}
END_TEST

START_TEST(so_is_a_disk_that_becomes_read_only)
{
    in_a_process(on_a_disk_that_becomes_read_only, "a read-only disk");
}
END_TEST

START_TEST(so_is_a_file_that_may_not_grow)
{
    in_a_process(with_short_files, "");
}
END_TEST

START_TEST(so_is_a_folder_that_may_not_be_written_to)
{
    in_a_process(in_a_folder_of_others, "");
}
END_TEST

/* ---- images -------------------------------------------------------------------------
 */

static int take_images_away(const rij_progress *p, void *user)
{
    const world *w = user;

    if (strcmp(p->phase, "stage 2") == 0 && p->step == 2)
        (void)rename(under(&w->p, "data/real"), under(&w->p, "away"));
    return 0;
}

START_TEST(images_that_vanish_are_an_error_and_the_last_checkpoint_stands)
{
    world w = small_world();
    rij_train_options o = resumed(&w, 2);

    o.cache_bytes = -1; // each image is opened again for each batch
    o.progress = take_images_away;
    o.user = &w;
    FAILS(train_and_save(w.p.data, &o, w.p.model), RIJ_E_FILE);
    ck_assert_msg(strstr(rij_last_error(), "data/real"), "%s", rij_last_error());
    o.progress = NULL;
    FAILS(train_and_save(w.p.data, &o, w.p.model), RIJ_E_DATA); // still away
    ck_assert_int_eq(rename(under(&w.p, "away"), under(&w.p, "data/real")), 0);
    finish(&w, 1);
    world_free(&w);
}
END_TEST

SUITE(disk, a_full_disk_is_an_error_and_the_last_checkpoint_stands,
      so_is_a_disk_that_becomes_read_only, so_is_a_file_that_may_not_grow,
      so_is_a_folder_that_may_not_be_written_to,
      images_that_vanish_are_an_error_and_the_last_checkpoint_stands)
