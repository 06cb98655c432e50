//! How large the long proofs are.

/// A tenth of the full size, unless `RAUTA_SOAK` is set: `make soak` sets it.
#[expect(
    clippy::disallowed_methods,
    reason = "the one switch of the tests' size"
)]
pub fn scaled(full: usize) -> usize {
    match std::env::var_os("RAUTA_SOAK") {
        Some(_) => full,
        None => full.div_ceil(10),
    }
}
