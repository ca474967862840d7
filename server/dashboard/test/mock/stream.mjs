// What happens, made up: some items a second, in the form of the event stream.

export class Stream {
  constructor(data, response, from, all = false) {
    this.data = data;
    this.all = all;
    this.response = response;
    this.place = Number(from ?? 0);
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(`id: ${this.place}\n\n`);
    this.timer = setInterval(() => this.step(), 350);
  }

  end() {
    clearInterval(this.timer);
    this.response.end();
  }

  write(name, data, id) {
    if (this.all && name !== "skipped") data = { tenant: this.data.endpoints.find((it) => it.id === data.endpoint_id)?.tenant ?? "default", ...data };
    this.response.write(`${id === undefined ? "" : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  step() {
    const { r } = this.data;
    const delivery = r.pick(this.data.deliveries);
    const of = { delivery_id: delivery.id, event_id: delivery.event_id, endpoint_id: delivery.endpoint_id, event_type: delivery.event_type };
    const what = r.below(10);
    this.place += 1;
    if (what < 3) this.write("event", { id: delivery.event_id, type: delivery.event_type, ordering_key: null, published_at: new Date().toISOString(), payload: {} }, this.place);
    else if (what < 5) this.write("attempt.started", { ...of, attempt_id: "att_1", number: 1 });
    else if (what < 7) this.write("attempt", { ...of, attempt_id: "att_1", number: 1 + r.below(3), status: r.pick([200, 200, 200, 503]), failure: null, duration_ms: 20 + r.below(300) });
    else if (what < 9) this.write("delivery", { ...of, state: r.pick(["delivered", "delivered", "retrying", "failed"]), attempts: 1, reason: "exhausted", due: null, resend_of: null });
    else if (r.next() < 0.3) this.write("endpoint", { endpoint_id: delivery.endpoint_id, what: "breaker_opened", reason: null });
    else if (r.next() < 0.2) this.write("skipped", { count: 12 });
  }
}
