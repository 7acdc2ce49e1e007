#ifndef SWIFT_PEFT_COPENBLAS_H
#define SWIFT_PEFT_COPENBLAS_H
#include <cblas.h>
#include <stddef.h>

// LAPACK, which OpenBLAS holds too. Debian has its headers in other packages; these are the Fortran symbols.
// Matrices are column-major. The length of a text argument comes last.
void dgesdd_(
    const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u, const int *ldu,
    double *vt, const int *ldvt, double *work, const int *lwork, int *iwork, int *info, size_t jobz_length);
void dgeqrf_(
    const int *m, const int *n, double *a, const int *lda, double *tau, double *work, const int *lwork, int *info);
void dorgqr_(
    const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau, double *work,
    const int *lwork, int *info);
#endif
