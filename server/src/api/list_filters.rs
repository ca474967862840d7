//! Filters that several lists have.

use super::deliveries::one;
use super::problem::{Code, Problem};
use postrider::{FailReason, OrderingKey};

/// Statuses that a receiver can answer with.
const STATUS_MIN: u16 = 100;
const STATUS_MAX: u16 = 599;

/// An ordering key; the empty text stands for none.
pub(crate) fn ordering_key(text: Option<&str>) -> Result<Option<OrderingKey>, Problem> {
    match text {
        Some("") => Ok(Some(OrderingKey::none())),
        text => one(text, "ordering_key"),
    }
}

/// Why deliveries failed, with commas between.
pub(crate) fn reasons(text: Option<&str>) -> Result<Vec<FailReason>, Problem> {
    let parts = text.into_iter().flat_map(|text| text.split(','));
    let named = parts.map(|part| {
        FailReason::named(part.trim()).ok_or_else(|| {
            let all = FailReason::ALL.map(FailReason::name);
            let detail = format!("reason: use one or more of {}", all.join(", "));
            Problem::new(Code::InvalidParameter, detail)
        })
    });
    named.collect()
}

/// A status of HTTP.
pub(crate) fn status(status: Option<u16>) -> Result<Option<u16>, Problem> {
    if status.is_some_and(|status| !(STATUS_MIN..=STATUS_MAX).contains(&status)) {
        let detail = format!("status: use {STATUS_MIN} to {STATUS_MAX}");
        return Err(Problem::new(Code::InvalidQuery, detail));
    }
    Ok(status)
}

/// A text of 1 to 256 characters.
pub(crate) fn text<'t>(text: Option<&'t str>, name: &str) -> Result<Option<&'t str>, Problem> {
    const CHARS_MAX: usize = 256;
    let is_wrong = |text: &str| !(1..=CHARS_MAX).contains(&text.chars().count());
    if text.is_some_and(is_wrong) {
        let detail = format!("{name}: use 1 to {CHARS_MAX} characters");
        return Err(Problem::new(Code::InvalidQuery, detail));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(problem: &Problem) -> &'static str {
        problem.code()
    }

    #[test]
    fn an_empty_ordering_key_asks_for_what_has_none() {
        assert_eq!(ordering_key(None).unwrap(), None);
        assert_eq!(ordering_key(Some("")).unwrap(), Some(OrderingKey::none()));
        let key = ordering_key(Some("order-7")).unwrap().unwrap();
        assert_eq!(key.get(), Some("order-7"));
        let refused = ordering_key(Some("a\nb")).unwrap_err();
        assert_eq!(code(&refused), "invalid_parameter");
    }

    #[test]
    fn reasons_are_named_with_commas_between() {
        let expected = [FailReason::Gone, FailReason::QueueFull];
        assert_eq!(reasons(Some("gone, queue_full")).unwrap(), expected);
        assert!(reasons(None).unwrap().is_empty());
        let refused = reasons(Some("gone,tired")).unwrap_err();
        assert_eq!(code(&refused), "invalid_parameter");
    }

    #[test]
    fn what_no_answer_can_have_is_refused_as_a_status() {
        assert_eq!(status(Some(404)).unwrap(), Some(404));
        assert_eq!(code(&status(Some(99)).unwrap_err()), "invalid_query");
        assert_eq!(code(&status(Some(600)).unwrap_err()), "invalid_query");
    }

    #[test]
    fn a_text_has_at_least_one_character_and_a_bound() {
        assert_eq!(text(Some("ü"), "payload").unwrap(), Some("ü"));
        let long = "ü".repeat(257);
        for wrong in ["", &long] {
            let refused = text(Some(wrong), "payload").unwrap_err();
            assert_eq!(code(&refused), "invalid_query");
        }
        assert!(text(Some(&long["ü".len()..]), "payload").is_ok());
    }
}
