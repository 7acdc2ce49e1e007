#define _GNU_SOURCE
#include <sched.h>

#include "common.h"

#define CHAINS 20

// Long chains of dependent multiply-adds, enough in parallel to fill the pipelines.
#define PEAK(lanes) \
  typedef float vector __attribute__((ext_vector_type(lanes))); \
  vector sums[CHAINS], factor = (vector)(0.999f), term = (vector)(1e-3f); \
  for (int i = 0; i < CHAINS; i++) sums[i] = (vector)((float)i); \
  for (long round = 0; round < rounds; round++) \
    for (int i = 0; i < CHAINS; i++) sums[i] = sums[i] * factor + term; \
  vector total = sums[0]; \
  for (int i = 1; i < CHAINS; i++) total += sums[i]; \
  *sink = total[0]; \
  return 2.0 * lanes * CHAINS * (double)rounds;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static double peak_avx512(long rounds, float *sink) { PEAK(16) }
__attribute__((target("avx2,fma"))) static double peak_avx2(long rounds, float *sink) { PEAK(8) }
#endif
static double peak_portable(long rounds, float *sink) { PEAK(4) }

static int level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return 2;
  if (__builtin_cpu_supports("x86-64-v3")) return 1;
#endif
  return 0;
}

double ck_peak_fma(long rounds, float *sink) {
#if defined(__x86_64__)
  if (level() == 2) return peak_avx512(rounds, sink);
  if (level() == 1) return peak_avx2(rounds, sink);
#endif
  return peak_portable(rounds, sink);
}

const char *ck_instruction_set(void) {
  static const char *const names[] = {"portable", "avx2", "avx512"};
  return names[level()];
}

int ck_allowed_processors(void *bits, long bytes) {
#if defined(__linux__)
  return sched_getaffinity(0, bytes, bits) == 0;
#else
  return 0;
#endif
}
