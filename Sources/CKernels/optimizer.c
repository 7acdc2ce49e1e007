#include "common.h"

DISPATCHED void ck_adamw_step(float *value, const float *gradient, float *first, float *second, struct ck_adamw step,
                              long count) {
  for (long i = 0; i < count; i++) {
    float g = gradient[i] * step.gradient_scale;
    float m = first[i] + step.gain1 * (g - first[i]);
    float v = step.beta2 * second[i] + step.gain2 * g * g;
    first[i] = m;
    second[i] = v;
    // sqrtf would set errno, which keeps the loop scalar.
    float deviation = __builtin_elementwise_sqrt(v) / step.root_correction2 + step.epsilon;
    value[i] = value[i] * step.keep - step.step_size * m / deviation;
  }
}
