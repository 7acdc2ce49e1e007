#include "ckernels.h"
int swift_peft_placeholder(void) { return 0; }
