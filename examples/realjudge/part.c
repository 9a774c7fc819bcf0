/* part.c: the records of one shard. They grow in FILE.partial, a line a record, behind a
 * header that says of which model, list and shard they are; when all are there it is
 * synced and renamed to FILE. So FILE is always whole, and whoever is killed goes on
 * where the last whole line ends: no record is lost, none is there twice. */
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *path)
{
    say("%s: %s", path, strerror(errno));
    return FATAL;
}

int shard_read(const char *text, size_t *shard, size_t *shards)
{
    unsigned long i = 0, n = 0;
    char rest;

    if (sscanf(text, "%lu/%lu%c", &i, &n, &rest) != 2 || text[0] < '0' || text[0] > '9' ||
        n < 1 || n > 1000000 || i >= n) {
        say("--shard: '%s' is not i/n, 0/16 to 15/16 for instance: the first shard is 0",
            text);
        return USAGE;
    }
    *shard = i;
    *shards = n;
    return DONE;
}

/* ---- headers ---------------------------------------------------------------------- */

/* A line as JSON object; NULL: it is none, or its end is missing. */
static json_t *object_of(const char *line, ssize_t n)
{
    json_t *object;

    if (n < 1 || line[n - 1] != '\n')
        return NULL;
    object = json_loadb(line, (size_t)n, 0, NULL);
    if (json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

json_t *part_header(const char *path, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    const ssize_t n = getline(&line, &room, file);
    json_t *header = object_of(line, n);

    if (!header || !json_is_integer(json_object_get(header, "realjudge_part"))) {
        say("%s: it is no part that realjudge wrote", path);
        json_decref(header);
        header = NULL;
    }
    free(line);
    return header;
}

/* Whether two headers say the same; if not, which line differs. */
static int same(const char *path, const json_t *there, const json_t *wanted)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)wanted, key, value)
    {
        const json_t *other = json_object_get(there, key);
        char *is, *should;

        if (json_equal(value, other))
            continue;
        is = other ? json_dumps(other, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
        should = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        say("%s belongs to another run: its %s is %s, not %s. Give another --out, or "
            "remove it",
            path, key, is ? is : "missing", should ? should : "?");
        free(is);
        free(should);
        return 0;
    }
    return 1;
}

/* ---- what is there ---------------------------------------------------------------- */

static int64_t whole(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* Count the whole records behind the header; *end is where they end. */
static void count(part *p, const json_t *header, FILE *file, off_t *end)
{
    const int64_t first = whole(header, "shard"), step = whole(header, "shards");
    const size_t most = (size_t)whole(header, "records");
    char *line = NULL;
    size_t room = 0;

    for (ssize_t n; p->done < most && (n = getline(&line, &room, file)) > 0;) {
        json_t *record = object_of(line, n);
        const char *status = json_string_value(json_object_get(record, "status"));
        const int next = status && json_is_integer(json_object_get(record, "index")) &&
                         whole(record, "index") == first + (int64_t)p->done * step;

        if (next) {
            p->failed += strcmp(status, "RIJ_OK") != 0;
            p->done++;
            *end = ftello(file);
        }
        json_decref(record);
        if (!next)
            break; // cut by a crash: from here on it is judged again
    }
    free(line);
}

/* The finished file: it must be ours. */
static int look_at_whole(part *p, const json_t *header)
{
    FILE *file = fopen(p->path, "re");
    off_t end = 0;
    json_t *there;
    int status = FATAL;

    if (!file)
        return fail(p->path);
    there = part_header(p->path, file);
    if (there && same(p->path, there, header)) {
        count(p, header, file, &end);
        p->complete = p->done == (size_t)whole(header, "records");
        status = DONE;
        if (!p->complete) {
            say("%s is damaged: %zu of %lld records. Remove it to judge them again",
                p->path, p->done, (long long)whole(header, "records"));
            status = FATAL;
        }
    }
    json_decref(there);
    fclose(file);
    return status;
}

/* Whether the file holds less than a header: nothing, or the beginning of one. Its place
 * is at the start again. */
static int was_cut(FILE *file)
{
    static const char ours[] = "{\"realjudge_part\":1,";
    size_t n = 0;
    int c, same = 1;

    while ((c = getc(file)) != EOF && c != '\n') {
        same &= n >= sizeof ours - 1 || c == ours[n];
        n++;
    }
    rewind(file);
    return c != '\n' && same;
}

/* Read what an earlier run left, if it is ours; *end is where its last record ends. */
static int read_rest(part *p, const json_t *header, FILE *file, off_t *end)
{
    json_t *there;
    int ours;

    if (was_cut(file)) // killed before its header was whole
        return DONE;
    there = part_header(p->beside, file);
    ours = there && same(p->beside, there, header);
    json_decref(there);
    if (!ours)
        return FATAL;
    *end = ftello(file);
    count(p, header, file, end);
    return DONE;
}

/* Cut what was not finished, and go on behind it. */
static int go_on(part *p, const json_t *header)
{
    FILE *file = fopen(p->beside, "re");
    off_t end = 0;
    int status;

    if (!file)
        return fail(p->beside);
    status = read_rest(p, header, file, &end);
    fclose(file);
    if (status == DONE &&
        (ftruncate(p->fd, end) != 0 || lseek(p->fd, end, SEEK_SET) != end))
        return fail(p->beside);
    return status;
}

/* ---- writing ---------------------------------------------------------------------- */

int part_write(part *p, const char *text)
{
    for (size_t n = strlen(text); n > 0;) {
        const ssize_t put = write(p->fd, text, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail(p->beside ? p->beside : p->path);
        text += put;
        n -= (size_t)put;
    }
    return DONE;
}

static int write_header(part *p, const json_t *header)
{
    char *line = json_line(need(json_deep_copy(header)));
    const int status = part_write(p, line);

    free(line);
    return status;
}

/* Alone with the file that still has this name? A process that has just finished it has
 * given it another. */
static int locked(const part *p)
{
    struct stat mine, there;

    return (flock(p->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) &&
           fstat(p->fd, &mine) == 0 && stat(p->beside, &there) == 0 &&
           mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

static int open_beside(part *p, const json_t *header)
{
    const size_t size = strlen(p->path) + sizeof ".partial";
    int status;

    p->beside = need(malloc(size));
    snprintf(p->beside, size, "%s.partial", p->path);
    p->fd = open(p->beside, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (p->fd < 0)
        return fail(p->beside);
    if (!locked(p)) {
        say("%s: another process is writing it", p->beside);
        return FATAL;
    }
    status = go_on(p, header);
    if (status == DONE && lseek(p->fd, 0, SEEK_CUR) == 0)
        status = write_header(p, header);
    return status;
}

int part_open(part *p, const char *path, const json_t *header)
{
    struct stat s;

    *p = (part){.path = path, .fd = -1};
    if (stat(path, &s) != 0)
        return open_beside(p, header);
    if (S_ISREG(s.st_mode))
        return look_at_whole(p, header);
    if (S_ISDIR(s.st_mode)) {
        errno = EISDIR;
        return fail(path);
    }
    p->fd = open(path, O_WRONLY | O_CLOEXEC); // a device or a pipe: nothing beside it
    return p->fd < 0 ? fail(path) : write_header(p, header);
}

/* The name lasts when the folder is synced; not every file system can. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = need(slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("."));
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(folder);
}

int part_finish(part *p)
{
    if (!p->beside)
        return DONE;
    if (fsync(p->fd) != 0 || rename(p->beside, p->path) != 0)
        return fail(p->path);
    sync_folder(p->path);
    return DONE;
}

void part_close(part *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    free(p->beside);
    p->beside = NULL;
}
