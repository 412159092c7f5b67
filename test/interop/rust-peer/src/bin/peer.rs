//! One vox-core 0.4.0 `StableConduit` over its own `StreamLink`, driven line by line:
//!
//!     peer initiator|acceptor tcp:127.0.0.1:7400|unix:/path [--echo] [--prologue]
//!
//! Commands on stdin, one per line (the end of stdin ends the process):
//!
//!     send COUNT SIZE SENDERS [note]   COUNT items of SIZE body bytes from SENDERS tasks, COUNT / SENDERS each
//!     expect COUNT                     tells "received" once so many items have arrived
//!     report                           tells what arrived and what was sent so far
//!     close                            drops the sending half, gracefully
//!
//! Events on stdout, one JSON object per line, field `event`: listening, open, greeted, fresh, sent, received, report, ended.
//! `greeted` and `fresh` are told once per link: when the other side's hello has arrived, and when the first frame goes out
//! that no earlier link has carried: a replay is over then.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use facet::Facet;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc};
use vox_core::{Attachment, LinkSource, StableConduit, accept_transport, prepare_acceptor_attachment};
use vox_stream::{StreamLink, StreamLinkRx, StreamLinkTx};
use vox_types::{Backing, Conduit, ConduitRx, ConduitTx, Link, LinkRx, LinkTx, MsgFamily, SplitLink};

// ------------------------------------------------------------------ items

/// What both ends exchange; test/interop/item.ts has the same.
#[derive(Facet, Debug)]
struct Item {
    sender: u32,
    number: u64,
    body: Vec<u8>,
    note: Option<Note>,
}

#[derive(Facet, Debug)]
struct Note {
    text: String,
    at: (i32, f64),
    tags: Vec<String>,
    kind: Kind,
}

#[derive(Facet, Debug, PartialEq)]
#[repr(u8)]
enum Kind {
    Plain,
    Urgent { level: u8 },
}

struct Items;

impl MsgFamily for Items {
    type Msg<'a> = Item;
}

impl Item {
    fn new(sender: u32, number: u64, size: usize, note: bool) -> Self {
        let body = (0..size as u64).map(|i| number.wrapping_add(i) as u8).collect();
        Self { sender, number, body, note: note.then(|| Note::of(number)) }
    }

    fn is_whole(&self) -> bool {
        let body = self.body.iter().enumerate().all(|(i, b)| *b == self.number.wrapping_add(i as u64) as u8);
        body && self.note.as_ref().is_none_or(|note| note.is_of(self.number))
    }
}

impl Note {
    fn of(number: u64) -> Self {
        let kind = if number % 2 == 0 { Kind::Plain } else { Kind::Urgent { level: number as u8 } };
        let tags = (0..number % 4).map(|i| format!("tag-{i}")).collect();
        Self { text: format!("note \u{2116} {number}"), at: (-(number as i32), number as f64 / 4.0), tags, kind }
    }

    fn is_of(&self, number: u64) -> bool {
        let Self { text, at, tags, kind } = Self::of(number);
        self.text == text && self.at == at && self.tags == tags && self.kind == kind
    }
}

// ------------------------------------------------------------------ links

type Reader = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

#[derive(Clone)]
enum Address {
    Tcp(String),
    Unix(String),
}

impl Address {
    fn parse(text: &str) -> Self {
        match text.split_once(':') {
            Some(("tcp", rest)) => Self::Tcp(rest.into()),
            Some(("unix", rest)) => Self::Unix(rest.into()),
            _ => usage(),
        }
    }

    async fn dial(&self) -> io::Result<StreamLink<Reader, Writer>> {
        Ok(match self {
            Self::Tcp(address) => tcp_link(TcpStream::connect(address).await?)?,
            Self::Unix(path) => unix_link(UnixStream::connect(path).await?),
        })
    }
}

fn tcp_link(stream: TcpStream) -> io::Result<StreamLink<Reader, Writer>> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    Ok(StreamLink::new(Box::new(reader), Box::new(writer)))
}

fn unix_link(stream: UnixStream) -> StreamLink<Reader, Writer> {
    let (reader, writer) = stream.into_split();
    StreamLink::new(Box::new(reader), Box::new(writer))
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    async fn bind(address: &Address) -> io::Result<Self> {
        let (listener, told) = match address {
            Address::Tcp(address) => {
                let listener = TcpListener::bind(address).await?;
                let told = listener.local_addr()?.to_string();
                (Self::Tcp(listener), told)
            }
            Address::Unix(path) => (Self::Unix(UnixListener::bind(path)?), path.clone()),
        };
        tell(format_args!(r#""event":"listening","address":"{told}""#));
        Ok(listener)
    }

    async fn accept(&self) -> io::Result<StreamLink<Reader, Writer>> {
        match self {
            Self::Tcp(listener) => tcp_link(listener.accept().await?.0),
            Self::Unix(listener) => Ok(unix_link(listener.accept().await?.0)),
        }
    }
}

/// vox-core's LinkSource has one attempt: a refused connection would end the session, so this one tries for a while.
struct Dial {
    address: Address,
    seen: Arc<Seen>,
}

impl LinkSource for Dial {
    type Link = WatchedLink;

    async fn next_link(&mut self) -> io::Result<Attachment<Self::Link>> {
        let started = Instant::now();
        loop {
            match self.address.dial().await {
                Ok(link) => return Ok(Attachment::initiator(self.seen.watch(link))),
                Err(error) if started.elapsed() > Duration::from_secs(30) => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    }
}

/// A link that dies within its ClientHello is not one: the next is taken.
struct Accept {
    listener: Listener,
    prologue: bool,
    seen: Arc<Seen>,
}

impl LinkSource for Accept {
    type Link = vox_core::SplitLink<WatchedTx, WatchedRx>;

    async fn next_link(&mut self) -> io::Result<Attachment<Self::Link>> {
        loop {
            let link = self.seen.watch(self.listener.accept().await?);
            let prepared = if self.prologue {
                let Ok((_, link)) = accept_transport(link).await else { continue };
                prepare_acceptor_attachment(link).await
            } else {
                prepare_acceptor_attachment(link).await
            };
            if let Ok(attachment) = prepared {
                return Ok(attachment);
            }
        }
    }
}

/// What went out over all links, to tell a replay from fresh frames.
#[derive(Default)]
struct Seen {
    links: AtomicU64,
    newest: AtomicI64,
}

impl Seen {
    /// vox-stream's link, unchanged; it only tells of its first payload in and its first fresh frame out.
    fn watch(self: &Arc<Self>, link: StreamLink<Reader, Writer>) -> WatchedLink {
        let number = self.links.fetch_add(1, SeqCst);
        let (tx, rx) = link.split();
        let fresh = AtomicBool::new(false);
        SplitLink { tx: WatchedTx { tx, seen: Arc::clone(self), number, fresh }, rx: WatchedRx { rx, number, greeted: false } }
    }
}

type WatchedLink = SplitLink<WatchedTx, WatchedRx>;

/// Has a name of its own because the compiler loses the lifetime of a boxed reader in LinkSource's future.
struct WatchedRx {
    rx: StreamLinkRx<BufReader<Reader>>,
    number: u64,
    greeted: bool,
}

impl LinkRx for WatchedRx {
    type Error = io::Error;

    async fn recv(&mut self) -> io::Result<Option<Backing>> {
        let payload = self.rx.recv().await?;
        if payload.is_some() && !self.greeted {
            self.greeted = true;
            tell(format_args!(r#""event":"greeted","link":{}"#, self.number));
        }
        Ok(payload)
    }
}

struct WatchedTx {
    tx: StreamLinkTx,
    seen: Arc<Seen>,
    number: u64,
    fresh: AtomicBool,
}

impl LinkTx for WatchedTx {
    async fn send(&self, bytes: Vec<u8>) -> io::Result<()> {
        // Hellos begin with these letters; in a frame the second one would be no option tag.
        let frame = !bytes.starts_with(b"VO");
        let after = if frame { i64::from(seq_of(&bytes)) + 1 } else { 0 };
        self.tx.send(bytes).await?;
        if after > self.seen.newest.fetch_max(after, SeqCst) && !self.fresh.swap(true, SeqCst) {
            tell(format_args!(r#""event":"fresh","link":{}"#, self.number));
        }
        Ok(())
    }

    async fn close(self) -> io::Result<()> {
        self.tx.close().await
    }
}

/// The varint that a frame begins with.
fn seq_of(frame: &[u8]) -> u32 {
    let mut seq = 0;
    for (i, byte) in frame.iter().take(5).enumerate() {
        seq |= u32::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            break;
        }
    }
    seq
}

// ------------------------------------------------------------------ what arrived

#[derive(Default)]
struct Tally {
    received: u64,
    lost: u64,
    repeated: u64,
    corrupt: u64,
    next: HashMap<u32, u64>,
    expected: Option<u64>,
    ended: Option<String>,
}

impl Tally {
    fn count(&mut self, item: &Item) {
        self.received += 1;
        let next = self.next.entry(item.sender).or_default();
        if item.number < *next {
            self.repeated += 1;
        } else {
            self.lost += item.number - *next;
            *next = item.number + 1;
        }
        if !item.is_whole() {
            self.corrupt += 1;
        }
        self.tell_received();
    }

    fn tell_received(&mut self) {
        if self.expected.is_some_and(|expected| self.received >= expected) {
            self.expected = None;
            tell(format_args!(r#""event":"received","received":{}"#, self.received));
        }
    }

    fn end(&mut self, why: String) {
        if self.ended.is_none() {
            tell(format_args!(r#""event":"ended","error":{why:?}"#));
            self.ended = Some(why);
        }
    }
}

fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn tell(fields: std::fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    // The driver may be gone; the end of stdin will tell.
    let _ = writeln!(out, "{{{fields}}}").and_then(|()| out.flush());
}

fn usage() -> ! {
    eprintln!("usage: peer initiator|acceptor tcp:HOST:PORT|unix:PATH [--echo] [--prologue]");
    std::process::exit(2)
}

// ------------------------------------------------------------------ the conduit

#[tokio::main]
async fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [role, address, flags @ ..] = args.as_slice() else { usage() };
    let address = Address::parse(address);
    let [echo, prologue] = ["--echo", "--prologue"].map(|name| flags.iter().any(|flag| flag == name));
    let seen = Arc::new(Seen::default());
    match role.as_str() {
        "initiator" => run(Dial { address, seen: Arc::clone(&seen) }, seen, echo).await,
        "acceptor" => {
            let listener = Listener::bind(&address).await?;
            run(Accept { listener, prologue, seen: Arc::clone(&seen) }, seen, echo).await
        }
        _ => usage(),
    }
    Ok(())
}

async fn run<LS>(source: LS, seen: Arc<Seen>, echo: bool)
where
    LS: LinkSource + Send,
    LS::Link: Send,
    <LS::Link as Link>::Tx: Send + Sync + 'static,
    <LS::Link as Link>::Rx: Send + 'static,
{
    let tally = Arc::new(Mutex::new(Tally::default()));
    let sent = Arc::new(AtomicU64::new(0));
    let conduit = match StableConduit::<Items, LS>::new(source).await {
        Ok(conduit) => conduit,
        Err(error) => return tell(format_args!(r#""event":"ended","error":{:?}"#, error.to_string())),
    };
    tell(format_args!(r#""event":"open""#));
    let (tx, mut rx) = conduit.split();
    let tx = Arc::new(tx);
    let closing = Arc::new(Notify::new());

    let (echoes, mut to_echo) = mpsc::channel::<Item>(1024);
    tokio::spawn({
        let (tally, tx) = (Arc::clone(&tally), Arc::clone(&tx));
        async move {
            while let Some(item) = to_echo.recv().await {
                if let Err(error) = send(&*tx, item).await {
                    return tally.lock().unwrap().end(error);
                }
            }
        }
    });
    tokio::spawn({
        let tally = Arc::clone(&tally);
        async move {
            loop {
                match rx.recv().await {
                    Ok(Some(item)) => {
                        let mut taken = None;
                        item.map(|item| taken = Some(item));
                        let item = taken.expect("map takes the value");
                        tally.lock().unwrap().count(&item);
                        if echo && echoes.send(item).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => return tally.lock().unwrap().end("the peer closed".into()),
                    Err(error) => return tally.lock().unwrap().end(error.to_string()),
                }
            }
        }
    });

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut numbers: HashMap<u32, u64> = HashMap::new();
    while let Ok(Some(line)) = lines.next_line().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["send", count, size, senders, rest @ ..] => {
                let [count, size, senders] = [count, size, senders].map(|word| word.parse::<u64>().expect("a number"));
                let note = rest == ["note"];
                let left = Arc::new(AtomicU64::new(senders));
                for sender in 0..senders as u32 {
                    let first = numbers.entry(sender).or_default();
                    let range = *first..*first + count / senders;
                    *first = range.end;
                    let (tx, tally, sent, left) = (Arc::clone(&tx), Arc::clone(&tally), Arc::clone(&sent), Arc::clone(&left));
                    tokio::spawn(async move {
                        for number in range {
                            if let Err(error) = send(&*tx, Item::new(sender, number, size as usize, note)).await {
                                return tally.lock().unwrap().end(error);
                            }
                            sent.fetch_add(1, SeqCst);
                        }
                        if left.fetch_sub(1, SeqCst) == 1 {
                            tell(format_args!(r#""event":"sent","sent":{}"#, sent.load(SeqCst)));
                        }
                    });
                }
            }
            ["expect", count] => {
                let mut tally = tally.lock().unwrap();
                tally.expected = Some(count.parse().expect("a number"));
                tally.tell_received();
            }
            ["report"] => {
                let Tally { received, lost, repeated, corrupt, ended, .. } = &*tally.lock().unwrap();
                let (links, sent, rss) = (seen.links.load(SeqCst), sent.load(SeqCst), rss_kib());
                let ended = ended.as_ref().map_or("null".to_string(), |why| format!("{why:?}"));
                tell(format_args!(
                    r#""event":"report","received":{received},"lost":{lost},"repeated":{repeated},"corrupt":{corrupt},"sent":{sent},"links":{links},"rssKiB":{rss},"ended":{ended}"#
                ));
            }
            ["close"] => {
                closing.notify_one();
                break;
            }
            _ => panic!("unknown command: {line}"),
        }
    }
}

async fn send<T: ConduitTx<Msg = Items>>(tx: &T, item: Item) -> Result<(), String> {
    let prepared = tx.prepare_send(item).map_err(|error| error.to_string())?;
    tx.send_prepared(prepared).await.map_err(|error| error.to_string())
}
