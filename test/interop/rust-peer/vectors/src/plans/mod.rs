//! plans/: a writer's type and a reader's, what vox_postcard::build_plan says about them, and what the reader
//! gets from the writer's bytes.
//!
//! Where the reference is wrong, lax or dies, the row also says what a sound implementation does and why.

mod cases;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};

use facet::Facet;
use facet_reflect::Peek;
use vox_postcard::{
    DeserializeError, PlanInput, SchemaSet, TranslationError, TranslationPlan, build_plan,
    from_slice_with_plan,
};
use vox_types::{SchemaRegistry, extract_schemas};

use crate::golden::{Golden, hex, lines};
use crate::json::Json;
use crate::schema::schema_json;
use crate::value::value_json;

pub fn write(golden: &Golden) {
    // A panic of the reference is a result here.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for (name, fill) in cases::FILES {
        let mut plans = Plans::default();
        fill(&mut plans);
        golden.write(&format!("plans/{name}.json"), lines(&plans.rows).as_bytes());
    }
    std::panic::set_hook(hook);
}

/// Builds the plan of one case and nothing else: for a case that may end the process.
pub fn try_plan(case: &str) {
    for (_, fill) in cases::FILES {
        fill(&mut Plans {
            only: Some(case.into()),
            rows: Vec::new(),
        });
    }
}

#[derive(Default)]
struct Plans {
    rows: Vec<Json>,
    only: Option<String>,
}

/// One version of a type, and values in it.
struct Writer {
    types: SchemaSet,
    schema: Json,
    values: Vec<Value>,
}

/// The other version.
struct Reader {
    types: SchemaSet,
    schema: Json,
    read: fn(&'static [u8], &TranslationPlan, &SchemaRegistry) -> Result<Value, DeserializeError>,
}

struct Value {
    json: Json,
    bytes: Vec<u8>,
}

/// What a sound implementation does where the reference does not.
enum Ours {
    Refuses {
        error: &'static str,
        path: &'static str,
    },
    Reads(Vec<Value>),
}

fn writer<T: Facet<'static>>(values: impl IntoIterator<Item = T>) -> Writer {
    Writer {
        types: types::<T>(),
        schema: schema_json(T::SHAPE),
        values: all(values),
    }
}

fn reader<T: Facet<'static>>() -> Reader {
    let read = |bytes: &'static [u8], plan: &TranslationPlan, registry: &SchemaRegistry| {
        from_slice_with_plan::<T>(bytes, plan, registry).map(value)
    };
    Reader {
        types: types::<T>(),
        schema: schema_json(T::SHAPE),
        read,
    }
}

fn reads<T: Facet<'static>>(values: impl IntoIterator<Item = T>) -> Ours {
    Ours::Reads(all(values))
}

fn all<T: Facet<'static>>(values: impl IntoIterator<Item = T>) -> Vec<Value> {
    values.into_iter().map(value).collect()
}

fn value<T: Facet<'static>>(value: T) -> Value {
    Value {
        json: value_json(Peek::new(&value)),
        bytes: vox_postcard::to_vec(&value).unwrap(),
    }
}

fn types<T: Facet<'static>>() -> SchemaSet {
    let extracted = extract_schemas(T::SHAPE).unwrap();
    SchemaSet::from_root_and_schemas(extracted.root.clone(), extracted.schemas.clone())
}

impl Plans {
    /// A pair about which the reference is right.
    fn add(&mut self, name: &str, writer: Writer, reader: Reader) {
        self.row(name, writer, reader, None);
    }

    /// A pair about which it is not.
    fn deviate(&mut self, name: &str, writer: Writer, reader: Reader, why: &str, ours: Ours) {
        self.row(name, writer, reader, Some((why, ours)));
    }

    fn row(&mut self, name: &str, writer: Writer, reader: Reader, deviation: Option<(&str, Ours)>) {
        let input = PlanInput {
            remote: &writer.types,
            local: &reader.types,
        };
        if let Some(only) = &self.only {
            if only == name {
                let _ = build_plan(&input);
            }
            return;
        }
        let plan = if survives(name) {
            Ok(build_plan(&input))
        } else {
            Err(())
        };
        let verdict = match &plan {
            Ok(Ok(_)) => Json::string("ok"),
            Ok(Err(error)) => refusal(&kind_of(error), &error.path.to_string()),
            Err(()) => Json::string("crash"),
        };
        let items = writer.values.into_iter().map(|Value { json, bytes }| {
            let mut item = vec![("written", json), ("bytes", Json::string(hex(&bytes)))];
            if let Ok(Ok(plan)) = &plan {
                // Leaked: a Payload in an owned value points into its input, which the reference lets go.
                let result = catch_unwind(AssertUnwindSafe(|| {
                    (reader.read)(bytes.leak(), plan, &writer.types.registry)
                }));
                item.push(match result {
                    Ok(Ok(value)) => ("read", value_row(value)),
                    Ok(Err(error)) => ("error", Json::string(variant_name(&error))),
                    Err(_) => ("error", Json::string("panic")),
                });
            }
            Json::object(item)
        });
        let items = Json::Array(items.collect());
        let mut row = vec![
            ("name", Json::string(name)),
            ("writer", writer.schema),
            ("reader", reader.schema),
            ("plan", verdict),
            ("items", items),
        ];
        if let Some((why, ours)) = deviation {
            row.push(("why", Json::string(why)));
            row.push((
                "ours",
                match ours {
                    Ours::Refuses { error, path } => Json::object([("plan", refusal(error, path))]),
                    Ours::Reads(values) => Json::object([
                        ("plan", Json::string("ok")),
                        (
                            "read",
                            Json::Array(values.into_iter().map(value_row).collect()),
                        ),
                    ]),
                },
            ));
        }
        self.rows.push(Json::object(row));
    }
}

/// Whether a process that builds the plan of this case lives: a recursive type overflows the stack.
fn survives(case: &str) -> bool {
    Command::new(std::env::current_exe().unwrap())
        .args(["--try-plan", case])
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

fn value_row(Value { json, bytes }: Value) -> Json {
    Json::object([("value", json), ("bytes", Json::string(hex(&bytes)))])
}

fn refusal(error: &str, path: &str) -> Json {
    Json::object([("error", Json::string(error)), ("path", Json::string(path))])
}

fn kind_of(error: &TranslationError) -> String {
    variant_name(&*error.kind)
}

/// `Some` of `Some(3)`.
fn variant_name(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect()
}
