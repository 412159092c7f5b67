//! types/: for every type of the schema values with their extremes, and the bytes that postcard writes for them.
#![allow(dead_code)] // The types are read by reflection.

use std::collections::{BTreeMap, BTreeSet};

use facet::Facet;
use facet_reflect::Peek;
use vox_types::Payload;

use crate::golden::{Golden, hex, lines};
use crate::json::Json;
use crate::schema::schema_json;
use crate::value::value_json;

#[derive(Default)]
struct Vectors {
    rows: Vec<Json>,
}

impl Vectors {
    fn add<T: Facet<'static>>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        let item = |value: T| {
            Json::object([
                ("value", value_json(Peek::new(&value))),
                (
                    "bytes",
                    Json::string(hex(&vox_postcard::to_vec(&value).unwrap())),
                ),
            ])
        };
        self.rows.push(Json::object([
            ("name", Json::string(name)),
            ("schema", schema_json(T::SHAPE)),
            ("items", Json::Array(values.into_iter().map(item).collect())),
        ]));
    }

    fn decode<T: Facet<'static>>(&mut self, name: &str, bytes: &'static [u8], why: Option<&str>) {
        let result = vox_postcard::from_slice::<T>(bytes);
        let mut row = vec![
            ("name", Json::string(name)),
            ("schema", schema_json(T::SHAPE)),
            ("bytes", Json::string(hex(bytes))),
            match result {
                Ok(value) => ("value", value_json(Peek::new(&value))),
                Err(error) => ("error", Json::string(error.to_string())),
            },
        ];
        row.extend(why.map(|why| ("why", Json::string(why))));
        self.rows.push(Json::object(row));
    }
}

/// Bytes that no encoder writes, and what the reference makes of them. `why`: a sound decoder refuses them.
fn odd(vectors: &mut Vectors) {
    const TRAILING: &str = "The reference does not look at what follows the value.";
    const WIDTH: &str = "The reference drops the bits that the type has no room for.";
    vectors.decode::<u32>("a byte too many", b"\x05\x00", Some(TRAILING));
    vectors.decode::<Vec<u8>>("bytes after bytes", b"\x01\x02\x03", Some(TRAILING));
    vectors.decode::<u16>("65536 as u16", b"\x80\x80\x04", Some(WIDTH));
    vectors.decode::<i16>("32768 as i16", b"\x80\x80\x04", Some(WIDTH));
    vectors.decode::<u32>("2^32 as u32", b"\x80\x80\x80\x80\x10", Some(WIDTH));
    vectors.decode::<i32>("-2^31 - 1 as i32", b"\x81\x80\x80\x80\x10", Some(WIDTH));
    vectors.decode::<u64>(
        "2^64 as u64",
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02",
        Some(WIDTH),
    );
    vectors.decode::<char>(
        "two characters",
        b"\x02ab",
        Some("The reference takes the first of several characters."),
    );
    vectors.decode::<u32>("an overlong varint", b"\x85\x80\x00", None);
    vectors.decode::<u64>(
        "an eleventh byte",
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00",
        None,
    );
    vectors.decode::<u32>("no bytes", b"", None);
    vectors.decode::<u32>("a varint that does not end", b"\xff\xff", None);
    vectors.decode::<bool>("2 as bool", b"\x02", None);
    vectors.decode::<Option<u8>>("2 as option tag", b"\x02\x00", None);
    vectors.decode::<char>("an empty char", b"\x00", None);
    vectors.decode::<String>("a string beyond the end", b"\x05abcd", None);
    vectors.decode::<String>("half a UTF-8 sequence", b"\x02\xf0\x9f", None);
    vectors.decode::<String>("an overlong UTF-8 sequence", b"\x02\xc0\x80", None);
    vectors.decode::<String>("a surrogate in UTF-8", b"\x03\xed\xa0\x80", None);
    vectors.decode::<Vec<u8>>("bytes beyond the end", b"\x02\x00", None);
    vectors.decode::<Payload<'static>>("a payload beyond the end", b"\x02\x00\x00\x00\x00", None);
    vectors.decode::<Vec<u32>>("a list beyond the end", b"\x03\x01\x02", None);
    vectors.decode::<f32>("half a float", b"\x00\x00", None);
    vectors.decode::<[u8; 2]>("half an array", b"\x00", None);
    vectors.decode::<BTreeMap<u8, u8>>("a key that comes twice", b"\x02\x01\x05\x01\x06", None);
    vectors.decode::<BTreeSet<u8>>("an element that comes twice", b"\x02\x01\x01", None);
    #[derive(Facet)]
    #[repr(u8)]
    enum Two {
        A,
        B,
    }
    vectors.decode::<Two>("a variant that does not exist", b"\x02", None);
}

pub fn write(golden: &Golden) {
    let files: [(&str, fn(&mut Vectors)); 6] = [
        ("scalars", scalars),
        ("text", text),
        ("containers", containers),
        ("structs", structs),
        ("enums", enums),
        ("odd", odd),
    ];
    for (name, fill) in files {
        let mut vectors = Vectors::default();
        fill(&mut vectors);
        golden.write(
            &format!("types/{name}.json"),
            lines(&vectors.rows).as_bytes(),
        );
    }
}

fn scalars(vectors: &mut Vectors) {
    vectors.add("bool", [false, true]);
    vectors.add("unit", [()]);
    vectors.add("u8", [0u8, 1, 127, 128, u8::MAX]);
    vectors.add("i8", [0i8, 1, -1, 63, 64, -64, -65, i8::MIN, i8::MAX]);
    // Both sides of every width of a varint.
    macro_rules! unsigned {
        ($($type:ident)+) => {
            $(vectors.add(stringify!($type), widths(<$type>::BITS).map(|value| value as $type));)+
        };
    }
    macro_rules! signed {
        ($($type:ident)+) => {
            $(vectors.add(stringify!($type), widths(<$type>::BITS).map(|zigzag| {
                (zigzag >> 1) as $type ^ -((zigzag & 1) as $type)
            }));)+
        };
    }
    unsigned!(u16 u32 u64 u128);
    signed!(i16 i32 i64 i128);
    let floats = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        1.5,
        16_777_217.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    let f32_extremes = [
        f32::MIN,
        f32::MAX,
        f32::MIN_POSITIVE,
        f32::EPSILON,
        f32::from_bits(1),
    ];
    vectors.add(
        "f32",
        floats
            .into_iter()
            .map(|value| value as f32)
            .chain(f32_extremes),
    );
    let f64_extremes = [
        f64::MIN,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        f64::from_bits(1),
        2f64.powi(53),
    ];
    vectors.add("f64", floats.into_iter().chain(f64_extremes));
}

/// 0, 1 and the values on both sides of each multiple of 7 bits, up to the largest of so many bits.
fn widths(bits: u32) -> impl Iterator<Item = u128> {
    let edges = (1..bits.div_ceil(7)).flat_map(|bytes| {
        let edge = 1u128 << (7 * bytes);
        [edge - 1, edge]
    });
    let largest = u128::MAX >> (128 - bits);
    [0, 1]
        .into_iter()
        .chain(edges)
        .chain([largest - 1, largest])
}

fn text(vectors: &mut Vectors) {
    vectors.add(
        "char",
        [
            '\0',
            'a',
            '\u{7f}',
            '\u{80}',
            'é',
            '\u{7ff}',
            '\u{800}',
            '世',
            '\u{ffff}',
            '🦀',
            char::MAX,
        ],
    );
    let strings = [
        "",
        "a",
        "héllo 世界 🦀",
        "\0",
        "\u{feff}bom",
        "\u{10ffff}",
        "\"\\\n",
    ];
    // Lengths around what codecs treat differently: one byte of varint, short strings, long ones.
    let ascii = [15, 16, 23, 24, 63, 64, 127, 128, 300]
        .map(|length| "abcdefgh".chars().cycle().take(length).collect());
    let wide = [40, 64, 128].map(|length| "ab世🦀".chars().cycle().take(length).collect());
    vectors.add(
        "string",
        strings
            .map(String::from)
            .into_iter()
            .chain(ascii)
            .chain(wide),
    );
    let bytes =
        [0usize, 1, 3, 127, 128, 300].map(|length| (0..length).map(|i| (i * 7) as u8).collect());
    vectors.add::<Vec<u8>>("bytes", bytes);
    const PAYLOADS: [&[u8]; 4] = [b"", b"\0", b"\x05hello", &[0xa5; 300]];
    vectors.add::<Payload<'static>>("payload", PAYLOADS.map(Payload::PostcardBytes));
}

fn containers(vectors: &mut Vectors) {
    vectors.add("option<u32>", [None, Some(0u32), Some(u32::MAX)]);
    vectors.add(
        "option<option<bool>>",
        [None, Some(None), Some(Some(false)), Some(Some(true))],
    );
    vectors.add("option<unit>", [None, Some(())]);
    vectors.add(
        "option<string>",
        [None, Some(String::new()), Some("x".into())],
    );
    vectors.add(
        "list<u32>",
        [
            vec![],
            vec![1u32],
            vec![0, 127, 128, u32::MAX],
            (0..130).collect(),
        ],
    );
    vectors.add("list<unit>", [vec![], vec![(); 3]]);
    vectors.add("list<bool>", [vec![], vec![true, false, true]]);
    vectors.add("list<f32>", [vec![], vec![0.5f32, -2.0]]);
    vectors.add("list<i8>", [vec![], vec![-1i8, 0, 1]]);
    vectors.add("list<bytes>", [vec![], vec![vec![1u8, 2], vec![]]]);
    vectors.add(
        "list<list<string>>",
        [
            vec![],
            vec![vec![]],
            vec![vec!["a".to_string(), "b".into()], vec!["c".into()]],
        ],
    );
    vectors.add("array<u8, 0>", [[0u8; 0]]);
    vectors.add("array<u8, 4>", [[0u8, 1, 254, 255]]);
    vectors.add("array<i32, 3>", [[0i32; 3], [i32::MIN, -1, i32::MAX]]);
    vectors.add("array<string, 2>", [[String::new(), "b".into()]]);
    vectors.add("array<array<u16, 2>, 2>", [[[1u16, 2], [300, 4]]]);
    let counts = |names: &[&str]| {
        names
            .iter()
            .enumerate()
            .map(|(i, name)| (name.to_string(), i as u32))
            .collect()
    };
    vectors.add::<BTreeMap<String, u32>>(
        "map<string, u32>",
        [counts(&[]), counts(&["a"]), counts(&["a", "b", "z"])],
    );
    vectors.add(
        "map<u16, list<bool>>",
        [BTreeMap::from([(1u16, vec![true]), (999, vec![])])],
    );
    vectors.add(
        "map<u64, map<u8, u8>>",
        [BTreeMap::from([(u64::MAX, BTreeMap::from([(1u8, 2u8)]))])],
    );
    vectors.add(
        "set<u32>",
        [BTreeSet::new(), BTreeSet::from([3u32, 1, 1 << 20])],
    );
    vectors.add(
        "set<string>",
        [
            BTreeSet::new(),
            BTreeSet::from(["b".to_string(), "a".into()]),
        ],
    );
    vectors.add(
        "tuple<u32, string>",
        [(0u32, String::new()), (u32::MAX, "x".into())],
    );
    vectors.add(
        "tuple<bool, i64, tuple<u8, unit>>",
        [(true, i64::MIN, (7u8, ()))],
    );
    vectors.add(
        "tuple<f64, option<char>>",
        [(1.25, None), (-0.0, Some('ß'))],
    );
}

fn structs(vectors: &mut Vectors) {
    #[derive(Facet)]
    struct Empty {}
    vectors.add("empty struct", [Empty {}]);

    #[derive(Facet)]
    struct Marker;
    #[derive(Facet)]
    struct WithMarker {
        marker: Marker,
        unit: (),
        last: u8,
    }
    vectors.add(
        "struct of units",
        [WithMarker {
            marker: Marker,
            unit: (),
            last: 9,
        }],
    );

    #[derive(Facet)]
    struct Scalars {
        a_bool: bool,
        a_u8: u8,
        a_u16: u16,
        a_u32: u32,
        a_u64: u64,
        a_u128: u128,
        an_i8: i8,
        an_i16: i16,
        an_i32: i32,
        an_i64: i64,
        an_i128: i128,
        an_f32: f32,
        an_f64: f64,
        a_char: char,
        a_string: String,
        some_bytes: Vec<u8>,
    }
    let scalars = |low: bool| Scalars {
        a_bool: !low,
        a_u8: if low { u8::MIN } else { u8::MAX },
        a_u16: if low { u16::MIN } else { u16::MAX },
        a_u32: if low { u32::MIN } else { u32::MAX },
        a_u64: if low { u64::MIN } else { u64::MAX },
        a_u128: if low { u128::MIN } else { u128::MAX },
        an_i8: if low { i8::MIN } else { i8::MAX },
        an_i16: if low { i16::MIN } else { i16::MAX },
        an_i32: if low { i32::MIN } else { i32::MAX },
        an_i64: if low { i64::MIN } else { i64::MAX },
        an_i128: if low { i128::MIN } else { i128::MAX },
        an_f32: if low { f32::MIN } else { f32::MAX },
        an_f64: if low { f64::MIN } else { f64::MAX },
        a_char: if low { '\0' } else { char::MAX },
        a_string: if low { "" } else { "Grüße" }.into(),
        some_bytes: if low { vec![] } else { vec![0, 255] },
    };
    vectors.add("struct of every scalar", [scalars(true), scalars(false)]);

    #[derive(Facet, Clone)]
    struct Line {
        sku: String,
        count: u16,
        #[facet(default)]
        note: Option<String>,
    }
    #[derive(Facet)]
    struct Order {
        id: u64,
        lines: Vec<Line>,
        shipping: Option<(f64, f64)>,
        tags: BTreeMap<String, String>,
        raw: Payload<'static>,
    }
    let line = Line {
        sku: "A-1".into(),
        count: 300,
        note: None,
    };
    vectors.add(
        "nested struct",
        [
            Order {
                id: 0,
                lines: vec![],
                shipping: None,
                tags: BTreeMap::new(),
                raw: Payload::PostcardBytes(b""),
            },
            Order {
                id: u64::MAX,
                lines: vec![
                    line.clone(),
                    Line {
                        note: Some("fragile".into()),
                        ..line
                    },
                ],
                shipping: Some((52.5, -13.375)),
                tags: BTreeMap::from([("k".into(), "v".into())]),
                raw: Payload::PostcardBytes(b"\x01\x02"),
            },
        ],
    );

    #[derive(Facet)]
    struct Defaults {
        #[facet(default)]
        zero: u32,
        #[facet(default = 7)]
        seven: u64,
        #[facet(default = "text".to_string())]
        text: String,
        #[facet(default = vec![1u8, 2])]
        bytes: Vec<u8>,
        #[facet(default = vec![1u32, 2])]
        list: Vec<u32>,
        #[facet(default)]
        none: Option<u8>,
        #[facet(default = Some(f32::NEG_INFINITY))]
        some: Option<f32>,
        #[facet(default = BTreeMap::from([(1u8, true)]))]
        map: BTreeMap<u8, bool>,
    }
    vectors.add(
        "struct with defaults",
        [Defaults {
            zero: 1,
            seven: 2,
            text: String::new(),
            bytes: vec![],
            list: vec![],
            none: Some(1),
            some: None,
            map: BTreeMap::new(),
        }],
    );

    #[derive(Facet)]
    struct Pair(u32, String);
    vectors.add("tuple struct", [Pair(5, "x".into())]);

    #[derive(Facet)]
    #[facet(transparent)]
    struct Id(u64);
    vectors.add("transparent struct", [Id(128)]);

    #[derive(Facet)]
    struct Tree {
        value: u32,
        #[facet(recursive_type)]
        children: Vec<Tree>,
    }
    let leaf = |value| Tree {
        value,
        children: vec![],
    };
    vectors.add(
        "recursive struct",
        [
            leaf(1),
            Tree {
                value: 300,
                children: vec![
                    leaf(2),
                    Tree {
                        value: 3,
                        children: vec![leaf(4)],
                    },
                ],
            },
        ],
    );

    #[derive(Facet)]
    struct Chain {
        name: String,
        #[facet(recursive_type)]
        next: Option<Box<Chain>>,
    }
    let end = Chain {
        name: "c".into(),
        next: None,
    };
    let middle = Chain {
        name: "b".into(),
        next: Some(Box::new(end)),
    };
    vectors.add(
        "recursive struct behind a box",
        [Chain {
            name: "a".into(),
            next: Some(Box::new(middle)),
        }],
    );
}

fn enums(vectors: &mut Vectors) {
    #[derive(Facet)]
    #[repr(u8)]
    enum Level {
        Low,
        Middle,
        High,
    }
    vectors.add("unit enum", [Level::Low, Level::Middle, Level::High]);

    // The number in memory is not the number on the wire.
    #[derive(Facet)]
    #[repr(u8)]
    enum Numbered {
        Seven = 7,
        Three = 3,
    }
    vectors.add(
        "unit enum with discriminants",
        [Numbered::Seven, Numbered::Three],
    );

    #[derive(Facet)]
    #[repr(u8)]
    enum Event {
        Quit,
        Key(char),
        Bytes(Vec<u8>),
        Move(i32, i32),
        Resize { width: u32, height: u32 },
        Nested(Option<Vec<u16>>),
        Nothing(()),
        Empty {},
    }
    vectors.add(
        "enum of every payload",
        [
            Event::Quit,
            Event::Key('ß'),
            Event::Bytes(vec![1, 2, 3]),
            Event::Move(-1, 64),
            Event::Resize {
                width: 127,
                height: 128,
            },
            Event::Nested(None),
            Event::Nested(Some(vec![1, 300])),
            Event::Nothing(()),
            Event::Empty {},
        ],
    );

    #[derive(Facet)]
    #[repr(u8)]
    enum Expression {
        Number(f64),
        Negative(#[facet(recursive_type)] Box<Expression>),
        Sum(#[facet(recursive_type)] Vec<Expression>),
        Product {
            #[facet(recursive_type)]
            left: Box<Expression>,
            #[facet(recursive_type)]
            right: Box<Expression>,
        },
    }
    use Expression::*;
    let negative = Negative(Box::new(Number(2.5)));
    vectors.add(
        "recursive enum",
        [
            Number(1.0),
            Sum(vec![]),
            Product {
                left: Box::new(Sum(vec![Number(1.0), negative])),
                right: Box::new(Number(-3.0)),
            },
        ],
    );

    // A wire index of two bytes.
    macro_rules! wide {
        ($($name:ident)+) => {
            #[derive(Facet)]
            #[repr(u16)]
            enum Wide { $($name),+ }
            const ALL: &[fn() -> Wide] = &[$(|| Wide::$name),+];
            vectors.add("enum of 130 variants", [0, 127, 128, 129].map(|index: usize| ALL[index]()));
        };
    }
    wide!(
        V0 V1 V2 V3 V4 V5 V6 V7 V8 V9 V10 V11 V12 V13 V14 V15 V16 V17 V18 V19 V20 V21 V22 V23 V24 V25 V26 V27 V28
        V29 V30 V31 V32 V33 V34 V35 V36 V37 V38 V39 V40 V41 V42 V43 V44 V45 V46 V47 V48 V49 V50 V51 V52 V53 V54
        V55 V56 V57 V58 V59 V60 V61 V62 V63 V64 V65 V66 V67 V68 V69 V70 V71 V72 V73 V74 V75 V76 V77 V78 V79 V80
        V81 V82 V83 V84 V85 V86 V87 V88 V89 V90 V91 V92 V93 V94 V95 V96 V97 V98 V99 V100 V101 V102 V103 V104 V105
        V106 V107 V108 V109 V110 V111 V112 V113 V114 V115 V116 V117 V118 V119 V120 V121 V122 V123 V124 V125 V126
        V127 V128 V129
    );

    #[derive(Facet)]
    #[repr(u8)]
    enum Shape {
        Circle(f64),
        Rect { w: f64, h: f64 },
        Empty,
    }
    #[derive(Facet)]
    struct Drawing {
        level: Level,
        shapes: Vec<Shape>,
        by_name: BTreeMap<String, Shape>,
    }
    vectors.add(
        "enums in a struct",
        [Drawing {
            level: Level::High,
            shapes: vec![
                Shape::Empty,
                Shape::Circle(1.5),
                Shape::Rect { w: 1.0, h: 2.0 },
            ],
            by_name: BTreeMap::from([("c".into(), Shape::Circle(-0.5))]),
        }],
    );
}
