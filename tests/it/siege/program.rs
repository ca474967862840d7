//! The program under siege.

use crate::programs::program;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const KEY: &str = "the-operators-key-of-the-siege";

/// What the program may hold in memory, whatever is done to it, in MiB.
pub(super) const RESIDENT_MIB_MAX: u64 = 256;

pub(super) struct Program {
    child: Child,
    pub(super) address: SocketAddr,
    log: PathBuf,
    _directory: TempDir,
}

impl Program {
    pub(super) fn start(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut child = Command::new(program("postrider"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(directory.path().join("data"))
            .env("POSTRIDER_API_KEY", KEY)
            .env("POSTRIDER_CONFIG", "")
            .env("POSTRIDER_ALLOW_NETWORKS", "127.0.0.0/8")
            .env("POSTRIDER_OPEN_METRICS", "true")
            .env_remove("RUST_LOG")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut said).unwrap();
        let address = said.trim().strip_prefix("listening on http://").unwrap();
        Self {
            child,
            address: address.parse().unwrap(),
            log,
            _directory: directory,
        }
    }

    /// The log so far.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The most memory that it has held so far, in MiB; none where the system does not say.
    pub(super) fn peak_mib(&self) -> Option<u64> {
        let status = Path::new("/proc")
            .join(self.child.id().to_string())
            .join("status");
        let status = std::fs::read_to_string(status).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib >> 10)
    }

    /// The descriptors that it has open; none where the system does not say.
    pub(super) fn descriptors(&self) -> usize {
        let open = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(open).map_or(0, Iterator::count)
    }

    #[track_caller]
    pub(super) fn assert_bounded(&self) {
        if let Some(mib) = self.peak_mib() {
            assert!(mib <= RESIDENT_MIB_MAX, "{mib} MiB");
        }
    }

    /// A connection from this address of the loopback.
    pub(super) async fn connect_from(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        let from = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0);
        socket.bind(from.into()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// Asks over a connection of its own from this address: the status and the body.
    pub(super) async fn ask(&self, from: u8, head: &str, body: &[u8]) -> (u16, Value) {
        let mut connection = self.connect_from(from).await;
        let head = format!(
            "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        // It may be refused before it is read.
        let _ = connection.write_all(body).await;
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).unwrap_or("0");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let value = serde_json::from_str(body).unwrap_or(Value::String(body.to_owned()));
        (status.parse().unwrap(), value)
    }

    pub(super) fn key(&self) -> &'static str {
        KEY
    }

    /// One of its metrics, by its whole name with labels.
    pub(super) async fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.ask(9, "GET /metrics", b"").await;
        let text = text.as_str().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {text}"))
            .trim()
            .parse()
            .unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
