//! Pages of lists.

use super::problem::{Code, Problem};
use serde::Serialize;
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

/// A page of what is in memory, in the order of `id`.
pub(crate) fn of_memory<T: Clone, U>(
    all: &[T],
    id: impl Fn(&T) -> &str,
    (after, most): (Option<&str>, usize),
    show: impl Fn(&T) -> U,
) -> Page<U> {
    let rest = all
        .iter()
        .filter(|it| after.is_none_or(|after| id(it) > after));
    let mut data: Vec<&T> = rest.take(most + 1).collect();
    let more = data.len() > most;
    data.truncate(most);
    let next = data.last().filter(|_| more).map(|last| id(last).to_owned());
    Page {
        next,
        data: data.into_iter().map(show).collect(),
    }
}
