//! Planted bugs: what an engine, its host or its store could do wrong.
//!
//! Each is switched on alone, between the real engine and the model world, or between the client
//! and the real API, and must be caught by a checker. No line of the engine knows of them.

use crate::plan::Tier;

macro_rules! bugs {
    ($($name:ident = $text:literal: $what:literal,)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $(#[doc = $what] $name,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What goes wrong.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$name => $what,)*
                }
            }
        }
    };
}

bugs! {
    AckBeforeCommit = "ack-before-commit": "a publisher is answered before its event is durable",
    ResultBeforeCommit = "result-before-commit": "the lane goes on before the result of an attempt is durable",
    LoseWakeUp = "lose-wake-up": "one timer in five is not set",
    RetryRejection = "retry-rejection": "a 4xx is retried like a 503",
    RetryAfterPerLane = "retry-after-per-lane": "Retry-After holds the lane that was told, and not its endpoint",
    ForgetHold = "forget-hold": "after a restart nobody knows what a receiver has asked for",
    TooManyIsFinal = "too-many-is-final": "429 is final, though the policy retries it",
    RetryOnceMore = "retry-once-more": "one retry too many",
    RetryOnceLess = "retry-once-less": "dead-lettered one retry early",
    IgnoreOrder = "ignore-order": "a lane's second delivery starts before the first has ended",
    ForgetBreaker = "forget-breaker": "the breaker never opens",
    ForgetRateLimit = "forget-rate-limit": "the rate limit is not kept",
    TooManyAtOnce = "too-many-at-once": "an endpoint gets more requests at once than it allows",
    LateSuccess = "late-success": "a 2xx after the timeout counts as delivered",
    ReuseNumber = "reuse-number": "a retry carries the number of the attempt before",
    IgnoreRetryAfter = "ignore-retry-after": "Retry-After is not heard",
    WrongBody = "wrong-body": "other bytes are sent than were signed",
    WrongTimestamp = "wrong-timestamp": "the timestamp that is sent is not the one that is signed",
    OneSignature = "one-signature": "only the new secret signs during a rotation",
    NewSignatureFirst = "new-signature-first": "a header that holds one signature has the new secret's during a rotation",
    DropWhenFull = "drop-when-full": "an event that finds the store full is dropped, and acknowledged",
    LeakSlot = "leak-slot": "one result in ten is recorded and its slot never given back",
    SendTwiceAfterResend = "send-twice-after-resend": "a delivery that was resent goes out twice at once",
    StaleUrl = "stale-url": "requests go on to the endpoint's first URL",
    WideJitter = "wide-jitter": "jitter goes beyond its bounds",
    LoadBackwards = "load-backwards": "deliveries come back from the store in the wrong order",
    LoadSkipsOne = "load-skips-one": "a delivery is passed over when a lane is read",
    LoadMixesPayloads = "load-mixes-payloads": "two deliveries get each other's event when a lane is read",
    ForgetKeys = "forget-keys": "idempotency keys are not recorded",
    KeyWithoutContent = "key-without-content": "an idempotency key with other content counts as a repeat",
    EarlyAfterRestart = "early-after-restart": "after a restart every retry is due at once",
    ForgetAfterRestart = "forget-after-restart": "what waited for a retry is forgotten at a restart",
    RecountAfterRestart = "recount-after-restart": "after a restart attempts are counted anew",
    IgnorePause = "ignore-pause": "a paused endpoint gets requests",
    OneSlot = "one-slot": "all endpoints share one request at a time",
    KeepEverything = "keep-everything": "windows grow beyond their bounds",
    WallClock = "wall-clock": "retries and timeouts go by the calendar",
    DrainLies = "drain-lies": "a shutdown says that nothing is pending",
    DrainNever = "drain-never": "a shutdown goes on sending",
    DeadLetterVanishes = "dead-letter-vanishes": "a failed delivery is recorded as discarded",
    FanOutMissesOne = "fan-out-misses-one": "an event for many misses its last endpoint",
    EndTwice = "end-twice": "a delivery is reported twice",
    GoneForgotten = "gone-forgotten": "410 does not disable the endpoint on record",
    TightBound = "tight-bound": "events are refused before the bound on pending deliveries is reached",
    WrongDuration = "wrong-duration": "an attempt is recorded as a millisecond longer than it was",
    DeafBreaker = "deaf-breaker": "nobody is told that a breaker has closed",
    KeepsRecords = "keeps-records": "the store keeps one record more of what has ended than it may",
    HangLonger = "hang-longer": "attempts may take twice their timeout",
    DeafToRetryNow = "deaf-to-retry-now": "a retry by hand is answered, and waits all the same",
    KeylessRepeat = "keyless-repeat": "a request to the API is repeated without its idempotency key",
}

impl Bug {
    /// Where it is planted.
    #[must_use]
    pub fn tier(self) -> Tier {
        match self {
            Self::KeylessRepeat => Tier::Turmoil,
            _ => Tier::World,
        }
    }

    /// The bug of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|bug| bug.name() == name)
    }
}
