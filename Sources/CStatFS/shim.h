// Swift's Glibc module lacks this header.
#include <sys/statfs.h>
