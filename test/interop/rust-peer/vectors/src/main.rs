//! Writes the golden vectors that the TypeScript tests read: every byte in them comes from the Rust crates.
//!
//! `cargo run --release -p vectors ../../golden` rewrites the folder; a clean `git diff` afterwards
//! means that the vectors are what the pinned crates still produce.

mod frames;
mod golden;
mod json;
mod plain;
mod plans;
mod schema;
mod transcript;
mod types;
mod value;

use golden::Golden;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // What this program runs itself with, to survive what the reference does not.
        ["--try-plan", case] => return plans::try_plan(case),
        [folder] => folder,
        _ => {
            eprintln!("usage: vectors <golden folder>");
            std::process::exit(2);
        }
    };
    let golden = Golden::new(folder);
    plain::write(&golden);
    frames::write(&golden);
    transcript::write(&golden);
    types::write(&golden);
    plans::write(&golden);
}
