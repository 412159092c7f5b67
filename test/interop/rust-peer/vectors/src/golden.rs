//! The folder that the vectors go to.

use std::fs;
use std::path::PathBuf;

use crate::json::Json;

pub struct Golden {
    folder: PathBuf,
}

impl Golden {
    pub fn new(folder: &str) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An array with one entry a line.
pub fn lines(rows: &[Json]) -> String {
    let rows: Vec<String> = rows.iter().map(Json::compact).collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}
