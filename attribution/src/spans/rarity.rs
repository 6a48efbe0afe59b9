//! How rare a token is, in bits: integers, so that every machine ranks spans alike.

/// One bit of information: information is counted in 2^-16 of a bit.
pub const BIT: u64 = 1 << 16;

/// `log2(number)` in 2^-16 of a bit, rounded down; 0 for 0. Exact: the digits are drawn one by one, by squaring.
fn log2(number: u64) -> u64 {
    if number == 0 {
        return 0;
    }
    let whole = u64::from(number.ilog2());
    // In [1, 2), with 63 digits after the point.
    let mut rest = u128::from(number << number.leading_zeros());
    let mut bits = whole;
    for _ in 0..16 {
        rest = (rest * rest) >> 63;
        let digit = u64::from(rest >= 1 << 64);
        rest >>= digit;
        bits = (bits << 1) | digit;
    }
    bits
}

/// The information of a token that stands `count` times among `total`: `-log2(count / total)`, in 2^-16 of a bit. The
/// difference of two logarithms that are each rounded down, so it is off by less than one; a token that never stands there
/// counts as one that stands there once.
pub fn information(count: u64, total: u64) -> u64 {
    log2(total).saturating_sub(log2(count.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn powers_of_two_are_exact() {
        for power in 0..64 {
            assert_eq!(log2(1 << power), power * BIT);
        }
        assert_eq!((information(1, 8), information(8, 8), information(0, 8)), (3 * BIT, 0, 3 * BIT));
    }

    proptest! {
        #[test]
        fn it_is_the_logarithm_and_never_falls(number in 1u64..) {
            let exact = (number as f64).log2() * BIT as f64;
            prop_assert!((log2(number) as f64 - exact).abs() <= 1.001, "{} {}", log2(number), exact);
            prop_assert!(log2(number) >= log2(number - 1));
        }
    }
}
