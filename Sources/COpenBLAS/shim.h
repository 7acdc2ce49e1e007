#ifndef SWIFT_PEFT_COPENBLAS_H
#define SWIFT_PEFT_COPENBLAS_H
#include <cblas.h>
#include <stddef.h>

// LAPACK, which is in OpenBLAS too; Debian's headers of it are in another package. Matrices lie column by column. The
// length of a text argument comes last.

// Solves A X = B for a symmetric positive definite A; B becomes X.
void dposv_(const char *uplo, const blasint *n, const blasint *nrhs, double *a, const blasint *lda, double *b,
            const blasint *ldb, blasint *info);

// A = U diag(s) Vᵀ.
void dgesdd_(const char *jobz, const blasint *m, const blasint *n, double *a, const blasint *lda, double *s, double *u,
             const blasint *ldu, double *vt, const blasint *ldvt, double *work, const blasint *lwork, blasint *iwork,
             blasint *info, size_t jobz_length);

// A = Q R: the factors in a packed form, and Q of it.
void dgeqrf_(const blasint *m, const blasint *n, double *a, const blasint *lda, double *tau, double *work,
             const blasint *lwork, blasint *info);
void dorgqr_(const blasint *m, const blasint *n, const blasint *k, double *a, const blasint *lda, const double *tau,
             double *work, const blasint *lwork, blasint *info);
#endif
