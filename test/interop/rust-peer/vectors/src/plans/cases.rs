//! The pairs. In each case the first block is the writer's version of the types, the second the reader's.
#![allow(dead_code)] // The types are read by reflection.

use std::collections::{BTreeMap, BTreeSet};

use facet::Facet;
use vox_types::Payload;

use super::{Ours, Plans, reader, reads, writer};

pub const FILES: [(&str, fn(&mut Plans)); 5] = [
    ("structs", structs),
    ("containers", containers),
    ("enums", enums),
    ("refused", refused),
    ("deviations", deviations),
];

fn structs(plans: &mut Plans) {
    plans.add(
        "identical",
        {
            #[derive(Facet)]
            struct Point {
                x: i32,
                y: i32,
            }
            writer([Point { x: 1, y: -2 }])
        },
        {
            #[derive(Facet)]
            struct Point {
                x: i32,
                y: i32,
            }
            reader::<Point>()
        },
    );
    plans.add(
        "fields in another order",
        {
            #[derive(Facet)]
            struct User {
                id: u64,
                name: String,
                age: u8,
                scores: Vec<u32>,
            }
            writer([
                User {
                    id: 7,
                    name: "Ada".into(),
                    age: 36,
                    scores: vec![1, 300],
                },
                User {
                    id: u64::MAX,
                    name: String::new(),
                    age: 0,
                    scores: vec![],
                },
            ])
        },
        {
            #[derive(Facet)]
            struct User {
                scores: Vec<u32>,
                age: u8,
                name: String,
                id: u64,
            }
            reader::<User>()
        },
    );
    plans.add(
        "unknown fields first, between and last",
        {
            #[derive(Facet)]
            struct User {
                session: u128,
                id: u64,
                email: String,
                age: u8,
                active: bool,
            }
            writer([User {
                session: 1 << 100,
                id: 5,
                email: "a@b".into(),
                age: 3,
                active: true,
            }])
        },
        {
            #[derive(Facet)]
            struct User {
                id: u64,
                age: u8,
            }
            reader::<User>()
        },
    );
    plans.add(
        "unknown scalars of every type",
        {
            #[derive(Facet)]
            struct Wide {
                a: bool,
                b: u8,
                c: u16,
                d: u32,
                e: u64,
                f: u128,
                g: i8,
                h: i16,
                i: i32,
                j: i64,
                k: i128,
                l: f32,
                m: f64,
                n: char,
                o: String,
                p: Vec<u8>,
                q: (),
                r: Payload<'static>,
                kept: u32,
            }
            writer([Wide {
                a: true,
                b: 255,
                c: u16::MAX,
                d: u32::MAX,
                e: u64::MAX,
                f: u128::MAX,
                g: -1,
                h: i16::MIN,
                i: i32::MIN,
                j: i64::MIN,
                k: i128::MIN,
                l: 1.5,
                m: -2.5,
                n: '🦀',
                o: "héllo".into(),
                p: vec![0; 200],
                q: (),
                r: Payload::PostcardBytes(&[7; 5]),
                kept: 77,
            }])
        },
        {
            #[derive(Facet)]
            struct Wide {
                kept: u32,
            }
            reader::<Wide>()
        },
    );
    plans.add(
        "unknown containers of every kind",
        {
            #[derive(Facet)]
            struct Inner {
                n: u16,
                s: String,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Kind {
                Unit,
                New(String),
                Two(u16, bool),
                Named { a: u32, b: Vec<u8> },
            }
            #[derive(Facet)]
            struct Outer {
                inner: Inner,
                list: Vec<Inner>,
                map: BTreeMap<String, u32>,
                set: BTreeSet<u16>,
                some: Option<String>,
                none: Option<String>,
                tuple: (u8, String),
                array: [u16; 3],
                kinds: Vec<Kind>,
                nested: Vec<Vec<Option<u64>>>,
                kept: u32,
            }
            writer([Outer {
                inner: Inner {
                    n: 300,
                    s: "a".into(),
                },
                list: vec![
                    Inner {
                        n: 1,
                        s: "b".into(),
                    },
                    Inner {
                        n: 2,
                        s: String::new(),
                    },
                ],
                map: BTreeMap::from([("k".into(), 1), ("l".into(), 70_000)]),
                set: BTreeSet::from([1, 1_000]),
                some: Some("s".into()),
                none: None,
                tuple: (9, "t".into()),
                array: [1, 2, 300],
                kinds: vec![
                    Kind::Unit,
                    Kind::New("n".into()),
                    Kind::Two(500, true),
                    Kind::Named {
                        a: 1,
                        b: vec![2, 3],
                    },
                ],
                nested: vec![vec![], vec![None, Some(u64::MAX)]],
                kept: 12,
            }])
        },
        {
            #[derive(Facet)]
            struct Outer {
                kept: u32,
            }
            reader::<Outer>()
        },
    );
    plans.add(
        "an unknown recursive field",
        {
            #[derive(Facet)]
            struct Tree {
                value: u16,
                #[facet(recursive_type)]
                children: Vec<Tree>,
            }
            #[derive(Facet)]
            struct Doc {
                tree: Tree,
                title: String,
            }
            writer([Doc {
                tree: Tree {
                    value: 1,
                    children: vec![Tree {
                        value: 300,
                        children: vec![],
                    }],
                },
                title: "t".into(),
            }])
        },
        {
            #[derive(Facet)]
            struct Doc {
                title: String,
            }
            reader::<Doc>()
        },
    );
    plans.add(
        "missing fields with defaults",
        {
            #[derive(Facet)]
            struct Config {
                name: String,
            }
            writer([Config { name: "n".into() }])
        },
        {
            #[derive(Facet)]
            struct Config {
                #[facet(default)]
                zero: u32,
                name: String,
                #[facet(default = 7)]
                seven: i64,
                #[facet(default = "text".to_string())]
                text: String,
                #[facet(default)]
                none: Option<String>,
                #[facet(default = Some(1.5))]
                some: Option<f64>,
                #[facet(default = vec![1u16, 2])]
                list: Vec<u16>,
                #[facet(default = BTreeMap::from([(1u8, true)]))]
                map: BTreeMap<u8, bool>,
                #[facet(default = (1u8, 'c'))]
                tuple: (u8, char),
            }
            reader::<Config>()
        },
    );
    plans.add(
        "a missing struct with a default",
        {
            #[derive(Facet)]
            struct Player {
                name: String,
            }
            writer([Player { name: "p".into() }])
        },
        {
            #[derive(Facet)]
            struct Place {
                x: f32,
                y: f32,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Mood {
                Calm,
                Angry { level: u8 },
            }
            #[derive(Facet)]
            struct Player {
                name: String,
                #[facet(default = Place { x: 1.0, y: -1.0 })]
                place: Place,
                #[facet(default = Mood::Angry { level: 3 })]
                mood: Mood,
            }
            reader::<Player>()
        },
    );
    plans.add(
        "a default that the writer overrides",
        {
            #[derive(Facet)]
            struct Config {
                name: String,
                #[facet(default = 1)]
                port: u16,
            }
            writer([Config {
                name: "n".into(),
                port: 80,
            }])
        },
        {
            #[derive(Facet)]
            struct Config {
                #[facet(default = 443)]
                port: u16,
                name: String,
            }
            reader::<Config>()
        },
    );
    plans.add(
        "added, removed and reordered at once",
        {
            #[derive(Facet)]
            struct State {
                x: f32,
                y: f32,
                z: f32,
                health: u8,
                name: String,
            }
            writer([State {
                x: 1.0,
                y: 2.0,
                z: 3.0,
                health: 99,
                name: "n".into(),
            }])
        },
        {
            #[derive(Facet)]
            struct State {
                name: String,
                #[facet(default = 5)]
                lives: u8,
                z: f32,
                x: f32,
            }
            reader::<State>()
        },
    );
    plans.add(
        "from an empty struct",
        {
            #[derive(Facet)]
            struct Ping {}
            writer([Ping {}])
        },
        {
            #[derive(Facet)]
            struct Ping {
                #[facet(default = 3)]
                count: u32,
            }
            reader::<Ping>()
        },
    );
    plans.add(
        "to an empty struct",
        {
            #[derive(Facet)]
            struct Ping {
                count: u32,
                note: String,
            }
            writer([Ping {
                count: 300,
                note: "x".into(),
            }])
        },
        {
            #[derive(Facet)]
            struct Ping {}
            reader::<Ping>()
        },
    );
    plans.add(
        "nothing in common",
        {
            #[derive(Facet)]
            struct Ping {
                a: u32,
                b: String,
            }
            writer([Ping {
                a: 1,
                b: "b".into(),
            }])
        },
        {
            #[derive(Facet)]
            struct Ping {
                #[facet(default)]
                c: u32,
                #[facet(default)]
                d: String,
            }
            reader::<Ping>()
        },
    );
    plans.add(
        "a struct within a struct within a struct",
        {
            #[derive(Facet)]
            struct C {
                n: u32,
                s: String,
            }
            #[derive(Facet)]
            struct B {
                c: C,
                x: u8,
            }
            #[derive(Facet)]
            struct A {
                b: B,
                y: u8,
            }
            writer([A {
                b: B {
                    c: C {
                        n: 300,
                        s: "s".into(),
                    },
                    x: 1,
                },
                y: 2,
            }])
        },
        {
            #[derive(Facet)]
            struct C {
                s: String,
                #[facet(default = 9)]
                m: u32,
            }
            #[derive(Facet)]
            struct B {
                x: u8,
                c: C,
            }
            #[derive(Facet)]
            struct A {
                y: u8,
                b: B,
            }
            reader::<A>()
        },
    );
    plans.add(
        "one type used twice",
        {
            #[derive(Facet)]
            struct Point {
                x: i32,
                y: i32,
            }
            #[derive(Facet)]
            struct Line {
                from: Point,
                to: Point,
            }
            writer([Line {
                from: Point { x: 1, y: 2 },
                to: Point { x: -300, y: 4 },
            }])
        },
        {
            #[derive(Facet)]
            struct Point {
                y: i32,
                x: i32,
                #[facet(default)]
                z: i32,
            }
            #[derive(Facet)]
            struct Line {
                to: Point,
                from: Point,
            }
            reader::<Line>()
        },
    );
    plans.add(
        "payloads keep their bytes",
        {
            #[derive(Facet)]
            struct Envelope {
                id: u32,
                body: Payload<'static>,
                skipped: Payload<'static>,
            }
            writer([Envelope {
                id: 1,
                body: Payload::PostcardBytes(&[1, 2, 3]),
                skipped: Payload::PostcardBytes(&[0; 9]),
            }])
        },
        {
            #[derive(Facet)]
            struct Envelope {
                body: Payload<'static>,
                id: u32,
            }
            reader::<Envelope>()
        },
    );
}

fn containers(plans: &mut Plans) {
    /// A root with one field whose elements are of an evolved struct.
    macro_rules! evolved {
        ($name:literal, $type:ty, $values:expr) => {
            plans.add(
                $name,
                {
                    #[derive(Facet, PartialEq, Eq, PartialOrd, Ord)]
                    struct Item {
                        a: u32,
                        b: String,
                        c: bool,
                    }
                    #[derive(Facet)]
                    struct Holder {
                        items: $type,
                        after: u8,
                    }
                    {
                        let item = |a: u32| Item {
                            a,
                            b: format!("b{a}"),
                            c: true,
                        };
                        let values: Vec<$type> = $values(&item);
                        writer(values.into_iter().map(|items| Holder { items, after: 9 }))
                    }
                },
                {
                    #[derive(Facet, PartialEq, Eq, PartialOrd, Ord)]
                    struct Item {
                        b: String,
                        a: u32,
                        #[facet(default = 5)]
                        d: u8,
                    }
                    #[derive(Facet)]
                    struct Holder {
                        items: $type,
                        after: u8,
                    }
                    reader::<Holder>()
                },
            );
        };
    }
    evolved!("in a list", Vec<Item>, |item: &dyn Fn(u32) -> Item| vec![
        vec![],
        vec![item(1), item(300)]
    ]);
    evolved!("in an option", Option<Item>, |item: &dyn Fn(
        u32,
    )
        -> Item| vec![
        None,
        Some(item(1))
    ]);
    evolved!("in a map's values", BTreeMap<String, Item>, |item: &dyn Fn(u32) -> Item| {
        vec![BTreeMap::new(), BTreeMap::from([("k".into(), item(1)), ("l".into(), item(2))])]
    });
    evolved!("in a map's keys", BTreeMap<Item, u8>, |item: &dyn Fn(u32) -> Item| {
        vec![BTreeMap::from([(item(1), 1), (item(2), 2)])]
    });
    evolved!(
        "in a set",
        BTreeSet<Item>,
        |item: &dyn Fn(u32) -> Item| vec![BTreeSet::from([item(1), item(2)])]
    );
    evolved!("in an array", [Item; 2], |item: &dyn Fn(u32) -> Item| vec![
        [item(1), item(2)]
    ]);
    evolved!("in a tuple", (u8, Item, bool), |item: &dyn Fn(
        u32,
    )
        -> Item| vec![(
        7,
        item(1),
        true
    )]);
    evolved!(
        "in a list of lists",
        Vec<Vec<Item>>,
        |item: &dyn Fn(u32) -> Item| { vec![vec![vec![], vec![item(1)], vec![item(2), item(3)]]] }
    );
    evolved!(
        "in an option of an option",
        Option<Option<Item>>,
        |item: &dyn Fn(u32) -> Item| { vec![None, Some(None), Some(Some(item(1)))] }
    );
    evolved!(
        "in a map of lists of options",
        BTreeMap<u16, Vec<Option<Item>>>,
        |item: &dyn Fn(u32) -> Item| vec![BTreeMap::from([(300, vec![None, Some(item(1))]), (301, vec![])])]
    );
    plans.add(
        "a list of structs as the root",
        {
            #[derive(Facet)]
            struct Item {
                a: u32,
                b: u8,
            }
            writer([vec![Item { a: 300, b: 1 }, Item { a: 2, b: 2 }], vec![]])
        },
        {
            #[derive(Facet)]
            struct Item {
                b: u8,
                #[facet(default)]
                c: String,
            }
            reader::<Vec<Item>>()
        },
    );
    plans.add(
        "a tuple as the root",
        {
            #[derive(Facet)]
            struct Item {
                a: u32,
                b: u8,
            }
            writer([(1u8, Item { a: 300, b: 2 }, "x".to_string())])
        },
        {
            #[derive(Facet)]
            struct Item {
                b: u8,
                a: u32,
            }
            reader::<(u8, Item, String)>()
        },
    );
    plans.add(
        "identical containers",
        writer([vec![Some(BTreeMap::from([(1u8, (true, 'x'))])), None]]),
        reader::<Vec<Option<BTreeMap<u8, (bool, char)>>>>(),
    );
    plans.add(
        "a set read as a list",
        writer([BTreeSet::from([1u32, 300])]),
        reader::<Vec<u32>>(),
    );
    plans.add(
        "a list read as a set",
        writer([vec![1u32, 300]]),
        reader::<BTreeSet<u32>>(),
    );
    plans.add("scalars as the root", writer([300u32]), reader::<u32>());
}

fn enums(plans: &mut Plans) {
    plans.add(
        "identical enum",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Shape {
                Empty,
                Circle(f64),
                Pair(u8, u8),
                Rect { w: f32, h: f32 },
            }
            writer([
                Shape::Empty,
                Shape::Circle(1.5),
                Shape::Pair(1, 2),
                Shape::Rect { w: 1.0, h: 2.0 },
            ])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Shape {
                Empty,
                Circle(f64),
                Pair(u8, u8),
                Rect { w: f32, h: f32 },
            }
            reader::<Shape>()
        },
    );
    plans.add(
        "variants in another order",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Shape {
                Empty,
                Circle(f64),
                Pair(u8, u8),
                Rect { w: f32, h: f32 },
            }
            writer([
                Shape::Empty,
                Shape::Circle(1.5),
                Shape::Pair(1, 2),
                Shape::Rect { w: 1.0, h: 2.0 },
            ])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Shape {
                Rect { w: f32, h: f32 },
                Pair(u8, u8),
                Circle(f64),
                Empty,
            }
            reader::<Shape>()
        },
    );
    plans.add(
        "unit variants in another order",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Color {
                Red,
                Green,
                Blue,
            }
            writer([vec![Color::Red, Color::Green, Color::Blue]])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Color {
                Blue,
                Yellow,
                Red,
                Green,
            }
            reader::<Vec<Color>>()
        },
    );
    plans.add(
        "the reader knows more variants",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Start,
                Stop(u32),
            }
            writer([Event::Start, Event::Stop(300)])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Pause { ms: u64 },
                Start,
                Resume,
                Stop(u32),
            }
            reader::<Event>()
        },
    );
    plans.add(
        "a variant that the reader does not know",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Start,
                Pause { ms: u64 },
                Stop(u32),
                Crash(String),
            }
            writer([
                Event::Start,
                Event::Pause { ms: 9 },
                Event::Stop(300),
                Event::Crash("x".into()),
            ])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Stop(u32),
                Start,
            }
            reader::<Event>()
        },
    );
    plans.add(
        "an unknown variant in a list",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Start,
                Pause,
                Stop,
            }
            writer([
                vec![Event::Start, Event::Stop],
                vec![Event::Start, Event::Pause, Event::Stop],
            ])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Start,
                Stop,
            }
            reader::<Vec<Event>>()
        },
    );
    plans.add(
        "an unknown variant in a field that is skipped",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Start,
                Pause(String),
            }
            #[derive(Facet)]
            struct Log {
                event: Event,
                at: u32,
            }
            writer([Log {
                event: Event::Pause("p".into()),
                at: 300,
            }])
        },
        {
            #[derive(Facet)]
            struct Log {
                at: u32,
            }
            reader::<Log>()
        },
    );
    plans.add(
        "a newtype variant's struct evolved",
        {
            #[derive(Facet)]
            struct Body {
                a: u32,
                b: String,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                None,
                Data(Body),
            }
            writer([
                Event::None,
                Event::Data(Body {
                    a: 300,
                    b: "b".into(),
                }),
            ])
        },
        {
            #[derive(Facet)]
            struct Body {
                b: String,
                #[facet(default = 4)]
                c: u8,
                a: u32,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Data(Body),
                None,
            }
            reader::<Event>()
        },
    );
    plans.add(
        "a newtype variant's list of structs evolved",
        {
            #[derive(Facet)]
            struct Body {
                a: u32,
                b: String,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Data(Vec<Option<Body>>),
            }
            writer([Event::Data(vec![
                None,
                Some(Body {
                    a: 300,
                    b: "b".into(),
                }),
            ])])
        },
        {
            #[derive(Facet)]
            struct Body {
                b: String,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Data(Vec<Option<Body>>),
            }
            reader::<Event>()
        },
    );
    plans.add(
        "a tuple variant's struct evolved",
        {
            #[derive(Facet)]
            struct Body {
                a: u32,
                b: String,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Data(u8, Body),
                Other,
            }
            writer([
                Event::Data(
                    7,
                    Body {
                        a: 300,
                        b: "b".into(),
                    },
                ),
                Event::Other,
            ])
        },
        {
            #[derive(Facet)]
            struct Body {
                b: String,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Other,
                Data(u8, Body),
            }
            reader::<Event>()
        },
    );
    plans.add(
        "a struct variant's fields in another order, one unknown",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Quit,
                Move { x: i32, y: i32, name: String },
            }
            writer([
                Event::Quit,
                Event::Move {
                    x: 1,
                    y: -300,
                    name: "n".into(),
                },
            ])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Move { y: i32, x: i32 },
                Quit,
            }
            reader::<Event>()
        },
    );
    plans.add(
        "a struct variant's missing field with a default",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Move { x: i32 },
            }
            writer([Event::Move { x: 300 }])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Move {
                    #[facet(default = 8)]
                    speed: u8,
                    x: i32,
                },
            }
            reader::<Event>()
        },
    );
    plans.add(
        "enums within enums",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Inner {
                A,
                B(u16),
                C,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Outer {
                One(Inner),
                Two(Inner, Inner),
            }
            writer([
                Outer::One(Inner::B(300)),
                Outer::Two(Inner::A, Inner::B(1)),
                Outer::One(Inner::C),
            ])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Inner {
                B(u16),
                A,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Outer {
                Two(Inner, Inner),
                One(Inner),
            }
            reader::<Outer>()
        },
    );
}

fn refused(plans: &mut Plans) {
    // Type names.
    plans.add(
        "structs of other names",
        {
            #[derive(Facet)]
            struct Cat {
                a: u8,
            }
            writer([Cat { a: 1 }])
        },
        {
            #[derive(Facet)]
            struct Dog {
                a: u8,
            }
            reader::<Dog>()
        },
    );
    plans.add(
        "enums of other names",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Cat {
                A,
            }
            writer([Cat::A])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Dog {
                A,
            }
            reader::<Dog>()
        },
    );
    plans.add(
        "a struct and an enum of other names",
        {
            #[derive(Facet)]
            struct Cat {
                a: u8,
            }
            writer([Cat { a: 1 }])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Dog {
                A,
            }
            reader::<Dog>()
        },
    );
    plans.add(
        "other names deep inside",
        {
            #[derive(Facet)]
            struct Cat {
                a: u8,
            }
            #[derive(Facet)]
            struct Zoo {
                cages: Vec<Option<(u8, Cat)>>,
            }
            writer([Zoo {
                cages: vec![Some((1, Cat { a: 1 }))],
            }])
        },
        {
            #[derive(Facet)]
            struct Dog {
                a: u8,
            }
            #[derive(Facet)]
            struct Zoo {
                cages: Vec<Option<(u8, Dog)>>,
            }
            reader::<Zoo>()
        },
    );

    // Kinds.
    plans.add(
        "a struct and an enum of one name",
        {
            #[derive(Facet)]
            struct Pet {
                a: u8,
            }
            writer([Pet { a: 1 }])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Pet {
                A,
            }
            reader::<Pet>()
        },
    );
    plans.add("u32 and u64", writer([1u32]), reader::<u64>());
    plans.add("u32 and i32", writer([1u32]), reader::<i32>());
    plans.add("f32 and f64", writer([1f32]), reader::<f64>());
    plans.add("bool and u8", writer([true]), reader::<u8>());
    plans.add("char and string", writer(['a']), reader::<String>());
    plans.add(
        "string and bytes",
        writer(["a".to_string()]),
        reader::<Vec<u8>>(),
    );
    plans.add(
        "bytes and payload",
        writer([vec![1u8]]),
        reader::<Payload<'static>>(),
    );
    plans.add(
        "a value and an option of it",
        writer([1u32]),
        reader::<Option<u32>>(),
    );
    plans.add(
        "an option and a list",
        writer([Some(1u32)]),
        reader::<Vec<u32>>(),
    );
    plans.add(
        "a list and an array",
        writer([vec![1u32]]),
        reader::<[u32; 1]>(),
    );
    plans.add(
        "a map and a list of pairs",
        writer([BTreeMap::from([(1u8, 2u8)])]),
        reader::<Vec<(u8, u8)>>(),
    );
    plans.add(
        "a struct and a tuple",
        {
            #[derive(Facet)]
            struct Point {
                x: u8,
                y: u8,
            }
            writer([Point { x: 1, y: 2 }])
        },
        reader::<(u8, u8)>(),
    );
    plans.add(
        "a field of another type",
        {
            #[derive(Facet)]
            struct Inner {
                a: u8,
                n: u32,
            }
            #[derive(Facet)]
            struct Outer {
                first: bool,
                inner: Inner,
            }
            writer([Outer {
                first: true,
                inner: Inner { a: 1, n: 2 },
            }])
        },
        {
            #[derive(Facet)]
            struct Inner {
                n: String,
                a: u8,
            }
            #[derive(Facet)]
            struct Outer {
                inner: Inner,
                first: bool,
            }
            reader::<Outer>()
        },
    );
    macro_rules! element {
        ($name:literal, $written:expr => $read:ty) => {
            plans.add(
                $name,
                {
                    #[derive(Facet)]
                    struct Outer<T> {
                        field: T,
                    }
                    writer([Outer { field: $written }])
                },
                {
                    #[derive(Facet)]
                    struct Outer<T> {
                        field: T,
                    }
                    reader::<Outer<$read>>()
                },
            );
        };
    }
    element!("an element of a list", vec![1u32] => Vec<u16>);
    element!("an element of an option", Some(1u32) => Option<u16>);
    element!("an element of an array", [1u32] => [u16; 1]);
    element!("an element of a set", BTreeSet::from([1u32]) => BTreeSet<u16>);
    element!("an element of a tuple", (1u8, 1u32) => (u8, u16));
    element!("a key of a map", BTreeMap::from([(1u32, 1u8)]) => BTreeMap<u16, u8>);
    element!("a value of a map", BTreeMap::from([(1u8, 1u32)]) => BTreeMap<u8, u16>);

    // Required fields.
    plans.add(
        "a required field is missing",
        {
            #[derive(Facet)]
            struct User {
                id: u64,
            }
            writer([User { id: 1 }])
        },
        {
            #[derive(Facet)]
            struct User {
                id: u64,
                email: String,
            }
            reader::<User>()
        },
    );
    plans.add(
        "an option without a default is required",
        {
            #[derive(Facet)]
            struct User {
                id: u64,
            }
            writer([User { id: 1 }])
        },
        {
            #[derive(Facet)]
            struct User {
                id: u64,
                email: Option<String>,
            }
            reader::<User>()
        },
    );
    plans.add(
        "a field was renamed",
        {
            #[derive(Facet)]
            struct User {
                id: u64,
                mail: String,
            }
            writer([User {
                id: 1,
                mail: "m".into(),
            }])
        },
        {
            #[derive(Facet)]
            struct User {
                id: u64,
                email: String,
            }
            reader::<User>()
        },
    );
    plans.add(
        "a required field is missing deep inside",
        {
            #[derive(Facet)]
            struct Line {
                sku: String,
            }
            #[derive(Facet)]
            struct Order {
                lines: BTreeMap<u8, Vec<Line>>,
            }
            writer([Order {
                lines: BTreeMap::new(),
            }])
        },
        {
            #[derive(Facet)]
            struct Line {
                sku: String,
                count: u32,
            }
            #[derive(Facet)]
            struct Order {
                lines: BTreeMap<u8, Vec<Line>>,
            }
            reader::<Order>()
        },
    );

    // Tuples.
    plans.add(
        "tuples of 2 and 3",
        writer([(1u8, 2u8)]),
        reader::<(u8, u8, u8)>(),
    );
    plans.add(
        "tuples of 3 and 2 in a field",
        {
            #[derive(Facet)]
            struct Place {
                at: Option<(f32, f32, f32)>,
            }
            writer([Place { at: None }])
        },
        {
            #[derive(Facet)]
            struct Place {
                at: Option<(f32, f32)>,
            }
            reader::<Place>()
        },
    );
    plans.add(
        "tuple variants of 2 and 3",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                None,
                At(u8, u8),
            }
            writer([Event::None, Event::At(1, 2)])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                None,
                At(u8, u8, u8),
            }
            reader::<Event>()
        },
    );

    // Payloads of variants.
    macro_rules! payloads {
        ($name:literal, { $($written:tt)+ }, { $($read:tt)+ }) => {
            plans.add(
                $name,
                {
                    #[derive(Facet)] #[repr(u8)] enum Event { None, $($written)+ }
                    writer([Event::None])
                },
                {
                    #[derive(Facet)] #[repr(u8)] enum Event { None, $($read)+ }
                    reader::<Event>()
                },
            );
        };
    }
    payloads!("unit and newtype", { At }, { At(u8) });
    payloads!("newtype and unit", { At(u8) }, { At });
    payloads!("newtype and tuple", { At(u8) }, { At(u8, u8) });
    payloads!("newtype and struct", { At(u8) }, { At { x: u8 } });
    payloads!("tuple and struct", { At(u8, u8) }, { At { x: u8, y: u8 } });
    payloads!("unit and empty struct", { At }, { At {} });
    payloads!("a newtype of another type", { At(u8) }, { At(u16) });
    payloads!("a tuple element of another type", { At(u8, u8) }, {
        At(u8, u16)
    });
}

fn deviations(plans: &mut Plans) {
    const STRUCT_VARIANTS: &str = "The reference matches the fields of a struct variant by name only: it compares no types and no required fields.";
    let refuses = |error, path| Ours::Refuses { error, path };
    plans.deviate(
        "a struct variant's field of another type",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Move { x: u32, y: u8 },
            }
            writer([Event::Move { x: 300, y: 2 }])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Move { y: u8, x: u16 },
            }
            reader::<Event>()
        },
        STRUCT_VARIANTS,
        refuses("KindMismatch", ".Move.x"),
    );
    plans.deviate(
        "a struct variant's required field is missing",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Move { x: u32 },
            }
            writer([Event::Move { x: 300 }])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Move { x: u32, y: u32 },
            }
            reader::<Event>()
        },
        STRUCT_VARIANTS,
        refuses("MissingRequiredField", ".Move"),
    );
    plans.deviate(
        "a struct variant's struct evolved",
        {
            #[derive(Facet)]
            struct Body {
                a: u32,
                b: String,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Data { body: Body, n: u8 },
            }
            writer([Event::Data {
                body: Body {
                    a: 1,
                    b: "b".into(),
                },
                n: 3,
            }])
        },
        {
            #[derive(Facet)]
            struct Body {
                b: String,
                a: u32,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Data { n: u8, body: Body },
            }
            reader::<Event>()
        },
        "Nested types of struct variants are read as if nothing had changed.",
        {
            #[derive(Facet)]
            struct Body {
                b: String,
                a: u32,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Event {
                Data { n: u8, body: Body },
            }
            reads([Event::Data {
                n: 3,
                body: Body {
                    b: "b".into(),
                    a: 1,
                },
            }])
        },
    );
    plans.deviate(
        "arrays of 2 and 3",
        writer([[1u16, 2]]),
        reader::<[u16; 3]>(),
        "The reference compares no array lengths and reads as many elements as the reader's type has.",
        refuses("ArrayLengthMismatch", ""),
    );
    plans.deviate(
        "arrays of 3 and 2 in a field",
        {
            #[derive(Facet)] struct Place { at: [u8; 3], after: u8 }
            writer([Place { at: [1, 2, 3], after: 4 }])
        },
        {
            #[derive(Facet)] struct Place { at: [u8; 2], after: u8 }
            reader::<Place>()
        },
        "The reference compares no array lengths and reads as many elements as the reader's type has.",
        refuses("ArrayLengthMismatch", ".at"),
    );
    plans.deviate(
        "two unknown arrays of different lengths",
        {
            #[derive(Facet)] struct Place { short: [u8; 2], long: [u8; 5], after: u8 }
            writer([Place { short: [1, 2], long: [3; 5], after: 9 }])
        },
        {
            #[derive(Facet)] struct Place { after: u8 }
            reader::<Place>()
        },
        "Arrays of one schema share one entry in the reference, whatever their lengths: it skips the first one's.",
        {
            #[derive(Facet)] struct Place { after: u8 }
            reads([Place { after: 9 }])
        },
    );
    plans.deviate(
        "an evolved struct behind a box",
        {
            #[derive(Facet)] struct Body { a: u32, b: String }
            #[derive(Facet)] struct Holder { body: Box<Body> }
            writer([Holder { body: Box::new(Body { a: 1, b: "b".into() }) }])
        },
        {
            #[derive(Facet)] struct Body { b: String, a: u32 }
            #[derive(Facet)] struct Holder { body: Box<Body> }
            reader::<Holder>()
        },
        "The schema sees through pointers, the reader does not: behind a Box the reference reads as if nothing had changed.",
        {
            #[derive(Facet)] struct Body { b: String, a: u32 }
            #[derive(Facet)] struct Holder { body: Box<Body> }
            reads([Holder { body: Box::new(Body { b: "b".into(), a: 1 }) }])
        },
    );

    const RECURSIVE: &str =
        "Building a plan for a recursive type overflows the stack of the reference.";
    plans.deviate(
        "a recursive struct, identical",
        {
            #[derive(Facet)]
            struct Tree {
                value: u32,
                #[facet(recursive_type)]
                children: Vec<Tree>,
            }
            writer([Tree {
                value: 1,
                children: vec![Tree {
                    value: 300,
                    children: vec![],
                }],
            }])
        },
        {
            #[derive(Facet)]
            struct Tree {
                value: u32,
                #[facet(recursive_type)]
                children: Vec<Tree>,
            }
            reader::<Tree>()
        },
        RECURSIVE,
        {
            #[derive(Facet)]
            struct Tree {
                value: u32,
                #[facet(recursive_type)]
                children: Vec<Tree>,
            }
            reads([Tree {
                value: 1,
                children: vec![Tree {
                    value: 300,
                    children: vec![],
                }],
            }])
        },
    );
    plans.deviate(
        "a recursive struct, evolved",
        {
            #[derive(Facet)]
            struct Tree {
                value: u32,
                old: String,
                #[facet(recursive_type)]
                children: Vec<Tree>,
            }
            writer([Tree {
                value: 1,
                old: "a".into(),
                children: vec![Tree {
                    value: 300,
                    old: "b".into(),
                    children: vec![],
                }],
            }])
        },
        {
            #[derive(Facet)]
            struct Tree {
                #[facet(recursive_type)]
                children: Vec<Tree>,
                value: u32,
                #[facet(default = 5)]
                new: u8,
            }
            reader::<Tree>()
        },
        RECURSIVE,
        {
            #[derive(Facet)]
            struct Tree {
                #[facet(recursive_type)]
                children: Vec<Tree>,
                value: u32,
                new: u8,
            }
            reads([Tree {
                children: vec![Tree {
                    children: vec![],
                    value: 300,
                    new: 5,
                }],
                value: 1,
                new: 5,
            }])
        },
    );
    plans.deviate(
        "a recursive enum, evolved",
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Json {
                Null,
                Bool(bool),
                List(#[facet(recursive_type)] Vec<Json>),
                Number(f64),
            }
            writer([Json::List(vec![
                Json::Null,
                Json::Bool(true),
                Json::List(vec![Json::Number(1.5)]),
            ])])
        },
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Json {
                Number(f64),
                List(#[facet(recursive_type)] Vec<Json>),
                Bool(bool),
                Text(String),
                Null,
            }
            reader::<Json>()
        },
        RECURSIVE,
        {
            #[derive(Facet)]
            #[repr(u8)]
            enum Json {
                Number(f64),
                List(#[facet(recursive_type)] Vec<Json>),
                Bool(bool),
                Text(String),
                Null,
            }
            reads([Json::List(vec![
                Json::Null,
                Json::Bool(true),
                Json::List(vec![Json::Number(1.5)]),
            ])])
        },
    );
    plans.deviate(
        "a recursive struct, incompatible",
        {
            #[derive(Facet)]
            struct Tree {
                #[facet(recursive_type)]
                children: Vec<Tree>,
                value: u32,
            }
            writer([Tree {
                value: 1,
                children: vec![],
            }])
        },
        {
            #[derive(Facet)]
            struct Tree {
                #[facet(recursive_type)]
                children: Vec<Tree>,
                value: String,
            }
            reader::<Tree>()
        },
        RECURSIVE,
        refuses("KindMismatch", ".value"),
    );
    plans.deviate(
        "two types that contain each other",
        {
            #[derive(Facet)]
            struct Folder {
                name: String,
                #[facet(recursive_type)]
                entries: Vec<Entry>,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Entry {
                File { size: u64 },
                Sub(#[facet(recursive_type)] Box<Folder>),
            }
            writer([Folder {
                name: "a".into(),
                entries: vec![
                    Entry::File { size: 300 },
                    Entry::Sub(Box::new(Folder {
                        name: "b".into(),
                        entries: vec![Entry::File { size: 1 }],
                    })),
                ],
            }])
        },
        {
            #[derive(Facet)]
            struct Folder {
                #[facet(recursive_type)]
                entries: Vec<Entry>,
                name: String,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Entry {
                Sub(#[facet(recursive_type)] Box<Folder>),
                File {
                    #[facet(default)]
                    hidden: bool,
                    size: u64,
                },
            }
            reader::<Folder>()
        },
        RECURSIVE,
        {
            #[derive(Facet)]
            struct Folder {
                #[facet(recursive_type)]
                entries: Vec<Entry>,
                name: String,
            }
            #[derive(Facet)]
            #[repr(u8)]
            enum Entry {
                Sub(#[facet(recursive_type)] Box<Folder>),
                File { hidden: bool, size: u64 },
            }
            reads([Folder {
                entries: vec![
                    Entry::File {
                        hidden: false,
                        size: 300,
                    },
                    Entry::Sub(Box::new(Folder {
                        entries: vec![Entry::File {
                            hidden: false,
                            size: 1,
                        }],
                        name: "b".into(),
                    })),
                ],
                name: "a".into(),
            }])
        },
    );
}
