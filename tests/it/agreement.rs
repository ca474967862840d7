//! Native Rust, its WebAssembly and the host's own HMACs give every request the same verdict.

use crate::node::node;
use postrider_signature::{HeaderNames, Message, Scheme, Secret, Signer, Verifier};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const CASES: u64 = 10_000;
const NOW: u64 = 1_700_000_000;

/// Numbers that a seed fixes: SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()].clone()
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length)
            .map(|_| u8::try_from(self.roll(256)).unwrap())
            .collect()
    }

    fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.roll(length as u64)).unwrap()
    }
}

/// A header as it comes over the wire.
type Header = (String, Vec<u8>);

struct Case {
    scheme: Scheme,
    secrets: Vec<String>,
    names: HeaderNames,
    tolerance: Option<u64>,
    now: u64,
    headers: Vec<Header>,
    body: Vec<u8>,
}

impl Case {
    fn random(dice: &mut Dice) -> Self {
        let scheme = dice.one_of(&Scheme::ALL);
        let pool: Vec<Secret> = (0..4).map(|_| secret(scheme, dice)).collect();
        let trusted = pool[..1 + dice.place(3)].to_vec();
        let signing = [pool[dice.place(4)].clone(), pool[dice.place(4)].clone()];
        let signing = &signing[..1 + dice.place(2)];
        let mut names = HeaderNames::default();
        if dice.percent(10) {
            names.signature = Some("X-Acme-Signature".to_owned());
        }
        let body = body(dice);
        let away = dice.one_of(&[0, 0, 0, 299, 300, 301, 100_000]);
        let now = if dice.percent(50) {
            NOW + away
        } else {
            NOW - away
        };
        let signer = Signer::new(scheme, signing)
            .unwrap()
            .header_names(&names)
            .unwrap();
        let message = Message {
            id: "msg_2b7c",
            timestamp: NOW,
            body: &body,
        };
        let headers = signer.sign(&message).unwrap();
        let headers = headers
            .into_iter()
            .map(|header| (header.name.to_owned(), header.value.into_bytes()));
        let mut case = Self {
            scheme,
            secrets: trusted
                .iter()
                .map(|it| it.expose_secret_text().to_owned())
                .collect(),
            names,
            tolerance: dice.one_of(&[Some(300), Some(300), Some(0), None]),
            now,
            headers: headers.collect(),
            body,
        };
        for _ in 0..dice.one_of(&[0, 0, 1, 1, 2]) {
            case.mutate(dice);
        }
        case
    }

    fn mutate(&mut self, dice: &mut Dice) {
        let index = dice.place(self.headers.len().max(1));
        let Some((name, value)) = self.headers.get_mut(index) else {
            return;
        };
        let place = dice.place(value.len().max(1));
        match dice.roll(16) {
            0 if !self.body.is_empty() => {
                let place = dice.place(self.body.len());
                self.body[place] ^= 1 << dice.roll(8);
            }
            1 => self.body.push(b'\n'),
            2 if !value.is_empty() => value[place] ^= 1 << dice.roll(7),
            3 => value.truncate(place),
            4 => value.insert(place, dice.one_of(b" ,.=\t\xe9\xc3AZ09")),
            5 => *value = dice.bytes(20),
            6 => *value = b"1700000000".to_vec(),
            7 => drop(self.headers.remove(index)),
            8 => {
                let copy = (name.to_uppercase(), value.clone());
                self.headers.push(copy);
            }
            9 => *name = name.to_uppercase(),
            10 => value.make_ascii_uppercase(),
            11 => *value = [&value[..], b", ", &value[..]].concat(),
            12 => *value = [&b"v0=00 v1,AAAA, "[..], &value[..]].concat(),
            13 => *value = vec![b'a'; dice.one_of(&[4_095, 4_096, 4_097, 70_000])],
            14 => *value = vec![&value[..]; 17].join(&b" "[..]),
            _ => self.headers.reverse(),
        }
    }

    fn verdict(&self) -> String {
        let secrets: Vec<Secret> = self
            .secrets
            .iter()
            .map(|text| Secret::parse(text.as_str()).unwrap())
            .collect();
        let verifier = Verifier::new(self.scheme, &secrets).unwrap();
        let verifier = verifier.header_names(&self.names).unwrap();
        let verifier = verifier.tolerance_seconds(self.tolerance.unwrap_or(u64::MAX));
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        match verifier.verify(headers, &self.body, self.now) {
            Ok(verified) => format!(
                "{} {} {}",
                verified.key_index,
                verified.id.unwrap_or("-"),
                verified
                    .timestamp
                    .map_or("-".to_owned(), |it| it.to_string())
            ),
            Err(error) => error.code().to_owned(),
        }
    }

    fn json(&self) -> Value {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| json!([name, latin_1(value)]))
            .collect();
        json!({
            "scheme": self.scheme.name(),
            "secrets": self.secrets,
            "signatureName": self.names.signature,
            "toleranceSec": self.tolerance,
            "now": self.now,
            "headers": headers,
            "body": latin_1(&self.body),
            "verdict": self.verdict(),
        })
    }
}

/// As Node gives bytes: each is a character.
fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn secret(scheme: Scheme, dice: &mut Dice) -> Secret {
    let random = <[u8; 32]>::try_from(dice.bytes(32)).unwrap();
    match dice.roll(10) {
        0 if scheme.supports_ed25519() => Secret::generate_ed25519(random),
        1..4 => Secret::parse(format!("text {}", random[0])).unwrap(),
        _ => Secret::generate_hmac(random),
    }
}

/// Of sizes on both sides of where the host's HMACs begin.
fn body(dice: &mut Dice) -> Vec<u8> {
    let length = dice.one_of(&[0, 1, 55, 64, 300, 639, 640, 641, 1_000, 3_000]);
    // Now and then one that goes into the module in parts.
    let length = if dice.percent(1) { 150_000 } else { length };
    match dice.roll(3) {
        0 => dice.bytes(length),
        1 => b"\xef\xbb\xbf{\"a\": \"\xc3\xa9\"}\r\n".repeat(usize::try_from(length / 16).unwrap()),
        _ => b"x".repeat(usize::try_from(length).unwrap()),
    }
}

/// Has Node judge the cases; the mode is `wasm` or `host`.
fn agree(cases: &Path, mode: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("verifier/agreement.mjs");
    let judged = node()
        .arg(script)
        .args([cases.as_os_str(), mode.as_ref()])
        .output()
        .expect("node runs: `cargo xtask test` installs it");
    assert!(
        judged.status.success(),
        "{mode}: {}{}",
        String::from_utf8_lossy(&judged.stdout),
        String::from_utf8_lossy(&judged.stderr)
    );
}

#[test]
fn rust_and_its_webassembly_and_the_hosts_hmacs_agree_on_random_requests() {
    let mut dice = Dice(20_261_122);
    let cases: Vec<_> = (0..CASES).map(|_| Case::random(&mut dice).json()).collect();
    let accepted = cases
        .iter()
        .filter(|case| {
            case["verdict"]
                .as_str()
                .unwrap()
                .starts_with(char::is_numeric)
        })
        .count();
    assert!(
        (1_000..9_000).contains(&accepted),
        "{accepted} are accepted"
    );
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("agreement.json");
    std::fs::write(&path, serde_json::to_vec(&cases).unwrap()).unwrap();
    agree(&path, "wasm");
    agree(&path, "host");
}
