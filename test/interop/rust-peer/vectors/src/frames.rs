//! wire/frames.json: one frame for every combination of widths of seq, ack and item length.

use facet::Facet;
use vox_types::Payload;

use crate::golden::{Golden, hex};
use crate::json::Json;

/// The same shape as vox-core's private `Frame`, and so the same bytes.
#[derive(Facet)]
struct Frame<'a> {
    seq: u32,
    ack: Option<u32>,
    item: Payload<'a>,
}

/// Both sides of each varint width.
const SEQS: [u32; 12] = [
    0,
    1,
    7,
    (1 << 7) - 1,
    1 << 7,
    (1 << 14) - 1,
    1 << 14,
    (1 << 21) - 1,
    1 << 21,
    (1 << 28) - 1,
    1 << 28,
    u32::MAX,
];
const ITEM_LENGTHS: [usize; 6] = [0, 1, 3, 127, 128, 300];

pub fn write(golden: &Golden) {
    let mut rows = Vec::new();
    for (index, &seq) in SEQS.iter().enumerate() {
        // None, zero, and a width that is not that of seq.
        for ack in [None, Some(0), Some(SEQS[SEQS.len() - 1 - index])] {
            for length in ITEM_LENGTHS {
                let item: Vec<u8> = (0..length).map(|i| (7 * i + index) as u8).collect();
                let frame = Frame {
                    seq,
                    ack,
                    item: Payload::PostcardBytes(&item),
                };
                rows.push(
                    Json::object([
                        ("seq", Json::number(seq)),
                        ("ack", ack.map_or(Json::Null, Json::number)),
                        ("item", Json::string(hex(&item))),
                        (
                            "frame",
                            Json::string(hex(&vox_postcard::to_vec(&frame).unwrap())),
                        ),
                    ])
                    .compact(),
                );
            }
        }
    }
    golden.write(
        "wire/frames.json",
        format!("[\n{}\n]\n", rows.join("\n,")).as_bytes(),
    );
}
