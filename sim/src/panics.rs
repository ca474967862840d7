//! A panic in a run is the run's result, and nothing for the terminal: a plan may panic on
//! purpose, and a sweep runs thousands.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// What the first panic said since this thread began to listen, if it does.
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does this; if something in it panics, says what and where. Panics of tasks, too, that its
/// runtime shuts down for.
pub(crate) fn heard<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    listen();
    let before = HEARD.replace(Some(String::new()));
    let done = panic::catch_unwind(AssertUnwindSafe(act));
    let said = HEARD.replace(before).unwrap_or_default();
    done.map_err(|_| said)
}

/// From now on a panic is heard, and not printed, on a thread that listens.
fn listen() {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_heard = HEARD.with_borrow_mut(|heard| match heard {
                Some(heard) => {
                    if heard.is_empty() {
                        *heard = told(info);
                    }
                    true
                }
                None => false,
            });
            if !is_heard {
                before(info);
            }
        }));
    });
}

/// `engine/src/core.rs:12: index out of bounds`
fn told(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("no message");
    match info.location() {
        Some(place) => format!("{}:{}: {message}", place.file(), place.line()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_heard_with_its_place_and_the_one_outside_goes_on_listening() {
        let said = heard::<()>(|| {
            let said = heard::<()>(|| panic!("lane {} is gone", 3)).unwrap_err();
            panic!("then {said}");
        });
        let said = said.unwrap_err();
        let (place, message) = said.split_once(": ").unwrap();
        assert!(place.contains("panics.rs:"), "{place}");
        assert!(message.starts_with("then "), "{message}");
        assert!(message.ends_with(": lane 3 is gone"), "{message}");
        assert_eq!(heard(|| 7), Ok(7));
    }
}
