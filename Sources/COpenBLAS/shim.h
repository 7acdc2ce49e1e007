#ifndef SWIFT_PEFT_COPENBLAS_H
#define SWIFT_PEFT_COPENBLAS_H
#include <cblas.h>

// LAPACK, which is in OpenBLAS too; Debian's headers of it are in another package. Matrices lie column by column.

// Solves A X = B for a symmetric positive definite A; B becomes X.
void dposv_(const char *uplo, const blasint *n, const blasint *nrhs, double *a, const blasint *lda, double *b,
            const blasint *ldb, blasint *info);
#endif
