import { matrix } from "./matrix.js";

matrix("initiator");
