import { matrix } from "./matrix.js";

matrix("acceptor");
