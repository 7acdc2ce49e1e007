#ifndef SWIFT_PEFT_CCRYPTO_H
#define SWIFT_PEFT_CCRYPTO_H
// OpenSSL 3 prefers EVP to the functions of one hash; they stay part of it.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#endif
