// Pages are loaded again at any moment: a session goes through text into another machine, and nothing is lost,
// repeated or left over [resume.suspend].
import { runSchedule } from "./schedule.js";
import { seedsOf } from "./schedules.js";

seedsOf(
  "every item arrives once and in order when its sender is suspended and restored at any moment [resume.suspend]",
  {
    first: 0,
    step: 1,
    runs: 300,
    run: (seed) => runSchedule(seed, "reloading"),
  },
);
