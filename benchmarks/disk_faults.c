/* Loaded in front of the C library: fails the n-th change of a file below a folder. For benchmarks/disk_faults.py.

   cc -shared -fPIC -O1 -o disk_faults.so disk_faults.c -ldl

   Counted: opening to write (with EMFILE and EIO: any opening), write, pwrite, fsync, fdatasync, rename, unlink, mkdir, rmdir, symlink,
   ftruncate. SQLite, Python and Rust call these by the same names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static char folder[PATH_MAX];
static size_t length;
static long count, at, torn_at;
static int number, lasting;
static char first[64];

/* at: the operation that fails, from 1; 0 for none. lasting: all later ones fail, too. torn: a write does half of its work first. */
void faults_arm(const char *path, long operation, int error, int stays, int torn) {
    snprintf(folder, sizeof folder, "%s", path);
    length = strlen(folder);
    count = 0;
    at = operation;
    number = error;
    lasting = stays;
    torn_at = torn ? operation : 0;
    first[0] = 0;
}

long faults_count(void) { return count; }
const char *faults_first(void) { return first; }

static int below(const char *path) {
    char full[PATH_MAX];
    if (!length || !path) return 0;
    if (path[0] != '/') {
        if (!getcwd(full, sizeof full / 2)) return 0;
        strncat(full, "/", 2);
        strncat(full, path, sizeof full / 2 - 2);
        path = full;
    }
    return !strncmp(path, folder, length);
}

static int below_fd(int fd) {
    char link[64], path[PATH_MAX];
    if (!length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return below(path);
}

static int fails(const char *name) {
    long now = __sync_add_and_fetch(&count, 1);
    if (!at || now < at || (now > at && !lasting)) return 0;
    if (!first[0]) snprintf(first, sizeof first, "%s", name);
    errno = number;
    return 1;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FULL (number == ENOSPC) /* a full disk removes, renames and cuts */

static int opens(const char *path, int flags) {
    int writes = (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0;
    int any = number == EMFILE || number == EIO;
    if (!(writes || any) || !below(path)) return 0;
    if (FULL && !(flags & O_CREAT)) return 0;
    return fails("open");
}

#define OPEN(name)                                                                                                             \
    int name(const char *path, int flags, ...) {                                                                               \
        va_list list;                                                                                                          \
        va_start(list, flags);                                                                                                 \
        mode_t mode = va_arg(list, mode_t);                                                                                    \
        va_end(list);                                                                                                          \
        if (opens(path, flags)) return -1;                                                                                     \
        REAL(name);                                                                                                            \
        return real(path, flags, mode);                                                                                        \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                           \
    int name(int at_fd, const char *path, int flags, ...) {                                                                    \
        va_list list;                                                                                                          \
        va_start(list, flags);                                                                                                 \
        mode_t mode = va_arg(list, mode_t);                                                                                    \
        va_end(list);                                                                                                          \
        if (path[0] == '/' && opens(path, flags)) return -1;                                                                   \
        REAL(name);                                                                                                            \
        return real(at_fd, path, flags, mode);                                                                                 \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (number != EMFILE && below_fd(fd) && fails("write")) return count == torn_at && size > 1 ? real(fd, data, size / 2) : -1;
    return real(fd, data, size);
}

#define PWRITE(name, offset_t)                                                                                                 \
    ssize_t name(int fd, const void *data, size_t size, offset_t place) {                                                      \
        REAL(name);                                                                                                            \
        if (number != EMFILE && below_fd(fd) && fails("pwrite"))                                                               \
            return count == torn_at && size > 1 ? real(fd, data, size / 2, place) : -1;                                        \
        return real(fd, data, size, place);                                                                                    \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define ON_FD(name, ...)                                                                                                       \
    int name(int fd) {                                                                                                         \
        if (number != EMFILE && below_fd(fd) && fails(#name)) return -1;                                                       \
        REAL(name);                                                                                                            \
        return real(fd);                                                                                                       \
    }
ON_FD(fsync)
ON_FD(fdatasync)

#define CUT(name, offset_t)                                                                                                    \
    int name(int fd, offset_t size) {                                                                                          \
        if (number != EMFILE && !FULL && below_fd(fd) && fails("ftruncate")) return -1;                                        \
        REAL(name);                                                                                                            \
        return real(fd, size);                                                                                                 \
    }
CUT(ftruncate, off_t)
CUT(ftruncate64, off64_t)

int rename(const char *from, const char *to) {
    if (number != EMFILE && below(to) && fails("rename")) return -1;
    REAL(rename);
    return real(from, to);
}

int unlink(const char *path) {
    if (number != EMFILE && !FULL && below(path) && fails("unlink")) return -1;
    REAL(unlink);
    return real(path);
}

int rmdir(const char *path) {
    if (number != EMFILE && !FULL && below(path) && fails("rmdir")) return -1;
    REAL(rmdir);
    return real(path);
}

int mkdir(const char *path, mode_t mode) {
    if (number != EMFILE && below(path) && fails("mkdir")) return -1;
    REAL(mkdir);
    return real(path, mode);
}

int symlink(const char *target, const char *path) {
    if (number != EMFILE && below(path) && fails("symlink")) return -1;
    REAL(symlink);
    return real(target, path);
}
