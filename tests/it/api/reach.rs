//! Lists over all tenants: whole for keys for all of them, and closed to all others.

use super::{Answer, Server};
use crate::receiver::{Receiver, until};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The lists that take `tenant`, of those that are described.
fn lists() -> Vec<String> {
    let document = postrider_server::document();
    let paths = document["paths"].as_object().unwrap();
    let takes = |item: &Value| {
        let parameters = item["get"]["parameters"].as_array();
        parameters.into_iter().flatten().any(|it| {
            let is_query = it["in"] == "query";
            is_query && it["name"] == "tenant"
        })
    };
    let lists = paths.iter().filter(|(_, item)| takes(item));
    lists.map(|(path, _)| path.clone()).collect()
}

/// The path with an id of its kind under which there is nothing, and what its query needs.
fn of_nothing(list: &str) -> String {
    let kind = match list.split('/').nth(2) {
        Some("events") => "evt",
        Some("deliveries") => "dlv",
        _ => "ep",
    };
    let nothing = "0".repeat(26);
    let path = list.replace("{id}", &format!("{kind}_{nothing}"));
    let path = path.replace("{number}", "1");
    match path.ends_with("/explain") {
        true => format!("{path}?endpoint_id=ep_{nothing}&"),
        false => format!("{path}?"),
    }
}

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    server.send(Method::GET, path, None, headers).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_one_tenant_reaches_its_own_lists_alone_by_whatever_name() {
    let server = Server::start().await;
    let key = server.key_of("acme", &["read"]).await;
    let headers = [("authorization", key.as_str())];
    let tenant = server.get("/v1/tenants/acme").await.expect(200);
    let id = tenant["id"].as_str().unwrap();
    let lists = lists();
    assert!(lists.len() >= 18, "{lists:?}");
    for list in lists {
        // There is nothing with this id; the tenant is looked at before.
        let path = of_nothing(&list);
        for foreign in ["*", "default", "nobody", "a%20b"] {
            let refused = get(&server, &format!("{path}tenant={foreign}"), &headers).await;
            refused.problem(403, "forbidden");
        }
        // What it is answered with does not end: see the streams.
        if list == "/v1/stream" {
            continue;
        }
        for own in ["acme", id] {
            let answer = get(&server, &format!("{path}tenant={own}"), &headers).await;
            let expected = if list.contains('{') { 404 } else { 200 };
            assert_eq!(answer.status, expected, "{list}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_named_twice_has_to_be_the_same() {
    let server = Server::start().await;
    server.key_of("acme", &["read"]).await;
    let acme = [("postrider-tenant", "acme")];
    let list = "/v1/endpoints?tenant=";
    for (asked, status) in [("acme", 200), ("default", 400), ("*", 400)] {
        let answer = get(&server, &format!("{list}{asked}"), &acme).await;
        assert_eq!(answer.status, status, "{asked}: {answer:?}");
    }
    let refused = get(&server, "/v1/endpoints?tenant=*", &acme).await;
    refused.problem(400, "invalid_query");
    let unknown = server.get("/v1/endpoints?tenant=nobody").await;
    unknown.problem(404, "not_found");
}

/// Whose the rows of a list are.
async fn owners(server: &Server, path: &str) -> BTreeSet<String> {
    let answer = server.get(path).await.expect(200);
    let rows = answer["data"].as_array().or(answer["groups"].as_array());
    let owner = |row: &Value| row["tenant"].as_str().unwrap().to_owned();
    rows.unwrap().iter().map(owner).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_over_all_tenants_has_the_rows_of_each_with_its_name() {
    let server = Server::start().await;
    let refusing = Receiver::answering(400).await;
    for tenant in ["one", "other"] {
        let key = server.key_of(tenant, &["publish", "manage"]).await;
        let headers = [("authorization", key.as_str())];
        for (path, body) in [
            ("/v1/endpoints", json!({ "url": refusing.url() })),
            ("/v1/events", json!({ "type": "a.b", "payload": 1 })),
            ("/v1/replays", json!({ "states": ["delivered"] })),
        ] {
            let made = server.send(Method::POST, path, Some(body.to_string()), &headers);
            let made = made.await;
            assert!((200..300).contains(&made.status), "{path}: {made:?}");
        }
    }
    until("both are dead letters", || async {
        let stats = server.get("/v1/stats?tenant=*").await.expect(200);
        stats["dead_letters"] == 2
    })
    .await;
    let both = BTreeSet::from(["one".to_owned(), "other".to_owned()]);
    for list in [
        "/v1/endpoints",
        "/v1/events",
        "/v1/deliveries",
        "/v1/dead-letters",
        "/v1/dead-letters/groups",
        "/v1/replays",
        "/v1/audit",
    ] {
        let all = owners(&server, &format!("{list}?tenant=*")).await;
        assert_eq!(all, both, "{list}");
        let one = owners(&server, &format!("{list}?tenant=one")).await;
        assert_eq!(one, BTreeSet::from(["one".to_owned()]), "{list}");
        assert!(owners(&server, list).await.is_empty(), "{list}");
    }
    let stats = async |asked: &str| server.get(&format!("/v1/stats{asked}")).await.expect(200);
    let counts = |stats: &Value| {
        let of = |name: &str| stats[name].as_u64().unwrap();
        [of("accepted"), of("failed"), of("pending"), of("endpoints")]
    };
    assert_eq!(counts(&stats("?tenant=*").await), [2, 2, 0, 2]);
    assert_eq!(counts(&stats("?tenant=one").await), [1, 1, 0, 1]);
    assert_eq!(counts(&stats("").await), [0, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_all_tenants_is_read_page_by_page_and_its_places_are_no_tenant_s() {
    let server = Server::start().await;
    let key = server.key_of("acme", &["publish", "read"]).await;
    let headers = [("authorization", key.as_str())];
    for number in 0..3 {
        server.publish("a.b", json!(number)).await;
        let event = json!({ "type": "a.b", "payload": number }).to_string();
        let published = server.send(Method::POST, "/v1/events", Some(event), &headers);
        published.await.expect(202);
    }
    let mut path = "/v1/events?tenant=*&limit=2".to_owned();
    let mut found = Vec::new();
    loop {
        let page = server.get(&path).await.expect(200);
        let rows = page["data"].as_array().unwrap().clone();
        found.extend(rows.iter().map(|row| row["tenant"].clone()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        let own = get(&server, &format!("/v1/events?cursor={next}"), &headers).await;
        own.problem(422, "invalid_cursor");
        path = format!("/v1/events?tenant=*&limit=2&cursor={next}");
    }
    let newest_first = ["acme", "default"].repeat(3);
    assert_eq!(found, newest_first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_id_is_found_among_what_all_tenants_have_by_a_key_for_all_of_them_alone() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let key = server.key_of("acme", &["publish", "manage"]).await;
    let stranger = server.key_of("other", &["read"]).await;
    let headers = [("authorization", key.as_str())];
    let post = async |path: &str, body: Value| {
        let made = server.send(Method::POST, path, Some(body.to_string()), &headers);
        made.await.body
    };
    let endpoint = post("/v1/endpoints", json!({ "url": receiver.url() })).await;
    let endpoint = endpoint["id"].as_str().unwrap();
    let event = json!({ "type": "a.b", "payload": { "n": 1 } });
    let event = post("/v1/events", event).await;
    let delivery = event["deliveries"][0]["id"].as_str().unwrap();
    let event = event["id"].as_str().unwrap();
    until("it is delivered", || async {
        let path = format!("/v1/events/{event}?tenant=*");
        server.get(&path).await.expect(200)["state"] == "delivered"
    })
    .await;
    for path in [
        format!("/v1/endpoints/{endpoint}?"),
        format!("/v1/endpoints/{endpoint}/stats?"),
        format!("/v1/endpoints/{endpoint}/lanes?"),
        format!("/v1/endpoints/{endpoint}/deliveries?"),
        format!("/v1/events/{event}?"),
        format!("/v1/events/{event}/payload?"),
        format!("/v1/events/{event}/timeline?"),
        format!("/v1/events/{event}/explain?endpoint_id={endpoint}&"),
        format!("/v1/deliveries/{delivery}?"),
        format!("/v1/deliveries/{delivery}/attempts?"),
        format!("/v1/deliveries/{delivery}/attempts/1?"),
        format!("/v1/deliveries/{delivery}/attempts/1/request-body?"),
    ] {
        let shown = server.get(&format!("{path}tenant=*")).await;
        assert_eq!(shown.status, 200, "{path}: {shown:?}");
        let named = server.get(&format!("{path}tenant=acme")).await;
        assert_eq!(named.text, shown.text, "{path}");
        let elsewhere = server.get(&format!("{path}tenant=other")).await;
        elsewhere.problem(404, "not_found");
        server.get(&path).await.problem(404, "not_found");
        let stranger = [("authorization", stranger.as_str())];
        for tenant in ["*", "acme"] {
            let refused = get(&server, &format!("{path}tenant={tenant}"), &stranger).await;
            refused.problem(403, "forbidden");
        }
        get(&server, &path, &stranger)
            .await
            .problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_listed_by_what_they_are_known_by() {
    let server = Server::start().await;
    let form = json!({ "url": "https://one.example/hooks" });
    let path = "/v1/endpoints/by-name/one";
    let one = server.send(Method::PUT, path, Some(form.to_string()), &[]);
    let one = one.await.expect(201);
    let other = server.endpoint("https://other.example/").await;
    let path = format!("/v1/endpoints/{other}/pause");
    server.post(&path, json!({})).await.expect(200);
    let first = server
        .get("/v1/endpoints?view=names&tenant=*&limit=1")
        .await;
    let first = first.expect(200);
    let row = json!({
        "id": one["id"], "name": "one", "url": "https://one.example/hooks", "state": "active",
        "tenant": "default",
    });
    assert_eq!(first["data"], json!([row]));
    let next = first["next"].as_str().unwrap();
    let path = format!("/v1/endpoints?view=names&cursor={next}");
    let rest = server.get(&path).await.expect(200);
    let row = json!({
        "id": other, "name": null, "url": "https://other.example/", "state": "paused",
        "tenant": "default",
    });
    assert_eq!(rest["data"], json!([row]));
    let paused = server.get("/v1/endpoints?view=names&state=paused").await;
    assert_eq!(paused.expect(200)["data"][0]["id"], other);
    let other_form = server.get("/v1/endpoints?view=short").await;
    other_form.problem(400, "invalid_query");
    let full = server.get("/v1/endpoints?view=full").await.expect(200);
    assert_eq!(full["data"][0]["counts"]["pending"], 0);
}
