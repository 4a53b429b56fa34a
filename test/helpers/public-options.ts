// Owns finding the public functions that take objects with named fields, as the compiler knows them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const root = join(__dirname, '..', '..', '..');
const built = join(root, 'dist');

/** A parameter of `by`, which is `open`, `new DaxFile` or `DaxFile.read`; or a field of another object of that type. */
export interface Taken {
  readonly by: string;
  readonly type: string;
}

/** What programs import, and what the command line does by calling a function. */
function entryPoints(): string[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, string | { types: string }> };
  const types = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [] : [entry.types]));
  return [...types, 'dist/lib/bench/index.d.ts', 'dist/lib/demo/demo.d.ts'].map((path) => join(root, path));
}

const isOurs = (symbol: ts.Symbol): boolean => symbol.declarations?.some((node) => node.getSourceFile().fileName.startsWith(built)) === true;

const isHidden = (node: ts.Declaration): boolean =>
  (ts.getCombinedModifierFlags(node) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0 ||
  ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'internal');

class Walk {
  readonly found = new Map<string, Taken>();
  readonly #checker: ts.TypeChecker;
  readonly #isOther: (type: string) => boolean;

  constructor(checker: ts.TypeChecker, isOther: (type: string) => boolean) {
    this.#checker = checker;
    this.#isOther = isOther;
  }

  /** Looks at a function, or at a class with its methods. */
  lookAt(symbol: ts.Symbol): void {
    if (symbol.valueDeclaration === undefined || !isOurs(symbol)) return;
    const type = this.#checker.getTypeOfSymbol(symbol);
    this.#parameters(type.getCallSignatures(), () => symbol.name);
    this.#parameters(type.getConstructSignatures(), (name) => `new ${name ?? symbol.name}`);
    const [constructor] = type.getConstructSignatures();
    for (const member of constructor?.getReturnType().getProperties() ?? []) {
      if (isOurs(member)) this.#parameters(this.#checker.getTypeOfSymbol(member).getCallSignatures(), (name) => `${name ?? symbol.name}.${member.name}`);
    }
  }

  // `named` is given the class that has the declaration, which may be another than the one looked at.
  #parameters(signatures: readonly ts.Signature[], named: (owner: string | undefined) => string): void {
    for (const signature of signatures) {
      const node = signature.declaration as ts.SignatureDeclaration | undefined;
      if (node === undefined || isHidden(node)) continue;
      const owner = ts.isClassDeclaration(node.parent) ? node.parent.name?.text : undefined;
      for (const parameter of signature.parameters) this.#take(named(owner), this.#checker.getTypeOfSymbol(parameter));
    }
  }

  #take(by: string, taken: ts.Type): void {
    for (const type of this.#objectsIn(taken)) {
      const name = this.#checker.typeToString(type);
      if (this.#isOther(name) || this.found.has(`${by} ${name}`)) continue;
      this.found.set(`${by} ${name}`, { by, type: name });
      for (const field of type.getProperties()) this.#take(name, this.#checker.getTypeOfSymbol(field));
    }
  }

  #objectsIn(type: ts.Type): ts.Type[] {
    if (type.isUnion()) return type.types.flatMap((each) => this.#objectsIn(each));
    const element = this.#checker.isArrayType(type) ? this.#checker.getTypeArguments(type as ts.TypeReference)[0] : undefined;
    if (element !== undefined) return this.#objectsIn(element);
    const isObject = type.isIntersection() || (type.flags & ts.TypeFlags.Object) !== 0;
    return isObject && type.getCallSignatures().length === 0 && !type.isClass() && type.getProperties().some(isOurs) ? [type] : [];
  }
}

/** All objects with named fields that are taken, but those of a type that `isOther` knows, and instances of classes. */
export function objectsTaken(isOther: (type: string) => boolean): Taken[] {
  const files = entryPoints();
  const program = ts.createProgram(files, {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.esnext.d.ts'],
    strict: true,
    // Without the types of Node, which take the longest to read, and have no object of ours.
    types: [],
  });
  const checker = program.getTypeChecker();
  const walk = new Walk(checker, isOther);
  for (const file of files) {
    const source = program.getSourceFile(file);
    const module = source && checker.getSymbolAtLocation(source);
    if (module === undefined) throw new Error(`${file} is no module: build first`);
    for (const symbol of checker.getExportsOfModule(module)) walk.lookAt(symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
  }
  return [...walk.found.values()];
}
