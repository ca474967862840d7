//! `postrider sign`, `verify` and `secret`, run as a user would.

use crate::programs::program;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &[u8] = br#"{"id": 1, "amounts": [1, 2]}"#;
const SCHEMES: [&str; 10] = [
    "postrider",
    "standard",
    "svix",
    "stripe",
    "github",
    "shopify",
    "slack",
    "body-hex",
    "timestamped-v1",
    "timestamped-sha256",
];

/// What a command said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn postrider(args: &[&str], stdin: &[u8]) -> Said {
    with_variable(args, stdin, None)
}

/// Runs it with this value of `POSTRIDER_SECRET`.
fn with_variable(args: &[&str], stdin: &[u8], secret: Option<&str>) -> Said {
    let mut command = Command::new(program("postrider"));
    command.args(args).env_remove("POSTRIDER_SECRET");
    command.envs(secret.map(|secret| ("POSTRIDER_SECRET", secret)));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that is refused does not read its input.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Writes a file that no other test has.
fn file(name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli");
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    path
}

/// The headers that sign `BODY`, as arguments for `verify`.
fn signed(scheme: &str, secret: &str) -> Vec<String> {
    let said = postrider(&["sign", "--scheme", scheme, "--secret", secret], BODY);
    assert_eq!((said.code, &*said.err), (Some(0), ""), "{said:?}");
    said.out
        .lines()
        .map(|line| format!("--header={line}"))
        .collect()
}

fn verify(scheme: &str, secret: &str, more: &[String], body: &[u8]) -> Said {
    let secret = format!("--secret={secret}");
    let mut args = vec!["verify", "--scheme", scheme, &secret];
    args.extend(more.iter().map(String::as_str));
    postrider(&args, body)
}

/// The code of the cause that `--explain` tells.
fn cause(scheme: &str, secret: &str, headers: &[String], body: &[u8]) -> String {
    let more = [headers, &["--explain".into(), "--json".into()]].concat();
    let said = verify(scheme, secret, &more, body);
    assert_eq!(said.code, Some(1), "{said:?}");
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["verified"], false);
    told["cause"]["code"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn what_is_signed_is_verified_under_every_scheme() {
    for scheme in SCHEMES {
        let headers = signed(scheme, SECRET);
        let said = verify(scheme, SECRET, &headers, BODY);
        assert_eq!(said.code, Some(0), "{said:?}");
        let expected = format!("verified: signed with secret 1 of 1, scheme {scheme}");
        assert!(said.out.starts_with(&expected), "{said:?}");
        let refused = verify(scheme, "another secret", &headers, BODY);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(
            refused.out.starts_with("refused: NO_MATCH: "),
            "{refused:?}"
        );
    }
}

#[test]
fn what_providers_publish_is_verified() {
    let github = "--header=X-Hub-Signature-256: \
        sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let said = verify(
        "github",
        "It's a Secret to Everybody",
        &[github.into()],
        b"Hello, World!",
    );
    assert_eq!(said.code, Some(0), "{said:?}");

    let stripe = "--header=Stripe-Signature: t=1700000000,\
        v1=0a731970e30844c135c2ba545c0b030783248e5151afff97d4b4cac22ffa7321";
    let body = br#"{"id":"evt_1","type":"payment.succeeded"}"#;
    let at = |now: &str| [stripe.to_owned(), format!("--now={now}")];
    let said = verify("stripe", "whsec_test_secret", &at("1700000060"), body);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("60 s ago"), "{said:?}");
    let late = verify("stripe", "whsec_test_secret", &at("1700000301"), body);
    assert_eq!(late.code, Some(1));
    assert!(
        late.out.starts_with("refused: TIMESTAMP_TOO_OLD: "),
        "{late:?}"
    );
    let tolerated = [&at("1700000301")[..], &["--tolerance=301".into()]].concat();
    let tolerated = verify("stripe", "whsec_test_secret", &tolerated, body);
    assert_eq!(tolerated.code, Some(0), "{tolerated:?}");
}

#[test]
fn every_public_vector_gets_its_verdict() {
    let vectors = include_str!("../../signature/vectors/signatures.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    for vector in vectors["vectors"].as_array().unwrap() {
        let text = |field: &str| vector[field].as_str().unwrap();
        let scheme = match text("scheme") {
            "standard-webhooks" => "standard",
            "timestamped-v1-hex" => "timestamped-v1",
            "timestamped-sha256-hex" => "timestamped-sha256",
            name => name,
        };
        let headers = vector["headers"].as_object().unwrap().iter();
        let headers =
            headers.map(|(name, value)| format!("--header={name}: {}", value.as_str().unwrap()));
        let now = format!("--now={}", vector["now"]);
        let more: Vec<String> = headers.chain([now, "--json".into()]).collect();
        let said = verify(scheme, text("secret"), &more, text("body").as_bytes());
        let told: Value = serde_json::from_str(&said.out).unwrap();
        let accepted = text("verdict") == "accept";
        assert_eq!(
            said.code,
            Some(i32::from(!accepted)),
            "{}: {said:?}",
            vector["name"]
        );
        assert_eq!(told["verified"], accepted);
        assert_eq!(told["code"], vector["why"], "{}", vector["name"]);
    }
}

#[test]
fn what_a_provider_has_signed_is_verified_by_its_name() {
    let vectors = include_str!("../../signature/vectors/providers.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    for vector in vectors["vectors"].as_array().unwrap() {
        let text = |field: &str| vector[field].as_str().unwrap();
        let headers = vector["headers"].as_object().unwrap().iter();
        let headers =
            headers.map(|(name, value)| format!("--header={name}: {}", value.as_str().unwrap()));
        let now = format!("--now={}", vector["now"]);
        let url = format!("--url={}", text("url"));
        let more: Vec<String> = headers.chain([now, url]).collect();
        let body = text("body").as_bytes();
        let said = verify(text("provider"), text("secret"), &more, body);
        assert_eq!(said.code, Some(0), "{}: {said:?}", vector["provider"]);
    }
    // The HMAC of `x` with the key `s`.
    let hex = "cefb105ee22996fb167ed606478d2931b87aa3ab99b4b04b68c4fc16c8b49a30";
    let gitea = [format!("--header=X-Gitea-Signature: {hex}")];
    assert_eq!(cause("github", "s", &gitea, b"x"), "OTHER_PROVIDER");
    let said = verify("square", "s", &["--header=a: b".into()], b"");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("give it with --url"), "{said:?}");
}

#[test]
fn a_changed_body_is_explained() {
    let headers = signed("standard", SECRET);
    let with_newline = [BODY, b"\n"].concat();
    let with_mark = [b"\xef\xbb\xbf", BODY].concat();
    let rewritten = br#"{"id":1,"amounts":[1,2]}"#;
    for (body, expected) in [
        (with_newline.as_slice(), "TRAILING_NEWLINE"),
        (&with_mark, "BYTE_ORDER_MARK"),
        (rewritten, "JSON_REWRITTEN"),
        (b"{}", "none"),
    ] {
        assert_eq!(cause("standard", SECRET, &headers, body), expected);
    }
}

#[test]
fn a_secret_in_the_wrong_form_is_explained() {
    let (_, undecoded) = SECRET.split_once('_').unwrap();
    let headers = signed("standard", SECRET);
    assert_eq!(
        cause("standard", undecoded, &headers, BODY),
        "SECRET_PREFIX_MISSING"
    );
    let headers = signed("standard", undecoded);
    assert_eq!(
        cause("standard", SECRET, &headers, BODY),
        "SECRET_PREFIX_EXTRA"
    );
    let spaced = format!("{undecoded} ");
    assert_eq!(
        cause("standard", &spaced, &headers, BODY),
        "SECRET_WHITESPACE"
    );
}

#[test]
fn an_old_timestamp_and_another_scheme_are_explained() {
    let old = [
        "sign",
        "--scheme=slack",
        "--secret=s",
        "--timestamp=1531420618",
    ];
    let said = postrider(&old, BODY);
    let old: Vec<String> = said
        .out
        .lines()
        .map(|line| format!("--header={line}"))
        .collect();
    assert_eq!(cause("slack", "s", &old, BODY), "OUTSIDE_TOLERANCE");
    let github = signed("github", "s");
    let said = verify(
        "shopify",
        "s",
        &[&github[..], &["--explain".into()]].concat(),
        BODY,
    );
    assert_eq!(said.code, Some(1));
    assert!(
        said.out.starts_with("refused: MISSING_HEADER: "),
        "{said:?}"
    );
    assert!(
        said.out
            .contains("\ncause: OTHER_SCHEME: the header `x-hub-signature-256` "),
        "{said:?}"
    );
}

#[test]
fn a_refusal_without_an_explanation_offers_one() {
    let said = verify("github", "other", &signed("github", "s"), BODY);
    assert!(
        said.out.ends_with("(--explain looks for the cause)\n"),
        "{said:?}"
    );
    let more = [signed("github", "s"), vec!["--explain".into()]].concat();
    let said = verify("github", "other", &more, BODY);
    assert!(
        said.out.contains("\ncause: none that could be proved"),
        "{said:?}"
    );
}

#[test]
fn the_secret_that_matched_is_named() {
    let headers = signed("standard", "second");
    let more = [
        &["--secret=second".to_owned()][..],
        &headers,
        &["--json".into()],
    ]
    .concat();
    let said = verify("standard", "first", &more, BODY);
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &told["secret"]), (Some(0), &Value::from(2)));
    assert_eq!(
        (&told["verified"], &told["scheme"]),
        (&Value::from(true), &Value::from("standard"))
    );
}

#[test]
fn a_secret_comes_from_a_file_or_the_environment_and_stays_out_of_the_arguments() {
    let signed = with_variable(&["sign", "--scheme=github"], BODY, Some("from outside"));
    assert_eq!(signed.code, Some(0), "{signed:?}");
    let header = format!("--header={}", signed.out.trim_end());
    for (name, content) in [
        ("lf", "from outside\n"),
        ("crlf", "from outside\r\n"),
        ("bare", "from outside"),
    ] {
        let path = file(&format!("secret_{name}"), content);
        let secret = format!("--secret-file={}", path.display());
        let said = postrider(&["verify", "--scheme=github", &secret, &header], BODY);
        assert_eq!(said.code, Some(0), "{name}: {said:?}");
    }
    // What the command line gives counts, not what lies around.
    let verify = ["verify", "--scheme=github", "--secret=given", &header];
    assert_eq!(
        with_variable(&verify, BODY, Some("from outside")).code,
        Some(1)
    );
}

#[test]
fn headers_and_body_come_from_files_byte_for_byte() {
    let body = file("body", b"\xff\x00\r\n");
    let body = body.to_str().unwrap();
    let signed = postrider(&["sign", "--secret=s", "--id=msg_1", "--body", body], b"");
    assert_eq!(signed.code, Some(0), "{signed:?}");
    assert!(
        signed
            .out
            .starts_with("webhook-id: msg_1\nwebhook-timestamp: "),
        "{signed:?}"
    );
    let captured = format!(
        "POST /hooks HTTP/1.1\r\nHost: a.example\r\n{}\r\n",
        signed.out
    );
    let headers = file("headers", captured);
    let headers = headers.to_str().unwrap();
    let verify = ["verify", "--secret=s", "--headers", headers, "--body", body];
    let said = postrider(&verify, b"");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.contains(", id msg_1, ") && said.out.ends_with(" s ago\n"),
        "{said:?}"
    );
}

#[test]
fn signed_headers_are_a_json_object_on_request() {
    let args = [
        "sign",
        "--scheme=timestamped-v1",
        "--secret=s",
        "--timestamp=7",
        "--json",
    ];
    let said = postrider(&args, BODY);
    let object: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(object["x-webhook-timestamp"], "7");
    assert!(
        object["x-webhook-signature"]
            .as_str()
            .unwrap()
            .starts_with("v1=")
    );
    assert_eq!(object.as_object().unwrap().len(), 2);
}

#[test]
fn a_new_secret_signs_and_verifies() {
    let secret = postrider(&["secret"], b"").out;
    assert!(secret.starts_with("whsec_") && secret.lines().count() == 1);
    assert_ne!(secret, postrider(&["secret"], b"").out);
    let secret = secret.trim_end();
    assert_eq!(
        verify("standard", secret, &signed("standard", secret), BODY).code,
        Some(0)
    );

    let pair = postrider(&["secret", "--ed25519"], b"").out;
    let [signing, verifying] = pair.lines().collect::<Vec<_>>()[..] else {
        panic!("a pair is two lines: {pair}")
    };
    assert!(signing.starts_with("whsk_") && verifying.starts_with("whpk_"));
    let headers = signed("standard", signing);
    assert_eq!(verify("standard", verifying, &headers, BODY).code, Some(0));
}

#[test]
fn bad_usage_exits_with_2_and_says_what_to_do() {
    for (args, help) in [
        (&[][..], "Usage: postrider <COMMAND>"),
        (&["deliver"], "unrecognized subcommand 'deliver'"),
        (
            &["sign", "--scheme=githu", "--secret=s"],
            "a similar value exists: 'github'",
        ),
        (
            &["sign"],
            "no secret is given: name a file with --secret-file",
        ),
        (&["sign", "--secret=whsec_"], "give the whole of it"),
        (&["sign", "--secret=whsec_%"], "copy the secret again"),
        (
            &["sign", "--secret=s", "--id=a.b"],
            "the message id must be",
        ),
        (
            &["sign", "--scheme=github", "--secret=whsk_AAAA"],
            "use a `whsec_` secret",
        ),
        (
            &["sign", "--secret-file=/nowhere"],
            "/nowhere cannot be read: ",
        ),
        (
            &["verify", "--secret=s"],
            "no header is given: use --header 'Name: value'",
        ),
        (
            &["verify", "--secret=s", "--header=x"],
            "write a header as 'Name: value'",
        ),
        (
            &["verify", "--secret=s", "--now=soon"],
            "invalid value 'soon' for '--now <SECONDS>'",
        ),
        (&["demo", "--events=0"], "0 is not in 1..=1000000"),
    ] {
        let said = postrider(args, b"");
        assert_eq!((said.code, &*said.out), (Some(2), ""), "{args:?}: {said:?}");
        assert!(said.err.contains(help), "{args:?}: {said:?}");
        assert!(
            !said.err.contains("whsec_%"),
            "a secret is not repeated: {said:?}"
        );
    }
}

#[test]
fn the_version_is_told() {
    let said = postrider(&["-V"], b"");
    assert_eq!(
        said.out,
        format!("postrider {}\n", env!("CARGO_PKG_VERSION"))
    );
}
