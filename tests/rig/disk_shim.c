/* A disk that fails where it is told to, for the files of one folder.
 *
 * Loaded before the C library. Every write, sync, truncation, rename and removal under
 * the folder is counted; at the chosen one the process is killed, or the call fails.
 * For a power cut, what was written and not yet synced is taken back first: all of it,
 * or the parts that the seed picks, as a disk may that reorders what it was not asked
 * to order. Single-threaded use only: one thread at a time works on the folder.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum mode { COUNT, KILL, TORN, POWER, NO_SPACE, IO_ERROR, SYNC_ERROR };
enum call { WRITING, SYNCING, CUTTING, NAMING };

struct undo {
    struct undo *older;
    char path[PATH_MAX];
    ino_t inode;
    off_t at;
    off_t size_before;
    size_t length;
    char *before;
};

static char folder[PATH_MAX];
static long counted, chosen;
static enum mode mode;
static unsigned seed;
static struct undo *pending;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);

__attribute__((constructor)) static void find_real(void)
{
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
}

void rig_arm(const char *where, long at, int how, unsigned by)
{
    snprintf(folder, sizeof folder, "%s", where);
    counted = 0;
    chosen = at;
    mode = how;
    seed = by;
}

long rig_counted(void) { return counted; }

static int ours(int fd, char *path)
{
    char link[64];
    ssize_t length;
    if (!folder[0])
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

static void remember(int fd, const char *path, off_t at, size_t length)
{
    struct stat now;
    struct undo *one;
    if (mode != POWER || fstat(fd, &now))
        return;
    one = calloc(1, sizeof *one);
    snprintf(one->path, sizeof one->path, "%s", path);
    one->inode = now.st_ino;
    one->at = at;
    one->size_before = now.st_size;
    one->length = length;
    one->before = calloc(1, length ? length : 1);
    if (pread(fd, one->before, length, at) < 0)
        one->before[0] = 0;
    one->older = pending;
    pending = one;
}

static void settled(int fd)
{
    struct stat now;
    struct undo **place = &pending;
    if (mode != POWER || fstat(fd, &now))
        return;
    while (*place) {
        struct undo *one = *place;
        if (one->inode == now.st_ino) {
            *place = one->older;
            free(one->before);
            free(one);
        } else {
            place = &one->older;
        }
    }
}

static void lose_power(void)
{
    int some = seed % 3 != 0; /* every third cut loses all that was not synced */
    for (struct undo *one = pending; one; one = one->older) {
        struct stat now;
        int fd = open(one->path, O_RDWR);
        if (fd < 0)
            continue;
        seed = seed * 1103515245u + 12345u;
        if (!fstat(fd, &now) && now.st_ino == one->inode && !(some && (seed >> 16) & 1)) {
            /* Beyond the old end the bytes before are zeros, as a disk leaves them. */
            if (one->length && real_pwrite(fd, one->before, one->length, one->at) < 0)
                _exit(3);
            if (now.st_size > one->size_before && !some)
                if (real_ftruncate(fd, one->size_before))
                    _exit(3);
        }
        close(fd);
    }
}

/* 0: go on; otherwise the errno to fail with. Does not return where it kills. */
static int at_call(enum call what)
{
    counted++;
    if (!chosen || counted < chosen)
        return 0;
    switch (mode) {
    case COUNT:
        return 0;
    case NO_SPACE:
        return what == WRITING ? ENOSPC : 0;
    case IO_ERROR:
        return EIO;
    case SYNC_ERROR:
        return what == SYNCING ? EIO : 0;
    case TORN:
        if (what == WRITING)
            return -1; /* the caller writes half of it first */
        break;
    case POWER:
        lose_power();
        break;
    case KILL:
        break;
    }
    kill(getpid(), SIGKILL);
    pause();
    return 0;
}

ssize_t pwrite64(int fd, const void *from, size_t length, off_t at)
{
    char path[PATH_MAX];
    if (ours(fd, path)) {
        int wrong = at_call(WRITING);
        if (wrong < 0) {
            if (real_pwrite(fd, from, length / 2, at) >= 0)
                kill(getpid(), SIGKILL);
            pause();
        }
        if (wrong) {
            errno = wrong;
            return -1;
        }
        remember(fd, path, at, length);
    }
    return real_pwrite(fd, from, length, at);
}

ssize_t pwrite(int fd, const void *from, size_t length, off_t at)
{
    return pwrite64(fd, from, length, at);
}

ssize_t write(int fd, const void *from, size_t length)
{
    char path[PATH_MAX];
    if (ours(fd, path)) {
        int wrong = at_call(WRITING);
        if (wrong < 0) {
            if (real_write(fd, from, length / 2) >= 0)
                kill(getpid(), SIGKILL);
            pause();
        }
        if (wrong) {
            errno = wrong;
            return -1;
        }
        remember(fd, path, lseek(fd, 0, SEEK_CUR), length);
    }
    return real_write(fd, from, length);
}

static int synced(int fd, int (*real)(int))
{
    char path[PATH_MAX];
    int wrong, done;
    if (!ours(fd, path))
        return real(fd);
    wrong = at_call(SYNCING);
    if (wrong > 0) {
        errno = wrong;
        return -1;
    }
    done = real(fd);
    if (!done)
        settled(fd);
    return done;
}

int fsync(int fd) { return synced(fd, real_fsync); }
int fdatasync(int fd) { return synced(fd, real_fdatasync); }

int ftruncate64(int fd, off_t length)
{
    char path[PATH_MAX];
    if (ours(fd, path)) {
        struct stat now;
        int wrong = at_call(CUTTING);
        if (wrong > 0) {
            errno = wrong;
            return -1;
        }
        if (!fstat(fd, &now) && now.st_size > length)
            remember(fd, path, length, (size_t)(now.st_size - length));
    }
    return real_ftruncate(fd, length);
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int named(const char *path)
{
    if (!folder[0] || strncmp(path, folder, strlen(folder)))
        return 0;
    return at_call(NAMING);
}

int rename(const char *from, const char *to)
{
    int wrong = named(to);
    if (wrong > 0) {
        errno = wrong;
        return -1;
    }
    return real_rename(from, to);
}

int unlink(const char *path)
{
    int wrong = named(path);
    if (wrong > 0) {
        errno = wrong;
        return -1;
    }
    return real_unlink(path);
}
