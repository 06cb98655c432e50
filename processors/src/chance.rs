//! How likely something is by chance: the upper tail of the binomial distribution.

/// The probability of `hits` or more among `trials`, where each is a hit with `rate`.
///
/// Never panics and never answers NaN: a rate that is no number counts as 1 (nothing is unlikely).
pub(crate) fn at_least(hits: u64, trials: u64, rate: f64) -> f64 {
    if hits == 0 || rate.is_nan() || rate >= 1.0 {
        return 1.0;
    }
    if hits > trials || rate <= 0.0 {
        return 0.0;
    }
    let (k, n) = (hits as f64, trials as f64);
    if k <= n * rate {
        // At or below the mean the tail is about a half or more: not worth its many terms.
        return 1.0;
    }
    let log_first = ln_choose(n, k) + k * rate.ln() + (n - k) * (-rate).ln_1p();
    // Above the mean the terms fall geometrically: sum until they no longer count.
    let odds = rate / (1.0 - rate);
    let (mut term, mut sum, mut i) = (1.0, 1.0, k);
    while i < n && term > sum * 1e-12 {
        term *= (n - i) / (i + 1.0) * odds;
        sum += term;
        i += 1.0;
    }
    (log_first + sum.ln()).exp().min(1.0)
}

fn ln_choose(n: f64, k: f64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// Stirling's series; exact to 1e-10 from 8 on, below that the product itself.
fn ln_factorial(n: f64) -> f64 {
    if n < 8.0 {
        return (2..=n as u64).map(|i| (i as f64).ln()).sum();
    }
    let inverse = 1.0 / n;
    let series = inverse / 12.0 - inverse.powi(3) / 360.0 + inverse.powi(5) / 1260.0;
    n * n.ln() - n + 0.5 * (2.0 * std::f64::consts::PI * n).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition itself, term by term.
    fn slow(hits: u64, trials: u64, rate: f64) -> f64 {
        let mut below = vec![0.0; trials as usize + 1];
        below[0] = 1.0;
        for _ in 0..trials {
            for k in (1..below.len()).rev() {
                below[k] = below[k] * (1.0 - rate) + below[k - 1] * rate;
            }
            below[0] *= 1.0 - rate;
        }
        below[hits as usize..].iter().sum()
    }

    proptest! {
        #[test]
        fn the_tail_agrees_with_the_definition(
            trials in 1u64..120,
            hits in 1u64..40,
            rate in 0.0001f64..0.9,
        ) {
            prop_assume!(hits <= trials);
            let (fast, exact) = (at_least(hits, trials, rate), slow(hits, trials, rate));
            if hits as f64 > trials as f64 * rate {
                prop_assert!((fast - exact).abs() <= exact * 1e-6 + 1e-15, "{fast} for {exact}");
            } else {
                prop_assert!(exact > 0.3);
            }
        }

        #[test]
        fn anything_gives_a_probability(
            hits in any::<u64>(), trials in any::<u64>(), rate in any::<f64>(),
        ) {
            // Bounded work is part of the contract: huge trials must not mean huge sums.
            let trials = trials % 1_000_000_000;
            let chance = at_least(hits % 1_000_000_000, trials, rate);
            prop_assert!((0.0..=1.0).contains(&chance), "{chance}");
        }
    }

    #[test]
    fn three_of_three_under_one_in_a_thousand_is_one_in_a_billion() {
        let chance = at_least(3, 3, 0.001);
        assert!((chance - 1e-9).abs() < 1e-15, "{chance}");
    }

    #[test]
    fn a_large_window_is_judged_without_overflow() {
        assert!(at_least(40_000, 10_000_000, 0.003) < 1e-300);
        assert!(at_least(30_500, 10_000_000, 0.003) > 1e-6);
    }
}
