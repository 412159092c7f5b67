// Scatter placement: the segments of an encoded item go to their final place, each copied once.
import { PLAN_ENTRY, PLAN_LENGTH, PLAN_SOURCE, PLAN_TARGET } from "./abi";

/** Bytes of the item that the plan describes. */
export function scatterSize(plan: usize, count: u32): u32 {
  let size: u32 = 0;
  for (let i: u32 = 0; i < count; i++, plan += PLAN_ENTRY) size += load<u32>(plan, PLAN_LENGTH);
  return size;
}

/**
 * Places the segments one after another from `target` on: staged ones are copied, for referenced ones
 * (source 0: bytes that JavaScript holds) only the target is entered into the plan. Returns the end address.
 */
export function scatterPlace(plan: usize, count: u32, target: usize): usize {
  for (let i: u32 = 0; i < count; i++, plan += PLAN_ENTRY) {
    const source = <usize>load<u32>(plan, PLAN_SOURCE);
    const length = load<u32>(plan, PLAN_LENGTH);
    store<u32>(plan, <u32>target, PLAN_TARGET);
    if (source) memory.copy(target, source, length);
    target += length;
  }
  return target;
}
