// A page of documentation as what a reader could do with it: programs to run, files that they import, commands, and what
// each of them prints.
//
//   ```js, ```ts     the blocks between two headings are one program, in their order
//   // name.js       as the first line of a block: a file of that name, beside the programs
//   ```text          what the program between these headings prints; several are one after another
//   ```sh            commands, one a line; the block right after it is what they print
import { readFileSync } from "node:fs";

export interface Program {
  heading: string;
  language: "js" | "ts";
  code: string;
  prints: string;
}

export interface Commands {
  lines: string[];
  prints: string;
}

export interface Page {
  text: string;
  /** By name. */
  files: Map<string, string>;
  programs: Program[];
  commands: Commands[];
  /** Blocks in all: none is left out. */
  blocks: number;
}

export function readPage(path: string): Page {
  const text = readFileSync(path, "utf8");
  const page: Page = { text, files: new Map(), programs: [], commands: [], blocks: 0 };
  let heading = "";
  let program: Program | null = null;
  let commands: Commands | null = null; // those of the block before
  for (const [, title, language, code] of text.matchAll(/^#+ (.*)$|^```(\w+)\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) {
      heading = title;
      program = null;
      continue;
    }
    page.blocks++;
    const [, file] = /^\/\/ (\S+\.[jt]s)\n/.exec(code) ?? [];
    if (commands) {
      commands.prints = code;
      commands = null;
    } else if (language === "sh") {
      commands = { lines: code.trimEnd().split("\n"), prints: "" };
      page.commands.push(commands);
    } else if (file !== undefined) {
      page.files.set(file, code);
    } else if (language === "js" || language === "ts") {
      if (!program) page.programs.push((program = { heading, language, code: "", prints: "" }));
      if (program.language !== language) throw new Error(`"${heading}" mixes js and ts`);
      program.code += code;
    } else if (language === "text" && program) {
      program.prints += code;
    } else {
      throw new Error(`"${heading}" has a block of ${language} that nothing prints`);
    }
  }
  return page;
}
