// What a message plan adds to a schema for a reader of another version.
//
// A plan's tree is the writer's schema, so it says what is on the wire; these properties say what the reader makes of
// it. Where they are absent, as in every schema, the reader takes what the writer wrote.
import type { EnumNode, FieldNode, StructNode, VariantNode } from "./node.js";

export interface FieldReading extends FieldNode {
  /** The reader has no such field. */
  readonly skip?: true;
}

/** The fields of a struct or of a struct variant. */
export interface FieldsReading {
  /** In the order of the wire. */
  readonly fields: readonly FieldReading[];
  /** The reader's fields in its order, when they differ from `fields`. */
  readonly properties?: readonly PropertyReading[];
}

export interface PropertyReading {
  readonly name: string;
  /** Makes the default of a field that the writer does not have. */
  readonly make?: () => unknown;
}

export interface StructReading extends StructNode, FieldsReading {
  readonly fields: readonly FieldReading[];
}

export interface VariantReading extends VariantNode {
  /** The reader has no such variant: a message with it cannot be read. */
  readonly unknown?: true;
}

export interface EnumReading extends EnumNode {
  readonly variants: readonly VariantReading[];
  /** Whether the reader's values are strings; absent: when no variant has a payload. */
  readonly units?: boolean;
}
