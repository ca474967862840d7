//! A client of the stream: reads server-sent events as the WHATWG's specification says.

use super::server::{KEY, Server};
use reqwest::{Method, Response};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// A message of the stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) id: Option<String>,
    pub(super) event: String,
    pub(super) data: Value,
}

impl Message {
    /// A member of the data, as text.
    pub(super) fn text(&self, name: &str) -> &str {
        self.data[name].as_str().unwrap_or_default()
    }
}

pub(super) struct Stream {
    response: Response,
    unread: String,
    /// The last id, whatever came with it.
    pub(super) last_id: Option<String>,
}

/// The stream with the operator's key.
pub(super) async fn watch(server: &Server, query: &str) -> Stream {
    watch_as(server, KEY, query, None).await
}

/// The stream with this key, after this id.
pub(super) async fn watch_as(
    server: &Server,
    key: &str,
    query: &str,
    last_id: Option<&str>,
) -> Stream {
    let request = server.bare(Method::GET, &format!("/v1/stream{query}"));
    let mut request = request.bearer_auth(key);
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    Stream {
        response,
        unread: String::new(),
        last_id: None,
    }
}

impl Stream {
    /// The next message; `None` once the stream has ended as it should.
    pub(super) async fn next(&mut self) -> Option<Message> {
        let next = timeout(Duration::from_secs(20), self.wait());
        next.await.expect("20 s of nothing but comments")
    }

    async fn wait(&mut self) -> Option<Message> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let message = parsed(block, &mut self.last_id);
                self.unread = rest.to_owned();
                match message {
                    Some(message) => return Some(message),
                    None => continue,
                }
            }
            let Some(chunk) = self.response.chunk().await.unwrap() else {
                assert_eq!(self.unread, "", "the end is between two messages");
                return None;
            };
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next messages of this kind; all others are passed over.
    pub(super) async fn take(&mut self, event: &str, count: usize) -> Vec<Message> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let message = self.next().await.expect("the stream goes on");
            if message.event == event {
                taken.push(message);
            }
        }
        taken
    }

    /// Nothing but comments comes for this time.
    pub(super) async fn is_quiet(&mut self, time: Duration) -> bool {
        timeout(time, self.next()).await.is_err()
    }
}

fn parsed(block: &str, last_id: &mut Option<String>) -> Option<Message> {
    let (mut id, mut event, mut data) = (None, None, None);
    for line in block.lines() {
        let (field, value) = line.split_once(": ").unwrap();
        let place = match field {
            "" => continue,
            "id" => &mut id,
            "event" => &mut event,
            "data" => &mut data,
            _ => panic!("{line}"),
        };
        assert_eq!(place.replace(value.to_owned()), None, "{block}");
    }
    if id.is_some() {
        last_id.clone_from(&id);
    }
    let data = data?;
    Some(Message {
        id,
        event: event.unwrap(),
        data: serde_json::from_str(&data).unwrap(),
    })
}
