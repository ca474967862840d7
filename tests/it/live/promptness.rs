//! How soon answers are there.

use super::server::{KEY, Program};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Answers over one connection.
const ANSWERS: usize = 41;

/// Answers are handed to a connection in parts of 16 KiB: these have two or three.
const PARTS: std::ops::Range<usize> = 17 << 10..48 << 10;

#[test]
fn an_answer_of_several_parts_does_not_wait_for_the_acknowledgement_of_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let data = ["--data".as_ref(), directory.path().as_os_str()];
    let server = Program::serve(&data, Stdio::null());
    let address = server.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut get = |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {KEY}");
        stream
            .write_all(format!("{head}\r\n\r\n").as_bytes())
            .unwrap();
        read_body(&mut stream)
    };
    let page = get("/ui/");
    let files = page
        .split("\"./")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let mut files = files.map(|file| format!("/ui/{file}"));
    let file = files.find(|file| PARTS.contains(&get(file).len())).unwrap();
    let mut took: Vec<Duration> = (0..ANSWERS)
        .map(|_| {
            let begin = Instant::now();
            get(&file);
            begin.elapsed()
        })
        .collect();
    took.sort();
    // Linux acknowledges what nobody answers after 40 ms.
    assert!(took[ANSWERS / 2] < Duration::from_millis(30), "{took:?}");
}

fn read_body(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut part = [0; 64 << 10];
    loop {
        let count = stream.read(&mut part).unwrap();
        assert!(count > 0, "the connection goes on");
        read.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let mut lines = head.lines();
        let length = lines.find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.unwrap().parse().unwrap() {
            return body.to_owned();
        }
    }
}
