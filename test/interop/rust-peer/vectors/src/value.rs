//! A value of any type as JSON, read by reflection, in the form of src/codec/json-value.ts:
//!
//! integers wider than 32 bits decimal strings, floats numbers or "NaN", "Infinity", "-Infinity", "-0", bytes and
//! payloads hex, unit and none null, some the value or { "some": value } where that may be null, maps
//! [[key, value], ...], unit enums the variant's name, other enums { "type": name } with `value` or the fields.

use facet_core::{Def, Field, ScalarType, Shape, StructKind, Type, UserType};
use facet_reflect::Peek;

use crate::golden::hex;
use crate::json::Json;

pub fn value_json(peek: Peek<'_, '_>) -> Json {
    let peek = peek.innermost_peek();
    if let Some(adapter) = peek.shape().opaque_adapter {
        // Safety: the adapter belongs to the shape of this very value.
        let mapped = unsafe { (adapter.serialize)(peek.data()) };
        let bytes =
            unsafe { vox_postcard::raw::try_decode_passthrough_bytes(mapped.ptr, mapped.shape) };
        return Json::string(hex(bytes.expect("vectors hold payloads as bytes")));
    }
    if let Some(scalar) = peek.scalar_type() {
        return scalar_json(peek, scalar);
    }
    match peek.shape().def {
        Def::Option(option) => {
            return match peek.into_option().unwrap().value() {
                None => Json::Null,
                Some(inner) if may_be_null(option.t()) => {
                    Json::object([("some", value_json(inner))])
                }
                Some(inner) => value_json(inner),
            };
        }
        Def::List(list) if list.t().is_type::<u8>() => {
            return Json::string(hex(peek.get::<Vec<u8>>().unwrap()));
        }
        Def::List(_) | Def::Array(_) => {
            return Json::Array(
                peek.into_list_like()
                    .unwrap()
                    .iter()
                    .map(value_json)
                    .collect(),
            );
        }
        Def::Set(_) => {
            return Json::Array(peek.into_set().unwrap().iter().map(value_json).collect());
        }
        Def::Map(_) => {
            let entry = |(key, value)| Json::Array(vec![value_json(key), value_json(value)]);
            return Json::Array(peek.into_map().unwrap().iter().map(entry).collect());
        }
        Def::Pointer(_) => return value_json(peek.into_pointer().unwrap().borrow_inner().unwrap()),
        _ => {}
    }
    match peek.shape().ty {
        Type::User(UserType::Struct(ty)) => {
            let value = peek.into_struct().unwrap();
            let field = |index| value_json(value.field(index).unwrap());
            match ty.kind {
                StructKind::Unit => Json::Null,
                StructKind::Struct => Json::Object(named(ty.fields, field)),
                StructKind::Tuple | StructKind::TupleStruct => {
                    Json::Array((0..ty.fields.len()).map(field).collect())
                }
            }
        }
        Type::User(UserType::Enum(ty)) => {
            let value = peek.into_enum().unwrap();
            let variant = value.active_variant().unwrap();
            if ty
                .variants
                .iter()
                .all(|variant| variant.data.kind == StructKind::Unit)
            {
                return Json::string(variant.name);
            }
            let field = |index| value_json(value.field(index).unwrap().unwrap());
            let fields = variant.data.fields;
            let mut entries = vec![("type".to_string(), Json::string(variant.name))];
            match variant.data.kind {
                StructKind::Unit => {}
                StructKind::Struct => entries.extend(named(fields, field)),
                _ if fields.len() == 1 => entries.push(("value".into(), field(0))),
                _ => entries.push((
                    "value".into(),
                    Json::Array((0..fields.len()).map(field).collect()),
                )),
            }
            Json::Object(entries)
        }
        _ => panic!("no JSON for {}", peek.shape()),
    }
}

fn named(fields: &[Field], field: impl Fn(usize) -> Json) -> Vec<(String, Json)> {
    fields
        .iter()
        .enumerate()
        .map(|(index, f)| (f.name.to_string(), field(index)))
        .collect()
}

fn may_be_null(shape: &Shape) -> bool {
    let unit = matches!(shape.ty, Type::User(UserType::Struct(ty)) if ty.kind == StructKind::Unit);
    unit || shape.scalar_type() == Some(ScalarType::Unit) || matches!(shape.def, Def::Option(_))
}

fn scalar_json(peek: Peek<'_, '_>, scalar: ScalarType) -> Json {
    macro_rules! get {
        ($type:ty) => {
            *peek.get::<$type>().unwrap()
        };
    }
    match scalar {
        ScalarType::Unit => Json::Null,
        ScalarType::Bool => Json::Bool(get!(bool)),
        ScalarType::Char => Json::string(get!(char)),
        ScalarType::U8 => Json::number(get!(u8)),
        ScalarType::U16 => Json::number(get!(u16)),
        ScalarType::U32 => Json::number(get!(u32)),
        ScalarType::U64 => Json::string(get!(u64).to_string()),
        ScalarType::U128 => Json::string(get!(u128).to_string()),
        ScalarType::I8 => Json::number(get!(i8)),
        ScalarType::I16 => Json::number(get!(i16)),
        ScalarType::I32 => Json::number(get!(i32)),
        ScalarType::I64 => Json::string(get!(i64).to_string()),
        ScalarType::I128 => Json::string(get!(i128).to_string()),
        ScalarType::F32 => float_json(get!(f32) as f64),
        ScalarType::F64 => float_json(get!(f64)),
        ScalarType::String => Json::string(peek.as_str().unwrap()),
        other => panic!("no JSON for scalar {other:?}"),
    }
}

fn float_json(value: f64) -> Json {
    match value {
        _ if value.is_nan() => Json::string("NaN"),
        f64::INFINITY => Json::string("Infinity"),
        f64::NEG_INFINITY => Json::string("-Infinity"),
        _ if value == 0.0 && value.is_sign_negative() => Json::string("-0"),
        // Debug: the shortest text that is this number again, with an exponent when it is long.
        _ => Json::number(format!("{value:?}").trim_end_matches(".0")),
    }
}
