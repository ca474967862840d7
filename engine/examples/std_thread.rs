//! The engine without an async runtime: plain threads, blocking sockets, a channel.
//!
//! `cargo run -p postrider-engine --example std_thread` publishes three events to a receiver
//! that fails at first, and prints each fact as it comes to pass. The crate `postrider` is the
//! same on tokio, with names, TLS, stores on disk, and a guard against private addresses.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a host owns what the core must not: clocks, threads, sockets"
)]

use postrider_engine::signature::{Scheme, Verifier};
use postrider_engine::{
    Answer, AttemptId, Batch, CallId, Command, Core, EndpointSpec, EventHeaders, Fact, Failure,
    FailureKind, Input, Limits, Load, MemoryStore, Mono, NewEvent, Now, OrderingKey, Outcome,
    PayloadType, Phase, Reason, Recovered, Request, Response, RetryPolicy, Schedule, Scheduler,
    Secret, Target, TenantId, Wall, turn,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The host. Whatever the core wants is done here, and comes back through `inputs`.
struct Host {
    start: Instant,
    inputs: Sender<Input>,
    answers: Sender<Answer>,
    store: MemoryStore,
    wake_at: Option<Mono>,
}

impl Scheduler for Host {
    fn now(&self) -> Now {
        now(self.start)
    }

    fn arm(&mut self, at: Option<Mono>) {
        self.wake_at = at;
    }

    /// This store has done what it was told when it returns. One that syncs a disk would answer
    /// from a thread of its own; until then the core holds back whatever depends on the batch.
    fn commit(&mut self, batch: Batch) {
        let _ = self.inputs.send(match self.store.apply(batch.change) {
            Ok(receipt) => Input::Committed(batch.id, receipt),
            Err(error) => Input::CommitFailed(batch.id, error),
        });
    }

    fn load(&mut self, load: Load) {
        let _ = self.inputs.send(Input::Loaded(self.store.load(&load)));
    }

    /// A thread for each attempt; `Limits::attempts_max` says how many there are at most.
    fn send(&mut self, request: Request, deadline: Mono) {
        let (start, inputs) = (self.start, self.inputs.clone());
        thread::spawn(move || {
            let outcome = attempt(&request, start, deadline);
            // Nobody will read this history: it goes without what was sent.
            let _ = inputs.send(Input::AttemptDone(request.attempt, outcome, Box::default()));
        });
    }

    /// A blocked thread ends at its deadline; the core ignores what it says then.
    fn cancel(&mut self, _: AttemptId) {}

    /// The calls of this example come one after the other, so their numbers tell nothing.
    fn answer(&mut self, _: CallId, answer: Answer) {
        let _ = self.answers.send(answer);
    }

    fn observe(&mut self, fact: Fact) {
        println!("{} {fact:?}", self.now().mono);
    }
}

/// The whole event loop: take a turn, wait for an input or for the armed time, begin again.
fn drive(mut core: Core, mut host: Host, inputs: &Receiver<Input>) {
    let mut input = Input::Tick;
    while turn(&mut core, &mut host, input) != Reason::Drained {
        let wait = host.wake_at.map(|at| at.since(host.now().mono));
        let given = inputs.recv_timeout(wait.unwrap_or(Duration::MAX));
        input = given.unwrap_or(Input::Tick); // `host` keeps the channel open: time is up
    }
}

/// Both clocks, in milliseconds: since `start`, and Unix time.
fn now(start: Instant) -> Now {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    Now {
        mono: Mono(millis(start.elapsed())),
        wall: Wall(millis(unix.unwrap_or_default())),
    }
}

/// One attempt, from the connection to the head of the answer.
fn attempt(request: &Request, start: Instant, deadline: Mono) -> Outcome {
    let (started, mut phase) = (now(start).mono, Phase::Connect);
    // Asked before each step, so that no number of slow steps outlasts the deadline. At least
    // 1 ms: sockets refuse a timeout of zero.
    let left = || (deadline.since(now(start).mono)).max(Duration::from_millis(1));
    match post(request, &mut phase, left) {
        Ok(status) => Outcome::Response(Response {
            status,
            headers: Vec::new(), // and so without the `retry-after` that the core would heed
            body: Default::default(),
            body_cut: true,
            head_ms: now(start).mono.0 - started.0,
            repeated: None,
        }),
        Err(error) => {
            let kind = match error.kind() {
                ErrorKind::TimedOut | ErrorKind::WouldBlock => FailureKind::Timeout(phase),
                ErrorKind::InvalidData => FailureKind::Malformed,
                ErrorKind::InvalidInput => FailureKind::Dns, // no names are looked up here
                _ if phase == Phase::Connect => FailureKind::Connect,
                _ => FailureKind::Reset,
            };
            Outcome::Failure(Failure::new(kind, error))
        }
    }
}

/// An HTTP/1.1 request (RFC 9112) on a connection of its own; the status of the answer.
fn post(request: &Request, phase: &mut Phase, left: impl Fn() -> Duration) -> io::Result<u16> {
    const HEAD_BYTES_MAX: usize = 8 << 10;
    let url = request.route.url.strip_prefix("http://");
    let (host, path) = url.and_then(|url| url.split_once('/')).unwrap_or_default();
    let address = host.parse().map_err(|_| ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect_timeout(&address, left())?;
    *phase = Phase::Response;

    let prepared = request.prepare().map_err(io::Error::other)?;
    let (mut wire, length) = (Vec::new(), prepared.body.len());
    write!(
        wire,
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n"
    )?;
    for (name, value) in prepared.headers {
        write!(wire, "{name}: {value}\r\n")?;
    }
    write!(wire, "\r\n")?;
    wire.extend_from_slice(&prepared.body);
    stream.set_write_timeout(Some(left()))?;
    stream.write_all(&wire)?;

    let (mut head, mut chunk) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        stream.set_read_timeout(Some(left()))?;
        let bytes = stream.read(&mut chunk)?;
        if bytes == 0 || head.len() > HEAD_BYTES_MAX {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&chunk[..bytes]);
    }
    let head = String::from_utf8_lossy(&head);
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    status
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| ErrorKind::InvalidData.into())
}

/// The receiver: refuses what is not signed with the secret, fails once, then takes everything.
fn receive(listener: &TcpListener, verifier: &Verifier, taken: &Sender<String>) -> io::Result<()> {
    for (count, stream) in listener.incoming().enumerate() {
        let mut reader = BufReader::new(stream?);
        let lines = reader.by_ref().lines().map_while(Result::ok);
        let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let headers = lines.iter().filter_map(|line| line.split_once(": "));
        let headers: BTreeMap<&str, &str> = headers.collect();
        let length = headers
            .get("content-length")
            .map_or(Ok(0), |value| value.parse());
        let mut body = vec![0; length.map_err(io::Error::other)?];
        reader.read_exact(&mut body)?;

        let unix_seconds = now(Instant::now()).wall.unix_seconds();
        let bytes = |(name, value)| (name, str::as_bytes(value));
        let status = match verifier.verify(headers.into_iter().map(bytes), &body, unix_seconds) {
            Err(_) => "401 Unauthorized",
            Ok(_) if count == 0 => "500 Internal Server Error",
            Ok(_) => {
                let _ = taken.send(String::from_utf8_lossy(&body).into_owned());
                "200 OK"
            }
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        reader.get_mut().write_all(answer.as_bytes())?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    const PATIENCE: Duration = Duration::from_secs(10);
    // Fixed, so that one run is like the next. A real host asks the system for both.
    let (seed, secret) = ([7; 32], Secret::generate_hmac([8; 32]));

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut spec = EndpointSpec::new(format!("http://{}/hooks", listener.local_addr()?));
    spec.retry = RetryPolicy::with_schedule(Schedule::Delays(vec![Duration::from_millis(50)]));
    let verifier = Verifier::new(Scheme::Postrider, std::slice::from_ref(&secret))?;
    let (taken, bodies) = channel();
    thread::spawn(move || receive(&listener, &verifier, &taken));

    let start = Instant::now();
    let core = Core::recover(Limits::default(), seed, Recovered::default(), now(start))?;
    let ((inputs, given), (answers, answered)) = (channel(), channel());
    let host = Host {
        start,
        inputs: inputs.clone(),
        answers,
        store: MemoryStore::default(),
        wake_at: None,
    };
    let engine = thread::spawn(move || drive(core, host, &given));
    let call = |input| -> Result<(), Box<dyn Error>> {
        inputs.send(input)?;
        match answered.recv_timeout(PATIENCE)? {
            Answer::Endpoint(Ok(_)) | Answer::Published(Ok(_)) => Ok(()),
            Answer::Drained(drained) if drained.pending == 0 => Ok(()),
            refusal => Err(format!("{refusal:?}").into()),
        }
    };

    let register = Command::Register(Box::new(spec), Some(secret));
    call(Input::Command(CallId(0), register))?;
    let stories = ["payment.charged", "payment.refunded", "payment.disputed"];
    for (number, story) in (1..).zip(stories) {
        let event = NewEvent {
            tenant: TenantId::default(),
            target: Target::Subscribers,
            event_type: story.parse()?,
            payload: format!("{story:?}").into(),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            ordering_key: OrderingKey::none(),
            idempotency_key: None,
        };
        call(Input::Publish(CallId(number), event))?;
    }
    for story in stories {
        let body = bodies.recv_timeout(PATIENCE)?;
        if body != format!("{story:?}") {
            return Err(format!("{story} was due, and {body} came").into());
        }
    }

    call(Input::Drain(CallId(9), now(start).mono.after(PATIENCE)))?;
    engine.join().map_err(|_| "the engine's thread panicked")?;
    println!("{} events in order, signatures verified", stories.len());
    Ok(())
}
