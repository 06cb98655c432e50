//! Amounts as objects write them: `100m`, `64Mi`, `1.5`, `2e3`.

/// The amount in thousandths, so that `100m` of a processor is whole; `None` if it is no amount.
pub(super) fn millis(text: &str) -> Option<i128> {
    let (number, scale) = split(text.trim())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| match part {
        "" => Some(0),
        part => part.parse::<i128>().ok(),
    };
    let places = u32::try_from(fraction.len()).ok().filter(|n| *n <= 12)?;
    let one = 10_i128.pow(places);
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    let value = digits(whole)?.checked_mul(one)? + sign * digits(fraction)?;
    let (numerator, denominator) = scale;
    let scaled = value.checked_mul(numerator)?.checked_mul(1000)?;
    let divisor = one.checked_mul(denominator)?;
    // What is smaller than a thousandth counts as one.
    Some(scaled.div_euclid(divisor) + i128::from(scaled.rem_euclid(divisor) != 0))
}

/// How many times `divisor` is in `amount`, rounded up, as the downward API shows it.
pub(super) fn divided(amount: &str, divisor: &str) -> Option<i128> {
    let divisor = match millis(divisor)? {
        0 => 1000,
        divisor => divisor,
    };
    let amount = millis(amount)?;
    Some(amount.div_euclid(divisor) + i128::from(amount.rem_euclid(divisor) != 0))
}

const SUFFIXES: &[(&str, (i128, i128))] = &[
    ("Ki", (1 << 10, 1)),
    ("Mi", (1 << 20, 1)),
    ("Gi", (1 << 30, 1)),
    ("Ti", (1 << 40, 1)),
    ("Pi", (1 << 50, 1)),
    ("n", (1, 1_000_000_000)),
    ("u", (1, 1_000_000)),
    ("m", (1, 1000)),
    ("k", (1000, 1)),
    ("M", (1_000_000, 1)),
    ("G", (1_000_000_000, 1)),
    ("T", (1_000_000_000_000, 1)),
    ("P", (1_000_000_000_000_000, 1)),
];

/// The number before the unit, and the unit as a fraction.
fn split(text: &str) -> Option<(&str, (i128, i128))> {
    if let Some((number, exponent)) = text.split_once(['e', 'E']) {
        let exponent: i32 = exponent.parse().ok()?;
        let power = 10_i128.pow(exponent.unsigned_abs().min(18));
        return Some((number, if exponent < 0 { (1, power) } else { (power, 1) }));
    }
    let suffixed = SUFFIXES
        .iter()
        .find_map(|(suffix, scale)| Some((text.strip_suffix(suffix)?, *scale)));
    let (number, scale) = suffixed.unwrap_or((text, (1, 1)));
    (!number.is_empty()).then_some((number, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_all_their_spellings() {
        let check =
            |text: &str, expected: Option<i128>| assert_eq!(millis(text), expected, "{text}");
        check("1", Some(1000));
        check("100m", Some(100));
        check("1.5", Some(1500));
        check(".5", Some(500));
        check("2e3", Some(2_000_000));
        check("64Mi", Some(64 * 1024 * 1024 * 1000));
        check("1k", Some(1_000_000));
        check("1n", Some(1));
        check("-1.5", Some(-1500));
        check("", None);
        check("Mi", None);
        check("x", None);
    }

    #[test]
    fn division_rounds_up_and_zero_divides_as_one() {
        assert_eq!(divided("1500m", "1"), Some(2));
        assert_eq!(divided("1500m", "1m"), Some(1500));
        assert_eq!(divided("64Mi", "1Mi"), Some(64));
        assert_eq!(divided("64Mi", "0"), Some(64 * 1024 * 1024));
    }
}
