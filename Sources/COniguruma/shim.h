#ifndef SWIFT_PEFT_CONIGURUMA_H
#define SWIFT_PEFT_CONIGURUMA_H
#include <oniguruma.h>
#include <stddef.h>

/* What Swift cannot import: a macro's pointer to a global, and a function with variable arguments. */

/** Compiles a pattern in UTF-8 with the options and the syntax of the Rust crate `onig`. Returns NULL for a wrong one, and
    writes Oniguruma's sentence, of at most ONIG_MAX_ERROR_MESSAGE_LEN bytes, to `message`. */
static inline OnigRegex swift_peft_onig_compile(const OnigUChar *pattern, size_t length, OnigUChar *message) {
  OnigRegex compiled = NULL;
  OnigErrorInfo info;
  int code = onig_new(&compiled, pattern, pattern + length, ONIG_OPTION_NONE, ONIG_ENCODING_UTF8,
                      ONIG_SYNTAX_ONIGURUMA, &info);
  if (code == ONIG_NORMAL) return compiled;
  message[onig_error_code_to_str(message, code, &info)] = 0;
  return NULL;
}

/** Prepares Oniguruma; to be called once, before the first compilation. It compiles by recursion: by default as deep as
    4,096 levels of a pattern, about 2,000 groups in one another, which overflows a thread's stack of 512 KB. */
static inline int swift_peft_onig_prepare(void) {
  OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
  int code = onig_initialize(encodings, 1);
  return code == ONIG_NORMAL ? onig_set_parse_depth_limit(512) : code;
}
#endif
