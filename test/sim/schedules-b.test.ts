// The other half of the seeds, for a second core.
import { schedules } from "./schedules.js";

schedules(1);
