// Every item arrives once, in order and intact, memory stays within its bounds, and everything comes to its end.
import { schedules } from "./schedules.js";

schedules(0);
