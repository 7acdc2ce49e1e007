#include "common.h"

// Philox4x32 with ten rounds: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#define WIDTH 16

INLINE void philox_blocks(uint32_t *x0, uint32_t *x1, uint32_t *x2, uint32_t *x3, uint64_t key) {
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < WIDTH; i++) {
      uint64_t p0 = (uint64_t)0xD2511F53u * x0[i], p1 = (uint64_t)0xCD9E8D57u * x2[i];
      uint32_t y0 = (uint32_t)(p1 >> 32) ^ x1[i] ^ k0, y2 = (uint32_t)(p0 >> 32) ^ x3[i] ^ k1;
      x1[i] = (uint32_t)p1;
      x3[i] = (uint32_t)p0;
      x0[i] = y0;
      x2[i] = y2;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

INLINE void start(uint32_t x[4][WIDTH], uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3) {
  for (int i = 0; i < WIDTH; i++) {
    x[0][i] = first + (uint32_t)i;
    x[1][i] = c1;
    x[2][i] = c2;
    x[3][i] = c3;
  }
}

DISPATCHED void ck_philox(uint32_t *out, long blocks, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3,
                          uint64_t key) {
  uint32_t x[4][WIDTH];
  for (long block = 0; block < blocks; block += WIDTH) {
    start(x, first + (uint32_t)block, c1, c2, c3);
    philox_blocks(x[0], x[1], x[2], x[3], key);
    long here = blocks - block < WIDTH ? blocks - block : WIDTH;
    for (long i = 0; i < here; i++)
      for (int word = 0; word < 4; word++) out[4 * (block + i) + word] = x[word][i];
  }
}

// A group of 16 blocks gives 128 numbers: number n is half (n / 16) % 2 of word n / 32 of block n % 16. So the
// multipliers of a row depend only on its counters, and the loops below vectorise.
DISPATCHED void ck_dropout_multipliers(float *out, long count, uint32_t threshold, float kept, uint32_t first,
                                       uint32_t c1, uint32_t c2, uint32_t c3, uint64_t key) {
  uint32_t x[4][WIDTH];
  for (long group = 0; group < count; group += 8 * WIDTH) {
    start(x, first + (uint32_t)(group / 8), c1, c2, c3);
    philox_blocks(x[0], x[1], x[2], x[3], key);
    float row[8 * WIDTH];
    for (int word = 0; word < 4; word++)
      for (int i = 0; i < WIDTH; i++) {
        row[32 * word + i] = (x[word][i] & 0xFFFFu) < threshold ? 0.0f : kept;
        row[32 * word + WIDTH + i] = (x[word][i] >> 16) < threshold ? 0.0f : kept;
      }
    long here = count - group < 8 * WIDTH ? count - group : 8 * WIDTH;
    for (long i = 0; i < here; i++) out[group + i] = row[i];
  }
}
