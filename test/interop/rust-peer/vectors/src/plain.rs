//! varint/, primitives/, composite/: one value a file, as postcard writes it.

use std::collections::BTreeMap;

use facet::Facet;

use crate::golden::Golden;

#[derive(Facet)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Facet)]
struct Nested {
    name: String,
    point: Point,
    tags: Vec<String>,
}

#[derive(Facet)]
#[repr(u8)]
enum Color {
    Red,
    Green,
    Blue,
}

#[derive(Facet)]
#[repr(u8)]
#[allow(dead_code)] // read by reflection only
enum Shape {
    Circle(f64),
    Rect { w: f64, h: f64 },
    Empty,
}

pub fn write(golden: &Golden) {
    let folder = Folder { golden };
    for value in [
        0,
        1,
        127,
        128,
        255,
        256,
        16_383,
        16_384,
        65_535,
        65_536,
        1_048_576u64,
    ] {
        folder.write(&format!("varint/u64_{value}"), value);
    }
    primitives(&folder);
    composites(&folder);
}

fn primitives(folder: &Folder) {
    let named = |kind: &str, name: &str| format!("primitives/{kind}_{name}");
    folder.write(&named("bool", "false"), false);
    folder.write(&named("bool", "true"), true);

    // Integers by their name: the value, or "min", "max", "neg1".
    macro_rules! integers {
        ($($type:ident: $($name:literal = $value:expr),+;)+) => {
            $($(folder.write(&named(stringify!($type), $name), { let value: $type = $value; value });)+)+
        };
    }
    integers! {
        u8: "0" = 0, "127" = 127, "255" = 255;
        i8: "0" = 0, "neg1" = -1, "127" = 127, "neg128" = -128;
        u16: "0" = 0, "127" = 127, "128" = 128, "255" = 255, "256" = 256, "max" = u16::MAX;
        i16: "0" = 0, "1" = 1, "neg1" = -1, "127" = 127, "128" = 128, "max" = i16::MAX, "min" = i16::MIN;
        u32: "0" = 0, "1" = 1, "127" = 127, "128" = 128, "255" = 255, "256" = 256, "max" = u32::MAX;
        i32: "0" = 0, "1" = 1, "neg1" = -1, "127" = 127, "128" = 128, "neg128" = -128, "max" = i32::MAX,
             "min" = i32::MIN;
        u64: "0" = 0, "1" = 1, "127" = 127, "128" = 128, "max" = u64::MAX;
        i64: "0" = 0, "1" = 1, "neg1" = -1, "15" = 15, "42" = 42, "max" = i64::MAX, "min" = i64::MIN;
    }

    for (name, value) in [
        ("0", 0.0),
        ("1", 1.0),
        ("neg1", -1.0),
        ("1_5", 1.5),
        ("0_25", 0.25),
    ] {
        folder.write(&named("f32", name), value as f32);
        folder.write(&named("f64", name), value);
    }

    folder.write(&named("string", "empty"), String::new());
    folder.write(&named("string", "hello"), "hello world".to_string());
    folder.write(&named("string", "unicode"), "héllo 世界 🦀".to_string());
    folder.write(&named("bytes", "empty"), Vec::<u8>::new());
    folder.write(&named("bytes", "deadbeef"), vec![0xdeu8, 0xad, 0xbe, 0xef]);
    folder.write(&named("option", "none_u32"), None::<u32>);
    folder.write(&named("option", "some_u32_42"), Some(42u32));
    folder.write(&named("option", "none_string"), None::<String>);
    folder.write(&named("option", "some_string"), Some("hello".to_string()));
    folder.write(&named("vec", "empty_u32"), Vec::<u32>::new());
    folder.write(&named("vec", "u32_1_2_3"), vec![1u32, 2, 3]);
    folder.write(&named("vec", "i32_neg1_0_1"), vec![-1i32, 0, 1]);
    folder.write(
        &named("vec", "string"),
        vec!["a".to_string(), "b".to_string()],
    );
}

fn composites(folder: &Folder) {
    let named = |name: &str| format!("composite/{name}");
    folder.write(&named("struct_point"), Point { x: 10, y: -20 });
    folder.write(
        &named("struct_nested"),
        Nested {
            name: "test".into(),
            point: Point { x: 1, y: 2 },
            tags: vec!["a".into(), "bb".into()],
        },
    );
    folder.write(&named("enum_red"), Color::Red);
    folder.write(&named("enum_green"), Color::Green);
    folder.write(&named("enum_blue"), Color::Blue);
    #[allow(clippy::approx_constant)]
    folder.write(&named("enum_circle"), Shape::Circle(3.14));
    folder.write(&named("enum_rect"), Shape::Rect { w: 10.0, h: 20.0 });
    folder.write(&named("enum_empty"), Shape::Empty);
    folder.write(&named("tuple_u32_string"), (42u32, "hello".to_string()));
    folder.write(&named("tuple_bool_i64"), (true, -99i64));
    folder.write(&named("option_some_point"), Some(Point { x: 5, y: 6 }));
    folder.write(&named("option_none_point"), None::<Point>);
    folder.write(
        &named("vec_points"),
        vec![
            Point { x: 1, y: 2 },
            Point { x: 3, y: 4 },
            Point { x: 5, y: 6 },
        ],
    );
    // Sorted maps: their order on the wire is their own.
    let counts = BTreeMap::from([("alpha".to_string(), 1u32), ("beta".to_string(), 2)]);
    folder.write(&named("map_string_u32"), counts);
    let places = BTreeMap::from([("key".to_string(), Point { x: 10, y: 20 })]);
    folder.write(&named("map_string_point"), places);
}

struct Folder<'a> {
    golden: &'a Golden,
}

impl Folder<'_> {
    fn write<T: Facet<'static>>(&self, name: &str, value: T) {
        self.golden.write(
            &format!("{name}.bin"),
            &vox_postcard::to_vec(&value).unwrap(),
        );
    }
}
