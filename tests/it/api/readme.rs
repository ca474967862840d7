//! The curl lines of the README do what they say, as they are printed.

use super::Server;
use super::server::KEY;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn the_curl_lines_of_the_readme_work_as_printed() {
    let server = Server::start().await;
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let readme = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    let blocks = readme.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let script: String = blocks.filter(|block| block.contains("curl")).collect();
    assert_eq!(script.matches("curl -sS").count(), 3, "{script}");
    let url = server.base.clone();
    let ran = tokio::task::spawn_blocking(move || {
        let mut shell = Command::new("sh");
        shell.args(["-euc", &script]);
        shell
            .env("POSTRIDER_URL", url)
            .env("POSTRIDER_API_KEY", KEY);
        shell.env("NO_PROXY", "127.0.0.1").output().unwrap()
    });
    let ran = ran.await.unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(said.contains(r#""secret":"whsec_"#), "{said}");
    assert!(said.contains(r#""id":"evt_"#), "{said}");
    assert!(
        said.contains(r#""event_type":"payment.succeeded""#),
        "{said}"
    );
}
