//! The engine without an async runtime: plain threads, blocking sockets, a channel.
//!
//! `cargo run -p postrider-engine --example std_thread` publishes three events to a receiver
//! that fails at first, and prints each fact as it comes to pass. The crate `postrider` is the
//! same on tokio, with names, TLS, stores on disk, and a guard against private addresses.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a host owns what the core must not: clocks, threads, sockets"
)]
#![expect(clippy::print_stdout, reason = "its facts are to be seen")]

use postrider_engine::signature::{Scheme, Verifier};
use postrider_engine::{
    Answer, AttemptId, Batch, CallId, Command, Core, EndpointSpec, Fact, Failure, FailureKind,
    Input, Limits, Load, MemoryStore, Mono, NewEvent, Now, OrderingKey, Outcome, Phase, Reason,
    Recovered, Request, Response, RetryPolicy, Schedule, Scheduler, Secret, Target, TenantId, Wall,
    turn,
};
use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Anything<T> = Result<T, Box<dyn Error>>;

/// The longest this example waits for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// Both clocks, as the core wants them: milliseconds since `start`, and Unix time.
#[derive(Clone, Copy)]
struct Clock {
    start: Instant,
}

impl Clock {
    fn now(self) -> Now {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            mono: Mono(millis(self.start.elapsed())),
            wall: Wall(millis(unix.unwrap_or_default())),
        }
    }
}

/// The host. Whatever the core wants is done here, and comes back through `inputs`.
struct Host {
    clock: Clock,
    inputs: Sender<Input>,
    answers: Sender<Answer>,
    store: MemoryStore,
    wake_at: Option<Mono>,
}

impl Host {
    /// The receiving end lives as long as the host: there is always someone to take it.
    fn give(&self, input: Input) {
        let _ = self.inputs.send(input);
    }
}

impl Scheduler for Host {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn arm(&mut self, at: Option<Mono>) {
        self.wake_at = at;
    }

    /// This store has done what it is told when it returns. One that syncs a disk would answer
    /// from its own thread, and the core would hold back all that depends on the batch.
    fn commit(&mut self, batch: Batch) {
        self.give(match self.store.apply(batch.change) {
            Ok(receipt) => Input::Committed(batch.id, receipt),
            Err(error) => Input::CommitFailed(batch.id, error),
        });
    }

    fn load(&mut self, load: Load) {
        self.give(Input::Loaded(self.store.load(&load)));
    }

    /// A thread for each attempt; `Limits::attempts_max` says how many there can be.
    fn send(&mut self, request: Request, deadline: Mono) {
        let (clock, inputs) = (self.clock, self.inputs.clone());
        thread::spawn(move || {
            let outcome = post(&request, clock, deadline).unwrap_or_else(Outcome::Failure);
            let _ = inputs.send(Input::AttemptDone(request.attempt, outcome));
        });
    }

    /// A blocked thread cannot be called back: its deadline ends it, and its answer is ignored.
    fn cancel(&mut self, _: AttemptId) {}

    /// The calls of this example come one after the other, so an answer needs no number.
    fn answer(&mut self, _: CallId, answer: Answer) {
        let _ = self.answers.send(answer);
    }

    fn observe(&mut self, fact: Fact) {
        println!("{} {fact:?}", self.now().mono);
    }
}

/// The whole event loop: wait for an input or for the armed time, take a turn, begin again.
fn drive(mut core: Core, mut host: Host, inputs: &Receiver<Input>) {
    let mut input = Input::Tick;
    while turn(&mut core, &mut host, input) != Reason::Drained {
        let wait = host.wake_at.map(|at| at.since(host.now().mono));
        // `host` holds a sender: the channel does not close while this runs.
        input = match inputs.recv_timeout(wait.unwrap_or(Duration::MAX)) {
            Ok(input) => input,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Input::Tick,
        };
    }
}

/// One HTTP/1.1 request on a connection of its own (RFC 9112), for URLs such as
/// `http://127.0.0.1:8080/path`.
fn post(request: &Request, clock: Clock, deadline: Mono) -> Result<Outcome, Failure> {
    // A timeout of zero would mean none.
    let left = || {
        deadline
            .since(clock.now().mono)
            .max(Duration::from_millis(1))
    };
    let url = request
        .route
        .url
        .strip_prefix("http://")
        .unwrap_or_default();
    let (host, path) = url.split_once('/').unwrap_or((url, ""));
    let address: SocketAddr = host
        .parse()
        .map_err(|_| Failure::new(FailureKind::Dns, "this example looks up no names"))?;
    let stream = TcpStream::connect_timeout(&address, left())
        .map_err(|error| failure(&error, FailureKind::Connect, Phase::Connect))?;

    let mut head = format!("POST /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    let headers = request.headers();
    let headers = headers.map_err(|error| Failure::new(FailureKind::Internal, error))?;
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", request.body().len());

    let answer = exchange(stream, &[head.as_bytes(), request.body()], left)
        .map_err(|error| failure(&error, FailureKind::Reset, Phase::Response))?;
    let head_ms = clock.now().wall.since(request.at).as_millis();
    let response = parse(&answer, u64::try_from(head_ms).unwrap_or(u64::MAX));
    let malformed = || Failure::new(FailureKind::Malformed, "no HTTP/1.1 response");
    response.map(Outcome::Response).ok_or_else(malformed)
}

/// Writes, then reads to the end of the stream or of patience: of time, and of bytes.
fn exchange(
    mut stream: TcpStream,
    parts: &[&[u8]],
    left: impl Fn() -> Duration,
) -> io::Result<Vec<u8>> {
    const ANSWER_BYTES_MAX: usize = 16 << 10;
    stream.set_write_timeout(Some(left()))?;
    for part in parts {
        stream.write_all(part)?;
    }
    let (mut answer, mut chunk) = (Vec::new(), [0; 1024]);
    while answer.len() < ANSWER_BYTES_MAX {
        stream.set_read_timeout(Some(left()))?;
        match stream.read(&mut chunk)? {
            0 => break,
            bytes => answer.extend_from_slice(&chunk[..bytes]),
        }
    }
    Ok(answer)
}

fn failure(error: &io::Error, kind: FailureKind, phase: Phase) -> Failure {
    let timed_out = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
    Failure::new(
        if timed_out {
            FailureKind::Timeout(phase)
        } else {
            kind
        },
        error,
    )
}

/// Status, headers and what came of the body; `None` if it is not HTTP.
fn parse(answer: &[u8], head_ms: u64) -> Option<Response> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    };
    Some(Response {
        status: status.parse().ok()?,
        headers: lines.filter_map(header).collect(),
        body: answer[end + 4..].to_vec().into(),
        body_cut: false,
        head_ms,
    })
}

/// The receiver: answers 500 to the first request and 200 to the others, 401 to what is not
/// signed with the secret. Passes on the bodies that it has taken.
fn receive(
    listener: &TcpListener,
    verifier: &Verifier,
    clock: Clock,
    taken: &Sender<String>,
) -> io::Result<()> {
    for (count, stream) in listener.incoming().enumerate() {
        let mut reader = BufReader::new(stream?);
        let (mut headers, mut line) = (Vec::new(), String::new());
        while reader.read_line(&mut line)? > 2 {
            if let Some((name, value)) = line.trim_end().split_once(": ") {
                headers.push((name.to_owned(), value.to_owned()));
            }
            line.clear();
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, value)| value.parse().ok());
        let mut body = vec![0; length.unwrap_or_default()];
        reader.read_exact(&mut body)?;

        let headers = headers
            .iter()
            .map(|(name, value)| (&**name, value.as_bytes()));
        let verified = verifier.verify(headers, &body, clock.now().wall.unix_seconds());
        let status = match verified {
            Err(_) => "401 Unauthorized",
            Ok(_) if count == 0 => "500 Internal Server Error",
            Ok(_) => "200 OK",
        };
        if status == "200 OK" {
            let _ = taken.send(String::from_utf8_lossy(&body).into_owned());
        }
        write!(
            reader.get_mut(),
            "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"
        )?;
    }
    Ok(())
}

fn main() -> Anything<()> {
    let clock = Clock {
        start: Instant::now(),
    };
    // Fixed, so that every run is alike. A real host draws both from the system's randomness.
    let (seed, secret) = ([7; 32], Secret::generate_hmac([8; 32]));

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/hooks", listener.local_addr()?);
    let verifier = Verifier::new(Scheme::Postrider, std::slice::from_ref(&secret))?;
    let (taken, bodies) = channel();
    thread::spawn(move || receive(&listener, &verifier, clock, &taken));

    let limits = Limits {
        attempts_max: 8,
        attempts_failing_max: 4,
        ..Limits::default()
    };
    let core = Core::recover(limits, seed, Recovered::default(), clock.now())?;
    let ((inputs, given), (answers, answered)) = (channel(), channel());
    let store = MemoryStore::default();
    let host = Host {
        clock,
        inputs: inputs.clone(),
        answers,
        store,
        wake_at: None,
    };
    let engine = thread::spawn(move || drive(core, host, &given));
    let call = |input: Input| -> Anything<Answer> {
        inputs.send(input)?;
        Ok(answered.recv_timeout(PATIENCE)?)
    };

    let mut spec = EndpointSpec::new(url);
    spec.retry = RetryPolicy::with_schedule(Schedule::Delays(vec![Duration::from_millis(50)]));
    let register = Command::Register(Box::new(spec), Some(secret));
    let Answer::Endpoint(endpoint) = call(Input::Command(CallId(0), register))? else {
        return Err("not the answer to a registration".into());
    };
    let target = Target::Endpoint(endpoint?.id);

    let stories = ["payment.charged", "payment.refunded", "payment.disputed"];
    for (story, number) in stories.into_iter().zip(1..) {
        let event = NewEvent {
            tenant: TenantId::default(),
            target,
            event_type: story.parse()?,
            payload: format!(r#"{{"type":"{story}"}}"#).into(),
            ordering_key: OrderingKey::none(),
            idempotency_key: None,
        };
        let Answer::Published(published) = call(Input::Publish(CallId(number), event))? else {
            return Err("not the answer to a submission".into());
        };
        published?;
    }
    for story in stories {
        let body = bodies.recv_timeout(PATIENCE)?;
        if body != format!(r#"{{"type":"{story}"}}"#) {
            return Err(format!("{story} was due, and {body} came").into());
        }
    }

    let drain = Input::Drain(CallId(9), clock.now().mono.after(PATIENCE));
    let Answer::Drained(drained) = call(drain)? else {
        return Err("not the answer to a shutdown".into());
    };
    engine.join().map_err(|_| "the engine's thread panicked")?;
    if drained.pending > 0 {
        return Err(format!("{} deliveries are pending", drained.pending).into());
    }
    println!("3 events delivered, in order, signatures verified");
    Ok(())
}
