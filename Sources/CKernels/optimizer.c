#include <math.h>

#include "common.h"

DISPATCHED void ck_adamw_step(float *value, const float *gradient, float *first, float *second, struct ck_adamw step,
                              long count) {
  float keep = 1.0f - step.rate * step.decay, step_size = step.rate / step.correction1;
  for (long i = 0; i < count; i++) {
    float g = gradient[i] * step.gradient_scale;
    float m = first[i] + (1.0f - step.beta1) * (g - first[i]);
    float v = step.beta2 * second[i] + (1.0f - step.beta2) * g * g;
    first[i] = m;
    second[i] = v;
    value[i] = value[i] * keep - step_size * m / (sqrtf(v) / step.root_correction2 + step.epsilon);
  }
}
