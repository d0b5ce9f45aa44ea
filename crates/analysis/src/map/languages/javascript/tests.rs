use crate::map::testing::{imports, map_of, paths, symbols};

const TS: &str = r#"
import def, { one, two as zwei } from './local';
import * as all from '@/deep/thing';
import type { Kind } from "@scope/pkg/sub";
import './side.css';
import legacy = require('./legacy');
export { three, four as vier } from './again.js';
export * from './star';
export * as named from "./star";

export const LIMIT: number = 3, run = async () => { const inner = 1; };
const { left, right: renamed } = thing;
function later() { return import('./lazy'); }
export default function start() {}
export abstract class Server<T> extends Base implements Handler {
    static most = 3;
    #secret = 1;
    private handler = () => {};
    constructor() { super(); }
    async listen(): Promise<void> { function inner() {} }
    abstract stop(): void;
}
export interface Handler { handle(): void }
type Alias = string;
export enum Color { Red }
declare global { interface Window { x: number } }
export namespace Space { export function within() {} }
/** @type {import('./typed').Thing} */
export { later };
"#;

#[test]
fn what_typescript_defines_is_found() {
    let map = map_of(&[("a.ts", TS)]);
    assert_eq!(
        symbols(&map, "a.ts"),
        [
            "LIMIT Constant@11",
            "run Function@11",
            "left Constant@12 -",
            "renamed Constant@12 -",
            "later Function@13",
            "start Function@14",
            "Server Class@15",
            "Server.most Constant@16",
            "Server.#secret Constant@17 -",
            "Server.handler Method@18 -",
            "Server.listen Method@20",
            "Server.stop Method@21",
            "Handler Interface@23",
            "Alias Type@24 -",
            "Color Enum@25",
            "Window Interface@26 -",
            "Space Module@27",
            "Space.within Function@27",
        ]
    );
}

#[test]
fn imports_lead_to_files() {
    let map = map_of(&[
        (
            "config/tsconfig.base.json",
            "{\"compilerOptions\": {\"baseUrl\": \"../app\", \"paths\": {\"@/*\": [\"gone/*\", \"src/*\"],}}}",
        ),
        ("app/tsconfig.json", "{ // by hand\n\"extends\": \"../config/tsconfig.base\" }"),
        (
            "packages/one/package.json",
            "{\"name\": \"@scope/pkg\", \"main\": \"dist/index.js\", \"exports\": {\".\": {\"import\": \"./dist/index.mjs\"}, \"./sub\": {\"types\": \"./dist/sub/index.d.ts\"}}}",
        ),
        ("packages/one/src/index.ts", ""),
        (
            "packages/one/src/sub/index.ts",
            "import '..'; import 'based/x'; import '@scope/pkg'; import 'react';",
        ),
        ("app/src/a.ts", TS),
        ("app/src/local/index.tsx", ""),
        ("app/src/deep/thing.d.ts", ""),
        ("app/src/side.css", ""),
        ("app/src/legacy.cjs", ""),
        ("app/src/again.ts", ""),
        ("app/src/star.js", ""),
        ("app/src/lazy.vue", ""),
        ("app/src/typed.ts", "import 'based/x'"),
        ("app/based/x.mjs", ""),
    ]);
    assert_eq!(
        imports(&map, "app/src/a.ts"),
        [
            "./local(default as def, one, two as zwei) -> app/src/local/index.tsx",
            "@/deep/thing(* as all) -> app/src/deep/thing.d.ts",
            "@scope/pkg/sub(Kind) -> packages/one/src/sub/index.ts",
            "./side.css -> app/src/side.css",
            "./legacy -> app/src/legacy.cjs",
            "./again.js(three, four as vier) -> app/src/again.ts",
            "./star(*) -> app/src/star.js",
            "./star(* as named) -> app/src/star.js",
            "./lazy -> app/src/lazy.vue",
            "./typed -> app/src/typed.ts",
        ]
    );
    assert_eq!(
        imports(&map, "packages/one/src/sub/index.ts"),
        [
            ".. -> packages/one/src/index.ts",
            "based/x ->",
            "@scope/pkg -> packages/one/src/index.ts",
            "react ->"
        ]
    );
    assert_eq!(imports(&map, "app/src/typed.ts"), ["based/x -> app/based/x.mjs"]);
    assert_eq!(paths(&map, &map.module("@scope/pkg/sub")), ["packages/one/src/sub/index.ts"]);
    assert_eq!(paths(&map, &map.module("app/src/again")), ["app/src/again.ts"]);
}

#[test]
fn scripts_are_modules_too() {
    let map = map_of(&[
        (
            "lib/a.js",
            "'use strict';\nconst b = require('./b'), { c, d: e } = require('./c');\nexports.first = function () { require('./d') };\nmodule.exports.second = 1;\nfunction Third() {}\nThird.prototype.fourth = function () {};\nmodule.exports = { Third };\nconst view = <div>{b}</div>;\n",
        ),
        ("lib/b.js", "module.exports = require('./c');"),
        ("lib/c/package.json", "{\"main\": \"./entry\"}"),
        ("lib/c/entry.js", ""),
        ("lib/d.json", "{}"),
    ]);
    assert_eq!(
        imports(&map, "lib/a.js"),
        ["./b(* as b) -> lib/b.js", "./c(c, d as e) -> lib/c/entry.js", "./d -> lib/d.json",]
    );
    assert_eq!(
        symbols(&map, "lib/a.js"),
        [
            "first Function@3",
            "second Constant@4",
            "Third Function@5",
            "Third.fourth Method@6",
            "view Constant@8 -",
        ]
    );
}

#[test]
fn tests_are_found() {
    let map = map_of(&[
        ("src/net/http.ts", ""),
        ("src/net/http.test.ts", ""),
        ("src/net/__tests__/http.tsx", ""),
        ("src/view.tsx", ""),
        ("test/view.spec.js", ""),
        ("test/setup.ts", ""),
    ]);
    let tests = |path: &str| paths(&map, map.tests_of(map.file(path).unwrap())).join(" ");
    assert_eq!(tests("src/net/http.ts"), "src/net/__tests__/http.tsx src/net/http.test.ts");
    assert_eq!(tests("src/view.tsx"), "test/view.spec.js");
    assert!(map.is_test(map.file("test/setup.ts").unwrap()));
}
