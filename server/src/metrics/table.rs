//! The table of all metrics: what is registered and what is documented is the same.

/// A metric.
pub(super) struct Entry {
    /// Its name as it is registered: a counter's has `_total` at its end when it is shown, and an
    /// info's `_info`.
    pub(super) name: &'static str,
    kind: &'static str,
    labels: &'static str,
    /// What it says, without the full stop.
    pub(super) help: &'static str,
}

const fn entry(
    kind: &'static str,
    name: &'static str,
    labels: &'static str,
    help: &'static str,
) -> Entry {
    Entry {
        name,
        kind,
        labels,
        help,
    }
}

macro_rules! table {
    ($($constant:ident = $kind:literal $name:literal [$labels:literal] $help:literal;)*) => {
        $(pub(super) const $constant: Entry = entry($kind, $name, $labels, $help);)*
        const TABLE: &[Entry] = &[$($constant),*];
    };
}

table! {
    EVENTS = "counter" "postrider_events_accepted" [""] "Events that were accepted";
    UNSUBSCRIBED = "counter" "postrider_events_without_subscribers" [""] "Events that were accepted and went to no endpoint";
    DELIVERIES = "counter" "postrider_deliveries_accepted" [""] "Deliveries that were made: one for each endpoint that an event goes to, and one for each resend";
    UNDECIDED = "counter" "postrider_filters_undecided" ["`reason`"] "Endpoints that did not get an event because their filter could not be judged";
    ATTEMPTS = "counter" "postrider_attempts" ["`outcome`"] "Attempts whose end is on record, by how they ended";
    ATTEMPT_DURATION = "histogram" "postrider_attempt_duration_seconds" [""] "How long attempts took, from the look-up of the name to the last byte";
    RETRIES = "counter" "postrider_retries_scheduled" [""] "Attempts after which another one was scheduled";
    ENDED = "counter" "postrider_deliveries_ended" ["`state`, `reason`"] "Deliveries that came to an end; a dead letter that is discarded comes to a second one";
    PUT_BACK = "counter" "postrider_attempts_put_back" [""] "Requests that could not be sent because this machine is short of descriptors, ports or the like; they are no attempts, and are sent a little later";
    COMMIT_DURATION = "histogram" "postrider_commit_duration_seconds" [""] "How long the store took to make a group of changes durable";
    API_REQUEST_DURATION = "histogram" "postrider_api_request_duration_seconds" ["`route`, `method`, `status`"] "How long requests of the API took until the head of the answer";
    INBOUND_UNREADABLE = "counter" "postrider_inbound_unreadable" [""] "Verified webhooks whose type or id is not known because the body cannot be read as JSON: they are published as they are";
    CONNECTIONS_CLOSED = "counter" "postrider_connections_closed" ["`why`"] "Connections to the API that were refused or given up";
    REQUESTS_TURNED = "counter" "postrider_requests_turned_away" ["`why`"] "Requests that were refused before anybody looked at what they say";
    PENDING = "gauge" "postrider_pending_deliveries" [""] "Deliveries that have not ended";
    PENDING_BYTES = "gauge" "postrider_pending_bytes" [""] "Payload bytes of the deliveries that have not ended";
    OLDEST_PENDING = "gauge" "postrider_oldest_pending_seconds" [""] "The age of the oldest delivery that has not ended; 0 if there is none";
    IN_FLIGHT = "gauge" "postrider_in_flight_attempts" [""] "Requests under way";
    LANES_ACTIVE = "gauge" "postrider_lanes_active" [""] "Lanes with something pending";
    LANE_DEPTH_MAX = "gauge" "postrider_lane_depth_max" [""] "Deliveries of the lane that has the most pending";
    BREAKERS_OPEN = "gauge" "postrider_breakers_open" [""] "Endpoints whose breaker is open or probes";
    HELD = "gauge" "postrider_endpoints_held" [""] "Endpoints that are held because their receiver has asked for time with 429 or 503 and `Retry-After`";
    ENDPOINTS = "gauge" "postrider_endpoints" ["`status`"] "Endpoints, by status";
    STORE_BYTES = "gauge" "postrider_store_bytes" [""] "Bytes that the store occupies";
    BUILD = "info" "postrider_build" ["`version`"] "Which version runs";
}

/// `docs/metrics.md`.
#[must_use]
pub fn metrics_page() -> String {
    let mut page = String::from(HEAD);
    page.push_str("| metric | kind | labels | what it says |\n|---|---|---|---|\n");
    for entry in TABLE {
        let suffix = match entry.kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let Entry {
            name,
            kind,
            labels,
            help,
        } = entry;
        page.push_str(&format!(
            "| `{name}{suffix}` | {kind} | {labels} | {help}. |\n"
        ));
    }
    page.push_str(TAIL);
    page
}

const HEAD: &str = "# Metrics

`GET /metrics` is the text format of OpenMetrics 1.0, which Prometheus reads. It needs a key for all
tenants with the scope `read`, unless the setting `open_metrics` is on. Counters count what has
happened since this process started, each fact once; gauges are read at most once a second. This page
is made of the table in `server/src/metrics/table.rs`.

";

const TAIL: &str = "
Labels have few values, whatever happens:

- `outcome` is `2xx`, `3xx`, `4xx`, `5xx` or `other` for what was answered, and `dns`,
  `blocked_address`, `connect`, `tls`, `timeout`, `reset`, `malformed`, `too_large` or `internal` where
  there was no answer.
- `reason` of `postrider_filters_undecided_total` is `unreadable`, where the payload cannot be read as
  JSON, or `too_costly`, where the filter would have to look at too much of it.
- `state` is `delivered`, `failed` or `discarded`; `reason` is `rejected`, `gone`, `redirected`,
  `exhausted` or `queue_full` for those that failed, and `none` for the others.
- `route` is a template such as `/v1/events/{id}`, or `none` where there is no such route; `method` is
  one of HTTP's, or `other`; `status` is the class, such as `2xx`.
- `why` of a connection is `full` if there were as many as there may be, `share` if its address had as
  many as it may have, `head` if no request came in time, `idle` if none came any more, `unread` if its
  client did not read what it was sent, and `requests` if as many requests were under way as may be, or as
  its address may have: over HTTP/2 each request that was refused counts, and the connection goes on.
- `why` of a request is `late` if its body was not complete in time, `full` if all requests together held
  as many bytes as they may, `share` if those from its address did, `reads` if too many waited to read,
  and `unread` if too many bytes of answers had not been read.
- `status` of an endpoint is `active`, `paused` or `disabled`.

An attempt of a batch counts for each of its deliveries. Deliveries that are discarded with their
endpoint are counted when that is deleted. What a process that starts finds ended, or ends for the one
before, it does not count.

Worth an alert: `postrider_oldest_pending_seconds` that grows, `rate(postrider_deliveries_ended_total{state=\"failed\"}[5m])`,
`rate(postrider_filters_undecided_total[5m])`, `postrider_breakers_open` beyond the usual, and a `postrider_commit_duration_seconds` that rises: then
the disk is slow.
";

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;
    use std::collections::BTreeSet;

    #[tokio::test]
    async fn what_is_shown_is_what_the_table_says() {
        let metrics = Metrics::new();
        metrics.api_request("/livez", "GET", 200, std::time::Duration::ZERO);
        let postrider = postrider::Postrider::builder().start().await.unwrap();
        let text = metrics.text(&postrider).await;
        let shown = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let shown: BTreeSet<String> = shown.map(str::to_owned).collect();
        let table = TABLE.iter();
        let table = table.map(|entry| format!("{} {}", entry.name, entry.kind));
        assert_eq!(shown, table.collect());
    }
}
