//! One conformance suite for both transports, against a hostile receiver.
//!
//! A case is an `async fn(Subject)`, listed once below and run once for each transport. Where a
//! transport cannot know what the other one knows, the case names both answers with
//! [`Subject::pick`].

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is test code, of which clippy knows the test functions only"
)]

mod connections;
mod egress;
pub(crate) mod fixture;
mod http1;
mod http2;
mod identities;
mod names;
mod phases;
mod proxies;
mod tls;
mod uplinks;

use fixture::Subject;

/// One test for each case and transport.
macro_rules! cases {
    ($($module:ident: $($case:ident),+;)+) => {
        mod over_hyper { $($(
            #[tokio::test]
            async fn $case() {
                super::$module::$case(super::Subject::Hyper).await;
            }
        )+)+ }
        mod over_reqwest { $($(
            #[tokio::test]
            async fn $case() {
                super::$module::$case(super::Subject::Reqwest).await;
            }
        )+)+ }
    };
}

cases! {
    http1:
        a_request_arrives_whole_and_its_answer_is_kept,
        headers_of_the_connection_are_not_the_callers,
        a_receiver_that_never_answers_times_out,
        an_answer_after_the_deadline_is_a_timeout,
        a_connection_closed_without_an_answer_is_a_reset,
        a_half_closed_connection_is_a_reset,
        a_reset_in_the_head_is_a_reset,
        a_reset_in_the_body_leaves_the_status_to_decide,
        a_dripping_body_is_cut_at_the_deadline_and_the_status_decides,
        a_dripping_head_times_out,
        an_endless_body_is_cut_at_its_limit,
        a_body_as_long_as_its_limit_is_whole,
        a_compressed_body_is_kept_as_it_came,
        what_is_not_http_is_malformed,
        a_bad_chunk_leaves_the_status_to_decide,
        an_untidy_head_leaves_the_status_to_decide,
        bytes_beyond_ascii_in_a_value_are_tidy,
        a_head_that_hyper_does_not_read_leaves_the_status_to_decide,
        an_odd_status_line_with_a_status_in_it_decides,
        an_untidy_interim_head_is_skipped_like_a_tidy_one,
        a_head_without_end_leaves_the_status_to_decide,
        blank_lines_without_end_are_too_large,
        a_head_with_too_many_headers_leaves_the_status_to_decide,
        interim_responses_are_skipped,
        a_flood_of_interim_responses_fails,
        a_switch_of_protocols_is_malformed,
        an_early_answer_is_taken_without_sending_the_rest,
        bytes_after_an_answer_are_not_the_next_answer,
        a_redirect_is_an_answer_and_is_not_followed,
        a_redirect_loop_is_asked_once;
    tls:
        a_good_certificate_is_accepted,
        an_expired_certificate_is_refused,
        certificates_are_judged_by_the_clock_that_is_given,
        a_certificate_for_another_host_is_refused,
        a_certificate_of_an_unknown_authority_is_refused,
        a_chain_without_the_authority_between_is_refused,
        a_chain_with_the_authority_between_is_accepted,
        a_receiver_that_speaks_tls_1_2_only_is_reached,
        an_authority_that_was_read_from_a_file_is_believed,
        a_stalled_handshake_times_out,
        plain_text_in_place_of_a_handshake_is_refused,
        a_connection_closed_in_the_handshake_is_refused;
    http2:
        http2_is_spoken_where_tls_negotiates_it,
        a_hundred_requests_at_once_are_all_answered,
        the_receivers_limit_on_streams_is_kept,
        a_receiver_that_goes_away_costs_no_attempt,
        a_dead_http2_connection_costs_no_attempt,
        a_reset_stream_is_a_reset,
        a_huge_http2_head_leaves_the_status_to_decide,
        an_untidy_http2_head_leaves_the_status_to_decide,
        an_http2_head_without_a_status_is_malformed,
        an_http2_body_that_never_comes_leaves_the_status_to_decide,
        a_silent_http2_receiver_times_out;
    names:
        a_name_that_does_not_exist_is_a_dns_failure,
        a_failing_name_server_is_a_dns_failure,
        a_name_without_addresses_is_a_dns_failure,
        a_slow_name_server_times_out,
        a_flapping_name_server_fails_only_when_it_fails,
        the_second_address_is_dialled_when_the_first_refuses,
        a_refused_connection_is_a_connect_failure;
    egress:
        a_literal_private_address_is_never_dialled,
        a_name_with_a_private_address_is_never_dialled,
        one_private_address_among_public_ones_refuses_the_name,
        the_address_that_was_vetted_is_the_one_that_is_dialled,
        proxies_of_the_environment_are_not_used;
    connections:
        requests_one_after_another_share_a_connection,
        a_pool_of_dead_connections_costs_no_attempt,
        a_farewell_on_an_idle_connection_is_not_the_next_answer,
        a_connection_whose_body_was_not_read_is_not_used_again,
        a_dropped_attempt_closes_its_connection,
        idle_connections_stay_within_their_limit,
        idle_connections_are_closed_after_their_time;
}
