// A network file system, for NetworkFileSystemTests.swift: loaded before a program (LD_PRELOAD), it makes every file
// system say that it is of the kind $FILE_SYSTEM_TYPE.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/vfs.h>

int statfs(const char *path, struct statfs *facts) {
  int (*next)(const char *, struct statfs *) = dlsym(RTLD_NEXT, "statfs");
  int result = next(path, facts);
  const char *type = getenv("FILE_SYSTEM_TYPE");
  if (result == 0 && type) facts->f_type = strtol(type, NULL, 0);
  return result;
}
