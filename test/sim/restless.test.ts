// Late bytes, late hellos and late takeovers, one upon another: what a link leaves behind when another one follows.
import { runSchedule } from "./schedule.js";
import { seedsOf } from "./schedules.js";

seedsOf("every item arrives once and in order while the initiator leaves links that work [resume.takeover]", {
  first: 0,
  step: 1,
  runs: 1_500,
  run: (seed) => runSchedule(seed, "restless"),
});
