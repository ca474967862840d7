//! The signature code for JavaScript: what `js/module.ts` calls.
//!
//! Two modules are made of it. The **core** verifies HMACs and is small; the **full** one (feature
//! `full`) also has ed25519, the texts of errors, their likely causes, and signing.
//!
//! The functions take and give numbers only, so that the module needs no generated glue and one
//! file of it loads everywhere. Bytes pass through two places in this module's memory: JavaScript
//! writes arguments to the **input** and reads results from the **output**. Neither is read while
//! the other side writes: a call ends before the next begins, and there is one thread.
//!
//! A number below zero is an error: see `Refusal` in `state.rs`.

mod input;
mod state;

#[cfg(feature = "full")]
mod full;

use state::STATE;

#[cfg(target_arch = "wasm32")]
#[expect(
    unsafe_code,
    reason = "the allocator may only be used by one thread, and a WebAssembly module has one"
)]
#[global_allocator]
static ALLOCATOR: lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator> =
    // SAFETY: the module is built without threads, so nothing runs beside its caller.
    unsafe { lol_alloc::AssumeSingleThreaded::new(lol_alloc::FreeListAllocator::new()) };

/// Defines functions under names that JavaScript sees.
macro_rules! export {
    ($($(#[$doc:meta])* fn $name:ident($state:ident $(, $argument:ident: $kind:ty)*) -> $answer:ty $body:block)*) => {$(
        $(#[$doc])*
        #[expect(
            unsafe_code,
            reason = "an export has a plain name, which no other function of the module may have"
        )]
        #[unsafe(no_mangle)]
        extern "C" fn $name($($argument: $kind),*) -> $answer {
            STATE.with_borrow_mut(|$state| $body)
        }
    )*};
}

export! {
    /// Makes the input at least so many bytes long, and gives its address.
    fn postrider_input(state, length: usize) -> usize {
        state.input(length)
    }

    /// The address of the output. It moves when a longer one is made.
    fn postrider_output(state) -> usize {
        state.output.as_ptr().addr()
    }

    /// Makes a verifier of the options in the input, and gives its handle.
    fn postrider_prepare(state, length: usize) -> i32 {
        state.prepare(length)
    }

    /// Forgets a verifier and erases its keys.
    fn postrider_release(state, handle: usize) -> i32 {
        state.release(handle)
    }

    /// Writes the names of the headers that the verifier looks at to the output, each on a line,
    /// an empty one for none: of the id, the timestamp, the signature, and the first further one
    /// where a header holds one signature. Gives their length.
    fn postrider_names(state, handle: usize) -> i32 {
        state.names(handle)
    }

    /// Verifies the request in the input: header records of `headers` bytes, then the body. Gives
    /// the index of the key, and writes the timestamp to the output.
    fn postrider_verify(state, handle: usize, headers: usize, body: usize, now: f64) -> i32 {
        state.verify(handle, headers, body, now)
    }

    /// The first half of `postrider_verify`, for a host that makes the HMACs itself. Writes the
    /// timestamp and what is signed before the body to the output, and gives the length of both.
    fn postrider_read(state, handle: usize, headers: usize, now: f64) -> i32 {
        state.read(handle, headers, now)
    }

    /// Takes the next part of what is signed from the input, beginning with the prefix, so that a
    /// large body need not be in this memory as a whole.
    fn postrider_update(state, handle: usize, length: usize) -> i32 {
        state.update(handle, length)
    }

    /// The second half: the input has as many HMACs of 32 bytes as the verifier has keys; unless
    /// `postrider_update` was given what they are to be made of.
    fn postrider_settle(state, handle: usize, hmacs: usize) -> i32 {
        state.settle(handle, hmacs)
    }

    /// Writes the key of an HMAC to the output and gives its length; -1 if there is none.
    fn postrider_key(state, handle: usize, index: usize) -> i32 {
        state.key(handle, index)
    }
}

#[cfg(feature = "full")]
export! {
    /// The text of the error that the options in the input lead to: see `postrider_prepare`.
    fn postrider_problem(state, length: usize) -> i32 {
        state.problem(length)
    }

    /// The text of the error that the request in the input leads to (see `postrider_verify`); then,
    /// on a line of its own, the likely cause, if one is found.
    fn postrider_explain(state, handle: usize, headers: usize, body: usize, now: f64) -> i32 {
        state.explain(handle, headers, body, now)
    }

    /// Signs what is in the input: options, the id, the time in decimal digits, and the body.
    /// Writes the headers to the output, a name and a value on a line, or the text of an error on
    /// one that begins with an exclamation mark.
    fn postrider_sign(state, length: usize) -> i32 {
        state.sign(length)
    }
}
