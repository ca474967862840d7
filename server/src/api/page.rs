//! Pages of lists.

use super::problem::{Code, Problem};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::io;
use std::str::FromStr;
use utoipa::ToSchema;

/// How many there are on a page, if nothing is said.
pub(crate) const PAGE_DEFAULT: u16 = 50;

/// The most that a page holds.
pub(crate) const PAGE_MAX: u16 = 250;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// What is on the page. There may be fewer than were asked for, or none, while `next` says
    /// that there are more: a page looks at a bounded number of records.
    pub(crate) data: Vec<T>,
    /// Hand it back as `cursor` for the next page; `null` on the last one.
    pub(crate) next: Option<String>,
}

/// An answer that may be megabytes: it is made and written on a thread that may take its time, and
/// those of the runtime serve others meanwhile.
pub(crate) async fn answer<T: Serialize>(
    make: impl FnOnce() -> T + Send + 'static,
) -> Result<Response, Problem> {
    let write = move || serde_json::to_vec(&make());
    let written = tokio::task::spawn_blocking(write).await;
    let written = written.map_err(|error| Problem::new(Code::Internal, error))?;
    let text = written.map_err(|error| Problem::new(Code::Internal, error))?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// The number of things on a page.
pub(crate) fn most(limit: Option<u16>) -> Result<usize, Problem> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        let detail = format!("limit: use 1 to {PAGE_MAX}");
        return Err(Problem::new(Code::InvalidQuery, detail));
    }
    Ok(limit.into())
}

/// The place of a cursor.
pub(crate) fn cursor<T: FromStr>(text: Option<&str>) -> Result<Option<T>, Problem> {
    let refused = |_| {
        let detail = "cursor: hand back `next` of the page before, unchanged";
        Problem::new(Code::InvalidCursor, detail)
    };
    text.map(str::parse).transpose().map_err(refused)
}

/// What a query lists with commas between.
pub(crate) fn list<T>(text: Option<&str>, name: &str) -> Result<Vec<T>, Problem>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    let parts = text.into_iter().flat_map(|text| text.split(','));
    let refused =
        |error: T::Err| Problem::new(Code::InvalidParameter, format_args!("{name}: {error}"));
    parts
        .map(|part| part.trim().parse().map_err(refused))
        .collect()
}

/// The most that an answer holds in lists, in bytes of JSON, or one thing that is larger.
pub(crate) const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A list in the making, bounded in its number and in its bytes.
pub(crate) struct Filling<T> {
    most: usize,
    bytes: usize,
    data: Vec<T>,
    last: Option<String>,
}

impl<T: Serialize> Filling<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            bytes: 0,
            data: Vec::new(),
            last: None,
        }
    }

    /// Adds one with this id. False if there is no room for it: then the page ends before.
    pub(crate) fn add(&mut self, id: &str, one: T) -> bool {
        if self.data.len() >= self.most {
            return false;
        }
        self.bytes = self.bytes.saturating_add(json_bytes(&one));
        if self.bytes > ANSWER_BYTES_MAX && !self.data.is_empty() {
            return false;
        }
        self.data.push(one);
        self.last = Some(id.to_owned());
        true
    }

    /// The page; whether something comes after it.
    pub(crate) fn page(self, more: bool) -> Page<T> {
        Page {
            data: self.data,
            next: self.last.filter(|_| more),
        }
    }

    /// What is in it, without a next page.
    pub(crate) fn data(self) -> Vec<T> {
        self.data
    }
}

/// How long it is as JSON.
fn json_bytes(value: &impl Serialize) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // What cannot be written is told where it is.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// A page of what is in memory, in the order of `id`.
pub(crate) fn of_memory<T: Clone, U: Serialize>(
    all: &[T],
    id: impl Fn(&T) -> &str,
    (after, most): (Option<&str>, usize),
    show: impl Fn(&T) -> U,
) -> Page<U> {
    let mut rest = all
        .iter()
        .filter(|it| after.is_none_or(|after| id(it) > after));
    let mut filling = Filling::new(most);
    let more = rest.any(|it| !filling.add(id(it), show(it)));
    filling.page(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_in_memory_ends_at_its_number_or_its_bytes_and_the_next_one_goes_on() {
        let all: Vec<String> = (0..10)
            .map(|n| format!("{n}{}", "x".repeat(1 << 20)))
            .collect();
        let page = |after: Option<&str>, most| {
            let page = of_memory(&all, |it| it, (after, most), Clone::clone);
            (page.data.len(), page.next)
        };
        assert_eq!(page(None, 2), (2, Some(all[1].clone())));
        assert_eq!(page(None, 250), (3, Some(all[2].clone())));
        assert_eq!(page(Some(&all[6]), 250), (3, None));
    }

    #[test]
    fn one_thing_that_is_larger_than_a_page_is_a_page() {
        let mut filling = Filling::new(2);
        assert!(filling.add("a", "x".repeat(ANSWER_BYTES_MAX + 1)));
        assert!(!filling.add("b", String::new()));
        assert_eq!(filling.page(true).next.as_deref(), Some("a"));
    }
}
