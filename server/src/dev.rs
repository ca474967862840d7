//! `postrider dev`: a server to try things out with.

mod receiver;

use crate::Answer;
use crate::client::{Client, ClientError, Key, say};
use crate::config::{Config, ConfigError, Values};
use crate::serve::{Running, ServeError, start};
use crate::stop::Stop;
use postrider::Secret;
use postrider::signature::KeyError;
use receiver::Receiver;
use serde_json::json;
use std::io::{self, IsTerminal};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

/// Where it is if nothing is said and nobody else is there.
const PORT: u16 = 8080;

/// The first event is delivered within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the first event is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Run a server to try things out with
///
/// Starts a server with temporary data, a receiver that verifies and prints what it gets, and an
/// endpoint between the two; publishes a first event, opens the dashboard in a browser if there is one,
/// and shows what to do next. Ends when it is interrupted, and leaves nothing behind.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The port of the API [default: 8080, or one that is free]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// End when the first event is delivered; exit status 1 if it is not within 30 seconds
    #[arg(long)]
    once: bool,
    /// Open no browser
    #[arg(long)]
    no_open: bool,
    /// Print JSON, an object a line
    #[arg(long)]
    json: bool,
}

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DevFailed {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    #[error("the system gives no directory, thread, port or signal: {0}")]
    System(io::Error),
}

/// What has become of the first event.
struct Hello {
    endpoint: String,
    event: String,
    is_delivered: bool,
    /// Whether the port that it has by default was another's.
    port_taken: bool,
}

/// How long requests under way may take once it is asked to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &Args) -> Result<Answer, DevFailed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(DevFailed::System)?;
    runtime.block_on(async {
        let stop = Stop::listen(Some(2 * SHUTDOWN_TIMEOUT)).map_err(DevFailed::System)?;
        let directory = tempfile::tempdir().map_err(DevFailed::System)?;
        let port_taken = args.port.is_none() && !is_free(PORT).await;
        let running = start(&config(args, directory.path(), port_taken)?).await?;
        let secret = new_secret()?;
        let receiver = Receiver::start(&secret, args.json).await?;
        // The data is new: there was no key.
        let key = running.first_key().unwrap_or_default().to_owned();
        let sent = Key {
            text: key.clone(),
            from: "this start".to_owned(),
        };
        let client = Client::new(&url(&running), Some(&sent), None)?;
        let (end, ended) = oneshot::channel::<()>();
        let server = tokio::spawn(running.until(async {
            // If the sender is gone, it is time, too.
            let _ = ended.await;
        }));
        let is_yes = tokio::select! {
            biased;
            () = stop.clone().asked() => true,
            done = args.hello(&client, &receiver, &secret, &key, port_taken) => done?,
        };
        if !args.once {
            stop.asked().await;
        }
        let _ = end.send(());
        let served = server.await.map_err(io::Error::other);
        let served = served.map_err(DevFailed::System)?;
        let ended = served.answer(args.json);
        Ok(Answer {
            is_yes: is_yes && ended.is_yes,
            ..ended
        })
    })
}

/// Settings of its own: those of the machine's server are none of its business.
fn config(args: &Args, data: &Path, port_taken: bool) -> Result<Config, DevFailed> {
    let port = match args.port {
        Some(port) => port,
        None if port_taken => 0,
        None => PORT,
    };
    let flags = [
        ("data", data.display().to_string()),
        ("listen", format!("{}:{port}", Ipv4Addr::LOCALHOST)),
        ("allow_networks", "127.0.0.0/8,::1/128".to_owned()),
        ("playground", true.to_string()),
        ("shutdown_timeout_s", SHUTDOWN_TIMEOUT.as_secs().to_string()),
    ];
    let flags = flags.map(|(name, text)| (name, Some(text)));
    let values = Values::gather(flags, [], Some(PathBuf::new()))?;
    Ok(Config::of(&values)?)
}

async fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.is_ok()
}

fn url(running: &Running) -> String {
    format!("http://{}", running.address())
}

fn new_secret() -> Result<Secret, DevFailed> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(DevFailed::Randomness)?;
    Ok(Secret::generate_hmac(random))
}

impl Args {
    /// Whether somebody sits in front of it.
    fn has_someone_to_look(&self) -> bool {
        let stays = !self.once && !self.json && !self.no_open;
        stays && io::stdout().is_terminal() && has_a_screen()
    }

    /// Registers the receiver, sends it an event, and tells of it. Gives whether it was delivered.
    async fn hello(
        &self,
        client: &Client,
        receiver: &Receiver,
        secret: &Secret,
        key: &str,
        port_taken: bool,
    ) -> Result<bool, DevFailed> {
        let secret = secret.expose_secret_text();
        let endpoint = json!({
            "url": receiver.url(),
            "description": "the receiver of `postrider dev`",
            "secret": secret,
        });
        let endpoint = client.post(&["v1", "endpoints"], &endpoint).await?;
        let event = json!({ "type": "demo.hello", "payload": { "hello": "world" } });
        let event = client.post(&["v1", "events"], &event).await?;
        let hello = Hello {
            endpoint: endpoint.field("id").to_owned(),
            is_delivered: is_delivered(client, event.field("id")).await?,
            event: event.field("id").to_owned(),
            port_taken,
        };
        let dashboard = dashboard(client.url(), key);
        let text = match self.json {
            true => json!({
                "url": client.url(), "dashboard": dashboard, "api_key": key, "secret": secret,
                "receiver": receiver.url(), "endpoint_id": hello.endpoint,
                "event_id": hello.event, "delivered": hello.is_delivered,
                "port_taken": port_taken.then_some(PORT),
            })
            .to_string(),
            false => hello.text(client.url(), receiver.url(), key, self.once),
        };
        // If nobody reads it, it runs all the same.
        say(&text)?;
        if self.has_someone_to_look() {
            // Without a browser, the address is in the text.
            let _ = open::that_detached(&dashboard);
        }
        Ok(hello.is_delivered)
    }
}

/// Signs in whoever follows it. What is behind `#` goes to no server, and the page takes it out of its
/// address at once.
fn dashboard(url: &str, key: &str) -> String {
    format!("{url}/ui/#token={key}")
}

/// Whether this machine shows windows.
fn has_a_screen() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|it| !it.is_empty());
    !cfg!(target_os = "linux") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

async fn is_delivered(client: &Client, event: &str) -> Result<bool, DevFailed> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let query = Default::default();
        let event = client.get(&["v1", "events", event], &query).await?;
        match event.field("state") {
            "delivered" => return Ok(true),
            "failed" | "discarded" | "no_subscribers" => return Ok(false),
            _ if Instant::now() > deadline => return Ok(false),
            _ => sleep(POLL).await,
        }
    }
}

impl Hello {
    fn text(&self, url: &str, receiver: &str, key: &str, is_last: bool) -> String {
        let dashboard = dashboard(url, key);
        let Self {
            endpoint, event, ..
        } = self;
        let became = match self.is_delivered {
            true => "was delivered: signed, verified, answered with 200",
            false => "was not delivered",
        };
        let elsewhere = match self.port_taken {
            true => format!("port {PORT} is taken, so this is another; "),
            false => String::new(),
        };
        let program = crate::program::name();
        let mut text = format!(
            "server    {url}  ({elsewhere}its data goes when it ends)\n\
             dashboard {dashboard}\n\
             receiver  {receiver}  prints what it gets\n\
             endpoint  {endpoint}  from the one to the other\n\
             event     {event}  demo.hello {became}"
        );
        if !is_last {
            text += &format!(
                "\n\n\
                 export POSTRIDER_URL={url}\n\
                 export POSTRIDER_API_KEY={key}\n\n\
                 curl \"$POSTRIDER_URL/v1/events\" -H \"Authorization: Bearer $POSTRIDER_API_KEY\" \\\n  \
                   -H 'Content-Type: application/json' \\\n  \
                   -d '{{\"type\":\"payment.succeeded\",\"payload\":{{\"amount\":4200}}}}'\n\
                 curl \"$POSTRIDER_URL/v1/deliveries\" -H \"Authorization: Bearer $POSTRIDER_API_KEY\"\n\
                 {program} trigger payment.succeeded\n\n\
                 All routes: {url}/reference\n\
                 Ctrl-C ends it."
            );
        }
        text
    }
}
