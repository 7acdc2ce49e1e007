#ifndef SWIFT_PEFT_CONEDNN_H
#define SWIFT_PEFT_CONEDNN_H
#include <oneapi/dnnl/dnnl.h>
#endif
