//! What the command line tells of the whole: keys, statistics, the system, and lists over all tenants.

use super::Server;

#[test]
fn a_user_learns_what_the_key_may_do_and_how_the_server_is_set_up() {
    let (server, _directory) = Server::start();
    let who = server.json(&["whoami"]);
    assert_eq!(who["acting_for"], "default");
    assert!(who["tenant"].is_null(), "{who}");
    assert!(server.text(&["whoami"]).contains("acting for"));
    let system = server.json(&["system"]);
    assert_eq!(system["store"]["kind"], "sqlite");
    let settings = system["settings"].as_array().unwrap();
    let data = settings.iter().find(|it| it["name"] == "data").unwrap();
    assert_eq!(
        (&data["value"], &data["origin"]),
        (&"data".into(), &"flag".into())
    );
    let text = server.text(&["system"]);
    assert!(text.contains("not shown: api_key"), "{text}");
    assert!(!text.contains(&server.key), "{text}");
}

#[test]
fn an_operator_looks_at_all_tenants_at_once() {
    let (server, _directory) = Server::start();
    server.json(&["tenants", "create", "acme"]);
    let url = "https://merchant.example/hooks";
    server.endpoint(url, &["--tenant=acme", "--type=order.*"]);
    server.endpoint("https://other.example/", &[]);
    let own = server.json(&["endpoints", "list"]);
    assert_eq!(own["data"].as_array().unwrap().len(), 1);
    let all = server.text(&["endpoints", "list", "--all-tenants"]);
    assert!(all.contains("TENANT") && all.contains("acme"), "{all}");
    let filter = ["--all-tenants", "--text=HOOKS", "--type=order.paid"];
    let found = server.json(&[&["endpoints", "list"], &filter[..]].concat());
    let found = found["data"].as_array().unwrap().clone();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0]["tenant"], &found[0]["url"]),
        (&"acme".into(), &url.into())
    );
    let none = server.json(&["endpoints", "list", "--state=paused,disabled"]);
    assert_eq!(none["data"].as_array().unwrap().len(), 0);
    let stats = server.json(&["stats", "--all-tenants"]);
    assert_eq!(
        (&stats["endpoints"], &stats["pending"]),
        (&2.into(), &0.into())
    );
    assert!(server.text(&["stats"]).contains("dead letters"));
    let refused = server.refused(1, &["stats", "--all-tenants", "--tenant=acme"]);
    assert!(refused.contains("leave one out"), "{refused}");
}
