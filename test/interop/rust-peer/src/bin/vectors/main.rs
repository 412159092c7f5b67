//! Writes the golden vectors that the TypeScript tests read: every byte in them comes from the Rust crates.
//!
//! `cargo run --release --bin vectors -- ../../golden` rewrites the folder; a clean `git diff` afterwards
//! means that the vectors are what the pinned crates still produce.

mod frames;
mod golden;
mod json;
mod plain;
mod schema;
mod transcript;
mod types;
mod value;

use golden::Golden;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        eprintln!("usage: vectors <golden folder>");
        std::process::exit(2);
    };
    let golden = Golden::new(folder);
    plain::write(&golden);
    frames::write(&golden);
    transcript::write(&golden);
    types::write(&golden);
}
