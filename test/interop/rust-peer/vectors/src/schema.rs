//! A Rust type as a schema in the JSON form of src/codec/node.ts, read by reflection.
//!
//! Named types stand in full where they occur; a `ref` means the innermost enclosing type of that name.

use facet_core::{
    Def, DefaultSource, Field, PtrUninit, ScalarType, Shape, StructKind, Type, UserType,
    alloc_for_layout,
};
use facet_reflect::Peek;

use crate::json::Json;
use crate::value::value_json;

pub fn schema_json(shape: &'static Shape) -> Json {
    node(shape, &[])
}

/// `enclosing`: the named types around this one, outermost first.
fn node(shape: &'static Shape, enclosing: &[&'static Shape]) -> Json {
    if shape.opaque_adapter.is_some() {
        return kind("payload");
    }
    if shape.is_transparent()
        && let Some(inner) = shape.inner
    {
        return node(inner, enclosing);
    }
    if let Some(scalar) = shape.scalar_type() {
        return kind(scalar_kind(scalar));
    }
    let element = |name: &str, of: &'static Shape| {
        Json::object([
            ("kind", Json::string(name)),
            ("element", node(of, enclosing)),
        ])
    };
    match shape.def {
        Def::Option(option) => return element("option", option.t()),
        Def::List(list) if list.t().is_type::<u8>() => return kind("bytes"),
        Def::List(list) => return element("list", list.t()),
        Def::Set(set) => return element("set", set.t()),
        Def::Array(array) => {
            let Json::Object(mut entries) = element("array", array.t()) else {
                unreachable!()
            };
            entries.push(("length".into(), Json::number(array.n)));
            return Json::Object(entries);
        }
        Def::Map(map) => {
            return Json::object([
                ("kind", Json::string("map")),
                ("key", node(map.k(), enclosing)),
                ("value", node(map.v(), enclosing)),
            ]);
        }
        Def::Pointer(pointer) => return node(pointer.pointee.unwrap(), enclosing),
        _ => {}
    }
    match shape.ty {
        Type::User(UserType::Struct(ty)) => match ty.kind {
            StructKind::Unit => kind("unit"),
            StructKind::Tuple | StructKind::TupleStruct => elements(ty.fields, enclosing),
            StructKind::Struct => named_type(shape, enclosing, |enclosing| {
                vec![
                    ("kind", Json::string("struct")),
                    ("fields", fields(ty.fields, enclosing)),
                ]
            }),
        },
        Type::User(UserType::Enum(ty)) => named_type(shape, enclosing, |enclosing| {
            let variant = |variant: &facet_core::Variant| {
                let payload = payload(variant.data.kind, variant.data.fields, enclosing);
                Json::object([("name", Json::string(variant.name)), ("payload", payload)])
            };
            let variants = ty.variants.iter().map(variant).collect();
            vec![
                ("kind", Json::string("enum")),
                ("variants", Json::Array(variants)),
            ]
        }),
        _ => panic!("no schema for {shape}"),
    }
}

fn kind(name: &str) -> Json {
    Json::object([("kind", Json::string(name))])
}

/// `entries` gets the types around the parts; the name comes second.
fn named_type(
    shape: &'static Shape,
    enclosing: &[&'static Shape],
    entries: impl Fn(&[&'static Shape]) -> Vec<(&'static str, Json)>,
) -> Json {
    let name = Json::string(shape.type_identifier);
    let same_name = enclosing
        .iter()
        .rev()
        .find(|outer| outer.type_identifier == shape.type_identifier);
    match same_name {
        Some(outer) if outer.id == shape.id => {
            Json::object([("kind", Json::string("ref")), ("name", name)])
        }
        Some(_) => panic!(
            "two types named {} within one another",
            shape.type_identifier
        ),
        None => {
            let mut entries = entries(&[enclosing, &[shape]].concat());
            entries.insert(1, ("name", name));
            Json::object(entries)
        }
    }
}

fn payload(kind_of: StructKind, of: &'static [Field], enclosing: &[&'static Shape]) -> Json {
    match kind_of {
        StructKind::Unit => kind("unit"),
        StructKind::Struct => Json::object([
            ("kind", Json::string("struct")),
            ("fields", fields(of, enclosing)),
        ]),
        _ if of.len() == 1 => Json::object([
            ("kind", Json::string("newtype")),
            ("type", node(of[0].shape(), enclosing)),
        ]),
        _ => elements(of, enclosing),
    }
}

fn elements(of: &'static [Field], enclosing: &[&'static Shape]) -> Json {
    let elements = of
        .iter()
        .map(|field| node(field.shape(), enclosing))
        .collect();
    Json::object([
        ("kind", Json::string("tuple")),
        ("elements", Json::Array(elements)),
    ])
}

fn fields(of: &'static [Field], enclosing: &[&'static Shape]) -> Json {
    let field = |field: &Field| {
        let mut entries = vec![
            ("name", Json::string(field.name)),
            ("type", node(field.shape(), enclosing)),
        ];
        entries.extend(default_value(field).map(|value| ("default", value)));
        Json::object(entries)
    };
    Json::Array(of.iter().map(field).collect())
}

fn default_value(field: &Field) -> Option<Json> {
    let source = field.default?;
    let shape = field.shape();
    let target: PtrUninit = alloc_for_layout(shape.layout.sized_layout().unwrap());
    // Safety: the target has the layout of the field's type; the value is leaked, this program is short.
    unsafe {
        match source {
            DefaultSource::FromTrait => shape.call_default_in_place(target).unwrap(),
            DefaultSource::Custom(make) => {
                make(target);
            }
        }
        Some(value_json(Peek::unchecked_new(
            target.assume_init().as_const(),
            shape,
        )))
    }
}

fn scalar_kind(scalar: ScalarType) -> &'static str {
    match scalar {
        ScalarType::Unit => "unit",
        ScalarType::Bool => "bool",
        ScalarType::Char => "char",
        ScalarType::String => "string",
        ScalarType::F32 => "f32",
        ScalarType::F64 => "f64",
        ScalarType::U8 => "u8",
        ScalarType::U16 => "u16",
        ScalarType::U32 => "u32",
        ScalarType::U64 => "u64",
        ScalarType::U128 => "u128",
        ScalarType::I8 => "i8",
        ScalarType::I16 => "i16",
        ScalarType::I32 => "i32",
        ScalarType::I64 => "i64",
        ScalarType::I128 => "i128",
        other => panic!("no schema for scalar {other:?}"),
    }
}
