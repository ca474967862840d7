//! The engine alone: no network, a stub for a host.

use crate::median;
use crate::process::{cpu_seconds, measure};
use bytes::Bytes;
use postrider_engine::{
    Answer, AttemptId, Batch, CallId, Command, Core, EndpointId, EndpointSpec, EventHeaders, Input,
    Limits, Load, MemoryBounds, MemoryStore, Mono, NewEvent, Now, OrderingKey, Outcome,
    PayloadType, Recovered, Request, Response, Scheduler, Secret, Target, TenantId, Wall, turn,
};
use std::collections::VecDeque;

const ENDPOINTS: usize = 100;
const DELIVERIES: usize = 2_000_000;
/// Events submitted before any of them is sent: what a busy shell takes in one go.
const AT_ONCE: usize = 100;
const PENDING: usize = 200_000;

/// A host that does everything at once: the store is in memory, every receiver answers 200.
struct Stub {
    store: MemoryStore,
    inputs: VecDeque<Input>,
    endpoints: Vec<EndpointId>,
    sent: usize,
}

impl Scheduler for Stub {
    fn now(&self) -> Now {
        Now {
            mono: Mono(self.sent as u64 / 1_000),
            wall: Wall(1_760_000_000_000),
        }
    }
    fn arm(&mut self, _: Option<Mono>) {}
    fn commit(&mut self, batch: Batch) {
        let receipt = self.store.apply(batch.change).unwrap();
        self.inputs.push_back(Input::Committed(batch.id, receipt));
    }
    fn load(&mut self, load: Load) {
        self.inputs.push_back(Input::Loaded(self.store.load(&load)));
    }
    fn send(&mut self, request: Request, _: Mono) {
        self.sent += 1;
        let response = Response {
            status: 200,
            headers: vec![],
            body: Bytes::new(),
            body_cut: false,
            head_ms: 1,
            repeated: None,
        };
        self.inputs.push_back(Input::AttemptDone(
            request.attempt,
            Outcome::Response(response),
            Box::default(),
        ));
    }
    fn cancel(&mut self, _: AttemptId) {}
    fn answer(&mut self, _: CallId, answer: Answer) {
        match answer {
            Answer::Endpoint(Ok(endpoint)) => self.endpoints.push(endpoint.id),
            Answer::Published(Ok(_)) => (),
            other => panic!("refused: {other:?}"),
        }
    }
}

struct Bench {
    core: Core,
    stub: Stub,
    event: NewEvent,
}

impl Bench {
    fn new() -> Self {
        let bounds = MemoryBounds {
            deliveries_max: 1 << 20,
            payload_bytes_max: 1 << 31,
            ended_max: 1_000,
        };
        let store = MemoryStore::bounded(bounds);
        let stub = Stub {
            store,
            inputs: VecDeque::new(),
            endpoints: Vec::new(),
            sent: 0,
        };
        let core =
            Core::recover(Limits::default(), [1; 32], Recovered::default(), stub.now()).unwrap();
        let event = NewEvent {
            tenant: TenantId::default(),
            target: Target::Subscribers,
            event_type: "payment.succeeded".parse().unwrap(),
            payload: Bytes::from(vec![b'x'; 1_024]),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            ordering_key: OrderingKey::none(),
            idempotency_key: None,
        };
        let mut bench = Self { core, stub, event };
        for number in 0..ENDPOINTS {
            let spec = Box::new(EndpointSpec::new("https://example.com/"));
            let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
            let register = Command::Register(spec, Some(secret));
            bench.give(Input::Command(CallId(number as u64), register));
        }
        bench
    }

    fn turn(&mut self, input: Input) {
        turn(&mut self.core, &mut self.stub, input);
    }

    fn give(&mut self, input: Input) {
        self.turn(input);
        self.finish();
    }

    fn finish(&mut self) {
        while let Some(input) = self.stub.inputs.pop_front() {
            self.turn(input);
        }
    }

    fn submit(&mut self, number: usize, payload: Option<Bytes>) {
        let mut event = self.event.clone();
        event.target = Target::Endpoint(self.stub.endpoints[number % ENDPOINTS]);
        if let Some(payload) = payload {
            event.payload = payload;
        }
        self.turn(Input::Publish(CallId(number as u64), event));
    }
}

pub(crate) fn figures() {
    println!("engine alone: {DELIVERIES} deliveries, {ENDPOINTS} endpoints, store in memory");
    let rates: Vec<f64> = (0..5).map(|_| rate()).collect();
    let rate = median(rates);
    println!(
        "  {:.0} ns of CPU per delivery, submit to delivered",
        1e9 / rate
    );
    println!("  {rate:.0} deliveries/s on one core (aim: at least 1,000,000)");
    let memory = measure(&["memory"]);
    println!(
        "  {:.0} bytes per pending event beyond its payload, {:.0} of them the core's \
         (aim: under 400)\n",
        memory[0], memory[1]
    );
}

fn rate() -> f64 {
    let mut bench = Bench::new();
    let cpu = cpu_seconds();
    for round in 0..DELIVERIES / AT_ONCE {
        for number in 0..AT_ONCE {
            bench.submit(round * AT_ONCE + number, None);
        }
        bench.finish();
    }
    assert_eq!(bench.stub.sent, DELIVERIES);
    DELIVERIES as f64 / (cpu_seconds() - cpu)
}

/// Resident bytes per pending event beyond its payload: core and store together, and the core's
/// own part.
pub(crate) fn memory() {
    let mut bench = Bench::new();
    let pause = postrider_engine::EndpointChange::Pause;
    for endpoint in bench.stub.endpoints.clone() {
        bench.give(Input::Command(
            CallId(0),
            Command::Change(endpoint, pause.clone()),
        ));
    }
    let before = resident();
    let core_before = bench.core.footprint().state_bytes;
    for number in 0..PENDING {
        bench.submit(number, Some(Bytes::from(vec![b'x'; 1_024])));
        bench.finish();
    }
    assert_eq!(bench.core.footprint().pending_deliveries, PENDING as u64);
    let all = (resident() - before) as f64 / PENDING as f64 - 1_024.0;
    let core = (bench.core.footprint().state_bytes - core_before) as f64 / PENDING as f64;
    println!("{all} {core}");
}

/// Resident bytes of this process (`proc(5)`).
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}
