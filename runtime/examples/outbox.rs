//! A shop that places an order and publishes `order.placed` in one transaction: both are there, or
//! neither.
//!
//! `cargo run -p postrider --example outbox` rolls one order back and commits another, and shows
//! what a receiver gets. With `--data DIR --to URL --orders N` it places so many orders one after
//! the other, rolls every third one back, and waits until all events are delivered; it can be
//! killed at any moment and started again. Without `--to` it runs no engine: whichever process
//! runs one on this database delivers the events.
#![expect(clippy::print_stdout, reason = "it shows something")]

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use postrider::egress::EgressGuard;
use postrider::rusqlite::{self, Connection};
use postrider::{EndpointSpec, Outbox, Postrider, SqliteStore, Submission};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

type Failed = Box<dyn Error + Send + Sync>;

/// The application's own database, and what it publishes with.
struct Shop {
    database: Connection,
    outbox: Outbox,
}

impl Shop {
    fn open(path: &Path, outbox: Outbox) -> Result<Self, Failed> {
        let database = Connection::open(path)?;
        // The engine writes into the same file: wait for it, do not fail.
        database.busy_timeout(Duration::from_secs(10))?;
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, item TEXT NOT NULL)",
        )?;
        Ok(Self { database, outbox })
    }

    /// Places an order and publishes that it was placed; `keep` says whether to commit.
    fn place(&mut self, item: &str, keep: bool) -> Result<(), Failed> {
        let transaction = self.database.transaction()?;
        transaction.execute("INSERT INTO orders (item) VALUES (?1)", [item])?;
        let number = transaction.last_insert_rowid();
        let payload = format!("{{\"order\":{number},\"item\":\"{item}\"}}");
        let event = Submission::new("order.placed", payload);
        self.outbox.publish_in(&transaction, event)?;
        if keep {
            transaction.commit()?;
            // Without it the engine finds the event a little later.
            self.outbox.hint();
        } else {
            transaction.rollback()?;
        }
        Ok(())
    }

    /// Places so many orders, and rolls every third one back.
    fn place_all(&mut self, orders: u32) -> Result<(), Failed> {
        for number in 1..=orders {
            let keep = number % 3 != 0;
            self.place(if keep { "coffee" } else { "tea" }, keep)?;
        }
        Ok(())
    }

    /// Whether the engine has taken every event.
    fn is_taken(&self) -> rusqlite::Result<bool> {
        let waiting = "SELECT count(*) = 0 FROM postrider_outbox";
        self.database.query_row(waiting, [], |row| row.get(0))
    }
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let option = |name: &str| {
        let mut words = std::env::args().skip_while(|word| word != name);
        words.nth(1)
    };
    let Some(data) = option("--data") else {
        let data = std::env::temp_dir().join(format!("postrider-outbox-{}", std::process::id()));
        std::fs::create_dir_all(&data)?;
        show(&data.join("shop.db")).await?;
        return Ok(std::fs::remove_dir_all(&data)?);
    };
    let path = PathBuf::from(data).join("shop.db");
    let orders = option("--orders").ok_or("--orders is missing")?.parse()?;
    match option("--to") {
        Some(url) => run(&path, &url, orders).await,
        None => Shop::open(&path, Outbox::default())?.place_all(orders),
    }
}

/// Opens the shop's database for Postrider, too, and sends to this URL.
async fn start(path: &Path, url: &str) -> Result<(Postrider, Shop), Failed> {
    let store = SqliteStore::options()
        .in_application_database()
        .open(path)?;
    let shop = Shop::open(path, store.outbox())?;
    let loopback: EgressGuard = "127.0.0.0/8".parse()?;
    let postrider = Postrider::builder()
        .store(store)
        .egress(loopback)
        .start()
        .await?;
    if postrider.endpoints().await?.is_empty() {
        postrider.register(EndpointSpec::new(url), None).await?;
    }
    Ok((postrider, shop))
}

async fn show(path: &Path) -> Result<(), Failed> {
    let (url, mut received) = receiver().await?;
    let (postrider, mut shop) = start(path, &url).await?;
    shop.place("tea", false)?;
    println!("an order of tea is rolled back: there is no order, and no event");
    shop.place("coffee", true)?;
    println!("an order of coffee is committed");
    let body = received.recv().await.ok_or("the receiver has gone")?;
    println!("the receiver gets {body}");
    postrider.shutdown().await;
    match received.try_recv() {
        Ok(body) => Err(format!("the receiver got {body}, too").into()),
        Err(_) => Ok(()),
    }
}

async fn run(path: &Path, url: &str, orders: u32) -> Result<(), Failed> {
    let (postrider, mut shop) = start(path, url).await?;
    let placed = tokio::task::spawn_blocking(move || -> Result<Shop, Failed> {
        shop.place_all(orders)?;
        Ok(shop)
    });
    let shop = placed.await??;
    loop {
        // In this order: what has left the outbox is pending.
        let taken = shop.is_taken()?;
        let pending = postrider.footprint().await.ok_or("it has stopped")?;
        if taken && pending.pending_deliveries == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    postrider.shutdown().await;
    Ok(())
}

/// A receiver on this machine: its URL, and what comes.
async fn receiver() -> Result<(String, mpsc::UnboundedReceiver<String>), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/webhooks", listener.local_addr()?);
    let (bodies, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let bodies = bodies.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let bodies = bodies.clone();
                async move {
                    let body = request.into_body().collect().await?.to_bytes();
                    // Nobody may listen any more.
                    let _ = bodies.send(String::from_utf8_lossy(&body).into_owned());
                    Ok::<_, hyper::Error>(Response::new(Full::<Bytes>::default()))
                }
            });
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok((url, received))
}
