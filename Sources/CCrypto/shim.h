#ifndef SWIFT_PEFT_CCRYPTO_H
#define SWIFT_PEFT_CCRYPTO_H
#include <openssl/evp.h>
#endif
