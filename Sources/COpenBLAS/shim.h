#ifndef SWIFT_PEFT_COPENBLAS_H
#define SWIFT_PEFT_COPENBLAS_H
#include <cblas.h>
#endif
