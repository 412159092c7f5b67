// @ts-check
// The measures of the world, which the page draws and the server keeps. Lengths are in units of the field.

export const FIELD = { width: 1600, height: 900 };
export const SHIP_RADIUS = 22;
export const GEM_RADIUS = 12;
export const PULSE_RADIUS = 170;
export const TICK_MS = 50;
