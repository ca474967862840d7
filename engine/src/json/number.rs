//! Numbers of any size, by their digits.

use std::cmp::Ordering;

/// A number of JSON (RFC 8259, section 6), taken apart.
struct Number<'n> {
    negative: bool,
    whole: &'n [u8],
    fraction: &'n [u8],
    exponent_negative: bool,
    exponent: &'n [u8],
}

/// Farther apart than this the exponents decide, whatever the digits: no text is as long.
const FAR: i128 = 1 << 96;

/// Whether this is a number as JSON spells it.
pub(super) fn is_number(text: &[u8]) -> bool {
    Number::read(text).is_some()
}

/// Which of two numbers is greater, exactly, in time that grows with their digits: `1e999999999` is
/// no number of a billion digits. None, if one of them is no number of JSON.
#[must_use]
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Number::read(a.as_bytes())?, Number::read(b.as_bytes())?);
    let order = match (a.sign(), b.sign()) {
        (-1, -1) => b.size(&a),
        (1, 1) => a.size(&b),
        (a, b) => a.cmp(&b),
    };
    Some(order)
}

impl<'n> Number<'n> {
    fn read(text: &'n [u8]) -> Option<Self> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let (whole, rest) = digits(text);
        let leading_zero = whole.len() > 1 && whole[0] == b'0';
        let (fraction, rest, has_fraction) = match rest {
            [b'.', rest @ ..] => {
                let (fraction, rest) = digits(rest);
                (fraction, rest, true)
            }
            _ => (&[][..], rest, false),
        };
        let (exponent_negative, exponent, rest, has_exponent) = match rest {
            [b'e' | b'E', sign @ (b'+' | b'-'), rest @ ..] => {
                let (exponent, rest) = digits(rest);
                (*sign == b'-', exponent, rest, true)
            }
            [b'e' | b'E', rest @ ..] => {
                let (exponent, rest) = digits(rest);
                (false, exponent, rest, true)
            }
            _ => (false, &[][..], rest, false),
        };
        let is_number = rest.is_empty()
            && !whole.is_empty()
            && !leading_zero
            && has_fraction != fraction.is_empty()
            && has_exponent != exponent.is_empty();
        is_number.then_some(Self {
            negative,
            whole,
            fraction,
            exponent_negative,
            exponent,
        })
    }

    /// -1, 0 or 1. Zeros of both signs are the same number.
    fn sign(&self) -> i8 {
        match (self.significant().next(), self.negative) {
            (None, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }

    /// The digits from the first one that is not zero.
    fn significant(&self) -> impl Iterator<Item = u8> {
        let digits = self.whole.iter().chain(self.fraction).copied();
        digits.skip_while(|digit| *digit == b'0')
    }

    /// How many digits stand before the point, counted from the first that is not zero, but for the
    /// exponent: 2 for `12.5`, -1 for `0.05`.
    fn scale(&self) -> i128 {
        let digits = self.whole.iter().chain(self.fraction);
        let zeros = digits.take_while(|digit| **digit == b'0').count();
        self.whole.len() as i128 - zeros as i128
    }

    /// Which is farther from zero; neither is zero.
    fn size(&self, other: &Self) -> Ordering {
        let scales = self.scale() - other.scale();
        let magnitude = self.exponent_less(other) + scales;
        magnitude.cmp(&0).then_with(|| {
            let (mut ours, mut theirs) = (self.significant(), other.significant());
            loop {
                match (ours.next(), theirs.next()) {
                    (None, None) => return Ordering::Equal,
                    // Zeros at the end say nothing.
                    (a, b) => match a.unwrap_or(b'0').cmp(&b.unwrap_or(b'0')) {
                        Ordering::Equal => (),
                        order => return order,
                    },
                }
            }
        })
    }

    /// This exponent less the other one; from [`FAR`] on only its sign counts.
    fn exponent_less(&self, other: &Self) -> i128 {
        let length = self.exponent.len().max(other.exponent.len());
        let digit = |number: &Self, place: usize| {
            let first = length - number.exponent.len();
            let digit = place
                .checked_sub(first)
                .map_or(0, |at| i128::from(number.exponent[at] - b'0'));
            if number.exponent_negative {
                -digit
            } else {
                digit
            }
        };
        let mut difference = 0;
        for place in 0..length {
            difference = difference * 10 + digit(self, place) - digit(other, place);
            if difference.abs() > FAR {
                break;
            }
        }
        difference
    }
}

/// The digits at the beginning, and the rest.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at(count)
}
