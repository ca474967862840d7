//! Who reads which entries, and how they are found.

use super::{Server, text};
use postrider::{Note, NoteId};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_its_own_entries_and_an_operator_all_of_them() {
    let server = Server::start().await;
    let acme = server.key_of("acme", &["manage"]).await;
    let other = server.key_of("other", &["read"]).await;
    let as_acme = [("authorization", acme.as_str())];
    let as_other = [("authorization", other.as_str())];
    let form = json!({ "url": "https://merchant.example/" }).to_string();
    server
        .send(Method::POST, "/v1/endpoints", Some(form), &as_acme)
        .await
        .expect(201);
    server.endpoint("https://merchant.example/").await;
    let get = async |path: &str, headers: &[(&str, &str)]| {
        server.send(Method::GET, path, None, headers).await
    };
    let acts = |page: &Value| {
        let all = page["data"].as_array().unwrap().iter();
        let all = all.map(|it| format!("{} {}", text(&it["act"]), it["tenant"]));
        all.collect::<BTreeSet<_>>()
    };
    let of_acme = BTreeSet::from(
        ["endpoint.create", "key.create", "tenant.create"].map(|act| format!("{act} \"acme\"")),
    );
    for path in ["/v1/audit", "/v1/audit?tenant=acme"] {
        let page = get(path, &as_acme).await.expect(200);
        assert_eq!(acts(&page), of_acme, "{path}");
    }
    let named = get("/v1/audit?tenant=acme", &[]).await.expect(200);
    assert_eq!(acts(&named), of_acme);
    let page = get("/v1/audit", &as_other).await.expect(200);
    assert!(!page.to_string().contains("acme"), "{page}");
    for path in ["/v1/audit?tenant=acme", "/v1/audit?tenant=*"] {
        get(path, &as_other).await.problem(403, "forbidden");
    }
    let own = get("/v1/audit", &[]).await.expect(200);
    let own = acts(&own);
    assert_eq!(
        own,
        BTreeSet::from(["endpoint.create \"default\"".to_owned()])
    );
    let all = acts(&get("/v1/audit?tenant=*", &[]).await.expect(200));
    assert!(
        all.is_superset(&of_acme) && all.is_superset(&own),
        "{all:?}"
    );
    let by_header = [("postrider-tenant", "acme")];
    let both = get("/v1/audit?tenant=acme", &by_header).await.expect(200);
    assert_eq!(acts(&both), of_acme);
    for path in ["/v1/audit?tenant=other", "/v1/audit?tenant=*"] {
        get(path, &by_header).await.problem(400, "invalid_query");
    }
    get("/v1/audit?tenant=nobody", &[])
        .await
        .problem(404, "not_found");
    let made = get("/v1/audit?tenant=acme&act=tenant.create", &[]).await;
    let id = text(&made.expect(200)["data"][0]["target"]["id"]);
    server.delete("/v1/tenants/acme").await.expect(204);
    let path = format!("/v1/audit?tenant={id}&act=tenant.delete");
    let gone = get(&path, &[]).await.expect(200);
    assert_eq!(gone["data"][0]["target"]["id"], id.as_str());
    let by_header = [("postrider-tenant", "default")];
    get(&path, &by_header).await.problem(400, "invalid_query");
    get(&path, &as_other).await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_found_by_actor_act_target_and_time_page_by_page() {
    let server = Server::start().await;
    let endpoint = server.endpoint("https://merchant.example/").await;
    for act in ["pause", "resume", "pause", "resume"] {
        let path = format!("/v1/endpoints/{endpoint}/{act}");
        server.post(&path, json!({})).await.expect(200);
    }
    server.endpoint("https://merchant.example/").await;
    let count = async |query: &str| {
        let page = server.get(&format!("/v1/audit?{query}")).await.expect(200);
        page["data"].as_array().unwrap().len()
    };
    for (query, expected) in [
        ("limit=250".to_owned(), 6),
        ("act=endpoint.pause".to_owned(), 2),
        ("act=endpoint.pause,endpoint.create".to_owned(), 4),
        ("act=key".to_owned(), 0),
        (format!("target={endpoint}"), 5),
        (format!("target={endpoint}&act=endpoint.resume"), 2),
        ("actor=key".to_owned(), 6),
        ("actor=key_given_at_start".to_owned(), 6),
        ("actor=nobody".to_owned(), 0),
        ("until=2020-01-01T00:00:00Z".to_owned(), 0),
        ("from=2020-01-01T00:00:00Z".to_owned(), 6),
    ] {
        assert_eq!(count(&query).await, expected, "{query}");
    }
    server
        .get("/v1/audit?act=endpoint.explode")
        .await
        .problem(422, "invalid_parameter");
    for query in ["order=oldest", "order=newest&act=endpoint"] {
        let all = server.get(&format!("/v1/audit?{query}")).await.expect(200);
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/audit?{query}&limit=2{cursor}");
            let page = server.get(&path).await.expect(200);
            found.extend(page["data"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(json!(found), all["data"], "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_application_has_noted_in_its_own_form_is_an_act_of_its_own() {
    let server = Server::start().await;
    let endpoint = server.endpoint("https://merchant.example/").await;
    let note = Note {
        id: NoteId::from_parts(server.postrider.wall(), 7),
        tenant: Some("default".parse().unwrap()),
        target: Some("order 7".into()),
        value: "not JSON, and secret".into(),
    };
    server.postrider.write_note(note.clone()).await.unwrap();
    let page = server.get("/v1/audit").await.expect(200);
    let of_endpoint = page["data"].as_array().unwrap().iter();
    let of_endpoint = of_endpoint.filter(|it| it["target"]["id"] == endpoint.as_str());
    assert_eq!(of_endpoint.count(), 1, "{page}");
    assert!(!page.to_string().contains("secret"), "{page}");
    for filter in ["act=application.note", "act=application", "actor=system"] {
        let path = format!("/v1/audit?{filter}");
        let page = server.get(&path).await.expect(200);
        let entries = page["data"].as_array().unwrap();
        assert_eq!(entries.len(), 1, "{filter}: {page}");
        let entry = &entries[0];
        assert_eq!(entry["id"], note.id.to_string());
        assert_eq!(entry["act"], "application.note");
        let target = json!({ "kind": "application", "id": "order 7" });
        assert_eq!(entry["target"], target);
        assert_eq!(entry["detail"], json!({ "bytes": 20 }));
    }
}
