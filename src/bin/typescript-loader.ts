// Module hooks that load TypeScript with the compiler of the project that it belongs to: Node learnt it in 22.18, and
// does not find x.ts where x.js is imported.
import { readFile } from "node:fs/promises";
import type { InitializeHook, LoadHook, ResolveHook } from "node:module";
import { fileURLToPath } from "node:url";

/** The part of the compiler that is used. */
interface Compiler {
  transpileModule(
    text: string,
    options: { fileName: string; compilerOptions: object },
  ): { outputText: string };
  ModuleKind: { ESNext: number };
  ScriptTarget: { ES2022: number };
}

let compiler: Compiler | undefined;

/** `url`: of the project's typescript. */
export const initialize: InitializeHook<{ url: string }> = async ({ url }) => {
  compiler = ((await import(url)) as { default: Compiler }).default;
};

export const resolve: ResolveHook = async (specifier, context, next) => {
  try {
    return await next(specifier, context);
  } catch (error) {
    const source = specifier.replace(/\.([cm]?)js$/, ".$1ts");
    if ((error as { code?: string }).code !== "ERR_MODULE_NOT_FOUND" || source === specifier) throw error;
    return next(source, context);
  }
};

export const load: LoadHook = async (url, context, next) => {
  if (compiler === undefined || !/\.[cm]?ts$/.test(url)) return next(url, context);
  const fileName = fileURLToPath(url);
  const { outputText } = compiler.transpileModule(await readFile(fileName, "utf8"), {
    fileName,
    compilerOptions: { module: compiler.ModuleKind.ESNext, target: compiler.ScriptTarget.ES2022 },
  });
  return { format: "module", source: outputText, shortCircuit: true };
};
