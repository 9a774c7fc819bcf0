/* file.c: whole files in and out, and folders. Writing goes beside, syncs, renames. */
#include "base/base.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, DEEPEST = 32, PIECE_BYTES = 64 << 10 };

/* Read n bytes or fail; `bytes` holds n + 1, so a file that has grown is noticed. */
static rij_status read_all(int fd, const char *path, unsigned char *bytes, size_t n)
{
    size_t have = 0;

    while (have <= n) {
        const ssize_t got = read(fd, bytes + have, n + 1 - have);
        if (got < 0 && errno == EINTR)
            continue;
        RJ_REQUIRE(got >= 0, RIJ_E_FILE, "%s: %s", path, strerror(errno));
        if (got == 0)
            break;
        have += (size_t)got;
    }
    RJ_REQUIRE(have == n, RIJ_E_FILE, "%s: changed while it was read", path);
    bytes[n] = 0;
    return RIJ_OK;
}

rij_status rj_file_read(const char *path, size_t limit, unsigned char **bytes, size_t *n)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    unsigned char *memory = NULL;
    rij_status status = RIJ_OK;
    struct stat s;

    RJ_REQUIRE(fd >= 0, RIJ_E_FILE, "%s: %s", path, strerror(errno));
    if (fstat(fd, &s) != 0)
        status = rj_fail(RIJ_E_FILE, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(s.st_mode))
        status = rj_fail(RIJ_E_FILE, "%s: not a regular file", path);
    else if ((uintmax_t)s.st_size > limit)
        status = rj_fail(RIJ_E_FILE, "%s: %jd bytes are more than the limit of %zu", path,
                         (intmax_t)s.st_size, limit);
    else if (!(memory = rj_alloc((size_t)s.st_size + 1, 1)))
        status = rj_fail(RIJ_E_MEMORY, "%s: no memory for %jd bytes", path,
                         (intmax_t)s.st_size);
    else
        status = read_all(fd, path, memory, (size_t)s.st_size);
    close(fd);
    if (status != RIJ_OK) {
        rj_free(memory);
        return status;
    }
    *bytes = memory;
    *n = (size_t)s.st_size;
    return RIJ_OK;
}

/* A piece at a time, so that a piece may be what a full disk refuses. */
static ssize_t write_piece(int fd, const unsigned char *bytes, size_t n)
{
    if (rj_fault_due(RJ_FAULT_WRITE)) {
        errno = ENOSPC;
        return -1;
    }
    return write(fd, bytes, RJ_MIN(n, (size_t)PIECE_BYTES));
}

static int sync_file(int fd)
{
    if (rj_fault_due(RJ_FAULT_SYNC)) {
        errno = EIO;
        return -1;
    }
    return fsync(fd);
}

static int rename_file(const char *from, const char *to)
{
    if (rj_fault_due(RJ_FAULT_RENAME)) {
        errno = EIO;
        return -1;
    }
    return rename(from, to);
}

static rij_status write_all(int fd, const char *path, const unsigned char *bytes,
                            size_t n)
{
    while (n > 0) {
        const ssize_t put = write_piece(fd, bytes, n);
        if (put < 0 && errno == EINTR)
            continue;
        RJ_REQUIRE(put >= 0, RIJ_E_FILE, "%s: %s", path, strerror(errno));
        bytes += put;
        n -= (size_t)put;
    }
    RJ_REQUIRE(sync_file(fd) == 0, RIJ_E_FILE, "%s: %s", path, strerror(errno));
    return RIJ_OK;
}

/* Make the rename itself last: sync the folder. Not every file system can; then the
 * name may be lost in a power cut, never the contents. */
static void sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_BYTES] = ".";
    int fd;

    if (slash)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path) + 1, path);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

/* A new file of this name, instead of one that a killed process left there. The system
 * applies the umask, which a library must not touch. */
static int open_anew(const char *path)
{
    (void)unlink(path);
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

/* A new file beside `path`, whose name goes into `beside`; -1 with errno. */
static int open_beside(const char *path, char beside[PATH_BYTES])
{
    int fd = -1;

    for (uint64_t i = 0; i < 100 && fd < 0; i++) {
        const double now_s = rj_now_s();
        const uint64_t salt = (uint64_t)(uintptr_t)beside ^ (uint64_t)getpid() << 32 ^ i;
        const uint64_t h = rj_hash(&now_s, sizeof now_s, salt);

        snprintf(beside, PATH_BYTES, "%s.%06x", path, (unsigned)(h & 0xffffff));
        fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    return fd;
}

/* The whole file beside `path`, under a name of chance or PATH.new; nothing is left of it
 * on failure. */
static rij_status write_beside(const rj_file_text *f, bool chance,
                               char beside[PATH_BYTES])
{
    rij_status status;
    struct stat s;
    int fd;

    RJ_REQUIRE(strlen(f->path) + 8 < PATH_BYTES, RIJ_E_FILE,
               "%.100s..: the name is too long", f->path);
    RJ_REQUIRE(stat(f->path, &s) != 0 || !S_ISDIR(s.st_mode), RIJ_E_FILE, "%s: %s",
               f->path, strerror(EISDIR));
    snprintf(beside, PATH_BYTES, "%s.new", f->path);
    fd = chance ? open_beside(f->path, beside) : open_anew(beside);
    RJ_REQUIRE(fd >= 0, RIJ_E_FILE, "%s: %s", f->path, strerror(errno));
    status = write_all(fd, f->path, f->bytes, f->n);
    if (close(fd) != 0 && status == RIJ_OK)
        status = rj_fail(RIJ_E_FILE, "%s: %s", f->path, strerror(errno));
    if (status != RIJ_OK)
        unlink(beside);
    return status;
}

rij_status rj_files_write(int n, const rj_file_text *files)
{
    char beside[RJ_FILES_MAX][PATH_BYTES];
    rij_status status = RIJ_OK;
    int written = 0, renamed = 0;

    while (written < n && status == RIJ_OK) {
        status = write_beside(&files[written], true, beside[written]);
        written += status == RIJ_OK;
    }
    while (renamed < n && status == RIJ_OK) {
        if (rename_file(beside[renamed], files[renamed].path) != 0)
            status = rj_fail(RIJ_E_FILE, "%s: %s", files[renamed].path, strerror(errno));
        renamed += status == RIJ_OK;
    }
    for (int i = renamed; i < written; i++)
        unlink(beside[i]);
    if (status == RIJ_OK)
        sync_folder_of(files[0].path);
    return status;
}

rij_status rj_file_write(const char *path, const void *bytes, size_t n)
{
    const rj_file_text file = {path, bytes, n};

    return rj_files_write(1, &file);
}

/* Between the renames nothing is called `path`, and what was is called `older`. */
rij_status rj_file_turn(const char *path, const char *older, const void *bytes, size_t n)
{
    const rj_file_text file = {path, bytes, n};
    char beside[PATH_BYTES];
    bool kept = false;
    rij_status status;

    RJ_TRY(write_beside(&file, false, beside));
    status = RIJ_OK;
    if (older) {
        kept = rename_file(path, older) == 0;
        if (!kept && errno != ENOENT)
            status = rj_fail(RIJ_E_FILE, "%s: %s", older, strerror(errno));
    }
    if (status == RIJ_OK && rename_file(beside, path) != 0)
        status = rj_fail(RIJ_E_FILE, "%s: %s", path, strerror(errno));
    if (status != RIJ_OK) {
        unlink(beside);
        if (kept)
            (void)rename(older, path);
        return status;
    }
    sync_folder_of(path);
    return RIJ_OK;
}

rij_status rj_file_probe(const char *path)
{
    const rj_file_text nothing = {path, "", 0};
    char beside[PATH_BYTES];

    RJ_TRY(write_beside(&nothing, false, beside));
    unlink(beside);
    return RIJ_OK;
}

bool rj_file_is_there(const char *path)
{
    struct stat s;

    return lstat(path, &s) == 0 || errno != ENOENT;
}

rij_status rj_file_remove(const char *path)
{
    RJ_REQUIRE(unlink(path) == 0 || errno == ENOENT, RIJ_E_FILE, "%s: %s", path,
               strerror(errno));
    return RIJ_OK;
}

rij_status rj_folder_make(const char *path)
{
    char part[PATH_BYTES];
    struct stat s;

    RJ_REQUIRE(path[0], RIJ_E_FILE, "a folder's name is empty");
    RJ_REQUIRE(strlen(path) < sizeof part, RIJ_E_FILE, "%.100s..: the name is too long",
               path);
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1; *p; p++)
        if (*p == '/') {
            *p = 0;
            (void)mkdir(part, 0777); // the last one tells whether it worked
            *p = '/';
        }
    if (mkdir(part, 0777) == 0 || (stat(part, &s) == 0 && S_ISDIR(s.st_mode)))
        return RIJ_OK;
    return rj_fail(RIJ_E_FILE, "%s: %s", path, strerror(errno));
}

rij_status rj_path_join(const char *dir, const char *name, char *out, size_t size)
{
    const size_t n = strlen(dir);
    const char *slash = n > 0 && dir[n - 1] != '/' ? "/" : "";
    const int length = name[0] == '/' || n == 0
                           ? snprintf(out, size, "%s", name)
                           : snprintf(out, size, "%s%s%s", dir, slash, name);

    RJ_REQUIRE(length >= 0 && (size_t)length < size, RIJ_E_FILE,
               "%.100s/..: the name is too long", dir);
    return RIJ_OK;
}

static rij_status list_add(rj_list *list, const char *path)
{
    char *copy;

    RJ_TRY(rj_grow((void **)&list->path, &list->room, list->n + 1, sizeof *list->path));
    copy = rj_strdup(path);
    RJ_REQUIRE(copy, RIJ_E_MEMORY, "no memory for the name %s", path);
    list->path[list->n++] = copy;
    return RIJ_OK;
}

static rij_status list_below(const char *dir, int depth, rj_list *list)
{
    DIR *open_dir = opendir(dir);
    rij_status status = RIJ_OK;
    char path[PATH_BYTES];

    RJ_REQUIRE(open_dir, RIJ_E_FILE, "%s: %s", dir, strerror(errno));
    for (const struct dirent *e = readdir(open_dir); e && status == RIJ_OK;
         e = readdir(open_dir)) {
        struct stat s;
        if (e->d_name[0] == '.')
            continue;
        status = rj_path_join(dir, e->d_name, path, sizeof path);
        if (status != RIJ_OK || stat(path, &s) != 0)
            continue; // a link to nothing is no file
        if (S_ISREG(s.st_mode))
            status = list_add(list, path);
        else if (S_ISDIR(s.st_mode) && depth < DEEPEST)
            status = list_below(path, depth + 1, list);
        else if (S_ISDIR(s.st_mode))
            status = rj_fail(RIJ_E_FILE, "%s: more than %d folders deep", path, DEEPEST);
    }
    closedir(open_dir);
    return status;
}

rij_status rj_folder_unused(const char *path)
{
    DIR *open_dir = opendir(path);
    bool empty = true;

    if (!open_dir && errno == ENOENT)
        return RIJ_OK;
    RJ_REQUIRE(open_dir, RIJ_E_FILE, "%s: %s", path, strerror(errno));
    for (const struct dirent *e = readdir(open_dir); e && empty; e = readdir(open_dir))
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    closedir(open_dir);
    RJ_REQUIRE(empty, RIJ_E_FILE, "%s is not empty; name a new folder", path);
    return RIJ_OK;
}

/* The real path of what is there of a path: of itself, or of a folder above it. */
static rij_status real_part(const char *path, char *out)
{
    char part[PATH_MAX];
    const int n = snprintf(part, sizeof part, "%s%s", path[0] == '/' ? "" : "./", path);

    RJ_REQUIRE(n > 0 && n < PATH_MAX, RIJ_E_FILE, "%.100s..: the name is too long", path);
    while (!realpath(part, out)) {
        char *slash = strrchr(part, '/');

        RJ_REQUIRE(errno == ENOENT && slash, RIJ_E_FILE, "%s: %s", path, strerror(errno));
        slash[slash == part] = 0;
    }
    return RIJ_OK;
}

rij_status rj_path_within(const char *path, const char *folder, bool *within)
{
    char from[PATH_MAX], to[PATH_MAX];
    size_t n;

    RJ_REQUIRE(realpath(folder, from), RIJ_E_FILE, "%s: %s", folder, strerror(errno));
    RJ_TRY(real_part(path, to));
    n = strlen(from);
    *within = strncmp(from, to, n) == 0 && (to[n] == '/' || to[n] == 0);
    return RIJ_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

rij_status rj_folder_list(const char *dir, rj_list *list)
{
    rj_list found = {0};
    const rij_status status = list_below(dir, 0, &found);

    if (status != RIJ_OK) {
        rj_list_free(&found);
        return status;
    }
    if (found.n > 0)
        qsort(found.path, (size_t)found.n, sizeof *found.path, by_bytes);
    *list = found;
    return RIJ_OK;
}

void rj_list_free(rj_list *list)
{
    for (int i = 0; i < list->n; i++)
        rj_free(list->path[i]);
    rj_free(list->path);
    *list = (rj_list){0};
}

double rj_now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
