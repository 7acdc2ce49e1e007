// A disk that fails, for DiskFaultTests.swift: loaded before a program (LD_PRELOAD), it counts the calls that change
// files and lets the one of number DISK_AT go wrong as DISK_FAULT says.
//
//   kill   the process is killed before the call
//   power  likewise, and all that was not synced is undone first: data without fsync, names whose directory has none;
//          with a negative number when the program has ended by itself
//   full   from then on nothing can be written or made: ENOSPC
//   error  this one call fails: EIO
//
// DISK_COUNT names a file that takes the number of calls at the program's end, DISK_GRAVE an empty directory on the same
// file system, for what `power` may have to bring back.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum fault { NONE, KILL, POWER, FULL, ERROR };
enum kind { MADE, RENAMED, EXCHANGED, GONE_FILE, GONE_DIRECTORY, DATA };

// What takes one change back.
struct undo {
  struct undo *before;
  enum kind kind;
  // Of the directory of the name, or of the file of the data.
  dev_t device;
  ino_t inode;
  char *path, *other, *kept;
  // The directory of the name, which may have another one by then; the file of the data.
  int descriptor;
  off_t offset, size;
  size_t count;
  char *bytes;
};

static enum fault fault;
static long at, calls;
static const char *grave;
static long buried;
static struct undo *log_;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
  const char *name = getenv("DISK_FAULT"), *number = getenv("DISK_AT");
  const char *names[] = {"", "kill", "power", "full", "error"};
  for (int i = 1; name && i < 5; i++)
    if (strcmp(name, names[i]) == 0) fault = (enum fault)i;
  at = number ? atol(number) : 0;
  grave = getenv("DISK_GRAVE");
}

static char *in_grave(void) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%d-%ld", grave, getpid(), buried++);
  return strdup(path);
}

static int directory_of(const char *path) {
  char copy[PATH_MAX];
  snprintf(copy, sizeof copy, "%s", path);
  return REAL(open)(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static const char *name_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static struct undo *note(enum kind kind, const struct stat *owner) {
  struct undo *undo = calloc(1, sizeof *undo);
  undo->before = log_;
  undo->kind = kind;
  undo->device = owner->st_dev;
  undo->inode = owner->st_ino;
  return log_ = undo;
}

static void note_name(enum kind kind, const char *path, const char *other, char *kept) {
  struct stat status;
  if (fault != POWER) return;
  // What is renamed stays in its directory.
  int directory = directory_of(path);
  if (fstat(directory, &status) != 0) return;
  struct undo *undo = note(kind, &status);
  undo->descriptor = directory;
  undo->path = strdup(path);
  undo->other = other ? strdup(other) : NULL;
  undo->kept = kept;
}

// A second name for the file that is about to lose one.
static char *keep(const char *path) {
  struct stat status;
  if (fault != POWER || lstat(path, &status) != 0 || !S_ISREG(status.st_mode)) return NULL;
  char *kept = in_grave();
  return link(path, kept) == 0 ? kept : NULL;
}

// A descriptor of its own for each file, never closed: to close one would drop SQLite's locks.
static int own_descriptor(int descriptor, const struct stat *status) {
  for (struct undo *undo = log_; undo; undo = undo->before)
    if (undo->kind == DATA && undo->inode == status->st_ino && undo->device == status->st_dev) return undo->descriptor;
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  return REAL(open)(path, O_RDWR | O_CLOEXEC);
}

static void note_data(int descriptor, off_t offset, size_t count) {
  struct stat status;
  if (fault != POWER || fstat(descriptor, &status) != 0) return;
  int own = own_descriptor(descriptor, &status);
  struct undo *undo = note(DATA, &status);
  undo->descriptor = own;
  undo->offset = offset;
  undo->size = status.st_size;
  undo->bytes = malloc(count ? count : 1);
  ssize_t got = pread(own, undo->bytes, count, offset);
  undo->count = got > 0 ? (size_t)got : 0;
}

static void note_synced(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return;
  for (struct undo *undo = log_; undo; undo = undo->before)
    if (undo->inode == status.st_ino && undo->device == status.st_dev) undo->inode = 0;
}

static void take_back(struct undo *undo) {
  if (undo->inode == 0) return;
  int in = undo->descriptor;
  const char *name = undo->path ? name_of(undo->path) : "", *other = undo->other ? name_of(undo->other) : "";
  // A directory that was removed, and made again above, is another one.
  struct stat status;
  if (undo->kind != DATA && (fstat(in, &status) != 0 || status.st_nlink == 0)) in = directory_of(undo->path);
  switch (undo->kind) {
    case MADE: renameat(in, name, AT_FDCWD, in_grave()); break;
    case RENAMED:
      renameat(in, other, in, name);
      if (undo->kept) renameat(AT_FDCWD, undo->kept, in, other);
      break;
    case EXCHANGED: REAL(renameat2)(in, name, in, other, RENAME_EXCHANGE); break;
    case GONE_FILE:
      if (undo->kept) renameat(AT_FDCWD, undo->kept, in, name);
      break;
    case GONE_DIRECTORY: mkdirat(in, name, 0777); break;
    case DATA:
      if (REAL(pwrite)(undo->descriptor, undo->bytes, undo->count, undo->offset) >= 0)
        (void)!REAL(ftruncate)(undo->descriptor, undo->size);
      break;
  }
}

static void lose_power(void) {
  for (struct undo *undo = log_; undo; undo = undo->before) take_back(undo);
}

__attribute__((destructor)) static void end(void) {
  if (at < 0) lose_power();
  const char *path = getenv("DISK_COUNT");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  fprintf(file, "%ld\n", calls);
  fclose(file);
}

// Counts a call and says whether it must fail, with `errno` set. Ends the process where that is its fault.
static bool fails(bool takes_space) {
  long number = ++calls;
  if (at <= 0 || number < at) return false;
  if (fault == FULL && takes_space) return errno = ENOSPC, true;
  if (number > at) return false;
  if (fault == ERROR) return errno = EIO, true;
  if (fault == POWER) lose_power();
  if (fault == KILL || fault == POWER) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
  return false;
}

static bool is_file(int descriptor) {
  struct stat status;
  return fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

#define LOCKED(type, failure, takes_space, before, call, after)  \
  pthread_mutex_lock(&mutex);                                     \
  type result = failure;                                          \
  if (!fails(takes_space)) {                                      \
    before;                                                       \
    result = call;                                                \
    int code = errno;                                             \
    if (result != failure) { after; }                             \
    errno = code;                                                 \
  }                                                               \
  pthread_mutex_unlock(&mutex);                                   \
  return result

ssize_t write(int descriptor, const void *bytes, size_t count) {
  // What a person reads may go to a file too.
  if (descriptor <= STDERR_FILENO || !is_file(descriptor)) return REAL(write)(descriptor, bytes, count);
  off_t offset = lseek(descriptor, 0, fcntl(descriptor, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
  LOCKED(ssize_t, -1, true, note_data(descriptor, offset, count), REAL(write)(descriptor, bytes, count), );
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  LOCKED(ssize_t, -1, true, note_data(descriptor, offset, count), REAL(pwrite)(descriptor, bytes, count, offset), );
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
  LOCKED(ssize_t, -1, true, note_data(descriptor, offset, count), REAL(pwrite64)(descriptor, bytes, count, offset), );
}

static void note_size(int descriptor, off_t size) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return;
  note_data(descriptor, size, status.st_size > size ? (size_t)(status.st_size - size) : 0);
}

int ftruncate(int descriptor, off_t size) {
  LOCKED(int, -1, true, note_size(descriptor, size), REAL(ftruncate)(descriptor, size), );
}

int ftruncate64(int descriptor, off64_t size) {
  LOCKED(int, -1, true, note_size(descriptor, size), REAL(ftruncate64)(descriptor, size), );
}

int fsync(int descriptor) { LOCKED(int, -1, true, , REAL(fsync)(descriptor), note_synced(descriptor)); }

int fdatasync(int descriptor) { LOCKED(int, -1, true, , REAL(fdatasync)(descriptor), note_synced(descriptor)); }

int rename(const char *old, const char *new) {
  LOCKED(int, -1, false, char *kept = keep(new), REAL(rename)(old, new), note_name(RENAMED, old, new, kept));
}

// As the program calls it: to let two names change places, from the working directory.
int renameat2(int a, const char *old, int b, const char *new, unsigned flags) {
  LOCKED(int, -1, false, , REAL(renameat2)(a, old, b, new, flags), note_name(EXCHANGED, old, new, NULL));
}

int unlink(const char *path) {
  LOCKED(int, -1, false, char *kept = keep(path), REAL(unlink)(path), note_name(GONE_FILE, path, NULL, kept));
}

int rmdir(const char *path) {
  LOCKED(int, -1, false, , REAL(rmdir)(path), note_name(GONE_DIRECTORY, path, NULL, NULL));
}

int mkdir(const char *path, mode_t mode) {
  LOCKED(int, -1, true, , REAL(mkdir)(path, mode), note_name(MADE, path, NULL, NULL));
}

static int make(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
  struct stat status;
  if (lstat(path, &status) == 0) return real(path, flags, mode);
  LOCKED(int, -1, true, , real(path, flags, mode), note_name(MADE, path, NULL, NULL));
}

#define OPEN(name)                                                          \
  int name(const char *path, int flags, ...) {                              \
    if (!(flags & O_CREAT)) return REAL(name)(path, flags);                 \
    va_list list;                                                           \
    va_start(list, flags);                                                  \
    mode_t mode = va_arg(list, mode_t);                                     \
    va_end(list);                                                           \
    return make(REAL(name), path, flags, mode);                             \
  }
OPEN(open)
OPEN(open64)
