//! wire/transcript-rust-initiator.json: a whole session of vox-core's initiator, payload by payload.
//!
//! The initiator is a `StableConduit<String>` over TCP. The acceptor follows the script below, with fixed
//! resume keys, so that the recording is the same each time.

use std::io::Result;

use facet_core::{Facet, Shape};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vox_core::StableConduit;
use vox_stream::tcp_link_source;
use vox_types::{Conduit, ConduitRx, ConduitTx, MsgFamily};

use crate::golden::{Golden, hex};
use crate::json::Json;

struct Strings;

impl MsgFamily for Strings {
    type Msg<'a> = String;

    fn shape() -> &'static Shape {
        String::SHAPE
    }
}

enum Step {
    /// The initiator dials, then says so much.
    Hello(&'static str),
    /// The initiator writes one payload, which is recorded.
    Initiator(&'static str),
    /// The acceptor writes this payload.
    Acceptor(&'static str, Vec<u8>),
    Cut,
}
use Step::*;

/// The initiator sends three strings, then one for each "1" that it receives; "0" ends it.
const SENT_AT_ONCE: usize = 3;
const STRINGS: [&str; 6] = ["alpha", "beta", "gamma", "delta", "", "zeta"];

fn script() -> Vec<Step> {
    vec![
        Hello("ClientHello, new session"),
        Acceptor(
            "ServerHello, key 0x11*16, nothing received",
            server_hello(0x11, None),
        ),
        Initiator("frame seq 0 \"alpha\""),
        Initiator("frame seq 1 \"beta\""),
        Initiator("frame seq 2 \"gamma\""),
        Acceptor(
            "frame seq 0, ack 1, item \"1\": send one more",
            frame(0, 1, "1"),
        ),
        Initiator("frame seq 3 \"delta\", acks 0"),
        Cut,
        Hello("ClientHello, resume, last_received 0"),
        Acceptor(
            "ServerHello, key 0x22*16, last_received 2: lost delta",
            server_hello(0x22, Some(2)),
        ),
        Initiator("replay of seq 3, bytes unchanged"),
        Acceptor(
            "duplicate of frame seq 0 with another item: dropped, its ack 3 still counts",
            frame(0, 3, "9"),
        ),
        Acceptor("frame seq 1, ack 3, item \"1\"", frame(1, 3, "1")),
        Initiator("frame seq 4, empty string"),
        Cut,
        Hello("ClientHello, resume, last_received 1"),
        Acceptor(
            "ServerHello, key 0x33*16, last_received 4: nothing to replay",
            server_hello(0x33, Some(4)),
        ),
        Acceptor("frame seq 2, ack 4, item \"1\"", frame(2, 4, "1")),
        Initiator("frame seq 5 \"zeta\", acks 2"),
        Acceptor("frame seq 3, ack 5, item \"0\": end", frame(3, 5, "0")),
    ]
}

fn server_hello(key: u8, last_received: Option<u32>) -> Vec<u8> {
    let mut hello = b"VOSH".to_vec();
    hello.push(if last_received.is_some() { 0b10 } else { 0 });
    hello.extend([key; 16]);
    hello.extend(last_received.unwrap_or(0).to_le_bytes());
    hello
}

/// Small numbers only: each is one byte.
fn frame(seq: u8, ack: u8, item: &str) -> Vec<u8> {
    let item = vox_postcard::to_vec(&item.to_string()).unwrap();
    let mut frame = vec![seq, 1, ack];
    frame.extend((item.len() as u32).to_le_bytes());
    frame.extend(item);
    frame
}

pub fn write(golden: &Golden) {
    // One thread: the initiator enters a frame into its replay buffer before the acceptor can read it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let steps = runtime
        .block_on(record())
        .expect("the recorded session ends cleanly");
    let about = "Payloads (without the u32 LE link length) exchanged with a vox-core 0.4.0 \
                 StableConduit<String> initiator over TCP. \"cut\" destroys the link.";
    let transcript = Json::object([
        ("about", Json::string(about)),
        ("steps", Json::Array(steps)),
    ]);
    golden.write(
        "wire/transcript-rust-initiator.json",
        transcript.pretty().as_bytes(),
    );
}

async fn record() -> Result<Vec<Json>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let initiator = tokio::spawn(initiate(listener.local_addr()?.to_string()));
    let mut link: Option<TcpStream> = None;
    let mut recorded = Vec::new();
    for step in script() {
        let (from, what, payload) = match step {
            Cut => {
                link = None;
                recorded.push(Json::object([("cut", Json::Bool(true))]));
                continue;
            }
            Hello(what) => {
                let accepted = link.insert(listener.accept().await?.0);
                ("initiator", what, read_payload(accepted).await?)
            }
            Initiator(what) => (
                "initiator",
                what,
                read_payload(link.as_mut().unwrap()).await?,
            ),
            Acceptor(what, payload) => {
                let link = link.as_mut().unwrap();
                link.write_all(&(payload.len() as u32).to_le_bytes())
                    .await?;
                link.write_all(&payload).await?;
                ("acceptor", what, payload)
            }
        };
        recorded.push(Json::object([
            ("from", Json::string(from)),
            ("what", Json::string(what)),
            ("payload", Json::string(hex(&payload))),
        ]));
    }
    initiator
        .await
        .expect("the initiator got every item it expected");
    Ok(recorded)
}

async fn read_payload(link: &mut TcpStream) -> Result<Vec<u8>> {
    let length = link.read_u32_le().await?;
    let mut payload = vec![0; length as usize];
    link.read_exact(&mut payload).await?;
    Ok(payload)
}

async fn initiate(address: String) {
    let conduit = StableConduit::<Strings, _>::new(tcp_link_source(address))
        .await
        .unwrap();
    let (tx, mut rx) = conduit.split();
    let mut strings = STRINGS.into_iter();
    for string in strings.by_ref().take(SENT_AT_ONCE) {
        tx.send_prepared(tx.prepare_send(string.into()).unwrap())
            .await
            .unwrap();
    }
    loop {
        let item = rx
            .recv()
            .await
            .unwrap()
            .expect("a StableConduit does not end");
        let mut text = String::new();
        item.map(|value| text = value);
        match text.as_str() {
            "0" => break,
            "1" => {
                let string = strings.next().expect("no more than the script asks for");
                tx.send_prepared(tx.prepare_send(string.into()).unwrap())
                    .await
                    .unwrap();
            }
            other => panic!("unexpected item {other:?}"),
        }
    }
    assert_eq!(strings.next(), None);
}
