/* lock.c: one user of a name at a time. A file beside it is locked by flock(), which the
 * system takes back from a process that dies, so nobody is locked out by what a killed
 * one has left.
 *
 * The file goes with the lock. Between opening and locking it another process may have
 * done that, and a lock on a file without a name keeps nobody off: then it is opened
 * again. A file that holds something is somebody's, and stays. */
#include "base/base.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct rj_lock {
    char *path;
    int fd;
};

static rij_status open_plain(const char *path, int *fd)
{
    struct stat s;

    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    RJ_REQUIRE(*fd >= 0, RIJ_E_FILE, "%s: %s", path, strerror(errno));
    if (fstat(*fd, &s) == 0 && S_ISREG(s.st_mode))
        return RIJ_OK;
    close(*fd);
    return rj_fail(RIJ_E_FILE, "%s: not a regular file", path);
}

/* Whether `path` still names the open file. */
static bool named(int fd, const char *path)
{
    struct stat open_file, file;

    return fstat(fd, &open_file) == 0 && lstat(path, &file) == 0 &&
           open_file.st_dev == file.st_dev && open_file.st_ino == file.st_ino;
}

/* A file system without locks keeps nobody off, and stops nobody. */
static rij_status lock(const char *path, const char *who, int *fd)
{
    do {
        RJ_TRY(open_plain(path, fd));
        if (flock(*fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            close(*fd);
            return rj_fail(RIJ_E_FILE, "%s: %s holds the lock", path, who);
        }
        if (named(*fd, path))
            return RIJ_OK;
        close(*fd);
    } while (true);
}

rij_status rj_lock_new(const char *path, const char *who, rj_lock **out)
{
    rj_lock *l = rj_alloc(1, sizeof *l);
    rij_status status = RIJ_E_MEMORY;

    if (l)
        l->path = rj_strdup(path);
    if (l && l->path)
        status = lock(path, who, &l->fd);
    else
        status = rj_fail(RIJ_E_MEMORY, "%s: no memory for a lock", path);
    if (status == RIJ_OK) {
        *out = l;
        return RIJ_OK;
    }
    if (l)
        rj_free(l->path);
    rj_free(l);
    return status;
}

/* Unlocked by name, not by closing alone: a process that was forked meanwhile may have
 * the file open still. */
void rj_lock_free(rj_lock *l)
{
    struct stat s;

    if (!l)
        return;
    if (fstat(l->fd, &s) == 0 && s.st_size == 0 && named(l->fd, l->path))
        (void)unlink(l->path);
    (void)flock(l->fd, LOCK_UN);
    close(l->fd);
    rj_free(l->path);
    rj_free(l);
}
