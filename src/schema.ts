// The public names of typed messages: "stable-conduit/schema". A program that sends plain bytes does not load them.
export { type Codec, type CodecOptions, codecOf, type Decoder, decoderOf } from "./codec/codec.js";
export { fingerprint } from "./codec/fingerprint.js";
export type { Json, SchemaNode } from "./codec/node.js";
export { buildPlan, MessagePlan } from "./codec/plan.js";
export {
  type AnySchema,
  array,
  asNumber,
  bool,
  bytes,
  char,
  enumOf,
  type Fields,
  type FieldWithDefault,
  f32,
  f64,
  type Infer,
  i8,
  i16,
  i32,
  i64,
  i128,
  list,
  map,
  option,
  payload,
  recursive,
  Schema,
  set,
  string,
  struct,
  tuple,
  u8,
  u16,
  u32,
  u64,
  u128,
  unit,
  type Variant,
  type Variants,
  withDefault,
} from "./codec/schema.js";
export { schemaFromJSON } from "./codec/schema-json.js";
