//! How large a pattern becomes when it is compiled.
//!
//! `(.{1,100}){100}` is twenty bytes of text and ten thousand times what `.` is. A pattern that is too
//! large by itself is refused by its compiler; this is about many of them together, and about what a
//! compiled schema holds.

/// What one compiled pattern holds at least, together with what matching it needs.
const PATTERN_BYTES: usize = 64 << 10;

/// What a character, or a class of them, becomes.
const ATOM_BYTES: usize = 512;

/// What a class by a Unicode property becomes.
const PROPERTY_BYTES: usize = 64 << 10;

/// Roughly the bytes that a pattern holds once it is compiled.
pub(super) fn bytes(pattern: &str) -> usize {
    let mut groups = vec![Group::default()];
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\\' => {
                let is_property = matches!(rest.next(), Some('p' | 'P'));
                let bytes = if is_property {
                    PROPERTY_BYTES
                } else {
                    ATOM_BYTES
                };
                add(&mut groups, bytes);
            }
            '(' => groups.push(Group::default()),
            ')' if groups.len() > 1 => {
                let bytes = groups.pop().map_or(0, |group| group.all());
                add(&mut groups, bytes);
            }
            '{' => {
                let counts: String = rest.by_ref().take_while(|next| *next != '}').collect();
                repeat(&mut groups, most(&counts));
            }
            // They come with what stands before them.
            '*' | '+' | '?' | '|' | '^' | '$' => {}
            _ => add(&mut groups, ATOM_BYTES),
        }
    }
    let all = groups.iter().map(Group::all).fold(0, usize::saturating_add);
    all.saturating_add(PATTERN_BYTES)
}

/// The parts of a group, the last one by itself: a count after it is about that one.
#[derive(Default)]
struct Group {
    before: usize,
    last: usize,
}

impl Group {
    fn all(&self) -> usize {
        self.before.saturating_add(self.last)
    }
}

fn add(groups: &mut [Group], bytes: usize) {
    if let Some(group) = groups.last_mut() {
        group.before = group.all();
        group.last = bytes;
    }
}

fn repeat(groups: &mut [Group], times: usize) {
    if let Some(group) = groups.last_mut() {
        group.last = group.last.saturating_mul(times.max(1));
    }
}

/// The largest number in `1`, `1,` or `1,2`.
fn most(counts: &str) -> usize {
    let numbers = counts
        .split(',')
        .filter_map(|count| count.trim().parse().ok());
    numbers.max().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many characters or classes a pattern counts as.
    fn atoms(pattern: &str) -> usize {
        (bytes(pattern) - PATTERN_BYTES) / ATOM_BYTES
    }

    #[test]
    fn counts_multiply_what_they_repeat() {
        assert_eq!(atoms(""), 0);
        assert_eq!(atoms("^abc$"), 3);
        assert_eq!(atoms("ab{5}c"), 7);
        assert_eq!(atoms("ab{2,9}"), 10);
        assert_eq!(atoms("a(bc){10}d"), 22);
        assert_eq!(atoms("(.{1,100}){100}"), 10_000);
        assert_eq!(atoms("((a{10}b){10}){10}"), 1_100);
        assert_eq!(atoms("\\(\\{9"), 3);
        assert!(atoms("\\p{L}{10}") >= 1_000);
    }

    #[test]
    fn what_is_no_pattern_is_counted_all_the_same() {
        for odd in [
            "(",
            ")",
            "{",
            "a{",
            "a{}",
            "{9}",
            "\\",
            "((((",
            "a{99999999999999999999}",
        ] {
            bytes(odd);
        }
        assert_eq!(
            bytes("(((a{4294967295}){4294967295}){4294967295}){4294967295}"),
            usize::MAX
        );
    }
}
