//! What is at the very edge of what is allowed, and one step beyond.

use super::{
    DAY, MINUTE, SECOND, Scenario, all_delivered, answering, at, calm, ensure, is_failed, publish,
    publish_to_each,
};
use crate::book::Book;
use crate::plan::{
    Answer, Breaker, Delays, EndpointPlan, FaultKind, Publish, Rate, Step, Tier, To,
};
use crate::world::EPOCH;
use postrider_engine::{DeliveryId, EventId, FailReason, Limits};
use std::collections::BTreeSet;

const LONGEST: u64 = 30 * DAY;

/// Events that are published at once.
const AT_ONCE: usize = 40;

pub(super) const SPECS: Scenario = Scenario {
    name: "edges-of-a-spec",
    story: "Endpoints that ask for the most that is allowed are registered and served; those that \
            ask for one step more are refused, and so is a payload of one byte more.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("edges-of-a-spec", seed, 1);
        plan.endpoints = specs().into_iter().map(|(_, spec)| spec).collect();
        publish_to_each(&mut plan, 1, SECOND);
        // All of them within a millisecond.
        for _ in 0..AT_ONCE {
            publish(&mut plan, 3 * SECOND, To::Endpoint(0), None);
        }
        let largest = Limits::default().payload_bytes_max;
        for bytes in [largest, largest + 1] {
            publish(&mut plan, 4 * SECOND, To::Endpoint(0), None);
            if let Some(Step {
                act: crate::plan::Act::Publish(Publish { bytes: size, .. }),
                ..
            }) = plan.workload.last_mut()
            {
                *size = bytes;
            }
        }
        plan.end.healed_at_ms = MINUTE;
        plan
    },
    end: |book| {
        all_delivered(book)?;
        let registered: BTreeSet<usize> = book.endpoints.values().map(|it| it.number).collect();
        for (number, (allowed, spec)) in specs().iter().enumerate() {
            ensure(registered.contains(&number) == *allowed, || {
                let wrongly = if *allowed { "refused" } else { "registered" };
                format!("endpoint {number} is {wrongly}: {spec:?}")
            })?;
        }
        let events = registered.len() + AT_ONCE + 1;
        ensure(book.events.len() == events, || {
            format!(
                "{} events and not {events} were accepted",
                book.events.len()
            )
        })?;
        let events = book.events.keys();
        let events = events.map(|id| {
            (
                id.as_u128(),
                id.to_string().parse() == Ok::<EventId, _>(*id),
            )
        });
        let deliveries = book.deliveries.keys();
        let deliveries = deliveries.map(|id| {
            (
                id.as_u128(),
                id.to_string().parse() == Ok::<DeliveryId, _>(*id),
            )
        });
        for (id, reads_back) in events.chain(deliveries) {
            ensure(reads_back && is_of_this_hour(id), || {
                format!("{id:032x} is no id of this hour")
            })?;
        }
        ids_grow(book)
    },
};

/// Ids are in the order in which their bearers were made, whatever the calendar said.
fn ids_grow(book: &Book) -> Result<(), String> {
    let mut by_id: Vec<_> = book.deliveries.iter().collect();
    by_id.sort_by_key(|(id, _)| **id);
    for pair in by_id.windows(2) {
        let [(earlier, before), (later, after)] = pair else {
            continue;
        };
        let in_place = before.lane != after.lane || before.seq < after.seq;
        ensure(in_place && before.since_ms <= after.since_ms, || {
            format!("{later} was made before {earlier}")
        })?;
        ensure(before.event < after.event, || {
            format!("{} was made before {}", after.event, before.event)
        })?;
    }
    Ok(())
}

/// Whether it is a UUID of version 7 (RFC 9562, section 5.7), made in the first hour.
fn is_of_this_hour(id: u128) -> bool {
    let made = u64::try_from(id >> 80).unwrap_or(u64::MAX);
    (id >> 76) & 0xf == 7
        && (id >> 62) & 0b11 == 0b10
        && (EPOCH.0..EPOCH.0 + 60 * MINUTE).contains(&made)
}

/// Takes one more endpoint, and whether it is allowed.
type Add<'a> = &'a mut dyn FnMut(bool, &dyn Fn(&mut EndpointPlan));

/// Endpoints, and whether each is allowed.
fn specs() -> Vec<(bool, EndpointPlan)> {
    let mut specs = Vec::new();
    let mut add = |allowed, change: &dyn Fn(&mut EndpointPlan)| {
        let mut spec = EndpointPlan::of(0);
        change(&mut spec);
        specs.push((allowed, spec));
    };
    add(true, &|_| ());
    for (timeout_ms, allowed) in [(0, false), (600_000, true), (600_001, false)] {
        add(allowed, &|it| it.timeout_ms = timeout_ms);
    }
    for (concurrency, allowed) in [(0, false), (1, true), (1_024, true), (1_025, false)] {
        add(allowed, &|it| it.concurrency = concurrency);
    }
    for (fifo, stop, allowed) in [
        (true, true, true),
        (false, false, true),
        (false, true, false),
    ] {
        add(allowed, &|it| (it.fifo, it.stop_on_failed) = (fifo, stop));
    }
    let kinds_max = u8::try_from(Limits::default().event_types_max).unwrap_or(u8::MAX);
    for (kinds, allowed) in [(kinds_max, true), (kinds_max + 1, false)] {
        add(allowed, &|it| it.kinds = (0..kinds).collect());
    }
    for (requests, burst, per_ms, allowed) in [
        (1, 1, 1, true),
        (0, 1, 1, false),
        (1, 0, 1, false),
        (1, 1, 0, false),
        (1, 1, DAY, true),
        (1, 1, DAY + 1, false),
    ] {
        let rate = Rate {
            requests,
            per_ms,
            burst,
        };
        add(allowed, &|it| it.rate = Some(rate));
    }
    for (failures, cooldown_ms, cooldown_max_ms, allowed) in [
        (1, SECOND, SECOND, true),
        (0, SECOND, SECOND, false),
        (1, DAY, DAY, true),
        (1, DAY + 1, DAY, false),
        (1, SECOND, DAY + 1, false),
    ] {
        let breaker = Breaker {
            failures,
            cooldown_ms,
            cooldown_max_ms,
        };
        add(allowed, &|it| it.breaker = Some(breaker));
    }
    policies(&mut add);
    for (allowed, headers) in headers() {
        add(allowed, &|it| it.headers.clone_from(&headers));
    }
    specs
}

/// The same, of retry policies.
fn policies(add: Add<'_>) {
    let most = Limits::default().retries_max;
    let retries_max = u32::try_from(most).unwrap_or(u32::MAX);
    for (first_ms, factor, cap_ms, retries, allowed) in [
        (SECOND, 1.0, SECOND, 1, true),
        (SECOND, 0.99, SECOND, 1, false),
        (SECOND, 100.0, SECOND, 1, true),
        (SECOND, 100.5, SECOND, 1, false),
        (SECOND, 2.0, SECOND, 0, true),
        (SECOND, 2.0, SECOND, retries_max, true),
        (SECOND, 2.0, SECOND, retries_max + 1, false),
        (LONGEST, 2.0, LONGEST, 1, true),
        (LONGEST + 1, 2.0, SECOND, 1, false),
        (SECOND, 2.0, LONGEST + 1, 1, false),
    ] {
        add(allowed, &|it| {
            it.retry.delays = Delays::Exponential {
                first_ms,
                factor,
                cap_ms,
                retries,
            };
        });
    }
    for (delay_ms, delays, allowed) in [
        (SECOND, 0, true),
        (SECOND, most, true),
        (SECOND, most + 1, false),
        (LONGEST, 2, true),
        (LONGEST + 1, 2, false),
    ] {
        add(allowed, &|it| {
            it.retry.delays = Delays::Listed(vec![delay_ms; delays]);
        });
    }
    for (longest_ms, allowed) in [(LONGEST, true), (LONGEST + 1, false)] {
        add(allowed, &|it| it.retry.retry_after_max_ms = longest_ms);
    }
    for (percent, allowed) in [(0, true), (100, true), (101, false)] {
        add(allowed, &|it| it.retry.jitter_percent = percent);
    }
    for (status, allowed) in [(399, false), (400, true), (499, true), (500, false)] {
        add(allowed, &|it| it.retry.also_retry = vec![status]);
    }
}

/// Headers of an owner's, and whether they are allowed: RFC 9110, sections 5.1 and 5.5, and what
/// belongs to the connection or to the engine.
fn headers() -> Vec<(bool, Vec<(String, String)>)> {
    let limits = Limits::default();
    let numbered = |count: usize| {
        let names = (0..count).map(|number| format!("n-{number}"));
        names.map(|name| (name, String::new())).collect::<Vec<_>>()
    };
    let long = |bytes: usize| vec![("n".to_owned(), "v".repeat(bytes - 1))];
    let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let twice = |first: &str, second: &str| [one(first, "1"), one(second, "2")].concat();
    vec![
        (true, numbered(limits.headers_max)),
        (false, numbered(limits.headers_max + 1)),
        (true, long(limits.header_bytes_max)),
        (false, long(limits.header_bytes_max + 1)),
        (true, one("X!#$%&'*+-.^_`|~9", "some\ttext ~!")),
        (false, one("", "v")),
        (false, one("a b", "v")),
        (false, one("a:", "v")),
        (false, one("ä", "v")),
        (false, one("Content-Type", "v")),
        (false, one("x-signature", "v")),
        (false, one("Webhook-Id", "v")),
        (false, one("n", " v")),
        (false, one("n", "v\t")),
        (false, one("n", "a\nb")),
        (false, one("n", "a\u{7f}b")),
        (false, one("n", "ä")),
        (true, twice("a", "b")),
        (false, twice("a", "a")),
        (false, twice("a", "A")),
    ]
}

/// The calendar says this at the beginning of a part of the story, in Unix seconds, and this is
/// written in `Retry-After` then.
const DATES: &[(u64, &[&str])] = &[
    // 2025-01-01.
    (
        1_735_689_600,
        &[
            "120",
            " 5\t",
            "0",
            "99999999999999999999999999",
            "",
            " ",
            "-1",
            "1.5",
            "12a",
            "inf",
            "Wed, 15 Jan 2025 08:49:37 GMT",
            "Wed, 15 Jan 2025 23:59:59 GMT",
            "Wed, 15 Jan 2025 08:49:60 GMT",
            "Wed, 15 Jan 2025 00:00:00 GMT",
            "Wednesday, 15-Jan-25 08:49:37 GMT",
            "Wed Jan 15 08:49:37 2025",
            "Sun Jan  5 18:09:07 2025",
            "Fri, 31 Jan 2025 08:49:37 GMT",
            // No moment.
            "Wed, 15 Jan 2025 24:00:00 GMT",
            "Wed, 15 Jan 2025 08:60:00 GMT",
            "Wed, 15 Jan 2025 08:49:61 GMT",
            "Wed, 32 Jan 2025 08:49:37 GMT",
            "Wed, 00 Feb 2025 08:49:37 GMT",
            // In no form.
            "Wed, 15 Jan 2025 08:49:37 UTC",
            "Wed, 15 Jan 2025 08:49:37",
            "Wed, 15 Jan 2025 08:49 GMT",
            "Wed, 15 Jan 2025 08:49:37:00 GMT",
            "Wed, 15 Jan 2025 8:49:37 GMT",
            "Wed, 5 Jan 2025 08:49:37 GMT",
            "Wed, 15 Jän 2025 08:49:37 GMT",
            "Wed, 15 Jan 25 08:49:37 GMT",
            "Wednesday, 15-Jan-2025 08:49:37 GMT",
            "Wednesday, 5-Jan-25 08:49:37 GMT",
            "Wed Jan 15 08:49:37 25",
            "Wed Jan 15 08:49 2025",
            "Wed Jan 15",
            "Wed, 15 Jan 1925 08:49:37 GMT",
            // 2075 is 50 years ahead; 2076 would be more, and is 1976.
            "Tuesday, 15-Jan-75 08:49:37 GMT",
            "Wednesday, 15-Jan-76 08:49:37 GMT",
        ],
    ),
    // The end of a February in a leap year, in a century that is none, and in one that is.
    (
        1_834_617_600,
        &[
            "Tue, 29 Feb 2028 12:00:00 GMT",
            "Wed, 01 Mar 2028 06:07:08 GMT",
            "Wednesday, 01-Mar-28 06:07:08 GMT",
        ],
    ),
    (
        4_106_764_800,
        &[
            "Sun, 28 Feb 2100 12:00:00 GMT",
            "Mon, 01 Mar 2100 06:07:08 GMT",
            "Monday, 01-Mar-00 06:07:08 GMT",
            "Mon Mar  1 06:07:08 2100",
        ],
    ),
    (
        951_004_800,
        &[
            "Tue, 29 Feb 2000 12:00:00 GMT",
            "Wed, 01 Mar 2000 06:07:08 GMT",
            "Wednesday, 01-Mar-00 06:07:08 GMT",
        ],
    ),
    // The end of a century.
    (
        945_648_000,
        &[
            "Friday, 31-Dec-99 23:59:59 GMT",
            "Saturday, 01-Jan-00 00:00:01 GMT",
            "Sat, 01 Jan 2000 00:00:01 GMT",
        ],
    ),
    // Around the other months, in 2026.
    (1_774_310_400, &["Wed, 01 Apr 2026 01:02:03 GMT"]),
    (1_776_988_800, &["Fri, 01 May 2026 01:02:03 GMT"]),
    (1_779_580_800, &["Mon, 01 Jun 2026 01:02:03 GMT"]),
    (1_782_259_200, &["Wed, 01 Jul 2026 01:02:03 GMT"]),
    (1_784_851_200, &["Sat, 01 Aug 2026 01:02:03 GMT"]),
    (1_787_529_600, &["Tue, 01 Sep 2026 01:02:03 GMT"]),
    (1_790_208_000, &["Thu, 01 Oct 2026 01:02:03 GMT"]),
    (1_792_800_000, &["Sun, 01 Nov 2026 01:02:03 GMT"]),
    (1_795_478_400, &["Tue, 01 Dec 2026 01:02:03 GMT"]),
    (1_798_070_400, &["Fri, 01 Jan 2027 01:02:03 GMT"]),
];

/// From one part of the story to the next: longer than any wait.
const PART: u64 = 40 * DAY;

pub(super) const RETRY_AFTER_FORMS: Scenario = Scenario {
    name: "retry-after-forms",
    story: "Merchants ask to be left alone until a time, in every form that there is and in many \
            that are none, in many a year: each wait is what RFC 9110 makes of it.",
    tier: Tier::World,
    plan: |seed| {
        let mut plan = calm("retry-after-forms", seed, 0);
        let (mut true_ms, mut skew_ms) = (0, 0);
        for (wall_s, texts) in DATES {
            let target_ms = (wall_s * 1_000).cast_signed() - (EPOCH.0 + true_ms).cast_signed();
            let kind = FaultKind::WallJump {
                by_ms: target_ms - skew_ms,
            };
            skew_ms = target_ms;
            plan.faults.push(at(true_ms + MINUTE, kind));
            for text in *texts {
                let number = plan.receivers.len();
                let answer = Answer::RetryAfter(503, (*text).to_owned());
                plan.receivers.push(answering(answer));
                let mut endpoint = EndpointPlan::of(number);
                endpoint.breaker = None;
                endpoint.disable_after_ms = None;
                endpoint.retry.delays = Delays::Listed(vec![SECOND]);
                endpoint.retry.retry_after_max_ms = LONGEST;
                plan.endpoints.push(endpoint);
                publish(&mut plan, true_ms + 2 * MINUTE, To::Endpoint(number), None);
            }
            true_ms += PART;
        }
        plan.end.healed_at_ms = true_ms;
        plan
    },
    end: |book| {
        let texts: usize = DATES.iter().map(|(_, texts)| texts.len()).sum();
        ensure(book.deliveries.len() == texts, || {
            format!("{} deliveries", book.deliveries.len())
        })?;
        for (id, delivery) in &book.deliveries {
            ensure(
                is_failed(delivery.state, FailReason::Exhausted) && delivery.attempts == 2,
                || format!("{id} is {:?}", delivery.state),
            )?;
        }
        ids_grow(book)
    },
};
