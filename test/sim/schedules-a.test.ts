import { schedules } from "./schedules.js";

schedules(0);
