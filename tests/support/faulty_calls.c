/* Preloaded into a test process: the n-th system call on a path below $FAULTY_FOLDER, or on a descriptor of one, fails with an
 * errno. The process arms it through faulty_arm; until then calls are only counted. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls, first = -1, last = -1;
static atomic_int number = EIO, after; /* after: the call is made, and its reply is lost */
static double from_s, until_s;         /* on the monotonic clock: every call in between fails */
static char only[32];                  /* the name of the only function that fails; empty: any */
static char said[1 << 18];             /* the counted calls, one a line: function:file */
static size_t said_end;
static __thread char where[64]; /* the last part of the path of the call */

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}


const char *faulty_names(void) { return said; }
void faulty_arm(long from, long to, int error, int reply_only, const char *function) {
    number = error;
    after = reply_only;
    calls = 0;
    said_end = 0;
    said[0] = 0;
    snprintf(only, sizeof only, "%s", function);
    first = from;
    last = to;
}
void faulty_burst(double delay_s, double length_s, int error) {
    number = error;
    from_s = now_s() + delay_s;
    until_s = from_s + length_s;
}

static int below(const char *path) {
    const char *folder = getenv("FAULTY_FOLDER");
    if (!folder || !path || strncmp(path, folder, strlen(folder))) return 0;
    const char *slash = strrchr(path, '/');
    snprintf(where, sizeof where, "%s", slash ? slash + 1 : path);
    return 1;
}
static int below_at(int dir, const char *path);
static int is_ours(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = fd < 0 ? -1 : readlinkat(AT_FDCWD, link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return below(path);
}
static int below_at(int dir, const char *path) { return path && path[0] == '/' ? below(path) : dir != AT_FDCWD && is_ours(dir); }

/* Whether this call fails. */
static int fails(int ours, const char *name) {
    if (!ours) return 0;
    if (only[0] && strcmp(only, name)) return 0;
    long mine = ++calls;
    if (said_end + strlen(name) + sizeof where + 2 < sizeof said) said_end += sprintf(said + said_end, "%s:%s\n", name, where);
    double at = until_s > 0 ? now_s() : 0;
    return (mine >= first && mine <= last) || (until_s > 0 && at >= from_s && at < until_s);
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define CALL(type, bad, ours, name, call)                                                                                      \
    do {                                                                                                                       \
        int is_bad = fails(ours, name);                                                                                        \
        if (is_bad && !after) { errno = number; return bad; }                                                                  \
        type got = call;                                                                                                       \
        if (is_bad) { errno = number; return bad; }                                                                            \
        return got;                                                                                                            \
    } while (0)
#define MODE(flags)                                                                                                            \
    mode_t mode = 0;                                                                                                           \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                                     \
        va_list list;                                                                                                          \
        va_start(list, flags);                                                                                                 \
        mode = va_arg(list, mode_t);                                                                                           \
        va_end(list);                                                                                                          \
    }
#define OPENING(name)                                                                                                          \
    int name(const char *path, int flags, ...) {                                                                               \
        MODE(flags)                                                                                                            \
        REAL(name);                                                                                                            \
        int reply = after;                                                                                                     \
        if (fails(below(path), "open")) {                                                                                      \
            if (reply) { int fd = real(path, flags, mode); if (fd >= 0) close(fd); }                                           \
            errno = number;                                                                                                    \
            return -1;                                                                                                         \
        }                                                                                                                      \
        return real(path, flags, mode);                                                                                        \
    }
OPENING(open)
OPENING(open64)
#define OPENING_AT(name)                                                                                                       \
    int name(int dir, const char *path, int flags, ...) {                                                                      \
        MODE(flags)                                                                                                            \
        REAL(name);                                                                                                            \
        if (fails(below_at(dir, path), "open")) { errno = number; return -1; }                                                 \
        return real(dir, path, flags, mode);                                                                                   \
    }
OPENING_AT(openat)
OPENING_AT(openat64)

ssize_t read(int fd, void *to, size_t n) { REAL(read); CALL(ssize_t, -1, is_ours(fd), "read", real(fd, to, n)); }
ssize_t pread(int fd, void *to, size_t n, off_t at) {
    REAL(pread);
    CALL(ssize_t, -1, is_ours(fd), "read", real(fd, to, n, at));
}
ssize_t pread64(int fd, void *to, size_t n, off64_t at) {
    REAL(pread64);
    CALL(ssize_t, -1, is_ours(fd), "read", real(fd, to, n, at));
}
ssize_t write(int fd, const void *from, size_t n) { /* its reply is never lost: an append has no second try */
    REAL(write);
    if (fails(is_ours(fd), "write")) { errno = number; return -1; }
    return real(fd, from, n);
}
ssize_t pwrite(int fd, const void *from, size_t n, off_t at) {
    REAL(pwrite);
    CALL(ssize_t, -1, is_ours(fd), "pwrite", real(fd, from, n, at));
}
ssize_t pwrite64(int fd, const void *from, size_t n, off64_t at) {
    REAL(pwrite64);
    CALL(ssize_t, -1, is_ours(fd), "pwrite", real(fd, from, n, at));
}
int fsync(int fd) { REAL(fsync); CALL(int, -1, is_ours(fd), "fsync", real(fd)); }
int close(int fd) {
    REAL(close);
    int is_bad = fails(is_ours(fd), "close"), got = real(fd); /* as Linux does: closed, whatever it returns */
    if (is_bad) { errno = number; return -1; }
    return got;
}
int truncate64(const char *p, off64_t n) { REAL(truncate64); CALL(int, -1, below(p), "truncate", real(p, n)); }
int access(const char *p, int mode) { REAL(access); CALL(int, -1, below(p), "access", real(p, mode)); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); CALL(int, -1, is_ours(fd), "truncate", real(fd, n)); }
int rename(const char *a, const char *b) { REAL(rename); CALL(int, -1, below(a) || below(b), "rename", real(a, b)); }
int link(const char *a, const char *b) { REAL(link); CALL(int, -1, below(b), "link", real(a, b)); }
int linkat(int d, const char *a, int e, const char *b, int flags) {
    REAL(linkat);
    CALL(int, -1, below_at(e, b), "link", real(d, a, e, b, flags));
}
int symlink(const char *a, const char *b) { REAL(symlink); CALL(int, -1, below(b), "symlink", real(a, b)); }
ssize_t readlink(const char *p, char *to, size_t n) { REAL(readlink); CALL(ssize_t, -1, below(p), "readlink", real(p, to, n)); }
int unlink(const char *p) { REAL(unlink); CALL(int, -1, below(p), "unlink", real(p)); }
int unlinkat(int d, const char *p, int flags) { REAL(unlinkat); CALL(int, -1, below_at(d, p), "unlink", real(d, p, flags)); }
int rmdir(const char *p) { REAL(rmdir); CALL(int, -1, below(p), "rmdir", real(p)); }
int mkdir(const char *p, mode_t mode) { REAL(mkdir); CALL(int, -1, below(p), "mkdir", real(p, mode)); }
int stat(const char *p, struct stat *to) { REAL(stat); CALL(int, -1, below(p), "stat", real(p, to)); }
int stat64(const char *p, struct stat64 *to) { REAL(stat64); CALL(int, -1, below(p), "stat", real(p, to)); }
int lstat64(const char *p, struct stat64 *to) { REAL(lstat64); CALL(int, -1, below(p), "stat", real(p, to)); }
int fstat64(int fd, struct stat64 *to) { REAL(fstat64); CALL(int, -1, is_ours(fd), "stat", real(fd, to)); }
int fstatat64(int d, const char *p, struct stat64 *to, int flags) {
    REAL(fstatat64);
    CALL(int, -1, below_at(d, p), "stat", real(d, p, to, flags));
}
DIR *opendir(const char *p) { REAL(opendir); CALL(DIR *, NULL, below(p), "opendir", real(p)); }
DIR *fdopendir(int fd) { REAL(fdopendir); CALL(DIR *, NULL, is_ours(fd), "opendir", real(fd)); }
struct dirent64 *readdir64(DIR *d) { REAL(readdir64); CALL(struct dirent64 *, NULL, is_ours(dirfd(d)), "readdir", real(d)); }
